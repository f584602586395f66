//! An rdiff-backup repository on disk, opened for reading: never a byte of it is written.

use crate::chain::{Link, Mirror};
use crate::error::Error;
use crate::increment::{Name, Type, unquote};
use crate::metadata::{Record, Records, Search};
use jiff::Timestamp;
use rustix::fs::FlockOperation;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The directory that makes a directory a repository.
const DATA: &str = "rdiff-backup-data";

/// Names longer than this may have been too long for their increments, whose names add up to 40
/// bytes; then the metadata of every backup is asked where they are.
const LONG_NAME: usize = 200;

/// An open repository.
#[derive(Debug)]
pub struct Repo {
    root: PathBuf,
    /// Times of all backups, oldest first.
    times: Vec<Timestamp>,
    mirror_time: Timestamp,
    /// Names on disk are quoted.
    quoting: bool,
    metadata: Vec<(Name, PathBuf)>,
    /// Held while we read, where the repository has a lock.
    _lock: Option<File>,
}

/// A file inside a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path components below the root.
    pub components: Vec<OsString>,
    /// The time, if an increment was named.
    pub time: Option<Timestamp>,
}

impl Member {
    /// The path as metadata has it.
    pub fn name(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.components.iter().map(|part| part.as_bytes()).collect();
        parts.join(&b'/')
    }
}

/// An increment of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// The backup whose state it holds, and what it holds.
    pub link: Link,
    /// Packed with gzip.
    pub gzip: bool,
    /// Where it is.
    pub path: PathBuf,
}

/// All that is known of one file.
#[derive(Debug)]
pub struct History {
    /// Its increments, in no particular order.
    pub increments: Vec<Increment>,
    /// What is in the mirror.
    pub mirror: Mirror,
    /// Where that is.
    pub mirror_path: PathBuf,
}

impl Repo {
    /// Opens the repository that `path` leads into, and tells which file is meant.
    pub fn open(path: &Path) -> Result<(Self, Member), Error> {
        let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
        // The path need not exist, so it is resolved by its text.
        let root = absolute
            .ancestors()
            .find(|dir| dir.file_name() != Some(OsStr::new(DATA)) && dir.join(DATA).is_dir())
            .ok_or_else(|| Error::Repository {
                path: path.to_owned(),
                reason: format!("no directory above it contains {DATA}"),
                hint: Some("name the file as REPOSITORY/PATH"),
            })?
            .to_owned();
        let inside = absolute.strip_prefix(&root).unwrap_or(&absolute);
        let mut components = Vec::new();
        for component in inside.components() {
            match component {
                Component::Normal(name) => components.push(name.to_owned()),
                Component::CurDir => {}
                _ => {
                    let reason = "must not contain ..".to_owned();
                    return Err(Error::Usage {
                        path: path.to_owned(),
                        reason,
                    });
                }
            }
        }
        let repo = Self::read(&root)?;
        let member = repo.member(components, path)?;
        Ok((repo, member))
    }

