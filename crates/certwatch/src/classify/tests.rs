//! The decision table, row by row, and the simulated fleet.

use std::sync::Arc;

use crate::chain::{Chain, Judge, Presented};
use crate::classify::classify;
use crate::finding::{Code, Finding, Severity, worst};
use crate::forge::{self, Ca, DV, EV, Leaf, OV};
use crate::history::{History, Pin, Sibling, Sighting};
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::{Outcome, Stage};
use crate::when::{self, DAY, HOUR, Unix};

mod dns;

const HOST: &str = "www.example.org";

/// One owner with three intermediates, another owner, and a clock.
struct World {
    judge: Judge,
    root: Ca,
    subs: Vec<Ca>,
    other: Ca,
    start: Unix,
    history: History,
    knowledge: Knowledge,
}

fn world() -> World {
    let root = forge::root("Good Root", "Good CA");
    let subs = (0..4)
        .map(|n| root.sub(&format!("Good {n}"), "Good CA", "2024-01-01", 3650))
        .collect();
    let other_root = forge::root("Other Root", "Other CA");
    let other = other_root.sub("Other 1", "Other CA", "2024-01-01", 3650);
    let judge = forge::judge(&[&root, &other_root], &[]);
    // A store that knows the world: the unknown is unknown there, too.
    let knowledge = Knowledge {
        hosts: 100,
        issuer_hosts: 50,
        ..Knowledge::default()
    };
    let start = when::parse("2026-01-01").unwrap();
    World {
        judge,
        root,
        subs,
        other,
        start,
        history: History::default(),
        knowledge,
    }
}

impl World {
    fn judged(&self, presented: &Presented, at: Unix) -> Arc<Chain> {
        Arc::new(self.judge.chain(presented, at).unwrap())
    }

    /// Sees `presented` at `at`, judges it and takes it into the history.
    fn see(&mut self, presented: &Presented, at: Unix) -> Vec<Finding> {
        let chain = self.judged(presented, at);
        let observation = forge::observe(HOST, &chain, at);
        let findings = classify(&self.history, &observation, &self.knowledge, at);
        self.history.absorb(&observation, &findings);
        findings
    }

    /// A first leaf that is well known, and the time at which `share` of its life is left.
    fn with_leaf(mut self, leaf: &Leaf<'_>, share_left: f64) -> (Self, Unix) {
        let presented = self.subs[0].issue(leaf);
        let first = leaf.from + DAY;
        self.see(&presented, first);
        self.history.sweeps = 9;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "days"
        )]
        let at = leaf.from + ((leaf.days * DAY) as f64 * (1.0 - share_left)) as i64;
        (self, at)
    }

    fn leaf(&self, key: &'static str, from: Unix) -> Leaf<'static> {
        let _ = self.start;
        Leaf::new(HOST, key, from)
    }
}

fn codes(findings: &[Finding]) -> Vec<(&'static str, &'static str)> {
    findings
        .iter()
        .map(|f| (f.code.as_str(), f.severity.word()))
        .collect()
}

/// A world whose leaf has `share` left, and the time of that.
fn at_share(share: f64) -> (World, Unix) {
    let world = world();
    let leaf = world.leaf("k1", world.start);
    world.with_leaf(&leaf, share)
}

#[test]
fn row_0_a_known_chain_is_silent() {
    let (mut world, at) = at_share(0.5);
    let same = world.subs[0].issue(&world.leaf("k1", world.start));
    // ECDSA signatures differ each time, so take the very same bytes.
    let known = Presented {
        ders: world.history.sightings[0]
            .chain
            .certs
            .iter()
            .map(|c| Arc::clone(&c.der))
            .collect(),
    };
    assert_ne!(known, same);
    assert_eq!(world.see(&known, at), []);
}

#[test]
fn row_1_other_intermediates_under_the_same_leaf() {
    let (mut world, at) = at_share(0.5);
    let mut known = Presented {
        ders: world.history.sightings[0]
            .chain
            .certs
            .iter()
            .map(|c| Arc::clone(&c.der))
            .collect(),
    };
    known.ders.push(Arc::clone(&world.subs[1].der));
    let found = world.see(&known, at);
    assert_eq!(
        codes(&found),
        [("chain-variant", "info"), ("extra-certs", "notice")]
    );
}

