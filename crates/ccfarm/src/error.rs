//! Everything that can end a run, with its exit code and what to try.

use std::io;
use std::path::PathBuf;

use nightshift_common::config::ConfigError;
use nightshift_common::error::Report;
use nightshift_common::exit::Exit;
use nightshift_common::{atomic, lock};

use crate::elf::ElfError;

/// Why a command did not do its job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The farm file cannot be read.
    #[error("cannot read the farm file {}", path.display())]
    ReadFarm {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A mistake in the farm or reference file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The reference file cannot be read.
    #[error("cannot read the reference {}", path.display())]
    ReadReference {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The reference was made for another farm.
    #[error("the reference {} does not fit the farm: {reason}", path.display())]
    Reference {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// Something on the command line that the parser cannot see.
    #[error("{0}")]
    Usage(String),
    /// Standard output failed.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// A file or directory could not be handled.
    #[error("cannot {what} {}", path.display())]
    File {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be replaced.
    #[error(transparent)]
    Replace(#[from] atomic::Error),
    /// Another instance is at work.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// The record of applied files is damaged.
    #[error("the record of applied files {} cannot be read: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A program could not be started.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program that had to succeed did not.
    #[error("{program} failed ({status}): {message}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// Its last words.
        message: String,
    },
    /// The device's answer makes no sense.
    #[error("the device's answer is not what the script prints: {0}")]
    Device(String),
    /// The device's own object cannot be read.
    #[error("the object made on the device")]
    DeviceObject(#[source] ElfError),
    /// The device's compiler builds for another machine than the farm.
    #[error("the device's {compiler} builds for {seen}, the farm for {wanted}")]
    DeviceTarget {
        /// The compiler asked.
        compiler: String,
        /// What it builds for.
        seen: String,
        /// What the farm file says.
        wanted: String,
    },
    /// A program or library that belongs into the tool root cannot be used.
    #[error("{}: {reason}", path.display())]
    ToolRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Signals cannot be listened for.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::ReadFarm { .. }
            | Self::ReadReference { .. }
            | Self::Reference { .. }
            | Self::Usage(_) => Exit::Usage,
            Self::Config(error) => error.exit(),
            Self::Lock(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::ReadFarm { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "`ccfarm init FILE` writes a commented one; --farm or CCFARM_FARM names it"
            }
            Self::Reference { .. } => "make it again with `ccfarm reference`",
            Self::DeviceTarget { .. } => "triple and elf in the farm file describe the device",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// For `map_err` around a call on one file.
pub(crate) fn at(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}
