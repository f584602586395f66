//! What `status` shows: the data, its JSON form and the table.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use serde::{Deserialize, Serialize};

/// Version of the JSON form; fields are only ever added.
pub const VERSION: u32 = 1;

/// Exit code of `status` when a bundle is down.
pub const BUNDLE_DOWN: u8 = 10;

/// Everything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Process id of the supervisor.
    pub pid: u32,
    /// Seconds since its start.
    pub uptime: f64,
    /// In the order of the configuration.
    pub bundles: Vec<BundleStatus>,
}

/// One bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleStatus {
    /// Its name.
    pub name: String,
    /// `keeper` or `classic`.
    pub mode: String,
    /// What it is doing.
    pub state: String,
    /// Whether packets flow over at least `min_links` links.
    pub up: bool,
    /// Seconds in this state.
    pub since: f64,
    /// Its interface.
    pub interface: Option<String>,
    /// The interface's index.
    pub ifindex: Option<u32>,
    /// Our address.
    pub local: Option<Ipv4Addr>,
    /// The peer's address.
    pub remote: Option<Ipv4Addr>,
    /// Links that carry packets.
    pub attached: usize,
    /// Links that should.
    pub wanted: usize,
    /// Fewer count as down.
    pub min_links: usize,
    /// Times the sequence numbers were brought back to zero.
    pub resyncs: u64,
    /// Times everything was replaced because the peer had restarted.
    pub barriers: u64,
    /// Fragments thrown away by resynchronisations.
    pub burnt: u64,
    /// Control frames of the peer that made no sense.
    pub malformed: u64,
    /// Bytes received and sent over the interface.
    pub bytes: (u64, u64),
    /// Bytes per second received and sent, over the last seconds.
    pub rate: (u64, u64),
    /// Its links.
    pub links: Vec<LinkStatus>,
}

/// One link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: String,
    /// Seconds in this state.
    pub since: f64,
    /// Its pppd.
    pub pid: Option<u32>,
    /// How many pppds were started.
    pub starts: u64,
    /// How the last one ended.
    pub last_exit: Option<String>,
    /// Kind of failure.
    pub family: Option<String>,
    /// The last line of it that meant something.
    pub last_line: Option<String>,
    /// Times the line fell silent: echo requests went unanswered.
    pub echo_losses: u64,
}

impl Status {
    /// Keeps one bundle only; false if there is none of that name.
    pub fn select(&mut self, bundle: &str) -> bool {
        self.bundles.retain(|b| b.name == bundle);
        !self.bundles.is_empty()
    }

    /// What the exit code says about it.
    pub fn exit(&self) -> Exit {
        if self.bundles.iter().any(|b| !b.up && b.attached == 0) {
            Exit::Tool(BUNDLE_DOWN)
        } else if self.bundles.iter().any(|b| !b.up || b.attached < b.wanted) {
            Exit::Attention
        } else {
            Exit::Done
        }
    }

    /// For people. Texts of pppd and the peer are made harmless.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for bundle in &self.bundles {
            let address = |address: Option<Ipv4Addr>| {
                address.map_or_else(|| "-".to_owned(), |address| address.to_string())
            };
            let _ = writeln!(
                text,
                "{:<16} {:<10} {:>9}  {}  {} -> {}  {}/{} links  in {}/s out {}/s",
                bundle.name,
                bundle.state,
                ago(bundle.since),
                bundle.interface.as_deref().unwrap_or("-"),
                address(bundle.local),
                address(bundle.remote),
                bundle.attached,
                bundle.wanted,
                bytes(bundle.rate.0),
                bytes(bundle.rate.1),
            );
            for link in &bundle.links {
                let pid = link
                    .pid
                    .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
                let _ = write!(
                    text,
                    "  {:<14} {:<18} {:>9}  pid {:<7} starts {:<4} echo losses {:<3}",
                    link.name,
                    link.state,
                    ago(link.since),
                    pid,
                    link.starts,
                    link.echo_losses,
                );
                if let Some(exit) = &link.last_exit {
                    let _ = write!(text, " last: {exit}");
                    if let Some(line) = &link.last_line {
                        let _ = write!(text, " ({})", Escaped::text(line));
                    }
                }
                let kept = text.trim_end().len();
                text.truncate(kept);
                text.push('\n');
            }
        }
        text
    }
}

fn ago(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or_default()
        .as_secs();
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86400, whole % 86400 / 3600),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{} kB", count / 1000),
        _ => format!("{} MB", count / 1_000_000),
    }
}

