//! The unit file under a real systemd, which keeps the interfaces in its descriptor store.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::host::{self, kill, program};
use super::probe::Probe;
use super::side::{Care, Side};
use super::world::{Unchanged, World};

/// As `cargo xtask install` puts it in place.
const UNIT: &str = include_str!("../../../dist/pppmon.service");
/// Only what a test needs: no start of the whole machine before it, a log that can be read, and a
/// shorter wait for a sign of life.
const DROP_IN: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nStandardOutput=append:LOG\nStandardError=append:LOG\n\
                       WatchdogSec=4\n";

/// The service manager of a host: the first process of a process namespace.
struct Manager {
    outer: Child,
    pid: u32,
}

impl Manager {
    fn start(side: &Side) -> Self {
        let host = &side.host;
        let units = host.path("/run/systemd/system");
        fs::create_dir_all(units.join("pppmon.service.d")).unwrap();
        fs::write(units.join("pppmon.service"), UNIT).unwrap();
        let drop_in = DROP_IN.replace("LOG", &side.log_path().display().to_string());
        fs::write(units.join("pppmon.service.d/test.conf"), drop_in).unwrap();
        let target = "[Unit]\nDefaultDependencies=no\n";
        fs::write(units.join("test.target"), target).unwrap();
        // The places that the unit names, for this host alone. Nothing is to be generated from disks
        // and the like.
        let places = format!(
            "set -e; mkdir -p /etc/nightshift; : >> /usr/local/sbin/pppmon; : >> /etc/nightshift/pppmon.toml\n\
             mount --bind {} /usr/local/sbin/pppmon; mount --bind {} /etc/nightshift/pppmon.toml; \
             mount -t tmpfs tmpfs /lib/systemd/system-generators; echo ok",
            program().display(),
            side.config_path().display()
        );
        assert_eq!(host.shell(&places), "ok\n");
        let mut command = host.command("unshare");
        let outer = command
            .args([
                "-p",
                "-m",
                "-f",
                "--mount-proc",
                "env",
                "-i",
                "container=test",
            ])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "/lib/systemd/systemd"])
            .args(["--system", "--unit=test.target", "--log-target=kmsg"])
            .arg("--show-status=no")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut manager = Self { outer, pid: 0 };
        host::wait_for("systemd", Duration::from_secs(10), || {
            manager.pid = side.host.processes("systemd").first().copied().unwrap_or(0);
            manager.pid != 0
        });
        host::wait_for("its answer", Duration::from_secs(20), || {
            manager.shell("systemctl is-active test.target") == "active\n"
        });
        manager
    }

    /// Runs a shell command where the manager is process 1.
    fn shell(&self, script: &str) -> String {
        let output = Command::new("nsenter")
            .args([
                "-t",
                &self.pid.to_string(),
                "-p",
                "-m",
                "-n",
                "--",
                "sh",
                "-c",
            ])
            .arg(format!("exec 2>&1; {script}"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What it has said so far. As the first process it logs to the kernel.
    fn log(&self) -> String {
        self.shell("dmesg | grep 'systemd\\['")
    }

    #[track_caller]
    fn systemctl(&self, verb: &str) {
        let answer = self.shell(&format!("systemctl {verb} pppmon"));
        assert_eq!(answer, "", "systemctl {verb}");
    }

    fn property(&self, name: &str) -> String {
        let value = self.shell(&format!("systemctl show --value -p {name} pppmon"));
        value.trim_end().to_owned()
    }

    /// Waits until another process than `before` serves and all its links are back. Asks pppmon
    /// rather than systemd, whose every answer costs this machine a second of its one processor.
    #[track_caller]
    fn wait_for_restart(&self, before: u32, count: &str, world: &World) {
        host::wait_for("another process", Duration::from_secs(30), || {
            serving(world).is_some_and(|pid| pid != before)
        });
        world.wait_for_links();
        assert_eq!(self.property("NRestarts"), count);
        assert_eq!(self.property("ActiveState"), "active");
        assert_eq!(self.property("NFileDescriptorStore"), "1");
    }
}

/// The process that answers, as it is called in its own namespace.
fn serving(world: &World) -> Option<u32> {
    world.leaf.status().map(|status| status.pid)
}

/// Sends a signal to pppmon itself; returns the process it had.
fn signal(world: &World, signal: Signal) -> u32 {
    let before = serving(world).unwrap();
    for pid in world.leaf.host.processes("pppmon") {
        kill(pid, signal);
    }
    before
}

impl Drop for Manager {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let status = self.shell("systemctl status -n 0 pppmon");
            println!("--- systemd\n{}{status}", self.log());
        }
        kill(self.pid, Signal::KILL);
        let _ = self.outer.wait();
    }
}

