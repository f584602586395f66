//! Writes invoices for bookkeeping programs and for other tools, always in the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use rusqlite::{Connection, params};

use crate::ledger::{BookedCharge, Listing};
use crate::money::show;

/// An invoice and its charges.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The invoice.
    pub invoice: Listing,
    /// The charges of the document that counts.
    pub charges: Vec<BookedCharge>,
}

/// Plain-text bookkeeping programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// Ledger and hledger read the same.
    Ledger,
    /// Beancount wants accounts opened and quoted texts.
    Beancount,
}

/// A line of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Posting {
    account: String,
    currency: String,
    /// Digits after the currency's decimal sign.
    exponent: u8,
    minor: i64,
}

/// Takes up what UPS converted: no rate of it is on the invoice.
const CONVERSIONS: &str = "Equity:Conversions:UPS";

impl Entry {
    /// One posting per account and currency, the payable last, which is exactly the invoice
    /// amount; in each currency they add up to zero.
    ///
    /// What the charges do not explain is booked by name. On an invoice with charges in other
    /// currencies that is not an error but a conversion, and every currency has its side of it.
    fn postings(&self) -> Vec<Posting> {
        let mut sums: BTreeMap<(String, String), (i64, u8)> = BTreeMap::new();
        let mut explained: BTreeMap<&str, (i64, u8)> = BTreeMap::new();
        for charge in &self.charges {
            let account = if charge.class == "TAX" || charge.class == "GOV" {
                format!("Expenses:Shipping:Tax:{}", name_part(&charge.description))
            } else {
                let class = if charge.class.is_empty() {
                    "Other"
                } else {
                    &charge.class
                };
                format!(
                    "Expenses:Shipping:{}:{}",
                    name_part(class),
                    name_part(&charge.service)
                )
            };
            for sum in [
                sums.entry((account, charge.currency.clone())).or_default(),
                explained.entry(&charge.currency).or_default(),
            ] {
                *sum = (sum.0.saturating_add(charge.net), charge.exponent);
            }
        }
        let own = self.invoice.currency.as_str();
        let amount = self.invoice.best_amount().unwrap_or_default();
        let (in_own, _) = explained.remove(own).unwrap_or_default();
        let rest = if explained.is_empty() {
            "Expenses:Shipping:Unexplained"
        } else {
            CONVERSIONS
        };
        let mut converted = vec![(
            rest,
            own,
            amount.saturating_sub(in_own),
            self.invoice.exponent,
        )];
        for (currency, (minor, exponent)) in explained {
            converted.push((CONVERSIONS, currency, minor.saturating_neg(), exponent));
        }
        for (account, currency, minor, exponent) in converted {
            sums.insert((account.to_owned(), currency.to_owned()), (minor, exponent));
        }
        let payable = Posting {
            account: self.payable(),
            currency: own.to_owned(),
            exponent: self.invoice.exponent,
            minor: amount.saturating_neg(),
        };
        sums.into_iter()
            .filter(|(_, (minor, _))| *minor != 0)
            .map(|((account, currency), (minor, exponent))| Posting {
                account,
                currency,
                exponent,
                minor,
            })
            .chain([payable])
            .collect()
    }

    fn payable(&self) -> String {
        format!(
            "Liabilities:Payable:UPS:{}",
            name_part(&self.invoice.account)
        )
    }
}

/// Writes one transaction an invoice.
pub fn journal(out: &mut impl Write, form: Journal, entries: &[Entry]) -> io::Result<()> {
    let first = entries.iter().map(|entry| entry.invoice.date).min();
    let mut accounts = BTreeSet::new();
    let mut currencies = BTreeMap::new();
    for posting in entries.iter().flat_map(Entry::postings) {
        currencies.insert(posting.currency, posting.exponent);
        accounts.insert(posting.account);
    }
    match form {
        // What is declared passes the strict checks, and a typing error elsewhere does not.
        Journal::Ledger => {
            for (currency, exponent) in currencies {
                writeln!(out, "commodity {currency}")?;
                // Without a fraction there is no sample that both programs read.
                if exponent > 0 {
                    let sample = show(10_i64.pow(u32::from(exponent) + 3), exponent);
                    writeln!(out, "    format {sample} {currency}")?;
                }
            }
            for account in accounts {
                writeln!(out, "account {account}")?;
            }
        }
        Journal::Beancount => {
            for account in accounts {
                if let Some(first) = first {
                    writeln!(out, "{first} open {account}")?;
                }
            }
        }
    }
    for entry in entries {
        let invoice = &entry.invoice;
        let number = plain(&invoice.number);
        let date = invoice.date;
        match form {
            Journal::Ledger => writeln!(out, "\n{date} * ({number}) UPS")?,
            Journal::Beancount => writeln!(out, "\n{date} * \"UPS\" \"Invoice {number}\"")?,
        }
        for posting in entry.postings() {
            let Posting {
                account, currency, ..
            } = &posting;
            let amount = show(posting.minor, posting.exponent);
            writeln!(out, "    {account:<60}  {amount:>14} {currency}")?;
        }
    }
    Ok(())
}

