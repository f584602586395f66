//! Exports, read by the programs they are for.

use std::collections::BTreeMap;
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

/// A ledger of one invoice in USD, some of whose charges are in CAD and JPY: the invoice amount
/// in cents, and what the charges of each currency come to, as text.
fn mixed() -> (Sandbox, i64, BTreeMap<&'static str, String>) {
    let sandbox = Sandbox::new();
    config(&sandbox, "[ingest]\nsettle = \"0s\"\n");
    let mut invoice = make(&Recipe {
        seed: 3,
        account: "A1B2C3".into(),
        currency: "USD".into(),
        date: jiff::civil::date(2026, 1, 3),
        shipments: 20,
    });
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for (index, row) in invoice.rows.iter_mut().enumerate() {
        let currency = ["USD", "CAD", "USD", "JPY"][index % 4];
        for (column, value) in row {
            match (*column, currency) {
                (50, _) => currency.clone_into(value),
                // Yen have no hundredths: the same digits without the point.
                (51 | 52, "JPY") => {
                    *value = value.replace('.', "").parse::<i64>().unwrap().to_string();
                }
                _ => {}
            }
            if *column == 52 {
                let minor: i64 = value.replace('.', "").parse().unwrap();
                *sums.entry(currency).or_default() += minor;
            }
        }
    }
    sandbox.file("in/mixed.csv", Variant::default().csv(&invoice));
    bin(&sandbox)
        .arg("ingest")
        .arg(sandbox.join("in"))
        .run()
        .assert(0, has("stored"), "");
    let shown = |(currency, minor)| {
        (
            currency,
            decimal(minor, if currency == "JPY" { 0 } else { 2 }),
        )
    };
    (
        sandbox,
        invoice.amount,
        sums.into_iter().map(shown).collect(),
    )
}

#[test]
fn charges_in_other_currencies_keep_them_and_every_currency_balances() {
    let (sandbox, amount, sums) = mixed();
    bin(&sandbox)
        .args(["check", "--all"])
        .run()
        .assert(0, has("not provable"), "");
    let hledger = needs::command("hledger", "hledger");
    let journal = export(&sandbox, "hledger", "x.journal");
    Cmd::new(&hledger)
        .args(["-f", &journal, "check", "--strict"])
        .run()
        .assert(0, "", "");
    let check = needs::command("bean-check", "beancount");
    let beans = export(&sandbox, "beancount", "x.beancount");
    Cmd::new(&check).arg(&beans).run().assert(0, "", "");
    let balance = |account: &str, currency: &str| {
        let query = [account.to_owned(), format!("cur:{currency}")];
        Cmd::new(&hledger)
            .args(["-f", &journal, "balance", "--flat", "--depth", "1"])
            .args(query)
            .run()
            .success()
            .stdout_text()
    };
    for (currency, sum) in &sums {
        let expenses = balance("Expenses", currency);
        let line = format!(" {sum} {currency}");
        assert!(expenses.contains(&line), "{line} in {expenses}");
        let all = balance("acct:.", currency);
        assert!(all.trim_end().ends_with("  0"), "{all}");
    }
    let owed = balance("Liabilities", "USD");
    assert!(
        owed.contains(&format!("-{} USD", decimal(amount, 2))),
        "{owed}"
    );
    assert!(!balance("Liabilities", "CAD").contains("CAD"));
    let ledger = needs::command("ledger", "ledger");
    let path = export(&sandbox, "ledger", "x.ledger");
    let text = Cmd::new(&ledger)
        .args([
            "-f", &path, "--strict", "balance", "Expenses", "--depth", "1",
        ])
        .run()
        .success()
        .stdout_text();
    let csv = export(&sandbox, "csv", "x.csv");
    let csv = std::fs::read_to_string(csv).unwrap();
    for (currency, sum) in &sums {
        assert!(
            text.contains(&format!("{sum} {currency}")),
            "{sum} in {text}"
        );
        assert!(
            csv.lines()
                .any(|line| line.ends_with(&format!(",{currency}")))
        );
        bin(&sandbox)
            .args(["report"])
            .run()
            .assert(0, has(format!("{sum} {currency}")), "");
    }
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
    assert_self_contained(&page);
}

/// Nothing of the page runs or is loaded: no script, no handler, no address but that of the empty
/// icon.
fn assert_self_contained(page: &str) {
    let lower = page.to_ascii_lowercase();
    for outside in [
        "<script",
        "<iframe",
        "<object",
        "<embed",
        "<img",
        "<base",
        "http:",
        "https:",
        "//",
        "@import",
        "url(",
        "src=",
        "srcset",
        "xlink",
        "javascript:",
        " onload",
        " onerror",
        " onclick",
    ] {
        let found = lower.find(outside);
        assert!(
            found.is_none(),
            "{outside}: {:?}",
            found.map(|at| &page[at..])
        );
    }
    let addresses: Vec<&str> = lower
        .split("href=")
        .skip(1)
        .map(|rest| rest.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(addresses, ["\"data:,\">"]);
}

#[test]
fn words_of_an_invoice_cannot_bring_anything_into_the_page() {
    let sandbox = Sandbox::new();
    config(&sandbox, "[ingest]\nsettle = \"0s\"\n");
    let mut invoice = make(&Recipe {
        seed: 5,
        account: "A1B2C3".into(),
        currency: "USD".into(),
        date: jiff::civil::date(2026, 1, 3),
        shipments: 3,
    });
    for (column, value) in invoice.rows.iter_mut().flatten() {
        if *column == 45 || *column == 33 {
            *value = "\"><script>alert(1)</script><b".to_owned();
        }
    }
    sandbox.file("in/x.csv", Variant::default().csv(&invoice));
    bin(&sandbox)
        .arg("ingest")
        .arg(sandbox.join("in"))
        .run()
        .assert(0, has("stored"), "");
    let path = sandbox.join("report.html");
    bin(&sandbox)
        .arg("report")
        .arg("--html")
        .arg(&path)
        .run()
        .assert(0, "", "");
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains("&quot;&gt;&lt;script&gt;"), "{page}");
    assert!(!page.contains("<script"), "{page}");
}
