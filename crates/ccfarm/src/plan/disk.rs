//! Reading, writing and removing single files under a root directory.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nightshift_common::atomic;

use crate::error::{Error, at};
use crate::tree::Content;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    File { bytes: Vec<u8>, mode: u32 },
    Link(PathBuf),
}

impl State {
    pub(super) fn read(root: &Path, relative: &Path) -> Result<Self, Error> {
        refuse_links(root, relative)?;
        let path = root.join(relative);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Absent),
            Err(source) => return Err(at("look at", &path)(source)),
        };
        if metadata.is_symlink() {
            return Ok(Self::Link(fs::read_link(&path).map_err(at("read", &path))?));
        }
        if !metadata.is_file() {
            let source = io::Error::other("neither a file nor a link");
            return Err(at("replace", &path)(source));
        }
        let bytes = fs::read(&path).map_err(at("read", &path))?;
        Ok(Self::File {
            bytes,
            mode: metadata.permissions().mode() & 0o7777,
        })
    }

    pub(super) fn is(&self, content: &Content) -> bool {
        match (self, content) {
            (Self::File { bytes, mode }, Content::File { bytes: b, mode: m }) => {
                bytes == b && mode == m
            }
            (Self::Link(target), Content::Link(t)) => target == t,
            _ => false,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::Absent => Vec::new(),
            Self::File { bytes, .. } => text_lines(bytes),
            Self::Link(target) => vec![link_line(target)],
        }
    }
}

pub(super) fn lines_of(content: &Content) -> Vec<String> {
    match content {
        Content::File { bytes, .. } => text_lines(bytes),
        Content::Link(target) => vec![link_line(target)],
    }
}

fn text_lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn link_line(target: &Path) -> String {
    format!("-> {}", target.display())
}

/// Puts `content` in place by rename: a reader sees the old or the new, and a link that was there
/// is replaced, not followed.
pub(super) fn write(root: &Path, relative: &Path, content: &Content) -> Result<(), Error> {
    let path = root.join(relative);
    let directory = path.parent().unwrap_or(root);
    fs::create_dir_all(directory).map_err(at("create", directory))?;
    match content {
        Content::File { bytes, mode } => Ok(atomic::replace_with(&path, *mode, bytes)?),
        Content::Link(target) => {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let temporary = directory.join(format!(".{name}.{}.tmp", std::process::id()));
            symlink(target, &temporary).map_err(at("create", &temporary))?;
            fs::rename(&temporary, &path).map_err(|source| {
                // The rename's error is the one to report.
                let _ = fs::remove_file(&temporary);
                at("replace", &path)(source)
            })
        }
    }
}

/// Removes a file; one that is gone already is no failure.
pub(super) fn remove(root: &Path, relative: &Path) -> Result<(), Error> {
    let path = root.join(relative);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", &path)(error)),
        _ => Ok(()),
    }
}

/// In a mounted device's root an absolute link such as `etc -> /etc` would lead out of it, to the
/// files of this host.
fn refuse_links(root: &Path, relative: &Path) -> Result<(), Error> {
    let mut path = root.to_owned();
    for part in relative.parent().into_iter().flat_map(Path::components) {
        path.push(part);
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
            let source = io::Error::other("a directory on the way is a symbolic link");
            return Err(at("go through", &path)(source));
        }
    }
    Ok(())
}
