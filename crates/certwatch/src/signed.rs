//! One question: did this key sign that certificate? Including the algorithms nobody should use
//! any more, because a chain from 2012 still has to be recognised for what it was.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::cert::{Cert, KeyKind};

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    /// No library here checks this algorithm (MD5, exotic curves): names and key identifiers are
    /// all there is to go by.
    Uncheckable,
}

/// Whether `issuer`'s key made the signature on `child`. Names are not compared.
pub(crate) fn by(child: &Cert, issuer: &Cert) -> Verdict {
    let (Ok((_, child_x509)), Ok((_, issuer_x509))) = (
        X509Certificate::from_der(&child.der),
        X509Certificate::from_der(&issuer.der),
    ) else {
        return Verdict::Bad;
    };
    let oid = child_x509.signature_algorithm.algorithm.to_id_string();
    if let Some(algorithm) = algorithm(&oid, issuer) {
        let key = &issuer_x509.public_key().subject_public_key.data;
        let tbs = child_x509.tbs_certificate.as_ref();
        let good = UnparsedPublicKey::new(algorithm, key)
            .verify(tbs, &child_x509.signature_value.data)
            .is_ok();
        return if good { Verdict::Good } else { Verdict::Bad };
    }
    match child_x509.verify_signature(Some(issuer_x509.public_key())) {
        Ok(()) => Verdict::Good,
        Err(x509_parser::error::X509Error::SignatureUnsupportedAlgorithm) => {
            match (&child.aki, &issuer.ski) {
                (Some(aki), Some(ski)) if aki != ski => Verdict::Bad,
                _ => Verdict::Uncheckable,
            }
        }
        Err(_) => Verdict::Bad,
    }
}

/// The algorithm for a signature OID under `issuer`'s kind of key; `None` leaves the question to
/// x509-parser, which knows PSS and Ed25519 but no RSA below 2048 bits and no P-521.
fn algorithm(oid: &str, issuer: &Cert) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (oid, issuer.key.kind, issuer.key.bits) {
        ("1.2.840.113549.1.1.5" | "1.3.14.3.2.29", KeyKind::Rsa, _) => {
            &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY
        }
        ("1.2.840.113549.1.1.11", KeyKind::Rsa, _) => {
            &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
        }
        ("1.2.840.113549.1.1.13", KeyKind::Rsa, _) => {
            &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
        }
        ("1.2.840.10045.4.3.2", KeyKind::Ecdsa, 521) => &signature::ECDSA_P521_SHA256_ASN1,
        ("1.2.840.10045.4.3.3", KeyKind::Ecdsa, 521) => &signature::ECDSA_P521_SHA384_ASN1,
        ("1.2.840.10045.4.3.4", KeyKind::Ecdsa, 521) => &signature::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}
