//! Which of the known shapes a file has: delimiter, header, decimal sign, order of dates.
//!
//! All of it is decided once per file and from the values themselves. A later value that
//! contradicts the decision is an error at its own line and column; values that could be read two
//! ways, with nothing else in the file to decide, are an error too.

use super::block::Block;
use super::columns::{self, Kind, NARROWEST, at};
use super::row::Row;
use super::split::{Span, Splitter};
use super::{CsvError, cell_error};
use crate::day::{self, DateOrder, OrderEvidence};
use crate::money::{self, DecimalSign, SignEvidence};

/// The only layout version seen; others are read only where a header names the columns.
const KNOWN_VERSION: &[u8] = b"2.1";

/// How a file is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `,` or `;`.
    pub delimiter: u8,
    /// Columns of the header; `None` if the file has none.
    pub header: Option<usize>,
    /// Columns of the first row; a narrower last row without newline is a cut.
    pub width: usize,
    /// Decimal sign of all numbers.
    pub decimal: DecimalSign,
    /// Order of all dates.
    pub dates: DateOrder,
    /// Position in the file of each known column; `usize::MAX` where the file lacks it.
    positions: Vec<usize>,
    /// Known column, kind and binding of each position in the file.
    meanings: Vec<Option<(usize, Kind, bool)>>,
}

impl Layout {
    /// A word for reports: `comma, ISO dates, header of 250`.
    #[must_use]
    pub fn describe(&self) -> String {
        let delimiter = if self.delimiter == b',' {
            "comma"
        } else {
            "semicolon"
        };
        let decimal = if self.decimal == DecimalSign::Point {
            "point"
        } else {
            "decimal comma"
        };
        let dates = match self.dates {
            DateOrder::Iso => "ISO dates",
            DateOrder::DayMonthYear => "DD/MM/YYYY",
            DateOrder::MonthDayYear => "MM/DD/YYYY",
            DateOrder::DayNameYear => "DD-Mon-YY",
        };
        let header = match self.header {
            Some(width) => format!("header of {width}"),
            None => format!("no header, {} columns", self.width),
        };
        format!("{delimiter}, {decimal}, {dates}, {header}")
    }

    /// Position in the file of known column `column`, if the file has it.
    #[inline]
    #[must_use]
    pub fn position(&self, column: usize) -> Option<usize> {
        self.positions
            .get(column)
            .copied()
            .filter(|&position| position != usize::MAX)
    }

    /// Column, kind and whether the kind is binding, for each position of the file.
    #[must_use]
    pub fn meanings(&self) -> &[Option<(usize, Kind, bool)>] {
        &self.meanings
    }

    /// Fields of a row that totals need: up to the last of `columns`.
    #[must_use]
    pub fn needed(&self, columns: &[usize]) -> usize {
        columns
            .iter()
            .filter_map(|&column| self.position(column))
            .max()
            .map_or(0, |last| last + 1)
    }
}

/// Whether a row is a header: it names its first or its sixth column.
pub(super) fn is_header(block: &[u8], fields: &[Span]) -> bool {
    let says = |position: usize, name: &str| {
        fields.get(position).is_some_and(|field| {
            field
                .raw(block)
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_bytes())
        })
    };
    says(at::VERSION, "Version") || says(at::INVOICE_NUMBER, "Invoice Number")
}

/// Decides the layout from the first blocks of a file; `None` if they do not suffice and `last`
/// is false.
pub(super) fn decide(blocks: &[Block], last: bool) -> Result<Option<Layout>, CsvError> {
    let first = &blocks[0].bytes;
    refuse_other_formats(first)?;
    let mut fields = Vec::new();
    let (delimiter, width) = [b',', b';']
        .into_iter()
        .map(|delimiter| {
            let mut row = Splitter::new(first, delimiter);
            let read = row.row(&mut fields, usize::MAX);
            (delimiter, if read.is_ok() { fields.len() } else { 0 })
        })
        .max_by_key(|&(_, width)| width)
        .unwrap_or((b',', 0));
    let mut splitter = Splitter::new(first, delimiter);
    let end = splitter
        .row(&mut fields, usize::MAX)
        .map_err(|quote| super::quote_error(quote, 1))?;
    if width < NARROWEST {
        if end.is_some_and(|end| !end.terminated) && starts_like_a_row(first, &fields) {
            return Err(CsvError::Cut { line: 1 });
        }
        return Err(CsvError::Layout(name_of_narrow(first, &fields)));
    }
    let header = is_header(first, &fields).then_some(fields.len());
    let positions = if header.is_some() {
        match_header(first, &fields)?
    } else {
        let version = fields[at::VERSION].raw(first).trim_ascii();
        if version != KNOWN_VERSION {
            let version = String::from_utf8_lossy(version).escape_debug().to_string();
            return Err(CsvError::Layout(format!(
                "{width} columns, no header, and layout version `{version}` instead of 2.1"
            )));
        }
        (0..columns::COUNT)
            .map(|c| if c < width { c } else { usize::MAX })
            .collect()
    };
    // An only row without newline is whole only if it is as wide as rows can be.
    let cut = end.is_some_and(|end| !end.terminated);
    let mut layout = Layout {
        delimiter,
        header,
        width: if cut {
            width.max(columns::COUNT)
        } else {
            width
        },
        decimal: DecimalSign::Point,
        dates: DateOrder::Iso,
        meanings: meanings(&positions, width),
        positions,
    };
    let Some((decimal, dates)) = evidence(blocks, &layout, last)? else {
        return Ok(None);
    };
    layout.decimal = decimal;
    layout.dates = dates;
    Ok(Some(layout))
}

