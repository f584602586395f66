//! Observations as runs, the learned issuers, and the histories made of both.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::chain::{Chain, Judge};
use crate::db::{DbError, Row, Value};
use crate::digest::Sha256;
use crate::history::{History, Issuer, Sibling, Sighting};
use crate::metrics::Dates;
use crate::outcome::{Outcome, Proof};
use crate::runfile;
use crate::store::Store;
use crate::target::Target;
use crate::when::Unix;

/// Runs read per target: enough for years of renewals, and a bound on what a farm can cost.
const RUNS_READ: i64 = 256;

/// Judged chains kept in memory; some kilobytes each.
const CHAINS_KEPT: usize = 8192;

/// Rows that one statement marks as seen again.
const TOUCHED_AT_ONCE: usize = 1000;

/// What a sweep must know of the newest run at one address to recognise an unchanged chain.
#[derive(Debug, Clone)]
pub(crate) struct Latest<'a> {
    pub(crate) target: i64,
    pub(crate) addr: &'a str,
    pub(crate) run: i64,
    pub(crate) chain: Option<Sha256>,
    pub(crate) outcome: &'a str,
    /// Before this moment the unchanged chain is no news.
    pub(crate) alarm: Unix,
}

/// A run to be written: a new row, or the end of an existing one moved.
#[derive(Debug)]
pub(crate) struct RunRow<'a> {
    pub(crate) target: i64,
    pub(crate) vantage: i64,
    pub(crate) addr: &'a str,
    pub(crate) chain: Option<i64>,
    pub(crate) outcome: &'a str,
    pub(crate) proof: Proof,
    pub(crate) at: Unix,
    pub(crate) alarm: Unix,
}

/// A run with its chain judged, for showing.
#[derive(Debug, Clone)]
pub(crate) struct ShownRun {
    pub(crate) vantage: String,
    pub(crate) addr: String,
    pub(crate) chain_id: Option<i64>,
    pub(crate) chain: Option<Arc<Chain>>,
    pub(crate) outcome: String,
    pub(crate) proof: String,
    pub(crate) first: Unix,
    pub(crate) last: Unix,
    pub(crate) n: i64,
}

/// A run on its way into a run file; the chain is still a number.
#[derive(Debug)]
pub(crate) struct ExportedRun {
    pub(crate) chain: Option<i64>,
    pub(crate) run: runfile::Run,
}

/// Keeps a judged chain for later questions.
pub(crate) fn remember(cache: &mut HashMap<i64, Arc<Chain>>, id: i64, chain: &Arc<Chain>) {
    // A bound, not a policy: histories of a few thousand changed targets fit.
    if cache.len() >= CHAINS_KEPT {
        cache.clear();
    }
    cache.insert(id, Arc::clone(chain));
}

