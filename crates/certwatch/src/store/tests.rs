//! One suite for both databases; here on SQLite. tests/it runs the binary on PostgreSQL.

use std::sync::Arc;

use crate::chain::Presented;
use crate::db::DbError;
use crate::db::postgres::Login;
use crate::db::sqlite::Open;
use crate::finding::{Code, Finding, Severity};
use crate::store::Store;
use crate::store::events::{Filter, NewEvent};

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

#[test]
fn the_same_event_is_kept_once_and_reopened_when_worse() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(&directory.path().join("store.db"), Open::Create)
        .ok()
        .unwrap();
    let target = store.target(&"a.example".parse().unwrap(), "").unwrap();
    let vantage = store.vantage("here").unwrap();
    let chain = store
        .chain(
            &Presented {
                ders: vec![Arc::from([1, 2, 3].as_slice())],
            },
            0,
        )
        .unwrap();
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
    store
        .close_event(first.unwrap(), "accepted", "me", "fine")
        .unwrap();
    assert_eq!(add(Severity::Critical, &mut store), first);
    let open = store
        .events(&Filter {
            open: true,
            ..Filter::default()
        })
        .unwrap();
    assert_eq!((open.len(), open[0].severity), (1, Severity::Critical));
}
