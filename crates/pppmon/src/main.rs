//! Entry point; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pppmon::main(std::env::args_os())
}
