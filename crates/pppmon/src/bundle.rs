//! A bundle in keeper mode: what to do about its links, its unit and its addresses.
//!
//! Pure: events come in, actions go out, clock and randomness are passed in. The interface is
//! never given up; what changes is which links are in it. Two things need care:
//!
//! - *Total loss*: when the last link has gone, both sequence counters are brought back to zero
//!   before the next link may join, because a peer that was replaced meanwhile starts there.
//! - *Restarted peer*: when the peer's end is a new one while some of our links still hang on to
//!   the old, everything is stopped, resynchronised and started again (the barrier). Without it
//!   the interface looks fine and every packet is lost.

use std::time::Duration;

use crate::backoff::Jitter;
use crate::exit_policy::Exit;
use crate::link::{self, Effects, Link, News, State as LinkState};
use crate::ncp::{self, Agreed, Ncp, Reaction};
use crate::phantom::Report;

/// Two or more links without any IPCP answer for so long: the peer's ends are not in a bundle.
const NO_ANSWER: Duration = Duration::from_secs(3);
/// How long each link is tried alone then. After the same time a link that is the only one is
/// replaced, because the peer's pppd may hang in a bundle that is gone ...
const SOLO_TRIAL: Duration = Duration::from_secs(5);
/// ... and after twice that the next time, up to what pppd itself waits (ten requests, three seconds
/// apart), in case the peer is only slow.
const LONGEST_TRIAL: Duration = Duration::from_secs(30);
/// Protocol-Rejects right after a link has joined only mean that the peer's end has not yet.
const REJECTS_GRACE: Duration = Duration::from_secs(2);
/// More of them than this do not go away by themselves.
const REJECTS_MANY: u32 = 4;
/// When links that the peer does not join are tried again.
const OUTCAST_RETRY: Duration = Duration::from_mins(5);
/// Samples of the interface's counters.
const SAMPLE: Duration = Duration::from_millis(200);

/// What a bundle is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Switched off by the administrator.
    Down,
    /// Sequence numbers are being brought back to zero.
    Resyncing,
    /// No link is attached.
    Empty,
    /// Links are attached, addresses are not agreed yet.
    Joining,
    /// Packets flow.
    Open,
    /// Packets flow over fewer links than `min_links`: counts as down.
    Degraded,
    /// All links are being replaced because the peer has restarted.
    Barrier,
}

impl State {
    /// As shown to people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Resyncing => "resyncing",
            Self::Empty => "empty",
            Self::Joining => "joining",
            Self::Open => "open",
            Self::Degraded => "degraded",
            Self::Barrier => "barrier",
        }
    }
}

/// What the supervisor must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// For the link with this index.
    Link(usize, link::Action),
    /// Write a frame to the unit.
    Send(Vec<u8>),
    /// Begin a resynchronisation; answer with [`Bundle::resynced`] or [`Bundle::resync_failed`].
    Resync,
    /// Give the interface these IPv4 addresses.
    Addresses(Agreed),
    /// Give the interface this link-local identifier.
    InterfaceId(u64),
    /// The network is usable: routes the first time, hooks each time.
    NetworkUp,
    /// The network is not usable.
    NetworkDown,
    /// Tell the administrator.
    Alarm(String),
    /// Look at a link's records: its pppd made a bundle of its own.
    ExplainMismatch(usize),
    /// Answer with [`Bundle::counters`].
    Sample,
}

/// Numbers for status and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Resynchronisations after a total loss or a barrier.
    pub resyncs: u64,
    /// Barriers.
    pub barriers: u64,
    /// Fragments burnt by resynchronisations.
    pub burnt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    Resyncing,
    ResyncRetry(Duration),
    Settling(Duration),
    Empty,
    Joining,
    Open,
    Barrier(Duration),
}

/// A bundle.
#[derive(Debug)]
pub struct Bundle {
    phase: Phase,
    since: Duration,
    links: Vec<Link>,
    ncp: Ncp,
    min_links: usize,
    jitter: Jitter,
    unit_empty: bool,
    last_barrier: Option<Duration>,
    barrier_due: Option<Duration>,
    /// How long a barrier waits before links may start again.
    pause: Duration,
    /// The same, while the resynchronisation of a barrier is under way.
    settle: Option<Duration>,
    agreed: Agreed,
    network_up: bool,
    counts: Counts,
    joined_at: Duration,
    trial: Duration,
    rejects: u32,
    /// The link that joined last, if the peer has rejected frames on it.
    early_rejects: Option<usize>,
    /// When the peer is taken to have restarted, unless a link turns out to be outside its bundle.
    restart_suspected: Option<Duration>,
    solo: Option<Solo>,
    outcasts_until: Option<Duration>,
    sample_due: Option<Duration>,
    last_sample: Option<(u64, u64)>,
}

