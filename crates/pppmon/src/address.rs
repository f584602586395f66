//! Addresses that people or programs gave an interface beside the one that pppd negotiated.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::net::{AF_INET, AF_INET6, Message, SCOPE_LINK, address, ifa, kind, push_attribute};

/// Length of struct ifaddrmsg.
const FIXED: usize = 8;
/// Not from a router advertisement or another lease.
const FLAG_PERMANENT: u32 = 0x80;
/// What an administrator may have asked for: no duplicate detection (2), home address (0x10), no
/// temporary addresses (0x100), no route for its prefix (0x200), no automatic multicast join
/// (0x400). The other bits are the kernel's notes on its state.
const FLAGS_ASKED: u32 = 0x712;

/// An address, as it is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The interface's own.
    pub local: IpAddr,
    /// That of the other end of a point-to-point address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// Length of its prefix in bits.
    pub length: u8,
    /// Scope, as in linux/rtnetlink.h: 0 is global.
    pub scope: u8,
    /// What an administrator may ask for, as `IFA_F_NOPREFIXROUTE` and its like.
    pub flags: u32,
}

impl Address {
    /// An address worth keeping of this interface.
    pub fn on(message: &Message, ifindex: u32) -> Option<Self> {
        let &[_family, length, flags, scope, ..] = message.body.as_slice() else {
            return None;
        };
        if message.kind != kind::NEW_ADDRESS || message.number(4) != ifindex {
            return None;
        }
        let attributes = message.attributes(FIXED);
        let value = |wanted| {
            let found = attributes.iter().find(|(kind, _)| *kind == wanted);
            found.map(|&(_, value)| value)
        };
        let flags = value(ifa::FLAGS)
            .and_then(|value| value.first_chunk())
            .map_or(u32::from(flags), |bytes| u32::from_ne_bytes(*bytes));
        // Link-local addresses come with the interface.
        if flags & FLAG_PERMANENT == 0 || scope == SCOPE_LINK {
            return None;
        }
        let far = value(ifa::ADDRESS).and_then(address);
        let local = value(ifa::LOCAL).and_then(address).or(far)?;
        Some(Self {
            local,
            peer: far.filter(|&address| address != local),
            length,
            scope,
            flags: flags & FLAGS_ASKED,
        })
    }

    /// The message that puts it back on an interface.
    pub fn restore(&self, ifindex: u32) -> Message {
        let family = if self.local.is_ipv4() {
            AF_INET
        } else {
            AF_INET6
        };
        let mut body = vec![family, self.length, 0, self.scope];
        body.extend(ifindex.to_ne_bytes());
        let mut push = |kind, address: IpAddr| match address {
            IpAddr::V4(address) => push_attribute(&mut body, kind, &address.octets()),
            IpAddr::V6(address) => push_attribute(&mut body, kind, &address.octets()),
        };
        push(ifa::LOCAL, self.local);
        push(ifa::ADDRESS, self.peer.unwrap_or(self.local));
        push_attribute(&mut body, ifa::FLAGS, &self.flags.to_ne_bytes());
        Message {
            kind: kind::NEW_ADDRESS,
            body,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local)?;
        if let Some(peer) = self.peer {
            write!(f, " peer {peer}")?;
        }
        write!(f, "/{}", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(local: &str, peer: Option<&str>) -> Address {
        Address {
            local: local.parse().unwrap(),
            peer: peer.map(|peer| peer.parse().unwrap()),
            length: if local.contains(':') { 64 } else { 32 },
            scope: 0,
            flags: 0x200,
        }
    }

    /// As the kernel would report it, with its own notes among the flags.
    fn reported(address: &Address, ifindex: u32, flags: u32) -> Message {
        let mut message = address.restore(ifindex);
        push_attribute(&mut message.body, 99, &[1]);
        let at = message.body.len() - 8 - 8 + 4;
        message.body[at..at + 4].copy_from_slice(&flags.to_ne_bytes());
        message
    }

    #[test]
    fn an_address_is_put_back_as_it_was() {
        for wanted in [
            address("192.0.2.5", None),
            address("10.0.0.2", Some("10.0.0.1")),
            address("2001:db8::5", None),
        ] {
            let found = Address::on(&reported(&wanted, 7, 0x80 | 0x200), 7).unwrap();
            assert_eq!(found, wanted);
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Address>(&text).unwrap(), wanted);
        }
        let shown = address("10.0.0.2", Some("10.0.0.1")).to_string();
        assert_eq!(shown, "10.0.0.2 peer 10.0.0.1/32");
    }

    #[test]
    fn what_comes_by_itself_is_not_kept() {
        let wanted = address("2001:db8::5", None);
        assert_eq!(Address::on(&reported(&wanted, 7, 0x80), 8), None, "another");
        assert_eq!(Address::on(&reported(&wanted, 7, 0), 7), None, "leased");
        let link_local = Address {
            scope: SCOPE_LINK,
            ..address("fe80::5", None)
        };
        assert_eq!(Address::on(&reported(&link_local, 7, 0x80), 7), None);
    }
}
