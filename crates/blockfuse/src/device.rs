//! Facts about a block device, read from sysfs without opening it.
//!
//! The root of sysfs is a parameter, so that tests bring their own.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Bytes in the sectors that sysfs counts in, whatever the device's block size.
pub const SECTOR: u64 = 512;

/// A place where sysfs is mounted.
#[derive(Clone, Debug)]
pub struct Sysfs(PathBuf);

impl Default for Sysfs {
    fn default() -> Self {
        Self(PathBuf::from("/sys"))
    }
}

impl Sysfs {
    /// Another root than `/sys`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// Reads what is known about a device.
    pub fn facts(&self, number: DeviceNumber) -> io::Result<Facts> {
        let dir = self
            .0
            .join(format!("dev/block/{}:{}", number.major, number.minor));
        let size = number_in(&dir.join("size"))?;
        // A partition can be written through its disk, whose counters include both ways; its own
        // do not.
        let is_partition = dir.join("partition").exists();
        let disk = if is_partition {
            dir.join("..")
        } else {
            dir.clone()
        };
        let counters = Counters::parse(&fs::read_to_string(disk.join("stat")).unwrap_or_default());
        // A partition has no diskseq file; its disk, one directory up, does.
        let diskseq = number_in(&dir.join("diskseq"))
            .or_else(|_| number_in(&dir.join("../diskseq")))
            .ok();
        Ok(Facts {
            size: size.saturating_mul(SECTOR),
            read_only: number_in(&dir.join("ro")).is_ok_and(|ro| ro != 0),
            diskseq,
            counters,
            dm_name: line_in(&dir.join("dm/name")),
            dm_uuid: line_in(&dir.join("dm/uuid")),
            wwid: line_in(&dir.join("wwid"))
                .or_else(|| line_in(&dir.join("device/wwid")))
                .filter(|_| !is_partition),
            suspended: number_in(&dir.join("dm/suspended")).is_ok_and(|state| state != 0),
            partition_start: number_in(&dir.join("start"))
                .unwrap_or(0)
                .saturating_mul(SECTOR),
            backing_file: line_in(&disk.join("loop/backing_file")).map(PathBuf::from),
            backing_offset: number_in(&dir.join("loop/offset")).unwrap_or(0),
            kernel_name: kernel_name(&dir),
        })
    }
}

/// The number of a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceNumber {
    /// Names the driver.
    pub major: u32,
    /// Names the device among the driver's.
    pub minor: u32,
}

impl From<u64> for DeviceNumber {
    /// From `st_rdev`.
    fn from(rdev: u64) -> Self {
        Self {
            major: rustix::fs::major(rdev),
            minor: rustix::fs::minor(rdev),
        }
    }
}

/// What sysfs says about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In bytes.
    pub size: u64,
    /// Whether the kernel refuses to write to it.
    pub read_only: bool,
    /// Rises whenever another medium or backing file takes this number; since Linux 5.15.
    pub diskseq: Option<u64>,
    /// How much has been written.
    pub counters: Counters,
    /// Device-mapper's name.
    pub dm_name: Option<OsString>,
    /// Device-mapper's identity; LVM's begin with `LVM-`.
    pub dm_uuid: Option<OsString>,
    /// World-wide identity of a whole disk.
    pub wwid: Option<OsString>,
    /// Whether device-mapper holds back all I/O, and opening the device may wait for it.
    pub suspended: bool,
    /// Where on its disk a partition begins, in bytes.
    pub partition_start: u64,
    /// The file behind a loop device, or behind the one that this is a partition of.
    pub backing_file: Option<PathBuf>,
    /// Where in that file the device begins, in bytes.
    pub backing_offset: u64,
    /// `sda1`, `dm-3`, `loop0`.
    pub kernel_name: OsString,
}

/// Running totals of a device since it appeared.
///
/// They move when dirty pages are written back, not when they are dirtied, and never by reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sectors written.
    pub written: u64,
    /// Sectors discarded.
    pub discarded: u64,
}

impl Counters {
    /// Reads them from the text of a `stat` file (Documentation/block/stat.rst): the seventh and
    /// the fourteenth number, the latter since Linux 4.18.
    fn parse(stat: &str) -> Self {
        let field = |index| {
            stat.split_ascii_whitespace()
                .nth(index)
                .and_then(|n| n.parse().ok())
                .unwrap_or(0)
        };
        Self {
            written: field(6),
            discarded: field(13),
        }
    }
}

fn number_in(path: &Path) -> io::Result<u64> {
    fs::read_to_string(path)?
        .trim()
        .parse()
        .map_err(io::Error::other)
}

/// The bytes of a one-line file; nothing if there is no such file or it is empty.
fn line_in(path: &Path) -> Option<OsString> {
    let mut bytes = fs::read(path).ok()?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    (!bytes.is_empty()).then(|| OsString::from_vec(bytes))
}

/// The last part of where `/sys/dev/block/MAJ:MIN` points.
fn kernel_name(dir: &Path) -> OsString {
    fs::read_link(dir)
        .ok()
        .and_then(|target| target.file_name().map(OsString::from))
        .or_else(|| dir.file_name().map(OsString::from))
        .unwrap_or_default()
}