impl Store {
    /// Hands over the newest run of every address of every target, from one vantage.
    pub(crate) fn latest_runs(
        &mut self,
        vantage: i64,
        mut take: impl FnMut(Latest<'_>),
    ) -> Result<(), DbError> {
        self.db.each(
            "SELECT r.target, r.addr, r.id, c.sha256, r.outcome, r.alarm
             FROM run r LEFT JOIN chain c ON c.id = r.chain
             JOIN (SELECT max(id) AS id FROM run WHERE vantage = $1 GROUP BY target, addr) newest
               ON newest.id = r.id",
            &[vantage.into()],
            &mut |row| {
                take(Latest {
                    target: row.int(0),
                    addr: row.text(1),
                    run: row.int(2),
                    chain: Sha256::from_slice(row.blob(3)),
                    outcome: row.text(4),
                    alarm: row.int(5),
                });
            },
        )
    }

    /// Adds a run of one observation; returns its id.
    pub(crate) fn add_run(&mut self, run: &RunRow<'_>) -> Result<i64, DbError> {
        let row = self.one(
            "INSERT INTO run (target, vantage, addr, chain, outcome, proof, first_seen, last_seen, n,
                alarm)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) RETURNING id",
            &[
                run.target.into(),
                run.vantage.into(),
                run.addr.into(),
                run.chain.into(),
                run.outcome.into(),
                run.proof.code().into(),
                run.at.into(),
                run.at.into(),
                run.alarm.into(),
            ],
        )?;
        Ok(row.map_or(0, |row| row.int(0)))
    }

    /// Moves the end of runs that were seen again. `last_seen` never goes back.
    pub(crate) fn touch(&mut self, runs: &[i64], at: Unix) -> Result<(), DbError> {
        // Many rows a statement: on a server each statement is a journey.
        for some in runs.chunks(TOUCHED_AT_ONCE) {
            let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
            self.db.batch(&format!(
                "UPDATE run SET last_seen = CASE WHEN last_seen < {at} THEN {at} ELSE last_seen END,
                 n = n + 1 WHERE id IN ({})",
                ids.join(",")
            ))?;
        }
        Ok(())
    }

    /// Changes outcome and alarm of a run whose chain stayed the same.
    pub(crate) fn update_run(
        &mut self,
        run: i64,
        outcome: &str,
        alarm: Unix,
    ) -> Result<(), DbError> {
        self.db.execute(
            "UPDATE run SET outcome = $1, alarm = $2 WHERE id = $3",
            &[outcome.into(), alarm.into(), run.into()],
        )?;
        Ok(())
    }

    /// Sets the end of a run that was made elsewhere.
    pub(crate) fn extend_run(&mut self, run: i64, last: Unix, n: i64) -> Result<(), DbError> {
        self.db.execute(
            "UPDATE run SET last_seen = $1, n = $2 WHERE id = $3",
            &[last.into(), n.into(), run.into()],
        )?;
        Ok(())
    }

    /// Forgets what one vantage saw, before a newer file of the same vantage is taken in.
    pub(crate) fn forget_runs(&mut self, vantage: i64) -> Result<(), DbError> {
        self.db
            .execute("DELETE FROM run WHERE vantage = $1", &[vantage.into()])?;
        Ok(())
    }

    /// The dates of every target's current chain; of several addresses, the one that ends first.
    pub(crate) fn current_dates(&mut self) -> Result<Vec<Dates>, DbError> {
        let rows = self.db.query(
            "SELECT t.name, c.not_before, c.not_after, ch.path_end
             FROM run r JOIN (SELECT max(id) AS id FROM run WHERE chain IS NOT NULL
                GROUP BY target, vantage, addr) newest ON newest.id = r.id
             JOIN target t ON t.id = r.target JOIN chain ch ON ch.id = r.chain
             JOIN cert c ON c.id = ch.leaf ORDER BY t.name, c.not_after",
            &[],
        )?;
        let mut dates: Vec<Dates> = Vec::new();
        for row in &rows {
            let Some(target) = super::parse_target_key(row.text(0)) else {
                continue;
            };
            let target = target.to_string();
            if dates.last().is_some_and(|last| last.target == target) {
                continue;
            }
            dates.push(Dates {
                target,
                not_before: row.int(1),
                not_after: row.int(2),
                path_end: row.int(3),
            });
        }
        Ok(dates)
    }

    /// All runs of one vantage, oldest first.
    pub(crate) fn exported_runs(&mut self, vantage: &str) -> Result<Vec<ExportedRun>, DbError> {
        let rows = self.db.query(
            "SELECT t.name, r.addr, r.outcome, r.proof, r.first_seen, r.last_seen, r.n, r.chain
             FROM run r JOIN vantage v ON v.id = r.vantage JOIN target t ON t.id = r.target
             WHERE v.name = $1 ORDER BY r.id",
            &[vantage.into()],
        )?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                let target = super::parse_target_key(row.text(0))?;
                Some(ExportedRun {
                    chain: row.optional_int(7),
                    run: runfile::Run {
                        host: target.host,
                        port: target.port,
                        protocol: target.protocol.to_string(),
                        sni: target.sni,
                        addr: row.text(1).to_owned(),
                        outcome: row.text(2).to_owned(),
                        proof: row.text(3).to_owned(),
                        first: row.int(4),
                        last: row.int(5),
                        n: row.int(6),
                        chain: Vec::new(),
                    },
                })
            })
            .collect())
    }

    /// Everything remembered about `target`, its chains judged at `now`.
    pub(crate) fn history(
        &mut self,
        target: i64,
        judge: &Judge,
        cache: &mut HashMap<i64, Arc<Chain>>,
        now: Unix,
    ) -> Result<History, DbError> {
        let rows = self.db.query(
            "SELECT v.name, r.addr, r.chain, r.first_seen, r.last_seen, r.n, r.outcome
             FROM run r JOIN vantage v ON v.id = r.vantage
             WHERE r.target = $1 AND r.chain IS NOT NULL ORDER BY r.id DESC LIMIT $2",
            &[target.into(), RUNS_READ.into()],
        )?;
        let mut history = History::default();
        for row in rows.iter().rev() {
            if let Some(sighting) = self.sighting(row, 0, judge, cache, now)? {
                history.sightings.push(sighting);
            }
        }
        history.siblings = self.siblings(target, &history, judge, cache, now)?;
        history.issuers = self.issuers(target)?;
        history.verdicts = self.verdicts_on(target)?;
        // Two sweeps see every address twice; the busiest address counts them.
        let sweeps: Vec<u32> = history.sightings.iter().map(|s| s.n).collect();
        let per_place = history
            .sightings
            .iter()
            .fold(HashMap::new(), |mut sums, s| {
                *sums.entry((s.vantage.clone(), s.addr)).or_insert(0u32) += s.n;
                sums
            });
        history.sweeps = per_place.values().copied().chain(sweeps).max().unwrap_or(0);
        Ok(history)
    }

    fn sighting(
        &mut self,
        row: &Row,
        from: usize,
        judge: &Judge,
        cache: &mut HashMap<i64, Arc<Chain>>,
        now: Unix,
    ) -> Result<Option<Sighting>, DbError> {
        let first = row.int(from + 3);
        // An old chain is judged as of when it was served: it was valid then.
        let Some(chain) = self.judged(row.int(from + 2), judge, cache, first.min(now))? else {
            return Ok(None);
        };
        Ok(Some(Sighting {
            vantage: row.text(from).to_owned(),
            addr: row.text(from + 1).parse::<IpAddr>().ok(),
            chain,
            first,
            last: row.int(from + 4),
            n: u32::try_from(row.int(from + 5)).unwrap_or(u32::MAX),
            legacy: matches!(
                Outcome::parse(row.text(from + 6)),
                Some(Outcome::Legacy { .. })
            ),
        }))
    }

    /// A stored chain, judged once per run of the program.
    pub(crate) fn judged(
        &mut self,
        id: i64,
        judge: &Judge,
        cache: &mut HashMap<i64, Arc<Chain>>,
        at: Unix,
    ) -> Result<Option<Arc<Chain>>, DbError> {
        if let Some(chain) = cache.get(&id) {
            return Ok(Some(Arc::clone(chain)));
        }
        let presented = self.presented(id)?;
        let Some(chain) = judge.chain(&presented, at).map(Arc::new) else {
            return Ok(None);
        };
        remember(cache, id, &chain);
        Ok(Some(chain))
    }

    /// Other ports of the same host that once served a leaf which this target served too.
    fn siblings(
        &mut self,
        target: i64,
        history: &History,
        judge: &Judge,
        cache: &mut HashMap<i64, Arc<Chain>>,
        now: Unix,
    ) -> Result<Vec<Sibling>, DbError> {
        let rows = self.db.query(
            "SELECT t.port, v.name, r.addr, r.chain, r.first_seen, r.last_seen, r.n, r.outcome
             FROM target me JOIN target t ON t.host = me.host AND t.id <> me.id
             JOIN run r ON r.target = t.id JOIN vantage v ON v.id = r.vantage
             WHERE me.id = $1 AND r.chain IS NOT NULL ORDER BY r.id DESC LIMIT $2",
            &[target.into(), RUNS_READ.into()],
        )?;
        let mut siblings = Vec::new();
        for row in rows.iter().rev() {
            let port = u16::try_from(row.int(0)).unwrap_or(0);
            if let Some(sighting) = self.sighting(row, 1, judge, cache, now)? {
                siblings.push(Sibling { port, sighting });
            }
        }
        let shared = |sibling: &Sibling| {
            let leaf = sibling.sighting.chain.leaf().sha256;
            history
                .sightings
                .iter()
                .any(|s| s.chain.leaf().sha256 == leaf)
        };
        let members: Vec<u16> = siblings
            .iter()
            .filter(|s| shared(s))
            .map(|sibling| sibling.port)
            .collect();
        siblings.retain(|sibling| members.contains(&sibling.port));
        Ok(siblings)
    }

    /// Runs of `target`, newest first, for showing.
    pub(crate) fn shown_runs(
        &mut self,
        target: i64,
        judge: &Judge,
        now: Unix,
    ) -> Result<Vec<ShownRun>, DbError> {
        let rows = self.db.query(
            "SELECT v.name, r.addr, r.chain, r.outcome, r.proof, r.first_seen, r.last_seen, r.n
             FROM run r JOIN vantage v ON v.id = r.vantage WHERE r.target = $1
             ORDER BY r.last_seen DESC, r.id DESC LIMIT $2",
            &[target.into(), RUNS_READ.into()],
        )?;
        let mut cache = HashMap::new();
        let mut runs = Vec::new();
        for row in &rows {
            let chain_id = row.optional_int(2);
            let chain = match chain_id {
                Some(id) => self.judged(id, judge, &mut cache, row.int(6).min(now))?,
                None => None,
            };
            runs.push(ShownRun {
                vantage: row.text(0).to_owned(),
                addr: row.text(1).to_owned(),
                chain_id,
                chain,
                outcome: row.text(3).to_owned(),
                proof: row.text(4).to_owned(),
                first: row.int(5),
                last: row.int(6),
                n: row.int(7),
            });
        }
        Ok(runs)
    }

    fn issuers(&mut self, target: i64) -> Result<Vec<Issuer>, DbError> {
        let rows = self.db.query(
            "SELECT spki, owner, first_seen, last_seen, learned FROM issuer_set WHERE target = $1",
            &[target.into()],
        )?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(Issuer {
                    key: Sha256::from_slice(row.blob(0))?,
                    owner: row.text(1).to_owned(),
                    first: row.int(2),
                    last: row.int(3),
                    learned: row.int(4) == 1,
                })
            })
            .collect())
    }

    /// Replaces the learned issuers of `target`.
    pub(crate) fn set_issuers(&mut self, target: i64, issuers: &[Issuer]) -> Result<(), DbError> {
        self.db
            .execute("DELETE FROM issuer_set WHERE target = $1", &[target.into()])?;
        for issuer in issuers {
            self.db.execute(
                "INSERT INTO issuer_set (target, spki, owner, first_seen, last_seen, learned)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    target.into(),
                    (&issuer.key).into(),
                    issuer.owner.as_str().into(),
                    issuer.first.into(),
                    issuer.last.into(),
                    i64::from(issuer.learned).into(),
                ],
            )?;
        }
        Ok(())
    }

    /// Remembers that `host` was validly served by the issuer with this key.
    pub(crate) fn saw_issuer(&mut self, key: &Sha256, host: &str, at: Unix) -> Result<(), DbError> {
        self.db.execute(
            "INSERT INTO ca_seen (spki, host, first_seen) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            &[key.into(), host.into(), at.into()],
        )?;
        Ok(())
    }

    /// On how many hosts other than `host` an issuer key was seen, looking no further than needed.
    pub(crate) fn issuer_hosts(&mut self, key: &Sha256, host: &str) -> Result<usize, DbError> {
        let row = self.one(
            "SELECT count(*) FROM (SELECT 1 FROM ca_seen WHERE spki = $1 AND host <> $2 LIMIT 8) few",
            &[key.into(), host.into()],
        )?;
        Ok(row.map_or(0, |row| usize::try_from(row.int(0)).unwrap_or(0)))
    }

    /// How many hosts other than `host` were ever seen with a valid path, up to 64.
    pub(crate) fn other_hosts(&mut self, host: &str) -> Result<usize, DbError> {
        let row = self.one(
            "SELECT count(*) FROM
             (SELECT DISTINCT host FROM ca_seen WHERE host <> $1 LIMIT 64) few",
            &[host.into()],
        )?;
        Ok(row.map_or(0, |row| usize::try_from(row.int(0)).unwrap_or(0)))
    }

    /// Hosts of other targets that served a different certificate with the same key.
    pub(crate) fn key_elsewhere(
        &mut self,
        leaf: &crate::cert::Cert,
        target: &Target,
    ) -> Result<Vec<String>, DbError> {
        // Most keys are new, and this question is the cheaper one.
        let known = self.one(
            "SELECT count(*) FROM (SELECT 1 FROM cert c JOIN chain ch ON ch.leaf = c.id
             JOIN run r ON r.chain = ch.id WHERE c.spki = $1 LIMIT 1) few",
            &[(&leaf.spki).into()],
        )?;
        if known.is_none_or(|row| row.int(0) == 0) {
            return Ok(Vec::new());
        }
        let rows = self.db.query(
            "SELECT DISTINCT t.host FROM cert c JOIN chain ch ON ch.leaf = c.id
             JOIN run r ON r.chain = ch.id JOIN target t ON t.id = r.target
             WHERE c.spki = $1 AND t.host <> $2 LIMIT 16",
            &[(&leaf.spki).into(), target.host.as_str().into()],
        )?;
        Ok(rows
            .iter()
            .map(|row| row.text(0).to_owned())
            .filter(|host| !leaf.covers(host) && !related(host, target.name()))
            .collect())
    }

    /// Whether another target already uses the wildcard that covers `target`.
    pub(crate) fn wildcard_known(&mut self, pattern: &str, host: &str) -> Result<bool, DbError> {
        let like = format!("%.{}", pattern.trim_start_matches("*."));
        let rows = self.db.query(
            "SELECT c.der FROM target t JOIN run r ON r.target = t.id
             JOIN chain ch ON ch.id = r.chain JOIN cert c ON c.id = ch.leaf
             WHERE t.host LIKE $1 AND t.host <> $2 LIMIT 64",
            &[Value::Text(like), host.into()],
        )?;
        Ok(rows.iter().any(|row| {
            crate::cert::Cert::parse(row.blob(0))
                .is_some_and(|cert| cert.dns_names.iter().any(|name| name == pattern))
        }))
    }
}

/// Whether two hosts look like one administration: the same last two labels, or addresses.
fn related(a: &str, b: &str) -> bool {
    let tail =
        |host: &str| -> Vec<String> { host.rsplit('.').take(2).map(str::to_owned).collect() };
    let address = |host: &str| host.parse::<IpAddr>().is_ok();
    address(a) || address(b) || tail(a) == tail(b)
}
