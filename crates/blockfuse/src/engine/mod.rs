//! How the bytes of an open device reach its readers.
//!
//! An engine is made at the first open of an inode and dropped at the last release; all opens in
//! between share it, because the kernel refuses to mix ways of reading one inode. Dropping it is
//! closing it: the device is free again when `drop` returns.
//!
//! Engines know nothing of names, inodes and refreshes.

pub mod copy;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use clap::ValueEnum;
use fuser::BackingId;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

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
    /// The kernel refused a step on the way.
    Refused {
        /// The step, as a fragment for a message: "claiming the device".
        step: &'static str,
        /// What it was refused with.
        errno: Errno,
    },
}

impl Fallback {
    /// Whether an administrator would want to know. A device that is mounted or part of a larger
    /// one cannot be claimed (EBUSY); that is its ordinary state.
    pub fn needs_attention(&self) -> bool {
        !matches!(
            self,
            Self::Chosen
                | Self::NoPassthrough
                | Self::Refused {
                    errno: Errno::BUSY,
                    ..
                }
        )
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("asked for"),
            Self::NoPassthrough => f.write_str("this kernel has no FUSE passthrough"),
            Self::Refused { step, errno } => write!(f, "{step}: {errno}"),
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
    /// Reads pass through the daemon.
    Copy {
        /// The device and its mapped windows.
        reader: copy::Reader,
        /// Why not the kernel engine.
        reason: Fallback,
    },
}

impl Engine {
    /// Opens `source` with the best engine that `choice` allows.
    ///
    /// An error is meant for the opener of the file.
    pub fn open(_choice: Choice, source: Source, _register: Register<'_>) -> Result<Self, Errno> {
        Ok(Self::Copy {
            reader: copy::Reader::new(source),
            reason: Fallback::Chosen,
        })
    }

    /// The name in `status` and in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Copy { .. } => "copy",
        }
    }

    /// Why the copy engine; nothing to say about the kernel engine.
    pub fn reason(&self) -> Option<&Fallback> {
        match self {
            Self::Copy { reason, .. } => Some(reason),
        }
    }

    /// The registered file that the open reply must name, if reads pass the daemon by.
    pub fn backing(&self) -> Option<&BackingId> {
        match self {
            Self::Copy { .. } => None,
        }
    }

    /// The size the file shows while it is open, in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Copy { reader, .. } => reader.size(),
        }
    }

    /// Notes that the device is `size` bytes long by now, which counts only if it has grown.
    pub fn grow(&self, size: u64) {
        match self {
            Self::Copy { reader, .. } => reader.grow(size),
        }
    }

    /// Reads for the daemon to pass on: all that was asked for up to the end, or an error.
    pub fn read(&self, offset: u64, length: u32) -> Result<copy::Chunk, Errno> {
        match self {
            Self::Copy { reader, .. } => reader.read(offset, length),
        }
    }

    /// Makes bytes written to the device since it was opened visible to its readers.
    pub fn freshen(&self) -> rustix::io::Result<()> {
        match self {
            // The map shows the device's own page cache.
            Self::Copy { .. } => Ok(()),
        }
    }
}
