//! The decision: what an observation means, given what is remembered and known.
//!
//! One pure function. It touches no network, no store and no clock, so each row of the table in
//! docs/concepts/certificate-changes.md is a unit test below [`classify`]. One identity row says
//! who stands behind the chain now; property rows say what else changed; then combinations raise
//! and exemptions lower.

use crate::chain::Chain;
use crate::finding::{Code, Finding, Severity};
use crate::history::{History, Pin, Sighting};
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::Outcome;
use crate::paths::Trust;
use crate::when::{self, Unix};

mod dns;
mod expiry;
mod identity;
mod properties;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use dns::caa_matters;
pub(crate) use expiry::next_alarm;

/// ACME clients renew with about a third of the lifetime left.
pub(crate) const EARLY_DEFAULT: f64 = 1.0 / 3.0;

/// Judges one observation. Findings come with the identity row first.
pub(crate) fn classify(
    history: &History,
    observation: &Observation,
    knowledge: &Knowledge,
    now: Unix,
) -> Vec<Finding> {
    let Some(chain) = observation.chain.as_deref() else {
        return without_chain(history, observation);
    };
    let known = history.sightings.iter().any(|s| s.chain.hash == chain.hash);
    let first_sight = history.sightings.is_empty();
    let old = history.old(observation, chain);
    let mut findings = Vec::new();

    if first_sight {
        findings.push(first_seen(chain));
    } else {
        findings.extend(identity::rows(history, old, chain, knowledge, now));
    }
    if !known {
        let before = old.map(|old| old.chain.as_ref());
        findings.extend(properties::rows(
            history,
            before,
            observation,
            chain,
            knowledge,
            now,
        ));
    }
    findings.extend(legacy(history, observation));
    findings.extend(rejected_or_bad(history, chain, knowledge));
    findings.extend(broken_pins(history, chain));
    if !knowledge.clock_skewed {
        findings.extend(expiry::rows(history, chain, knowledge, now));
    }
    findings.extend(split::rows(history, observation, chain, now));
    findings.extend(dns::caa_forbids(
        history,
        observation,
        chain,
        knowledge,
        now,
    ));
    findings.extend(dns::tlsa_mismatch(observation, chain, knowledge));

    combine(&mut findings);
    exempt(&mut findings, history, knowledge, first_sight, now);
    findings
}

fn first_seen(chain: &Chain) -> Finding {
    Finding::new(
        Code::FIRST_SEEN,
        Severity::Info,
        format!(
            "first sight: issued by {}, {}, valid until {}",
            chain.issuer_name(),
            chain.owner,
            when::date(chain.leaf().not_after)
        ),
    )
    .about(chain.leaf().sha256)
}

/// What can be said when nothing was presented. Silence is an outcome, not a finding; only the
/// disappearance of TLS from a port that had it is one (row 24).
fn without_chain(history: &History, observation: &Observation) -> Vec<Finding> {
    let had_chain = !history.sightings.is_empty();
    match observation.outcome {
        Outcome::StarttlsRefused if had_chain => vec![Finding::new(
            Code::STARTTLS_GONE,
            Severity::Critical,
            format!(
                "{} no longer offers STARTTLS, which it did before: somebody may be stripping it",
                observation.target
            ),
        )],
        Outcome::StarttlsInjected => vec![Finding::new(
            Code::STARTTLS_GONE,
            Severity::Critical,
            "plain text stood behind the go-ahead for TLS: somebody writes into this connection",
        )],
        Outcome::CertUnparseable => vec![Finding::new(
            Code::CERT_UNPARSEABLE,
            if had_chain {
                Severity::Warning
            } else {
                Severity::Notice
            },
            "the certificate presented cannot be parsed; its bytes are kept",
        )],
        _ => Vec::new(),
    }
}

/// Row 24: the protocol fell to one without proof of key, whichever chain came with it. A server
/// that was never better is no news.
fn legacy(history: &History, observation: &Observation) -> Option<Finding> {
    let Outcome::Legacy { version, suite } = observation.outcome else {
        return None;
    };
    let here = |s: &&Sighting| s.vantage == observation.vantage && s.addr == observation.addr;
    let last = history
        .sightings
        .iter()
        .filter(here)
        .max_by_key(|s| s.last)?;
    (!last.legacy).then(|| {
        Finding::new(
            Code::TLS_LEGACY,
            Severity::Warning,
            format!(
                "only a handshake without proof of key is possible now (version {version:04x}, \
                 suite {suite:04x})"
            ),
        )
    })
}

