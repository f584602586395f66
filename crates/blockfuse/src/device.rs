//! Facts about a block device, read from sysfs without opening it.
//!
//! The root of sysfs is a parameter, so that tests bring their own.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{Mode, OFlags};

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

    /// Size in bytes and sequence number of a device: all that every `stat` of its file asks for.
    pub fn size_and_diskseq(&self, number: DeviceNumber) -> io::Result<(u64, Option<u64>)> {
        let dir = Attributes::of(&self.directory(number))?;
        let size = dir.number("size")?.saturating_mul(SECTOR);
        // A partition has none of its own; its disk, one directory up, does.
        let diskseq = dir.number("diskseq").or_else(|_| dir.number("../diskseq"));
        Ok((size, diskseq.ok()))
    }

    fn directory(&self, number: DeviceNumber) -> PathBuf {
        self.0
            .join(format!("dev/block/{}:{}", number.major, number.minor))
    }

    /// Reads what is known about a device.
    ///
    /// A directory of a thousand devices is looked at while somebody waits for the mount, so the
    /// device's directory is walked to once and only what its kind of device has is asked for.
    pub fn facts(&self, number: DeviceNumber) -> io::Result<Facts> {
        let path = self.directory(number);
        let dir = Attributes::of(&path)?;
        let kernel_name = kernel_name(&path);
        let kind = Kind::of(&kernel_name);
        let size = dir.number("size")?;
        // Only a partition has this file.
        let start = dir.number("start").ok();
        // A partition can be written through its disk, whose counters include both ways; its own
        // do not. It has no diskseq file either.
        let stat = dir.text(if start.is_some() { "../stat" } else { "stat" });
        let diskseq = if start.is_some() {
            "../diskseq"
        } else {
            "diskseq"
        };
        let (backing, offset) = match (kind, start) {
            (Kind::Loop, None) => ("loop/backing_file", dir.number("loop/offset").unwrap_or(0)),
            (Kind::Loop, Some(_)) => ("../loop/backing_file", 0),
            _ => ("", 0),
        };
        let mapped = |file| (kind == Kind::Mapped).then(|| dir.line(file)).flatten();
        Ok(Facts {
            size: size.saturating_mul(SECTOR),
            read_only: dir.number("ro").is_ok_and(|ro| ro != 0),
            diskseq: dir.number(diskseq).ok(),
            counters: Counters::parse(&stat.unwrap_or_default()),
            dm_name: mapped("dm/name"),
            dm_uuid: mapped("dm/uuid"),
            wwid: (kind == Kind::Other && start.is_none())
                .then(|| dir.line("wwid").or_else(|| dir.line("device/wwid")))
                .flatten(),
            suspended: mapped("dm/suspended").is_some_and(|state| state != "0"),
            partition_start: start.unwrap_or(0).saturating_mul(SECTOR),
            backing_file: (kind == Kind::Loop)
                .then(|| dir.line(backing))
                .flatten()
                .map(PathBuf::from),
            backing_offset: offset,
            kernel_name,
        })
    }
}

/// Kinds of devices that have files of their own in sysfs, told by the kernel's fixed names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Loop,
    Mapped,
    Other,
}

impl Kind {
    fn of(kernel_name: &OsStr) -> Self {
        match kernel_name.as_bytes() {
            [b'l', b'o', b'o', b'p', b'0'..=b'9', ..] => Self::Loop,
            [b'd', b'm', b'-', b'0'..=b'9', ..] => Self::Mapped,
            _ => Self::Other,
        }
    }
}

/// The open directory of a device, whose files are small texts.
struct Attributes(OwnedFd);

