//! Every system call without a safe wrapper, behind safe functions, and the choice of
//! instruction set for the hot loops. The only module with unsafe code.
#![expect(
    unsafe_code,
    reason = "ioctls, leases and calls into code for a detected instruction set"
)]

pub(crate) mod simd;

use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// `BLKDISCARD`, linux/fs.h: `_IO(0x12, 119)`.
const BLKDISCARD: libc::c_ulong = 0x1277;
/// `BLKZEROOUT`, linux/fs.h: `_IO(0x12, 127)`.
const BLKZEROOUT: libc::c_ulong = 0x127f;
/// `BLKROGET`, linux/fs.h: `_IO(0x12, 94)`.
const BLKROGET: libc::c_ulong = 0x125e;
/// `FS_IOC_FIEMAP`, linux/fs.h: `_IOWR('f', 11, struct fiemap)`.
const FIEMAP: libc::c_ulong = 0xc020_660b;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Makes `range` of a block device read as zeros (`BLKZEROOUT`).
///
/// The range must be whole logical sectors inside the device.
pub(crate) fn zero_out(device: &File, range: &Range<u64>) -> io::Result<()> {
    block_range(device, BLKZEROOUT, range)
}

/// Tells a block device that `range` is not needed (`BLKDISCARD`). Says nothing about what
/// reads there return afterwards.
pub(crate) fn discard(device: &File, range: &Range<u64>) -> io::Result<()> {
    block_range(device, BLKDISCARD, range)
}

fn block_range(device: &File, request: libc::c_ulong, range: &Range<u64>) -> io::Result<()> {
    let argument = [range.start, range.end - range.start];
    // SAFETY: both requests read two u64, start and length, from the pointer (block/ioctl.c);
    // `argument` is exactly that and outlives the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), request, argument.as_ptr()) }).map(drop)
}

/// Whether a block device is read-only (`BLKROGET`).
pub(crate) fn is_read_only(device: &File) -> io::Result<bool> {
    let mut answer: libc::c_int = 0;
    // SAFETY: BLKROGET writes one int through the pointer, which is valid for that.
    check(unsafe { libc::ioctl(device.as_raw_fd(), BLKROGET, &raw mut answer) })?;
    Ok(answer != 0)
}

/// Starts to store what has been written to a file, and does not wait for it.
pub(crate) fn begin_storing(file: &File) -> io::Result<()> {
    // SAFETY: sync_file_range takes numbers only; 0 and 0 mean the whole file.
    let result =
        unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    check(result).map(drop)
}

/// One extent as the file system keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// Bytes of the file.
    pub(crate) range: Range<u64>,
    /// Reserved but never written: reads as zeros.
    pub(crate) unwritten: bool,
    /// Other files have it too (a reflink).
    pub(crate) shared: bool,
}

/// Extents per FIEMAP call.
const BATCH: usize = 256;
const EXTENT_LAST: u32 = 0x1;
const EXTENT_UNWRITTEN: u32 = 0x800;
const EXTENT_SHARED: u32 = 0x2000;
/// Write out dirty data first, so that delayed allocation shows.
const FLAG_SYNC: u32 = 1;

/// `struct fiemap` with room for a batch of extents, linux/fiemap.h.
#[repr(C)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [FiemapExtent; BATCH],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct FiemapExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// The allocated extents of a file, in order. `None` if the file system has no FIEMAP.
pub(crate) fn allocated(file: &File) -> io::Result<Option<Vec<Mapped>>> {
    const EMPTY: FiemapExtent = FiemapExtent {
        logical: 0,
        physical: 0,
        length: 0,
        reserved64: [0; 2],
        flags: 0,
        reserved: [0; 3],
    };
    let mut all = Vec::new();
    let mut start = 0;
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
        let mut map = Fiemap {
            start,
            length: u64::MAX - start,
            flags: FLAG_SYNC,
            mapped_extents: 0,
            extent_count: BATCH as u32,
            reserved: 0,
            extents: [EMPTY; BATCH],
        };
        // SAFETY: the layout is that of struct fiemap followed by `extent_count` extents; the
        // kernel writes at most that many (Documentation/filesystems/fiemap.rst).
        let result = check(unsafe { libc::ioctl(file.as_raw_fd(), FIEMAP, &raw mut map) });
        match result.map_err(|error| (error.raw_os_error(), error)) {
            Ok(_) => {}
            Err((Some(libc::EOPNOTSUPP | libc::ENOTTY | libc::EINVAL), _)) => return Ok(None),
            Err((_, error)) => return Err(error),
        }
        let found = map.extents.iter().take(map.mapped_extents as usize);
        let mut last = map.mapped_extents == 0;
        for extent in found {
            let end = extent.logical.saturating_add(extent.length);
            all.push(Mapped {
                range: extent.logical..end,
                unwritten: extent.flags & EXTENT_UNWRITTEN != 0,
                shared: extent.flags & EXTENT_SHARED != 0,
            });
            start = end;
            last |= extent.flags & EXTENT_LAST != 0;
        }
        if last {
            return Ok(Some(all));
        }
    }
}

/// A write lease: granted only while nobody else has the file open, and while it is held a
/// process that opens the file waits until the lease is given back.
#[derive(Debug)]
pub(crate) struct WriteLease<'a> {
    file: &'a File,
}

impl<'a> WriteLease<'a> {
    /// Takes the lease. [`Errno::AGAIN`] means that someone has the file open.
    ///
    /// The kernel announces a break by SIGIO, whose default is to kill; it is ignored from now
    /// on, because [`WriteLease::is_held`] is asked instead.
    pub(crate) fn take(file: &'a File) -> Result<Self, Errno> {
        // SAFETY: setting a signal to SIG_IGN installs no handler and touches no memory.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        set_lease(file, libc::F_WRLCK)?;
        Ok(Self { file })
    }

    /// Whether nobody waits for the file.
    pub(crate) fn is_held(&self) -> bool {
        // SAFETY: F_GETLEASE takes no argument and returns the lease type or -1.
        let state = unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_GETLEASE) };
        state == libc::F_WRLCK
    }
}

impl Drop for WriteLease<'_> {
    fn drop(&mut self) {
        if let Err(error) = set_lease(self.file, libc::F_UNLCK) {
            tracing::debug!(%error, "the lease ends when the file is closed");
        }
    }
}

fn set_lease(file: &File, kind: libc::c_int) -> Result<(), Errno> {
    // SAFETY: F_SETLEASE takes an int argument and no pointer.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) };
    check(result)
        .map(drop)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn the_lease_is_refused_while_another_descriptor_is_open() {
        let named = tempfile::NamedTempFile::new().expect("temporary file");
        let lease = WriteLease::take(named.as_file()).expect("free");
        assert!(lease.is_held());
        drop(lease);
        let _other = File::open(named.path()).expect("second descriptor");
        assert_eq!(
            WriteLease::take(named.as_file()).map(drop),
            Err(Errno::AGAIN)
        );
    }

    #[test]
    fn allocated_extents_cover_what_was_written() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(1 << 20).expect("length");
        file.write_all_at(&[1; 8192], 65_536).expect("write");
        if let Some(list) = allocated(&file).expect("fiemap") {
            let bytes: u64 = list
                .iter()
                .map(|extent| extent.range.end - extent.range.start)
                .sum();
            assert_eq!(bytes, 8192);
            assert_eq!(list[0].range.start, 65_536);
        }
    }
}
