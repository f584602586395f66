//! Carries out what a [`Bundle`] decides: its unit, its pppds, its records, its addresses.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use crate::advert::Advert;
use crate::backoff::Jitter;
use crate::bundle::{Action, Bundle, State};
use crate::config::{BundleSettings, Remote};
use crate::error::Error;
use crate::link::Link;
use crate::ncp::Ncp;
use crate::net::Netlink;
use crate::phantom::Resync;
use crate::pppd::Process;
use crate::seq::Width;
use crate::tdb::{JoinLock, Tdb};
use crate::unit::{self, Frame, Unit};

/// What all bundles share.
#[derive(Debug)]
pub struct Shared {
    /// For requests to the kernel.
    pub netlink: Netlink,
    /// The pppd to run.
    pub pppd: PathBuf,
    /// Its database.
    pub database: PathBuf,
    /// Process in whose name bundles are advertised.
    pub owner: u32,
}

/// A bundle in keeper mode.
#[derive(Debug)]
pub struct Keeper {
    settings: BundleSettings,
    bundle: Bundle,
    unit: Unit,
    ifname: String,
    ifindex: u32,
    advert: Advert,
    processes: Vec<Option<Process>>,
    echo_losses: Vec<u64>,
    /// Whether reading the unit may tell anything new; see [`Unit`].
    watch_unit: bool,
    resync: Option<(JoinLock, Resync)>,
    routes_set: bool,
    is_new: bool,
    rate: report::Rate,
    todo: VecDeque<Action>,
}

impl Keeper {
    /// Takes over `kept`, the descriptor of an earlier supervisor, or makes a new interface.
    pub fn new(
        settings: BundleSettings,
        kept: Option<OwnedFd>,
        assigned: Option<Ipv4Addr>,
        seed: u64,
        shared: &mut Shared,
    ) -> Result<Self, Error> {
        let width = if settings.short_sequences {
            Width::Short
        } else {
            Width::Long
        };
        let adopted = kept.map(|fd| Unit::adopt(fd, settings.mrru, width));
        let mut is_new = true;
        let unit = match adopted {
            Some(Ok(unit)) => {
                is_new = false;
                unit
            }
            other => {
                if let Some(Err(error)) = other {
                    warn!(bundle = settings.name, %error, "cannot take over the interface");
                }
                Unit::create(settings.mrru, width).map_err(Error::NoPpp)?
            }
        };
        let (ifindex, ifname) = network::set_up_interface(&unit, &settings, &mut shared.netlink)
            .map_err(Error::system("set up the interface"))?;
        let demand = match settings.remote {
            Remote::Address(address) => Some(address),
            Remote::Pool => assigned,
            Remote::FromPeer => None,
        };
        let mut jitter = Jitter::new(seed);
        let ncp = Ncp::new(&crate::ncp::Settings {
            local: settings.local.unwrap_or(Ipv4Addr::UNSPECIFIED),
            remote: demand,
            interface_id: settings.ipv6.then(|| jitter.below(u64::MAX - 1) + 1),
        });
        let links = settings
            .links
            .iter()
            .map(|link| Link::new(link.name.clone(), settings.timing))
            .collect::<Vec<_>>();
        let advert = Advert {
            pid: shared.owner,
            unit: unit.number(),
            bundle: settings.name.clone(),
            peer: if settings.require_auth {
                settings.remote_name.clone().unwrap_or_default()
            } else {
                String::new()
            },
        };
        Ok(Self {
            processes: links.iter().map(|_| None).collect(),
            echo_losses: vec![0; links.len()],
            bundle: Bundle::new(links, ncp, settings.min_links, jitter),
            settings,
            unit,
            ifname,
            ifindex,
            advert,
            watch_unit: false,
            resync: None,
            routes_set: false,
            is_new,
            rate: report::Rate::default(),
            todo: VecDeque::new(),
        })
    }

    /// Its configuration.
    pub fn settings(&self) -> &BundleSettings {
        &self.settings
    }

    /// Its state machine.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Its unit, and whether to watch it.
    pub fn unit(&self) -> Option<&Unit> {
        self.watch_unit.then_some(&self.unit)
    }

