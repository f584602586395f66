//! Whose turn it is, for a scan of what is due and for the daemon.

use std::collections::HashMap;

use super::Engine;
use crate::db::DbError;
use crate::due::Due;
use crate::store::Store;
use crate::targets::Entry;
use crate::when::Unix;

/// Rows per transaction.
const WRITTEN: usize = 20_000;

/// The turns of all targets, by their index.
#[derive(Debug)]
pub(super) struct Plan {
    every: i64,
    due: Vec<Due>,
}

impl Plan {
    pub(super) fn load(
        store: &mut Store,
        vantage: i64,
        entries: &[(i64, Entry)],
        every: i64,
    ) -> Result<Self, DbError> {
        let known = store.due(vantage)?;
        let due = entries.iter().map(|(id, _)| known.get(id).copied());
        Ok(Self {
            every,
            due: due.map(Option::unwrap_or_default).collect(),
        })
    }
}

impl Engine {
    /// The targets whose turn it is; all of them without a plan.
    pub(crate) fn due(&self, now: Unix) -> Vec<usize> {
        let due = |index: &usize| {
            self.plan
                .as_ref()
                .is_none_or(|plan| plan.due[*index].at <= now)
        };
        (0..self.entries.len()).filter(due).collect()
    }

    /// When the next turn comes.
    pub(crate) fn next_due(&self) -> Option<Unix> {
        self.plan.as_ref()?.due.iter().map(|due| due.at).min()
    }

    /// Gives the targets that were looked at their next turn.
    pub(super) fn reschedule(
        &mut self,
        looked: &HashMap<usize, bool>,
        now: Unix,
    ) -> Result<(), DbError> {
        let Some(plan) = &mut self.plan else {
            return Ok(());
        };
        let mut rows = Vec::with_capacity(looked.len());
        for (index, answered) in looked {
            let (id, entry) = &self.entries[*index];
            let due = &mut plan.due[*index];
            *due = due.after(&entry.target.host, *answered, now, plan.every);
            rows.push((*id, *due));
        }
        for some in rows.chunks(WRITTEN) {
            let vantage = self.vantage.0;
            self.store
                .transaction(|store| store.set_due(vantage, some))?;
        }
        Ok(())
    }
}
