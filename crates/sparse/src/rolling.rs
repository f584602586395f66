//! Delta against a signature: every aligned block first, rolling only where that found nothing.
//!
//! Disk images change in place. Their unchanged blocks are still at multiples of the block
//! length and are found by code that runs at the speed of the sums; the byte-by-byte search is
//! left with the gaps: see [`scan`].

use crate::engine::ordered;
use crate::error::Error;
use crate::extent::{Extent, blocks};
use crate::matcher::{Block, Matcher};
use crate::ops::{Op, Ops};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::scan;
use crate::strong::Strong;
use crate::zero::is_zero;

/// Bytes per piece of work in the aligned pass, rounded to whole blocks.
const PIECE: u64 = 2 << 20;

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
            Op::Literal(gap) => {
                scan::search_gap(matcher, None, new, gap, &mut ops, jobs, progress)?;
            }
        }
    }
    Ok(ops)
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
