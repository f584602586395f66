//! The facts of one certificate: everything shown, compared or judged, taken from its DER once.
//!
//! Knows nothing of chains, roots or history. Parsing is lenient: an extension that does not parse
//! counts as absent, for a certificate a browser would refuse must still be remembered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

use crate::digest::Sha256;
use crate::when::Unix;

/// A parsed certificate with its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cert {
    /// The bytes as presented.
    pub(crate) der: Arc<[u8]>,
    /// Hash of `der`.
    pub(crate) sha256: Sha256,
    /// Hash of the whole SubjectPublicKeyInfo: the identity of the key.
    pub(crate) spki: Sha256,
    pub(crate) subject: Name,
    pub(crate) issuer: Name,
    /// Lower-case hex with colons.
    pub(crate) serial: String,
    pub(crate) not_before: Unix,
    pub(crate) not_after: Unix,
    pub(crate) key: Key,
    pub(crate) signature: Signature,
    /// DNS names of the subjectAltName, lower case.
    pub(crate) dns_names: Vec<String>,
    pub(crate) ip_names: Vec<IpAddr>,
    /// Whether a subjectAltName extension is there at all.
    pub(crate) has_san: bool,
    /// basicConstraints CA flag; `None` without the extension.
    pub(crate) ca: Option<bool>,
    pub(crate) path_len: Option<u32>,
    /// keyUsage keyCertSign; `None` without the extension.
    pub(crate) key_cert_sign: Option<bool>,
    /// Whether extendedKeyUsage allows TLS servers; `None` without the extension.
    pub(crate) server_auth: Option<bool>,
    /// certificatePolicies as dotted OIDs.
    pub(crate) policies: Vec<String>,
    pub(crate) constraints: Option<Constraints>,
    pub(crate) ski: Option<Vec<u8>>,
    pub(crate) aki: Option<Vec<u8>>,
    /// Embedded SCTs: log id and timestamp.
    pub(crate) scts: Vec<Sct>,
    /// AIA caIssuers URLs.
    pub(crate) issuer_urls: Vec<String>,
}

/// A distinguished name: raw for comparison, text for people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_field_names,
    reason = "common name is what X.500 calls it"
)]
pub(crate) struct Name {
    pub(crate) raw: Vec<u8>,
    pub(crate) common_name: Option<String>,
    pub(crate) organisation: Option<String>,
    /// The attributes only an EV subject carries: businessCategory and a jurisdiction.
    pub(crate) ev_shaped: bool,
    /// RFC 4514-like form; hostile characters are still in it.
    pub(crate) text: String,
}

impl Name {
    /// The name a person would use: common name, else organisation, else the whole.
    pub(crate) fn short(&self) -> &str {
        self.common_name
            .as_deref()
            .or(self.organisation.as_deref())
            .unwrap_or(&self.text)
    }
}

/// Kind and size of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) kind: KeyKind,
    /// Modulus or curve size in bits, 0 if unknown.
    pub(crate) bits: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Rsa,
    Ecdsa,
    Ed25519,
    Other,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            KeyKind::Rsa => write!(f, "RSA {}", self.bits),
            KeyKind::Ecdsa => write!(f, "ECDSA P-{}", self.bits),
            KeyKind::Ed25519 => f.write_str("Ed25519"),
            KeyKind::Other => f.write_str("key of unknown kind"),
        }
    }
}

/// How strong the hash under the issuer's signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    Md5,
    Sha1,
    Sha2,
    Other,
}

/// One embedded signed certificate timestamp. Its signature is checked elsewhere, and only when a
/// log list was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sct {
    pub(crate) log: Sha256,
    /// Unix milliseconds.
    pub(crate) timestamp: u64,
}

/// The DNS part of a nameConstraints extension.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Constraints {
    pub(crate) permitted: Vec<String>,
    pub(crate) excluded: Vec<String>,
}