#[test]
fn rows_2_and_3_renewals_by_the_usual_issuer() {
    for (key, share, expected) in [
        ("k1", 0.30, ("renewed", "info")),
        ("k1", 0.90, ("renewed", "info")),
        ("k2", 0.30, ("rekeyed", "info")),
        ("k2", 0.38, ("rekeyed", "info")),
        ("k2", 0.60, ("rekeyed-early", "notice")),
    ] {
        let (mut world, at) = at_share(share);
        let renewed = world.subs[0].issue(&world.leaf(key, at));
        assert_eq!(codes(&world.see(&renewed, at)), [expected], "{key} {share}");
    }
}

#[test]
fn rows_4_and_5_other_issuers_of_the_same_owner() {
    for (hosts_with_key, share, thin, expected) in [
        (3, 0.30, false, ("issuer-rotated", "info")),
        (3, 0.60, false, ("issuer-rotated", "notice")),
        (1, 0.30, false, ("issuer-rotated", "notice")),
        (0, 0.30, false, ("issuer-unseen", "warning")),
        (0, 0.30, true, ("issuer-unseen", "info")),
        (0, 0.60, true, ("issuer-unseen", "warning")),
    ] {
        let (mut world, at) = at_share(share);
        world.knowledge.issuer_hosts = hosts_with_key;
        world.knowledge.hosts = if thin { 0 } else { 100 };
        let rotated = world.subs[1].issue(&world.leaf("k2", at));
        assert_eq!(
            codes(&world.see(&rotated, at)),
            [expected],
            "{hosts_with_key} {share} {thin}"
        );
    }
}

#[test]
fn rows_6_and_7_another_owner() {
    for (hosts_with_key, share, thin, expected) in [
        (3, 0.30, false, ("owner-changed", "notice")),
        (3, 0.60, false, ("owner-changed", "warning")),
        (0, 0.30, false, ("owner-changed-unseen", "critical")),
        (0, 0.30, true, ("owner-changed-unseen", "notice")),
        (0, 0.60, true, ("owner-changed-unseen", "warning")),
    ] {
        let (mut world, at) = at_share(share);
        world.knowledge.issuer_hosts = hosts_with_key;
        world.knowledge.hosts = if thin { 0 } else { 100 };
        let foreign = world.other.issue(&world.leaf("k2", at));
        assert_eq!(
            codes(&world.see(&foreign, at)),
            [expected],
            "{hosts_with_key} {share} {thin}"
        );
    }
}

#[test]
fn row_6_the_second_owner_within_thirty_days_is_a_warning() {
    let (mut world, at) = at_share(0.3);
    let foreign = world.other.issue(&world.leaf("k2", at));
    world.see(&foreign, at);
    let third_root = forge::root("Third Root", "Third CA");
    let third = third_root.sub("Third 1", "Third CA", "2024-01-01", 3650);
    world.judge = forge::judge(&[&world.root, &third_root], &[]);
    let later = at + 20 * DAY;
    let found = world.see(&third.issue(&world.leaf("k3", later)), later);
    assert_eq!(codes(&found), [("owner-changed", "warning")]);
}

#[test]
fn row_8_another_root_of_the_same_owner() {
    let (mut world, at) = at_share(0.3);
    let twin = forge::root("Good Root 2", "Good CA");
    let sub = twin.sub("Good 9", "Good CA", "2024-01-01", 3650);
    world.judge = forge::judge(&[&world.root, &twin], &[]);
    let found = world.see(&sub.issue(&world.leaf("k2", at)), at);
    assert_eq!(
        codes(&found),
        [("issuer-rotated", "info"), ("anchor-changed", "info")]
    );
}

#[test]
fn row_9_a_local_root_is_critical_unless_expected() {
    for (corporate, severity) in [(false, Severity::Critical), (true, Severity::Info)] {
        let (mut world, at) = at_share(0.6);
        let inspector = forge::root("Inspector", "Our Company");
        world.judge = forge::judge(&[&world.root], &[&inspector]);
        world.knowledge.corporate = corporate;
        let found = world.see(&inspector.issue(&world.leaf("k2", at)), at);
        let local = found.iter().find(|f| f.code == Code::LOCAL_ROOT).unwrap();
        assert_eq!(local.severity, severity);
    }
}

