//! One row of the file, its values found by column and read by type.

use std::borrow::Cow;

use jiff::civil::Date;

use super::columns::{self, Kind, at};
use super::layout::Layout;
use super::split::Span;
use super::{CsvError, cell_error};
use crate::day;
use crate::money::{self, AmountError};

/// A row and how to read it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    block: &'a [u8],
    fields: &'a [Span],
    layout: &'a Layout,
    /// Line in the file, counted from 1.
    pub line: u64,
}

impl<'a> Row<'a> {
    pub(super) fn new(block: &'a [u8], fields: &'a [Span], layout: &'a Layout, line: u64) -> Self {
        Self {
            block,
            fields,
            layout,
            line,
        }
    }

    /// The layout of the row's file.
    #[must_use]
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The value of a column without surrounding blanks; empty if the row lacks it. Doubled quotes
    /// stay doubled: for codes and numbers, which have none.
    #[inline]
    #[must_use]
    pub fn raw(&self, column: usize) -> &'a [u8] {
        self.layout
            .position(column)
            .and_then(|position| self.fields.get(position))
            .map_or(b"", |field| field.raw(self.block).trim_ascii())
    }

    /// The value of a column, quotes resolved.
    #[must_use]
    pub fn text(&self, column: usize) -> Cow<'a, [u8]> {
        let field = self
            .layout
            .position(column)
            .and_then(|position| self.fields.get(position));
        match field.map(|field| field.text(self.block)) {
            Some(Cow::Borrowed(text)) => Cow::Borrowed(text.trim_ascii()),
            Some(Cow::Owned(text)) => Cow::Owned(text.trim_ascii().to_vec()),
            None => Cow::Borrowed(b""),
        }
    }

    /// The value of a column as text: UTF-8 if it is, else Windows-1252.
    #[must_use]
    pub fn string(&self, column: usize) -> String {
        decode(&self.text(column)).into_owned()
    }

    /// Digits after the decimal sign of the currency that amount column `column` is in.
    #[inline]
    #[must_use]
    pub fn exponent(&self, column: usize) -> u8 {
        money::exponent(std::str::from_utf8(self.currency(column)).unwrap_or_default())
    }

    /// Currency code of an amount column; that of the invoice where its own is blank.
    #[inline]
    #[must_use]
    pub fn currency(&self, column: usize) -> &'a [u8] {
        let own = self.raw(columns::currency_of(column));
        if own.is_empty() {
            self.raw(at::INVOICE_CURRENCY)
        } else {
            own
        }
    }

    /// An amount in minor units; blank is zero.
    #[inline]
    pub fn amount(&self, column: usize) -> Result<i64, CsvError> {
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(0);
        }
        money::parse(text, self.exponent(column), self.layout.decimal)
            .map_err(|error| cell_error(self, column, &error.to_string()))
    }

    /// A date; blank is none.
    #[inline]
    pub fn date(&self, column: usize) -> Result<Option<Date>, CsvError> {
        let text = self.raw(column);
        if text.is_empty() {
            return Ok(None);
        }
        match day::parse(text, self.layout.dates) {
            Some(date) => Ok(Some(date)),
            None => Err(cell_error(
                self,
                column,
                "not a date in the order of the file's others",
            )),
        }
    }

    /// Checks every value of the row against its column's type.
    ///
    /// A value that breaks a type which is known ends the file; one that breaks a type guessed
    /// from the column's name is handed to `remark`.
    pub fn check_types(&self, mut remark: impl FnMut(usize, &[u8])) -> Result<(), CsvError> {
        for (field, meaning) in self.fields.iter().zip(self.layout.meanings()) {
            if field.is_empty() {
                continue;
            }
            let Some((column, kind, binding)) = *meaning else {
                continue;
            };
            if kind == Kind::Text {
                continue;
            }
            let text = field.raw(self.block).trim_ascii();
            if text.is_empty() {
                continue;
            }
            let fault = match kind {
                Kind::Text => None,
                Kind::Integer => text
                    .iter()
                    .enumerate()
                    .any(|(at, b)| !(b.is_ascii_digit() || at == 0 && *b == b'-'))
                    .then_some("not a whole number"),
                Kind::Decimal => match money::parse(text, 9, self.layout.decimal) {
                    Ok(_) | Err(AmountError::TooPrecise(_)) => None,
                    Err(_) => Some("not a number"),
                },
                Kind::Amount => {
                    match money::parse(text, self.exponent(column), self.layout.decimal) {
                        Err(AmountError::TooPrecise(_)) if binding => {
                            Some("more digits after the decimal sign than its currency has")
                        }
                        Ok(_) | Err(AmountError::TooPrecise(_)) => None,
                        Err(AmountError::NotANumber) => Some("not a number"),
                        Err(AmountError::Overflow) => Some("too large"),
                    }
                }
                Kind::Date => day::parse(text, self.layout.dates)
                    .is_none()
                    .then_some("not a date in the order of the file's others"),
            };
            match fault {
                None => {}
                Some(reason) if binding => return Err(cell_error(self, column, reason)),
                Some(_) => remark(column, text),
            }
        }
        self.check_identifiers()
    }

    /// Whether columns beyond the known ones carry values that no header names.
    #[must_use]
    pub fn has_unknown_surplus(&self) -> bool {
        let known = self.layout.header.unwrap_or(columns::COUNT);
        self.fields
            .iter()
            .skip(known)
            .any(|field| !field.is_empty())
    }

    /// Number of fields in the row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.fields.len()
    }

    /// Refuses what a spreadsheet leaves of a long identifier.
    fn check_identifiers(&self) -> Result<(), CsvError> {
        for column in [
            at::RECIPIENT,
            at::ACCOUNT,
            at::INVOICE_NUMBER,
            at::LEAD_SHIPMENT,
            at::TRACKING,
        ] {
            if spoiled_by_spreadsheet(self.raw(column)) {
                return Err(cell_error(
                    self,
                    column,
                    "an identifier spoiled by a spreadsheet",
                ));
            }
        }
        Ok(())
    }
}

/// UTF-8 if it is, else Windows-1252, in which every byte sequence is text.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
        }
    }
}

fn spoiled_by_spreadsheet(id: &[u8]) -> bool {
    let exponent = memchr::memchr2(b'E', b'e', id).is_some_and(|at| {
        id.get(at + 1) == Some(&b'+')
            && at > 0
            && id[..at]
                .iter()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
    });
    exponent || !id.is_empty() && id.iter().all(|&b| b == b'#')
}