    fn read(root: &Path) -> Result<Self, Error> {
        let data = root.join(DATA);
        let lock = lock(&data)?;
        let quoting = match std::fs::read(data.join("chars_to_quote")) {
            Ok(content) => !content.is_empty(),
            Err(_) => false,
        };
        let (mut times, mut mirrors, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
        for entry in std::fs::read_dir(&data).map_err(Error::io("list", &data))? {
            let entry = entry.map_err(Error::io("list", &data))?;
            let Some(name) = Name::parse(&unquote_if(quoting, &entry.file_name())) else {
                continue;
            };
            match (name.base.as_bytes(), name.kind) {
                (b"current_mirror", Type::Data) => mirrors.push((name.time, entry.path())),
                (b"increments", Type::Dir) => times.push(name.time),
                (b"mirror_metadata", Type::Snapshot | Type::Diff) => {
                    times.push(name.time);
                    metadata.push((name, entry.path()));
                }
                _ => {}
            }
        }
        let mirror_time = match mirrors.as_slice() {
            [(time, _)] => *time,
            [] => {
                return Err(Error::Repository {
                    path: root.to_owned(),
                    reason: "it has no current_mirror marker".to_owned(),
                    hint: None,
                });
            }
            several => return Err(unfinished(root, several)),
        };
        times.push(mirror_time);
        times.sort_unstable();
        times.dedup();
        metadata.sort_by_key(|(name, _)| name.time);
        let root = root.to_owned();
        Ok(Self {
            root,
            times,
            mirror_time,
            quoting,
            metadata,
            _lock: lock,
        })
    }

    /// Which file is meant by a path: one of the mirror, or that of an increment.
    fn member(&self, components: Vec<OsString>, path: &Path) -> Result<Member, Error> {
        let mut components = components;
        let mut time = None;
        if components.first().is_some_and(|first| first == DATA) {
            if components
                .get(1)
                .is_none_or(|second| second != "increments")
            {
                let reason = format!("only what is in {DATA}/increments can be restored");
                return Err(Error::Usage {
                    path: path.to_owned(),
                    reason,
                });
            }
            components.drain(..2);
            if self.quoting {
                components = components.iter().map(|part| unquote(part)).collect();
            }
            if let Some(name) = components.last().and_then(|last| Name::parse(last)) {
                time = Some(name.time);
                components.pop();
                components.push(name.base);
            }
        }
        if components.is_empty() {
            let reason = "names the repository itself; name a file in it".to_owned();
            return Err(Error::Usage {
                path: path.to_owned(),
                reason,
            });
        }
        Ok(Member { components, time })
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Times of all backups, oldest first.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// Time of the newest backup.
    pub fn mirror_time(&self) -> Timestamp {
        self.mirror_time
    }

    /// Gathers what there is of a file.
    pub fn history(&self, member: &Member) -> Result<History, Error> {
        let data = self.root.join(DATA);
        let (last, parents) = match member.components.split_last() {
            Some((last, parents)) => (last.as_os_str(), parents),
            None => (OsStr::new(""), &[][..]),
        };
        let mut dir = Some(data.join("increments"));
        let mut mirror_dir = Some(self.root.clone());
        for parent in parents {
            dir = dir.and_then(|dir| self.child(&dir, parent));
            mirror_dir = mirror_dir.and_then(|dir| self.child(&dir, parent));
        }
        let mut increments = Vec::new();
        if let Some(dir) = dir {
            self.collect(&dir, last, &mut increments)?;
        }
        let mirror_path = mirror_dir.and_then(|dir| self.child(&dir, last));
        let mut mirror_path =
            mirror_path.unwrap_or_else(|| self.root.join(PathBuf::from_iter(&member.components)));
        if last.len() > LONG_NAME {
            let elsewhere = data.join("long_filename_data");
            for (mirror, base) in self.long_names(member)? {
                if let Some(mirror) = mirror {
                    mirror_path = elsewhere.join(OsString::from_vec(mirror));
                }
                if let Some(base) = base {
                    self.collect(&elsewhere, &OsString::from_vec(base), &mut increments)?;
                }
            }
        }
        let mirror = match std::fs::symlink_metadata(&mirror_path) {
            Ok(found) if found.is_file() => Mirror::File,
            Ok(found) if found.is_dir() => Mirror::Dir,
            Ok(_) => Mirror::Other,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Mirror::Absent,
            // A parent is not a directory any more, or the name is too long to exist.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ENOTDIR | libc::ENAMETOOLONG)
                ) =>
            {
                Mirror::Absent
            }
            Err(error) => return Err(Error::io("inspect", &mirror_path)(error)),
        };
        Ok(History {
            increments,
            mirror,
            mirror_path,
        })
    }

    /// The entry of `dir` whose name means `name`.
    fn child(&self, dir: &Path, name: &OsStr) -> Option<PathBuf> {
        if !self.quoting {
            return Some(dir.join(name));
        }
        let mut entries = std::fs::read_dir(dir).ok()?.flatten();
        entries
            .find(|entry| unquote(&entry.file_name()) == name)
            .map(|entry| entry.path())
    }

    fn collect(&self, dir: &Path, base: &OsStr, list: &mut Vec<Increment>) -> Result<(), Error> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(());
            }
            Err(error) => return Err(Error::io("list", dir)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("list", dir))?;
            let Some(name) = Name::parse(&unquote_if(self.quoting, &entry.file_name())) else {
                continue;
            };
            if name.base == base && name.kind != Type::Data {
                let link = Link {
                    time: name.time,
                    kind: name.kind,
                };
                let increment = Increment {
                    link,
                    gzip: name.gzip,
                    path: entry.path(),
                };
                // Two records may point to one alternate name.
                if !list.contains(&increment) {
                    list.push(increment);
                }
            }
        }
        Ok(())
    }

    /// The metadata record of a file at a recorded time.
    pub fn record(&self, member: &Member, at: Timestamp) -> Result<Option<Record>, Error> {
        let mut search = Search::new(member.name());
        for (name, path) in self.metadata.iter().filter(|(name, _)| name.time >= at) {
            let last = name.kind == Type::Snapshot;
            for record in records(path, name.gzip)? {
                search.add(record.map_err(Error::io("read", path))?, last);
            }
            if last {
                break;
            }
        }
        Ok(search.finish())
    }

    /// Alternate names of a file's mirror and increments, of every backup.
    #[expect(
        clippy::type_complexity,
        reason = "a pair of optional names, used once"
    )]
    fn long_names(
        &self,
        member: &Member,
    ) -> Result<Vec<(Option<Vec<u8>>, Option<Vec<u8>>)>, Error> {
        let wanted = member.name();
        let mut names = Vec::new();
        for (name, path) in &self.metadata {
            for record in records(path, name.gzip)? {
                let record = record.map_err(Error::io("read", path))?;
                if record.name == wanted {
                    names.push((record.mirror_name, record.increment_name));
                }
            }
        }
        Ok(names)
    }
}

