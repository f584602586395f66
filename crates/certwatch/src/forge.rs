//! Test support: a small world of CAs whose certificates have real dates, made with rcgen.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::chain::{Chain, Judge, Presented};
use crate::import::ccadb::Ccadb;
use crate::observation::Observation;
use crate::outcome::{Outcome, Proof};
use crate::owner::Owners;
use crate::roots::Roots;
use crate::when::{self, DAY, Unix};

/// A CA: root or intermediate.
pub(crate) struct Ca {
    pub(crate) der: Arc<[u8]>,
    params: CertificateParams,
    key: &'static KeyPair,
    /// What is presented above a leaf of this CA; empty for a root.
    above: Vec<Arc<[u8]>>,
}

/// What a leaf looks like; [`Leaf::new`] is an ordinary one.
pub(crate) struct Leaf<'a> {
    pub(crate) names: Vec<&'a str>,
    /// Which of the forge's keys: equal numbers, equal keys.
    pub(crate) key: &'a str,
    pub(crate) from: Unix,
    pub(crate) days: i64,
    /// OID of the policy, or empty.
    pub(crate) policy: &'a [u64],
    /// Milliseconds of each SCT.
    pub(crate) scts: usize,
    pub(crate) is_ca: bool,
    pub(crate) server_auth: bool,
}

pub(crate) const EV: &[u64] = &[2, 23, 140, 1, 1];
pub(crate) const OV: &[u64] = &[2, 23, 140, 1, 2, 2];
pub(crate) const DV: &[u64] = &[2, 23, 140, 1, 2, 1];
const ANY: &[u64] = &[2, 5, 29, 32, 0];

impl<'a> Leaf<'a> {
    pub(crate) fn new(name: &'a str, key: &'a str, from: Unix) -> Self {
        let names = vec![name];
        Self {
            names,
            key,
            from,
            days: 90,
            policy: DV,
            scts: 2,
            is_ca: false,
            server_auth: true,
        }
    }
}

/// The same key for the same name, for the whole test process.
fn key(name: &str) -> &'static KeyPair {
    static KEYS: LazyLock<Mutex<HashMap<String, &'static KeyPair>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap();
    keys.entry(name.to_owned())
        .or_insert_with(|| Box::leak(Box::new(KeyPair::generate().unwrap())))
}

fn set_dates(params: &mut CertificateParams, from: Unix, to: Unix) {
    params.not_before =
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(from.unsigned_abs());
    params.not_after =
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(to.unsigned_abs());
}

fn der_oid(oid: &[u64]) -> Vec<u8> {
    let mut body = vec![u8::try_from(oid[0] * 40 + oid[1]).unwrap()];
    for arc in &oid[2..] {
        let mut digits = vec![u8::try_from(arc & 0x7f).unwrap()];
        let mut rest = arc >> 7;
        while rest > 0 {
            digits.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        body.extend(digits.iter().rev());
    }
    wrap(6, &body)
}

fn wrap(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(body.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            out.push(0x82);
            out.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(body);
    out
}

fn policy(oid: &[u64]) -> CustomExtension {
    let content = wrap(0x30, &wrap(0x30, &der_oid(oid)));
    CustomExtension::from_oid_content(&[2, 5, 29, 32], content)
}

fn scts(count: usize, from: Unix) -> CustomExtension {
    let mut list = Vec::new();
    for log in 0..count {
        let mut sct = vec![0];
        sct.extend_from_slice(&[u8::try_from(log).unwrap(); 32]);
        sct.extend_from_slice(&(from.unsigned_abs() * 1000).to_be_bytes());
        sct.extend_from_slice(&[0, 0, 4, 3, 0, 4, 1, 2, 3, 4]);
        list.extend_from_slice(&u16::try_from(sct.len()).unwrap().to_be_bytes());
        list.extend_from_slice(&sct);
    }
    let mut whole = u16::try_from(list.len()).unwrap().to_be_bytes().to_vec();
    whole.extend_from_slice(&list);
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], wrap(4, &whole))
}

