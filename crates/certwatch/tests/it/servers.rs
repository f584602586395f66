//! check against servers of every age: each recorded with its own outcome.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nightshift_testkit::{Cmd, Sandbox, has, has_all, needs, wait_for};

use crate::fleet::{BINARY, free_port};

pub(crate) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `openssl s_server` with a self-signed certificate made from `request`, run with `options`.
pub(crate) fn server(sandbox: &Sandbox, request: &[&str], options: &[&str]) -> (Server, u16) {
    let openssl = needs::command("openssl", "openssl");
    Cmd::new(&openssl)
        .args([
            "req", "-x509", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "90",
        ])
        .args(["-subj", "/CN=localhost"])
        .args(request)
        .cwd(sandbox.path())
        .run();
    serve(sandbox, options)
}

/// `openssl s_server` with the sandbox's cert.pem and key.pem.
pub(crate) fn serve(sandbox: &Sandbox, options: &[&str]) -> (Server, u16) {
    let openssl = needs::command("openssl", "openssl");
    let port = free_port();
    let child = Command::new(openssl)
        .args(["s_server", "-quiet", "-accept"])
        .arg(format!("127.0.0.1:{port}"))
        .args(["-key", "key.pem", "-cert", "cert.pem"])
        .args(options)
        .current_dir(sandbox.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(child);
    wait_for("the server listens", Duration::from_secs(20), || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    (server, port)
}

const RSA: &[&str] = &["-newkey", "rsa:2048"];

#[test]
fn old_servers_are_seen_through_the_cleartext_hello() {
    for (options, outcome) in [
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..], "legacy(0301"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "legacy(0302"),
        (
            &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
            "legacy(0303,009c)",
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
            "legacy(0303,c013)",
        ),
        (
            &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
            "legacy(0303,009e)",
        ),
    ] {
        let sandbox = Sandbox::new();
        let (_server, port) = server(&sandbox, RSA, options);
        let target = format!("127.0.0.1:{port}");
        Cmd::new(BINARY).args(["check", &target]).run().assert(
            1,
            has_all([outcome, "key none", "self-signed"]),
            "",
        );
    }
}

#[test]
fn weak_and_odd_certificates_are_recorded_all_the_same() {
    for (request, wanted) in [
        (
            &["-newkey", "rsa:1024"][..],
            ["key unverifiable", "key-weak"],
        ),
        (
            &[
                "-newkey",
                "rsa:2048",
                "-addext",
                "1.2.3.4.5=critical,DER:0500",
            ],
            ["self-signed", "name-mismatch"],
        ),
        (
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
            ["key proven", "ECDSA P-521"],
        ),
    ] {
        let sandbox = Sandbox::new();
        let (_server, port) = server(&sandbox, request, &["-cipher", "ALL:@SECLEVEL=0"]);
        let target = format!("127.0.0.1:{port}");
        Cmd::new(BINARY)
            .args(["check", &target])
            .run()
            .assert(1, has_all(wanted), "");
    }
}

#[test]
fn silence_and_plain_text_have_their_own_outcomes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sandbox = Sandbox::new();
    let config = sandbox.file("c.toml", "[probe]\ndeadline = \"300ms\"\n");
    let check = |target: &str| {
        Cmd::new(BINARY)
            .args(["check", target, "--config"])
            .arg(&config)
            .run()
    };
    check(&format!("127.0.0.1:{port}")).assert(3, has("timeout(handshake)"), "");
    check(&format!("127.0.0.1:{port}/smtp")).assert(3, has("timeout(preamble)"), "");
    check(&format!("127.0.0.1:{}", free_port())).assert(3, has("refused"), "");
    drop(listener);
}

#[test]
fn nagios_output_is_one_line_with_its_own_codes() {
    let sandbox = Sandbox::new();
    let (_server, port) = server(&sandbox, RSA, &[]);
    let target = format!("127.0.0.1:{port}");
    let out = Cmd::new(BINARY)
        .args(["check", "--format", "nagios", &target])
        .run()
        .assert(2, has_all(["CERTWATCH CRITICAL - ", " | days_left="]), "");
    assert_eq!(out.stdout_text().lines().count(), 1);
}
