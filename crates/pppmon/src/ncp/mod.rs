//! The network control protocols of a bundle: IPCP and IPv6CP, spoken on the unit.
//!
//! In keeper mode the interface belongs to the supervisor, so the supervisor negotiates its
//! addresses; each pppd does LCP and authentication of its link only. This module is pure: frames
//! and times come in, frames and events go out. Frames come from the peer, so any bytes may come.

pub mod automaton;
pub mod packet;

use std::net::Ipv4Addr;
use std::time::Duration;

use automaton::{Automaton, Policy};
use packet::{Packet, code, protocol};

/// What the configuration says about addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Address to ask for; unspecified lets the peer assign one.
    pub local: Ipv4Addr,
    /// Address the peer must use; `None` accepts the peer's own.
    pub remote: Option<Ipv4Addr>,
    /// Our IPv6 interface identifier; `None` leaves IPv6 out.
    pub interface_id: Option<u64>,
}

/// What the peer and we agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Our IPv4 address.
    pub local: Option<Ipv4Addr>,
    /// The peer's IPv4 address.
    pub remote: Option<Ipv4Addr>,
}

/// Something the bundle acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// IPv4 is open in both directions.
    Opened(Agreed),
    /// IPv6 is open; the identifiers are ours and the peer's.
    OpenedV6(u64, u64),
    /// The peer began anew while we were open: it has restarted.
    Restarted,
    /// The peer closed IPv4; negotiation goes on.
    Closed,
}

/// Frames to write to the unit and what happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// Whole frames, protocol number first.
    pub send: Vec<Vec<u8>>,
    /// In order.
    pub events: Vec<Event>,
}

/// Both protocols of one bundle.
#[derive(Debug)]
pub struct Ncp {
    ipv4: Automaton,
    ipv6: Option<Automaton>,
    reject_id: u8,
    malformed: u64,
    answered: bool,
}

impl Ncp {
    /// Nothing is sent before [`Ncp::start`].
    pub fn new(settings: &Settings) -> Self {
        Self {
            ipv4: Automaton::new(
                protocol::IPCP,
                Policy::V4 {
                    ask: settings.local,
                    demand: settings.remote,
                    peer: None,
                },
            ),
            ipv6: settings
                .interface_id
                .map(|own| Automaton::new(protocol::IPV6CP, Policy::V6 { own, peer: None })),
            reject_id: 0,
            malformed: 0,
            answered: false,
        }
    }

    /// A link has joined an empty unit: negotiate from the beginning, asking for the addresses
    /// of the last time, so that routes which prefer them stay valid.
    pub fn start(&mut self, now: Duration) {
        self.answered = false;
        self.ipv4.start(now);
        if let Some(ipv6) = &mut self.ipv6 {
            ipv6.start(now);
        }
    }

    /// No link is left. Addresses are remembered.
    pub fn stop(&mut self) {
        self.ipv4.stop();
        if let Some(ipv6) = &mut self.ipv6 {
            ipv6.stop();
        }
    }

    /// Whether IPv4 is open in both directions.
    pub fn is_open(&self) -> bool {
        self.ipv4.is_open()
    }

    /// Whether the peer has answered an IPCP request of ours since the start. Requests of its own
    /// prove nothing: it may not hear us.
    pub fn peer_answered(&self) -> bool {
        self.answered
    }

    /// Frames dropped because they made no sense.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Changes the address demanded of the peer, from the next negotiation on.
    pub fn demand(&mut self, remote: Ipv4Addr) {
        if let Policy::V4 { demand, .. } = &mut self.ipv4.policy {
            *demand = Some(remote);
        }
    }

