//! Verdicts on an invoice: what is proven, what is wrong, what nobody can tell.
//!
//! Takes sums and facts, gives findings; reads no file and asks no clock. "Not provable" is an
//! answer of its own and never counts as passed.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;

use crate::csv250::{InvoiceSum, Sums, columns};
use crate::money::show;
use crate::xml::XmlInvoice;

/// Named checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Sum of net equals the invoice amount.
    Sum,
    /// Amount, currency, date and account are equal on all rows.
    Header,
    /// Number, date and account are those asked for.
    Asked,
    /// CSV, XML and list agree.
    Cross,
    /// The file has a known layout; values of guessed types are odd.
    Layout,
    /// One currency throughout.
    Currency,
    /// Number and date are there and the date is possible.
    Plausible,
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Sum => "sum",
            Self::Header => "header",
            Self::Asked => "asked",
            Self::Cross => "cross",
            Self::Layout => "layout",
            Self::Currency => "currency",
            Self::Plausible => "plausible",
        })
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both values are equal.
    Passed,
    /// They are not.
    Failed,
    /// There is nothing to compare with, or no known rule.
    NotProvable,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotProvable => "not provable",
        })
    }
}

/// A check and both values it compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How it came out.
    pub outcome: Outcome,
    /// Field, both sources and both values, in words.
    pub detail: String,
}

/// What the portal's list says of an invoice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: String,
    /// Its date.
    pub date: Option<Date>,
    /// Shipper number.
    pub account: Option<String>,
    /// Its amount in minor units.
    pub amount: Option<i64>,
}

/// How strictly to judge.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Largest accepted difference in minor units, 0 unless the user set one.
    pub tolerance: u64,
    /// The day the check is made on: invoices dated beyond the next year are not plausible.
    pub today: Date,
}

/// All findings on one invoice from what is at hand.
#[must_use]
pub fn judge(
    csv: Option<&InvoiceSum>,
    xml: Option<&XmlInvoice>,
    list: Option<&Listed>,
    rules: Rules,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(csv) = csv {
        findings.push(sum_of_csv(csv, rules.tolerance));
        findings.push(header(csv));
        findings.push(currency(csv));
        findings.push(plausible(csv, rules.today));
    }
    if let Some(xml) = xml {
        findings.push(sum_of_xml(xml, csv, rules.tolerance));
    }
    if let Some(list) = list {
        findings.push(asked(csv, xml, list));
    }
    findings.extend(cross(csv, xml, list, rules.tolerance));
    findings
}

/// What the layout check says of a whole CSV file.
#[must_use]
pub fn layout(sums: &Sums) -> Finding {
    let Some(remark) = sums.remarks.first() else {
        return Finding {
            check: Check::Layout,
            outcome: Outcome::Passed,
            detail: String::new(),
        };
    };
    let column = &columns::all()[remark.column];
    let value: String = remark
        .value
        .chars()
        .take(40)
        .flat_map(char::escape_debug)
        .collect();
    let detail = format!(
        "{} values of column {} ({}) do not read as the type its name suggests, the first in line {}: `{value}`",
        remark.count, column.number, column.name, remark.line
    );
    Finding {
        check: Check::Layout,
        outcome: Outcome::NotProvable,
        detail,
    }
}

fn sum_of_csv(csv: &InvoiceSum, tolerance: u64) -> Finding {
    let (net, amount) = (show(csv.net, csv.exponent), show(csv.amount, csv.exponent));
    let detail = format!(
        "CSV net sum {net}, CSV invoice amount {amount} {}",
        csv.currency
    );
    if let Some((other, line)) = &csv.other_currency {
        let detail = format!(
            "{detail}; line {line} is in {other}, and how such invoices add up is not known"
        );
        return Finding {
            check: Check::Sum,
            outcome: Outcome::NotProvable,
            detail,
        };
    }
    compared(Check::Sum, csv.net, csv.amount, tolerance, detail)
}

