//! Tests of the real program. Those under `privileged::` need root and real loop devices.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where, by panicking"
)]

mod backup;
mod bad_input;
mod changed;
mod daemon;
mod exported;
mod failing;
mod kernel;
mod listed;
mod mounted;
mod refreshed;
mod source;
mod tools;
mod vm;
mod volumes;
mod watch;
