//! Restores one file of an rdiff-backup repository in one pass.
//!
//! All diffs of the chain are read once to learn what the result consists of, then once more
//! for the literal data that survives; the base is read last, and only what is needed of it.

use crate::attributes::Attributes;
use crate::chain::{Base, Broken, State, recorded, resolve};
use crate::compose::{ComposeError, Composition, MAX_SEGMENTS, Part};
use crate::delta::{Command, Decoder};
use crate::engine::{jobs, ordered};
use crate::error::{Error, FormatError};
use crate::extent::{Extent, extents, pieces};
use crate::metadata::Record;
use crate::moment::Moment;
use crate::patch::{self, PatchOptions};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::repo::{History, Increment, Member, Repo, unpack};
use crate::signature::fill;
use crate::target::{Gaps, Target, TargetOptions};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightshift_common::escape::Escaped;
use nightshift_common::human::ByteSize;
use sha1::{Digest, Sha1};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes copied at once.
const PIECE: usize = 1 << 20;
const JOBS: usize = 4;

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Threads; 0 chooses.
    pub jobs: usize,
    /// The time as the user gave it; `None` is now.
    pub at: Option<String>,
    /// Compare the result with the recorded checksum.
    pub verify: bool,
    /// The target.
    pub target: TargetOptions,
}

/// What is known about the checksum of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// It is the recorded one.
    Right,
    /// It is not.
    Wrong,
    /// None was recorded.
    NotRecorded,
    /// It was not looked at.
    NotVerified,
}

/// What a restore did.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RestoreReport {
    /// Where the file went.
    pub path: PathBuf,
    /// The backup it was taken from.
    pub time: String,
    /// Nothing as old as asked for was there.
    pub too_early: bool,
    /// Bytes.
    pub size: u64,
    /// Diffs applied.
    pub diffs: usize,
    /// Bytes written.
    pub written: u64,
    /// The checksum.
    pub checksum: Checksum,
}

impl fmt::Display for RestoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: state of {}, {} through {} diffs, {} written",
            Escaped::path(&self.path),
            self.time,
            ByteSize(self.size).approx(),
            self.diffs,
            ByteSize(self.written).approx()
        )?;
        match self.checksum {
            Checksum::Right => f.write_str(", checksum right"),
            Checksum::Wrong => f.write_str(", CHECKSUM WRONG"),
            Checksum::NotRecorded => f.write_str(", no checksum recorded"),
            Checksum::NotVerified => Ok(()),
        }
    }
}

/// One line of a listing.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    /// The backup.
    pub time: String,
    /// `file`, `missing`, `directory`, `other`, `damaged`.
    pub state: &'static str,
    /// Bytes, if recorded.
    pub size: Option<u64>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some(size) => write!(f, "{}  {:<9}  {size}", self.time, self.state),
            None => write!(f, "{}  {}", self.time, self.state),
        }
    }
}

/// The times of the repository, oldest first, and what the file was at each.
pub fn list(path: &Path) -> Result<Vec<Listed>, Error> {
    let (repo, member) = Repo::open(path)?;
    let history = repo.history(&member)?;
    let mut lines = Vec::new();
    for time in repo.times() {
        let state = state_at(&repo, &history, *time);
        let size = match state {
            Ok(State::Content { .. }) => {
                repo.record(&member, *time)?.and_then(|record| record.size)
            }
            _ => None,
        };
        let state = match state {
            Ok(State::Content { .. }) => "file",
            Ok(State::Missing) => "missing",
            Ok(State::Dir) => "directory",
            Ok(State::Other) => "other",
            Err(_) => "damaged",
        };
        lines.push(Listed {
            time: time.to_string(),
            state,
            size,
        });
    }
    Ok(lines)
}

