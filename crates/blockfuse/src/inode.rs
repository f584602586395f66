//! Names, inode numbers and the state of each exported file.
//!
//! An inode number is a hash of the exported path and the device's identity, so that it is the
//! same after a remount and does not depend on what else is in the directory. A file is idle or
//! open with one engine; who opens it while it is open shares that engine.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use rustix::io::Errno;

use crate::device::Identity;
use crate::engine::{Engine, Fallback};
use crate::extents::Extents;
use crate::scan::Found;

/// The root directory's number, fixed by the FUSE protocol.
pub const ROOT: u64 = 1;

/// What is known about an exported file from the last scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Path below the mount point, and below the source.
    pub path: PathBuf,
    /// What is behind it.
    pub found: Found,
    /// What the file shows, unless the policy says `now`.
    pub mtime: SystemTime,
}

/// An exported file.
#[derive(Debug)]
pub struct File {
    /// Its number, for as long as the mount lives.
    pub inode: u64,
    exported: RwLock<Exported>,
    slot: Mutex<Slot<Open>>,
    /// How often and with what result it was read.
    pub counters: Counters,
}

/// An engine together with what it was opened on.
#[derive(Debug)]
pub struct Open {
    /// Serves the reads.
    pub engine: Engine,
    /// Where the device is surely zero.
    pub extents: Extents,
    /// What the name led to when it was opened.
    pub found: Found,
    /// When.
    pub since: SystemTime,
}

/// Nothing, or something shared by its users and dropped by the last.
#[derive(Debug)]
pub enum Slot<T> {
    /// Nobody uses it.
    Idle,
    /// In use.
    Used {
        /// What is shared.
        shared: Arc<T>,
        /// By how many, at least one.
        users: u64,
    },
}

impl<T> Slot<T> {
    /// One more user; the first one makes the thing.
    pub fn acquire<E>(&mut self, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        match self {
            Self::Idle => {
                let shared = Arc::new(make()?);
                *self = Self::Used {
                    shared: Arc::clone(&shared),
                    users: 1,
                };
                Ok(shared)
            }
            Self::Used { shared, users } => {
                *users += 1;
                Ok(Arc::clone(shared))
            }
        }
    }

    /// One user less; the last one takes the thing along.
    pub fn release(&mut self) -> Option<Arc<T>> {
        match std::mem::replace(self, Self::Idle) {
            Self::Idle => None,
            Self::Used { shared, users: 1 } => Some(shared),
            Self::Used { shared, users } => {
                *self = Self::Used {
                    shared,
                    users: users - 1,
                };
                None
            }
        }
    }

    /// What is shared, if it is in use.
    pub fn current(&self) -> Option<&Arc<T>> {
        match self {
            Self::Idle => None,
            Self::Used { shared, .. } => Some(shared),
        }
    }

    /// How many use it.
    pub fn users(&self) -> u64 {
        match self {
            Self::Idle => 0,
            Self::Used { users, .. } => *users,
        }
    }
}

impl File {
    fn new(inode: u64, exported: Exported) -> Self {
        Self {
            inode,
            exported: RwLock::new(exported),
            slot: Mutex::new(Slot::Idle),
            counters: Counters::default(),
        }
    }

    /// What the last scan found.
    pub fn exported(&self) -> Exported {
        self.exported
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn update(&self, exported: Exported) {
        *self
            .exported
            .write()
            .unwrap_or_else(PoisonError::into_inner) = exported;
    }

    /// What is open, without waiting: while a slow device is being opened there is nothing yet.
    pub fn current(&self) -> Option<Arc<Open>> {
        self.slot.try_lock().ok()?.current().cloned()
    }

    /// The state, locked: opening and closing one file exclude each other, different files do not.
    pub fn slot(&self) -> MutexGuard<'_, Slot<Open>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happened to a file since the mount.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes that the copy engine handed out.
    pub bytes_read: AtomicU64,
    /// Reads that failed.
    pub errors: AtomicU64,
    last: Mutex<Remembered>,
}

#[derive(Clone, Debug, Default)]
struct Remembered {
    failure: Option<Failure>,
    fallback: Option<Fallback>,
}

/// A failed read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In bytes.
    pub offset: u64,
    /// In bytes.
    pub length: u32,
    /// What the reader got.
    pub errno: Errno,
    /// When.
    pub time: SystemTime,
}

