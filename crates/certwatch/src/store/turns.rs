//! When each target is due, per vantage.

use std::collections::HashMap;

use crate::db::DbError;
use crate::due::Due;
use crate::store::Store;

/// Rows that one statement writes.
const AT_ONCE: usize = 500;

impl Store {
    /// The turns of all targets by their ids.
    pub(crate) fn due(&mut self, vantage: i64) -> Result<HashMap<i64, Due>, DbError> {
        let mut due = HashMap::new();
        self.db.each(
            "SELECT target, at, failures FROM due WHERE vantage = $1",
            &[vantage.into()],
            &mut |row| {
                let failures = u32::try_from(row.int(2)).unwrap_or(u32::MAX);
                let at = row.int(1);
                due.insert(row.int(0), Due { at, failures });
            },
        )?;
        Ok(due)
    }

    /// Sets the turns of some targets.
    pub(crate) fn set_due(&mut self, vantage: i64, rows: &[(i64, Due)]) -> Result<(), DbError> {
        // Many rows a statement, as for runs: on a server each statement is a journey.
        for some in rows.chunks(AT_ONCE) {
            let values: Vec<String> = some
                .iter()
                .map(|(target, due)| format!("({target},{vantage},{},{})", due.at, due.failures))
                .collect();
            self.db.batch(&format!(
                "INSERT INTO due (target, vantage, at, failures) VALUES {}
                 ON CONFLICT (target, vantage) DO UPDATE SET at = excluded.at,
                    failures = excluded.failures",
                values.join(",")
            ))?;
        }
        Ok(())
    }
}
