//! Where output goes: a new file that replaces the old one only when it is complete, a block
//! device on which zeros are really written, or standard output.

use crate::attributes::Attributes;
use crate::device::{Device, TargetZero};
use crate::error::Error;
use crate::extent::extents;
use crate::new_file::{NewFile, nameless};
use crate::reader::{ALIGN, Input, Kind, STREAM, read_at};
use crate::size::HoleSize;
use crate::sys;
use crate::zero;
use rustix::fs::{FallocateFlags, FileType};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How to treat the target.
#[derive(Debug, Clone, Copy)]
pub struct TargetOptions {
    /// How zeros get onto a block device.
    pub zero: TargetZero,
    /// Write to a device that is mounted or otherwise claimed.
    pub force_device: bool,
    /// Reserve space where the input had allocated zeros.
    pub preserve_holes: bool,
    /// Zeros are left out in blocks of this size.
    pub hole: HoleSize,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            zero: TargetZero::Zeroout,
            force_device: false,
            preserve_holes: false,
            hole: HoleSize::DEFAULT,
        }
    }
}

/// An output under construction.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    options: TargetOptions,
    place: Place,
    written: AtomicU64,
    zeroed: AtomicU64,
    /// Bytes written since the kernel was last told to begin storing them.
    unstored: AtomicU64,
    /// A second descriptor for writes past the page cache, while the file system takes them.
    direct: Option<File>,
    use_direct: AtomicBool,
}

#[derive(Debug)]
enum Place {
    File(NewFile),
    Device(Device),
    /// Collected in a nameless file, then poured out.
    Stream(File),
}

/// On a device, zeros shorter than this are written along with their surroundings: one longer
/// write costs less than two writes and an ioctl.
const SHORT_ZEROS: usize = 64 << 10;

/// Shortest run worth a direct write, each of which waits for the disk.
const DIRECT_RUN: usize = 64 << 10;

/// Bytes after which the kernel is told to begin storing what has been written. Everything is
/// flushed in the end, and left to itself the kernel would not begin before that: reading and
/// storing would follow each other instead of running side by side. Large enough for the file
/// system to find long extents.
const STORE_STEP: u64 = 64 << 20;

