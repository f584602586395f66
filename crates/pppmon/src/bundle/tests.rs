//! The bundle without clock, child or kernel.

use super::recovery::{BARRIER_PATIENCE, LINGER, SETTLE};
use super::*;
use crate::link::Timing;
use crate::ncp::Settings;
use crate::ncp::packet::{Packet, protocol};
use std::net::Ipv4Addr;

const ATTACHED: &[u8] = b"Link attached to ppp0";

/// A bundle with a clock, a unit and pppds made of nothing.
struct Bench {
    bundle: Bundle,
    now: Duration,
    running: Vec<bool>,
    log: Vec<Action>,
}

impl Bench {
    fn new(links: usize, min_links: usize) -> Self {
        let ncp = Ncp::new(&Settings {
            local: Ipv4Addr::new(10, 0, 0, 2),
            remote: None,
            interface_id: None,
        });
        let all = (0..links)
            .map(|n| Link::new(format!("l{n}"), Timing::default()))
            .collect();
        let mut bench = Self {
            bundle: Bundle::new(all, ncp, min_links, Jitter::new(1)),
            now: Duration::ZERO,
            running: vec![false; links],
            log: Vec::new(),
        };
        let now = bench.now;
        bench.apply(|b| b.start(now));
        bench
    }

    /// Does what the supervisor would do at once: run, kill, resynchronise.
    fn apply(&mut self, event: impl FnOnce(&mut Bundle) -> Vec<Action>) {
        let mut todo = event(&mut self.bundle);
        while !todo.is_empty() {
            let mut next = Vec::new();
            for action in todo {
                match action {
                    Action::Link(n, link::Action::Spawn) => {
                        assert!(!self.running[n], "two pppds for one link");
                        self.running[n] = true;
                    }
                    Action::Link(n, link::Action::Kill) if self.running[n] => {
                        self.running[n] = false;
                        next.extend(self.bundle.link_exited(n, Exit::Signal(9), self.now));
                    }
                    Action::Resync => {
                        next.extend(self.bundle.resynced(Report::default(), self.now));
                    }
                    _ => {}
                }
                self.log.push(action);
            }
            todo = next;
        }
    }

    fn step(&mut self, event: impl FnOnce(&mut Bundle, Duration) -> Vec<Action>) {
        let now = self.now;
        self.apply(|bundle| event(bundle, now));
    }

    fn exit(&mut self, n: usize, code: i32) {
        self.running[n] = false;
        self.step(|b, now| b.link_exited(n, Exit::Code(code), now));
    }

    fn attach(&mut self, n: usize) {
        self.step(|b, now| b.link_line(n, b"Using interface ppp0", now));
        self.step(|b, now| b.link_line(n, ATTACHED, now));
    }

    /// Lets time pass, acting at every deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.bundle.deadline().filter(|&deadline| deadline <= end) {
            self.now = self.now.max(deadline);
            self.step(Bundle::tick);
        }
        self.now = end;
        self.step(Bundle::tick);
    }

    fn ipcp(&mut self, code: u8, id: u8, body: &[u8]) {
        let frame = Packet { code, id, body }.frame(protocol::IPCP).unwrap();
        self.step(|b, now| b.frame(&frame, now));
    }

    /// The peer agrees to everything.
    fn open(&mut self) {
        let request = self.log.iter().rev().find_map(|action| match action {
            Action::Send(frame) if frame[2] == 1 => Some(frame.clone()),
            _ => None,
        });
        let request = request.expect("a request was sent");
        self.ipcp(2, request[3], &request[6..]);
        self.ipcp(1, 77, &[3, 6, 10, 0, 0, 1]);
    }

    fn opened(links: usize, min_links: usize) -> Self {
        let mut bench = Self::new(links, min_links);
        for n in 0..links {
            bench.attach(n);
        }
        bench.open();
        assert_eq!(bench.bundle.state(), State::Open);
        // Past the time in which a fresh request is our own doing.
        bench.pass(Duration::from_secs(3));
        bench.log.clear();
        bench
    }

    fn count(&self, wanted: &Action) -> usize {
        self.log.iter().filter(|action| *action == wanted).count()
    }
}

#[test]
fn it_resynchronises_before_any_link_runs_and_opens_over_the_first() {
    let mut bench = Bench::new(2, 1);
    assert_eq!(bench.log[0], Action::Resync);
    assert_eq!(bench.running, [true, true]);
    bench.attach(1);
    assert_eq!(bench.bundle.state(), State::Joining);
    bench.open();
    assert_eq!(bench.bundle.state(), State::Open);
    let agreed = Agreed {
        local: Some(Ipv4Addr::new(10, 0, 0, 2)),
        remote: Some(Ipv4Addr::new(10, 0, 0, 1)),
    };
    assert_eq!(bench.count(&Action::Addresses(agreed)), 1);
    assert_eq!(bench.count(&Action::NetworkUp), 1);
}

