//! Inputs: files, block devices and streams, read by several threads at once.
//!
//! Reads go through `pread` into buffers that are used again; nothing is mapped, so a file that
//! shrinks or a disk that fails is an error with an offset and never a signal.

use crate::error::Error;
use crate::extent::{Extent, extents};
use rustix::fs::{Advice, FileType, OFlags, SeekFrom, Stat};
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Alignment of every direct read: enough for 512-byte and 4-KiB sectors alike.
pub(crate) const ALIGN: usize = 4096;

/// Length from which on it is worth asking whether an input is in the page cache.
const WORTH_ASKING: u64 = 64 << 20;
/// Places at which is asked.
const SAMPLES: u64 = 32;

/// What the command line calls a stream: standard input or output.
pub(crate) const STREAM: &str = "-";

/// When to go past the page cache, on the way in and on the way out.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Direct {
    /// When the input is larger than a quarter of the memory, or mostly not in the page cache.
    #[default]
    Auto,
    /// Always, where the file system allows it.
    Yes,
    /// Never.
    No,
}

/// What kind of thing an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A block device.
    Device,
    /// A pipe, socket or terminal: read once, in order.
    Stream,
}

/// An open input.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// A second descriptor for direct reads.
    direct: Option<File>,
    /// Whether direct reads still work.
    use_direct: AtomicBool,
    path: PathBuf,
    kind: Kind,
    len: u64,
    stat: Stat,
    /// Fill unreadable places with zeros; how many bytes were.
    keep_going: bool,
    lost: AtomicU64,
}

