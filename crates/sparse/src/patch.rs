//! Applies a librsync delta: the old file plus a delta gives the new file.
//!
//! The commands are gathered into stretches of the output, worked on by several threads; zeros
//! are left out wherever they come from, and holes of the old file are not read.

use crate::attributes::Attributes;
use crate::delta::{Command, Decoder};
use crate::engine::{cores, jobs, ordered};
use crate::error::{Error, FormatError};
use crate::extent::{Extent, extents};
use crate::gaps::Gaps;
use crate::progress::Progress;
use crate::reader::{Buffer, Input, Kind};
use crate::signature::ReadError;
use crate::target::{Target, TargetOptions};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

/// Bytes of output per piece of work; pieces end at multiples of it.
const PIECE: u64 = 1 << 20;

/// Copies shorter than this are read without asking whether there is a hole.
const ASK_FROM: u64 = 256 << 10;

/// How to patch.
#[derive(Debug, Clone, Copy, Default)]
pub struct PatchOptions {
    /// Threads; 0 chooses.
    pub jobs: usize,
    /// The longest output allowed.
    pub max_output: Option<u64>,
    /// The target.
    pub target: TargetOptions,
}

/// What a patch did.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct PatchReport {
    /// Bytes of the output.
    pub size: u64,
    /// Bytes taken from the old file.
    pub copied: u64,
    /// Bytes taken from the delta.
    pub literal: u64,
    /// Bytes written.
    pub written: u64,
    /// Bytes of a device set to zero by the device itself.
    pub zeroed: u64,
}

/// Applies the delta at `delta` to `old`.
pub fn patch(
    old: &Path,
    delta: &Path,
    out: &Path,
    options: PatchOptions,
    tmp_dir: &Path,
    progress: &Progress,
) -> Result<PatchReport, Error> {
    let old = Input::open_seekable(old)?;
    let delta_input = Input::open(delta)?;
    let target = Target::open(out, None, &[&old, &delta_input], options.target, tmp_dir)?;
    let result = apply(&old, &delta_input, &target, options, progress);
    match result {
        Ok(mut report) => {
            (report.written, report.zeroed) = (target.written(), target.zeroed());
            target.finish(report.size, &Attributes::default())?;
            Ok(report)
        }
        Err(error) => {
            target.abandon();
            Err(error)
        }
    }
}

/// Writes the output of one delta to an open target.
pub(crate) fn apply(
    old: &Input,
    delta: &Input,
    target: &Target,
    options: PatchOptions,
    progress: &Progress,
) -> Result<PatchReport, Error> {
    let failed = Error::parse("delta", delta.path());
    let reader = open_delta(delta)?;
    let total = if delta.kind() == Kind::Regular {
        old.len()
    } else {
        0
    };
    progress.start("patch", total);
    let plan = Plan {
        decoder: Decoder::new(reader).map_err(failed)?,
        old,
        delta: delta.path(),
        max_output: options.max_output.unwrap_or(u64::MAX),
        target,
        command: None,
        at: 0,
        ready: VecDeque::new(),
        ended: false,
        known: None,
    };
    let mut report = PatchReport::default();
    let mut gaps = Gaps::new(target);
    ordered(
        jobs(options.jobs, cores()),
        plan.map(|work| progress.check().and(work)),
        Buffer::new,
        |buffer: &mut Buffer, work| match work {
            Work::Hole(range) => {
                let copied = range.end - range.start;
                Ok(Written {
                    range,
                    copied,
                    hole: true,
                    zeros: Vec::new(),
                })
            }
            Work::Bytes { at, parts, literal } => {
                let len: usize = parts.iter().map(Part::len).sum();
                let mut rest = buffer.space(len);
                let mut copied = 0;
                for part in &parts {
                    let (place, after) = std::mem::take(&mut rest).split_at_mut(part.len());
                    rest = after;
                    match part {
                        Part::Copy(range) => {
                            old.read_to(place, range.start)?;
                            copied += place.len() as u64;
                        }
                        Part::Literal(range) => place.copy_from_slice(&literal[range.clone()]),
                    }
                }
                let zeros = target.put(at, buffer.space(len))?;
                Ok(Written {
                    range: at..at + len as u64,
                    copied,
                    hole: false,
                    zeros,
                })
            }
        },
        |done| {
            let len = done.range.end - done.range.start;
            report.size = done.range.end;
            report.copied += done.copied;
            report.literal += len - done.copied;
            if done.hole {
                gaps.hole(done.range)?;
            } else {
                for range in done.zeros {
                    gaps.zeros(range)?;
                }
            }
            progress.add(len);
            Ok(())
        },
    )?;
    gaps.flush()?;
    Ok(report)
}

/// A delta as bytes, unpacked if it is gzip: rdiff-backup keeps its deltas that way.
fn open_delta(delta: &Input) -> Result<Box<dyn Read + Send + '_>, Error> {
    let mut reader = BufReader::with_capacity(256 << 10, delta.stream());
    let start = reader.fill_buf().map_err(Error::io("read", delta.path()))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(BufReader::with_capacity(
            256 << 10,
            flate2::bufread::MultiGzDecoder::new(reader),
        )))
    } else {
        Ok(Box::new(reader))
    }
}

/// One piece of work: a stretch of the output.
enum Work {
    /// A hole of the old file.
    Hole(Range<u64>),
    /// Bytes from `at` on, put together from parts.
    Bytes {
        at: u64,
        parts: Vec<Part>,
        literal: Vec<u8>,
    },
}

