//! Where the data of a file lies: holes, reserved space, zeros and data.

use crate::engine::{jobs, ordered};
use crate::error::Error;
use crate::extent::{Extent, pieces};
use crate::progress::Progress;
use crate::reader::{Buffer, Input, Kind};
use crate::size::HoleSize;
use crate::sys;
use crate::zero::runs;
use nightshift_common::escape::Escaped;
use nightshift_common::human::ByteSize;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes read per piece of work.
const PIECE: u64 = 1 << 20;
const JOBS: usize = 4;

/// What a stretch of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Nothing allocated; reads as zeros.
    Hole,
    /// Allocated but never written; reads as zeros.
    Unwritten,
    /// Allocated, written, and zero all the same: what digging would free.
    Zero,
    /// Data. Without reading, everything allocated and written.
    Data,
}

impl Content {
    /// All kinds, in the order of listings.
    pub const ALL: [Self; 4] = [Self::Hole, Self::Unwritten, Self::Zero, Self::Data];

    /// The word for it in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hole => "hole",
            Self::Unwritten => "unwritten",
            Self::Zero => "zero",
            Self::Data => "data",
        }
    }
}

/// A stretch of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Bytes of the file.
    pub range: Range<u64>,
    /// What they are.
    pub content: Content,
}

/// The whole file as stretches in order, without gaps, neighbours of different kinds.
#[derive(Debug, Clone)]
pub struct Map {
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Bytes the file system has allocated; for a device its size.
    pub allocated: u64,
    /// Whether zeros were looked for.
    pub read: bool,
    /// The stretches.
    pub stretches: Vec<Stretch>,
}

impl Map {
    /// Bytes of one kind.
    pub fn total(&self, content: Content) -> u64 {
        let of_kind = self
            .stretches
            .iter()
            .filter(|stretch| stretch.content == content);
        of_kind
            .map(|stretch| stretch.range.end - stretch.range.start)
            .sum()
    }

    fn push(&mut self, range: Range<u64>, content: Content) {
        match self.stretches.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.content == content => last.range.end = range.end,
            _ => self.stretches.push(Stretch { range, content }),
        }
    }
}

/// Maps the file or device at `path`; with `read`, zeros are told from data in blocks of `hole`.
pub fn map(
    path: &Path,
    hole: HoleSize,
    read: bool,
    asked: usize,
    progress: &Progress,
) -> Result<Map, Error> {
    let input = Input::open_seekable(path)?;
    let unwritten = unwritten(&input)?;
    let allocated = match input.kind() {
        Kind::Regular => u64::try_from(input.stat().st_blocks).unwrap_or(0) * 512,
        _ => input.len(),
    };
    let mut map = Map {
        path: path.to_owned(),
        size: input.len(),
        allocated,
        read,
        stretches: Vec::new(),
    };
    progress.start("map", input.len());
    let marked = mark(input.extents(0..input.len()), &unwritten);
    let parts = marked.flat_map(|(extent, content)| {
        let extents = std::iter::once(extent);
        pieces(extents, PIECE.max(hole.get())).map(move |piece| (piece, content))
    });
    ordered(
        jobs(asked, JOBS),
        parts.map(|part| progress.check().map(|()| part)),
        Buffer::new,
        |buffer, (piece, content): (Extent, Content)| {
            if content != Content::Data || !read {
                return Ok((vec![(piece.range.clone(), content)], piece.range));
            }
            let start = piece.range.start;
            let data = input.read(buffer, &piece.range)?;
            let found = runs(data, start, hole.get())
                .map(|run| {
                    let range = start + run.range.start as u64..start + run.range.end as u64;
                    (
                        range,
                        if run.zero {
                            Content::Zero
                        } else {
                            Content::Data
                        },
                    )
                })
                .collect();
            Ok((found, piece.range))
        },
        |(found, range)| {
            for (range, content) in found {
                map.push(range, content);
            }
            progress.add(range.end - range.start);
            Ok(())
        },
    )?;
    Ok(map)
}

/// Extents the file system marks as never written. They are a matter of regular files only.
fn unwritten(input: &Input) -> Result<Vec<Range<u64>>, Error> {
    if input.kind() != Kind::Regular {
        return Ok(Vec::new());
    }
    let mapped = sys::allocated(input.file()).map_err(Error::io("map", input.path()))?;
    let unwritten = mapped
        .unwrap_or_default()
        .into_iter()
        .filter(|extent| extent.unwritten);
    Ok(unwritten.map(|extent| extent.range).collect())
}

