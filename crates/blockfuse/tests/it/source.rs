//! A directory of devices to mount.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nightshift_testkit::{LoopDevice, Sandbox, noise};

pub(crate) const MIB: u64 = 1 << 20;

/// A directory of links to loop devices, as `/dev/mapper` is one of links to device-mapper's.
#[derive(Debug)]
pub(crate) struct Source {
    sandbox: Sandbox,
}

impl Source {
    pub(crate) fn new() -> Self {
        Self {
            sandbox: Sandbox::in_memory(),
        }
    }

    /// A link called `name` to a new device of `size` bytes of noise.
    pub(crate) fn noisy(&self, name: &str, size: u64) -> LoopDevice {
        let device = LoopDevice::of_content(&noise(1, usize::try_from(size).unwrap()));
        self.link(name, &device);
        device
    }

    /// A link called `name` to `device`.
    pub(crate) fn link(&self, name: &str, device: &LoopDevice) {
        self.sandbox.symlink(device.path(), name);
    }

    /// A link whose name is not text.
    pub(crate) fn link_bytes(&self, name: &[u8], device: &LoopDevice) {
        self.sandbox.symlink(device.path(), OsStr::from_bytes(name));
    }

    pub(crate) fn path(&self) -> &Path {
        self.sandbox.path()
    }
}

/// Writes into a device as a program does that does not sync: the bytes stay in its cache.
pub(crate) fn write(path: &Path, offset: u64, bytes: &[u8]) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .write_all_at(bytes, offset)
        .unwrap();
}
