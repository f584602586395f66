//! The HTML page: one file, no script, nothing loaded from elsewhere.
//!
//! Plots are inline SVG. Their labels grow on narrow screens, where the drawing shrinks, and two
//! of three month names give way.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil::Date;
use nightshift_common::escape::Escaped;

use super::{Group, group};
use crate::cli::ReportBy;
use crate::export::Entry;
use crate::money::show;

/// The page: totals, a plot of months, then every grouping as bars with their figures.
#[must_use]
pub fn html(entries: &[Entry], made: Date) -> String {
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
    for (by, title, name) in [
        (ReportBy::Month, "By month", "Month"),
        (ReportBy::Class, "By charge class", "Class"),
        (ReportBy::Service, "By service", "Service"),
        (ReportBy::Account, "By account", "Account"),
        (ReportBy::Zone, "By zone", "Zone"),
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
            bars(&mut page, name, &of);
        }
    }
    page.push_str("</main></body></html>\n");
    page
}

/// The icon is an empty one: browsers ask the server for a file where a page names none.
const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>UPS invoices</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --ink: #222; --faint: #6b6b6b; --bar: #35637c; --credit: #a2543a; --paper: #fff; --line: #ddd }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --faint: #a0a0a0; --bar: #6aa3c2; --credit: #d08a70; --paper: #1b1d1f; --line: #3a3d40 }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 }
main { max-width: 54rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
td, th { padding: .25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle; overflow-wrap: anywhere }
th { color: var(--faint); font-weight: 600 } tfoot td { font-weight: 600; border-bottom: 0 }
td small { color: var(--faint); font-size: .85em }
th:nth-child(1) { width: 30% } th:nth-child(3) { width: 9rem } th:nth-child(4) { width: 5.5rem }
td.n, th.n { padding-left: .6rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
svg { display: block } svg.plot { width: 100%; height: auto; margin-bottom: 1rem; overflow: visible }
.bar { fill: var(--bar) } .credit { fill: var(--credit) }
text { fill: var(--faint); font: 12px system-ui, sans-serif }
line { stroke: var(--line) } line.zero { stroke: var(--faint) }
@media (max-width: 40rem) {
  main { margin: 1rem auto } text { font-size: 22px } text.between { display: none }
  th:nth-child(3) { width: 6.8rem } th:nth-child(4) { width: 4.6rem }
}
</style></head><body><main>
<h1>UPS invoices</h1>
"#;

/// Width of the plot, its left edge included.
const WIDTH: f64 = 860.0;
/// Left of the columns, for the figures of the axis.
const LEFT: f64 = 116.0;
/// Above the columns, so that the uppermost figure has room.
const TOP: f64 = 16.0;
/// Of the columns.
const HEIGHT: f64 = 190.0;

/// Columns over time, one for every month between the first and the last; credits hang below the
/// zero line.
fn columns(page: &mut String, groups: &[&Group]) {
    let months = every_month(groups);
    let Some(sample) = groups.first() else {
        return;
    };
    let high = months.iter().map(|(_, minor)| *minor).max().unwrap_or(0);
    let low = months.iter().map(|(_, minor)| *minor).min().unwrap_or(0);
    let (high, low) = (high.max(0), low.min(0));
    let step = round_step(high.saturating_sub(low));
    let top = high.saturating_add(step - 1) / step * step;
    let bottom = low.saturating_sub(step - 1) / step * step;
    let range = size(top) + size(bottom);
    if range == 0.0 {
        return;
    }
    let height_of = |minor: i64| HEIGHT * size(minor) / range;
    let zero = TOP + height_of(top);
    let _ = write!(
        page,
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"net by month\">",
        TOP + HEIGHT + 34.0
    );
    let mut mark = bottom;
    while mark <= top {
        let y = if mark < 0 {
            zero + height_of(mark)
        } else {
            zero - height_of(mark)
        };
        let class = if mark == 0 { " class=\"zero\"" } else { "" };
        let _ = write!(
            page,
            "<line{class} x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            axis_figure(mark, sample.exponent)
        );
        mark = mark.saturating_add(step);
    }
    let wide = (WIDTH - LEFT) / f64::from(u32::try_from(months.len()).unwrap_or(u32::MAX));
    // A label is about 50 wide.
    let every = if wide < 54.0 { 3 } else { 1 };
    for (index, (month, minor)) in months.iter().enumerate() {
        let x = LEFT + wide * f64::from(u32::try_from(index).unwrap_or(u32::MAX));
        let height = height_of(*minor);
        let (y, class) = if *minor < 0 {
            (zero, "credit")
        } else {
            (zero - height, "bar")
        };
        let bar = (wide * 0.7).min(64.0);
        let _ = write!(
            page,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{bar:.1}\" height=\"{height:.1}\"><title>{month} {}</title></rect>",
            x + (wide - bar) / 2.0,
            grouped(*minor, sample.exponent)
        );
        if index % every == 0 {
            // On narrow screens four names have room, of more only every third is shown.
            let class = if index % 3 == 0 || months.len() <= 4 {
                ""
            } else {
                " class=\"between\""
            };
            let _ = write!(
                page,
                "<text{class} x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{month}</text>",
                x + wide / 2.0,
                TOP + HEIGHT + 26.0
            );
        }
    }
    page.push_str("</svg>\n");
}

/// Months from the first to the last without a gap: an axis of time that skips one would lie.
fn every_month(groups: &[&Group]) -> Vec<(String, i64)> {
    let known: BTreeMap<&str, i64> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.minor))
        .collect();
    let day = |name: &str| format!("{name}-01").parse::<Date>().ok();
    let first = known.keys().next().and_then(|name| day(name));
    let last = known.keys().next_back().and_then(|name| day(name));
    let mut months = Vec::new();
    if let (Some(mut month), Some(last)) = (first, last) {
        while month <= last {
            let name = month.strftime("%Y-%m").to_string();
            let minor = known.get(name.as_str()).copied().unwrap_or(0);
            months.push((name, minor));
            month = month.saturating_add(1.month());
        }
    }
    months
}

