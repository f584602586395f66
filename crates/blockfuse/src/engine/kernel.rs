//! The kernel engine: a device as a regular file inside the kernel, so that reads never pass
//! through the daemon.
//!
//! FUSE passthrough sends the reads of a FUSE file to a backing file, but takes regular files
//! only. [`Mapping::of`] makes one out of a block device: it mounts an EROFS image
//! ([`crate::erofs`]) whose single file lies on the device, attaches that mount nowhere, opens
//! the file and lets go of everything else. The open file alone keeps the superblock, the loop
//! device under the image and the claim on the block device; closing it releases all three, and
//! so does the death of the daemon. Nothing appears in the mount table.
//!
//! Two properties of EROFS decide how it is used:
//!
//! - It reads the device with I/O of its own and sees nothing of the device's page cache. Whoever
//!   asks for a mapping has dirty pages written back before.
//! - It has a page cache of its own, which no write to the device invalidates. A new mapping
//!   starts with an empty one; for a mapping that stays open, [`Mapping::forget_cache`].
//!
//! The claim is exclusive: a device that is mounted or in use by device-mapper refuses it with
//! `EBUSY`, and then the copy engine serves the file. That, like every other [`Refusal`], is an
//! ordinary outcome and no error.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Once;

use rustix::fs::{Advice, MemfdFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::Source;
use crate::erofs::{self, Geometry, Unmappable};
use crate::extents::{Extents, is_gap};
use crate::sys::loops;

/// How far the kernel reads ahead, in bytes: as much as the copy engine is asked for at once. The
/// default of 128 KiB leaves a fast disk idle between requests.
const READAHEAD: u32 = 1 << 20;

/// A device that the kernel serves as a regular file. Dropping it gives the device back.
#[derive(Debug)]
pub struct Mapping {
    file: OwnedFd,
}

impl Mapping {
    /// Maps what was opened: a block device, or a regular file as it is.
    ///
    /// `extents` says where a device that nobody can write to has no data; what may still change
    /// is mapped as a whole.
    pub fn of(source: &Source, extents: &Extents) -> Result<Self, Refusal> {
        let is_file = source.file.metadata().is_ok_and(|meta| meta.is_file());
        if is_file {
            let file = source.file.try_clone();
            let file = file.map_err(|error| at(Step::Open)(errno(&error)))?;
            return Ok(Self { file: file.into() });
        }
        Self::of_device(source.file.as_fd(), source.size, extents.unchanging())
    }

    /// Maps the first `size` bytes of the open block device `device`.
    ///
    /// With `data`, whatever lies between those ranges reads as zeros for the life of the mapping,
    /// without asking the device.
    fn of_device(
        device: BorrowedFd<'_>,
        size: u64,
        data: Option<&[Range<u64>]>,
    ) -> Result<Self, Refusal> {
        let image = match data.map(|data| (Geometry::sparse(size), data)) {
            Some((Ok(geometry), data)) => geometry.image(|range| is_gap(data, &range)),
            // Also for what needs too long a list of chunks.
            _ => Geometry::solid(size)
                .map_err(Refusal::Size)?
                .image(|_| false),
        };
        let primary = memory_file(&image).map_err(at(Step::Image))?;
        let (loop_device, _) =
            loops::attach(primary.as_fd()).map_err(|error| at(Step::Loop)(errno(&error)))?;
        // EROFS takes the setting of the device under its image for all its files, and a file takes
        // it when it is opened. Only speed is lost without it.
        let _ = loops::set_readahead(loop_device.as_fd(), READAHEAD);
        let mount = mount_detached(loop_device.as_fd(), device)?;
        let file = rustix::fs::openat(
            &mount,
            erofs::FILE_NAME,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(at(Step::Open))?;
        Ok(Self { file })
    }

    /// The kernel's regular file, to be registered as the backing file of an open FUSE file.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Drops the mapping's cached pages, so that the next read asks the device.
    ///
    /// Advice given to the FUSE file itself would not reach this cache.
    pub fn forget_cache(&self) -> rustix::io::Result<()> {
        rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed)
    }
}

/// Why the kernel engine does not serve a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The size does not fit the image format.
    Size(Unmappable),
    /// The kernel refused a step of the mapping.
    Kernel {
        /// What was being done.
        step: Step,
        /// The kernel's answer.
        errno: Errno,
        /// The kernel's own explanation, where it gave one.
        text: String,
    },
}

