//! Option negotiation of one control protocol, both directions.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::packet::{Opt, Packet, code, option, options};
use super::{Agreed, Event, Reaction};

/// IPCP option 3: the sender's address (RFC 1332).
const IP_ADDRESS: u8 = 3;
/// IPv6CP option 1: the sender's interface identifier (RFC 5072).
const INTERFACE_ID: u8 = 1;

/// Requests go out this often at first: the peer's end of a link may join a moment after ours,
/// and what it received before that is lost.
const FAST: Duration = Duration::from_millis(100);
/// ... so many times, then once a second.
const FAST_TRIES: u32 = 30;
/// Once the peer has been heard, an answer takes as long as line and peer do, and a request that
/// comes after the peer has opened has it begin anew: longer than most lines take, then doubled.
const HEARD: Duration = Duration::from_millis(300);
const SLOW: Duration = Duration::from_secs(1);
/// A fresh request so soon after both sides agreed was caused by a repeat of ours that was still
/// under way: RFC 1661, 4.3, has the peer negotiate anew then.
const YOUNG: Duration = Duration::from_secs(2);

/// What is negotiated.
#[derive(Debug)]
pub(super) enum Policy {
    /// Addresses of IPv4.
    V4 {
        /// What we ask for ourselves.
        ask: Ipv4Addr,
        /// What the peer must use.
        demand: Option<Ipv4Addr>,
        /// What the peer uses.
        peer: Option<Ipv4Addr>,
    },
    /// Interface identifiers of IPv6.
    V6 {
        /// Ours.
        own: u64,
        /// The peer's.
        peer: Option<u64>,
    },
}

enum Verdict {
    Ack,
    Nak(Vec<u8>),
    Reject(Vec<u8>),
}

impl Policy {
    fn request(&self) -> Vec<u8> {
        match self {
            Self::V4 { ask, .. } => option(IP_ADDRESS, &ask.octets()),
            Self::V6 { own, .. } => option(INTERFACE_ID, &own.to_be_bytes()),
        }
    }

    /// Judges the peer's request; an Ack takes its values over.
    fn judge(&mut self, options: &[Opt<'_>]) -> Verdict {
        let known = |opt: &&Opt<'_>| match self {
            Self::V4 { .. } => opt.kind == IP_ADDRESS && opt.value.len() == 4,
            Self::V6 { .. } => opt.kind == INTERFACE_ID && opt.value.len() == 8,
        };
        let rejected: Vec<u8> = options
            .iter()
            .filter(|o| !known(o))
            .flat_map(|o| o.raw.to_vec())
            .collect();
        if !rejected.is_empty() {
            return Verdict::Reject(rejected);
        }
        let value = options.last().map(|opt| opt.value);
        match self {
            Self::V4 { ask, demand, peer } => {
                let wanted = value
                    .and_then(|v| <[u8; 4]>::try_from(v).ok())
                    .map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from);
                match *demand {
                    Some(demand) if wanted != demand => {
                        return Verdict::Nak(option(IP_ADDRESS, &demand.octets()));
                    }
                    // Nothing to suggest and nothing offered, or our own address: refuse.
                    None if value.is_some() && (wanted.is_unspecified() || wanted == *ask) => {
                        return Verdict::Reject(option(IP_ADDRESS, &wanted.octets()));
                    }
                    _ => {}
                }
                *peer = (!wanted.is_unspecified()).then_some(wanted);
            }
            Self::V6 { own, peer } => {
                let wanted = value
                    .and_then(|v| <[u8; 8]>::try_from(v).ok())
                    .map_or(0, u64::from_be_bytes);
                if wanted == 0 || wanted == *own {
                    // RFC 5072, 4.1: suggest one that differs from both.
                    let suggested = (own.rotate_left(17) ^ 0x5a5a_0f0f_3c3c_0001).max(1);
                    return Verdict::Nak(option(INTERFACE_ID, &suggested.to_be_bytes()));
                }
                *peer = Some(wanted);
            }
        }
        Verdict::Ack
    }

    /// The peer suggests other values for us.
    fn learn(&mut self, options: &[Opt<'_>]) {
        for opt in options {
            match self {
                Self::V4 { ask, .. } if opt.kind == IP_ADDRESS => {
                    if let Ok(octets) = <[u8; 4]>::try_from(opt.value) {
                        *ask = Ipv4Addr::from(octets);
                    }
                }
                Self::V6 { own, .. } if opt.kind == INTERFACE_ID => {
                    if let Ok(bytes) = <[u8; 8]>::try_from(opt.value) {
                        *own = u64::from_be_bytes(bytes).max(1);
                    }
                }
                _ => {}
            }
        }
    }

    fn opened(&self) -> Event {
        match *self {
            Self::V4 { ask, peer, .. } => Event::Opened(Agreed {
                local: (!ask.is_unspecified()).then_some(ask),
                remote: peer,
            }),
            Self::V6 { own, peer } => Event::OpenedV6(own, peer.unwrap_or(0)),
        }
    }
}

