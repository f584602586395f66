//! Tests of the program as a whole.

#![expect(
    clippy::disallowed_methods,
    reason = "a test's own file need not be atomic"
)]

mod changed;
mod kernel;
mod mounted;
mod source;
mod tools;
mod vm;
mod volumes;
mod watch;
