//! Mounting and unmounting: the checks before, the system calls, the kernel's settings after.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::error::Error;
use crate::mountinfo::{self, FILESYSTEM_TYPE};

/// A source and a mount point that can be used together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The directory of devices, absolute and free of links.
    pub source: PathBuf,
    /// Where to mount, absolute and free of links.
    pub mountpoint: PathBuf,
}

impl Places {
    /// Checks both paths; mounts nothing.
    pub fn check(source: &Path, mountpoint: &Path) -> Result<Self, Error> {
        let wrong_source = |error| Error::Source {
            path: source.to_owned(),
            source: error,
        };
        let wrong_mountpoint = |error| Error::Mountpoint {
            path: mountpoint.to_owned(),
            source: error,
        };
        let source = source.canonicalize().map_err(wrong_source)?;
        if !source.is_dir() {
            return Err(wrong_source(Errno::NOTDIR.into()));
        }
        let mountpoint = resolve(mountpoint).map_err(wrong_mountpoint)?;
        // Inside each other, in either direction: we would hide our own source, or a scan would
        // run into our own mount and wait for itself.
        if mountpoint.starts_with(&source) || source.starts_with(&mountpoint) {
            return Err(Error::Nested {
                devices: source,
                mountpoint,
            });
        }
        Ok(Self { source, mountpoint })
    }

    /// Checks that nothing is mounted on the mount point and that it is a directory. To be called
    /// with the lock held, so that a mount of ours found there has no daemon.
    pub fn check_free(&self) -> Result<(), Error> {
        let mountpoint = self.mountpoint.clone();
        let failed = |source| Error::Mountpoint {
            path: mountpoint.clone(),
            source,
        };
        match mountinfo::at(&self.mountpoint).map_err(failed)? {
            Some(mount) if mount.is_blockfuse() => return Err(Error::DeadMount(mountpoint)),
            Some(mount) => {
                return Err(Error::AlreadyMounted {
                    mountpoint,
                    kind: mount.kind,
                });
            }
            None => {}
        }
        if !fs::metadata(&self.mountpoint).map_err(failed)?.is_dir() {
            return Err(failed(Errno::NOTDIR.into()));
        }
        Ok(())
    }
}

/// A mount that ends when this is dropped, whatever the reason.
#[derive(Debug)]
pub struct Mounted {
    mountpoint: Option<PathBuf>,
}