/// The state of a file at a recorded time. At the mirror's own time it is the mirror's.
fn state_at(repo: &Repo, history: &History, at: Timestamp) -> Result<State, Broken> {
    let links: Vec<_> = history
        .increments
        .iter()
        .map(|increment| increment.link)
        .collect();
    if at == repo.mirror_time() {
        return resolve(&[], history.mirror, at);
    }
    resolve(&links, history.mirror, at)
}

/// Restores the file that `path` names to `out`.
pub fn restore(
    path: &Path,
    out: &Path,
    options: &RestoreOptions,
    tmp_dir: &Path,
    progress: &Progress,
) -> Result<RestoreReport, Error> {
    let (repo, member) = Repo::open(path)?;
    refuse_inside(&repo, out)?;
    let wanted = wanted(&repo, &member, options.at.as_deref())?;
    let Some((at, too_early)) = recorded(repo.times(), wanted) else {
        return Err(Error::NotFound {
            what: "the repository has no backups".to_owned(),
        });
    };
    let history = repo.history(&member)?;
    let state = state_at(&repo, &history, at).map_err(|broken| damaged(&repo, &broken))?;
    let State::Content { base, diffs } = state else {
        return Err(not_there(&repo, &history, path, at, &state));
    };
    let record = repo.record(&member, at)?.filter(Record::is_file);
    let diffs: Vec<&Increment> = diffs
        .iter()
        .map(|index| &history.increments[*index])
        .collect();
    let source = match base {
        Base::Mirror => Original {
            path: history.mirror_path.clone(),
            gzip: false,
        },
        Base::Snapshot(index) => {
            let increment = &history.increments[index];
            Original {
                path: increment.path.clone(),
                gzip: increment.gzip,
            }
        }
    };
    let size = record.as_ref().and_then(|record| record.size);
    let target = Target::open(out, size, &[], options.target, tmp_dir)?;
    let job = Job {
        source,
        diffs,
        size,
        options,
        tmp_dir,
        progress,
    };
    match job.fill(&target, MAX_SEGMENTS).and_then(|len| {
        let recorded = record.as_ref().and_then(|record| record.sha1);
        let checksum = match recorded {
            _ if !options.verify => Checksum::NotVerified,
            None => Checksum::NotRecorded,
            Some(sha1) if sha1_of(&target, len, progress)? == sha1 => Checksum::Right,
            Some(_) => Checksum::Wrong,
        };
        Ok((len, checksum))
    }) {
        Ok((len, checksum)) => {
            let report = RestoreReport {
                path: out.to_owned(),
                time: at.to_string(),
                too_early,
                size: len,
                diffs: job.diffs.len(),
                written: target.written(),
                checksum,
            };
            target.finish(
                len,
                &record.map(|record| attributes(&record)).unwrap_or_default(),
            )?;
            Ok(report)
        }
        Err(error) => {
            target.abandon();
            Err(error)
        }
    }
}

/// The instant that was asked for.
fn wanted(repo: &Repo, member: &Member, at: Option<&str>) -> Result<Timestamp, Error> {
    let now = Timestamp::now();
    let moment = match (at, member.time) {
        (Some(text), _) => {
            Moment::parse(text, now, &TimeZone::system()).map_err(Error::Argument)?
        }
        (None, Some(time)) => Moment::At(time),
        (None, None) => Moment::At(repo.mirror_time()),
    };
    match moment {
        Moment::At(time) => Ok(time),
        Moment::Back(count) => {
            let times = repo.times();
            // Further back than the oldest is as much too early as any time before it.
            let index = times.len().checked_sub(count + 1);
            Ok(index.map_or(Timestamp::MIN, |index| times[index]))
        }
    }
}

/// Nothing may be written into a repository.
fn refuse_inside(repo: &Repo, out: &Path) -> Result<(), Error> {
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let root = real(repo.root());
    let inside = [real(out), real(parent)]
        .into_iter()
        .flatten()
        .any(|path| root.as_ref().is_some_and(|root| path.starts_with(root)));
    if inside {
        let reason = "lies in the repository, which is only read".to_owned();
        return Err(Error::Usage {
            path: out.to_owned(),
            reason,
        });
    }
    Ok(())
}

