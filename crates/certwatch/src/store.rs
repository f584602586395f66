//! What is kept between runs: certificates once, chains as lists of them, observations as runs.
//!
//! One set of SQL statements for both databases. A run is a row for one chain seen without
//! interruption at one address, so an unchanged fleet costs one update per sweep and no new rows.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cert::Cert;
use crate::chain::Presented;
use crate::db::postgres::{Login, Postgres};
use crate::db::sqlite::{Open, Sqlite};
use crate::db::{Db, DbError, Row, Value};
use crate::digest::Sha256;
use crate::target::Target;

pub(crate) mod events;
pub(crate) mod lists;
mod names;
pub(crate) mod runs;
mod schema;
#[cfg(test)]
mod tests;
mod turns;
pub(crate) mod verdicts;

/// An open store.
pub(crate) struct Store {
    db: Box<dyn Db>,
}

impl Store {
    /// Opens `place`: a path, or a `postgres://` address.
    pub(crate) fn open(place: &str, login: &Login, how: Open) -> Result<Self, DbError> {
        let db: Box<dyn Db> =
            if place.starts_with("postgres://") || place.starts_with("postgresql://") {
                Box::new(Postgres::open(place, login)?)
            } else {
                Box::new(Sqlite::open(std::path::Path::new(place), how)?)
            };
        let mut store = Self { db };
        schema::migrate(store.db.as_mut(), place, how)?;
        Ok(store)
    }

