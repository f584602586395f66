//! One suite for both databases, and what concerns a SQLite file alone.

use std::sync::Arc;

use crate::chain::Presented;
use crate::db::DbError;
use crate::db::postgres::Login;
use crate::db::sqlite::Open;
use crate::due::Due;
use crate::finding::{Code, Finding, Severity};
use crate::history::{Issuer, Pin};
use crate::import::ccadb::Record;
use crate::import::distrusted::Distrusted;
use crate::outcome::Proof;
use crate::sct::Log;
use crate::store::Store;
use crate::store::events::{Filter, NewEvent};
use crate::store::runs::{Latest, RunRow};
use crate::store::verdicts::{Kind, Verdict};
use crate::target::Target;

fn open(path: &std::path::Path, how: Open) -> Result<Store, DbError> {
    Store::open(path.to_str().unwrap(), &Login::default(), how)
}

#[test]
fn a_foreign_a_damaged_and_a_missing_file_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let refused = |path: &std::path::Path, how| match open(path, how) {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    };
    assert!(refused(&path, Open::Existing).contains("there is none"));
    assert!(!path.exists());
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&path, b"this is a letter, and no database at all").unwrap();
    assert!(refused(&path, Open::Create).contains("damaged, or no database"));
    assert_eq!(std::fs::read(&path).unwrap()[..6], *b"this i");
    let foreign = directory.path().join("foreign.db");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    assert!(refused(&foreign, Open::Create).contains("another program"));
}

#[test]
fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    drop(open(&path, Open::Create).ok().unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("UPDATE meta SET version = 99")
        .unwrap();
    drop(connection);
    let Err(error) = open(&path, Open::Create) else {
        panic!("opened")
    };
    assert!(error.to_string().contains("schema 99 is newer"));
}

/// What version 1 of the schema looked like where it differs.
#[test]
fn an_older_schema_is_migrated_with_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut store = open(&path, Open::Create).ok().unwrap();
    let target = store.target(&"a.example".parse().unwrap(), "").unwrap();
    let vantage = store.vantage("here").unwrap();
    let findings = [Finding::new(Code::EXPIRING, Severity::Warning, "text")];
    let event = NewEvent {
        target,
        vantage,
        at: 100,
        old_chain: None,
        new_chain: None,
        findings: &findings,
    };
    store.add_event(&event).unwrap();
    drop(store);
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DROP TABLE due; DROP TABLE caa; DROP INDEX event_untold; ALTER TABLE event DROP COLUMN told;
             UPDATE meta SET version = 1",
        )
        .unwrap();
    // Whatever command comes first migrates; what was reported by the older version is not told
    // again.
    let mut store = open(&path, Open::Existing).ok().unwrap();
    assert_eq!(store.events(&Filter::default()).unwrap().len(), 1);
    assert!(store.untold(vantage).unwrap().is_empty());
}

/// Opens the same store once more.
type Opener<'a> = &'a dyn Fn() -> Store;

