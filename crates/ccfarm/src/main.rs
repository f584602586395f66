//! The door to the `ccfarm` library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ccfarm::main(std::env::args_os())
}