fn damaged(repo: &Repo, broken: &Broken) -> Error {
    let (path, reason) = (repo.root().to_owned(), broken.to_string());
    Error::Repository {
        path,
        reason,
        hint: Some("run rdiff-backup verify on it"),
    }
}

/// Says what is there instead, and when the file is.
fn not_there(repo: &Repo, history: &History, path: &Path, at: Timestamp, state: &State) -> Error {
    let what = match state {
        State::Dir => "was a directory",
        State::Other => "was a link or a special file",
        _ => "did not exist",
    };
    let times: Vec<String> = repo
        .times()
        .iter()
        .filter(|time| matches!(state_at(repo, history, **time), Ok(State::Content { .. })))
        .map(ToString::to_string)
        .collect();
    let name = Escaped::path(path);
    let when = if times.is_empty() {
        "never a file".to_owned()
    } else {
        format!("a file at {}", times.join(", "))
    };
    Error::NotFound {
        what: format!("{name} {what} at {at}; it is {when}"),
    }
}

fn attributes(record: &Record) -> Attributes {
    Attributes {
        mode: record.permissions.map(|mode| mode & 0o7777),
        owner: record.uid.zip(record.gid),
        times: record.mtime.map(|seconds| [(seconds, 0); 2]),
        xattrs: Vec::new(),
    }
}

/// Where a chain starts.
#[derive(Debug)]
struct Original {
    path: PathBuf,
    gzip: bool,
}

struct Job<'a> {
    source: Original,
    /// Newest first: the order of application.
    diffs: Vec<&'a Increment>,
    /// Recorded length of the result.
    size: Option<u64>,
    options: &'a RestoreOptions,
    tmp_dir: &'a Path,
    progress: &'a Progress,
}

impl Job<'_> {
    /// Writes the result to the target; returns its length.
    fn fill(&self, target: &Target, max_segments: usize) -> Result<u64, Error> {
        if !self.is_plain_file()? {
            let what = format!("{} is not a regular file", Escaped::path(&self.source.path));
            return Err(Error::NotFound { what });
        }
        let composed = self.compose(max_segments)?;
        let Some(composed) = composed else {
            return self.stepwise(target);
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
        Ok(composed.len())
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
    fn compose(&self, max_segments: usize) -> Result<Option<Composition>, Error> {
        let mut composition = Composition::base(self.base_len()?);
        for (level, diff) in (1..).zip(&self.diffs) {
            self.progress.check()?;
            let failed = Error::parse("increment", &diff.path);
            let mut decoder = Decoder::new(unpack(&diff.path, diff.gzip)?).map_err(&failed)?;
            match composition.apply(&mut decoder, level, max_segments) {
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
            jobs(self.options.jobs, JOBS),
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
            jobs: self.options.jobs,
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

/// SHA-1 of the first `len` bytes of what has been written.
fn sha1_of(target: &Target, len: u64, progress: &Progress) -> Result<[u8; 20], Error> {
    progress.start("checksum", len);
    let mut hash = Sha1::new();
    let mut buffer = Buffer::new();
    let zeros = vec![0; PIECE];
    let written = target.reader(len)?;
    for extent in pieces(written.extents(0..len), PIECE as u64) {
        progress.check()?;
        let mut at = extent.range.start;
        while at < extent.range.end {
            let step = at..extent.range.end.min(at + PIECE as u64);
            let bytes = usize::try_from(step.end - step.start).unwrap_or(0);
            if extent.hole {
                hash.update(&zeros[..bytes]);
            } else {
                hash.update(&*written.read(&mut buffer, &step)?);
            }
            progress.add(bytes as u64);
            at = step.end;
        }
    }
    Ok(hash.finalize().into())
}