/// One behaviour of a store.
type Check = fn(Opener<'_>);

/// What both databases must do alike.
const SUITE: &[(&str, Check)] = &[
    (
        "an event is kept once",
        an_event_is_kept_once_and_reopened_when_worse,
    ),
    ("what was said", what_an_event_said_is_not_said_again),
    ("gone again", what_is_gone_once_more_is_news),
    (
        "rows are found again",
        targets_vantages_and_chains_are_stored_once,
    ),
    ("a run grows", a_run_grows_and_never_ends_earlier),
    ("undone", a_failed_transaction_leaves_nothing),
    ("verdicts", decisions_are_kept_until_they_end_or_are_dropped),
    ("lists", imported_lists_are_read_back),
    ("issuers", issuers_of_a_target_are_replaced_as_a_set),
    ("hostile text", names_with_nul_and_controls_are_kept),
    (
        "CAA records",
        a_change_of_caa_records_is_told_from_what_always_was,
    ),
    ("turns", turns_are_kept_for_each_vantage),
    ("two writers", two_writers_take_turns),
    ("reopened", a_store_is_opened_again_with_its_schema),
];

#[test]
fn the_suite_holds_on_sqlite() {
    for (name, check) in SUITE {
        println!("{name}");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        check(&|| open(&path, Open::Create).unwrap_or_else(|error| panic!("{error:?}")));
    }
}

#[test]
fn the_suite_holds_on_postgresql() {
    let server = nightshift_testkit::PostgresServer::new();
    for (number, (name, check)) in SUITE.iter().enumerate() {
        println!("{name}");
        let url = server.database(&format!("suite{number}"));
        check(&|| {
            Store::open(&url, &Login::default(), Open::Create)
                .unwrap_or_else(|error| panic!("{error:?}"))
        });
    }
}

fn presented(bytes: &[u8]) -> Presented {
    Presented {
        ders: vec![Arc::from(bytes)],
    }
}

fn run_row(target: i64, vantage: i64, chain: Option<i64>, at: i64) -> RunRow<'static> {
    RunRow {
        target,
        vantage,
        addr: "192.0.2.1",
        chain,
        outcome: "ok",
        proof: Proof::Proven,
        at,
        alarm: at + 10,
    }
}

fn an_event_is_kept_once_and_reopened_when_worse(open: Opener<'_>) {
    let mut store = open();
    let target = store.target(&"a.example".parse().unwrap(), "").unwrap();
    let vantage = store.vantage("here").unwrap();
    let chain = store.chain(&presented(&[1, 2, 3]), 0).unwrap();
    let add = |severity, store: &mut Store| {
        let findings = [Finding::new(Code::EXPIRING, severity, "text")];
        let event = NewEvent {
            target,
            vantage,
            at: 100,
            old_chain: None,
            new_chain: Some(chain),
            findings: &findings,
        };
        store.add_event(&event).unwrap()
    };
    let first = add(Severity::Warning, &mut store);
    assert!(first.is_some());
    assert_eq!(add(Severity::Warning, &mut store), None);
    let untold = store.untold(vantage).unwrap();
    assert_eq!(untold[0].id, first.unwrap());
    store.told(&untold).unwrap();
    assert!(store.untold(vantage).unwrap().is_empty());
    store
        .close_event(first.unwrap(), "accepted", "me", "fine")
        .unwrap();
    assert_eq!(add(Severity::Critical, &mut store), first);
    assert_eq!(store.untold(vantage).unwrap().len(), 1, "worse is news");
    let found = store
        .events(&Filter {
            open: true,
            ..Filter::default()
        })
        .unwrap();
    assert_eq!((found.len(), found[0].severity), (1, Severity::Critical));
    let found = store.event(first.unwrap()).unwrap().unwrap();
    assert_eq!((found.vantage.as_str(), found.at), ("here", 100));
    assert_eq!(found.findings[0].code, "expiring");
}

/// A store with one target and vantage, and a way to report findings about them.
fn reporter(open: Opener<'_>) -> (Store, i64, i64) {
    let mut store = open();
    let target = store.target(&"a.example:25".parse().unwrap(), "").unwrap();
    let vantage = store.vantage("here").unwrap();
    (store, target, vantage)
}

fn what_an_event_said_is_not_said_again(open: Opener<'_>) {
    let (mut store, target, vantage) = reporter(open);
    let chain = store.chain(&presented(&[1]), 0).unwrap();
    let mut add = |findings: &[(Code, Severity)]| {
        let findings: Vec<Finding> = findings
            .iter()
            .map(|(code, severity)| Finding::new(*code, *severity, "text"))
            .collect();
        let event = NewEvent {
            target,
            vantage,
            at: 100,
            old_chain: None,
            new_chain: Some(chain),
            findings: &findings,
        };
        store.add_event(&event).unwrap()
    };
    let (rekeyed, weak) = (Code::REKEYED_EARLY, Code::KEY_WEAK);
    assert!(add(&[(rekeyed, Severity::Notice), (weak, Severity::Warning)]).is_some());
    assert_eq!(add(&[(weak, Severity::Warning)]), None);
    assert_eq!(add(&[(weak, Severity::Info)]), None);
    assert!(add(&[(weak, Severity::Critical)]).is_some());
    assert!(add(&[(Code::EXPIRING, Severity::Warning)]).is_some());
}

