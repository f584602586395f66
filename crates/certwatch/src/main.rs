//! The certwatch binary: a door to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    certwatch::main(std::env::args_os())
}
