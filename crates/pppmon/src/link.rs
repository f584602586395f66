//! One link of a bundle: a state machine around one pppd at a time.
//!
//! Pure: it is told what happened and when, and says what to do. The bundle decides whether a
//! link may run at all ([`Link::allow`], [`Link::stop`]); the link decides when to try again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::backoff::{Backoff, Jitter};
use crate::exit_policy::{self, Exit, Family, Life, Next};
use crate::output::{self, Line};

/// pppd must say something within this time.
const SILENCE: Duration = Duration::from_secs(15);
/// From SIGTERM to SIGKILL.
const PATIENCE: Duration = Duration::from_secs(2);
/// A pppd whose link the peer has closed sends its answer within this time.
const LAST_WORD: Duration = Duration::from_millis(100);
/// A pppd that closes its link itself would wait a second for the answer. A peer that is there has
/// answered by then; the wait ends early for one that is not.
const FAREWELL: Duration = Duration::from_millis(300);
/// A respawn that only has to get out of step with the other links.
const SHORTLY: Duration = Duration::from_millis(150);
/// This many losses ...
const FLAP_COUNT: usize = 5;
/// ... within this time are worth an alarm.
const FLAP_WINDOW: Duration = Duration::from_mins(1);

/// What a link is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for the bundle's permission.
    Idle,
    /// pppd runs and has said nothing yet.
    Starting,
    /// pppd talks to the line.
    Negotiating,
    /// The channel is in the bundle.
    Attached,
    /// pppd was told to end.
    Stopping,
    /// Waits before the next attempt.
    Backoff,
    /// Waits longer, because credentials were refused.
    AuthHold,
    /// pppd refused its options; waits for a reload.
    ConfigError,
    /// pppd looked for another bundle; waits before the next attempt.
    KeyMismatch,
    /// Keeps out because it brought loss: the peer's end is outside its bundle.
    PeerDoesNotJoin,
    /// Switched off by the administrator.
    Disabled,
}

impl State {
    /// As shown to people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Negotiating => "negotiating",
            Self::Attached => "attached",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::AuthHold => "auth-hold",
            Self::ConfigError => "config-error",
            Self::KeyMismatch => "key-mismatch",
            Self::PeerDoesNotJoin => "peer-does-not-join",
            Self::Disabled => "disabled",
        }
    }
}

/// What the supervisor must do for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start pppd.
    Spawn,
    /// Send SIGTERM.
    Terminate,
    /// Send SIGKILL.
    Kill,
    /// Take the line's channel out of whatever unit it is in.
    Detach,
    /// Load the kernel's PPP modules.
    LoadModules,
}

/// What the bundle must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The link has joined.
    Attached,
    /// A joined link is gone.
    Lost,
    /// The peer has restarted: barrier.
    PeerRestarted,
    /// The peer rejects our multilink frames on this link.
    PeerRejects,
    /// pppd made a bundle of its own.
    KeyMismatch,
    /// The link flaps.
    Flapping,
    /// The line is looped back.
    Looped,
    /// Credentials were refused.
    AuthRefused,
    /// pppd refused its options.
    BadOptions,
    /// pppd cannot use its database.
    NoDatabase,
    /// pppd printed nothing, or ignored SIGTERM, and was killed.
    Hung,
}

/// Delays of a link.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Longest delay after line failures.
    pub backoff_max: Duration,
    /// First and longest delay after refused credentials.
    pub auth: (Duration, Duration),
    /// Stability after which earlier failures are forgotten.
    pub stable_after: Duration,
    /// Delay before any respawn, for providers that block fast redial.
    pub holdoff: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            backoff_max: Duration::from_secs(30),
            auth: (Duration::from_mins(1), Duration::from_mins(15)),
            stable_after: Duration::from_mins(1),
            holdoff: Duration::ZERO,
        }
    }
}

/// How the last pppd ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastExit {
    /// Exit code or signal.
    pub exit: Exit,
    /// Kind of failure.
    pub family: Family,
    /// The last line that meant something.
    pub line: Option<String>,
}

/// Effects of one event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// In order.
    pub actions: Vec<Action>,
    /// In order.
    pub news: Vec<News>,
}

/// A link.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of one life of a link"
)]
#[derive(Debug)]
pub struct Link {
    name: String,
    /// It must join a unit of ours; a bundle of its own is a mistake.
    owned: bool,
    state: State,
    since: Duration,
    timing: Timing,
    running: bool,
    allowed: bool,
    life: Life,
    started: Duration,
    attached_at: Option<Duration>,
    deadline: Option<Duration>,
    backoff: Backoff,
    auth_backoff: Backoff,
    auth_failed_at: Option<Duration>,
    losses: VecDeque<Duration>,
    last_line: Option<String>,
    reason_said: bool,
    /// LCP is closed; what pppd still waits for is not worth the time.
    parting: bool,
    last_exit: Option<LastExit>,
    starts: u64,
    after_stop: State,
}