/// A bundle of two lines whose leaf is looked after by the service.
fn up() -> (World, Manager, Probe) {
    let mut world = World::new(2, Care::Keeper, Care::Keeper);
    world.leaf.write_config(&world.relay, 2);
    let manager = Manager::start(&world.leaf);
    world.hub.start(&world.relay, 2);
    // Returns when the service has said that it is ready.
    manager.systemctl("start");
    let probe = world.observe();
    (world, manager, probe)
}

#[test]
#[ignore = "needs the test VM"]
fn the_service_keeps_its_interface_over_a_restart_and_a_crash() {
    let (world, manager, probe) = up();
    let unchanged = Unchanged::note(&world);
    assert_eq!(manager.property("NFileDescriptorStore"), "1");
    let holder = world.leaf.host.path("/run/nightshift/pppmon/hold.sock");
    assert!(!holder.exists(), "no process of ours keeps it");

    let first = serving(&world).unwrap();
    manager.systemctl("restart");
    manager.wait_for_restart(first, "0", &world);
    unchanged.check_interface(&world, &probe);

    let second = signal(&world, Signal::KILL);
    manager.wait_for_restart(second, "1", &world);
    unchanged.check(&world, &probe);
}

/// The slower part, for the machine that runs less often: a bundle that is configured anew, a
/// service that hangs, that is stopped, and whose interface is given up.
pub(crate) fn the_service_is_replaced_when_it_hangs_and_released_when_asked() {
    let (mut world, manager, probe) = up();
    let unchanged = Unchanged::note(&world);
    world.leaf.extra = "min_links = 2\n".into();
    world.leaf.write_config(&world.relay, 2);
    manager.systemctl("reload");
    host::wait_for("the new configuration", Duration::from_secs(20), || {
        let log = world.leaf.log_text();
        log.contains("changed or removed by the new configuration")
    });
    world.wait_for_links();
    assert_eq!(manager.property("NRestarts"), "0");
    assert_eq!(manager.property("NFileDescriptorStore"), "1");
    unchanged.check(&world, &probe);

    let sign = || manager.property("WatchdogTimestampMonotonic");
    let before = sign();
    host::wait_for("a sign of life", Duration::from_secs(8), || {
        sign() != before
    });
    let hung = signal(&world, Signal::STOP);
    manager.wait_for_restart(hung, "1", &world);
    let log = manager.log();
    assert!(log.contains("Watchdog timeout"), "{log}");
    unchanged.check(&world, &probe);
    drop(probe);

    // Before systemd 254 the store is emptied when a service is stopped, whatever its unit says.
    let preserved = manager.property("FileDescriptorStorePreserve") == "yes";
    manager.systemctl("stop");
    assert_eq!(world.leaf.ifindex().is_some(), preserved);
    manager.systemctl("start");
    assert!(world.leaf.ifindex().is_some());
    assert_eq!(world.leaf.pppmon(&["release"]), (String::new(), 0));
    host::wait_for("the end of the service", Duration::from_secs(20), || {
        manager.property("ActiveState") == "inactive" && world.leaf.ifindex().is_none()
    });
}
