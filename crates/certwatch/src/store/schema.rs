//! The schema and its migrations. A store newer than this binary is refused.

use crate::db::sqlite::Open;
use crate::db::{Db, DbError};

/// Each entry takes the schema one version further. `{id}` and `{blob}` are the database's own
/// words for a self-numbering key and for bytes. Times are unix seconds.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE cert (id {id}, sha256 {blob} NOT NULL UNIQUE, der {blob} NOT NULL, spki {blob},
        subject TEXT NOT NULL, issuer TEXT NOT NULL, not_before BIGINT NOT NULL,
        not_after BIGINT NOT NULL, is_ca BIGINT NOT NULL);
    CREATE INDEX cert_spki ON cert (spki);
    CREATE TABLE chain (id {id}, sha256 {blob} NOT NULL UNIQUE, leaf BIGINT REFERENCES cert (id),
        certs TEXT NOT NULL, path_end BIGINT NOT NULL);
    CREATE INDEX chain_leaf ON chain (leaf);
    CREATE TABLE target (id {id}, name TEXT NOT NULL UNIQUE, host TEXT NOT NULL,
        port BIGINT NOT NULL, tags TEXT NOT NULL);
    CREATE INDEX target_host ON target (host);
    CREATE TABLE vantage (id {id}, name TEXT NOT NULL UNIQUE);
    CREATE TABLE run (id {id}, target BIGINT NOT NULL REFERENCES target (id),
        vantage BIGINT NOT NULL REFERENCES vantage (id), addr TEXT NOT NULL,
        chain BIGINT REFERENCES chain (id), outcome TEXT NOT NULL, proof TEXT NOT NULL,
        first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, n BIGINT NOT NULL,
        alarm BIGINT NOT NULL);
    CREATE INDEX run_target ON run (target);
    CREATE INDEX run_chain ON run (chain);
    CREATE TABLE issuer_set (target BIGINT NOT NULL REFERENCES target (id), spki {blob} NOT NULL,
        owner TEXT NOT NULL, first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL,
        learned BIGINT NOT NULL, PRIMARY KEY (target, spki));
    CREATE TABLE ca_seen (spki {blob} NOT NULL, host TEXT NOT NULL, first_seen BIGINT NOT NULL,
        PRIMARY KEY (spki, host));
    CREATE TABLE verdict (id {id}, kind TEXT NOT NULL, target BIGINT, subject TEXT NOT NULL,
        who TEXT NOT NULL, why TEXT NOT NULL, at BIGINT NOT NULL, until BIGINT);
    CREATE TABLE event (id {id}, target BIGINT NOT NULL REFERENCES target (id),
        vantage BIGINT NOT NULL REFERENCES vantage (id), at BIGINT NOT NULL, codes TEXT NOT NULL,
        severity BIGINT NOT NULL, old_chain BIGINT, new_chain BIGINT, findings TEXT NOT NULL,
        state TEXT NOT NULL, who TEXT NOT NULL, note TEXT NOT NULL);
    CREATE UNIQUE INDEX event_once ON event (target, coalesce(new_chain, 0), codes);
    CREATE TABLE ccadb (certificate {blob} PRIMARY KEY, owner TEXT NOT NULL,
        key_id {blob} NOT NULL, revoked BIGINT NOT NULL, ev TEXT NOT NULL);
    CREATE TABLE ctlog (log {blob} PRIMARY KEY, public_key {blob} NOT NULL, name TEXT NOT NULL);
    CREATE TABLE distrusted (kind TEXT NOT NULL, value TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (kind, value));
",
    "
    ALTER TABLE event ADD COLUMN told BIGINT NOT NULL DEFAULT 1;
    CREATE INDEX event_untold ON event (vantage) WHERE told = 0;
",
    "
    CREATE TABLE caa (name TEXT PRIMARY KEY, records TEXT NOT NULL, changed BIGINT,
        asked BIGINT NOT NULL);
",
    "
    CREATE TABLE due (target BIGINT NOT NULL REFERENCES target (id),
        vantage BIGINT NOT NULL REFERENCES vantage (id), at BIGINT NOT NULL,
        failures BIGINT NOT NULL, PRIMARY KEY (target, vantage));
",
];

/// Brings the schema up to date.
pub(super) fn migrate(db: &mut dyn Db, place: &str, how: Open) -> Result<(), DbError> {
    let latest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let postgres = db.dialect().1 == "BYTEA";
    let present = |db: &mut dyn Db| -> Result<Option<i64>, DbError> {
        let exists = if postgres {
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'meta'"
        } else {
            "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'"
        };
        if db
            .query(exists, &[])?
            .first()
            .is_none_or(|row| row.int(0) == 0)
        {
            return Ok(None);
        }
        Ok(db
            .query("SELECT version FROM meta", &[])?
            .first()
            .map(|row| row.int(0)))
    };
    let unusable = |reason: String, hint: &str| DbError::Unusable {
        place: place.to_owned(),
        reason,
        hint: Some(hint.to_owned()),
    };
    match present(db)? {
        Some(version) if version == latest => return Ok(()),
        Some(version) if version > latest => {
            return Err(unusable(
                format!("schema {version} is newer than this certwatch knows ({latest})"),
                "use the certwatch that wrote it",
            ));
        }
        None if how == Open::Existing && !postgres => {
            return Err(unusable("empty".to_owned(), "run `certwatch scan` first"));
        }
        _ => {}
    }
    db.begin()?;
    let result = (|| {
        // Another process may have migrated while this one waited for its turn to write.
        let version = if let Some(version) = present(db)? {
            version
        } else {
            db.batch("CREATE TABLE meta (version BIGINT NOT NULL); INSERT INTO meta VALUES (0);")?;
            0
        };
        let (id, blob) = db.dialect();
        let done = usize::try_from(version).unwrap_or(0);
        for migration in MIGRATIONS.iter().skip(done) {
            db.batch(&migration.replace("{id}", id).replace("{blob}", blob))?;
        }
        db.execute("UPDATE meta SET version = $1", &[latest.into()])?;
        Ok(())
    })();
    match result {
        Ok(()) => db.commit(),
        Err(error) => {
            db.rollback();
            Err(error)
        }
    }
}
