//! Sums over billing data files of any size, without a ledger: one pass, 53 of 250 columns.

use std::collections::HashMap;
use std::io::Read;

use crate::csv250::columns::at;
use crate::csv250::row::{Row, decode};
use crate::csv250::{self, CsvError};

/// Sums by class, code and currency, and by invoice.
#[derive(Debug, Default)]
pub struct Totals {
    /// Class, code and currency between unit separators; sum in minor units and rows.
    by_code: HashMap<Vec<u8>, Sum>,
    /// Invoice number.
    by_invoice: HashMap<Vec<u8>, Sum>,
    key: Vec<u8>,
}

/// A sum and how many rows are in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Minor units.
    pub minor: i64,
    /// Rows.
    pub rows: u64,
    /// Digits after the decimal sign.
    pub exponent: u8,
}

/// Sums of one class and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSum {
    /// Classification.
    pub class: String,
    /// Charge code.
    pub code: String,
    /// ISO 4217 code.
    pub currency: String,
    /// The sum.
    pub sum: Sum,
}

const SEPARATOR: u8 = 0x1f;

impl Totals {
    /// Adds up a file.
    pub fn read<R: Read + Send>(&mut self, input: R, threads: usize) -> Result<(), CsvError> {
        let (_, totals) = csv250::run(
            input,
            threads,
            at::NET,
            Self::default,
            Self::add,
            Self::merge,
        )?;
        self.merge(totals);
        Ok(())
    }

    /// Sums by class and code, in their order.
    #[must_use]
    pub fn codes(&self) -> Vec<CodeSum> {
        let mut codes: Vec<CodeSum> = self
            .by_code
            .iter()
            .map(|(key, sum)| {
                let mut parts = key
                    .split(|&b| b == SEPARATOR)
                    .map(|part| decode(part).into_owned());
                let mut next = || parts.next().unwrap_or_default();
                CodeSum {
                    class: next(),
                    code: next(),
                    currency: next(),
                    sum: *sum,
                }
            })
            .collect();
        codes.sort_by(|a, b| {
            (&a.currency, &a.class, &a.code).cmp(&(&b.currency, &b.class, &b.code))
        });
        codes
    }

    /// Number of invoices.
    #[must_use]
    pub fn invoices(&self) -> usize {
        self.by_invoice.len()
    }

    /// Sums by invoice number, in their order.
    #[must_use]
    pub fn invoice_sums(&self) -> Vec<(String, Sum)> {
        let mut sums: Vec<(String, Sum)> = self
            .by_invoice
            .iter()
            .map(|(key, sum)| (decode(key).into_owned(), *sum))
            .collect();
        sums.sort_by(|a, b| a.0.cmp(&b.0));
        sums
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), CsvError> {
        let net = row.amount(at::NET)?;
        let one = Sum {
            minor: net,
            rows: 1,
            exponent: row.exponent(at::NET),
        };
        self.key.clear();
        self.key.extend_from_slice(row.raw(at::CLASS));
        self.key.push(SEPARATOR);
        self.key.extend_from_slice(row.raw(at::CODE));
        self.key.push(SEPARATOR);
        self.key.extend_from_slice(row.currency(at::NET));
        put(&mut self.by_code, &self.key, one);
        put(&mut self.by_invoice, row.raw(at::INVOICE_NUMBER), one);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (key, sum) in other.by_code {
            put(&mut self.by_code, &key, sum);
        }
        for (key, sum) in other.by_invoice {
            put(&mut self.by_invoice, &key, sum);
        }
    }
}

/// Sums beyond i64 stop at its edge; nine thousand million million cents are no invoices.
fn put(sums: &mut HashMap<Vec<u8>, Sum>, key: &[u8], sum: Sum) {
    match sums.get_mut(key) {
        Some(known) => {
            known.minor = known.minor.saturating_add(sum.minor);
            known.rows += sum.rows;
        }
        None => {
            sums.insert(key.to_vec(), sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use ups_testportal::invoice::{Recipe, make};
    use ups_testportal::variant::Variant;

    #[test]
    fn totals_are_those_of_the_invoices() {
        let invoices: Vec<_> = (0..12)
            .map(|seed| {
                make(&Recipe {
                    seed,
                    account: "00A1".into(),
                    currency: "USD".into(),
                    date: date(2026, 1, 3),
                    shipments: 30,
                })
            })
            .collect();
        let bytes = Variant::default().csv_of(&invoices.iter().collect::<Vec<_>>());
        for threads in [1, 3] {
            let mut totals = Totals::default();
            totals.read(bytes.as_slice(), threads).unwrap();
            assert_eq!(totals.invoices(), 12);
            let whole: i64 = totals.codes().iter().map(|code| code.sum.minor).sum();
            assert_eq!(
                whole,
                invoices.iter().map(|invoice| invoice.amount).sum::<i64>()
            );
            for (sum, invoice) in totals.invoice_sums().iter().zip(&invoices) {
                assert_eq!(
                    (sum.0.as_str(), sum.1.minor),
                    (invoice.number.as_str(), invoice.amount)
                );
            }
        }
    }
}
