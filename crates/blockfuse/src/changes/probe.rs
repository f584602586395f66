//! Takes the key of a device.
//!
//! The order matters: dirty pages are written back first, so that every write up to now has been
//! counted, and the counters are read afterwards, so that none after is.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{BackingKey, Key, hex};
use crate::device::{DeviceNumber, Facts, Sysfs};
use crate::extents::thin;
use crate::inode::Exported;
use crate::scan::Target;
use crate::sys::loops;

/// The key of the device `number`, which `path` leads to; `None` if it cannot be told for sure
/// what the device is like, which counts as changed.
pub fn key(path: &Path, number: DeviceNumber, sysfs: &Sysfs) -> Option<Key> {
    match take(path, number, sysfs) {
        Ok(key) => Some(key),
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "taken for changed");
            None
        }
    }
}

/// The key of a regular file that is exported as it is.
pub fn file_key(path: &Path) -> Option<Key> {
    let meta = fs::metadata(path).ok()?;
    Some(Key {
        boot_id: boot_id().ok()?,
        // A file has no such number, and its inode does the work.
        diskseq: Some(0),
        identity: String::from("file"),
        size: meta.len(),
        written: 0,
        discarded: 0,
        table: None,
        backing: Some(BackingKey::of(&meta)),
    })
}

/// Writes back the dirty pages of a device that a mount exports, so that its counters tell of
/// every write up to now. What cannot be done is left out: the device is then gone or broken.
pub fn write_back(source: &Path, exported: &Exported, sysfs: &Sysfs) {
    let Target::Device(number) = exported.found.target else {
        return;
    };
    if let Err(error) = open_written_back(&source.join(&exported.path), number, sysfs) {
        tracing::debug!(path = %exported.path.display(), %error, "not written back");
    }
}

fn boot_id() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

fn open_written_back(path: &Path, number: DeviceNumber, sysfs: &Sysfs) -> io::Result<File> {
    if sysfs.facts(number)?.suspended {
        // Writing back would wait until it is resumed.
        return Err(io::Error::other("the device is suspended"));
    }
    let device = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if DeviceNumber::from(device.metadata()?.rdev()) != number {
        return Err(io::Error::other("another device has taken the name"));
    }
    rustix::fs::fsync(&device)?;
    Ok(device)
}

fn take(path: &Path, number: DeviceNumber, sysfs: &Sysfs) -> io::Result<Key> {
    let device = open_written_back(path, number, sysfs)?;
    let facts = sysfs.facts(number)?;
    let table = facts
        .dm_uuid
        .is_some()
        .then(|| thin::table(number))
        .transpose()?;
    let backing = facts
        .backing_file
        .is_some()
        .then(|| backing(&device, &facts))
        .transpose()?;
    Ok(Key {
        boot_id: boot_id()?,
        diskseq: facts.diskseq,
        // Within a boot, the sequence number tells disks apart better than their own names do.
        identity: hex(facts
            .dm_uuid
            .as_ref()
            .unwrap_or(&facts.kernel_name)
            .as_bytes()),
        size: facts.size,
        written: facts.counters.written,
        discarded: facts.counters.discarded,
        table,
        backing,
    })
}

fn backing(device: &File, facts: &Facts) -> io::Result<BackingKey> {
    let path = facts
        .backing_file
        .as_deref()
        .ok_or(io::ErrorKind::NotFound)?;
    let meta = fs::metadata(path)?;
    let known = loops::backing(device)?;
    if (meta.dev(), meta.ino()) != (known.device, known.inode) {
        return Err(io::Error::other(
            "another file has taken the backing file's name",
        ));
    }
    Ok(BackingKey::of(&meta))
}

impl BackingKey {
    fn of(meta: &Metadata) -> Self {
        let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            mtime: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            ctime: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    mod privileged {
        use std::fs::File;
        use std::os::unix::fs::FileExt;
        use std::time::{Duration, SystemTime};

        use nightshift_testkit::{LoopDevice, wait_value};

        use super::super::*;
        use crate::changes::State;

        fn key_of(device: &LoopDevice) -> Option<Key> {
            let number = DeviceNumber::from(fs::metadata(device.path()).unwrap().rdev());
            key(device.path(), number, &Sysfs::default())
        }

        /// The key, once the backing file's stamp is old enough to prove something.
        fn settled_key(device: &LoopDevice) -> Key {
            wait_value("the key proves something", Duration::from_secs(20), || {
                let key = key_of(device).unwrap();
                let mut state = State::default();
                state.give(b"d", Some(key.clone()), SystemTime::now());
                state.knows(&key).then_some(key)
            })
        }

        fn write(path: &Path, byte: u8) {
            let file = File::options().write(true).open(path).unwrap();
            file.write_all_at(&[byte; 512], 0).unwrap();
        }

        #[test]
        #[ignore = "needs root"]
        fn reading_keeps_the_key_and_every_kind_of_write_moves_it() {
            let device = LoopDevice::of_size(1 << 20);
            let first = settled_key(&device);
            fs::read(device.path()).unwrap();
            assert_eq!(key_of(&device).unwrap(), first);

            // Not synced: still in the device's cache when the key is taken.
            write(device.path(), 1);
            let second = settled_key(&device);
            assert_ne!(second, first);

            // Around the device, whose counters stand still.
            write(device.backing(), 2);
            let third = settled_key(&device);
            assert_ne!(third, second);
            assert_eq!(third.written, second.written);

            let number = DeviceNumber::from(fs::metadata(device.path()).unwrap().rdev());
            assert!(key(Path::new("/dev/null"), number, &Sysfs::default()).is_none());
        }
    }
}
