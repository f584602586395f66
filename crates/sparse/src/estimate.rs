//! What a file would need: at several hole sizes, and as signature and delta at several block
//! sizes.

use crate::diff::{self, DiffOptions};
use crate::error::Error;
use crate::map::{Content, Map, map};
use crate::progress::Progress;
use crate::reader::Input;
use crate::signature::{
    HEADER_LEN, STRIPE, auto_block_len, rdiff_backup_block_len, sqrt_block_len,
};
use crate::size::HoleSize;
use nightshift_common::escape::Escaped;
use nightshift_common::human::ByteSize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The hole sizes shown: a page up to what the first sparse backups used, and beyond.
const HOLE_SIZES: [u64; 5] = [4 << 10, 16 << 10, 64 << 10, 128 << 10, 1 << 20];

/// Bytes of a record of librsync's default signature: weak sum and BLAKE2b.
const RECORD: u64 = 36;

/// The estimate of one file.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Estimate {
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Bytes allocated now.
    pub allocated: u64,
    /// Per hole size, the bytes a sparse copy would need.
    pub holes: Vec<HoleRow>,
    /// Per block size, what a backup by signature costs.
    pub blocks: Vec<BlockRow>,
    /// Bytes of a delta against the basis itself, if one was given.
    pub basis_delta: Option<u64>,
}

/// One hole size.
#[derive(Debug, Clone, serde::Serialize)]
pub struct HoleRow {
    /// Bytes.
    pub hole_size: u64,
    /// Bytes that are not in zero blocks of this size.
    pub needed: u64,
}

/// One block size.
#[derive(Debug, Clone, serde::Serialize)]
pub struct BlockRow {
    /// Whose rule it is.
    pub rule: &'static str,
    /// Bytes per block.
    pub block_size: u64,
    /// Bytes of a signature.
    pub signature: u64,
    /// Share of blocks, in percent, that cross an edge of a stripe of 128 KiB without
    /// consisting of whole stripes.
    pub crossing_percent: u64,
    /// Bytes of literal data in a delta against the basis that is blind to moved data.
    pub delta: Option<u64>,
}

/// Estimates the file at `path`; with `basis`, deltas against that older file as well.
pub fn estimate(
    path: &Path,
    basis: Option<&Path>,
    jobs: usize,
    progress: &Progress,
) -> Result<Estimate, Error> {
    let mapped = map(path, HoleSize::DEFAULT, true, jobs, progress)?;
    let size = mapped.size;
    let mut rules = vec![
        ("4K", 4096),
        ("librsync", u64::from(sqrt_block_len(Some(size)))),
        ("rdiff-backup", rdiff_backup_block_len(size)),
        ("auto", u64::from(auto_block_len(Some(size)))),
        ("128K", STRIPE),
    ];
    rules.sort_by_key(|(_, block)| *block);
    let changed = basis
        .map(|basis| changed_pages(basis, path, progress))
        .transpose()?;
    let blocks = rules
        .into_iter()
        .map(|(rule, block)| BlockRow {
            rule,
            block_size: block,
            signature: HEADER_LEN as u64 + size.div_ceil(block) * RECORD,
            crossing_percent: crossing_percent(size, block),
            delta: changed.as_ref().map(|pages| touched(pages, block, size)),
        })
        .collect();
    let basis_delta = basis
        .map(|basis| {
            let options = DiffOptions { jobs, roll: false };
            diff::size_by_basis(basis, path, HoleSize::DEFAULT.get(), options, progress)
        })
        .transpose()?;
    let holes = HOLE_SIZES
        .map(|hole_size| HoleRow {
            hole_size,
            needed: needed(&mapped, hole_size),
        })
        .into();
    let allocated = mapped.allocated;
    Ok(Estimate {
        path: path.to_owned(),
        size,
        allocated,
        holes,
        blocks,
        basis_delta,
    })
}

/// Bytes of all blocks of `block` bytes that contain data.
fn needed(map: &Map, block: u64) -> u64 {
    let data = map
        .stretches
        .iter()
        .filter(|stretch| stretch.content == Content::Data);
    let ranges = data.map(|stretch| (stretch.range.start, stretch.range.end));
    touched(&ranges.collect::<Vec<_>>(), block, map.size)
}

/// Bytes of all blocks that the ranges, sorted, touch.
fn touched(ranges: &[(u64, u64)], block: u64, size: u64) -> u64 {
    let mut bytes = 0;
    let mut counted = 0;
    for (start, end) in ranges {
        let start = (start / block * block).max(counted);
        let end = end.next_multiple_of(block).min(size);
        bytes += end.saturating_sub(start);
        counted = counted.max(end);
    }
    bytes
}

/// Share of full blocks that cross an edge of a stripe and do not consist of whole stripes.
fn crossing_percent(size: u64, block: u64) -> u64 {
    // The pattern repeats after as many blocks as it takes to meet a stripe's edge again.
    let period = STRIPE / gcd(block, STRIPE);
    let blocks = (size / block).min(period);
    if blocks == 0 || block.is_multiple_of(STRIPE) {
        return 0;
    }
    let crossing = (0..blocks).filter(|number| {
        let (first, last) = (number * block, (number + 1) * block - 1);
        first / STRIPE != last / STRIPE
    });
    crossing.count() as u64 * 100 / blocks
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Ranges of pages in which the new file differs from the old one at the same offset.
fn changed_pages(old: &Path, new: &Path, progress: &Progress) -> Result<Vec<(u64, u64)>, Error> {
    let (old, new) = (Input::open_seekable(old)?, Input::open_seekable(new)?);
    crate::direct::changed(&old, &new, HoleSize::DEFAULT.get(), progress)
}

/// The form for people.
pub fn write_text(estimate: &Estimate, mut out: impl Write) -> io::Result<()> {
    let show = |bytes: u64| ByteSize(bytes).approx();
    writeln!(out, "{}", Escaped::path(&estimate.path))?;
    writeln!(
        out,
        "  size {}, allocated {}\n",
        show(estimate.size),
        show(estimate.allocated)
    )?;
    writeln!(out, "  hole size        needed         saved")?;
    for row in &estimate.holes {
        let saved = estimate.allocated.saturating_sub(row.needed);
        writeln!(
            out,
            "  {:>9}  {:>12}  {:>12}",
            ByteSize(row.hole_size),
            show(row.needed),
            show(saved)
        )?;
    }
    writeln!(
        out,
        "\n  rule          block size     signature  crossing       delta"
    )?;
    for row in &estimate.blocks {
        writeln!(
            out,
            "  {:<12}  {:>10}  {:>12}  {:>7}%  {:>10}",
            row.rule,
            row.block_size,
            show(row.signature),
            row.crossing_percent,
            row.delta.map_or_else(|| "-".to_owned(), show)
        )?;
    }
    if let Some(delta) = estimate.basis_delta {
        writeln!(out, "\n  delta --basis, in steps of 4 KiB: {}", show(delta))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crossing_shares_are_those_of_the_arithmetic() {
        for (size, block, share) in [
            (1536 << 20, 49_152, 25),
            (4 << 30, 65_536, 0),
            (10 << 30, 81_920, 50),
            (20 << 30, 163_840, 100),
            (20 << 30, 262_144, 0),
            (350_u64 << 30, 655_360, 0),
        ] {
            assert_eq!(crossing_percent(size, block), share, "{size} in {block}");
        }
    }

    #[test]
    fn blocks_are_counted_once() {
        assert_eq!(touched(&[(0, 1), (5, 6), (9, 11), (95, 97)], 10, 97), 27);
        assert_eq!(touched(&[], 10, 97), 0);
    }
}
