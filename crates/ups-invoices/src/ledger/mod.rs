//! The ledger: every invoice, document, charge, alert and run, in one SQLite file.
//!
//! Write-ahead log, synchronous FULL: a row that says `stored` survives a power cut, and is only
//! written after its file did. All SQL of the tool is in this directory.

mod documents;
mod notes;
mod query;
mod records;

use std::path::Path;

use rusqlite::Connection;

pub use query::{BookedCharge, Listing, Shipment, WeekSpend};
pub use records::{Alert, Document, Format, InvoiceFacts, InvoiceKey, NewCharge, NewDocument};

/// The ledger is unusable.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite said no.
    #[error("{doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// Written by a newer version.
    #[error("schema version {found} is newer than this program's {known}")]
    Newer {
        /// Version of the file.
        found: i64,
        /// Version of the program.
        known: i64,
    },
}

/// Migrations in order; the schema version is how many of them ran.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema2.sql")];

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
}

fn doing(what: &'static str) -> impl FnOnce(rusqlite::Error) -> LedgerError {
    move |source| LedgerError::Sqlite {
        doing: what,
        source,
    }
}

impl Ledger {
    /// Opens or creates the ledger at `path`.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut connection = Connection::open(path).map_err(doing("open the ledger"))?;
        connection
            .execute_batch(
                "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
                 pragma busy_timeout = 10000;",
            )
            .map_err(doing("prepare the ledger"))?;
        migrate(&mut connection)?;
        Ok(Self { connection })
    }

    /// A ledger in memory, for tests and for `--dry-run`.
    pub fn in_memory() -> Result<Self, LedgerError> {
        let mut connection = Connection::open_in_memory().map_err(doing("open a ledger"))?;
        migrate(&mut connection)?;
        Ok(Self { connection })
    }

    /// SQLite's own verdict on the file: `ok`, or what is wrong.
    pub fn integrity(&self) -> Result<String, LedgerError> {
        self.connection
            .query_row("pragma integrity_check", [], |row| row.get(0))
            .map_err(doing("check the ledger"))
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        map: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
        what: &'static str,
    ) -> Result<Vec<T>, LedgerError> {
        let mut statement = self.connection.prepare(sql).map_err(doing(what))?;
        let rows = statement.query_map(params, map).map_err(doing(what))?;
        rows.collect::<rusqlite::Result<Vec<T>>>()
            .map_err(doing(what))
    }
}

fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection
        .query_row("pragma user_version", [], |row| row.get(0))
        .map_err(doing("read the ledger's version"))?;
    if found > known {
        return Err(LedgerError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(doing("begin"))?;
        transaction
            .execute_batch(sql)
            .map_err(doing("migrate the ledger"))?;
        transaction
            .pragma_update(
                None,
                "user_version",
                i64::try_from(index + 1).unwrap_or(i64::MAX),
            )
            .map_err(doing("migrate the ledger"))?;
        transaction.commit().map_err(doing("migrate the ledger"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_ledger_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        drop(Ledger::open(&path).unwrap());
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            Ledger::open(&path),
            Err(LedgerError::Newer { found: 99, .. })
        ));
    }
}
