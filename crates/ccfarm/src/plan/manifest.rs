//! The record of what was written, and copies of what was there before.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nightshift_common::atomic;
use serde::{Deserialize, Serialize};

use super::disk::State;
use crate::error::{Error, at};
use crate::source::hex_digest;
use crate::tree::Content;

/// Where records and old copies lie, relative to the root.
pub const STATE_DIRECTORY: &str = "var/lib/nightshift/ccfarm";
/// Version of the record's form.
const SCHEMA: u32 = 1;
/// Old copies may be anything, private files too.
const PRIVATE: u32 = 0o600;

/// What one set of files (the device kit, or one node's) has written under a root.
#[derive(Debug)]
pub struct Manifest {
    root: PathBuf,
    file: PathBuf,
    content: Stored,
}

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    schema: u32,
    files: Vec<Record>,
    /// Directories that did not exist before, relative to the root.
    directories: BTreeSet<PathBuf>,
}

/// One file that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) path: PathBuf,
    pub(super) written: Written,
    pub(super) before: Before,
}

/// What was written, as far as it must be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Written {
    File { sha256: String, mode: u32 },
    Link { target: PathBuf },
}

/// What was there before; a file's bytes are kept in a copy named after their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Before {
    Absent,
    File { sha256: String, mode: u32 },
    Link { target: PathBuf },
}

impl Record {
    pub(super) fn new(path: PathBuf, content: &Content, before: Before) -> Self {
        let written = match content {
            Content::File { bytes, mode } => Written::File {
                sha256: hex_digest(bytes),
                mode: *mode,
            },
            Content::Link(target) => Written::Link {
                target: target.clone(),
            },
        };
        Self {
            path,
            written,
            before,
        }
    }
}

impl Written {
    pub(super) fn matches(&self, state: &State) -> bool {
        match (self, state) {
            (Self::File { sha256, mode }, State::File { bytes, mode: m }) => {
                mode == m && *sha256 == hex_digest(bytes)
            }
            (Self::Link { target }, State::Link(t)) => target == t,
            _ => false,
        }
    }
}

impl Before {
    pub(super) fn matches(&self, state: &State) -> bool {
        match (self, state) {
            (Self::Absent, State::Absent) => true,
            (Self::File { sha256, mode }, State::File { bytes, mode: m }) => {
                mode == m && *sha256 == hex_digest(bytes)
            }
            (Self::Link { target }, State::Link(t)) => target == t,
            _ => false,
        }
    }
}

