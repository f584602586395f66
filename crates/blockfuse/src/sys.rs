//! Every system call that needs `unsafe`, behind safe functions.
//!
//! Nothing here knows what a mount, an inode or an engine is.

#![expect(
    unsafe_code,
    reason = "fork, ioctls and file mappings have no safe form; each block argues its case"
)]

pub(crate) mod loops;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use memmap2::{Mmap, MmapOptions};
use rustix::ioctl::{Getter, ioctl, opcode};

/// `BLKGETSIZE64`: the size of a block device in bytes (linux/fs.h).
const BLKGETSIZE64: rustix::ioctl::Opcode = opcode::read::<usize>(0x12, 114);
/// `BLKGETDISKSEQ`: the sequence number of the disk behind a descriptor (linux/fs.h, 5.15).
const BLKGETDISKSEQ: rustix::ioctl::Opcode = opcode::read::<u64>(0x12, 128);

/// Size in bytes of the block device open as `fd`.
pub(crate) fn block_size_bytes(fd: impl AsFd) -> rustix::io::Result<u64> {
    // SAFETY: BLKGETSIZE64 writes exactly one u64 through its argument, whatever the size_t in
    // its number says (the kernel's put_u64), which is the type Getter reserves.
    let size = unsafe { Getter::<BLKGETSIZE64, u64>::new() };
    // SAFETY: the opcode and the type belong together, see above.
    unsafe { ioctl(fd, size) }
}

/// Sequence number of the disk open as `fd`; a partition gives that of its disk.
///
/// Rises whenever other media or another backing file appear under the same device number.
pub(crate) fn disk_sequence(fd: impl AsFd) -> rustix::io::Result<u64> {
    // SAFETY: BLKGETDISKSEQ writes exactly one u64 through its argument.
    let sequence = unsafe { Getter::<BLKGETDISKSEQ, u64>::new() };
    // SAFETY: the opcode and the type belong together, see above.
    unsafe { ioctl(fd, sequence) }
}

/// Maps `len` bytes of `file` from `offset` (a multiple of the page size), shared and read-only.
///
/// The bytes may change or stop being readable at any moment. Whoever holds the map must not read
/// it in user space, where a lost page is SIGBUS; handing it to the kernel as a buffer is fine,
/// where a lost page is EFAULT.
pub(crate) fn map_window(file: &File, offset: u64, len: usize) -> io::Result<Mmap> {
    let mut options = MmapOptions::new();
    options.offset(offset).len(len);
    // SAFETY: the map is shared with whoever writes the device. No reference into it is ever read
    // by this program (see above); it is only passed to system calls as an address and a length.
    unsafe { options.map(file) }
}

/// Writes back the dirty pages of a block device and waits for them, without the flush of the
/// device's own cache that makes `fsync` slow.
pub(crate) fn write_back(device: &File) -> io::Result<()> {
    const ALL: libc::c_uint = libc::SYNC_FILE_RANGE_WAIT_BEFORE
        | libc::SYNC_FILE_RANGE_WRITE
        | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    // SAFETY: sync_file_range takes numbers only. A length of 0 means to the end.
    match unsafe { libc::sync_file_range(device.as_raw_fd(), 0, 0, ALL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What [`fork`] returns on which side.
#[derive(Debug)]
pub(crate) enum Fork {
    /// In the new process.
    Child,
    /// In the old one, with the process id of the new.
    Parent(rustix::process::Pid),
}

/// Forks. Must be called before any thread is started.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: the caller has a single thread, so the child starts with no lock held by a thread
    // that does not exist in it.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => rustix::process::Pid::from_raw(pid)
            .map(Fork::Parent)
            .ok_or_else(|| io::Error::other("fork returned no process id")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_window_maps_what_the_file_holds() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 8192]).unwrap();
        let map = map_window(&file, 4096, 4096).unwrap();
        assert_eq!(map.len(), 4096);
        assert!(map.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_regular_file_has_no_device_size() {
        let file = tempfile::tempfile().unwrap();
        assert!(block_size_bytes(&file).is_err());
        assert!(disk_sequence(&file).is_err());
    }
}
