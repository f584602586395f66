//! One file per command.

pub mod list;
pub mod map;
pub mod mount;
pub mod refresh;
pub mod status;
pub mod umount;
