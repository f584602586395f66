//! What the administrator orders: on, off, anew, for a bundle or for one of its links.

use std::time::Duration;

use super::{Action, Bundle, LinkState, Phase};

impl Bundle {
    /// Switches the bundle on.
    pub fn start(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Down {
            for link in &mut self.links {
                if link.state() == LinkState::Disabled {
                    link.reset(now);
                }
            }
            self.begin_resync(now, &mut actions);
        }
        actions
    }

    /// Ends all links and keeps the interface.
    pub fn stop(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.barrier_due = None;
        self.pause = super::recovery::SETTLE;
        self.settle = None;
        self.restart_suspected = None;
        self.solo = None;
        self.ncp.stop();
        for index in 0..self.links.len() {
            let effects = self.links[index].stop(LinkState::Disabled, now);
            self.apply(index, effects, now, &mut actions);
        }
        self.enter(Phase::Down, now, &mut actions);
        actions
    }

    /// Replaces all links, as after a restart of the peer.
    pub fn restart(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Down {
            return self.start(now);
        }
        self.barrier(now, &mut actions);
        actions
    }

    /// Switches one link on.
    pub fn link_up(&mut self, index: usize, now: Duration) -> Vec<Action> {
        let link = &mut self.links[index];
        link.reset(now);
        if self.may_run(index) {
            self.links[index].allow(now);
        }
        self.tick(now)
    }

    /// Switches one link off.
    pub fn link_down(&mut self, index: usize, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let effects = self.links[index].stop(LinkState::Disabled, now);
        self.apply(index, effects, now, &mut actions);
        self.watch_network(&mut actions);
        actions
    }

    /// Ends one link's pppd and starts another.
    pub fn link_restart(&mut self, index: usize, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let effects = self.links[index].stop(LinkState::Idle, now);
        self.links[index].reset(now);
        self.apply(index, effects, now, &mut actions);
        if self.may_run(index) {
            self.links[index].allow(now);
        }
        actions.extend(self.tick(now));
        actions
    }

    /// Changes the address demanded of the peer, from the next negotiation on.
    pub fn demand(&mut self, remote: std::net::Ipv4Addr) {
        self.ncp.demand(remote);
    }
}