#[test]
fn row_10_valid_to_self_signed_or_untrusted() {
    let (mut world, at) = at_share(0.3);
    let found = world.see(&forge::self_signed(&world.leaf("k2", at)), at);
    assert_eq!(codes(&found), [("untrusted-now", "critical")]);
    let (mut world, at) = at_share(0.3);
    let stranger = forge::root("Stranger", "Stranger");
    let found = world.see(&stranger.issue(&world.leaf("k2", at)), at);
    assert_eq!(codes(&found), [("untrusted-now", "critical")]);
}

#[test]
fn rows_11_and_12_weaker_levels() {
    for (before, after, expected) in [
        (EV, OV, Some(("level-down-ev", "warning"))),
        (EV, DV, Some(("level-down-ev", "warning"))),
        (OV, DV, Some(("level-down-ov", "notice"))),
        (DV, EV, None),
        (EV, &[], None),
        (&[][..], DV, None),
    ] {
        let world = world();
        let leaf = Leaf {
            policy: before,
            ..world.leaf("k1", world.start)
        };
        let (mut world, at) = world.with_leaf(&leaf, 0.3);
        let weaker = world.subs[0].issue(&Leaf {
            policy: after,
            ..world.leaf("k2", at)
        });
        let found = codes(&world.see(&weaker, at));
        assert_eq!(found.get(1).copied(), expected, "{before:?} {after:?}");
    }
}

#[test]
fn combinations_raise_level_and_sct_findings() {
    let world = world();
    let leaf = Leaf {
        policy: EV,
        ..world.leaf("k1", world.start)
    };
    let (mut world, at) = world.with_leaf(&leaf, 0.3);
    let foreign = world.other.issue(&Leaf {
        scts: 0,
        ..world.leaf("k2", at)
    });
    let found = world.see(&foreign, at);
    for code in [Code::LEVEL_DOWN_EV, Code::SCT_GONE] {
        let finding = found.iter().find(|f| f.code == code).unwrap();
        assert_eq!(finding.severity, Severity::Critical, "{code}");
    }
}

#[test]
fn row_14_names() {
    for (names, expected) in [
        (
            vec!["elsewhere.example.org"],
            Some(("name-lost", "critical")),
        ),
        (vec!["*.example.org"], Some(("wildcard", "notice"))),
        (vec![HOST, "new.example.org"], None),
    ] {
        let (mut world, at) = at_share(0.3);
        let renamed = world.subs[0].issue(&Leaf {
            names,
            ..world.leaf("k2", at)
        });
        assert_eq!(codes(&world.see(&renamed, at)).get(1).copied(), expected);
    }
    let world = world();
    let leaf = Leaf {
        names: vec![HOST, "old.example.org"],
        ..world.leaf("k1", world.start)
    };
    let (mut world, at) = world.with_leaf(&leaf, 0.3);
    let found = world.see(&world.subs[0].issue(&world.leaf("k2", at)), at);
    assert_eq!(codes(&found)[1], ("names-shrunk", "info"));
}

#[test]
fn row_15_scts_gone() {
    let (mut world, at) = at_share(0.3);
    let unlogged = world.subs[0].issue(&Leaf {
        scts: 0,
        ..world.leaf("k2", at)
    });
    assert_eq!(
        codes(&world.see(&unlogged, at)),
        [("rekeyed", "info"), ("sct-gone", "warning")]
    );
}

#[test]
fn row_16_authority() {
    let (mut world, at) = at_share(0.3);
    let ca_leaf = world.subs[0].issue(&Leaf {
        is_ca: true,
        ..world.leaf("k2", at)
    });
    let found = world.see(&ca_leaf, at);
    assert!(
        codes(&found).contains(&("leaf-is-ca", "critical")),
        "{found:?}"
    );
    let (mut world, at) = at_share(0.3);
    let mail = world.subs[0].issue(&Leaf {
        server_auth: false,
        ..world.leaf("k2", at)
    });
    assert!(codes(&world.see(&mail, at)).contains(&("eku", "warning")));
    let (mut world, at) = at_share(0.3);
    let date = when::date(at - DAY);
    let fresh = world.root.sub("Fresh", "Somebody Else", &date, 20);
    let found = codes(&world.see(
        &fresh.issue(&Leaf {
            days: 10,
            ..world.leaf("k2", at)
        }),
        at,
    ));
    for code in ["subca-young", "subca-short", "subca-foreign-name"] {
        assert!(found.contains(&(code, "warning")), "{code}: {found:?}");
    }
}