fn what_is_gone_once_more_is_news(open: Opener<'_>) {
    let (mut store, target, vantage) = reporter(open);
    let findings = [Finding::new(
        Code::STARTTLS_GONE,
        Severity::Critical,
        "text",
    )];
    let gone = |at, store: &mut Store| {
        let event = NewEvent {
            target,
            vantage,
            at,
            old_chain: None,
            new_chain: None,
            findings: &findings,
        };
        store.add_event(&event).unwrap()
    };
    let first = gone(100, &mut store);
    assert!(first.is_some());
    assert_eq!(gone(200, &mut store), None, "it is still gone");
    let chain = store.chain(&presented(&[1]), 0).unwrap();
    let run = run_row(target, vantage, Some(chain), 300);
    store.add_run(&run).unwrap();
    assert_eq!(gone(400, &mut store), first, "it was back in between");
    assert_eq!(gone(500, &mut store), None);
}

fn targets_vantages_and_chains_are_stored_once(open: Opener<'_>) {
    let mut store = open();
    let target: Target = "a.example:25/smtp".parse().unwrap();
    let id = store.target(&target, "mail").unwrap();
    assert_eq!(store.target(&target, "mail").unwrap(), id);
    assert_eq!(store.targets().unwrap(), [(id, target, "mail".to_owned())]);
    let here = store.vantage("here").unwrap();
    assert_eq!(store.vantage("here").unwrap(), here);
    assert_ne!(store.vantage("there").unwrap(), here);
    assert_eq!(store.vantages().unwrap()[&here], "here");
    let chain = store.chain(&presented(b"leaf"), 77).unwrap();
    assert_eq!(store.chain(&presented(b"leaf"), 77).unwrap(), chain);
    assert_eq!(store.presented(chain).unwrap(), presented(b"leaf"));
    let hash = presented(b"leaf").hash();
    assert_eq!(store.chain_id(&hash).unwrap(), Some(chain));
}

fn a_run_grows_and_never_ends_earlier(open: Opener<'_>) {
    let mut store = open();
    let target = store.target(&"a.example".parse().unwrap(), "").unwrap();
    let vantage = store.vantage("here").unwrap();
    let chain = store.chain(&presented(b"leaf"), 0).unwrap();
    let run = store
        .add_run(&run_row(target, vantage, Some(chain), 100))
        .unwrap();
    store.touch(&[run], 200).unwrap();
    store.touch(&[run], 150).unwrap();
    store.touch(&[], 900).unwrap();
    store.touch(&[-1; 1500], 900).unwrap();
    assert_eq!(store.newest().unwrap(), 200);
    assert_eq!(store.targets_with_runs().unwrap(), [target]);
    let silent = store.add_run(&run_row(target, vantage, None, 210)).unwrap();
    let latest = |store: &mut Store| {
        let mut found = Vec::new();
        let take = |run: Latest<'_>| found.push((run.run, run.chain, run.alarm));
        store.latest_runs(vantage, take).unwrap();
        found
    };
    assert_eq!(latest(&mut store), [(silent, None, 220)]);
    let exported = store.exported_runs("here").unwrap();
    let first = &exported[0].run;
    assert_eq!((first.first, first.last, first.n), (100, 200, 3));
    store.forget_runs(vantage).unwrap();
    assert!(latest(&mut store).is_empty());
}

