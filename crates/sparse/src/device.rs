//! A block device as a target: claimed before use, and made zero where the input is.

use crate::error::Error;
use crate::reader::{ALIGN, Buffer, read_at};
use crate::sys;
use crate::zero::is_zero;
use nightshift_common::human::ByteSize;
use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// How zeros get onto a block device.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum TargetZero {
    /// Ask the device to write zeros, freeing space where it can; write them where it cannot.
    #[default]
    Zeroout,
    /// Discard, read back, and write zeros where something else came back.
    Discard,
    /// The device is known to be all zeros: skip them.
    AssumeZeroed,
}

/// Longest range zeroed in one call, so that signals are noticed in between.
const STEP: u64 = 1 << 30;

/// Longest range read back at once after a discard.
const READ_BACK: u64 = 4 << 20;

/// A block device that is ours while this lives.
#[derive(Debug)]
pub(crate) struct Device {
    file: File,
    path: PathBuf,
    len: u64,
    zero: TargetZero,
    /// The first of the ways to write zeros that has not been refused yet.
    way: AtomicU8,
}

const PUNCH: u8 = 0;
const ZERO_OUT: u8 = 1;

impl Device {
    /// Opens a device for writing and checks that `len` bytes fit.
    ///
    /// O_EXCL is what keeps us from a mounted disk: an ordinary open would succeed.
    pub(crate) fn claim(
        path: &Path,
        len: Option<u64>,
        zero: TargetZero,
        force: bool,
    ) -> Result<Self, Error> {
        let look = File::open(path).map_err(Error::io("open", path))?;
        if sys::is_read_only(&look).map_err(Error::io("inspect", path))? {
            let reason = "the device is read-only".to_owned();
            return Err(Error::Refused {
                path: path.to_owned(),
                reason,
                hint: None,
            });
        }
        drop(look);
        let mut flags = OFlags::RDWR | OFlags::CLOEXEC;
        if !force {
            flags |= OFlags::EXCL;
        }
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::BUSY) => {
                return Err(Error::Busy {
                    path: path.to_owned(),
                    by: "mounted, or part of a volume, a RAID or a swap area".to_owned(),
                    hint: Some(
                        "--force-device writes to it all the same and may destroy what uses it",
                    ),
                });
            }
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let size = rustix::fs::seek(&file, SeekFrom::End(0))
            .map_err(Error::io("find the size of", path))?;
        if let Some(len) = len
            && len > size
        {
            let reason = format!(
                "{len} bytes do not fit, the device has {size} ({})",
                ByteSize(size).approx()
            );
            return Err(Error::Refused {
                path: path.to_owned(),
                reason,
                hint: None,
            });
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            len: size,
            zero,
            way: AtomicU8::new(PUNCH),
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Makes a range read as zeros; returns how many bytes had to be written for that.
    pub(crate) fn zero(&self, range: &Range<u64>) -> Result<u64, Error> {
        if range.end > self.len {
            return Err(Error::device_full(&self.path, self.len));
        }
        if self.zero == TargetZero::AssumeZeroed {
            return Ok(0);
        }
        // The calls want whole sectors; 4 KiB are whole sectors everywhere.
        let align = ALIGN as u64;
        let start = range.start.next_multiple_of(align).min(range.end);
        let end = (range.end / align * align).max(start);
        let mut written = self.write_zeros(&(range.start..start))?;
        let mut at = start;
        while at < end {
            let step = at..end.min(at + STEP);
            written += match self.zero {
                TargetZero::Discard => self.discard(&step)?,
                _ => self.zero_aligned(&step)?,
            };
            at = step.end;
        }
        Ok(written + self.write_zeros(&(end..range.end))?)
    }

    fn zero_aligned(&self, range: &Range<u64>) -> Result<u64, Error> {
        let len = range.end - range.start;
        loop {
            let way = self.way.load(Ordering::Relaxed);
            let result = match way {
                PUNCH => {
                    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                    rustix::fs::fallocate(&self.file, flags, range.start, len).map_err(Into::into)
                }
                ZERO_OUT => sys::zero_out(&self.file, range),
                _ => return self.write_zeros(range),
            };
            match result {
                Ok(()) => return Ok(0),
                Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                    return Err(Error::at("zero", &self.path, range.start)(error));
                }
                Err(error) => {
                    tracing::debug!(way, %error, "this way to write zeros is refused");
                    self.way.fetch_max(way + 1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Discards, then checks: a device may return anything afterwards.
    fn discard(&self, range: &Range<u64>) -> Result<u64, Error> {
        if let Err(error) = sys::discard(&self.file, range) {
            tracing::debug!(%error, "discard refused");
            return self.zero_aligned(range);
        }
        let mut buffer = Buffer::new();
        let mut written = 0;
        let mut at = range.start;
        while at < range.end {
            let step = at..range.end.min(at + READ_BACK);
            let space = buffer.space(usize::try_from(step.end - step.start).unwrap_or(0));
            read_at(&self.file, space, at).map_err(Error::at("read back", &self.path, at))?;
            if !is_zero(space) {
                written += self.zero_aligned(&step)?;
            }
            at = step.end;
        }
        Ok(written)
    }

    fn write_zeros(&self, range: &Range<u64>) -> Result<u64, Error> {
        let zeros = vec![0; usize::try_from((range.end - range.start).min(1 << 20)).unwrap_or(0)];
        let mut at = range.start;
        while at < range.end {
            let step = usize::try_from(range.end - at)
                .unwrap_or(usize::MAX)
                .min(zeros.len());
            let result = self.file.write_all_at(&zeros[..step], at);
            result.map_err(Error::at("write", &self.path, at))?;
            at += step as u64;
        }
        Ok(range.end - range.start)
    }
}