impl Counters {
    /// Notes a failed read and returns how many there were, this one included.
    pub fn failed(&self, failure: Failure) -> u64 {
        self.last().failure = Some(failure);
        self.errors.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The latest failed read.
    pub fn last_failure(&self) -> Option<Failure> {
        self.last().failure
    }

    /// Notes why the copy engine was used.
    pub fn fell_back(&self, reason: Option<&Fallback>) {
        self.last().fallback = reason.cloned();
    }

    /// Why the copy engine was used at the latest open.
    pub fn last_fallback(&self) -> Option<Fallback> {
        self.last().fallback.clone()
    }

    fn last(&self) -> MutexGuard<'_, Remembered> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory of the mount.
#[derive(Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its number.
    pub inode: u64,
    /// That of the directory above; the root is above itself.
    pub parent: u64,
    /// What is in it, by name in byte order.
    pub children: BTreeMap<OsString, u64>,
}

/// One thing in the mount.
#[derive(Clone, Debug)]
pub enum Node {
    /// A directory.
    Directory(Arc<Directory>),
    /// A file.
    File(Arc<File>),
}

/// Everything in the mount at one moment. A refresh makes a new one.
#[derive(Debug)]
pub struct Table {
    nodes: HashMap<u64, Node>,
    files: Vec<Arc<File>>,
}

impl Table {
    /// Builds the table of what a scan found, given in byte order of the paths.
    ///
    /// A file of `old` whose number comes up again stays the same file, with its open engine and
    /// its counters.
    pub fn build(exports: Vec<Exported>, old: Option<&Table>) -> Self {
        let mut taken = HashSet::from([ROOT]);
        let mut directories: BTreeMap<PathBuf, Directory> = BTreeMap::new();
        directories.insert(
            PathBuf::new(),
            Directory {
                inode: ROOT,
                parent: ROOT,
                children: BTreeMap::new(),
            },
        );
        let mut nodes = HashMap::new();
        let mut files = Vec::with_capacity(exports.len());
        for exported in exports {
            let (Some(parent), Some(name)) = (exported.path.parent(), exported.path.file_name())
            else {
                continue;
            };
            let inode = free_number(
                number_of(&exported.path, &exported.found.identity),
                &mut taken,
            );
            let name = name.to_owned();
            ensure_directory(parent, &mut directories, &mut taken)
                .children
                .insert(name, inode);
            let file = match old.and_then(|old| old.file(inode)) {
                Some(known) => {
                    known.update(exported);
                    known
                }
                None => Arc::new(File::new(inode, exported)),
            };
            nodes.insert(inode, Node::File(Arc::clone(&file)));
            files.push(file);
        }
        for directory in directories.into_values() {
            nodes.insert(directory.inode, Node::Directory(Arc::new(directory)));
        }
        Self { nodes, files }
    }

    /// Puts files that are known already into the places of new ones with the same number.
    pub fn adopt(&mut self, mut known: impl FnMut(u64) -> Option<Arc<File>>) {
        for file in &mut self.files {
            if let Some(known) = known(file.inode) {
                known.update(file.exported());
                self.nodes
                    .insert(known.inode, Node::File(Arc::clone(&known)));
                *file = known;
            }
        }
    }

    /// The thing with this number.
    pub fn node(&self, inode: u64) -> Option<&Node> {
        self.nodes.get(&inode)
    }

    /// The file with this number.
    pub fn file(&self, inode: u64) -> Option<Arc<File>> {
        match self.nodes.get(&inode)? {
            Node::File(file) => Some(Arc::clone(file)),
            Node::Directory(_) => None,
        }
    }

    /// What is called `name` in the directory `parent`.
    pub fn lookup(&self, parent: u64, name: &OsStr) -> Result<&Node, Errno> {
        match self.nodes.get(&parent) {
            Some(Node::Directory(directory)) => directory
                .children
                .get(name)
                .and_then(|inode| self.nodes.get(inode))
                .ok_or(Errno::NOENT),
            Some(Node::File(_)) => Err(Errno::NOTDIR),
            None => Err(Errno::STALE),
        }
    }