/// The steps of mapping a device, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Creating the image in memory.
    Image,
    /// Attaching a loop device to the image.
    Loop,
    /// Asking the kernel for the EROFS file system.
    FileSystem,
    /// Mounting the image, which claims the device.
    Claim,
    /// Opening the file in the mounted image.
    Open,
    /// Registering the file for passthrough.
    Register,
}

impl Refusal {
    /// The refusal of `step` with `errno`.
    pub fn of(step: Step, errno: Errno) -> Self {
        Self::Kernel {
            step,
            errno,
            text: String::new(),
        }
    }

    /// Whether the device is merely in use by a mount or by device-mapper, which is how many
    /// devices spend their lives.
    pub fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::Kernel {
                step: Step::Claim,
                errno: Errno::BUSY,
                ..
            }
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(reason) => write!(f, "{reason}"),
            Self::Kernel {
                step: Step::Claim,
                errno: Errno::BUSY,
                ..
            } => f.write_str("the device is mounted or in use by device-mapper (EBUSY)"),
            Self::Kernel { step, errno, text } => {
                let what = match step {
                    Step::Image => "cannot create the image in memory",
                    Step::Loop => "cannot attach a loop device",
                    Step::FileSystem => "the kernel has no EROFS",
                    Step::Claim => "the kernel refused to map the device",
                    Step::Open => "cannot open the mapped file",
                    Step::Register => "the kernel refused passthrough",
                };
                write!(f, "{what}: {}", io::Error::from(*errno))?;
                if text.is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({text})")
                }
            }
        }
    }
}

