//! scan and what reads and decides on its memory.

use nightshift_testkit::{has, has_all};

use crate::fleet::{Fleet, next_second};

#[test]
fn an_unchanged_fleet_is_silent_and_a_swapped_owner_is_reported_once() {
    let mut fleet = Fleet::new(60);
    fleet.scan().run().assert(0, "", "");
    fleet.scan().run().assert(0, "", "");
    fleet.tool(&["events"]).run().assert(0, "", "");
    fleet.swap(7, "other");
    let target = fleet.target(7);
    fleet.scan().run().assert(
        1,
        has_all([target.as_str(), "owner-changed", "Fleet CA to Other CA"]),
        "",
    );
    fleet.scan().run().assert(0, "", "");
    fleet
        .tool(&["events", "--open"])
        .run()
        .assert(0, has("open"), "");
    fleet
        .tool(&["show", &target, "--history", "--chain"])
        .run()
        .assert(0, has_all(["Other CA", "runs, newest first:"]), "");
    fleet.tool(&["diff", &target]).run().assert(
        1,
        has_all(["! owner Fleet CA", "[root] Fleet Root"]),
        "",
    );
}

#[test]
fn a_rotation_inside_the_owner_is_no_news() {
    let mut fleet = Fleet::new(80);
    fleet.scan().run().assert(0, "", "");
    fleet.scan().run().assert(0, "", "");
    fleet.swap(0, "3");
    fleet.scan().run().assert(0, "", "");
    fleet
        .tool(&["events"])
        .run()
        .assert(0, has("issuer-rotated: rotation inside Fleet CA"), "");
}

#[test]
fn a_decision_is_kept_with_who_and_why_and_a_rejected_key_is_known_everywhere() {
    let mut fleet = Fleet::new(3);
    fleet.scan().run().assert(0, "", "");
    fleet.scan().run().assert(0, "", "");
    fleet.swap(1, "other");
    fleet.scan().run().assert(1, has("owner-changed"), "");
    fleet
        .tool(&["reject", "1", "-m", "not ours"])
        .env("SUDO_USER", "root")
        .run()
        .assert(0, "", "");
    let target = fleet.target(1);
    fleet.tool(&["show", &target, "--history"]).run().assert(
        0,
        has_all(["rejected by root: not ours", "reject"]),
        "",
    );
    // A later leaf of the same CA: its issuer's key is the rejected one.
    fleet.swap(1, "other");
    fleet.scan().run().assert(1, has("rejected-key"), "");
    fleet
        .tool(&["accept", "77", "-m", "x"])
        .run()
        .assert(2, "", has("no event 77"));
}

#[test]
fn pins_are_watched() {
    let mut fleet = Fleet::new(2);
    fleet.scan().run().assert(0, "", "");
    let target = fleet.target(0);
    fleet
        .tool(&["pin", &target, "--leaf-key"])
        .run()
        .assert(0, "", "");
    fleet.swap(0, "0");
    fleet.scan().run().assert(1, has("pin-broken"), "");
}

#[test]
fn bad_lines_are_named_and_the_others_scanned() {
    let fleet = Fleet::new(1);
    let good = String::from_utf8(fleet.sandbox.read("targets")).unwrap();
    let file = fleet.sandbox.file("bad", format!("{good}example.org:0\n"));
    fleet
        .tool(&["scan", "-f"])
        .arg(&file)
        .run()
        .assert(4, "", has("bad:2:13: `0` is no port"));
    fleet
        .tool(&["scan", "-f", "/nonexistent"])
        .run()
        .assert(2, "", has("cannot read"));
    let empty = fleet.sandbox.file("empty", "# nothing\n");
    fleet
        .tool(&["scan", "-f"])
        .arg(empty)
        .run()
        .assert(2, "", has("no targets"));
}

#[test]
fn expiring_report_and_export_read_the_memory() {
    let fleet = Fleet::new(4);
    fleet.scan().run().assert(0, "", "");
    fleet.tool(&["expiring"]).run().assert(0, "", "");
    fleet
        .tool(&["expiring", "--within", "90d", "--csv"])
        .run()
        .assert(1, has("target,not_after"), "");
    let page = fleet.sandbox.join("report.html");
    fleet
        .tool(&["report", "--html"])
        .arg(&page)
        .run()
        .assert(0, "", "");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("Fleet CA") && !text.contains("<script"));
    let runs = fleet.sandbox.join("runs");
    fleet.tool(&["export"]).arg(&runs).run().assert(0, "", "");
    fleet
        .tool(&["import", "run"])
        .arg(&runs)
        .run()
        .assert(3, "", has("which is this one"));
}

#[test]
fn a_foreign_store_is_refused_and_left_alone() {
    let fleet = Fleet::new(1);
    fleet.sandbox.file("store.db", "no database");
    fleet.scan().run().assert(
        3,
        "",
        has_all(["store.db", "damaged, or no database of certwatch"]),
    );
    assert_eq!(fleet.sandbox.read("store.db"), b"no database");
}

/// Every row of every table, but for the two columns that a sweep may move.
fn content(fleet: &Fleet) -> Vec<String> {
    let database = rusqlite::Connection::open(fleet.store()).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut content = Vec::new();
    for table in names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .into_iter()
            .filter(|name| table != "run" || !matches!(name.as_str(), "last_seen" | "n"))
            .map(|name| format!("quote({name})"))
            .collect::<Vec<_>>()
            .join(" || ',' || ");
        let rows = names(&format!("SELECT {columns} FROM {table}"));
        content.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    content.sort();
    content
}

#[test]
fn a_rescan_of_an_unchanged_fleet_writes_nothing_but_when_it_was_seen() {
    let fleet = Fleet::new(20);
    fleet.scan().run().assert(0, "", "");
    let before = content(&fleet);
    assert!(before.iter().any(|row| row.starts_with("run: ")));
    next_second();
    fleet.scan().run().assert(0, "", "");
    assert_eq!(content(&fleet), before);
    let database = rusqlite::Connection::open(fleet.store()).unwrap();
    let moved: i64 = database
        .query_row(
            "SELECT count(*) FROM run WHERE n = 2 AND last_seen > first_seen",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(moved, 20);
}