/// Marks holes that are reserved space. SEEK_HOLE takes unwritten extents for holes until a
/// read has cached them; the file system's own list knows better.
fn mark<'a>(
    extents: impl Iterator<Item = Extent> + Send + 'a,
    unwritten: &'a [Range<u64>],
) -> impl Iterator<Item = (Extent, Content)> + Send + 'a {
    extents.flat_map(move |extent| {
        let Extent { range, hole } = extent;
        let first = unwritten.partition_point(|reserved| reserved.end <= range.start);
        let mut rest = unwritten[first..].iter();
        let mut at = range.start;
        let mut pending: Option<Range<u64>> = None;
        let plain = if hole { Content::Hole } else { Content::Data };
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let reserved = pending.take().or_else(|| {
                rest.next()
                    .map(|found| found.start.max(range.start)..found.end.min(range.end))
                    .filter(|found| !found.is_empty())
            });
            let (part, content) = match reserved {
                Some(found) if found.start <= at => (at..found.end, Content::Unwritten),
                Some(found) => {
                    let part = at..found.start;
                    pending = Some(found);
                    (part, plain)
                }
                None => (at..range.end, plain),
            };
            at = part.end;
            let hole = content != Content::Data;
            Some((Extent { range: part, hole }, content))
        })
    })
}

/// Version of the JSON form; it only ever gains fields.
const JSON_VERSION: u32 = 1;

/// The JSON form.
pub fn write_json(map: &Map, mut out: impl Write) -> io::Result<()> {
    let totals: serde_json::Map<_, _> = Content::ALL
        .iter()
        .map(|content| (content.name().to_owned(), map.total(*content).into()))
        .collect();
    let extents: Vec<_> = map
        .stretches
        .iter()
        .map(|stretch| {
            serde_json::json!({
                "start": stretch.range.start,
                "length": stretch.range.end - stretch.range.start,
                "kind": stretch.content,
            })
        })
        .collect();
    let value = serde_json::json!({
        "version": JSON_VERSION,
        "path": map.path.to_string_lossy(),
        "size": map.size,
        "allocated": map.allocated,
        "read": map.read,
        "totals": totals,
        "extents": extents,
    });
    serde_json::to_writer_pretty(&mut out, &value)?;
    writeln!(out)
}

/// The form for people: totals, shares, and what digging would free.
pub fn write_text(map: &Map, mut out: impl Write) -> io::Result<()> {
    writeln!(out, "{}", Escaped::path(&map.path))?;
    writeln!(
        out,
        "  size {}, allocated {}, {} extents",
        ByteSize(map.size).approx(),
        ByteSize(map.allocated).approx(),
        map.stretches.len()
    )?;
    for content in Content::ALL {
        let bytes = map.total(content);
        writeln!(
            out,
            "  {:<10} {:>12} {:>6}%",
            content.name(),
            ByteSize(bytes).approx(),
            percent(bytes, map.size)
        )?;
    }
    let zeros = map.total(Content::Zero);
    if zeros > 0 {
        writeln!(out, "  dig would free about {}", ByteSize(zeros).approx())?;
    }
    out.flush()
}

/// A share with one decimal.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let tenths = if whole == 0 {
        0
    } else {
        u128::from(part) * 1000 / u128::from(whole)
    };
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_space_is_told_from_holes() {
        let extents = [
            Extent {
                range: 0..100,
                hole: false,
            },
            Extent {
                range: 100..300,
                hole: true,
            },
            Extent {
                range: 300..400,
                hole: false,
            },
        ];
        let unwritten = [90..110, 150..160, 390..500];
        let marked: Vec<_> = mark(extents.into_iter(), &unwritten)
            .map(|(extent, content)| (extent.range, content))
            .collect();
        assert_eq!(
            marked,
            [
                (0..90, Content::Data),
                (90..100, Content::Unwritten),
                (100..110, Content::Unwritten),
                (110..150, Content::Hole),
                (150..160, Content::Unwritten),
                (160..300, Content::Hole),
                (300..390, Content::Data),
                (390..400, Content::Unwritten),
            ]
        );
    }

    #[test]
    fn shares_have_one_decimal() {
        assert_eq!(percent(1, 3), "33.3");
        assert_eq!(percent(5, 5), "100.0");
        assert_eq!(percent(0, 0), "0.0");
    }
}
