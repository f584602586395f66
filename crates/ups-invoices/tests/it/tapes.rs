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
