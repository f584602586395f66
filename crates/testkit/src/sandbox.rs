//! A private directory for one test.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

/// Where memory-backed files go: every Debian system has a tmpfs there.
pub(crate) const MEMORY: &str = "/dev/shm";

/// A temporary directory, removed on drop with all its content.
///
/// Mounts that a failed test left below it are detached first, so that nothing is ever deleted
/// through a mount.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    /// A new empty directory under `TMPDIR`.
    #[track_caller]
    pub fn new() -> Self {
        Self::inside(&std::env::temp_dir())
    }

    /// A new empty directory on a tmpfs: for backing files whose speed matters.
    #[track_caller]
    pub fn in_memory() -> Self {
        Self::inside(Path::new(MEMORY))
    }

    #[track_caller]
    fn inside(parent: &Path) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("nightshift-")
            .tempdir_in(parent);
        let dir = dir.unwrap_or_else(|error| {
            panic!("cannot make a directory in {}: {error}", parent.display())
        });
        Self { dir }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The path of `name` inside, whether it exists or not.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Makes a directory, with its parents, and returns its path.
    #[track_caller]
    pub fn dir(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(&path)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()));
        path
    }

    /// Writes a file, with its parent directories, and returns its path.
    #[track_caller]
    pub fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        if let Some(parent) = path.parent() {
            self.dir(parent);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's own file need not be atomic"
        )]
        std::fs::write(&path, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// Makes a symbolic link `name` that points to `target`, and returns its path.
    #[track_caller]
    pub fn symlink(&self, target: impl AsRef<Path>, name: impl AsRef<Path>) -> PathBuf {
        let path = self.join(name);
        std::os::unix::fs::symlink(target, &path)
            .unwrap_or_else(|error| panic!("cannot link {}: {error}", path.display()));
        path
    }

    /// The whole content of a file.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.join(name);
        std::fs::read(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// `text` with this directory's path replaced by `SANDBOX`, for comparing whole outputs.
    pub fn filter(&self, text: &str) -> String {
        text.replace(&*self.path().to_string_lossy(), "SANDBOX")
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let Ok(table) = std::fs::read("/proc/self/mountinfo") else {
            return;
        };
        // Newest first: a mount may lie on top of another one.
        for mount in mounts_below(&table, self.path()).into_iter().rev() {
            if unmount(&mount, UnmountFlags::DETACH).is_err() {
                self.dir.disable_cleanup(true); // better a leftover than a wiped file system
            }
        }
    }
}

/// The mount points under `dir` in the order of a mountinfo table.
fn mounts_below(table: &[u8], dir: &Path) -> Vec<PathBuf> {
    table
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescape(field))))
        .filter(|mount| mount.starts_with(dir))
        .collect()
}

/// Undoes the kernel's octal escapes (`\040` for a space) in mount tables.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let (byte, length) = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), 4)
            }
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

/// Whether something is mounted exactly on `path`.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    std::fs::read("/proc/self/mountinfo")
        .is_ok_and(|table| mounts_below(&table, &path).contains(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_live_as_long_as_the_sandbox() {
        let sandbox = Sandbox::new();
        let file = sandbox.file("a/b/c", "text");
        assert_eq!(sandbox.read("a/b/c"), b"text");
        assert_eq!(sandbox.filter(&file.to_string_lossy()), "SANDBOX/a/b/c");
        drop(sandbox);
        assert!(!file.exists());
    }

    #[test]
    fn mount_points_are_found_below_a_directory_only() {
        let table = b"29 1 254:0 / / rw - ext4 /dev/root rw\n\
            30 29 0:5 / /a/b rw - tmpfs none rw\n\
            31 29 0:6 / /a/b/c\\040d rw - tmpfs none rw\n\
            32 29 0:7 / /a/bc rw - tmpfs none rw\n";
        assert_eq!(
            mounts_below(table, Path::new("/a/b")),
            [Path::new("/a/b"), Path::new("/a/b/c d")]
        );
    }

    #[test]
    fn octal_escapes_are_undone_and_others_kept() {
        assert_eq!(unescape(br"a\040b\134c\9"), br"a b\c\9");
    }
}
