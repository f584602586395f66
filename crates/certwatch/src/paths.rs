//! Every path from a leaf to a root, and what the best of them is worth.
//!
//! webpki says which paths are valid; the lenient builder names the rest. Judging paths instead of
//! the pile of presented certificates is what keeps an expired cross-sign lying about in the
//! handshake from raising an alarm.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::cert::Cert;
use crate::digest::Sha256;
use crate::lenient::{self, Defect};
use crate::roots::Roots;
use crate::when::Unix;

mod remembered;

/// The outcome of looking for paths.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) trust: Trust,
    /// Valid paths, the one with the fewest certificates first; for an expired leaf, the paths
    /// that were valid one second before it ended.
    pub(crate) valid: Vec<Path>,
    /// The path to show and to judge by: the first valid one, else what the lenient builder found.
    pub(crate) best: Path,
    /// Empty while `valid` is not.
    pub(crate) defects: Vec<Defect>,
}

/// One path, leaf first.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// Leaf and intermediates.
    pub(crate) certs: Vec<Arc<Cert>>,
    /// The root it ends in; `None` if it ends in nothing anybody trusts.
    pub(crate) root: Option<Arc<Cert>>,
}

impl Path {
    /// The certificate that signed the leaf, a root included.
    pub(crate) fn issuer(&self) -> Option<&Arc<Cert>> {
        self.certs.get(1).or(self.root.as_ref())
    }

    /// The intermediates, the leaf's issuer first.
    pub(crate) fn intermediates(&self) -> &[Arc<Cert>] {
        self.certs.get(1..).unwrap_or_default()
    }
}

/// How far the leaf can be trusted at the time of judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trust {
    /// A strict verifier accepts it under a public root.
    Valid,
    /// A strict verifier accepts it, but only under a local root.
    Local,
    /// It was valid until the leaf expired.
    Expired,
    /// It will be valid when the leaf begins.
    NotYet,
    /// It reaches a root, but a strict verifier refuses something on the way.
    Defective,
    /// It is its own issuer.
    SelfSigned,
    /// It ends in a self-signed certificate nobody here trusts.
    Untrusted,
    /// The issuer is nowhere at hand.
    Incomplete,
}

impl Trust {
    /// Whether a client would have accepted the path at the time the leaf was valid.
    pub(crate) fn is_path_valid(self) -> bool {
        matches!(
            self,
            Self::Valid | Self::Local | Self::Expired | Self::NotYet
        )
    }

    /// Whether nothing anybody trusts stands at the end.
    pub(crate) fn is_untrusted(self) -> bool {
        matches!(self, Self::SelfSigned | Self::Untrusted | Self::Incomplete)
    }

    /// The code used in the database and in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Local => "local-root",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Defective => "defective",
            Self::SelfSigned => "self-signed",
            Self::Untrusted => "untrusted",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Every CA certificate ever seen, for completing what servers leave out.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    by_subject: HashMap<Vec<u8>, Vec<Arc<Cert>>>,
    by_hash: HashMap<Sha256, Arc<Cert>>,
}

impl Pool {
    /// Adds a CA certificate. Others and duplicates are ignored.
    pub(crate) fn add(&mut self, cert: &Arc<Cert>) {
        let same_name = self.by_subject.entry(cert.subject.raw.clone()).or_default();
        if cert.ca == Some(true)
            && same_name.len() < 64
            && !same_name.iter().any(|known| known.sha256 == cert.sha256)
        {
            same_name.push(Arc::clone(cert));
            self.by_hash.insert(cert.sha256, Arc::clone(cert));
        }
    }

    /// The certificate of these bytes, if it is in the pool.
    pub(crate) fn get(&self, der: &[u8]) -> Option<&Arc<Cert>> {
        self.by_hash.get(&Sha256::of(der))
    }

    /// The presented certificates above the leaf, completed with everything in the pool whose
    /// subject is an issuer name met on the way up. webpki parses each candidate at every step, so
    /// the rest of the pool stays out.
    fn candidates(&self, presented: &[Arc<Cert>]) -> Vec<Arc<Cert>> {
        let mut all: Vec<Arc<Cert>> = presented.iter().skip(1).cloned().collect();
        let mut wanted: Vec<Vec<u8>> = presented.iter().map(|c| c.issuer.raw.clone()).collect();
        let mut asked = std::collections::HashSet::new();
        while let Some(name) = wanted.pop() {
            if !asked.insert(name.clone()) {
                continue;
            }
            for cert in self.by_subject.get(&name).into_iter().flatten() {
                if !all.iter().any(|known| known.sha256 == cert.sha256) {
                    wanted.push(cert.issuer.raw.clone());
                    all.push(Arc::clone(cert));
                }
            }
        }
        all
    }
}

