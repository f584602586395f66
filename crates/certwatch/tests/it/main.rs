//! Runs the real binary against real TLS servers on loopback.
#![allow(
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise, in its helpers too"
)]

mod corpus;
mod decisions;
mod durability;
mod fleet;
mod hostile;
mod memory;
mod names;
mod notices;
mod offline;
mod postgres;
mod servers;
mod turns;
mod vantages;
mod watch;
