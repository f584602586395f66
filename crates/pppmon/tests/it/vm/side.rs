//! What runs on a host: pppmon, or one of the ways people run pppd without it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pppmon::control::{Request, ask};
use pppmon::status::Status;

use super::host::{HUB_END, Host, LEAF_END, kill, program, wait_for, write};
use super::relay::{End, Relay};

/// How the links of a host are looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// pppmon.
    Keeper,
    /// pppd with `persist`.
    Persist,
    /// A shell loop around each pppd.
    Loop,
    /// The same with a hook that adds the route when the interface comes up.
    Hook,
}

/// One end of the bundle.
pub(super) struct Side {
    pub(super) host: Host,
    pub(super) end: End,
    pub(super) care: Care,
    children: Vec<Child>,
    since: Option<Instant>,
    /// Goes into `[defaults]` of the configuration.
    pub(super) defaults: String,
    /// Goes before `[defaults]`.
    pub(super) head: String,
    /// Goes into the bundle's entry.
    pub(super) extra: String,
    /// In place of the usual addresses.
    pub(super) addresses: Option<String>,
    /// An array of more options for pppd.
    pub(super) link_options: String,
    /// Entries of links beside those over the relay's lines.
    pub(super) other_links: String,
}

/// Another pppd than the distribution's: the scenarios run with it if `PPPMON_PPPD` names one.
fn pppd() -> String {
    std::env::var("PPPMON_PPPD").unwrap_or_else(|_| "/usr/sbin/pppd".into())
}

/// Options of pppd that all ways share; those of the keeper come from the tool itself.
const STOCK: &str = "nodetach multilink mrru 1500 nompshortseq bundle kb noccp novj \
    nodefaultroute lcp-echo-interval 1 lcp-echo-failure 2 local nocrtscts noauth";

impl Side {
    pub(super) fn new(host: Host, end: End, care: Care) -> Self {
        Self {
            host,
            end,
            care,
            children: Vec::new(),
            since: None,
            defaults: String::new(),
            head: String::new(),
            extra: String::new(),
            addresses: None,
            link_options: "[]".into(),
            other_links: String::new(),
        }
    }

    fn end_addresses(&self) -> (&'static str, &'static str) {
        match self.end {
            End::Leaf => (LEAF_END, HUB_END),
            End::Hub => (HUB_END, LEAF_END),
        }
    }

