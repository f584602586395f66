//! Splits rows into fields: the inner loop of every check and report.
//!
//! Delimiters, quotes and newlines are found 64 bytes at a time as bits of a mask, in safe code
//! on 64-bit words. Strict where leniency would guess: a quote in the middle of a bare field is an
//! error with its place, because it would shift every column after it.

use std::borrow::Cow;

/// Where a field lies in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
    doubled: bool,
}

impl Span {
    /// The field's text, its quotes removed and doubled ones made single.
    pub fn text<'a>(&self, block: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = self.raw(block);
        if !self.doubled {
            return Cow::Borrowed(raw);
        }
        let mut text = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter().copied();
        while let Some(byte) = bytes.next() {
            text.push(byte);
            if byte == b'"' {
                bytes.next();
            }
        }
        Cow::Owned(text)
    }

    /// The field's bytes as they stand between its quotes.
    #[inline]
    pub fn raw<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        &block[self.start as usize..self.end as usize]
    }

    /// Whether nothing is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// What ended a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowEnd {
    /// Line on which the row began, counted from that of the block.
    pub line: u64,
    /// Whether a newline stood at its end.
    pub terminated: bool,
}

/// A quote where none may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteError {
    /// Line, counted from that of the block.
    pub line: u64,
    /// Field of the row, counted from 1.
    pub field: usize,
    /// Whether the input ended inside the quotes.
    pub unclosed: bool,
}

/// Walks over the rows of a block.
#[derive(Debug)]
pub struct Splitter<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    /// Marks not yet used in the 64 bytes from `base`.
    mask: u64,
    base: usize,
    start: usize,
    line: u64,
}

impl<'a> Splitter<'a> {
    /// Starts at the first byte of `bytes`, on line 0 of the block.
    #[must_use]
    pub fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        let mut splitter = Self {
            bytes,
            delimiter,
            mask: 0,
            base: 0,
            start: 0,
            line: 0,
        };
        splitter.mask = splitter.marks();
        splitter
    }

    /// Where the next row begins.
    #[must_use]
    pub fn position(&self) -> usize {
        self.start
    }

    /// Reads the next row into `fields`; `None` at the end. Empty lines are passed over.
    ///
    /// After `limit` fields the rest of the row is skipped unread: totals need 53 of 250.
    pub fn row(
        &mut self,
        fields: &mut Vec<Span>,
        limit: usize,
    ) -> Result<Option<RowEnd>, QuoteError> {
        loop {
            fields.clear();
            let line = self.line;
            if self.start >= self.bytes.len() {
                return Ok(None);
            }
            let terminated = self.fields(fields, limit)?;
            if fields.len() > 1 || fields.first().is_some_and(|field| !field.is_empty()) {
                return Ok(Some(RowEnd { line, terminated }));
            }
        }
    }

    fn fields(&mut self, fields: &mut Vec<Span>, limit: usize) -> Result<bool, QuoteError> {
        loop {
            let Some(at) = self.next_mark() else {
                Self::push(fields, self.start, self.bytes.len());
                self.start = self.bytes.len();
                return Ok(false);
            };
            let byte = self.bytes[at];
            if byte == self.delimiter {
                Self::push(fields, self.start, at);
                self.start = at + 1;
                if fields.len() >= limit {
                    return self.skip_row();
                }
            } else if byte == b'\n' {
                let end = if at > self.start && self.bytes[at - 1] == b'\r' {
                    at - 1
                } else {
                    at
                };
                Self::push(fields, self.start, end);
                self.start = at + 1;
                self.line += 1;
                return Ok(true);
            } else if let Some(terminated) = self.quoted(fields, at)? {
                return Ok(terminated);
            }
        }
    }

    /// A quoted field from the quote at `open`; the row's end if the field was its last.
    fn quoted(&mut self, fields: &mut Vec<Span>, open: usize) -> Result<Option<bool>, QuoteError> {
        let field = fields.len() + 1;
        if open != self.start {
            return Err(QuoteError {
                line: self.line,
                field,
                unclosed: false,
            });
        }
        let first_line = self.line;
        let mut doubled = false;
        let close = loop {
            let unclosed = QuoteError {
                line: first_line,
                field,
                unclosed: true,
            };
            let at = self.next_mark().ok_or(unclosed)?;
            match self.bytes[at] {
                b'\n' => self.line += 1,
                b'"' if self.bytes.get(at + 1) == Some(&b'"') => {
                    self.next_mark();
                    doubled = true;
                }
                b'"' => break at,
                _ => {}
            }
        };
        fields.push(span(open + 1, close, doubled));
        let after = &self.bytes[close + 1..];
        let (length, ends) = match after {
            [] => (0, Some(false)),
            [b'\n', ..] => (1, Some(true)),
            [b'\r', b'\n', ..] => (2, Some(true)),
            [byte, ..] if *byte == self.delimiter => (1, None),
            _ => {
                return Err(QuoteError {
                    line: self.line,
                    field,
                    unclosed: false,
                });
            }
        };
        if length > 0 {
            self.next_mark();
        }
        if ends == Some(true) {
            self.line += 1;
        }
        self.start = close + 1 + length;
        Ok(ends)
    }

    /// Passes over the rest of a row, respecting quotes.
    fn skip_row(&mut self) -> Result<bool, QuoteError> {
        let mut inside = false;
        let mut at = self.start;
        loop {
            let Some(step) = memchr::memchr2(b'\n', b'"', &self.bytes[at..]) else {
                if inside {
                    return Err(QuoteError {
                        line: self.line,
                        field: 0,
                        unclosed: true,
                    });
                }
                self.jump(self.bytes.len());
                return Ok(false);
            };
            at += step + 1;
            if self.bytes[at - 1] == b'"' {
                inside = !inside;
                continue;
            }
            self.line += 1;
            if !inside {
                self.jump(at);
                return Ok(true);
            }
        }
    }

    fn jump(&mut self, to: usize) {
        self.start = to;
        self.base = to;
        self.mask = self.marks();
    }

    #[inline]
    fn push(fields: &mut Vec<Span>, start: usize, end: usize) {
        fields.push(span(start, end, false));
    }

    #[inline]
    fn next_mark(&mut self) -> Option<usize> {
        while self.mask == 0 {
            if self.base >= self.bytes.len() {
                return None;
            }
            self.base += 64;
            self.mask = self.marks();
        }
        let at = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(at)
    }

    /// One bit for each of the 64 bytes from `base` that is a delimiter, quote or newline.
    #[inline]
    fn marks(&self) -> u64 {
        let rest = self.bytes.get(self.base..).unwrap_or_default();
        if let Some(chunk) = rest.first_chunk::<64>() {
            return marks_of(chunk, self.delimiter);
        }
        let mut chunk = [0; 64];
        chunk[..rest.len()].copy_from_slice(rest);
        marks_of(&chunk, self.delimiter)
    }
}

