//! Rows 0 to 8, 10 and 20: who stands behind the chain now.

use crate::cert::Cert;
use crate::chain::Chain;
use crate::finding::{Code, Finding, Severity};
use crate::history::{History, Sighting};
use crate::knowledge::Knowledge;
use crate::owner::Basis;
use crate::paths::Trust;
use crate::when::{self, DAY, Unix};

/// The identity row, and with it row 8 and row 10 where they apply. Empty for row 0.
pub(super) fn rows(
    history: &History,
    old: Option<&Sighting>,
    chain: &Chain,
    knowledge: &Knowledge,
    now: Unix,
) -> Vec<Finding> {
    let leaf = chain.leaf();
    if history.sightings.iter().any(|s| s.chain.hash == chain.hash) {
        return returned(history, chain, now).into_iter().collect();
    }
    let Some(old) = old else {
        // Everything seen before was rejected: there is nothing good to compare with.
        return vec![
            Finding::new(
                Code::OWNER_CHANGED,
                Severity::Notice,
                format!("first chain that is not rejected: {}", chain.owner),
            )
            .about(leaf.sha256),
        ];
    };
    let mut findings = Vec::new();
    if history
        .sightings
        .iter()
        .any(|s| s.chain.leaf().sha256 == leaf.sha256)
    {
        findings.push(Finding::new(
            Code::CHAIN_VARIANT,
            Severity::Info,
            "same certificate, other intermediates: another copy of the same issuer, key unchanged",
        ));
    } else if chain.paths.trust.is_untrusted() {
        findings.push(untrusted(history, old, chain));
    } else {
        findings.push(new_leaf(history, old, chain, knowledge, now).about(leaf.sha256));
    }
    findings.extend(anchor_changed(&old.chain, chain));
    findings
}

/// Row 20, for a chain known to the target: silent unless it had been replaced everywhere, or
/// must not come back at all.
fn returned(history: &History, chain: &Chain, now: Unix) -> Option<Finding> {
    let leaf = chain.leaf();
    let bad = |why: &str| {
        Finding::new(
            Code::RETURNED_BAD,
            Severity::Critical,
            format!("back to a chain {why}"),
        )
        .about(leaf.sha256)
    };
    if history.is_rejected(chain) {
        return Some(bad("that was rejected"));
    }
    let runs = || {
        history
            .sightings
            .iter()
            .filter(|s| s.chain.leaf().sha256 == leaf.sha256)
    };
    let last_here = runs().map(|s| s.last).max()?;
    // Leaves that appeared after this one was last seen anywhere.
    let newer = history
        .sightings
        .iter()
        .filter(|s| s.chain.leaf().sha256 != leaf.sha256 && !history.is_rejected(&s.chain))
        .filter(|s| s.first > last_here)
        .max_by_key(|s| s.last)?;
    if now > leaf.not_after {
        return Some(bad("that has expired, after a newer one was in use"));
    }
    Some(
        Finding::new(
            Code::RETURNED,
            Severity::Info,
            format!(
                "back to the certificate of {}, after one of {}",
                when::date(leaf.not_before),
                when::date(newer.chain.leaf().not_before)
            ),
        )
        .about(leaf.sha256),
    )
}

/// Row 10, and what stands in for the identity rows where no CA vouches for either chain.
fn untrusted(history: &History, old: &Sighting, chain: &Chain) -> Finding {
    let leaf = chain.leaf();
    let before = &old.chain;
    let what = match chain.paths.trust {
        Trust::SelfSigned => "self-signed".to_owned(),
        Trust::Incomplete => format!(
            "issued by {}, which is nowhere at hand",
            chain.issuer_name()
        ),
        _ => format!("issued under {}, which nobody trusts", end_name(chain)),
    };
    if !before.paths.trust.is_untrusted() {
        return Finding::new(
            Code::UNTRUSTED_NOW,
            Severity::Critical,
            format!("was valid under {}, is now {what}", before.owner),
        )
        .about(leaf.sha256);
    }
    if leaf.spki == before.leaf().spki {
        return renewed(before, chain);
    }
    // A private CA that is not among the roots: its key is the identity.
    if chain.paths.trust != Trust::SelfSigned && history.has_learned(&chain.issuer.id) {
        return Finding::new(
            Code::REKEYED,
            Severity::Info,
            format!("new key, same issuer {}", chain.issuer_name()),
        )
        .about(leaf.sha256);
    }
    Finding::new(
        Code::SELF_SIGNED_REKEYED,
        Severity::Warning,
        format!("new key, {what}; was untrusted before, so nothing vouches for the change"),
    )
    .about(leaf.sha256)
}

fn end_name(chain: &Chain) -> &str {
    chain
        .path()
        .certs
        .last()
        .map_or("", |cert| cert.subject.short())
}

