//! Several machines on one switch, each a network namespace.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::NetNs;

/// A switch in a namespace of its own. Machines on it reach each other and nothing else; drop
/// them before the switch.
#[derive(Debug)]
pub struct Lan {
    switch: NetNs,
    label: String,
    cables: AtomicU32,
}

impl Lan {
    /// A switch without machines; `label` begins the names of all its namespaces.
    #[track_caller]
    pub fn new(label: &str) -> Self {
        let switch = NetNs::new(&format!("{label}-switch"));
        switch.ip(&["link", "add", "br0", "type", "bridge"]);
        switch.ip(&["link", "set", "br0", "up"]);
        Self {
            switch,
            label: label.to_owned(),
            cables: AtomicU32::new(0),
        }
    }

    /// A new machine with an address such as `10.77.0.1/24`.
    #[track_caller]
    pub fn machine(&self, address: &str) -> NetNs {
        let machine = NetNs::new(&self.label);
        let cable = format!("cable{}", self.cables.fetch_add(1, Ordering::Relaxed));
        // The switch's end needs no address; `connect` wants one, and this one leads nowhere.
        machine.connect(address, &self.switch, "192.0.2.1/32", &cable);
        self.switch.ip(&["link", "set", &cable, "master", "br0"]);
        machine
    }
}