impl Attributes {
    fn of(dir: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(dir, flags, Mode::empty())?))
    }

    /// A whole file. The kernel gives a page at most, in one read.
    fn bytes(&self, file: &str) -> io::Result<Vec<u8>> {
        const PAGE: usize = 4096;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.0, file, flags, Mode::empty())?;
        let mut page = [0; PAGE];
        let length = rustix::io::read(&file, &mut page)?;
        Ok(page[..length].to_vec())
    }

    fn text(&self, file: &str) -> io::Result<String> {
        String::from_utf8(self.bytes(file)?).map_err(io::Error::other)
    }

    fn number(&self, file: &str) -> io::Result<u64> {
        self.text(file)?.trim().parse().map_err(io::Error::other)
    }

    /// The bytes of a one-line file; nothing if there is no such file or it is empty.
    fn line(&self, file: &str) -> Option<OsString> {
        let mut bytes = self.bytes(file).ok()?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        (!bytes.is_empty()).then(|| OsString::from_vec(bytes))
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

impl Facts {
    /// What makes this device the same one after a reboot. `persistent` is asked for the name
    /// that udev gave it, when the device itself has none.
    pub fn identity<'a>(&self, persistent: impl FnOnce() -> Option<&'a OsStr>) -> Identity {
        if let Some(uuid) = &self.dm_uuid {
            return Identity::new("dm-uuid", uuid);
        }
        if let Some(wwid) = &self.wwid {
            return Identity::new("wwid", wwid);
        }
        match persistent() {
            Some(name) => Identity::new("by-id", name),
            None => Identity::name(&self.kernel_name),
        }
    }

    /// Whether this is a device that LVM made for itself: the copy-on-write store of a snapshot,
    /// the hidden origin under one, the parts of a pool. Told by the suffix of the uuid, because
    /// a name such as `vg-data-cow` may be anyone's.
    pub fn is_internal(&self) -> bool {
        // "LVM-", then the ids of group and volume, 32 characters each.
        const WHOLE: usize = 4 + 32 + 32;
        let Some(uuid) = &self.dm_uuid else {
            return false;
        };
        let uuid = uuid.as_bytes();
        uuid.starts_with(b"LVM-") && uuid.get(WHOLE).is_some_and(|byte| *byte == b'-')
    }

    /// What tells whether the device was changed.
    pub fn change_key(&self, identity: &Identity) -> ChangeKey {
        ChangeKey {
            identity: identity.clone(),
            diskseq: self.diskseq,
            size: self.size,
            counters: self.counters,
        }
    }
}

/// What makes a device the same one after a reboot and under another number: a kind and a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(OsString);

impl Identity {
    fn new(kind: &str, text: &OsStr) -> Self {
        let mut identity = OsString::from(kind);
        identity.push(":");
        identity.push(text);
        Self(identity)
    }

    /// For what has nothing better than its name.
    pub fn name(name: &OsStr) -> Self {
        Self::new("name", name)
    }

    /// `dm-uuid:LVM-…`, `wwid:naa.…`, `by-id:usb-…`, `name:loop0`.
    pub fn as_os_str(&self) -> &OsStr {
        &self.0
    }
}

/// Equal keys, taken one after the other in one boot, mean that nothing was written in between,
/// as far as the kernel that serves the device can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeKey {
    identity: Identity,
    diskseq: Option<u64>,
    size: u64,
    counters: Counters,
}

