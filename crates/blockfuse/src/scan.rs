//! Turns a directory into the list of what would be exported and what not, with the reason.
//!
//! Nothing is opened here: a name is looked at with `stat`, a device through sysfs. Opening can
//! block, wake a sleeping disk or load a medium, and the directory may hold things that were
//! never meant to be opened.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::device::{DeviceNumber, Facts, Identity, Sysfs};
use crate::names::Rules;

/// What to look at and what to leave out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which names are wanted.
    pub rules: Rules,
    /// Leave out the parts that LVM makes for itself.
    pub hide_internal: bool,
    /// Descend into directories, never through links to directories.
    pub recursive: bool,
    /// Export regular files as well.
    pub include_files: bool,
}

/// One name in the source directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, or with [`Options::recursive`] the path below the source.
    pub path: PathBuf,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is exported.
    Exported(Found),
    /// It is not, for this reason; what was found out before is kept for `list`.
    LeftOut(Reason, Option<Found>),
}

/// Something that can be exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Device or file.
    pub target: Target,
    /// In bytes.
    pub size: u64,
    /// What makes it the same thing after a reboot.
    pub identity: Identity,
    /// What sysfs says; nothing for a regular file.
    pub facts: Option<Facts>,
}

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A block device.
    Device(DeviceNumber),
    /// A regular file.
    File {
        /// `st_dev`.
        filesystem: u64,
        /// `st_ino`.
        inode: u64,
    },
}

/// Why a name is not exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A character device.
    CharacterDevice,
    /// A directory, and the scan is not recursive.
    Directory,
    /// A link to a directory, which is never followed.
    DirectoryLink,
    /// A regular file, and those were not asked for.
    RegularFile,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A link that leads nowhere.
    DanglingLink,
    /// A device without a size: an unbound loop, a drive without a medium.
    Empty,
    /// A node whose device does not exist.
    NoSuchDevice,
    /// The name is not wanted.
    Excluded,
    /// A part of an LVM volume.
    Internal,
    /// It could not be examined.
    Unreadable(Errno),
}

impl Reason {
    /// Whether something that might have been exported is lost to an error.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CharacterDevice => "character device",
            Self::Directory => "directory",
            Self::DirectoryLink => "link to a directory",
            Self::RegularFile => "regular file",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::DanglingLink => "dangling link",
            Self::Empty => "size 0",
            Self::NoSuchDevice => "no such device",
            Self::Excluded => "excluded",
            Self::Internal => "internal part of a volume",
            Self::Unreadable(Errno::ACCESS | Errno::PERM) => "no permission",
            Self::Unreadable(errno) => return write!(f, "cannot be examined: {errno}"),
        })
    }
}

/// A look at the source directory.
#[derive(Debug)]
pub struct Scanner {
    /// Where sysfs is.
    pub sysfs: Sysfs,
    /// Where udev keeps persistent names of disks.
    pub by_id: PathBuf,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            sysfs: Sysfs::default(),
            by_id: PathBuf::from("/dev/disk/by-id"),
        }
    }
}

impl Scanner {
    /// Examines `source`; the entries come in byte order of their paths.
    ///
    /// Fails only when the source itself cannot be read.
    pub fn scan(&self, source: &Path, options: &Options) -> io::Result<Vec<Entry>> {
        let mut walk = Walk {
            scanner: self,
            source,
            options,
            persistent: PersistentNames::read(&self.by_id),
            entries: Vec::new(),
        };
        walk.directory(Path::new(""))?;
        let mut entries = walk.entries;
        entries.sort_unstable_by(|a, b| by_bytes(&a.path, &b.path));
        Ok(entries)
    }
}

/// `Path`'s own order goes by components, which is not what a sorted listing shows.
fn by_bytes(a: &Path, b: &Path) -> Ordering {
    a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes())
}

struct Walk<'a> {
    scanner: &'a Scanner,
    source: &'a Path,
    options: &'a Options,
    persistent: PersistentNames,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn directory(&mut self, below: &Path) -> io::Result<()> {
        for entry in fs::read_dir(self.source.join(below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if self.options.recursive && entry.file_type()?.is_dir() {
                if let Err(error) = self.directory(&path) {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    self.add(path, Verdict::LeftOut(Reason::Unreadable(errno), None));
                }
                continue;
            }
            let verdict = self.examine(&path, &entry);
            self.add(path, verdict);
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, verdict: Verdict) {
        self.entries.push(Entry { path, verdict });
    }

    fn examine(&self, path: &Path, entry: &fs::DirEntry) -> Verdict {
        let left_out = |reason| Verdict::LeftOut(reason, None);
        let full = self.source.join(path);
        let meta = match fs::metadata(&full) {
            Ok(meta) => meta,
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                let dangling = matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
                return left_out(if dangling {
                    Reason::DanglingLink
                } else {
                    Reason::Unreadable(errno)
                });
            }
        };
        let kind = meta.file_type();
        if kind.is_block_device() {
            return self.device(path, DeviceNumber::from(meta.rdev()));
        }
        if kind.is_file() && self.options.include_files {
            return self.file(path, &meta);
        }
        left_out(if kind.is_dir() {
            match entry.file_type() {
                Ok(own) if own.is_symlink() => Reason::DirectoryLink,
                _ => Reason::Directory,
            }
        } else if kind.is_file() {
            Reason::RegularFile
        } else if kind.is_char_device() {
            Reason::CharacterDevice
        } else if kind.is_fifo() {
            Reason::Fifo
        } else {
            Reason::Socket
        })
    }

    fn device(&self, path: &Path, number: DeviceNumber) -> Verdict {
        let facts = match self.scanner.sysfs.facts(number) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Verdict::LeftOut(Reason::NoSuchDevice, None);
            }
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                return Verdict::LeftOut(Reason::Unreadable(errno), None);
            }
        };
        let internal = facts.is_internal();
        let found = Found {
            target: Target::Device(number),
            size: facts.size,
            identity: facts.identity(|| self.persistent.of(number)),
            facts: Some(facts),
        };
        let reason = if !self.options.rules.want(path) {
            Reason::Excluded
        } else if found.size == 0 {
            Reason::Empty
        } else if internal && self.options.hide_internal {
            Reason::Internal
        } else {
            return Verdict::Exported(found);
        };
        Verdict::LeftOut(reason, Some(found))
    }

    fn file(&self, path: &Path, meta: &fs::Metadata) -> Verdict {
        let found = Found {
            target: Target::File {
                filesystem: meta.dev(),
                inode: meta.ino(),
            },
            size: meta.len(),
            // The name is all that stays when an image file is replaced by the next one.
            identity: Identity::name(path.as_os_str()),
            facts: None,
        };
        let reason = if !self.options.rules.want(path) {
            Reason::Excluded
        } else if found.size == 0 {
            Reason::Empty
        } else {
            return Verdict::Exported(found);
        };
        Verdict::LeftOut(reason, Some(found))
    }
}

