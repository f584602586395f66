//! What the fuzz targets do with their bytes, and with them a test over their corpora: everything
//! here comes from a server or a file, and none of it may stop the tool.

use std::sync::Arc;

use crate::cert::Cert;
use crate::chain::{Judge, Presented};
use crate::classify::{self, classify};
use crate::digest::Sha256;
use crate::history::History;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::Proof;
use crate::owner::Owners;
use crate::probe::hello::{Answer, MAX_CERTIFICATES, Progress};
use crate::probe::starttls::{Dialogue, Step};
use crate::protocol::Protocol;
use crate::roots::Roots;
use crate::target::Target;
use crate::targets;
use crate::when::Unix;

/// A moment within the lives of the seeds.
const NOW: Unix = 1_795_000_000;
/// Longer than any preamble has steps.
const STEPS: usize = 400;

/// The answer to a cleartext hello means the same however it is cut.
pub fn hello(data: &[u8]) {
    let whole = Answer::default().feed(data);
    let mut parser = Answer::default();
    let first_end = data
        .iter()
        .map(|byte| parser.feed(&[*byte]))
        .find(|progress| *progress != Progress::More);
    assert_eq!(whole, first_end.unwrap_or(Progress::More));
    if let Progress::Chain { presented, .. } = whole {
        assert!((1..=MAX_CERTIFICATES).contains(&presented.ders.len()));
    }
}

/// A preamble ends. The first byte chooses the protocol, the second how much arrives at a time.
pub fn starttls(data: &[u8]) {
    let [protocol, size, said @ ..] = data else {
        return;
    };
    let protocol = Protocol::numbered(*protocol);
    let mut parts = said.chunks(usize::from(*size).max(1));
    let mut dialogue = Dialogue::new(protocol, "mail.example.org");
    for _ in 0..STEPS + said.len() {
        match dialogue.next() {
            Step::Read => match parts.next() {
                Some(part) => dialogue.received(part),
                None => return,
            },
            Step::Write(bytes) => assert!(!bytes.is_empty()),
            Step::Start | Step::Refused | Step::Injected | Step::Foreign => return,
        }
    }
    panic!("{protocol}: no end");
}

/// A certificate is judged or refused, and its bytes are kept as they came.
pub fn certificate(data: &[u8]) {
    let presented = Presented {
        ders: vec![Arc::from(data)],
    };
    let Some(cert) = Cert::parse(data) else {
        return;
    };
    assert_eq!(cert.sha256, Sha256::of(data));
    assert_eq!(cert.spki, Sha256::of(&cert.public_key()));
    for name in cert.dns_names.iter().take(4) {
        // Hostile names cover what they say, or nothing.
        let _either = cert.covers(name);
        let _either = cert.covers_by_wildcard(name);
    }
    let judge = Judge::new(Roots::new([], []), Owners::default());
    let Some(chain) = judge.chain(&presented, NOW) else {
        return;
    };
    let target: Target = "www.example.org"
        .parse()
        .unwrap_or_else(|error| unreachable!("a plain name: {error}"));
    let observation = Observation {
        outcome: classify::outcome_of(&chain, target.name()),
        target,
        vantage: "here".to_owned(),
        addr: None,
        at: NOW,
        proof: Proof::None,
        chain: Some(Arc::new(chain)),
    };
    let mut history = History::default();
    for _ in 0..2 {
        let findings = classify(&history, &observation, &Knowledge::default(), NOW);
        history.absorb(&observation, &findings);
    }
}

/// Each line of a targets file is taken or refused with its place, and what was taken reads back.
pub fn targets(data: &[u8]) {
    let (entries, mistakes) = targets::parse(data);
    for mistake in mistakes {
        assert!(mistake.line >= 1 && mistake.column >= 1);
    }
    for entry in entries.into_iter().take(64) {
        let plain = Target {
            sni: None,
            ..entry.target
        };
        assert_eq!(plain.to_string().parse(), Ok(plain));
    }
}
