//! What a mount serves: its table of files, its open files and their engines.
//!
//! Requests come here as inode numbers and handles and are answered with values and errnos.
//! Nothing here knows how a request is received or answered.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use nightshift_common::escape::Escaped;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::changes;
use crate::changes::store::Store;
use crate::device::{DeviceNumber, Facts, Sysfs};
use crate::engine::copy::Chunk;
use crate::engine::{self, Choice, Engine, Register};
use crate::extents::{self, Extents};
use crate::inode::{Exported, Failure, File, Node, Open, ROOT, Table};
use crate::mtime::Policy;
use crate::refresh::{self, Plan};
use crate::scan::{self, Entry, Found, Scanner, Target};
use crate::sys;

/// How a mount is to behave; fixed for its lifetime.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The directory of devices, absolute.
    pub source: PathBuf,
    /// What of it is exported.
    pub scan: scan::Options,
    /// How modification times are given out.
    pub mtime: Policy,
    /// Which engines may be used.
    pub engine: Choice,
    /// Owner of every file and directory.
    pub uid: u32,
    /// Group of every file and directory.
    pub gid: u32,
    /// Permission bits of files; directories get the search bit where the read bit is.
    pub mode: u16,
    /// Whether holes are reported where the layers below know them.
    pub holes: bool,
    /// Where given modification times are remembered, if the policy remembers any.
    pub state: PathBuf,
}

/// The state of a mount.
#[derive(Debug)]
pub struct Served {
    manner: Manner,
    scanner: Scanner,
    table: RwLock<Arc<Table>>,
    /// Files that are no longer exported but still open, by inode number.
    lingering: Mutex<HashMap<u64, Arc<File>>>,
    handles: RwLock<HashMap<u64, Handle>>,
    next_handle: AtomicU64,
    /// What directories show: when the source was last looked at, or where times are remembered,
    /// when last something was given a new one.
    refreshed: Mutex<SystemTime>,
    closing: AtomicBool,
    /// Whether the kernel agreed to pass reads through.
    passthrough: AtomicBool,
    /// What [`Policy::Changed`] has given out.
    store: Option<Mutex<Store>>,
    /// Notified when the last open file is closed.
    quiet: Condvar,
    open_files: Mutex<usize>,
}

#[derive(Clone, Debug)]
struct Handle {
    file: Arc<File>,
    open: Arc<Open>,
}

/// What `stat` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Inode number.
    pub inode: u64,
    /// Whether it is a directory.
    pub directory: bool,
    /// In bytes.
    pub size: u64,
    /// In units of 512 bytes.
    pub blocks: u64,
    /// Of modification, change and access alike.
    pub mtime: SystemTime,
    /// Permission bits.
    pub mode: u16,
    /// Links; a directory has one from each directory in it.
    pub links: u32,
}

/// What is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// `SEEK_DATA`.
    Data,
    /// `SEEK_HOLE`.
    Hole,
}

/// What the kernel must be told to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalidation {
    /// Attributes and cached pages of an inode.
    Inode(u64),
    /// A name in a directory.
    Entry {
        /// Number of the directory.
        parent: u64,
        /// The name.
        name: OsString,
    },
}

impl Served {
    /// Scans the source for the first time; returns what was found as well.
    pub fn new(manner: Manner, scanner: Scanner) -> io::Result<(Self, Plan, Vec<Entry>)> {
        let now = SystemTime::now();
        let entries = scanner.scan(&manner.source, &manner.scan)?;
        let mut plan = refresh::plan(&[], entries.clone(), manner.mtime, now);
        let remembers = manner.mtime == Policy::Changed;
        let store = remembers.then(|| Mutex::new(Store::open(manner.state.clone())));
        let refreshed = match &store {
            Some(store) => give_times(&mut plan, &mut lock(store), &manner.source, &scanner.sysfs),
            None => now,
        };
        let served = Self {
            scanner,
            table: RwLock::new(Arc::new(Table::build(plan.exports.clone(), None))),
            lingering: Mutex::default(),
            handles: RwLock::default(),
            next_handle: AtomicU64::new(1),
            refreshed: Mutex::new(refreshed),
            closing: AtomicBool::new(false),
            passthrough: AtomicBool::new(false),
            store,
            quiet: Condvar::new(),
            open_files: Mutex::new(0),
            manner,
        };
        Ok((served, plan, entries))
    }