/// The last part of where `/sys/dev/block/MAJ:MIN` points.
fn kernel_name(dir: &Path) -> OsString {
    fs::read_link(dir)
        .ok()
        .and_then(|target| target.file_name().map(OsString::from))
        .or_else(|| dir.file_name().map(OsString::from))
        .unwrap_or_default()
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test's own files need not be atomic"
)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const NUMBER: DeviceNumber = DeviceNumber {
        major: 253,
        minor: 7,
    };

    /// A sysfs tree with one device in it.
    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let device = root.path().join("devices/virtual/block").join(name);
            fs::create_dir_all(&device).unwrap();
            fs::create_dir_all(root.path().join("dev/block")).unwrap();
            let link = root.path().join("dev/block/253:7");
            symlink(Path::new("../../devices/virtual/block").join(name), link).unwrap();
            for (file, text) in files {
                let path = device.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }

        fn facts(&self) -> Facts {
            let sysfs = Sysfs::at(self.0.path());
            let facts = sysfs.facts(NUMBER).unwrap();
            let short = sysfs.size_and_diskseq(NUMBER).unwrap();
            assert_eq!(short, (facts.size, facts.diskseq));
            facts
        }
    }

    const STAT: &str = "  110 2 3000 4 50 6 7777 8 0 9 10 11 12 1414 14 15 16\n";

    #[test]
    fn an_lvm_snapshot_is_known_by_its_uuid() {
        let uuid = format!("LVM-{}{}", "g".repeat(32), "v".repeat(32));
        let facts = Fixture::new(
            "dm-7",
            &[
                ("size", "2048\n"),
                ("ro", "1\n"),
                ("stat", STAT),
                ("diskseq", "31\n"),
                ("dm/name", "vgBoot-_snap--asterisk\n"),
                ("dm/uuid", &format!("{uuid}\n")),
            ],
        )
        .facts();
        assert_eq!(facts.size, 1_048_576);
        assert!(facts.read_only);
        assert_eq!(facts.diskseq, Some(31));
        assert_eq!(
            facts.counters,
            Counters {
                written: 7777,
                discarded: 1414
            }
        );
        assert_eq!(
            facts.dm_name.as_deref(),
            Some(OsStr::new("vgBoot-_snap--asterisk"))
        );
        let identity = facts.identity(|| panic!("the uuid is enough"));
        assert_eq!(identity.as_os_str(), OsStr::new(&format!("dm-uuid:{uuid}")));
        assert!(!facts.is_internal());
    }

    #[test]
    fn parts_of_volumes_are_internal_by_uuid_not_by_name() {
        let uuid = format!("LVM-{}{}", "g".repeat(32), "v".repeat(32));
        for (uuid, internal) in [
            (format!("{uuid}-cow"), true),
            (format!("{uuid}-real"), true),
            (format!("{uuid}-tpool"), true),
            (uuid, false),
            ("CRYPT-LUKS2-0123-home-cow".to_owned(), false),
        ] {
            let facts = Fixture::new("dm-7", &[("size", "8\n"), ("dm/uuid", &uuid)]).facts();
            assert_eq!(facts.is_internal(), internal, "{uuid}");
        }
    }

    #[test]
    fn a_loop_device_names_its_backing_file() {
        let facts = Fixture::new(
            "loop7",
            &[
                ("size", "16\n"),
                ("loop/backing_file", "/srv/with space\nand line.img\n"),
                ("loop/offset", "512\n"),
            ],
        )
        .facts();
        assert_eq!(
            facts.backing_file.as_deref(),
            Some(Path::new("/srv/with space\nand line.img"))
        );
        assert_eq!(facts.backing_offset, 512);
        assert_eq!(facts.counters, Counters::default());
        assert_eq!(
            facts.identity(|| None).as_os_str(),
            OsStr::new("name:loop7")
        );
        let persistent = facts.identity(|| Some(OsStr::new("usb-stick")));
        assert_eq!(persistent.as_os_str(), OsStr::new("by-id:usb-stick"));
    }

    #[test]
    fn a_partition_has_its_disks_sequence_number_but_not_its_wwid() {
        let root = tempfile::tempdir().unwrap();
        let disk = root.path().join("devices/pci/sda");
        fs::create_dir_all(disk.join("sda1")).unwrap();
        fs::create_dir_all(root.path().join("dev/block")).unwrap();
        fs::write(disk.join("diskseq"), "5\n").unwrap();
        fs::write(disk.join("wwid"), "naa.1\n").unwrap();
        fs::write(disk.join("sda1/size"), "2\n").unwrap();
        fs::write(disk.join("sda1/start"), "2048\n").unwrap();
        symlink(
            "../../devices/pci/sda/sda1",
            root.path().join("dev/block/253:7"),
        )
        .unwrap();
        let facts = Sysfs::at(root.path()).facts(NUMBER).unwrap();
        assert_eq!(facts.diskseq, Some(5));
        assert_eq!(
            Sysfs::at(root.path()).size_and_diskseq(NUMBER).unwrap(),
            (facts.size, facts.diskseq)
        );
        assert_eq!(facts.wwid, None);
        assert_eq!(facts.partition_start, 1 << 20);
        assert_eq!(facts.kernel_name, "sda1");
    }

    #[test]
    fn any_difference_makes_another_change_key() {
        let base = [
            ("size", "8"),
            ("stat", STAT),
            ("diskseq", "3"),
            ("dm/uuid", "LVM-a"),
        ];
        let key = |changed: Option<(&'static str, &'static str)>| {
            let mut files = base.to_vec();
            if let Some(changed) = changed {
                files.retain(|(name, _)| *name != changed.0);
                files.push(changed);
            }
            let facts = Fixture::new("dm-7", &files).facts();
            facts.change_key(&facts.identity(|| None))
        };
        assert_eq!(key(None), key(None));
        for change in [
            ("size", "9"),
            (
                "stat",
                "110 2 3000 4 50 6 7778 8 0 9 10 11 12 1414 14 15 16",
            ),
            (
                "stat",
                "110 2 3000 4 50 6 7777 8 0 9 10 11 12 1415 14 15 16",
            ),
            ("diskseq", "4"),
            ("dm/uuid", "LVM-b"),
        ] {
            assert_ne!(key(None), key(Some(change)), "{change:?}");
        }
    }

    #[test]
    fn a_missing_device_is_not_found() {
        let root = tempfile::tempdir().unwrap();
        let error = Sysfs::at(root.path()).facts(NUMBER).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
