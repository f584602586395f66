//! Servers, certificates, lists and clocks that mean no good, or are merely very odd.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use nightshift_testkit::{Cmd, Sandbox, any, has, has_all, needs};
use rcgen::{CertificateParams, DnType, KeyPair};

use crate::fleet::{BINARY, Fleet, free_port};
use crate::servers::{serve, server};

/// What a server does with a connection.
type Work = fn(TcpStream);

/// A server that handles each connection by `work`, until the test ends.
fn scripted(work: Work) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || work(stream));
        }
    });
    port
}

fn hello(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let _ = stream.read(&mut buffer);
}

/// A TLS record with its header.
fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 3, 3];
    out.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend(payload);
    out
}

/// A TLS 1.2 ServerHello that chooses ECDHE-ECDSA with AES-128-GCM.
fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0xc0, 0x2b, 0]);
    let mut message = vec![2, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    record(22, &message)
}

/// Says nothing and stays.
fn silent(mut stream: TcpStream) {
    hello(&mut stream);
    hello(&mut stream); // until the other side gives up
}

/// A byte of a handshake record every 50 ms: always alive, never done.
fn dripping(mut stream: TcpStream) {
    hello(&mut stream);
    let mut message = vec![2, 0, 0x3e, 0];
    message.resize(16_000, 0);
    let mut bytes = record(22, &message).into_iter().cycle();
    while stream.write_all(&[bytes.next().unwrap()]).is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The same in plain text, where a greeting is expected.
fn dripping_greeting(mut stream: TcpStream) {
    while stream.write_all(b"2").is_ok() {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A certificate list of 16 MiB by its own account.
fn endless_list(mut stream: TcpStream) {
    hello(&mut stream);
    let mut bytes = server_hello();
    bytes.extend(record(
        22,
        &[11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc, 0, 0x10, 0],
    ));
    let more = record(22, &[0x30; 16_000]);
    let _ = stream.write_all(&bytes);
    while stream.write_all(&more).is_ok() {}
}

/// More certificates than anybody has, each of one byte.
fn many_certificates(mut stream: TcpStream) {
    hello(&mut stream);
    let list = [0, 0, 1, 0x30].repeat(2000);
    let length = u32::try_from(list.len()).unwrap();
    let mut message = vec![11];
    message.extend(&(length + 3).to_be_bytes()[1..]);
    message.extend(&length.to_be_bytes()[1..]);
    message.extend(list);
    let mut bytes = server_hello();
    bytes.extend(record(22, &message));
    bytes.extend(record(22, &[14, 0, 0, 0]));
    let _ = stream.write_all(&bytes);
    hello(&mut stream);
}

fn plain_text(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
    hello(&mut stream);
}

fn hangs_up(mut stream: TcpStream) {
    hello(&mut stream);
}

#[test]
fn every_way_to_fail_has_its_outcome_and_the_deadline_holds() {
    let sandbox = Sandbox::new();
    let config = sandbox.file("c.toml", "[probe]\ndeadline = \"1500ms\"\n");
    let cases: &[(Work, &str, &[&str])] = &[
        (silent, "", &["timeout(handshake)"]),
        (dripping, "", &["timeout(handshake)"]),
        (dripping_greeting, "/smtp", &["timeout(preamble)"]),
        (endless_list, "", &["broken"]),
        (many_certificates, "", &["broken", "cert-unparseable"]),
        (plain_text, "", &["not-tls"]),
        (hangs_up, "", &["reset"]),
    ];
    for (work, protocol, outcomes) in cases {
        let target = format!("127.0.0.1:{}{protocol}", scripted(*work));
        let out = Cmd::new(BINARY)
            .args(["check", &target, "--config"])
            .arg(&config)
            .run();
        let text = out.stdout_text();
        assert!(
            outcomes.iter().any(|o| text.contains(o)),
            "{outcomes:?}: {out}"
        );
        assert!(out.elapsed() < Duration::from_secs(15), "{out}");
    }
}

#[test]
fn tarpits_hold_up_nobody_else() {
    let fleet = Fleet::new(50);
    let (silent, drip) = (scripted(silent), scripted(dripping));
    let mut targets = String::from_utf8(fleet.sandbox.read("targets")).unwrap();
    for n in 0..50 {
        let port = if n % 2 == 0 { silent } else { drip };
        writeln!(targets, "127.2.0.{}:{port}", n + 1).unwrap();
    }
    // Their listeners are on 127.0.0.1 alone; the rest of them is refused.
    writeln!(targets, "127.0.0.1:{silent}\n127.0.0.1:{drip}").unwrap();
    let file = fleet.sandbox.file("targets", targets);
    let config = fleet
        .sandbox
        .file("config", "[probe]\ndeadline = \"3s\"\nin-flight = 8\n");
    let out = fleet
        .tool(&["scan", "-v", "-f"])
        .arg(&file)
        .arg("--config")
        .arg(config)
        .run()
        .assert(0, "", has_all(["ok 50", "refused 50", "timeout"]));
    assert!(out.elapsed() < Duration::from_secs(30), "{out}");
}

#[test]
fn a_certificate_with_nine_thousand_names_is_judged() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..9000).map(|n| format!("name{n}.example.org")).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    assert!(certificate.der().len() > 150_000);
    sandbox.file("cert.pem", certificate.pem());
    sandbox.file("key.pem", key.serialize_pem());
    let (_server, port) = serve(&sandbox, &[]);
    let target = format!("127.0.0.1:{port}");
    Cmd::new(BINARY)
        .args(["check", "--format", "json", &target])
        .run()
        .assert(1, has_all(["legacy(0303", "name8999.example.org"]), "");
    Cmd::new(BINARY)
        .args(["replay", "--host", "name77.example.org"])
        .arg(sandbox.join("cert.pem"))
        .run()
        .assert(0, has("first-seen"), "");
}

#[test]
fn control_and_bidirectional_characters_stay_where_they_are() {
    let sandbox = Sandbox::new();
    let evil = "\u{1b}[31mred\u{202e}gnp.exe\n<script>alert(1)</script>|x=1";
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, evil);
    params
        .distinguished_name
        .push(DnType::OrganizationName, evil);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    sandbox.file("cert.pem", certificate.pem());
    sandbox.file("key.pem", key.serialize_pem());
    let (_server, port) = serve(&sandbox, &[]);
    let target = format!("127.0.0.1:{port}");
    let inert = |text: &str, what: &str| {
        let hidden = |c: char| {
            (c.is_control() && c != '\n')
                || "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}"
                    .contains(c)
        };
        assert!(!text.contains(hidden), "{what}: {text:?}");
    };
    for format in ["text", "nagios"] {
        let args = ["check", "--format", format, &target];
        let out = Cmd::new(BINARY).args(args).run();
        inert(&out.stdout_text(), format);
        if format == "nagios" {
            assert_eq!(out.stdout_text().matches('|').count(), 1, "{out}");
            assert_eq!(out.stdout_text().lines().count(), 1, "{out}");
        }
    }
    let targets = sandbox.file("targets", format!("{target}\n"));
    let tool = |args: &[&str]| {
        Cmd::new(BINARY)
            .arg("--store")
            .arg(sandbox.join("store.db"))
            .args(args)
    };
    tool(&["scan", "--min-severity", "info", "-f"])
        .arg(&targets)
        .run()
        .assert(1, any(), "");
    for args in [
        &["show", &target, "--chain", "--history"][..],
        &["events"],
        &["expiring", "--within", "99%", "--csv"],
    ] {
        inert(&tool(args).run().stdout_text(), args[0]);
    }
    let page = sandbox.join("page.html");
    tool(&["report", "--html"])
        .arg(&page)
        .run()
        .assert(0, "", "");
    let page = std::fs::read_to_string(page).unwrap();
    inert(&page, "report");
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
}

