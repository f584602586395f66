//! Looks over the ledger for what needs a person, and raises each thing once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};

use crate::config::AlertRules;
use crate::ledger::{Ledger, LedgerError, WeekSpend};
use crate::money::show;
use crate::net::tls::Seen;

/// Weeks that a week is compared with.
const WEEKS: usize = 12;
/// Fewer weeks than this are no basis for "unusual".
const FEWEST_WEEKS: usize = 8;

/// Raises all alerts that are due.
pub fn update(
    ledger: &mut Ledger,
    rules: AlertRules,
    today: Date,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let now = now.to_string();
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for charge in ledger.duplicates()? {
        let amount = show(charge.net, charge.exponent);
        let key = format!(
            "{} {} {} {amount}",
            charge.tracking, charge.class, charge.code
        );
        pairs.entry(key).or_default().push(charge.invoice);
    }
    for (key, mut invoices) in pairs {
        invoices.dedup();
        let text = format!(
            "charged on {} invoices ({}): {key}",
            invoices.len(),
            invoices.join(", ")
        );
        ledger.raise("duplicate", &key, &text, &now)?;
    }
    for charge in ledger.adjustments()? {
        let amount = show(charge.net, charge.exponent);
        let text = format!(
            "adjustment on invoice {} of {}: {} {} {amount} {} {}",
            charge.invoice,
            charge.date,
            charge.category,
            charge.description,
            charge.currency,
            charge.tracking
        );
        let key = format!(
            "{} {} {} {amount}",
            charge.invoice, charge.tracking, charge.code
        );
        ledger.raise("adjustment", &key, &text, &now)?;
    }
    let days =
        |time: std::time::Duration| i64::try_from(time.as_secs() / 86_400).unwrap_or(i64::MAX);
    for listing in ledger.listings(None, None)? {
        let Some(due) = listing.due else { continue };
        let left = today
            .until(due)
            .map_or(i64::MAX, |span| i64::from(span.get_days()));
        if (0..=days(rules.due_within)).contains(&left) {
            let text = format!(
                "invoice {} over {} {} is due on {due}",
                listing.number,
                listing.shown_amount(),
                listing.currency
            );
            ledger.raise("due", &format!("{} {due}", listing.number), &text, &now)?;
        }
    }
    let spends = ledger.spends()?;
    let mut newest: BTreeMap<&str, Date> = BTreeMap::new();
    for spend in &spends {
        let last = newest.entry(&spend.account).or_insert(spend.date);
        *last = (*last).max(spend.date);
    }
    for (account, last) in newest {
        let silent = last
            .until(today)
            .map_or(0, |span| i64::from(span.get_days()));
        if silent > days(rules.missing_after) {
            let text = format!("account {account}: no invoice since {last}, {silent} days ago");
            ledger.raise("missing", &format!("{account} {last}"), &text, &now)?;
        }
    }
    for (key, text) in unusual_weeks(&spends, rules.spend_deviations, today) {
        ledger.raise("spend", &key, &text, &now)?;
    }
    Ok(())
}

/// Notes who issued the certificates seen in a run, and raises an alert where that changed: a
/// renewal under another authority, or somebody between us and the portal whom the machine trusts.
pub fn issuers(
    ledger: &mut Ledger,
    hosts: &[String],
    seen: &Seen,
    now: &str,
) -> Result<(), LedgerError> {
    for host in hosts {
        let Some(leaf) = seen.chain(host).into_iter().next() else {
            continue;
        };
        if let Some(before) = ledger.note_issuer(host, &leaf.issuer, now)? {
            let text = format!(
                "the certificate of {host} is now issued by {}; before it was {before}",
                leaf.issuer
            );
            ledger.raise("issuer", &format!("{host} {now}"), &text, now)?;
        }
    }
    Ok(())
}

/// The last complete week of each account and currency, if it is out of line.
fn unusual_weeks(spends: &[WeekSpend], deviations: u32, today: Date) -> Vec<(String, String)> {
    let mut weeks: BTreeMap<(&str, &str, u8), BTreeMap<Date, i64>> = BTreeMap::new();
    for spend in spends {
        let series = weeks
            .entry((&spend.account, &spend.currency, spend.exponent))
            .or_default();
        let sum = series.entry(monday(spend.date)).or_insert(0_i64);
        *sum = sum.saturating_add(spend.minor);
    }
    let this_week = monday(today);
    let mut unusual = Vec::new();
    for ((account, currency, exponent), series) in weeks {
        let complete: Vec<(Date, i64)> = series
            .into_iter()
            .filter(|(week, _)| *week < this_week)
            .collect();
        let Some(((week, latest), before)) = complete.split_last() else {
            continue;
        };
        let basis: Vec<i64> = before
            .iter()
            .rev()
            .take(WEEKS)
            .map(|(_, minor)| *minor)
            .collect();
        if let Some(median) = out_of_line(&basis, *latest, deviations) {
            let text = format!(
                "account {account}: {} {currency} in the week of {week}, usually about {}",
                show(*latest, exponent),
                show(median, exponent)
            );
            unusual.push((format!("{account} {currency} {week}"), text));
        }
    }
    unusual
}

