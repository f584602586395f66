//! What `status` tells about a bundle in keeper mode.

use std::time::Duration;

use super::{Keeper, Shared};
use crate::bundle::State;
use crate::exit_policy;
use crate::link;
use crate::pppd::Process;
use crate::status::{BundleStatus, LinkStatus};

/// Bytes per second between two looks at the counters.
#[derive(Debug, Default)]
pub(super) struct Rate {
    at: Duration,
    bytes: (u64, u64),
    per_second: (u64, u64),
}

impl Rate {
    pub(super) fn update(&mut self, bytes: (u64, u64), now: Duration) {
        let millis = u64::try_from((now.saturating_sub(self.at)).as_millis()).unwrap_or(u64::MAX);
        if millis < 900 {
            return;
        }
        let per_second = |new: u64, old: u64| new.saturating_sub(old).saturating_mul(1000) / millis;
        self.per_second = (
            per_second(bytes.0, self.bytes.0),
            per_second(bytes.1, self.bytes.1),
        );
        self.at = now;
        self.bytes = bytes;
    }
}

impl Keeper {
    /// For `status`.
    pub fn status(&mut self, shared: &mut Shared, now: Duration) -> BundleStatus {
        let found = shared.netlink.interface_at(self.ifindex).ok().flatten();
        let bytes = found.map_or((0, 0), |found| found.bytes);
        self.rate.update(bytes, now);
        let bundle = &self.bundle;
        let seconds = |since: Duration| now.saturating_sub(since).as_secs_f64();
        let links = bundle.links().iter().zip(&self.settings.links).enumerate();
        let links = links.map(|(index, (link, settings))| LinkStatus {
            name: settings.name.clone(),
            state: link.state().text().to_owned(),
            since: seconds(link.since()),
            pid: self.processes[index].as_ref().map(Process::pid),
            starts: link.starts(),
            last_exit: link
                .last_exit()
                .map(|last| exit_policy::describe(last.exit)),
            family: link
                .last_exit()
                .and_then(|last| serde_json::to_value(last.family).ok())
                .and_then(|family| family.as_str().map(str::to_owned)),
            last_line: link.last_exit().and_then(|last| last.line.clone()),
            echo_losses: self.echo_losses[index],
        });
        BundleStatus {
            name: self.settings.name.clone(),
            mode: "keeper".into(),
            state: bundle.state().text().to_owned(),
            up: bundle.state() == State::Open,
            since: seconds(bundle.since()),
            interface: Some(self.ifname.clone()),
            ifindex: Some(self.ifindex),
            local: bundle.agreed().local,
            remote: bundle.agreed().remote,
            attached: bundle.attached(),
            wanted: bundle
                .links()
                .iter()
                .filter(|l| l.state() != link::State::Disabled)
                .count(),
            min_links: self.settings.min_links,
            resyncs: bundle.counts().resyncs,
            barriers: bundle.counts().barriers,
            burnt: bundle.counts().burnt,
            malformed: bundle.malformed(),
            bytes,
            rate: self.rate.per_second,
            links: links.collect(),
        }
    }
}
