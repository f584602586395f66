//! Sums for people: a table on the terminal, one HTML page that needs nothing else.

mod page;

use std::collections::BTreeMap;
use std::io::{self, Write};

use nightshift_common::escape::Escaped;

use crate::cli::ReportBy;
use crate::export::Entry;
use crate::money::show;

pub use page::html;

/// Sums of one grouping by currency, largest first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Group {
    /// Service, zone, account, month or class.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Digits after its decimal sign.
    #[serde(skip)]
    pub exponent: u8,
    /// Minor units.
    #[serde(skip)]
    pub minor: i64,
    /// The sum as text.
    pub net: String,
    /// Charges.
    pub charges: u64,
}

/// Groups the charges of all entries.
#[must_use]
pub fn group(entries: &[Entry], by: ReportBy) -> Vec<Group> {
    let mut sums: BTreeMap<(String, String, u8), (i64, u64)> = BTreeMap::new();
    for entry in entries {
        let invoice = &entry.invoice;
        for charge in &entry.charges {
            let name = match by {
                ReportBy::Service => charge.service.clone(),
                ReportBy::Zone => charge.zone.clone(),
                ReportBy::Account => invoice.account.clone(),
                ReportBy::Month => invoice.date.strftime("%Y-%m").to_string(),
                ReportBy::Class => charge.class.clone(),
            };
            let name = if name.is_empty() {
                "(none)".to_owned()
            } else {
                name
            };
            let sum = sums
                .entry((name, charge.currency.clone(), charge.exponent))
                .or_default();
            sum.0 = sum.0.saturating_add(charge.net);
            sum.1 += 1;
        }
    }
    let mut groups: Vec<Group> = sums
        .into_iter()
        .map(|((name, currency, exponent), (minor, charges))| Group {
            name,
            currency,
            exponent,
            minor,
            net: show(minor, exponent),
            charges,
        })
        .collect();
    match by {
        ReportBy::Month | ReportBy::Zone => {}
        _ => groups.sort_by(|a, b| (&a.currency, -a.minor).cmp(&(&b.currency, -b.minor))),
    }
    groups
}

/// Prints a table.
pub fn table(out: &mut impl Write, title: &str, groups: &[Group]) -> io::Result<()> {
    let name = |group: &Group| Escaped::text(&group.name).to_string();
    let width = groups
        .iter()
        .map(|g| name(g).chars().count())
        .max()
        .unwrap_or(0)
        .max(title.len());
    writeln!(
        out,
        "{title:<width$}  {:>14} {:<3}  {:>9}",
        "net", "", "charges"
    )?;
    for group in groups {
        writeln!(
            out,
            "{:<width$}  {:>14} {:<3}  {:>9}",
            name(group),
            group.net,
            group.currency,
            group.charges
        )?;
    }
    let mut totals: BTreeMap<(&str, u8), (i64, u64)> = BTreeMap::new();
    for group in groups {
        let total = totals.entry((&group.currency, group.exponent)).or_default();
        total.0 = total.0.saturating_add(group.minor);
        total.1 += group.charges;
    }
    for ((currency, exponent), (minor, charges)) in totals {
        let total = show(minor, exponent);
        writeln!(
            out,
            "{:<width$}  {total:>14} {currency:<3}  {charges:>9}",
            "total"
        )?;
    }
    Ok(())
}
