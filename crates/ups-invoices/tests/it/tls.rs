//! The refusal table: real servers, real certificates; what is refused was sent nothing.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use nightshift_testkit::{Cmd, Sandbox, Signal, any, has, needs};
use ups_testportal::certificates::{Authority, Flaw, Identity, self_signed};
use ups_testportal::http::{Answer, Server};

use crate::support::{bin, config};

/// The binary told to fetch from a server at `address`, which must be www.portal.test.
fn fetch(sandbox: &Sandbox, address: &str) -> Cmd {
    bin(sandbox)
        .args(["--account", "classic", "fetch", "--resolve"])
        .arg(format!("www.portal.test:443:{address}"))
        .arg("--resolve")
        .arg(format!("apps.portal.test:443:{address}"))
}

fn sandbox(authority: &Authority, more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("ca.pem", authority.pem());
    config(&sandbox, more);
    sandbox
}

#[track_caller]
fn refused(identity: &Identity, authority: &Authority, more: &str, words: &str) {
    let server = Server::start(Some(identity), |_| Answer::page("hello")).unwrap();
    let sandbox = sandbox(authority, more);
    let address = server.address.to_string();
    fetch(&sandbox, &address).run().assert(11, "", has(words));
    assert_eq!(
        server.bytes.load(Ordering::SeqCst),
        0,
        "application bytes reached {words}"
    );
    assert!(
        server.connections.load(Ordering::SeqCst) > 0,
        "it was never asked"
    );
    bin(&sandbox)
        .args(["doctor-tls", "https://www.portal.test/", "--resolve"])
        .arg(format!("www.portal.test:443:{address}"))
        .run()
        .assert(11, has("refused: "), "");
    assert_eq!(server.bytes.load(Ordering::SeqCst), 0);
}

#[track_caller]
fn accepted(identity: &Identity, authority: &Authority, more: &str) {
    let server = Server::start(Some(identity), |_| Answer::page("hello")).unwrap();
    let sandbox = sandbox(authority, more);
    let address = server.address.to_string();
    // The page is not the portal's: 12 proves that TLS was accepted and a request answered.
    fetch(&sandbox, &address)
        .run()
        .assert(12, "", has("page changed"));
    assert!(server.bytes.load(Ordering::SeqCst) > 0);
    bin(&sandbox)
        .args(["doctor-tls", "www.portal.test", "--resolve"])
        .arg(format!("www.portal.test:443:{address}"))
        .run()
        .assert(0, has("accepted, TLSv1_"), "");
}

#[test]
fn good_chains_are_accepted() {
    let authority = Authority::new("A");
    accepted(&authority.serve(Flaw::None), &authority, "");
    accepted(&authority.serve_through_intermediate(true), &authority, "");
    accepted(
        &authority.serve(Flaw::None),
        &authority,
        "min_version = \"1.3\"\n",
    );
}

#[test]
fn unknown_issuers_are_refused() {
    let (authority, other) = (Authority::new("A"), Authority::new("B"));
    refused(
        &authority.serve_through_intermediate(false),
        &authority,
        "",
        "UnknownIssuer",
    );
    refused(&self_signed(), &authority, "", "UnknownIssuer");
    refused(&other.serve(Flaw::None), &authority, "", "UnknownIssuer");
}

#[test]
fn a_private_root_is_refused_with_the_system_store() {
    needs::file(
        "/etc/ssl/certs/ca-certificates.crt",
        "apt-get install ca-certificates",
    );
    let authority = Authority::new("A");
    let server = Server::start(Some(&authority.serve(Flaw::None)), |_| {
        Answer::page("hello")
    })
    .unwrap();
    let sandbox = sandbox(&authority, "");
    let text = String::from_utf8(sandbox.read("config.toml")).unwrap();
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("ca_file"))
        .collect();
    sandbox.file("config.toml", without.join("\n"));
    fetch(&sandbox, &server.address.to_string())
        .run()
        .assert(11, "", has("UnknownIssuer"));
    assert_eq!(server.bytes.load(Ordering::SeqCst), 0);
}

#[test]
fn dates_names_and_purposes_are_judged() {
    let authority = Authority::new("A");
    for (flaw, words) in [
        (Flaw::Expired, "expired"),
        (Flaw::NotYet, "not valid yet"),
        (Flaw::OtherName, "not valid for name"),
        (Flaw::NoSan, "not valid for name"),
        (Flaw::HighWildcard, "not valid for name"),
        (Flaw::TopWildcard, "not valid for name"),
        (Flaw::ClientOnly, "invalid certificate"),
    ] {
        refused(&authority.serve(flaw), &authority, "", words);
    }
}

#[test]
fn only_authorities_sign_and_only_within_their_domain() {
    let authority = Authority::new("A");
    refused(
        &authority.serve_through_leaf(),
        &authority,
        "",
        "EndEntityUsedAsCa",
    );
    let narrow = Authority::constrained("C", "elsewhere.test");
    refused(
        &narrow.serve(Flaw::None),
        &narrow,
        "",
        "NameConstraintViolation",
    );
}

#[test]
fn revocation_needs_a_list_and_then_fails_closed() {
    let authority = Authority::new("A");
    let identity = authority.serve(Flaw::None);
    // Without a list a revoked certificate passes: the manual says so.
    accepted(&identity, &authority, "");
    let directory = Sandbox::new();
    let list = |name: &str, text: String| {
        let path = directory.file(name, text);
        format!("crl_file = \"{}\"\n", path.display())
    };
    refused(
        &identity,
        &authority,
        &list("revoked.pem", authority.revocations(true)),
        "Revoked",
    );
    accepted(
        &identity,
        &authority,
        &list("good.pem", authority.revocations(false)),
    );
    refused(
        &identity,
        &authority,
        &list("stale.pem", authority.stale_revocations()),
        "CRL",
    );
    let other = Authority::new("B");
    refused(
        &identity,
        &authority,
        &list("other.pem", other.revocations(false)),
        "invalid certificate",
    );
}

