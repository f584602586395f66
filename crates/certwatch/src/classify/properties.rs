//! Rows 9 and 11 to 18: what changed about the chain besides who issued it. Judged once, when the
//! chain is new to the target; a flaw the previous chain had as well is no news.

use std::collections::HashSet;

use crate::cert::{Cert, KeyKind, Signature};
use crate::chain::Chain;
use crate::digest::Sha256;
use crate::finding::{Code, Finding, Severity};
use crate::history::History;
use crate::knowledge::Knowledge;
use crate::lenient;
use crate::level::Level;
use crate::observation::Observation;
use crate::paths::Trust;
use crate::when::{self, DAY, Unix};

/// All property findings for a chain new to the target. `before` is the chain it is compared
/// with, if there is one.
pub(super) fn rows(
    history: &History,
    before: Option<&Chain>,
    observation: &Observation,
    chain: &Chain,
    knowledge: &Knowledge,
    now: Unix,
) -> Vec<Finding> {
    let name = observation.target.name();
    let mut findings = Vec::new();
    findings.extend(trust(history, before, chain, knowledge));
    if let Some(before) = before {
        findings.extend(level(before, chain));
        findings.extend(key_change(before, chain));
        findings.extend(names_change(before, chain, name, knowledge));
        findings.extend(scts(before, chain));
    } else if !chain.leaf().covers(name) {
        findings.push(name_mismatch(chain, name));
    }
    let mut flaws = flaws(chain, name);
    if let Some(before) = before {
        let had: HashSet<Code> = self::flaws(before, name).iter().map(|f| f.code).collect();
        flaws.retain(|flaw| flaw.code == Code::LEAF_IS_CA || !had.contains(&flaw.code));
    }
    findings.extend(flaws);
    findings.extend(new_subcas(history, chain, now));
    findings.extend(dates(chain, knowledge, now));
    findings
}

/// Row 9, and trust at first sight.
fn trust(
    history: &History,
    before: Option<&Chain>,
    chain: &Chain,
    knowledge: &Knowledge,
) -> Option<Finding> {
    let leaf = chain.leaf().sha256;
    if chain.paths.trust == Trust::Local {
        let accepted_before = before.is_some_and(|before| {
            before.paths.trust == Trust::Local && history.verdicts.accepted.contains(&before.hash)
        });
        let expected = knowledge.corporate || accepted_before;
        let severity = if expected {
            Severity::Info
        } else {
            Severity::Critical
        };
        let root = chain
            .path()
            .root
            .as_ref()
            .map_or("", |root| root.subject.short());
        return Some(
            Finding::new(
                Code::LOCAL_ROOT,
                severity,
                format!("TLS inspection: only your local root {root} vouches for it"),
            )
            .about(leaf),
        );
    }
    if !history.sightings.is_empty() {
        return None; // row 10 speaks about changes
    }
    let (code, text) = match chain.paths.trust {
        Trust::SelfSigned => (
            Code::SELF_SIGNED,
            "self-signed: nobody vouches for it".to_owned(),
        ),
        Trust::Untrusted => (
            Code::UNTRUSTED,
            "issued under a root nobody here trusts".to_owned(),
        ),
        Trust::Incomplete => (
            Code::UNTRUSTED,
            format!(
                "its issuer {} was not sent and is not at hand",
                chain.issuer_name()
            ),
        ),
        Trust::Defective => {
            let defects: Vec<&str> = chain.paths.defects.iter().map(|d| d.code()).collect();
            (
                Code::UNTRUSTED,
                format!("strict clients refuse the chain: {}", defects.join(", ")),
            )
        }
        Trust::Valid | Trust::Local | Trust::Expired | Trust::NotYet => return None,
    };
    Some(Finding::new(code, Severity::Critical, text).about(leaf))
}