fn ca_params(name: &str, organisation: &str, from: Unix, to: Unix) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if !organisation.is_empty() {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organisation);
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    set_dates(&mut params, from, to);
    params
}

/// A root valid from 2020 to 2045.
pub(crate) fn root(name: &str, organisation: &str) -> Ca {
    let (from, to) = (
        when::parse("2020-01-01").unwrap(),
        when::parse("2045-01-01").unwrap(),
    );
    let params = ca_params(name, organisation, from, to);
    let key = key(name);
    let der = params.self_signed(key).unwrap().der().to_vec().into();
    Ca {
        der,
        params,
        key,
        above: Vec::new(),
    }
}

impl Ca {
    /// An intermediate of this CA.
    pub(crate) fn sub(&self, name: &str, organisation: &str, from: &str, days: i64) -> Ca {
        let from = when::parse(from).unwrap();
        let mut params = ca_params(name, organisation, from, from + days * DAY);
        params.custom_extensions.push(policy(ANY));
        let key = key(name);
        let issuer = Issuer::from_params(&self.params, self.key);
        let der: Arc<[u8]> = params
            .signed_by(key, &issuer)
            .unwrap()
            .der()
            .to_vec()
            .into();
        let mut above = vec![Arc::clone(&der)];
        above.extend(self.above.iter().cloned());
        Ca {
            der,
            params,
            key,
            above,
        }
    }

    /// What a server with such a leaf presents.
    pub(crate) fn issue(&self, leaf: &Leaf<'_>) -> Presented {
        let issuer = Issuer::from_params(&self.params, self.key);
        let der = leaf_params(leaf)
            .signed_by(key(leaf.key), &issuer)
            .unwrap()
            .der()
            .to_vec();
        let mut ders = vec![Arc::from(der)];
        ders.extend(self.above.iter().cloned());
        Presented { ders }
    }
}

/// A self-signed leaf.
pub(crate) fn self_signed(leaf: &Leaf<'_>) -> Presented {
    let der = leaf_params(leaf)
        .self_signed(key(leaf.key))
        .unwrap()
        .der()
        .to_vec();
    Presented {
        ders: vec![Arc::from(der)],
    }
}

fn leaf_params(leaf: &Leaf<'_>) -> CertificateParams {
    let names: Vec<String> = leaf.names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, leaf.names[0]);
    params.extended_key_usages = vec![if leaf.server_auth {
        ExtendedKeyUsagePurpose::ServerAuth
    } else {
        ExtendedKeyUsagePurpose::EmailProtection
    }];
    if leaf.is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    if !leaf.policy.is_empty() {
        params.custom_extensions.push(policy(leaf.policy));
    }
    if leaf.scts > 0 {
        params.custom_extensions.push(scts(leaf.scts, leaf.from));
    }
    params.use_authority_key_identifier_extension = true;
    set_dates(&mut params, leaf.from, leaf.from + leaf.days * DAY);
    params
}

/// A judge that trusts `public`, and `local` as local roots.
pub(crate) fn judge(public: &[&Ca], local: &[&Ca]) -> Judge {
    let ders = |cas: &[&Ca]| -> Vec<Vec<u8>> { cas.iter().map(|ca| ca.der.to_vec()).collect() };
    let (public, local) = (ders(public), ders(local));
    let roots = Roots::new(
        public.iter().map(Vec::as_slice),
        local.iter().map(Vec::as_slice),
    );
    Judge::new(
        roots,
        Owners::new(&std::collections::BTreeMap::new(), Ccadb::default()),
    )
}

/// An observation of `chain` at `host` (`NAME[:PORT]`).
pub(crate) fn observe(host: &str, chain: &Arc<Chain>, at: Unix) -> Observation {
    Observation {
        target: host.parse().unwrap(),
        vantage: "here".to_owned(),
        addr: None,
        at,
        outcome: Outcome::Ok,
        proof: Proof::Proven,
        chain: Some(Arc::clone(chain)),
    }
}
