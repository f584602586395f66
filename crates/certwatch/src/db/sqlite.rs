//! SQLite: one file, WAL, one writer. A foreign, newer or damaged file is refused, never replaced.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nightshift_common::escape::Escaped;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags};

use crate::db::{Db, DbError, Row, Value};

/// Marks our files (`file` shows it): "CwSt".
const APPLICATION_ID: i64 = 0x4377_5374;
/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// With less free than this the next write or shared-memory page of SQLite does not fit.
const NO_ROOM: u64 = 128 * 1024;

/// An open database file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
    path: PathBuf,
}

/// Whether a missing file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// scan, watch and import make one.
    Create,
    /// Everything else only reads what is there.
    Existing,
}

impl Sqlite {
    /// Opens `path` and checks that it is ours and whole.
    pub(crate) fn open(path: &Path, how: Open) -> Result<Self, DbError> {
        let place = Escaped::path(path).to_string();
        let unusable = |reason: String, hint: Option<&str>| DbError::Unusable {
            place: place.clone(),
            reason,
            hint: hint.map(str::to_owned),
        };
        if how == Open::Existing && !path.exists() {
            return Err(unusable(
                "there is none".to_owned(),
                Some("`certwatch scan` makes it; --store names another place"),
            ));
        }
        if how == Open::Create
            && let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty())
        {
            std::fs::create_dir_all(directory)
                .map_err(|error| unusable(format!("cannot make its directory: {error}"), None))?;
        }
        let flags = match how {
            Open::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Open::Existing => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let fail = |source| failure(path, source);
        let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        connection.busy_timeout(BUSY).map_err(fail)?;
        let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                unusable(
                    "damaged, or no database of certwatch".to_owned(),
                    Some("move it away or restore it; certwatch never replaces it"),
                )
            }
            _ => failure(path, error),
        };
        let number = |name: &str| {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map_err(damaged)
        };
        let id = number("application_id")?;
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(damaged)?;
        if id != APPLICATION_ID && (id != 0 || tables > 0) {
            return Err(unusable(
                "a database of another program".to_owned(),
                Some("--store names the right file"),
            ));
        }
        let check: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(damaged)?;
        if check != "ok" {
            return Err(unusable(
                format!("damaged: {check}"),
                Some("restore it from a backup; certwatch never replaces it"),
            ));
        }
        if id == 0 && how == Open::Create {
            connection
                .pragma_update(None, "application_id", APPLICATION_ID)
                .map_err(fail)?;
        }
        if how == Open::Create {
            // FULL, not NORMAL: an event that was reported must survive a power cut. Sweeps
            // commit in batches, so the price is a few fsyncs a second.
            connection
                .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
                .map_err(fail)?;
        }
        connection
            .execute_batch("PRAGMA foreign_keys = ON;")
            .map_err(fail)?;
        // Without this SQLite plans a prepared statement anew for every value it is given, which
        // was a fourteenth of a first sweep.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(fail)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    fn fail(&self) -> impl Fn(rusqlite::Error) -> DbError + use<> {
        let path = self.path.clone();
        move |source| failure(&path, source)
    }
}

/// SQLite's error with its place; a full disk by its name, because to SQLite it is at times an
/// input/output error with a number.
fn failure(path: &Path, source: rusqlite::Error) -> DbError {
    let place = Escaped::path(path).to_string();
    let full = match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => true,
        Some(rusqlite::ErrorCode::SystemIoFailure) => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            rustix::fs::statvfs(directory).is_ok_and(|disk| disk.f_bavail * disk.f_frsize < NO_ROOM)
        }
        _ => false,
    };
    if full {
        return DbError::Unusable {
            place,
            reason: "the disk is full".to_owned(),
            hint: Some("make room; what was committed before is kept".to_owned()),
        };
    }
    DbError::Sqlite { place, source }
}

impl Db for Sqlite {
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, DbError> {
        let mut rows = Vec::new();
        let mut take = |row: Row| rows.push(row);
        self.each(sql, parameters, &mut take)?;
        Ok(rows)
    }

    fn each(
        &mut self,
        sql: &str,
        parameters: &[Value],
        take: &mut dyn FnMut(Row),
    ) -> Result<(), DbError> {
        let fail = self.fail();
        let mut statement = self.connection.prepare_cached(sql).map_err(&fail)?;
        let columns = statement.column_count();
        let mut rows = statement
            .query(rusqlite::params_from_iter(parameters))
            .map_err(&fail)?;
        while let Some(row) = rows.next().map_err(&fail)? {
            let values = (0..columns).map(|at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Integer(n) => Value::Int(n),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
                    ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                    // The schema has no REAL column.
                    ValueRef::Null | ValueRef::Real(_) => Value::Null,
                })
            });
            take(Row(values.collect::<Result<_, _>>().map_err(&fail)?));
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, DbError> {
        let fail = self.fail();
        let mut statement = self.connection.prepare_cached(sql).map_err(&fail)?;
        let changed = statement
            .execute(rusqlite::params_from_iter(parameters))
            .map_err(&fail)?;
        Ok(changed as u64)
    }

    fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        self.connection.execute_batch(sql).map_err(self.fail())
    }

    fn begin(&mut self) -> Result<(), DbError> {
        self.batch("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), DbError> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) {
        // Fails only when there is no transaction, which is what was wanted.
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    fn keep_alone(&mut self, _name: &str) -> Result<bool, DbError> {
        Ok(true)
    }

    fn dialect(&self) -> (&'static str, &'static str) {
        ("INTEGER PRIMARY KEY", "BLOB")
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
