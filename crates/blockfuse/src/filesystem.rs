//! The FUSE side: receives requests, asks [`Served`], answers. It decides nothing.
//!
//! Writing requests never get here: the mount is read-only and the kernel answers EROFS.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fuser::{
    FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, ReplyAttr,
    ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek,
    ReplyOpen, ReplyPoll, ReplyStatfs, ReplyXattr, Request,
};
use rustix::io::Errno;

use crate::engine::Fallback;
use crate::inode::{Node, Table};
use crate::served::{Attributes, Seek, Served};

/// How long the kernel may believe an attribute or a name without asking again. A refresh tells
/// it to forget at once; this is for what changes by itself, such as a device that grows.
const LIFETIME: Duration = Duration::from_secs(1);

/// Longest name that a directory entry can have.
const NAME_MAX: u32 = 255;

/// How deep our files lie above those that reads are passed to. With 0 the kernel refuses every
/// backing file; EROFS itself lies on no other file system.
const STACK_DEPTH: u32 = 1;

/// Largest request. The kernel's limit is `fs.fuse.max_pages_limit`, by default 256 pages; the
/// copy engine's windows overlap by as much.
const REQUEST: u32 = 1 << 20;

/// The file system of one mount.
#[derive(Debug)]
pub struct BlockFilesystem {
    served: Arc<Served>,
    /// Directories as they were when they were opened, so that a listing in several requests is
    /// of one moment.
    listings: Mutex<HashMap<u64, Arc<Vec<Listed>>>>,
    next_listing: AtomicU64,
}

#[derive(Clone, Debug)]
struct Listed {
    name: OsString,
    inode: u64,
    /// None for `.` and `..`, whose attributes nobody takes from a listing.
    node: Option<Node>,
    kind: FileType,
}

impl BlockFilesystem {
    /// Answers from `served`.
    pub fn new(served: Arc<Served>) -> Self {
        Self {
            served,
            listings: Mutex::default(),
            next_listing: AtomicU64::new(1),
        }
    }