fn sum_of_xml(xml: &XmlInvoice, csv: Option<&InvoiceSum>, tolerance: u64) -> Finding {
    let exponent = exponent_of(csv, Some(xml));
    let net = show(xml.net, exponent);
    match xml.amount {
        Some(amount) => {
            let detail = format!(
                "XML net sum {net}, XML invoice amount {}",
                show(amount, exponent)
            );
            compared(Check::Sum, xml.net, amount, tolerance, detail)
        }
        None => Finding {
            check: Check::Sum,
            outcome: Outcome::NotProvable,
            detail: format!("XML net sum {net}; the mapping names no header to compare it with"),
        },
    }
}

fn header(csv: &InvoiceSum) -> Finding {
    let (outcome, detail) = match csv.disagreements.first() {
        None => (Outcome::Passed, format!("equal on {} rows", csv.rows)),
        Some((name, line, first, other)) => (
            Outcome::Failed,
            format!(
                "{name} is `{}` in line {} and `{}` in line {line}",
                first.escape_debug(),
                csv.first_line,
                other.escape_debug()
            ),
        ),
    };
    Finding {
        check: Check::Header,
        outcome,
        detail,
    }
}

fn currency(csv: &InvoiceSum) -> Finding {
    let code = &csv.currency;
    let (outcome, detail) = if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
        (
            Outcome::Failed,
            format!("`{}` is no currency code", code.escape_debug()),
        )
    } else if let Some((other, line)) = &csv.other_currency {
        let other = other.escape_debug();
        (
            Outcome::NotProvable,
            format!("invoice in {code}, line {line} in `{other}`"),
        )
    } else {
        (Outcome::Passed, format!("{code} throughout"))
    };
    Finding {
        check: Check::Currency,
        outcome,
        detail,
    }
}

fn plausible(csv: &InvoiceSum, today: Date) -> Finding {
    let fault = if csv.number.is_empty() {
        Some("the invoice number is blank".to_owned())
    } else {
        match csv.date {
            None => Some("the invoice date is blank".to_owned()),
            Some(date) if date.year() < 2000 || date.year() > today.year() + 1 => Some(format!(
                "the invoice date {date} is not between 2000 and next year"
            )),
            Some(_) => None,
        }
    };
    let outcome = if fault.is_some() {
        Outcome::Failed
    } else {
        Outcome::Passed
    };
    Finding {
        check: Check::Plausible,
        outcome,
        detail: fault.unwrap_or_default(),
    }
}

fn asked(csv: Option<&InvoiceSum>, xml: Option<&XmlInvoice>, list: &Listed) -> Finding {
    let mut compared = 0;
    let mut wrong = None;
    let mut same = |field: &str, source: &str, got: Option<String>, want: Option<String>| {
        let (Some(got), Some(want)) = (got, want) else {
            return;
        };
        compared += 1;
        if got != want && wrong.is_none() {
            wrong = Some(format!(
                "{field}: asked for `{want}`, {source} has `{}`",
                got.escape_debug()
            ));
        }
    };
    let date = |date: Option<Date>| date.map(|d| d.to_string());
    let account = list.account.as_deref().map(without_zeros);
    if let Some(csv) = csv {
        same(
            "number",
            "CSV",
            Some(csv.number.clone()),
            Some(list.number.clone()),
        );
        same("date", "CSV", date(csv.date), date(list.date));
        same(
            "account",
            "CSV",
            Some(without_zeros(&csv.account)),
            account.clone(),
        );
    }
    if let Some(xml) = xml {
        same(
            "number",
            "XML",
            xml.number.clone(),
            Some(list.number.clone()),
        );
        same("date", "XML", date(xml.date), date(list.date));
        same(
            "account",
            "XML",
            xml.account.as_deref().map(without_zeros),
            account,
        );
    }
    let (outcome, detail) = match (wrong, compared) {
        (Some(detail), _) => (Outcome::Failed, detail),
        (None, 0) => (Outcome::NotProvable, "nothing names its invoice".to_owned()),
        (None, _) => (Outcome::Passed, format!("{compared} values as asked")),
    };
    Finding {
        check: Check::Asked,
        outcome,
        detail,
    }
}

