//! Notices that devices come and go, for `--watch`.
//!
//! Two sources, because neither is enough: the kernel (or udev) announces block devices on a
//! netlink socket, and inotify tells of names in the source directory, which may be links that
//! somebody made by hand. What exactly happened is of no interest; a rescan finds out.
//!
//! Activating one volume is a burst of a dozen announcements, so [`Debounce`] waits for silence.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

/// Silence to wait for after an event.
const QUIET: Duration = Duration::from_millis(250);
/// A machine where devices come and go without pause is looked at this often nevertheless.
const LIMIT: Duration = Duration::from_secs(2);

/// The netlink group of the kernel's own announcements.
const GROUP_KERNEL: u32 = 1;
/// The group on which udev repeats them, once its links are made.
const GROUP_UDEV: u32 = 2;

/// An ear at the source directory and at the kernel.
#[derive(Debug)]
pub struct Watch {
    names: OwnedFd,
    devices: OwnedFd,
}

impl Watch {
    /// Starts listening, for names in `source` and with `recursive` in its directories, without
    /// following links.
    pub fn start(source: &Path, recursive: bool) -> io::Result<Self> {
        let watch = Self::open()?;
        watch.add(source, recursive)?;
        Ok(watch)
    }

    fn open() -> io::Result<Self> {
        let names = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let devices = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(KOBJECT_UEVENT),
        )?;
        // Without udev nobody repeats; with it, the links are there only after the repetition.
        let udev = Path::new("/run/udev/control").exists();
        let group = if udev { GROUP_UDEV } else { GROUP_KERNEL };
        rustix::net::bind(&devices, &SocketAddrNetlink::new(0, group))?;
        Ok(Self { names, devices })
    }

    fn add(&self, directory: &Path, recursive: bool) -> io::Result<()> {
        let events = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&self.names, directory, events)?;
        if recursive {
            for entry in std::fs::read_dir(directory)?.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    self.add(&entry.path(), true)?;
                }
            }
        }
        Ok(())
    }

    /// What to poll for reading.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.names.as_fd(), self.devices.as_fd()]
    }

    /// Takes in what is waiting; whether a rescan could show something new.
    pub fn drain(&self) -> bool {
        // Both, without short circuit: what is left unread would wake the poll again.
        self.drain_names() | self.drain_devices()
    }

    fn drain_names(&self) -> bool {
        let mut buffer = [0; 4096];
        let mut any = false;
        loop {
            match rustix::io::read(&self.names, &mut buffer) {
                Ok(1..) => any = true,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return any,
            }
        }
    }

    fn drain_devices(&self) -> bool {
        // The kernel's announcements are at most 2 KiB (UEVENT_BUFFER_SIZE), udev's 8 KiB.
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut any = false;
        loop {
            match rustix::net::recv(&self.devices, &mut buffer, RecvFlags::empty()) {
                Ok(((message, _), _)) => any |= is_about_block_device(message),
                // More came than the socket could hold; anything may have happened.
                Err(Errno::NOBUFS) => any = true,
                Err(Errno::INTR) => {}
                Err(_) => return any,
            }
        }
    }
}

/// Reads a message of either group: properties `NAME=VALUE`, each ended by a NUL, after the
/// kernel's `ACTION@PATH` line or udev's binary header.
fn is_about_block_device(message: &[u8]) -> bool {
    let properties = match message.strip_prefix(b"libudev\0") {
        // struct udev_monitor_netlink_header: magic, header size, offset of the properties.
        Some(rest) => {
            let offset = rest.get(8..12).and_then(|bytes| bytes.try_into().ok());
            let offset = offset.map_or(usize::MAX, |bytes| u32::from_ne_bytes(bytes) as usize);
            message.get(offset..).unwrap_or_default()
        }
        None => message,
    };
    properties
        .split(|byte| *byte == 0)
        .any(|property| property == b"SUBSYSTEM=block")
}

/// Turns a burst of events into one, some silence after its end. Knows no clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    /// The first and the last event of the burst.
    burst: Option<(Instant, Instant)>,
}

impl Debounce {
    /// An event came at `now`.
    pub fn event(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |(first, _)| first);
        self.burst = Some((first, now));
    }

    /// How long to wait for another event; `None` if nothing is pending.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        let (first, last) = self.burst?;
        Some(
            (last + QUIET)
                .min(first + LIMIT)
                .saturating_duration_since(now),
        )
    }

    /// Whether the burst is over; if so, the next event begins another.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.wait(now).is_some_and(|wait| wait.is_zero());
        if due {
            self.burst = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udev_message(properties: &[u8]) -> Vec<u8> {
        let mut message = b"libudev\0\xfe\xed\xca\xfe".to_vec();
        for number in [40u32, 40, 99, 0, 0, 0, 0] {
            message.extend(number.to_ne_bytes());
        }
        message.extend(properties);
        message
    }

    #[test]
    fn block_devices_are_recognised_in_both_forms() {
        let properties = b"ACTION=add\0SUBSYSTEM=block\0DEVNAME=loop3\0";
        let kernel = [b"add@/devices/virtual/block/loop3\0".as_slice(), properties].concat();
        assert!(is_about_block_device(&kernel));
        assert!(is_about_block_device(&udev_message(properties)));
        assert!(is_about_block_device(&udev_message(b"SUBSYSTEM=block\0")));
        let other = b"ACTION=add\0SUBSYSTEM=net\0X=SUBSYSTEM=block\0";
        assert!(!is_about_block_device(other));
        assert!(!is_about_block_device(&udev_message(other)));
    }

    #[test]
    fn damaged_messages_are_about_nothing() {
        let message = udev_message(b"SUBSYSTEM=block\0");
        for len in 0..40 {
            assert!(!is_about_block_device(&message[..len]), "{len} bytes");
        }
        let mut beyond = message;
        beyond[16..20].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(!is_about_block_device(&beyond));
    }

    #[test]
    fn a_burst_is_reported_once_after_silence() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut debounce = Debounce::default();
        assert_eq!(debounce.wait(at(0)), None);
        assert!(!debounce.is_due(at(0)));
        debounce.event(at(0));
        debounce.event(at(100));
        assert_eq!(debounce.wait(at(100)), Some(QUIET));
        assert!(!debounce.is_due(at(349)));
        assert!(debounce.is_due(at(350)));
        assert!(!debounce.is_due(at(900)), "reported already");
    }

    #[test]
    fn a_burst_without_end_is_reported_nevertheless() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut debounce = Debounce::default();
        let reports = (0..60)
            .filter(|step| {
                debounce.event(at(step * 100));
                debounce.is_due(at(step * 100 + 99))
            })
            .count();
        assert!(
            (2..=3).contains(&reports),
            "{reports} reports in six seconds"
        );
    }

    #[test]
    fn a_new_name_in_the_directory_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let watch = Watch::start(dir.path(), true).unwrap();
        assert!(!watch.drain_names());
        std::fs::File::create(dir.path().join("new")).unwrap();
        assert!(watch.drain_names());
        assert!(!watch.drain_names());
        std::fs::File::create(dir.path().join("sub/new")).unwrap();
        assert!(watch.drain_names());
    }
}