impl Manifest {
    /// Reads the record of `set` under `root`; none there means nothing was written.
    pub fn load(root: &Path, set: &str) -> Result<Self, Error> {
        let file = root.join(STATE_DIRECTORY).join(format!("{set}.json"));
        let content = match fs::read(&file) {
            Ok(text) => Self::parse(&text).map_err(|reason| Error::Manifest {
                path: file.clone(),
                reason,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stored {
                schema: SCHEMA,
                files: Vec::new(),
                directories: BTreeSet::new(),
            },
            Err(source) => return Err(at("read", &file)(source)),
        };
        Ok(Self {
            root: root.to_owned(),
            file,
            content,
        })
    }

    fn parse(text: &[u8]) -> Result<Stored, String> {
        let stored: Stored = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if stored.schema != SCHEMA {
            return Err(format!(
                "schema {}, this program reads {SCHEMA}",
                stored.schema
            ));
        }
        // The record decides what undo removes, so it must not lead out of the root.
        let mut paths = stored
            .files
            .iter()
            .map(|record| &record.path)
            .chain(&stored.directories);
        let escapes = |path: &&PathBuf| {
            path.components()
                .any(|part| !matches!(part, std::path::Component::Normal(_)))
        };
        match paths.find(escapes) {
            Some(path) => Err(format!("{} is not a path below the root", path.display())),
            None => Ok(stored),
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.content.files.iter()
    }

    pub(super) fn record(&self, path: &Path) -> Option<&Record> {
        self.content.files.iter().find(|record| record.path == path)
    }

    pub(super) fn put(&mut self, record: Record) {
        self.forget(&record.path);
        self.content.files.push(record);
        self.content.files.sort_by(|a, b| a.path.cmp(&b.path));
    }

    pub(super) fn forget(&mut self, path: &Path) {
        self.content.files.retain(|record| record.path != path);
    }

    /// Remembers which parents of `relative` will have to be made.
    pub(super) fn note_directories(&mut self, root: &Path, relative: &Path) {
        for directory in relative.ancestors().skip(1) {
            if !directory.as_os_str().is_empty() && !root.join(directory).exists() {
                self.content.directories.insert(directory.to_owned());
            }
        }
    }

    /// Describes a state and, for a file, keeps a copy of it.
    pub(super) fn keep(&self, state: &State) -> Result<Before, Error> {
        Ok(match state {
            State::Absent => Before::Absent,
            State::Link(target) => Before::Link {
                target: target.clone(),
            },
            State::File { bytes, mode } => {
                let sha256 = hex_digest(bytes);
                let copy = self.copy(&sha256);
                if !copy.exists() {
                    let directory = copy.parent().unwrap_or(&self.root);
                    fs::create_dir_all(directory).map_err(at("create", directory))?;
                    atomic::replace_with(&copy, PRIVATE, bytes)?;
                }
                Before::File {
                    sha256,
                    mode: *mode,
                }
            }
        })
    }

    /// What `before` looked like; `None` if there was nothing.
    pub(super) fn content(&self, before: &Before) -> Result<Option<Content>, Error> {
        Ok(match before {
            Before::Absent => None,
            Before::Link { target } => Some(Content::Link(target.clone())),
            Before::File { sha256, mode } => {
                let copy = self.copy(sha256);
                let bytes = fs::read(&copy).map_err(at("read", &copy))?;
                Some(Content::File { bytes, mode: *mode })
            }
        })
    }

    /// Writes the record; an empty one is removed, with the copies and the directories made.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        if self.content.files.is_empty() {
            return self.clear();
        }
        let directory = self.root.join(STATE_DIRECTORY);
        fs::create_dir_all(&directory).map_err(at("create", &directory))?;
        let text = serde_json::to_vec_pretty(&self.content)
            .map_err(|error| at("write", &self.file)(error.into()))?;
        atomic::replace_with(&self.file, PRIVATE, &text)?;
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Error> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at("remove", &self.file)(error));
            }
            _ => {}
        }
        self.drop_copies();
        // The deepest first. A directory that is not empty holds somebody else's files and stays.
        for directory in std::mem::take(&mut self.content.directories).iter().rev() {
            let _ = fs::remove_dir(self.root.join(directory));
        }
        Ok(())
    }

    /// Removes the old copies once no record needs them any more.
    fn drop_copies(&self) {
        let state = self.root.join(STATE_DIRECTORY);
        let others = fs::read_dir(&state).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "old"))
        });
        if !others {
            // What cannot be removed costs some disk space and is found by its name.
            let _ = fs::remove_dir_all(state.join("old"));
            let _ = fs::remove_dir(state);
        }
    }

    fn copy(&self, sha256: &str) -> PathBuf {
        self.root.join(STATE_DIRECTORY).join("old").join(sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_leads_out_of_the_root_is_refused() {
        for path in ["/etc/passwd", "../x", "a/../../x"] {
            let text = format!(
                r#"{{"schema":1,"files":[{{"path":"{path}","written":{{"link":{{"target":"x"}}}},
                   "before":"absent"}}],"directories":[]}}"#
            );
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains("not a path below the root"), "{error}");
        }
        assert!(Manifest::parse(br#"{"schema":2,"files":[],"directories":[]}"#).is_err());
        assert!(Manifest::parse(b"{").is_err());
    }
}
