//! Replaces a file so that a reader sees the old content or the new, never a part, and a power cut
//! loses neither; used by every tool that keeps state.
//!
//! Order: temporary file in the same directory, write, fsync, rename, fsync of the directory.
//! A kill in between leaves at most a `.NAME.PID-N.tmp` file behind, never a damaged target.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Why a file could not be replaced; the old one is untouched except after [`Error::SyncDirectory`],
/// when the new one is in place but a power cut could still undo that.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path ends in no file name.
    #[error("{} does not name a file", path.display())]
    NoName {
        /// What was asked to be replaced.
        path: PathBuf,
    },
    /// The temporary file could not be made.
    #[error("cannot create a temporary file beside {}", path.display())]
    Create {
        /// The file to be replaced.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing or syncing the temporary file failed, a full disk for instance.
    #[error("cannot write the new {}", path.display())]
    Write {
        /// The file to be replaced.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The rename failed.
    #[error("cannot rename the new {} into place", path.display())]
    Rename {
        /// The file to be replaced.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory could not be synced.
    #[error("cannot sync the directory of {}", path.display())]
    SyncDirectory {
        /// The file that was replaced.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Replaces `path` with what `write` puts into the file it is given.
///
/// `mode` is the new file's permission bits (before umask 0; the umask does not apply, so that a
/// state file's protection does not depend on who started the tool).
pub fn replace(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Error> {
    let fail = |source| Error::Create {
        path: path.to_owned(),
        source,
    };
    let name = path.file_name().ok_or_else(|| Error::NoName {
        path: path.to_owned(),
    })?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (mut file, temporary) = create_beside(directory, name, mode).map_err(fail)?;
    let temporary = RemoveOnDrop(Some(temporary));
    write(&mut file)
        .and_then(|()| file.flush())
        .and_then(|()| set_mode(&file, mode))
        .and_then(|()| file.sync_all())
        .map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })?;
    temporary.rename_to(path).map_err(|source| Error::Rename {
        path: path.to_owned(),
        source,
    })?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| Error::SyncDirectory {
            path: path.to_owned(),
            source,
        })
}

/// Replaces `path` with `content`; see [`replace`].
pub fn replace_with(path: &Path, mode: u32, content: &[u8]) -> Result<(), Error> {
    replace(path, mode, |file| file.write_all(content))
}

fn create_beside(
    directory: &Path,
    name: &std::ffi::OsStr,
    mode: u32,
) -> io::Result<(File, PathBuf)> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    loop {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        temporary.push(format!(".{}-{unique}.tmp", std::process::id()));
        let temporary = directory.join(temporary);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)
        {
            Ok(file) => return Ok((file, temporary)),
            // Left by a killed process that had our number: take the next name, touch nothing.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

struct RemoveOnDrop(Option<PathBuf>);

impl RemoveOnDrop {
    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        if let Some(temporary) = &self.0 {
            fs::rename(temporary, path)?;
            self.0 = None;
        }
        Ok(())
    }
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if let Some(temporary) = self.0.take() {
            // Nothing more can be done about it here; the name tells an admin what it is.
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn replaces_content_and_mode_whatever_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        replace_with(&path, 0o640, b"one").unwrap();
        replace_with(&path, 0o666, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o666
        );
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        replace_with(&path, 0o600, b"old").unwrap();
        let error = replace(&path, 0o600, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_file_system_is_reported_as_a_write_error() {
        let error = replace_with(Path::new("/dev/full/x"), 0o600, b"x").unwrap_err();
        assert!(matches!(error, Error::Create { .. }), "{error:?}");
        let error = replace_with(Path::new("/"), 0o600, b"x").unwrap_err();
        assert!(matches!(error, Error::NoName { .. }), "{error:?}");
    }
}
