//! Takes what probes bring, recognises what is unchanged, judges what is not, and writes both.
//!
//! One engine, one thread, one transaction per few hundred results. An unchanged chain costs a
//! hash and an entry in a list; everything else is looked up when it is needed.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::{Chain, Judge};
use crate::db::DbError;
use crate::digest::Sha256;
use crate::dns::Dns;
use crate::dns::caa::Caa;
use crate::import::distrusted::Distrusted;
use crate::outcome::Outcome;
use crate::probe::Seen;
use crate::rule::Rule;
use crate::store::Store;
use crate::store::events::Event;
use crate::sweep;
use crate::targets::Entry;
use crate::when::Unix;

mod names;
mod plan;
mod record;
mod review;

use plan::Plan;
pub(crate) use review::review_vantages;

/// Results per transaction, and how long one may last: others wait for it, and what is not
/// committed is lost with the process.
const BATCH: usize = 500;
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Unchanged runs per transaction; a fraction of a second.
const TOUCHED: usize = 20_000;
/// A clock this far behind the newest observation is not believed.
const CLOCK_TOLERANCE: i64 = 300;

/// Takes observations of one sweep after another.
pub(crate) struct Engine {
    store: Store,
    judge: Judge,
    vantage: (i64, String),
    entries: Vec<(i64, Entry)>,
    index: HashMap<(usize, Option<IpAddr>), Slot>,
    /// Which targets were ever seen, from any vantage: the others have no history to load.
    seen: Vec<bool>,
    cache: HashMap<i64, Arc<Chain>>,
    distrusted: Vec<Distrusted>,
    rules: Vec<Rule>,
    thresholds: (f64, f64),
    skewed: bool,
    asker: Option<names::Asker>,
    plan: Option<Plan>,
    sweep: Sweep,
    batched: usize,
    batch_begun: Instant,
}

#[derive(Debug, Clone)]
struct Slot {
    run: i64,
    chain: Option<Sha256>,
    outcome: Outcome,
    alarm: Unix,
}

/// What one sweep brought.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Results per kind of outcome.
    pub(crate) outcomes: BTreeMap<&'static str, usize>,
    /// The targets looked at, by index, and whether they showed a chain.
    pub(crate) looked: HashMap<usize, bool>,
    touched: Vec<i64>,
    changed: Vec<(usize, Option<IpAddr>, i64)>,
    caa: Vec<(usize, Caa)>,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) judge: Judge,
    pub(crate) vantage: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) rules: Vec<Rule>,
    /// Shares of the lifetime for `expiring` and `expiring-now`.
    pub(crate) thresholds: (f64, f64),
    pub(crate) dns: Option<Arc<Dns>>,
    /// Seconds between two looks at a target, where only what is due is looked at.
    pub(crate) every: Option<i64>,
}

impl Engine {
    /// Prepares for sweeps over `entries`: registers them and loads what is known of each.
    pub(crate) fn new(parts: Parts, now: Unix) -> Result<Self, DbError> {
        let Parts {
            mut store,
            mut judge,
            vantage,
            entries,
            rules,
            thresholds,
            dns,
            every,
        } = parts;
        for der in store.ca_certificates()? {
            if let Some(cert) = crate::cert::Cert::parse(&der) {
                judge.pool.add(&Arc::new(cert));
            }
        }
        let vantage_id = store.vantage(&vantage)?;
        let known = store.target_ids()?;
        let entries = store.transaction(|store| {
            entries
                .into_iter()
                .map(|entry| {
                    let id = match known.get(&crate::store::target_key(&entry.target)) {
                        Some(id) => *id,
                        None => store.target(&entry.target, &entry.tags)?,
                    };
                    Ok((id, entry))
                })
                .collect::<Result<Vec<_>, DbError>>()
        })?;
        drop(known);
        let positions: HashMap<i64, usize> = entries
            .iter()
            .enumerate()
            .map(|(at, (id, _))| (*id, at))
            .collect();
        let mut index = HashMap::with_capacity(entries.len());
        store.latest_runs(vantage_id, |latest| {
            let at = positions.get(&latest.target);
            if let (Some(at), Some(outcome)) = (at, Outcome::parse(latest.outcome)) {
                let slot = Slot {
                    run: latest.run,
                    chain: latest.chain,
                    outcome,
                    alarm: latest.alarm,
                };
                index.insert((*at, latest.addr.parse().ok()), slot);
            }
        })?;
        let mut seen = vec![false; entries.len()];
        for target in store.targets_with_runs()? {
            if let Some(at) = positions.get(&target) {
                seen[*at] = true;
            }
        }
        let plan = match every {
            Some(every) => Some(Plan::load(&mut store, vantage_id, &entries, every)?),
            None => None,
        };
        let distrusted = store.distrusted()?;
        let newest = store.newest()?;
        let skewed = newest - now > CLOCK_TOLERANCE;
        if skewed {
            tracing::warn!(
                newest = crate::when::rfc3339(newest),
                "the clock is behind the newest observation; findings that rest on it are suspended"
            );
        }
        Ok(Self {
            store,
            judge,
            vantage: (vantage_id, vantage),
            entries,
            index,
            seen,
            cache: HashMap::new(),
            distrusted,
            rules,
            thresholds,
            skewed,
            asker: names::Asker::new(dns)?,
            plan,
            sweep: Sweep::default(),
            batched: 0,
            batch_begun: Instant::now(),
        })
    }

