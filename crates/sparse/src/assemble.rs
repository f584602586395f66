//! Writes a file that is kept as a base and a chain of diffs, in one pass.
//!
//! All diffs are read once to learn what the result consists of, then once more for the literal
//! data that survives; the base is read last, and only what is needed of it. Which diffs these
//! are is not decided here.

use crate::compose::{ComposeError, Composition, Part};
use crate::delta::{Command, Decoder};
use crate::engine::{jobs, ordered};
use crate::error::{Error, FormatError};
use crate::extent::{Extent, extents, pieces};
use crate::gaps::Gaps;
use crate::patch::{self, PatchOptions};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::repo::{Increment, unpack};
use crate::signature::fill;
use crate::target::Target;
use nightshift_common::escape::Escaped;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes copied at once.
const PIECE: usize = 1 << 20;
/// Threads when none are asked for.
const JOBS: usize = 4;

/// Where a chain starts.
#[derive(Debug)]
pub(crate) struct Original {
    /// The file.
    pub(crate) path: PathBuf,
    /// It is packed.
    pub(crate) gzip: bool,
}

/// A base, what to apply to it, and how.
pub(crate) struct Assembly<'a> {
    pub(crate) source: Original,
    /// Newest first: the order of application.
    pub(crate) diffs: Vec<&'a Increment>,
    /// Recorded length of the result.
    pub(crate) size: Option<u64>,
    /// Threads; 0 chooses.
    pub(crate) jobs: usize,
    /// Segments held in memory at most.
    pub(crate) max_segments: usize,
    /// Where intermediate results go.
    pub(crate) tmp_dir: &'a Path,
    pub(crate) progress: &'a Progress,
}

/// How the result came about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    /// Bytes.
    pub(crate) len: u64,
    /// One diff after the other.
    pub(crate) stepwise: bool,
}