impl Input {
    /// Opens a file, a block device or, for `-`, standard input.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = if path.as_os_str() == STREAM {
            let stdin = rustix::io::dup(rustix::stdio::stdin());
            File::from(stdin.map_err(Error::io("open", path))?)
        } else {
            File::open(path).map_err(Error::io("open", path))?
        };
        Self::of(file, path)
    }

    /// An input over a descriptor that is open already.
    pub(crate) fn of(file: File, path: &Path) -> Result<Self, Error> {
        let stat = rustix::fs::fstat(&file).map_err(Error::io("inspect", path))?;
        let (kind, len) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => (Kind::Regular, u64::try_from(stat.st_size).unwrap_or(0)),
            FileType::BlockDevice => {
                let end = rustix::fs::seek(&file, SeekFrom::End(0));
                (
                    Kind::Device,
                    end.map_err(Error::io("find the size of", path))?,
                )
            }
            FileType::Directory => {
                let reason = "is a directory".to_owned();
                return Err(Error::Usage {
                    path: path.to_owned(),
                    reason,
                });
            }
            _ => (Kind::Stream, 0),
        };
        Ok(Self {
            file,
            direct: None,
            use_direct: AtomicBool::new(false),
            path: path.to_owned(),
            kind,
            len,
            stat,
            keep_going: false,
            lost: AtomicU64::new(0),
        })
    }

    /// Opens an input that must have a length: no stream.
    pub fn open_seekable(path: &Path) -> Result<Self, Error> {
        let input = Self::open(path)?;
        if input.kind == Kind::Stream {
            let reason = "must be a file or a block device, because it is read twice".to_owned();
            return Err(Error::Usage {
                path: path.to_owned(),
                reason,
            });
        }
        Ok(input)
    }

    /// Reads past the page cache from now on, if `choice` and the file system say so.
    pub fn set_direct(&mut self, choice: Direct) {
        let wanted = match choice {
            Direct::Yes => true,
            Direct::No => false,
            Direct::Auto => {
                self.len > total_memory() / 4 || (self.len >= WORTH_ASKING && self.is_cold())
            }
        };
        if !wanted || self.kind == Kind::Stream || self.path.as_os_str() == STREAM {
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        match rustix::fs::open(&self.path, flags, rustix::fs::Mode::empty()) {
            Ok(file) => {
                self.direct = Some(File::from(file));
                self.use_direct.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "no direct reads here"),
        }
    }

    /// Whether at most a quarter of the data is in the page cache. What cannot tell is not cold.
    fn is_cold(&self) -> bool {
        // A descriptor of its own: without readahead a question reads a page at most.
        let Ok(file) = File::open(&self.path) else {
            return false;
        };
        if rustix::fs::fadvise(&file, 0, None, Advice::Random).is_err() {
            return false;
        }
        let (mut asked, mut cached) = (0, 0);
        for sample in 0..SAMPLES {
            let at = self.len / SAMPLES * sample;
            let at = match rustix::fs::seek(&file, SeekFrom::Data(at)) {
                Ok(data) => data,
                Err(Errno::NXIO) => break,
                Err(_) => at,
            };
            let mut byte = [0];
            let place = &mut [IoSliceMut::new(&mut byte)];
            match rustix::io::preadv2(&file, place, at, ReadWriteFlags::NOWAIT) {
                Ok(_) => cached += 1,
                Err(Errno::AGAIN) => {}
                Err(_) => return false,
            }
            asked += 1;
        }
        tracing::debug!(asked, cached, "samples of the input in the page cache");
        cached * 4 <= asked
    }

    /// Whether reads go past the page cache.
    pub fn is_direct(&self) -> bool {
        self.use_direct.load(Ordering::Relaxed)
    }

    /// Takes zeros for what cannot be read, in steps of 4 KiB, instead of failing.
    pub fn keep_going(&mut self) {
        self.keep_going = true;
    }

    /// Bytes that were replaced by zeros so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Length in bytes when it was opened; 0 for a stream.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it had no bytes when it was opened.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Length, or `None` where librsync would not know it: streams and devices.
    pub fn known_len(&self) -> Option<u64> {
        (self.kind == Kind::Regular).then_some(self.len)
    }

    /// Attributes when it was opened.
    pub(crate) fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The descriptor.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Data and holes of a range.
    pub fn extents(&self, range: Range<u64>) -> impl Iterator<Item = Extent> + Send {
        extents(&self.file, range)
    }

    /// Fails if a regular file is no longer what it was when it was opened. A device carries no
    /// such mark.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let now = rustix::fs::fstat(&self.file).map_err(Error::io("inspect", &self.path))?;
        let mark = |stat: &Stat| {
            (
                stat.st_size,
                stat.st_mtime,
                stat.st_mtime_nsec,
                stat.st_ctime,
                stat.st_ctime_nsec,
            )
        };
        if self.kind == Kind::Regular && mark(&now) != mark(&self.stat) {
            return Err(Error::Changed {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// Reads exactly `range`, which must lie inside the input, into `buffer`.
    pub fn read<'b>(
        &self,
        buffer: &'b mut Buffer,
        range: &Range<u64>,
    ) -> Result<&'b mut [u8], Error> {
        let want = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        if let Some(direct) = &self.direct
            && self.use_direct.load(Ordering::Relaxed)
        {
            let lead = usize::try_from(range.start % ALIGN as u64).unwrap_or(0);
            let whole = (lead + want).next_multiple_of(ALIGN);
            let space = buffer.space(whole);
            match read_at(direct, space, range.start - lead as u64) {
                Ok(got) if got >= lead + want => {
                    return Ok(&mut buffer.space(whole)[lead..][..want]);
                }
                // Short, refused or failed: the plain read below decides what it means.
                Ok(_) => {}
                Err(error) => {
                    if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) {
                        tracing::debug!("direct read refused, reading through the page cache");
                        self.use_direct.store(false, Ordering::Relaxed);
                    }
                }
            }
        }
        let space = buffer.space(want);
        self.read_to(space, range.start)?;
        Ok(space)
    }

    /// Fills `space` with the bytes from `start` on, all of which must lie inside the input,
    /// through the page cache.
    pub(crate) fn read_to(&self, space: &mut [u8], start: u64) -> Result<(), Error> {
        match read_at(&self.file, space, start) {
            Ok(got) if got == space.len() => Ok(()),
            Ok(got) => Err(Error::Shrunk {
                path: self.path.clone(),
                offset: start + got as u64,
            }),
            Err(_) if self.keep_going => self.salvage(space, start),
            Err(error) => {
                let offset = self.first_bad(space, start);
                Err(Error::at("read", &self.path, offset)(error))
            }
        }
    }

    /// Offset of the first page that cannot be read, for the error message.
    fn first_bad(&self, space: &mut [u8], start: u64) -> u64 {
        let mut at = start;
        for page in space.chunks_mut(ALIGN) {
            if read_at(&self.file, page, at).is_err() {
                break;
            }
            at += page.len() as u64;
        }
        at
    }

    /// Reads page by page and leaves zeros where that fails.
    fn salvage(&self, space: &mut [u8], start: u64) -> Result<(), Error> {
        let mut at = start;
        for page in space.chunks_mut(ALIGN) {
            match read_at(&self.file, page, at) {
                Ok(got) if got == page.len() => {}
                Ok(got) => {
                    let offset = at + got as u64;
                    return Err(Error::Shrunk {
                        path: self.path.clone(),
                        offset,
                    });
                }
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), offset = at, %error, "unreadable, zeros instead");
                    page.fill(0);
                    self.lost.fetch_add(page.len() as u64, Ordering::Relaxed);
                }
            }
            at += page.len() as u64;
        }
        Ok(())
    }

    /// The bytes from the present position to the end, for streams.
    pub(crate) fn stream(&self) -> impl Read + Send + '_ {
        &self.file
    }
}

