//! The copy engine: windows of the device are mapped and handed to the kernel untouched.
//!
//! Small requests come from readers that jump about. Through a map each would fault in a stretch
//! of read-ahead that nobody asked for, so they are read with pread(2), whose read-ahead follows
//! the reader's own pattern.
//!
//! The bytes are never looked at here. A page that cannot be read (a bad sector, a device that
//! shrank or was pulled) would be SIGBUS for whoever touches it in user space; the kernel, given
//! the same address in a system call, answers EFAULT instead. Whether all pages of a range can be
//! read is found out by asking the kernel to populate it, where it can be asked: on kernels before
//! 6.9 the reply finds a bad page by itself. Its reader gets EIO all the same, only nobody counts it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Advice, Mmap};
use rustix::io::Errno;

use super::Source;
use crate::sys;

/// Distance between the beginnings of two windows. Page tables cost 4 KiB per 2 MiB touched and
/// are freed only by unmapping, so a whole large device must never stay mapped.
const WINDOW: u64 = 64 << 20;
/// How far a window reaches into the next one: a request may begin at the last byte of a window,
/// and its reply is one slice. The kernel never asks for more than `max_pages` allows, 1 MiB.
const OVERLAP: u64 = 1 << 20;
/// Windows kept mapped per device, least recently used first to go: enough for readers that jump
/// about, few enough that the page tables stay below 1 MiB.
const KEPT: usize = 8;

/// Requests up to this many bytes are read and not mapped. The kernel's read-ahead asks for more
/// as soon as a reader goes on where it left off.
const SMALL: u32 = 16 << 10;

/// A device read through mapped windows.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    size: AtomicU64,
    windows: Mutex<VecDeque<(u64, Arc<Mmap>)>>,
    /// Whether the kernel can be asked to populate a range.
    populate: bool,
}

/// A range of a device, ready to be handed to a system call.
///
/// [`Chunk::untouched`] gives a slice because that is what reply functions take; it must not be
/// read in user space.
#[derive(Debug)]
pub struct Chunk(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped {
        window: Arc<Mmap>,
        offset: usize,
        len: usize,
    },
    Copied(Vec<u8>),
}

impl Chunk {
    const EMPTY: Self = Self(Bytes::Copied(Vec::new()));

    /// The bytes, for a system call only: reading them here can be SIGBUS.
    pub fn untouched(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped {
                window,
                offset,
                len,
            } => &window[*offset..*offset + *len],
            Bytes::Copied(bytes) => bytes,
        }
    }
}

impl Reader {
    /// Takes over an opened device.
    pub fn new(source: Source) -> Self {
        Self {
            size: AtomicU64::new(source.size),
            source,
            windows: Mutex::new(VecDeque::with_capacity(KEPT)),
            populate: populate_gives_up(&rustix::system::uname().release().to_string_lossy()),
        }
    }

    /// The open device.
    pub fn device(&self) -> &File {
        &self.source.file
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.source.path
    }

    /// Unmaps what no reply is using; it is mapped again when it is asked for.
    pub fn forget_windows(&self) {
        self.windows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The size the file is exported with, in bytes.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Notes that the device has grown. A device that shrank keeps its size while it is open: its
    /// readers get an error for what is lost, not an early end that looks like a whole file.
    pub fn grow(&self, size: u64) {
        self.size.fetch_max(size, Ordering::Relaxed);
    }

    /// The bytes from `offset`, as many as asked for but not past the end.
    ///
    /// It is all of them or an error, because the kernel takes a short answer for the end of the
    /// file and truncates it for good.
    pub fn read(&self, offset: u64, len: u32) -> Result<Chunk, Errno> {
        let len = u64::from(len).min(self.size().saturating_sub(offset));
        if len == 0 {
            return Ok(Chunk::EMPTY);
        }
        if len > OVERLAP {
            return Err(Errno::INVAL);
        }
        if len <= u64::from(SMALL) {
            return self.read_small(offset, len);
        }
        let index = offset / WINDOW;
        let within = offset % WINDOW;
        let window = self.window(index, within + len)?;
        // Both fit: the window is mapped, so its length is a usize.
        let (Ok(start), Ok(len)) = (usize::try_from(within), usize::try_from(len)) else {
            return Err(Errno::OVERFLOW);
        };
        self.fault_in(&window, start, len)?;
        Ok(Chunk(Bytes::Mapped {
            window,
            offset: start,
            len,
        }))
    }

    fn read_small(&self, offset: u64, len: u64) -> Result<Chunk, Errno> {
        let mut bytes = vec![0; usize::try_from(len).map_err(|_too_large| Errno::OVERFLOW)?];
        match self.source.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(Chunk(Bytes::Copied(bytes))),
            // Also where the device ends before its exported size.
            Err(_lost) => Err(Errno::IO),
        }
    }

    /// The window at `index`, mapped at least as far as `needed` bytes.
    fn window(&self, index: u64, needed: u64) -> Result<Arc<Mmap>, Errno> {
        // Nothing under the lock can panic half-way, so a poisoned list is still a good one.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = windows.iter().position(|(known, _)| *known == index)
            && let Some((_, window)) = windows.remove(position)
            && window.len() as u64 >= needed
        {
            windows.push_back((index, Arc::clone(&window)));
            return Ok(window);
        }
        let start = index * WINDOW;
        let len = (WINDOW + OVERLAP).min(self.size().saturating_sub(start));
        let len = usize::try_from(len).map_err(|_too_large| Errno::OVERFLOW)?;
        let window =
            sys::map_window(&self.source.file, start, len).map_err(|error| errno(&error))?;
        // Makes faults read ahead as far as reads would. Only speed is lost without it.
        let _ = window.advise(Advice::Sequential);
        let window = Arc::new(window);
        if windows.len() == KEPT {
            windows.pop_front();
        }
        windows.push_back((index, Arc::clone(&window)));
        Ok(window)
    }