    /// When [`Ncp::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        [
            self.ipv4.deadline(),
            self.ipv6.as_ref().and_then(Automaton::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Sends what is due.
    pub fn tick(&mut self, now: Duration) -> Reaction {
        let mut reaction = Reaction::default();
        reaction.send.extend(self.ipv4.tick(now));
        if let Some(ipv6) = &mut self.ipv6 {
            reaction.send.extend(ipv6.tick(now));
        }
        reaction
    }

    /// Takes one frame read from the unit.
    pub fn receive(&mut self, frame: &[u8], now: Duration) -> Reaction {
        let mut reaction = Reaction::default();
        let Some((&[high, low], rest)) = frame.split_first_chunk() else {
            self.malformed += 1;
            return reaction;
        };
        let automaton = match u16::from_be_bytes([high, low]) {
            protocol::MARKER => return reaction,
            protocol::IPCP => Some(&mut self.ipv4),
            protocol::IPV6CP => self.ipv6.as_mut(),
            _ => None,
        };
        match automaton {
            None => reaction.send.extend(self.protocol_reject(frame)),
            Some(automaton) => match Packet::parse(rest) {
                None => self.malformed += 1,
                Some(packet) => {
                    if !automaton.receive(&packet, now, &mut reaction) {
                        self.malformed += 1;
                    }
                    let answer = matches!(packet.code, code::ACK | code::NAK | code::REJECT);
                    if answer && automaton.protocol == protocol::IPCP {
                        self.answered = true;
                    }
                }
            },
        }
        reaction
    }

    fn protocol_reject(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        self.reject_id = self.reject_id.wrapping_add(1);
        // RFC 1661, 5.7: the rejected frame from its protocol on, cut to what fits.
        let body = &frame[..frame.len().min(1400)];
        Packet {
            code: code::PROTOCOL_REJECT,
            id: self.reject_id,
            body,
        }
        .frame(protocol::LCP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: Duration = Duration::ZERO;

    fn leaf() -> Ncp {
        Ncp::new(&Settings {
            local: Ipv4Addr::UNSPECIFIED,
            remote: None,
            interface_id: Some(1),
        })
    }

    fn hub() -> Ncp {
        Ncp::new(&Settings {
            local: Ipv4Addr::new(10, 0, 0, 1),
            remote: Some(Ipv4Addr::new(10, 0, 0, 2)),
            interface_id: Some(2),
        })
    }

    /// Lets two ends talk until both are silent; returns their events.
    fn converse(a: &mut Ncp, b: &mut Ncp, mut lose: impl FnMut() -> bool) -> [Vec<Event>; 2] {
        let mut events = [Vec::new(), Vec::new()];
        let mut now = T0;
        a.start(now);
        b.start(now);
        for _ in 0..400 {
            let mut to_b = a.tick(now).send;
            let mut to_a = b.tick(now).send;
            while !(to_a.is_empty() && to_b.is_empty()) {
                let mut next_a = Vec::new();
                let mut next_b = Vec::new();
                for frame in to_b.drain(..).filter(|_| !lose()) {
                    let reaction = b.receive(&frame, now);
                    next_a.extend(reaction.send);
                    events[1].extend(reaction.events);
                }
                for frame in to_a.drain(..).filter(|_| !lose()) {
                    let reaction = a.receive(&frame, now);
                    next_b.extend(reaction.send);
                    events[0].extend(reaction.events);
                }
                to_a = next_a;
                to_b = next_b;
            }
            now += Duration::from_millis(100);
        }
        events
    }

    #[test]
    fn a_leaf_gets_its_address_from_the_hub() {
        let (mut leaf, mut hub) = (leaf(), hub());
        let [at_leaf, at_hub] = converse(&mut leaf, &mut hub, || false);
        let opened = at_leaf.iter().find_map(|event| match event {
            Event::Opened(agreed) => Some(*agreed),
            _ => None,
        });
        assert_eq!(
            opened,
            Some(Agreed {
                local: Some(Ipv4Addr::new(10, 0, 0, 2)),
                remote: Some(Ipv4Addr::new(10, 0, 0, 1)),
            })
        );
        assert!(at_leaf.contains(&Event::OpenedV6(1, 2)), "{at_leaf:?}");
        assert!(at_hub.contains(&Event::OpenedV6(2, 1)));
        assert!(leaf.is_open() && hub.is_open());
        assert!(!at_leaf.contains(&Event::Restarted) && !at_hub.contains(&Event::Restarted));
    }

    #[test]
    fn a_request_while_open_is_a_restarted_peer_unless_it_is_a_repeat() {
        let (mut leaf, mut hub) = (leaf(), hub());
        converse(&mut leaf, &mut hub, || false);
        let mut fresh = self::leaf();
        fresh.start(T0);
        let frame = fresh.tick(T0).send.remove(0);
        let reaction = hub.receive(&frame, Duration::from_mins(1));
        assert_eq!(reaction.events, [Event::Restarted]);
    }

    /// A peer that follows RFC 1661 to the letter goes back to negotiating when a request comes
    /// while it is open; ours may still be under way then.
    #[test]
    fn a_late_repeat_of_ours_does_not_make_the_peer_a_restarted_one() {
        let mut leaf = leaf();
        leaf.start(T0);
        let request = leaf.tick(T0).send.remove(0);
        let packet = |frame: &[u8]| {
            let packet = Packet::parse(&frame[2..]).unwrap();
            (packet.code, packet.id, packet.body.to_vec())
        };
        let frame = |code, id, body: &[u8]| {
            let packet = Packet { code, id, body };
            packet.frame(protocol::IPCP).unwrap()
        };
        let (_, ours, body) = packet(&request);
        let address = [3, 6, 10, 0, 0, 1];
        let reaction = leaf.receive(&frame(code::REQUEST, 7, &address), T0);
        let sent: Vec<u8> = reaction.send.iter().map(|f| packet(f).0).collect();
        assert_eq!(sent, [code::REQUEST, code::ACK], "the request goes first");
        let quiet = Duration::from_secs(2);
        let due = |n: &u64| leaf.ipv4.tick(Duration::from_millis(n * 100)).is_some();
        let repeats: Vec<u64> = (1..=20).filter(due).collect();
        assert_eq!(repeats, [3, 9, 19], "few follow");

        let reaction = leaf.receive(&frame(code::ACK, ours, &body), quiet);
        assert!(matches!(reaction.events[..], [Event::Opened(_)]));
        let reaction = leaf.receive(&frame(code::REQUEST, 8, &address), quiet);
        assert_eq!(reaction.events, [Event::Closed]);
        let again = packet(&reaction.send[0]);
        assert_eq!(again.0, code::REQUEST);
        let reaction = leaf.receive(&frame(code::ACK, again.1, &again.2), quiet);
        assert!(matches!(reaction.events[..], [Event::Opened(_)]));
    }

    #[test]
    fn unknown_protocols_are_rejected_and_markers_ignored() {
        let mut hub = hub();
        let ccp = [0x80, 0xfd, 1, 1, 0, 4];
        let reaction = hub.receive(&ccp, T0);
        assert_eq!(
            reaction.send,
            [[&[0xc0, 0x21, 8, 1, 0, 10], ccp.as_slice()].concat()],
            "LCP Protocol-Reject with the frame from its protocol on"
        );
        assert_eq!(hub.receive(&[0xc0, 0x57, 1, 2, 3], T0), Reaction::default());
    }

    #[test]
    fn compression_and_name_servers_are_rejected() {
        let mut hub = hub();
        hub.start(T0);
        // VJ compression, the address demanded, primary DNS.
        let body = [2, 6, 0, 0x2d, 15, 1, 3, 6, 10, 0, 0, 2, 129, 6, 0, 0, 0, 0];
        let frame = Packet {
            code: 1,
            id: 9,
            body: &body,
        }
        .frame(protocol::IPCP)
        .unwrap();
        let reaction = hub.receive(&frame, T0);
        let answer = Packet::parse(&reaction.send[1][2..]).unwrap();
        assert_eq!((answer.code, answer.id), (code::REJECT, 9));
        assert_eq!(answer.body, [2, 6, 0, 0x2d, 15, 1, 129, 6, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            frames in proptest::collection::vec(
                (prop_oneof![Just(0x8021u16), Just(0x8057), any::<u16>()],
                 proptest::collection::vec(any::<u8>(), 0..40)), 0..60),
        ) {
            let mut hub = hub();
            hub.start(T0);
            for (protocol, rest) in frames {
                let frame = [protocol.to_be_bytes().as_slice(), &rest].concat();
                for answer in hub.receive(&frame, T0).send {
                    prop_assert!(answer.len() <= frame.len() + 30);
                }
            }
        }

        #[test]
        fn two_ends_agree_whatever_gets_lost(seed: u64) {
            let mut jitter = crate::backoff::Jitter::new(seed);
            let (mut leaf, mut hub) = (leaf(), hub());
            converse(&mut leaf, &mut hub, || jitter.below(3) == 0);
            prop_assert!(leaf.is_open() && hub.is_open());
        }
    }
}
