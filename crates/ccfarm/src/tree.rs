//! Files to be written somewhere: what `render`, `plan` and `apply` have in common.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// A file or link, relative to the root of the machine it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative, without `..`.
    pub path: PathBuf,
    /// What stands there.
    pub content: Content,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link(PathBuf),
}

/// Permission bits of configuration.
const DATA: u32 = 0o644;
/// Permission bits of scripts.
const SCRIPT: u32 = 0o755;

impl Entry {
    /// A configuration file.
    pub fn data(path: impl Into<PathBuf>, text: String) -> Self {
        Self::file(path, text, DATA)
    }

    /// An executable script.
    pub fn script(path: impl Into<PathBuf>, text: String) -> Self {
        Self::file(path, text, SCRIPT)
    }

    /// A symbolic link.
    pub fn link(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            content: Content::Link(target.into()),
        }
    }

    fn file(path: impl Into<PathBuf>, text: String, mode: u32) -> Self {
        Self {
            path: path.into(),
            content: Content::File {
                bytes: text.into_bytes(),
                mode,
            },
        }
    }
}

/// An archive of entries, the same bytes for the same entries: no times, owner root.
pub fn tar(entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::File {
        what: "archive",
        path: "device-kit.tar".into(),
        source,
    };
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match &entry.content {
            Content::File { bytes, mode } => {
                header.set_mode(*mode);
                header.set_size(bytes.len() as u64);
                archive
                    .append_data(&mut header, &entry.path, &bytes[..])
                    .map_err(failed)?;
            }
            Content::Link(target) => {
                append_link(&mut archive, &mut header, &entry.path, target).map_err(failed)?;
            }
        }
    }
    archive.into_inner().map_err(failed)
}

fn append_link(
    archive: &mut tar::Builder<Vec<u8>>,
    header: &mut tar::Header,
    path: &Path,
    target: &Path,
) -> std::io::Result<()> {
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_mode(0o777);
    header.set_size(0);
    archive.append_link(header, path, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_entries_give_the_same_archive() {
        let entries = [
            Entry::script("usr/bin/a", "#!/bin/sh\n".to_owned()),
            Entry::link("usr/bin/b", "a"),
        ];
        let first = tar(&entries).unwrap();
        assert_eq!(first, tar(&entries).unwrap());
        let mut archive = tar::Archive::new(&first[..]);
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                (
                    header.path().unwrap().into_owned(),
                    header.mode().unwrap(),
                    header.mtime().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("usr/bin/a".into(), 0o755, 0),
                ("usr/bin/b".into(), 0o777, 0)
            ]
        );
    }
}