    /// A copy of the interface's descriptor, for safekeeping.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.unit.duplicate()
    }

    /// The running pppds, by link.
    pub fn processes(&self) -> impl Iterator<Item = (usize, &Process)> {
        self.processes
            .iter()
            .enumerate()
            .filter_map(|(n, process)| Some((n, process.as_ref()?)))
    }

    /// Index of the interface.
    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// Name of the interface.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// Whether [`Keeper::tick`] wants to be called again at once.
    pub fn is_busy(&self) -> bool {
        self.resync.is_some()
    }

    /// Feeds a decision of the state machine in and carries out what follows.
    pub fn decide(
        &mut self,
        decide: impl FnOnce(&mut Bundle) -> Vec<Action>,
        shared: &mut Shared,
        now: Duration,
    ) {
        let before = self.bundle.state();
        let actions = decide(&mut self.bundle);
        self.todo.extend(actions);
        while let Some(action) = self.todo.pop_front() {
            self.perform(action, shared, now);
        }
        let after = self.bundle.state();
        if before != after {
            info!(
                bundle = self.settings.name,
                "{} -> {}",
                before.text(),
                after.text()
            );
        }
    }

    /// Time has passed, or a resynchronisation is under way.
    pub fn tick(&mut self, shared: &mut Shared, now: Duration) {
        if let Some((lock, mut resync)) = self.resync.take() {
            match resync.step(&self.unit, &mut shared.netlink) {
                Ok(None) => self.resync = Some((lock, resync)),
                result => {
                    drop(lock);
                    self.resync_done(result, shared, now);
                }
            }
        }
        if self
            .bundle
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.decide(|bundle| bundle.tick(now), shared, now);
        }
    }

    fn resync_done(
        &mut self,
        result: io::Result<Option<crate::phantom::Report>>,
        shared: &mut Shared,
        now: Duration,
    ) {
        match result {
            Ok(report) => {
                let report = report.unwrap_or_default();
                debug!(bundle = self.settings.name, ?report, "resynchronised");
                self.decide(|bundle| bundle.resynced(report, now), shared, now);
            }
            Err(error) => {
                warn!(bundle = self.settings.name, %error, "cannot resynchronise, will try again");
                self.decide(|bundle| bundle.resync_failed(false, now), shared, now);
            }
        }
    }

    /// The unit is readable.
    pub fn read_unit(&mut self, shared: &mut Shared, now: Duration) {
        // As many frames as may wait in the kernel, so that others get their turn.
        for _ in 0..32 {
            match self.unit.read() {
                Ok(Frame::Data(frame)) => {
                    self.decide(|bundle| bundle.frame(&frame, now), shared, now);
                }
                Ok(Frame::Nothing) => return,
                Ok(Frame::NoChannels) => {
                    self.watch_unit = false;
                    self.decide(|bundle| bundle.unit_empty(now), shared, now);
                    return;
                }
                Err(error) => {
                    error!(bundle = self.settings.name, %error, "cannot read the interface");
                    self.watch_unit = false;
                    return;
                }
            }
        }
    }

    fn perform(&mut self, action: Action, shared: &mut Shared, now: Duration) {
        match action {
            Action::Link(index, action) => self.perform_link(index, action, shared, now),
            Action::Send(frame) => {
                if let Err(error) = self.unit.write(&frame) {
                    debug!(bundle = self.settings.name, %error, "a control frame was not sent");
                }
            }
            Action::Resync => self.begin_resync(shared, now),
            Action::Addresses(agreed) => self.set_addresses(agreed, shared),
            Action::InterfaceId(id) => {
                if let Err(error) = shared.netlink.add_link_local(self.ifindex, id) {
                    warn!(bundle = self.settings.name, %error, "cannot set the IPv6 address");
                }
            }
            Action::NetworkUp => {
                if !std::mem::replace(&mut self.routes_set, true) {
                    self.put_routes(shared);
                }
                self.run_hook("up", self.settings.up.as_deref());
            }
            Action::NetworkDown => self.run_hook("down", self.settings.down.as_deref()),
            Action::Alarm(text) => warn!(bundle = self.settings.name, "{text}"),
            Action::ExplainMismatch(index) => self.explain_mismatch(index, shared),
            Action::Sample => {
                let found = shared.netlink.interface_at(self.ifindex).ok().flatten();
                if let Some(found) = found {
                    self.rate.update(found.bytes, now);
                    let (received, dropped) = found.packets;
                    let actions = self.bundle.counters(received, dropped, now);
                    self.todo.extend(actions);
                }
            }
        }
    }

    fn publish(&self, shared: &Shared) -> Result<(), crate::tdb::TdbError> {
        if let Some(directory) = shared.database.parent() {
            // Opening the database reports what is wrong with its directory.
            let _ = std::fs::create_dir_all(directory);
        }
        self.advert.publish(&Tdb::open(&shared.database)?).map(drop)
    }

    /// Somebody deleted the interface: all that can be done is to make another one and say so.
    fn replace_deleted_unit(&mut self, shared: &mut Shared) -> bool {
        if !matches!(shared.netlink.interface_at(self.ifindex), Ok(None)) {
            return false;
        }
        error!(
            bundle = self.settings.name,
            "the interface {} was deleted by somebody; making a new one", self.ifname
        );
        let made = Unit::create(self.settings.mrru, self.width()).and_then(|unit| {
            let named = network::set_up_interface(&unit, &self.settings, &mut shared.netlink)?;
            Ok((unit, named))
        });
        match made {
            Ok((unit, (ifindex, ifname))) => {
                self.advert.unit = unit.number();
                self.unit = unit;
                self.ifindex = ifindex;
                self.ifname = ifname;
                self.routes_set = false;
                self.is_new = true;
                true
            }
            Err(error) => {
                error!(bundle = self.settings.name, %error, "cannot make an interface");
                false
            }
        }
    }

    /// Whether the interface is another one than when this was last asked, or than the one kept by
    /// an earlier supervisor.
    pub fn take_is_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    fn width(&self) -> Width {
        if self.settings.short_sequences {
            Width::Short
        } else {
            Width::Long
        }
    }

    fn begin_resync(&mut self, shared: &mut Shared, now: Duration) {
        if self.replace_deleted_unit(shared) {
            // The old unit's pppds live on, outside of any unit: replace them all.
            self.watch_unit = true;
            let actions = self.bundle.resync_failed(true, now);
            self.todo.extend(actions);
            return;
        }
        let lock = match Tdb::open(&shared.database).and_then(Tdb::lock_joins) {
            Ok(lock) => lock,
            Err(error) => {
                let text = nightshift_common::error::chain(&error);
                warn!(
                    bundle = self.settings.name,
                    "cannot resynchronise, will try again: {text}"
                );
                let actions = self.bundle.resync_failed(false, now);
                self.todo.extend(actions);
                return;
            }
        };
        if !self.is_empty() {
            // A channel that a killed pppd left behind.
            for link in &self.settings.links {
                if let Some(terminal) = link.kind.terminal() {
                    let _ = unit::detach_terminal(terminal);
                }
            }
        }
        if !self.is_empty() {
            drop(lock);
            self.watch_unit = true;
            let actions = self.bundle.resync_failed(true, now);
            self.todo.extend(actions);
            return;
        }
        match Resync::begin(&self.unit, self.width()) {
            Ok(resync) => self.resync = Some((lock, resync)),
            Err(error) => {
                drop(lock);
                self.resync_done(Err(error), shared, now);
                return;
            }
        }
        self.tick(shared, now); // all is done now, unless fragments must be burnt
    }

    fn is_empty(&self) -> bool {
        for _ in 0..64 {
            match self.unit.read() {
                Ok(Frame::NoChannels) => return true,
                Ok(Frame::Data(_)) => {}
                Ok(Frame::Nothing) | Err(_) => return false,
            }
        }
        false
    }

    /// Tells every pppd to end. True when none is left.
    pub fn stop(&mut self, shared: &mut Shared, now: Duration) -> bool {
        if self.bundle.state() != State::Down {
            self.decide(|bundle| bundle.stop(now), shared, now);
        }
        self.processes.iter().all(Option::is_none)
    }

    /// Removes what pppd would find in its database.
    pub fn withdraw(&self, shared: &Shared) {
        let result = Tdb::open(&shared.database).and_then(|tdb| self.advert.withdraw(&tdb));
        if let Err(error) = result {
            debug!(bundle = self.settings.name, %error, "cannot withdraw the records");
        }
    }
}

mod children;
mod network;
mod report;
