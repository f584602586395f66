//! The event loop: one thread, one poll(2), no decisions of its own.
//!
//! What to wait for is stated anew each round from the state of the bundles, so there is no
//! registration that could go stale.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nightshift_common::config::Loaded;
use nightshift_common::exit::Exit;
use nightshift_common::lock::InstanceLock;
use nightshift_common::signals::{SIGHUP, SIGINT, SIGTERM, Signals};
use nightshift_common::{atomic, systemd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{debug, error, info, warn};

use crate::classic::Classic;
use crate::config::{self, FileLayer, Mode, Settings};
use crate::control::Control;
use crate::error::Error;
use crate::holder::{self, Keeping};
use crate::keeper::{Keeper, Shared};
use crate::net::{Monitor, Netlink};
use crate::pool::Leases;
use crate::pppd;
use crate::status::{self, Status};

/// How long children may take to end when we do.
const FAREWELL: Duration = Duration::from_secs(4);
/// Metrics are written this often.
const METRICS: Duration = Duration::from_secs(15);

/// Reads the configuration again for a reload.
type Reread<'a> = dyn Fn() -> Result<Settings, Error> + 'a;

struct Supervisor<'a> {
    settings: Settings,
    reread: &'a Reread<'a>,
    started: Instant,
    shared: Shared,
    keeping: Keeping,
    keepers: Vec<Keeper>,
    classics: Vec<Classic>,
    monitor: Option<Monitor>,
    leases: Leases,
    metrics_due: Duration,
    alive_due: Option<Duration>,
    release: bool,
    ending: Option<i32>,
    watchdog: Option<dog::Dog>,
}

/// What a polled descriptor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Control,
    Unit(usize),
    Process(usize, usize),
    Pings,
    Classic(usize),
    Monitor,
}

/// Runs until a signal or `release`.
pub fn run(settings: Settings, reread: &Reread<'_>) -> Result<Exit, Error> {
    let _lock = InstanceLock::acquire(&settings.run_dir.join("lock"))?;
    let signals =
        Signals::listen(&[SIGHUP, SIGINT, SIGTERM]).map_err(Error::system("listen for signals"))?;
    let mut supervisor = Supervisor::new(settings, reread)?;
    let mut control = Control::listen(&supervisor.settings.run_dir.join("control.sock"))
        .map_err(Error::system("listen on the control socket"))?;
    holder::notify_ready();
    supervisor.start_all();
    supervisor.serve(&signals, &mut control)?;
    let exit = supervisor.ending.map_or(Exit::Done, Exit::Signal);
    Ok(exit)
}

