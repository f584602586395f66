//! Fetch, prove and file UPS invoices.

pub mod alerts;
pub mod app;
pub mod archive;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod csv250;
pub mod day;
pub mod doctor;
pub mod document;
pub mod error;
pub mod evidence;
pub mod export;
pub mod fetch;
pub mod flow;
pub mod fsck;
pub mod ingest;
pub mod intake;
pub mod ledger;
pub mod mech;
pub mod money;
pub mod net;
pub mod policy;
pub mod profile;
pub mod redact;
pub mod report;
pub mod session;
pub mod tape;
pub mod template;
pub mod totals;
pub mod totp;
pub mod xml;

use std::fmt::Write as _;

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
