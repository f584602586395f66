//! Comparing what several vantage points see at one target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::chain::Chain;
use crate::digest::Sha256;
use crate::store::runs::ShownRun;
use crate::when::{DAY, Unix};

/// A key seen long ago says nothing about now.
const RECENT: i64 = 30 * DAY;

/// The keys of one target on which the vantages do not agree.
#[derive(Debug)]
pub(crate) struct Disagreement {
    /// Each key, a chain that shows it, and who sees it; the loneliest first.
    pub(crate) keys: Vec<(Sha256, Arc<Chain>, BTreeSet<String>)>,
    /// All vantages that looked.
    pub(crate) vantages: BTreeSet<String>,
}

impl Disagreement {
    /// Whether `seen_by` is a quorum: three quarters of those who looked.
    pub(crate) fn is_quorum(&self, seen_by: &BTreeSet<String>) -> bool {
        seen_by.len() * 4 >= self.vantages.len() * 3
    }
}

/// Compares the runs of one target. Only keys that are current at some address of each vantage
/// count; `None` when every vantage sees the same ones, or only one vantage looked.
pub(crate) fn compare(runs: &[ShownRun], only: &[String], now: Unix) -> Option<Disagreement> {
    let mut current: BTreeMap<(&str, &str), &ShownRun> = BTreeMap::new();
    for run in runs {
        let wanted = only.is_empty() || only.contains(&run.vantage);
        if !wanted || run.chain.is_none() || now - run.last > RECENT {
            continue;
        }
        let place = current.entry((&run.vantage, &run.addr)).or_insert(run);
        if run.last > place.last {
            *place = run;
        }
    }
    let vantages: BTreeSet<String> = current.keys().map(|(name, _)| (*name).to_owned()).collect();
    let mut keys: BTreeMap<Sha256, (Arc<Chain>, BTreeSet<String>)> = BTreeMap::new();
    for run in current.values() {
        let Some(chain) = &run.chain else { continue };
        let entry = keys
            .entry(chain.leaf().spki)
            .or_insert_with(|| (Arc::clone(chain), BTreeSet::new()));
        entry.1.insert(run.vantage.clone());
    }
    let mut keys: Vec<_> = keys
        .into_iter()
        .map(|(key, (chain, seen_by))| (key, chain, seen_by))
        .collect();
    keys.retain(|(_, _, seen_by)| seen_by.len() < vantages.len());
    keys.sort_by_key(|(key, _, seen_by)| (seen_by.len(), *key));
    (vantages.len() > 1 && !keys.is_empty()).then_some(Disagreement { keys, vantages })
}
