//! `replay`: the offline door to the classifier. Files in time order go in, findings come out; no
//! network and no store is touched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chain::{Judge, Presented};
use crate::classify::{self, classify};
use crate::finding::{self, Finding, Severity};
use crate::history::History;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::Proof;
use crate::pem;
use crate::target::Target;
use crate::when::{DAY, Unix};

/// What became of one file.
#[derive(Debug)]
pub(crate) enum Entry {
    Judged {
        file: PathBuf,
        at: Unix,
        findings: Vec<Finding>,
    },
    /// The file was skipped, and why.
    Skipped { file: PathBuf, reason: String },
}

impl Entry {
    /// The worst finding; `None` for a skipped file and for one without findings.
    pub(crate) fn severity(&self) -> Option<Severity> {
        match self {
            Self::Judged { findings, .. } => finding::worst(findings),
            Self::Skipped { .. } => None,
        }
    }
}

/// Replays `files` against an empty history. `times` is empty or has one entry per file.
pub(crate) fn replay(
    judge: &mut Judge,
    target: &Target,
    files: &[PathBuf],
    times: &[Unix],
) -> Vec<Entry> {
    let mut history = History::default();
    let mut entries = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let entry = match load(file) {
            Ok(presented) => {
                let at = times.get(index).copied();
                step(judge, &mut history, target, file, &presented, at)
            }
            Err(reason) => Err(reason),
        };
        entries.push(entry.unwrap_or_else(|reason| Entry::Skipped {
            file: file.clone(),
            reason,
        }));
    }
    entries
}

fn load(file: &Path) -> Result<Presented, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let ders = pem::certificates(&text);
    if ders.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(Presented {
        ders: ders.into_iter().map(Arc::from).collect(),
    })
}

fn step(
    judge: &mut Judge,
    history: &mut History,
    target: &Target,
    file: &Path,
    presented: &Presented,
    at: Option<Unix>,
) -> Result<Entry, String> {
    let unparseable = || "its first certificate cannot be parsed".to_owned();
    let leaf = presented
        .ders
        .first()
        .and_then(|der| crate::cert::Cert::parse(der));
    let leaf = leaf.ok_or_else(unparseable)?;
    // A day into its life a certificate is served; one that lives for less is half through.
    let at = at.unwrap_or(leaf.not_before + DAY.min(leaf.lifetime() / 2));
    let chain = Arc::new(judge.chain(presented, at).ok_or_else(unparseable)?);
    let observation = Observation {
        target: target.clone(),
        vantage: "replay".to_owned(),
        addr: None,
        at,
        outcome: classify::outcome_of(&chain, target.name()),
        proof: Proof::None,
        chain: Some(Arc::clone(&chain)),
    };
    let findings = classify(history, &observation, &Knowledge::default(), at);
    judge.learn(&chain);
    // Each file judged is accepted history for the next.
    history.verdicts.accepted.insert(chain.hash);
    history.absorb(&observation, &findings);
    Ok(Entry::Judged {
        file: file.to_owned(),
        at,
        findings,
    })
}
