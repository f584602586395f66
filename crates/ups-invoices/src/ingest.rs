//! Files that a person saved, or that came by mail: the door that always works.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nightshift_common::error::{Report as _, chain};
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use crate::config::Settings;
use crate::document::{self, DocumentError, Looks};
use crate::error::{CHECK_FAILED, Error, most_urgent};
use crate::intake::{Intake, Origin, Taken, key_of};

/// Largest file read.
const LARGEST: u64 = 512 << 20;

/// What became of the files.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Paths below the archive.
    pub stored: Vec<String>,
    /// Files whose content was there already.
    pub known: usize,
    /// Files that are still being written.
    pub waiting: Vec<PathBuf>,
}

/// Takes in files and directories; what cannot be taken is reported, and the rest goes on.
pub fn run(paths: &[PathBuf], settings: &Settings, intake: &mut Intake<'_>) -> Outcome {
    let mut outcome = Outcome {
        exit: Exit::Done,
        stored: Vec::new(),
        known: 0,
        waiting: Vec::new(),
    };
    let failed = |path: &Path, error: &Error, outcome: &mut Outcome| {
        tracing::error!(file = %Escaped::path(path), "{}", chain(error));
        if let Some(hint) = error.hint() {
            tracing::error!("hint: {hint}");
        }
        outcome.exit = most_urgent([outcome.exit, error.exit()]);
    };
    for path in paths {
        let files = match files_of(path) {
            Ok(files) => files,
            Err(source) => {
                failed(
                    path,
                    &Error::Archive {
                        path: path.clone(),
                        source,
                    },
                    &mut outcome,
                );
                continue;
            }
        };
        for (file, in_directory) in files {
            // Named outright, a file is meant to be taken now.
            if in_directory && !has_settled(&file, settings.settle) {
                tracing::info!(file = %Escaped::path(&file), "still being written; left for later");
                outcome.waiting.push(file);
                continue;
            }
            if let Err(error) = take_file(&file, settings, intake, &mut outcome) {
                failed(&file, &error, &mut outcome);
            }
        }
    }
    outcome
}

fn take_file(
    path: &Path,
    settings: &Settings,
    intake: &mut Intake<'_>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let file = |source| Error::Archive {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(file)?.len();
    if size > LARGEST {
        return Err(file(std::io::Error::other(format!(
            "larger than {LARGEST} bytes"
        ))));
    }
    let bytes = std::fs::read(path).map_err(file)?;
    let digest = crate::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref());
    if intake.ledger.has_sha256(&digest)? {
        outcome.known += 1;
        return Ok(());
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let origin = Origin {
        url: path.to_string_lossy().into_owned(),
        leaf: None,
    };
    if Looks::at(&bytes) == Looks::Zip {
        let entries = document::unzip(&bytes).map_err(|source| Error::Document {
            name: name.clone(),
            source,
        })?;
        for (entry, bytes) in entries {
            take_bytes(&entry, &bytes, settings, intake, &origin, outcome)?;
        }
        return Ok(());
    }
    take_bytes(&name, &bytes, settings, intake, &origin, outcome)
}

fn take_bytes(
    name: &str,
    bytes: &[u8],
    settings: &Settings,
    intake: &mut Intake<'_>,
    origin: &Origin,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let refused = |source| Error::Document {
        name: name.to_owned(),
        source,
    };
    let format = match Looks::at(bytes) {
        Looks::Like(format) => format,
        other => {
            let source = DocumentError::Other {
                wanted: "CSV, XML or PDF",
                found: other.words(),
            };
            return Err(refused(source));
        }
    };
    let read = document::read(bytes, format, intake.map, "USD").map_err(refused)?;
    // One file an invoice: that is what fsck can compare one to one, and the rows of the others
    // would be stored once for each of them.
    let alone = if read.parts.len() > 1 {
        document::apart(bytes, &read.parts, intake.map)
    } else {
        vec![None]
    };
    for (part, own) in read.parts.iter().zip(&alone) {
        let profile_of = |account: &str| {
            let mine = |number: &String| number.trim_start_matches('0') == account;
            let owner = settings
                .accounts
                .iter()
                .find(|a| a.numbers.iter().any(mine));
            owner.map_or("files".to_owned(), |account| account.profile.clone())
        };
        let mut key = key_of(part, name, profile_of).map_err(refused)?;
        if key.account.is_empty() {
            // A PDF says nothing; its number tells which invoice it belongs to.
            let known = intake.ledger.by_number(&key.number)?;
            if let Some(known) = known.iter().find(|known| known.date == key.date) {
                key.account.clone_from(&known.account);
                key.profile.clone_from(&known.profile);
            }
        }
        let (bytes, read) = own
            .as_ref()
            .map_or((bytes, &read), |(own, read)| (own.as_slice(), read));
        match intake.take(&key, read, part, bytes, None, origin)? {
            Taken::Known => outcome.known += 1,
            Taken::Stored { path, failed, .. } => {
                for finding in &failed {
                    tracing::error!(
                        file = %Escaped::text(name),
                        invoice = %Escaped::text(&key.number),
                        "check {} failed: {}",
                        finding.check,
                        finding.detail
                    );
                }
                if !failed.is_empty() {
                    outcome.exit = most_urgent([outcome.exit, CHECK_FAILED]);
                }
                outcome.stored.push(path);
            }
        }
    }
    Ok(())
}

/// A file itself, or the files right in a directory, by name: CSV before PDF, so that a PDF finds
/// the invoice it belongs to. Hidden and temporary names are passed over.
fn files_of(path: &Path) -> std::io::Result<Vec<(PathBuf, bool)>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![(path.to_owned(), false)]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let temporary = name.starts_with('.')
            || name.ends_with('~')
            || [".part", ".tmp", ".crdownload", ".filepart"]
                .iter()
                .any(|end| name.ends_with(end));
        if entry.path().is_file() && !temporary {
            files.push((entry.path(), true));
        }
    }
    files.sort_by_key(|(path, _)| {
        let pdf = path
            .extension()
            .is_some_and(|ext| ext.eq_ignore_ascii_case("pdf"));
        (pdf, path.clone())
    });
    Ok(files)
}

/// Whether a file has rested for `settle`. One that was renamed in has the time of its last
/// writing, and is taken at once.
fn has_settled(path: &Path, settle: Duration) -> bool {
    let modified = std::fs::metadata(path).and_then(|facts| facts.modified());
    let age = modified
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok());
    age.is_some_and(|age| age >= settle)
}
