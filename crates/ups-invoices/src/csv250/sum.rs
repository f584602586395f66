//! Adds the rows of a file up to invoices.

use std::collections::HashMap;

use jiff::civil::Date;

use super::columns::{self, NARROWEST, at};
use super::row::{Row, decode};
use super::{CsvError, cell_error};

/// One invoice as its rows tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceSum {
    /// Payment plan or account that the invoice goes to.
    pub recipient: String,
    /// Shipper number.
    pub account: String,
    /// Invoice number, leading zeros kept.
    pub number: String,
    /// Its date, as on its first row; `None` where that is blank.
    pub date: Option<Date>,
    /// When it is to be paid, where the file says so.
    pub due: Option<Date>,
    /// Invoice currency.
    pub currency: String,
    /// Digits after the decimal sign of that currency.
    pub exponent: u8,
    /// Invoice amount, minor units.
    pub amount: i64,
    /// Sum of net over its rows, minor units.
    pub net: i64,
    /// Rows.
    pub rows: u64,
    /// Line of its first row.
    pub first_line: u64,
    /// A transaction currency other than the invoice's, and the first line that has it.
    pub other_currency: Option<(String, u64)>,
    /// Values that should be the same on all rows and are not: column, line, first value, other.
    pub disagreements: Vec<(&'static str, u64, String, String)>,
}

/// Values that break a type which is only guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Column position, zero-based.
    pub column: usize,
    /// How many values.
    pub count: u64,
    /// Line of the first.
    pub line: u64,
    /// The first, decoded.
    pub value: String,
}

/// All invoices of a file and what else was seen.
#[derive(Debug, Default)]
pub struct Sums {
    /// Invoices, in the order of their first rows once the parts are merged.
    pub invoices: Vec<InvoiceSum>,
    /// Data rows.
    pub rows: u64,
    /// Rows narrower than 250 columns, read as if padded.
    pub padded: u64,
    /// At most one per column.
    pub remarks: Vec<Remark>,
    index: HashMap<(Vec<u8>, Vec<u8>), usize>,
    /// Raw key of the invoice that the last row belonged to.
    current: Option<(Vec<u8>, Vec<u8>, usize)>,
}

/// Disagreements kept per invoice; the first ones tell the story.
const KEPT_DISAGREEMENTS: usize = 4;

impl Sums {
    /// Adds a row, all its values typed.
    pub fn add(&mut self, row: &Row<'_>) -> Result<(), CsvError> {
        let remarks = &mut self.remarks;
        row.check_types(|column, value| note(remarks, column, 1, row.line, &decode(value)))?;
        if row.has_unknown_surplus() {
            let reason = format!(
                "values beyond column {} that no header names",
                columns::COUNT
            );
            return Err(CsvError::Row {
                line: row.line,
                reason,
            });
        }
        self.rows += 1;
        if row.width() < columns::COUNT {
            debug_assert!(row.width() >= NARROWEST, "narrower rows are refused before");
            self.padded += 1;
        }
        let at = self.invoice_of(row)?;
        let invoice = &mut self.invoices[at];
        let net = row.amount(at::NET)?;
        invoice.rows += 1;
        invoice.net = invoice
            .net
            .checked_add(net)
            .ok_or_else(|| cell_error(row, at::NET, "too large for the invoice's sum"))?;
        let currency = row.currency(at::NET);
        if currency != invoice.currency.as_bytes() && invoice.other_currency.is_none() {
            invoice.other_currency = Some((decode(currency).into_owned(), row.line));
        }
        if row.amount(at::INVOICE_AMOUNT)? != invoice.amount {
            let first = crate::money::show(invoice.amount, invoice.exponent);
            disagree(invoice, at::INVOICE_AMOUNT, row, first);
        }
        if row.raw(at::ACCOUNT) != invoice.account.as_bytes() {
            let first = invoice.account.clone();
            disagree(invoice, at::ACCOUNT, row, first);
        }
        if row.raw(at::INVOICE_CURRENCY) != invoice.currency.as_bytes() {
            let first = invoice.currency.clone();
            disagree(invoice, at::INVOICE_CURRENCY, row, first);
        }
        if row.date(at::INVOICE_DATE)? != invoice.date {
            let first = invoice
                .date
                .map(|date| date.to_string())
                .unwrap_or_default();
            disagree(invoice, at::INVOICE_DATE, row, first);
        }
        Ok(())
    }

