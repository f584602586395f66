//! The link without clock or child.

use super::*;

const ATTACHED: &[u8] = b"Link attached to ppp0";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

struct Bench {
    link: Link,
    jitter: Jitter,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        let mut link = Link::new("l1".to_owned(), Timing::default());
        link.allow(ms(0));
        Self {
            link,
            jitter: Jitter::new(1),
            now: ms(0),
        }
    }

    /// Runs the clock to the next deadline.
    fn wait(&mut self) -> Effects {
        self.now = self.link.deadline().expect("a deadline").max(self.now);
        self.link.tick(self.now)
    }

    fn line(&mut self, text: &str) -> Effects {
        self.link.line(text.as_bytes(), self.now)
    }

    fn exit(&mut self, code: i32) -> Effects {
        self.link
            .exited(Exit::Code(code), self.now, &mut self.jitter)
    }
}

#[test]
fn a_link_that_the_peer_closes_does_not_linger() {
    let mut bench = Bench::new();
    bench.wait();
    bench.line("Using interface ppp0");
    bench.link.line(ATTACHED, bench.now);
    bench.now += ms(5000);
    let effects = bench.line("LCP terminated by peer (User request)");
    assert_eq!(
        (effects.actions, effects.news),
        (vec![Action::Detach], vec![])
    );
    let before = bench.now;
    assert_eq!(bench.wait().actions, [Action::Kill]);
    assert!(bench.now >= before + ms(50), "its answer goes out first");
    let effects = bench
        .link
        .exited(Exit::Signal(9), bench.now, &mut bench.jitter);
    assert_eq!(effects.news, [News::Lost]);
    assert_eq!(bench.wait().actions, [Action::Spawn]);
    assert_eq!(bench.now, before + ms(100), "at once");
}

#[test]
fn a_link_we_stop_waits_a_moment_for_the_answer_to_its_goodbye() {
    let mut bench = Bench::new();
    bench.wait();
    bench.line("Using interface ppp0");
    bench.link.line(ATTACHED, bench.now);
    bench.link.stop(State::Idle, bench.now);
    bench.now += ms(20);
    let said = bench.now;
    bench.line("Terminating on signal 15");
    let effects = bench.wait();
    assert_eq!(
        (effects.actions, effects.news),
        (vec![Action::Kill], vec![]),
        "nothing to report"
    );
    assert_eq!(bench.now, said + FAREWELL);

    // One that owns its interface has scripts to run.
    let mut link = Link::independent("dsl".to_owned(), Timing::default());
    link.allow(ms(0));
    link.tick(ms(0));
    link.line(b"local  IP address 10.0.0.2", ms(10));
    link.stop(State::Idle, ms(20));
    link.line(b"Terminating on signal 15", ms(20));
    assert_eq!(link.deadline(), Some(ms(20) + PATIENCE));
}

#[test]
fn a_link_joins_is_lost_and_comes_back_at_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.wait().actions, [Action::Spawn]);
    bench.line("Using interface ppp0");
    assert_eq!(bench.link.line(ATTACHED, bench.now).news, [News::Attached]);
    bench.now += ms(5000);
    let effects = bench.exit(16);
    assert_eq!(
        (effects.actions, effects.news),
        (vec![Action::Detach], vec![News::Lost])
    );
    assert!(
        bench.link.deadline().unwrap() < bench.now + ms(50),
        "first respawn within 50 ms"
    );
    assert_eq!(bench.wait().actions, [Action::Spawn]);
    bench.exit(16);
    assert!(
        bench.link.deadline().unwrap() > bench.now + ms(50),
        "then with backoff"
    );
}

#[test]
fn stability_makes_the_next_respawn_quick_again() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.wait();
        bench.exit(1);
    }
    bench.wait();
    bench.link.line(ATTACHED, bench.now);
    bench.now += ms(61_000);
    bench.exit(16);
    assert_eq!(bench.link.deadline(), Some(bench.now));
}

#[test]
fn refused_credentials_wait_longer_each_time_and_cause_no_storm() {
    let mut bench = Bench::new();
    let mut starts = 0;
    // The answers one provider gives to one wrong password.
    for code in [19, 16, 8, 16, 8, 19].into_iter().cycle() {
        if bench.now > ms(3_600_000) {
            break;
        }
        bench.wait();
        starts += 1;
        bench.now += ms(900);
        bench.exit(code);
    }
    assert!(starts <= 12, "{starts} attempts in an hour");
    assert_eq!(bench.link.state(), State::AuthHold);
}

