//! Imported lists: CCADB, known-bad keys and CAs.

use crate::db::DbError;
use crate::digest::Sha256;
use crate::import::ccadb::{Ccadb, Record};
use crate::import::distrusted::Distrusted;
use crate::sct::{Log, Logs};
use crate::store::Store;

impl Store {
    /// Adds or replaces CT logs; returns how many there are now.
    pub(crate) fn import_logs(&mut self, logs: &[Log]) -> Result<i64, DbError> {
        for log in logs {
            self.db.execute(
                "INSERT INTO ctlog (log, public_key, name) VALUES ($1, $2, $3)
                 ON CONFLICT (log) DO UPDATE SET name = excluded.name",
                &[
                    (&log.id).into(),
                    log.key.as_slice().into(),
                    log.name.as_str().into(),
                ],
            )?;
        }
        Ok(self
            .one("SELECT count(*) FROM ctlog", &[])?
            .map_or(0, |row| row.int(0)))
    }

    /// The imported CT logs.
    pub(crate) fn logs(&mut self) -> Result<Logs, DbError> {
        let rows = self
            .db
            .query("SELECT log, public_key, name FROM ctlog", &[])?;
        Ok(Logs::new(rows.iter().filter_map(|row| {
            Some(Log {
                id: Sha256::from_slice(row.blob(0))?,
                key: row.blob(1).to_vec(),
                name: row.text(2).to_owned(),
            })
        })))
    }

    /// Adds or replaces CCADB records; returns how many there are now.
    pub(crate) fn import_ccadb(&mut self, records: &[Record]) -> Result<i64, DbError> {
        for record in records {
            let Some(certificate) = &record.certificate else {
                continue;
            };
            self.db.execute(
                "INSERT INTO ccadb (certificate, owner, key_id, revoked, ev)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (certificate) DO UPDATE SET owner = excluded.owner,
                    revoked = excluded.revoked,
                    key_id = CASE WHEN length(excluded.key_id) > 0 THEN excluded.key_id
                                  ELSE ccadb.key_id END,
                    ev = CASE WHEN excluded.ev <> '' THEN excluded.ev ELSE ccadb.ev END",
                &[
                    certificate.into(),
                    record.owner.as_str().into(),
                    record.key_id.as_slice().into(),
                    i64::from(record.revoked).into(),
                    record.ev_policies.join(" ").into(),
                ],
            )?;
        }
        Ok(self
            .one("SELECT count(*) FROM ccadb", &[])?
            .map_or(0, |row| row.int(0)))
    }

    /// The imported CCADB records, indexed.
    pub(crate) fn ccadb(&mut self) -> Result<Ccadb, DbError> {
        let rows = self.db.query(
            "SELECT certificate, owner, key_id, revoked, ev FROM ccadb",
            &[],
        )?;
        Ok(Ccadb::new(rows.iter().map(|row| Record {
            certificate: Sha256::from_slice(row.blob(0)),
            owner: row.text(1).to_owned(),
            key_id: row.blob(2).to_vec(),
            revoked: row.int(3) == 1,
            ev_policies: row.text(4).split_whitespace().map(str::to_owned).collect(),
        })))
    }

    pub(crate) fn import_distrusted(&mut self, entries: &[Distrusted]) -> Result<(), DbError> {
        for entry in entries {
            self.db.execute(
                "INSERT INTO distrusted (kind, value, reason) VALUES ($1, $2, $3)
                 ON CONFLICT (kind, value) DO UPDATE SET reason = excluded.reason",
                &[
                    entry.kind().into(),
                    entry.value().into(),
                    entry.reason.as_str().into(),
                ],
            )?;
        }
        Ok(())
    }

    /// The imported list of known-bad keys and organisations.
    pub(crate) fn distrusted(&mut self) -> Result<Vec<Distrusted>, DbError> {
        let rows = self
            .db
            .query("SELECT kind, value, reason FROM distrusted", &[])?;
        Ok(rows
            .iter()
            .filter_map(|row| Distrusted::new(row.text(0), row.text(1), row.text(2)).ok())
            .collect())
    }
}