    /// The number of the directory at `path` below the mount point.
    pub fn directory_number(&self, path: &Path) -> Option<u64> {
        path.iter()
            .try_fold(ROOT, |inode, name| match self.lookup(inode, name).ok()? {
                Node::Directory(directory) => Some(directory.inode),
                Node::File(_) => None,
            })
    }

    /// All files in byte order of their paths.
    pub fn files(&self) -> &[Arc<File>] {
        &self.files
    }
}

fn ensure_directory<'a>(
    path: &Path,
    directories: &'a mut BTreeMap<PathBuf, Directory>,
    taken: &mut HashSet<u64>,
) -> &'a mut Directory {
    let missing = !directories.contains_key(path);
    if missing && let (Some(above), Some(name)) = (path.parent(), path.file_name()) {
        let inode = free_number(number_of(path, &Identity::name(OsStr::new("/"))), taken);
        let above = ensure_directory(above, directories, taken);
        above.children.insert(name.to_owned(), inode);
        let directory = Directory {
            inode,
            parent: above.inode,
            children: BTreeMap::new(),
        };
        directories.insert(path.to_owned(), directory);
    }
    // The root is put in before anything else, and every other path has a parent and a name.
    directories
        .entry(path.to_owned())
        .or_insert_with(|| Directory {
            inode: ROOT,
            parent: ROOT,
            children: BTreeMap::new(),
        })
}

fn number_of(path: &Path, identity: &Identity) -> u64 {
    let path = path.as_os_str().as_bytes();
    // No path holds a NUL, so the two parts cannot run into each other.
    let bytes = path
        .iter()
        .chain(&[0])
        .chain(identity.as_os_str().as_bytes());
    stable_hash(bytes.copied())
}

