//! The binary is a door to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ups_invoices::app::main(std::env::args_os())
}
