//! Row 23: CAA and TLSA.

use aws_lc_rs::digest;

use super::*;
use crate::dns::caa::{Caa, Property};
use crate::dns::tlsa::Tlsa;
use crate::knowledge::AskedCaa;

fn caa(issuer: &str, changed: Option<Unix>) -> AskedCaa {
    let property = Property {
        critical: false,
        tag: "issue".to_owned(),
        value: issuer.to_owned(),
    };
    AskedCaa {
        records: Caa::new("example.org", vec![property]),
        changed,
    }
}

/// A world late in the life of its leaf whose other CA is known in the DNS, and that CA's chain.
fn moving() -> (World, Unix, Presented) {
    let (mut world, at) = at_share(0.2);
    let aliases = [("Other CA".to_owned(), "Let's Encrypt".to_owned())].into();
    world.judge.owners =
        crate::owner::Owners::new(&aliases, crate::import::ccadb::Ccadb::default());
    let moved = world.other.issue(&world.leaf("k2", at));
    (world, at, moved)
}

fn found(findings: &[Finding], code: Code) -> Option<Severity> {
    findings.iter().find(|f| f.code == code).map(|f| f.severity)
}

#[test]
fn caa_binds_the_new_issuer_at_the_time_of_the_change() {
    for (records, severity) in [
        (Some(caa("sectigo.com", None)), Some(Severity::Warning)),
        (Some(caa(";", None)), Some(Severity::Warning)),
        (Some(caa("letsencrypt.org", None)), None),
        (None, None),
    ] {
        let (mut world, at, moved) = moving();
        world.knowledge.caa = records;
        let findings = world.see(&moved, at);
        assert_eq!(found(&findings, Code::CAA_FORBIDS), severity);
        let again = world.see(&moved, at + DAY);
        assert_eq!(found(&again, Code::CAA_FORBIDS), None, "said at the change");
    }
}

#[test]
fn caa_that_changed_the_same_day_is_a_notice() {
    for (ago, severity) in [(HOUR, Severity::Notice), (2 * DAY, Severity::Warning)] {
        let (mut world, at, moved) = moving();
        world.knowledge.caa = Some(caa("sectigo.com", Some(at - ago)));
        let findings = world.see(&moved, at);
        assert_eq!(found(&findings, Code::CAA_FORBIDS), Some(severity));
    }
}

#[test]
fn caa_says_nothing_about_usual_issuers_unknown_owners_and_private_roots() {
    let (mut world, at, _) = moving();
    world.knowledge.caa = Some(caa(";", None));
    let usual = world.subs[0].issue(&world.leaf("k3", at));
    assert_eq!(found(&world.see(&usual, at), Code::CAA_FORBIDS), None);

    let (mut world, at) = at_share(0.2);
    world.knowledge.caa = Some(caa(";", None));
    let unknown = world.other.issue(&world.leaf("k2", at));
    assert_eq!(found(&world.see(&unknown, at), Code::CAA_FORBIDS), None);

    let (mut world, at, moved) = moving();
    world.knowledge.caa = Some(caa(";", None));
    world.judge.roots = crate::roots::Roots::new([world.root.der.as_ref()], []);
    assert_eq!(found(&world.see(&moved, at), Code::CAA_FORBIDS), None);
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn record(usage: u8, selector: u8, matching: u8, selected: &[u8]) -> Tlsa {
    Tlsa {
        usage,
        selector,
        matching,
        data: match matching {
            0 => selected.to_vec(),
            1 => sha256(selected),
            _ => digest::digest(&digest::SHA512, selected).as_ref().to_vec(),
        },
    }
}

#[test]
fn each_kind_of_tlsa_record_fits_what_it_names_and_nothing_else() {
    let (world, at) = at_share(0.5);
    let chain = world.judged(&world.subs[0].issue(&world.leaf("k1", world.start)), at);
    let (leaf, issuer) = (chain.leaf(), chain.path().issuer().unwrap());
    let root = chain.path().root.as_ref().unwrap();
    let other = crate::cert::Cert::parse(&world.other.der).unwrap();
    for usage in 0..=3 {
        for selector in 0..=1 {
            for matching in 0..=2 {
                let fits = |cert: &crate::cert::Cert| {
                    let selected = if selector == 0 {
                        cert.der.to_vec()
                    } else {
                        cert.public_key()
                    };
                    let record = record(usage, selector, matching, &selected);
                    assert!(record.is_usable(&HOST.parse().unwrap()));
                    record.matches(&chain)
                };
                let end = matches!(usage, 1 | 3);
                let kind = format!("{usage} {selector} {matching}");
                assert_eq!(fits(leaf), end, "{kind}");
                assert_eq!(fits(issuer), !end, "{kind}");
                assert_eq!(fits(root), !end, "{kind}");
                assert!(!fits(&other), "{kind}");
            }
        }
    }
}

#[test]
fn usages_0_and_1_want_a_trusted_path_and_2_and_3_do_not() {
    let mut world = world();
    let at = world.start + DAY;
    let presented = world.subs[0].issue(&world.leaf("k1", world.start));
    world.judge.roots = crate::roots::Roots::new([world.other.der.as_ref()], []);
    let chain = world.judged(&presented, at);
    assert!(!chain.paths.trust.is_path_valid());
    let (leaf, sub) = (chain.leaf().public_key(), &chain.certs[1].public_key());
    let fits = |usage, key: &[u8]| record(usage, 1, 1, key).matches(&chain);
    assert_eq!(
        [fits(0, sub), fits(1, &leaf), fits(2, sub), fits(3, &leaf)],
        [false, false, true, true]
    );
}

#[test]
fn records_no_client_can_use_count_as_none() {
    let web: crate::target::Target = HOST.parse().unwrap();
    let mail = format!("{HOST}:25").parse().unwrap();
    let submission = format!("{HOST}:587").parse().unwrap();
    let good = record(3, 1, 1, b"key");
    assert!(good.is_usable(&web) && good.is_usable(&mail));
    let short = Tlsa {
        data: vec![1; 31],
        ..good.clone()
    };
    for bad in [
        record(4, 1, 1, b"key"),
        record(255, 1, 1, b"key"),
        record(3, 2, 1, b"key"),
        Tlsa {
            matching: 3,
            ..good.clone()
        },
        record(3, 1, 0, b""),
        short,
    ] {
        assert!(!bad.is_usable(&web), "{bad:?}");
    }
    // Mail servers know no public roots.
    for usage in [0, 1] {
        let pkix = record(usage, 1, 1, b"key");
        assert!(!pkix.is_usable(&mail) && pkix.is_usable(&submission) && pkix.is_usable(&web));
    }
}

#[test]
fn a_tlsa_mismatch_is_said_at_first_sight_and_of_an_unchanged_chain() {
    let mut world = world();
    let presented = world.subs[0].issue(&world.leaf("k1", world.start));
    let first = world.start + DAY;
    world.knowledge.tlsa = vec![record(3, 1, 1, b"another key"), record(9, 9, 9, b"")];
    for at in [first, first + DAY] {
        let findings = world.see(&presented, at);
        let severity = found(&findings, Code::TLSA_MISMATCH);
        assert_eq!(severity, Some(Severity::Warning));
    }
    let key = world.judged(&presented, first).leaf().public_key();
    world.knowledge.tlsa.push(record(3, 1, 2, &key));
    assert_eq!(world.see(&presented, first + 2 * DAY), []);
    world.knowledge.tlsa = vec![record(9, 1, 1, b"unusable alone")];
    assert_eq!(world.see(&presented, first + 2 * DAY), []);
}