    /// How the mount behaves.
    pub fn manner(&self) -> &Manner {
        &self.manner
    }

    /// The kernel agreed to pass reads through.
    pub fn allow_passthrough(&self) {
        self.passthrough.store(true, Ordering::Relaxed);
    }

    /// The present table.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What `stat` shows for an inode.
    pub fn attributes(&self, inode: u64) -> Result<Attributes, Errno> {
        match self.table().node(inode) {
            Some(node) => Ok(self.attributes_of(node)),
            None => lock(&self.lingering)
                .get(&inode)
                .map(|file| self.attributes_of(&Node::File(Arc::clone(file))))
                .ok_or(Errno::STALE),
        }
    }

    /// The same for a node at hand.
    pub fn attributes_of(&self, node: &Node) -> Attributes {
        match node {
            Node::Directory(directory) => Attributes {
                inode: directory.inode,
                directory: true,
                size: 0,
                blocks: 0,
                mtime: *lock(&self.refreshed),
                mode: self.manner.mode | (self.manner.mode & 0o444) >> 2,
                links: 2,
            },
            Node::File(file) => {
                let (size, mtime) = self.size_and_mtime(file);
                let blocks = if self.manner.holes {
                    extents::blocks(file.exported().found.facts.as_ref(), size)
                } else {
                    size.div_ceil(512)
                };
                Attributes {
                    inode: file.inode,
                    directory: false,
                    size,
                    blocks,
                    mtime,
                    mode: self.manner.mode,
                    links: 1,
                }
            }
        }
    }

    fn size_and_mtime(&self, file: &File) -> (u64, SystemTime) {
        let exported = file.exported();
        let open = file.current();
        let size = match &open {
            // What is open must not change its size downwards under its readers.
            Some(open) => {
                if let Some(size) = self.size_now(&open.found) {
                    open.engine.grow(size);
                }
                open.engine.size()
            }
            None => self
                .size_now(&exported.found)
                .unwrap_or(exported.found.size),
        };
        let mtime = match (self.manner.mtime, &open) {
            (Policy::Now, Some(open)) => open.since,
            (Policy::Now, None) => SystemTime::now(),
            _ => exported.mtime,
        };
        (size, mtime)
    }

    /// The size at this moment of what was found earlier; nothing when it is gone or when
    /// something else has its number.
    fn size_now(&self, found: &Found) -> Option<u64> {
        let (Target::Device(number), Some(known)) = (found.target, &found.facts) else {
            return None;
        };
        let (size, diskseq) = self.scanner.sysfs.size_and_diskseq(number).ok()?;
        (diskseq == known.diskseq && size > 0).then_some(size)
    }

    fn facts_now(&self, found: &Found) -> Option<Facts> {
        match found.target {
            Target::Device(number) => self.scanner.sysfs.facts(number).ok(),
            Target::File { .. } => None,
        }
    }

    /// Opens a file; the handle is given back by [`Served::release`].
    pub fn open(&self, inode: u64, register: Register<'_>) -> Result<(u64, Arc<Open>), Errno> {
        if self.closing.load(Ordering::Relaxed) {
            return Err(Errno::SHUTDOWN);
        }
        let file = self.table().file(inode).ok_or(Errno::STALE)?;
        let exported = file.exported();
        let mut slot = file.slot();
        if let Some(open) = slot.current() {
            let file = Escaped::path(&exported.path);
            if !same_device(&open.found, &exported.found) {
                // All opens of an inode share what is open, and that is another disk.
                tracing::warn!(%file, "still open on the device that was there before");
                return Err(Errno::STALE);
            }
            // Whoever closes a file and opens it again often finds it open still, because the
            // kernel tells of a close only after close(2) has returned. Its new bytes must show.
            if let Err(errno) = open.engine.freshen() {
                tracing::warn!(%file, "may show old content: {errno}");
            }
        }
        let open = slot.acquire(|| self.open_device(&exported, register))?;
        file.counters.fell_back(open.engine.reason());
        drop(slot);
        *lock(&self.open_files) += 1;
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let entry = Handle {
            file,
            open: Arc::clone(&open),
        };
        self.handles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(handle, entry);
        Ok((handle, open))
    }

