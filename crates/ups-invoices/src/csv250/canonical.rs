//! One form for all variants of the same invoice: 250 columns with header, comma, LF, UTF-8, ISO
//! dates, point decimals with exactly the currency's digits. Its sha256 tells whether two files
//! say the same.

use std::collections::HashMap;

use aws_lc_rs::digest::{self, SHA256};

use super::columns::{self, Kind, at};
use super::row::Row;
use super::{CsvError, each_row};
use crate::{day, money};

/// The canonical text of a row, newline included.
///
/// A value that its (guessed) type cannot read stays as it is.
#[must_use]
pub fn line_of(row: &Row<'_>) -> String {
    let mut line = String::with_capacity(700);
    for (column, known) in columns::all().iter().enumerate() {
        if column > 0 {
            line.push(',');
        }
        let raw = row.raw(column);
        if raw.is_empty() {
            continue;
        }
        let sign = row.layout().decimal;
        let text = match known.kind {
            Kind::Text => None,
            Kind::Date => day::parse(raw, row.layout().dates).map(|day| day.to_string()),
            Kind::Integer | Kind::Decimal => money::normal_decimal(raw, sign).ok(),
            Kind::Amount => {
                let exponent = row.exponent(column);
                match money::parse(raw, exponent, sign) {
                    Ok(minor) => Some(money::show(minor, exponent)),
                    Err(_) => money::normal_decimal(raw, sign).ok(),
                }
            }
        };
        push_field(&mut line, &text.unwrap_or_else(|| row.string(column)));
    }
    line.push('\n');
    line
}

/// The canonical header, newline included.
#[must_use]
pub fn header() -> String {
    let mut line = String::new();
    for (column, known) in columns::all().iter().enumerate() {
        if column > 0 {
            line.push(',');
        }
        push_field(&mut line, known.name);
    }
    line.push('\n');
    line
}

/// sha256 of the canonical form of each invoice in a file, keyed by recipient and number.
pub fn digests(bytes: &[u8]) -> Result<HashMap<(String, String), String>, CsvError> {
    let header = header();
    let mut contexts: HashMap<(String, String), digest::Context> = HashMap::new();
    each_row(bytes, |row| {
        let key = (row.string(at::RECIPIENT), row.string(at::INVOICE_NUMBER));
        let context = contexts.entry(key).or_insert_with(|| {
            let mut context = digest::Context::new(&SHA256);
            context.update(header.as_bytes());
            context
        });
        context.update(line_of(row).as_bytes());
        Ok(())
    })?;
    Ok(contexts
        .into_iter()
        .map(|(key, context)| (key, crate::hex(context.finish().as_ref())))
        .collect())
}

/// The canonical text of a whole file.
pub fn text(bytes: &[u8]) -> Result<String, CsvError> {
    let mut text = header();
    each_row(bytes, |row| {
        text.push_str(&line_of(row));
        Ok(())
    })?;
    Ok(text)
}

fn push_field(line: &mut String, text: &str) {
    if text.contains(['"', ',', '\n', '\r']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}
