//! Block devices as read-only regular files, so that any backup tool can read them.
//!
//! Backup tools copy regular files and skip block devices; LVM snapshots, disks and loop devices
//! are block devices. `blockfuse` mounts a directory of them so that each appears as a regular
//! file of its exact size:
//!
//! ```text
//! # blockfuse mount /dev/mapper /mnt/block-devices
//! # rdiff-backup --include '/mnt/block-devices/*_snap*' --exclude '*' /mnt/block-devices /backup
//! # blockfuse umount /mnt/block-devices
//! ```
//!
//! What it promises:
//!
//! - a device is opened when its file is opened and closed when its file is closed, so an idle
//!   mount never keeps `lvremove` or `losetup -d` waiting;
//! - a device that shrinks, fails or vanishes while it is read gives an I/O error to that reader
//!   for that range, never a short file and never the end of the daemon;
//! - another disk that has taken a name since the last scan is refused, not served.
//!
//! What it refuses to do: it never opens a device for writing, and scanning opens nothing at all.

pub mod changes;
pub mod device;
pub mod engine;
pub mod erofs;
pub mod extents;
pub mod map;
pub mod mtime;
mod sys;
pub mod watch;