#[test]
fn losing_one_link_changes_nothing_else() {
    let mut bench = Bench::opened(3, 1);
    bench.exit(1, 16);
    assert_eq!(bench.bundle.state(), State::Open);
    assert_eq!(bench.bundle.attached(), 2);
    assert!(bench.running[1], "respawned at once");
    assert_eq!(bench.count(&Action::Resync), 0);
}

#[test]
fn total_loss_resynchronises_and_negotiates_again() {
    let mut bench = Bench::opened(2, 1);
    bench.exit(0, 16);
    bench.exit(1, 16);
    bench.step(Bundle::unit_empty);
    assert_eq!(bench.count(&Action::Resync), 1);
    assert_eq!(bench.count(&Action::NetworkDown), 1);
    assert_eq!(bench.bundle.state(), State::Empty);
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.running, [true, true]);
    bench.attach(0);
    bench.open();
    assert_eq!(bench.bundle.state(), State::Open);
    assert_eq!(bench.bundle.counts().resyncs, 2);
}

#[test]
fn links_of_silent_lines_take_turns() {
    let mut bench = Bench::opened(4, 1);
    bench.pass(Duration::from_millis(130));
    for n in 0..4 {
        bench.step(|b, now| b.link_line(n, b"No response to 2 echo-requests", now));
        bench.exit(n, 16);
        // Others carry the traffic: no reason to wait.
        assert_eq!(bench.running[n], n < 3, "{n}");
        if n < 3 {
            bench.exit(n, 16);
        }
    }
    let turns =
        |start: u64| [0, 1, 2, 3].map(|n| recovery::turn(n, 4, Duration::from_millis(start)));
    let ms = |times: [u64; 4]| times.map(Duration::from_millis);
    assert_eq!(turns(3130), ms([4000, 3250, 3500, 3750]));
    assert_eq!(turns(3250), ms([4000, 3250, 3500, 3750]));
    bench.step(Bundle::unit_empty);
    bench.pass(Duration::from_secs(1));
    assert!(bench.running[3]);
}

#[test]
fn a_restarted_peer_leads_through_the_barrier() {
    let mut bench = Bench::opened(3, 1);
    bench.exit(0, 10);
    assert_eq!(bench.bundle.state(), State::Barrier);
    for n in [1, 2] {
        assert_eq!(bench.count(&Action::Link(n, link::Action::Terminate)), 1);
    }
    assert!(!bench.running[0], "no link runs during the barrier");
    bench.step(Bundle::unit_empty);
    bench.exit(1, 5);
    assert_eq!(bench.count(&Action::Resync), 0, "one pppd still runs");
    bench.exit(2, 5);
    assert_eq!(bench.count(&Action::Resync), 1);
    assert_eq!(bench.running, [false; 3], "the peer gets time to notice");
    bench.pass(SETTLE);
    assert_eq!(bench.running, [true; 3]);
    assert_eq!(bench.bundle.counts().barriers, 1);
}

#[test]
fn a_restarted_peer_on_the_last_link_needs_no_barrier() {
    let mut bench = Bench::opened(2, 1);
    bench.exit(0, 16);
    bench.pass(Duration::from_millis(10));
    assert!(bench.running[0], "it negotiates with the new peer already");
    bench.exit(1, 10);
    bench.step(Bundle::unit_empty);
    bench.pass(Duration::from_millis(10));
    let terminated = Action::Link(0, link::Action::Terminate);
    assert_eq!(bench.count(&terminated), 0, "and may go on");
    assert_eq!(bench.count(&Action::Resync), 1);
    assert_eq!(bench.running, [true, true]);
    assert_eq!(bench.bundle.counts().barriers, 0);
}

#[test]
fn a_fresh_request_while_open_is_a_restarted_peer_too() {
    let mut bench = Bench::opened(2, 1);
    bench.ipcp(1, 77, &[3, 6, 10, 0, 0, 1]);
    assert_eq!(
        bench.bundle.state(),
        State::Open,
        "only a repeat: our answer was lost"
    );
    bench.ipcp(1, 78, &[3, 6, 10, 0, 0, 1]);
    assert_eq!(bench.bundle.state(), State::Barrier);
}

