//! Delta against the old file itself: no hashes, no collisions, one pass over both files.
//!
//! Equal offsets are compared; holes on both sides are not even read. Only when long stretches
//! of the new file differ is the old file signed and searched for moved data.

use crate::engine::ordered;
use crate::error::Error;
use crate::extent::{extents, pieces};
use crate::matcher::Matcher;
use crate::ops::{Op, Ops};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::rolling;
use crate::sign;
use crate::signature::{Format, Header, Signature, auto_block_len};
use crate::strong::StrongKind;
use crate::weak::WeakKind;
use crate::zero::{is_zero, runs};
use std::ops::Range;

/// Bytes compared per piece of work.
const PIECE: u64 = 1 << 20;

/// Literal stretches of at least this many blocks are worth a search for moved data.
const SEARCH_FROM: u64 = 32;

/// Block length of that search at most: larger blocks would miss what moved in smaller ones.
const MAX_SEARCH_BLOCK: u32 = 128 << 10;

/// What a stretch of the new file is, seen against the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stretch {
    /// Equal at the same offset.
    Same(u64),
    /// Zeros that were something else.
    Zeros(u64),
    /// New.
    New(u64),
}

/// The longest stretch of zeros of the old file, from which new zeros are copied.
#[derive(Debug, Default)]
struct ZeroSource {
    current: Range<u64>,
    longest: Range<u64>,
}

impl ZeroSource {
    fn add(&mut self, range: Range<u64>) {
        if range.start == self.current.end && !self.current.is_empty() {
            self.current.end = range.end;
        } else {
            self.current = range;
        }
        if self.current.end - self.current.start > self.longest.end - self.longest.start {
            self.longest = self.current.clone();
        }
    }
}

/// Compares `new` with `old` in steps of `step` bytes.
pub(crate) fn search(
    old: &Input,
    new: &Input,
    step: u64,
    roll: bool,
    jobs: usize,
    progress: &Progress,
) -> Result<Ops, Error> {
    let (stretches, zeros) = compare(old, new, step, jobs, progress)?;
    let mut ops = Ops::default();
    let source = zeros.longest;
    let room = source.end - source.start;
    for stretch in stretches {
        match stretch {
            Stretch::Same(len) => ops.copy(ops.end(), len),
            Stretch::New(len) => ops.literal(len),
            // Without a page of zeros to copy from, zeros are data like any other.
            Stretch::Zeros(len) if room < step => ops.literal(len),
            Stretch::Zeros(len) => {
                let mut left = len;
                while left > 0 {
                    let part = left.min(room);
                    ops.copy(source.start, part);
                    left -= part;
                }
            }
        }
    }
    let block = auto_block_len(Some(old.len())).min(MAX_SEARCH_BLOCK);
    if roll && !old.is_empty() && ops.iter().any(|op| is_long(op, block)) {
        ops = find_moved(old, new, &ops, block, jobs, progress)?;
    }
    Ok(ops)
}

/// Ranges of the new file, start and end, that differ from the old one at the same offset.
pub(crate) fn changed(
    old: &Input,
    new: &Input,
    step: u64,
    progress: &Progress,
) -> Result<Vec<(u64, u64)>, Error> {
    let (stretches, _) = compare(old, new, step, crate::engine::cores(), progress)?;
    let mut at = 0;
    let mut found = Vec::new();
    for stretch in stretches {
        let (Stretch::Same(len) | Stretch::Zeros(len) | Stretch::New(len)) = stretch;
        if !matches!(stretch, Stretch::Same(_)) {
            found.push((at, at + len));
        }
        at += len;
    }
    Ok(found)
}

fn is_long(op: &Op, block: u32) -> bool {
    matches!(op, Op::Literal(_)) && op.len() >= SEARCH_FROM * u64::from(block)
}

fn compare(
    old: &Input,
    new: &Input,
    step: u64,
    jobs: usize,
    progress: &Progress,
) -> Result<(Vec<Stretch>, ZeroSource), Error> {
    let mut zeros = ZeroSource::default();
    for hole in extents(old.file(), 0..old.len()).filter(|extent| extent.hole) {
        zeros.add(hole.range);
    }
    let mut stretches = Vec::new();
    let piece = step * (PIECE / step).max(1);
    progress.start("compare", new.len());
    ordered(
        jobs,
        both(old, new, piece).map(|part| progress.check().map(|()| part)),
        || (Buffer::new(), Buffer::new()),
        |(old_buffer, new_buffer), part: Both| {
            let range = part.range;
            let len = range.end - range.start;
            if part.old_hole && part.new_hole {
                return Ok((vec![Stretch::Same(len)], Vec::new()));
            }
            if part.new_hole {
                return Ok((vec![Stretch::Zeros(len)], Vec::new()));
            }
            let new_data = &*new.read(new_buffer, &range)?;
            // Past the end of the old file there is nothing to compare with.
            let common = range.start..range.end.min(old.len()).max(range.start);
            let old_data: &[u8] = if common.is_empty() {
                &[]
            } else {
                old.read(old_buffer, &common)?
            };
            let found = classify(new_data, old_data, step);
            let zeros = runs(old_data, range.start, step)
                .filter(|run| run.zero)
                .map(|run| range.start + run.range.start as u64..range.start + run.range.end as u64)
                .collect();
            Ok((found, zeros))
        },
        |(found, runs): (Vec<Stretch>, Vec<Range<u64>>)| {
            for stretch in found {
                progress.add(push(&mut stretches, stretch));
            }
            for run in runs {
                zeros.add(run);
            }
            Ok(())
        },
    )?;
    Ok((stretches, zeros))
}

