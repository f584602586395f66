//! What has to change under a root directory, and doing and undoing it.
//!
//! The record of what was written (see [`Manifest`]) lies under the same root, so it travels with
//! a mounted device. It is written before the first file, so that an interrupted run can be
//! undone. No service is started, stopped or reloaded.

mod disk;
mod manifest;

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::signals::Signals;

use crate::error::Error;
use crate::tree::{Content, Entry};
use disk::State;
use manifest::{Before, Record};
pub use manifest::{Manifest, STATE_DIRECTORY};

/// One difference between what is wanted and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Relative to the root.
    pub path: PathBuf,
    /// What stands there now.
    now: State,
    /// What should; `None` for a file that the farm no longer has.
    wanted: Option<Content>,
}

/// Compares `wanted` with what is under `root`.
pub fn plan(root: &Path, wanted: &[Entry], manifest: &Manifest) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for entry in wanted {
        let now = State::read(root, &entry.path)?;
        if !now.is(&entry.content) {
            let wanted = Some(entry.content.clone());
            steps.push(Step {
                path: entry.path.clone(),
                now,
                wanted,
            });
        }
    }
    for record in manifest.records() {
        if wanted.iter().all(|entry| entry.path != record.path) {
            let now = State::read(root, &record.path)?;
            steps.push(Step {
                path: record.path.clone(),
                now,
                wanted: None,
            });
        }
    }
    Ok(steps)
}

/// Prints the steps for people: one line each, and the lines that differ.
pub fn print(steps: &[Step], out: &mut impl Write) -> std::io::Result<()> {
    for step in steps {
        let verb = match (&step.now, &step.wanted) {
            (_, None) => "withdraw",
            (State::Absent, Some(_)) => "create",
            (_, Some(_)) => "change",
        };
        writeln!(out, "{verb} {}", Escaped::path(&step.path))?;
        write!(out, "{}", step.difference())?;
    }
    out.flush()
}

impl Step {
    /// The lines that differ, `-` before the old and `+` before the new ones.
    fn difference(&self) -> String {
        let old = self.now.lines();
        let new = self.wanted.as_ref().map(disk::lines_of).unwrap_or_default();
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let rest = |lines: &[String]| lines.len() - head;
        let tail = old
            .iter()
            .rev()
            .zip(new.iter().rev())
            .take(rest(&old).min(rest(&new)))
            .take_while(|(a, b)| a == b)
            .count();
        let mut text = String::new();
        for (sign, lines) in [('-', &old), ('+', &new)] {
            for line in &lines[head..lines.len() - tail] {
                let _ = writeln!(text, "    {sign}{}", Escaped::text(line));
            }
        }
        text
    }
}

/// Makes what is under `root` what is wanted.
///
/// Stops between two files when a signal asks for it; what was done until then can be undone.
pub fn apply(
    root: &Path,
    wanted: &[Entry],
    mut manifest: Manifest,
    signals: &Signals,
) -> Result<Exit, Error> {
    let steps = plan(root, wanted, &manifest)?;
    if steps.is_empty() {
        return Ok(Exit::Done);
    }
    let mut exit = Exit::Done;
    for step in &steps {
        if let Some(content) = &step.wanted {
            manifest.note_directories(root, &step.path);
            manifest.note_directories(root, &Path::new(STATE_DIRECTORY).join("record"));
            let before = match manifest.record(&step.path) {
                // Ours, unchanged: what was there before us stays what undo restores.
                Some(record) if record.written.matches(&step.now) => record.before.clone(),
                _ => manifest.keep(&step.now)?,
            };
            manifest.put(Record::new(step.path.clone(), content, before));
        }
    }
    manifest.save()?;
    for step in &steps {
        if let Some(signal) = signals.ending() {
            return Ok(Exit::Signal(signal));
        }
        match &step.wanted {
            Some(content) => disk::write(root, &step.path, content)?,
            None => exit = exit.worst(withdraw(root, &mut manifest, &step.path)?),
        }
    }
    manifest.save()?;
    Ok(exit)
}

/// Restores what was there before `apply`, except where somebody else has changed a file since.
pub fn undo(root: &Path, mut manifest: Manifest, signals: &Signals) -> Result<Exit, Error> {
    let mut exit = Exit::Done;
    let paths: Vec<_> = manifest
        .records()
        .map(|record| record.path.clone())
        .collect();
    for path in paths.iter().rev() {
        if let Some(signal) = signals.ending() {
            exit = Exit::Signal(signal);
            break;
        }
        exit = exit.worst(withdraw(root, &mut manifest, path)?);
    }
    manifest.save()?;
    Ok(exit)
}

/// Takes back one file, and its record with it.
fn withdraw(root: &Path, manifest: &mut Manifest, path: &Path) -> Result<Exit, Error> {
    let Some(record) = manifest.record(path).cloned() else {
        return Ok(Exit::Done);
    };
    let now = State::read(root, path)?;
    if !record.before.matches(&now) {
        if !record.written.matches(&now) {
            tracing::warn!(
                path = %Escaped::path(path),
                "left alone: somebody else has changed {} since it was written",
                Escaped::path(path)
            );
            return Ok(Exit::Partial);
        }
        match manifest.content(&record.before)? {
            Some(content) => disk::write(root, path, &content)?,
            None => disk::remove(root, path)?,
        }
    }
    manifest.forget(path);
    Ok(Exit::Done)
}

/// The files that a dry run would take back, one line each.
pub fn print_undo(root: &Path, manifest: &Manifest, out: &mut impl Write) -> Result<(), Error> {
    for record in manifest.records() {
        let now = State::read(root, &record.path)?;
        let verb = if record.before.matches(&now) {
            continue;
        } else if !record.written.matches(&now) {
            "leave"
        } else if matches!(record.before, Before::Absent) {
            "remove"
        } else {
            "restore"
        };
        writeln!(out, "{verb} {}", Escaped::path(&record.path)).map_err(Error::Output)?;
    }
    out.flush().map_err(Error::Output)
}
