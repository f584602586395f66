//! What is remembered of one target: every chain seen at it, who issued them, and what people
//! decided about them.
//!
//! The same type serves the store, which fills it from its tables, and replay, which lets it grow
//! by [`History::absorb`].

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::chain::Chain;
use crate::classify::EARLY_DEFAULT;
use crate::digest::Sha256;
use crate::finding::{Code, Finding, Severity, worst};
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::when::{DAY, Unix};

/// An issuer is forgotten after this many lifetimes of the leaves it signed.
const KEPT_LIFETIMES: i64 = 2;

/// Everything remembered about one target.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Runs of one chain at one address from one vantage, oldest first.
    pub(crate) sightings: Vec<Sighting>,
    /// The same for other ports of the same host that once served the same leaf.
    pub(crate) siblings: Vec<Sibling>,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) verdicts: Verdicts,
    /// Completed sweeps that saw a chain here.
    pub(crate) sweeps: u32,
}

/// One chain seen without interruption at one address from one vantage.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    pub(crate) vantage: String,
    pub(crate) addr: Option<IpAddr>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) first: Unix,
    pub(crate) last: Unix,
    /// Number of observations.
    pub(crate) n: u32,
    /// Only the cleartext hello could see it.
    pub(crate) legacy: bool,
}

/// Another port of the same host.
#[derive(Debug, Clone)]
pub(crate) struct Sibling {
    pub(crate) port: u16,
    pub(crate) sighting: Sighting,
}

/// An issuer key seen at this target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    pub(crate) key: Sha256,
    pub(crate) owner: String,
    pub(crate) first: Unix,
    pub(crate) last: Unix,
    /// Learned issuers are expected; pending ones wait for a person or for time.
    pub(crate) learned: bool,
}

/// What people decided about this target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdicts {
    pub(crate) accepted: HashSet<Sha256>,
    pub(crate) rejected: HashSet<Sha256>,
    /// Leaf and issuer keys of rejected chains.
    pub(crate) rejected_keys: HashSet<Sha256>,
    pub(crate) pins: Vec<Pin>,
}

/// What a target was pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pin {
    LeafKey(Sha256),
    IssuerKey(Sha256),
    Owner(String),
    Root(Sha256),
}

impl History {
    /// The sighting to compare a new chain of `observation` with: the last one not rejected, at
    /// the same address and vantage if there is one, with the same kind of key if there is one.
    pub(crate) fn old(&self, observation: &Observation, chain: &Chain) -> Option<&Sighting> {
        let kind = chain.leaf().key.kind;
        self.sightings
            .iter()
            .filter(|s| s.chain.hash != chain.hash && !self.is_rejected(&s.chain))
            .max_by_key(|s| {
                let same_place = s.vantage == observation.vantage && s.addr == observation.addr;
                (s.chain.leaf().key.kind == kind, same_place, s.last, s.first)
            })
    }

    pub(crate) fn is_rejected(&self, chain: &Chain) -> bool {
        self.verdicts.rejected.contains(&chain.hash)
    }

    pub(crate) fn first_seen(&self) -> Option<Unix> {
        self.sightings.iter().map(|s| s.first).min()
    }

    /// Shares of the lifetime left at which this target's leaves were replaced, oldest first.
    pub(crate) fn renewals(&self) -> Vec<f64> {
        let mut leaves: Vec<(Unix, &Arc<Chain>)> = Vec::new();
        for sighting in self
            .sightings
            .iter()
            .filter(|s| !self.is_rejected(&s.chain))
        {
            let leaf = sighting.chain.leaf().sha256;
            match leaves
                .iter_mut()
                .find(|(_, chain)| chain.leaf().sha256 == leaf)
            {
                Some((first, _)) => *first = sighting.first.min(*first),
                None => leaves.push((sighting.first, &sighting.chain)),
            }
        }
        leaves.sort_by_key(|(first, _)| *first);
        leaves
            .windows(2)
            .map(|pair| pair[0].1.leaf().share_left(pair[1].0))
            // A farm's second certificate is no renewal of the first.
            .filter(|share| *share < 0.95)
            .collect()
    }

    /// The share left at which this target usually renews: the median, from two renewals on.
    pub(crate) fn usual(&self) -> Option<f64> {
        let mut renewals = self.renewals();
        if renewals.len() < 2 {
            return None;
        }
        renewals.sort_by(f64::total_cmp);
        let middle = renewals.len() / 2;
        Some(if renewals.len() % 2 == 1 {
            renewals[middle]
        } else {
            f64::midpoint(renewals[middle - 1], renewals[middle])
        })
    }

    /// Whether replacing a leaf with share `left` of its life remaining is early for this target.
    pub(crate) fn is_early(&self, left: f64) -> bool {
        left > self.usual().unwrap_or(0.0).max(EARLY_DEFAULT) + 0.05
    }

