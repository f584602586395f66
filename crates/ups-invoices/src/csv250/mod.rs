//! The billing data file: 250 columns, in every variant that is known to exist.
//!
//! Takes bytes, gives sums, rows and errors with exact places; touches no path, clock or network.
//! The reading order of the parts: [`columns`] (the table), [`block`] and [`split`] (bytes to
//! fields), [`layout`] (which variant), [`row`] (fields to values), [`sum`] (values to invoices),
//! [`canonical`] (one form for all variants).

pub mod block;
pub mod canonical;
pub mod columns;
pub mod layout;
pub mod row;
pub mod split;
pub mod sum;

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;

use block::{Block, BlockReader};
use columns::NARROWEST;
use layout::Layout;
use row::Row;
use split::{QuoteError, Splitter};
pub use sum::{InvoiceSum, Remark, Sums};

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// Another layout, by name.
    #[error("not the 250-column billing data file but {0}")]
    Layout(String),
    /// A value that cannot be what its column holds.
    #[error("line {line}, column {column} ({name}): `{value}`: {reason}")]
    Cell {
        /// Line, counted from 1.
        line: u64,
        /// Column number of the billing data file, counted from 1.
        column: usize,
        /// The column's name.
        name: &'static str,
        /// The value, escaped.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row that is none.
    #[error("line {line}: {reason}")]
    Row {
        /// Line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The end is missing: a transfer that broke off.
    #[error("cut off in the row of line {line}")]
    Cut {
        /// Line, counted from 1.
        line: u64,
    },
    /// The input failed.
    #[error("cannot be read")]
    Io(#[from] std::io::Error),
}

impl CsvError {
    /// Line of the fault, 0 where it has none: errors of parallel workers are ordered by it.
    fn line(&self) -> u64 {
        match self {
            Self::Cell { line, .. } | Self::Row { line, .. } | Self::Cut { line } => *line,
            Self::Layout(_) | Self::Io(_) => 0,
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Layout(_) => {
                Some("choose the 250-column billing data file (CSV) as the download")
            }
            Self::Cell { reason, .. } if reason.contains("spreadsheet") => {
                Some("download it again and do not save it from a spreadsheet")
            }
            _ => None,
        }
    }
}

/// What a pass over a file found.
#[derive(Debug)]
pub struct Scan {
    /// The file's variant.
    pub layout: Layout,
    /// Its invoices, remarks and row counts.
    pub sums: Sums,
}

/// Reads a whole file of any size, every value typed, with up to `threads` workers.
///
/// Memory is a few blocks of 1 MiB and the sums.
pub fn scan<R: Read + Send>(input: R, threads: usize) -> Result<Scan, CsvError> {
    let (layout, sums) = run(
        input,
        threads,
        usize::MAX,
        Sums::default,
        Sums::add,
        Sums::merge,
    )?;
    Ok(Scan { layout, sums })
}

/// Reads a file held in memory and shows each data row to `visit`, in order.
pub fn each_row(
    bytes: &[u8],
    mut visit: impl FnMut(&Row<'_>) -> Result<(), CsvError>,
) -> Result<Layout, CsvError> {
    let mut reader = BlockReader::new(bytes);
    let (layout, waiting) = open(&mut reader)?;
    for block in &waiting {
        each_row_of(block, &layout, usize::MAX, &mut visit)?;
    }
    let mut block = Block::default();
    while reader.fill(&mut block)? {
        each_row_of(&block, &layout, usize::MAX, &mut visit)?;
    }
    Ok(layout)
}

/// Each invoice of a file as a file of its own, by recipient and number: its rows as they stand,
/// below the header if there is one.
pub fn apart(bytes: &[u8]) -> Result<HashMap<(String, String), Vec<u8>>, CsvError> {
    let mut reader = BlockReader::new(bytes);
    let (layout, _) = open(&mut reader)?;
    let bytes = bytes.strip_prefix(block::BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut splitter = Splitter::new(bytes, layout.delimiter);
    let mut fields = Vec::with_capacity(layout.width);
    let mut header: &[u8] = b"";
    let mut files: HashMap<(String, String), Vec<u8>> = HashMap::new();
    loop {
        let start = splitter.position();
        let end = splitter
            .row(&mut fields, usize::MAX)
            .map_err(|quote| quote_error(quote, 1))?;
        let Some(end) = end else { return Ok(files) };
        let raw = &bytes[start..splitter.position()];
        if layout.header.is_some() && layout::is_header(bytes, &fields) {
            header = raw;
            continue;
        }
        let row = Row::new(bytes, &fields, &layout, end.line + 1);
        let key = (
            row.string(columns::at::RECIPIENT),
            row.string(columns::at::INVOICE_NUMBER),
        );
        files
            .entry(key)
            .or_insert_with(|| header.to_vec())
            .extend_from_slice(raw);
    }
}

/// Reads the first `columns_needed` columns of every row into one `T` per worker and merges those.
pub fn run<R, T>(
    input: R,
    threads: usize,
    last_column: usize,
    start: impl Fn() -> T + Sync,
    add: impl Fn(&mut T, &Row<'_>) -> Result<(), CsvError> + Sync,
    merge: impl Fn(&mut T, T),
) -> Result<(Layout, T), CsvError>
where
    R: Read + Send,
    T: Send,
{
    let mut reader = BlockReader::new(input);
    let (layout, waiting) = open(&mut reader)?;
    let limit = match last_column {
        usize::MAX => usize::MAX,
        column => layout.needed(&(0..=column).collect::<Vec<_>>()),
    };
    // Each worker takes the next block itself: no queue, and no block waits in memory.
    let source = Mutex::new((waiting.into_iter(), reader));
    let work = || -> Result<T, CsvError> {
        let mut state = start();
        let mut block = Block::default();
        loop {
            {
                let mut source = source
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                match source.0.next() {
                    Some(waiting) => block = waiting,
                    None if source.1.fill(&mut block)? => {}
                    None => return Ok(state),
                }
            }
            each_row_of(&block, &layout, limit, &mut |row| add(&mut state, row))?;
        }
    };
    let parts: Vec<Result<T, CsvError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    });
    let mut whole = start();
    let mut first_error: Option<CsvError> = None;
    for part in parts {
        match part {
            Ok(part) => merge(&mut whole, part),
            Err(error) if first_error.as_ref().is_none_or(|e| error.line() < e.line()) => {
                first_error = Some(error);
            }
            Err(_) => {}
        }
    }
    first_error.map_or(Ok((layout, whole)), Err)
}

/// Reads blocks until the layout is decided; they are still to be worked on.
fn open<R: Read>(reader: &mut BlockReader<R>) -> Result<(Layout, Vec<Block>), CsvError> {
    let mut blocks = Vec::new();
    loop {
        let mut block = Block::default();
        let last = !reader.fill(&mut block)?;
        if !last || blocks.is_empty() {
            blocks.push(block);
        }
        if let Some(layout) = layout::decide(&blocks, last)? {
            return Ok((layout, blocks));
        }
    }
}

fn each_row_of(
    block: &Block,
    layout: &Layout,
    limit: usize,
    visit: &mut impl FnMut(&Row<'_>) -> Result<(), CsvError>,
) -> Result<(), CsvError> {
    let mut splitter = Splitter::new(&block.bytes, layout.delimiter);
    let mut fields = Vec::with_capacity(layout.width);
    loop {
        let end = splitter
            .row(&mut fields, limit)
            .map_err(|quote| quote_error(quote, block.first_line))?;
        let Some(end) = end else { return Ok(()) };
        let line = block.first_line + end.line;
        if limit == usize::MAX {
            if !end.terminated && fields.len() < layout.width {
                return Err(CsvError::Cut { line });
            }
            if fields.len() < NARROWEST {
                let reason = format!(
                    "has {} columns where {} are due",
                    fields.len(),
                    layout.width
                );
                return Err(CsvError::Row { line, reason });
            }
        } else if fields.len() < limit {
            return Err(if end.terminated {
                CsvError::Row {
                    line,
                    reason: format!("has only {} columns", fields.len()),
                }
            } else {
                CsvError::Cut { line }
            });
        }
        if layout.header.is_some() && layout::is_header(&block.bytes, &fields) {
            continue;
        }
        visit(&Row::new(&block.bytes, &fields, layout, line))?;
    }
}

fn quote_error(quote: QuoteError, first_line: u64) -> CsvError {
    let line = first_line + quote.line;
    if quote.unclosed {
        return CsvError::Cut { line };
    }
    CsvError::Row {
        line,
        reason: format!("a quote inside field {} that is not quoted", quote.field),
    }
}

fn cell_error(row: &Row<'_>, column: usize, reason: &str) -> CsvError {
    let value: String = row
        .string(column)
        .chars()
        .take(60)
        .flat_map(char::escape_debug)
        .collect();
    let known = &columns::all()[column];
    CsvError::Cell {
        line: row.line,
        column: known.number,
        name: known.name,
        value,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