fn renewed(before: &Chain, chain: &Chain) -> Finding {
    Finding::new(
        Code::RENEWED,
        Severity::Info,
        format!(
            "renewed with the same key, {} to {}",
            when::date(before.leaf().not_after),
            when::date(chain.leaf().not_after)
        ),
    )
}

/// Rows 2 to 7, for a new leaf that reaches a root.
fn new_leaf(
    history: &History,
    old: &Sighting,
    chain: &Chain,
    knowledge: &Knowledge,
    now: Unix,
) -> Finding {
    let before = &old.chain;
    let left = before.leaf().share_left(now);
    let early = history.is_early(left);
    let same_key = chain.leaf().spki == before.leaf().spki;
    let timing = timing(before.leaf(), now);
    if history.has_learned(&chain.issuer.id) || chain.issuer.id == before.issuer.id {
        if same_key {
            return renewed(before, chain);
        }
        let issuer = chain.issuer_name();
        return if early {
            Finding::new(
                Code::REKEYED_EARLY,
                Severity::Notice,
                format!("new key from the usual issuer {issuer}, early: {timing}"),
            )
        } else {
            Finding::new(
                Code::REKEYED,
                Severity::Info,
                format!("new key from the usual issuer {issuer}; {timing}"),
            )
        };
    }
    let guess = match chain.owner.basis {
        Basis::Root | Basis::Pair => " (owner guessed from the root's name)",
        Basis::Ccadb | Basis::Claimed => "",
    };
    if chain.owner == before.owner || history.knows_owner(&chain.owner.name) {
        return same_owner(chain, knowledge, early, &timing, guess);
    }
    let second = history
        .last_owner_change()
        .is_some_and(|at| now - at < 30 * DAY);
    let who = format!("{} to {}{guess}", before.owner, chain.owner);
    let (code, unseen) = if knowledge.issuer_seen() {
        (Code::OWNER_CHANGED, String::new())
    } else {
        (Code::OWNER_CHANGED_UNSEEN, unseen_text(chain, knowledge))
    };
    let severity = if code == Code::OWNER_CHANGED_UNSEEN && !knowledge.is_thin() {
        Severity::Critical
    } else if early || second {
        Severity::Warning
    } else {
        Severity::Notice
    };
    let twice = if second {
        ", the second change of owner within 30 days"
    } else {
        ""
    };
    Finding::new(
        code,
        severity,
        format!("CA owner changed, {who}{twice}; {timing}{unseen}"),
    )
}

/// Rows 4 and 5: another issuer key of an owner this target already uses.
fn same_owner(
    chain: &Chain,
    knowledge: &Knowledge,
    early: bool,
    timing: &str,
    guess: &str,
) -> Finding {
    let issuer = chain.issuer_name();
    if knowledge.issuer_seen() {
        let doubtful = early || !knowledge.issuer_well_known();
        let severity = if doubtful {
            Severity::Notice
        } else {
            Severity::Info
        };
        let early = if early { ", early" } else { "" };
        return Finding::new(
            Code::ISSUER_ROTATED,
            severity,
            format!(
                "rotation inside {}{guess} to {issuer}{early}; {timing}",
                chain.owner
            ),
        );
    }
    let severity = if knowledge.is_thin() && !early {
        Severity::Info
    } else {
        Severity::Warning
    };
    Finding::new(
        Code::ISSUER_UNSEEN,
        severity,
        format!(
            "issuer {issuer} claims owner {}{guess}; {timing}{}",
            chain.owner,
            unseen_text(chain, knowledge)
        ),
    )
}

fn unseen_text(chain: &Chain, knowledge: &Knowledge) -> String {
    let key = chain.issuer.id.short();
    if knowledge.is_thin() {
        format!("; issuer key {key} is new here and nobody could be asked about it")
    } else if knowledge.has_ccadb {
        format!("; issuer key {key} was never seen at any target and is not in CCADB")
    } else {
        format!(
            "; issuer key {key} was never seen at any of {} other hosts",
            knowledge.hosts
        )
    }
}

/// `the old certificate had 41 days (68 %) left`.
fn timing(old: &Cert, now: Unix) -> String {
    if now > old.not_after {
        return format!(
            "the old certificate had expired {} before",
            when::span(now - old.not_after)
        );
    }
    if now < old.not_before {
        return "the old certificate had not begun by this clock".to_owned();
    }
    format!(
        "the old certificate had {} ({:.0} %) left",
        when::span(old.not_after - now),
        old.share_left(now) * 100.0
    )
}

/// Row 8: another root of the same owner.
fn anchor_changed(before: &Chain, chain: &Chain) -> Option<Finding> {
    let (old, new) = (before.path().root.as_ref()?, chain.path().root.as_ref()?);
    (old.spki != new.spki && before.owner == chain.owner).then(|| {
        Finding::new(
            Code::ANCHOR_CHANGED,
            Severity::Info,
            format!(
                "now under root {}, before under {}",
                new.subject.short(),
                old.subject.short()
            ),
        )
        .about(new.sha256)
    })
}
