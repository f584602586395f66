//! Compares two files or devices; a hole equals zeros.

use crate::engine::{jobs, ordered};
use crate::error::Error;
use crate::extent::{Extent, pieces};
use crate::progress::Progress;
use crate::reader::{Buffer, Direct, Input, Kind};
use std::ops::Range;
use std::path::Path;

/// Bytes compared per piece of work.
const PIECE: u64 = 1 << 20;
const JOBS: usize = 4;

/// How two inputs differ.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct VerifyReport {
    /// Bytes compared.
    pub compared: u64,
    /// Length of the first.
    pub size_a: u64,
    /// Length of the second.
    pub size_b: u64,
    /// Offset of the first difference.
    pub first: Option<u64>,
    /// Bytes that differ; what one file has more than the other counts.
    pub differing_bytes: u64,
    /// Ranges of differing bytes, start and length, if asked for.
    pub ranges: Vec<(u64, u64)>,
    /// One is a device larger than the other: only the image's length was compared.
    pub device_longer: bool,
}

/// Compares `a` and `b`. With `all`, every differing range is listed.
pub fn compare(
    a: &Path,
    b: &Path,
    asked: usize,
    all: bool,
    progress: &Progress,
) -> Result<VerifyReport, Error> {
    let mut a = Input::open_seekable(a)?;
    let mut b = Input::open_seekable(b)?;
    a.set_direct(Direct::Auto);
    b.set_direct(Direct::Auto);
    let common = a.len().min(b.len());
    let mut report = VerifyReport {
        compared: common,
        size_a: a.len(),
        size_b: b.len(),
        ..VerifyReport::default()
    };
    progress.start("verify", common);
    let holes = extents_of_both(&a, &b, common);
    ordered(
        jobs(asked, JOBS),
        pieces(holes, PIECE).map(|piece| progress.check().map(|()| piece)),
        || (Buffer::new(), Buffer::new()),
        |(buffer_a, buffer_b), piece| {
            if piece.hole {
                return Ok((piece.range, Vec::new()));
            }
            let data_a = &*a.read(buffer_a, &piece.range)?;
            let data_b = &*b.read(buffer_b, &piece.range)?;
            let differing = differences(data_a, data_b, piece.range.start);
            Ok((piece.range, differing))
        },
        |(range, differing)| {
            for range in differing {
                report.note(range, all);
            }
            progress.add(range.end - range.start);
            Ok(())
        },
    )?;
    let (longer, shorter) = if a.len() > b.len() {
        (&a, &b)
    } else {
        (&b, &a)
    };
    if longer.len() > common {
        if longer.kind() == Kind::Device && shorter.kind() == Kind::Regular {
            report.device_longer = true;
        } else {
            report.note(common..longer.len(), all);
        }
    }
    Ok(report)
}

impl VerifyReport {
    fn note(&mut self, range: Range<u64>, all: bool) {
        self.first.get_or_insert(range.start);
        self.differing_bytes += range.end - range.start;
        if !all {
            return;
        }
        match self.ranges.last_mut() {
            Some((start, len)) if *start + *len == range.start => *len += range.end - range.start,
            _ => self.ranges.push((range.start, range.end - range.start)),
        }
    }
}

/// Extents that are holes where both files have one.
fn extents_of_both<'a>(
    a: &'a Input,
    b: &'a Input,
    len: u64,
) -> impl Iterator<Item = Extent> + Send + 'a {
    let mut list_a = a.extents(0..len).peekable();
    let mut list_b = b.extents(0..len).peekable();
    let mut at = 0;
    std::iter::from_fn(move || {
        while list_a.next_if(|extent| extent.range.end <= at).is_some() {}
        while list_b.next_if(|extent| extent.range.end <= at).is_some() {}
        let (extent_a, extent_b) = (list_a.peek()?, list_b.peek()?);
        let start = at;
        at = extent_a.range.end.min(extent_b.range.end);
        Some(Extent {
            range: start..at,
            hole: extent_a.hole && extent_b.hole,
        })
    })
}

/// Bytes compared at once before looking at each.
const STEP: usize = 512;

/// Ranges in which two equally long buffers differ.
fn differences(a: &[u8], b: &[u8], at: u64) -> Vec<Range<u64>> {
    if a == b {
        return Vec::new();
    }
    let mut found: Vec<Range<u64>> = Vec::new();
    for (index, (a, b)) in a.chunks(STEP).zip(b.chunks(STEP)).enumerate() {
        if a == b {
            continue;
        }
        for (offset, _) in a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b) {
            let place = at + (index * STEP + offset) as u64;
            match found.last_mut() {
                Some(range) if range.end == place => range.end += 1,
                _ => found.push(place..place + 1),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_bytes_are_found_one_by_one() {
        let a = vec![0_u8; 2000];
        let mut b = a.clone();
        for at in [0, 511, 512, 513, 1999] {
            b[at] = 1;
        }
        assert_eq!(differences(&a, &b, 100), [100..101, 611..614, 2099..2100]);
        assert!(differences(&a, &a, 0).is_empty());
    }
}