fn unquote_if(quoting: bool, name: &OsStr) -> OsString {
    if quoting {
        unquote(name)
    } else {
        name.to_owned()
    }
}

fn records(path: &Path, gzip: bool) -> Result<Records<BufReader<Box<dyn Read + Send>>>, Error> {
    Ok(Records::new(BufReader::with_capacity(
        256 << 10,
        unpack(path, gzip)?,
    )))
}

/// Opens a file of the repository, unpacked.
pub fn unpack(path: &Path, gzip: bool) -> Result<Box<dyn Read + Send>, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let reader = BufReader::with_capacity(256 << 10, file);
    Ok(if gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else {
        Box::new(reader)
    })
}

/// Takes the lock of repositories that have one, as a reader.
fn lock(data: &Path) -> Result<Option<File>, Error> {
    let path = data.join("lock.yml");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy {
            path,
            by: "rdiff-backup is writing to the repository".to_owned(),
            hint: Some("try again when the backup has ended"),
        }),
        Err(error) => Err(Error::io("lock", &path)(error)),
    }
}

/// Two mirror markers: a backup is running, or was interrupted.
fn unfinished(root: &Path, markers: &[(Timestamp, PathBuf)]) -> Error {
    let alive = markers.iter().find_map(|(_, path)| {
        let text = std::fs::read_to_string(path).ok()?;
        let pid: i32 = text.trim().strip_prefix("PID ")?.trim().parse().ok()?;
        let process = rustix::process::Pid::from_raw(pid)?;
        rustix::process::test_kill_process(process)
            .is_ok()
            .then_some(pid)
    });
    match alive {
        Some(pid) => Error::Busy {
            path: root.to_owned(),
            by: format!("a backup is running as process {pid}"),
            hint: Some("try again when it has ended"),
        },
        None => Error::Repository {
            path: root.to_owned(),
            reason: "the last backup was interrupted".to_owned(),
            hint: Some("run rdiff-backup regress on it first"),
        },
    }
}
