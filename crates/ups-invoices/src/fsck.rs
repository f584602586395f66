//! Compares ledger and archive, one to one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::document::{self, Looks};
use crate::error::Error;
use crate::intake::{Intake, Origin, Taken, key_of};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// File below the archive, or the ledger.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What was done about it, if anything.
    pub repaired: Option<String>,
}

/// Looks at everything; with `repair`, mends what can be mended.
pub fn run(intake: &mut Intake<'_>, repair: bool) -> Result<Vec<Fault>, Error> {
    let mut faults = Vec::new();
    let mut fault = |path: &str, what: &str, repaired: Option<&str>| {
        faults.push(Fault {
            path: path.to_owned(),
            what: what.to_owned(),
            repaired: repaired.map(str::to_owned),
        });
    };
    let verdict = intake.ledger.integrity()?;
    if verdict != "ok" {
        fault("ledger.db", &verdict, None);
    }
    let archive = intake.archive.clone();
    let failed = |source| Error::Archive {
        path: archive.full(""),
        source,
    };
    let (files, parts) = archive.files().map_err(failed)?;
    for part in parts {
        let done = if repair {
            std::fs::remove_file(&part).map_err(failed)?;
            Some("removed")
        } else {
            None
        };
        fault(&part.to_string_lossy(), "left half written", done);
    }
    let mut known = BTreeSet::new();
    for document in intake.ledger.documents(None)? {
        let Some(path) = document.path.filter(|_| document.state == "stored") else {
            continue;
        };
        let found = archive.sha256(&path).map_err(failed)?;
        if found != document.sha256 {
            let what = if found.is_none() {
                "missing"
            } else {
                "differs from its sha256"
            };
            let done = if repair {
                if found.is_some() {
                    set_aside(intake, &path)?;
                }
                intake
                    .ledger
                    .set_state(document.invoice, document.format, "listed", None)?;
                Some("to be fetched again")
            } else {
                None
            };
            fault(&path, what, done);
        }
        known.insert(path);
    }
    for path in files {
        if known.contains(&path)
            || Path::new(&path)
                .extension()
                .is_some_and(|end| end == "aside")
        {
            continue;
        }
        let done = if repair {
            Some(adopt(intake, &path)?)
        } else {
            None
        };
        fault(&path, "not in the ledger", done.as_deref());
    }
    Ok(faults)
}

fn adopt(intake: &mut Intake<'_>, path: &str) -> Result<String, Error> {
    let full = intake.archive.full(path);
    let bytes = std::fs::read(&full).map_err(|source| Error::Archive { path: full, source })?;
    if let Looks::Like(format) = Looks::at(&bytes)
        && let Ok(read) = document::read(&bytes, format, intake.map, "USD")
        && let [part] = read.parts.as_slice()
        && let Ok(key) = key_of(part, path, |_| "files".to_owned())
    {
        let same = intake.ledger.by_number(&key.number)?;
        let key = same
            .iter()
            .find(|known| known.date == key.date)
            .map_or(key.clone(), |known| crate::ledger::InvoiceKey {
                profile: known.profile.clone(),
                account: known.account.clone(),
                ..key.clone()
            });
        let taken = intake.take(&key, &read, part, &bytes, None, &Origin::default())?;
        if let Taken::Stored { path: stored, .. } = taken {
            if stored != path {
                set_aside(intake, path)?;
            }
            return Ok(format!("taken in as {stored}"));
        }
    }
    set_aside(intake, path)?;
    Ok("set aside".to_owned())
}

fn set_aside(intake: &Intake<'_>, path: &str) -> Result<(), Error> {
    let from = intake.archive.full(path);
    let aside = intake.archive.full(&format!("{path}.aside"));
    std::fs::rename(&from, aside).map_err(|source| Error::Archive { path: from, source })
}
