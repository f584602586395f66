//! The memory of the Certificate Patrol add-on: its SQLite file with one certificate per host.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::target::Target;
use crate::when::Unix;

/// One remembered site.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) target: Target,
    /// DER of the leaf; dates are taken from it, for the add-on stored them in its own language.
    pub(crate) der: Vec<u8>,
    /// When the add-on last stored it.
    pub(crate) stored: Unix,
    /// The user had asked for the issuer to be checked only.
    pub(crate) issuer_only: bool,
}

/// What a file gave: memories, and how many rows had no certificate (files of old versions) or no
/// readable host.
#[derive(Debug)]
pub(crate) struct Memories {
    pub(crate) found: Vec<Memory>,
    pub(crate) skipped: usize,
}

/// Reads table `certificates` of `path`, which is opened read-only.
pub(crate) fn read(path: &Path) -> Result<Memories, rusqlite::Error> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT host, cert, flags, stored FROM certificates")?;
    let mut rows = statement.query([])?;
    let mut memories = Memories {
        found: Vec::new(),
        skipped: 0,
    };
    while let Some(row) = rows.next()? {
        let host: String = row.get(0)?;
        let der: Option<Vec<u8>> = row.get(1)?;
        let flags: Option<i64> = row.get(2)?;
        let stored: Option<i64> = row.get(3)?;
        match (host.parse::<Target>(), der) {
            (Ok(target), Some(der)) => memories.found.push(Memory {
                target,
                der,
                stored: stored.unwrap_or(0),
                issuer_only: flags.unwrap_or(0) & 1 != 0,
            }),
            _ => memories.skipped += 1,
        }
    }
    Ok(memories)
}
