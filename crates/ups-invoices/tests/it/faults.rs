//! Portals that are wrong, changed or hostile.

use nightshift_testkit::{any, has};
use ups_testportal::http::{Answer, Server};
use ups_testportal::portal::{ECHO, Fault, PASSWORD};

use crate::support::Setup;

#[test]
fn spoiled_downloads_store_nothing() {
    for (fault, format, code, words) in [
        (Fault::ShortBody, "csv", 3, "cut off"),
        (Fault::NoEnd, "csv", 3, "cut off"),
        (Fault::CutRow, "csv", 3, "cut off in the row"),
        (Fault::HtmlForFile, "csv", 13, "a person is needed"),
        (Fault::OddPage, "csv", 12, "got a web page"),
        (Fault::Down, "csv", 3, "status 503"),
        (Fault::ZipTraversal, "csv", 14, "points outside"),
        (Fault::ZipBomb, "csv", 14, "far more than it should"),
        (Fault::EntityBomb, "xml", 14, "document type declaration"),
    ] {
        let setup = Setup::new(1);
        setup.portal.set(fault);
        // Three tries with growing waits would take minutes; the deadline ends them.
        let config = String::from_utf8(setup.sandbox.read("config.toml")).unwrap();
        setup.sandbox.file(
            "config.toml",
            format!("{config}[fetch]\ndeadline = \"6s\"\n"),
        );
        setup
            .classic(&["fetch", "--formats", format])
            .run()
            .assert(code, "", has(words));
        assert_eq!(setup.files(), [], "{fault:?}");
        let evidence = matches!(fault, Fault::OddPage | Fault::ZipTraversal | Fault::ZipBomb);
        assert_eq!(
            setup.sandbox.join("state/evidence").exists(),
            evidence,
            "{fault:?}"
        );
        setup.portal.set(Fault::None);
        setup.sandbox.file("config.toml", config);
        setup
            .classic(&["fetch", "--formats", format])
            .run()
            .assert(0, "", "");
        assert_eq!(setup.files().len(), 1, "{fault:?}: the next run mends it");
    }
}

#[test]
fn good_zip_answers_are_unpacked() {
    let setup = Setup::new(2);
    setup.portal.set(Fault::Zip);
    setup.classic(&["fetch"]).run().assert(0, "", "");
    assert_eq!(setup.files(), setup.expected());
}

#[test]
fn the_password_goes_nowhere_else() {
    for (fault, code) in [
        (Fault::HttpAction, 11),
        (Fault::LoginDowngrade, 11),
        (Fault::ForeignAction, 12),
        (Fault::Login307, 12),
    ] {
        let setup = Setup::new(1);
        setup.portal.set(fault);
        // Whatever is sent in the clear or to the other name ends here, and is counted.
        let trap = Server::start(None, |_| Answer::page("trap")).unwrap();
        let elsewhere = format!("www.elsewhere.test:443:{}", trap.address);
        setup
            // Signing in begins at www: apps is asked for nothing before it.
            .classic(&["--resolve", &elsewhere, "login"])
            .run()
            .assert(code, "", has("refused"));
        assert_eq!(
            trap.connections.load(std::sync::atomic::Ordering::SeqCst),
            0,
            "{fault:?}"
        );
        let posted = setup
            .portal
            .count(|r| String::from_utf8_lossy(&r.body).contains("password"));
        let once = usize::from(matches!(fault, Fault::Login307 | Fault::LoginDowngrade));
        assert_eq!(
            posted, once,
            "{fault:?}: to the portal's own form, and never again"
        );
        // The other host's own count: not a byte of a request, let alone the password.
        let apps = &setup.portal.apps;
        assert_eq!(
            apps.bytes.load(std::sync::atomic::Ordering::SeqCst),
            0,
            "{fault:?}"
        );
    }
}

#[test]
fn a_wrong_password_is_posted_once() {
    let setup = Setup::new(1);
    setup.sandbox.file("password", "wrong password");
    setup
        .classic(&["fetch"])
        .run()
        .assert(10, "", has("refused the sign-in"));
    assert_eq!(setup.portal.logins(), 1);
    setup
        .classic(&["login"])
        .run()
        .assert(10, "", has("refused the sign-in"));
    assert_eq!(setup.portal.logins(), 2);
}

#[test]
fn a_sign_in_is_not_posted_again_when_the_portal_is_busy() {
    let setup = Setup::new(1);
    setup.portal.set(Fault::LoginBusy);
    setup
        .classic(&["fetch"])
        .run()
        .assert(3, "", has("status 503"));
    assert_eq!(setup.portal.logins(), 1);
}

#[test]
fn a_challenge_needs_a_person_after_one_post() {
    let setup = Setup::new(1);
    setup.portal.set(Fault::Challenge);
    setup
        .classic(&["fetch"])
        .run()
        .assert(13, "", has("verification code"));
    assert_eq!(setup.portal.logins(), 1);
}