    fn open_device(&self, exported: &Exported, register: Register<'_>) -> Result<Open, Errno> {
        let path = self.manner.source.join(&exported.path);
        if self
            .facts_now(&exported.found)
            .is_some_and(|facts| facts.suspended)
        {
            // Whoever touches it waits until it is resumed, and that would be one of the few
            // threads that serve the others too.
            tracing::warn!("{} is suspended by device-mapper", Escaped::path(&path));
            return Err(Errno::BUSY);
        }
        let (file, size) = open_found(&path, &exported.found).inspect_err(|errno| {
            let path = Escaped::path(&path);
            match *errno {
                Errno::STALE => tracing::warn!(
                    hint = "tell blockfuse to look again: `blockfuse refresh MOUNTPOINT`",
                    "another device has taken the place of {path}"
                ),
                errno => tracing::info!("cannot open {path}: {errno}"),
            }
        })?;
        let extents = match (exported.found.target, &exported.found.facts) {
            (Target::Device(number), Some(facts)) if self.manner.holes => {
                Extents::of(&file, number, facts)
            }
            _ => Extents::Unknown,
        };
        let source = engine::Source { file, path, size };
        let passthrough = self.passthrough.load(Ordering::Relaxed);
        let register = passthrough.then_some(register);
        let engine = Engine::open(self.manner.engine, source, &extents, register)?;
        tracing::debug!(
            file = %Escaped::path(&exported.path),
            engine = engine.name(),
            "opened"
        );
        Ok(Open {
            engine,
            extents,
            found: exported.found.clone(),
            since: SystemTime::now(),
        })
    }

