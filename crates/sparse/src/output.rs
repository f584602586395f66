//! Small outputs written in one go: signatures, deltas, maps.
//!
//! A file appears under its name when it is complete; standard output gets it as it comes.

use crate::attributes::Attributes;
use crate::error::Error;
use crate::reader::{Input, STREAM};
use crate::target::{Target, TargetOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// An output that is written from start to end.
#[derive(Debug)]
pub(crate) enum Output {
    /// A new file.
    File(Target, AtomicU64),
    /// Standard output.
    Stdout,
}

impl Output {
    /// Creates the output at `path`, `-` for standard output. A block device is refused:
    /// nothing of this kind belongs there.
    pub(crate) fn create(path: &Path, inputs: &[&Input]) -> Result<Self, Error> {
        if path.as_os_str() == STREAM {
            return Ok(Self::Stdout);
        }
        let target = Target::open(path, None, inputs, TargetOptions::default(), Path::new("."))?;
        if target.is_device() {
            let reason = "is a block device, name a file".to_owned();
            return Err(Error::Usage {
                path: path.to_owned(),
                reason,
            });
        }
        Ok(Self::File(target, AtomicU64::new(0)))
    }

    /// Makes the output appear.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self {
            Self::File(target, len) => target.finish(len.into_inner(), &Attributes::default()),
            Self::Stdout => io::stdout()
                .flush()
                .map_err(Error::io("write", Path::new(STREAM))),
        }
    }
}

impl Write for &Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Output::File(target, len) => {
                let written = target.file().write(data)?;
                len.fetch_add(written as u64, Ordering::Relaxed);
                Ok(written)
            }
            Output::Stdout => io::stdout().write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::File(..) => Ok(()),
            Output::Stdout => io::stdout().flush(),
        }
    }
}
