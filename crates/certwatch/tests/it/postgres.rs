//! The store on a PostgreSQL server, as administrators reach it.

use nightshift_testkit::{PostgresServer, any, has, has_all};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::durability::Tarpit;
use crate::fleet::Fleet;

#[test]
fn a_fleet_is_remembered_over_a_socket() {
    let server = PostgresServer::new();
    let mut fleet = Fleet::new(12);
    fleet.keep_at(server.database("certwatch"));
    // Unlike a file a missing schema is made by whatever comes first: the server is there.
    fleet.tool(&["events"]).run().assert(0, "", "");
    fleet.scan().run().assert(0, "", "");
    fleet.scan().run().assert(0, "", "");
    fleet.swap(3, "other");
    fleet.scan().run().assert(1, has("owner-changed"), "");
    fleet.scan().run().assert(0, "", "");
    let target = fleet.target(3);
    fleet
        .tool(&["diff", &target])
        .run()
        .assert(1, has("! owner Fleet CA"), "");
    fleet
        .tool(&["reject", &target, "-m", "not ours"])
        .run()
        .assert(0, "", "");
    fleet.swap(3, "other");
    fleet.scan().run().assert(1, has("rejected-key"), "");
    fleet
        .tool(&["expiring", "--within", "90d"])
        .run()
        .assert(1, has(target.as_str()), "");
    let page = fleet.sandbox.join("page");
    fleet
        .tool(&["report", "--html"])
        .arg(page)
        .run()
        .assert(0, "", "");
    server.stop();
    fleet.scan().run().assert(
        3,
        "",
        has_all(["store postgres://test@", "connecting to server"]),
    );
    server.start_again();
    fleet.scan().run().assert(0, "", "");
    fleet
        .tool(&["events", "--open"])
        .run()
        .assert(0, has("rejected-key"), "");
}

#[test]
fn one_scan_per_vantage_and_database() {
    let server = PostgresServer::new();
    let mut fleet = Fleet::new(3);
    let tarpit = Tarpit::before(&fleet);
    fleet.keep_at(server.database("certwatch"));
    let scan = |vantage| {
        fleet
            .tool_at(vantage, &["scan", "-f"])
            .arg(fleet.sandbox.join("targets"))
            .arg("--config")
            .arg(fleet.sandbox.join("config"))
    };
    let first = scan("north").spawn();
    tarpit.wait_beyond(0);
    scan("north")
        .run()
        .assert(75, "", has("another scan or watch of vantage north"));
    scan("south").run().assert(0, "", "");
    first.wait(Duration::from_secs(30)).assert(0, "", "");
    scan("north").run().assert(0, "", "");
}

#[test]
fn two_vantages_write_into_one_database_at_once() {
    let server = PostgresServer::new();
    let mut fleet = Fleet::new(60);
    fleet.keep_at(server.database("certwatch"));
    let targets = fleet.sandbox.join("targets");
    let both: Vec<_> = ["north", "south"]
        .map(|vantage| {
            fleet
                .tool_at(vantage, &["scan", "-f"])
                .arg(&targets)
                .spawn()
        })
        .into_iter()
        .collect();
    for scan in both {
        scan.wait(Duration::from_mins(1)).assert(0, "", "");
    }
    fleet.tool(&["compare"]).run().assert(0, "", "");
    let out = fleet.tool(&["show"]).run().assert(0, any(), "");
    assert_eq!(out.stdout_text().lines().count(), 60);
}

/// A CA and a certificate of it for `localhost`, both PEM, with the key of the latter.
fn certificates() -> (String, String, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_key = KeyPair::generate().unwrap();
    let root = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key));
    (root, leaf.unwrap().pem(), key.serialize_pem())
}

#[test]
fn over_the_network_tls_and_a_password_file_are_wanted() {
    let (root, certificate, key) = certificates();
    let server = PostgresServer::with_tls(&certificate, &key);
    server.sql("CREATE ROLE watch LOGIN PASSWORD 'open sesame'");
    server.sql("CREATE DATABASE certwatch OWNER watch");
    let mut fleet = Fleet::new(3);
    fleet.keep_at(server.tcp_address("watch", "certwatch"));
    let root = fleet.sandbox.file("root.pem", root);
    let password = fleet.sandbox.file("password", "open sesame\n");
    let mode = |mode| std::fs::set_permissions(&password, std::fs::Permissions::from_mode(mode));
    let config = |lines: &str| fleet.sandbox.file("c.toml", format!("[store]\n{lines}"));
    let full = format!(
        "root-cert = {:?}\npassword-file = {:?}\n",
        root.display().to_string(),
        password.display().to_string()
    );
    let scan = |lines: &str| fleet.scan().arg("--config").arg(config(lines)).run();
    mode(0o644).unwrap();
    scan(&full).assert(2, "", has_all(["password", "is open to others"]));
    mode(0o600).unwrap();
    scan(&full).assert(0, "", "");
    scan(&full).assert(0, "", "");
    // Without its root nobody's certificate is believed, and without TLS nothing is sent.
    let only_password = full.lines().nth(1).unwrap();
    scan(only_password).assert(3, "", has_all(["store postgres://", "certificate"]));
    let only_root = full.lines().next().unwrap();
    scan(only_root).assert(3, "", has("password"));
    fleet.sandbox.file("password", "wrong\n");
    scan(&full).assert(3, "", has("password authentication failed"));
}
