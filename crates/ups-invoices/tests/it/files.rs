//! `ingest`, `check --files` and what comes of them.

use jiff::civil::date;
use nightshift_testkit::{Sandbox, any, has};
use ups_testportal::invoice::{Invoice, Recipe, make};
use ups_testportal::variant::{Header, Variant, pdf, xml};

use crate::support::{bin, config, files_in};

fn invoice(seed: u64) -> Invoice {
    make(&Recipe {
        seed,
        account: "A1B2C3".into(),
        currency: "USD".into(),
        date: date(2026, 2, 14),
        shipments: 5,
    })
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    config(&sandbox, "[ingest]\nsettle = \"0s\"\n");
    sandbox
}

#[test]
fn files_of_every_format_are_taken_in_once() {
    let sandbox = sandbox();
    let one = invoice(1);
    let name = format!("Invoice_{}_021426", one.number);
    sandbox.file(format!("in/{name}.csv"), Variant::default().csv(&one));
    sandbox.file(format!("in/{name}.xml"), xml(&one));
    sandbox.file(format!("in/{name}.pdf"), pdf(&one));
    sandbox.file("in/.hidden.csv", "x");
    sandbox.file("in/half.csv.part", "x");
    let directory = sandbox.join("in");
    bin(&sandbox)
        .arg("ingest")
        .arg(&directory)
        .run()
        .assert(0, has("stored 2026-02-14_"), "");
    assert_eq!(files_in(sandbox.join("archive")).len(), 3);
    bin(&sandbox)
        .arg("ingest")
        .arg(&directory)
        .run()
        .assert(0, "", "");
    bin(&sandbox)
        .args(["check", "--all"])
        .run()
        .assert(0, has("passed"), "");
    let shown = bin(&sandbox)
        .args(["--json", "show", "--last"])
        .run()
        .success()
        .stdout_text();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["invoice"], one.number.as_str());
    assert_eq!(shown["documents"].as_array().unwrap().len(), 3);
    let tracking = one.rows[0]
        .iter()
        .find(|(column, _)| *column == 20)
        .unwrap()
        .1
        .clone();
    bin(&sandbox)
        .args(["track", &tracking])
        .run()
        .assert(0, has(&tracking), "");
    bin(&sandbox)
        .args(["track", "1Z-unknown"])
        .run()
        .assert(1, "", "");
    bin(&sandbox)
        .args(["track", "--unbilled", "-"])
        .stdin(format!("{tracking}\n1Z000\n"))
        .run()
        .assert(1, "1Z000\n", "");
}

#[test]
fn the_same_invoice_in_every_variant_is_one_document() {
    let sandbox = sandbox();
    let one = invoice(1);
    let plain = Variant::default();
    let european = Variant {
        delimiter: ';',
        european: true,
        ..Variant::default()
    };
    let mut variants = Vec::new();
    for base in [&plain, &european] {
        for header in [Header::None, Header::Of244, Header::Of(250), Header::Of251] {
            for newline in ["\n", "\r\n"] {
                for cp1252 in [false, true] {
                    variants.push(Variant {
                        header,
                        newline,
                        cp1252,
                        mark: !cp1252,
                        ..base.clone()
                    });
                }
            }
        }
    }
    variants.push(Variant {
        columns: 176,
        ..plain
    });
    variants.push(Variant {
        spreadsheet_dates: true,
        ..plain
    });
    for (index, variant) in variants.iter().enumerate() {
        let name = format!("variants/{index:02}.csv");
        sandbox.file(name, variant.csv(&one));
    }
    let output = bin(&sandbox)
        .args(["--json", "ingest"])
        .arg(sandbox.join("variants"))
        .run()
        .assert(0, any(), "");
    let outcome: serde_json::Value = serde_json::from_str(&output.stdout_text()).unwrap();
    assert_eq!(outcome["stored"].as_array().unwrap().len(), 1, "{outcome}");
    assert_eq!(outcome["known"], variants.len() - 1);
    assert_eq!(files_in(sandbox.join("archive")).len(), 1);
    let alerts = bin(&sandbox).arg("alerts").run();
    assert!(!alerts.stdout_text().contains("restated"), "{alerts}");
}

