//! Finds data of the old file that has moved, in the stretches of the new file that are new.
//!
//! Only weak sums of the old file are needed: a match is confirmed by the old bytes themselves,
//! which are at hand. Matches are then made longer byte by byte.

use crate::engine::ordered;
use crate::error::Error;
use crate::extent::{Extent, blocks};
use crate::matcher::Matcher;
use crate::ops::{Op, Ops};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::scan;
use crate::signature::{Format, Header, Signature, auto_block_len};
use crate::strong::StrongKind;
use crate::weak::WeakKind;
use crate::zero::is_zero;
use std::ops::Range;

/// Literal stretches of at least this many blocks are worth a search for moved data.
const SEARCH_FROM: u64 = 32;

/// Block length of that search at most: larger blocks would miss what moved in smaller ones.
const MAX_BLOCK: u32 = 128 << 10;

/// Bytes of the old file read per piece of work, a multiple of every block length.
const PIECE: u64 = 2 << 20;

/// Weak sums of the old file's blocks, as far as they are known.
#[derive(Debug)]
pub(crate) struct Sums {
    summer: Summer,
    /// Length of the old file.
    len: u64,
    weak: Vec<u32>,
    /// A bit per block.
    known: Vec<u64>,
}

/// Computes the sums of blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summer {
    block_len: usize,
    /// Sum of a block of zeros.
    zero: u32,
    /// Length of the old file: there a block may end early.
    len: u64,
}

impl Sums {
    /// No sums yet of a file of `len` bytes.
    pub(crate) fn new(len: u64) -> Self {
        // A power of two, so that pieces of work hold whole blocks.
        let block_len = auto_block_len(Some(len)).next_power_of_two().min(MAX_BLOCK) as usize;
        let count = usize::try_from(len.div_ceil(block_len as u64)).unwrap_or(usize::MAX);
        Self {
            summer: Summer {
                block_len,
                zero: WEAK.sum(&vec![0; block_len]),
                len,
            },
            len,
            // Pages of these that are never written take no memory.
            weak: vec![0; count],
            known: vec![0; count.div_ceil(64)],
        }
    }

    pub(crate) fn summer(&self) -> Summer {
        self.summer
    }

    /// Notes the sums of blocks from number `first` on.
    pub(crate) fn note(&mut self, first: usize, sums: &[u32]) {
        // Past the end of the old file there is nothing to note, and no place for it.
        if sums.is_empty() {
            return;
        }
        self.weak[first..first + sums.len()].copy_from_slice(sums);
        for block in first..first + sums.len() {
            self.known[block / 64] |= 1 << (block % 64);
        }
    }

    /// Notes that all these blocks have the same sum.
    fn note_equal(&mut self, blocks: Range<usize>, sum: u32) {
        for block in blocks {
            self.note(block, &[sum]);
        }
    }

    fn is_known(&self, mut blocks: Range<usize>) -> bool {
        blocks.all(|block| self.known[block / 64] >> (block % 64) & 1 != 0)
    }

    /// Numbers of the blocks in a range that begins at one.
    fn numbers(&self, range: &Range<u64>) -> Range<usize> {
        let block = self.summer.block_len as u64;
        let number = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        number(range.start / block)..number(range.end.div_ceil(block))
    }

    /// Reads what is still needed to know the sums of all blocks.
    fn complete(&mut self, old: &Input, jobs: usize, progress: &Progress) -> Result<(), Error> {
        if self.is_known(0..self.weak.len()) {
            return Ok(());
        }
        let summer = self.summer;
        let block = summer.block_len as u64;
        let unknown: Vec<Extent> = blocks(old.extents(0..self.len), block, PIECE, self.len)
            .filter(|extent| !self.is_known(self.numbers(&extent.range)))
            .collect();
        let bytes = |extent: &Extent| extent.range.end - extent.range.start;
        progress.start("sums", unknown.iter().map(bytes).sum());
        ordered(
            jobs,
            unknown
                .into_iter()
                .map(|extent| progress.check().map(|()| extent)),
            Buffer::new,
            |buffer, extent| {
                let found = if extent.hole {
                    None
                } else {
                    let data = old.read(buffer, &extent.range)?;
                    Some(summer.sums(extent.range.start, data).1)
                };
                Ok((extent, found))
            },
            |(extent, found)| {
                let numbers = self.numbers(&extent.range);
                if let Some(found) = found {
                    self.note(numbers.start, &found);
                } else {
                    // The last block of a file may be short, and is then no block of zeros.
                    let whole =
                        numbers.start..usize::try_from(extent.range.end / block).unwrap_or(0);
                    self.note_equal(whole.clone(), summer.zero);
                    let tail = usize::try_from(extent.range.end % block).unwrap_or(0);
                    if tail > 0 {
                        self.note(whole.end, &[WEAK.sum(&vec![0; tail])]);
                    }
                }
                progress.add(bytes(&extent));
                Ok(())
            },
        )
    }
}

