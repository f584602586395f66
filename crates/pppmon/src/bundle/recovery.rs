//! From a total loss or a restarted peer back to links that may join.
//!
//! Both lead through an empty unit and sequence numbers at zero. After a total loss the unit is
//! empty already; the barrier empties it.

use std::time::Duration;

use super::{Action, Bundle, Phase, Report, SAMPLE, link};
use crate::link::{Link, State as LinkState};

/// After a barrier, so that the peer notices before new links come.
pub(super) const SETTLE: Duration = Duration::from_millis(200);
/// The same before another attempt with a peer that did not answer. Its pppd may be the owner of a
/// bundle whose own line has ended: it hears no request for addresses any more, and lives as long as
/// any link joins within the 3 s (lcp-restart) that the last one takes to end.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// Least distance of two barriers.
const BARRIER_DISTANCE: Duration = Duration::from_secs(2);
/// A barrier that is not complete by then proceeds: something holds a channel.
pub(super) const BARRIER_PATIENCE: Duration = Duration::from_secs(5);
/// After a failed resynchronisation.
const RESYNC_RETRY: Duration = Duration::from_secs(1);

/// How often pppd asks on a silent line: the least that lcp-restart can be.
const ASKING: Duration = Duration::from_secs(1);

/// When a link whose line fell silent starts again after a total loss. Links take turns within the
/// time between two requests, so that one of them asks soon after the lines are back, whichever
/// moment that is; started all at once they would all ask at the same time.
pub(super) fn turn(index: usize, links: usize, now: Duration) -> Duration {
    if links < 2 {
        return now;
    }
    let period = ASKING.as_nanos();
    let phase = period * index as u128 / links as u128;
    let wait = (period + phase - now.as_nanos() % period) % period;
    now + Duration::from_nanos(u64::try_from(wait).unwrap_or(0))
}

impl Bundle {
    pub(super) fn begin_resync(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.ncp.stop();
        self.restart_suspected = None;
        self.last_sample = None;
        self.sample_due = None;
        for link in &mut self.links {
            link.hold();
        }
        self.enter(Phase::Resyncing, now, actions);
        actions.push(Action::Resync);
    }

    /// The unit has no channel left.
    pub fn unit_empty(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.unit_empty = true;
        match self.phase {
            Phase::Joining | Phase::Open => self.begin_resync(now, &mut actions),
            Phase::Barrier(_) => self.advance_barrier(now, &mut actions),
            _ => {}
        }
        actions
    }

    /// The resynchronisation is complete.
    pub fn resynced(&mut self, report: Report, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.counts.resyncs += 1;
        self.counts.burnt += u64::from(report.burnt);
        if self.phase == Phase::Resyncing {
            if let Some(pause) = self.settle.take() {
                self.enter(Phase::Settling(now + pause), now, &mut actions);
            } else {
                self.enter(Phase::Empty, now, &mut actions);
                self.allow_all(now);
                actions.extend(self.tick(now));
            }
        }
        actions
    }

    /// The resynchronisation failed. `occupied`: a link is in the unit after all.
    pub fn resync_failed(&mut self, occupied: bool, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Resyncing {
            if occupied {
                self.unit_empty = false;
                self.last_barrier = None;
                self.barrier(now, &mut actions);
            } else {
                self.enter(Phase::ResyncRetry(now + RESYNC_RETRY), now, &mut actions);
            }
        }
        actions
    }

    /// A barrier at once, with a pause that a hanging bundle of the peer does not survive.
    pub(super) fn long_barrier(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.last_barrier = None;
        self.pause = LINGER;
        self.barrier(now, actions);
    }

    /// All links are stopped and started again, with sequence numbers at zero.
    pub(super) fn barrier(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if matches!(
            self.phase,
            Phase::Down | Phase::Barrier(_) | Phase::Settling(_)
        ) {
            return;
        }
        if let Some(last) = self.last_barrier
            && now < last + BARRIER_DISTANCE
        {
            self.barrier_due.get_or_insert(last + BARRIER_DISTANCE);
            return;
        }
        self.last_barrier = Some(now);
        self.barrier_due = None;
        self.restart_suspected = None;
        self.counts.barriers += 1;
        self.ncp.stop();
        self.enter(Phase::Barrier(now + BARRIER_PATIENCE), now, actions);
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            if link.is_running() {
                let effects = link.stop(LinkState::Idle, now);
                self.apply(index, effects, now, actions);
                actions.push(Action::Link(index, link::Action::Detach));
            } else {
                link.hold();
            }
        }
        self.advance_barrier(now, actions);
    }

    pub(super) fn advance_barrier(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Barrier(_))
            && self.unit_empty
            && !self.links.iter().any(Link::is_running)
        {
            self.leave_barrier(now, actions);
        }
    }

    pub(super) fn leave_barrier(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.settle = Some(std::mem::replace(&mut self.pause, SETTLE));
        self.begin_resync(now, actions);
    }

    /// Received and dropped packets of the interface so far. Drops without any packet getting
    /// through mean that the peer's numbers are older than what we expect.
    pub fn counters(&mut self, received: u64, dropped: u64, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase != Phase::Open {
            return actions;
        }
        self.sample_due = Some(now + SAMPLE);
        if let Some((received_before, dropped_before)) = self.last_sample
            && received == received_before
            && dropped >= dropped_before + 2
            && self.attached() > 0
        {
            self.last_sample = None;
            actions.push(Action::Alarm(
                "every frame is dropped as old; resynchronising".into(),
            ));
            self.barrier(now, &mut actions);
            return actions;
        }
        self.last_sample = Some((received, dropped));
        actions
    }
}