const REJECT: &[u8] = b"Protocol-Reject for unsupported protocol 'Multi-Link' (0x3d)";

/// Two links, the second of which has just joined; the peer rejects what it carries and asks for
/// addresses over it.
fn one_link_outside() -> Bench {
    let mut bench = Bench::opened(1, 1);
    bench
        .bundle
        .links
        .push(Link::new("late".into(), Timing::default()));
    bench.running.push(false);
    bench.step(|b, now| b.link_up(1, now));
    bench.attach(1);
    bench.step(|b, now| b.link_line(1, REJECT, now));
    bench.ipcp(1, 99, &[3, 6, 10, 0, 0, 1]);
    assert_eq!(bench.bundle.state(), State::Open, "it waits");
    bench
}

#[test]
fn a_peer_that_keeps_a_link_outside_its_bundle_has_not_restarted() {
    let mut bench = one_link_outside();
    for _ in 0..10 {
        bench.pass(Duration::from_millis(300));
        bench.step(|b, now| b.link_line(1, REJECT, now));
    }
    bench.exit(1, 5);
    assert_eq!(bench.bundle.links()[1].state(), LinkState::PeerDoesNotJoin);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.bundle.state(), State::Open);
    assert_eq!(bench.bundle.counts().barriers, 0);
}

#[test]
fn rejects_that_stop_mean_a_restarted_peer_after_all() {
    let mut bench = one_link_outside();
    bench.pass(REJECTS_GRACE * 2);
    assert_eq!(bench.bundle.counts().barriers, 1);
}

#[test]
fn barriers_keep_their_distance() {
    let mut bench = Bench::opened(2, 1);
    for _ in 0..20 {
        if bench.running == [true, true] {
            bench.attach(0);
            bench.attach(1);
            bench.exit(0, 10);
            bench.step(Bundle::unit_empty);
            bench.exit(1, 5);
        }
        bench.pass(Duration::from_millis(300));
    }
    assert!(bench.bundle.counts().barriers >= 2);
    // 20 rounds of 300 ms.
    assert!(
        bench.bundle.counts().barriers <= 4,
        "{:?}",
        bench.bundle.counts()
    );
}

#[test]
fn too_few_links_count_as_down() {
    let mut bench = Bench::opened(3, 2);
    bench.exit(0, 16);
    assert_eq!(bench.bundle.state(), State::Open);
    bench.exit(1, 16);
    assert_eq!(bench.bundle.state(), State::Degraded);
    assert_eq!(bench.count(&Action::NetworkDown), 1);
    bench.attach(0);
    assert_eq!(bench.bundle.state(), State::Open);
    assert_eq!(bench.count(&Action::NetworkUp), 1);
}

#[test]
fn drops_without_any_packet_mean_stale_numbers() {
    let mut bench = Bench::opened(1, 1);
    bench.step(|b, now| b.counters(100, 0, now));
    bench.step(|b, now| b.counters(101, 5, now));
    assert_eq!(bench.bundle.state(), State::Open, "packets get through");
    bench.step(|b, now| b.counters(101, 7, now));
    assert_eq!(bench.bundle.state(), State::Barrier);
}

#[test]
fn a_peer_that_does_not_bundle_is_tried_link_by_link() {
    let mut bench = Bench::new(3, 1);
    for n in 0..3 {
        bench.attach(n);
    }
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.count(&Action::Link(1, link::Action::Terminate)), 1);
    assert_eq!(bench.count(&Action::Link(2, link::Action::Terminate)), 1);
    bench.exit(1, 5);
    bench.exit(2, 5);
    assert_eq!(bench.running, [true, false, false]);
    bench.pass(SOLO_TRIAL);
    bench.exit(0, 5);
    bench.step(Bundle::unit_empty);
    assert_eq!(
        bench.running, [false; 3],
        "the peer's bundle must end first"
    );
    bench.pass(LINGER);
    assert_eq!(bench.running, [false, true, false], "each in turn");
    bench.attach(1);
    bench.open();
    assert_eq!(bench.bundle.state(), State::Open);
    bench.pass(Duration::from_millis(300));
    assert_eq!(bench.running, [true; 3], "the others may try to join it");
    bench.attach(0);
    let reject = |bench: &mut Bench| {
        let line = b"Protocol-Reject for unsupported protocol 'Multi-Link' (0x3d)";
        for _ in 0..10 {
            bench.step(|b, now| b.link_line(0, line, now));
        }
    };
    reject(&mut bench);
    assert_eq!(
        bench.bundle.attached(),
        2,
        "the peer's end joins a moment later"
    );
    bench.pass(REJECTS_GRACE);
    reject(&mut bench);
    bench.exit(0, 5);
    assert_eq!(bench.bundle.links()[0].state(), LinkState::PeerDoesNotJoin);
    bench.pass(OUTCAST_RETRY);
    assert!(bench.running[0], "tried again after a while");
}

