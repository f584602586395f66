//! The door to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    blockfuse::main(std::env::args_os().collect())
}
