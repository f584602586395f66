//! Interfaces, addresses and routes, by netlink.
//!
//! Requests wait for the kernel's acknowledgement, which comes at once; a second socket hears what
//! others change. Messages are built and taken apart here, because we need few of them, and whole
//! routes as the kernel gave them for classic mode.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::prefix::Prefix;

/// Message types of linux/rtnetlink.h.
pub mod kind {
    /// A link appeared or changed.
    pub const NEW_LINK: u16 = 16;
    /// A link went.
    pub const DEL_LINK: u16 = 17;
    /// Asks for a link.
    pub const GET_LINK: u16 = 18;
    /// An address appeared.
    pub const NEW_ADDRESS: u16 = 20;
    /// An address went.
    pub const DEL_ADDRESS: u16 = 21;
    /// Asks for addresses.
    pub const GET_ADDRESS: u16 = 22;
    /// A route appeared.
    pub const NEW_ROUTE: u16 = 24;
    /// A route went.
    pub const DEL_ROUTE: u16 = 25;
    /// Asks for routes.
    pub const GET_ROUTE: u16 = 26;
}

const ERROR: u16 = 2;
const DONE: u16 = 3;

const F_REQUEST: u16 = 1;
const F_ACK: u16 = 4;
const F_ROOT_MATCH: u16 = 0x300;
const F_REPLACE: u16 = 0x100;
const F_EXCL: u16 = 0x200;
const F_CREATE: u16 = 0x400;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_STATS64: u16 = 23;
const IFLA_INFO_KIND: u16 = 1;
/// Attribute numbers of addresses.
pub mod ifa {
    /// The address, or that of the other end of a point-to-point interface.
    pub const ADDRESS: u16 = 1;
    /// The interface's own address, where the two differ.
    pub const LOCAL: u16 = 2;
    /// All flags; the fixed part has room for eight.
    pub const FLAGS: u16 = 8;
}
/// Attribute numbers of routes.
pub mod rta {
    /// Destination.
    pub const DST: u16 = 1;
    /// Outgoing interface.
    pub const OIF: u16 = 4;
    /// Gateway.
    pub const GATEWAY: u16 = 5;
    /// Metric.
    pub const PRIORITY: u16 = 6;
}

const IFF_UP: u32 = 1;
pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_STATIC: u8 = 4;
pub(crate) const SCOPE_LINK: u8 = 253;
const TYPE_UNICAST: u8 = 1;

/// One netlink message without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// A number of [`kind`].
    pub kind: u16,
    /// Fixed part and attributes.
    pub body: Vec<u8>,
}

impl Message {
    /// Attributes after a fixed part of this length. Broken lengths end the list.
    pub fn attributes(&self, fixed: usize) -> Vec<(u16, &[u8])> {
        attributes(self.body.get(fixed..).unwrap_or_default())
    }

