//! Row 23: what DNS says about the certificate. Only answers secured by DNSSEC get here for TLSA.

use crate::chain::Chain;
use crate::digest::Sha256;
use crate::finding::{Code, Finding, Severity};
use crate::observation::{Observation, Tlsa};

/// TLSA is checked on every observation, CAA when the chain is new: it binds issuing, not serving.
pub(super) fn rows(observation: &Observation, chain: &Chain, known: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tlsa = &observation.dns.tlsa;
    if !tlsa.is_empty() && !tlsa.iter().any(|record| matches(record, chain)) {
        findings.push(Finding::new(
            Code::TLSA_MISMATCH,
            Severity::Warning,
            format!("none of {} TLSA records matches the chain", tlsa.len()),
        ));
    }
    if let Some(allowed) = &observation.dns.caa
        && !known
        && forbids(allowed, &chain.owner.name)
    {
        let severity =
            if observation.dns.caa_changed_today { Severity::Notice } else { Severity::Warning };
        let list = if allowed.is_empty() { "nobody".to_owned() } else { allowed.join(", ") };
        findings.push(Finding::new(
            Code::CAA_FORBIDS,
            severity,
            format!("CAA allows {list} to issue, the chain is {}'s", chain.owner),
        ));
    }
    findings
}

/// RFC 6698: usages 0 and 2 name a CA of the path, 1 and 3 the leaf.
fn matches(record: &Tlsa, chain: &Chain) -> bool {
    let path = chain.path();
    let certs: Vec<_> = match record.usage {
        1 | 3 => vec![chain.leaf()],
        _ => path.intermediates().iter().chain(&path.root).collect(),
    };
    certs.iter().any(|cert| match (record.selector, record.matching) {
        (0, 0) => *record.data == *cert.der,
        (0, 1) => record.data == cert.sha256.0,
        (1, 1) => record.data == cert.spki.0,
        (1, 0) => Sha256::of(&record.data) == cert.spki,
        // SHA-512 and unknown selectors cannot be told from a match; they raise no alarm.
        _ => true,
    })
}

/// Whether the issuer domains exclude the owner. Only owners whose CAA domains are known can be
/// excluded; for the others the records say nothing we could check.
fn forbids(allowed: &[String], owner: &str) -> bool {
    const DOMAINS: &[(&str, &[&str])] = &[
        ("Let's Encrypt", &["letsencrypt.org"]),
        ("DigiCert", &["digicert.com", "quovadisglobal.com", "geotrust.com", "thawte.com", "rapidssl.com", "symantec.com"]),
        ("Sectigo", &["sectigo.com", "comodoca.com", "comodo.com", "usertrust.com", "trust-provider.com", "zerossl.com"]),
        ("GlobalSign", &["globalsign.com"]),
        ("Google Trust Services", &["pki.goog"]),
        ("Amazon Trust Services", &["amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"]),
        ("GoDaddy", &["godaddy.com", "starfieldtech.com"]),
        ("SSL.com", &["ssl.com"]),
        ("IdenTrust", &["identrust.com"]),
        ("HARICA", &["harica.gr"]),
        ("Microsoft", &["microsoft.com"]),
    ];
    DOMAINS.iter().find(|(name, _)| *name == owner).is_some_and(|(_, domains)| {
        !allowed.iter().any(|domain| domains.contains(&domain.as_str()))
    })
}
