//! CAA and TLSA records of a signed zone, asked of a resolver that validates.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use nightshift_testkit::{Cmd, Running, Sandbox, any, has, has_all, needs, wait_for};

use crate::fleet::{BINARY, Fleet, free_port};

/// unbound with the zone fleet.test, signed with a key it trusts.
struct Zone {
    sandbox: Sandbox,
    anchor: PathBuf,
    port: u16,
    unbound: Option<Running>,
}

impl Zone {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let keygen = needs::command("ldns-keygen", "ldnsutils");
        let made = Cmd::new(keygen)
            .args(["-a", "ECDSAP256SHA256", "-k", "fleet.test"])
            .cwd(sandbox.path())
            .run();
        let anchor = sandbox.join(made.stdout_text().trim());
        Self {
            sandbox,
            anchor,
            port: free_port(),
            unbound: None,
        }
    }

    /// Serves `records` from now on; the resolver validates only if it is told the zone's key.
    fn serve(&mut self, records: &str, validates: bool) {
        drop(self.unbound.take());
        let head = "$ORIGIN fleet.test.\n$TTL 0\n@ SOA ns host 1 60 60 600 60\n@ NS ns\n\
                    ns A 127.0.0.1\nh0 A 127.0.0.1\n";
        let zone = self.sandbox.file("zone", format!("{head}{records}\n"));
        let signzone = needs::command("ldns-signzone", "ldnsutils");
        Cmd::new(signzone)
            .args(["-f", "signed"])
            .arg(zone)
            .arg(&self.anchor)
            .cwd(self.sandbox.path())
            .run()
            .assert(0, any(), any());
        let anchor = format!("trust-anchor-file: \"{}.key\"", self.anchor.display());
        let config = format!(
            "server:\n interface: 127.0.0.1@{port}\n port: {port}\n chroot: \"\"\n \
             username: \"\"\n directory: \"{directory}\"\n pidfile: \"\"\n use-syslog: no\n \
             do-daemonize: no\n module-config: \"validator iterator\"\n \
             local-zone: \"test.\" nodefault\n {anchor}\n\
             auth-zone:\n name: \"fleet.test.\"\n zonefile: \"signed\"\n for-downstream: no\n \
             for-upstream: yes\nremote-control:\n control-enable: no\n",
            port = self.port,
            directory = self.sandbox.path().display(),
            anchor = if validates { &anchor } else { "" },
        );
        let config = self.sandbox.file("unbound.conf", config);
        let unbound = needs::command("unbound", "unbound");
        self.unbound = Some(Cmd::new(unbound).args(["-d", "-c"]).arg(config).spawn());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Duration::from_millis(100);
        socket.set_read_timeout(Some(patience)).unwrap();
        wait_for("unbound answers", Duration::from_secs(20), || {
            // A question for the root's name servers; any answer will do.
            let question = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, b'n', b's', 5];
            let rest = b"fleet\x04test\x00\x00\x01\x00\x01";
            let sent = socket.send_to(&[&question[..], rest].concat(), ("127.0.0.1", self.port));
            sent.is_ok() && socket.recv(&mut [0; 512]).is_ok()
        });
    }

    /// A configuration that trusts the resolver.
    fn config(&self, what: &str) -> PathBuf {
        self.sandbox.file(
            "config",
            format!(
                "[dns]\n{what} = true\nresolver = [\"127.0.0.1:{}\"]\n\
                 [owners.aliases]\n\"Other CA\" = \"Let's Encrypt\"\n",
                self.port
            ),
        )
    }
}

/// SHA-256 of the key in a PEM file, in hex.
fn key_hash(file: PathBuf) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let body: String = text.lines().filter(|line| !line.contains("---")).collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn a_signed_tlsa_record_that_no_longer_fits_is_reported() {
    let mut fleet = Fleet::new(1);
    let hash = key_hash(fleet.next_key(0));
    fleet.swap(0, "0");
    let target = fleet.target(0);
    let (_, port) = target.rsplit_once(':').unwrap();
    let mut zone = Zone::new();
    let config = zone.config("tlsa");
    let record = format!("_{port}._tcp.h0 TLSA 3 1 1 {hash}");
    let scan = |fleet: &Fleet| fleet.scan().arg("--config").arg(&config).run();

    zone.serve(&record, true);
    for _ in 0..2 {
        scan(&fleet).assert(0, "", "");
    }
    fleet.swap(0, "0");
    // A resolver that vouches for nothing changes nothing.
    zone.serve(&record, false);
    scan(&fleet).assert(0, "", "");
    zone.serve(&record, true);
    scan(&fleet).assert(1, has_all(["warning", "tlsa-mismatch", "3 1 1"]), "");
    scan(&fleet).assert(0, "", "");
    // Nor does silence: the probes count.
    drop(zone.unbound.take());
    scan(&fleet).assert(0, "", "");
}

#[test]
fn caa_that_names_others_is_a_warning_and_a_notice_where_it_just_changed() {
    let mut fleet = Fleet::new(2);
    let mut zone = Zone::new();
    let config = zone.config("caa");
    let scan = |fleet: &Fleet| {
        let scan = fleet.scan().arg("--config").arg(&config);
        scan.args(["--min-severity", "info"]).run()
    };
    zone.serve(
        "@ CAA 0 issue \"sectigo.com\"\nh1 CAA 0 issue \"letsencrypt.org\"",
        true,
    );
    for _ in 0..2 {
        scan(&fleet).assert(0, "", "");
    }
    fleet.swap(0, "other");
    scan(&fleet).assert(
        1,
        has_all([
            "  warning  caa-forbids: CAA at fleet.test permits sectigo.com",
            "and not Let's Encrypt (letsencrypt.org)",
        ]),
        "",
    );
    zone.serve("@ CAA 0 issue \"sectigo.com\"\nh1 CAA 0 issue \";\"", true);
    fleet.swap(1, "other");
    scan(&fleet).assert(
        1,
        has_all([
            "  notice   caa-forbids: CAA at h1.fleet.test permits nobody",
            "changed",
        ]),
        "",
    );
}

#[test]
fn tlsa_wants_a_resolver_that_is_trusted_by_name() {
    let sandbox = Sandbox::new();
    for (text, reason) in [
        ("[dns]\ntlsa = true\nresolver = []\n", "names no resolver"),
        (
            "[dns]\ncaa = true\nresolver = [\"ns.example\"]\n",
            "is no address",
        ),
        ("[dns]\ntlsa = 1\n", "expected a boolean"),
    ] {
        let config = sandbox.file("config", text);
        Cmd::new(BINARY)
            .args(["check", "192.0.2.1", "--config"])
            .arg(config)
            .run()
            .assert(2, "", has(reason));
    }
}