#[test]
fn bad_options_are_not_tried_again() {
    let mut bench = Bench::new();
    bench.wait();
    assert_eq!(bench.exit(2).news, [News::BadOptions]);
    assert_eq!(
        (bench.link.state(), bench.link.deadline()),
        (State::ConfigError, None)
    );
    bench.link.allow(bench.now);
    assert_eq!(bench.link.deadline(), None);
    bench.link.reset(bench.now);
    bench.link.allow(bench.now);
    assert_eq!(bench.wait().actions, [Action::Spawn]);
}

#[test]
fn a_silent_or_deaf_pppd_is_killed_and_its_channel_detached() {
    let mut bench = Bench::new();
    bench.wait();
    let effects = bench.wait();
    assert_eq!(bench.now, SILENCE);
    assert_eq!(effects.actions, [Action::Kill, Action::Detach]);
    assert_eq!(effects.news, [News::Hung]);
    bench
        .link
        .exited(Exit::Signal(9), bench.now, &mut bench.jitter);
    assert_eq!(bench.link.state(), State::Backoff);

    let mut bench = Bench::new();
    bench.wait();
    bench.line("Using interface ppp0");
    assert_eq!(
        bench.link.stop(State::Idle, bench.now).actions,
        [Action::Terminate]
    );
    assert_eq!(bench.wait().actions, [Action::Kill, Action::Detach]);
    assert_eq!(bench.now, PATIENCE);
}

#[test]
fn a_bundle_of_its_own_is_a_key_mismatch() {
    let mut bench = Bench::new();
    bench.wait();
    bench.line("Using interface ppp1");
    let effects = bench.line("New bundle ppp1 created");
    assert_eq!(
        (effects.actions, effects.news),
        (vec![Action::Kill], vec![News::KeyMismatch])
    );
    bench
        .link
        .exited(Exit::Signal(9), bench.now, &mut bench.jitter);
    assert_eq!(bench.link.state(), State::KeyMismatch);
    assert!(bench.link.deadline().is_some());
}

#[test]
fn a_renegotiated_joined_link_means_a_restarted_peer() {
    let mut bench = Bench::new();
    bench.wait();
    bench.link.line(ATTACHED, bench.now);
    bench.line("Couldn't set pass-filter in kernel: Bad file descriptor");
    assert_eq!(bench.exit(10).news, [News::Lost, News::PeerRestarted]);
}

#[test]
fn a_silent_line_paces_itself() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.wait();
        bench.line("LCP: timeout sending Config-Requests");
        bench.now += ms(10_000);
        bench.exit(10);
        assert!(bench.link.deadline().unwrap() <= bench.now + ms(200));
    }
}

#[test]
fn flapping_is_reported_once_per_burst() {
    let mut bench = Bench::new();
    let mut alarms = 0;
    for _ in 0..7 {
        bench.wait();
        bench.link.line(ATTACHED, bench.now);
        let effects = bench.exit(16);
        alarms += effects
            .news
            .iter()
            .filter(|&&news| news == News::Flapping)
            .count();
    }
    assert_eq!(alarms, 1);
}

#[test]
fn the_reason_is_remembered_not_the_hangup_that_follows() {
    let mut bench = Bench::new();
    bench.wait();
    bench.link.line(ATTACHED, bench.now);
    let effects = bench.line("No response to 2 echo-requests");
    assert_eq!(
        effects.actions,
        [Action::Detach],
        "the others need not wait for its end"
    );
    bench.line("Modem hangup");
    bench.exit(16);
    let last = bench.link.last_exit().unwrap();
    assert_eq!(last.line.as_deref(), Some("No response to 2 echo-requests"));
}

#[test]
fn what_we_stop_stays_stopped() {
    let mut bench = Bench::new();
    bench.wait();
    bench.link.line(ATTACHED, bench.now);
    bench.link.stop(State::Disabled, bench.now);
    let effects = bench.exit(16);
    assert_eq!(effects.news, [News::Lost]);
    assert_eq!(
        (bench.link.state(), bench.link.deadline()),
        (State::Disabled, None)
    );
}