#[test]
fn row_17_untidy_chains_once() {
    let (mut world, at) = at_share(0.3);
    let mut untidy = world.subs[0].issue(&world.leaf("k2", at));
    untidy.ders.push(Arc::clone(&world.root.der));
    assert_eq!(
        codes(&world.see(&untidy, at)),
        [("rekeyed", "info"), ("root-sent", "notice")]
    );
    let mut again = world.subs[0].issue(&world.leaf("k3", at + 60 * DAY));
    again.ders.push(Arc::clone(&world.root.der));
    assert_eq!(
        codes(&world.see(&again, at + 60 * DAY)),
        [("rekeyed", "info")]
    );
}

#[test]
fn row_18_dates_of_the_future() {
    let (mut world, at) = at_share(0.3);
    let early = world.subs[0].issue(&world.leaf("k2", at + DAY));
    assert!(codes(&world.see(&early, at)).contains(&("not-yet", "warning")));
}

#[test]
fn row_20_what_comes_back() {
    let (mut world, at) = at_share(0.5);
    let presented = |chain: &Chain| Presented {
        ders: chain.certs.iter().map(|c| Arc::clone(&c.der)).collect(),
    };
    let first = presented(&world.history.sightings[0].chain);
    let second = world.subs[0].issue(&world.leaf("k2", at));
    world.see(&second, at);
    assert_eq!(codes(&world.see(&first, at + DAY)), [("returned", "info")]);
    let expired = world.start + 91 * DAY;
    let (mut world, at) = at_share(0.2);
    let first = presented(&world.history.sightings[0].chain);
    world.see(&second, at);
    let found = world.see(&first, expired);
    assert_eq!(codes(&found)[0], ("returned-bad", "critical"));
}

#[test]
fn row_21_rejected_shared_and_known_bad_keys() {
    let (mut world, at) = at_share(0.3);
    let presented = world.subs[0].issue(&world.leaf("k2", at));
    let chain = world.judged(&presented, at);
    world
        .history
        .verdicts
        .rejected_keys
        .insert(chain.leaf().spki);
    world.knowledge.key_elsewhere = vec!["bank.test".to_owned()];
    world.knowledge.known_bad = Some("a reason".to_owned());
    let found = codes(&world.see(&presented, at));
    for code in ["rejected-key", "key-shared", "known-bad"] {
        assert!(found.contains(&(code, "critical")), "{code}");
    }
}

#[test]
fn row_22_shares_of_the_lifetime() {
    for (share, expected) in [
        (0.25, vec![]),
        (0.19, vec![("expiring", "warning")]),
        (0.06, vec![("expiring-now", "critical")]),
    ] {
        let (mut world, at) = at_share(share);
        let first = &world.history.sightings[0].chain;
        let same = Presented {
            ders: first.certs.iter().map(|c| Arc::clone(&c.der)).collect(),
        };
        assert_eq!(codes(&world.see(&same, at)), expected, "{share}");
    }
}

#[test]
fn a_broken_pin_is_critical() {
    let (mut world, at) = at_share(0.3);
    let pinned = world.history.sightings[0].chain.leaf().spki;
    world.history.verdicts.pins.push(Pin::LeafKey(pinned));
    let renewed = world.subs[0].issue(&world.leaf("k2", at));
    assert!(codes(&world.see(&renewed, at)).contains(&("pin-broken", "critical")));
}

#[test]
fn own_keys_are_quiet() {
    let (mut world, at) = at_share(0.6);
    world.knowledge.own_key = true;
    world.knowledge.issuer_hosts = 0;
    let foreign = world.other.issue(&world.leaf("k2", at));
    assert_eq!(worst(&world.see(&foreign, at)), Some(Severity::Info));
}