    /// A native-endian number in the fixed part.
    pub fn number(&self, at: usize) -> u32 {
        word(self.body.get(at..).unwrap_or_default())
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk::<4>()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let &[a, b, c, d, ..] = bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & 0x3fff;
        let Some(value) = bytes.get(4..length) else {
            break;
        };
        found.push((kind, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The address in an attribute, by its length; `None` if it is none of both families.
pub fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    let v6 = || <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into());
    v4.or_else(|_| v6()).ok()
}

/// Appends an attribute.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Splits a datagram into messages. Broken lengths end the list.
fn messages(mut bytes: &[u8]) -> Vec<(u32, Message)> {
    let mut found = Vec::new();
    while bytes.len() >= 16 {
        let length = word(bytes) as usize;
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let sequence = word(&bytes[8..]);
        let Some(body) = bytes.get(16..length) else {
            break;
        };
        found.push((
            sequence,
            Message {
                kind,
                body: body.to_vec(),
            },
        ));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Bytes received and sent.
    pub bytes: (u64, u64),
    /// Packets received, and packets dropped on receive.
    pub packets: (u64, u64),
}

fn interface(message: &Message) -> Interface {
    let mut found = Interface {
        index: message.number(4),
        name: String::new(),
        up: message.number(8) & IFF_UP != 0,
        bytes: (0, 0),
        packets: (0, 0),
    };
    for (kind, value) in message.attributes(16) {
        match kind {
            IFLA_IFNAME => {
                let name = String::from_utf8_lossy(value);
                name.trim_end_matches('\0').clone_into(&mut found.name);
            }
            IFLA_STATS64 => {
                // struct rtnl_link_stats64: rx and tx packets, rx and tx bytes, rx and tx errors,
                // rx and tx dropped.
                let field = |n: usize| {
                    let bytes = value.get(8 * n..).unwrap_or_default();
                    bytes
                        .first_chunk::<8>()
                        .map_or(0, |bytes| u64::from_ne_bytes(*bytes))
                };
                found.bytes = (field(2), field(3));
                found.packets = (field(0), field(6));
            }
            _ => {}
        }
    }
    found
}

/// A socket for requests.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

fn open(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | flags,
        None, // NETLINK_ROUTE is number 0
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

impl Netlink {
    /// Opens the socket.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            socket: open(0, SocketFlags::empty())?,
            sequence: 0,
        })
    }

    /// Sends one request and collects the answer up to its acknowledgement or end.
    fn request(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<Message>> {
        self.sequence = self.sequence.wrapping_add(1);
        let dump = flags & F_ROOT_MATCH == F_ROOT_MATCH && kind % 4 == 2;
        let flags = F_REQUEST | flags | if dump { 0 } else { F_ACK };
        let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
        let mut request = Vec::with_capacity(16 + body.len());
        request.extend(length.to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend(flags.to_ne_bytes());
        request.extend(self.sequence.to_ne_bytes());
        request.extend(0u32.to_ne_bytes());
        request.extend(body);
        rustix::net::send(&self.socket, &request, SendFlags::empty())?;

        let mut answers = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (length, _) =
                rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty())?;
            for (sequence, message) in messages(&buffer[..length]) {
                if sequence != self.sequence {
                    continue;
                }
                match message.kind {
                    ERROR => {
                        let code = message.number(0).cast_signed();
                        return if code == 0 {
                            Ok(answers)
                        } else {
                            Err(io::Error::from_raw_os_error(-code))
                        };
                    }
                    DONE => return Ok(answers),
                    _ => answers.push(message),
                }
            }
        }
    }

    fn link_request(&mut self, index: u32, up: bool, attributes: &[u8]) -> io::Result<()> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        let flags = if up { IFF_UP } else { 0 };
        body.extend(flags.to_ne_bytes());
        body.extend(flags.to_ne_bytes()); // which flags change
        body.extend(attributes);
        self.request(kind::NEW_LINK, 0, &body).map(drop)
    }

    /// Switches an interface on and sets its MTU.
    pub fn set_up(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        let mut attributes = Vec::new();
        push_attribute(&mut attributes, IFLA_MTU, &mtu.to_ne_bytes());
        self.link_request(index, true, &attributes)
    }

    /// Renames an interface that is down.
    pub fn rename(&mut self, index: u32, name: &str) -> io::Result<()> {
        let mut attributes = Vec::new();
        push_attribute(
            &mut attributes,
            IFLA_IFNAME,
            &[name.as_bytes(), &[0]].concat(),
        );
        self.link_request(index, false, &attributes)
    }

    /// Makes a dummy device, switched on.
    pub fn add_dummy(&mut self, name: &str, mtu: u32) -> io::Result<()> {
        let mut body = vec![0; 8];
        body.extend(IFF_UP.to_ne_bytes());
        body.extend(IFF_UP.to_ne_bytes());
        push_attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        push_attribute(&mut body, IFLA_MTU, &mtu.to_ne_bytes());
        let mut info = Vec::new();
        push_attribute(&mut info, IFLA_INFO_KIND, b"dummy");
        push_attribute(&mut body, IFLA_LINKINFO, &info);
        self.request(kind::NEW_LINK, F_CREATE | F_EXCL, &body)
            .map(drop)
    }

    /// Removes an interface.
    pub fn delete_link(&mut self, name: &str) -> io::Result<()> {
        let mut body = vec![0; 16];
        push_attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        self.request(kind::DEL_LINK, 0, &body).map(drop)
    }

    /// An interface by name; `None` if there is none.
    pub fn interface(&mut self, name: &str) -> io::Result<Option<Interface>> {
        let mut body = vec![0; 16];
        push_attribute(&mut body, IFLA_IFNAME, &[name.as_bytes(), &[0]].concat());
        self.get_link(&body)
    }