/// Names what a file is that cannot be a billing data file.
fn refuse_other_formats(bytes: &[u8]) -> Result<(), CsvError> {
    let start = bytes.trim_ascii_start();
    let what = match start {
        [] => "an empty file",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or an XLSX workbook",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'<', ..] => "a web page or XML",
        [b'{' | b'[', ..] => "JSON",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text",
        _ => return Ok(()),
    };
    Err(CsvError::Layout(what.to_owned()))
}

/// Whether a narrow first row could be the beginning of a billing row that was cut off.
fn starts_like_a_row(block: &[u8], fields: &[Span]) -> bool {
    fields.len() > at::INVOICE_CURRENCY && fields[0].raw(block) == KNOWN_VERSION
}

fn name_of_narrow(block: &[u8], fields: &[Span]) -> String {
    let names = fields
        .iter()
        .filter(|field| columns::by_name(&String::from_utf8_lossy(field.raw(block))).is_some())
        .count();
    let width = fields.len();
    if names * 3 >= width && names > 2 {
        format!("a table of {width} named columns: Billing Center Lite or another summary")
    } else {
        format!("{width} columns without a known header: a flat file bill or another layout")
    }
}

fn match_header(block: &[u8], fields: &[Span]) -> Result<Vec<usize>, CsvError> {
    let mut positions = vec![usize::MAX; columns::COUNT];
    let mut nameless = Vec::new();
    for (position, field) in fields.iter().enumerate() {
        let name = field.text(block);
        match columns::by_name(&String::from_utf8_lossy(&name)) {
            Some(column) if positions[column] == usize::MAX => positions[column] = position,
            Some(column) => {
                let name = columns::all()[column].name;
                return Err(CsvError::Layout(format!("its header names `{name}` twice")));
            }
            None => nameless.push(position),
        }
    }
    for position in nameless {
        if position < columns::COUNT && positions[position] == usize::MAX {
            positions[position] = position;
        }
    }
    for needed in [
        at::ACCOUNT,
        at::INVOICE_DATE,
        at::INVOICE_NUMBER,
        at::INVOICE_CURRENCY,
        at::INVOICE_AMOUNT,
        at::NET,
    ] {
        if positions[needed] == usize::MAX {
            let name = columns::all()[needed].name;
            return Err(CsvError::Layout(format!("its header lacks `{name}`")));
        }
    }
    Ok(positions)
}

fn meanings(positions: &[usize], width: usize) -> Vec<Option<(usize, Kind, bool)>> {
    let mut meanings = vec![None; width];
    for (column, &position) in positions.iter().enumerate() {
        if position < width {
            let known = &columns::all()[column];
            meanings[position] = Some((column, known.kind, known.binding));
        }
    }
    meanings
}

/// Looks for values that can be read one way only.
fn evidence(
    blocks: &[Block],
    layout: &Layout,
    last: bool,
) -> Result<Option<(DecimalSign, DateOrder)>, CsvError> {
    let (mut decimal, mut dates) = (None, None);
    let (mut unclear_number, mut unclear_date) = (None, None);
    let mut fields = Vec::new();
    'blocks: for block in blocks {
        let mut splitter = Splitter::new(&block.bytes, layout.delimiter);
        // A broken row is reported with its place by the pass that reads the rows.
        while let Ok(Some(end)) = splitter.row(&mut fields, usize::MAX) {
            if is_header(&block.bytes, &fields) {
                continue;
            }
            let row = Row::new(&block.bytes, &fields, layout, block.first_line + end.line);
            for (position, field) in fields.iter().enumerate() {
                let Some(Some((column, kind, true))) = layout.meanings.get(position) else {
                    continue;
                };
                let text = field.raw(&block.bytes).trim_ascii();
                match kind {
                    Kind::Amount | Kind::Decimal => {
                        let exponent = if *kind == Kind::Amount {
                            row.exponent(*column)
                        } else {
                            2
                        };
                        match money::sign_evidence(text, exponent) {
                            SignEvidence::Is(sign) => decimal = decimal.or(Some(sign)),
                            SignEvidence::Ambiguous => {
                                unclear_number.get_or_insert_with(|| {
                                    cell_error(&row, *column, "could mean two numbers, and no other value tells which sign is decimal")
                                });
                            }
                            SignEvidence::Silent => {}
                        }
                    }
                    Kind::Date if !text.is_empty() => match day::order_evidence(text) {
                        OrderEvidence::Is(order) => dates = dates.or(Some(order)),
                        OrderEvidence::Ambiguous => {
                            unclear_date.get_or_insert_with(|| {
                                cell_error(&row, *column, "could be two days, and no other date tells which number is the month")
                            });
                        }
                        // Reported with its place once the order is known.
                        OrderEvidence::Nonsense => {}
                    },
                    _ => {}
                }
            }
            if decimal.is_some() && dates.is_some() {
                break 'blocks;
            }
        }
    }
    if !last && (decimal.is_none() || dates.is_none()) {
        return Ok(None);
    }
    let usual = if layout.delimiter == b',' {
        DecimalSign::Point
    } else {
        DecimalSign::Comma
    };
    let decimal = match (decimal, unclear_number) {
        (Some(sign), _) => sign,
        (None, Some(error)) => return Err(error),
        (None, None) => usual,
    };
    let dates = match (dates, unclear_date) {
        (Some(order), _) => order,
        (None, Some(error)) => return Err(error),
        (None, None) => DateOrder::Iso,
    };
    Ok(Some((decimal, dates)))
}
