//! Punches holes into a file in place.
//!
//! Between reading zeros and punching them away another process might write there, and the
//! punch would destroy what it wrote. A write lease closes that gap: the kernel grants it only
//! while nobody else has the file open, and holds up whoever opens it until we let go.

use crate::engine::{cores, jobs, ordered};
use crate::error::Error;
use crate::extent::pieces;
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use crate::size::HoleSize;
use crate::sys::WriteLease;
use crate::zero::runs;
use rustix::fs::{FallocateFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes read per piece of work.
const PIECE: u64 = 1 << 20;

/// How to dig.
#[derive(Debug, Clone, Copy, Default)]
pub struct DigOptions {
    /// Threads; 0 chooses.
    pub jobs: usize,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Shortest hole, and its alignment.
    pub hole: HoleSize,
    /// Put the times back afterwards.
    pub preserve: bool,
    /// Do without the lease.
    pub force: bool,
}

/// What digging did.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DigReport {
    /// Bytes of the file.
    pub size: u64,
    /// Bytes allocated before.
    pub before: u64,
    /// Bytes allocated afterwards; in a dry run what they would be.
    pub after: u64,
    /// Bytes of zeros found in allocated places.
    pub zeros: u64,
}

/// Digs holes into the file at `path`.
pub fn dig(path: &Path, options: DigOptions, progress: &Progress) -> Result<DigReport, Error> {
    // Reading is enough for a dry run, but it shall fail where the real one would.
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| refused(path, error))?;
    let found = file.metadata().map_err(Error::io("inspect", path))?;
    if !found.is_file() {
        let reason = "is not a regular file, and only those can have holes".to_owned();
        return Err(Error::Usage {
            path: path.to_owned(),
            reason,
        });
    }
    let lease = if options.force {
        None
    } else {
        Some(WriteLease::take(&file).map_err(|error| no_lease(path, error))?)
    };
    let zeros = scan(&file, path, options, lease.as_ref(), progress)?;
    if options.preserve && !options.dry_run {
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(found.atime(), found.atime_nsec()),
            last_modification: time(found.mtime(), found.mtime_nsec()),
        };
        rustix::fs::futimens(&file, &times).map_err(Error::io("set the times of", path))?;
    }
    let before = found.blocks() * 512;
    let after = if options.dry_run {
        before.saturating_sub(zeros)
    } else {
        file.sync_all().map_err(Error::io("flush", path))?;
        file.metadata()
            .map_err(Error::io("inspect", path))?
            .blocks()
            * 512
    };
    Ok(DigReport {
        size: found.len(),
        before,
        after,
        zeros,
    })
}

/// Punches the zeros of a file that nobody else knows yet; returns their bytes.
pub(crate) fn punch_zeros(
    file: &File,
    path: &Path,
    hole: HoleSize,
    jobs: usize,
) -> Result<u64, Error> {
    let options = DigOptions {
        jobs,
        hole,
        ..DigOptions::default()
    };
    scan(file, path, options, None, &Progress::silent())
}

fn scan(
    file: &File,
    path: &Path,
    options: DigOptions,
    lease: Option<&WriteLease<'_>>,
    progress: &Progress,
) -> Result<u64, Error> {
    // A second descriptor made by dup shares the open file, so the lease allows it.
    let file_again = file.try_clone().map_err(Error::io("open", path))?;
    let input = Input::of(file_again, path)?;
    progress.start("dig", input.len());
    let hole = options.hole.get();
    let mut zeros = 0;
    let mut pending = 0..0;
    let punch = |range: Range<u64>| {
        if range.is_empty() || options.dry_run {
            return Ok(());
        }
        // Whoever opens the file now waits until the lease is given back, so nothing can be
        // written between this question and the punch.
        if lease.is_some_and(|lease| !lease.is_held()) {
            return Err(Error::Busy {
                path: path.to_owned(),
                by: "another process opened it; the rest was left as it is".to_owned(),
                hint: Some("run it again when the file is not in use"),
            });
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(file, flags, range.start, range.end - range.start)
            .map_err(|error| punch_failed(path, range.start, error))
    };
    let data = input.extents(0..input.len()).filter(|extent| !extent.hole);
    ordered(
        jobs(options.jobs, cores()),
        pieces(data, PIECE.max(hole)).map(|piece| progress.check().map(|()| piece)),
        Buffer::new,
        |buffer, piece| {
            let start = piece.range.start;
            let data = input.read(buffer, &piece.range)?;
            let found: Vec<Range<u64>> = runs(data, start, hole)
                .filter(|run| run.zero)
                .map(|run| start + run.range.start as u64..start + run.range.end as u64)
                .collect();
            Ok((data.len() as u64, found))
        },
        |(len, found)| {
            for range in found {
                zeros += range.end - range.start;
                if range.start == pending.end {
                    pending.end = range.end;
                } else {
                    punch(std::mem::replace(&mut pending, range))?;
                }
            }
            progress.add(len);
            Ok(())
        },
    )?;
    punch(pending)?;
    Ok(zeros)
}

fn refused(path: &Path, error: std::io::Error) -> Error {
    let reason = match Errno::from_io_error(&error) {
        Some(Errno::PERM) => "the file is immutable or append-only",
        Some(Errno::TXTBSY) => "the file is a running program or an active swap area",
        Some(Errno::ISDIR) => {
            let reason = "is a directory".to_owned();
            return Error::Usage {
                path: path.to_owned(),
                reason,
            };
        }
        _ => return Error::io("open", path)(error),
    };
    Error::Refused {
        path: path.to_owned(),
        reason: reason.to_owned(),
        hint: None,
    }
}

fn no_lease(path: &Path, error: Errno) -> Error {
    if error == Errno::AGAIN {
        return Error::Busy {
            path: path.to_owned(),
            by: "another process or a loop device has it open".to_owned(),
            hint: Some("--force digs all the same; data written meanwhile may be lost"),
        };
    }
    let hint = Some("--force does without the lease; make sure that nothing writes to the file");
    let reason = format!("no lease can be had on it ({error})");
    Error::Refused {
        path: path.to_owned(),
        reason,
        hint,
    }
}

fn punch_failed(path: &Path, offset: u64, error: Errno) -> Error {
    let reason = match error {
        Errno::TXTBSY => "it is an active swap area",
        Errno::OPNOTSUPP => "its file system cannot punch holes",
        Errno::PERM => "the file is immutable or append-only",
        _ => return Error::at("punch a hole into", path, offset)(error),
    };
    Error::Refused {
        path: path.to_owned(),
        reason: reason.to_owned(),
        hint: None,
    }
}
