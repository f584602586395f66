//! Loop devices: real block devices out of files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempPath;

use crate::sandbox::MEMORY;

/// How long to fight for a free loop device with other tests.
const RACE_LIMIT: Duration = Duration::from_secs(20);

/// A loop device, detached on drop. If someone still uses it then, the kernel detaches it when
/// the last user goes.
#[derive(Debug)]
pub struct LoopDevice {
    device: PathBuf,
    backing: PathBuf,
    /// Deletes the backing file that was made for this device, after the detaching.
    own_file: Option<TempPath>,
}

impl LoopDevice {
    /// A writable device over a new sparse file of `size` bytes in memory.
    #[track_caller]
    pub fn of_size(size: u64) -> Self {
        LoopOptions::default()
            .of_size(size)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A writable device over a new file in memory with this content.
    #[track_caller]
    pub fn of_content(content: &[u8]) -> Self {
        LoopOptions::default()
            .of_content(content)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// A writable device over an existing file.
    #[track_caller]
    pub fn over(file: impl AsRef<Path>) -> Self {
        LoopOptions::default()
            .over(file)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Read-only devices, offsets, other sector sizes; errors as values.
    pub fn options() -> LoopOptions {
        LoopOptions::default()
    }

    /// The device node, such as `/dev/loop7`.
    pub fn path(&self) -> &Path {
        &self.device
    }

    /// The name of the device without its directory, such as `loop7`.
    pub fn name(&self) -> &str {
        self.device
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }

    /// The file under the device. Writing to it, or truncating it, is like a disk that changes
    /// or fails behind the kernel's back.
    pub fn backing(&self) -> &Path {
        &self.backing
    }

    /// Makes the device take over a changed size of its backing file.
    #[track_caller]
    pub fn reread_size(&self) {
        losetup(
            Command::new("losetup")
                .arg("--set-capacity")
                .arg(&self.device),
        )
        .unwrap_or_else(|error| panic!("{error}"));
    }

    /// Detaches as an administrator does; the error is losetup's. Success does not mean that the
    /// device is free, only that it will be: see [`LoopDevice::is_bound`].
    pub fn detach(&self) -> io::Result<()> {
        losetup(Command::new("losetup").arg("--detach").arg(&self.device)).map(drop)
    }

    /// Whether the device is still bound to this guard's file. After a detach the number may
    /// belong to someone else at once.
    pub fn is_bound(&self) -> bool {
        let attribute = Path::new("/sys/block")
            .join(self.name())
            .join("loop/backing_file");
        std::fs::read_to_string(attribute)
            .is_ok_and(|file| file.starts_with(&*self.backing.to_string_lossy()))
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if self.is_bound() {
            // In use is not an error here: the kernel then detaches at the last close.
            let _result = self.detach();
        }
    }
}

/// How to make a [`LoopDevice`].
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct LoopOptions {
    read_only: bool,
    offset: u64,
    sector_size: Option<u32>,
}

impl LoopOptions {
    /// The device refuses writes.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The device starts `bytes` into the file.
    pub fn offset(mut self, bytes: u64) -> Self {
        self.offset = bytes;
        self
    }

    /// The logical sector size in bytes, 512 to 4096; the kernel's default is 512.
    pub fn sector_size(mut self, bytes: u32) -> Self {
        self.sector_size = Some(bytes);
        self
    }

    /// Attaches a new sparse file in memory that gives the device `size` bytes; the kernel
    /// rounds down to whole sectors.
    pub fn of_size(self, size: u64) -> io::Result<LoopDevice> {
        let file = memory_file()?;
        file.as_file().set_len(self.offset + size)?;
        self.over_own(file.into_temp_path())
    }

    /// Attaches a new file in memory with this content (after the offset).
    pub fn of_content(self, content: &[u8]) -> io::Result<LoopDevice> {
        let mut file = memory_file()?;
        file.write_all(&vec![
            0;
            usize::try_from(self.offset)
                .map_err(io::Error::other)?
        ])?;
        file.write_all(content)?;
        self.over_own(file.into_temp_path())
    }

    /// Attaches an existing file.
    pub fn over(self, file: impl AsRef<Path>) -> io::Result<LoopDevice> {
        // The kernel shows the resolved path, and `is_bound` compares with it.
        let backing = file.as_ref().canonicalize()?;
        let deadline = Instant::now() + RACE_LIMIT;
        let device = loop {
            // Between losetup's question for a free device and its claim another test may take
            // the device; losetup tries again by itself, but not for ever.
            match losetup(&mut self.command(&backing)) {
                Err(error) if is_race(&error) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                result => break PathBuf::from(result?),
            }
        };
        Ok(LoopDevice {
            device,
            backing,
            own_file: None,
        })
    }

    fn over_own(self, file: TempPath) -> io::Result<LoopDevice> {
        let mut device = self.over(&file)?;
        device.own_file = Some(file);
        Ok(device)
    }

    fn command(self, file: &Path) -> Command {
        let mut command = Command::new("losetup");
        command.args(["--find", "--show"]);
        if self.read_only {
            command.arg("--read-only");
        }
        if self.offset != 0 {
            command.args(["--offset", &self.offset.to_string()]);
        }
        if let Some(bytes) = self.sector_size {
            command.args(["--sector-size", &bytes.to_string()]);
        }
        command.arg(file);
        command
    }
}

fn memory_file() -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix("nightshift-loop-")
        .tempfile_in(MEMORY)
}

/// Runs losetup and returns the first line of its output.
fn losetup(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(text.trim_end().to_owned()))
    }
}

fn is_race(error: &io::Error) -> bool {
    error.to_string().ends_with("Device or resource busy")
}