#[test]
fn first_sight_is_capped_except_for_what_must_not_be() {
    let mut world = world();
    let found = world.see(
        &forge::self_signed(&world.leaf("k1", world.start)),
        world.start + DAY,
    );
    assert_eq!(
        codes(&found),
        [("first-seen", "info"), ("self-signed", "notice")]
    );
    let mut world = self::world();
    let ca_leaf = world.subs[0].issue(&Leaf {
        is_ca: true,
        ..world.leaf("k1", world.start)
    });
    let found = world.see(&ca_leaf, world.start + DAY);
    assert!(codes(&found).contains(&("leaf-is-ca", "critical")));
}

#[test]
fn learning_mutes_rotation_and_nothing_else() {
    let (mut world, at) = at_share(0.98);
    world.knowledge.learning = true;
    world.history.sweeps = 1;
    let rotated = world.subs[1].issue(&world.leaf("k2", at));
    assert_eq!(
        codes(&world.see(&rotated, at)),
        [("issuer-rotated", "info")]
    );
    let (mut world, at) = at_share(0.98);
    world.knowledge.learning = true;
    world.history.sweeps = 1;
    let foreign = world.other.issue(&world.leaf("k2", at));
    assert_eq!(
        codes(&world.see(&foreign, at)),
        [("owner-changed", "warning")]
    );
}

/// Puts the present chain of the world at another port, last seen at `last`.
fn sibling(world: &mut World, last: Unix) {
    let mut sighting: Sighting = world.history.sightings[0].clone();
    sighting.last = last;
    world.history.siblings.push(Sibling {
        port: 5223,
        sighting,
    });
}

#[test]
fn row_19_one_port_alone_and_early_is_critical() {
    let (mut world, at) = at_share(0.7);
    sibling(&mut world, at + HOUR);
    let replaced = world.subs[0].issue(&world.leaf("k2", at));
    world.see(&replaced, at);
    let found = world.see(&replaced, at + 2 * HOUR);
    assert_eq!(codes(&found), [("split-port", "critical")]);
}

#[test]
fn row_19_a_roll_out_settles_or_is_reported_after_a_day() {
    let (mut world, at) = at_share(0.3);
    sibling(&mut world, at + HOUR);
    let replaced = world.subs[0].issue(&world.leaf("k2", at));
    world.see(&replaced, at);
    assert_eq!(
        codes(&world.see(&replaced, at + 2 * HOUR)),
        [("split-port", "notice")]
    );
    assert_eq!(
        codes(&world.see(&replaced, at + 25 * HOUR)),
        [("split-port", "warning")]
    );
    // The sibling follows: nothing is left to say.
    let mut followed = world.history.sightings.last().unwrap().clone();
    followed.last = at + 26 * HOUR;
    world.history.siblings.clear();
    world.history.siblings.push(Sibling {
        port: 5223,
        sighting: followed,
    });
    assert_eq!(world.see(&replaced, at + 27 * HOUR), []);
}

#[test]
fn row_19_addresses_of_one_farm() {
    let (mut world, at) = at_share(0.7);
    let mut other: Sighting = world.history.sightings[0].clone();
    other.addr = Some("192.0.2.2".parse().unwrap());
    other.last = at + HOUR;
    world.history.sightings.push(other);
    let replaced = world.subs[0].issue(&world.leaf("k2", at));
    world.see(&replaced, at);
    let found = world.see(&replaced, at + 2 * HOUR);
    assert_eq!(codes(&found), [("split-address", "notice")]);
    assert!(
        found[0].text.contains("192.0.2.2 still serves"),
        "{found:?}"
    );
    assert_eq!(
        codes(&world.see(&replaced, at + 25 * HOUR)),
        [("split-address", "warning")]
    );
}

/// Another vantage that saw the first chain of the world in several sweeps, the last at `last`.
fn vantage(world: &mut World, name: &str, last: Unix) {
    let mut sighting: Sighting = world.history.sightings[0].clone();
    name.clone_into(&mut sighting.vantage);
    sighting.last = last;
    sighting.n = 3;
    world.history.sightings.push(sighting);
}