/// The sum that is faster to roll.
const WEAK: WeakKind = WeakKind::RabinKarp;

impl Summer {
    /// Sums of the whole blocks in `data`, which lies at offset `at` of the old file, and the
    /// number of the first of them.
    pub(crate) fn sums(&self, at: u64, data: &[u8]) -> (usize, Vec<u32>) {
        let block = self.block_len as u64;
        let first = at.next_multiple_of(block);
        let number = usize::try_from(first / block).unwrap_or(usize::MAX);
        let skip = usize::try_from(first - at).unwrap_or(usize::MAX);
        let Some(data) = data.get(skip..) else {
            return (number, Vec::new());
        };
        let ends_the_file = first + data.len() as u64 == self.len;
        let sums = data
            .chunks(self.block_len)
            .filter(|chunk| chunk.len() == self.block_len || ends_the_file)
            .map(|chunk| {
                if chunk.len() == self.block_len && is_zero(chunk) {
                    self.zero
                } else {
                    WEAK.sum(chunk)
                }
            });
        (number, sums.collect())
    }
}

/// Searches the long literals of `ops` for data that has moved.
pub(crate) fn search(
    old: &Input,
    new: &Input,
    ops: Ops,
    mut sums: Sums,
    jobs: usize,
    progress: &Progress,
) -> Result<Ops, Error> {
    let long = SEARCH_FROM * sums.summer.block_len as u64;
    let is_long = |op: &Op| matches!(op, Op::Literal(_)) && op.len() >= long;
    if old.is_empty() || !ops.iter().any(is_long) {
        return Ok(ops);
    }
    sums.complete(old, jobs, progress)?;
    let header = Header {
        format: Format {
            weak: WEAK,
            strong: StrongKind::Blake2b,
        },
        block_len: u32::try_from(sums.summer.block_len).unwrap_or(MAX_BLOCK),
        strong_len: 0,
    };
    let signature = Signature {
        header,
        weak: sums.weak,
        strong: Vec::new(),
    };
    let matcher = Matcher::new(&signature);
    let searched = ops.iter().filter(|op| is_long(op)).map(Op::len).sum();
    progress.start("search", searched);
    let mut found = Ops::default();
    for op in ops.iter() {
        match op {
            Op::Copy { at, len } => found.copy(*at, *len),
            Op::Literal(range) if is_long(op) => {
                let mut part = Ops::starting_at(range.start);
                scan::search_gap(&matcher, Some(old), new, range, &mut part, jobs, progress)?;
                widen(old, new, range.start, &part, &mut found)?;
            }
            Op::Literal(range) => found.literal(range.end - range.start),
        }
    }
    Ok(found)
}