    /// Brings a range into memory, or tells that it cannot be.
    fn fault_in(&self, window: &Mmap, start: usize, len: usize) -> Result<(), Errno> {
        if !self.populate {
            return Ok(());
        }
        while let Err(error) = window.advise_range(Advice::PopulateRead, start, len) {
            match errno(&error) {
                Errno::INTR | Errno::AGAIN => {}
                // EFAULT where a page cannot be read, EHWPOISON where the memory under it is bad.
                _ => return Err(Errno::IO),
            }
        }
        Ok(())
    }
}

/// Whether `MADV_POPULATE_READ` fails for a page that cannot be read. It came with Linux 5.14, but
/// before 6.9 it tries such a page again for ever.
fn populate_gives_up(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (6, 9),
        _ => false,
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, SeekFrom};

    use super::*;

    /// A sparse file with a byte of its own at each of the offsets.
    fn source(size: u64, marks: &[u64]) -> (Reader, File) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        for (mark, offset) in (1..).zip(marks) {
            file.write_all_at(&[mark], *offset).unwrap();
        }
        let path = "/dev/test".into();
        (
            Reader::new(Source {
                file: file.try_clone().unwrap(),
                path,
                size,
            }),
            file,
        )
    }

    /// The bytes as a system call sees them, which is how they leave the program.
    fn written(chunk: &Chunk) -> Vec<u8> {
        let mut sink = tempfile::tempfile().unwrap();
        let written = rustix::io::write(&sink, chunk.untouched()).unwrap();
        assert_eq!(written, chunk.untouched().len());
        sink.seek(SeekFrom::Start(0)).unwrap();
        let mut bytes = Vec::new();
        sink.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn old_kernels_are_not_asked_to_populate() {
        for (release, expected) in [
            ("6.1.176", false),
            ("6.1.0-32-amd64", false),
            ("6.8.12", false),
            ("6.9.0-rc1", true),
            ("6.18.44-cloud-amd64", true),
            ("7.0", true),
            ("5.14", false),
            ("", false),
        ] {
            assert_eq!(populate_gives_up(release), expected, "{release}");
        }
    }

    #[test]
    fn reads_are_whole_and_end_at_the_size() {
        let (reader, _file) = source(1000, &[0, 511, 999]);
        assert_eq!(written(&reader.read(0, 1).unwrap()), [1]);
        assert_eq!(written(&reader.read(511, 1).unwrap()), [2]);
        assert_eq!(reader.read(900, 4096).unwrap().untouched().len(), 100);
        assert_eq!(reader.read(1000, 1).unwrap().untouched().len(), 0);
        assert_eq!(reader.read(u64::MAX, 4096).unwrap().untouched().len(), 0);
    }

    #[test]
    fn a_request_may_straddle_windows() {
        let (reader, _file) = source(3 * WINDOW, &[WINDOW - 1, WINDOW, WINDOW + OVERLAP - 2]);
        let chunk = reader.read(WINDOW - 1, 1 << 20).unwrap();
        let bytes = written(&chunk);
        assert_eq!((bytes.len(), bytes[0], bytes[1]), (1 << 20, 1, 2));
        assert_eq!(bytes[bytes.len() - 1], 3);
    }

    #[test]
    fn only_a_few_windows_stay_mapped() {
        let (reader, _file) = source(40 * WINDOW, &[]);
        for index in 0..40 {
            reader.read(index * WINDOW, SMALL + 1).unwrap();
        }
        assert_eq!(reader.windows.lock().unwrap().len(), KEPT);
    }

    #[test]
    fn a_file_cut_under_the_reader_is_an_error_and_no_signal() {
        let (reader, file) = source(1 << 20, &[0]);
        reader.read(0, 1 << 20).unwrap();
        file.set_len(8192).unwrap();
        assert_eq!(written(&reader.read(0, 4096).unwrap())[0], 1);
        for len in [4096, 64 << 10] {
            assert_eq!(reader.read(8192, len).unwrap_err(), Errno::IO);
        }
        assert_eq!(
            reader.read(0, 1 << 20).unwrap_err(),
            Errno::IO,
            "all or nothing"
        );
    }

    #[test]
    fn growth_is_followed_and_shrinking_is_not() {
        let (reader, file) = source(4096, &[]);
        reader.read(0, 4096).unwrap();
        file.set_len(8192).unwrap();
        file.write_all_at(&[9], 8191).unwrap();
        reader.grow(8192);
        assert_eq!(written(&reader.read(8191, 1).unwrap()), [9]);
        reader.grow(4096);
        assert_eq!(reader.size(), 8192);
    }

    #[test]
    fn writes_show_at_once() {
        let (reader, file) = source(1 << 20, &[]);
        for len in [1, SMALL, SMALL + 1, 1 << 20] {
            file.write_all_at(&[0], 0).unwrap();
            assert_eq!(written(&reader.read(0, len).unwrap())[0], 0);
            file.write_all_at(&[6], 0).unwrap();
            assert_eq!(written(&reader.read(0, len).unwrap())[0], 6, "{len} bytes");
        }
    }
}