impl<'a> Supervisor<'a> {
    fn new(settings: Settings, reread: &'a Reread<'a>) -> Result<Self, Error> {
        let facts = pppd::examine(&settings.pppd)?;
        let database = settings
            .database
            .clone()
            .or(facts.database)
            .ok_or_else(|| Error::NoMultilink(settings.pppd.clone()))?;
        let keeping = Keeping::find(&settings.run_dir.join("hold.sock"), settings.holder)
            .map_err(Error::system("start the process that keeps the interfaces"))?;
        let shared = Shared {
            netlink: Netlink::open().map_err(Error::system("open a netlink socket"))?,
            pppd: settings.pppd.clone(),
            database,
            owner: keeping.owner(),
        };
        let leases = read_leases(&settings.state_dir.join("addresses.json"));
        let mut supervisor = Self {
            settings,
            reread,
            started: Instant::now(),
            shared,
            keeping,
            keepers: Vec::new(),
            classics: Vec::new(),
            monitor: None,
            leases,
            metrics_due: Duration::ZERO,
            alive_due: systemd::watchdog_interval().map(|_| Duration::ZERO),
            release: false,
            ending: None,
            watchdog: None,
        };
        if let Some(watchdog) = &supervisor.settings.watchdog {
            supervisor.watchdog = Some(dog::Dog::new(watchdog, Duration::ZERO)?);
        }
        for bundle in supervisor.settings.bundles.clone() {
            supervisor.add_bundle(bundle)?;
        }
        Ok(supervisor)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn add_bundle(&mut self, bundle: config::BundleSettings) -> Result<(), Error> {
        match bundle.mode {
            Mode::Keeper => {
                let name = bundle.name.clone();
                let assigned = self.assign(&bundle)?;
                let kept = self.keeping.take(&name);
                let mut keeper = Keeper::new(bundle, kept, assigned, seed(), &mut self.shared)?;
                if keeper.take_is_new() {
                    keep(&mut self.keeping, &keeper);
                }
                self.keepers.push(keeper);
            }
            Mode::Classic => {
                if self.monitor.is_none() {
                    let monitor = Monitor::open().map_err(Error::system("watch the network"))?;
                    self.monitor = Some(monitor);
                }
                let directory = &self.settings.state_dir;
                self.classics
                    .push(Classic::new(bundle, directory, seed(), &mut self.shared));
            }
        }
        Ok(())
    }

    /// The hub's choice of address for a bundle's client.
    fn assign(
        &mut self,
        bundle: &config::BundleSettings,
    ) -> Result<Option<std::net::Ipv4Addr>, Error> {
        let (config::Remote::Pool, Some(range)) = (bundle.remote, self.settings.pool) else {
            return Ok(None);
        };
        let mut taken: Vec<_> = self
            .settings
            .bundles
            .iter()
            .filter_map(|b| b.local)
            .collect();
        taken.extend(self.settings.bundles.iter().filter_map(|b| match b.remote {
            config::Remote::Address(address) => Some(address),
            _ => None,
        }));
        let before = self.leases.clone();
        let address = self.leases.assign(&bundle.name, range, &taken);
        if address.is_none() {
            error!(bundle = bundle.name, "the address pool is used up");
        }
        if self.leases != before {
            let path = self.settings.state_dir.join("addresses.json");
            std::fs::create_dir_all(&self.settings.state_dir)
                .map_err(Error::system("create the state directory"))?;
            let text = serde_json::to_vec_pretty(&self.leases).map_err(Error::Answer)?;
            atomic::replace_with(&path, 0o644, &text)?;
        }
        Ok(address)
    }

    fn start_all(&mut self) {
        for name in self
            .settings
            .bundles
            .iter()
            .map(|b| b.name.clone())
            .collect::<Vec<_>>()
        {
            self.start_bundle(&name);
        }
    }

    fn start_bundle(&mut self, name: &str) {
        let now = self.now();
        for keeper in self
            .keepers
            .iter_mut()
            .filter(|k| k.settings().name == name)
        {
            keeper.decide(|bundle| bundle.start(now), &mut self.shared, now);
        }
        for classic in self
            .classics
            .iter_mut()
            .filter(|c| c.settings().name == name)
        {
            classic.start(&mut self.shared, now);
        }
    }

    fn serve(&mut self, signals: &Signals, control: &mut Control) -> Result<(), Error> {
        let mut farewell: Option<Duration> = None;
        loop {
            let ready = self.wait(signals, control, farewell)?;
            let now = self.now();
            for source in ready {
                match source {
                    Source::Signals => signals.clear_wake(),
                    Source::Control => control.serve(now, |request| self.answer(&request)),
                    Source::Pings => self.listen_for_pings(now),
                    Source::Classic(c) => {
                        self.classics[c].read_process(&mut self.shared, now);
                    }
                    Source::Monitor => self.network_changed(now),
                    Source::Unit(k) => self.keepers[k].read_unit(&mut self.shared, now),
                    Source::Process(k, link) => {
                        self.keepers[k].read_process(link, &mut self.shared, now);
                    }
                }
            }
            if control.deadline().is_some_and(|deadline| deadline <= now) {
                control.serve(now, |request| self.answer(&request));
            }
            for keeper in &mut self.keepers {
                keeper.tick(&mut self.shared, now);
                if keeper.take_is_new() {
                    keep(&mut self.keeping, keeper);
                }
            }
            for classic in &mut self.classics {
                classic.tick(&mut self.shared, now);
            }
            if signals.take(SIGHUP) {
                let answer = self.reload();
                if let Some(error) = answer.error {
                    error!("the configuration is not taken over: {error}");
                }
            }
            if self.ending.is_none() && !self.release {
                self.ending = signals.ending();
            }
            if farewell.is_none() && (self.ending.is_some() || self.release) {
                info!("ending");
                farewell = Some(now + FAREWELL);
            }
            if let Some(deadline) = farewell {
                let mut gone = true;
                for keeper in &mut self.keepers {
                    gone &= keeper.stop(&mut self.shared, now);
                }
                for classic in &mut self.classics {
                    gone &= classic.stop(&mut self.shared, now);
                }
                if gone || deadline <= now {
                    self.say_goodbye();
                    return Ok(());
                }
            }
            self.housekeeping(now);
        }
    }

    fn say_goodbye(&mut self) {
        for keeper in &self.keepers {
            keeper.withdraw(&self.shared);
            if self.release {
                self.keeping.release(&keeper.settings().name);
            }
        }
        if self.release {
            for classic in &mut self.classics {
                classic.withdraw(&mut self.shared);
            }
        }
        let _ = std::fs::remove_file(self.metrics_path());
    }

    fn network_changed(&mut self, now: Duration) {
        let heard = self.monitor.as_ref().map(Monitor::read);
        if let Some(Err(error)) = heard {
            debug!(%error, "cannot hear changes of the network");
        }
        for classic in &mut self.classics {
            classic.network_changed(now);
        }
    }

    /// Waits for something to happen.
    fn wait(
        &self,
        signals: &Signals,
        control: &Control,
        farewell: Option<Duration>,
    ) -> Result<Vec<Source>, Error> {
        let mut watched = vec![(Source::Signals, signals.as_fd(), PollFlags::IN)];
        for (fd, writing) in control.descriptors() {
            let flags = if writing {
                PollFlags::OUT
            } else {
                PollFlags::IN
            };
            watched.push((Source::Control, fd, flags));
        }
        if let Some(dog) = &self.watchdog {
            watched.push((Source::Pings, dog.pinger.as_fd(), PollFlags::IN));
        }
        for (k, keeper) in self.keepers.iter().enumerate() {
            if let Some(unit) = keeper.unit() {
                watched.push((Source::Unit(k), unit.fd(), PollFlags::IN));
            }
            for (link, process) in keeper.processes() {
                let source = Source::Process(k, link);
                watched.push((source, process.end_fd(), PollFlags::IN));
                watched.push((source, process.output_fd(), PollFlags::IN));
            }
        }
        for (c, classic) in self.classics.iter().enumerate() {
            if let Some(process) = classic.process() {
                watched.push((Source::Classic(c), process.end_fd(), PollFlags::IN));
                watched.push((Source::Classic(c), process.output_fd(), PollFlags::IN));
            }
        }
        if let Some(monitor) = &self.monitor {
            watched.push((Source::Monitor, monitor.as_fd(), PollFlags::IN));
        }
        let now = self.now();
        let timeout = if self.keepers.iter().any(Keeper::is_busy) {
            Some(Duration::ZERO)
        } else {
            self.keepers
                .iter()
                .filter_map(|keeper| keeper.bundle().deadline())
                .chain(self.classics.iter().filter_map(Classic::deadline))
                .chain(control.deadline())
                .chain(farewell)
                .chain(self.alive_due)
                .chain(self.watchdog.as_ref().map(|dog| dog.mind.deadline()))
                .chain([self.metrics_due])
                .min()
                .map(|deadline| deadline.saturating_sub(now))
        };
        let timeout = timeout
            .map(Timespec::try_from)
            .transpose()
            .map_err(|error| Error::System {
                action: "wait",
                source: std::io::Error::other(error),
            })?;
        let mut fds: Vec<_> = watched
            .iter()
            .map(|&(_, fd, flags)| PollFd::from_borrowed_fd(fd, flags))
            .collect();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                return Err(Error::System {
                    action: "wait",
                    source: error.into(),
                });
            }
        }
        let mut ready: Vec<Source> = fds
            .iter()
            .zip(&watched)
            .filter(|(fd, _)| !fd.revents().is_empty())
            .map(|(_, &(source, ..))| source)
            .collect();
        ready.dedup();
        Ok(ready)
    }

    fn housekeeping(&mut self, now: Duration) {
        self.watch_dog(now);
        if self.metrics_due <= now {
            self.metrics_due = now + METRICS;
            let text = status::metrics(&self.status());
            if let Err(error) = atomic::replace_with(&self.metrics_path(), 0o644, text.as_bytes()) {
                debug!(%error, "cannot write the metrics");
            }
        }
        if self.alive_due.is_some_and(|due| due <= now) {
            holder::notify_alive();
            self.alive_due = systemd::watchdog_interval().map(|interval| now + interval / 2);
        }
    }

    fn metrics_path(&self) -> PathBuf {
        self.settings.run_dir.join("metrics.prom")
    }

    fn status(&mut self) -> Status {
        let now = self.now();
        let shared = &mut self.shared;
        let mut bundles: Vec<_> = self
            .keepers
            .iter_mut()
            .map(|keeper| keeper.status(shared, now))
            .collect();
        bundles.extend(
            self.classics
                .iter()
                .map(|classic| classic.status(shared, now)),
        );
        Status {
            version: status::VERSION,
            pid: std::process::id(),
            uptime: now.as_secs_f64(),
            bundles,
        }
    }
}

