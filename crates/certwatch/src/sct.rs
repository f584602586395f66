//! Certificate timestamps: promises of CT logs to publish a certificate. Counted always; their
//! signatures are checked with the keys of an imported log list.
//!
//! Only embedded ones are visible here. What a log signed is the certificate without its
//! timestamps (RFC 6962, section 3.2), so those bytes are put together again.

use std::collections::HashMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ParsedExtension, SignedCertificateTimestamp};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::cert::Cert;
use crate::digest::Sha256;

/// The DER of the extension's OID, 1.3.6.1.4.1.11129.2.4.2.
const SCT_LIST: [u8; 12] = [6, 10, 0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2];
/// HashAlgorithm sha256, SignatureAlgorithm rsa and ecdsa (RFC 5246).
const SHA256: u8 = 4;
const RSA: u8 = 1;
const ECDSA: u8 = 3;

/// A log that publishes certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Hash of `key`.
    pub(crate) id: Sha256,
    /// SubjectPublicKeyInfo.
    pub(crate) key: Vec<u8>,
    pub(crate) name: String,
}

/// Every known log.
#[derive(Debug, Default)]
pub(crate) struct Logs(HashMap<Sha256, Log>);

/// What the timestamps of one certificate are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Census {
    /// Signed by a known log.
    pub(crate) proven: usize,
    /// By a log that is on no imported list: neither for nor against.
    pub(crate) unknown: usize,
    /// In the name of a log that did not sign them.
    pub(crate) forged: usize,
}

impl Census {
    /// Those that nothing speaks against.
    pub(crate) fn credible(self) -> usize {
        self.proven + self.unknown
    }
}

impl Logs {
    pub(crate) fn new(logs: impl IntoIterator<Item = Log>) -> Self {
        Self(logs.into_iter().map(|log| (log.id, log)).collect())
    }

    /// Judges the timestamps in `leaf`, which `issuer` signed.
    pub(crate) fn census(&self, leaf: &Cert, issuer: Option<&Cert>) -> Census {
        let all_unknown = Census {
            unknown: leaf.scts.len(),
            ..Census::default()
        };
        let (false, Some(issuer)) = (self.0.is_empty(), issuer) else {
            return all_unknown;
        };
        let Ok((_, x509)) = X509Certificate::from_der(&leaf.der) else {
            return all_unknown;
        };
        let Some(tbs) = without_scts(x509.tbs_certificate.as_ref()) else {
            return all_unknown;
        };
        let mut census = Census::default();
        for extension in x509.extensions() {
            let ParsedExtension::SCT(scts) = extension.parsed_extension() else {
                continue;
            };
            for sct in scts {
                match self.0.get(&Sha256(*sct.id.key_id)) {
                    None => census.unknown += 1,
                    Some(log) if signed(sct, log, issuer, &tbs) => census.proven += 1,
                    Some(_) => census.forged += 1,
                }
            }
        }
        census
    }
}

/// Reads a log list as the browsers publish it (JSON, version 3).
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Log>, String> {
    let list: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?;
    let operators = list["operators"]
        .as_array()
        .ok_or("no `operators`; this is no CT log list")?;
    let mut logs = Vec::new();
    for operator in operators {
        for kind in ["logs", "tiled_logs"] {
            for log in operator[kind].as_array().into_iter().flatten() {
                let name = log["description"].as_str().unwrap_or("unnamed").to_owned();
                let key = log["key"]
                    .as_str()
                    .and_then(|key| STANDARD.decode(key).ok());
                let key = key.ok_or_else(|| format!("log `{name}` has no readable `key`"))?;
                let id = Sha256::of(&key);
                if log["log_id"].as_str() != Some(&STANDARD.encode(id.0)) {
                    return Err(format!("the `log_id` of `{name}` is not its key's"));
                }
                logs.push(Log { id, key, name });
            }
        }
    }
    if logs.is_empty() {
        return Err("no log in it".to_owned());
    }
    Ok(logs)
}