/// FNV-1a. The standard library's hasher may change between releases, and these numbers are
/// compared by backup tools from one month to the next.
pub(crate) fn stable_hash(bytes: impl Iterator<Item = u8>) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.fold(OFFSET_BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

/// The wanted number, or the next one that is free; 0 means nothing and 1 is the root.
fn free_number(wanted: u64, taken: &mut HashSet<u64>) -> u64 {
    let mut number = wanted.max(ROOT + 1);
    while !taken.insert(number) {
        number = number.wrapping_add(1).max(ROOT + 1);
    }
    number
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;
    use crate::device::DeviceNumber;
    use crate::scan::Target;

    fn export(path: &str, identity: &str) -> Exported {
        Exported {
            path: path.into(),
            found: Found {
                target: Target::Device(DeviceNumber { major: 7, minor: 1 }),
                size: 4096,
                identity: Identity::name(OsStr::new(identity)),
                facts: None,
            },
            mtime: UNIX_EPOCH,
        }
    }

    fn numbers(table: &Table) -> Vec<(PathBuf, u64)> {
        table
            .files()
            .iter()
            .map(|file| (file.exported().path, file.inode))
            .collect()
    }

    #[test]
    fn a_number_depends_on_path_and_identity_and_on_nothing_else() {
        let alone = Table::build(vec![export("b", "1")], None);
        let among = Table::build(
            vec![export("a", "0"), export("b", "1"), export("c", "2")],
            None,
        );
        assert_eq!(numbers(&alone)[0], numbers(&among)[1]);
        let other_identity = Table::build(vec![export("b", "2")], None);
        assert_ne!(numbers(&alone), numbers(&other_identity));
        // Pinned: a change would make every backup tool read everything again.
        assert_eq!(numbers(&alone)[0].1, 0xfac1_96e5_815d_5279);
    }

    #[test]
    fn collisions_and_reserved_numbers_move_to_the_next_free_one() {
        let mut taken = HashSet::from([ROOT, 7, 8]);
        assert_eq!(free_number(7, &mut taken), 9);
        assert_eq!(free_number(0, &mut taken), 2);
        assert_eq!(free_number(1, &mut taken), 3);
        assert_eq!(free_number(u64::MAX, &mut taken), u64::MAX);
        assert_eq!(
            free_number(u64::MAX, &mut taken),
            4,
            "wraps past the reserved numbers"
        );
    }

    #[test]
    fn two_names_of_one_device_are_two_files() {
        let table = Table::build(vec![export("a", "same"), export("b", "same")], None);
        assert_ne!(numbers(&table)[0].1, numbers(&table)[1].1);
    }

    #[test]
    fn trees_have_directories_only_where_files_are() {
        let table = Table::build(vec![export("by-id/x", "1"), export("by-id/y", "2")], None);
        let Node::Directory(sub) = table.lookup(ROOT, OsStr::new("by-id")).unwrap() else {
            panic!("a directory")
        };
        assert_eq!(sub.parent, ROOT);
        assert_eq!(sub.children.len(), 2);
        assert_eq!(table.directory_number(Path::new("by-id")), Some(sub.inode));
        assert_eq!(table.directory_number(Path::new("by-id/x")), None);
        let file = sub.children[OsStr::new("x")];
        let below_a_file = table.lookup(file, OsStr::new("..namedfork")).unwrap_err();
        assert_eq!(below_a_file, Errno::NOTDIR);
        assert_eq!(
            table.lookup(ROOT, OsStr::new("con")).unwrap_err(),
            Errno::NOENT
        );
        assert_eq!(table.lookup(99, OsStr::new("x")).unwrap_err(), Errno::STALE);
    }

    #[test]
    fn a_file_outlives_a_rebuild_with_its_counters() {
        let old = Table::build(vec![export("a", "1"), export("b", "1")], None);
        old.files()[1]
            .counters
            .bytes_read
            .store(5, Ordering::Relaxed);
        let new = Table::build(vec![export("b", "1")], Some(&old));
        assert!(Arc::ptr_eq(&old.files()[1], &new.files()[0]));
        assert_eq!(
            new.files()[0].counters.bytes_read.load(Ordering::Relaxed),
            5
        );
    }

    #[test]
    fn a_file_that_was_kept_is_the_same_when_its_name_comes_back() {
        let before = Table::build(vec![export("a", "1"), export("b", "1")], None);
        let mut after = Table::build(vec![export("a", "1"), export("b", "1")], None);
        let kept = Arc::clone(&before.files()[1]);
        after.adopt(|inode| (inode == kept.inode).then(|| Arc::clone(&kept)));
        assert!(Arc::ptr_eq(&after.files()[1], &kept));
        assert!(Arc::ptr_eq(&after.file(kept.inode).unwrap(), &kept));
        assert!(!Arc::ptr_eq(&after.files()[0], &before.files()[0]));
    }

    #[test]
    fn the_first_user_makes_and_the_last_one_takes_along() {
        let mut slot: Slot<u8> = Slot::Idle;
        assert_eq!(slot.acquire(|| Err::<u8, _>("no")), Err("no"));
        assert_eq!(slot.users(), 0);
        assert_eq!(*slot.acquire(|| Ok::<_, ()>(1)).unwrap(), 1);
        assert_eq!(
            *slot
                .acquire(|| -> Result<u8, ()> { panic!("shared") })
                .unwrap(),
            1
        );
        assert_eq!(slot.users(), 2);
        assert_eq!(slot.release(), None);
        assert_eq!(slot.current().map(|shared| **shared), Some(1));
        assert_eq!(slot.release().map(|last| *last), Some(1));
        assert_eq!(
            slot.release(),
            None,
            "closing what is not open does nothing"
        );
    }

    proptest! {
        #[test]
        fn every_path_is_found_under_its_own_number(
            paths in prop::collection::btree_set("[a-c]{1,2}(/[d-f]{1,2}){0,2}", 0..20),
        ) {
            // A path that is also the directory of another cannot come out of a scan.
            let paths: Vec<_> = paths
                .iter()
                .filter(|path| !paths.iter().any(|other| other.starts_with(&format!("{path}/"))))
                .collect();
            let exports = paths.iter().map(|path| export(path, "same")).collect();
            let table = Table::build(exports, None);
            let distinct: HashSet<_> = table.files().iter().map(|file| file.inode).collect();
            prop_assert_eq!(distinct.len(), paths.len());
            for path in paths {
                let path = Path::new(path);
                let parent = table.directory_number(path.parent().unwrap()).unwrap();
                let node = table.lookup(parent, path.file_name().unwrap()).unwrap();
                let Node::File(file) = node else { panic!("a file") };
                prop_assert_eq!(file.exported().path, path);
            }
        }
    }
}