/// For Prometheus' text file collector.
pub fn metrics(status: &Status) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, String)>| {
        let _ = writeln!(
            text,
            "# HELP pppmon_{name} {help}\n# TYPE pppmon_{name} {kind}"
        );
        for (labels, value) in rows {
            let _ = writeln!(text, "pppmon_{name}{{{labels}}} {value}");
        }
    };
    let bundle = |value: fn(&BundleStatus) -> u64| {
        let row = |b: &BundleStatus| (format!("bundle=\"{}\"", b.name), value(b).to_string());
        status.bundles.iter().map(row).collect::<Vec<_>>()
    };
    family(
        "bundle_up",
        "gauge",
        "Packets flow over at least min_links links.",
        bundle(|b| u64::from(b.up)),
    );
    family(
        "links_attached",
        "gauge",
        "Links that carry packets.",
        bundle(|b| b.attached as u64),
    );
    family(
        "links_wanted",
        "gauge",
        "Links that should.",
        bundle(|b| b.wanted as u64),
    );
    family(
        "resyncs_total",
        "counter",
        "Sequence numbers brought back to zero.",
        bundle(|b| b.resyncs),
    );
    family(
        "barriers_total",
        "counter",
        "Restarts of the peer handled.",
        bundle(|b| b.barriers),
    );
    family(
        "burnt_fragments_total",
        "counter",
        "Fragments thrown away.",
        bundle(|b| b.burnt),
    );
    family(
        "malformed_frames_total",
        "counter",
        "Senseless control frames.",
        bundle(|b| b.malformed),
    );
    family(
        "received_bytes_total",
        "counter",
        "Bytes received.",
        bundle(|b| b.bytes.0),
    );
    family(
        "sent_bytes_total",
        "counter",
        "Bytes sent.",
        bundle(|b| b.bytes.1),
    );
    let link = |value: fn(&LinkStatus) -> u64| {
        let mut rows = Vec::new();
        for b in &status.bundles {
            for l in &b.links {
                let labels = format!("bundle=\"{}\",link=\"{}\"", b.name, l.name);
                rows.push((labels, value(l).to_string()));
            }
        }
        rows
    };
    family(
        "link_attached",
        "gauge",
        "The link carries packets.",
        link(|l| u64::from(l.state == "attached")),
    );
    family(
        "link_starts_total",
        "counter",
        "pppds started.",
        link(|l| l.starts),
    );
    family(
        "link_echo_losses_total",
        "counter",
        "Times the line fell silent.",
        link(|l| l.echo_losses),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(attached: usize, up: bool) -> Status {
        Status {
            version: VERSION,
            pid: 7,
            uptime: 5.0,
            bundles: vec![BundleStatus {
                name: "office".into(),
                mode: "keeper".into(),
                state: "open".into(),
                up,
                since: 3700.0,
                interface: Some("ppp0".into()),
                ifindex: Some(3),
                local: Some(Ipv4Addr::new(10, 0, 0, 2)),
                remote: Some(Ipv4Addr::new(10, 0, 0, 1)),
                attached,
                wanted: 2,
                min_links: 1,
                resyncs: 1,
                barriers: 0,
                burnt: 0,
                malformed: 0,
                bytes: (1000, 2000),
                rate: (10, 20_000),
                links: vec![LinkStatus {
                    name: "t1".into(),
                    state: "attached".into(),
                    since: 61.0,
                    pid: Some(99),
                    starts: 2,
                    last_exit: Some("exit 16: hang-up".into()),
                    family: Some("lost".into()),
                    last_line: Some("Modem\u{1b}[2J hangup".into()),
                    echo_losses: 1,
                }],
            }],
        }
    }

    #[test]
    fn exit_codes_tell_missing_links_from_a_bundle_that_is_down() {
        assert_eq!(status(2, true).exit(), Exit::Done);
        assert_eq!(status(1, true).exit(), Exit::Attention);
        assert_eq!(status(1, false).exit(), Exit::Attention);
        assert_eq!(status(0, false).exit(), Exit::Tool(10));
    }

    #[test]
    fn the_table_is_harmless_on_a_terminal() {
        let table = status(2, true).table();
        assert!(!table.contains('\u{1b}'), "{table}");
        assert!(table.contains("office") && table.contains("1h01m") && table.contains("20 kB"));
        assert!(
            table.contains("exit 16: hang-up (Modem\\x1b[2J hangup)"),
            "{table}"
        );
    }

    #[test]
    fn metrics_have_one_row_per_bundle_and_link() {
        let text = metrics(&status(1, true));
        assert!(text.contains("pppmon_links_attached{bundle=\"office\"} 1\n"));
        assert!(text.contains("pppmon_link_starts_total{bundle=\"office\",link=\"t1\"} 2\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            value.parse::<u64>().unwrap();
        }
    }
}