/// Looks for paths for `presented`, whose first certificate is the leaf. `None` without one.
pub(crate) fn find(
    presented: &[Arc<Cert>],
    pool: &Pool,
    roots: &Roots,
    now: Unix,
) -> Option<Paths> {
    let leaf = presented.first()?;
    let candidates = pool.candidates(presented);
    let at = |when: Unix, anchors| strict(leaf, &candidates, anchors, roots, when);
    let public = roots.public_anchors();
    let mut strict_result = (Trust::Valid, at(now, public));
    if strict_result.1.is_empty() && roots.has_local() {
        strict_result = (Trust::Local, at(now, roots.all_anchors()));
    }
    if strict_result.1.is_empty() && now > leaf.not_after {
        strict_result = (Trust::Expired, at(leaf.not_after - 1, roots.all_anchors()));
    }
    if strict_result.1.is_empty() && now < leaf.not_before {
        strict_result = (Trust::NotYet, at(leaf.not_before + 1, roots.all_anchors()));
    }
    let (trust, valid) = strict_result;
    if let Some(best) = valid.first() {
        return Some(Paths {
            trust,
            best: best.clone(),
            valid,
            defects: Vec::new(),
        });
    }
    let found = lenient::build(leaf, &candidates, roots, now);
    let trust = if found.root.is_some() {
        Trust::Defective
    } else if found.self_signed_end && found.certs.len() == 1 {
        Trust::SelfSigned
    } else if found.self_signed_end {
        Trust::Untrusted
    } else {
        Trust::Incomplete
    };
    let best = Path {
        certs: found.certs,
        root: found.root,
    };
    Some(Paths {
        trust,
        valid: Vec::new(),
        best,
        defects: found.defects,
    })
}

/// All paths webpki accepts at `when`. Refusing each one in the callback makes it look for the
/// next; that is its documented way of listing them.
fn strict(
    leaf: &Arc<Cert>,
    candidates: &[Arc<Cert>],
    anchors: &[TrustAnchor<'static>],
    roots: &Roots,
    when: Unix,
) -> Vec<Path> {
    let leaf_der = CertificateDer::from(leaf.der.as_ref());
    let Ok(end_entity) = EndEntityCert::try_from(&leaf_der) else {
        return Vec::new();
    };
    let ders: Vec<CertificateDer<'_>> = candidates
        .iter()
        .map(|c| CertificateDer::from(c.der.as_ref()))
        .collect();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(when).unwrap_or(0)));
    let found: RefCell<Vec<Path>> = RefCell::default();
    let collect = |path: &webpki::VerifiedPath<'_>| {
        let root_key = Sha256::of(webpki::spki_for_anchor(path.anchor()).as_ref());
        let certs = std::iter::once(Arc::clone(leaf))
            .chain(path.intermediate_certificates().filter_map(|used| {
                let der = used.der();
                candidates
                    .iter()
                    .find(|c| c.der.as_ref() == der.as_ref())
                    .cloned()
            }))
            // A presented root, or a cross-signed copy of it, is the anchor once more.
            .filter(|cert| cert.spki != root_key)
            .collect();
        let path = Path {
            certs,
            root: roots.by_spki(&root_key).cloned(),
        };
        let mut found = found.borrow_mut();
        if !found.iter().any(|known| same_keys(known, &path)) {
            found.push(path);
        }
        Err(webpki::Error::UnknownIssuer)
    };
    // The result is the refusal above or webpki's own reason; the paths are in `found`.
    let _ = end_entity.verify_for_usage(
        remembered::algorithms(),
        anchors,
        &ders,
        time,
        KeyUsage::server_auth(),
        None,
        Some(&collect),
    );
    let mut found = found.into_inner();
    found.sort_by_key(|path| path.certs.len());
    found
}

fn same_keys(a: &Path, b: &Path) -> bool {
    let root = |path: &Path| path.root.as_ref().map(|root| root.spki);
    root(a) == root(b)
        && a.certs.len() == b.certs.len()
        && a.certs.iter().zip(&b.certs).all(|(x, y)| x.spki == y.spki)
}
