//! Two hosts and the lines between them, with what must hold whatever happens.

use std::process::Command;
use std::sync::RwLockReadGuard;
use std::time::{Duration, Instant};

use nightshift_common::exit::Exit;

use super::host::{self, HUB, Host, LEAF};
use super::probe::Probe;
use super::relay::{End, Relay};
use super::side::{Care, Side};

/// Two hosts and their lines.
pub(super) struct World {
    pub(super) leaf: Side,
    pub(super) hub: Side,
    pub(super) relay: Relay,
    pub(super) links: usize,
    _processor: RwLockReadGuard<'static, ()>,
}

impl World {
    /// Nothing runs yet.
    pub(super) fn new(links: usize, leaf: Care, hub: Care) -> Self {
        let modules = ["ppp_generic", "ppp_async", "ppp_synctty", "pppoe", "dummy"];
        let loaded = Command::new("modprobe")
            .arg("-a")
            .args(modules)
            .status()
            .unwrap();
        assert!(loaded.success(), "modprobe {modules:?}");
        Self {
            _processor: host::shared_processor(),
            relay: Relay::new(links),
            leaf: Side::new(Host::new("leaf", LEAF), End::Leaf, leaf),
            hub: Side::new(Host::new("hub", HUB), End::Hub, hub),
            links,
        }
    }

    pub(super) fn start(&mut self) {
        self.hub.start(&self.relay, self.links);
        self.leaf.start(&self.relay, self.links);
    }

    /// Starts everything and waits until all works.
    pub(super) fn up(links: usize, leaf: Care, hub: Care) -> (Self, Probe) {
        let mut world = Self::new(links, leaf, hub);
        world.start();
        let probe = world.observe();
        (world, probe)
    }

    /// Waits until packets flow, then observes.
    pub(super) fn observe(&self) -> Probe {
        self.leaf.add_route_once();
        self.hub.add_route_once();
        self.wait_for_links();
        let probe = Probe::start(&self.leaf.host, &self.hub.host);
        probe.wait_until_steady(Duration::from_secs(30));
        assert!(
            probe.tcp_alive(Duration::from_secs(10)),
            "the TCP stream does not start"
        );
        probe
    }

    /// Waits until a keeper has all its links.
    pub(super) fn wait_for_links(&self) {
        for side in [&self.leaf, &self.hub] {
            if side.care == Care::Keeper {
                host::wait_for("all links", Duration::from_secs(30), || {
                    side.status()
                        .is_some_and(|status| status.exit() == Exit::Done)
                });
            }
        }
    }

    pub(super) fn restart_hub(&mut self) {
        self.hub.start(&self.relay, self.links);
    }
}

/// What must hold in keeper mode whatever happens.
pub(super) struct Unchanged {
    pub(super) ifindex: Option<u32>,
}

impl Unchanged {
    pub(super) fn note(world: &World) -> Self {
        let ifindex = world.leaf.ifindex();
        assert!(ifindex.is_some() && world.leaf.has_route());
        Self { ifindex }
    }

    #[track_caller]
    pub(super) fn check(&self, world: &World, probe: &Probe) {
        self.check_interface(world, probe);
        // After a long outage TCP itself waits up to two minutes before it tries again.
        assert!(
            probe.tcp_alive(Duration::from_secs(150)),
            "the TCP stream is dead"
        );
    }

    /// Without waiting for the TCP stream.
    #[track_caller]
    pub(super) fn check_interface(&self, world: &World, probe: &Probe) {
        assert_eq!(
            world.leaf.ifindex(),
            self.ifindex,
            "the interface is another one"
        );
        assert!(world.leaf.has_route(), "the route is gone");
        assert_eq!(
            probe.deletions(),
            Vec::<&str>::new(),
            "something was deleted"
        );
    }
}

pub(super) fn all(world: &World) -> std::ops::Range<usize> {
    0..world.links
}

pub(super) fn now() -> Instant {
    Instant::now()
}
