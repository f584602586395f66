//! Recordings.

use nightshift_testkit::has;
use ups_testportal::portal::PASSWORD;

use crate::support::{Setup, files_in};

#[test]
fn a_recorded_run_plays_back_offline_to_the_same_files() {
    let setup = Setup::new(4);
    let tape = setup.sandbox.join("run.jsonl");
    let tape_path = tape.to_str().unwrap();
    setup
        .classic(&["tape", "record", tape_path])
        .run()
        .assert(0, "", "");
    let text = std::fs::read_to_string(&tape).unwrap();
    for secret in [
        PASSWORD,
        "p%40ss+w%22o%2Frd%25",
        "p%40ss%20w%22o%2Frd%25",
        "p@ss w\\\"o/rd%",
        "cEBzcyB3Im8vcmQl",
        "session-",
        "token-",
    ] {
        assert!(!text.contains(secret), "{secret} is in the tape");
    }
    setup.portal.forget();
    redacting_takes_further_values_out(&setup, tape_path);
    let into = setup.sandbox.join("replayed");
    setup
        .classic(&[
            "--offline",
            "tape",
            "replay",
            tape_path,
            "--into",
            into.to_str().unwrap(),
        ])
        .run()
        .assert(0, has("12 documents"), "");
    assert_eq!(setup.portal.log().len(), 0);
    assert_eq!(files_in(into.join("archive")), setup.expected());
}

/// The recording goes on to be played back: its copy is what is changed here.
fn redacting_takes_further_values_out(setup: &Setup, tape: &str) {
    let number = &setup.portal.invoices[2].number;
    let values = setup
        .sandbox
        .file("values", format!("{number}\n\nZ\u{fc}rich\n"));
    let output = setup.sandbox.join("shared.jsonl");
    let redact = |values: &std::path::Path| {
        setup
            .cmd(&["tape", "redact", tape, "--values"])
            .arg(values)
            .arg("--output")
            .arg(&output)
    };
    redact(&values).run().assert(0, has("places redacted"), "");
    let (before, after) = (
        std::fs::read_to_string(tape).unwrap(),
        std::fs::read_to_string(&output).unwrap(),
    );
    for value in [number, "Z\u{fc}rich"] {
        assert!(before.contains(value), "{value} was never there");
        assert!(!after.contains(value), "{value} is still there");
    }
    assert_eq!(before.lines().count(), after.lines().count());
    assert!(after.contains(&setup.portal.invoices[1].number));
    let values = setup.sandbox.file("values", "nowhere in it\n");
    redact(&values).run().assert(1, "0 places redacted\n", "");
    let values = setup.sandbox.file("values", "abc\n");
    redact(&values).run().assert(2, "", has("too short"));
}

#[test]
fn a_profile_is_compared_with_the_built_in_one() {
    let setup = Setup::new(1);
    setup
        .cmd(&["profile", "diff", "ups-classic"])
        .run()
        .assert(0, "", "");
    let text = setup
        .cmd(&["profile", "show", "ups-classic"])
        .run()
        .success()
        .stdout_text();
    let edited = text.replacen("cap = 100", "cap = 50", 1);
    assert_ne!(edited, text);
    let file = setup.sandbox.file("profiles/ups-classic.toml", edited);
    for name in ["ups-classic", file.to_str().unwrap()] {
        setup
            .cmd(&["profile", "diff", name])
            .run()
            .assert(1, "-cap = 100\n+cap = 50\n", "");
    }
    setup.cmd(&["profile", "lint", "portal"]).run().assert(
        2,
        "",
        has("no profile portal; there are portal-classic, portal-json, ups-"),
    );
    setup
        .cmd(&["profile", "diff", "portal-json"])
        .run()
        .assert(2, "", has("--against"));
    setup
        .cmd(&[
            "profile",
            "diff",
            "portal-json",
            "--against",
            "portal-classic",
        ])
        .run()
        .assert(1, has("+# The test portal's JSON flow."), "");
}
