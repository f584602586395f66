//! The supervisor with pppds made of shell, for what a real one does rarely.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pppmon::status::Status;
use rustix::process::Signal;

use super::host::{kill, program, shared_processor, wait_for, whole_processor};

/// A supervisor whose pppd is a script.
struct Fake {
    child: Child,
    dir: tempfile::TempDir,
}

impl Fake {
    fn start(script: &str, bundles: usize, links: usize, defaults: &str) -> Self {
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
        let pppd = dir.path().join("pppd");
        // Static, so that it starts fast.
        fs::write(&pppd, format!("#!/bin/busybox sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&pppd, mode).unwrap();
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

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn status(&self) -> Option<Status> {
        let socket = self.path("run/control.sock");
        pppmon::control::ask(&socket, &pppmon::control::Request::Status)
            .ok()?
            .status
    }

    fn state(&self, link: usize) -> String {
        self.status().unwrap().bundles[0].links[link].state.clone()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Processor time used so far.
    fn cpu(&self) -> Duration {
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

    fn memory_kib(&self) -> u64 {
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

/// Lines of a file the script writes, `word seconds` each.
fn stamps(fake: &Fake, file: &str, word: &str) -> Vec<f64> {
    let text = fs::read_to_string(fake.path(file)).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix(word)?.trim().parse().ok())
        .collect()
}

#[test]
#[ignore = "needs the test VM"]
fn the_first_respawn_comes_at_once_and_then_with_growing_delays() {
    // Link 0 ends again and again, the others once each, a while after one another.
    let script = r#"
        link=${*#*line 0 }
        link=${link%% *}
        log=${0%pppd}link$link
        [ -e "$log" ] || first=1
        echo "start $EPOCHREALTIME" >> "$log"
        echo 'Using interface ppp9'
        echo 'Link attached to ppp0'
        if [ "$link" != 0 ]; then
            [ "$first" ] || exec sleep 1000
            sleep "$((link / 2)).$((link % 2 * 5))"
        fi
        echo "end $EPOCHREALTIME" >> "$log"
        exit 16
    "#;
    let _others = shared_processor();
    let fake = Fake::start(script, 1, 6, "");
    let starts = || stamps(&fake, "link0", "start");
    wait_for("five starts", Duration::from_secs(30), || {
        starts().len() >= 5
    });
    let starts = starts();
    assert!(starts[1] - starts[0] < starts[4] - starts[3], "{starts:?}");
    assert!(starts[4] - starts[3] > 0.5, "{starts:?}");
    assert!(fake.status().unwrap().bundles[0].links[0].starts < 12);

    // From the last word of one pppd to the first of the next: its end, the supervisor, and the
    // start of a shell.
    let respawn = |link: usize| {
        let file = format!("link{link}");
        let second = *stamps(&fake, &file, "start").get(1)?;
        Some((second - stamps(&fake, &file, "end")[0]) * 1e3)
    };
    wait_for("the others", Duration::from_secs(30), || {
        (1..6).all(|link| respawn(link).is_some())
    });
    let mut all: Vec<_> = (1..6).filter_map(respawn).collect();
    all.sort_by(f64::total_cmp);
    println!(
        "first respawn: median {:.1} ms ({:.1} to {:.1})",
        all[2], all[0], all[4]
    );
    assert!(all[2] < 500.0, "{all:?} ms");
}

#[test]
#[ignore = "needs the test VM"]
fn refused_options_wait_for_a_reload() {
    let _others = shared_processor();
    let fake = Fake::start("exit 2", 1, 1, "");
    wait_for("the state", Duration::from_secs(10), || {
        fake.state(0) == "config-error"
    });
    assert_eq!(fake.status().unwrap().bundles[0].links[0].starts, 1);
    assert!(fake.log().contains("pppd refuses its options"));
    let reload = || {
        pppmon::control::ask(
            &fake.path("run/control.sock"),
            &pppmon::control::Request::Reload,
        )
        .unwrap()
    };
    assert_eq!(reload().error, None);
    wait_for("another attempt", Duration::from_secs(10), || {
        fake.status().unwrap().bundles[0].links[0].starts == 2
    });
}

#[test]
#[ignore = "needs the test VM"]
fn deaf_pppds_are_killed() {
    let _others = shared_processor();
    // Link 0 ignores SIGTERM, link 1 ends on it.
    let script = "case \"$*\" in *'line 0 0'*) trap '' TERM;; esac; \
                  echo 'Using interface ppp9'; while :; do sleep 1; done";
    let fake = Fake::start(script, 1, 2, "");
    wait_for("both", Duration::from_secs(10), || {
        fake.state(0) == "negotiating" && fake.state(1) == "negotiating"
    });
    let down = pppmon::control::Request::Down {
        target: "b0".into(),
    };
    let asked = Instant::now();
    pppmon::control::ask(&fake.path("run/control.sock"), &down).unwrap();
    wait_for("both to end", Duration::from_secs(10), || {
        fake.state(0) == "disabled" && fake.state(1) == "disabled"
    });
    assert!(
        asked.elapsed() >= Duration::from_secs(2),
        "patience comes first"
    );
    assert!(fake.log().contains("pppd hangs, killed"));
}

#[test]
#[ignore = "needs the test VM"]
fn a_pppd_without_its_database_is_reported() {
    let _others = shared_processor();
    let script = "echo \"Warning: couldn't open ppp database /nowhere\"; sleep 1; exit 1";
    let fake = Fake::start(script, 1, 1, "");
    wait_for("the message", Duration::from_secs(10), || {
        fake.log().contains("pppd cannot open its database")
    });
}

#[test]
#[ignore = "needs the test VM"]
fn many_links_are_cheap() {
    let _alone = whole_processor();
    let fake = Fake::start("echo 'Using interface ppp9'; exec sleep 1000", 16, 8, "");
    let negotiating = || {
        // A look costs the supervisor time that the links need.
        std::thread::sleep(Duration::from_millis(200));
        let status = fake.status().unwrap();
        let links = status.bundles.iter().flat_map(|b| &b.links);
        links.filter(|link| link.state == "negotiating").count()
    };
    wait_for("128 links", Duration::from_mins(1), || negotiating() == 128);
    let (before, started) = (fake.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let (used, elapsed) = (fake.cpu().saturating_sub(before), started.elapsed());
    let memory = fake.memory_kib();
    println!("128 links in 16 bundles: {memory} KiB resident, {used:?} of {elapsed:?} processor");
    assert!(memory <= 14 * 1024, "{memory} KiB");
    assert!(used < elapsed / 20, "{used:?} of {elapsed:?}: a busy loop");
}
