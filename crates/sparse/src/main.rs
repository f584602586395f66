//! The `sparseimg` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sparse::main(std::env::args_os())
}
