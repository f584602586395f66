//! CAA records as last seen, so that a change of them can be told from what always was.

use std::collections::HashSet;

use crate::db::DbError;
use crate::store::Store;
use crate::when::Unix;

impl Store {
    /// Remembers the records found for `name`. Returns when they became what they are, if they
    /// were ever seen different.
    pub(crate) fn remember_caa(
        &mut self,
        name: &str,
        records: &str,
        now: Unix,
    ) -> Result<Option<Unix>, DbError> {
        let known = self.one(
            "SELECT records, changed FROM caa WHERE name = $1",
            &[name.into()],
        )?;
        let changed = match known {
            Some(row) if row.text(0) == records => row.optional_int(1),
            Some(_) => Some(now),
            None => None,
        };
        self.db.execute(
            "INSERT INTO caa (name, records, changed, asked) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET records = excluded.records,
                changed = excluded.changed, asked = excluded.asked",
            &[name.into(), records.into(), changed.into(), now.into()],
        )?;
        Ok(changed)
    }

    /// Names whose records were asked at or after `since`.
    pub(crate) fn caa_asked_since(&mut self, since: Unix) -> Result<HashSet<String>, DbError> {
        let rows = self
            .db
            .query("SELECT name FROM caa WHERE asked >= $1", &[since.into()])?;
        Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
    }
}
