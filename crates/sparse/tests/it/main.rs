//! Tests of the real binary, a module per subject. Those under `privileged::` need root.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests fail the test, and damage files on purpose"
)]

mod contrib;
mod copy;
mod corpus;
mod dig;
mod librsync;
mod map;
mod mounted;
mod privileged;
mod rdiff_backup;
mod support;
mod verify;
