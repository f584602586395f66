//! The state file of a mount.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use nightshift_common::atomic;

use super::{Key, State};
use crate::inode::stable_hash;

/// Where state is kept unless a file is named.
pub const DIRECTORY: &str = "/var/lib/nightshift/blockfuse";

/// The mtimes given out for a mount and the file they are kept in.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    state: State,
}

impl Store {
    /// The file for a mount of `source` on `mountpoint`: two mounts never share one, and a mount
    /// finds its own again.
    pub fn default_path(source: &Path, mountpoint: &Path) -> PathBuf {
        let source = source.as_os_str().as_bytes().iter();
        let mountpoint = mountpoint.as_os_str().as_bytes().iter();
        // No path holds a NUL, so the two cannot run into each other.
        let hash = stable_hash(source.chain(&[0]).chain(mountpoint).copied());
        Path::new(DIRECTORY).join(format!("{hash:016x}.json"))
    }

    /// Reads the state from `path`. What cannot be read is reported and counts as no state, so
    /// that everything counts as changed; a damaged file is kept beside for whoever wants to know.
    pub fn open(path: PathBuf) -> Self {
        let state = match fs::read_to_string(&path) {
            Ok(text) => State::parse(&text).unwrap_or_else(|damage| {
                let aside = aside(&path);
                let kept = fs::rename(&path, &aside).is_ok();
                tracing::warn!(
                    at = %format!("{}:{damage}", path.display()),
                    kept_as = kept.then(|| aside.display().to_string()),
                    "damaged state; every device counts as changed"
                );
                State::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::info!(path = %path.display(), "no state yet; every device counts as changed");
                State::default()
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read the state; every device counts as changed");
                State::default()
            }
        };
        Self { path, state }
    }

    /// See [`State::give`].
    pub fn give(&mut self, path: &[u8], key: Option<Key>, now: SystemTime) -> SystemTime {
        self.state.give(path, key, now)
    }

    /// Writes the state, before anybody reads the mtimes in it: were they lost in a crash, a
    /// later one could be the same as one of them.
    pub fn save(&self) -> Result<(), SaveError> {
        let failed = |source| SaveError::Directory {
            path: self.path.clone(),
            source,
        };
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let text = self.state.to_text()?;
        Ok(atomic::replace_with(&self.path, 0o600, text.as_bytes())?)
    }
}

/// Why the state was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no directory for it.
    #[error("cannot make the directory of {}", path.display())]
    Directory {
        /// The state file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It has no text.
    #[error("cannot write the state as JSON")]
    Text(#[from] serde_json::Error),
    /// The file could not be replaced.
    #[error(transparent)]
    Replace(#[from] atomic::Error),
}

fn aside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".damaged");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::changes::tests::key;

    #[test]
    fn what_is_saved_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/state.json");
        let first = UNIX_EPOCH + Duration::from_secs(1000);
        let mut store = Store::open(path.clone());
        assert_eq!(store.give(b"a", Some(key()), first), first);
        store.save().unwrap();
        let later = first + Duration::from_secs(1000);
        assert_eq!(Store::open(path).give(b"a", Some(key()), later), first);
    }

    #[test]
    fn damaged_state_counts_as_none_and_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let first = UNIX_EPOCH + Duration::from_secs(1000);
        let mut store = Store::open(path.clone());
        store.give(b"a", Some(key()), first);
        store.save().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        atomic::replace_with(&path, 0o600, &text.as_bytes()[..text.len() / 2]).unwrap();
        let later = first + Duration::from_secs(1000);
        let mut store = Store::open(path.clone());
        assert_eq!(store.give(b"a", Some(key()), later), later);
        assert!(aside(&path).exists());
        store.save().unwrap();
        assert_eq!(
            Store::open(path).give(b"a", Some(key()), later + Duration::from_secs(9)),
            later
        );
    }

    #[test]
    fn mounts_have_files_of_their_own() {
        let path = |source: &str, mountpoint: &str| {
            Store::default_path(Path::new(source), Path::new(mountpoint))
        };
        assert_eq!(path("/dev", "/mnt"), path("/dev", "/mnt"));
        assert_ne!(path("/dev", "/mnt"), path("/dev", "/mn"));
        assert_ne!(path("/dev", "/mnt"), path("/de", "v/mnt"));
    }
}