    /// The targets in the order their indexes refer to.
    pub(crate) fn targets(&self) -> Vec<crate::target::Target> {
        self.entries
            .iter()
            .map(|(_, entry)| entry.target.clone())
            .collect()
    }

    /// How many addresses stand at each kind of outcome, as last seen.
    pub(crate) fn standing(&self) -> BTreeMap<&'static str, usize> {
        let mut standing = BTreeMap::new();
        for slot in self.index.values() {
            *standing.entry(slot.outcome.kind()).or_default() += 1;
        }
        standing
    }

    /// Events of this vantage that nobody was told of yet.
    pub(crate) fn untold(&mut self) -> Result<Vec<Event>, DbError> {
        self.store.untold(self.vantage.0)
    }

    pub(crate) fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Takes one result. Where TLSA records are published it is judged each time, for they may
    /// change while the chain does not.
    pub(crate) fn take(&mut self, result: &sweep::Result, now: Unix) -> Result<(), DbError> {
        let key = (result.target, result.addr);
        *self.sweep.looked.entry(result.target).or_default() |= result.seen.presented.is_some();
        if let Some(caa) = &result.caa {
            self.sweep.caa.push((result.target, caa.clone()));
        }
        if let Some(slot) = self.index.get(&key)
            && result.tlsa.is_empty()
            && slot.is_unchanged(&result.seen, now)
        {
            *self.sweep.outcomes.entry(slot.outcome.kind()).or_default() += 1;
            self.sweep.touched.push(slot.run);
            return Ok(());
        }
        if self.batched == 0 {
            self.store.begin()?;
            self.batch_begun = Instant::now();
        }
        self.batched += 1;
        let taken = self.record(key, result, now);
        if taken.is_err() {
            self.store.rollback();
            self.batched = 0;
            return taken;
        }
        if self.batched >= BATCH || self.batch_begun.elapsed() >= BATCH_TIME {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Commits what is pending.
    pub(crate) fn flush(&mut self) -> Result<(), DbError> {
        if self.batched > 0 {
            self.batched = 0;
            self.store.commit()?;
        }
        Ok(())
    }

    /// Ends a sweep: looks once more at what changed in it, now that every member of each farm has
    /// been seen, and writes down what was seen again.
    pub(crate) fn finish(&mut self, now: Unix) -> Result<Sweep, DbError> {
        self.flush()?;
        let touched = std::mem::take(&mut self.sweep.touched);
        for some in touched.chunks(TOUCHED) {
            self.store.transaction(|store| store.touch(some, now))?;
        }
        let caa = std::mem::take(&mut self.sweep.caa);
        self.store.transaction(|store| {
            for (at, records) in caa {
                let name = self.entries[at].1.target.name();
                store.remember_caa(name, &records.to_string(), now)?;
            }
            Ok(())
        })?;
        if let Some(asker) = &mut self.asker {
            asker.failures = 0;
        }
        let changed = std::mem::take(&mut self.sweep.changed);
        self.store.begin()?;
        for (at, addr, chain) in changed {
            if let Err(error) = self.look_again(at, addr, chain, now) {
                self.store.rollback();
                return Err(error);
            }
        }
        self.store.commit()?;
        let sweep = std::mem::take(&mut self.sweep);
        self.reschedule(&sweep.looked, now)?;
        Ok(sweep)
    }
}

impl Slot {
    /// Whether a result says nothing that this slot does not know.
    fn is_unchanged(&self, seen: &Seen, now: Unix) -> bool {
        match &seen.presented {
            None => self.chain.is_none() && self.outcome == seen.outcome,
            Some(presented) => {
                let legacy = |outcome: &Outcome| matches!(outcome, Outcome::Legacy { .. });
                now < self.alarm
                    && (self.outcome == seen.outcome
                        || !legacy(&self.outcome) && !legacy(&seen.outcome))
                    && self.chain == Some(presented.hash())
            }
        }
    }
}