#[test]
fn ten_thousand_targets_are_taken_from_one_file() {
    let fleet = Fleet::new(1);
    let closed = free_port();
    let mut targets = String::from_utf8(fleet.sandbox.read("targets")).unwrap();
    for n in 0..10_000 {
        writeln!(
            targets,
            "127.3.{}.{}:{closed} sni=n{n}.example",
            n / 250,
            n % 250 + 1
        )
        .unwrap();
    }
    let file = fleet.sandbox.file("targets", targets);
    fleet.tool(&["scan", "-v", "-f"]).arg(&file).run().assert(
        0,
        "",
        has_all(["refused 10000", "ok 1"]),
    );
    let out = fleet.tool(&["show"]).run().assert(0, any(), "");
    assert_eq!(out.stdout_text().lines().count(), 10_001);
}

#[test]
fn a_name_that_does_not_resolve_is_an_outcome_and_no_failure() {
    let fleet = Fleet::new(1);
    let mut targets = fleet.sandbox.read("targets");
    targets.extend(b"nobody.invalid\n");
    fleet.sandbox.file("targets", targets);
    // A machine without a resolver that answers takes its time to say so.
    let config = fleet.sandbox.file("config", "[probe]\ndeadline = \"3s\"\n");
    fleet
        .scan()
        .arg("--config")
        .arg(config)
        .run()
        .assert(0, "", "");
    let out = fleet
        .tool(&["show", "nobody.invalid"])
        .run()
        .assert(0, any(), "");
    let text = out.stdout_text();
    assert!(
        text.contains("dns,") || text.contains("timeout(dns)"),
        "{out}"
    );
}