impl Target {
    /// Prepares the output at `path` for `len` bytes (if known): a device is claimed and its
    /// size compared before anything is written.
    ///
    /// `inputs` are refused as output. Output to `-` collects in `tmp_dir` first.
    pub fn open(
        path: &Path,
        len: Option<u64>,
        inputs: &[&Input],
        options: TargetOptions,
        tmp_dir: &Path,
    ) -> Result<Self, Error> {
        let place = if path.as_os_str() == STREAM {
            Place::Stream(nameless(tmp_dir).map_err(Error::io("create a file in", tmp_dir))?)
        } else {
            match std::fs::metadata(path) {
                Ok(found) => {
                    refuse_inputs(path, &found, inputs)?;
                    let mode = FileType::from_raw_mode(found.mode());
                    match mode {
                        FileType::BlockDevice => Place::Device(Device::claim(
                            path,
                            len,
                            options.zero,
                            options.force_device,
                        )?),
                        FileType::RegularFile => Place::File(NewFile::beside(path)?),
                        FileType::Directory => {
                            let reason = "is a directory, name a file in it".to_owned();
                            return Err(Error::Usage {
                                path: path.to_owned(),
                                reason,
                            });
                        }
                        _ => {
                            let reason = "is neither a file nor a block device".to_owned();
                            return Err(Error::Usage {
                                path: path.to_owned(),
                                reason,
                            });
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Place::File(NewFile::beside(path)?)
                }
                Err(error) => return Err(Error::io("inspect", path)(error)),
            }
        };
        Ok(Self {
            path: path.to_owned(),
            options,
            place,
            written: AtomicU64::new(0),
            zeroed: AtomicU64::new(0),
            unstored: AtomicU64::new(0),
            direct: None,
            use_direct: AtomicBool::new(false),
        })
    }

    /// Writes long runs past the page cache from now on, where the file system takes that: what
    /// is written will not be read again soon, must be on disk in the end, and goes there
    /// without a copy in memory. A file gets its `len` bytes at once, since a direct write that
    /// makes a file longer waits for all others.
    pub(crate) fn set_direct(&mut self, len: u64) -> Result<(), Error> {
        if matches!(self.place, Place::Stream(_)) {
            return Ok(());
        }
        // By its descriptor: the file has no name yet, and a device may have got another.
        let path = format!("/proc/self/fd/{}", self.file().as_raw_fd());
        let mut options = File::options();
        match options.write(true).custom_flags(libc::O_DIRECT).open(path) {
            Ok(file) => {
                if !self.is_device() {
                    file_len(self.file(), &self.path, len)?;
                }
                self.direct = Some(file);
                self.use_direct.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "no direct writes here"),
        }
        Ok(())
    }

    /// A file without a name in `dir`, for an intermediate result.
    pub(crate) fn nameless(dir: &Path) -> Result<Self, Error> {
        let file = nameless(dir).map_err(Error::io("create a file in", dir))?;
        Ok(Self {
            path: dir.to_owned(),
            options: TargetOptions::default(),
            place: Place::Stream(file),
            written: AtomicU64::new(0),
            zeroed: AtomicU64::new(0),
            unstored: AtomicU64::new(0),
            direct: None,
            use_direct: AtomicBool::new(false),
        })
    }

    /// The intermediate result, `len` bytes, as the input of the next step.
    pub(crate) fn into_input(self, len: u64) -> Result<Input, Error> {
        self.reader(len)
    }

    /// What has been written so far, for reading back; a file has `len` bytes from now on.
    pub(crate) fn reader(&self, len: u64) -> Result<Input, Error> {
        if !self.is_device() {
            file_len(self.file(), &self.path, len)?;
        }
        let again = self
            .file()
            .try_clone()
            .map_err(Error::io("open", &self.path))?;
        Input::of(again, &self.path)
    }

    /// Where the output goes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether zeros must be put there because the place may hold other bytes.
    pub fn is_device(&self) -> bool {
        matches!(self.place, Place::Device(_))
    }

    /// Whether stored zeros of the input get reserved space.
    pub(crate) fn reserves_zeros(&self) -> bool {
        self.options.preserve_holes
    }

    /// Bytes written, zeros that were left out not counted.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes of a device made zero without writing them.
    pub fn zeroed(&self) -> u64 {
        self.zeroed.load(Ordering::Relaxed)
    }

    /// The longest possible output, if the place has an end.
    pub fn capacity(&self) -> Option<u64> {
        match &self.place {
            Place::Device(device) => Some(device.len()),
            _ => None,
        }
    }

    /// The descriptor, for reading back and for cloning onto.
    pub(crate) fn file(&self) -> &File {
        match &self.place {
            Place::File(new) => &new.file,
            Place::Device(device) => device.file(),
            Place::Stream(file) => file,
        }
    }

    /// Writes what is not zero of `data` at offset `at`, from any thread, and returns the runs
    /// of zeros for [`Gaps`](crate::gaps::Gaps).
    pub fn put(&self, at: u64, data: &[u8]) -> Result<Vec<Range<u64>>, Error> {
        let keep = if self.is_device() { SHORT_ZEROS } else { 0 };
        let mut zeros = Vec::new();
        let mut pending = 0..0;
        for run in zero::runs(data, at, self.options.hole.get()) {
            if run.zero && run.range.len() >= keep {
                self.write(at, data, &pending)?;
                zeros.push(at + run.range.start as u64..at + run.range.end as u64);
                pending = run.range.end..run.range.end;
            } else {
                pending.end = run.range.end;
            }
        }
        self.write(at, data, &pending)?;
        Ok(zeros)
    }

    fn write(&self, at: u64, data: &[u8], part: &Range<usize>) -> Result<(), Error> {
        if part.is_empty() {
            return Ok(());
        }
        let at = at + part.start as u64;
        if let Some(limit) = self.capacity()
            && at + part.len() as u64 > limit
        {
            return Err(Error::device_full(&self.path, limit));
        }
        let data = &data[part.clone()];
        let stored = self.write_direct(at, data)?;
        let (at, rest) = (at + stored as u64, &data[stored..]);
        let result = self.file().write_all_at(rest, at);
        result.map_err(Error::at("write", &self.path, at))?;
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        let len = rest.len() as u64;
        let unstored = self.unstored.fetch_add(len, Ordering::Relaxed) + len;
        if unstored >= STORE_STEP && !matches!(self.place, Place::Stream(_)) {
            self.unstored.store(0, Ordering::Relaxed);
            match sys::begin_storing(self.file()) {
                Err(error) if is_refusal(&error) => {
                    tracing::debug!(%error, "the kernel stores when it likes");
                }
                other => other.map_err(Error::at("write", &self.path, at))?,
            }
        }
        Ok(())
    }

    /// Writes the aligned part of a long run past the page cache; returns its bytes, 0 if it has
    /// to go the usual way.
    fn write_direct(&self, at: u64, data: &[u8]) -> Result<usize, Error> {
        let Some(direct) = &self.direct else {
            return Ok(0);
        };
        let aligned = at.is_multiple_of(ALIGN as u64) && data.as_ptr().addr().is_multiple_of(ALIGN);
        let whole = data.len() / ALIGN * ALIGN;
        if !aligned || whole < DIRECT_RUN || !self.use_direct.load(Ordering::Relaxed) {
            return Ok(0);
        }
        match direct.write_all_at(&data[..whole], at) {
            Ok(()) => Ok(whole),
            Err(error) if is_refusal(&error) => {
                tracing::debug!(%error, "direct write refused, writing through the page cache");
                self.use_direct.store(false, Ordering::Relaxed);
                Ok(0)
            }
            Err(error) => Err(Error::at("write", &self.path, at)(error)),
        }
    }

    /// Makes a range zero that nothing has been written to: a device is zeroed, a file gets
    /// reserved space.
    pub(crate) fn fill_gap(&self, range: &Range<u64>) -> Result<(), Error> {
        match &self.place {
            Place::Device(device) => {
                let written = device.zero(range)?;
                self.written.fetch_add(written, Ordering::Relaxed);
                let zeroed = (range.end - range.start).saturating_sub(written);
                self.zeroed.fetch_add(zeroed, Ordering::Relaxed);
                Ok(())
            }
            Place::File(NewFile { file, .. }) | Place::Stream(file) => {
                let len = range.end - range.start;
                let reserve =
                    rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, range.start, len);
                reserve.map_err(Error::at("reserve space in", &self.path, range.start))
            }
        }
    }

    /// Completes the output at `len` bytes: everything is on disk when this returns, and only
    /// then does a file appear under its name.
    pub fn finish(self, len: u64, attributes: &Attributes) -> Result<(), Error> {
        match self.place {
            Place::File(new) => new.publish(&self.path, len, attributes),
            Place::Device(device) => device
                .file()
                .sync_all()
                .map_err(Error::io("flush", &self.path)),
            Place::Stream(file) => {
                file.set_len(len).map_err(Error::io("extend", &self.path))?;
                pour(&file, len, &self.path)
            }
        }
    }

    /// Ends without a result. Nothing is left of a new file; what has been written to a device
    /// cannot be taken back, and this says so.
    pub fn abandon(self) {
        if self.is_device() && self.written() + self.zeroed() > 0 {
            tracing::warn!(
                device = %self.path.display(),
                written = self.written(),
                "the device has been partly written"
            );
        }
    }
}

fn file_len(file: &File, path: &Path, len: u64) -> Result<(), Error> {
    file.set_len(len).map_err(Error::io("extend", path))
}

/// Whether a call is not to be had here, as opposed to one that has failed.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::ESPIPE | libc::ENOSYS | libc::EOPNOTSUPP)
    )
}