fn memory_file(image: &[u8]) -> Result<OwnedFd, Errno> {
    let fd = rustix::fs::memfd_create("blockfuse", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(image).map_err(|error| errno(&error))?;
    Ok(file.into())
}

/// Mounts the image on `primary` with `device` as its extra device, attached to no directory.
///
/// Both are named through `/proc/self/fd`, so that the kernel takes exactly the devices that are
/// open here, whatever their names mean by now.
fn mount_detached(primary: BorrowedFd<'_>, device: BorrowedFd<'_>) -> Result<OwnedFd, Refusal> {
    let context = open_context().map_err(at(Step::FileSystem))?;
    let claim = |result: rustix::io::Result<()>| {
        result.map_err(|errno| Refusal::Kernel {
            step: Step::Claim,
            errno,
            text: kernel_text(&context),
        })
    };
    claim(rustix::mount::fsconfig_set_string(
        &context,
        "source",
        descriptor_path(primary),
    ))?;
    claim(rustix::mount::fsconfig_set_string(
        &context,
        "device",
        descriptor_path(device),
    ))?;
    claim(rustix::mount::fsconfig_set_flag(&context, "ro"))?;
    claim(rustix::mount::fsconfig_create(&context))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(at(Step::Claim))
}

/// Opens a file system context for EROFS, loading its module once if that is what is missing.
fn open_context() -> Result<OwnedFd, Errno> {
    static LOADED: Once = Once::new();
    let open = || rustix::mount::fsopen("erofs", FsOpenFlags::FSOPEN_CLOEXEC);
    match open() {
        Err(Errno::NODEV) => {
            LOADED.call_once(|| {
                let outcome = Command::new("modprobe")
                    .args([OsStr::new("-q"), OsStr::new("erofs")])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                tracing::debug!(?outcome, "asked for the erofs module");
            });
            open()
        }
        result => result,
    }
}

fn descriptor_path(fd: BorrowedFd<'_>) -> CString {
    let mut path = format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes();
    path.retain(|byte| *byte != 0); // none there; makes the conversion infallible
    CString::new(path).unwrap_or_default()
}

/// What the kernel queued on the context to explain a failure: lines of `e message`.
fn kernel_text(context: &OwnedFd) -> String {
    let mut lines = Vec::new();
    let Ok(context) = context.try_clone() else {
        return String::new();
    };
    let mut context = File::from(context);
    let mut line = [0; 1024];
    while let Ok(len @ 1..) = context.read(&mut line) {
        let text = String::from_utf8_lossy(&line[..len]);
        lines.push(
            text.trim_end()
                .trim_start_matches(['e', 'w', 'i'])
                .trim_start()
                .to_owned(),
        );
    }
    lines.join("; ")
}

fn at(step: Step) -> impl Fn(Errno) -> Refusal {
    move |errno| Refusal::of(step, errno)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_refused_and_why() {
        let busy = Refusal::of(Step::Claim, Errno::BUSY);
        assert!(busy.is_in_use());
        assert_eq!(
            busy.to_string(),
            "the device is mounted or in use by device-mapper (EBUSY)"
        );
        let refusal = Refusal::Kernel {
            step: Step::Claim,
            errno: Errno::INVAL,
            text: "erofs: unsupported feature".into(),
        };
        assert!(!refusal.is_in_use());
        let text = refusal.to_string();
        assert!(
            text.starts_with("the kernel refused to map the device: "),
            "{text}"
        );
        assert!(text.ends_with("(erofs: unsupported feature)"), "{text}");
        assert!(!Refusal::of(Step::Loop, Errno::BUSY).is_in_use());
        let odd = Refusal::Size(Unmappable::Unaligned(513));
        assert_eq!(
            odd.to_string(),
            "its size of 513 bytes is not a multiple of 512"
        );
    }

    mod privileged {
        use std::fs;
        use std::os::unix::fs::FileExt;

        use nightshift_testkit::{LoopDevice, noise};

        use super::*;

        fn device(size: u64) -> LoopDevice {
            LoopDevice::of_content(&content_of(1, size))
        }

        fn content_of(seed: u64, size: u64) -> Vec<u8> {
            noise(seed, usize::try_from(size).unwrap())
        }

        fn open(device: &LoopDevice) -> File {
            File::open(device.path()).unwrap()
        }

        fn map(device: &LoopDevice, size: u64) -> Mapping {
            Mapping::of_device(open(device).as_fd(), size, None).unwrap()
        }

        fn reader(mapping: &Mapping) -> File {
            mapping.as_fd().try_clone_to_owned().unwrap().into()
        }

        fn content(mapping: &Mapping, size: u64) -> Vec<u8> {
            let mut bytes = vec![0; usize::try_from(size).unwrap()];
            reader(mapping).read_exact_at(&mut bytes, 0).unwrap();
            bytes
        }

        #[test]
        #[ignore = "needs root"]
        fn the_mapped_file_is_the_device_and_is_mounted_nowhere() {
            for size in [512, 4096, 1 << 20, (1 << 20) + 512, 3 << 20] {
                let device = device(size);
                let mapping = map(&device, size);
                let meta = reader(&mapping).metadata().unwrap();
                assert!(meta.is_file());
                assert_eq!(meta.len(), size);
                assert!(
                    content(&mapping, size) == content_of(1, size),
                    "content at size {size}"
                );
                let mut end = [0; 1];
                assert_eq!(reader(&mapping).read_at(&mut end, size).unwrap(), 0);
                let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
                assert!(!mounts.contains("erofs"), "{mounts}");
            }
        }

        #[test]
        #[ignore = "needs root"]
        fn the_device_is_claimed_while_mapped_and_free_at_once_afterwards() {
            let device = device(1 << 20);
            let exclusive = || {
                let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::open(device.path(), flags, Mode::empty())
            };
            let mapping = map(&device, 1 << 20);
            let second = map(&device, 1 << 20);
            assert_eq!(exclusive().unwrap_err(), Errno::BUSY);
            drop(mapping);
            assert_eq!(exclusive().unwrap_err(), Errno::BUSY);
            drop(second);
            drop(exclusive().unwrap());
        }

        #[test]
        #[ignore = "needs root"]
        fn a_device_in_use_is_refused_as_such() {
            let device = device(1 << 20);
            let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
            let _holder = rustix::fs::open(device.path(), flags, Mode::empty()).unwrap();
            let refusal = Mapping::of_device(open(&device).as_fd(), 1 << 20, None).unwrap_err();
            assert!(refusal.is_in_use(), "{refusal}");
        }

        #[test]
        #[ignore = "needs root"]
        fn a_thousand_mappings_leak_no_descriptor_and_no_loop() {
            let device = device(1 << 20);
            let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
            let ours = || {
                let loops = fs::read_dir("/sys/block").unwrap().flatten();
                let files = loops.filter_map(|entry| {
                    fs::read_to_string(entry.path().join("loop/backing_file")).ok()
                });
                files
                    .filter(|file| file.contains("memfd:blockfuse"))
                    .count()
            };
            let open = open(&device);
            let before = descriptors();
            for _ in 0..1000 {
                Mapping::of_device(open.as_fd(), 1 << 20, None).unwrap();
            }
            // Other tests run beside this one, each with a few of either.
            assert!(
                descriptors() < before + 50,
                "{before} descriptors, now {}",
                descriptors()
            );
            assert!(ours() < 20, "{} loops left", ours());
        }

        #[test]
        #[ignore = "needs root"]
        fn bytes_written_later_are_seen_once_the_cache_is_forgotten() {
            let size = 1 << 20;
            let device = device(size);
            let mapping = map(&device, size);
            assert!(content(&mapping, size) == content_of(1, size));
            let writer = File::options().write(true).open(device.path()).unwrap();
            writer.write_all_at(&content_of(2, size), 0).unwrap();
            writer.sync_all().unwrap();
            assert!(
                content(&mapping, size) == content_of(1, size),
                "EROFS learnt to invalidate"
            );
            mapping.forget_cache().unwrap();
            assert!(content(&mapping, size) == content_of(2, size));
        }

        #[test]
        #[ignore = "needs root"]
        fn the_tail_of_twenty_tebibytes_is_where_it_belongs() {
            let size: u64 = 20 << 40;
            for size in [size, (1 << 41) + 512] {
                let device = LoopDevice::of_size(size);
                let file = File::options().write(true).open(device.backing()).unwrap();
                file.write_all_at(b"the tail", size - 8).unwrap();
                let mut tail = [0; 8];
                reader(&map(&device, size))
                    .read_exact_at(&mut tail, size - 8)
                    .unwrap();
                assert_eq!(&tail, b"the tail", "size {size}");
            }
        }

        #[test]
        #[ignore = "needs root"]
        fn holes_read_as_zeros_and_the_rest_as_it_is() {
            let chunk = erofs::SPARSE_CHUNK;
            let size = 4 * chunk + 512;
            let device = device(size);
            let data = [0..chunk, 2 * chunk..3 * chunk, 4 * chunk + 100..size];
            let mapping = Mapping::of_device(open(&device).as_fd(), size, Some(&data)).unwrap();
            let mut expected = content_of(1, size);
            let chunk = usize::try_from(chunk).unwrap();
            expected[chunk..2 * chunk].fill(0);
            expected[3 * chunk..4 * chunk].fill(0);
            assert!(content(&mapping, size) == expected);
        }

        #[test]
        #[ignore = "needs root"]
        fn what_a_shrunk_device_lost_is_an_io_error() {
            let size = 2 << 20;
            let device = device(size);
            let mapping = map(&device, size);
            let file = File::options().write(true).open(device.backing()).unwrap();
            file.set_len(1 << 20).unwrap();
            let mut block = [0; 4096];
            let error = reader(&mapping)
                .read_exact_at(&mut block, size - 4096)
                .unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EIO));
            reader(&mapping).read_exact_at(&mut block, 0).unwrap();
        }
    }
}
