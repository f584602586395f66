//! Which probe goes next: politeness towards other people's networks, decided without a clock or a
//! socket of its own.
//!
//! One probe at a time and one a second per /24 or /48; loopback, private and own networks are
//! exempt. Waiting probes hold no slot.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use std::cmp::Reverse;

/// A network that is treated politely as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Network(u128, bool);

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether `address` is in the block.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(base).checked_shr(shift).unwrap_or(0)
                    == u32::from(address).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(base).checked_shr(shift).unwrap_or(0)
                    == u128::from(address).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }

    /// Every address of the block, or `None` if it has more than `limit`.
    pub(crate) fn addresses(&self, limit: u32) -> Option<Vec<IpAddr>> {
        let width = if self.base.is_ipv4() { 32 } else { 128 };
        let count = 1u32
            .checked_shl(width - u32::from(self.bits))
            .filter(|n| *n <= limit)?;
        let mask = count - 1;
        Some(
            (0..count)
                .map(|n| match self.base {
                    IpAddr::V4(base) => IpAddr::from((u32::from(base) & !mask | n).to_be_bytes()),
                    IpAddr::V6(base) => IpAddr::from(
                        (u128::from(base) & !u128::from(mask) | u128::from(n)).to_be_bytes(),
                    ),
                })
                .collect(),
        )
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address block (example: 192.0.2.0/24)");
        let (base, bits) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_not_an_address| wrong())?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= widest)
            .ok_or_else(wrong)?;
        Ok(Self { base, bits })
    }
}

/// The network of `address`, or `None` if it is exempt.
pub(crate) fn network(address: IpAddr, own: &[Cidr]) -> Option<Network> {
    let exempt = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    if exempt || own.iter().any(|block| block.contains(address)) {
        return None;
    }
    Some(match address {
        IpAddr::V4(v4) => Network(u128::from(u32::from(v4) >> 8), false),
        IpAddr::V6(v6) => Network(u128::from(v6) >> 80, true),
    })
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<J> {
    Run(J, Option<Network>),
    /// Nothing before this moment.
    Wait(Instant),
    /// Nothing is queued; running probes may still queue something.
    Idle,
}

/// Queues of jobs, one per network and one for the exempt.
#[derive(Debug)]
pub(crate) struct Schedule<J> {
    free: VecDeque<J>,
    lanes: HashMap<Network, Lane<J>>,
    ready: BinaryHeap<Reverse<(Instant, Network)>>,
    pause: Duration,
}

#[derive(Debug)]
struct Lane<J> {
    queue: VecDeque<J>,
    busy: bool,
}

impl<J> Schedule<J> {
    /// A schedule that leaves `pause` between two probes of one network.
    pub(crate) fn new(pause: Duration) -> Self {
        Self {
            free: VecDeque::new(),
            lanes: HashMap::new(),
            ready: BinaryHeap::new(),
            pause,
        }
    }

    /// Queues a job.
    pub(crate) fn push(&mut self, job: J, network: Option<Network>, now: Instant) {
        let Some(network) = network else {
            self.free.push_back(job);
            return;
        };
        let lane = self.lanes.entry(network).or_insert_with(|| {
            self.ready.push(Reverse((now, network)));
            Lane {
                queue: VecDeque::new(),
                busy: false,
            }
        });
        lane.queue.push_back(job);
    }

    /// The next job that may run at `now`.
    pub(crate) fn next(&mut self, now: Instant) -> Next<J> {
        if let Some(job) = self.free.pop_front() {
            return Next::Run(job, None);
        }
        while let Some(Reverse((at, network))) = self.ready.peek().copied() {
            if at > now {
                return Next::Wait(at);
            }
            self.ready.pop();
            let Some(lane) = self.lanes.get_mut(&network) else {
                continue;
            };
            if let Some(job) = lane.queue.pop_front() {
                lane.busy = true;
                return Next::Run(job, Some(network));
            }
            // An idle lane whose pause is over is forgotten.
            self.lanes.remove(&network);
        }
        Next::Idle
    }

    /// A job of `network` has ended.
    pub(crate) fn done(&mut self, network: Option<Network>, now: Instant) {
        let Some(network) = network else { return };
        if let Some(lane) = self.lanes.get_mut(&network) {
            lane.busy = false;
            self.ready.push(Reverse((now + self.pause, network)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_network_is_asked_once_a_second_and_one_at_a_time() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut schedule = Schedule::new(second);
        let net = network(address("192.0.2.1"), &[]);
        assert_eq!(net, network(address("192.0.2.200"), &[]));
        for job in 1..=3 {
            schedule.push(job, net, start);
        }
        schedule.push(9, None, start);
        assert_eq!(schedule.next(start), Next::Run(9, None));
        assert_eq!(schedule.next(start), Next::Run(1, net));
        assert_eq!(
            schedule.next(start + 5 * second),
            Next::Idle,
            "one at a time"
        );
        schedule.done(net, start + 5 * second);
        assert_eq!(
            schedule.next(start + 5 * second),
            Next::Wait(start + 6 * second)
        );
        assert_eq!(schedule.next(start + 6 * second), Next::Run(2, net));
    }

    #[test]
    fn other_networks_do_not_wait() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_secs(1));
        let (a, b) = (
            network(address("192.0.2.1"), &[]),
            network(address("198.51.100.1"), &[]),
        );
        schedule.push(1, a, start);
        schedule.push(2, a, start);
        schedule.push(3, b, start);
        let mut ran = Vec::new();
        while let Next::Run(job, _) = schedule.next(start) {
            ran.push(job);
        }
        ran.sort_unstable();
        assert_eq!(ran, [1, 3]);
    }

    #[test]
    fn own_and_private_networks_are_exempt() {
        let own = ["198.51.100.0/24".parse().unwrap()];
        for text in ["127.0.0.1", "10.1.2.3", "::1", "fd00::1", "198.51.100.7"] {
            assert_eq!(network(address(text), &own), None, "{text}");
        }
        assert!(network(address("203.0.113.1"), &own).is_some());
        assert!(network(address("2001:db8::1"), &own).is_some());
    }

    #[test]
    fn blocks_are_listed_up_to_a_limit() {
        let block: Cidr = "192.0.2.5/30".parse().unwrap();
        let all = block.addresses(4096).unwrap();
        assert_eq!(
            (all[0], all[3], all.len()),
            (address("192.0.2.4"), address("192.0.2.7"), 4)
        );
        assert_eq!("10.0.0.0/8".parse::<Cidr>().unwrap().addresses(4096), None);
        for text in ["192.0.2.0", "192.0.2.0/33", "x/8", "::/129"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
