//! certwatch remembers the certificate chain of every TLS endpoint it is told about, says in words
//! what changed and why it matters, and is silent about the renewals and rotations that make up
//! nearly all changes.
//!
//! The threat is a man in the middle with a *valid* certificate: a sub-CA bought or compelled, a
//! CA talked into issuing. Browsers accept such a chain; only memory of what the server used to
//! present exposes it.
//!
//! ```console
//! # certwatch scan
//! www.example.org:443  critical  event 17
//!   owner-changed-unseen: CA owner changed, Let's Encrypt to Example Trust; ...
//! # certwatch diff www.example.org
//! # certwatch reject 17 -m "not ours"
//! ```
//!
//! What it promises: an unchanged fleet is silent and costs one update per endpoint; every way in
//! which a probe fails has its own name; what was presented is kept whatever failed; findings have
//! codes that are never renamed; a database that is damaged or foreign is refused, never replaced.
//! What it refuses: to guess who owns a CA from an intermediate's own words, to take passwords in
//! an address, to serve anything but listed targets.
//!
//! Reading order: `chain` (what a chain is), `paths` and `lenient` (what it is worth),
//! `classify` (what a change means: one pure function), `probe` and `sweep` (how chains are
//! got), `engine` (how they are taken in), `store`.

use std::ffi::OsString;
use std::process::ExitCode;

mod cert;
mod chain;
mod classify;
mod cli;
mod command;
mod config;
mod db;
mod digest;
mod dns;
mod due;
mod engine;
mod error;
mod finding;
#[cfg(test)]
mod forge;
#[doc(hidden)]
pub mod fuzz;
mod history;
mod import;
mod knowledge;
mod lenient;
mod level;
mod metrics;
mod observation;
mod outcome;
mod owner;
mod paths;
mod pem;
mod probe;
mod protocol;
mod replay;
mod report;
mod roots;
mod rule;
mod runfile;
mod schedule;
mod sct;
mod signed;
mod store;
mod sweep;
mod target;
mod targets;
mod vantage;
mod when;

/// Runs the tool on `argv` and returns its exit code.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    nightshift_common::run::run(
        &command::TOOL,
        argv,
        |cli: &cli::Cli| &cli.shared,
        command::run,
    )
}
