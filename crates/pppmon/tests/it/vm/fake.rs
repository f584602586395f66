//! The supervisor with pppds made of shell.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pppmon::status::Status;
use rustix::process::Signal;

use super::host::{kill, program, wait_for};

/// A supervisor whose pppd is a script.
pub(super) struct Fake {
    child: Child,
    dir: tempfile::TempDir,
}

impl Fake {
    /// With a script in place of pppd.
    pub(super) fn start(script: &str, bundles: usize, links: usize, defaults: &str) -> Self {
        // Static, so that it starts fast.
        let script = format!("#!/bin/busybox sh\n{script}\n");
        let install = |pppd: &Path| {
            fs::write(pppd, script).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(pppd, mode).unwrap();
        };
        Self::start_with(install, bundles, links, defaults)
    }

    /// With whatever is put in the place of pppd.
    fn start_with(
        install: impl FnOnce(&Path),
        bundles: usize,
        links: usize,
        defaults: &str,
    ) -> Self {
        assert!(
            Command::new("modprobe")
                .args([
                    "-a",
                    "ppp_generic",
                    "ppp_async",
                    "ppp_synctty",
                    "pppoe",
                    "dummy"
                ])
                .status()
                .unwrap()
                .success()
        );
        let dir = tempfile::tempdir().unwrap();
        install(&dir.path().join("pppd"));
        let path = dir.path().display();
        let mut text = format!(
            "[defaults]\npppd = \"{path}/pppd\"\ndatabase = \"{path}/pppd2.tdb\"\n\
             run_dir = \"{path}/run\"\nstate_dir = \"{path}/state\"\nholder = false\n{defaults}\n"
        );
        for bundle in 0..bundles {
            let _ = writeln!(text, "[[bundle]]\nname = \"b{bundle}\"");
            for link in 0..links {
                let _ = writeln!(text, "[[bundle.link]]\ncommand = \"line {bundle} {link}\"");
            }
        }
        fs::write(dir.path().join("pppmon.toml"), text).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(program())
            .args(["run", "-vv", "--config"])
            .arg(dir.path().join("pppmon.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let fake = Self { child, dir };
        wait_for("the supervisor", Duration::from_mins(1), || {
            fake.status().is_some()
        });
        fake
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn status(&self) -> Option<Status> {
        let socket = self.path("run/control.sock");
        pppmon::control::ask(&socket, &pppmon::control::Request::Status)
            .ok()?
            .status
    }

    pub(super) fn state(&self, link: usize) -> String {
        self.status().unwrap().bundles[0].links[link].state.clone()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Processor time used so far.
    pub(super) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    pub(super) fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.log());
        }
        kill(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A pppd that ends; see there.
const ENDING: &str = include_str!("ending.c");

/// Links whose first respawn is measured.
const MEASURED: [usize; 5] = [1, 2, 3, 4, 5];

/// A supervisor whose pppds end.
pub(super) struct Ending(pub(super) Fake);

impl Ending {
    pub(super) fn start() -> Self {
        let compile = |pppd: &Path| {
            let source = pppd.with_extension("c");
            fs::write(&source, ENDING).unwrap();
            let compiled = Command::new("cc")
                .args(["-static", "-O2", "-o"])
                .args([pppd, &source])
                .status()
                .unwrap();
            assert!(compiled.success());
        };
        Self(Fake::start_with(compile, 1, 1 + MEASURED.len(), ""))
    }

    /// Seconds of a link's notes.
    pub(super) fn notes(&self, link: usize, word: &str) -> Vec<f64> {
        let text = fs::read_to_string(self.0.path(&format!("link{link}"))).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix(word)?.trim().parse().ok())
            .collect()
    }

    /// Seconds from the end of a pppd to the first step of the next, ascending: the supervisor, and
    /// the start of a process.
    pub(super) fn respawns(&self) -> Vec<f64> {
        wait_for("the respawns", Duration::from_secs(30), || {
            MEASURED
                .iter()
                .all(|&link| self.notes(link, "start").len() == 2)
        });
        self.sorted("end", |link| self.notes(link, "start")[1])
    }

    /// Seconds that such a pppd takes to start another process of its kind, ascending.
    pub(super) fn process_starts(&self) -> Vec<f64> {
        self.sorted("fork", |link| self.notes(link, "exec")[0])
    }

    fn sorted(&self, from: &str, to: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut all = MEASURED
            .map(|link| to(link) - self.notes(link, from)[0])
            .to_vec();
        all.sort_by(f64::total_cmp);
        all
    }
}