impl Link {
    /// An idle link.
    pub fn new(name: String, timing: Timing) -> Self {
        Self {
            name,
            owned: true,
            state: State::Idle,
            since: Duration::ZERO,
            timing,
            running: false,
            allowed: false,
            life: Life::default(),
            started: Duration::ZERO,
            attached_at: None,
            deadline: None,
            backoff: Backoff::new(Duration::from_millis(200), timing.backoff_max),
            auth_backoff: Backoff::new(timing.auth.0, timing.auth.1),
            auth_failed_at: None,
            losses: VecDeque::new(),
            last_line: None,
            reason_said: false,
            parting: false,
            last_exit: None,
            starts: 0,
            after_stop: State::Idle,
        }
    }

    /// An idle link whose pppd owns its interface.
    pub fn independent(name: String, timing: Timing) -> Self {
        Self {
            owned: false,
            ..Self::new(name, timing)
        }
    }

    /// Its name within the bundle.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// Whether a pppd of it runs.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// How many pppds were started.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// How the last one ended.
    pub fn last_exit(&self) -> Option<&LastExit> {
        self.last_exit.as_ref()
    }

    /// When [`Link::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Whether it wants to be part of the bundle.
    pub fn is_wanted(&self) -> bool {
        !matches!(
            self.state,
            State::Disabled | State::ConfigError | State::PeerDoesNotJoin
        )
    }

    fn enter(&mut self, state: State, now: Duration) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    /// The bundle lets the link run. A wait that is under way goes on.
    pub fn allow(&mut self, now: Duration) {
        self.allowed = true;
        if self.state == State::Idle && !self.running {
            self.deadline = Some(now);
        }
    }

    /// The bundle wants no new pppd for now; a running one stays.
    pub fn hold(&mut self) {
        self.allowed = false;
    }

    /// Ends a running pppd; the link is in `after` when it is gone.
    pub fn stop(&mut self, after: State, now: Duration) -> Effects {
        let mut effects = Effects::default();
        self.allowed = false;
        self.after_stop = after;
        if !self.running {
            self.deadline = None;
            self.enter(after, now);
        } else if self.state != State::Stopping {
            self.life.stopped_by_us = true;
            self.enter(State::Stopping, now);
            self.deadline = Some(now + PATIENCE);
            effects.actions.push(Action::Terminate);
        }
        effects
    }

