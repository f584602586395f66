//! Runs the real binary against real TLS servers on loopback.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, in its helpers too"
)]

mod fleet;
mod memory;
mod offline;
mod servers;
