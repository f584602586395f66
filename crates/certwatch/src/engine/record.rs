//! One result: what it means, and what is written of it.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Engine, Slot};
use crate::chain::{Chain, Presented};
use crate::classify::{self, classify, next_alarm};
use crate::db::DbError;
use crate::digest::Sha256;
use crate::finding::{Code, Finding, worst};
use crate::history::History;
use crate::import::distrusted;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::{Outcome, Proof};
use crate::paths::Trust;
use crate::store::events::NewEvent;
use crate::store::runs::{self, RunRow};
use crate::sweep;
use crate::targets::Entry;
use crate::when::{DAY, Unix};

/// A changed leaf is looked at again in every sweep for this long, for row 19 may still apply.
const UNSETTLED: i64 = 2 * DAY;

impl Engine {
    /// Names the outcome, then judges and writes.
    pub(super) fn record(
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
    pub(super) fn look_again(
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
            proof: Proof::None,
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
