//! Classic mode: pppd owns the interface, and what hung on it is put back when it returns.
//!
//! For links that cannot be kept: PPPoE without multilink, foreign set-ups. Addresses of the
//! interface and routes through it are remembered, on disk too. Each route has a twin that leads nowhere, with the worst
//! metric: while the real route exists it wins; when the interface goes, the kernel removes it and
//! the twin takes over in the same instant, so that nothing leaks to the default route.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use nightshift_common::escape::Escaped;
use rustix::process::Signal;
use tracing::{debug, info, warn};

use crate::backoff::Jitter;
use crate::config::BundleSettings;
use crate::exit_policy;
use crate::keeper::Shared;
use crate::link::{self, Effects, Link, News, State};
use crate::link_kind;
use crate::net::Netlink;
use crate::pppd::Process;
use crate::route::Route;
use crate::snapshot::Snapshot;
use crate::status::{BundleStatus, LinkStatus};
use crate::unit;

/// What hangs on the interface is remembered when nothing has changed for so long while the interface is up; in the
/// middle of its going half of them are gone already.
const SETTLE: Duration = Duration::from_millis(500);

/// A link in classic mode.
#[derive(Debug)]
pub struct Classic {
    settings: BundleSettings,
    link: Link,
    process: Option<Process>,
    jitter: Jitter,
    interface: Option<(u32, String)>,
    /// Its address, as pppd told.
    negotiated: Option<IpAddr>,
    remembered: Snapshot,
    twins: Vec<Route>,
    settle_due: Option<Duration>,
    store: PathBuf,
    on: bool,
}

impl Classic {
    /// Reads what an earlier supervisor remembered and puts the twins in place.
    pub fn new(
        settings: BundleSettings,
        state_dir: &std::path::Path,
        seed: u64,
        shared: &mut Shared,
    ) -> Self {
        let store = state_dir.join(format!("classic-{}.json", settings.name));
        let remembered = Snapshot::load(&store, &settings.name);
        let mut classic = Self {
            link: Link::independent(settings.links[0].name.clone(), settings.timing),
            settings,
            process: None,
            jitter: Jitter::new(seed),
            interface: None,
            negotiated: None,
            remembered,
            twins: Vec::new(),
            settle_due: None,
            store,
            on: false,
        };
        classic.put_twins(&mut shared.netlink);
        classic
    }

    /// Its configuration.
    pub fn settings(&self) -> &BundleSettings {
        &self.settings
    }

    /// Its pppd.
    pub fn process(&self) -> Option<&Process> {
        self.process.as_ref()
    }

    /// What is remembered of its interface.
    pub fn remembered(&self) -> &Snapshot {
        &self.remembered
    }