fn refuse_inputs(path: &Path, found: &std::fs::Metadata, inputs: &[&Input]) -> Result<(), Error> {
    for input in inputs {
        let stat = input.stat();
        let same = match input.kind() {
            Kind::Device => {
                FileType::from_raw_mode(found.mode()) == FileType::BlockDevice
                    && found.rdev() == stat.st_rdev
            }
            Kind::Regular => (found.dev(), found.ino()) == (stat.st_dev, stat.st_ino),
            Kind::Stream => false,
        };
        if same {
            return Err(Error::SameFile {
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

/// Writes a finished file to standard output, zeros included.
fn pour(file: &File, len: u64, path: &Path) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let mut buffer = vec![0; 1 << 20];
    let zeros = vec![0; 1 << 20];
    let failed = |offset, error: io::Error| match error.kind() {
        // Whoever reads has had enough.
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::at("write", path, offset)(error)),
    };
    for extent in extents(file, 0..len) {
        let mut at = extent.range.start;
        while at < extent.range.end {
            let step = usize::try_from((extent.range.end - at).min(1 << 20)).unwrap_or(0);
            let piece = if extent.hole {
                &zeros[..step]
            } else {
                read_at(file, &mut buffer[..step], at).map_err(Error::at("read", path, at))?;
                &buffer[..step]
            };
            if let Err(error) = out.write_all(piece) {
                return failed(at, error);
            }
            at += step as u64;
        }
    }
    out.flush().or_else(|error| failed(len, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<Target, Error> {
        Target::open(path, None, &[], TargetOptions::default(), Path::new("/tmp"))
    }

    #[test]
    fn nothing_appears_before_the_end_and_nothing_is_left_of_a_failure() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("out");
        let target = open(&path).expect("open");
        target.put(0, b"new").expect("put");
        assert!(!path.exists());
        target.abandon();
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 0);
        let target = open(&path).expect("open");
        target.put(0, b"new").expect("put");
        target.finish(3, &Attributes::default()).expect("finish");
        assert_eq!(std::fs::read(&path).expect("read"), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1);
    }

    #[test]
    fn zeros_are_left_out_and_the_trailing_hole_costs_nothing() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("out");
        let target = open(&path).expect("open");
        let mut data = vec![0_u8; 1 << 20];
        data[300_000] = 1;
        let zeros = target.put(0, &data).expect("put");
        let page = 300_000 / 4096 * 4096;
        assert_eq!(zeros, [0..page, page + 4096..1 << 20]);
        assert_eq!(target.written(), 4096);
        target
            .finish(1 << 30, &Attributes::default())
            .expect("finish");
        let found = std::fs::metadata(&path).expect("metadata");
        assert_eq!(found.len(), 1 << 30);
        assert!(
            found.blocks() * 512 <= 64 << 10,
            "{} blocks",
            found.blocks()
        );
    }

    /// Runs that go past the page cache, their tails and short runs that do not, and a length
    /// that is no multiple of anything.
    #[test]
    fn direct_and_cached_writes_make_one_file() {
        // Not in memory: there the file system may take direct writes without meaning them.
        let program = std::env::current_exe().expect("this program");
        let disk = program.parent().expect("its directory");
        let dir = tempfile::tempdir_in(disk).expect("directory");
        let path = dir.path().join("out");
        let content = {
            let mut content = nightshift_testkit::noise(7, (1 << 20) + 777);
            content[200_000..600_000].fill(0);
            content[700_000..710_000].fill(0);
            content
        };
        let mut target = open(&path).expect("open");
        target.set_direct(content.len() as u64).expect("direct");
        assert!(target.use_direct.load(Ordering::Relaxed));
        let mut buffer = crate::reader::Buffer::new();
        let mut at = 0;
        for piece in content.chunks(512 << 10) {
            let space = buffer.space(piece.len());
            space.copy_from_slice(piece);
            target.put(at, space).expect("put");
            at += piece.len() as u64;
        }
        // What is not aligned goes the usual way.
        target
            .put(4096 + 1, &content[4096 + 1..300_000])
            .expect("put");
        assert!(
            target.use_direct.load(Ordering::Relaxed),
            "none was refused"
        );
        target.finish(at, &Attributes::default()).expect("finish");
        assert_eq!(std::fs::read(&path).expect("read"), content);
        assert!(std::fs::metadata(&path).expect("metadata").blocks() * 512 < 800_000);
    }

    #[test]
    fn a_link_stays_and_the_file_it_names_is_replaced() {
        let dir = tempfile::tempdir().expect("directory");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        File::create(&file).expect("create");
        std::os::unix::fs::symlink("file", &link).expect("link");
        let target = open(&link).expect("open");
        target.put(0, b"x").expect("put");
        target.finish(1, &Attributes::default()).expect("finish");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).expect("read"), b"x");
    }

    #[test]
    fn an_input_is_refused_as_output_under_any_name() {
        let dir = tempfile::tempdir().expect("directory");
        let (file, other) = (dir.path().join("file"), dir.path().join("other"));
        File::create(&file).expect("create");
        std::fs::hard_link(&file, &other).expect("link");
        let input = Input::open(&file).expect("open");
        let refused = Target::open(
            &other,
            None,
            &[&input],
            TargetOptions::default(),
            dir.path(),
        );
        assert!(matches!(refused, Err(Error::SameFile { .. })));
    }
}
