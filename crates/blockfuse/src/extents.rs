//! Where a device is surely zero, asked of the layer below it.
//!
//! A block device has no holes to seek for, but what it lies on may have: the file under a loop
//! device, the mapping of a thin volume. A hole is reported only where the bytes are surely zero;
//! whatever is unknown is data.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use clap::ValueEnum;
use rustix::fs::{OFlags, SeekFrom};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use self::thin::Volume;
use crate::device::{DeviceNumber, Facts, SECTOR, Sysfs};
use crate::sys::{self, loops};

pub mod thin;

/// Whether holes are reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holes {
    /// Where the layers below know them.
    #[default]
    Auto,
    /// Every file is all data.
    Off,
}

/// What is known about the holes of an open device.
#[derive(Debug)]
pub enum Extents {
    /// Nothing: it is all data.
    Unknown,
    /// The device is a loop over a file, which is asked each time.
    Loop(LoopFile),
    /// The data of a device that nobody can write to, or of one moment.
    Fixed(Vec<Range<u64>>),
    /// A thin volume that nobody can write to, whose data is looked up at the first question.
    Thin {
        /// Where to look.
        volume: Volume,
        /// What was found; nothing if that failed.
        data: OnceLock<Option<Vec<Range<u64>>>>,
    },
}

impl Extents {
    /// Finds out what will be known about `device` for as long as it is open. `number` and
    /// `facts` are its own.
    ///
    /// Not knowing is no error: most devices have nothing to tell.
    pub fn of(device: &File, number: DeviceNumber, facts: &Facts) -> Self {
        let unknown = |error| {
            tracing::debug!(device = %facts.kernel_name.display(), %error, "no holes known");
            Self::Unknown
        };
        if facts.backing_file.is_some() {
            return LoopFile::under(device, facts).map_or_else(unknown, Self::Loop);
        }
        // The list would go out of date with the first write to another volume.
        if facts.dm_uuid.is_none() || !facts.read_only {
            return Self::Unknown;
        }
        match thin::table(number) {
            Ok(table) => Volume::parse(&table).map_or(Self::Unknown, |volume| Self::Thin {
                volume,
                data: OnceLock::new(),
            }),
            Err(error) => unknown(error),
        }
    }

    /// The extents of this moment, also of a thin volume that is being written to.
    pub fn now(device: &File, number: DeviceNumber, facts: &Facts, sysfs: &Sysfs) -> Self {
        if facts.dm_uuid.is_none() {
            return Self::of(device, number, facts);
        }
        let volume = thin::table(number).map(|table| Volume::parse(&table));
        match volume.and_then(|volume| volume.map(|volume| volume.data(sysfs)).transpose()) {
            Ok(Some(data)) => Self::Fixed(data),
            Ok(None) => Self::Unknown,
            Err(error) => {
                tracing::warn!(device = %facts.kernel_name.display(), %error, "no holes known");
                Self::Unknown
            }
        }
    }

    /// The first byte of data at or after `position`; `None` if only holes follow.
    ///
    /// `size` is the size of `device`, which is written back first where that matters.
    pub fn data_from(&self, device: &File, position: u64, size: u64) -> io::Result<Option<u64>> {
        if position >= size {
            return Ok(None);
        }
        if let Self::Loop(file) = self {
            return file.data_from(device, position, size);
        }
        let Some(data) = self.unchanging() else {
            return Ok(Some(position));
        };
        let next = data.get(data.partition_point(|range| range.end <= position));
        let start = next.map(|range| range.start.max(position));
        Ok(start.filter(|start| *start < size))
    }

    /// The first byte of a hole at or after `position`, which is the end of the device if only
    /// data follows.
    pub fn hole_from(&self, device: &File, position: u64, size: u64) -> io::Result<u64> {
        if position >= size {
            return Ok(size);
        }
        if let Self::Loop(file) = self {
            return file.hole_from(device, position, size);
        }
        let Some(data) = self.unchanging() else {
            return Ok(size);
        };
        let mut hole = position;
        for range in &data[data.partition_point(|range| range.end <= position)..] {
            if range.start > hole {
                break;
            }
            hole = range.end;
        }
        Ok(hole.min(size))
    }

    /// The ranges of data in order, where they are a list that holds for as long as the device is
    /// open.
    pub fn unchanging(&self) -> Option<&[Range<u64>]> {
        match self {
            Self::Unknown | Self::Loop(_) => None,
            Self::Fixed(data) => Some(data),
            Self::Thin { volume, data } => {
                let look_up = || {
                    let data = volume.data(&Sysfs::default());
                    data.inspect_err(|error| tracing::info!(%error, "no holes known"))
                        .ok()
                };
                data.get_or_init(look_up).as_deref()
            }
        }
    }