impl Mounted {
    /// Opens /dev/fuse and mounts it. The returned descriptor is where requests come from.
    pub fn new(places: &Places, allow_other: bool) -> Result<(Self, OwnedFd), Error> {
        let fuse: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .map_err(Error::NoFuse)?;
        let failed = |source| Error::Mount {
            mountpoint: places.mountpoint.clone(),
            source,
        };
        // default_permissions: the kernel checks owner and mode, for root's mount too.
        let mut data = format!(
            "fd={},rootmode=40000,user_id={},group_id={},default_permissions",
            fuse.as_raw_fd(),
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        if allow_other {
            data.push_str(",allow_other");
        }
        let data = CString::new(data).map_err(|error| failed(error.into()))?;
        rustix::mount::mount(
            &places.source,
            &places.mountpoint,
            FILESYSTEM_TYPE,
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
            Some(data.as_c_str()),
        )
        .map_err(|errno| failed(errno.into()))?;
        Ok((
            Self {
                mountpoint: Some(places.mountpoint.clone()),
            },
            OwnedFd::from(fuse),
        ))
    }

    /// It was unmounted by someone else.
    pub fn forget(&mut self) {
        self.mountpoint = None;
    }

    /// Unmounts, unless it is busy.
    pub fn unmount(&mut self) -> rustix::io::Result<()> {
        if let Some(mountpoint) = &self.mountpoint {
            unmount(mountpoint, false)?;
            self.mountpoint = None;
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mountpoint) = &self.mountpoint
            && let Err(errno) = unmount(mountpoint, true)
        {
            tracing::warn!(mountpoint = %mountpoint.display(), "cannot unmount: {errno}");
        }
    }
}

/// Unmounts what lies on a path; `lazy` detaches it although it is busy.
pub fn unmount(mountpoint: &Path, lazy: bool) -> rustix::io::Result<()> {
    let mut flags = UnmountFlags::NOFOLLOW;
    if lazy {
        flags |= UnmountFlags::DETACH;
    }
    rustix::mount::unmount(mountpoint, flags)
}

/// The absolute path of a mount point, free of links, also of one whose daemon is dead.
///
/// The kernel asks a mount nothing about its own root until something inside is looked up, and a
/// trailing slash counts as that.
pub fn resolve(mountpoint: &Path) -> io::Result<PathBuf> {
    let without_slash: PathBuf = mountpoint.components().collect();
    without_slash.canonicalize()
}

/// Sets how far the kernel reads ahead on a mount of ours.
///
/// The FUSE protocol allows 128 KiB at most; this attribute has no such limit. The number of the
/// mount comes from mountinfo, because `stat` on our own mount waits for ourselves.
pub fn set_readahead(mountpoint: &Path, kib: u32) -> io::Result<()> {
    let mount = mountinfo::at(mountpoint)?
        .filter(mountinfo::Mount::is_blockfuse)
        .ok_or_else(|| io::Error::from(Errno::NOENT))?;
    let attribute = Path::new("/sys/class/bdi")
        .join(mount.device)
        .join("read_ahead_kb");
    let mut file = OpenOptions::new().write(true).open(attribute)?;
    io::Write::write_all(&mut file, kib.to_string().as_bytes())
}

/// A mount point as a file name: as `systemd-escape --path` writes it, and shortened with a hash
/// when a socket's path could not hold it.
pub fn escaped(mountpoint: &Path) -> String {
    /// Of the 107 bytes of a socket path, what /run/nightshift/blockfuse/ and .sock leave.
    const LONGEST: usize = 70;
    let mut name = String::new();
    let bytes = mountpoint.as_os_str().as_bytes();
    for byte in bytes.strip_prefix(b"/").unwrap_or(bytes) {
        match byte {
            b'/' => name.push('-'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => {
                name.push(char::from(*byte));
            }
            byte => {
                // Writing to a String cannot fail.
                let _ = write!(name, "\\x{byte:02x}");
            }
        }
    }
    if name.is_empty() {
        name.push('-');
    }
    if name.starts_with('.') {
        name.replace_range(..1, "\\x2e");
    }
    if name.len() > LONGEST {
        let hash = crate::inode::stable_hash(bytes.iter().copied());
        // Only ASCII was put in, so any index is a boundary.
        name.truncate(LONGEST - 17);
        let _ = write!(name, "-{hash:016x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn source_and_mountpoint_must_be_directories_outside_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::create_dir_all(at("c")).unwrap();
        File::create(at("file")).unwrap();
        symlink("a", at("link")).unwrap();
        let check = |source: &str, mountpoint: &str| {
            Places::check(&at(source), &at(mountpoint)).map_err(|error| error.to_string())
        };
        assert!(check("a", "c").is_ok());
        for (source, mountpoint) in [
            ("a", "a"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("link", "a/b"),
            ("a", "link/b"),
        ] {
            let message = check(source, mountpoint).unwrap_err();
            assert!(
                message.ends_with("lie inside each other"),
                "{source} {mountpoint}: {message}"
            );
        }
        for (source, mountpoint, part) in [
            ("none", "c", "cannot read the source directory"),
            ("file", "c", "cannot read the source directory"),
            ("a", "none", "cannot use the mount point"),
        ] {
            let message = check(source, mountpoint).unwrap_err();
            assert!(
                message.starts_with(part),
                "{source} {mountpoint}: {message}"
            );
        }
        let places = Places {
            source: at("a"),
            mountpoint: at("file"),
        };
        assert!(matches!(places.check_free(), Err(Error::Mountpoint { .. })));
        let places = Places {
            source: at("a"),
            mountpoint: "/proc".into(),
        };
        assert!(matches!(
            places.check_free(),
            Err(Error::AlreadyMounted { .. })
        ));
    }

    #[test]
    fn escaped_names_are_unique_short_and_plain() {
        for (path, expected) in [
            ("/mnt/block-devices", "mnt-block\\x2ddevices"),
            ("/mnt/a b", "mnt-a\\x20b"),
            ("/", "-"),
            ("/.x", "\\x2ex"),
        ] {
            assert_eq!(escaped(Path::new(path)), expected);
        }
        assert_eq!(
            escaped(Path::new(OsStr::from_bytes(b"/\xff\n"))),
            "\\xff\\x0a"
        );
        let long = |end: &str| escaped(Path::new(&format!("/{}{end}", "x".repeat(300))));
        assert_eq!(long("1").len(), 70);
        assert_ne!(long("1"), long("2"));
    }
}
