//! How long packets stop, beside the ways people run pppd without a supervisor.
//!
//! Two hosts in the test machine: `cargo xtask bench pppmon` runs this there and prints the table.
//! Arguments: how often what may recover is measured, then the scenarios, all of them if none is
//! named. What never recovers takes all the patience there is each time, so once must do; with
//! `--keepers` only pppmon is measured. How soon a lost link gets its next pppd comes last, or alone
//! with `respawn`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement in a throw-away machine; a failed step ends it; the table is its output"
)]

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use fake::Ending;
use side::Care;
use world::{World, all, now};

#[expect(dead_code, reason = "the scenario tests use more of it")]
#[path = "../tests/it/vm/fake.rs"]
mod fake;
#[expect(dead_code, reason = "the scenario tests use more of it")]
#[path = "../tests/it/vm/host.rs"]
mod host;
#[path = "../tests/it/vm/probe.rs"]
mod probe;
#[path = "../tests/it/vm/relay.rs"]
mod relay;
#[expect(dead_code, reason = "the scenario tests use more of it")]
#[path = "../tests/it/vm/side.rs"]
mod side;
#[expect(dead_code, reason = "the scenario tests use more of it")]
#[path = "../tests/it/vm/world.rs"]
mod world;

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
    /// As on the command line.
    const ALL: [(&str, Self); 4] = [
        ("one-of-three", Self::OneOfThree),
        ("all", Self::AllForTen),
        ("peer-8", Self::PeerForEight),
        ("peer-1", Self::PeerForOne),
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

/// Median, least and greatest; never sorts last.
fn figures(mut values: Vec<Option<Duration>>) -> String {
    values.sort_by_key(|value| value.unwrap_or(Duration::MAX));
    let text = |value: Option<Duration>| match value {
        Some(value) => format!("{:.2}", value.as_secs_f64()),
        None => "never".to_owned(),
    };
    let median = text(values[values.len() / 2]);
    if values.len() < 3 || values[values.len() / 2].is_none() {
        return median;
    }
    let (least, greatest) = (text(values[0]), text(values[values.len() - 1]));
    format!("{median} ({least} to {greatest})")
}

/// Who is compared, and how often when the keepers are measured `rounds` times.
fn contestants(rounds: usize, others: bool) -> [(Care, Care, usize); 5] {
    let others = usize::from(others);
    [
        (Care::Persist, Care::Persist, others),
        (Care::Loop, Care::Loop, others),
        (Care::Hook, Care::Hook, rounds.min(3) * others),
        (Care::Keeper, Care::Loop, rounds),
        (Care::Keeper, Care::Keeper, rounds),
    ]
}

/// Measures one scenario, the contestants in turn.
fn measure(scenario: Scenario, rounds: usize, others: bool) {
    let contestants = contestants(rounds, others);
    let mut runs = contestants.map(|_| Vec::new());
    for round in 0..rounds {
        for (runs, (leaf, hub, limit)) in runs.iter_mut().zip(contestants) {
            if round < limit {
                runs.push(scenario.run(leaf, hub));
            }
        }
    }
    for (runs, (leaf, hub, _)) in runs.into_iter().zip(contestants) {
        if !runs.is_empty() {
            println!("{}", row(scenario, leaf, hub, &runs));
        }
    }
}

fn row(scenario: Scenario, leaf: Care, hub: Care, runs: &[Run]) -> String {
    let count = |what: fn(&Run) -> bool| {
        let n = runs.iter().filter(|run| what(run)).count();
        format!("{n}/{}", runs.len())
    };
    let usable = if scenario == Scenario::OneOfThree {
        "-".to_owned()
    } else {
        figures(runs.iter().map(|run| run.usable).collect())
    };
    format!(
        "| {} | {leaf:?} / {hub:?} | {} | {usable} | {} | {} | {} |",
        scenario.text(),
        figures(runs.iter().map(|run| run.gap).collect()),
        count(|run| run.same_interface),
        count(|run| run.deletions == 0),
        count(|run| run.tcp),
    )
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let mut has = |wanted: &str| {
        let before = arguments.len();
        arguments.retain(|word| word != wanted);
        arguments.len() < before
    };
    let others = !has("--keepers");
    let respawn_alone = has("respawn");
    let mut arguments = arguments.into_iter();
    let rounds = arguments.next().and_then(|word| word.parse().ok());
    let chosen: Option<Vec<Scenario>> = arguments
        .map(|word| {
            let named = Scenario::ALL.iter().find(|(name, _)| *name == word);
            named.map(|&(_, scenario)| scenario)
        })
        .collect();
    let (Some(rounds @ 1..), Some(mut chosen)) = (rounds, chosen) else {
        eprintln!(
            "usage: comparison [--keepers] ROUNDS [one-of-three|all|peer-8|peer-1|respawn]..."
        );
        eprintln!("run it by `cargo xtask bench pppmon`");
        return ExitCode::from(2);
    };
    if chosen.is_empty() && !respawn_alone {
        chosen = Scenario::ALL.map(|(_, scenario)| scenario).to_vec();
    }
    for scenario in chosen {
        measure(scenario, rounds, others);
    }
    respawn();
    ExitCode::SUCCESS
}

/// How soon a lost link gets its next pppd, and how much of that any start of a process takes.
fn respawn() {
    let ending = Ending::start();
    let (respawns, starts) = (ending.respawns(), ending.process_starts());
    let text = |sorted: &[f64]| {
        let [least, median, greatest] = [sorted[0], sorted[2], sorted[4]].map(|s| s * 1e3);
        format!("{median:.1} ({least:.1} to {greatest:.1})")
    };
    println!("respawn | {} | {}", text(&respawns), text(&starts));
}