/// The hub's memory; a damaged file is reported and treated as empty, which may move clients to
/// other addresses but never stops them.
fn read_leases(path: &std::path::Path) -> Leases {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            warn!(path = %path.display(), %error, "the list of addresses is damaged, starting anew");
            Leases::default()
        }),
        Err(_) => Leases::default(),
    }
}

/// Leaves a copy of a bundle's interface with whoever keeps it when we are gone.
fn keep(keeping: &mut Keeping, keeper: &Keeper) {
    let name = &keeper.settings().name;
    let kept = keeper
        .descriptor()
        .and_then(|descriptor| keeping.put(name, descriptor.as_fd()));
    if let Err(error) = kept {
        warn!(bundle = name, %error, "the interface will not outlive the supervisor");
    }
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness links merely retry in step.
    let _ = rustix::rand::getrandom(bytes.as_mut_slice(), rustix::rand::GetRandomFlags::NONBLOCK);
    u64::from_ne_bytes(bytes)
}

/// Used by the commands that only read the configuration.
pub fn settings(flags: &nightshift_common::flags::SharedFlags) -> Result<Settings, Error> {
    let loaded: Loaded<FileLayer> = nightshift_common::config::load("pppmon", flags)?;
    Ok(config::resolve(&loaded)?)
}

mod answers;
mod dog;
