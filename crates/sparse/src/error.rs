//! What can go wrong, and which exit code tells of it.

use nightshift_common::error::Report;
use nightshift_common::exit::Exit;
use std::io;
use std::path::{Path, PathBuf};

/// Content that breaks the rules of its format, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at offset {offset}: {reason}")]
pub struct FormatError {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

impl FormatError {
    /// A mistake at `offset`.
    pub fn new(offset: u64, reason: String) -> Self {
        Self { offset, reason }
    }
}

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call on a path failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted: "open", "create", ...
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or writing failed in the middle of a file.
    #[error("cannot {action} {} at offset {offset}", path.display())]
    IoAt {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not have the content its format demands.
    #[error("{} is not a valid {what}", path.display())]
    Corrupt {
        /// What it should be: "signature", "delta", "increment".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: FormatError,
    },
    /// The source ended before the length it had when it was opened.
    #[error("{} became shorter while it was read: nothing at offset {offset}", path.display())]
    Shrunk {
        /// The source.
        path: PathBuf,
        /// Where the first missing byte should be.
        offset: u64,
    },
    /// The source was written to while it was read.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// The source.
        path: PathBuf,
    },
    /// Output and input are one file.
    #[error("{} is an input as well as the output", path.display())]
    SameFile {
        /// The path given as output.
        path: PathBuf,
    },
    /// The request makes no sense for this path.
    #[error("{}: {reason}", path.display())]
    Usage {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// An argument has no meaning.
    #[error("{0}")]
    Argument(String),
    /// The target is refused before anything is written to it.
    #[error("refusing to write to {}: {reason}", path.display())]
    Refused {
        /// The target.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What to try.
        hint: Option<&'static str>,
    },
    /// Someone else uses the target or the repository.
    #[error("{} is in use: {by}", path.display())]
    Busy {
        /// What is in use.
        path: PathBuf,
        /// By whom, as far as known.
        by: String,
        /// What to try.
        hint: Option<&'static str>,
    },
    /// The output would grow over its limit.
    #[error("{}: the output would exceed {limit} bytes", path.display())]
    TooLong {
        /// The delta that asks for it.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A repository does not hang together.
    #[error("repository {}: {reason}", path.display())]
    Repository {
        /// The repository or the file in it.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to try.
        hint: Option<&'static str>,
    },
    /// Nothing by that name at that time.
    #[error("{what}")]
    NotFound {
        /// What was looked for, and what is there instead.
        what: String,
    },
    /// Part of a list failed; each part has been reported.
    #[error("{failed} of {total} failed")]
    Partial {
        /// How many failed.
        failed: usize,
        /// Out of how many.
        total: usize,
    },
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] nightshift_common::config::ConfigError),
    /// A signal asked us to stop; the caller ends by that signal.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// A device of `len` bytes ends before the output does.
    pub(crate) fn device_full(path: &Path, len: u64) -> Self {
        Self::Refused {
            path: path.to_owned(),
            reason: format!("the output is longer than the device, which has {len} bytes"),
            hint: None,
        }
    }

    /// For `map_err` on a call about `path`.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source: source.into(),
        }
    }

    /// For `map_err` on a call about `offset` of `path`.
    pub(crate) fn at<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
        offset: u64,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::IoAt {
            action,
            path,
            offset,
            source: source.into(),
        }
    }

    /// For `map_err` on the parsers of this crate.
    pub(crate) fn parse(
        what: &'static str,
        path: &Path,
    ) -> impl Fn(crate::signature::ReadError) -> Self {
        let path = path.to_owned();
        move |error| match error {
            crate::signature::ReadError::Io(source) if is_bad_gzip(&source) => Self::Corrupt {
                what,
                path: path.clone(),
                source: FormatError::new(0, format!("damaged gzip data: {source}")),
            },
            crate::signature::ReadError::Io(source) => Self::Io {
                action: "read",
                path: path.clone(),
                source,
            },
            crate::signature::ReadError::Format(source) => Self::Corrupt {
                what,
                path: path.clone(),
                source,
            },
        }
    }

    /// The word for the kind of failure in `--json` output.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io { source, .. } | Self::IoAt { source, .. } => io_kind(source),
            Self::Corrupt { .. } | Self::TooLong { .. } | Self::Repository { .. } => "corrupt",
            Self::Shrunk { .. } | Self::Changed { .. } => "changed",
            Self::SameFile { .. } | Self::Usage { .. } | Self::Argument(_) | Self::Config(_) => {
                "usage"
            }
            Self::Refused { .. } => "refused",
            Self::Busy { .. } => "busy",
            Self::NotFound { .. } => "not-found",
            Self::Partial { .. } => "partial",
            Self::Interrupted => "interrupted",
        }
    }
}

fn io_kind(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "no-space",
        io::ErrorKind::NotFound => "not-found",
        io::ErrorKind::ResourceBusy => "busy",
        _ => "io",
    }
}

/// Decompressors report damage as errors without a number from the system.
fn is_bad_gzip(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
        && matches!(
            error.kind(),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        )
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::SameFile { .. } | Self::Usage { .. } | Self::Argument(_) | Self::Config(_) => {
                Exit::Usage
            }
            Self::Busy { .. } => Exit::Locked,
            Self::Partial { .. } => Exit::Partial,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. }
            | Self::Busy { hint, .. }
            | Self::Repository { hint, .. } => hint.map(str::to_owned),
            Self::TooLong { .. } => Some("--max-output sets the limit".to_owned()),
            Self::Shrunk { .. } | Self::Changed { .. } => {
                Some("copy from a snapshot, or when nothing writes to it".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_its_own_kind() {
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        assert_eq!(
            Error::at::<io::Error>("write", Path::new("/x"), 5)(full).kind(),
            "no-space"
        );
    }
}
