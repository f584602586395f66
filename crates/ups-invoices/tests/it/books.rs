//! Exports, read by the programs they are for.

use std::process::Command;

use nightshift_testkit::{Cmd, Sandbox, has, needs};
use ups_testportal::invoice::{Recipe, decimal, make};
use ups_testportal::variant::Variant;

use crate::support::{bin, config};

/// A ledger of a dozen weeks, and the sum of all invoice amounts as text.
fn books() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    config(&sandbox, "[ingest]\nsettle = \"0s\"\n");
    let mut total = 0;
    for seed in 1..=12_u64 {
        let day = jiff::civil::date(2026, 1, 3)
            .saturating_add(jiff::Span::new().days(7 * i64::try_from(seed).unwrap()));
        let invoice = make(&Recipe {
            seed,
            account: "A1B2C3".into(),
            currency: "USD".into(),
            date: day,
            shipments: 20,
        });
        total += invoice.amount;
        sandbox.file(format!("in/{seed}.csv"), Variant::default().csv(&invoice));
    }
    bin(&sandbox)
        .arg("ingest")
        .arg(sandbox.join("in"))
        .run()
        .assert(0, has("stored"), "");
    (sandbox, decimal(total, 2))
}

fn export(sandbox: &Sandbox, form: &str, name: &str) -> String {
    let path = sandbox.join(name);
    let path = path.to_str().unwrap();
    bin(sandbox)
        .args(["export", "--to", form, "--output", path])
        .run()
        .assert(0, "", "");
    path.to_owned()
}

#[test]
fn hledger_accepts_the_journal_and_owes_the_sum() {
    let (sandbox, total) = books();
    let hledger = needs::command("hledger", "hledger");
    let path = export(&sandbox, "hledger", "x.journal");
    Cmd::new(&hledger)
        .args(["-f", &path, "check", "--strict"])
        .run();
    Cmd::new(&hledger)
        .args(["-f", &path, "check"])
        .run()
        .assert(0, "", "");
    let balance = Cmd::new(&hledger)
        .args(["-f", &path, "balance", "Liabilities"])
        .run()
        .success();
    assert!(
        balance.stdout_text().contains(&format!("-{total} USD")),
        "{balance}"
    );
}

#[test]
fn ledger_accepts_the_same_journal() {
    let (sandbox, total) = books();
    let ledger = needs::command("ledger", "ledger");
    let path = export(&sandbox, "ledger", "x.ledger");
    let balance = Cmd::new(&ledger)
        .args(["-f", &path, "balance", "Liabilities"])
        .run()
        .success();
    assert!(
        balance.stdout_text().contains(&format!("-{total} USD")),
        "{balance}"
    );
}

#[test]
fn beancount_accepts_its_file() {
    let (sandbox, total) = books();
    let check = needs::command("bean-check", "beancount");
    let path = export(&sandbox, "beancount", "x.beancount");
    Cmd::new(&check).arg(&path).run().assert(0, "", "");
    let report = needs::command("bean-report", "beancount");
    let balance = Cmd::new(&report).args([path.as_str(), "balances"]).run();
    assert!(
        balance.stdout_text().contains(&format!("-{total} USD")),
        "{balance}"
    );
}

#[test]
fn data_exports_are_whole_and_repeatable() {
    let (sandbox, _) = books();
    for form in ["csv", "jsonl", "postgres", "ledger", "beancount"] {
        let one = std::fs::read(export(&sandbox, form, "one")).unwrap();
        let two = std::fs::read(export(&sandbox, form, "two")).unwrap();
        assert!(!one.is_empty() && one == two, "{form}");
    }
    let dump = |name: &str| {
        let path = export(&sandbox, "sqlite", name);
        let check = Command::new("sqlite3")
            .args([&path, "pragma integrity_check"])
            .output()
            .unwrap();
        assert_eq!(check.stdout, b"ok\n");
        Command::new("sqlite3")
            .args([&path, ".dump"])
            .output()
            .unwrap()
            .stdout
    };
    needs::command("sqlite3", "sqlite3");
    assert_eq!(dump("one.db"), dump("two.db"));
}

#[test]
fn reports_agree_with_the_invoices_and_the_page_is_self_contained() {
    let (sandbox, total) = books();
    for by in ["class", "service", "zone", "account", "month"] {
        bin(&sandbox)
            .args(["report", "--by", by])
            .run()
            .assert(0, has(&total), "");
    }
    let path = sandbox.join("report.html");
    bin(&sandbox)
        .arg("report")
        .arg("--html")
        .arg(&path)
        .run()
        .assert(0, "", "");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains("<svg") && page.contains("A1B2C3"));
    for outside in ["<script", "http://", "https://", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
