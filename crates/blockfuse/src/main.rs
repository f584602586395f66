//! The door to the library.

fn main() {}
