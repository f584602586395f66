//! How long packets stop, next to the ways people run pppd without a supervisor; and the demo.
//!
//! One round of the keeper runs with the other tests. The whole table takes half an hour:
//! `cargo xtask bench pppmon` sets `PPPMON_ROUNDS`.

use std::thread::sleep;
use std::time::Duration;

use super::{Care, World, all, now};

/// What one run showed.
#[derive(Debug, Clone, Default)]
struct Run {
    gap: Option<Duration>,
    usable: Option<Duration>,
    same_interface: bool,
    deletions: usize,
    tcp: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    OneOfThree,
    AllForTen,
    PeerForEight,
    PeerForOne,
}

impl Scenario {
    const ALL: [Self; 4] = [
        Self::OneOfThree,
        Self::AllForTen,
        Self::PeerForEight,
        Self::PeerForOne,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::OneOfThree => "1 of 3 lines pulled",
            Self::AllForTen => "all lines pulled for 10 s",
            Self::PeerForEight => "peer killed, back after 8 s",
            Self::PeerForOne => "peer killed, back after 1 s",
        }
    }

    /// How long to wait for the bundle to become usable again.
    const PATIENCE: Duration = Duration::from_secs(25);

    fn run(self, leaf: Care, hub: Care) -> Run {
        let links = if self == Self::OneOfThree { 3 } else { 2 };
        let (mut world, probe) = World::up(links, leaf, hub);
        let ifindex = world.leaf.ifindex();
        let start = now();
        let mut usable = None;
        match self {
            Self::OneOfThree => {
                world.relay.set_cut([1], true);
                sleep(Duration::from_secs(10));
            }
            Self::AllForTen => {
                world.relay.set_cut(all(&world), true);
                sleep(Duration::from_secs(10));
                world.relay.set_cut(all(&world), false);
                let restored = now();
                if hub != leaf {
                    // Only for a peer that is not what is compared: its hook is not the question.
                    world.hub.add_route_soon();
                }
                usable = probe.first_reply_after(restored, Self::PATIENCE);
            }
            Self::PeerForEight | Self::PeerForOne => {
                let away = if self == Self::PeerForOne { 1 } else { 8 };
                world.hub.power_off(&world.relay);
                sleep(Duration::from_secs(away));
                world.restart_hub();
                let restored = now();
                if hub != leaf {
                    world.hub.add_route_soon();
                }
                usable = probe.first_reply_after(restored, Self::PATIENCE);
            }
        }
        let never = usable.is_none() && self != Self::OneOfThree;
        Run {
            gap: (!never).then(|| probe.longest_gap_since(start)),
            usable,
            same_interface: ifindex.is_some() && world.leaf.ifindex() == ifindex,
            deletions: probe.deletions().len(),
            tcp: !never && probe.tcp_alive(Duration::from_secs(30)),
        }
    }
}

fn median(mut values: Vec<Option<Duration>>) -> String {
    // Never sorts last.
    values.sort_by_key(|value| value.unwrap_or(Duration::MAX));
    match values.get(values.len() / 2).copied().flatten() {
        Some(median) => format!("{:.2}", median.as_secs_f64()),
        None => "never".into(),
    }
}

fn row(scenario: Scenario, leaf: Care, hub: Care, rounds: usize) -> String {
    let runs: Vec<Run> = (0..rounds).map(|_| scenario.run(leaf, hub)).collect();
    let count = |what: fn(&Run) -> bool| {
        let n = runs.iter().filter(|run| what(run)).count();
        format!("{n}/{rounds}")
    };
    let usable = if scenario == Scenario::OneOfThree {
        "-".to_owned()
    } else {
        median(runs.iter().map(|run| run.usable).collect())
    };
    format!(
        "| {} | {leaf:?} / {hub:?} | {} | {usable} | {} | {} | {} |",
        scenario.text(),
        median(runs.iter().map(|run| run.gap).collect()),
        count(|run| run.same_interface),
        count(|run| run.deletions == 0),
        count(|run| run.tcp),
    )
}

const HEAD: &str = "| scenario | leaf / hub | longest gap s | usable s after restore | same interface | \
                    nothing deleted | TCP alive |\n|---|---|--:|--:|--:|--:|--:|";

#[test]
#[ignore = "needs the test VM"]
fn the_table() {
    let rounds: Option<usize> = std::env::var("PPPMON_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let Some(rounds) = rounds else { return };
    println!("\n{HEAD}");
    for scenario in Scenario::ALL {
        // What never recovers takes all the patience there is, so once must do.
        for care in [Care::Persist, Care::Loop] {
            println!("{}", row(scenario, care, care, 1));
        }
        let rounds = if scenario == Scenario::AllForTen {
            rounds
        } else {
            rounds.div_ceil(2)
        };
        for (leaf, hub) in [
            (Care::Hook, Care::Hook),
            (Care::Keeper, Care::Loop),
            (Care::Keeper, Care::Keeper),
        ] {
            println!("{}", row(scenario, leaf, hub, rounds));
        }
    }
}

#[test]
#[ignore = "needs the test VM"]
fn a_bundle_loses_all_its_lines_and_gets_them_back() {
    println!("two hosts, two lines, pppmon on both ends");
    let (world, probe) = World::up(2, Care::Keeper, Care::Keeper);
    let ifindex = world.leaf.ifindex();
    println!("{}", world.leaf.pppmon(&["status"]).0);
    println!("a TCP stream runs over it; now all lines are pulled out for 5 s");
    world.relay.set_cut(all(&world), true);
    sleep(Duration::from_secs(5));
    let (table, code) = world.leaf.pppmon(&["status"]);
    println!("{table}");
    assert_eq!(code, 10, "a bundle that is down");
    world.relay.set_cut(all(&world), false);
    let usable = probe
        .first_reply_after(now(), Duration::from_secs(20))
        .expect("a packet within 20 s");
    println!("plugged in again: first packet after {usable:.0?}");
    assert!(
        probe.tcp_alive(Duration::from_secs(30)),
        "the TCP stream is dead"
    );
    world.wait_for_links();
    println!("{}", world.leaf.pppmon(&["status"]).0);
    assert_eq!(world.leaf.ifindex(), ifindex);
    assert_eq!(probe.deletions(), Vec::<&str>::new());
    println!("same interface, same route, nothing was deleted, the TCP stream lives");
}
