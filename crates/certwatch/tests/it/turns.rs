//! Scans of what is due, and how a probe hangs up.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nightshift_testkit::{any, has, wait_for};

use crate::fleet::{Fleet, free_port};

/// Failures and the next turn of each target, by its name.
fn turns(fleet: &Fleet) -> Vec<(String, i64, i64)> {
    let store = rusqlite::Connection::open(fleet.store()).unwrap();
    let mut rows = store
        .prepare("SELECT t.name, d.failures, d.at FROM due d JOIN target t ON t.id = d.target")
        .unwrap();
    let turn = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    rows.query_map([], turn)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

#[test]
fn a_scan_of_what_is_due_leaves_the_others_alone() {
    let mut fleet = Fleet::new(40);
    // Nobody answers at the last one.
    let mut targets = String::from_utf8(fleet.sandbox.read("targets")).unwrap();
    writeln!(targets, "127.9.9.9:{}", free_port()).unwrap();
    fleet.sandbox.file("targets", targets);
    let config = |every: &str| {
        let text = format!("[probe]\nevery = \"{every}\"\n");
        fleet.sandbox.file("config", text)
    };
    let file = config("6h");
    let started = now();
    let due_scan = |fleet: &Fleet| {
        let scan = fleet.scan().args(["-v", "--due-only", "--config"]);
        scan.arg(&file).run()
    };
    due_scan(&fleet).assert(0, "", has("probes=41"));
    let first = turns(&fleet);
    assert_eq!(first.len(), 41);
    let later = |hours: i64| {
        first
            .iter()
            .filter(|t| t.2 > started + hours * 3600)
            .count()
    };
    assert!(
        (10..40).contains(&later(3)),
        "spread over six hours: {first:?}"
    );
    for (name, failures, _) in &first {
        assert_eq!(
            *failures,
            i64::from(name.starts_with("127.9.9.9")),
            "{name}"
        );
    }
    // Make all of them wait for certain, then one of them due.
    let store = rusqlite::Connection::open(fleet.store()).unwrap();
    store
        .execute("UPDATE due SET at = ?1", [now() + 3600])
        .unwrap();
    fleet.swap(0, "other");
    due_scan(&fleet).assert(0, "", has("probes=0"));
    store
        .execute("UPDATE due SET at = 1 WHERE failures = 1", [])
        .unwrap();
    // It is silent still: that is no failure of the scan's own.
    due_scan(&fleet).assert(3, "", has("no target could be probed"));
    let silent: Vec<_> = turns(&fleet).into_iter().filter(|t| t.1 > 0).collect();
    assert_eq!(silent[0].1, 2);
    assert!(silent[0].2 > now() + 12 * 3600, "{silent:?}");
    // A scan of everything takes no turns.
    fleet.scan().run().assert(1, has("owner-changed"), "");
    assert_eq!(turns(&fleet).iter().filter(|t| t.1 == 2).count(), 1);
}

#[test]
fn watch_gives_each_target_its_turn() {
    let mut fleet = Fleet::new(3);
    let watch = fleet
        .tool(&["watch", "--every", "2s", "-f"])
        .arg(fleet.sandbox.join("targets"))
        .spawn();
    let limit = Duration::from_secs(30);
    wait_for("everybody was looked at", limit, || {
        fleet.store().exists() && turns_so_far(&fleet) == 3
    });
    fleet.swap(1, "other");
    watch.wait_for_stderr("owner-changed", limit);
}

/// How many targets have a turn, while the store may still be in the making.
fn turns_so_far(fleet: &Fleet) -> i64 {
    rusqlite::Connection::open(fleet.store())
        .and_then(|store| store.query_row("SELECT count(*) FROM due", [], |row| row.get(0)))
        .unwrap_or(0)
}

#[test]
fn a_fast_scan_resets_its_connections_and_a_polite_one_does_not() {
    for (flag, reset) in [(&["--fast"][..], true), (&[], false)] {
        let fleet = Fleet::new(1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let file = fleet.sandbox.file("one", format!("{address}\n"));
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // A whole record, so that nothing is left unread on the other side.
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).unwrap();
            let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
            stream.read_exact(&mut rest).unwrap();
            stream.write_all(b"220 hello\r\n").unwrap();
            stream.read_to_end(&mut Vec::new()).is_err()
        });
        let scan = fleet.tool(&["scan", "-f"]).arg(file).args(flag);
        scan.run().assert(3, "", any());
        assert_eq!(server.join().unwrap(), reset, "{flag:?}");
    }
}
