//! Restores one file of an rdiff-backup repository: which time is meant, what the file was then,
//! and whether the result is what was recorded.

use crate::assemble::{Assembly, Original};
use crate::attributes::Attributes;
use crate::chain::{Base, Broken, State, recorded, resolve};
use crate::error::Error;
use crate::extent::pieces;
use crate::metadata::Record;
use crate::moment::Moment;
use crate::progress::Progress;
use crate::reader::Buffer;
use crate::repo::{History, Increment, Member, Repo};
use crate::target::{Target, TargetOptions};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightshift_common::escape::Escaped;
use nightshift_common::human::ByteSize;
use sha1::{Digest, Sha1};
use std::fmt;
use std::path::{Path, PathBuf};

/// Bytes hashed at once.
const PIECE: usize = 1 << 20;

/// How to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Threads; 0 chooses.
    pub jobs: usize,
    /// The time as the user gave it; `None` is now.
    pub at: Option<String>,
    /// Compare the result with the recorded checksum.
    pub verify: bool,
    /// Segments of the composed chain held in memory; one that has more goes step by step.
    /// [`MAX_SEGMENTS`](crate::compose::MAX_SEGMENTS) is right for everything but tests.
    pub max_segments: usize,
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
    /// They were applied one after the other, because together they were too fragmented.
    pub stepwise: bool,
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
    let assembly = Assembly {
        source,
        diffs,
        size,
        jobs: options.jobs,
        max_segments: options.max_segments,
        tmp_dir,
        progress,
    };
    match assembly.fill(&target).and_then(|filled| {
        let recorded = record.as_ref().and_then(|record| record.sha1);
        let checksum = match recorded {
            _ if !options.verify => Checksum::NotVerified,
            None => Checksum::NotRecorded,
            Some(sha1) if sha1_of(&target, filled.len, progress)? == sha1 => Checksum::Right,
            Some(_) => Checksum::Wrong,
        };
        Ok((filled, checksum))
    }) {
        Ok((filled, checksum)) => {
            let report = RestoreReport {
                path: out.to_owned(),
                time: at.to_string(),
                too_early,
                size: filled.len,
                diffs: assembly.diffs.len(),
                stepwise: filled.stepwise,
                written: target.written(),
                checksum,
            };
            target.finish(
                filled.len,
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