fn a_failed_transaction_leaves_nothing(open: Opener<'_>) {
    let mut store = open();
    let failed: Result<(), DbError> = store.transaction(|store| {
        store.vantage("lost")?;
        Err(DbError::Configuration {
            place: String::new(),
            reason: "on purpose".to_owned(),
        })
    });
    assert!(failed.is_err());
    assert!(store.vantages().unwrap().is_empty());
    store.transaction(|store| store.vantage("kept")).unwrap();
    assert_eq!(open().vantages().unwrap().len(), 1);
}

fn decisions_are_kept_until_they_end_or_are_dropped(open: Opener<'_>) {
    let mut store = open();
    let target = store.target(&"a.example".parse().unwrap(), "").unwrap();
    let key = presented(b"key").hash();
    let subject = key.to_string();
    let mut add = |kind, on: Option<i64>, subject: &str, until| {
        store
            .add_verdict(&Verdict {
                kind,
                target: on,
                subject,
                who: "me",
                why: "because",
                at: 100,
                until,
            })
            .unwrap();
    };
    add(Kind::Reject, Some(target), &subject, None);
    add(Kind::PinOwner, Some(target), "Some CA", None);
    add(Kind::IgnoreTarget, Some(target), "", Some(200));
    add(Kind::IgnoreCode, None, "expiring", None);
    add(Kind::Authorize, None, &subject, None);
    let verdicts = store.verdicts_on(target).unwrap();
    assert!(verdicts.rejected.contains(&key));
    assert_eq!(verdicts.pins, [Pin::Owner("Some CA".to_owned())]);
    assert!(store.is_ignored(target, 150).unwrap());
    assert!(!store.is_ignored(target, 250).unwrap());
    assert_eq!(store.ignored_codes(150).unwrap(), ["expiring"]);
    assert!(store.is_own_key(&key).unwrap());
    assert_eq!(store.audit(target).unwrap().len(), 3);
    store
        .drop_verdicts(Kind::Reject, Some(target), Some(&subject))
        .unwrap();
    store
        .drop_verdicts(Kind::PinOwner, Some(target), None)
        .unwrap();
    let verdicts = store.verdicts_on(target).unwrap();
    assert!(verdicts.rejected.is_empty() && verdicts.pins.is_empty());
}

fn imported_lists_are_read_back(open: Opener<'_>) {
    let mut store = open();
    let record = Record {
        certificate: Some(presented(b"ca").hash()),
        owner: "Some CA".to_owned(),
        key_id: vec![1, 2],
        revoked: false,
        ev_policies: vec!["2.23.140.1.1".to_owned()],
    };
    for _ in 0..2 {
        store.import_ccadb(std::slice::from_ref(&record)).unwrap();
    }
    assert!(!store.ccadb().unwrap().is_empty());
    let log = Log {
        id: presented(b"log").hash(),
        key: vec![1],
        name: "Log".to_owned(),
    };
    for _ in 0..2 {
        assert_eq!(store.import_logs(std::slice::from_ref(&log)).unwrap(), 1);
    }
    assert_eq!(
        format!("{:?}", store.logs().unwrap())
            .matches("Log {")
            .count(),
        1
    );
    let entry = Distrusted::new("org", "Bad CA", "sold its keys").unwrap();
    for _ in 0..2 {
        store
            .import_distrusted(std::slice::from_ref(&entry))
            .unwrap();
    }
    assert_eq!(store.distrusted().unwrap(), [entry]);
}