    /// All extents of a device of `size` bytes, in order and without gaps: each a range and
    /// whether it is data.
    pub fn list(&self, device: &File, size: u64) -> io::Result<Vec<(Range<u64>, bool)>> {
        let mut extents = Vec::new();
        let mut position = 0;
        while position < size {
            let data = self.data_from(device, position, size)?.unwrap_or(size);
            if data > position {
                extents.push((position..data, false));
            }
            if data == size {
                break;
            }
            // A file that changes under us may give an empty extent; going on is what matters.
            let hole = self.hole_from(device, data, size)?.max(data + 1);
            extents.push((data..hole, true));
            position = hole;
        }
        Ok(extents)
    }
}

/// Whether none of `data`, ranges in order, reaches into `range`.
pub fn is_gap(data: &[Range<u64>], range: &Range<u64>) -> bool {
    let next = data.get(data.partition_point(|data| data.end <= range.start));
    next.is_none_or(|next| next.start >= range.end)
}

/// How many 512-byte blocks to report for a device of `size` bytes, without opening it.
///
/// Never none: GNU tar and cp take a file without blocks for one hole and do not read it, but a
/// small file can keep its bytes in its inode.
pub fn blocks(facts: Option<&Facts>, size: u64) -> u64 {
    let all = size.div_ceil(SECTOR);
    let below = facts.and_then(|facts| facts.backing_file.as_ref());
    let known = below
        .and_then(|file| std::fs::metadata(file).ok())
        .filter(Metadata::is_file);
    // Where the name leads to another file by now, programs that go by this number look for
    // holes and find none.
    known.map_or(all, |meta| meta.blocks().max(8).min(all))
}

/// The file under a loop device.
#[derive(Debug)]
pub struct LoopFile {
    file: File,
    /// Where in the file the device begins, in bytes.
    offset: u64,
}

impl LoopFile {
    /// Opens the file under `device`, a loop device or a partition of one.
    ///
    /// The path in sysfs follows the file when it is renamed, but another file may lie there: in
    /// our mount namespace, or after the file was removed. The loop driver knows the inode.
    fn under(device: &File, facts: &Facts) -> io::Result<Self> {
        let backing = loops::backing(device)?;
        let path = facts.backing_file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let file = File::from(rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
            rustix::fs::Mode::empty(),
        )?);
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("the loop lies on no regular file"));
        }
        if (meta.dev(), meta.ino()) != (backing.device, backing.inode) {
            return Err(io::Error::other(
                "another file has taken the backing file's name",
            ));
        }
        Ok(Self {
            file,
            offset: backing.offset + facts.partition_start,
        })
    }

    fn data_from(&self, device: &File, position: u64, size: u64) -> io::Result<Option<u64>> {
        // What is dirty in the device's cache is a hole in the file until it is written.
        sys::write_back(device)?;
        let start = self.offset + position;
        let end = self.offset + size;
        match seek(self.file.as_fd(), SeekFrom::Data(start))? {
            Some(data) if data < end => Ok(Some(data.max(start) - self.offset)),
            Some(_) => Ok(None),
            // Only holes up to the end of the file. If that comes before the end of the device,
            // the file was cut: what lies beyond is an I/O error, not zeros.
            None => {
                let len = self.file.metadata()?.len();
                Ok((len < end).then(|| len.max(start) - self.offset))
            }
        }
    }

    fn hole_from(&self, device: &File, position: u64, size: u64) -> io::Result<u64> {
        sys::write_back(device)?;
        let start = self.offset + position;
        let len = self.file.metadata()?.len();
        match seek(self.file.as_fd(), SeekFrom::Hole(start))? {
            // Every file ends in a hole; that one is not the device's.
            Some(hole) if hole < len => Ok((hole.max(start) - self.offset).min(size)),
            _ => Ok(size),
        }
    }
}