/// Rows 11 and 12. From or to an unknown level is never a downgrade.
fn level(before: &Chain, chain: &Chain) -> Vec<Finding> {
    let mut findings = Vec::new();
    let about = chain.leaf().sha256;
    match (before.level, chain.level) {
        (Level::Ev, new @ (Level::Ov | Level::Iv | Level::Dv)) => findings.push(
            Finding::new(
                Code::LEVEL_DOWN_EV,
                Severity::Warning,
                format!("claimed EV before, now only {new}"),
            )
            .about(about),
        ),
        (old @ (Level::Ov | Level::Iv), Level::Dv) => findings.push(
            Finding::new(
                Code::LEVEL_DOWN_OV,
                Severity::Notice,
                format!("claimed {old} before, now only DV"),
            )
            .about(about),
        ),
        _ => {}
    }
    findings
}

/// Row 13, the parts that compare.
fn key_change(before: &Chain, chain: &Chain) -> Option<Finding> {
    let (old, new) = (before.leaf().key, chain.leaf().key);
    let finding = if old.kind != new.kind {
        Finding::new(
            Code::KEY_TYPE,
            Severity::Info,
            format!("key type changed, {old} to {new}"),
        )
    } else if new.bits < old.bits && new.kind != KeyKind::Other {
        Finding::new(
            Code::KEY_WEAKER,
            Severity::Notice,
            format!("weaker key, {old} to {new}"),
        )
    } else {
        return None;
    };
    Some(finding.about(chain.leaf().sha256))
}

/// Row 14.
fn names_change(
    before: &Chain,
    chain: &Chain,
    name: &str,
    knowledge: &Knowledge,
) -> Option<Finding> {
    let (old, new) = (before.leaf(), chain.leaf());
    if !new.covers(name) {
        return old.covers(name).then(|| {
            Finding::new(
                Code::NAME_LOST,
                Severity::Critical,
                format!("no longer covers {name}; it names {}", some_names(new)),
            )
            .about(new.sha256)
        });
    }
    if new.covers_by_wildcard(name) && !old.covers_by_wildcard(name) {
        let severity = if knowledge.wildcard_known {
            Severity::Info
        } else {
            Severity::Notice
        };
        return Some(
            Finding::new(
                Code::WILDCARD,
                severity,
                format!("{name} is now covered by a wildcard"),
            )
            .about(new.sha256),
        );
    }
    let missing: Vec<&String> = old
        .dns_names
        .iter()
        .filter(|name| !new.dns_names.contains(name))
        .collect();
    let first = missing.first()?;
    let more = match missing.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    Some(
        Finding::new(
            Code::NAMES_SHRUNK,
            Severity::Info,
            format!("no longer covers {first}{more}"),
        )
        .about(new.sha256),
    )
}

fn name_mismatch(chain: &Chain, name: &str) -> Finding {
    Finding::new(
        Code::NAME_MISMATCH,
        Severity::Critical,
        format!(
            "does not cover {name}; it names {}",
            some_names(chain.leaf())
        ),
    )
    .about(chain.leaf().sha256)
}

fn some_names(leaf: &Cert) -> String {
    let mut names: Vec<String> = leaf.dns_names.iter().take(3).cloned().collect();
    names.extend(leaf.ip_names.iter().take(3).map(ToString::to_string));
    if names.is_empty() {
        return leaf.subject.short().to_owned();
    }
    let total = leaf.dns_names.len() + leaf.ip_names.len();
    let rest = total - names.len();
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    format!("{}{more}", names.join(", "))
}

/// Row 15: only embedded SCTs can be seen, so only their disappearance counts. One that its log
/// did not sign is as good as none.
fn scts(before: &Chain, chain: &Chain) -> Option<Finding> {
    let gone = chain.paths.trust == Trust::Valid
        && chain.scts.credible() == 0
        && before.scts.credible() >= 2;
    gone.then(|| {
        let none = match chain.scts.forged {
            0 => "no embedded CT timestamps".to_owned(),
            n => format!("{n} embedded CT timestamps that their logs did not sign"),
        };
        Finding::new(
            Code::SCT_GONE,
            Severity::Warning,
            format!(
                "{none}, where there were {}: the certificate may be unlogged",
                before.scts.credible()
            ),
        )
        .about(chain.leaf().sha256)
    })
}

