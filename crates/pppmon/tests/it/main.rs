//! Tests of the program itself. Those under `vm` need a kernel with PPP to themselves.

#![expect(
    clippy::disallowed_methods,
    reason = "test files need no atomic replacement"
)]

mod commands;
mod vm;