const COLUMNS: [&str; 20] = [
    "invoice",
    "date",
    "account",
    "currency",
    "invoice_amount",
    "tracking",
    "category",
    "detail",
    "class",
    "code",
    "description",
    "service",
    "zone",
    "weight",
    "shipped",
    "net",
    "incentive",
    "due",
    "profile",
    "net_currency",
];

fn record(entry: &Entry, charge: &BookedCharge) -> [String; 20] {
    let invoice = &entry.invoice;
    let day = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
    [
        invoice.number.clone(),
        invoice.date.to_string(),
        invoice.account.clone(),
        invoice.currency.clone(),
        invoice.shown_amount(),
        charge.tracking.clone(),
        charge.category.clone(),
        charge.detail.clone(),
        charge.class.clone(),
        charge.code.clone(),
        charge.description.clone(),
        charge.service.clone(),
        charge.zone.clone(),
        charge.weight.clone(),
        day(charge.shipped),
        show(charge.net, charge.exponent),
        show(charge.incentive, charge.exponent),
        day(invoice.due),
        invoice.profile.clone(),
        charge.currency.clone(),
    ]
}

/// Writes one charge a line, with a header.
///
/// A field that begins like a formula gets an apostrophe: spreadsheets run such fields.
pub fn csv(out: &mut impl Write, entries: &[Entry]) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for (entry, charge) in charges(entries) {
        let fields: Vec<String> = record(entry, charge)
            .into_iter()
            .map(|field| {
                let number = field.parse::<f64>().is_ok();
                let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number;
                let field = if formula { format!("'{field}") } else { field };
                if field.contains(['"', ',', '\n', '\r']) {
                    format!("\"{}\"", field.replace('"', "\"\""))
                } else {
                    field
                }
            })
            .collect();
        writeln!(out, "{}", fields.join(","))?;
    }
    Ok(())
}

/// Writes one charge a line, as JSON objects; amounts are strings.
pub fn jsonl(out: &mut impl Write, entries: &[Entry]) -> io::Result<()> {
    for (entry, charge) in charges(entries) {
        let object: serde_json::Map<String, serde_json::Value> = COLUMNS
            .iter()
            .zip(record(entry, charge))
            .map(|(name, value)| ((*name).to_owned(), value.into()))
            .collect();
        serde_json::to_writer(&mut *out, &object)?;
        writeln!(out)?;
    }
    Ok(())
}

const TABLES: &str = "create table invoice (number text not null, date date not null,
    account text not null, currency char(3) not null, amount numeric(18, 3),
    due date, profile text not null);
create table charge (invoice text not null, row integer not null, tracking text not null,
    category text not null, detail text not null, class text not null, code text not null,
    description text not null, service text not null, zone text not null, shipped date,
    net numeric(18, 3) not null, incentive numeric(18, 3) not null, currency char(3) not null);
";

