//! A new file that has no name until it is complete, so that the old one survives every failure.

use crate::attributes::Attributes;
use crate::error::Error;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A file without a name yet, in the directory where it will appear.
#[derive(Debug)]
pub(crate) struct NewFile {
    /// For writing and reading back.
    pub(crate) file: File,
    /// Where it will appear, symbolic links followed.
    destination: PathBuf,
    /// Its name for now, on file systems that cannot hold nameless files.
    temporary: Option<Temporary>,
}

/// A temporary name, removed unless it is renamed.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "temporary file left behind");
        }
    }
}

/// Directory a path lies in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A name in `dir` that nobody else uses.
fn temporary_name(dir: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    dir.join(format!(".sparseimg-{}-{number}.tmp", std::process::id()))
}

/// A file in `dir` that vanishes with its descriptor, even after kill -9.
pub(crate) fn nameless(dir: &Path) -> Result<File, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    // Nobody can open it before it has a name; the mode is for those that get no other.
    rustix::fs::open(dir, flags, Mode::from_raw_mode(0o666)).map(File::from)
}

impl NewFile {
    /// A new file in the directory of `path`.
    pub(crate) fn beside(path: &Path) -> Result<Self, Error> {
        // Follow a link, so that the file it names is replaced and not the link.
        let destination = std::fs::canonicalize(path).unwrap_or_else(|_new| path.to_owned());
        let dir = parent(&destination);
        match nameless(dir) {
            Ok(file) => Ok(Self {
                file,
                destination,
                temporary: None,
            }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Self::named(destination),
            Err(error) => Err(Error::io("create a file in", dir)(error)),
        }
    }

    /// With a temporary name, for file systems that cannot hold nameless files (FAT, NFS).
    fn named(destination: PathBuf) -> Result<Self, Error> {
        let name = temporary_name(parent(&destination));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&name)
            .map_err(Error::io("create", &name))?;
        Ok(Self {
            file,
            destination,
            temporary: Some(Temporary(name)),
        })
    }

    /// Gives the file its length, attributes and name, when all of it is on disk.
    pub(crate) fn publish(
        self,
        path: &Path,
        len: u64,
        attributes: &Attributes,
    ) -> Result<(), Error> {
        self.file
            .set_len(len)
            .map_err(Error::io("set the length of", path))?;
        attributes.apply(&self.file, path)?;
        self.file.sync_all().map_err(Error::io("flush", path))?;
        let dir = parent(&self.destination);
        let temporary = if let Some(temporary) = self.temporary {
            temporary
        } else {
            // linkat cannot replace a file, so it gets a temporary name and is then renamed.
            let name = temporary_name(dir);
            let proc = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            rustix::fs::linkat(CWD, proc, CWD, &name, AtFlags::SYMLINK_FOLLOW)
                .map_err(Error::io("create", &name))?;
            Temporary(name)
        };
        std::fs::rename(&temporary.0, &self.destination).map_err(Error::io("replace", path))?;
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(Error::io("flush directory", dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn file_systems_without_nameless_files_get_a_temporary_name() {
        let dir = tempfile::tempdir().expect("directory");
        let entries = || std::fs::read_dir(dir.path()).expect("list").count();
        let path = dir.path().join("out");
        drop(NewFile::named(path.clone()).expect("create"));
        assert_eq!(entries(), 0, "nothing is left of a failure");
        let new = NewFile::named(path.clone()).expect("create");
        new.file.write_all_at(b"new", 0).expect("write");
        assert!(!path.exists());
        new.publish(&path, 3, &Attributes::default())
            .expect("publish");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(entries(), 1);
    }
}