#[test]
fn row_19_one_vantage_alone_is_reported_in_its_second_sweep() {
    for (share, severity) in [(0.7, "critical"), (0.3, "notice")] {
        let (mut world, at) = at_share(share);
        vantage(&mut world, "north", at + 5 * HOUR);
        let replaced = world.subs[0].issue(&world.leaf("k2", at));
        let has_split = |found: &[Finding]| found.iter().any(|f| f.code == Code::SPLIT_VANTAGE);
        assert!(!has_split(&world.see(&replaced, at)), "not seen before");
        assert!(!has_split(&world.see(&replaced, at + HOUR)), "one sweep");
        let found = world.see(&replaced, at + 2 * HOUR);
        assert_eq!(codes(&found), [("split-vantage", severity)], "{share}");
        assert!(found[0].text.contains("vantage north"), "{found:?}");
    }
}

#[test]
fn row_19_a_key_that_three_of_four_vantages_see_is_a_roll_out() {
    let (mut world, at) = at_share(0.7);
    vantage(&mut world, "north", at + 5 * HOUR);
    let replaced = world.subs[0].issue(&world.leaf("k2", at));
    for hours in 0..3 {
        world.see(&replaced, at + hours * HOUR);
    }
    for name in ["east", "west"] {
        let mut seen = world.history.sightings.last().unwrap().clone();
        name.clone_into(&mut seen.vantage);
        world.history.sightings.push(seen);
    }
    assert_eq!(world.see(&replaced, at + 3 * HOUR), []);
}

#[test]
fn row_22_a_sub_ca_that_ends_before_its_leaf() {
    let mut world = world();
    let short = world.root.sub("Short", "Good CA", "2025-01-01", 400);
    let leaf = world.leaf("k1", world.start);
    let found = world.see(&short.issue(&leaf), world.start + DAY);
    assert_eq!(
        codes(&found),
        [("first-seen", "info"), ("path-expiring", "warning")]
    );
    assert!(
        found[1].text.contains("Short, which ends on 2026-02-05"),
        "{found:?}"
    );
}

#[test]
fn row_24_legacy_is_news_where_it_was_better_before() {
    let (mut world, at) = at_share(0.5);
    let chain = Arc::clone(&world.history.sightings[0].chain);
    let mut observation = forge::observe(HOST, &chain, at);
    observation.outcome = Outcome::Legacy {
        version: 0x0301,
        suite: 0x002f,
    };
    let see = |world: &mut World, observation: &Observation| {
        let found = classify(&world.history, observation, &world.knowledge, at);
        world.history.absorb(observation, &found);
        codes(&found)
    };
    // The chain is known; the fall alone is reported, and once.
    assert_eq!(see(&mut world, &observation), [("tls-legacy", "warning")]);
    assert_eq!(see(&mut world, &observation), []);
    let mut fresh = self::world();
    assert_eq!(see(&mut fresh, &observation), [("first-seen", "info")]);
}

#[test]
fn row_24_starttls_that_was_there_and_is_gone() {
    let (world, at) = at_share(0.5);
    let chain = Arc::clone(&world.history.sightings[0].chain);
    let mut observation = forge::observe("mail.example.org:25", &chain, at);
    observation.chain = None;
    for (outcome, before, expected) in [
        (Outcome::StarttlsRefused, true, Some("starttls-gone")),
        (Outcome::StarttlsRefused, false, None),
        (Outcome::StarttlsInjected, false, Some("starttls-gone")),
        (Outcome::Refused, true, None),
        (Outcome::Timeout(Stage::Handshake), true, None),
    ] {
        observation.outcome = outcome;
        let history = if before {
            world.history.clone()
        } else {
            History::default()
        };
        let found = classify(&history, &observation, &world.knowledge, at);
        let expected: Vec<_> = expected
            .into_iter()
            .map(|code| (code, "critical"))
            .collect();
        assert_eq!(codes(&found), expected, "{:?}", observation.outcome);
    }
}

#[test]
fn comparing_a_chain_with_itself_finds_nothing() {
    for share in [0.99, 0.7, 0.5, 0.3, 0.21] {
        let (mut world, at) = at_share(share);
        let first = &world.history.sightings[0].chain;
        let same = Presented {
            ders: first.certs.iter().map(|c| Arc::clone(&c.der)).collect(),
        };
        assert_eq!(world.see(&same, at), [], "{share}");
    }
}