    /// When [`Classic::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        [self.link.deadline(), self.settle_due]
            .into_iter()
            .flatten()
            .min()
    }

    /// Switches it on.
    pub fn start(&mut self, shared: &mut Shared, now: Duration) {
        self.on = true;
        self.link.reset(now);
        self.link.allow(now);
        self.tick(shared, now);
    }

    /// Ends its pppd. True when it is gone.
    pub fn stop(&mut self, shared: &mut Shared, now: Duration) -> bool {
        if self.on {
            self.on = false;
            let effects = self.link.stop(State::Disabled, now);
            self.apply(effects, shared, now);
        }
        self.process.is_none()
    }

    /// Replaces its pppd.
    pub fn restart(&mut self, shared: &mut Shared, now: Duration) {
        let effects = self.link.stop(State::Idle, now);
        self.apply(effects, shared, now);
        self.start(shared, now);
    }

    /// Removes what stands in for the routes: the administrator wants it gone.
    pub fn withdraw(&mut self, shared: &mut Shared) {
        for twin in self.twins.drain(..) {
            let _ = shared.netlink.apply(&twin.delete());
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, shared: &mut Shared, now: Duration) {
        let effects = self.link.tick(now);
        self.apply(effects, shared, now);
        if self.settle_due.is_some_and(|due| due <= now) {
            self.settle_due = None;
            if self.link.state() == State::Attached {
                self.remember(&mut shared.netlink);
            }
        }
    }

    /// Something about links, addresses or routes has changed.
    pub fn network_changed(&mut self, now: Duration) {
        if self.link.state() == State::Attached {
            self.settle_due = Some(now + SETTLE);
        }
    }

    /// Its pppd has printed something or ended.
    pub fn read_process(&mut self, shared: &mut Shared, now: Duration) {
        let (lines, exit) = Process::hear(&mut self.process);
        for line in lines {
            debug!(
                bundle = self.settings.name,
                "pppd: {}",
                Escaped::text(&line)
            );
            if let Some(name) = line.strip_prefix(b"Using interface ") {
                let name = String::from_utf8_lossy(name).trim().to_owned();
                self.interface = Some((0, name));
            }
            if let Some(address) = line.strip_prefix(b"local  IP address ") {
                self.negotiated = String::from_utf8_lossy(address).trim().parse().ok();
            }
            let effects = self.link.line(&line, now);
            self.apply(effects, shared, now);
        }
        if let Some(exit) = exit {
            let text = exit_policy::describe(exit);
            info!(bundle = self.settings.name, "pppd ended: {text}");
            self.settle_due = None;
            let effects = self.link.exited(exit, now, &mut self.jitter);
            self.apply(effects, shared, now);
            self.tick(shared, now);
        }
    }

    fn apply(&mut self, effects: Effects, shared: &mut Shared, now: Duration) {
        for action in effects.actions {
            match action {
                link::Action::Spawn => {
                    let arguments =
                        link_kind::pppd_arguments(&self.settings, &self.settings.links[0]);
                    match Process::spawn(&shared.pppd, &arguments) {
                        Ok(process) => self.process = Some(process),
                        Err(error) => {
                            let reason = format!("cannot start pppd: {error}");
                            warn!(bundle = self.settings.name, "{reason}");
                            self.link.spawn_failed(reason, now, &mut self.jitter);
                        }
                    }
                }
                link::Action::Terminate | link::Action::Kill => {
                    let kill = action == link::Action::Kill;
                    if let Some(process) = &self.process {
                        process.signal(if kill { Signal::KILL } else { Signal::TERM });
                    }
                }
                link::Action::Detach => {
                    if let Some(terminal) = self.settings.links[0].kind.terminal() {
                        let _ = unit::detach_terminal(terminal); // only if it is still there
                    }
                }
                link::Action::LoadModules => {
                    warn!(
                        bundle = self.settings.name,
                        "no PPP in the kernel: modprobe ppp_generic"
                    );
                }
            }
        }
        for news in effects.news {
            match news {
                News::Attached => self.returned(shared, now),
                News::Lost => info!(bundle = self.settings.name, "the interface is gone"),
                other => warn!(bundle = self.settings.name, "{other:?}"),
            }
        }
    }

    /// The interface is back.
    fn returned(&mut self, shared: &mut Shared, now: Duration) {
        let name = self
            .interface
            .as_ref()
            .map(|(_, name)| name.clone())
            .unwrap_or_default();
        let netlink = &mut shared.netlink;
        let Ok(Some(found)) = netlink.interface(&name) else {
            warn!(
                bundle = self.settings.name,
                "there is no interface {name:?}"
            );
            return;
        };
        self.interface = Some((found.index, name));
        for prefix in &self.settings.routes {
            if let Err(error) = netlink.add_route(found.index, *prefix) {
                warn!(bundle = self.settings.name, %error, "cannot add the route {prefix}");
            }
        }
        let restored = self
            .remembered
            .restore(netlink, found.index, &self.settings.name);
        info!(
            bundle = self.settings.name,
            restored, "the interface is back"
        );
        self.settle_due = Some(now + SETTLE);
    }

    fn remember(&mut self, netlink: &mut Netlink) {
        let Some((ifindex, _)) = self.interface else {
            return;
        };
        // pppd switches it off a while before it ends; its routes have gone by then.
        if !matches!(netlink.interface_at(ifindex), Ok(Some(found)) if found.up) {
            return;
        }
        let found = match Snapshot::take(netlink, ifindex, self.negotiated) {
            Ok(found) => found,
            Err(error) => {
                warn!(bundle = self.settings.name, %error, "cannot read addresses and routes");
                return;
            }
        };
        if found == self.remembered {
            return;
        }
        self.remembered = found;
        debug!(
            bundle = self.settings.name,
            addresses = self.remembered.addresses.len(),
            routes = self.remembered.routes.len(),
            "remembered"
        );
        self.remembered.store(&self.store, &self.settings.name);
        self.put_twins(netlink);
    }

    /// Makes the twins those of the remembered routes.
    fn put_twins(&mut self, netlink: &mut Netlink) {
        let fallback = self.settings.fallback;
        let wanted: Vec<Route> = self
            .remembered
            .routes
            .iter()
            .filter_map(|route| route.twin(fallback))
            .collect();
        for twin in self.twins.iter().filter(|twin| !wanted.contains(twin)) {
            let _ = netlink.apply(&twin.delete());
        }
        for twin in &wanted {
            match netlink.apply(&twin.add()) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    warn!(bundle = self.settings.name, %error, "cannot add the fallback for {twin}");
                }
                _ => {}
            }
        }
        self.twins = wanted;
    }

    /// For `status`.
    pub fn status(&self, shared: &mut Shared, now: Duration) -> BundleStatus {
        let found = self
            .interface
            .as_ref()
            .and_then(|(_, name)| shared.netlink.interface(name).ok().flatten());
        let up = self.link.state() == State::Attached;
        let since = now.saturating_sub(self.link.since()).as_secs_f64();
        BundleStatus {
            name: self.settings.name.clone(),
            mode: "classic".into(),
            state: if up { "open" } else { self.link.state().text() }.to_owned(),
            up,
            since,
            interface: found.as_ref().map(|found| found.name.clone()),
            ifindex: found.as_ref().map(|found| found.index),
            local: None,
            remote: None,
            attached: usize::from(up),
            wanted: usize::from(self.on),
            min_links: 1,
            resyncs: 0,
            barriers: 0,
            burnt: 0,
            malformed: 0,
            bytes: found.as_ref().map_or((0, 0), |found| found.bytes),
            rate: (0, 0),
            links: vec![LinkStatus {
                name: self.link.name().to_owned(),
                state: self.link.state().text().to_owned(),
                since,
                pid: self.process.as_ref().map(Process::pid),
                starts: self.link.starts(),
                last_exit: self
                    .link
                    .last_exit()
                    .map(|last| exit_policy::describe(last.exit)),
                family: None,
                last_line: self.link.last_exit().and_then(|last| last.line.clone()),
                echo_losses: 0,
            }],
        }
    }
}