#[test]
fn a_peer_that_asks_and_does_not_hear_is_no_answer() {
    let mut bench = Bench::new(2, 1);
    bench.attach(0);
    bench.attach(1);
    bench.ipcp(1, 77, &[3, 6, 10, 0, 0, 1]);
    bench.pass(NO_ANSWER);
    assert_eq!(bench.count(&Action::Link(1, link::Action::Terminate)), 1);
}

#[test]
fn the_only_link_is_replaced_when_nobody_answers_over_it() {
    let mut bench = Bench::new(2, 1);
    for seconds in [5, 10, 20, 30, 30] {
        bench.attach(0);
        bench.pass(Duration::from_secs(seconds - 1));
        assert_eq!(bench.bundle.state(), State::Joining, "{seconds}");
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.bundle.state(), State::Barrier, "{seconds}");
        bench.exit(0, 5);
        bench.exit(1, 5);
        bench.step(Bundle::unit_empty);
        bench.pass(LINGER);
        assert_eq!(bench.running, [true, true]);
    }
}

#[test]
fn down_keeps_everything_off_until_up() {
    let mut bench = Bench::opened(2, 1);
    bench.step(Bundle::stop);
    bench.exit(0, 5);
    bench.exit(1, 5);
    bench.step(Bundle::unit_empty);
    bench.pass(Duration::from_secs(100));
    assert_eq!(
        (bench.bundle.state(), bench.running.as_slice()),
        (State::Down, &[false; 2][..])
    );
    bench.step(Bundle::start);
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.running, [true, true]);
}

#[test]
fn one_link_is_switched_off_and_on() {
    let mut bench = Bench::opened(2, 1);
    bench.step(|b, now| b.link_down(1, now));
    bench.exit(1, 5);
    bench.pass(Duration::from_mins(1));
    assert!(!bench.running[1]);
    bench.step(|b, now| b.link_up(1, now));
    assert!(bench.running[1]);
}

#[test]
fn an_occupied_unit_is_cleared_by_a_barrier() {
    let mut bench = Bench::opened(1, 1);
    bench.exit(0, 16);
    let now = bench.now;
    let actions = bench.bundle.unit_empty(now);
    assert!(actions.contains(&Action::Resync));
    let actions = bench.bundle.resync_failed(true, now);
    assert!(
        !actions.contains(&Action::Resync),
        "first the channel must go"
    );
    assert_eq!(bench.bundle.state(), State::Barrier);
    bench.pass(BARRIER_PATIENCE);
    assert_eq!(bench.count(&Action::Resync), 1, "but not for ever");
}

proptest::proptest! {
    /// Whatever happens in whatever order: no two pppds for one link, no panic, and in the end,
    /// when the lines are good, the bundle is open again.
    #[test]
    fn it_always_comes_back(events in proptest::collection::vec((0u8..9, 0usize..3, 0u64..3000), 0..80)) {
        let mut bench = Bench::new(3, 1);
        for (event, n, millis) in events {
            match event {
                0 if bench.running[n] => bench.attach(n),
                1 if bench.running[n] => bench.exit(n, 16),
                2 if bench.running[n] => bench.exit(n, 10),
                3 if bench.running[n] => bench.exit(n, 1),
                4 if bench.bundle.attached() == 0 => bench.step(Bundle::unit_empty),
                5 if bench.bundle.state() == State::Joining => bench.open(),
                6 => bench.ipcp(1, 99, &[3, 6, 10, 0, 0, 1]),
                7 => bench.step(Bundle::restart),
                _ => {}
            }
            bench.pass(Duration::from_millis(millis));
        }
        for n in 0..3 {
            if bench.running[n] {
                bench.exit(n, 16);
            }
        }
        bench.step(Bundle::unit_empty);
        for _ in 0..100 {
            bench.pass(Duration::from_secs(1));
            if bench.bundle.attached() == 0 {
                bench.step(Bundle::unit_empty);
            }
            for n in 0..3 {
                if bench.running[n] && bench.bundle.links()[n].state() == LinkState::Starting {
                    bench.attach(n);
                }
            }
            if bench.bundle.state() == State::Joining {
                bench.open();
            }
        }
        proptest::prop_assert_eq!(bench.bundle.state(), State::Open);
    }
}
