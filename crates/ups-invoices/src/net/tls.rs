//! Which servers are believed: roots, names, dates, key pins, revocation lists, versions.
//!
//! There is no way to turn any of it off. Options only ever narrow: an own CA file replaces the
//! system's roots, pins and revocation lists add conditions.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// sha256 of a certificate's public key (its `SubjectPublicKeyInfo`), as `curl --pinnedpubkey`
/// writes it: `sha256//` and base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let encoded = text
            .strip_prefix("sha256//")
            .ok_or("a pin begins with sha256//")?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|error| format!("not base64: {error}"))?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_bytes| "a sha256 has 32 bytes".to_owned())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256//{}", STANDARD.encode(self.0))
    }
}

/// Lowest protocol version spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// What the user narrows.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// PEM file of the only roots to believe; the system's otherwise.
    pub ca_file: Option<PathBuf>,
    /// PEM file of revocation lists; each server certificate must then be covered by one.
    pub crl_file: Option<PathBuf>,
    /// The server's key must be one of these, if there are any.
    pub pins: Vec<Pin>,
    /// Lowest version.
    pub min_version: MinVersion,
    /// Offer no HTTP/2.
    pub http1_only: bool,
}

/// What a certificate says, for people. Text from outside: escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its subject.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// DNS names and addresses it is for.
    pub names: Vec<String>,
    /// From when.
    pub from: String,
    /// Until when.
    pub until: String,
    /// sha256 of the whole certificate.
    pub sha256: String,
    /// Pin of its key.
    pub pin: Option<Pin>,
}

/// Chains that servers sent in this process, by host.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<HashMap<String, Vec<CertificateFacts>>>>);

impl Seen {
    /// The chain of a host, leaf first.
    #[must_use]
    pub fn chain(&self, host: &str) -> Vec<CertificateFacts> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(host).cloned().unwrap_or_default()
    }

    fn put(&self, host: String, chain: Vec<CertificateFacts>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(host, chain);
    }
}

/// Why TLS was refused, and what the server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, in words.
    pub reason: String,
    /// The chain, leaf first; empty if none came.
    pub chain: Vec<CertificateFacts>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)?;
        if let Some(leaf) = self.chain.first() {
            let names = if leaf.names.is_empty() {
                "no names".to_owned()
            } else {
                leaf.names.join(" ")
            };
            write!(
                out,
                " (certificate for {names}, issued by {}, valid {} to {})",
                leaf.issuer, leaf.from, leaf.until
            )?;
        }
        Ok(())
    }
}

/// The options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A PEM file is unreadable or holds nothing of the kind.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system has no roots.
    #[error("the system's certificate store is empty: {0}")]
    NoRoots(String),
    /// rustls said no.
    #[error("TLS cannot be set up: {0}")]
    Rustls(String),
}

/// A client configuration that verifies, and notes the chains it saw in `seen`.
pub fn client_config(options: &TlsOptions, seen: &Seen) -> Result<ClientConfig, TlsSetupError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(roots(options)?);
    let mut builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
    if let Some(path) = &options.crl_file {
        // Fails closed: a server certificate that no list covers, and a list past its date, are
        // refused, or the option would promise a check that is not made. Issuers above the leaf
        // are not asked for: their lists are seldom at hand.
        builder = builder
            .with_crls(revocation_lists(path)?)
            .only_check_end_entity_revocation()
            .enforce_revocation_expiration();
    }
    let webpki = builder
        .build()
        .map_err(|error| TlsSetupError::Rustls(error.to_string()))?;
    let verifier = Verifier {
        webpki,
        pins: options.pins.clone(),
        seen: seen.clone(),
    };
    let versions: &[&rustls::SupportedProtocolVersion] = match options.min_version {
        MinVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| TlsSetupError::Rustls(error.to_string()))?
        // The name warns of verifiers that skip checks; this one adds to webpki's.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = if options.http1_only {
        vec![b"http/1.1".to_vec()]
    } else {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    };
    Ok(config)
}

/// Finds the TLS refusal inside an error, if there is one.
///
/// rustls's error sits in an `io::Error` inside an `io::Error`, where walking `source()` never
/// meets it.
pub fn refusal_in<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    let mut current: Option<&'e (dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
            && let Some(found) = refusal_in(inner)
        {
            return Some(found);
        }
        current = error.source();
    }
    None
}

