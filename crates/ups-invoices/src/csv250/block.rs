//! Reads a file of any size in blocks that end where a row ends.
//!
//! A row ends at a newline with an even number of quotes before it. Files are read, not mapped:
//! a mapped file that shrinks under us would end the process.

use std::io::{self, Read};

/// Bytes asked for at a time. Blocks of 256 KiB to 4 MiB measured the same; small ones keep the
/// memory of several workers small.
const BLOCK: usize = 1 << 20;

/// A row longer than this is an unclosed quote: 250 columns of the longest known text are 10 KiB.
const LONGEST_ROW: usize = 4 << 20;

/// What some programs put before UTF-8; no part of the first field.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whole rows, and where they stand in the file.
#[derive(Debug, Default)]
pub struct Block {
    /// The rows. Only the last block of a file may lack its final newline.
    pub bytes: Vec<u8>,
    /// Line number of the first row, counted from 1.
    pub first_line: u64,
}

/// Cuts an input into [`Block`]s.
#[derive(Debug)]
pub struct BlockReader<R> {
    input: R,
    rest: Vec<u8>,
    line: u64,
    done: bool,
}

impl<R: Read> BlockReader<R> {
    /// Starts at line 1 of `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            rest: Vec::new(),
            line: 1,
            done: false,
        }
    }

    /// Fills `block` with the next rows, reusing its memory; `false` at the end.
    pub fn fill(&mut self, block: &mut Block) -> io::Result<bool> {
        let bytes = &mut block.bytes;
        bytes.clear();
        bytes.append(&mut self.rest);
        block.first_line = self.line;
        while !self.done {
            let before = bytes.len();
            let read = self.input.by_ref().take(BLOCK as u64).read_to_end(bytes)?;
            if self.line == 1 && before == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            if read < BLOCK {
                self.done = true;
                break;
            }
            if let Some(end) = last_row_end(bytes) {
                self.rest.extend_from_slice(&bytes[end..]);
                bytes.truncate(end);
                break;
            }
            if before > LONGEST_ROW {
                let text = format!("a row of more than {LONGEST_ROW} bytes: a quote is not closed");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        Ok(!bytes.is_empty())
    }
}

/// Position after the last newline that an even number of quotes precedes.
fn last_row_end(bytes: &[u8]) -> Option<usize> {
    let mut inside = memchr::memchr_iter(b'"', bytes).count() % 2 == 1;
    for at in memchr::memrchr2_iter(b'"', b'\n', bytes) {
        if bytes[at] == b'"' {
            inside = !inside;
        } else if !inside {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_join_to_the_input_and_end_at_rows() {
        let row = format!("a,\"{}\nx\",b\n", "y".repeat(1000));
        let text = row.repeat(3000);
        let mut reader = BlockReader::new(text.as_bytes());
        let (mut block, mut joined, mut lines) = (Block::default(), Vec::new(), Vec::new());
        while reader.fill(&mut block).unwrap() {
            assert!(block.bytes.ends_with(b",b\n"), "a block ends inside a row");
            lines.push(block.first_line);
            joined.extend_from_slice(&block.bytes);
        }
        assert_eq!(joined, text.as_bytes());
        assert!(lines.len() > 2);
        let rows_before_second = (lines[1] - 1) / 2;
        assert_eq!(
            lines[1],
            rows_before_second * 2 + 1,
            "rows have two lines each"
        );
    }

    #[test]
    fn an_unclosed_quote_does_not_eat_memory() {
        let text = [b"\"".as_slice(), &vec![b'\n'; 16 << 20]].concat();
        let mut reader = BlockReader::new(text.as_slice());
        let error = reader.fill(&mut Block::default()).unwrap_err();
        assert!(error.to_string().contains("a quote is not closed"));
    }
}