    /// Adds the invoices of another part of the same file.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.padded += other.padded;
        for remark in other.remarks {
            note(
                &mut self.remarks,
                remark.column,
                remark.count,
                remark.line,
                &remark.value,
            );
        }
        self.current = None;
        for (key, from) in other.index {
            let theirs = other.invoices[from].clone();
            match self.index.get(&key) {
                None => {
                    self.index.insert(key, self.invoices.len());
                    self.invoices.push(theirs);
                }
                Some(&at) => self.invoices[at] = join(&self.invoices[at], theirs),
            }
        }
        self.order();
    }

    fn order(&mut self) {
        let mut order: Vec<usize> = (0..self.invoices.len()).collect();
        order.sort_by_key(|&at| self.invoices[at].first_line);
        let mut places = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            places[old] = new;
        }
        self.invoices.sort_by_key(|invoice| invoice.first_line);
        for at in self.index.values_mut() {
            *at = places[*at];
        }
    }

    fn invoice_of(&mut self, row: &Row<'_>) -> Result<usize, CsvError> {
        let (recipient, number) = (row.raw(at::RECIPIENT), row.raw(at::INVOICE_NUMBER));
        if let Some((r, n, at)) = &self.current
            && r == recipient
            && n == number
        {
            return Ok(*at);
        }
        let key = (recipient.to_vec(), number.to_vec());
        let at = if let Some(&at) = self.index.get(&key) {
            at
        } else {
            self.invoices.push(InvoiceSum {
                recipient: row.string(at::RECIPIENT),
                account: row.string(at::ACCOUNT),
                number: row.string(at::INVOICE_NUMBER),
                date: row.date(at::INVOICE_DATE)?,
                due: row.date(at::DUE_DATE).ok().flatten(),
                currency: row.string(at::INVOICE_CURRENCY),
                exponent: row.exponent(at::INVOICE_AMOUNT),
                amount: row.amount(at::INVOICE_AMOUNT)?,
                net: 0,
                rows: 0,
                first_line: row.line,
                other_currency: None,
                disagreements: Vec::new(),
            });
            self.index.insert(key.clone(), self.invoices.len() - 1);
            self.invoices.len() - 1
        };
        self.current = Some((key.0, key.1, at));
        Ok(at)
    }
}

fn disagree(invoice: &mut InvoiceSum, column: usize, row: &Row<'_>, first: String) {
    if invoice.disagreements.len() < KEPT_DISAGREEMENTS {
        let name = columns::all()[column].name;
        invoice
            .disagreements
            .push((name, row.line, first, row.string(column)));
    }
}

/// Two parts of one invoice, from different blocks.
fn join(a: &InvoiceSum, b: InvoiceSum) -> InvoiceSum {
    let (mut first, second) = if a.first_line <= b.first_line {
        (a.clone(), b)
    } else {
        (b, a.clone())
    };
    // A sum beyond i64 is kept at the edge, where it can equal no invoice amount but that edge.
    first.net = first.net.saturating_add(second.net);
    first.rows += second.rows;
    first.other_currency = first.other_currency.or(second.other_currency);
    let line = second.first_line;
    let name = |column: usize| columns::all()[column].name;
    let (ours, theirs) = (first.amount, second.amount);
    if ours != theirs {
        let shown = |minor| crate::money::show(minor, first.exponent);
        let pair = (shown(ours), shown(theirs));
        first
            .disagreements
            .push((name(at::INVOICE_AMOUNT), line, pair.0, pair.1));
    }
    if first.account != second.account {
        let pair = (first.account.clone(), second.account.clone());
        first
            .disagreements
            .push((name(at::ACCOUNT), line, pair.0, pair.1));
    }
    if first.currency != second.currency {
        let pair = (first.currency.clone(), second.currency.clone());
        first
            .disagreements
            .push((name(at::INVOICE_CURRENCY), line, pair.0, pair.1));
    }
    if first.date != second.date {
        let text = |date: Option<Date>| date.map(|d| d.to_string()).unwrap_or_default();
        let pair = (text(first.date), text(second.date));
        first
            .disagreements
            .push((name(at::INVOICE_DATE), line, pair.0, pair.1));
    }
    first.disagreements.extend(second.disagreements);
    first.disagreements.sort_by_key(|(_, line, ..)| *line);
    first.disagreements.truncate(KEPT_DISAGREEMENTS);
    first
}

fn note(remarks: &mut Vec<Remark>, column: usize, count: u64, line: u64, value: &str) {
    match remarks.iter_mut().find(|remark| remark.column == column) {
        Some(remark) => {
            remark.count += count;
            if line < remark.line {
                remark.line = line;
                value.clone_into(&mut remark.value);
            }
        }
        None => remarks.push(Remark {
            column,
            count,
            line,
            value: value.to_owned(),
        }),
    }
}
