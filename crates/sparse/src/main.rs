//! The `sparseimg` binary.
fn main() {}
