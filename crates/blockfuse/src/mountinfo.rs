//! Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
//!
//! Mounts are looked up here and not by `stat`, because asking a mount whose daemon is dead or is
//! ourselves may never be answered.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The type under which our mounts appear.
pub const FILESYSTEM_TYPE: &str = "fuse.blockfuse";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `major:minor`, which is also the name of its backing device info.
    pub device: String,
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// File system type with subtype.
    pub kind: String,
    /// What is mounted, as given to mount(2).
    pub source: PathBuf,
}

impl Mount {
    /// Whether it is one of ours.
    pub fn is_blockfuse(&self) -> bool {
        self.kind == FILESYSTEM_TYPE
    }
}

/// The topmost mount exactly at `mountpoint`, which must be absolute and free of links.
pub fn at(mountpoint: &Path) -> io::Result<Option<Mount>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(parse(&table)
        .filter(|mount| mount.mountpoint == mountpoint)
        .last())
}

/// All mounts, in the order in which they were made.
fn parse(table: &[u8]) -> impl Iterator<Item = Mount> {
    table.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let device = fields.nth(2)?;
        let mountpoint = fields.nth(1)?;
        // Optional fields end with a lone dash.
        fields.find(|field| *field == b"-")?;
        let kind = fields.next()?;
        let source = fields.next()?;
        Some(Mount {
            device: String::from_utf8_lossy(device).into_owned(),
            mountpoint: unescape(mountpoint),
            kind: String::from_utf8_lossy(kind).into_owned(),
            source: unescape(source),
        })
    })
}

/// Undoes the kernel's `\040` for a space, a tab, a newline and a backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] if *first == b'\\' => {
                Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'))
            }
            _ => None,
        };
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn fields_are_found_behind_optional_ones_and_escapes_undone() {
        let table = b"22 1 8:1 / / rw shared:1 master:2 - ext4 /dev/sda1 rw\n\
            60 22 0:51 / /mnt/a\\040b\\134 ro,nosuid - fuse.blockfuse /dev/my\\012dir ro\n\
            61 22 0:52 / /mnt/\xff rw unbindable - tmpfs tmpfs rw\n\
            not a line\n";
        let mounts: Vec<_> = parse(table).collect();
        assert_eq!(mounts.len(), 3);
        assert_eq!(
            (mounts[0].device.as_str(), mounts[0].kind.as_str()),
            ("8:1", "ext4")
        );
        assert_eq!(mounts[1].mountpoint, Path::new("/mnt/a b\\"));
        assert_eq!(mounts[1].source, Path::new("/dev/my\ndir"));
        assert!(mounts[1].is_blockfuse() && !mounts[2].is_blockfuse());
        assert_eq!(
            mounts[2].mountpoint,
            Path::new(OsStr::from_bytes(b"/mnt/\xff"))
        );
    }

    #[test]
    fn the_root_is_always_mounted() {
        assert!(at(Path::new("/")).unwrap().is_some());
        assert!(at(Path::new("/nonexistent")).unwrap().is_none());
    }
}