/// The persistent names that udev gives to disks, by device number.
struct PersistentNames(HashMap<DeviceNumber, OsString>);

impl PersistentNames {
    /// Reads the directory; where there is none (no udev), nothing has such a name.
    fn read(directory: &Path) -> Self {
        let mut names: HashMap<DeviceNumber, OsString> = HashMap::new();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            // A link to a device that has just gone is none of our business.
            let Ok(meta) = fs::metadata(entry.path()) else {
                continue;
            };
            if !meta.file_type().is_block_device() {
                continue;
            }
            let name = entry.file_name();
            // A disk has several names; the first in byte order is as good as any, and stable.
            names
                .entry(DeviceNumber::from(meta.rdev()))
                .and_modify(|known| {
                    if name < *known {
                        known.clone_from(&name);
                    }
                })
                .or_insert(name);
        }
        Self(names)
    }

    fn of(&self, number: DeviceNumber) -> Option<&OsStr> {
        self.0.get(&number).map(OsString::as_os_str)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own files need not be atomic"
)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn reasons(source: &Path, options: &Options) -> Vec<(String, Option<String>)> {
        let scanner = Scanner {
            sysfs: Sysfs::at("/nonexistent"),
            by_id: "/nonexistent".into(),
        };
        scanner
            .scan(source, options)
            .unwrap()
            .into_iter()
            .map(|entry| {
                let reason = match entry.verdict {
                    Verdict::Exported(_) => None,
                    Verdict::LeftOut(reason, _) => Some(reason.to_string()),
                };
                (entry.path.display().to_string(), reason)
            })
            .collect()
    }

    fn left_out(name: &str, reason: &str) -> (String, Option<String>) {
        (name.to_owned(), Some(reason.to_owned()))
    }

    #[test]
    fn everything_that_is_no_device_is_left_out_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::File::create(at("file")).unwrap();
        fs::create_dir(at("sub")).unwrap();
        symlink(dir.path(), at("self")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let expected = vec![
            left_out("dangling", "dangling link"),
            left_out("file", "regular file"),
            left_out("loop", "dangling link"),
            left_out("null", "character device"),
            left_out("pipe", "named pipe"),
            left_out("self", "link to a directory"),
            left_out("socket", "socket"),
            left_out("sub", "directory"),
        ];
        assert_eq!(reasons(dir.path(), &Options::default()), expected);
    }

    #[test]
    fn recursion_descends_into_directories_but_not_through_links() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::File::create(dir.path().join("a/b/file")).unwrap();
        symlink("..", dir.path().join("a/up")).unwrap();
        let options = Options {
            recursive: true,
            ..Options::default()
        };
        let expected = vec![
            left_out("a/b/file", "regular file"),
            left_out("a/up", "link to a directory"),
        ];
        assert_eq!(reasons(dir.path(), &options), expected);
    }

    #[test]
    fn files_are_exported_only_when_asked_for_and_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("image"), [1; 700]).unwrap();
        fs::write(dir.path().join("empty"), []).unwrap();
        let options = Options {
            include_files: true,
            ..Options::default()
        };
        let expected = vec![left_out("empty", "size 0"), ("image".to_owned(), None)];
        assert_eq!(reasons(dir.path(), &options), expected);
    }

    #[test]
    fn a_missing_source_is_an_error() {
        let scanner = Scanner::default();
        assert!(
            scanner
                .scan(Path::new("/nonexistent"), &Options::default())
                .is_err()
        );
    }

    #[test]
    fn order_is_that_of_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let names: [&[u8]; 4] = [b"B", b"a b", b"a\nb", b"\xff"];
        for name in names {
            fs::File::create(dir.path().join(OsStr::from_bytes(name))).unwrap();
        }
        let entries = Scanner::default()
            .scan(dir.path(), &Options::default())
            .unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| entry.path.as_os_str().as_bytes())
            .collect();
        let expected: [&[u8]; 4] = [b"B", b"a\nb", b"a b", b"\xff"];
        assert_eq!(found, expected);
    }
}
