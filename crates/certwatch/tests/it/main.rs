//! Runs the real binary against real TLS servers on loopback.

mod fleet;
mod memory;
mod offline;
mod servers;
