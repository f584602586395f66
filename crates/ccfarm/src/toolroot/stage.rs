//! The root while it is being collected: a directory that is filled file by file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use nightshift_common::escape::Escaped;

use super::needed::{self, Needed};
use crate::error::{Error, at};

/// Links followed on one path before it counts as a loop; the kernel's own limit.
const MAX_LINKS: usize = 40;
/// glibc's built-in search directories; ld.so.conf names the others.
const LIBRARY_DIRECTORIES: &[&str] = &["/lib", "/usr/lib", "/lib64", "/usr/lib64"];

pub(super) struct Stage<'a> {
    root: &'a Path,
    /// Host paths of regular files that are in.
    done: BTreeSet<PathBuf>,
    /// Host directories to search for libraries.
    search: Vec<PathBuf>,
    /// Those of them that a library was found in.
    used: BTreeSet<PathBuf>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        let mut search = Vec::new();
        library_conf(Path::new("/etc/ld.so.conf"), &mut search);
        search.extend(LIBRARY_DIRECTORIES.iter().map(PathBuf::from));
        Self {
            root,
            done: BTreeSet::new(),
            search,
            used: BTreeSet::new(),
        }
    }

    /// Takes over a host file at its own path, with the links on the way and all it loads.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), Error> {
        let real = self.copy(path)?;
        if !self.done.insert(real.clone()) {
            return Ok(());
        }
        let data = fs::read(&real).map_err(at("read", &real))?;
        let needed = needed::read(&data).map_err(|error| Error::ToolRoot {
            path: real.clone(),
            reason: error.to_string(),
        })?;
        if let Some(interpreter) = &needed.interpreter {
            self.add(interpreter)?;
        }
        for library in &needed.libraries {
            let found = self.library(&real, library, &needed, &data)?;
            self.add(&found)?;
        }
        Ok(())
    }

    /// Copies one file and makes the links that lead to it; returns its real path on the host.
    fn copy(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut rest: VecDeque<OsString> = parts(path);
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            let inside = self.root.join(next.strip_prefix("/").unwrap_or(&next));
            let metadata = fs::symlink_metadata(&next).map_err(at("find", &next))?;
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    let reason = "too many links on the way".to_owned();
                    return Err(Error::ToolRoot {
                        path: path.to_owned(),
                        reason,
                    });
                }
                let target = fs::read_link(&next).map_err(at("read", &next))?;
                link_once(&target, &inside)?;
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for part in parts(&target).into_iter().rev() {
                    rest.push_front(part);
                }
            } else if metadata.is_dir() {
                fs::create_dir_all(&inside).map_err(at("create", &inside))?;
                here = next;
            } else {
                if !inside.exists() {
                    fs::copy(&next, &inside).map_err(at("copy", &next))?;
                }
                return Ok(next);
            }
        }
        Err(Error::ToolRoot {
            path: path.to_owned(),
            reason: "is a directory".to_owned(),
        })
    }

    fn library(
        &mut self,
        user: &Path,
        name: &str,
        needed: &Needed,
        data: &[u8],
    ) -> Result<PathBuf, Error> {
        let origin = user
            .parent()
            .unwrap_or(Path::new("/"))
            .to_string_lossy()
            .into_owned();
        let own = needed
            .search
            .iter()
            .map(|directory| PathBuf::from(directory.replace("$ORIGIN", &origin)));
        // e_ident and e_machine: a library for another word size or machine is not the one.
        let fits = |path: &Path| {
            fs::read(path).is_ok_and(|library| {
                library.get(..5) == data.get(..5) && library.get(18..20) == data.get(18..20)
            })
        };
        let found = own
            .chain(self.search.iter().cloned())
            .map(|directory| directory.join(name))
            .find(|path| fits(path))
            .ok_or_else(|| Error::ToolRoot {
                path: user.to_owned(),
                reason: format!("needs {}, which is not found", Escaped::text(name)),
            })?;
        self.used.extend(found.parent().map(Path::to_owned));
        Ok(found)
    }

    /// Makes a link inside the root.
    pub(super) fn link(&self, path: &Path, target: &Path) -> Result<(), Error> {
        self.make_parent(path)?;
        link_once(target, &self.root.join(path))
    }

    /// Makes an empty directory.
    pub(super) fn directory(&self, path: &Path) -> Result<(), Error> {
        let inside = self.root.join(path);
        fs::create_dir_all(&inside).map_err(at("create", &inside))
    }

    /// Makes a small file.
    pub(super) fn file(&self, path: &Path, text: &str) -> Result<(), Error> {
        self.make_parent(path)?;
        let inside = self.root.join(path);
        nightshift_common::atomic::replace_with(&inside, 0o644, text.as_bytes())?;
        Ok(())
    }

    fn make_parent(&self, path: &Path) -> Result<(), Error> {
        path.parent()
            .map_or(Ok(()), |parent| self.directory(parent))
    }

    /// Writes etc/ld.so.cache: without it every compiler start searches every directory, which
    /// costs a small job a quarter of its time.
    pub(super) fn index_libraries(&self) -> Result<(), Error> {
        let directories: Vec<_> = self
            .used
            .iter()
            .map(|directory| directory.to_string_lossy().into_owned())
            .collect();
        self.file(
            Path::new("etc/ld.so.conf"),
            &(directories.join("\n") + "\n"),
        )?;
        let program = "/sbin/ldconfig";
        let output = Command::new(program)
            .arg("-r")
            .arg(self.root)
            .output()
            .map_err(|source| Error::Run {
                program: program.to_owned(),
                source,
            })?;
        // ldconfig leaves a directory of its own; the cache is all that is used.
        let _ = fs::remove_dir_all(self.root.join("var/cache"));
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            program: program.to_owned(),
            status: output.status.to_string(),
            message: Escaped::text(output.stderr.trim_ascii()).to_string(),
        })
    }

    /// Regular files and their sizes, by path below the root.
    pub(super) fn regular_files(&self) -> Result<BTreeMap<PathBuf, u64>, Error> {
        let mut files = BTreeMap::new();
        for path in self.walk()? {
            let inside = self.root.join(&path);
            let metadata = fs::symlink_metadata(&inside).map_err(at("look at", &inside))?;
            if metadata.is_file() {
                files.insert(path, metadata.len());
            }
        }
        Ok(files)
    }

    /// The archive: the same bytes for the same files, owned by root, without times.
    pub(super) fn archive(&self) -> Result<Vec<u8>, Error> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.follow_symlinks(false);
        for path in self.walk()? {
            let inside = self.root.join(&path);
            append(&mut archive, &path, &inside).map_err(at("archive", &inside))?;
        }
        archive.into_inner().map_err(at("archive", self.root))
    }

    /// Every path below the root, sorted, directories before what is in them.
    fn walk(&self) -> Result<BTreeSet<PathBuf>, Error> {
        let mut found = BTreeSet::new();
        let mut open = vec![PathBuf::new()];
        while let Some(directory) = open.pop() {
            let inside = self.root.join(&directory);
            for entry in fs::read_dir(&inside).map_err(at("read", &inside))? {
                let entry = entry.map_err(at("read", &inside))?;
                let path = directory.join(entry.file_name());
                if entry.file_type().map_err(at("look at", &inside))?.is_dir() {
                    open.push(path.clone());
                }
                found.insert(path);
            }
        }
        Ok(found)
    }
}

