//! A new file as a list of what to take from where, before it becomes a delta.

use crate::delta::{Encoder, Totals};
use crate::engine::ordered;
use crate::error::Error;
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

/// Literal data read at once when the delta is written.
const PIECE: u64 = 1 << 20;

/// Where the next bytes of the new file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// `len` bytes from offset `at` of the old file.
    Copy {
        /// Offset in the old file.
        at: u64,
        /// Bytes.
        len: u64,
    },
    /// These bytes of the new file itself.
    Literal(Range<u64>),
}

impl Op {
    /// Bytes of the new file.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Copy { len, .. } => *len,
            Self::Literal(range) => range.end - range.start,
        }
    }
}

/// A list of operations in the order of the new file, neighbours merged.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    list: Vec<Op>,
    /// Bytes of the new file described so far.
    end: u64,
}

impl Ops {
    /// A list that begins at `offset` of the new file.
    pub(crate) fn starting_at(offset: u64) -> Self {
        Self {
            list: Vec::new(),
            end: offset,
        }
    }

    /// Offset in the new file of the byte after the last one described.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Op> {
        self.list.iter()
    }

    /// Appends `len` bytes from offset `at` of the old file.
    pub(crate) fn copy(&mut self, at: u64, len: u64) {
        self.end += len;
        match self.list.last_mut() {
            _ if len == 0 => {}
            Some(Op::Copy {
                at: start,
                len: so_far,
            }) if *start + *so_far == at => *so_far += len,
            _ => self.list.push(Op::Copy { at, len }),
        }
    }

    /// Appends `len` bytes of the new file as they are.
    pub(crate) fn literal(&mut self, len: u64) {
        let start = self.end;
        self.end += len;
        match self.list.last_mut() {
            _ if len == 0 => {}
            Some(Op::Literal(range)) => range.end = self.end,
            _ => self.list.push(Op::Literal(start..self.end)),
        }
    }

    /// Appends an operation for the bytes from `start` on, of which those before the present
    /// end are described already.
    pub(crate) fn append_from(&mut self, start: u64, op: &Op) {
        let known = self.end.saturating_sub(start);
        let len = op.len().saturating_sub(known);
        match op {
            Op::Copy { at, .. } => self.copy(at + known, len),
            Op::Literal(_) => self.literal(len),
        }
    }
}

/// Writes the delta that `ops` stand for; literal bytes are read from `new` again.
pub(crate) fn write_delta(
    ops: &Ops,
    new: &Input,
    out: impl Write,
    out_path: &Path,
    jobs: usize,
    progress: &Progress,
) -> Result<Totals, Error> {
    let failed = |error| Error::io("write", out_path)(error);
    let mut encoder = Encoder::new(BufWriter::with_capacity(256 << 10, out)).map_err(failed)?;
    let parts = ops.iter().flat_map(|op| {
        let step = if matches!(op, Op::Copy { .. }) {
            u64::MAX
        } else {
            PIECE
        };
        let len = op.len();
        let mut done = 0;
        std::iter::from_fn(move || {
            (done < len).then(|| {
                let now = step.min(len - done);
                let part = match op {
                    Op::Copy { at, len } => Op::Copy { at: *at, len: *len },
                    Op::Literal(range) => Op::Literal(range.start + done..range.start + done + now),
                };
                done += now;
                part
            })
        })
    });
    ordered(
        jobs,
        parts.map(|part| progress.check().map(|()| part)),
        Buffer::new,
        |buffer, part| match &part {
            Op::Copy { .. } => Ok((part, Vec::new())),
            Op::Literal(range) => {
                let data = new.read(buffer, range)?.to_vec();
                Ok((part, data))
            }
        },
        |(part, data)| match part {
            Op::Copy { at, len } => encoder.copy(at, len).map_err(Error::io("write", out_path)),
            Op::Literal(_) => encoder.literal(&data).map_err(Error::io("write", out_path)),
        },
    )?;
    let (mut out, totals) = encoder.finish().map_err(failed)?;
    out.flush().map_err(failed)?;
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_merge_and_described_bytes_are_not_described_twice() {
        let mut ops = Ops::default();
        ops.copy(100, 10);
        ops.copy(110, 10);
        ops.literal(5);
        ops.literal(5);
        assert_eq!(ops.end(), 30);
        // A copy for 25..45 of the new file, of which 25..30 is there already.
        ops.append_from(25, &Op::Copy { at: 0, len: 20 });
        ops.append_from(45, &Op::Literal(0..0));
        ops.append_from(20, &Op::Literal(20..40));
        let list: Vec<_> = ops.iter().cloned().collect();
        assert_eq!(
            list,
            [
                Op::Copy { at: 100, len: 20 },
                Op::Literal(20..30),
                Op::Copy { at: 5, len: 15 },
            ]
        );
    }
}