/// rustls's reason in words for an administrator.
#[must_use]
pub fn reason(error: &rustls::Error) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate's issuer is unknown (UnknownIssuer)".to_owned()
        }
        E::InvalidCertificate(CertificateError::Other(OtherError(why))) => why.to_string(),
        E::InvalidCertificate(why) => format!("invalid certificate: {why}"),
        E::AlertReceived(alert) => format!("the server ended the handshake with {alert:?}"),
        E::InvalidMessage(why) => format!("the server does not speak TLS here ({why:?})"),
        other => other.to_string(),
    }
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca_file {
        let file = |reason: String| TlsSetupError::File {
            path: path.clone(),
            reason,
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|e| file(e.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| file(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| file(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(file("holds no certificate".to_owned()));
        }
        return Ok(roots);
    }
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        let errors: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
        return Err(TlsSetupError::NoRoots(errors.join("; ")));
    }
    Ok(roots)
}

fn revocation_lists(
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsSetupError> {
    let file = |reason: String| TlsSetupError::File {
        path: path.to_owned(),
        reason,
    };
    let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
        .map_err(|error| file(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| file(error.to_string()))?;
    if lists.is_empty() {
        return Err(file("holds no revocation list in PEM form".to_owned()));
    }
    Ok(lists)
}

/// webpki's verdict, then the pins. Pins cannot be checked after the handshake: by then the
/// request is on its way.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    pins: Vec<Pin>,
    seen: Seen,
}

#[derive(Debug, thiserror::Error)]
#[error("its key {found} is none of the {expected} pinned ones")]
struct PinMismatch {
    found: String,
    expected: usize,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<_> = std::iter::once(leaf)
            .chain(intermediates)
            .map(|c| facts(c))
            .collect();
        let pin = chain.first().and_then(|leaf| leaf.pin);
        self.seen.put(name.to_str().into_owned(), chain);
        let verified = self
            .webpki
            .verify_server_cert(leaf, intermediates, name, stapled, now)?;
        // Only the leaf: whatever else a server sends along proves nothing about its key.
        if !self.pins.is_empty() && !pin.is_some_and(|pin| self.pins.contains(&pin)) {
            let found = pin.map_or("(unreadable)".to_owned(), |pin| pin.to_string());
            let mismatch = PinMismatch {
                found,
                expected: self.pins.len(),
            };
            return Err(CertificateError::Other(OtherError(Arc::new(mismatch))).into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

fn facts(certificate: &CertificateDer<'_>) -> CertificateFacts {
    let sha256 = crate::hex(digest(&SHA256, certificate).as_ref());
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        let unreadable = || "(unreadable)".to_owned();
        return CertificateFacts {
            subject: unreadable(),
            issuer: unreadable(),
            names: Vec::new(),
            from: unreadable(),
            until: unreadable(),
            sha256,
            pin: None,
        };
    };
    let escaped = |text: String| text.escape_debug().to_string();
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| {
        extension
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => Some(match *bytes {
                    [a, b, c, d] => std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string(),
                    bytes => crate::hex(bytes),
                }),
                _ => None,
            })
    });
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, parsed.public_key().raw).as_ref());
    let day = |time: x509_parser::time::ASN1Time| {
        jiff::Timestamp::from_second(time.timestamp()).map_or_else(
            |_range| time.to_string(),
            |time| time.strftime("%Y-%m-%d").to_string(),
        )
    };
    CertificateFacts {
        subject: escaped(parsed.subject().to_string()),
        issuer: escaped(parsed.issuer().to_string()),
        names: names
            .map(|names| names.map(escaped).collect())
            .unwrap_or_default(),
        from: day(parsed.validity().not_before),
        until: day(parsed.validity().not_after),
        sha256,
        pin: Some(Pin(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_written_as_curl_does() {
        let text = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let pin: Pin = text.parse().unwrap();
        assert_eq!(pin.to_string(), text);
        for bad in ["47DEQpj8HBSa", "sha256//short", "sha256//AAAA"] {
            assert!(bad.parse::<Pin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_two_io_errors_deep_is_found() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = std::io::Error::other(std::io::Error::other(tls));
        assert!(reason(refusal_in(&error).unwrap()).contains("UnknownIssuer"));
        assert!(refusal_in(&std::io::Error::other("closed")).is_none());
    }

    #[test]
    fn files_that_hold_nothing_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("empty.pem");
        std::fs::File::create(&path).unwrap();
        let ca = TlsOptions {
            ca_file: Some(path.clone()),
            ..TlsOptions::default()
        };
        assert!(client_config(&ca, &Seen::default()).is_err());
        assert!(revocation_lists(&path).is_err());
    }
}
