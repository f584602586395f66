//! Delta against a signature: every aligned block first, rolling only where that found nothing.
//!
//! Disk images change in place. Their unchanged blocks are still at multiples of the block
//! length and are found by code that runs at the speed of the sums; the byte-by-byte search is
//! left with the gaps. It works in segments of fixed size whose windows reach over into the next
//! segment, so neither the number of threads nor the edges decide what is found.

use crate::engine::ordered;
use crate::error::Error;
use crate::extent::{Extent, blocks};
use crate::matcher::{Block, Matcher};
use crate::ops::{Op, Ops};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::signature::Header;
use crate::strong::Strong;
use crate::weak::{RabinKarp, Rolling, Rollsum, WeakKind};
use crate::zero::is_zero;
use std::ops::Range;

/// Bytes per piece of work in the aligned pass, rounded to whole blocks.
const PIECE: u64 = 2 << 20;

/// Bytes per segment of the rolling pass; at least this many blocks go into one.
const SEGMENT: u64 = 2 << 20;
const SEGMENT_BLOCKS: u64 = 8;

/// Finds the blocks of a signature in `new`.
pub(crate) fn search(
    matcher: &Matcher<'_>,
    new: &Input,
    roll: bool,
    jobs: usize,
    progress: &Progress,
) -> Result<Ops, Error> {
    let aligned = aligned(matcher, new, jobs, progress)?;
    if !roll {
        return Ok(aligned);
    }
    let literal = aligned
        .iter()
        .filter(|op| matches!(op, Op::Literal(_)))
        .map(Op::len)
        .sum();
    progress.start("search", literal);
    let mut ops = Ops::default();
    for op in aligned.iter() {
        match op {
            Op::Copy { at, len } => ops.copy(*at, *len),
            Op::Literal(gap) => search_gap(matcher, None, new, gap, &mut ops, jobs, progress)?,
        }
    }
    Ok(ops)
}

/// Finds the blocks of a signature in one range of `new` and appends what it consists of to
/// `ops`, which end where the range starts. With `old`, matches are confirmed by its bytes.
pub(crate) fn search_gap(
    matcher: &Matcher<'_>,
    old: Option<&Input>,
    new: &Input,
    gap: &Range<u64>,
    ops: &mut Ops,
    jobs: usize,
    progress: &Progress,
) -> Result<(), Error> {
    let Header {
        format, block_len, ..
    } = matcher.header();
    let scan = Scan {
        matcher,
        block_len,
        old,
        new,
        jobs,
        progress,
    };
    match format.weak {
        WeakKind::Rollsum => scan.gap::<Rollsum>(gap, ops),
        WeakKind::RabinKarp => scan.gap::<RabinKarp>(gap, ops),
    }
}

/// What a stretch of whole blocks was found to be.
enum Found {
    /// All zeros, never read.
    Hole(u64),
    /// The group of each block.
    Blocks(Vec<(Option<Block>, u64)>),
}

/// Looks at every block at a multiple of the block length.
fn aligned(
    matcher: &Matcher<'_>,
    new: &Input,
    jobs: usize,
    progress: &Progress,
) -> Result<Ops, Error> {
    let block_len = matcher.header().block_len;
    let block = u64::from(block_len);
    let len = new.len();
    let zero_block = vec![0; usize::try_from(block.min(len)).unwrap_or(0)];
    let zero = matcher.group_of(&zero_block);
    progress.start("compare", len);
    let mut chooser = Chooser {
        matcher,
        block,
        after: None,
    };
    let mut ops = Ops::default();
    let pieces = blocks(
        new.extents(0..len),
        block,
        block * (PIECE / block).max(1),
        len,
    );
    ordered(
        jobs,
        pieces.map(|piece| progress.check().map(|()| piece)),
        || (Buffer::new(), Vec::new()),
        |(buffer, sums), piece: Extent| {
            if piece.hole {
                return Ok(Found::Hole(piece.range.end - piece.range.start));
            }
            let data = new.read(buffer, &piece.range)?;
            Ok(Found::Blocks(identify(
                matcher, block_len, data, zero, sums,
            )))
        },
        |found| {
            match found {
                Found::Hole(bytes) => {
                    let whole = bytes / block;
                    for _ in 0..whole {
                        chooser.append(zero, block, &mut ops);
                    }
                    let tail = bytes % block;
                    if tail > 0 {
                        let data = &zero_block[..usize::try_from(tail).unwrap_or(0)];
                        chooser.append(matcher.group_of(data), tail, &mut ops);
                    }
                    progress.add(bytes);
                }
                Found::Blocks(found) => {
                    for (group, bytes) in found {
                        chooser.append(group, bytes, &mut ops);
                        progress.add(bytes);
                    }
                }
            }
            Ok(())
        },
    )?;
    Ok(ops)
}