/// 1, 2 or 5 times a power of ten, so that `range` takes at most five steps.
fn round_step(range: i64) -> i64 {
    let mut step = 1_i64;
    for factor in [2, 5, 10].into_iter().cycle() {
        if range / step <= 5 {
            break;
        }
        let decade = 10_i64.pow(step.ilog10());
        match decade.checked_mul(factor) {
            Some(next) => step = next,
            None => break,
        }
    }
    step
}

fn bars(page: &mut String, name: &str, groups: &[&Group]) {
    let most = groups
        .iter()
        .map(|group| size(group.minor))
        .fold(0.0, f64::max);
    let _ = writeln!(
        page,
        "<table><thead><tr><th>{name}</th><th></th><th class=\"n\">Net</th><th class=\"n\">Charges</th></tr></thead><tbody>"
    );
    let (mut sum, mut charges) = (0_i64, 0);
    for group in groups {
        sum = sum.saturating_add(group.minor);
        charges += group.charges;
        let width = if most > 0.0 {
            100.0 * size(group.minor) / most
        } else {
            0.0
        };
        let class = if group.minor < 0 { "credit" } else { "bar" };
        let words = match (name, class_words(&group.name)) {
            ("Class", Some(words)) => format!(" <small>{words}</small>"),
            _ => String::new(),
        };
        let _ = writeln!(
            page,
            "<tr><td>{}{words}</td><td><svg width=\"100%\" height=\"12\"><rect class=\"{class}\" width=\"{width:.2}%\" height=\"12\"/></svg></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(&group.name),
            grouped(group.minor, group.exponent),
            group.charges
        );
    }
    let exponent = groups.first().map_or(2, |group| group.exponent);
    let _ = writeln!(
        page,
        "</tbody><tfoot><tr><td>Total</td><td></td><td class=\"n\">{}</td><td class=\"n\">{charges}</td></tr></tfoot></table>",
        grouped(sum, exponent)
    );
}

/// What a classification code stands for.
fn class_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "FRT" => "transport",
        "GOV" => "duties",
        "BRK" => "brokerage",
        "ACC" => "accessorials",
        "FSC" => "fuel",
        "TAX" => "tax",
        "EXM" => "exemptions",
        "MSC" => "miscellaneous",
        "INF" => "information only",
        "TBD" => "to be decided",
        _ => return None,
    })
}

/// An amount with commas between thousands: `1,234.50`.
fn grouped(minor: i64, exponent: u8) -> String {
    let text = show(minor, exponent);
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", &*text), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A figure of the axis: without a fraction where there is none.
fn axis_figure(minor: i64, exponent: u8) -> String {
    let text = grouped(minor, exponent);
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => text,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn month(name: &str, minor: i64) -> Group {
        Group {
            name: name.to_owned(),
            currency: "USD".to_owned(),
            exponent: 2,
            minor,
            net: show(minor, 2),
            charges: 1,
        }
    }

    #[test]
    fn the_axis_of_time_has_no_gaps() {
        let groups = [month("2025-11", 5), month("2026-02", 7)];
        let months = every_month(&groups.iter().collect::<Vec<_>>());
        let names: Vec<&str> = months.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["2025-11", "2025-12", "2026-01", "2026-02"]);
        assert_eq!(months[1].1, 0);
    }

    #[test]
    fn the_axis_has_round_figures() {
        for (range, step) in [(0, 1), (5, 1), (6, 2), (1234, 500), (9_716_487, 2_000_000)] {
            assert_eq!(round_step(range), step, "{range}");
        }
        assert!(i64::MAX / round_step(i64::MAX) <= 10);
        assert_eq!(axis_figure(8_000_000, 2), "80,000");
        assert_eq!(axis_figure(-50, 2), "-0.50");
        assert_eq!(grouped(-123_456_789, 2), "-1,234,567.89");
        assert_eq!(grouped(1000, 0), "1,000");
    }

    #[test]
    fn extreme_months_are_drawn() {
        for (a, b) in [(i64::MAX, i64::MIN), (0, 0), (-1, -1), (i64::MAX, i64::MAX)] {
            let groups = [month("2026-01", a), month("2026-02", b)];
            let mut page = String::new();
            columns(&mut page, &groups.iter().collect::<Vec<_>>());
            assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
            assert!(page.matches("<line").count() <= 14, "{page}");
        }
    }
}