impl Assembly<'_> {
    /// Writes the result to the target.
    pub(crate) fn fill(&self, target: &Target) -> Result<Filled, Error> {
        if !self.is_plain_file()? {
            let what = format!("{} is not a regular file", Escaped::path(&self.source.path));
            return Err(Error::NotFound { what });
        }
        let Some(composed) = self.compose()? else {
            return Ok(Filled {
                len: self.stepwise(target)?,
                stepwise: true,
            });
        };
        self.check_len(composed.len(), target)?;
        self.progress.start("restore", composed.len());
        for (level, diff) in (1..).zip(&self.diffs) {
            let parts = composed.of_level(level);
            if !parts.is_empty() {
                self.literals(diff, &parts, target)?;
            }
        }
        if self.source.gzip {
            let reader = unpack(&self.source.path, true)?;
            self.pour(reader, &composed.of_level(0), target)?;
        } else {
            self.base(&composed, target)?;
        }
        Ok(Filled {
            len: composed.len(),
            stepwise: false,
        })
    }

    fn is_plain_file(&self) -> Result<bool, Error> {
        let found = std::fs::symlink_metadata(&self.source.path);
        Ok(found
            .map_err(Error::io("inspect", &self.source.path))?
            .is_file())
    }

    fn check_len(&self, len: u64, target: &Target) -> Result<(), Error> {
        if let Some(size) = self.size
            && size != len
        {
            return Err(Error::Repository {
                path: self.source.path.clone(),
                reason: format!("the chain gives {len} bytes, {size} were recorded"),
                hint: Some("run rdiff-backup verify on the repository"),
            });
        }
        match target.capacity() {
            Some(limit) if len > limit => Err(Error::device_full(target.path(), limit)),
            _ => Ok(()),
        }
    }

    /// Reads all diffs; `None` if there are too many segments for memory.
    fn compose(&self) -> Result<Option<Composition>, Error> {
        let mut composition = Composition::base(self.base_len()?);
        for (level, diff) in (1..).zip(&self.diffs) {
            self.progress.check()?;
            let failed = Error::parse("increment", &diff.path);
            let mut decoder = Decoder::new(unpack(&diff.path, diff.gzip)?).map_err(&failed)?;
            match composition.apply(&mut decoder, level, self.max_segments) {
                Ok(next) => composition = next,
                Err(ComposeError::TooMany(_)) => return Ok(None),
                Err(ComposeError::Read(error)) => return Err(failed(error)),
            }
        }
        Ok(Some(composition))
    }

    /// Length of the base. A packed one must be unpacked to know it.
    fn base_len(&self) -> Result<u64, Error> {
        let path = &self.source.path;
        if !self.source.gzip {
            return Ok(Input::open_seekable(path)?.len());
        }
        let mut reader = unpack(path, true)?;
        let mut buffer = vec![0; PIECE];
        let mut len = 0;
        loop {
            self.progress.check()?;
            match fill(&mut reader, &mut buffer).map_err(|error| unpacking(path, len, error))? {
                0 => return Ok(len),
                got => len += got as u64,
            }
        }
    }

    /// Writes the literal data of one diff that is part of the result.
    fn literals(&self, diff: &Increment, parts: &[Part], target: &Target) -> Result<(), Error> {
        let failed = Error::parse("increment", &diff.path);
        let mut decoder = Decoder::new(unpack(&diff.path, diff.gzip)?).map_err(&failed)?;
        let mut places = Places::new(parts);
        let mut gaps = Gaps::new(target);
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while let Some(command) = decoder.next_command().map_err(&failed)? {
            let Command::Literal { len } = command else {
                continue;
            };
            let end = at + len;
            if places.any_in(at, end) {
                loop {
                    self.progress.check()?;
                    let got = decoder.read_literal(&mut buffer).map_err(&failed)?;
                    if got == 0 {
                        break;
                    }
                    places.write(at, &buffer[..got], target, &mut gaps, self.progress)?;
                    at += got as u64;
                }
            }
            at = end;
        }
        gaps.flush()
    }

    /// Writes the parts that come from a stream.
    fn pour(&self, mut reader: impl Read, parts: &[Part], target: &Target) -> Result<(), Error> {
        let mut places = Places::new(parts);
        let mut gaps = Gaps::new(target);
        let mut buffer = vec![0; PIECE];
        let mut at = 0;
        while !places.is_done() {
            self.progress.check()?;
            let got = fill(&mut reader, &mut buffer)
                .map_err(|error| unpacking(&self.source.path, at, error))?;
            if got == 0 {
                break;
            }
            places.write(at, &buffer[..got], target, &mut gaps, self.progress)?;
            at += got as u64;
        }
        gaps.flush()
    }

    /// Copies the parts that come from the base, in the order of the result; its holes are not
    /// read.
    fn base(&self, composed: &Composition, target: &Target) -> Result<(), Error> {
        let base = Input::open_seekable(&self.source.path)?;
        let mut gaps = Gaps::new(target);
        let parts = composed.parts().filter(|part| part.source.level == 0);
        let work = parts.flat_map(|part| {
            let range = part.source.at..part.source.at + part.len;
            let (out, from) = (part.out, part.source.at);
            // Asking about holes pays only for long ranges.
            let list: Vec<Extent> = if part.len >= PIECE as u64 {
                extents(base.file(), range).collect()
            } else {
                vec![Extent { range, hole: false }]
            };
            pieces(list.into_iter(), PIECE as u64)
                .map(move |piece| (out + (piece.range.start - from), piece))
        });
        ordered(
            jobs(self.jobs, JOBS),
            work.map(|item| self.progress.check().map(|()| item)),
            Buffer::new,
            |buffer, (out, piece): (u64, Extent)| {
                let len = piece.range.end - piece.range.start;
                if piece.hole {
                    return Ok((out, len, None));
                }
                let data = base.read(buffer, &piece.range)?;
                Ok((out, len, Some(target.put(out, data)?)))
            },
            |(out, len, zeros)| {
                match zeros {
                    None => gaps.hole(out..out + len)?,
                    Some(zeros) => zeros.into_iter().try_for_each(|range| gaps.zeros(range))?,
                }
                self.progress.add(len);
                Ok(())
            },
        )?;
        gaps.flush()?;
        base.check_unchanged()
    }

    /// One delta after the other through intermediate files: slower, but in bounded memory.
    fn stepwise(&self, target: &Target) -> Result<u64, Error> {
        tracing::info!("the chain is too fragmented for one pass, going step by step");
        let mut current = if self.source.gzip {
            let whole = Composition::base(self.base_len()?);
            let unpacked = Target::nameless(self.tmp_dir)?;
            self.pour(
                unpack(&self.source.path, true)?,
                &whole.of_level(0),
                &unpacked,
            )?;
            unpacked.into_input(whole.len())?
        } else {
            Input::open_seekable(&self.source.path)?
        };
        let options = PatchOptions {
            jobs: self.jobs,
            ..PatchOptions::default()
        };
        let mut len = current.len();
        for (index, diff) in self.diffs.iter().enumerate() {
            let delta = Input::open(&diff.path)?;
            if index + 1 == self.diffs.len() {
                let limit = PatchOptions {
                    max_output: self.size,
                    ..options
                };
                len = patch::apply(&current, &delta, target, limit, self.progress)?.size;
            } else {
                let next = Target::nameless(self.tmp_dir)?;
                let len = patch::apply(&current, &delta, &next, options, self.progress)?.size;
                current = next.into_input(len)?;
            }
        }
        self.check_len(len, target)?;
        Ok(len)
    }
}

