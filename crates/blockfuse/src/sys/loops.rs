//! Loop devices: attach one to a descriptor, and ask one what lies under it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;

// Request numbers and structures of <linux/loop.h>.
const LOOP_CONFIGURE: libc::c_ulong = 0x4C0A;
const LOOP_GET_STATUS64: libc::c_ulong = 0x4C05;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;
/// `BLKRASET`, <linux/fs.h>.
const BLKRASET: libc::c_ulong = 0x1262;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// How often another program may snatch the free loop device before we give up. Each attempt
/// takes microseconds; losing this many races in a row means something else is wrong.
const ATTEMPTS: u32 = 64;

#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopInfo64>() == 232 && size_of::<LoopConfig>() == 304);

/// What the kernel says about the file under a loop device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backing {
    /// Device number of the file system that holds the file, as `st_dev`.
    pub(crate) device: u64,
    /// Inode number of the file.
    pub(crate) inode: u64,
    /// Where in the file the loop device starts, in bytes.
    pub(crate) offset: u64,
}

/// Attaches a free loop device to `file`, read-only, to be detached by the kernel with the last
/// close of the device. Returns the open device, and its path for messages.
///
/// A number that another program takes between our asking and our attaching answers `EBUSY`;
/// then the next free one is tried.
pub(crate) fn attach(file: BorrowedFd<'_>) -> io::Result<(File, PathBuf)> {
    let control = OpenOptions::new().read(true).open("/dev/loop-control")?;
    for _ in 0..ATTEMPTS {
        let path = PathBuf::from(format!("/dev/loop{}", free_number(&control)?));
        let device = match File::open(&path) {
            Ok(device) => device,
            // Removed again by its creator, or not attached to anything yet: both are races.
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => continue,
            Err(error) => return Err(error),
        };
        match configure(&device, file) {
            Ok(()) => return Ok((device, path)),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

/// Sets how far files on the block device `device` are read ahead, in bytes. Files that are open
/// already keep what they have. For a loop device it lasts until a file is attached anew.
pub(crate) fn set_readahead(device: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    let sectors = libc::c_ulong::from(bytes / 512);
    // SAFETY: BLKRASET takes its argument by value and touches no memory of ours.
    check(unsafe { libc::ioctl(device.as_raw_fd(), BLKRASET, sectors) })?;
    Ok(())
}

/// Asks what lies under the loop device `device`; `ENXIO` if nothing does, `ENOTTY` if it is
/// not a loop device.
pub(crate) fn backing(device: impl AsFd) -> io::Result<Backing> {
    let mut info = empty_info();
    // SAFETY: LOOP_GET_STATUS64 writes one struct loop_info64 (232 bytes, asserted above)
    // through the pointer, which is valid and exclusively ours for the call; a driver other
    // than loop refuses the number with ENOTTY.
    check(unsafe { libc::ioctl(device.as_fd().as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) })?;
    Ok(Backing {
        device: info.device,
        inode: info.inode,
        offset: info.offset,
    })
}

fn free_number(control: &File) -> io::Result<libc::c_int> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and touches no memory of ours.
    check(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) })
}

fn configure(device: &File, file: BorrowedFd<'_>) -> io::Result<()> {
    let config = LoopConfig {
        fd: u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?,
        block_size: 0, // the kernel's choice
        info: LoopInfo64 {
            flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            ..empty_info()
        },
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one struct loop_config (304 bytes, asserted above) through
    // the pointer, which outlives the call; the descriptor in it is borrowed for that long too.
    check(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) })?;
    Ok(())
}

fn empty_info() -> LoopInfo64 {
    LoopInfo64 {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
