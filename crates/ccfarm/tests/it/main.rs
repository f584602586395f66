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

use std::time::Duration;

use nightshift_testkit::Cmd;

/// How long anything that compiles may take; a loaded machine is no failure.
const PATIENCE: Duration = Duration::from_mins(10);

/// The program under test.
fn ccfarm() -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_ccfarm")).timeout(PATIENCE)
}
