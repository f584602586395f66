//! What a bundle gives to the network: its interface, addresses, routes, hooks.

use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use nightshift_common::escape::Escaped;
use tracing::{debug, error, warn};

use super::{Keeper, Shared};
use crate::config::BundleSettings;
use crate::ncp::Agreed;
use crate::net::Netlink;
use crate::unit::Unit;

impl Keeper {
    pub(super) fn set_addresses(&mut self, agreed: Agreed, shared: &mut Shared) {
        let (Some(local), Some(remote)) = (agreed.local, agreed.remote) else {
            warn!(
                bundle = self.settings.name,
                ?agreed,
                "the peer agreed to no usable addresses"
            );
            return;
        };
        let index = self.ifindex;
        match shared.netlink.add_address(index, local, remote) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
            Err(error) => {
                error!(bundle = self.settings.name, %error, "cannot set the address {local}");
            }
        }
        // An address of another time goes last, so that routes which prefer the new one live on.
        let mut changed = false;
        if let Ok(messages) = shared.netlink.addresses() {
            for message in messages {
                if message.number(4) != index || message.body.first() != Some(&2) {
                    continue;
                }
                let other = message
                    .attributes(8)
                    .into_iter()
                    .find(|(kind, _)| *kind == 2)
                    .and_then(|(_, value)| <[u8; 4]>::try_from(value).ok())
                    .map(Ipv4Addr::from);
                if let Some(other) = other
                    && other != local
                {
                    warn!(
                        bundle = self.settings.name,
                        "the address {other} became {local}"
                    );
                    let _ = shared.netlink.delete_address(index, other);
                    changed = true;
                }
            }
        }
        if changed {
            // Where the kernel would not promote the new address it went with the old one, and the
            // routes with both.
            let _ = shared.netlink.add_address(index, local, remote);
            self.put_routes(shared);
        }
    }

    pub(super) fn put_routes(&self, shared: &mut Shared) {
        for prefix in &self.settings.routes {
            if let Err(error) = shared.netlink.add_route(self.ifindex, *prefix) {
                error!(bundle = self.settings.name, %error, "cannot add the route {prefix}");
            }
        }
    }

    /// Runs an administrator's command and does not wait for it.
    pub(super) fn run_hook(&self, event: &str, command: Option<&[String]>) {
        let Some((program, arguments)) = command.and_then(<[String]>::split_first) else {
            return;
        };
        let address =
            |a: Option<Ipv4Addr>| a.map(|address| address.to_string()).unwrap_or_default();
        let agreed = self.bundle.agreed();
        let spawned = Command::new(program)
            .args(arguments)
            .env("PPPMON_BUNDLE", &self.settings.name)
            .env("PPPMON_EVENT", event)
            .env("PPPMON_INTERFACE", &self.ifname)
            .env("PPPMON_LOCAL", address(agreed.local))
            .env("PPPMON_REMOTE", address(agreed.remote))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        match spawned {
            // Only to reap it; the supervisor itself stays single-threaded.
            Ok(mut child) => {
                let _ = std::thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn(move || child.wait().map(drop));
            }
            Err(error) => {
                let program = Escaped::text(program).to_string();
                error!(bundle = self.settings.name, %error, "cannot run the {event} hook {program}");
            }
        }
    }
}

/// Names the interface, switches it on and sets its MTU; all once, it is never switched off.
pub(super) fn set_up_interface(
    unit: &Unit,
    settings: &BundleSettings,
    netlink: &mut Netlink,
) -> io::Result<(u32, String)> {
    let made = format!("ppp{}", unit.number());
    let missing = || io::Error::from_raw_os_error(libc::ENODEV);
    let wanted = settings.ifname.clone().unwrap_or_else(|| made.clone());
    let interface = match netlink.interface(&made)? {
        Some(interface) => interface,
        // Taken over after it was renamed.
        None => netlink.interface(&wanted)?.ok_or_else(missing)?,
    };
    if interface.name != wanted {
        netlink.rename(interface.index, &wanted)?;
    }
    netlink.set_up(interface.index, settings.mrru)?;
    // A new address with the same peer is secondary to the old one, and would go with it.
    let promote = format!("/proc/sys/net/ipv4/conf/{wanted}/promote_secondaries");
    if let Err(error) = File::options()
        .write(true)
        .open(promote)
        .and_then(|mut file| file.write_all(b"1"))
    {
        debug!(bundle = settings.name, %error, "addresses are not promoted");
    }
    Ok((interface.index, wanted))
}
