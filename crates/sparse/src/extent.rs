//! Where a file has data, as far as its file system tells, and the cutting of that into pieces
//! of work.

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;

/// A stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// First byte and the byte after the last.
    pub range: Range<u64>,
    /// Known to be zeros without reading.
    pub hole: bool,
}

/// Data and holes of `range` of `file`, alternating, in order.
///
/// A file system or device that cannot tell makes one data extent. The position of the file's
/// descriptor moves; nothing else in this crate depends on it.
pub fn extents(file: &File, range: Range<u64>) -> Extents<'_> {
    Extents {
        file,
        at: range.start,
        end: range.end,
        blind: false,
    }
}

/// Iterator returned by [`extents`].
#[derive(Debug)]
pub struct Extents<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    /// The file cannot tell.
    blind: bool,
}

impl Extents<'_> {
    /// Offset of the next data (or hole) at or after `at`, at most `end`.
    fn seek(&mut self, to: SeekFrom) -> u64 {
        match rustix::fs::seek(self.file, to) {
            Ok(found) => found.clamp(self.at, self.end),
            // For SEEK_DATA: nothing but hole up to the end.
            Err(Errno::NXIO) => self.end,
            Err(error) => {
                tracing::debug!(%error, "no information about holes, reading everything");
                self.blind = true;
                self.at
            }
        }
    }
}

impl Iterator for Extents<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        let data = if self.blind {
            start
        } else {
            self.seek(SeekFrom::Data(start))
        };
        if data > start {
            self.at = data;
            return Some(Extent {
                range: start..data,
                hole: true,
            });
        }
        let hole = if self.blind {
            self.end
        } else {
            self.seek(SeekFrom::Hole(start))
        };
        // No progress means that the answers contradict each other: read it.
        self.at = if self.blind || hole <= start {
            self.end
        } else {
            hole
        };
        Some(Extent {
            range: start..self.at,
            hole: false,
        })
    }
}

/// Cuts data extents at multiples of `piece` bytes; holes stay whole.
///
/// Pieces never straddle such a multiple, so that they are aligned wherever the file is.
pub fn pieces(extents: impl Iterator<Item = Extent>, piece: u64) -> impl Iterator<Item = Extent> {
    extents.flat_map(move |extent| {
        let Extent { range, hole } = extent;
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let start = at;
            at = if hole {
                range.end
            } else {
                ((start / piece + 1) * piece).min(range.end)
            };
            Some(Extent {
                range: start..at,
                hole,
            })
        })
    })
}

/// Rounds extents of a file of `len` bytes to whole blocks of `block` bytes and cuts the data
/// into pieces of at most `piece` bytes, itself a multiple of `block`.
///
/// A block that is hole only in part counts as data. The last block may be short.
pub fn blocks(
    extents: impl Iterator<Item = Extent>,
    block: u64,
    piece: u64,
    len: u64,
) -> impl Iterator<Item = Extent> {
    let data = extents.filter(|extent| !extent.hole).map(move |extent| {
        let start = extent.range.start / block * block;
        start..extent.range.end.next_multiple_of(block).min(len)
    });
    let end = std::iter::once(len..len);
    let mut at = 0;
    data.chain(end)
        .flat_map(move |range| {
            let hole = at..range.start.max(at);
            let data = hole.end..range.end.max(hole.end);
            at = data.end;
            [
                Extent {
                    range: hole,
                    hole: true,
                },
                Extent {
                    range: data,
                    hole: false,
                },
            ]
        })
        .filter(|extent| !extent.range.is_empty())
        .flat_map(move |extent| pieces(std::iter::once(extent), piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn data(range: Range<u64>) -> Extent {
        Extent { range, hole: false }
    }

    fn hole(range: Range<u64>) -> Extent {
        Extent { range, hole: true }
    }

    #[test]
    fn data_between_holes_is_found() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(40 << 20).expect("length");
        file.write_all_at(b"x", 8 << 20).expect("write");
        let found: Vec<_> = extents(&file, 0..40 << 20).collect();
        assert_eq!(
            found,
            [
                hole(0..8 << 20),
                data(8 << 20..(8 << 20) + 4096),
                hole((8 << 20) + 4096..40 << 20)
            ],
            "the temporary directory's file system reports holes in pages"
        );
        let part: Vec<_> = extents(&file, (8 << 20) + 100..(8 << 20) + 200).collect();
        assert_eq!(part, [data((8 << 20) + 100..(8 << 20) + 200)]);
    }

    #[test]
    fn an_empty_file_has_no_extents() {
        let file = tempfile::tempfile().expect("temporary file");
        assert_eq!(extents(&file, 0..0).count(), 0);
    }

    #[test]
    fn what_cannot_tell_is_all_data() {
        let (reader, _writer) = std::io::pipe().expect("pipe");
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        assert_eq!(extents(&file, 0..1000).collect::<Vec<_>>(), [data(0..1000)]);
    }

    #[test]
    fn blocks_hold_every_byte_once_and_holes_shrink_to_whole_blocks() {
        let list = [
            hole(0..25),
            data(25..26),
            hole(26..28),
            data(28..41),
            hole(41..95),
        ];
        let cut: Vec<_> = blocks(list.into_iter(), 10, 20, 95).collect();
        assert_eq!(
            cut,
            [
                hole(0..20),
                data(20..30),
                data(30..40),
                data(40..50),
                hole(50..95)
            ]
        );
        let all: Vec<_> = blocks([data(0..7)].into_iter(), 10, 20, 7).collect();
        assert_eq!(all, [data(0..7)]);
        assert_eq!(blocks(std::iter::empty(), 10, 20, 0).count(), 0);
    }

    #[test]
    fn pieces_end_at_multiples() {
        let list = [data(5..25), hole(25..100), data(100..101)];
        let cut: Vec<_> = pieces(list.into_iter(), 10).collect();
        assert_eq!(
            cut,
            [
                data(5..10),
                data(10..20),
                data(20..25),
                hole(25..100),
                data(100..101)
            ]
        );
    }
}