fn seek(file: BorrowedFd<'_>, to: SeekFrom) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, to) {
        Ok(position) => Ok(Some(position)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list instead of a device; the device is never asked.
    fn fixed(data: &[Range<u64>]) -> (Extents, File) {
        (Extents::Fixed(data.to_vec()), tempfile::tempfile().unwrap())
    }

    #[test]
    fn seeking_in_a_list_finds_the_next_data_and_the_next_hole() {
        let (extents, device) = fixed(&[10..20, 20..25, 40..60]);
        let data = |position| extents.data_from(&device, position, 50).unwrap();
        let hole = |position| extents.hole_from(&device, position, 50).unwrap();
        for (position, expected) in [
            (0, Some(10)),
            (10, Some(10)),
            (19, Some(19)),
            (22, Some(22)),
            (25, Some(40)),
            (45, Some(45)),
            (50, None),
            (u64::MAX, None),
        ] {
            assert_eq!(data(position), expected, "data from {position}");
        }
        for (position, expected) in [
            (0, 0),
            (10, 25),
            (20, 25),
            (25, 25),
            (40, 50),
            (50, 50),
            (u64::MAX, 50),
        ] {
            assert_eq!(hole(position), expected, "hole from {position}");
        }
        let list = extents.list(&device, 50).unwrap();
        assert_eq!(
            list,
            [
                (0..10, false),
                (10..25, true),
                (25..40, false),
                (40..50, true)
            ]
        );
    }

    #[test]
    fn a_gap_touches_no_data() {
        let data = [10..20, 40..60];
        for (range, expected) in [
            (0..10, true),
            (0..11, false),
            (12..15, false),
            (19..40, false),
            (20..40, true),
            (20..41, false),
            (59..90, false),
            (60..90, true),
        ] {
            assert_eq!(is_gap(&data, &range), expected, "{range:?}");
        }
        assert!(is_gap(&[], &(0..5)));
    }

    #[test]
    fn what_is_unknown_is_data() {
        let device = tempfile::tempfile().unwrap();
        let extents = Extents::Unknown;
        assert_eq!(extents.data_from(&device, 5, 50).unwrap(), Some(5));
        assert_eq!(extents.data_from(&device, 50, 50).unwrap(), None);
        assert_eq!(extents.hole_from(&device, 5, 50).unwrap(), 50);
        assert_eq!(extents.list(&device, 50).unwrap(), [(0..50, true)]);
    }

    #[test]
    fn without_knowledge_all_blocks_are_there() {
        assert_eq!(blocks(None, 1025), 3);
    }

    #[test]
    fn a_device_of_holes_only_is_one_hole() {
        let (extents, device) = fixed(&[]);
        assert_eq!(
            extents.list(&device, 1 << 20).unwrap(),
            [(0..1 << 20, false)]
        );
    }

    mod privileged {
        use std::os::unix::fs::FileExt;
        use std::path::Path;

        use nightshift_testkit::{LoopDevice, Sandbox};

        use super::*;

        fn number(device: &LoopDevice) -> DeviceNumber {
            DeviceNumber::from(std::fs::metadata(device.path()).unwrap().rdev())
        }

        fn facts(device: &LoopDevice) -> Facts {
            Sysfs::default().facts(number(device)).unwrap()
        }

        fn extents(device: &LoopDevice) -> (Extents, File) {
            let open = File::open(device.path()).unwrap();
            (Extents::of(&open, number(device), &facts(device)), open)
        }

        fn writer(path: &Path) -> File {
            File::options().write(true).open(path).unwrap()
        }

        const MIB: u64 = 1 << 20;

        #[test]
        #[ignore = "needs root"]
        fn the_holes_of_a_loop_are_those_of_its_file_from_the_offset_on() {
            let device = LoopDevice::options().offset(MIB).of_size(8 * MIB).unwrap();
            let file = writer(device.backing());
            file.write_all_at(&[1; 4096], 0).unwrap(); // before the device begins
            file.write_all_at(&[1; 8192], 3 * MIB).unwrap();
            file.write_all_at(&[1; 4096], 6 * MIB).unwrap();
            let (extents, open) = extents(&device);
            let list = extents.list(&open, 8 * MIB).unwrap();
            let expected = [
                (0..2 * MIB, false),
                (2 * MIB..2 * MIB + 8192, true),
                (2 * MIB + 8192..5 * MIB, false),
                (5 * MIB..5 * MIB + 4096, true),
                (5 * MIB + 4096..8 * MIB, false),
            ];
            assert_eq!(list, expected);
            assert_eq!(blocks(Some(&facts(&device)), 8 * MIB), 4 * 8);
            assert_eq!(
                blocks(Some(&facts(&device)), 4096),
                8,
                "not more than there are"
            );
        }

        #[test]
        #[ignore = "needs root"]
        fn bytes_still_in_the_devices_cache_are_data() {
            let device = LoopDevice::of_size(8 * MIB);
            let (extents, open) = extents(&device);
            assert_eq!(extents.data_from(&open, 0, 8 * MIB).unwrap(), None);
            writer(device.path())
                .write_all_at(&[1; 4096], 4 * MIB)
                .unwrap();
            assert_eq!(extents.data_from(&open, 0, 8 * MIB).unwrap(), Some(4 * MIB));
        }

        #[test]
        #[ignore = "needs root"]
        fn what_a_cut_file_lost_is_no_hole() {
            let device = LoopDevice::of_size(8 * MIB);
            writer(device.backing()).set_len(4 * MIB).unwrap();
            let (extents, open) = extents(&device);
            let list = extents.list(&open, 8 * MIB).unwrap();
            assert_eq!(list, [(0..4 * MIB, false), (4 * MIB..8 * MIB, true)]);
        }

        #[test]
        #[ignore = "needs root"]
        fn another_file_under_the_backing_files_name_tells_nothing() {
            let sandbox = Sandbox::in_memory();
            let name = sandbox.join("image");
            File::create(&name).unwrap().set_len(8 * MIB).unwrap();
            let device = LoopDevice::over(&name);
            std::fs::remove_file(&name).unwrap();
            // This is how sysfs shows it from now on, and somebody may have such a file.
            let mut path = name.into_os_string();
            path.push(" (deleted)");
            File::create(path).unwrap();
            let (extents, _) = extents(&device);
            assert!(matches!(extents, Extents::Unknown), "{extents:?}");
        }
    }
}