impl Constraints {
    /// Whether a certificate under these constraints may speak for `host`.
    pub(crate) fn allows(&self, host: &str) -> bool {
        let within = |base: &String| {
            let base = base.trim_start_matches('.');
            base.is_empty()
                || host == base
                || host.strip_suffix(base).is_some_and(|h| h.ends_with('.'))
        };
        (self.permitted.is_empty() || self.permitted.iter().any(within))
            && !self.excluded.iter().any(within)
    }
}

impl Cert {
    /// Parses one DER certificate; `None` if it is not one. Bytes after it are ignored.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let (_, x509) = X509Certificate::from_der(der).ok()?;
        let mut cert = Self {
            der: der.into(),
            sha256: Sha256::of(der),
            spki: Sha256::of(x509.public_key().raw),
            subject: name(x509.subject()),
            issuer: name(x509.issuer()),
            serial: x509.raw_serial_as_string(),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
            key: key(&x509),
            signature: signature(&x509.signature_algorithm.algorithm.to_id_string()),
            dns_names: Vec::new(),
            ip_names: Vec::new(),
            has_san: false,
            ca: None,
            path_len: None,
            key_cert_sign: None,
            server_auth: None,
            policies: Vec::new(),
            constraints: None,
            ski: None,
            aki: None,
            scts: Vec::new(),
            issuer_urls: Vec::new(),
        };
        for extension in x509.extensions() {
            cert.take(extension.parsed_extension());
        }
        Some(cert)
    }

    /// Whether subject and issuer are the same name: roots and self-signed certificates.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject.raw == self.issuer.raw
    }

    /// Lifetime in seconds, at least one.
    pub(crate) fn lifetime(&self) -> i64 {
        self.not_after.saturating_sub(self.not_before).max(1)
    }

    /// Share of the lifetime left at `now`: 1 before it begins, 0 after it ends.
    pub(crate) fn share_left(&self, now: Unix) -> f64 {
        share(self.not_after.saturating_sub(now), self.lifetime()).clamp(0.0, 1.0)
    }

    /// Whether this certificate speaks for `host` (a lower-case DNS name or an IP address).
    /// Without any SAN the common name is consulted, as old clients did.
    pub(crate) fn covers(&self, host: &str) -> bool {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return self.ip_names.contains(&ip);
        }
        if self.has_san {
            return self
                .dns_names
                .iter()
                .any(|pattern| matches_name(pattern, host));
        }
        self.subject
            .common_name
            .as_ref()
            .is_some_and(|cn| matches_name(&cn.to_lowercase(), host))
    }

    /// Whether `host` is covered by a wildcard only.
    pub(crate) fn covers_by_wildcard(&self, host: &str) -> bool {
        self.covers(host)
            && !self.dns_names.iter().any(|name| name == host)
            && host.parse::<IpAddr>().is_err()
            && self.has_san
    }

    /// DER of the whole SubjectPublicKeyInfo. Only its hash is kept, so it is parsed once more.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        X509Certificate::from_der(&self.der)
            .map(|(_, x509)| x509.public_key().raw.to_vec())
            .unwrap_or_default()
    }

    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(san) => {
                self.has_san = true;
                for name in &san.general_names {
                    match name {
                        GeneralName::DNSName(dns) => self.dns_names.push(dns.to_lowercase()),
                        GeneralName::IPAddress(bytes) => self.ip_names.extend(ip(bytes)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::BasicConstraints(basic) => {
                self.ca = Some(basic.ca);
                self.path_len = basic.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => self.key_cert_sign = Some(usage.key_cert_sign()),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.server_auth = Some(usage.server_auth || usage.any);
            }
            ParsedExtension::CertificatePolicies(policies) => {
                self.policies = policies
                    .iter()
                    .map(|p| p.policy_id.to_id_string())
                    .collect();
            }
            ParsedExtension::NameConstraints(constraints) => {
                let dns = |subtrees: &Option<Vec<_>>| {
                    subtrees.iter().flatten().filter_map(dns_base).collect()
                };
                self.constraints = Some(Constraints {
                    permitted: dns(&constraints.permitted_subtrees),
                    excluded: dns(&constraints.excluded_subtrees),
                });
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.ski = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.aki = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SCT(scts) => {
                self.scts = scts
                    .iter()
                    .map(|sct| Sct {
                        log: Sha256(*sct.id.key_id),
                        timestamp: sct.timestamp,
                    })
                    .collect();
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in access.iter() {
                    if description.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2"
                        && let GeneralName::URI(url) = &description.access_location
                    {
                        self.issuer_urls.push((*url).to_owned());
                    }
                }
            }
            _ => {}
        }
    }
}

/// `part / whole` for seconds. Certificate times fit 2^53 with room to spare.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a certificate's life are below 2^53"
)]
pub(crate) fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// RFC 6125 matching: a `*` stands for exactly one whole left-most label.
fn matches_name(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            parent.contains('.')
                && host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
        }
        None => pattern == host,
    }
}