/// Blocks are far below 4 GiB, so offsets fit; a span of 12 bytes keeps 250 of them in cache.
#[expect(
    clippy::cast_possible_truncation,
    reason = "blocks are at most a few MiB long"
)]
#[inline]
fn span(start: usize, end: usize, doubled: bool) -> Span {
    Span {
        start: start as u32,
        end: end as u32,
        doubled,
    }
}

#[inline]
fn marks_of(chunk: &[u8; 64], delimiter: u8) -> u64 {
    let mut mask = 0;
    let (words, _) = chunk.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zero_bytes(word ^ repeat(delimiter))
            | zero_bytes(word ^ repeat(b'\n'))
            | zero_bytes(word ^ repeat(b'"'));
        // Gathers the top bit of each byte into the low eight bits.
        mask |= ((found >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (index * 8);
    }
    mask
}

const fn repeat(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// 0x80 in every byte of the result whose byte in `word` is zero; exact, no borrow runs over.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW) + LOW) | word | LOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &[u8], delimiter: u8) -> Result<Vec<Vec<Vec<u8>>>, QuoteError> {
        let mut splitter = Splitter::new(text, delimiter);
        let (mut fields, mut rows) = (Vec::new(), Vec::new());
        while splitter.row(&mut fields, usize::MAX)?.is_some() {
            rows.push(
                fields
                    .iter()
                    .map(|span| span.text(text).into_owned())
                    .collect(),
            );
        }
        Ok(rows)
    }

    #[test]
    fn quotes_newlines_and_carriage_returns() {
        let text = b"a,\"b \"\"x\"\", c\",\r\n\n\"two\nlines\",d,e";
        let wanted: Vec<Vec<Vec<u8>>> = vec![
            vec![b"a".to_vec(), b"b \"x\", c".to_vec(), b"".to_vec()],
            vec![b"two\nlines".to_vec(), b"d".to_vec(), b"e".to_vec()],
        ];
        assert_eq!(rows(text, b',').unwrap(), wanted);
    }

    #[test]
    fn stray_and_unclosed_quotes_have_a_place() {
        let error = rows(b"a,b\nc,12\" pipe,d\n", b',').unwrap_err();
        assert_eq!(
            error,
            QuoteError {
                line: 1,
                field: 2,
                unclosed: false
            }
        );
        let error = rows(b"a,\"b\nc", b',').unwrap_err();
        assert_eq!(
            error,
            QuoteError {
                line: 0,
                field: 2,
                unclosed: true
            }
        );
        assert!(rows(b"a,\"b\"c,d\n", b',').is_err());
    }

    #[test]
    fn a_limit_skips_the_rest_of_the_row() {
        let text = b"a,b,c,\"d\n,\"\nq,r,s,t\nx,y";
        let mut splitter = Splitter::new(text, b',');
        let mut fields = Vec::new();
        let mut seen = Vec::new();
        while let Some(end) = splitter.row(&mut fields, 2).unwrap() {
            seen.push((end.line, fields[0].text(text).into_owned(), fields.len()));
        }
        assert_eq!(
            seen,
            [
                (0, b"a".to_vec(), 2),
                (2, b"q".to_vec(), 2),
                (3, b"x".to_vec(), 2)
            ]
        );
    }

    proptest! {
        #[test]
        fn reads_what_the_csv_crate_writes(
            table in proptest::collection::vec(proptest::collection::vec("[a,;\"\r\n é]{0,9}", 2..9), 1..20),
            delimiter in prop_oneof![Just(b','), Just(b';')],
        ) {
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).flexible(true).from_writer(Vec::new());
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let wanted: Vec<Vec<Vec<u8>>> = table
                .iter()
                .map(|row| row.iter().map(|field| field.clone().into_bytes()).collect())
                .collect();
            prop_assert_eq!(rows(&text, delimiter).unwrap(), wanted);
        }

        #[test]
        fn any_bytes_are_answered(text in proptest::collection::vec(prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), any::<u8>()], 0..300)) {
            let _ = rows(&text, b',');
        }
    }
}
