//! Takes what probes bring, recognises what is unchanged, judges what is not, and writes both.
//!
//! One engine, one thread, one transaction per few hundred results. An unchanged chain costs a
//! hash and an entry in a list; everything else is looked up when it is needed.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::{Chain, Judge, Presented};
use crate::classify::{self, classify, next_alarm};
use crate::db::DbError;
use crate::digest::Sha256;
use crate::dns::Dns;
use crate::dns::caa::Caa;
use crate::finding::{Code, Finding, worst};
use crate::history::History;
use crate::import::distrusted::{self, Distrusted};
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::paths::Trust;
use crate::probe::Seen;
use crate::rule::Rule;
use crate::store::Store;
use crate::store::events::{Event, NewEvent};
use crate::store::runs::{self, RunRow};
use crate::sweep;
use crate::targets::Entry;
use crate::when::{DAY, Unix};

mod names;
mod plan;
mod review;

use plan::Plan;
pub(crate) use review::review_vantages;

/// Results per transaction, and how long one may last: others wait for it, and what is not
/// committed is lost with the process.
const BATCH: usize = 500;
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Unchanged runs per transaction; a fraction of a second.
const TOUCHED: usize = 20_000;
/// A changed leaf is looked at again in every sweep for this long, for row 19 may still apply.
const UNSETTLED: i64 = 2 * DAY;
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

    fn record(
        &mut self,
        key: (usize, Option<IpAddr>),
        result: &sweep::Result,
        now: Unix,
    ) -> Result<(), DbError> {
        let seen = &result.seen;
        let chain = match &seen.presented {
            Some(presented) => self.judge.chain(presented, now).map(Arc::new),
            None => None,
        };
        let target = &self.entries[key.0].1.target;
        let outcome = match (&chain, &seen.presented) {
            (Some(chain), _) if seen.outcome == Outcome::Ok => {
                classify::outcome_of(chain, target.name())
            }
            (None, Some(_)) => Outcome::CertUnparseable,
            _ => seen.outcome.clone(),
        };
        *self.sweep.outcomes.entry(outcome.kind()).or_default() += 1;
        let observation = Observation {
            target: target.clone(),
            vantage: self.vantage.1.clone(),
            addr: key.1,
            at: now,
            outcome,
            proof: seen.proof,
            chain,
        };
        self.write(key, &observation, result, now)
    }

    fn write(
        &mut self,
        key: (usize, Option<IpAddr>),
        observation: &Observation,
        result: &sweep::Result,
        now: Unix,
    ) -> Result<(), DbError> {
        let presented = result.seen.presented.as_ref();
        let (target_id, entry) = self.entries[key.0].clone();
        let mut history = self.history(key.0, now)?;
        let chain_id = match presented {
            Some(presented) => {
                let judged = observation.chain.as_deref();
                let parsed = judged.map_or(&[][..], |chain| &chain.certs);
                let path_end = judged.map_or(0, Chain::path_end);
                Some(self.store.parsed_chain(presented, parsed, path_end)?)
            }
            None => None,
        };
        let old = observation
            .chain
            .as_deref()
            .and_then(|chain| history.old(observation, chain));
        let old_hash = old.map(|old| old.chain.hash);
        let mut knowledge = self.knowledge(observation, &history, &entry)?;
        knowledge.tlsa.clone_from(&result.tlsa);
        if let Some(chain) = &observation.chain {
            let brought = result.caa.as_ref();
            knowledge.caa = self.caa(&entry, &history, chain, brought, now)?;
        }
        let mut findings = classify(&history, observation, &knowledge, now);
        self.apply_rules(&mut findings, target_id, &entry, now)?;
        let unsettled = observation.chain.as_deref().is_some_and(|chain| {
            !history.sightings.is_empty() && changed_recently(&history, chain, now)
        });
        let alarm = match observation.chain.as_deref() {
            Some(_) if unsettled => now,
            Some(chain) => next_alarm(chain, &knowledge, now),
            None => Unix::MAX,
        };
        self.write_run(key, target_id, observation, presented, chain_id, alarm)?;
        if let Some(chain) = &observation.chain {
            self.judge.learn(chain);
            history.absorb(observation, &findings);
            self.store.set_issuers(target_id, &history.issuers)?;
            if matches!(chain.paths.trust, Trust::Valid) {
                self.store
                    .saw_issuer(&chain.issuer.id, &entry.target.host, now)?;
            }
            self.seen[key.0] = true;
            if let Some(id) = chain_id
                && unsettled
            {
                // Looked at again when the sweep ends.
                runs::remember(&mut self.cache, id, chain);
                self.sweep.changed.push((key.0, key.1, id));
            }
        }
        self.event(target_id, chain_id, old_hash, &findings, now)
    }

    fn write_run(
        &mut self,
        key: (usize, Option<IpAddr>),
        target_id: i64,
        observation: &Observation,
        presented: Option<&Presented>,
        chain_id: Option<i64>,
        alarm: Unix,
    ) -> Result<(), DbError> {
        let hash = presented.map(Presented::hash);
        let outcome = observation.outcome.to_string();
        let same_run = self.index.get(&key).filter(|slot| {
            slot.chain == hash && (hash.is_some() || slot.outcome == observation.outcome)
        });
        let run = if let Some(slot) = same_run {
            let run = slot.run;
            self.store.update_run(run, &outcome, alarm)?;
            self.store.touch(&[run], observation.at)?;
            run
        } else {
            let addr = key.1.map(|addr| addr.to_string()).unwrap_or_default();
            self.store.add_run(&RunRow {
                target: target_id,
                vantage: self.vantage.0,
                addr: &addr,
                chain: chain_id,
                outcome: &outcome,
                proof: observation.proof,
                at: observation.at,
                alarm,
            })?
        };
        let slot = Slot {
            run,
            chain: hash,
            outcome: observation.outcome.clone(),
            alarm,
        };
        self.index.insert(key, slot);
        Ok(())
    }

    /// Row 19 for a chain that appeared in this sweep or lately, with everybody's present state.
    fn look_again(
        &mut self,
        at: usize,
        addr: Option<IpAddr>,
        chain_id: i64,
        now: Unix,
    ) -> Result<(), DbError> {
        let (target_id, entry) = self.entries[at].clone();
        let history = self.history(at, now)?;
        let found = self
            .store
            .judged(chain_id, &self.judge, &mut self.cache, now)?;
        let Some(chain) = found else { return Ok(()) };
        let observation = Observation {
            target: entry.target.clone(),
            vantage: self.vantage.1.clone(),
            addr,
            at: now,
            outcome: Outcome::Ok,
            proof: crate::outcome::Proof::None,
            chain: Some(Arc::clone(&chain)),
        };
        let knowledge = self.knowledge(&observation, &history, &entry)?;
        let mut findings = classify(&history, &observation, &knowledge, now);
        findings.retain(|finding| finding.code.row() == 19);
        if findings.is_empty() {
            self.store.settle(target_id)?;
            return Ok(());
        }
        self.apply_rules(&mut findings, target_id, &entry, now)?;
        let old_hash = history.old(&observation, &chain).map(|old| old.chain.hash);
        self.event(target_id, Some(chain_id), old_hash, &findings, now)
    }

    fn history(&mut self, at: usize, now: Unix) -> Result<History, DbError> {
        if !self.seen[at] {
            return Ok(History::default());
        }
        self.store
            .history(self.entries[at].0, &self.judge, &mut self.cache, now)
    }

    fn event(
        &mut self,
        target_id: i64,
        chain_id: Option<i64>,
        old_hash: Option<Sha256>,
        findings: &[Finding],
        now: Unix,
    ) -> Result<(), DbError> {
        // A plain first sight is a run, and no event.
        if worst(findings).is_none() || findings.iter().all(|f| f.code == Code::FIRST_SEEN) {
            return Ok(());
        }
        let old_chain = match old_hash {
            Some(hash) => self.store.chain_id(&hash)?,
            None => None,
        };
        self.store.add_event(&NewEvent {
            target: target_id,
            vantage: self.vantage.0,
            at: now,
            old_chain,
            new_chain: chain_id,
            findings,
        })?;
        Ok(())
    }

    /// Looks up what `classify` may know. First sights need little of it, and a first sweep is
    /// nothing but first sights.
    fn knowledge(
        &mut self,
        observation: &Observation,
        history: &History,
        entry: &Entry,
    ) -> Result<Knowledge, DbError> {
        let tags: Vec<&str> = entry.tags.split_whitespace().collect();
        let ccadb = &self.judge.owners.ccadb;
        let mut knowledge = Knowledge {
            has_ccadb: !ccadb.is_empty(),
            corporate: tags.contains(&"corp"),
            learning: true,
            clock_skewed: self.skewed,
            expiring_share: self.thresholds.0,
            expiring_now_share: self.thresholds.1,
            ..Knowledge::default()
        };
        let Some(chain) = observation.chain.as_deref() else {
            return Ok(knowledge);
        };
        let issuer = chain.path().issuer();
        knowledge.issuer_on_record = issuer.is_some_and(|issuer| ccadb.knows(issuer));
        knowledge.known_bad = distrusted::reason(chain, &self.distrusted);
        let leaf = chain.leaf();
        knowledge.own_key = self.store.is_own_key(&leaf.spki)?;
        let known = history
            .sightings
            .iter()
            .any(|s| s.chain.leaf().spki == leaf.spki);
        if !known {
            knowledge.key_elsewhere = self.store.key_elsewhere(leaf, &observation.target)?;
        }
        if !history.sightings.is_empty() {
            let host = observation.target.host.as_str();
            knowledge.issuer_hosts = self.store.issuer_hosts(&chain.issuer.id, host)?;
            knowledge.hosts = self.store.other_hosts(host)?;
            let wildcard = leaf.dns_names.iter().find(|name| name.starts_with("*."));
            if let Some(pattern) = wildcard.filter(|_| leaf.covers_by_wildcard(host)) {
                knowledge.wildcard_known = self.store.wildcard_known(pattern, host)?;
            }
        }
        Ok(knowledge)
    }

    fn apply_rules(
        &mut self,
        findings: &mut Vec<Finding>,
        target_id: i64,
        entry: &Entry,
        now: Unix,
    ) -> Result<(), DbError> {
        if findings.is_empty() {
            return Ok(());
        }
        let ignored = self.store.ignored_codes(now)?;
        findings.retain(|finding| !ignored.iter().any(|code| code == finding.code.as_str()));
        if self.store.is_ignored(target_id, now)? {
            findings.clear();
        }
        crate::rule::apply(&self.rules, findings, &entry.target, now);
        Ok(())
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

/// Whether the leaf of `chain` came to this target within the time a roll-out may take, after
/// another one.
fn changed_recently(history: &History, chain: &Chain, now: Unix) -> bool {
    let leaf = chain.leaf().sha256;
    let mine = history
        .sightings
        .iter()
        .filter(|s| s.chain.leaf().sha256 == leaf);
    let first = mine.map(|s| s.first).min().unwrap_or(now);
    let others = history
        .sightings
        .iter()
        .any(|s| s.chain.leaf().sha256 != leaf);
    others && now - first < UNSETTLED
}