#[test]
fn a_changed_page_is_told_with_evidence_and_mended_by_the_profile_alone() {
    let setup = Setup::new(3);
    setup
        .classic(&["fetch", "--limit", "0"])
        .run()
        .assert(4, "", "");
    setup.portal.set(Fault::Changed);
    let output = setup.classic(&["fetch"]).run().assert(
        12,
        "",
        has("form with field `fromStatementDate` is missing"),
    );
    let text = output.stderr_text();
    let directory = text
        .split("evidence in ")
        .nth(1)
        .and_then(|t| t.split(')').next())
        .unwrap();
    let report = std::fs::read_to_string(format!("{directory}/report.txt")).unwrap();
    assert!(
        report.contains("form with field `fromStatementDate`"),
        "{report}"
    );
    assert!(
        report.contains("dateFrom"),
        "the skeleton shows the new field: {report}"
    );
    let tape = format!("{directory}/tape.jsonl");
    setup
        .classic(&["profile", "test", "portal-classic", "--tape", &tape])
        .run()
        .assert(12, any(), has("fromStatementDate"));

    let profile = String::from_utf8(setup.sandbox.read("profiles/portal-classic.toml")).unwrap();
    let mended = profile
        .replace("fromStatementDate", "dateFrom")
        .replace("table#invoiceTable", "table#resultGrid");
    setup.sandbox.file("profiles/portal-classic.toml", mended);
    let recorded = setup.sandbox.join("new.jsonl");
    let recorded = recorded.to_str().unwrap();
    setup
        .classic(&["tape", "record", recorded])
        .run()
        .assert(0, "", "");
    assert_eq!(setup.files(), setup.expected());
    setup
        .classic(&["profile", "test", "portal-classic", "--tape", recorded])
        .run()
        .assert(
            0,
            has("list: 3 invoices\ndownloads: 9 good, 0 not in the recording"),
            "",
        );
}

#[test]
fn a_cent_is_found_wherever_it_is_off() {
    let setup = Setup::new(2);
    setup.portal.set(Fault::ListCent);
    setup
        .classic(&["fetch"])
        .run()
        .assert(14, "", has("check cross failed: amount: CSV"));
    setup
        .classic(&["alerts"])
        .run()
        .assert(1, has("mismatch"), "");

    let setup = Setup::new(2);
    setup.portal.set(Fault::CsvCent);
    setup
        .classic(&["fetch"])
        .run()
        .assert(14, "", has("check sum failed: CSV net sum"));
    assert_eq!(
        setup.files().len(),
        6,
        "kept: the portal forgets invoices after a year"
    );
    setup
        .classic(&["check"])
        .run()
        .assert(14, has("sum FAILED: CSV net sum"), "");
    setup
        .classic(&["check", "--tolerance", "0.10"])
        .run()
        .assert(0, has("passed"), "");

    let setup = Setup::new(2);
    setup.portal.set(Fault::XmlCent);
    setup
        .classic(&["fetch"])
        .run()
        .assert(14, "", has("check sum failed: XML net sum"))
        .assert(14, "", has("check cross failed: amount: CSV net sum"));
}

#[test]
fn no_secret_is_in_anything_that_is_written() {
    const FORMS: [&str; 8] = [
        PASSWORD,
        "p%40ss+w%22o%2Frd%25",
        "p%40ss%20w%22o%2Frd%25",
        "p@ss w\\\"o/rd%",
        "p@ss w&quot;o/rd%",
        // In base64, what of the password does not depend on its neighbours, by alignment.
        "cEBzcyB3Im8vcmQl",
        "BAc3MgdyJvL3JkJ",
        "wQHNzIHciby9yZC",
    ];
    let setup = Setup::new(1);
    setup.portal.set(Fault::Echo);
    let output = setup
        .classic(&["-vvv", "fetch"])
        .run()
        .assert(12, any(), any());
    let mut texts = vec![("stderr".to_owned(), output.stderr)];
    for directory in std::fs::read_dir(setup.sandbox.join("state/evidence")).unwrap() {
        texts.extend(crate::support::files_in(directory.unwrap().path()));
    }
    assert!(texts.len() >= 4);
    let tokens = setup.portal.handed_out();
    assert!(tokens.len() >= 3, "sessions and tokens: {tokens:?}");
    for (name, bytes) in &texts {
        let text = String::from_utf8_lossy(bytes);
        for secret in FORMS
            .iter()
            .copied()
            .chain(tokens.iter().map(String::as_str))
        {
            assert!(!text.contains(secret), "{secret} in {name}: {text}");
        }
    }
    // The page did show every form: each stands there as a placeholder now.
    let (_, page) = texts.iter().find(|(name, _)| name == "page.html").unwrap();
    let page = String::from_utf8_lossy(page);
    assert!(page.matches("[redacted]").count() >= FORMS.len(), "{page}");
    for form in FORMS {
        assert!(ECHO.contains(form), "the page never showed {form}");
    }
}
