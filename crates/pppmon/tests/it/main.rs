//! Tests of the program itself. Those under `vm` and `hardware` need a kernel with PPP to
//! themselves.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test files need no atomic replacement; a failed step fails the test; figures are shown"
)]

mod commands;
mod hardware;
mod vm;
