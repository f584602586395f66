//! The smallest SQL interface that both databases share, so that every statement of the store is
//! written once and tested on both.
//!
//! Statements use `$1`, `$2`, ... in order of first use: PostgreSQL numbers them, SQLite names
//! them and assigns numbers in that same order.

pub(crate) mod postgres;
pub(crate) mod sqlite;

/// A column or parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// One result row.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) Vec<Value>);

/// A database connection. Implementations report errors that name the file or server.
pub(crate) trait Db: Send {
    /// Rows of a query.
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, DbError>;
    /// Hands over the rows of a query one by one; for results as long as the list of targets.
    fn each(
        &mut self,
        sql: &str,
        parameters: &[Value],
        take: &mut dyn FnMut(Row),
    ) -> Result<(), DbError>;
    /// Runs a statement and returns the number of rows it changed.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, DbError>;
    /// Runs several statements without parameters.
    fn batch(&mut self, sql: &str) -> Result<(), DbError>;
    /// Starts a transaction that writes; others wait.
    fn begin(&mut self) -> Result<(), DbError>;
    fn commit(&mut self) -> Result<(), DbError>;
    fn rollback(&mut self);
    /// Keeps other sessions with the same `name` out for as long as this one lives; false if
    /// another one is in. A file is guarded by a lock file instead, before it is opened.
    fn keep_alone(&mut self, name: &str) -> Result<bool, DbError>;
    /// Column types: (primary key that numbers itself, bytes).
    fn dialect(&self) -> (&'static str, &'static str);
}

/// A failure of the database. The text names the file or server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    #[error("store {place}")]
    Sqlite {
        place: String,
        #[source]
        source: rusqlite::Error,
    },
    #[error("store {place}")]
    Postgres {
        place: String,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("store {place}: {reason}")]
    Unusable {
        place: String,
        reason: String,
        hint: Option<String>,
    },
    #[error("store {place}: {reason}")]
    Configuration { place: String, reason: String },
}

impl Row {
    /// The integer in column `at`; 0 for anything else.
    pub(crate) fn int(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Int(n)) => *n,
            _ => 0,
        }
    }

    /// The text in column `at`; empty for anything else.
    pub(crate) fn text(&self, at: usize) -> &str {
        match self.0.get(at) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// The bytes in column `at`; empty for anything else.
    pub(crate) fn blob(&self, at: usize) -> &[u8] {
        match self.0.get(at) {
            Some(Value::Blob(bytes)) => bytes,
            _ => &[],
        }
    }

    pub(crate) fn is_null(&self, at: usize) -> bool {
        matches!(self.0.get(at), None | Some(Value::Null))
    }

    /// The integer in column `at`, or `None` for NULL.
    pub(crate) fn optional_int(&self, at: usize) -> Option<i64> {
        (!self.is_null(at)).then(|| self.int(at))
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<Option<i64>> for Value {
    fn from(n: Option<i64>) -> Self {
        n.map_or(Self::Null, Self::Int)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        // PostgreSQL's text cannot hold NUL; hostile certificate names can.
        Self::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&crate::digest::Sha256> for Value {
    fn from(hash: &crate::digest::Sha256) -> Self {
        Self::Blob(hash.0.to_vec())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}