/// One link is tried alone because the peer does not treat our links as a bundle.
#[derive(Debug, Clone, Copy)]
struct Solo {
    link: usize,
    until: Duration,
    tried: usize,
}

impl Bundle {
    /// A bundle that is down; the unit is taken to be empty.
    pub fn new(links: Vec<Link>, ncp: Ncp, min_links: usize, jitter: Jitter) -> Self {
        Self {
            phase: Phase::Down,
            since: Duration::ZERO,
            links,
            ncp,
            min_links,
            jitter,
            unit_empty: true,
            last_barrier: None,
            barrier_due: None,
            pause: recovery::SETTLE,
            settle: None,
            agreed: Agreed::default(),
            network_up: false,
            counts: Counts::default(),
            joined_at: Duration::ZERO,
            trial: SOLO_TRIAL,
            rejects: 0,
            early_rejects: None,
            restart_suspected: None,
            solo: None,
            outcasts_until: None,
            sample_due: None,
            last_sample: None,
        }
    }

    /// What it does.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Down => State::Down,
            Phase::Resyncing | Phase::ResyncRetry(_) => State::Resyncing,
            Phase::Empty | Phase::Settling(_) => State::Empty,
            Phase::Joining => State::Joining,
            Phase::Open if self.attached() < self.min_links => State::Degraded,
            Phase::Open => State::Open,
            Phase::Barrier(_) => State::Barrier,
        }
    }

    /// Since when.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Its links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// How many links are attached.
    pub fn attached(&self) -> usize {
        self.links
            .iter()
            .filter(|link| link.state() == LinkState::Attached)
            .count()
    }

    /// Addresses agreed last.
    pub fn agreed(&self) -> Agreed {
        self.agreed
    }

    /// Numbers so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Control frames dropped because they made no sense.
    pub fn malformed(&self) -> u64 {
        self.ncp.malformed()
    }

    /// When [`Bundle::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        let own = match self.phase {
            Phase::ResyncRetry(at) | Phase::Settling(at) | Phase::Barrier(at) => Some(at),
            Phase::Joining => self.no_answer_at(),
            _ => None,
        };
        [
            own,
            self.barrier_due,
            self.restart_suspected,
            self.ncp.deadline(),
            self.solo.map(|solo| solo.until),
            self.outcasts_until,
            self.sample_due,
        ]
        .into_iter()
        .chain(self.links.iter().map(Link::deadline))
        .flatten()
        .min()
    }

    fn enter(&mut self, phase: Phase, now: Duration, actions: &mut Vec<Action>) {
        let before = self.state();
        self.phase = phase;
        if self.state() != before {
            self.since = now;
        }
        self.watch_network(actions);
    }

    /// Tells whether the network became usable or stopped being so.
    fn watch_network(&mut self, actions: &mut Vec<Action>) {
        let up = self.state() == State::Open;
        if up != self.network_up {
            self.network_up = up;
            actions.push(if up {
                Action::NetworkUp
            } else {
                Action::NetworkDown
            });
        }
    }

    fn may_run(&self, index: usize) -> bool {
        matches!(self.phase, Phase::Empty | Phase::Joining | Phase::Open)
            && self.solo.is_none_or(|solo| solo.link == index)
    }

    fn allow_all(&mut self, now: Duration) {
        for index in 0..self.links.len() {
            if self.may_run(index) && self.links[index].is_wanted() {
                self.links[index].allow(now);
            }
        }
    }

    /// A frame came out of the unit.
    pub fn frame(&mut self, frame: &[u8], now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if matches!(self.phase, Phase::Joining | Phase::Open) {
            let reaction = self.ncp.receive(frame, now);
            self.react(reaction, now, &mut actions);
        }
        actions
    }

    fn react(&mut self, reaction: Reaction, now: Duration, actions: &mut Vec<Action>) {
        actions.extend(reaction.send.into_iter().map(Action::Send));
        for event in reaction.events {
            match event {
                ncp::Event::Opened(agreed) => {
                    if let (Some(before), Some(after)) = (self.agreed.local, agreed.local)
                        && before != after
                    {
                        let text =
                            format!("the peer insists on address {after} instead of {before}");
                        actions.push(Action::Alarm(text));
                    }
                    self.agreed = agreed;
                    self.trial = SOLO_TRIAL;
                    actions.push(Action::Addresses(agreed));
                    self.enter(Phase::Open, now, actions);
                    self.sample_due = Some(now + SAMPLE);
                    if self.solo.take().is_some() {
                        // Addresses agreed over one link: the others may try to join it.
                        self.outcasts_until = Some(now + OUTCAST_RETRY);
                        self.allow_all(now);
                    }
                }
                ncp::Event::OpenedV6(own, _) => actions.push(Action::InterfaceId(own)),
                ncp::Event::Restarted => self.peer_negotiates_anew(now, actions),
                ncp::Event::Closed => {
                    if self.phase == Phase::Open {
                        self.enter(Phase::Joining, now, actions);
                        self.joined_at = now;
                    }
                }
            }
        }
    }

    fn apply(&mut self, index: usize, effects: Effects, now: Duration, actions: &mut Vec<Action>) {
        actions.extend(
            effects
                .actions
                .into_iter()
                .map(|action| Action::Link(index, action)),
        );
        let name = format!("link {}", self.links[index].name());
        for news in effects.news {
            match news {
                News::Attached => {
                    self.unit_empty = false;
                    self.rejects = 0;
                    self.early_rejects = None;
                    if self.phase == Phase::Empty {
                        self.joined_at = now;
                        self.ncp.start(now);
                        self.enter(Phase::Joining, now, actions);
                        let reaction = self.ncp.tick(now);
                        self.react(reaction, now, actions);
                    }
                    self.watch_network(actions);
                }
                News::Lost => self.watch_network(actions),
                // The last link leaves an empty unit behind, and that is all a barrier could do. It
                // would also end links that talk to the new peer already; two ends that did so
                // in turn kept each other from coming back.
                News::PeerRestarted if self.attached() == 0 => {}
                News::PeerRestarted => self.barrier(now, actions),
                News::KeyMismatch => actions.push(Action::ExplainMismatch(index)),
                News::PeerRejects => self.peer_rejects(index, now, actions),
                News::Flapping => {
                    actions.push(Action::Alarm(format!("{name} was lost 5 times in 60 s")));
                }
                News::Looped => {
                    actions.push(Action::Alarm(format!("{name}: the line is looped back")));
                }
                News::AuthRefused => {
                    actions.push(Action::Alarm(format!("{name}: credentials were refused")));
                }
                News::BadOptions => actions.push(Action::Alarm(format!(
                    "{name}: pppd refuses its options; no new attempt before a reload"
                ))),
                News::NoDatabase => actions.push(Action::Alarm(format!(
                    "{name}: pppd cannot open its database and goes on without multilink"
                ))),
                News::Hung => {
                    actions.push(Action::Alarm(format!("{name}: pppd hangs, killed")));
                }
            }
        }
        self.advance_barrier(now, actions);
    }

    /// pppd of a link printed a line.
    pub fn link_line(&mut self, index: usize, line: &[u8], now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let effects = self.links[index].line(line, now);
        self.apply(index, effects, now, &mut actions);
        actions
    }

    /// pppd of a link ended.
    pub fn link_exited(&mut self, index: usize, exit: Exit, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let effects = self.links[index].exited(exit, now, &mut self.jitter);
        self.apply(index, effects, now, &mut actions);
        if self.attached() == 0 && self.links[index].fell_silent() {
            let turn = recovery::turn(index, self.links.len(), now);
            self.links[index].postpone(turn);
        }
        actions.extend(self.tick(now));
        actions
    }

    /// pppd of a link could not be started.
    pub fn spawn_failed(&mut self, index: usize, reason: String, now: Duration) -> Vec<Action> {
        self.links[index].spawn_failed(reason, now, &mut self.jitter);
        let mut actions = Vec::new();
        self.advance_barrier(now, &mut actions);
        actions
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match self.phase {
            Phase::ResyncRetry(at) if at <= now => self.begin_resync(now, &mut actions),
            Phase::Settling(at) if at <= now => {
                self.enter(Phase::Empty, now, &mut actions);
                self.allow_all(now);
            }
            Phase::Barrier(at) if at <= now => {
                // Something does not end; the resynchronisation itself finds out what.
                self.leave_barrier(now, &mut actions);
            }
            Phase::Joining if self.no_answer_at().is_some_and(|at| at <= now) => {
                self.no_answer(now, &mut actions);
            }
            _ => {}
        }
        if self.barrier_due.is_some_and(|due| due <= now) {
            self.barrier_due = None;
            self.barrier(now, &mut actions);
        }
        if self.restart_suspected.is_some_and(|at| at <= now) {
            self.barrier(now, &mut actions);
        }
        self.tick_solo(now, &mut actions);
        if self.sample_due.is_some_and(|due| due <= now) {
            self.sample_due = None;
            if self.phase == Phase::Open {
                actions.push(Action::Sample);
            }
        }
        if matches!(self.phase, Phase::Joining | Phase::Open) {
            let reaction = self.ncp.tick(now);
            self.react(reaction, now, &mut actions);
        }
        for index in 0..self.links.len() {
            let effects = self.links[index].tick(now);
            self.apply(index, effects, now, &mut actions);
        }
        actions
    }
}

mod orders;
mod recovery;
mod solo;
#[cfg(test)]
mod tests;