fn unpacking(path: &Path, offset: u64, error: std::io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return Error::at("read", path, offset)(error);
    }
    let source = FormatError::new(offset, format!("damaged gzip data: {error}"));
    Error::Corrupt {
        what: "increment",
        path: path.to_owned(),
        source,
    }
}

/// Parts of one source, written as the source passes by. A byte may have several places.
struct Places<'p> {
    /// In the order of the source.
    parts: &'p [Part],
    first: usize,
    /// Longest part: how far before a position a part that covers it may begin.
    reach: u64,
}

impl<'p> Places<'p> {
    fn new(parts: &'p [Part]) -> Self {
        let reach = parts.iter().map(|part| part.len).max().unwrap_or(0);
        Self {
            parts,
            first: 0,
            reach,
        }
    }

    fn is_done(&self) -> bool {
        self.first == self.parts.len()
    }

    /// Passes by what ends before `at` and cannot be needed again.
    fn advance(&mut self, at: u64) {
        while self
            .parts
            .get(self.first)
            .is_some_and(|part| part.source.at + self.reach <= at)
        {
            self.first += 1;
        }
    }

    fn any_in(&mut self, start: u64, end: u64) -> bool {
        self.advance(start);
        self.overlapping(start, end).next().is_some()
    }

    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &'p Part> + use<'p> {
        self.parts[self.first..]
            .iter()
            .take_while(move |part| part.source.at < end)
            .filter(move |part| part.source.at + part.len > start)
    }

    /// Writes bytes of the source, which begin at `at`, to all their places.
    fn write(
        &mut self,
        at: u64,
        data: &[u8],
        target: &Target,
        gaps: &mut Gaps<'_>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let end = at + data.len() as u64;
        for part in self.overlapping(at, end) {
            let start = part.source.at.max(at);
            let stop = (part.source.at + part.len).min(end);
            let from = usize::try_from(start - at).unwrap_or(0);
            let len = usize::try_from(stop - start).unwrap_or(0);
            let out = part.out + (start - part.source.at);
            for zeros in target.put(out, &data[from..from + len])? {
                gaps.zeros(zeros)?;
            }
            progress.add(len as u64);
        }
        self.advance(end);
        Ok(())
    }
}