/// Turns groups into copies, in file order.
struct Chooser<'m, 's> {
    matcher: &'m Matcher<'s>,
    block: u64,
    after: Option<Block>,
}

impl Chooser<'_, '_> {
    fn append(&mut self, group: Option<Block>, len: u64, ops: &mut Ops) {
        let Some(group) = group else {
            self.after = None;
            return ops.literal(len);
        };
        let chosen = self
            .matcher
            .choose(group, self.after, Some(ops.end() / self.block));
        self.after = Some(chosen);
        ops.copy(u64::from(chosen) * self.block, len);
    }
}

/// The groups of consecutive blocks. Only blocks whose weak sum is known are hashed, and those
/// all together.
fn identify(
    matcher: &Matcher<'_>,
    block_len: u32,
    data: &[u8],
    zero: Option<Block>,
    sums: &mut Vec<Strong>,
) -> Vec<(Option<Block>, u64)> {
    let format = matcher.format();
    let mut found = Vec::with_capacity(data.len() / block_len as usize + 1);
    let mut to_hash = Vec::new();
    for block in data.chunks(block_len as usize) {
        let mut group = None;
        if block.len() == block_len as usize && is_zero(block) {
            group = zero;
        } else {
            let weak = format.weak.sum(block);
            if matcher.has_weak(weak) {
                to_hash.push((found.len(), weak, block));
            }
        }
        found.push((group, block.len() as u64));
    }
    let blocks: Vec<&[u8]> = to_hash.iter().map(|(_, _, block)| *block).collect();
    sums.clear();
    sums.resize(blocks.len(), Strong::default());
    format.strong.sum_many(&blocks, sums);
    for ((place, weak, _), strong) in to_hash.iter().zip(sums.iter()) {
        found[*place].0 = matcher.find(*weak, strong);
    }
    found
}

/// The rolling pass over the gaps of the aligned one.
struct Scan<'a, 's> {
    matcher: &'a Matcher<'s>,
    block_len: u32,
    old: Option<&'a Input>,
    new: &'a Input,
    jobs: usize,
    progress: &'a Progress,
}

/// A match at a position of the new file: which group, and how many bytes.
struct Hit {
    at: u64,
    group: Block,
    len: u64,
}