/// A small generator, so that the simulation is the same each time.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn a_thousand_targets_renew_six_times_in_silence_and_every_planted_attack_is_found() {
    let base = world();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let inspector = forge::root("Inspector", "Our Company");
    let root_other = forge::root("Other Root", "Other CA");
    let judge = forge::judge(&[&base.root, &root_other], &[&inspector]);
    let keys = ["s0", "s1", "s2", "s3", "s4", "s5", "s6"];
    let mut loud = Vec::new();
    let mut missed = Vec::new();
    for target in 0..1000u64 {
        let mut history = History::default();
        let mut from = base.start;
        let policy = if target % 8 == 5 { EV } else { DV };
        for (round, key) in keys.iter().enumerate() {
            let sub = &base.subs[usize::try_from(random(&mut seed) % 4).unwrap()];
            let leaf = Leaf {
                policy,
                ..Leaf::new(HOST, key, from)
            };
            let presented = sub.issue(&leaf);
            let chain = Arc::new(judge.chain(&presented, from + HOUR).unwrap());
            let observation = forge::observe(HOST, &chain, from + HOUR);
            let found = classify(&history, &observation, &base.knowledge, from + HOUR);
            history.absorb(&observation, &found);
            history.sweeps += 1;
            if worst(&found) > Some(Severity::Info) {
                loud.push((target, round, codes(&found)));
            }
            // A third is left, give or take a day.
            from += 60 * DAY + i64::try_from(random(&mut seed) % 3).unwrap() * DAY - DAY;
        }
        // Only a part of them is attacked, each in one way, 20 days after a renewal.
        let at = from - 40 * DAY;
        let date = when::date(at - DAY);
        let mut knowledge = base.knowledge.clone();
        let (presented, expected) = match target % 8 {
            0 => {
                knowledge.issuer_hosts = 0;
                let fresh = base.root.sub("Bought", "Good CA", &date, 3650);
                (
                    fresh.issue(&Leaf::new(HOST, "evil", at)),
                    (Code::ISSUER_UNSEEN, Severity::Warning),
                )
            }
            1 => (
                base.other.issue(&Leaf::new(HOST, "evil", at)),
                (Code::OWNER_CHANGED, Severity::Warning),
            ),
            2 => {
                // The other port still serves the old leaf, and was seen to.
                let mut sighting = history.sightings.last().unwrap().clone();
                sighting.last = at + 2 * HOUR;
                history.siblings.push(Sibling {
                    port: 5223,
                    sighting,
                });
                (
                    base.subs[0].issue(&Leaf::new(HOST, "evil", at)),
                    (Code::SPLIT_PORT, Severity::Critical),
                )
            }
            3 => (
                forge::self_signed(&Leaf::new(HOST, "evil", at)),
                (Code::UNTRUSTED_NOW, Severity::Critical),
            ),
            4 => (
                inspector.issue(&Leaf::new(HOST, "evil", at)),
                (Code::LOCAL_ROOT, Severity::Critical),
            ),
            5 => (
                base.subs[1].issue(&Leaf::new(HOST, "evil", at)),
                (Code::LEVEL_DOWN_EV, Severity::Warning),
            ),
            6 => (
                base.subs[1].issue(&Leaf {
                    is_ca: true,
                    ..Leaf::new(HOST, "evil", at)
                }),
                (Code::LEAF_IS_CA, Severity::Critical),
            ),
            _ => continue,
        };
        let now = at + HOUR;
        let chain = Arc::new(judge.chain(&presented, now).unwrap());
        let observation = forge::observe(HOST, &chain, now);
        let found = classify(&history, &observation, &knowledge, now);
        let hit = found.iter().any(|f| (f.code, f.severity) == expected);
        if !hit || worst(&found) < Some(expected.1) {
            missed.push((target, expected, codes(&found)));
        }
    }
    assert_eq!(loud, [], "renewals must be silent");
    assert_eq!(
        missed,
        [],
        "every attack must be found at the table's severity"
    );
}
