//! What `status` and `refresh` answer: the documents that go over the control socket and, with
//! `--json`, to standard output. Fields are added to them, never changed.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::inode::File;
use crate::refresh::Plan;
use crate::served::Served;
use crate::snapshots::Snapshots;

/// The version of these documents.
pub const VERSION: u32 = 1;

/// A name that may be no text: lossy as text, and exact in hexadecimal when that lost something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// For people.
    pub name: String,
    /// The exact bytes in hexadecimal, when they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_bytes: Option<String>,
}

impl Name {
    /// Of a path or a name.
    pub fn of(name: &(impl AsRef<OsStr> + ?Sized)) -> Self {
        let bytes = name.as_ref().as_bytes();
        let hexadecimal = || {
            bytes.iter().fold(String::new(), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        Self {
            name: String::from_utf8_lossy(bytes).into_owned(),
            name_bytes: str::from_utf8(bytes).is_err().then(hexadecimal),
        }
    }

    /// The exact bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let digits = |text: &String| {
            let pairs = text.as_bytes().chunks(2);
            pairs
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
                .collect()
        };
        self.name_bytes
            .as_ref()
            .and_then(digits)
            .unwrap_or_else(|| self.name.clone().into_bytes())
    }
}

/// The answer to `status`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// The directory of devices.
    pub source: String,
    /// Where it is mounted.
    pub mountpoint: String,
    /// The daemon.
    pub pid: u32,
    /// Exported files in byte order of their names.
    pub entries: Vec<EntryStatus>,
}

/// One file of a mount.
#[derive(Debug, Serialize, Deserialize)]
pub struct EntryStatus {
    /// Path below the mount point.
    pub name: String,
    /// See [`Name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_bytes: Option<String>,
    /// In bytes.
    pub size: u64,
    /// The engine while it is open, null while it is not.
    pub engine: Option<String>,
    /// Why the copy engine was used at the latest open.
    pub reason: Option<String>,
    /// How many have it open.
    pub opens: u64,
    /// Bytes that went through the daemon.
    pub bytes_read: u64,
    /// Failed reads.
    pub errors: u64,
    /// The latest of them.
    pub last_error: Option<ReadError>,
    /// Seconds since 1970.
    pub mtime: u64,
    /// What needs attention; null is well.
    pub problem: Option<String>,
}

/// A failed read.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReadError {
    /// In bytes.
    pub offset: u64,
    /// In bytes.
    pub length: u32,
    /// What the reader got.
    pub error: String,
    /// Seconds since 1970.
    pub time: u64,
}

/// The answer to `refresh`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refreshed {
    /// [`VERSION`].
    pub version: u32,
    /// How many files are exported now.
    pub exported: usize,
    /// Names that were not there before.
    pub came: Vec<Name>,
    /// Names that are no longer there.
    pub went: Vec<Name>,
    /// Names with another device behind them.
    pub replaced: Vec<Name>,
    /// Names whose device was written to, resized or attached anew.
    pub changed: Vec<Name>,
    /// Entries that could not be examined.
    pub failed: usize,
}

impl Refreshed {
    /// From what a refresh found.
    pub fn of(plan: &Plan) -> Self {
        let names = |paths: &[PathBuf]| paths.iter().map(Name::of).collect();
        Self {
            version: VERSION,
            exported: plan.exports.len(),
            came: names(&plan.came),
            went: names(&plan.went),
            replaced: names(&plan.replaced),
            changed: names(&plan.changed),
            failed: plan.failed,
        }
    }
}

impl Status {
    /// Of a mount at this moment.
    pub fn of(served: &Served, mountpoint: &Path, snapshots: &Snapshots) -> Self {
        let table = served.table();
        Self {
            version: VERSION,
            source: served.manner().source.to_string_lossy().into_owned(),
            mountpoint: mountpoint.to_string_lossy().into_owned(),
            pid: std::process::id(),
            entries: table
                .files()
                .iter()
                .map(|file| entry(served, file, snapshots))
                .collect(),
        }
    }

    /// Whether anything needs attention.
    pub fn has_problem(&self) -> bool {
        self.entries.iter().any(|entry| entry.problem.is_some())
    }
}

fn entry(served: &Served, file: &std::sync::Arc<File>, snapshots: &Snapshots) -> EntryStatus {
    let exported = file.exported();
    let attributes = served.attributes_of(&crate::inode::Node::File(std::sync::Arc::clone(file)));
    let open = file.current();
    let fallback = file.counters.last_fallback();
    let errors = file.counters.errors.load(Ordering::Relaxed);
    let problem = if let Some(state) = snapshots.problem(&exported.found) {
        Some(state.to_owned())
    } else if served.is_gone(&exported.found) {
        Some("the device is gone".to_owned())
    } else if errors > 0 {
        Some("read errors".to_owned())
    } else {
        let reason = fallback.as_ref().filter(|reason| reason.needs_attention());
        reason.map(|reason| format!("not served by the kernel: {reason}"))
    };
    let Name { name, name_bytes } = Name::of(&exported.path);
    EntryStatus {
        name,
        name_bytes,
        size: attributes.size,
        engine: open.as_ref().map(|open| open.engine.name().to_owned()),
        reason: fallback.map(|reason| reason.to_string()),
        opens: file.slot().users(),
        bytes_read: file.counters.bytes_read.load(Ordering::Relaxed),
        errors,
        last_error: file.counters.last_failure().map(|failure| ReadError {
            offset: failure.offset,
            length: failure.length,
            error: failure.errno.to_string(),
            time: seconds(failure.time),
        }),
        mtime: seconds(attributes.mtime),
        problem,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_text_keep_their_bytes() {
        let text = Name::of("vg-lv\n");
        assert_eq!(
            serde_json::to_string(&text).unwrap(),
            r#"{"name":"vg-lv\n"}"#
        );
        assert_eq!(text.to_bytes(), b"vg-lv\n");
        let bytes = Name::of(OsStr::from_bytes(b"a\xff"));
        let json = "{\"name\":\"a\u{fffd}\",\"name_bytes\":\"61ff\"}";
        assert_eq!(serde_json::to_string(&bytes).unwrap(), json);
        assert_eq!(
            serde_json::from_str::<Name>(json).unwrap().to_bytes(),
            b"a\xff"
        );
    }
}
