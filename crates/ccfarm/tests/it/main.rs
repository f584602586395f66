//! Tests of the real binary: against scripted nodes, and against Debian's distccd.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, as tests do"
)]

mod cli;
mod emulated;
mod fake_node;
mod farm;
mod files;
mod guard;
mod hostile;
mod lua;
mod nodes;
mod privileged;

use nightshift_testkit::Cmd;

/// The program under test.
fn ccfarm() -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_ccfarm"))
}