/// `pread` until the buffer is full or the file ends.
pub(crate) fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(&mut buf[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// A buffer whose start is aligned for direct reads, grown on demand and used again.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first `len` bytes, aligned. Their content is whatever was there.
    pub(crate) fn space(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < len + ALIGN {
            // A fresh allocation: growing would copy old content for nothing.
            self.bytes = vec![0; len + ALIGN];
        }
        let lead = self.bytes.as_ptr().align_offset(ALIGN);
        &mut self.bytes[lead..lead + len]
    }
}

/// Bytes of memory in this machine.
fn total_memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram * u64::from(info.mem_unit)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test values are small")]
mod tests {
    use super::*;
    use std::io::Write;

    fn sample(len: usize) -> (tempfile::NamedTempFile, Vec<u8>) {
        let content: Vec<u8> = (0..len).map(|i| ((i * 31) >> 3) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.write_all(&content).expect("write");
        (file, content)
    }

    #[test]
    fn direct_and_buffered_reads_return_the_same_at_any_offset() {
        let (file, content) = sample(10_000);
        for direct in [Direct::No, Direct::Yes] {
            let mut input = Input::open(file.path()).expect("open");
            input.set_direct(direct);
            let mut buffer = Buffer::new();
            for range in [
                0..10_000,
                0..1,
                4095..4097,
                8192..10_000,
                9_999..10_000,
                500..500,
            ] {
                let got = input.read(&mut buffer, &range).expect("inside");
                assert_eq!(
                    got,
                    &content[range.start as usize..range.end as usize],
                    "{direct:?}"
                );
            }
        }
    }

    #[test]
    fn a_source_that_shrinks_is_reported_with_the_offset() {
        let (file, _) = sample(10_000);
        let input = Input::open(file.path()).expect("open");
        file.as_file().set_len(6_000).expect("truncate");
        let error = input
            .read(&mut Buffer::new(), &(0..10_000))
            .expect_err("short");
        assert!(
            matches!(error, Error::Shrunk { offset: 6_000, .. }),
            "{error}"
        );
        assert!(matches!(
            input.check_unchanged(),
            Err(Error::Changed { .. })
        ));
    }

    #[test]
    fn buffers_are_aligned() {
        let mut buffer = Buffer::new();
        for len in [1, 4096, 1 << 20, 77] {
            let space = buffer.space(len);
            assert_eq!((space.len(), space.as_ptr().align_offset(ALIGN)), (len, 0));
        }
    }

    #[test]
    fn what_has_just_been_written_is_not_cold() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        let data = vec![1; 1 << 20];
        for _ in 0..WORTH_ASKING >> 20 {
            file.as_file().write_all(&data).expect("write");
        }
        let mut input = Input::open(file.path()).expect("open");
        assert!(!input.is_cold());
        input.set_direct(Direct::Auto);
        assert!(!input.is_direct());
        // Where dropping the cache takes effect, most of it is cold.
        file.as_file().sync_all().expect("flush");
        rustix::fs::fadvise(file.as_file(), 0, None, Advice::DontNeed).expect("advise");
        let mut byte = [0];
        let place = &mut [IoSliceMut::new(&mut byte)];
        let middle = WORTH_ASKING / 2 + 4096;
        let dropped = rustix::io::preadv2(file.as_file(), place, middle, ReadWriteFlags::NOWAIT);
        if dropped == Err(Errno::AGAIN) {
            assert!(input.is_cold());
        }
    }

    #[test]
    fn directories_are_refused() {
        let dir = tempfile::tempdir().expect("directory");
        assert!(matches!(Input::open(dir.path()), Err(Error::Usage { .. })));
    }
}