    /// The network behind the other end.
    fn route(&self) -> &'static str {
        match self.end {
            End::Leaf => "10.99.0.0/24",
            End::Hub => "10.88.0.0/24",
        }
    }

    pub(super) fn config_path(&self) -> PathBuf {
        self.host.directory.join("pppmon.toml")
    }

    /// Writes the configuration for the lines as they are now.
    pub(super) fn write_config(&self, relay: &Relay, links: usize) {
        let (local, remote) = self.end_addresses();
        let mut text = format!(
            "{}[defaults]\npppd = \"{}\"\nstate_dir = \"{}\"\n{}\n[[bundle]]\nname = \"kb\"\n{}\n\
             routes = [\"{}\"]\n{}\n",
            self.head,
            pppd(),
            self.host.directory.display(),
            self.defaults,
            self.addresses
                .clone()
                .unwrap_or_else(|| { format!("local = \"{local}\"\nremote = \"{remote}\"") }),
            self.route(),
            self.extra,
        );
        for line in 0..links {
            let terminal = relay.terminal(line, self.end);
            let _ = write!(
                text,
                "[[bundle.link]]\ntty = \"{}\"\noptions = {}\n",
                terminal.display(),
                self.link_options
            );
        }
        text.push_str(&self.other_links);
        write(&self.config_path(), &text);
    }

    /// Starts everything.
    pub(super) fn start(&mut self, relay: &Relay, links: usize) {
        if self.care == Care::Keeper {
            self.write_config(relay, links);
            self.start_pppmon();
            return;
        }
        if self.care == Care::Hook {
            self.install_hook();
        }
        for line in 0..links {
            self.start_stock(relay, line);
        }
    }

    /// Has pppd add the route whenever its interface comes up.
    pub(super) fn install_hook(&self) {
        let script = format!("#!/bin/sh\nip route replace {} dev $1\n", self.route());
        self.host.shell(&format!(
            "printf '%s' '{script}' > /etc/ppp/ip-up; chmod 755 /etc/ppp/ip-up"
        ));
    }

    /// Starts what looks after one line, without pppmon.
    pub(super) fn start_stock(&mut self, relay: &Relay, line: usize) {
        let (local, remote) = self.end_addresses();
        let terminal = relay.terminal(line, self.end);
        let pppd = format!(
            "{} {} 115200 {STOCK} {local}:{remote}",
            pppd(),
            terminal.display()
        );
        let script = match self.care {
            Care::Persist => format!("exec {pppd} persist maxfail 0"),
            _ => format!("while :; do {pppd}; sleep 1; done"),
        };
        let mut command = self.host.command("sh");
        command.args(["-c", &script]);
        let child = self.spawn_logged(command);
        self.children.push(child);
    }

    /// Starts pppmon with the configuration that is there.
    pub(super) fn start_pppmon(&mut self) {
        let mut command = self.host.command(program());
        command
            .args(["run", "-vv", "--config"])
            .arg(self.config_path());
        let child = self.spawn_logged(command);
        self.children.push(child);
    }

    /// Once, when the interface first appears, for those who cannot do it themselves.
    pub(super) fn add_route_once(&self) {
        if matches!(self.care, Care::Persist | Care::Loop) {
            wait_for("a route", Duration::from_secs(30), || {
                self.host.shell(&format!(
                    "ip route replace {} dev ppp0 && echo ok",
                    self.route()
                )) == "ok\n"
            });
        }
    }

    /// The same after a restart of the host, without waiting for it.
    pub(super) fn add_route_soon(&self) {
        if matches!(self.care, Care::Persist | Care::Loop) {
            let script = format!(
                "for i in $(seq 60); do ip route replace {} dev ppp0 2>/dev/null; \
                 sleep 0.3; done",
                self.route()
            );
            drop(
                self.host
                    .command("sh")
                    .args(["-c", &script])
                    .spawn()
                    .unwrap(),
            );
        }
    }

    /// Starts a program whose output goes to the log, each line with the seconds since the first.
    pub(super) fn spawn_logged(&mut self, mut command: Command) -> Child {
        let (read, write) = std::io::pipe().unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(write.try_clone().unwrap())
            .stderr(write)
            .spawn()
            .unwrap();
        let mut log = File::options()
            .append(true)
            .create(true)
            .open(self.log_path())
            .unwrap();
        let since = *self.since.get_or_insert_with(Instant::now);
        // Ends when the last process that has the pipe ends.
        thread::spawn(move || {
            for line in BufReader::new(read).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line);
                let stamped = format!("{:8.3} {text}\n", since.elapsed().as_secs_f64());
                let _ = log.write_all(stamped.as_bytes());
            }
        });
        child
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.host.directory.join("log")
    }

    /// What it has printed so far.
    pub(super) fn log_text(&self) -> String {
        let text = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// What the supervisor says of itself; none while it does not answer. Asked over its socket,
    /// because a process for every look would keep the machine's one processor busy.
    pub(super) fn status(&self) -> Option<Status> {
        let socket = self.host.path("/run/nightshift/pppmon/control.sock");
        ask(&socket, &Request::Status).ok()?.status
    }

    /// State of a link of the first bundle.
    pub(super) fn link_state(&self, link: usize) -> String {
        let status = self.status();
        status.map_or_else(String::new, |s| s.bundles[0].links[link].state.clone())
    }

    /// Process id of the supervisor started last.
    pub(super) fn pid(&self) -> u32 {
        self.children.last().unwrap().id()
    }

    /// Kills the supervisor started last, and nothing else.
    pub(super) fn kill_supervisor(&mut self) {
        let mut child = self.children.pop().unwrap();
        kill(child.id(), rustix::process::Signal::KILL);
        let _ = child.wait();
    }

    /// The host goes down: everything dies, its memory is empty, its terminals close.
    pub(super) fn power_off(&mut self, relay: &Relay) {
        self.host.reboot();
        for mut child in self.children.drain(..) {
            let _ = child.wait();
        }
        relay.renew(self.end);
    }

    /// Output and exit code of a pppmon command on this host.
    pub(super) fn pppmon(&self, arguments: &[&str]) -> (String, i32) {
        let output = self
            .host
            .command(program())
            .args(arguments)
            .arg("--config")
            .arg(self.config_path())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            String::from_utf8_lossy(&text).into_owned(),
            output.status.code().unwrap_or(-1),
        )
    }

    /// The interface's index; none if it is gone.
    pub(super) fn ifindex(&self) -> Option<u32> {
        let text = self.host.shell("ip -o link show ppp0 2>/dev/null");
        text.split(':').next()?.trim().parse().ok()
    }

    /// Whether the route to the other side's network is there.
    pub(super) fn has_route(&self) -> bool {
        self.host
            .shell(&format!("ip route show {}", self.route()))
            .contains("ppp0")
    }

    /// Process ids of the pppds that run there.
    pub(super) fn pppds(&self) -> Vec<u32> {
        self.host.processes("pppd")
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if thread::panicking() {
            let text = self.log_text();
            let lines: Vec<_> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(120)..];
            println!("--- log of {}\n{}", self.host.name, tail.join("\n"));
            println!("{}", self.host.shell("ip address; ip route"));
        }
        self.host.reboot();
        for mut child in self.children.drain(..) {
            let _ = child.wait();
        }
    }
}