/// The median of `basis` if `value` is further from it than `deviations` median absolute
/// deviations; `None` if it is not, or the basis is too small or all equal.
fn out_of_line(basis: &[i64], value: i64, deviations: u32) -> Option<i64> {
    if basis.len() < FEWEST_WEEKS {
        return None;
    }
    let median_of = |mut values: Vec<i64>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    let median = median_of(basis.to_vec());
    let distance = |minor: &i64| minor.saturating_sub(median).saturating_abs();
    let deviation = median_of(basis.iter().map(distance).collect());
    let limit = deviation.saturating_mul(i64::from(deviations));
    (deviation > 0 && distance(&value) > limit).then_some(median)
}

fn monday(date: Date) -> Date {
    let back = date.weekday().since(Weekday::Monday);
    date.saturating_sub(jiff::Span::new().days(back))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Format, InvoiceFacts, InvoiceKey, NewCharge, NewDocument};
    use jiff::civil::date;
    use std::time::Duration;

    const RULES: AlertRules = AlertRules {
        due_within: Duration::from_hours(5 * 24),
        missing_after: Duration::from_hours(10 * 24),
        spend_deviations: 4,
        new_invoice: false,
    };

    fn invoice(ledger: &mut Ledger, number: &str, charges: &[(&str, &str, i64)]) {
        let key = InvoiceKey::new("p", "A1", number, date(2026, 2, 14));
        let facts = InvoiceFacts {
            currency: "USD".into(),
            exponent: 2,
            amount: Some(1),
            due: Some(date(2026, 2, 28)),
            ..InvoiceFacts::default()
        };
        let (id, _) = ledger.note_invoice(&key, &facts, "t").unwrap();
        let charges = charges
            .iter()
            .map(|(class, detail, net)| NewCharge {
                tracking: "1Z9".into(),
                code: "003".into(),
                class: (*class).into(),
                detail: (*detail).into(),
                net: *net,
                ..NewCharge::default()
            })
            .collect();
        ledger
            .store(
                id,
                Format::Csv,
                1,
                &NewDocument {
                    charges,
                    path: number.into(),
                    ..NewDocument::default()
                },
            )
            .unwrap();
    }

    fn kinds(ledger: &mut Ledger, today: Date) -> Vec<String> {
        update(ledger, RULES, today, Timestamp::UNIX_EPOCH).unwrap();
        ledger
            .alerts(false)
            .unwrap()
            .into_iter()
            .map(|alert| alert.kind)
            .collect()
    }

    #[test]
    fn a_charge_on_two_invoices_is_one_alert() {
        let mut ledger = Ledger::in_memory().unwrap();
        invoice(
            &mut ledger,
            "1",
            &[("FRT", "SRB", 500), ("INF", "SRB", 500)],
        );
        invoice(
            &mut ledger,
            "2",
            &[("FRT", "SRB", 500), ("INF", "SRB", 500)],
        );
        assert_eq!(kinds(&mut ledger, date(2026, 2, 15)), ["duplicate"]);
        assert_eq!(
            kinds(&mut ledger, date(2026, 2, 15)).len(),
            1,
            "raised once"
        );
    }

    #[test]
    fn a_charge_that_was_credited_is_none() {
        let mut ledger = Ledger::in_memory().unwrap();
        invoice(&mut ledger, "1", &[("FRT", "SRB", 500)]);
        invoice(
            &mut ledger,
            "2",
            &[("FRT", "SRB", -500), ("FRT", "SRB", 500)],
        );
        assert!(kinds(&mut ledger, date(2026, 2, 15)).is_empty());
    }

    #[test]
    fn corrections_due_dates_and_silence_are_alerted() {
        let mut ledger = Ledger::in_memory().unwrap();
        invoice(&mut ledger, "1", &[("ACC", "ADC", 1800)]);
        assert_eq!(kinds(&mut ledger, date(2026, 2, 15)), ["adjustment"]);
        assert_eq!(kinds(&mut ledger, date(2026, 2, 24)), ["adjustment", "due"]);
        assert_eq!(
            kinds(&mut ledger, date(2026, 2, 25))
                .last()
                .map(String::as_str),
            Some("missing")
        );
    }

    #[test]
    fn a_week_is_unusual_by_median_deviations() {
        let usual = [100, 110, 90, 105, 95, 100, 108, 92];
        assert_eq!(out_of_line(&usual, 104, 4), None);
        assert_eq!(out_of_line(&usual, 400, 4), Some(100));
        assert_eq!(out_of_line(&usual[..7], 400, 4), None, "too few weeks");
        assert_eq!(
            out_of_line(&[100; 8], 101, 4),
            None,
            "no deviation to measure by"
        );
        let extreme = [i64::MIN, i64::MAX, 0, 0, 1, 2, 3, 4];
        assert!(out_of_line(&extreme, i64::MAX, 4).is_some());
    }

    #[test]
    fn years_of_53_weeks_have_one_monday_a_week() {
        assert_eq!(monday(date(2027, 1, 1)), date(2026, 12, 28));
        assert_eq!(monday(date(2026, 12, 28)), date(2026, 12, 28));
    }
}