fn cross(
    csv: Option<&InvoiceSum>,
    xml: Option<&XmlInvoice>,
    list: Option<&Listed>,
    tolerance: u64,
) -> Vec<Finding> {
    let exponent = exponent_of(csv, xml);
    let mut findings = Vec::new();
    let mut amounts = |left: (&str, Option<i64>), right: (&str, Option<i64>)| {
        if let (Some(a), Some(b)) = (left.1, right.1) {
            let detail = format!(
                "amount: {} {}, {} {}",
                left.0,
                show(a, exponent),
                right.0,
                show(b, exponent)
            );
            findings.push(compared(Check::Cross, a, b, tolerance, detail));
        }
    };
    let csv_amount = ("CSV", csv.map(|csv| csv.amount));
    let list_amount = ("list", list.and_then(|list| list.amount));
    amounts(csv_amount, list_amount);
    if let Some(xml) = xml {
        // Where no header is mapped, the sum of the charges stands for the amount.
        let xml_amount = match xml.amount {
            Some(amount) => ("XML", Some(amount)),
            None => ("XML net sum", Some(xml.net)),
        };
        amounts(xml_amount, list_amount);
        amounts(csv_amount, xml_amount);
        amounts(
            ("CSV net sum", csv.map(|csv| csv.net)),
            ("XML net sum", Some(xml.net)),
        );
    }
    findings
}

fn exponent_of(csv: Option<&InvoiceSum>, xml: Option<&XmlInvoice>) -> u8 {
    csv.map_or_else(
        || crate::money::exponent(xml.and_then(|xml| xml.currency.as_deref()).unwrap_or("USD")),
        |csv| csv.exponent,
    )
}

/// Account numbers are zero-padded in some sources and not in others.
fn without_zeros(account: &str) -> String {
    account.trim().trim_start_matches('0').to_owned()
}

