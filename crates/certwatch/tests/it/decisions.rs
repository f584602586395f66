//! What people decide, and what lists they import.

use std::fmt::Write as _;
use std::path::Path;

use nightshift_testkit::{any, has, has_all};

use crate::fleet::Fleet;

/// A fleet that was scanned twice, so that its issuers are learned.
fn known(count: usize) -> Fleet {
    let fleet = Fleet::new(count);
    fleet.scan().run().assert(0, "", "");
    fleet.scan().run().assert(0, "", "");
    fleet
}

/// The DER blocks of a PEM file.
fn ders(path: &Path) -> Vec<Vec<u8>> {
    use base64::Engine as _;
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks
        .map(|block| {
            let body: String = block
                .split("-----")
                .next()
                .unwrap()
                .split_whitespace()
                .collect();
            base64::engine::general_purpose::STANDARD
                .decode(body)
                .unwrap()
        })
        .collect()
}

fn fingerprint(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    bytes.concat()
}

#[test]
fn an_authorised_key_never_alarms() {
    let mut fleet = known(3);
    let key = fleet.next_key(0);
    fleet
        .tool(&["authorize", "-m", "our renewal"])
        .arg(&key)
        .run()
        .assert(0, has("next.pem  "), "");
    fleet.swap(0, "other");
    fleet.swap(1, "other");
    // Only the one whose key nobody announced.
    let out = fleet.scan().run().assert(1, has("owner-changed"), "");
    assert!(out.stdout_text().starts_with(&fleet.target(1)), "{out}");
    assert_eq!(
        out.stdout_text().matches("owner-changed").count(),
        1,
        "{out}"
    );
    let private = fleet.sandbox.file(
        "private.pem",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    fleet
        .tool(&["authorize"])
        .arg(private)
        .run()
        .assert(3, "", has("holds a private key"));
}

#[test]
fn a_code_and_a_target_can_be_ignored_for_a_while() {
    let mut fleet = known(3);
    let target = fleet.target(0);
    fleet
        .tool(&["ignore", &target, "-m", "being moved"])
        .run()
        .assert(0, "", "");
    fleet.swap(0, "other");
    fleet.scan().run().assert(0, "", "");
    fleet
        .tool(&[
            "ignore",
            "owner-changed",
            "--until",
            "2020-01-01",
            "-m",
            "over",
        ])
        .run()
        .assert(0, "", "");
    fleet.swap(1, "other");
    fleet.scan().run().assert(1, has("owner-changed"), "");
    fleet
        .tool(&["ignore", "owner-changed", "-m", "new contract"])
        .run()
        .assert(0, "", "");
    fleet.swap(2, "other");
    fleet.scan().run().assert(0, "", "");
    fleet
        .tool(&["show", &target, "--history"])
        .run()
        .assert(0, has("being moved"), "");
    fleet
        .tool(&["ignore", "nobody.example", "-m", "x"])
        .run()
        .assert(2, "", has("nobody.example"));
}

#[test]
fn ccadb_names_owners_and_makes_unseen_issuers_known() {
    let mut fleet = known(3);
    let cas = ders(&fleet.sandbox.join("cas.pem"));
    let mut csv = "CA Owner,Subordinate CA Owner,Revocation Status,SHA-256 Fingerprint,\
                   Parent SHA-256 Fingerprint,Subject Key Identifier\n"
        .to_owned();
    for ca in &cas {
        writeln!(csv, "Fleet Holding,,Not Revoked,{},,", fingerprint(ca)).unwrap();
    }
    let report = fleet.sandbox.file("report.csv", csv);
    let import = |file: &Path| fleet.tool(&["import", "ccadb"]).arg(file).run();
    import(&report).assert(0, "", "");
    let wrong = fleet.sandbox.file("wrong.csv", "a,b\n1,2\n");
    import(&wrong).assert(3, "", has_all(["wrong.csv", "no column `CA Owner`"]));
    // By the report both roots have one owner now, and no key is unseen.
    fleet.swap(0, "other");
    fleet.scan().run().assert(0, "", "");
    fleet
        .tool(&["events"])
        .run()
        .assert(0, has("rotation inside Fleet Holding"), "");
}

#[test]
fn a_list_of_ct_logs_is_imported_or_refused() {
    use base64::Engine as _;
    use rcgen::PublicKeyData as _;
    let fleet = Fleet::new(1);
    let key = rcgen::KeyPair::generate()
        .unwrap()
        .subject_public_key_info();
    let id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key);
    let text = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let list = |id: String| {
        serde_json::json!({"operators": [{"name": "Operator", "logs": [
            {"description": "Log 1", "log_id": id, "key": text(&key)}
        ]}]})
        .to_string()
    };
    let import = |name: &str, content: String| {
        let file = fleet.sandbox.file(name, content);
        fleet.tool(&["-v", "import", "loglist"]).arg(file).run()
    };
    import("list.json", list(text(id.as_ref()))).assert(0, "", has("total=1"));
    import("wrong.json", list(text(&key))).assert(3, "", has_all(["wrong.json", "not its key's"]));
    import("none.json", "[]".to_owned()).assert(3, "", has("no CT log list"));
}

