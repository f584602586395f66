//! The effective configuration: nothing in it is optional but what may truly be absent.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Fallback, Mode, Remote, Step};
use crate::link::Timing;
use crate::link_kind::Kind;
use crate::pool::Range;
use crate::prefix::Prefix;

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The pppd to run.
    pub pppd: PathBuf,
    /// Its database; found in the binary when not set.
    pub database: Option<PathBuf>,
    /// What outlives a reboot.
    pub state_dir: PathBuf,
    /// Lock, socket and metrics.
    pub run_dir: PathBuf,
    /// Keep interfaces in a process of their own when systemd does not.
    pub holder: bool,
    /// Bundles, at least one.
    pub bundles: Vec<BundleSettings>,
    /// Addresses for the hub's clients.
    pub pool: Option<Range>,
    /// The ping watchdog.
    pub watchdog: Option<WatchdogSettings>,
}

/// One bundle.
#[derive(Debug, Clone)]
pub struct BundleSettings {
    /// Its name, also pppd's bundle name.
    pub name: String,
    /// Name of the interface; pppN if unset.
    pub ifname: Option<String>,
    /// Keeper or classic.
    pub mode: Mode,
    /// Our address; unset lets the peer assign it.
    pub local: Option<Ipv4Addr>,
    /// The peer's address.
    pub remote: Remote,
    /// Negotiate IPv6 too.
    pub ipv6: bool,
    /// Fewer attached links count as down.
    pub min_links: usize,
    /// Routes through the interface.
    pub routes: Vec<Prefix>,
    /// Classic mode: what stands in for the routes while the interface is gone.
    pub fallback: Fallback,
    /// 12-bit multilink sequence numbers.
    pub short_sequences: bool,
    /// Name by which the peer authenticates itself.
    pub remote_name: Option<String>,
    /// Name by which we authenticate ourselves.
    pub user: Option<String>,
    /// The peer must authenticate itself.
    pub require_auth: bool,
    /// Command run when the network becomes usable.
    pub up: Option<Vec<String>>,
    /// Command run when it stops being usable.
    pub down: Option<Vec<String>>,
    /// Delays.
    pub timing: Timing,
    /// Largest reassembled packet, and MTU of the interface.
    pub mrru: u32,
    /// Seconds between LCP echoes, and how many may go unanswered.
    pub lcp_echo: (u32, u32),
    /// Its links, at least one.
    pub links: Vec<LinkSettings>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSettings {
    /// Its name within the bundle.
    pub name: String,
    /// What kind of line it is.
    pub kind: Kind,
    /// More options for pppd, after ours.
    pub options: Vec<String>,
    /// The line has a carrier signal.
    pub carrier: bool,
}

/// The ping watchdog.
#[derive(Debug, Clone)]
pub struct WatchdogSettings {
    /// Whom to ask; one answer is enough.
    pub ping: Vec<Ipv4Addr>,
    /// Silence that calls for action.
    pub timeout: Duration,
    /// The same between boot and the first answer.
    pub boot_timeout: Duration,
    /// Between two pings.
    pub interval: Duration,
    /// Hardware watchdog to feed.
    pub device: Option<PathBuf>,
    /// What to do, in this order, one more each time the timeout passes again.
    pub action: Vec<Step>,
    /// More than these are not done.
    pub max_reboots_per_hour: u32,
    /// Only say what would be done.
    pub dry_run: bool,
}