/// Row 21, and the verdicts of people.
fn rejected_or_bad(history: &History, chain: &Chain, knowledge: &Knowledge) -> Vec<Finding> {
    let leaf = chain.leaf();
    let mut findings = Vec::new();
    if let Some(reason) = &knowledge.known_bad {
        findings.push(Finding::new(
            Code::KNOWN_BAD,
            Severity::Critical,
            format!("on the list of known-bad keys and CAs: {reason}"),
        ));
    }
    let rejected = &history.verdicts.rejected_keys;
    if rejected.contains(&leaf.spki) || rejected.contains(&chain.issuer.id) {
        findings.push(
            Finding::new(
                Code::REJECTED_KEY,
                Severity::Critical,
                "this key was in a chain that was rejected before",
            )
            .about(leaf.sha256),
        );
    }
    if let Some(other) = knowledge.key_elsewhere.first() {
        let more = match knowledge.key_elsewhere.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        findings.push(
            Finding::new(
                Code::KEY_SHARED,
                Severity::Critical,
                format!("the same private key serves {other}{more}, which is not related"),
            )
            .about(leaf.sha256),
        );
    }
    findings
}

fn broken_pins(history: &History, chain: &Chain) -> Vec<Finding> {
    let broken = |pin: &Pin| match pin {
        Pin::LeafKey(key) => (chain.leaf().spki != *key).then(|| {
            format!(
                "pinned to leaf key {}, now {}",
                key.short(),
                chain.leaf().spki.short()
            )
        }),
        Pin::IssuerKey(key) => (chain.issuer.id != *key).then(|| {
            format!(
                "pinned to issuer key {}, now {}",
                key.short(),
                chain.issuer.id.short()
            )
        }),
        Pin::Owner(owner) => {
            (chain.owner.name != *owner).then(|| format!("pinned to {owner}, now {}", chain.owner))
        }
        Pin::Root(key) => (chain.anchor() != Some(*key)).then(|| {
            let now = chain
                .anchor()
                .map_or_else(|| "none".to_owned(), |key| key.short());
            format!("pinned to root key {}, now {now}", key.short())
        }),
    };
    history
        .verdicts
        .pins
        .iter()
        .filter_map(broken)
        .map(|text| Finding::new(Code::PIN_BROKEN, Severity::Critical, text))
        .collect()
}

/// Combinations: two findings that together mean more than either.
fn combine(findings: &mut [Finding]) {
    let has = |codes: &[Code]| findings.iter().any(|f| codes.contains(&f.code));
    let unseen = has(&[Code::ISSUER_UNSEEN, Code::OWNER_CHANGED_UNSEEN]);
    let owner = has(&[Code::OWNER_CHANGED, Code::OWNER_CHANGED_UNSEEN]);
    // A property row 16 finding names the sub-CA (or the leaf) as odd in itself.
    let odd = findings.iter().any(|f| f.code.row() == 16);
    for finding in findings.iter_mut() {
        match finding.code {
            Code::LEVEL_DOWN_EV | Code::SCT_GONE if unseen || owner || odd => {
                finding.severity = Severity::Critical;
            }
            Code::LEVEL_DOWN_OV if owner => {
                finding.severity = finding.severity.max(Severity::Warning);
            }
            _ => {}
        }
    }
}

/// What lowers: first sight, the learning period, own keys. In this order, so that an own key is
/// quiet from the first day.
fn exempt(
    findings: &mut [Finding],
    history: &History,
    knowledge: &Knowledge,
    first_sight: bool,
    now: Unix,
) {
    const UNCAPPED: &[Code] = &[
        Code::LOCAL_ROOT,
        Code::KNOWN_BAD,
        Code::LEAF_IS_CA,
        Code::EXPIRING,
        Code::EXPIRING_NOW,
        Code::PATH_EXPIRING,
        Code::REJECTED_KEY,
        Code::PIN_BROKEN,
        Code::STARTTLS_GONE,
        Code::TLSA_MISMATCH,
    ];
    let learning = knowledge.learning && history.is_learning(now);
    for finding in findings {
        let row = finding.code.row();
        let cap = |finding: &mut Finding, at| finding.severity = finding.severity.min(at);
        if first_sight && knowledge.first_sight_cap && !UNCAPPED.contains(&finding.code) {
            cap(finding, Severity::Notice);
        }
        if learning && matches!(row, 3 | 4 | 19) {
            cap(finding, Severity::Info);
        }
        if knowledge.own_key && matches!(row, 2..=8 | 11..=13 | 19) {
            cap(finding, Severity::Info);
        }
    }
}

/// The outcome to record for a chain that arrived without a transport failure: the first thing a
/// client would trip over.
pub(crate) fn outcome_of(chain: &Chain, name: &str) -> Outcome {
    match chain.paths.trust {
        Trust::Expired => Outcome::Expired,
        Trust::NotYet => Outcome::NotYet,
        Trust::SelfSigned | Trust::Untrusted | Trust::Defective => Outcome::Untrusted,
        Trust::Incomplete => Outcome::Incomplete,
        Trust::Valid | Trust::Local if !chain.leaf().covers(name) => Outcome::NameMismatch,
        Trust::Valid | Trust::Local if chain.shape.incomplete => Outcome::Incomplete,
        Trust::Valid | Trust::Local => Outcome::Ok,
    }
}
