//! A local fleet of TLS endpoints from one process, for the tests, the demo and the benchmark.
//!
//! `fleet DIR PORT COUNT`: listens on 0.0.0.0:PORT (0 for a free one), of which all of
//! 127.0.0.0/8 answers, and serves COUNT leaves chosen by server name. Writes DIR/roots.pem and
//! DIR/targets, prints `ready`, and reads commands from standard input: `swap NAME CA` gives one
//! host a new leaf from the CA with that number, or from `other`, which has another owner; `next
//! NAME` makes the key of its next leaf and writes the public half to DIR/next.pem; end of input
//! ends the process. DIR/cas.pem holds the sub-CAs, `other` last.
//!
//! `fleet DIR PORT COUNT UPSTREAM` is a proxy in front of another fleet: it passes connections on
//! as they are until it reads `intercept`; from then on it ends TLS with its own leaves, and
//! speaks TLS with the other side.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test tool that may stop at the first surprise"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

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

fn leaf(name: &str, issuer: &Ca, age: u64, key: &KeyPair) -> Arc<CertifiedKey> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    dates(&mut params, age, 90 - age);
    let cert = params
        .signed_by(key, &Issuer::from_params(&issuer.params, &issuer.key))
        .unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = aws_lc_rs::sign::any_supported_type(&der).unwrap();
    Arc::new(CertifiedKey::new(
        vec![cert.der().clone(), issuer.der.clone()],
        signing,
    ))
}

fn pem<'a>(cas: impl IntoIterator<Item = &'a Ca>) -> String {
    let mut pem = String::new();
    for ca in cas {
        let body = base64::engine::general_purpose::STANDARD.encode(&ca.der);
        writeln!(
            pem,
            "-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"
        )
        .unwrap();
    }
    pem
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, port, count, upstream @ ..] = arguments.as_slice() else {
        panic!("fleet DIR PORT COUNT [UPSTREAM]")
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
    std::fs::write(format!("{directory}/roots.pem"), pem([&root, &other_root])).unwrap();
    let cas = pem(subs.iter().chain([&other]));
    std::fs::write(format!("{directory}/cas.pem"), cas).unwrap();
    let mut hosts = HashMap::new();
    let mut targets = String::new();
    for n in 0..count {
        let name = format!("h{n}.fleet.test");
        hosts.insert(
            name.clone(),
            leaf(&name, &subs[n % 4], 20, &KeyPair::generate().unwrap()),
        );
        let (a, b, c) = (n / 62_500 + 1, n / 250 % 250 + 1, n % 250 + 1);
        writeln!(targets, "127.{a}.{b}.{c}:{port} sni={name}").unwrap();
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
    let proxy = Proxy {
        upstream: upstream.first().map(|address| address.parse().unwrap()),
        intercepts: Arc::new(AtomicBool::new(upstream.is_empty())),
    };
    let intercepts = Arc::clone(&proxy.intercepts);
    std::thread::spawn(move || serve(listener, config, &proxy));
    println!("ready");
    io::stdout().flush().unwrap();
    let mut prepared: HashMap<String, KeyPair> = HashMap::new();
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["next", name] = words.as_slice() {
            let key = KeyPair::generate().unwrap();
            std::fs::write(format!("{directory}/next.pem"), key.public_key_pem()).unwrap();
            prepared.insert((*name).to_owned(), key);
            println!("prepared");
            io::stdout().flush().unwrap();
        }
        if words == ["intercept"] {
            intercepts.store(true, Ordering::Relaxed);
            println!("intercepting");
            io::stdout().flush().unwrap();
        }
        if let ["swap", name, which] = words.as_slice() {
            let key = prepared.remove(*name);
            let key = key.unwrap_or_else(|| KeyPair::generate().unwrap());
            let issuer = if *which == "other" {
                &other
            } else {
                &subs[which.parse::<usize>().unwrap()]
            };
            fleet
                .0
                .write()
                .unwrap()
                .insert((*name).to_owned(), leaf(name, issuer, 1, &key));
            println!("swapped");
            io::stdout().flush().unwrap();
        }
    }
}

#[derive(Clone)]
struct Proxy {
    upstream: Option<SocketAddr>,
    intercepts: Arc<AtomicBool>,
}

fn serve(listener: std::net::TcpListener, config: Arc<ServerConfig>, proxy: &Proxy) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let acceptor = TlsAcceptor::from(config);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let (acceptor, proxy) = (acceptor.clone(), proxy.clone());
            tokio::spawn(async move {
                // A connection that fails is the other side's affair.
                let _ = converse(stream, &acceptor, &proxy).await;
            });
        }
    });
}

async fn converse(mut stream: TcpStream, acceptor: &TlsAcceptor, proxy: &Proxy) -> io::Result<()> {
    if !proxy.intercepts.load(Ordering::Relaxed)
        && let Some(upstream) = proxy.upstream
    {
        let mut server = TcpStream::connect(upstream).await?;
        tokio::io::copy_bidirectional(&mut stream, &mut server).await?;
        return Ok(());
    }
    let mut client = acceptor.accept(stream).await?;
    let Some(upstream) = proxy.upstream else {
        // Until the client has said goodbye.
        let mut buffer = [0; 64];
        let _goodbye = client.read(&mut buffer).await?;
        return Ok(());
    };
    let name = client.get_ref().1.server_name().unwrap_or("").to_owned();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let server = TcpStream::connect(upstream).await?;
    let mut server = TlsConnector::from(Arc::new(config))
        .connect(name, server)
        .await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// An interceptor does not ask whom it speaks with.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