/// Writes a script for `psql`: tables, and their rows by COPY, in one transaction.
pub fn postgres(out: &mut impl Write, entries: &[Entry]) -> io::Result<()> {
    let copied = |text: &str| {
        if text.is_empty() {
            return "\\N".to_owned();
        }
        text.replace('\\', "\\\\")
            .replace('\t', "\\t")
            .replace('\n', "\\n")
            .replace('\r', "\\r")
    };
    let text = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            copied(text)
        }
    };
    write!(out, "begin;\n{TABLES}copy invoice from stdin;\n")?;
    for Entry { invoice, .. } in entries {
        let due = invoice.due.map(|due| due.to_string()).unwrap_or_default();
        let amount = invoice
            .best_amount()
            .map(|minor| show(minor, invoice.exponent));
        let fields = [
            text(&invoice.number),
            invoice.date.to_string(),
            text(&invoice.account),
            text(&invoice.currency),
            copied(&amount.unwrap_or_default()),
            copied(&due),
            text(&invoice.profile),
        ];
        writeln!(out, "{}", fields.join("\t"))?;
    }
    write!(out, "\\.\ncopy charge from stdin;\n")?;
    for entry in entries {
        for (row, charge) in entry.charges.iter().enumerate() {
            let shipped = charge
                .shipped
                .map(|day| day.to_string())
                .unwrap_or_default();
            let fields = [
                text(&entry.invoice.number),
                (row + 1).to_string(),
                text(&charge.tracking),
                text(&charge.category),
                text(&charge.detail),
                text(&charge.class),
                text(&charge.code),
                text(&charge.description),
                text(&charge.service),
                text(&charge.zone),
                copied(&shipped),
                show(charge.net, charge.exponent),
                show(charge.incentive, charge.exponent),
                text(&charge.currency),
            ];
            writeln!(out, "{}", fields.join("\t"))?;
        }
    }
    write!(out, "\\.\ncommit;\n")
}

/// Writes a database of two tables at `path`, whole or not at all. Amounts are minor units.
pub fn sqlite(path: &Path, entries: &[Entry]) -> rusqlite::Result<()> {
    let other = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new()
        .prefix(".export")
        .tempfile_in(directory)
        .map_err(other)?;
    let mut connection = Connection::open(temporary.path())?;
    connection.execute_batch(
        "create table invoice (number text, date text, account text, currency text,
         exponent integer, amount_minor integer, due text, profile text);
         create table charge (invoice text, row integer, tracking text, category text, detail text,
         class text, code text, description text, service text, zone text, shipped text,
         net_minor integer, incentive_minor integer, currency text, exponent integer);",
    )?;
    let transaction = connection.transaction()?;
    for Entry { invoice, charges } in entries {
        transaction.execute(
            "insert into invoice values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                invoice.number,
                invoice.date.to_string(),
                invoice.account,
                invoice.currency,
                invoice.exponent,
                invoice.best_amount(),
                invoice.due.map(|due| due.to_string()),
                invoice.profile
            ],
        )?;
        let mut insert = transaction.prepare(
            "insert into charge values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
             ?14, ?15)",
        )?;
        for (row, charge) in charges.iter().enumerate() {
            insert.execute(params![
                invoice.number,
                i64::try_from(row + 1).unwrap_or(i64::MAX),
                charge.tracking,
                charge.category,
                charge.detail,
                charge.class,
                charge.code,
                charge.description,
                charge.service,
                charge.zone,
                charge.shipped.map(|day| day.to_string()),
                charge.net,
                charge.incentive,
                charge.currency,
                charge.exponent
            ])?;
        }
    }
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    temporary.as_file().sync_all().map_err(other)?;
    temporary
        .persist(path)
        .map_err(|error| other(error.error))?;
    Ok(())
}

fn charges(entries: &[Entry]) -> impl Iterator<Item = (&Entry, &BookedCharge)> {
    entries
        .iter()
        .flat_map(|entry| entry.charges.iter().map(move |charge| (entry, charge)))
}

/// A part of an account name that all three programs take: `[A-Z0-9][A-Za-z0-9-]*`.
fn name_part(text: &str) -> String {
    let mut part = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            part.push(c);
        } else if !part.is_empty() && !part.ends_with('-') {
            part.push('-');
        }
    }
    let part = part.trim_end_matches('-');
    match part.chars().next() {
        None => "Other".to_owned(),
        Some(first) => first.to_ascii_uppercase().to_string() + &part[1..],
    }
}

/// Text that may stand in brackets and quotes of a journal.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_./ ".contains(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_parts_suit_beancount() {
        for (text, part) in [
            ("Next Day Air", "Next-Day-Air"),
            ("2nd Day Air", "2nd-Day-Air"),
            ("  --- ", "Other"),
            ("été", "T"),
            ("fuel: surcharge;", "Fuel-surcharge"),
        ] {
            assert_eq!(name_part(text), part, "{text}");
        }
    }
}