fn dns_base(subtree: &x509_parser::extensions::GeneralSubtree<'_>) -> Option<String> {
    match subtree.base {
        GeneralName::DNSName(dns) => Some(dns.to_lowercase()),
        _ => None,
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|sixteen| Ipv6Addr::from(sixteen).into())
}

fn name(name: &X509Name<'_>) -> Name {
    let mut common_name = None;
    let mut organisation = None;
    let (mut category, mut jurisdiction) = (false, false);
    let mut text = String::new();
    for attribute in name.iter_attributes() {
        let value = attribute.as_str().map_or_else(
            |_| String::from_utf8_lossy(attribute.as_slice()).into_owned(),
            str::to_owned,
        );
        let oid = attribute.attr_type().to_id_string();
        let label = match oid.as_str() {
            "2.5.4.3" => "CN",
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            "2.5.4.15" => "businessCategory",
            "2.5.4.5" => "serialNumber",
            other => other,
        };
        category |= label == "businessCategory";
        jurisdiction |= oid.starts_with("1.3.6.1.4.1.311.60.2.1.");
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(label);
        text.push('=');
        text.push_str(&value);
        match label {
            "CN" => common_name = Some(value),
            "O" => organisation = Some(value),
            _ => {}
        }
    }
    let ev_shaped = category && jurisdiction && organisation.is_some();
    Name {
        raw: name.as_raw().to_vec(),
        common_name,
        organisation,
        ev_shaped,
        text,
    }
}

fn key(x509: &X509Certificate<'_>) -> Key {
    let spki = x509.public_key();
    let bits = |n: usize| u32::try_from(n).unwrap_or(0);
    match spki.parsed() {
        Ok(PublicKey::RSA(rsa)) => Key {
            kind: KeyKind::Rsa,
            bits: bits(modulus_bits(rsa.modulus)),
        },
        Ok(PublicKey::EC(point)) => Key {
            kind: KeyKind::Ecdsa,
            bits: curve_bits(bits(point.key_size())),
        },
        _ if spki.algorithm.algorithm.to_id_string() == "1.3.101.112" => Key {
            kind: KeyKind::Ed25519,
            bits: 256,
        },
        _ => Key {
            kind: KeyKind::Other,
            bits: 0,
        },
    }
}

/// Significant bits of a big-endian modulus, whatever zero bytes lead it.
fn modulus_bits(modulus: &[u8]) -> usize {
    let significant: &[u8] = match modulus.iter().position(|&b| b != 0) {
        Some(first) => &modulus[first..],
        None => return 0,
    };
    significant.len() * 8 - significant[0].leading_zeros() as usize
}

/// A P-521 coordinate takes 528 bits on the wire.
fn curve_bits(coordinate: u32) -> u32 {
    if coordinate == 528 { 521 } else { coordinate }
}

fn signature(oid: &str) -> Signature {
    match oid {
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.2" => Signature::Md5,
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => {
            Signature::Sha1
        }
        "1.2.840.113549.1.1.10"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.113549.1.1.12"
        | "1.2.840.113549.1.1.13"
        | "1.2.840.10045.4.3.2"
        | "1.2.840.10045.4.3.3"
        | "1.2.840.10045.4.3.4" => Signature::Sha2,
        _ => Signature::Other,
    }
}
