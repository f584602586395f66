//! A private authority and server certificates of every good and bad kind.

#![expect(
    clippy::missing_panics_doc,
    reason = "fixed parameters always give certificates; a panic is a broken test kit"
)]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SerialNumber, date_time_ymd,
};

/// An authority that signs server certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Authority")
    }
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Leaf first.
    pub chain: String,
    /// PKCS#8.
    pub key: String,
}

/// What is wrong with a certificate, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// Ended in 2024.
    Expired,
    /// Begins in 2089.
    NotYet,
    /// For another name.
    OtherName,
    /// The name is in the subject only.
    NoSan,
    /// A wildcard one level too high.
    HighWildcard,
    /// `*.test`.
    TopWildcard,
    /// For clients, not servers.
    ClientOnly,
}

/// Serial number of every leaf made with [`Flaw::None`] by [`Authority::serve`].
const SERIAL: u64 = 4711;

fn key() -> KeyPair {
    KeyPair::generate().expect("aws-lc-rs makes keys")
}

impl Authority {
    /// A new authority; no other machine knows it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            issuer: CertifiedIssuer::self_signed(ca_params(name), key()).expect("sound parameters"),
        }
    }

    /// One whose certificates are only good below another domain.
    #[must_use]
    pub fn constrained(name: &str, domain: &str) -> Self {
        let mut params = ca_params(name);
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName(domain.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        Self {
            issuer: CertifiedIssuer::self_signed(params, key()).expect("sound parameters"),
        }
    }

    /// Its own certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for the portal's hosts.
    #[must_use]
    pub fn serve(&self, flaw: Flaw) -> Identity {
        let key = key();
        let leaf = leaf_params(flaw)
            .signed_by(&key, &self.issuer)
            .expect("sound parameters");
        Identity {
            chain: leaf.pem(),
            key: key.serialize_pem(),
        }
    }

    /// The same through an intermediate; without `complete` the server does not send it.
    #[must_use]
    pub fn serve_through_intermediate(&self, complete: bool) -> Identity {
        let middle_key = key();
        let params = ca_params("Test Intermediate");
        let middle = params
            .signed_by(&middle_key, &self.issuer)
            .expect("sound parameters");
        let issuer = Issuer::from_params(&params, &middle_key);
        let key = key();
        let leaf = leaf_params(Flaw::None)
            .signed_by(&key, &issuer)
            .expect("sound parameters");
        let rest = if complete {
            middle.pem()
        } else {
            String::new()
        };
        Identity {
            chain: leaf.pem() + &rest,
            key: key.serialize_pem(),
        }
    }

    /// A certificate signed by one that says it is no authority.
    #[must_use]
    pub fn serve_through_leaf(&self) -> Identity {
        let middle_key = key();
        let mut params = leaf_params(Flaw::None);
        params.is_ca = IsCa::ExplicitNoCa;
        let middle = params
            .signed_by(&middle_key, &self.issuer)
            .expect("sound parameters");
        let issuer = Issuer::from_params(&params, &middle_key);
        let key = key();
        let leaf = leaf_params(Flaw::None)
            .signed_by(&key, &issuer)
            .expect("sound parameters");
        Identity {
            chain: leaf.pem() + &middle.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A revocation list, PEM, that has the good leaf on it or not.
    #[must_use]
    pub fn revocations(&self, revoked: bool) -> String {
        self.list(revoked, 2090)
    }

    /// A revocation list that should have been followed by a newer one in 2025.
    #[must_use]
    pub fn stale_revocations(&self) -> String {
        self.list(false, 2025)
    }

    fn list(&self, revoked: bool, next: i32) -> String {
        let entry = RevokedCertParams {
            serial_number: SerialNumber::from(if revoked { SERIAL } else { 1 }),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(next, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![entry],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params
            .signed_by(&self.issuer)
            .expect("sound parameters")
            .pem()
            .expect("PEM")
    }
}

/// A certificate that signed itself.
#[must_use]
pub fn self_signed() -> Identity {
    let key = key();
    let leaf = leaf_params(Flaw::None)
        .self_signed(&key)
        .expect("sound parameters");
    Identity {
        chain: leaf.pem(),
        key: key.serialize_pem(),
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2095, 1, 1);
    params
}

fn leaf_params(flaw: Flaw) -> CertificateParams {
    let names: &[&str] = match flaw {
        Flaw::OtherName => &["www.elsewhere.test"],
        Flaw::NoSan => &[],
        Flaw::HighWildcard => &["*.sub.portal.test"],
        Flaw::TopWildcard => &["*.test"],
        _ => &["www.portal.test", "apps.portal.test"],
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("plain names");
    params
        .distinguished_name
        .push(DnType::CommonName, "www.portal.test");
    params.serial_number = Some(SerialNumber::from(SERIAL));
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    match flaw {
        Flaw::Expired => params.not_after = date_time_ymd(2024, 6, 1),
        Flaw::NotYet => params.not_before = date_time_ymd(2089, 1, 1),
        Flaw::ClientOnly => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        _ => {}
    }
    params
}
