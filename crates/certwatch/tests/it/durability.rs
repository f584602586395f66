//! What the memory survives: kill -9, two at once, damage, a full and a read-only disk.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nightshift_testkit::{
    MountGuard, PostgresServer, Signal, any, has, has_all, killed_by, needs, wait_for, wait_value,
};

use crate::fleet::Fleet;

/// A server that never answers, so that sweeps last until their deadline: three seconds, which the
/// other targets must meet on a busy machine.
pub(crate) struct Tarpit {
    caught: Arc<Mutex<Vec<TcpStream>>>,
}

impl Tarpit {
    /// Adds the tarpit to the targets of `fleet`, and a configuration with a short deadline.
    pub(crate) fn before(fleet: &Fleet) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut targets = fleet.sandbox.read("targets");
        targets.extend(format!("{}\n", listener.local_addr().unwrap()).bytes());
        fleet.sandbox.file("targets", targets);
        fleet.sandbox.file("config", "[probe]\ndeadline = \"3s\"\n");
        let caught = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&caught);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                keep.lock().unwrap().push(stream);
            }
        });
        Self { caught }
    }

    /// How many connections it has caught so far.
    pub(crate) fn count(&self) -> usize {
        self.caught.lock().unwrap().len()
    }

    /// Waits until it has caught more than `before`.
    pub(crate) fn wait_beyond(&self, before: usize) {
        wait_for("the tarpit is met", Duration::from_secs(30), || {
            self.count() > before
        });
    }
}

fn events(fleet: &Fleet) -> BTreeSet<String> {
    let out = fleet.tool(&["events", "--json"]).run().assert(0, any(), "");
    out.stdout_text().lines().map(str::to_owned).collect()
}

/// Kills scans at different moments; whatever an independent reader saw committed must stay, and
/// what nobody was told must be told by the next scan.
fn killed_scans_lose_nothing(fleet: &mut Fleet) {
    let tarpit = Tarpit::before(fleet);
    let config = fleet.sandbox.join("config");
    let scan = |fleet: &Fleet| fleet.scan().arg("--config").arg(&config);
    scan(fleet).run().assert(0, "", "");
    scan(fleet).run().assert(0, "", "");
    let mut committed = BTreeSet::new();
    for round in 0..6 {
        fleet.swap(round, "other");
        let caught = tarpit.count();
        let running = scan(fleet).spawn();
        tarpit.wait_beyond(caught);
        match round % 3 {
            0 => {} // killed with its first results on the way
            1 => std::thread::sleep(Duration::from_millis(200)), // any moment will do
            _ => {
                // Killed after the commit and before the report.
                let before = committed.len();
                wait_for("the event is committed", Duration::from_secs(30), || {
                    events(fleet).len() > before
                });
            }
        }
        let seen = events(fleet);
        running.signal(Signal::KILL);
        running
            .wait(Duration::from_secs(30))
            .assert(killed_by(Signal::KILL), any(), any());
        committed = events(fleet);
        assert!(
            committed.is_superset(&seen),
            "{seen:?} became {committed:?}"
        );
    }
    let out = scan(fleet).run().assert(1, has("owner-changed"), "");
    let told = out.stdout_text();
    for n in 0..6 {
        let target = fleet.target(n);
        assert_eq!(told.matches(&format!("{target} ")).count(), 1, "{told}");
    }
    scan(fleet).run().assert(0, "", "");
}

#[test]
fn kill_9_loses_no_committed_event_on_sqlite() {
    let mut fleet = Fleet::new(8);
    killed_scans_lose_nothing(&mut fleet);
    let connection = rusqlite::Connection::open(fleet.store()).unwrap();
    let check: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn kill_9_loses_no_committed_event_on_postgresql() {
    let server = PostgresServer::new();
    let mut fleet = Fleet::new(8);
    fleet.keep_at(server.database("certwatch"));
    killed_scans_lose_nothing(&mut fleet);
}

#[test]
fn a_second_scan_is_told_to_come_back_and_a_decision_need_not_wait() {
    let mut fleet = Fleet::new(3);
    fleet.scan().run().assert(0, "", "");
    fleet.swap(0, "other");
    fleet.scan().run().assert(1, any(), "");
    let tarpit = Tarpit::before(&fleet);
    fleet.swap(1, "other");
    let scan = fleet
        .scan()
        .arg("--config")
        .arg(fleet.sandbox.join("config"))
        .spawn();
    tarpit.wait_beyond(0);
    fleet.scan().run().assert(75, "", has("another"));
    // The scan waits for the tarpit with its results written; nobody waits for the scan.
    fleet
        .tool(&["accept", "1", "-m", "ordered"])
        .run()
        .assert(0, "", "");
    scan.wait(Duration::from_secs(30))
        .assert(1, has("owner-changed"), "");
    fleet
        .tool(&["events"])
        .run()
        .assert(0, has_all(["accepted", "open"]), "");
}

#[test]
fn a_damaged_store_is_named_and_left_alone() {
    let fleet = Fleet::new(2);
    fleet.scan().run().assert(0, "", "");
    let store = fleet.store();
    let mut bytes = std::fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0x5a);
    fleet.sandbox.file("store.db", &bytes);
    for command in [&["events"][..], &["show"], &["expiring"]] {
        fleet
            .tool(command)
            .run()
            .assert(3, "", has_all(["store.db", "damaged"]));
    }
    fleet
        .scan()
        .run()
        .assert(3, "", has_all(["store.db", "damaged"]));
    assert!(std::fs::read(&store).unwrap() == bytes, "it was written to");
}

