//! What hangs on an interface that pppd owns, remembered on disk: addresses and routes.
//!
//! Rules that name the interface need nothing: the kernel keeps them while it is gone and ties them
//! to the next one of that name.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use nightshift_common::atomic;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::address::Address;
use crate::net::Netlink;
use crate::route::Route;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Beside the one that pppd negotiated.
    pub addresses: Vec<Address>,
    /// Through the interface, of all tables and both families.
    pub routes: Vec<Route>,
}

impl Snapshot {
    /// Looks at an interface. `negotiated` is pppd's own address, which comes by itself and may be
    /// another one the next time.
    pub fn take(
        netlink: &mut Netlink,
        ifindex: u32,
        negotiated: Option<IpAddr>,
    ) -> io::Result<Self> {
        let addresses = netlink.addresses()?;
        let addresses = addresses
            .iter()
            .filter_map(|message| Address::on(message, ifindex))
            .filter(|address| Some(address.local) != negotiated)
            .collect();
        let mut routes = Vec::new();
        for v6 in [false, true] {
            let messages = netlink.routes(v6)?;
            routes.extend(messages.iter().filter_map(|m| Route::through(m, ifindex)));
        }
        Ok(Self { addresses, routes })
    }

    /// Puts everything back through an interface and returns how much came back. Addresses go
    /// first, because routes may prefer one, and routes with a gateway last.
    pub fn restore(&self, netlink: &mut Netlink, ifindex: u32, bundle: &str) -> usize {
        let mut restored = 0;
        for address in &self.addresses {
            match netlink.apply(&address.restore(ifindex)) {
                Ok(()) => restored += 1,
                Err(error) => {
                    warn!(bundle, %error, "cannot put back the address {address}");
                }
            }
        }
        let (direct, by_gateway): (Vec<&Route>, Vec<&Route>) =
            self.routes.iter().partition(|route| !route.has_gateway());
        for route in direct.into_iter().chain(by_gateway) {
            let mut put = |with_source| netlink.apply(&route.restore(ifindex, with_source));
            match put(true).or_else(|_| put(false)) {
                Ok(()) => restored += 1,
                Err(error) => {
                    warn!(bundle, %error, "cannot put back the route {route}");
                }
            }
        }
        restored
    }

    /// Reads what an earlier supervisor remembered; nothing if there is none, or if it is damaged,
    /// which is said.
    pub fn load(path: &Path, bundle: &str) -> Self {
        let found = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        };
        found.unwrap_or_else(|error| {
            let path = path.display().to_string();
            warn!(bundle, %error, path, "cannot use the remembered addresses and routes, starting anew");
            Self::default()
        })
    }

    /// Writes it to disk; a failure is said, since the interface works without.
    pub fn store(&self, path: &Path, bundle: &str) {
        if let Some(directory) = path.parent() {
            let _ = std::fs::create_dir_all(directory); // replacing the file reports a failure
        }
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        if let Err(error) = atomic::replace_with(path, 0o600, &text) {
            let text = nightshift_common::error::chain(&error);
            warn!(bundle, "addresses and routes are not on disk: {text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_damage_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/classic-dsl.json");
        assert_eq!(Snapshot::load(&path, "dsl"), Snapshot::default());
        let snapshot = Snapshot {
            addresses: vec![Address {
                local: "192.0.2.5".parse().unwrap(),
                peer: None,
                length: 32,
                scope: 0,
                flags: 0,
            }],
            routes: Vec::new(),
        };
        snapshot.store(&path, "dsl");
        assert_eq!(Snapshot::load(&path, "dsl"), snapshot);
        atomic::replace_with(&path, 0o600, b"{\"addresses\": [").unwrap();
        assert_eq!(Snapshot::load(&path, "dsl"), Snapshot::default());
    }
}
