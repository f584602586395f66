//! Delta against the old file itself: no hashes, no collisions, one pass over both files.
//!
//! Equal offsets are compared; holes on both sides are not even read. Where long stretches of
//! the new file differ, [`moved`] looks for them elsewhere in the old one.

use crate::engine::ordered;
use crate::error::Error;
use crate::extent::{extents, pieces};
use crate::moved::{self, Sums};
use crate::ops::Ops;
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::zero::{is_zero, runs};
use std::ops::Range;

/// Bytes compared per piece of work: those of both files stay in the processor's cache.
const PIECE: u64 = 256 << 10;

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
    let mut sums = roll.then(|| Sums::new(old.len()));
    let (stretches, zeros) = compare(old, new, step, sums.as_mut(), jobs, progress)?;
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
    match sums {
        Some(sums) => moved::search(old, new, ops, sums, jobs, progress),
        None => Ok(ops),
    }
}

/// Ranges of the new file, start and end, that differ from the old one at the same offset.
pub(crate) fn changed(
    old: &Input,
    new: &Input,
    step: u64,
    progress: &Progress,
) -> Result<Vec<(u64, u64)>, Error> {
    let (stretches, _) = compare(old, new, step, None, crate::engine::cores(), progress)?;
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

/// Stretches of the new file, and the longest zeros of the old one. With `sums`, the sums of
/// what is read of the old file are noted on the way, so that it need not be read again.
fn compare(
    old: &Input,
    new: &Input,
    step: u64,
    mut sums: Option<&mut Sums>,
    jobs: usize,
    progress: &Progress,
) -> Result<(Vec<Stretch>, ZeroSource), Error> {
    let mut zeros = ZeroSource::default();
    let mut stretches = Vec::new();
    let piece = step * (PIECE / step).max(1);
    let summer = sums.as_ref().map(|sums| sums.summer());
    progress.start("compare", new.len());
    ordered(
        jobs,
        both(old, new, piece).map(|part| progress.check().map(|()| part)),
        || (Buffer::new(), Buffer::new()),
        |(old_buffer, new_buffer), part: Both| {
            let range = part.range;
            let len = range.end - range.start;
            if part.new_hole {
                let stretch = if part.old_hole {
                    Stretch::Same(len)
                } else {
                    Stretch::Zeros(len)
                };
                return Ok(Compared {
                    stretches: vec![stretch],
                    old_zeros: if part.old_hole {
                        vec![range]
                    } else {
                        Vec::new()
                    },
                    old_sums: None,
                });
            }
            let new_data = &*new.read(new_buffer, &range)?;
            // Past the end of the old file there is nothing to compare with.
            let common = range.start..range.end.min(old.len()).max(range.start);
            let old_data: &[u8] = if common.is_empty() {
                &[]
            } else {
                old.read(old_buffer, &common)?
            };
            Ok(Compared {
                stretches: classify(new_data, old_data, step),
                old_zeros: runs(old_data, range.start, step)
                    .filter(|run| run.zero)
                    .map(|run| {
                        range.start + run.range.start as u64..range.start + run.range.end as u64
                    })
                    .collect(),
                old_sums: summer.map(|summer| summer.sums(range.start, old_data)),
            })
        },
        |found: Compared| {
            for stretch in found.stretches {
                progress.add(push(&mut stretches, stretch));
            }
            for run in found.old_zeros {
                zeros.add(run);
            }
            if let (Some(sums), Some((first, found))) = (&mut sums, found.old_sums) {
                sums.note(first, &found);
            }
            Ok(())
        },
    )?;
    // Past the end of the new file nothing was read; holes are known all the same.
    for hole in
        extents(old.file(), new.len().min(old.len())..old.len()).filter(|extent| extent.hole)
    {
        zeros.add(hole.range);
    }
    Ok((stretches, zeros))
}

/// What was found in one piece.
#[derive(Debug, Default)]
struct Compared {
    stretches: Vec<Stretch>,
    /// Zeros of the old file.
    old_zeros: Vec<Range<u64>>,
    /// Sums of the old file's blocks, from the block of this number on.
    old_sums: Option<(usize, Vec<u32>)>,
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