    fn attributes(&self, attributes: Attributes) -> FileAttr {
        let manner = self.served.manner();
        FileAttr {
            ino: INodeNo(attributes.inode),
            size: attributes.size,
            blocks: attributes.blocks,
            // A device keeps none of these. Backup tools compare ctime as well as mtime, so all
            // three move together.
            atime: attributes.mtime,
            mtime: attributes.mtime,
            ctime: attributes.mtime,
            crtime: attributes.mtime,
            kind: if attributes.directory {
                FileType::Directory
            } else {
                FileType::RegularFile
            },
            perm: attributes.mode,
            nlink: attributes.links,
            uid: manner.uid,
            gid: manner.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    fn listing(&self, handle: FileHandle) -> Option<Arc<Vec<Listed>>> {
        let listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        listings.get(&handle.0).cloned()
    }
}

impl Filesystem for BlockFilesystem {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wanted in [
            InitFlags::FUSE_ASYNC_READ,
            InitFlags::FUSE_MAX_PAGES,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
        ] {
            if let Err(missing) = config.add_capabilities(wanted) {
                tracing::debug!(?missing, "the kernel's FUSE is older than ours");
            }
        }
        let stacking = config
            .add_capabilities(InitFlags::FUSE_PASSTHROUGH)
            .is_ok_and(|()| config.set_max_stack_depth(STACK_DEPTH).is_ok());
        if stacking {
            self.served.allow_passthrough();
        } else {
            tracing::info!(reason = %Fallback::NoPassthrough, "all files use the copy engine");
        }
        // The size of write requests also limits how large a read may be.
        if let Err(nearest) = config.set_max_write(REQUEST) {
            tracing::debug!(nearest, "the kernel wants smaller requests");
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.served.table().lookup(parent.0, name) {
            Ok(node) => {
                let attributes = self.attributes(self.served.attributes_of(node));
                reply.entry(&LIFETIME, &attributes, Generation(0));
            }
            Err(errno) => reply.error(fuse_errno(errno)),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.served.attributes(ino.0) {
            Ok(attributes) => reply.attr(&LIFETIME, &self.attributes(attributes)),
            Err(errno) => reply.error(fuse_errno(errno)),
        }
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = self
            .served
            .open(ino.0, &|fd: BorrowedFd<'_>| reply.open_backing(fd));
        match opened {
            // Without FOPEN_KEEP_CACHE the kernel drops the pages it has of this inode, so every
            // open sees what was written to the device before it.
            Ok((handle, open)) => match open.engine.backing() {
                Some(backing) => {
                    reply.opened_passthrough(FileHandle(handle), FopenFlags::empty(), backing);
                }
                None => reply.opened(FileHandle(handle), FopenFlags::empty()),
            },
            Err(errno) => reply.error(fuse_errno(errno)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.served.read(fh.0, offset, size) {
            Ok(chunk) => reply.data(chunk.untouched()),
            Err(errno) => reply.error(fuse_errno(errno)),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.served.release(fh.0);
        reply.ok();
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let Some(listing) = listing(&self.served.table(), ino.0) else {
            reply.error(fuse_errno(Errno::STALE));
            return;
        };
        let handle = self.next_listing.fetch_add(1, Ordering::Relaxed);
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        listings.insert(handle, Arc::new(listing));
        drop(listings);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let Some(listing) = self.listing(fh) else {
            reply.error(fuse_errno(Errno::BADF));
            return;
        };
        for (next, listed) in from(&listing, offset) {
            if reply.add(INodeNo(listed.inode), next, listed.kind, &listed.name) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let Some(listing) = self.listing(fh) else {
            reply.error(fuse_errno(Errno::BADF));
            return;
        };
        for (next, listed) in from(&listing, offset) {
            let attributes = match &listed.node {
                Some(node) => self.attributes(self.served.attributes_of(node)),
                None => match self.served.attributes(listed.inode) {
                    Ok(attributes) => self.attributes(attributes),
                    // The directory has gone since it was opened; its dots go with it.
                    Err(_) => continue,
                },
            };
            let full = reply.add(
                INodeNo(listed.inode),
                next,
                &listed.name,
                &LIFETIME,
                &attributes,
                Generation(0),
            );
            if full {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.listings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&fh.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        const UNIT: u32 = 512;
        let table = self.served.table();
        let total = table.files().iter().fold(0_u64, |total, file| {
            total.saturating_add(file.exported().found.size.div_ceil(u64::from(UNIT)))
        });
        // Full, to the last byte: nothing can be written here.
        reply.statfs(
            total,
            0,
            0,
            table.files().len() as u64,
            0,
            UNIT,
            NAME_MAX,
            UNIT,
        );
    }

    // ENOSYS is an answer that the kernel remembers: it does by itself from then on what the
    // request asks for (nothing, for flush and fsync), or refuses by itself.

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        // Asked in the kernel engine too. ENOSYS would be remembered for all files.
        let what = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return reply.error(fuser::Errno::EINVAL),
        };
        let Ok(offset) = u64::try_from(offset) else {
            return reply.error(fuser::Errno::ENXIO);
        };
        match self.served.seek(fh.0, offset, what) {
            Ok(found) => reply.offset(found.try_into().unwrap_or(i64::MAX)),
            Err(errno) => reply.error(fuse_errno(errno)),
        }
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(fuser::Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        // A regular file, whatever is behind it: programs that probe for a device must see one.
        reply.error(fuser::Errno::ENOTTY);
    }
}

fn fuse_errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw_os_error())
}

/// A directory's entries, with the two dots first.
fn listing(table: &Table, inode: u64) -> Option<Vec<Listed>> {
    let Some(Node::Directory(directory)) = table.node(inode) else {
        return None;
    };
    let dots = [(".", directory.inode), ("..", directory.parent)].map(|(name, inode)| Listed {
        name: name.into(),
        inode,
        node: None,
        kind: FileType::Directory,
    });
    let children = directory.children.iter().filter_map(|(name, inode)| {
        let node = table.node(*inode)?;
        let kind = match node {
            Node::Directory(_) => FileType::Directory,
            Node::File(_) => FileType::RegularFile,
        };
        Some(Listed {
            name: name.clone(),
            inode: *inode,
            node: Some(node.clone()),
            kind,
        })
    });
    Some(dots.into_iter().chain(children).collect())
}

/// The entries from `offset` on, each with the offset that continues behind it.
fn from(listing: &[Listed], offset: u64) -> impl Iterator<Item = (u64, &Listed)> {
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    (1..).zip(listing).skip(skip)
}
