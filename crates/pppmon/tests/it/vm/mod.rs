//! Scenarios with real pppds on two hosts, joined by lines that can be pulled out.

mod comparison;
mod fakes;
mod host;
mod kernel;
mod probe;
mod relay;
mod scenarios;
mod side;

use std::process::Command;
use std::time::{Duration, Instant};

use host::{HUB, Host, LEAF};
use probe::Probe;
use relay::{End, Relay};
use side::{Care, Side};

/// Two hosts and their lines.
struct World {
    leaf: Side,
    hub: Side,
    relay: Relay,
    links: usize,
}

impl World {
    /// Nothing runs yet.
    fn new(links: usize, leaf: Care, hub: Care) -> Self {
        let modules = ["ppp_generic", "ppp_async", "ppp_synctty", "pppoe", "dummy"];
        let loaded = Command::new("modprobe")
            .arg("-a")
            .args(modules)
            .status()
            .unwrap();
        assert!(loaded.success(), "modprobe {modules:?}");
        Self {
            relay: Relay::new(links),
            leaf: Side::new(Host::new("leaf", LEAF), End::Leaf, leaf),
            hub: Side::new(Host::new("hub", HUB), End::Hub, hub),
            links,
        }
    }

    fn start(&mut self) {
        self.hub.start(&self.relay, self.links);
        self.leaf.start(&self.relay, self.links);
    }

    /// Starts everything and waits until all works.
    fn up(links: usize, leaf: Care, hub: Care) -> (Self, Probe) {
        let mut world = Self::new(links, leaf, hub);
        world.start();
        let probe = world.observe();
        (world, probe)
    }

    /// Waits until packets flow, then observes.
    fn observe(&self) -> Probe {
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
    fn wait_for_links(&self) {
        for side in [&self.leaf, &self.hub] {
            if side.care == Care::Keeper {
                host::wait_for("all links", Duration::from_secs(30), || {
                    side.pppmon(&["status"]).1 == 0
                });
            }
        }
    }

    fn restart_hub(&mut self) {
        self.hub.start(&self.relay, self.links);
    }
}

/// What must hold in keeper mode whatever happens.
struct Unchanged {
    ifindex: Option<u32>,
}

impl Unchanged {
    fn note(world: &World) -> Self {
        let ifindex = world.leaf.ifindex();
        assert!(ifindex.is_some() && world.leaf.has_route());
        Self { ifindex }
    }

    #[track_caller]
    fn check(&self, world: &World, probe: &Probe) {
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
        // After a long outage TCP itself waits up to two minutes before it tries again.
        assert!(
            probe.tcp_alive(Duration::from_secs(150)),
            "the TCP stream is dead"
        );
    }
}

fn all(world: &World) -> std::ops::Range<usize> {
    0..world.links
}

fn now() -> Instant {
    Instant::now()
}
