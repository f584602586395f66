//! Fetch, prove and file UPS invoices.

pub mod archive;
pub mod check;
pub mod clock;
pub mod csv250;
pub mod day;
pub mod document;
pub mod error;
pub mod intake;
pub mod ledger;
pub mod mech;
pub mod money;
pub mod net;
pub mod policy;
pub mod xml;

use std::fmt::Write as _;

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