/// Appends `part`, which begins at `start` of the new file, each copy made as long as the bytes
/// around it stay equal in both files.
fn widen(old: &Input, new: &Input, start: u64, part: &Ops, found: &mut Ops) -> Result<(), Error> {
    let mut list: Vec<Op> = part.iter().cloned().collect();
    let mut at = start;
    for index in 0..list.len() {
        let len = list[index].len();
        if let Op::Literal(_) = list[index] {
            let room = at..at + len;
            // Bytes at the start of the literal that continue the copy before it.
            let head = match index.checked_sub(1).map(|before| &list[before]) {
                Some(Op::Copy { at: old_at, len }) => {
                    equal_forwards(old, new, old_at + len, &room)?
                }
                _ => 0,
            };
            // Bytes at its end that lead up to the copy after it.
            let rest = room.start + head..room.end;
            let tail = match list.get(index + 1) {
                Some(Op::Copy { at: old_at, .. }) => equal_backwards(old, new, *old_at, &rest)?,
                _ => 0,
            };
            if head > 0
                && let Some(Op::Copy { len, .. }) = list.get_mut(index.wrapping_sub(1))
            {
                *len += head;
            }
            if tail > 0
                && let Some(Op::Copy { at, len }) = list.get_mut(index + 1)
            {
                *at -= tail;
                *len += tail;
            }
            list[index] = Op::Literal(rest.start..rest.end - tail);
            at += head + (rest.end - rest.start) - tail;
        } else {
            at += len;
        }
    }
    for op in &list {
        match op {
            Op::Copy { at, len } => found.copy(*at, *len),
            Op::Literal(range) => found.literal(range.end - range.start),
        }
    }
    Ok(())
}

/// Bytes compared at once when a copy is made longer.
const WIDEN: u64 = 64 << 10;

fn equal_forwards(old: &Input, new: &Input, old_at: u64, room: &Range<u64>) -> Result<u64, Error> {
    let (mut a, mut b) = (Buffer::new(), Buffer::new());
    let limit = (room.end - room.start).min(old.len().saturating_sub(old_at));
    let mut done = 0;
    while done < limit {
        let step = WIDEN.min(limit - done);
        let old_data = &*old.read(&mut a, &(old_at + done..old_at + done + step))?;
        let start = room.start + done;
        let new_data = &*new.read(&mut b, &(start..start + step))?;
        let equal = old_data
            .iter()
            .zip(new_data)
            .take_while(|(a, b)| a == b)
            .count() as u64;
        done += equal;
        if equal < step {
            break;
        }
    }
    Ok(done)
}

fn equal_backwards(old: &Input, new: &Input, old_at: u64, room: &Range<u64>) -> Result<u64, Error> {
    let (mut a, mut b) = (Buffer::new(), Buffer::new());
    let limit = (room.end - room.start).min(old_at);
    let mut done = 0;
    while done < limit {
        let step = WIDEN.min(limit - done);
        let old_data = &*old.read(&mut a, &(old_at - done - step..old_at - done))?;
        let end = room.end - done;
        let new_data = &*new.read(&mut b, &(end - step..end))?;
        let pairs = old_data.iter().rev().zip(new_data.iter().rev());
        let equal = pairs.take_while(|(a, b)| a == b).count() as u64;
        done += equal;
        if equal < step {
            break;
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Sums noted on the way, in odd pieces, and those read afterwards are the same.
    #[test]
    fn sums_do_not_depend_on_who_read_the_data() {
        let mut content = nightshift_testkit::noise(1, 1_000_000);
        content[200_000..500_000].fill(0);
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(&content).expect("write");
        let old = Input::of(file, std::path::Path::new("old")).expect("input");
        let all = |mut sums: Sums| {
            sums.complete(&old, 2, &Progress::silent()).expect("read");
            assert!(sums.is_known(0..sums.weak.len()));
            sums.weak
        };
        let fresh = all(Sums::new(old.len()));
        let block = Sums::new(old.len()).summer.block_len;
        let expected: Vec<u32> = content.chunks(block).map(|chunk| WEAK.sum(chunk)).collect();
        assert_eq!(fresh, expected);
        let mut noted = Sums::new(old.len());
        let mut at = 0;
        for piece in [100, 5 * block + 1, 3, 400_000, 300_000] {
            let end = content.len().min(at + piece);
            let (first, sums) = noted.summer().sums(at as u64, &content[at..end]);
            noted.note(first, &sums);
            at = end;
        }
        let (first, sums) = noted.summer().sums(at as u64, &content[at..]);
        noted.note(first, &sums);
        // The new file may be longer: there the old one has no data.
        let (first, sums) = noted.summer().sums(5_000_000, &[]);
        noted.note(first, &sums);
        let last = noted.weak.len() - 1;
        assert!(noted.is_known(last..last + 1), "the short block at the end");
        assert!(
            !noted.is_known(0..last),
            "a block cut in two was not summed"
        );
        assert_eq!(all(noted), expected);
    }
}