    /// Runs `work` in one transaction, undone if it fails.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        self.db.begin()?;
        match work(self) {
            Ok(value) => self.db.commit().map(|()| value),
            Err(error) => {
                self.db.rollback();
                Err(error)
            }
        }
    }

    /// Begins a transaction that the caller ends.
    pub(crate) fn begin(&mut self) -> Result<(), DbError> {
        self.db.begin()
    }

    pub(crate) fn commit(&mut self) -> Result<(), DbError> {
        self.db.commit()
    }

    pub(crate) fn rollback(&mut self) {
        self.db.rollback();
    }

    /// Refuses if another scan or watch of `vantage` uses this database.
    pub(crate) fn keep_alone(&mut self, vantage: &str) -> Result<bool, DbError> {
        self.db.keep_alone(vantage)
    }

    fn one(&mut self, sql: &str, parameters: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.db.query(sql, parameters)?.into_iter().next())
    }

    /// The id of the row that `select` finds, or of the one `insert` makes. A concurrent insert of
    /// the same row yields no id on conflict, hence the second look.
    fn find_or_insert(
        &mut self,
        select: (&str, &[Value]),
        insert: (&str, &[Value]),
    ) -> Result<i64, DbError> {
        if let Some(row) = self.one(select.0, select.1)? {
            return Ok(row.int(0));
        }
        if let Some(row) = self.one(insert.0, insert.1)? {
            return Ok(row.int(0));
        }
        Ok(self.one(select.0, select.1)?.map_or(0, |row| row.int(0)))
    }

    /// The id of `target`, which is added if it is new.
    pub(crate) fn target(&mut self, target: &Target, tags: &str) -> Result<i64, DbError> {
        let name = target_key(target);
        let id = self.find_or_insert(
            (
                "SELECT id FROM target WHERE name = $1",
                &[name.as_str().into()],
            ),
            (
                "INSERT INTO target (name, host, port, tags) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING RETURNING id",
                &[
                    name.as_str().into(),
                    target.host.as_str().into(),
                    i64::from(target.port).into(),
                    tags.into(),
                ],
            ),
        )?;
        Ok(id)
    }

    /// All targets by id.
    pub(crate) fn targets(&mut self) -> Result<Vec<(i64, Target, String)>, DbError> {
        let rows = self.db.query(
            "SELECT id, name, tags FROM target ORDER BY host, port, name",
            &[],
        )?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some((
                    row.int(0),
                    parse_target_key(row.text(1))?,
                    row.text(2).to_owned(),
                ))
            })
            .collect())
    }

    /// The ids of all targets by their unique text.
    pub(crate) fn target_ids(&mut self) -> Result<HashMap<String, i64>, DbError> {
        let mut ids = HashMap::new();
        self.db
            .each("SELECT id, name FROM target", &[], &mut |row| {
                ids.insert(row.text(1).to_owned(), row.int(0));
            })?;
        Ok(ids)
    }

    pub(crate) fn vantage(&mut self, name: &str) -> Result<i64, DbError> {
        self.find_or_insert(
            ("SELECT id FROM vantage WHERE name = $1", &[name.into()]),
            (
                "INSERT INTO vantage (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id",
                &[name.into()],
            ),
        )
    }

    /// All vantage names by id.
    pub(crate) fn vantages(&mut self) -> Result<HashMap<i64, String>, DbError> {
        let rows = self.db.query("SELECT id, name FROM vantage", &[])?;
        Ok(rows
            .iter()
            .map(|row| (row.int(0), row.text(1).to_owned()))
            .collect())
    }

    /// Stores a chain and its certificates once; returns the chain's id. `path_end` is when its
    /// valid path ends, 0 without one.
    pub(crate) fn chain(&mut self, presented: &Presented, path_end: i64) -> Result<i64, DbError> {
        self.parsed_chain(presented, &[], path_end)
    }

    /// The same with its certificates at hand, which saves parsing them.
    pub(crate) fn parsed_chain(
        &mut self,
        presented: &Presented,
        parsed: &[Arc<Cert>],
        path_end: i64,
    ) -> Result<i64, DbError> {
        let hash = presented.hash();
        if let Some(row) = self.one("SELECT id FROM chain WHERE sha256 = $1", &[(&hash).into()])? {
            return Ok(row.int(0));
        }
        let mut ids = Vec::new();
        for der in &presented.ders {
            ids.push(self.certificate(der, parsed)?);
        }
        let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.find_or_insert(
            ("SELECT id FROM chain WHERE sha256 = $1", &[(&hash).into()]),
            (
                "INSERT INTO chain (sha256, leaf, certs, path_end) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING RETURNING id",
                &[
                    (&hash).into(),
                    ids.first().copied().into(),
                    list.join(",").into(),
                    path_end.into(),
                ],
            ),
        )
    }

    fn certificate(&mut self, der: &[u8], parsed: &[Arc<Cert>]) -> Result<i64, DbError> {
        let hash = Sha256::of(der);
        let known = parsed.iter().find(|cert| cert.sha256 == hash).cloned();
        let facts = known.or_else(|| Cert::parse(der).map(Arc::new));
        let facts = facts.as_deref();
        let text = |value: Option<&str>| Value::from(value.unwrap_or(""));
        self.find_or_insert(
            ("SELECT id FROM cert WHERE sha256 = $1", &[(&hash).into()]),
            (
                "INSERT INTO cert (sha256, der, spki, subject, issuer, not_before, not_after, is_ca)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id",
                &[
                    (&hash).into(),
                    der.into(),
                    facts.map_or(Value::Null, |cert| (&cert.spki).into()),
                    text(facts.map(|cert| cert.subject.text.as_str())),
                    text(facts.map(|cert| cert.issuer.text.as_str())),
                    facts.map_or(0, |cert| cert.not_before).into(),
                    facts.map_or(0, |cert| cert.not_after).into(),
                    i64::from(facts.is_some_and(|cert| cert.ca == Some(true))).into(),
                ],
            ),
        )
    }

    /// The id of a stored chain.
    pub(crate) fn chain_id(&mut self, hash: &Sha256) -> Result<Option<i64>, DbError> {
        let row = self.one("SELECT id FROM chain WHERE sha256 = $1", &[hash.into()])?;
        Ok(row.map(|row| row.int(0)))
    }

    /// Targets that were seen from any vantage.
    pub(crate) fn targets_with_runs(&mut self) -> Result<Vec<i64>, DbError> {
        let rows = self.db.query("SELECT DISTINCT target FROM run", &[])?;
        Ok(rows.iter().map(|row| row.int(0)).collect())
    }

    /// What was presented as chain `id`.
    pub(crate) fn presented(&mut self, id: i64) -> Result<Presented, DbError> {
        let list = self
            .one("SELECT certs FROM chain WHERE id = $1", &[id.into()])?
            .map(|row| row.text(0).to_owned())
            .unwrap_or_default();
        let mut ders: Vec<Arc<[u8]>> = Vec::new();
        for cert in list.split(',').filter_map(|id| id.parse::<i64>().ok()) {
            if let Some(row) = self.one("SELECT der FROM cert WHERE id = $1", &[cert.into()])? {
                ders.push(row.blob(0).into());
            }
        }
        Ok(Presented { ders })
    }

    /// DER of every CA certificate ever seen.
    pub(crate) fn ca_certificates(&mut self) -> Result<Vec<Vec<u8>>, DbError> {
        let rows = self.db.query("SELECT der FROM cert WHERE is_ca = 1", &[])?;
        Ok(rows.iter().map(|row| row.blob(0).to_vec()).collect())
    }

    /// When the newest observation was made, for noticing a clock that went back.
    pub(crate) fn newest(&mut self) -> Result<i64, DbError> {
        Ok(self
            .one("SELECT max(last_seen) FROM run", &[])?
            .map_or(0, |row| row.int(0)))
    }
}

/// Makes the writers of several processes on one PostgreSQL server wait for each other until the
/// end of their transactions; the number is "certw" in ASCII.
pub(crate) const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(426902516855)";

/// The unique text of a target: unlike `Display` it always names protocol and SNI.
pub(crate) fn target_key(target: &Target) -> String {
    let sni = target.sni.as_deref().unwrap_or("");
    format!("{}|{}|{}|{sni}", target.host, target.port, target.protocol)
}

fn parse_target_key(key: &str) -> Option<Target> {
    let mut parts = key.split('|');
    Some(Target {
        host: parts.next()?.to_owned(),
        port: parts.next()?.parse().ok()?,
        protocol: parts.next()?.parse().ok()?,
        sni: parts
            .next()
            .filter(|sni| !sni.is_empty())
            .map(str::to_owned),
    })
}
