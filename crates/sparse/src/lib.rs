//! Sparse and aligned copies, deltas and restores of disk images.
//!
//! Disk images are mostly zeros and mostly unchanged. This crate, and the program `sparseimg`
//! on top of it, stores only what is not zero, reads no holes, speaks the formats of rdiff and
//! of rdiff-backup, and uses every core.
//!
//! ```text
//! # sparseimg copy /dev/vg0/snap-root root.img
//! root.img: 20.0 GiB, 20.0 GiB read, 5.81 GiB written
//! # sparseimg sig root.img root.sig
//! root.img: 81920 blocks of 262144 bytes, signature 2.81 MiB
//! # sparseimg restore --at 3D /backup/repo/disks/root /dev/vg0/root
//! ```
//!
//! # What it promises
//!
//! - A file appears when it is complete and on disk; the old one survives every failure.
//! - On a block device zeros are written, never skipped over; a device in use is refused.
//! - Signatures equal rdiff's byte for byte, and no output depends on the number of threads.
//! - Hostile signatures, deltas and repositories are errors with an offset; memory stays
//!   bounded by what is really there.
//! - A repository of rdiff-backup is never written to.
//!
//! # Where to read on
//!
//! [`zero`], [`extent`] and [`engine`] carry everything else. [`copy`](mod@copy), [`dig`] and
//! [`mod@patch`] are one verb each. The formats are in [`signature`] and [`delta`]; the search
//! for known blocks is in `rolling` and `direct`. For repositories start with [`chain`], then
//! [`compose`].

mod app;
mod assemble;
pub mod attributes;
pub mod bmap;
pub mod chain;
pub mod cli;
pub mod compose;
pub mod config;
pub mod copy;
pub mod delta;
pub mod device;
pub mod diff;
pub mod dig;
mod direct;
pub mod engine;
pub mod error;
pub mod estimate;
pub mod extent;
pub mod gaps;
pub mod increment;
pub mod map;
mod matcher;
mod md4;
pub mod metadata;
pub mod moment;
mod moved;
mod new_file;
mod ops;
mod output;
pub mod patch;
pub mod progress;
pub mod reader;
pub mod repo;
pub mod restore;
mod rolling;
mod scan;
pub mod sign;
pub mod signature;
pub mod size;
pub mod strong;
pub mod svg;
mod sys;
pub mod target;
mod texts;
pub mod verify;
pub mod weak;
pub mod zero;

pub use app::main;