    pub(crate) fn has_learned(&self, issuer: &Sha256) -> bool {
        self.issuers
            .iter()
            .any(|known| known.learned && known.key == *issuer)
    }

    /// Whether this owner issued for the target before, by an issuer that is not pending.
    pub(crate) fn knows_owner(&self, owner: &str) -> bool {
        self.issuers
            .iter()
            .any(|known| known.learned && known.owner == owner)
    }

    /// When the target last changed from one owner to another.
    pub(crate) fn last_owner_change(&self) -> Option<Unix> {
        let mut runs: Vec<&Sighting> = self
            .sightings
            .iter()
            .filter(|s| !self.is_rejected(&s.chain))
            .collect();
        runs.sort_by_key(|s| s.first);
        runs.windows(2)
            .filter(|pair| pair[0].chain.owner != pair[1].chain.owner)
            .map(|pair| pair[1].first)
            .next_back()
    }

    /// Takes an observation into the history after it was judged.
    pub(crate) fn absorb(&mut self, observation: &Observation, findings: &[Finding]) {
        let Some(chain) = &observation.chain else {
            return;
        };
        let at = observation.at;
        let legacy = matches!(observation.outcome, Outcome::Legacy { .. });
        let place = |s: &Sighting| {
            s.vantage == observation.vantage
                && s.addr == observation.addr
                && s.chain.hash == chain.hash
        };
        // Only the newest run of a place can be extended: A, B, A are three runs.
        let newest = self
            .sightings
            .iter_mut()
            .filter(|s| s.vantage == observation.vantage && s.addr == observation.addr)
            .max_by_key(|s| s.last);
        match newest {
            Some(run) if place(run) => {
                run.last = run.last.max(at);
                run.n += 1;
                run.legacy = legacy;
            }
            _ => self.sightings.push(Sighting {
                vantage: observation.vantage.clone(),
                addr: observation.addr,
                chain: Arc::clone(chain),
                first: at,
                last: at,
                n: 1,
                legacy,
            }),
        }
        self.learn(chain, at, worst_identity(findings));
    }

    /// Learns the issuer of `chain`, seen at `at`, given the worst finding about who issued it.
    pub(crate) fn learn(&mut self, chain: &Chain, at: Unix, worst: Option<Severity>) {
        let lifetime = chain.leaf().lifetime();
        self.issuers.retain(|known| {
            known.key == chain.issuer.id || at - known.last <= KEPT_LIFETIMES * lifetime
        });
        let calm = worst.is_none_or(|severity| severity <= Severity::Notice);
        let trustworthy = chain.paths.trust.is_path_valid() || self.sightings.len() <= 1;
        let accepted = self.verdicts.accepted.contains(&chain.hash);
        let alone_long = self
            .served_alone_since(chain)
            .is_some_and(|since| at - since > lifetime / 3);
        let learned = accepted || (trustworthy && (calm || alone_long));
        match self
            .issuers
            .iter_mut()
            .find(|known| known.key == chain.issuer.id)
        {
            Some(known) => {
                known.last = known.last.max(at);
                // Seeing a pending issuer's known chain once more is no news, so it is calm; only
                // time or a person turns pending into learned.
                known.learned |= accepted || (trustworthy && alone_long);
            }
            None => self.issuers.push(Issuer {
                key: chain.issuer.id,
                owner: chain.owner.name.clone(),
                first: at,
                last: at,
                learned,
            }),
        }
    }

    /// Since when only leaves of this chain's issuer were seen, if it is so.
    fn served_alone_since(&self, chain: &Chain) -> Option<Unix> {
        let first = self
            .sightings
            .iter()
            .filter(|s| s.chain.issuer.id == chain.issuer.id)
            .map(|s| s.first)
            .min()?;
        let others = self
            .sightings
            .iter()
            .filter(|s| s.chain.issuer.id != chain.issuer.id);
        let last_other = others.map(|s| s.last).max();
        Some(last_other.map_or(first, |last| last.max(first)))
    }

    /// Whether the target is still being got to know: two sweeps or seven days, whichever ends
    /// first.
    pub(crate) fn is_learning(&self, now: Unix) -> bool {
        self.sweeps < 2 && self.first_seen().is_none_or(|first| now - first < 7 * DAY)
    }
}

/// The worst finding that speaks about the issuer: expiry or untidy order teach nothing about it.
fn worst_identity(findings: &[Finding]) -> Option<Severity> {
    const UNRELATED: &[Code] = &[
        Code::EXPIRING,
        Code::EXPIRING_NOW,
        Code::PATH_EXPIRING,
        Code::NAME_LOST,
    ];
    let about: Vec<Finding> = findings
        .iter()
        .filter(|f| !UNRELATED.contains(&f.code))
        .cloned()
        .collect();
    worst(&about)
}
