//! Mounts that end with the test.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::sandbox::is_mount_point;

/// How long drop waits for the last user of a mount before it detaches it lazily.
const BUSY_GRACE: Duration = Duration::from_secs(2);

/// Unmounts a mount point on drop; lazily when it is still busy after 2 s.
#[derive(Debug)]
pub struct MountGuard {
    target: PathBuf,
}

impl MountGuard {
    /// Takes over what is, or will be, mounted on `target` by someone else, such as the tool
    /// under test. With nothing mounted there at the end, drop does nothing.
    pub fn adopt(target: impl AsRef<Path>) -> Self {
        Self {
            target: target.as_ref().to_owned(),
        }
    }

    /// Mounts `source` on `target` by mount(8); `options` as after its `-o`.
    #[track_caller]
    pub fn mount(
        fstype: &str,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
        options: &str,
    ) -> Self {
        Self::try_mount(fstype, source.as_ref(), target.as_ref(), options)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`MountGuard::mount`], but hands mount(8)'s complaint to the caller.
    pub fn try_mount(
        fstype: &str,
        source: &Path,
        target: &Path,
        options: &str,
    ) -> io::Result<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", fstype]);
        if !options.is_empty() {
            command.args(["-o", options]);
        }
        let output = command.arg("--").arg(source).arg(target).output()?;
        if output.status.success() {
            Ok(Self::adopt(target))
        } else {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!(
                "mounting {}: {}",
                source.display(),
                text.trim_end()
            )))
        }
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Whether something is mounted there now.
    pub fn is_mounted(&self) -> bool {
        is_mount_point(&self.target)
    }

    /// Unmounts now and fails the test when that is not possible.
    #[track_caller]
    pub fn unmount(self) {
        if let Err(error) = unmount(&self.target, UnmountFlags::empty()) {
            panic!("cannot unmount {}: {error}", self.target.display());
        }
    }
}

impl Drop for MountGuard {
    fn drop(&mut self) {
        let deadline = Instant::now() + BUSY_GRACE;
        while unmount(&self.target, UnmountFlags::empty()) == Err(Errno::BUSY) {
            if Instant::now() >= deadline {
                // Nothing more can be done here; the sandbox tries again before it deletes.
                let _result = unmount(&self.target, UnmountFlags::DETACH);
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