/// Rows 13, 16 and 17, the parts that hold for a chain by itself.
fn flaws(chain: &Chain, name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    strength(chain, &mut findings);
    authority(chain, name, &mut findings);
    shape(chain, &mut findings);
    let leaf = chain.leaf();
    if !leaf.has_san && leaf.covers(name) {
        findings.push(
            Finding::new(
                Code::CN_ONLY,
                Severity::Notice,
                "names its host in the common name only, which browsers ignore",
            )
            .about(leaf.sha256),
        );
    }
    if chain.level == Level::Ev && !chain.ev_permitted && chain.paths.trust.is_path_valid() {
        findings.push(
            Finding::new(
                Code::EV_NOT_PERMITTED,
                Severity::Warning,
                "claims EV, but the policies of its path do not permit that",
            )
            .about(leaf.sha256),
        );
    }
    findings
}

/// Row 13: weak keys and hashes on the way to the root; the root's own hash proves nothing.
fn strength(chain: &Chain, findings: &mut Vec<Finding>) {
    let path = chain.path();
    let root_key = path.root.as_ref().map(|root| root.spki);
    let self_signed_end = matches!(chain.paths.trust, Trust::SelfSigned | Trust::Untrusted);
    for (depth, cert) in path.certs.iter().enumerate() {
        let what = if depth == 0 {
            "the certificate"
        } else {
            cert.subject.short()
        };
        if lenient::is_weak(cert) {
            findings.push(
                Finding::new(
                    Code::KEY_WEAK,
                    Severity::Warning,
                    format!("weak key in {what}: {}", cert.key),
                )
                .about(cert.sha256),
            );
        }
        let last = depth + 1 == path.certs.len();
        let hash = match cert.signature {
            Signature::Md5 => "MD5",
            Signature::Sha1 => "SHA-1",
            Signature::Sha2 | Signature::Other => continue,
        };
        if Some(cert.spki) != root_key && !(self_signed_end && last) {
            findings.push(
                Finding::new(
                    Code::SIGNATURE_WEAK,
                    Severity::Warning,
                    format!("{what} is signed with {hash}"),
                )
                .about(cert.sha256),
            );
        }
    }
}

/// Row 16: who may sign what.
fn authority(chain: &Chain, name: &str, findings: &mut Vec<Finding>) {
    let leaf = chain.leaf();
    let mut warn = |code, text: String, cert: &Cert| {
        findings.push(Finding::new(code, Severity::Warning, text).about(cert.sha256));
    };
    if leaf.server_auth == Some(false) {
        warn(
            Code::EKU,
            "extended key usage does not allow TLS servers".to_owned(),
            leaf,
        );
    }
    for (depth, ca) in chain.path().certs.iter().enumerate().skip(1) {
        let ca_name = ca.subject.short();
        if lenient::lacks_ca_rights(ca) {
            warn(
                Code::CA_FLAG,
                format!("{ca_name} signs certificates but may not"),
                ca,
            );
        }
        if lenient::violates_path_len(ca, depth) {
            warn(
                Code::PATHLEN,
                format!("{ca_name} allows fewer CAs below it than there are"),
                ca,
            );
        }
        if ca.constraints.as_ref().is_some_and(|c| !c.allows(name)) {
            warn(
                Code::NAME_CONSTRAINTS,
                format!("{ca_name} may not issue for {name}"),
                ca,
            );
        }
        if ca.server_auth == Some(false) {
            warn(
                Code::EKU,
                format!("{ca_name} may not issue for TLS servers"),
                ca,
            );
        }
    }
    // OpenSSL's default self-signed certificate is CA:TRUE and only self-signed.
    if leaf.ca == Some(true) && chain.paths.trust != Trust::SelfSigned {
        findings.push(
            Finding::new(
                Code::LEAF_IS_CA,
                Severity::Critical,
                "the server's own certificate can issue certificates for any name",
            )
            .about(leaf.sha256),
        );
    }
}