#[test]
fn one_file_may_hold_several_invoices() {
    let sandbox = sandbox();
    let (one, two) = (invoice(1), invoice(2));
    let variant = Variant {
        header: Header::Of(250),
        mark: true,
        ..Variant::default()
    };
    let file = sandbox.file("merged.csv", variant.csv_of(&[&one, &two]));
    let ingest = || bin(&sandbox).arg("ingest").arg(&file);
    ingest().run().assert(0, has(&two.number), "");
    let listed = bin(&sandbox).arg("list").run().success().stdout_text();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    // Each is a file of its own, as if it had come alone.
    let alone = Variant {
        mark: false,
        ..variant
    };
    let wanted = [&one, &two].map(|invoice| {
        let name = format!("{}_{}.csv", invoice.date, invoice.number);
        (name, alone.csv(invoice))
    });
    assert_eq!(files_in(sandbox.join("archive")), wanted);
    ingest().run().assert(0, "", "");
    bin(&sandbox).arg("fsck").run().assert(0, "", "");
    // Without the ledger the files alone tell everything again.
    std::fs::remove_dir_all(sandbox.join("state")).unwrap();
    bin(&sandbox)
        .args(["fsck", "--repair"])
        .run()
        .assert(1, has("taken in as"), "");
    bin(&sandbox)
        .args(["check", "--all"])
        .run()
        .assert(0, has(&two.number), "");
    assert_eq!(files_in(sandbox.join("archive")), wanted);
}

#[test]
fn bad_files_are_refused_with_their_place_and_the_rest_goes_on() {
    let sandbox = sandbox();
    let good = invoice(1);
    let bad = String::from_utf8(
        Variant {
            newline: "\n",
            ..Variant::default()
        }
        .csv(&invoice(2)),
    )
    .unwrap();
    sandbox.file(
        "in/1-lite.csv",
        "Invoice Number,Invoice Date,Net Amount\n1,2,3\n",
    );
    sandbox.file("in/2-amount.csv", bad.replacen(",USD,", ",USD,x", 1));
    sandbox.file("in/3-good.csv", Variant::default().csv(&good));
    sandbox.file("in/4-page.csv", "<html>Sign in</html>");
    let output = bin(&sandbox).arg("ingest").arg(sandbox.join("in")).run();
    output
        .assert(14, has(&good.number), has("Billing Center Lite"))
        .assert(14, any(), has("line 1, column 11 (Invoice Amount): `x"))
        .assert(14, any(), has("a web page"))
        .assert(
            14,
            any(),
            has("hint: choose the 250-column billing data file"),
        );
    assert_eq!(files_in(sandbox.join("archive")).len(), 1);
}

#[test]
fn a_file_that_is_still_growing_is_left_for_later() {
    let sandbox = Sandbox::new();
    config(&sandbox, "[ingest]\nsettle = \"1h\"\n");
    let file = sandbox.file("in/new.csv", Variant::default().csv(&invoice(1)));
    bin(&sandbox)
        .arg("ingest")
        .arg(sandbox.join("in"))
        .run()
        .assert(0, "", "");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(old)
        .unwrap();
    bin(&sandbox)
        .arg("ingest")
        .arg(sandbox.join("in"))
        .run()
        .assert(0, has("stored"), "");
}

#[test]
fn large_files_are_checked_and_summed_without_a_ledger() {
    let sandbox = sandbox();
    let invoices: Vec<Invoice> = (0..20).map(invoice).collect();
    let all: Vec<&Invoice> = invoices.iter().collect();
    let variant = Variant {
        delimiter: ';',
        european: true,
        header: Header::Of(250),
        ..Variant::default()
    };
    let file = sandbox.file("all.csv", variant.csv_of(&all));
    let path = file.to_str().unwrap();
    let checked = bin(&sandbox)
        .args(["check", "--files", path])
        .run()
        .success()
        .stdout_text();
    assert_eq!(
        checked
            .lines()
            .filter(|line| line.contains("passed"))
            .count(),
        20,
        "{checked}"
    );
    bin(&sandbox)
        .args(["report", "--from-files", path])
        .run()
        .assert(0, has("20 invoices"), "");
    assert!(!sandbox.join("state").exists(), "nothing was written");
}
