//! A peer that does not treat our links as one bundle.
//!
//! A pppd with `persist` may keep a link that it never joins to its bundle again: LCP is up, echoes
//! are answered, and what we send over it is rejected. So each link is tried alone until addresses
//! are agreed over one; the others may then join it, and one that brings rejects is left out.

use std::time::Duration;

use super::recovery::LINGER;
use super::{
    Action, Bundle, LONGEST_TRIAL, Link, LinkState, NO_ANSWER, OUTCAST_RETRY, Phase, REJECTS_GRACE,
    REJECTS_MANY, SOLO_TRIAL, Solo, link,
};

impl Bundle {
    /// The peer rejects multilink frames on a link. A few are normal while its end joins; when
    /// they go on while other links work, the peer's end of this link is outside its bundle.
    pub(super) fn peer_rejects(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        let link = &self.links[index];
        if link.state() != LinkState::Attached {
            return;
        }
        if now < link.since() + REJECTS_GRACE {
            self.early_rejects = Some(index);
            return;
        }
        self.rejects += 1;
        if self.rejects < REJECTS_MANY || self.solo.is_some() || self.attached() < 2 {
            return;
        }
        self.rejects = 0;
        if self.phase == Phase::Open {
            self.cast_out(index, now, actions);
        } else {
            self.go_solo(index, now, actions);
        }
    }

    /// A fresh address request although addresses are agreed: the peer has restarted, or it talks
    /// over a link that it keeps outside of its bundle. The latter shows in rejects on a link that
    /// has just joined; whether they go on decides.
    pub(super) fn peer_negotiates_anew(&mut self, now: Duration, actions: &mut Vec<Action>) {
        match self.early_rejects {
            Some(index) if self.attached() >= 2 => {
                let decided = self.links[index].since() + REJECTS_GRACE * 2;
                self.restart_suspected.get_or_insert(decided.max(now));
            }
            _ => self.barrier(now, actions),
        }
    }

    /// When a peer that has not answered any request for addresses counts as deaf.
    pub(super) fn no_answer_at(&self) -> Option<Duration> {
        if self.solo.is_some() || self.ncp.peer_answered() {
            return None;
        }
        match self.attached() {
            0 => None,
            1 => Some(self.joined_at + self.trial),
            _ => Some(self.joined_at + NO_ANSWER),
        }
    }

    pub(super) fn no_answer(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if self.attached() < 2 {
            self.trial = (self.trial * 2).min(LONGEST_TRIAL);
            self.joined_at = now;
            self.long_barrier(now, actions);
            return;
        }
        let attached = |link: &Link| link.state() == LinkState::Attached;
        let first = self.links.iter().position(attached).unwrap_or(0);
        self.go_solo(first, now, actions);
    }

    fn cast_out(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        let name = self.links[index].name();
        actions.push(Action::Alarm(format!(
            "link {name} brings loss: the peer does not join it to its bundle; it is left out \
             for 5 minutes. On the peer, run pppd with `nopersist` from a supervisor, or give it \
             a fresh process for each session"
        )));
        self.restart_suspected = None;
        self.early_rejects = None;
        let effects = self.links[index].stop(LinkState::PeerDoesNotJoin, now);
        self.outcasts_until.get_or_insert(now + OUTCAST_RETRY);
        actions.extend(
            effects
                .actions
                .into_iter()
                .map(|action| Action::Link(index, action)),
        );
        actions.push(Action::Link(index, link::Action::Detach));
    }

    /// Keeps one link and stops the others, until addresses are agreed over it.
    pub(super) fn go_solo(&mut self, index: usize, now: Duration, actions: &mut Vec<Action>) {
        actions.push(Action::Alarm(
            "no answer over several links: the peer does not bundle them; trying each alone"
                .to_owned(),
        ));
        self.solo = Some(Solo {
            link: index,
            until: now + SOLO_TRIAL,
            tried: 1,
        });
        for other in (0..self.links.len()).filter(|&other| other != index) {
            if self.links[other].is_running() {
                let effects = self.links[other].stop(LinkState::Idle, now);
                self.apply(other, effects, now, actions);
                actions.push(Action::Link(other, link::Action::Detach));
            } else {
                self.links[other].hold();
            }
        }
    }

    pub(super) fn tick_solo(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if let Some(solo) = self.solo
            && solo.until <= now
        {
            // After the last each begins anew with all of them.
            self.solo = (solo.tried < self.links.len()).then(|| Solo {
                link: (solo.link + 1) % self.links.len(),
                until: now + LINGER + SOLO_TRIAL * 2,
                tried: solo.tried + 1,
            });
            self.joined_at = now;
            self.long_barrier(now, actions);
        }
        if self.outcasts_until.is_some_and(|until| until <= now) {
            self.outcasts_until = None;
            for link in &mut self.links {
                if link.state() == LinkState::PeerDoesNotJoin {
                    link.reset(now);
                }
            }
            self.allow_all(now);
        }
    }
}
