//! The ping watchdog: when nobody answers for too long, links are replaced, then bundles, then
//! the machine is restarted, in the order configured.
//!
//! [`Watchdog`] decides and knows no clock, socket or file; [`Pinger`], [`Device`] and [`Reboots`]
//! do. Time counts from the start of the supervisor: until the first answer the longer boot
//! timeout holds, because lines take their time after a power cut.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nightshift_common::atomic;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use serde::{Deserialize, Serialize};

use crate::config::{Step, WatchdogSettings};
use crate::sys;

/// Decides when to act.
#[derive(Debug)]
pub struct Watchdog {
    timeout: Duration,
    boot_timeout: Duration,
    interval: Duration,
    steps: Vec<Step>,
    heard: bool,
    quiet_since: Duration,
    next_step: usize,
    ping_due: Duration,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ask everybody.
    Ping,
    /// Nobody has answered for too long.
    Act(Step),
}

impl Watchdog {
    /// Silence counts from `now`.
    pub fn new(settings: &WatchdogSettings, now: Duration) -> Self {
        Self {
            timeout: settings.timeout,
            boot_timeout: settings.boot_timeout,
            interval: settings.interval,
            steps: settings.action.clone(),
            heard: false,
            quiet_since: now,
            next_step: 0,
            ping_due: now,
        }
    }

    /// Somebody answered; says whether this is the first answer, from which on the shorter timeout
    /// counts.
    pub fn answered(&mut self, now: Duration) -> bool {
        let first = !std::mem::replace(&mut self.heard, true);
        self.quiet_since = now;
        self.next_step = 0;
        first
    }

    fn alarm(&self) -> Duration {
        self.quiet_since
            + if self.heard {
                self.timeout
            } else {
                self.boot_timeout
            }
    }

    /// When [`Watchdog::tick`] has something to do.
    pub fn deadline(&self) -> Duration {
        self.ping_due.min(self.alarm())
    }

    /// Whether it is content, so that a hardware watchdog may be fed.
    pub fn is_content(&self, now: Duration) -> bool {
        now < self.alarm()
    }

    /// Time has passed. Each step gets a whole timeout to help before the next one is taken; the
    /// last is repeated.
    pub fn tick(&mut self, now: Duration) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.ping_due <= now {
            self.ping_due = now + self.interval;
            orders.push(Order::Ping);
        }
        if self.alarm() <= now {
            let last = self.steps.len().saturating_sub(1);
            if let Some(&step) = self.steps.get(self.next_step.min(last)) {
                orders.push(Order::Act(step));
            }
            self.next_step = (self.next_step + 1).min(last);
            self.quiet_since = now;
        }
        orders
    }
}

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;

/// Sends ICMP echo requests and recognises the answers.
#[derive(Debug)]
pub struct Pinger {
    socket: OwnedFd,
    id: u16,
    sequence: u16,
    targets: Vec<Ipv4Addr>,
}

impl Pinger {
    /// Opens the socket; needs `CAP_NET_RAW`.
    pub fn new(targets: &[Ipv4Addr]) -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(ipproto::ICMP),
        )?;
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let id = u16::from_be_bytes([high, low]);
        Ok(Self {
            socket,
            id,
            sequence: 0,
            targets: targets.to_vec(),
        })
    }

    /// Asks everybody. An unreachable one is as silent as a dead one.
    pub fn ask(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let packet = echo(ECHO_REQUEST, self.id, self.sequence);
        for &target in &self.targets {
            let to = SocketAddrV4::new(target, 0);
            let _ = rustix::net::sendto(&self.socket, &packet, SendFlags::empty(), &to);
        }
    }

    /// Whether an answer of one of them has come.
    pub fn heard(&self) -> bool {
        let mut heard = false;
        let mut buffer = [0; 1500];
        while let Ok((length, _)) =
            rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty())
        {
            heard |= answer(&buffer[..length])
                .is_some_and(|(from, id)| id == self.id && self.targets.contains(&from));
        }
        heard
    }
}