    /// Gives a handle back; the last one of a file closes the device.
    pub fn release(&self, handle: u64) {
        let removed = self
            .handles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&handle);
        let Some(Handle { file, open }) = removed else {
            return;
        };
        drop(open);
        let mut slot = file.slot();
        // Dropped under the lock: the device is closed before the file can be opened anew.
        let last = slot.release();
        let closed = last.is_some();
        drop(last);
        drop(slot);
        if closed {
            tracing::debug!(file = %Escaped::path(&file.exported().path), "closed");
            let exported = self
                .table()
                .file(file.inode)
                .is_some_and(|now| Arc::ptr_eq(&now, &file));
            if !exported {
                lock(&self.lingering).remove(&file.inode);
            }
        }
        let mut open_files = lock(&self.open_files);
        *open_files -= 1;
        if *open_files == 0 {
            self.quiet.notify_all();
        }
    }

    /// Reads through the daemon: a range ready to be given to the kernel.
    pub fn read(&self, handle: u64, offset: u64, length: u32) -> Result<Chunk, Errno> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        let Handle { file, open } = handles.get(&handle).cloned().ok_or(Errno::BADF)?;
        drop(handles);
        match open.engine.read(offset, length) {
            Ok(chunk) => {
                let bytes = chunk.untouched().len() as u64;
                file.counters.bytes_read.fetch_add(bytes, Ordering::Relaxed);
                Ok(chunk)
            }
            Err(errno) => {
                let time = SystemTime::now();
                let count = file.counters.failed(Failure {
                    offset,
                    length,
                    errno,
                    time,
                });
                // A dying disk fails thousands of times. The powers of two tell as much.
                if count.is_power_of_two() {
                    tracing::warn!(
                        file = %Escaped::path(&file.exported().path),
                        offset, length, errors = count,
                        "cannot read: {errno}"
                    );
                }
                Err(errno)
            }
        }
    }

    /// The next data or hole at or after `offset`, as lseek(2) defines them.
    pub fn seek(&self, handle: u64, offset: u64, what: Seek) -> Result<u64, Errno> {
        let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        let Handle { open, .. } = handles.get(&handle).cloned().ok_or(Errno::BADF)?;
        drop(handles);
        let size = open.engine.size();
        if offset >= size {
            return Err(Errno::NXIO);
        }
        let device = open.engine.device();
        let found = match what {
            Seek::Data => open.extents.data_from(device, offset, size),
            Seek::Hole => open.extents.hole_from(device, offset, size).map(Some),
        };
        match found {
            Ok(found) => found.ok_or(Errno::NXIO),
            Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }

    /// Looks at the source again; returns what was found and what the kernel must forget.
    pub fn refresh(&self) -> io::Result<(Plan, Vec<Invalidation>)> {
        let now = SystemTime::now();
        let old = self.table();
        let known: Vec<_> = old.files().iter().map(|file| file.exported()).collect();
        if self.manner.mtime == Policy::Refresh {
            // The counters move when dirty pages are written back, not when they are dirtied.
            for exported in known.iter().filter(|known| known.found.facts.is_some()) {
                changes::probe::write_back(&self.manner.source, exported, &self.scanner.sysfs);
            }
        }
        let entries = self.scanner.scan(&self.manner.source, &self.manner.scan)?;
        let mut plan = refresh::plan(&known, entries, self.manner.mtime, now);
        let refreshed = match &self.store {
            Some(store) => {
                let mut store = lock(store);
                give_times(
                    &mut plan,
                    &mut store,
                    &self.manner.source,
                    &self.scanner.sysfs,
                )
            }
            None => now,
        };
        let mut lingering = lock(&self.lingering);
        let mut new = Table::build(plan.exports.clone(), Some(&old));
        // A name that went and came back while its file was open: to the kernel it is one inode
        // all the time, and its opens must go on sharing one engine.
        new.adopt(|inode| lingering.remove(&inode));
        let new = Arc::new(new);
        for file in old.files() {
            if new.file(file.inode).is_none() && file.slot().users() > 0 {
                lingering.insert(file.inode, Arc::clone(file));
            }
        }
        drop(lingering);
        *lock(&self.refreshed) = refreshed;
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        for file in new.files() {
            if let Some(open) = file.current()
                && let Err(errno) = open.engine.freshen()
            {
                let path = file.exported().path;
                tracing::warn!(file = %Escaped::path(&path), "may show old content: {errno}");
            }
        }
        let invalidations = invalidations(&plan, &old, &new);
        Ok((plan, invalidations))
    }

    /// Refuses opens from now on.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Waits until nothing is open, but not longer than `limit`; says whether nothing is.
    pub fn wait_until_quiet(&self, limit: Duration) -> bool {
        let open_files = lock(&self.open_files);
        let waited = self
            .quiet
            .wait_timeout_while(open_files, limit, |count| *count > 0);
        let (open_files, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *open_files == 0
    }

    /// Whether what a file stands for is gone from the system.
    pub fn is_gone(&self, found: &Found) -> bool {
        match found.target {
            Target::Device(_) => self.size_now(found).is_none(),
            Target::File { .. } => false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these with half a change made.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces the times of a plan by those that [`Policy::Changed`] gives, and remembers them before
/// anybody can see them.
///
/// Returns the latest of them, so that the directory of files that did not change does not change.
fn give_times(plan: &mut Plan, store: &mut Store, source: &Path, sysfs: &Sysfs) -> SystemTime {
    for exported in &mut plan.exports {
        let path = source.join(&exported.path);
        let key = match exported.found.target {
            Target::Device(number) => changes::probe::key(&path, number, sysfs),
            Target::File { .. } => changes::probe::file_key(&path),
        };
        let name = exported.path.as_os_str().as_bytes();
        exported.mtime = store.give(name, key, SystemTime::now());
    }
    if let Err(error) = store.save() {
        let error = nightshift_common::error::chain(&error);
        tracing::warn!("the next mount will take every device for changed: {error}");
    }
    let times = plan.exports.iter().map(|exported| exported.mtime);
    times.max().unwrap_or_else(SystemTime::now)
}

/// Whether two looks at a name saw the same thing, attached the same time.
fn same_device(a: &Found, b: &Found) -> bool {
    let diskseq = |found: &Found| found.facts.as_ref().and_then(|facts| facts.diskseq);
    a.target == b.target && a.identity == b.identity && diskseq(a) == diskseq(b)
}

/// Opens what the scan found at `path` and tells its size in bytes.
///
/// It must still be the same: a name can lead elsewhere by now, and whoever asked for a volume
/// must never get another one's bytes. The name is resolved once, without opening anything, and
/// what it led to is what is then opened; so a pipe put there cannot block us either.
fn open_found(path: &Path, found: &Found) -> Result<(fs::File, u64), Errno> {
    let located = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = rustix::fs::fstat(&located)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let target = match kind {
        FileType::BlockDevice => Target::Device(DeviceNumber::from(stat.st_rdev)),
        FileType::RegularFile => Target::File {
            filesystem: stat.st_dev,
            inode: stat.st_ino,
        },
        _ => return Err(Errno::STALE),
    };
    if target != found.target {
        return Err(Errno::STALE);
    }
    let through = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&located)
    );
    let file = rustix::fs::open(through, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let size = match found.target {
        Target::File { .. } => rustix::fs::fstat(&file)?.st_size.cast_unsigned(),
        Target::Device(_) => {
            let known = found.facts.as_ref().and_then(|facts| facts.diskseq);
            // Kernels before 5.15 have no such number; then there is nothing to compare either.
            if let (Some(known), Ok(now)) = (known, sys::disk_sequence(&file))
                && known != now
            {
                return Err(Errno::STALE);
            }
            sys::block_size_bytes(&file)?
        }
    };
    if size == 0 {
        return Err(Errno::NOMEDIUM);
    }
    Ok((fs::File::from(file), size))
}

fn invalidations(plan: &Plan, old: &Table, new: &Table) -> Vec<Invalidation> {
    let mut list: Vec<_> = new
        .files()
        .iter()
        .map(|file| Invalidation::Inode(file.inode))
        .collect();
    list.push(Invalidation::Inode(ROOT));
    for path in plan.went.iter().chain(&plan.replaced).chain(&plan.came) {
        let mut path = path.as_path();
        // A name that came or went may have brought or taken its directories.
        while let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            if let Some(parent) = old.directory_number(parent) {
                let entry = Invalidation::Entry {
                    parent,
                    name: name.to_owned(),
                };
                if !list.contains(&entry) {
                    list.push(entry);
                }
            }
            path = parent;
            if path.as_os_str().as_bytes().is_empty() {
                break;
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_register(_: std::os::fd::BorrowedFd<'_>) -> io::Result<fuser::BackingId> {
        Err(io::Error::from(Errno::NOTTY))
    }

    /// A mount of regular files, which need no privilege.
    fn served(dir: &Path, mtime: Policy) -> Served {
        let manner = Manner {
            source: dir.to_owned(),
            scan: scan::Options {
                include_files: true,
                ..scan::Options::default()
            },
            mtime,
            engine: Choice::Copy,
            uid: 0,
            gid: 0,
            mode: 0o440,
            holes: true,
            state: dir.join("state"),
        };
        Served::new(manner, Scanner::default()).unwrap().0
    }

    fn write(path: &Path, bytes: &[u8]) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's own file need not be atomic"
        )]
        fs::write(path, bytes).unwrap();
    }

    fn inode(served: &Served, name: &str) -> u64 {
        match served.table().lookup(ROOT, name.as_ref()).unwrap() {
            Node::File(file) => file.inode,
            Node::Directory(directory) => directory.inode,
        }
    }

    #[test]
    fn opens_share_one_engine_and_the_last_release_closes() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &[1; 100]);
        let served = served(dir.path(), Policy::Mount);
        let inode = inode(&served, "a");
        let (first, one) = served.open(inode, &no_register).unwrap();
        let (second, two) = served.open(inode, &no_register).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        drop((one, two));
        assert_eq!(served.read(first, 90, 4096).unwrap().untouched().len(), 10);
        served.release(first);
        assert_eq!(served.read(first, 0, 1).unwrap_err(), Errno::BADF);
        assert!(!served.wait_until_quiet(Duration::ZERO));
        served.release(second);
        assert!(served.wait_until_quiet(Duration::ZERO));
        assert_eq!(served.table().file(inode).unwrap().slot().users(), 0);
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("a");
        write(&name, &[1; 100]);
        let served = served(dir.path(), Policy::Mount);
        let inode = inode(&served, "a");
        let other = dir.path().join("b");
        write(&other, &[2; 100]);
        fs::rename(&other, &name).unwrap();
        assert_eq!(served.open(inode, &no_register).unwrap_err(), Errno::STALE);
        fs::remove_file(&name).unwrap();
        assert_eq!(served.open(inode, &no_register).unwrap_err(), Errno::NOENT);
        rustix::fs::mknodat(rustix::fs::CWD, &name, FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(
            served.open(inode, &no_register).unwrap_err(),
            Errno::STALE,
            "and no blocking"
        );
    }

    #[test]
    fn a_refresh_moves_times_and_lists_what_to_forget() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &[1; 100]);
        write(&dir.path().join("b"), &[1; 100]);
        let served = served(dir.path(), Policy::Mount);
        let (a, b) = (inode(&served, "a"), inode(&served, "b"));
        let before = served.attributes(a).unwrap();
        let (handle, _) = served.open(b, &no_register).unwrap();
        fs::remove_file(dir.path().join("b")).unwrap();
        write(&dir.path().join("c"), &[1; 100]);
        let (plan, invalidations) = served.refresh().unwrap();
        assert_eq!((plan.came, plan.went), (vec!["c".into()], vec!["b".into()]));
        assert!(served.attributes(a).unwrap().mtime > before.mtime);
        assert_eq!(served.attributes(a).unwrap().inode, before.inode);
        for name in ["b", "c"] {
            let entry = Invalidation::Entry {
                parent: ROOT,
                name: name.into(),
            };
            assert!(invalidations.contains(&entry), "{invalidations:?}");
        }
        assert!(invalidations.contains(&Invalidation::Inode(a)));
        // Whoever has it open can still read it and stat it.
        assert_eq!(served.attributes(b).unwrap().size, 100);
        assert_eq!(served.read(handle, 0, 100).unwrap().untouched().len(), 100);
        served.release(handle);
        assert_eq!(served.attributes(b).unwrap_err(), Errno::STALE);
    }

    #[test]
    fn now_stands_still_while_the_file_is_open() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &[1; 100]);
        let served = served(dir.path(), Policy::Now);
        let inode = inode(&served, "a");
        let idle = served.attributes(inode).unwrap().mtime;
        assert!(served.attributes(inode).unwrap().mtime > idle);
        let (handle, _) = served.open(inode, &no_register).unwrap();
        let open = served.attributes(inode).unwrap().mtime;
        assert_eq!(served.attributes(inode).unwrap().mtime, open);
        served.release(handle);
        assert!(served.attributes(inode).unwrap().mtime > open);
    }

    #[test]
    fn directories_can_be_searched_by_whoever_can_read_files() {
        let dir = tempfile::tempdir().unwrap();
        let served = served(dir.path(), Policy::Mount);
        assert_eq!(served.attributes(ROOT).unwrap().mode, 0o550);
        assert!(served.attributes(ROOT).unwrap().directory);
    }

    #[test]
    fn closing_refuses_opens() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a"), &[1; 100]);
        let served = served(dir.path(), Policy::Mount);
        served.close();
        let error = served.open(inode(&served, "a"), &no_register).unwrap_err();
        assert_eq!(error, Errno::SHUTDOWN);
    }
}