mod privileged {
    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn a_full_disk_is_named_and_costs_nothing_that_was_committed() {
        needs::root();
        let mut fleet = Fleet::new(40);
        let place = fleet.sandbox.dir("small");
        let disk = MountGuard::mount("tmpfs", "none", &place, "size=1m");
        fleet.keep_at(place.join("store.db").display().to_string());
        fleet.scan().run().assert(0, "", "");
        fleet.swap(0, "other");
        fleet.scan().run().assert(1, any(), "");
        let before = events(&fleet);
        assert!(!before.is_empty());
        // Fill what is left.
        let filler = place.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 1024]).is_ok() {}
        for n in 1..40 {
            fleet.swap(n, "other");
        }
        fleet
            .scan()
            .run()
            .assert(3, "", has_all(["small/store.db", "the disk is full"]));
        std::fs::remove_file(&filler).unwrap();
        drop(file);
        assert!(events(&fleet).is_superset(&before));
        fleet.scan().run().assert(1, has("owner-changed"), "");
        disk.unmount();
    }

    #[test]
    #[ignore = "needs root"]
    fn a_read_only_disk_is_named() {
        needs::root();
        let mut fleet = Fleet::new(2);
        let place = fleet.sandbox.dir("ro");
        let disk = MountGuard::mount("tmpfs", "none", &place, "size=4m");
        fleet.keep_at(place.join("store.db").display().to_string());
        fleet.scan().run().assert(0, "", "");
        let remount = |mode: &str| {
            let status = std::process::Command::new("mount")
                .args(["-o", &format!("remount,{mode}")])
                .arg(&place)
                .status();
            assert!(status.unwrap().success());
        };
        remount("ro");
        fleet
            .scan()
            .run()
            .assert(3, "", has_all(["ro/store.db", "ead-only"]));
        remount("rw");
        fleet.scan().run().assert(0, "", "");
        disk.unmount();
    }

    /// watch goes on: it says that the store is full, counts it, and is back when there is room.
    #[test]
    #[ignore = "needs root"]
    fn watch_outlasts_a_full_disk() {
        needs::root();
        let mut fleet = Fleet::new(40);
        let place = fleet.sandbox.dir("small");
        let disk = MountGuard::mount("tmpfs", "none", &place, "size=1m");
        fleet.keep_at(place.join("store.db").display().to_string());
        fleet.scan().run().assert(0, "", "");
        let port = crate::fleet::free_port();
        let watch = fleet
            .tool(&["watch", "--every", "2s", "--listen"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-f")
            .arg(fleet.sandbox.join("targets"))
            .spawn();
        wait_for("the first sweep is over", Duration::from_secs(30), || {
            crate::watch::get(port, "/metrics").contains("certwatch_outcome_total{outcome=\"ok\"}")
        });
        let filler = place.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 1024]).is_ok() {}
        for n in 0..40 {
            fleet.swap(n, "other");
        }
        watch.wait_for_stderr("full", Duration::from_secs(30));
        wait_value("the failure is counted", Duration::from_secs(30), || {
            crate::watch::get(port, "/metrics")
                .contains("certwatch_store_errors_total 1")
                .then_some(())
        });
        std::fs::remove_file(&filler).unwrap();
        drop(file);
        watch.signal(Signal::HUP); // no need to wait for the next attempt
        watch.wait_for_stderr("owner-changed", Duration::from_secs(30));
        watch.signal(Signal::TERM);
        watch
            .wait(Duration::from_secs(30))
            .assert(killed_by(Signal::TERM), any(), any());
        disk.unmount();
    }
}
