//! Fetch, prove and file UPS invoices.
//!
//! UPS keeps invoices for 52 weeks and offers no API for them. This crate takes them in by three
//! doors (files, a session imported from a browser, a form sign-in described by a profile), adds
//! every row up to the cent, keeps the files in an archive and what they say in a ledger.
//!
//! ```console
//! # ups-invoices ingest /srv/incoming/ups
//! stored 2026-02-14_000000A1B2C3001.csv
//! # ups-invoices check
//! 2026-02-14  000000A1B2C3001       passed 6 checks
//! ```
//!
//! Promised: certificates are always verified; nothing is requested that the profile does not
//! list; a password is posted once; amounts are never floats; a file is whole or not there.
//! Refused: captchas, bot walls and other layouts than the 250-column billing data file.
//!
//! Read on in [`csv250`] for the format, [`check`] for the verdicts, [`flow`] and [`policy`] for
//! what happens at a portal, and `docs/architecture.md` for the map.

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