#[test]
fn pins_are_checked_before_anything_is_sent() {
    let authority = Authority::new("A");
    let identity = authority.serve(Flaw::None);
    refused(
        &identity,
        &authority,
        "pins = [\"sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]\n",
        "pinned",
    );
    let server = Server::start(Some(&identity), |_| Answer::page("hello")).unwrap();
    let sandbox = sandbox(&authority, "");
    let shown = bin(&sandbox)
        .args(["doctor-tls", "www.portal.test", "--resolve"])
        .arg(format!("www.portal.test:443:{}", server.address))
        .run()
        .success()
        .stdout_text();
    let pin = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("pin"))
        .unwrap()
        .trim();
    accepted(&identity, &authority, &format!("pins = [\"{pin}\"]\n"));
}

#[test]
fn plain_http_behind_the_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        // As web servers do that are spoken to in TLS on their plain port.
        let (mut socket, _) = listener.accept().unwrap();
        socket
            .write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            .unwrap();
        // Until the client has gone: an early end could reset the answer away, which is why the
        // client may also end by a reset. What counts is what came before.
        let mut received = Vec::new();
        let _ = socket.read_to_end(&mut received);
        received
    });
    let authority = Authority::new("A");
    let sandbox = sandbox(&authority, "");
    fetch(&sandbox, &address)
        .run()
        .assert(11, "", has("does not speak TLS"));
    let received = server.join().unwrap();
    assert_eq!(received.first(), Some(&0x16), "a TLS handshake record");
    assert!(
        memchr::memmem::find(&received, b"HTTP/1.1").is_none(),
        "a request went out in the clear"
    );
}

/// An OpenSSL server that writes the application bytes it receives to a file; ended by its id.
struct OpenSsl {
    child: Child,
    address: String,
    received: PathBuf,
}

impl OpenSsl {
    /// With `-www` among the options it answers requests with a page instead of showing them.
    fn start(sandbox: &Sandbox, identity: &Identity, options: &[&str]) -> Self {
        let openssl = needs::command("openssl", "openssl");
        let (chain, key) = (
            sandbox.file("chain.pem", &identity.chain),
            sandbox.file("key.pem", &identity.key),
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let received = sandbox.file("received", "");
        let child = Command::new(openssl)
            .args(["s_server", "-quiet", "-accept", &address, "-cert"])
            .arg(chain)
            .arg("-key")
            .arg(key)
            .args(options)
            // Open to the end: it stops serving when its input ends.
            .stdin(Stdio::piped())
            .stdout(File::create(&received).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address,
            received,
        };
        nightshift_testkit::wait_for("s_server", Duration::from_secs(20), || {
            std::net::TcpStream::connect(&server.address).is_ok()
        });
        server
    }

    fn received(&self) -> Vec<u8> {
        std::fs::read(&self.received).unwrap()
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn old_protocols_and_ciphers_are_refused() {
    let authority = Authority::new("A");
    let identity = authority.serve(Flaw::None);
    let old_cbc = "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";
    for (options, more, words) in [
        (
            &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
            "",
            "ProtocolVersion",
        ),
        (
            &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            "",
            "ProtocolVersion",
        ),
        (&["-tls1_2", "-cipher", old_cbc], "", "HandshakeFailure"),
        (&["-tls1_2"], "min_version = \"1.3\"\n", "ProtocolVersion"),
    ] {
        let sandbox = sandbox(&authority, more);
        let server = OpenSsl::start(&sandbox, &identity, options);
        fetch(&sandbox, &server.address)
            .run()
            .assert(11, "", has(words));
        assert_eq!(server.received(), b"", "application bytes after {words}");
    }
}

#[test]
fn tls_1_2_is_accepted_and_the_count_of_bytes_can_be_believed() {
    let authority = Authority::new("A");
    let identity = authority.serve(Flaw::None);
    let sandbox = sandbox(&authority, "");
    let server = OpenSsl::start(&sandbox, &identity, &["-tls1_2", "-www"]);
    fetch(&sandbox, &server.address)
        .run()
        .assert(12, any(), has("page changed"));
    drop(server);
    // The same server as in the refusals, with nothing to refuse: here the bytes do arrive.
    let server = OpenSsl::start(&sandbox, &identity, &["-tls1_2"]);
    let running = fetch(&sandbox, &server.address).spawn();
    nightshift_testkit::wait_for("a request", Duration::from_secs(20), || {
        server.received().starts_with(b"GET /ebilling/")
    });
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(20));
}

#[test]
fn addresses_that_are_not_https_are_refused_before_a_connection() {
    let authority = Authority::new("A");
    let sandbox = sandbox(&authority, "");
    let trap = Server::start(None, |_| Answer::page("trap")).unwrap();
    let profile = String::from_utf8(sandbox.read("profiles/portal-classic.toml")).unwrap();
    let plain = profile.replace(
        "goto = \"https://www.portal.test",
        "goto = \"http://www.portal.test",
    );
    assert_ne!(plain, profile);
    sandbox.file("profiles/portal-classic.toml", plain);
    fetch(&sandbox, &trap.address.to_string())
        .run()
        .assert(2, "", has("not https"));
    bin(&sandbox)
        .args(["doctor-tls", "http://www.portal.test/", "--resolve"])
        .arg(format!("www.portal.test:80:{}", trap.address))
        .run()
        .assert(2, "", has("only https has certificates"));
    assert_eq!(trap.connections.load(Ordering::SeqCst), 0);
}