fn compared(check: Check, a: i64, b: i64, tolerance: u64, detail: String) -> Finding {
    let outcome = if a.abs_diff(b) <= tolerance {
        Outcome::Passed
    } else {
        Outcome::Failed
    };
    Finding {
        check,
        outcome,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv250::scan;
    use crate::xml::{self, XmlMap};
    use jiff::civil::date;
    use ups_testportal::invoice::{Invoice, Recipe, make};
    use ups_testportal::variant::{self, Variant};

    const RULES: Rules = Rules {
        tolerance: 0,
        today: date(2026, 6, 1),
    };

    fn invoice(seed: u64) -> Invoice {
        make(&Recipe {
            seed,
            account: "00A1".to_owned(),
            currency: "USD".to_owned(),
            date: date(2026, 3, 7),
            shipments: 4,
        })
    }

    fn sum(invoice: &Invoice) -> InvoiceSum {
        scan(Variant::default().csv(invoice).as_slice(), 1)
            .unwrap()
            .sums
            .invoices
            .remove(0)
    }

    fn xml_of(invoice: &Invoice) -> XmlInvoice {
        let map = XmlMap::new([
            ("charge", "ChargeDetails/Charge"),
            ("net", "ChargeInformation/NetAmount"),
            ("number", "InvoiceDetails/InvoiceNumber"),
            ("amount", "InvoiceDetails/InvoiceAmount"),
        ]);
        xml::read(variant::xml(invoice).as_bytes(), &map.unwrap(), "USD").unwrap()
    }

    fn failed(findings: &[Finding]) -> Vec<(Check, &str)> {
        let failed = findings.iter().filter(|f| f.outcome == Outcome::Failed);
        failed.map(|f| (f.check, f.detail.as_str())).collect()
    }

    #[test]
    fn a_cent_planted_in_37_of_1000_invoices_is_found_in_exactly_those() {
        let mut found = Vec::new();
        let planted: Vec<u64> = (0..1000).filter(|seed| seed % 27 == 3).collect();
        assert_eq!(planted.len(), 37);
        for seed in 0..1000 {
            let mut invoice = invoice(seed);
            if planted.contains(&seed) {
                let net = &mut invoice.rows[0]
                    .iter_mut()
                    .find(|(c, _)| *c == 52)
                    .unwrap()
                    .1;
                let minor =
                    crate::money::parse(net.as_bytes(), 2, crate::money::DecimalSign::Point)
                        .unwrap();
                *net = show(minor + 1, 2);
            }
            let findings = judge(Some(&sum(&invoice)), None, None, RULES);
            match failed(&findings).as_slice() {
                [] => {}
                [(Check::Sum, _)] => found.push(seed),
                other => panic!("{seed}: {other:?}"),
            }
        }
        assert_eq!(found, planted);
    }

    #[test]
    fn a_difference_names_both_values_and_both_sources() {
        let invoice = invoice(1);
        let (csv, xml) = (sum(&invoice), xml_of(&invoice));
        let listed = |amount| Listed {
            number: invoice.number.clone(),
            date: Some(invoice.date),
            account: Some("A1".to_owned()),
            amount: Some(amount),
        };
        let good = judge(Some(&csv), Some(&xml), Some(&listed(invoice.amount)), RULES);
        assert_eq!(failed(&good), []);
        let bad = judge(
            Some(&csv),
            Some(&xml),
            Some(&listed(invoice.amount + 1)),
            RULES,
        );
        let wanted = format!(
            "amount: CSV {}, list {}",
            show(invoice.amount, 2),
            show(invoice.amount + 1, 2)
        );
        assert_eq!(failed(&bad)[0], (Check::Cross, wanted.as_str()));
        assert_eq!(
            failed(&bad).len(),
            2,
            "CSV and XML both differ from the list"
        );
        let mut other = xml.clone();
        other.amount = Some(1);
        let bad = judge(Some(&csv), Some(&other), None, RULES);
        assert!(
            failed(&bad).iter().any(|(_, d)| d.ends_with("XML 0.01")),
            "{bad:?}"
        );
    }

    #[test]
    fn another_invoice_than_asked_fails() {
        let csv = sum(&invoice(1));
        let list = Listed {
            number: "0000000000004711".to_owned(),
            ..Listed::default()
        };
        let findings = judge(Some(&csv), None, Some(&list), RULES);
        assert!(
            failed(&findings)[0]
                .1
                .starts_with("number: asked for `0000000000004711`, CSV has")
        );
    }

    #[test]
    fn mixed_currencies_are_not_provable() {
        let mut csv = sum(&invoice(1));
        csv.other_currency = Some(("CAD".to_owned(), 3));
        let findings = judge(Some(&csv), None, None, RULES);
        let sum = findings.iter().find(|f| f.check == Check::Sum).unwrap();
        assert_eq!(sum.outcome, Outcome::NotProvable);
    }

    #[test]
    fn impossible_dates_and_blank_numbers_are_not_plausible() {
        let mut csv = sum(&invoice(1));
        csv.date = Some(date(2028, 1, 1));
        assert_eq!(
            failed(&judge(Some(&csv), None, None, RULES))[0].0,
            Check::Plausible
        );
        csv.date = Some(date(2027, 1, 1));
        csv.number.clear();
        assert_eq!(
            failed(&judge(Some(&csv), None, None, RULES))[0].0,
            Check::Plausible
        );
    }

    #[test]
    fn a_tolerance_is_the_users_choice() {
        let mut csv = sum(&invoice(1));
        csv.net += 2;
        let rules = |tolerance| Rules { tolerance, ..RULES };
        assert_eq!(failed(&judge(Some(&csv), None, None, rules(1))).len(), 1);
        assert_eq!(failed(&judge(Some(&csv), None, None, rules(2))).len(), 0);
    }
}