/// Appends a stretch, merged with the one before if it is of the same kind; returns its bytes.
fn push(stretches: &mut Vec<Stretch>, stretch: Stretch) -> u64 {
    let (Stretch::Same(len) | Stretch::Zeros(len) | Stretch::New(len)) = stretch;
    match (stretches.last_mut(), &stretch) {
        (Some(Stretch::Same(sum)), Stretch::Same(_))
        | (Some(Stretch::Zeros(sum)), Stretch::Zeros(_))
        | (Some(Stretch::New(sum)), Stretch::New(_)) => *sum += len,
        _ => stretches.push(stretch),
    }
    len
}

/// Compares step by step; the old data may be shorter or empty.
fn classify(new: &[u8], old: &[u8], step: u64) -> Vec<Stretch> {
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    if new == old {
        return vec![Stretch::Same(new.len() as u64)];
    }
    for (index, block) in new.chunks(step).enumerate() {
        let start = index * step;
        let len = block.len() as u64;
        let stretch = if old.get(start..start + block.len()) == Some(block) {
            Stretch::Same(len)
        } else if is_zero(block) {
            Stretch::Zeros(len)
        } else {
            Stretch::New(len)
        };
        push(&mut found, stretch);
    }
    found
}

/// A range of the new file, and what the file systems say about it on both sides.
#[derive(Debug, PartialEq, Eq)]
struct Both {
    range: Range<u64>,
    old_hole: bool,
    new_hole: bool,
}

/// Walks over both files at once.
fn both<'a>(old: &'a Input, new: &'a Input, piece: u64) -> impl Iterator<Item = Both> + 'a {
    let known = old.len().min(new.len());
    let mut old_extents = extents(old.file(), 0..known).peekable();
    pieces(extents(new.file(), 0..new.len()), piece).flat_map(move |part| {
        let mut parts = Vec::new();
        if !part.hole {
            // Reading the old side costs no more than asking whether it is a hole.
            parts.push(Both {
                range: part.range,
                old_hole: false,
                new_hole: false,
            });
            return parts;
        }
        let mut at = part.range.start;
        while at < part.range.end {
            while old_extents
                .next_if(|extent| extent.range.end <= at)
                .is_some()
            {}
            let (end, old_hole) = match old_extents.peek() {
                Some(extent) => (extent.range.end.min(part.range.end), extent.hole),
                None => (part.range.end, false),
            };
            parts.push(Both {
                range: at..end,
                old_hole,
                new_hole: true,
            });
            at = end;
        }
        parts
    })
}

/// Searches the long new stretches for data of the old file that has moved.
fn find_moved(
    old: &Input,
    new: &Input,
    ops: &Ops,
    block_len: u32,
    jobs: usize,
    progress: &Progress,
) -> Result<Ops, Error> {
    // Weak sums only: a match is confirmed by the old bytes themselves, which are at hand.
    let header = Header {
        format: Format {
            weak: WeakKind::RabinKarp,
            strong: StrongKind::Blake2b,
        },
        block_len,
        strong_len: 0,
    };
    let weak = sign::weak_sums(old, header, jobs, progress)?;
    let signature = Signature {
        header,
        weak,
        strong: Vec::new(),
    };
    let matcher = Matcher::new(&signature);
    let mut found = Ops::default();
    for op in ops.iter() {
        match op {
            Op::Copy { at, len } => found.copy(*at, *len),
            Op::Literal(range) if is_long(op, block_len) => {
                let mut part = Ops::starting_at(range.start);
                rolling::search_gap(&matcher, Some(old), new, range, &mut part, jobs, progress)?;
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

    #[test]
    fn stretches_are_told_apart_and_merged() {
        let old = [&[1_u8; 8][..], &[2; 8], &[0; 4]].concat();
        let new = [&[1_u8; 4][..], &[9; 4], &[0; 8], &[0; 4], &[7; 3]].concat();
        assert_eq!(
            classify(&new, &old, 4),
            [
                Stretch::Same(4),
                Stretch::New(4),
                Stretch::Zeros(8),
                Stretch::Same(4),
                Stretch::New(3)
            ]
        );
        assert_eq!(classify(&new, &[], 4)[0], Stretch::New(8));
    }

    #[test]
    fn the_longest_zeros_are_found_across_pieces() {
        let mut zeros = ZeroSource::default();
        for range in [0..10, 100..150, 150..170, 500..540] {
            zeros.add(range);
        }
        assert_eq!(zeros.longest, 100..170);
    }
}