impl Scan<'_, '_> {
    /// Searches one gap and appends what it consists of.
    fn gap<R: Rolling>(&self, gap: &Range<u64>, ops: &mut Ops) -> Result<(), Error> {
        let block = u64::from(self.block_len);
        let len = self.new.len();
        // A gap of one block is a change in place. In a longer one data may have moved, and the
        // blocks at its edges lie across them: windows then reach one block out on either side.
        let reach = if gap.end - gap.start >= 2 * block {
            block - 1
        } else {
            0
        };
        let first = gap.start.saturating_sub(reach);
        let limit = (gap.end + reach).min(len);
        let segment = SEGMENT.max(block * SEGMENT_BLOCKS);
        let segments = (0..)
            .map(|number| first + number * segment)
            .take_while(|at| *at < gap.end);
        // The block copied last, if nothing lies between.
        let mut after = match ops.iter().next_back() {
            Some(Op::Copy { at, len }) => u32::try_from((at + len).div_ceil(block) - 1).ok(),
            _ => None,
        };
        ordered(
            self.jobs,
            segments.map(|start| self.progress.check().map(|()| start)),
            Buffer::new,
            |buffer, start| {
                let starts = segment.min(gap.end - start);
                let end = (start + starts + block - 1).min(limit);
                let data = self.new.read(buffer, &(start..end))?;
                // The last block of the new file may be the short last block of the old one.
                let last = gap.end == len && start + starts == gap.end;
                Ok((starts, self.segment::<R>(data, start, starts, last)?))
            },
            |(starts, hits)| {
                for hit in hits {
                    // What a copy before it, or after the gap, covers already needs no other.
                    let end = (hit.at + hit.len).min(gap.end);
                    if end <= ops.end() {
                        continue;
                    }
                    if hit.at > ops.end() {
                        ops.literal(hit.at - ops.end());
                        after = None;
                    }
                    let chosen = self.matcher.choose(hit.group, after, None);
                    after = Some(chosen);
                    let copy = Op::Copy {
                        at: u64::from(chosen) * block,
                        len: end - hit.at,
                    };
                    ops.append_from(hit.at, &copy);
                }
                self.progress.add(starts);
                Ok(())
            },
        )?;
        ops.literal(gap.end.saturating_sub(ops.end()));
        Ok(())
    }

    /// Matches of windows that start in the first `starts` bytes of `data`, which lies at `at`.
    fn segment<R: Rolling>(
        &self,
        data: &[u8],
        at: u64,
        starts: u64,
        last: bool,
    ) -> Result<Vec<Hit>, Error> {
        let window = self.block_len as usize;
        let starts = usize::try_from(starts).unwrap_or(usize::MAX);
        let mut hits = Vec::new();
        let mut pos = 0;
        while pos < starts && pos + window <= data.len() {
            let Some((place, group)) = self.next_hit::<R>(data, pos..starts)? else {
                break;
            };
            hits.push(Hit {
                at: at + place as u64,
                group,
                len: window as u64,
            });
            pos = place + window;
        }
        if last {
            // What is left at the end of the file after the last match.
            let tail = &data[pos.min(data.len())..];
            if !tail.is_empty()
                && tail.len() < window
                && let Some(group) = self.matcher.group_of(tail)
                && self.is_confirmed(group, tail)?
            {
                hits.push(Hit {
                    at: at + pos as u64,
                    group,
                    len: tail.len() as u64,
                });
            }
        }
        Ok(hits)
    }

    /// The first matching window that starts in `range`.
    fn next_hit<R: Rolling>(
        &self,
        data: &[u8],
        range: Range<usize>,
    ) -> Result<Option<(usize, Block)>, Error> {
        let window = self.block_len as usize;
        let mut pos = range.start;
        let mut rolling = R::of(&data[pos..pos + window]);
        let end = range.end.min(data.len() - window + 1);
        loop {
            let weak = rolling.sum();
            if self.matcher.maybe(weak)
                && let Some(group) = self.matcher.find_data(weak, &data[pos..pos + window])
                && self.is_confirmed(group, &data[pos..pos + window])?
            {
                return Ok(Some((pos, group)));
            }
            if pos + 1 >= end {
                return Ok(None);
            }
            rolling.roll(data[pos], data[pos + window]);
            pos += 1;
        }
    }

    /// Whether the old file, if it is at hand, really has these bytes in this block.
    fn is_confirmed(&self, block: Block, data: &[u8]) -> Result<bool, Error> {
        let Some(old) = self.old else { return Ok(true) };
        let start = u64::from(block) * u64::from(self.block_len);
        let range = start..start + data.len() as u64;
        if range.end > old.len() {
            return Ok(false);
        }
        Ok(old.read(&mut Buffer::new(), &range)? == data)
    }
}