/// Appends one file, directory or link.
fn append(archive: &mut tar::Builder<Vec<u8>>, path: &Path, inside: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(inside)?;
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    if metadata.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        archive.append_link(&mut header, path, fs::read_link(inside)?)
    } else if metadata.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, io::empty())
    } else {
        // Readable and, where it was, executable; never set-user-ID.
        header.set_mode(0o444 | metadata.permissions().mode() & 0o111);
        header.set_size(metadata.len());
        archive.append_data(&mut header, path, fs::File::open(inside)?)
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

fn link_once(target: &Path, inside: &Path) -> Result<(), Error> {
    match symlink(target, inside) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(at("create", inside)),
    }
}

/// Reads ld.so.conf: directories, comments, `include PATTERN` with a star in the file name.
fn library_conf(file: &Path, directories: &mut Vec<PathBuf>) {
    // A system without the file has the built-in directories only.
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include ") {
            let pattern = Path::new(pattern.trim());
            let Some(entries) = pattern
                .parent()
                .and_then(|parent| fs::read_dir(parent).ok())
            else {
                continue;
            };
            let extension = pattern.extension();
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            files
                .iter()
                .filter(|file| file.extension() == extension)
                .for_each(|file| library_conf(file, directories));
        } else if line.starts_with('/') {
            directories.push(line.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_kept_and_followed() {
        let host = tempfile::tempdir().unwrap();
        let host = host.path().canonicalize().unwrap();
        fs::create_dir_all(host.join("usr/lib")).unwrap();
        symlink("usr/lib", host.join("lib")).unwrap();
        nightshift_common::atomic::replace_with(&host.join("usr/lib/a.1"), 0o755, b"text").unwrap();
        symlink("../lib/a.1", host.join("usr/lib/a")).unwrap();

        let root = tempfile::tempdir().unwrap();
        let mut stage = Stage::new(root.path());
        stage.add(&host.join("lib/../lib/a")).unwrap();
        let inside = root.path().join(host.strip_prefix("/").unwrap());
        assert_eq!(
            fs::read_link(inside.join("lib")).unwrap(),
            Path::new("usr/lib")
        );
        assert_eq!(fs::read(inside.join("usr/lib/a")).unwrap(), b"text");
        assert_eq!(stage.regular_files().unwrap().len(), 1);
    }

    #[test]
    fn a_loop_of_links_is_an_error() {
        let host = tempfile::tempdir().unwrap();
        let host = host.path().canonicalize().unwrap();
        symlink("b", host.join("a")).unwrap();
        symlink("a", host.join("b")).unwrap();
        let root = tempfile::tempdir().unwrap();
        let error = Stage::new(root.path()).add(&host.join("a")).unwrap_err();
        assert!(error.to_string().contains("too many links"));
    }
}
