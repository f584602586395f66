//! Sums for people: a table on the terminal, one HTML page that needs nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use nightshift_common::escape::Escaped;

use crate::cli::ReportBy;
use crate::export::Entry;
use crate::money::show;

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
                .entry((name, invoice.currency.clone(), invoice.exponent))
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

/// The page: a plot of months, then every grouping as bars with their figures.
#[must_use]
pub fn html(entries: &[Entry], made: jiff::civil::Date) -> String {
    let mut page = String::from(HEAD);
    let first = entries.iter().map(|entry| entry.invoice.date).min();
    let last = entries.iter().map(|entry| entry.invoice.date).max();
    if let (Some(first), Some(last)) = (first, last) {
        let _ = writeln!(
            page,
            "<p>{} invoices, dated {first} to {last}. Made on {made}.</p>",
            entries.len()
        );
    } else {
        page.push_str("<p>No invoices.</p>\n");
    }
    for (by, title) in [
        (ReportBy::Month, "By month"),
        (ReportBy::Class, "By charge class"),
        (ReportBy::Service, "By service"),
        (ReportBy::Account, "By account"),
        (ReportBy::Zone, "By zone"),
    ] {
        let groups = group(entries, by);
        let mut currencies: Vec<&str> = groups.iter().map(|g| g.currency.as_str()).collect();
        currencies.sort_unstable();
        currencies.dedup();
        for currency in currencies {
            let of: Vec<&Group> = groups.iter().filter(|g| g.currency == currency).collect();
            let _ = writeln!(page, "<h2>{title}, {}</h2>", escape(currency));
            if by == ReportBy::Month {
                columns(&mut page, &of);
            }
            bars(&mut page, &of);
        }
    }
    page.push_str("</main></body></html>\n");
    page
}

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>UPS invoices</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { --ink: #222; --faint: #767676; --bar: #35637c; --credit: #a2543a; --paper: #fff; --line: #ddd }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --faint: #9a9a9a; --bar: #6aa3c2; --credit: #d08a70; --paper: #1b1d1f; --line: #3a3d40 }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }
main { max-width: 54rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
table { border-collapse: collapse; width: 100% }
td, th { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td.b { width: 40% } svg { display: block } .bar { fill: var(--bar) } .credit { fill: var(--credit) }
text { fill: var(--faint); font: 11px system-ui, sans-serif } line { stroke: var(--line) }
</style></head><body><main>
<h1>UPS invoices</h1>
"#;

/// Columns over time, zero line included: credits hang below it.
fn columns(page: &mut String, groups: &[&Group]) {
    const HEIGHT: f64 = 180.0;
    const WIDTH: f64 = 860.0;
    let high = groups
        .iter()
        .map(|group| group.minor.max(0))
        .max()
        .unwrap_or(0);
    let low = groups
        .iter()
        .map(|group| group.minor.min(0))
        .min()
        .unwrap_or(0);
    let range = size(high) + size(low);
    if range == 0.0 {
        return;
    }
    let zero = 14.0 + HEIGHT * size(high) / range;
    let count = u32::try_from(groups.len()).unwrap_or(u32::MAX);
    let step = (WIDTH / f64::from(count)).min(80.0);
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 {WIDTH} 220\" role=\"img\" aria-label=\"net by month\"><line x1=\"0\" x2=\"{WIDTH}\" y1=\"{zero:.1}\" y2=\"{zero:.1}\"/>"
    );
    // Labels are 40 wide; where months are closer, only every so many is named.
    let every = if step < 44.0 { 3 } else { 1 };
    for (index, group) in groups.iter().enumerate() {
        let x = step * f64::from(u32::try_from(index).unwrap_or(u32::MAX));
        let height = HEIGHT * size(group.minor) / range;
        let (y, class) = if group.minor < 0 {
            (zero, "credit")
        } else {
            (zero - height, "bar")
        };
        let _ = write!(
            page,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{} {}</title></rect>",
            x + step * 0.15,
            step * 0.7,
            escape(&group.name),
            group.net
        );
        if index % every == 0 {
            let _ = write!(
                page,
                "<text x=\"{:.1}\" y=\"214\" text-anchor=\"middle\">{}</text>",
                x + step / 2.0,
                escape(&group.name)
            );
        }
    }
    page.push_str("</svg>\n");
}

fn bars(page: &mut String, groups: &[&Group]) {
    let most = groups
        .iter()
        .map(|group| size(group.minor))
        .fold(0.0, f64::max);
    page.push_str("<table><tr><th>name</th><th></th><th class=\"n\">net</th><th class=\"n\">charges</th></tr>\n");
    for group in groups {
        let width = if most > 0.0 {
            100.0 * size(group.minor) / most
        } else {
            0.0
        };
        let class = if group.minor < 0 { "credit" } else { "bar" };
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td class=\"b\"><svg width=\"100%\" height=\"12\"><rect class=\"{class}\" width=\"{width:.2}%\" height=\"12\"/></svg></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&group.name),
            group.net,
            group.charges
        );
    }
    page.push_str("</table>\n");
}

/// Length of a bar. The only place where an amount becomes a float: a plot is no sum.
#[expect(clippy::cast_precision_loss, reason = "a bar's length needs no cents")]
fn size(minor: i64) -> f64 {
    minor.unsigned_abs() as f64
}

fn escape(text: &str) -> String {
    let text = Escaped::text(text).to_string();
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