/// Whether `log` signed this timestamp for a certificate of `issuer` with these bytes.
fn signed(sct: &SignedCertificateTimestamp<'_>, log: &Log, issuer: &Cert, tbs: &[u8]) -> bool {
    let algorithm: &dyn VerificationAlgorithm =
        match (sct.signature.hash_alg_id, sct.signature.sign_alg_id) {
            (SHA256, ECDSA) => &ECDSA_P256_SHA256_ASN1,
            (SHA256, RSA) => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(&log.key) else {
        return false;
    };
    let Some(message) = message(sct.timestamp, issuer, tbs, sct.extensions.0) else {
        return false;
    };
    UnparsedPublicKey::new(algorithm, &key.subject_public_key.data)
        .verify(&message, sct.signature.data)
        .is_ok()
}

/// The bytes a log signs for a precertificate.
fn message(timestamp: u64, issuer: &Cert, tbs: &[u8], extensions: &[u8]) -> Option<Vec<u8>> {
    let mut message = vec![0, 0]; // version 1, certificate_timestamp
    message.extend(timestamp.to_be_bytes());
    message.extend([0, 1]); // precert_entry
    message.extend(issuer.spki.0);
    let length = u32::try_from(tbs.len()).ok().filter(|n| *n < 1 << 24)?;
    message.extend(&length.to_be_bytes()[1..]);
    message.extend(tbs);
    message.extend(u16::try_from(extensions.len()).ok()?.to_be_bytes());
    message.extend(extensions);
    Some(message)
}

/// A TBSCertificate without its timestamps, lengths made anew.
fn without_scts(tbs: &[u8]) -> Option<Vec<u8>> {
    let (0x30, body, []) = element(tbs)? else {
        return None;
    };
    let mut fields = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (tag, content, after) = element(rest)?;
        if tag == 0xa3 {
            let (0x30, mut extensions, []) = element(content)? else {
                return None;
            };
            let mut kept = Vec::new();
            while !extensions.is_empty() {
                let (_, extension, next) = element(extensions)?;
                if !extension.starts_with(&SCT_LIST) {
                    kept.extend_from_slice(&extensions[..extensions.len() - next.len()]);
                }
                extensions = next;
            }
            fields.extend(wrap(0xa3, &wrap(0x30, &kept)));
        } else {
            fields.extend_from_slice(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    Some(wrap(0x30, &fields))
}

/// The first DER element: tag, content, and what follows. Lengths of up to four bytes.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let digits = usize::from(first & 0x7f);
        let (digits, rest) = (1..=4)
            .contains(&digits)
            .then(|| rest.split_at_checked(digits))??;
        let length = digits.iter().fold(0usize, |n, d| n << 8 | usize::from(*d));
        (length, rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    if content.len() < 0x80 {
        out.push(length[length.len() - 1]);
    } else {
        let zeros = length.iter().take_while(|byte| **byte == 0).count();
        let digits = &length[zeros..];
        // A length has at most eight digits.
        out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    use rcgen::{CertificateParams, CustomExtension, Issuer, KeyPair, PublicKeyData as _};

    use super::*;

    const TIME: u64 = 1_700_000_000_123;

    /// An issuer, a log, and a certificate with one timestamp of it; `spoil` changes the signed
    /// message.
    fn logged(spoil: bool) -> (Cert, Cert, Log) {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = Cert::parse(ca.self_signed(&ca_key).unwrap().der()).unwrap();
        let log_key = KeyPair::generate().unwrap();
        let key = log_key.subject_public_key_info();
        let log = Log {
            id: Sha256::of(&key),
            key,
            name: "Test Log".to_owned(),
        };
        let names = vec!["www.example.org".to_owned()];
        let mut leaf = CertificateParams::new(names).unwrap();
        leaf.serial_number = Some(7u64.into());
        let leaf_key = KeyPair::generate().unwrap();
        let signer = Issuer::from_params(&ca, &ca_key);
        let before = leaf.clone().signed_by(&leaf_key, &signer).unwrap();
        let (_, before) = X509Certificate::from_der(before.der()).unwrap();
        let mut signed = message(TIME, &issuer, before.tbs_certificate.as_ref(), &[]).unwrap();
        if spoil {
            signed[5] ^= 1;
        }
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &log_key.serialize_der())
                .unwrap();
        let signature = pair.sign(&SystemRandom::new(), &signed).unwrap();
        let mut sct = vec![0];
        sct.extend(log.id.0);
        sct.extend(TIME.to_be_bytes());
        sct.extend([0, 0, SHA256, ECDSA]);
        let vector = |bytes: &[u8]| {
            let mut out = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
            out.extend_from_slice(bytes);
            out
        };
        sct.extend(vector(signature.as_ref()));
        let list = wrap(4, &vector(&vector(&sct)));
        leaf.custom_extensions
            .push(CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2],
                list,
            ));
        let leaf = leaf.signed_by(&leaf_key, &signer).unwrap();
        (Cert::parse(leaf.der()).unwrap(), issuer, log)
    }

    #[test]
    fn a_timestamp_is_proven_forged_or_of_an_unknown_log() {
        let census = |proven, unknown, forged| Census {
            proven,
            unknown,
            forged,
        };
        let (leaf, issuer, log) = logged(false);
        let logs = Logs::new([log]);
        assert_eq!(logs.census(&leaf, Some(&issuer)), census(1, 0, 0));
        assert_eq!(
            logs.census(&leaf, Some(&leaf)),
            census(0, 0, 1),
            "wrong issuer"
        );
        assert_eq!(logs.census(&leaf, None), census(0, 1, 0));
        assert_eq!(
            Logs::default().census(&leaf, Some(&issuer)),
            census(0, 1, 0)
        );
        let (leaf, issuer, log) = logged(true);
        let forged = Logs::new([log]).census(&leaf, Some(&issuer));
        assert_eq!((forged, forged.credible()), (census(0, 0, 1), 0));
        let (_, _, other) = logged(false);
        assert_eq!(
            Logs::new([other]).census(&leaf, Some(&issuer)),
            census(0, 1, 0)
        );
    }

    #[test]
    fn a_log_list_is_read_and_its_keys_are_checked() {
        let (_, _, log) = logged(false);
        let list = |id: &str| {
            format!(
                r#"{{"version": "3", "operators": [{{"name": "Op", "logs": [], "tiled_logs":
                    [{{"description": "Test Log", "log_id": "{id}", "key": "{}"}}]}}]}}"#,
                STANDARD.encode(&log.key)
            )
        };
        let good = list(&STANDARD.encode(log.id.0));
        assert_eq!(parse(good.as_bytes()).unwrap(), std::slice::from_ref(&log));
        let wrong = list(&STANDARD.encode([0; 32]));
        assert!(
            parse(wrong.as_bytes())
                .unwrap_err()
                .contains("not its key's")
        );
        assert!(parse(b"{}").unwrap_err().contains("no CT log list"));
        assert!(parse(b"x").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn lengths_of_any_size_are_written_and_read() {
        for size in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000] {
            let bytes = wrap(0x30, &vec![7; size]);
            let (tag, content, after) = element(&bytes).unwrap();
            assert_eq!((tag, content.len(), after.len()), (0x30, size, 0));
        }
        for broken in [
            &[0x30][..],
            &[0x30, 5, 1],
            &[0x30, 0x80],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
        ] {
            assert_eq!(element(broken), None, "{broken:?}");
        }
    }
}