    /// An interface by index; `None` if there is none.
    pub fn interface_at(&mut self, index: u32) -> io::Result<Option<Interface>> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend([0; 8]);
        self.get_link(&body)
    }

    fn get_link(&mut self, body: &[u8]) -> io::Result<Option<Interface>> {
        match self.request(kind::GET_LINK, 0, body) {
            Ok(messages) => Ok(messages.first().map(interface)),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives an interface its IPv4 address and that of the peer. An address that is there already
    /// stays as it is: removing one would remove routes that prefer it.
    pub fn add_address(&mut self, index: u32, local: Ipv4Addr, peer: Ipv4Addr) -> io::Result<()> {
        let mut body = vec![AF_INET, 32, 0, 0];
        body.extend(index.to_ne_bytes());
        push_attribute(&mut body, ifa::LOCAL, &local.octets());
        push_attribute(&mut body, ifa::ADDRESS, &peer.octets());
        self.request(kind::NEW_ADDRESS, F_CREATE | F_REPLACE, &body)
            .map(drop)
    }

    /// Gives an interface an IPv6 link-local address.
    pub fn add_link_local(&mut self, index: u32, identifier: u64) -> io::Result<()> {
        let address = Ipv6Addr::from((0xfe80_u128 << 112) | u128::from(identifier));
        let mut body = vec![AF_INET6, 64, 0, SCOPE_LINK];
        body.extend(index.to_ne_bytes());
        push_attribute(&mut body, ifa::ADDRESS, &address.octets());
        self.request(kind::NEW_ADDRESS, F_CREATE | F_REPLACE, &body)
            .map(drop)
    }

    /// Removes an IPv4 address.
    pub fn delete_address(&mut self, index: u32, local: Ipv4Addr) -> io::Result<()> {
        let mut body = vec![AF_INET, 32, 0, 0];
        body.extend(index.to_ne_bytes());
        push_attribute(&mut body, ifa::LOCAL, &local.octets());
        self.request(kind::DEL_ADDRESS, 0, &body).map(drop)
    }

    /// Adds a route through an interface.
    pub fn add_route(&mut self, index: u32, prefix: Prefix) -> io::Result<()> {
        let (family, octets) = match prefix.address {
            IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
            IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
        };
        let mut body = vec![
            family,
            prefix.length,
            0,
            0,
            TABLE_MAIN,
            PROTOCOL_STATIC,
            SCOPE_LINK,
            TYPE_UNICAST,
        ];
        body.extend(0u32.to_ne_bytes());
        if prefix.length > 0 {
            push_attribute(&mut body, rta::DST, &octets);
        }
        push_attribute(&mut body, rta::OIF, &index.to_ne_bytes());
        self.request(kind::NEW_ROUTE, F_CREATE | F_REPLACE, &body)
            .map(drop)
    }

    /// Sends a whole route, address or similar message.
    pub fn apply(&mut self, message: &Message) -> io::Result<()> {
        let flags = match message.kind {
            kind::DEL_LINK | kind::DEL_ADDRESS | kind::DEL_ROUTE => 0,
            _ => F_CREATE | F_REPLACE,
        };
        self.request(message.kind, flags, &message.body).map(drop)
    }

    /// All routes of a family.
    pub fn routes(&mut self, v6: bool) -> io::Result<Vec<Message>> {
        let mut body = vec![if v6 { AF_INET6 } else { AF_INET }];
        body.resize(12, 0);
        self.request(kind::GET_ROUTE, F_ROOT_MATCH, &body)
    }

    /// All addresses of all interfaces.
    pub fn addresses(&mut self) -> io::Result<Vec<Message>> {
        self.request(kind::GET_ADDRESS, F_ROOT_MATCH, &[0; 8])
    }
}

/// A socket that hears changes of links, addresses and routes.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
}

impl Monitor {
    /// Opens the socket.
    pub fn open() -> io::Result<Self> {
        // RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE
        let groups = 1 | 0x10 | 0x40 | 0x100 | 0x400;
        Ok(Self {
            socket: open(groups, SocketFlags::NONBLOCK)?,
        })
    }

    /// What has been heard. `None`: something was missed, look at everything anew.
    pub fn read(&self) -> io::Result<Option<Vec<Message>>> {
        let mut buffer = vec![0; 64 * 1024];
        let mut all = Vec::new();
        loop {
            match rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((length, _)) => {
                    all.extend(messages(&buffer[..length]).into_iter().map(|(_, m)| m));
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(Some(all)),
                Err(rustix::io::Errno::NOBUFS) => return Ok(None),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn attributes_round_trip(values in proptest::collection::vec((0u16..0x3fff, proptest::collection::vec(any::<u8>(), 0..40)), 0..8)) {
            let mut body = Vec::new();
            for (kind, value) in &values {
                push_attribute(&mut body, *kind, value);
            }
            let found: Vec<_> = attributes(&body).into_iter().map(|(k, v)| (k, v.to_vec())).collect();
            prop_assert_eq!(found, values);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (_, message) in messages(&bytes) {
                let _ = interface(&message);
                let _ = message.attributes(12);
            }
        }
    }
}
