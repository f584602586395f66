//! One instance at a time; used by the tools that keep state or serve a mount point.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::error::Report;
use crate::exit::Exit;

/// Held as long as the value lives; the kernel lets go of it when the process dies, however it
/// dies, so a stale file never blocks anybody.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("another instance{} holds the lock {}", holder(*pid), path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Process id written into it, when readable.
        pid: Option<u32>,
    },
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {}", path.display())]
    Open {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Held { .. } => Exit::Locked,
            Error::Open { .. } => Exit::Failed,
        }
    }
}

impl InstanceLock {
    /// Takes the lock without waiting; creates the file and its directory when missing.
    pub fn acquire(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(fail)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The number is a courtesy in the message; without it the message still stands.
                let _ = file.read_to_string(&mut text);
                return Err(Error::Held {
                    path: path.to_owned(),
                    pid: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let mut lock = InstanceLock { file };
        lock.write_pid(std::process::id()).map_err(fail)?;
        Ok(lock)
    }

    /// Notes who holds the lock; call it again in the child after a fork.
    pub fn write_pid(&mut self, pid: u32) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        writeln!(self.file, "{pid}")
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it_and_may_try_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/tool.lock");
        let first = InstanceLock::acquire(&path).unwrap();
        let error = InstanceLock::acquire(&path).unwrap_err();
        assert_eq!(error.exit(), Exit::Locked);
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        // A program that another test is starting at this moment has a copy until its exec.
        let end = Instant::now() + Duration::from_secs(10);
        while let Err(error) = InstanceLock::acquire(&path) {
            assert!(Instant::now() < end, "{error}");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