#[test]
fn an_imported_list_of_bad_cas_is_applied() {
    let mut fleet = known(2);
    let list = fleet
        .sandbox
        .file("bad", "# kind value reason\norg Other CA\tsold its keys\n");
    let out = fleet.tool(&["import", "distrusted"]).arg(&list).run();
    out.assert(0, "", "");
    fleet.swap(0, "other");
    fleet
        .scan()
        .run()
        .assert(1, has_all(["known-bad", "sold its keys"]), "");
    let broken = fleet.sandbox.file("broken", "spki zz reason\n");
    fleet
        .tool(&["import", "distrusted"])
        .arg(&broken)
        .run()
        .assert(3, "", has_all(["broken", "line 1"]));
}

#[test]
fn the_memory_of_the_add_on_is_the_history_of_its_sites() {
    let fleet = Fleet::new(2);
    let old = rcgen::generate_simple_self_signed(vec!["h0.fleet.test".to_owned()]).unwrap();
    let file = fleet.sandbox.join("CertPatrol.sqlite");
    let database = rusqlite::Connection::open(&file).unwrap();
    database
        .execute_batch(
            "CREATE TABLE certificates (host TEXT, commonName TEXT, cert BLOB, flags INT,
                stored INT)",
        )
        .unwrap();
    let target = fleet.target(0);
    let insert = "INSERT INTO certificates (host, cert, flags, stored) VALUES (?1, ?2, ?3, ?4)";
    let row = (target.as_str(), &old.cert.der()[..], 1, 1_300_000_000);
    database.execute(insert, row).unwrap();
    let without = ("b.example", rusqlite::types::Null, 0, 1_300_000_000);
    database.execute(insert, without).unwrap();
    drop(database);
    fleet
        .tool(&["import", "certpatrol"])
        .arg(&file)
        .run()
        .assert(4, "", has("1"));
    fleet.tool(&["show", &target, "--history"]).run().assert(
        0,
        has_all(["2011-03-13", "certpatrol"]),
        "",
    );
    let text = fleet.sandbox.file("text", "no database");
    fleet
        .tool(&["import", "certpatrol"])
        .arg(&text)
        .run()
        .assert(3, "", has("no Certificate Patrol database"));
}

#[test]
fn events_can_be_narrowed_and_read_by_programs() {
    let mut fleet = known(2);
    fleet.swap(0, "other");
    fleet
        .scan()
        .arg("--json")
        .run()
        .assert(1, has("\"severity\":"), "");
    fleet
        .tool(&["events", "--since", "1h", "--severity", "warning", "--json"])
        .run()
        .assert(
            0,
            has_all(["\"code\":\"owner-changed", "\"state\":\"open\""]),
            "",
        );
    fleet
        .tool(&["events", "--since", "2999-01-01"])
        .run()
        .assert(0, "", "");
    fleet
        .tool(&["events", "--severity", "loud"])
        .run()
        .assert(2, "", any());
    let target = fleet.target(0);
    fleet
        .tool(&["show", &target, "--pem"])
        .run()
        .assert(0, has("-----BEGIN CERTIFICATE-----"), "");
    fleet
        .tool(&["accept", &target, "-m", "new contract"])
        .run()
        .assert(0, "", "");
    fleet.tool(&["events", "--open"]).run().assert(0, "", "");
}
