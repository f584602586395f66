//! Row 19: endpoints that shared one leaf and now serve different keys at one time.
//!
//! Rolling a new certificate over a farm looks like this for an hour; an interception in front of
//! one port looks like this for as long as it lasts.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::chain::Chain;
use crate::finding::{Code, Finding, Severity};
use crate::history::{History, Sighting};
use crate::observation::Observation;
use crate::when::{self, HOUR, Unix};

/// A roll-out that takes longer than this is reported.
const SETTLES: i64 = 24 * HOUR;
/// Sweeps in which vantages must disagree: one may have met a roll-out half way.
const SWEEPS: u32 = 2;

/// The splits visible from the member that has the new leaf.
pub(super) fn rows(
    history: &History,
    observation: &Observation,
    chain: &Chain,
    now: Unix,
) -> Vec<Finding> {
    let here = |s: &&Sighting| s.vantage == observation.vantage && s.addr == observation.addr;
    let mine: Vec<&Sighting> = history.sightings.iter().filter(here).collect();
    let since = mine
        .iter()
        .filter(|s| s.chain.leaf().sha256 == chain.leaf().sha256)
        .map(|s| s.first)
        .min()
        .unwrap_or(observation.at);
    // The leaf this member served before its present one, whichever members still share it.
    let Some(previous) = mine
        .iter()
        .filter(|s| s.chain.leaf().sha256 != chain.leaf().sha256 && s.first < since)
        .max_by_key(|s| s.last)
        .filter(|s| s.chain.leaf().spki != chain.leaf().spki)
    else {
        return Vec::new();
    };
    let still_old =
        |s: &Sighting| s.chain.leaf().sha256 == previous.chain.leaf().sha256 && s.last > since;
    let context = Split {
        history,
        chain,
        previous,
        since,
        now,
    };

    let addresses = history
        .sightings
        .iter()
        .filter(|s| s.vantage == observation.vantage && s.addr != observation.addr && still_old(s));
    let vantages = history
        .sightings
        .iter()
        .filter(|s| s.vantage != observation.vantage && s.n >= SWEEPS && still_old(s));
    let ports = history
        .siblings
        .iter()
        .filter(|s| s.sighting.vantage == observation.vantage && still_old(&s.sighting));

    let mut findings = Vec::new();
    let name = |s: &Sighting| {
        s.addr
            .map_or_else(|| "another address".to_owned(), |a| a.to_string())
    };
    findings.extend(context.finding(Code::SPLIT_ADDRESS, addresses.map(name).collect(), false));
    let names = ports.map(|s| format!("port {}", s.port)).collect();
    findings.extend(context.finding(Code::SPLIT_PORT, names, context.ports_confined()));
    if context.vantage_disagrees(observation) {
        let names = vantages.map(|s| format!("vantage {}", s.vantage)).collect();
        let confined = context.vantages_confined(observation);
        findings.extend(context.finding(Code::SPLIT_VANTAGE, names, confined));
    }
    findings
}

struct Split<'a> {
    history: &'a History,
    chain: &'a Chain,
    previous: &'a Sighting,
    since: Unix,
    now: Unix,
}

impl Split<'_> {
    fn finding(&self, code: Code, mut others: Vec<String>, confined: bool) -> Option<Finding> {
        others.sort_unstable();
        others.dedup();
        let first = others.first()?;
        let others = match others.len() {
            1 => first.clone(),
            2 | 3 => others.join(", "),
            n => format!("{first} and {} more", n - 1),
        };
        let left = self.previous.chain.leaf().share_left(self.since);
        let early = self.history.is_early(left);
        let age = self.now - self.since;
        let (severity, meaning) = if early && confined {
            (
                Severity::Critical,
                "nobody else was given the new key, and it is early",
            )
        } else if age < SETTLES {
            (Severity::Notice, "settling")
        } else {
            (Severity::Warning, "a roll-out takes no longer than a day")
        };
        let text = format!(
            "a different key is served here since {}, while {others} still serves the old one: {meaning}",
            when::rfc3339(self.since)
        );
        Some(Finding::new(code, severity, text).about(self.chain.leaf().sha256))
    }

    /// Whether no other port has the new key.
    fn ports_confined(&self) -> bool {
        !self
            .history
            .siblings
            .iter()
            .any(|s| self.is_new(&s.sighting))
    }

    /// Whether no other vantage sees the new key.
    fn vantages_confined(&self, observation: &Observation) -> bool {
        let mut others = self
            .history
            .sightings
            .iter()
            .filter(|s| s.vantage != observation.vantage);
        !others.any(|s| self.is_new(s))
    }

    fn is_new(&self, s: &Sighting) -> bool {
        s.chain.leaf().spki == self.chain.leaf().spki
    }

    /// Whether the vantages really disagree: this one saw the new key in two sweeps, and fewer
    /// than three quarters of all vantages saw it within 30 days (the quorum of the Perspectives
    /// notaries, which makes large farms bearable).
    fn vantage_disagrees(&self, observation: &Observation) -> bool {
        let recent = |s: &&Sighting| self.now - s.last < 30 * when::DAY;
        let names = |only_new: bool| {
            let runs = self.history.sightings.iter().filter(recent);
            let mut names: Vec<&str> = runs
                .filter(|s| !only_new || self.is_new(s))
                .map(|s| s.vantage.as_str())
                .chain([observation.vantage.as_str()])
                .collect();
            names.sort_unstable();
            names.dedup();
            names.len()
        };
        // Per address: two addresses in one sweep are not two sweeps.
        let mut sweeps: HashMap<Option<IpAddr>, u32> = HashMap::new();
        for s in &self.history.sightings {
            if s.vantage == observation.vantage && self.is_new(s) {
                *sweeps.entry(s.addr).or_default() += s.n;
            }
        }
        let seen_here = sweeps.into_values().max().unwrap_or(0);
        seen_here >= SWEEPS && names(true) * 4 < names(false) * 3
    }
}