impl AsFd for Pinger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An ICMP echo packet.
fn echo(kind: u8, id: u16, sequence: u16) -> Vec<u8> {
    let mut packet = vec![kind, 0, 0, 0];
    packet.extend(id.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(b"pppmon  ");
    let mut sum: u32 = packet
        .chunks(2)
        .map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap_or(0);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Sender and identifier of an echo reply, from a whole IP packet.
fn answer(packet: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let header = usize::from(*packet.first()? & 0x0f) * 4;
    let from = <[u8; 4]>::try_from(packet.get(12..16)?).ok()?;
    let icmp = packet.get(header..)?;
    let &[kind, _, _, _, high, low, ..] = icmp else {
        return None;
    };
    (kind == ECHO_REPLY && header >= 20)
        .then(|| (Ipv4Addr::from(from), u16::from_be_bytes([high, low])))
}

/// A hardware watchdog that restarts the machine when it is not fed.
#[derive(Debug)]
pub struct Device {
    file: File,
    starving: bool,
}

impl Device {
    /// Opens it, which arms it.
    pub fn open(path: &Path, timeout: Duration) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        let seconds = u32::try_from(timeout.as_secs())
            .unwrap_or(u32::MAX)
            .clamp(10, 60);
        // Some devices have a fixed timeout; feeding goes on often enough for those too.
        let _ = sys::watchdog_set_timeout(&file, seconds);
        Ok(Self {
            file,
            starving: false,
        })
    }

    /// From now on the machine restarts by itself: within a second if the device can count that
    /// short, otherwise within its own time.
    pub fn starve(&mut self) {
        self.starving = true;
        let _ = sys::watchdog_set_timeout(&self.file, 1);
    }

    /// Whether it is starved.
    pub fn is_starving(&self) -> bool {
        self.starving
    }

    /// All is well.
    pub fn feed(&self) {
        if !self.starving {
            let _ = sys::watchdog_keep_alive(&self.file);
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if !self.starving {
            // The magic character disarms it: the supervisor was told to end.
            let _ = self.file.write(b"V");
        }
    }
}

/// One restart of the machine by us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reboot {
    boot: String,
    time: u64,
}

/// The restarts of the last hour, on disk: a machine that restarts again and again helps nobody.
#[derive(Debug)]
pub struct Reboots {
    path: PathBuf,
    max_per_hour: u32,
}

/// Whether one more is allowed. A clock that has gone back makes an entry look like the future's;
/// it counts as inside the hour.
fn allowed(reboots: &[Reboot], now: u64, max_per_hour: u32) -> bool {
    let recent = reboots
        .iter()
        .filter(|reboot| reboot.time > now.saturating_sub(3600))
        .count();
    recent < max_per_hour as usize
}

impl Reboots {
    /// Kept in this directory.
    pub fn new(state_dir: &Path, max_per_hour: u32) -> Self {
        Self {
            path: state_dir.join("reboots.json"),
            max_per_hour,
        }
    }

    /// Notes a restart, durably, if one more is allowed. A damaged list allows none: nobody can
    /// tell how often we have been here.
    pub fn note(&self) -> Result<bool, atomic::Error> {
        let mut reboots: Vec<Reboot> = match std::fs::read(&self.path) {
            Ok(text) => match serde_json::from_slice(&text) {
                Ok(reboots) => reboots,
                Err(_) => return Ok(false),
            },
            Err(_) => Vec::new(),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        if !allowed(&reboots, now, self.max_per_hour) {
            return Ok(false);
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        reboots.retain(|reboot| reboot.time > now.saturating_sub(86_400));
        reboots.push(Reboot {
            boot: boot.trim().to_owned(),
            time: now,
        });
        if let Some(directory) = self.path.parent() {
            let _ = std::fs::create_dir_all(directory); // replacing the file reports a failure
        }
        let text = serde_json::to_vec_pretty(&reboots).unwrap_or_default();
        atomic::replace_with(&self.path, 0o644, &text)?;
        Ok(true)
    }
}

/// Restarts the machine at once, after writing disks out.
pub fn reboot() -> io::Result<()> {
    rustix::fs::sync();
    Ok(rustix::system::reboot(
        rustix::system::RebootCommand::Restart,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn watchdog(action: Vec<Step>) -> Watchdog {
        let settings = WatchdogSettings {
            ping: vec![Ipv4Addr::LOCALHOST],
            timeout: seconds(30),
            boot_timeout: seconds(60),
            interval: seconds(1),
            device: None,
            action,
            max_reboots_per_hour: 2,
            dry_run: false,
        };
        Watchdog::new(&settings, seconds(0))
    }

    /// All actions up to a moment, with their times in seconds.
    fn actions(watchdog: &mut Watchdog, until: u64) -> Vec<(u64, Step)> {
        let mut found = Vec::new();
        loop {
            let now = watchdog.deadline();
            if now > seconds(until) {
                return found;
            }
            for order in watchdog.tick(now) {
                if let Order::Act(step) = order {
                    found.push((now.as_secs(), step));
                }
            }
        }
    }

    #[test]
    fn after_boot_it_waits_twice_as_long() {
        let mut watchdog = watchdog(vec![Step::Relink]);
        assert_eq!(actions(&mut watchdog, 61), [(60, Step::Relink)]);
    }

    #[test]
    fn steps_escalate_and_an_answer_starts_over() {
        let mut watchdog = watchdog(vec![Step::Relink, Step::RestartBundle, Step::Reboot]);
        assert!(watchdog.answered(seconds(5)));
        let expected = [
            (35, Step::Relink),
            (65, Step::RestartBundle),
            (95, Step::Reboot),
            (125, Step::Reboot),
        ];
        assert_eq!(actions(&mut watchdog, 130), expected);
        assert!(!watchdog.answered(seconds(131)));
        assert_eq!(actions(&mut watchdog, 165), [(161, Step::Relink)]);
        assert!(watchdog.is_content(seconds(170)));
    }

    #[test]
    fn answers_are_told_from_other_packets() {
        let mut packet = vec![
            0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        packet.extend(echo(ECHO_REPLY, 0x1234, 7));
        assert_eq!(answer(&packet), Some((Ipv4Addr::new(10, 0, 0, 1), 0x1234)));
        packet[20] = ECHO_REQUEST;
        assert_eq!(answer(&packet), None);
        assert_eq!(answer(&packet[..21]), None);
        assert_eq!(answer(&[]), None);
    }

    #[test]
    fn checksums_add_up() {
        let packet = echo(ECHO_REQUEST, 1, 2);
        let sum: u32 = packet
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    #[test]
    fn the_guard_counts_the_last_hour_and_distrusts_the_clock() {
        let at = |time| Reboot {
            boot: String::new(),
            time,
        };
        assert!(allowed(&[], 10_000, 2));
        assert!(allowed(&[at(5_000), at(9_000)], 10_000, 2));
        assert!(!allowed(&[at(8_000), at(9_000)], 10_000, 2));
        assert!(
            !allowed(&[at(99_000), at(98_000)], 10_000, 2),
            "the clock has gone back"
        );
        assert!(!allowed(&[], 10_000, 0));
    }

    #[test]
    fn the_third_restart_in_an_hour_is_refused_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        for expected in [true, true, false, false] {
            assert_eq!(Reboots::new(dir.path(), 2).note().unwrap(), expected);
        }
    }
}
