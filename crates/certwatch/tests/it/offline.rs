//! replay, and mistakes on the command line.

use std::path::PathBuf;

use nightshift_testkit::{Cmd, Sandbox, has, has_all, needs};

use crate::fleet::BINARY;

/// Makes a root, two sub-CAs and a leaf of each with openssl; returns root and chain files.
fn chains(sandbox: &Sandbox) -> (PathBuf, PathBuf, PathBuf) {
    needs::command("openssl", "openssl");
    let script = r#"
        set -e
        key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1.key"; }
        ca='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign'
        leaf='subjectAltName=DNS:www.example.org
extendedKeyUsage=serverAuth'
        key root
        openssl req -x509 -new -key root.key -subj '/O=Test CA/CN=Root' -days 3650 -out root.pem \
            -addext 'keyUsage=critical,keyCertSign'
        for n in a b; do
            key sub$n; key leaf$n
            openssl req -new -key sub$n.key -subj "/O=Test CA/CN=Sub $n" -out sub$n.csr
            echo "$ca" > ca.ext
            openssl x509 -req -in sub$n.csr -CA root.pem -CAkey root.key -CAcreateserial \
                -days 1000 -extfile ca.ext -out sub$n.pem
            openssl req -new -key leaf$n.key -subj '/CN=www.example.org' -out leaf$n.csr
            echo "$leaf" > leaf.ext
            openssl x509 -req -in leaf$n.csr -CA sub$n.pem -CAkey sub$n.key -CAcreateserial \
                -days 90 -extfile leaf.ext -out leaf$n.pem
            cat leaf$n.pem sub$n.pem > $n.pem
        done"#;
    Cmd::new("/bin/sh")
        .args(["-c", script])
        .cwd(sandbox.path())
        .run();
    (
        sandbox.join("root.pem"),
        sandbox.join("a.pem"),
        sandbox.join("b.pem"),
    )
}

#[test]
fn replay_judges_files_in_the_order_given() {
    let sandbox = Sandbox::new();
    let (root, a, b) = chains(&sandbox);
    let replay = |extra: &[&str], files: &[&PathBuf]| {
        Cmd::new(BINARY)
            .args(["replay", "--host", "www.example.org", "--json", "--roots"])
            .arg(&root)
            .args(extra)
            .args(files)
            .run()
    };
    // Both a day into their life: an unseen sub-CA, early.
    let out =
        replay(&[], &[&a, &b]).assert(1, has_all(["\"first-seen\"", "\"issuer-unseen\""]), "");
    let lines: Vec<serde_json::Value> = out
        .stdout_text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["severity"], "warning");
    assert!(lines[1]["at"].as_str().unwrap().ends_with('Z'));
    replay(&[], &[&a, &a]).assert(0, has("\"severity\":\"none\""), "");
    replay(&["--at", "2026-01-01T00:00:00Z"], &[&a, &b]).assert(
        2,
        "",
        has("--at is given 1 times"),
    );
    let empty = sandbox.file("empty.pem", "nothing");
    replay(&[], &[&a, &empty]).assert(4, has("first-seen"), has("no certificate in it"));
    replay(&[], &[&empty]).assert(3, "", has("no certificate in it"));
}

#[test]
fn mistakes_end_with_2_and_name_themselves() {
    Cmd::new(BINARY)
        .run()
        .assert(2, "", has("no command given"));
    Cmd::new(BINARY)
        .args(["check", "exa mple"])
        .run()
        .assert(2, "", has("is no host name"));
    let sandbox = Sandbox::new();
    let config = sandbox.file("c.toml", "[probe]\nin-flight = 0\n");
    Cmd::new(BINARY)
        .args(["events", "--config"])
        .arg(&config)
        .run()
        .assert(2, "", has_all(["c.toml:2", "must be at least 1"]));
    Cmd::new(BINARY)
        .args(["events", "--store", "postgres://u:secret@db.example/x"])
        .run()
        .assert(2, "", has("a password in the address"));
}

#[test]
fn every_setting_is_in_the_manual_page() {
    let page = include_str!("../../../../docs/man/certwatch.toml.5.md");
    let out = Cmd::new(BINARY).arg("--show-config").run().success();
    let text = out.stdout_text();
    let keys: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start_matches("# ").split(' ').next().unwrap())
        .collect();
    assert!(keys.len() > 10, "{out}");
    for key in keys {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            page.contains(&format!("\n{name}\n:")),
            "{key} is not in the page"
        );
    }
}