/// One protocol.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the two directions are acknowledged independently"
)]
#[derive(Debug)]
pub(super) struct Automaton {
    pub(super) protocol: u16,
    pub(super) policy: Policy,
    running: bool,
    id: u8,
    /// Options are left out once the peer rejects them.
    without_options: bool,
    ours_acked: bool,
    theirs_acked: bool,
    /// Identifier and body of the request we acknowledged last.
    last_acked: Option<(u8, Vec<u8>)>,
    due: Duration,
    tries: u32,
    /// The peer has asked for something since the start.
    heard: bool,
    opened: Duration,
}

impl Automaton {
    pub(super) fn new(protocol: u16, policy: Policy) -> Self {
        Self {
            protocol,
            policy,
            running: false,
            id: 0,
            without_options: false,
            ours_acked: false,
            theirs_acked: false,
            last_acked: None,
            due: Duration::ZERO,
            tries: 0,
            heard: false,
            opened: Duration::ZERO,
        }
    }

    pub(super) fn start(&mut self, now: Duration) {
        self.running = true;
        self.id = self.id.wrapping_add(1);
        self.without_options = false;
        self.ours_acked = false;
        self.theirs_acked = false;
        self.last_acked = None;
        self.due = now;
        self.tries = 0;
        self.heard = false;
    }

    pub(super) fn stop(&mut self) {
        self.running = false;
        self.ours_acked = false;
        self.theirs_acked = false;
    }

    pub(super) fn is_open(&self) -> bool {
        self.running && self.ours_acked && self.theirs_acked
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        (self.running && !self.ours_acked).then_some(self.due)
    }

    /// The request, if one is due. A repeat keeps its identifier, so that a late Ack of an
    /// earlier copy still counts.
    pub(super) fn tick(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.deadline().is_none_or(|due| due > now) {
            return None;
        }
        self.tries += 1;
        let pace = if self.heard {
            HEARD.saturating_mul(1 << (self.tries - 1).min(8)).min(SLOW)
        } else if self.tries < FAST_TRIES {
            FAST
        } else {
            SLOW
        };
        self.due = now + pace;
        self.build(code::REQUEST, self.id, &self.request())
    }

    fn request(&self) -> Vec<u8> {
        if self.without_options {
            Vec::new()
        } else {
            self.policy.request()
        }
    }

    fn build(&self, code: u8, id: u8, body: &[u8]) -> Option<Vec<u8>> {
        Packet { code, id, body }.frame(self.protocol)
    }

    /// Takes a packet; false if it made no sense.
    pub(super) fn receive(
        &mut self,
        packet: &Packet<'_>,
        now: Duration,
        reaction: &mut Reaction,
    ) -> bool {
        let was_open = self.is_open();
        match packet.code {
            code::REQUEST => {
                let Some(options) = options(packet.body) else {
                    return false;
                };
                let repeat = self
                    .last_acked
                    .as_ref()
                    .is_some_and(|(id, body)| *id == packet.id && body == packet.body);
                if was_open && !repeat {
                    if now >= self.opened + YOUNG {
                        reaction.events.push(Event::Restarted);
                        return true;
                    }
                    self.start(now);
                    reaction.events.push(Event::Closed);
                }
                if !self.running {
                    return true;
                }
                if !self.ours_acked {
                    // The peer hears us now and may not have before. Our request goes ahead of our
                    // answer: after it the peer may be open.
                    if !std::mem::replace(&mut self.heard, true) {
                        self.tries = 0;
                    }
                    self.due = now;
                    reaction.send.extend(self.tick(now));
                }
                let (code, body) = match self.policy.judge(&options) {
                    Verdict::Ack => {
                        self.theirs_acked = true;
                        self.last_acked = Some((packet.id, packet.body.to_vec()));
                        (code::ACK, packet.body.to_vec())
                    }
                    Verdict::Nak(body) => (code::NAK, body),
                    Verdict::Reject(body) => (code::REJECT, body),
                };
                reaction.send.extend(self.build(code, packet.id, &body));
            }
            code::ACK => {
                if packet.id == self.id && packet.body == self.request() && self.running {
                    self.ours_acked = true;
                }
            }
            code::NAK | code::REJECT if packet.id == self.id && !self.ours_acked => {
                let Some(options) = options(packet.body) else {
                    return false;
                };
                if packet.code == code::NAK {
                    self.policy.learn(&options);
                } else {
                    self.without_options = true;
                }
                self.id = self.id.wrapping_add(1);
                self.due = now;
                reaction.send.extend(self.tick(now));
            }
            code::TERMINATE => {
                reaction
                    .send
                    .extend(self.build(code::TERMINATE_ACK, packet.id, &[]));
                if self.running {
                    self.start(now + SLOW);
                }
                if was_open {
                    reaction.events.push(Event::Closed);
                }
            }
            code::NAK | code::REJECT | code::TERMINATE_ACK | code::CODE_REJECT => {}
            _ => {
                let copy = self
                    .build(packet.code, packet.id, packet.body)
                    .unwrap_or_default();
                let copy = copy.get(2..).unwrap_or_default();
                let copy = &copy[..copy.len().min(1400)];
                reaction
                    .send
                    .extend(self.build(code::CODE_REJECT, packet.id, copy));
            }
        }
        if self.is_open() && !was_open {
            self.opened = now;
            reaction.events.push(self.policy.opened());
        }
        true
    }
}