#[test]
fn a_clock_that_went_back_is_said_and_changes_no_dates() {
    let fleet = Fleet::new(2);
    fleet.scan().run().assert(0, "", "");
    let future = 4_000_000_000i64;
    let database = rusqlite::Connection::open(fleet.store()).unwrap();
    let sql = "UPDATE run SET last_seen = ?1";
    database.execute(sql, [future]).unwrap();
    fleet
        .scan()
        .run()
        .assert(0, "", has("the clock is behind the newest observation"));
    let newest: i64 = database
        .query_row("SELECT min(last_seen) FROM run", [], |row| row.get(0))
        .unwrap();
    assert_eq!(newest, future);
}

/// Chains as they were signed before 2014 are built and labelled, not lost.
#[test]
fn chains_signed_with_sha1_and_md5_are_judged() {
    needs::command("openssl", "openssl");
    let sandbox = Sandbox::new();
    let script = r#"
        set -e
        for md in md5 sha1 sha256; do
            mkdir $md; cd $md
            openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -subj "/O=Old CA/CN=Root" \
                -days 3650 -out root.pem -addext keyUsage=critical,keyCertSign
            printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign' > ca.ext
            printf 'subjectAltName=DNS:old.example\nextendedKeyUsage=serverAuth' > leaf.ext
            openssl req -newkey rsa:2048 -nodes -keyout sub.key -subj "/O=Old CA/CN=Sub" -out sub.csr
            openssl x509 -req -in sub.csr -CA root.pem -CAkey root.key -CAcreateserial -days 1000 \
                -$md -extfile ca.ext -out sub.pem
            openssl req -newkey rsa:2048 -nodes -keyout leaf.key -subj /CN=old.example -out leaf.csr
            openssl x509 -req -in leaf.csr -CA sub.pem -CAkey sub.key -CAcreateserial -days 300 \
                -$md -extfile leaf.ext -out leaf.pem
            cat leaf.pem sub.pem > chain.pem; cd ..
        done"#;
    Cmd::new("/bin/sh")
        .args(["-c", script])
        .cwd(sandbox.path())
        .run()
        .assert(0, any(), any());
    for (md, expected) in [
        ("sha256", None),
        ("sha1", Some("sha1")),
        ("md5", Some("md5")),
    ] {
        let dir = sandbox.join(md);
        let out = Cmd::new(BINARY)
            .args(["replay", "--host", "old.example", "--json", "--roots"])
            .arg(dir.join("root.pem"))
            .arg(dir.join("chain.pem"))
            .run();
        let text = out.stdout_text().to_lowercase();
        assert_eq!(
            text.contains("signature-weak"),
            expected.is_some(),
            "{md}: {out}"
        );
        if let Some(word) = expected {
            assert!(
                text.contains(word) || text.contains(&word.replace("sha1", "sha-1")),
                "{out}"
            );
        }
    }
    // And served: recorded with the proof of key that the handshake gives.
    std::fs::copy(sandbox.join("sha1/chain.pem"), sandbox.join("cert.pem")).unwrap();
    std::fs::copy(sandbox.join("sha1/leaf.key"), sandbox.join("key.pem")).unwrap();
    let (_server, port) = serve(
        &sandbox,
        &["-cipher", "ALL:@SECLEVEL=0", "-cert_chain", "cert.pem"],
    );
    Cmd::new(BINARY)
        .args(["check", &format!("127.0.0.1:{port}"), "--roots"])
        .arg(sandbox.join("sha1/root.pem"))
        .run()
        .assert(1, has_all(["key proven", "signature-weak"]), "");
}

#[test]
fn a_server_that_wants_a_client_certificate_is_seen_all_the_same() {
    let sandbox = Sandbox::new();
    let (_server, port) = server(&sandbox, &["-newkey", "rsa:2048"], &["-Verify", "1"]);
    Cmd::new(BINARY)
        .args(["check", &format!("127.0.0.1:{port}")])
        .run()
        .assert(1, has_all(["key proven", "self-signed"]), "");
}
