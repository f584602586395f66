//! The rolling pass: looks for blocks at every byte of the ranges that the aligned pass left.
//!
//! It works in segments of fixed size whose windows reach over into the next segment, so neither
//! the number of threads nor the edges decide what is found.

use crate::engine::ordered;
use crate::error::Error;
use crate::matcher::{Block, Matcher};
use crate::ops::{Op, Ops};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::signature::Header;
use crate::weak::{RabinKarp, Rolling, Rollsum, WeakKind};
use std::ops::Range;

/// Bytes per segment of the rolling pass; at least this many blocks go into one.
const SEGMENT: u64 = 2 << 20;
const SEGMENT_BLOCKS: u64 = 8;

/// Windows that are rolled at once.
const LANES: usize = 4;

/// Sums per window that are computed before they are looked up.
const CHUNK: usize = 256;

/// Positions per window below which the preparation of [`LANES`] windows does not pay.
const MIN_STEP: usize = 4 << 10;

/// Positions looked at one by one after a match.
const NEAR: usize = 1 << 10;

/// Windows with a known weak sum that are remembered at once. Only data made of one repeated
/// byte has more, and there the first of them is the one.
const MAX_CANDIDATES: usize = 4 << 10;

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

    /// The first matching window that starts in `range`, which ends in the data.
    fn next_hit<R: Rolling>(
        &self,
        data: &[u8],
        range: Range<usize>,
    ) -> Result<Option<(usize, Block)>, Error> {
        let window = self.block_len as usize;
        let end = range.end.min(data.len() - window + 1);
        // After a match the next one is often at hand, and looking there costs no preparation.
        let mut pos = end.min(range.start + NEAR);
        if let Some(hit) = self.one_by_one::<R>(data, range.start..pos)? {
            return Ok(Some(hit));
        }
        let mut found = Vec::new();
        while pos < end {
            let step = ((end - 1 - pos) / LANES).min(window.max(MIN_STEP));
            let next = pos + step * LANES;
            if step < MIN_STEP || !self.candidates::<R>(data, pos, step, &mut found) {
                let next = if step < MIN_STEP { end } else { next };
                if let Some(hit) = self.one_by_one::<R>(data, pos..next)? {
                    return Ok(Some(hit));
                }
                pos = next;
                continue;
            }
            for (place, weak) in &found {
                if let Some(group) = self.confirm(*weak, &data[*place..][..window])? {
                    return Ok(Some((*place, group)));
                }
            }
            pos = next;
        }
        Ok(None)
    }

    fn one_by_one<R: Rolling>(
        &self,
        data: &[u8],
        range: Range<usize>,
    ) -> Result<Option<(usize, Block)>, Error> {
        let window = self.block_len as usize;
        let mut rolling = R::of(&data[range.start..range.start + window]);
        for pos in range.clone() {
            if pos > range.start {
                rolling.roll(data[pos - 1], data[pos - 1 + window]);
            }
            if let Some(group) = self.confirm(rolling.sum(), &data[pos..pos + window])? {
                return Ok(Some((pos, group)));
            }
        }
        Ok(None)
    }

    /// Puts windows with a known weak sum into `found`, in order: those that start in the
    /// [`LANES`] times `step` bytes from `start` on. False if there are too many of them.
    ///
    /// A rolled sum depends on the one before it, so a processor that rolls one window mostly
    /// waits. It can roll several that have nothing to do with each other in the same time.
    fn candidates<R: Rolling>(
        &self,
        data: &[u8],
        start: usize,
        step: usize,
        found: &mut Vec<(usize, u32)>,
    ) -> bool {
        let window = self.block_len as usize;
        let starts: [usize; LANES] = std::array::from_fn(|lane| start + lane * step);
        let mut rolling = starts.map(|start| R::of(&data[start..start + window]));
        let mut leaving = starts.map(|start| data[start..start + step].chunks(CHUNK));
        let mut coming = starts.map(|start| data[start + window..][..step].chunks(CHUNK));
        // Sums first, questions later: each of the two loops keeps the processor busy, both in
        // one do not.
        let mut sums = [[0_u32; CHUNK]; LANES];
        found.clear();
        for offset in (0..step).step_by(CHUNK) {
            let leaving = leaving
                .each_mut()
                .map(|chunks| chunks.next().unwrap_or(&[]));
            let coming = coming.each_mut().map(|chunks| chunks.next().unwrap_or(&[]));
            let count = leaving[0].len();
            roll_lanes(&mut rolling, &mut sums, count, leaving, coming);
            for (start, sums) in starts.iter().zip(&sums) {
                for (index, weak) in sums[..count].iter().enumerate() {
                    if self.matcher.maybe(*weak) && self.matcher.has_weak(*weak) {
                        found.push((start + offset + index, *weak));
                    }
                }
            }
            if found.len() > MAX_CANDIDATES {
                return false;
            }
        }
        found.sort_unstable();
        true
    }

    /// The block that a window with this weak sum is.
    #[inline]
    fn confirm(&self, weak: u32, data: &[u8]) -> Result<Option<Block>, Error> {
        if !self.matcher.maybe(weak) {
            return Ok(None);
        }
        match self.matcher.find_data(weak, data) {
            Some(group) if self.is_confirmed(group, data)? => Ok(Some(group)),
            _ => Ok(None),
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

/// Notes `count` sums per lane and rolls on after each.
#[inline]
fn roll_lanes<R: Rolling>(
    rolling: &mut [R; LANES],
    sums: &mut [[u32; CHUNK]; LANES],
    count: usize,
    leaving: [&[u8]; LANES],
    coming: [&[u8]; LANES],
) {
    // Of one length, so that the loop needs no further checks.
    let count = count.min(CHUNK);
    let leaving = leaving.map(|bytes| &bytes[..count]);
    let coming = coming.map(|bytes| &bytes[..count]);
    for index in 0..count {
        for lane in 0..LANES {
            sums[lane][index] = rolling[lane].sum();
            rolling[lane].roll(leaving[lane][index], coming[lane][index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{Format, Signature};
    use crate::strong::StrongKind;
    use nightshift_testkit::noise;
    use std::io::Write;

    const BLOCK: usize = 1000;

    fn signature(old: &[u8], weak: WeakKind) -> Signature {
        let format = Format {
            weak,
            strong: StrongKind::Md4,
        };
        let header = Header {
            format,
            block_len: 1000,
            strong_len: 16,
        };
        Signature {
            header,
            weak: old.chunks(BLOCK).map(|block| weak.sum(block)).collect(),
            strong: old
                .chunks(BLOCK)
                .flat_map(|block| StrongKind::Md4.sum(block)[..16].to_vec())
                .collect(),
        }
    }

    /// What the search finds in `new`, whose blocks are all at odd places.
    fn found<R: Rolling>(old: &[u8], new: &[u8], weak: WeakKind) -> Vec<(usize, Block)> {
        let signature = signature(old, weak);
        let matcher = Matcher::new(&signature);
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(new).expect("write");
        let scan = Scan {
            matcher: &matcher,
            block_len: 1000,
            old: None,
            new: &Input::of(file, std::path::Path::new("new")).expect("input"),
            jobs: 1,
            progress: &Progress::silent(),
        };
        let hits = scan.segment::<R>(new, 0, new.len() as u64, false);
        hits.expect("no errors")
            .iter()
            .map(|hit| (usize::try_from(hit.at).expect("short"), hit.group))
            .collect()
    }

    #[test]
    fn every_block_is_found_wherever_it_lies() {
        let old = noise(1, 40 * BLOCK);
        // Gaps shorter and longer than what is rolled at once, at all remainders.
        let mut new = Vec::new();
        let mut expected = Vec::new();
        for (number, gap) in [1, 1023, 1024, 1025, 20_000, 16_383, 70_001, 3]
            .into_iter()
            .enumerate()
        {
            new.extend(noise(100 + number as u64, gap));
            for block in [5 * number, 5 * number + 1] {
                expected.push((new.len(), u32::try_from(block).expect("small")));
                new.extend(&old[block * BLOCK..][..BLOCK]);
            }
        }
        new.extend(noise(99, 30_000));
        assert_eq!(
            found::<RabinKarp>(&old, &new, WeakKind::RabinKarp),
            expected
        );
        assert_eq!(found::<Rollsum>(&old, &new, WeakKind::Rollsum), expected);
    }

    #[test]
    fn data_that_matches_everywhere_matches_back_to_back() {
        let mut new = noise(1, 5000);
        new.extend(vec![7; 100_000]);
        let hits = found::<RabinKarp>(&[7; BLOCK], &new, WeakKind::RabinKarp);
        let expected: Vec<_> = (0..100).map(|number| (5000 + number * BLOCK, 0)).collect();
        assert_eq!(hits, expected);
    }

    #[test]
    fn false_alarms_are_passed_over() {
        // A signature whose weak sums are those of the data and whose strong sums are not.
        let new = noise(1, 60_000);
        let mut signature = signature(&new, WeakKind::RabinKarp);
        signature.strong.fill(0);
        let matcher = Matcher::new(&signature);
        let scan = Scan {
            matcher: &matcher,
            block_len: 1000,
            old: None,
            new: &Input::of(
                tempfile::tempfile().expect("file"),
                std::path::Path::new("new"),
            )
            .expect("input"),
            jobs: 1,
            progress: &Progress::silent(),
        };
        let hits = scan.segment::<RabinKarp>(&new, 0, 60_000, false);
        assert!(hits.expect("no errors").is_empty());
    }
}