fn issuers_of_a_target_are_replaced_as_a_set(open: Opener<'_>) {
    let mut store = open();
    let target = store.target(&"a.example".parse().unwrap(), "").unwrap();
    let issuer = |name: &[u8], learned| Issuer {
        key: presented(name).hash(),
        owner: "Some CA".to_owned(),
        first: 1,
        last: 2,
        learned,
    };
    let (one, two) = (issuer(b"one", false), issuer(b"two", true));
    store.set_issuers(target, &[one.clone(), two]).unwrap();
    store.set_issuers(target, &[issuer(b"one", true)]).unwrap();
    let judge = crate::forge::judge(&[], &[]);
    let history = store
        .history(target, &judge, &mut std::collections::HashMap::new(), 10)
        .unwrap();
    assert_eq!(history.issuers, [issuer(b"one", true)]);
    for host in ["a.example", "b.example", "a.example"] {
        store.saw_issuer(&one.key, host, 5).unwrap();
    }
    assert_eq!(store.issuer_hosts(&one.key, "a.example").unwrap(), 1);
}

fn names_with_nul_and_controls_are_kept(open: Opener<'_>) {
    let mut store = open();
    let name = "a\u{202e}b\u{1b}[31m'; DROP TABLE run; --\0c";
    store.vantage(name).unwrap();
    let names: Vec<String> = store.vantages().unwrap().into_values().collect();
    assert_eq!(names, [name.replace('\0', "\u{fffd}")]);
}

fn a_change_of_caa_records_is_told_from_what_always_was(open: Opener<'_>) {
    let mut store = open();
    let mut see = |records: &str, at| store.remember_caa("a.example", records, at).unwrap();
    assert_eq!(see("one", 100), None);
    assert_eq!(see("one", 200), None);
    assert_eq!(see("two", 300), Some(300));
    assert_eq!(see("two", 400), Some(300));
    assert_eq!(see("one", 500), Some(500), "back is a change, too");
    assert_eq!(store.caa_asked_since(500).unwrap().len(), 1);
    assert!(store.caa_asked_since(501).unwrap().is_empty());
}

fn turns_are_kept_for_each_vantage(open: Opener<'_>) {
    let mut store = open();
    let (here, there) = (
        store.vantage("here").unwrap(),
        store.vantage("there").unwrap(),
    );
    let due = |at, failures| Due { at, failures };
    let mut rows = Vec::new();
    for n in 0..1200 {
        let name = format!("h{n}.example").parse().unwrap();
        rows.push((store.target(&name, "").unwrap(), due(n, 0)));
    }
    store.set_due(here, &rows).unwrap();
    let first = rows[0].0;
    store.set_due(here, &[(first, due(7, 3))]).unwrap();
    store.set_due(there, &[(first, due(9, 1))]).unwrap();
    let found = store.due(here).unwrap();
    assert_eq!(found.len(), rows.len());
    assert_eq!(
        (found[&first], found[&rows[1199].0]),
        (due(7, 3), due(1199, 0))
    );
    assert_eq!(store.due(there).unwrap(), [(first, due(9, 1))].into());
}

/// Two processes insert the same certificates in opposite orders: they wait for each other, and
/// neither fails.
fn two_writers_take_turns(open: Opener<'_>) {
    let mut stores = [open(), open()];
    std::thread::scope(|scope| {
        for (writer, store) in stores.iter_mut().enumerate() {
            scope.spawn(move || {
                for round in 0..20u8 {
                    store
                        .transaction(|store| {
                            let order = if writer == 0 { [0, 1] } else { [1, 0] };
                            for n in order {
                                store.chain(&presented(&[round, n]), 0)?;
                            }
                            store.vantage(&format!("w{writer}")).map(drop)
                        })
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(open().vantages().unwrap().len(), 2);
}

fn a_store_is_opened_again_with_its_schema(open: Opener<'_>) {
    let id = open().vantage("here").unwrap();
    assert_eq!(open().vantage("here").unwrap(), id);
    // A reader sees what was committed while a writer is at work.
    let mut writer = open();
    writer.begin().unwrap();
    writer.vantage("there").unwrap();
    assert_eq!(open().vantages().unwrap().len(), 1);
    writer.commit().unwrap();
    assert_eq!(open().vantages().unwrap().len(), 2);
}
