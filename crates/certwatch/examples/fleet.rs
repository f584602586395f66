//! A local fleet of TLS endpoints from one process, for the tests, the demo and the benchmark.
//!
//! `fleet DIR PORT COUNT`: listens on 0.0.0.0:PORT (0 for a free one), of which all of
//! 127.0.0.0/8 answers, and serves COUNT leaves chosen by server name. Writes DIR/roots.pem and
//! DIR/targets, prints `ready`, and reads commands from standard input: `swap NAME CA` gives one
//! host a new leaf from the CA with that number, or from `other`, which has another owner; end of input ends the process.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test tool that may stop at the first surprise"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

const DAY: u64 = 86_400;

struct Ca {
    params: CertificateParams,
    key: KeyPair,
    der: CertificateDer<'static>,
}

#[derive(Debug)]
struct Fleet(RwLock<HashMap<String, Arc<CertifiedKey>>>);

impl ResolvesServerCert for Fleet {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let hosts = self.0.read().unwrap();
        hosts.get(hello.server_name()?).cloned()
    }
}

fn ca(name: &str, organisation: &str, parent: Option<&Ca>) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, organisation);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    dates(&mut params, 400, 3650);
    let key = KeyPair::generate().unwrap();
    let cert = match parent {
        Some(parent) => params.signed_by(&key, &Issuer::from_params(&parent.params, &parent.key)),
        None => params.self_signed(&key),
    };
    let der = cert.unwrap().der().clone();
    Ca { params, key, der }
}

fn dates(params: &mut CertificateParams, ago: u64, ahead: u64) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(ago * DAY)).into();
    params.not_after = (now + Duration::from_secs(ahead * DAY)).into();
}

fn leaf(name: &str, issuer: &Ca, age: u64) -> Arc<CertifiedKey> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    dates(&mut params, age, 90 - age);
    let key = KeyPair::generate().unwrap();
    let cert = params
        .signed_by(&key, &Issuer::from_params(&issuer.params, &issuer.key))
        .unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = aws_lc_rs::sign::any_supported_type(&der).unwrap();
    Arc::new(CertifiedKey::new(
        vec![cert.der().clone(), issuer.der.clone()],
        signing,
    ))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, port, count] = arguments.as_slice() else {
        panic!("fleet DIR PORT COUNT")
    };
    let (port, count): (u16, usize) = (port.parse().unwrap(), count.parse().unwrap());
    let listener = std::net::TcpListener::bind(("0.0.0.0", port)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let root = ca("Fleet Root", "Fleet CA", None);
    let other_root = ca("Other Root", "Other CA", None);
    let subs: Vec<Ca> = (0..4)
        .map(|n| ca(&format!("Fleet {n}"), "Fleet CA", Some(&root)))
        .collect();
    let other = ca("Other 0", "Other CA", Some(&other_root));
    let mut pem = String::new();
    for root in [&root, &other_root] {
        let body = base64::engine::general_purpose::STANDARD.encode(&root.der);
        pem.push_str(&format!(
            "-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        ));
    }
    std::fs::write(format!("{directory}/roots.pem"), pem).unwrap();
    let mut hosts = HashMap::new();
    let mut targets = String::new();
    for n in 0..count {
        let name = format!("h{n}.fleet.test");
        hosts.insert(name.clone(), leaf(&name, &subs[n % 4], 20));
        let (a, b) = (n / 250 + 1, n % 250 + 1);
        targets.push_str(&format!("127.1.{a}.{b}:{port} sni={name}\n"));
    }
    std::fs::write(format!("{directory}/targets"), targets).unwrap();
    let fleet = Arc::new(Fleet(RwLock::new(hosts)));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(&fleet) as Arc<dyn ResolvesServerCert>);
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || serve(listener, config));
    println!("ready");
    std::io::stdout().flush().unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["swap", name, which] = words.as_slice() {
            let issuer = if *which == "other" {
                &other
            } else {
                &subs[which.parse::<usize>().unwrap()]
            };
            fleet
                .0
                .write()
                .unwrap()
                .insert((*name).to_owned(), leaf(name, issuer, 1));
            println!("swapped");
            std::io::stdout().flush().unwrap();
        }
    }
}

fn serve(listener: std::net::TcpListener, config: Arc<ServerConfig>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    // Until the client has said goodbye.
                    let mut buffer = [0; 64];
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
                }
            });
        }
    });
}