/// Row 17.
fn shape(chain: &Chain, findings: &mut Vec<Finding>) {
    let shape = chain.shape;
    for (wrong, code, text) in [
        (
            shape.disordered,
            Code::ORDER,
            "the chain is sent in the wrong order",
        ),
        (
            shape.incomplete && chain.paths.trust != Trust::Incomplete,
            Code::INCOMPLETE,
            "an intermediate is not sent; clients without it fail",
        ),
        (
            shape.extra,
            Code::EXTRA_CERTS,
            "certificates are sent that are on no path",
        ),
        (
            shape.root_sent,
            Code::ROOT_SENT,
            "the root is sent, which clients have or distrust",
        ),
    ] {
        if wrong {
            findings.push(Finding::new(code, Severity::Notice, text));
        }
    }
    if chain.unparseable > 0 {
        findings.push(Finding::new(
            Code::CERT_UNPARSEABLE,
            Severity::Notice,
            format!(
                "{} of the certificates sent cannot be parsed",
                chain.unparseable
            ),
        ));
    }
}

/// Row 16, for sub-CA keys new to the target: how a bought or compelled sub-CA looks.
fn new_subcas(history: &History, chain: &Chain, now: Unix) -> Vec<Finding> {
    let mut findings = Vec::new();
    if chain.path().root.is_none() {
        return findings;
    }
    let known: HashSet<Sha256> = history
        .sightings
        .iter()
        .flat_map(|s| s.chain.path().intermediates().iter().map(|ca| ca.spki))
        .collect();
    for ca in chain
        .path()
        .intermediates()
        .iter()
        .filter(|ca| !known.contains(&ca.spki))
    {
        let name = ca.subject.short();
        let mut warn = |code, text| {
            findings.push(Finding::new(code, Severity::Warning, text).about(ca.sha256));
        };
        let age = now - ca.not_before;
        if age < 7 * DAY {
            warn(
                Code::SUBCA_YOUNG,
                format!("sub-CA {name} is only {} old", when::span(age.max(0))),
            );
        }
        if ca.lifetime() < 30 * DAY {
            let life = when::span(ca.lifetime());
            warn(
                Code::SUBCA_SHORT,
                format!("sub-CA {name} lives for {life} only"),
            );
        }
        if chain.foreign.contains(&ca.sha256) {
            let organisation = ca.subject.organisation.as_deref().unwrap_or_default();
            warn(
                Code::SUBCA_FOREIGN_NAME,
                format!(
                    "sub-CA {name} belongs to {organisation}, not to {}",
                    chain.owner
                ),
            );
        }
    }
    findings
}

/// Row 18.
fn dates(chain: &Chain, knowledge: &Knowledge, now: Unix) -> Vec<Finding> {
    let leaf = chain.leaf();
    let mut findings = Vec::new();
    if knowledge.clock_skewed {
        return findings;
    }
    if leaf.not_before - now > 5 * 60 {
        findings.push(
            Finding::new(
                Code::NOT_YET,
                Severity::Warning,
                format!("not valid before {}", when::rfc3339(leaf.not_before)),
            )
            .about(leaf.sha256),
        );
    }
    let first_sct = leaf.scts.iter().map(|sct| sct.timestamp / 1000).min();
    if let Some(logged) = first_sct.and_then(|at| Unix::try_from(at).ok())
        && logged - leaf.not_before > 7 * DAY
    {
        findings.push(
            Finding::new(
                Code::BACKDATED,
                Severity::Warning,
                format!(
                    "begins on {}, but was first logged on {}: backdated by {}",
                    when::date(leaf.not_before),
                    when::date(logged),
                    when::span(logged - leaf.not_before)
                ),
            )
            .about(leaf.sha256),
        );
    }
    findings
}
