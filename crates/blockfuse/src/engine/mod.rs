//! How the bytes of an open device reach its readers.
//!
//! An engine is made at the first open of an inode and dropped at the last release; all opens in
//! between share it, because the kernel refuses to mix ways of reading one inode. Dropping it is
//! closing it: the device is free again when `drop` returns.
//!
//! Engines know nothing of names, inodes and refreshes.

pub mod copy;
pub mod kernel;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fuser::BackingId;
use rustix::fs::Advice;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use self::kernel::{Mapping, Refusal, Step};
use crate::extents::Extents;

/// Which engines may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The kernel engine where it works, else the copy engine.
    #[default]
    Auto,
    /// The kernel engine or an error.
    Kernel,
    /// The copy engine, without trying anything else.
    Copy,
}

/// Why a device is served by the copy engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It was asked for.
    Chosen,
    /// The kernel has no FUSE passthrough (it came with Linux 6.9).
    NoPassthrough,
    /// The kernel engine was tried and refused.
    Refused(Refusal),
}

impl Fallback {
    /// Whether an administrator would want to know. A device that is mounted or part of a larger
    /// one cannot be claimed (EBUSY); that is its ordinary state.
    pub fn needs_attention(&self) -> bool {
        match self {
            Self::Chosen | Self::NoPassthrough => false,
            Self::Refused(refusal) => !refusal.is_in_use(),
        }
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("asked for"),
            Self::NoPassthrough => f.write_str("this kernel has no FUSE passthrough"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// An opened device, as an engine takes it over.
#[derive(Debug)]
pub struct Source {
    /// The device, open for reading.
    pub file: File,
    /// Where it was opened, for messages and for kernel interfaces that want a path.
    pub path: PathBuf,
    /// The size the file is exported with, in bytes.
    pub size: u64,
}

/// Registers a file of the kernel as the one to pass reads through to; given by whoever answers
/// the open request.
pub type Register<'a> = &'a dyn Fn(BorrowedFd<'_>) -> io::Result<BackingId>;

/// A device being read.
#[derive(Debug)]
pub enum Engine {
    /// Reads go from the kernel to the device.
    Kernel {
        /// Ends the passing through, so it goes first.
        backing: BackingId,
        /// The device as a regular file of the kernel.
        mapping: Mapping,
        /// The device itself, to write back its cache.
        source: Source,
    },
    /// Reads pass through the daemon.
    Copy {
        /// The device and its mapped windows.
        reader: copy::Reader,
        /// Why not the kernel engine.
        reason: Fallback,
    },
}

impl Engine {
    /// Opens `source` with the best engine that `choice` allows. `register` is missing where the
    /// kernel offers no passthrough.
    ///
    /// Bytes that were written to the device before the call are seen through the result. An
    /// error is meant for the opener of the file.
    pub fn open(
        choice: Choice,
        source: Source,
        extents: &Extents,
        register: Option<Register<'_>>,
    ) -> Result<Self, Errno> {
        freshen(&source.file, &source.path);
        let reason = match (choice, register) {
            (Choice::Copy, _) => Fallback::Chosen,
            (_, None) => Fallback::NoPassthrough,
            (_, Some(register)) => match kernel(&source, extents, register) {
                Ok((mapping, backing)) => {
                    return Ok(Self::Kernel {
                        backing,
                        mapping,
                        source,
                    });
                }
                Err(refusal) => Fallback::Refused(refusal),
            },
        };
        match (&reason, choice) {
            (Fallback::Chosen, _) => {}
            (_, Choice::Kernel) => {
                tracing::error!(device = %source.path.display(), %reason, "no kernel engine");
                return Err(match reason {
                    Fallback::Refused(Refusal::Kernel { errno, .. }) => errno,
                    _ => Errno::OPNOTSUPP,
                });
            }
            _ => tracing::info!(device = %source.path.display(), %reason, "using the copy engine"),
        }
        Ok(Self::Copy {
            reader: copy::Reader::new(source),
            reason,
        })
    }

    /// The name in `status` and in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kernel { .. } => "kernel",
            Self::Copy { .. } => "copy",
        }
    }

    /// Why the copy engine; nothing to say about the kernel engine.
    pub fn reason(&self) -> Option<&Fallback> {
        match self {
            Self::Kernel { .. } => None,
            Self::Copy { reason, .. } => Some(reason),
        }
    }

    /// The registered file that the open reply must name, if reads pass the daemon by.
    pub fn backing(&self) -> Option<&BackingId> {
        match self {
            Self::Kernel { backing, .. } => Some(backing),
            Self::Copy { .. } => None,
        }
    }

    /// The open device.
    pub fn device(&self) -> &File {
        match self {
            Self::Kernel { source, .. } => &source.file,
            Self::Copy { reader, .. } => reader.device(),
        }
    }

    /// The size the file shows while it is open, in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Kernel { source, .. } => source.size,
            Self::Copy { reader, .. } => reader.size(),
        }
    }

    /// Notes that the device is `size` bytes long by now, which counts only if it has grown.
    pub fn grow(&self, size: u64) {
        match self {
            // The mapped file has the size it was made with.
            Self::Kernel { .. } => {}
            Self::Copy { reader, .. } => reader.grow(size),
        }
    }

    /// Reads for the daemon to pass on: all that was asked for up to the end, or an error.
    pub fn read(&self, offset: u64, length: u32) -> Result<copy::Chunk, Errno> {
        match self {
            // The kernel never asks.
            Self::Kernel { .. } => Err(Errno::IO),
            Self::Copy { reader, .. } => reader.read(offset, length),
        }
    }

    /// Makes bytes written to the device since it was opened visible to its readers.
    pub fn freshen(&self) -> rustix::io::Result<()> {
        match self {
            Self::Kernel {
                mapping, source, ..
            } => {
                freshen(&source.file, &source.path);
                mapping.forget_cache()
            }
            Self::Copy { reader, .. } => {
                // A mapped page stays in the cache whatever is advised.
                reader.forget_windows();
                freshen(reader.device(), reader.path());
                Ok(())
            }
        }
    }
}

fn kernel(
    source: &Source,
    extents: &Extents,
    register: Register<'_>,
) -> Result<(Mapping, BackingId), Refusal> {
    let mapping = Mapping::of(source, extents)?;
    let backing = register(mapping.as_fd()).map_err(|error| {
        Refusal::of(
            Step::Register,
            Errno::from_io_error(&error).unwrap_or(Errno::IO),
        )
    })?;
    Ok((mapping, backing))
}

/// Writes back what is dirty in the device's page cache and drops the rest.
///
/// The first, because the kernel engine does not see that cache. The second, because the cache
/// does not see writes that reach the device by another way: a file system mounted on it, the
/// disk under a partition. Pages read for an earlier backup would be served again.
///
/// A device that fails here can still be readable for the most part, so the reader finds out.
fn freshen(device: &File, path: &Path) {
    let outcome = rustix::fs::fsync(device)
        .and_then(|()| rustix::fs::fadvise(device, 0, None, Advice::DontNeed));
    if let Err(error) = outcome {
        tracing::warn!(device = %path.display(), %error, "cannot write back the device's cache");
    }
}
