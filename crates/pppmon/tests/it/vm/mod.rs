//! Scenarios with real pppds on two hosts, joined by lines that can be pulled out.
//!
//! `benches/comparison.rs` measures with the same hosts and lines.

mod demo;
mod fake;
mod fakes;
mod host;
mod kernel;
mod pppoe;
mod probe;
mod rejoin;
mod relay;
mod scenarios;
pub(crate) mod service;
mod side;
mod world;