/// What a piece consists of.
enum Part {
    /// Bytes of the old file.
    Copy(Range<u64>),
    /// Bytes of the piece's literal data.
    Literal(Range<usize>),
}

impl Part {
    /// Bytes; a piece is never longer than [`PIECE`].
    fn len(&self) -> usize {
        match self {
            Self::Copy(range) => usize::try_from(range.end - range.start).unwrap_or(usize::MAX),
            Self::Literal(range) => range.len(),
        }
    }
}

/// A finished piece.
struct Written {
    range: Range<u64>,
    copied: u64,
    hole: bool,
    zeros: Vec<Range<u64>>,
}

/// What is left of the present command.
enum Rest {
    Copy(Range<u64>),
    Literal(u64),
}

/// Turns the commands into pieces of work, checking each before a byte of it is written.
struct Plan<'a, R: Read> {
    decoder: Decoder<R>,
    old: &'a Input,
    delta: &'a Path,
    max_output: u64,
    target: &'a Target,
    command: Option<Rest>,
    /// Bytes of output planned.
    at: u64,
    ready: VecDeque<Work>,
    ended: bool,
    /// The last answer about data and holes of the old file.
    known: Option<Extent>,
}

impl<R: Read> Plan<'_, R> {
    fn fill(&mut self) -> Result<(), Error> {
        let start = self.at;
        let end = (start / PIECE + 1) * PIECE;
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        while self.at < end {
            match self.command.take() {
                None => {
                    if !self.next_command()? {
                        break;
                    }
                }
                Some(Rest::Literal(left)) => {
                    let take = left.min(end - self.at);
                    let from = literal.len();
                    literal.resize(from + usize::try_from(take).unwrap_or(0), 0);
                    let got = self.decoder.read_literal(&mut literal[from..]);
                    got.map_err(Error::parse("delta", self.delta))?;
                    parts.push(Part::Literal(from..literal.len()));
                    self.at += take;
                    self.command = (left > take).then(|| Rest::Literal(left - take));
                }
                Some(Rest::Copy(range)) => {
                    if range.end - range.start >= ASK_FROM
                        && let Some(hole) = self.hole_at(&range)
                    {
                        // Close the piece here, so that the hole is a piece of its own.
                        if !parts.is_empty() {
                            let at = start;
                            self.ready.push_back(Work::Bytes { at, parts, literal });
                        }
                        self.ready.push_back(Work::Hole(self.at..self.at + hole));
                        self.at += hole;
                        let left = range.start + hole..range.end;
                        self.command = (!left.is_empty()).then_some(Rest::Copy(left));
                        return Ok(());
                    }
                    let take = (range.end - range.start).min(end - self.at);
                    parts.push(Part::Copy(range.start..range.start + take));
                    self.at += take;
                    let left = range.start + take..range.end;
                    self.command = (!left.is_empty()).then_some(Rest::Copy(left));
                }
            }
        }
        if !parts.is_empty() {
            self.ready.push_back(Work::Bytes {
                at: start,
                parts,
                literal,
            });
        }
        Ok(())
    }

    /// Length of the hole at the start of a range of the old file, if it is worth it.
    ///
    /// The answer of the file system is kept: to find the end of a stretch of data it may walk
    /// through all of it, and every piece of a long copy asks.
    fn hole_at(&mut self, range: &Range<u64>) -> Option<u64> {
        if !self
            .known
            .as_ref()
            .is_some_and(|known| known.range.contains(&range.start))
        {
            self.known = extents(self.old.file(), range.start..self.old.len()).next();
        }
        let known = self.known.as_ref()?;
        let len = known.range.end.min(range.end) - range.start;
        (known.hole && len >= ASK_FROM).then_some(len)
    }

    /// Reads and checks the next command; false at the end.
    fn next_command(&mut self) -> Result<bool, Error> {
        let failed = Error::parse("delta", self.delta);
        let offset = self.decoder.offset();
        let Some(command) = self.decoder.next_command().map_err(&failed)? else {
            if self.decoder.has_trailing_data().unwrap_or(false) {
                tracing::warn!(path = %self.delta.display(), "data after the end of the delta is ignored");
            }
            self.ended = true;
            return Ok(false);
        };
        let (len, rest) = match command {
            Command::Literal { len } => (len, Rest::Literal(len)),
            Command::Copy { at, len } => {
                let end = at.checked_add(len).filter(|end| *end <= self.old.len());
                let Some(end) = end else {
                    let reason = format!(
                        "copies {len} bytes from {at}, the old file has {}",
                        self.old.len()
                    );
                    return Err(failed(ReadError::Format(FormatError::new(offset, reason))));
                };
                (len, Rest::Copy(at..end))
            }
        };
        let end = self.at.saturating_add(len);
        if end > self.max_output {
            return Err(Error::TooLong {
                path: self.delta.to_owned(),
                limit: self.max_output,
            });
        }
        if let Some(room) = self.target.capacity()
            && end > room
        {
            return Err(Error::device_full(self.target.path(), room));
        }
        self.command = Some(rest);
        Ok(true)
    }
}

impl<R: Read> Iterator for Plan<'_, R> {
    type Item = Result<Work, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            if self.ended && self.command.is_none() {
                return None;
            }
            if let Err(error) = self.fill() {
                self.ended = true;
                self.command = None;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
