//! The directory of invoices, and the protocol by which a file gets into it.
//!
//! `.NAME.part` in the same directory, fsync, rename, fsync of the directory, and only then the
//! ledger row: whatever instant the machine stops at, a file is whole or a `.part` that the next
//! run removes, and a row never speaks of a file that is not there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::ledger::{Format, InvoiceKey};

/// How files are named: `{date}`, `{year}`, `{account}`, `{invoice}` and `{ext}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(String);

impl NameTemplate {
    /// Checks that two invoices, or two formats, never get one name by it.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.contains("{invoice}") || !text.ends_with(".{ext}") {
            return Err("a name template needs {invoice} and ends with .{ext}".to_owned());
        }
        let mut rest = text.to_owned();
        for known in ["{date}", "{year}", "{account}", "{invoice}", "{ext}"] {
            rest = rest.replace(known, "");
        }
        if rest.contains(['{', '}']) || text.starts_with('/') || text.split('/').any(|p| p == "..")
        {
            return Err("a name template knows {date} {year} {account} {invoice} {ext}".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The path below the archive; what is no letter, digit, `-`, `_` or `.` becomes `_`.
    #[must_use]
    pub fn path(&self, key: &InvoiceKey, format: Format, revision: u32) -> String {
        let tame = |text: &str| -> String {
            let tamed: String = text
                .chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                        c
                    } else {
                        '_'
                    }
                })
                .collect();
            // No part of a path may start like a hidden file or be `..`.
            tamed.trim_start_matches('.').to_owned()
        };
        let extension = match revision {
            1 => format.name().to_owned(),
            _ => format!("r{revision}.{}", format.name()),
        };
        self.0
            .replace("{date}", &key.date.to_string())
            .replace("{year}", &format!("{:04}", key.date.year()))
            .replace("{account}", &tame(&key.account))
            .replace("{invoice}", &tame(&key.number))
            .replace("{ext}", &extension)
    }
}

/// The archive.
#[derive(Debug, Clone)]
pub struct Archive {
    root: PathBuf,
}

impl Archive {
    /// An archive at `root`; made with mode 0700 when first written to.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Full path of a file.
    #[must_use]
    pub fn full(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file whole and lasting, or not at all.
    pub fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.full(path);
        let directory = target.parent().unwrap_or(&self.root);
        make_private(directory)?;
        let part = part_of(&target);
        let written = write_part(&part, bytes).and_then(|()| std::fs::rename(&part, &target));
        if let Err(error) = written {
            // The disk may be full: what was begun must not stay. If even that fails, the next
            // run removes it.
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
        File::open(directory)?.sync_all()
    }

    /// sha256 of a file, `None` if it is not there.
    pub fn sha256(&self, path: &str) -> io::Result<Option<String>> {
        match std::fs::read(self.full(path)) {
            Ok(bytes) => Ok(Some(crate::hex(digest(&SHA256, &bytes).as_ref()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All files, relative; `.part` files apart.
    pub fn files(&self) -> io::Result<(Vec<String>, Vec<PathBuf>)> {
        let (mut files, mut parts) = (Vec::new(), Vec::new());
        let mut waiting = vec![self.root.clone()];
        while let Some(directory) = waiting.pop() {
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    waiting.push(path);
                } else if entry.file_name().to_string_lossy().ends_with(".part") {
                    parts.push(path);
                } else if let Ok(relative) = path.strip_prefix(&self.root) {
                    files.push(relative.to_string_lossy().into_owned());
                }
            }
        }
        files.sort();
        parts.sort();
        Ok((files, parts))
    }

    /// Removes what a run that was killed left half written.
    pub fn remove_parts(&self) -> io::Result<usize> {
        let (_, parts) = self.files()?;
        for part in &parts {
            std::fs::remove_file(part)?;
        }
        Ok(parts.len())
    }
}

fn write_part(part: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(part)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn part_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.part"))
}

/// Makes a directory that only its owner can enter: invoice numbers can hold account numbers.
pub fn make_private(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn names_are_tame_whatever_the_number_is() {
        let template = NameTemplate::new("{year}/{date}_{invoice}.{ext}").unwrap();
        let key = InvoiceKey::new("p", "A1", "../../etc/x y", date(2026, 2, 14));
        assert_eq!(
            template.path(&key, Format::Csv, 1),
            "2026/2026-02-14__.._etc_x_y.csv"
        );
        assert_eq!(
            template.path(&key, Format::Csv, 2),
            "2026/2026-02-14__.._etc_x_y.r2.csv"
        );
        for bad in [
            "{date}.{ext}",
            "{invoice}",
            "/x/{invoice}.{ext}",
            "../{invoice}.{ext}",
            "{invoice}{x}.{ext}",
        ] {
            assert!(NameTemplate::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_private_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::new(&directory.path().join("archive"));
        archive.write("a/b.csv", b"x").unwrap();
        let mode = |path: &str| {
            std::fs::metadata(archive.full(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode("a"), mode("a/b.csv")), (0o700, 0o600));
        File::create(archive.full("a/.c.csv.part")).unwrap();
        let (files, parts) = archive.files().unwrap();
        assert_eq!((files, parts.len()), (vec!["a/b.csv".to_owned()], 1));
        assert_eq!(archive.remove_parts().unwrap(), 1);
        assert!(archive.sha256("a/none.csv").unwrap().is_none());
    }

    #[test]
    fn a_full_disk_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::new(directory.path());
        // A directory in the place of the file makes the rename fail as a full disk would.
        std::fs::create_dir(directory.path().join("x.csv")).unwrap();
        assert!(archive.write("x.csv", b"x").is_err());
        assert!(archive.files().unwrap().1.is_empty());
    }
}