    /// Makes a stopped, waiting or failed link ready to run at once.
    pub fn reset(&mut self, now: Duration) {
        self.backoff.reset();
        self.auth_backoff.reset();
        self.auth_failed_at = None;
        if self.running {
            self.after_stop = State::Idle;
        } else {
            self.deadline = None;
            self.enter(State::Idle, now);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Effects {
        let mut effects = Effects::default();
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return effects;
        }
        self.deadline = None;
        if self.running {
            if self.parting {
                effects.actions.push(Action::Kill);
            } else if matches!(self.state, State::Starting | State::Stopping) {
                // Silent at the start, or deaf to SIGTERM.
                effects.actions.extend([Action::Kill, Action::Detach]);
                effects.news.push(News::Hung);
                if self.state == State::Starting {
                    self.enter(State::Stopping, now);
                    self.after_stop = State::Backoff;
                }
            } else if self.state == State::Attached {
                self.backoff.reset();
                self.auth_backoff.reset();
            }
        } else if self.allowed {
            self.starts += 1;
            self.running = true;
            self.started = now;
            self.attached_at = None;
            self.last_line = None;
            self.reason_said = false;
            self.parting = false;
            self.after_stop = State::Idle;
            self.life = Life::default();
            self.enter(State::Starting, now);
            self.deadline = Some(now + SILENCE);
            effects.actions.push(Action::Spawn);
        } else {
            self.enter(State::Idle, now);
        }
        effects
    }

    /// Whether the last pppd ended because nothing came from the line any more.
    pub fn fell_silent(&self) -> bool {
        !self.running && self.life.silent
    }

    /// The next pppd, if one is to come, starts no sooner than this.
    pub fn postpone(&mut self, until: Duration) {
        if !self.running {
            self.deadline = self.deadline.map(|at| at.max(until));
        }
    }

    /// pppd could not be started at all.
    pub fn spawn_failed(&mut self, reason: String, now: Duration, jitter: &mut Jitter) {
        self.running = false;
        self.last_line = Some(reason.clone());
        let line = Some(reason);
        self.last_exit = Some(LastExit {
            exit: Exit::Code(126),
            family: Family::Line,
            line,
        });
        self.enter(State::Backoff, now);
        self.deadline = Some(now + self.backoff.next(jitter));
    }

    /// pppd printed a line.
    pub fn line(&mut self, raw: &[u8], now: Duration) -> Effects {
        let mut effects = Effects::default();
        if !self.running {
            return effects;
        }
        if self.state == State::Starting {
            self.enter(State::Negotiating, now);
            self.deadline = None;
        }
        let Some(line) = output::parse(raw) else {
            return effects;
        };
        // "Modem hangup" comes last whatever the reason was; the reason is worth more.
        if line != Line::Hangup || !self.reason_said {
            self.last_line = Some(String::from_utf8_lossy(raw).into_owned());
        }
        self.reason_said |= matches!(
            line,
            Line::EchoLost | Line::NoPeer | Line::TerminatedByPeer | Line::AuthFailed
        );
        match line {
            Line::Attached if self.state == State::Negotiating => {
                self.life.attached = true;
                self.attached_at = Some(now);
                self.enter(State::Attached, now);
                self.deadline = Some(now + self.timing.stable_after);
                effects.news.push(News::Attached);
            }
            Line::NewBundle if self.owned => {
                effects.actions.push(Action::Kill);
                effects.news.push(News::KeyMismatch);
                self.life.stopped_by_us = true;
                self.enter(State::Stopping, now);
                self.deadline = Some(now + PATIENCE);
                self.after_stop = State::KeyMismatch;
            }
            // Until its channel is out of the unit, the kernel waits for fragments from it and
            // holds up those of the other links.
            Line::EchoLost if self.state == State::Attached => {
                self.life.silent = true;
                effects.actions.push(Action::Detach);
            }
            // pppd has sent its answer and would stay another second in case it was lost.
            // Meanwhile a peer that starts again would talk to a link that does not listen.
            Line::TerminatedByPeer if self.owned && self.state == State::Attached => {
                effects.actions.push(Action::Detach);
                self.parting = true;
                self.deadline = Some(now + LAST_WORD);
            }
            Line::Leaving if self.owned && self.state == State::Stopping => {
                self.parting = true;
                self.deadline = Some(now + FAREWELL);
            }
            Line::NoDatabase => effects.news.push(News::NoDatabase),
            Line::Renegotiated if self.life.attached => self.life.renegotiated = true,
            Line::PeerRejectsMultilink => effects.news.push(News::PeerRejects),
            Line::StaleChannel => self.life.stale_channel = true,
            Line::AuthFailed => self.life.auth_failed = true,
            Line::LoopedBack => effects.news.push(News::Looped),
            _ => {}
        }
        effects
    }

    /// pppd is gone.
    pub fn exited(&mut self, exit: Exit, now: Duration, jitter: &mut Jitter) -> Effects {
        let mut effects = Effects::default();
        let was_attached = self.attached_at.is_some();
        self.running = false;
        self.life.lasted = now.saturating_sub(self.started);
        self.life.since_auth_failure = self.auth_failed_at.map(|at| now.saturating_sub(at));
        let (family, next) = exit_policy::classify(exit, &self.life);
        self.last_exit = Some(LastExit {
            exit,
            family,
            line: self.last_line.take(),
        });
        // A killed pppd, or a pseudo-terminal whose other end is open, leaves the channel behind.
        effects.actions.push(Action::Detach);
        if was_attached {
            effects.news.push(News::Lost);
            let stable = self
                .attached_at
                .is_some_and(|at| now >= at + self.timing.stable_after);
            if stable {
                self.backoff.reset();
            }
            if !self.life.stopped_by_us && self.note_loss(now) {
                effects.news.push(News::Flapping);
            }
        }
        self.attached_at = None;
        if self.state == State::Stopping && self.after_stop != State::Idle {
            let after = self.after_stop;
            self.enter(after, now);
            self.deadline = match after {
                State::Backoff | State::KeyMismatch => Some(now + self.backoff.next(jitter)),
                _ => None,
            };
            return effects;
        }
        let wait = match next {
            Next::Nothing => None,
            Next::Quick if self.backoff.attempts() == 0 => {
                let _first = self.backoff.next(jitter);
                Some((State::Backoff, Duration::ZERO))
            }
            Next::Quick | Next::Backoff => Some((State::Backoff, self.backoff.next(jitter))),
            Next::Paced => Some((State::Backoff, jitter.spread(SHORTLY))),
            Next::Fixed(delay) => Some((State::Backoff, delay)),
            Next::LoadModules(delay) => {
                effects.actions.push(Action::LoadModules);
                Some((State::Backoff, delay))
            }
            Next::Detach => Some((State::Backoff, Duration::ZERO)),
            Next::AuthHold => {
                let hold = self.auth_backoff.next(jitter);
                // The window in which other codes mean the same begins with the next attempt.
                self.auth_failed_at = Some(now + hold);
                effects.news.push(News::AuthRefused);
                Some((State::AuthHold, hold))
            }
            Next::Never => {
                effects.news.push(News::BadOptions);
                self.enter(State::ConfigError, now);
                self.deadline = None;
                return effects;
            }
            Next::Barrier => {
                effects.news.push(News::PeerRestarted);
                None
            }
        };
        if let Some((state, delay)) = wait {
            self.enter(state, now);
            self.deadline = Some(now + delay.max(self.timing.holdoff));
        } else {
            self.enter(State::Idle, now);
            self.deadline = self.allowed.then_some(now + self.timing.holdoff);
        }
        effects
    }

    /// Notes a loss; true when there have been too many of them lately.
    fn note_loss(&mut self, now: Duration) -> bool {
        self.losses.push_back(now);
        while self
            .losses
            .front()
            .is_some_and(|&at| now > at + FLAP_WINDOW)
        {
            self.losses.pop_front();
        }
        self.losses.len() == FLAP_COUNT
    }
}

#[cfg(test)]
mod tests;
