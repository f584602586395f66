//! A path builder that labels defects instead of failing on them.
//!
//! webpki refuses SHA-1, CA-flagged leaves, certificates of 64 KiB and more, and short keys; each
//! of those was seen in an attack or on an old appliance, and each must be shown as the chain it
//! is. Only when no issuer is at hand does a path end early.

use std::sync::Arc;

use crate::cert::{Cert, KeyKind, Signature};
use crate::digest::Sha256;
use crate::roots::Roots;
use crate::signed::{self, Verdict};
use crate::when::Unix;

/// Certificates on a path, leaf and root included. Public paths have three to five.
const MAX_DEPTH: usize = 8;
/// Signature checks per build. A hostile list of 64 certificates with one name and many keys would
/// otherwise cost 64 x 64 checks.
const MAX_CHECKS: usize = 200;

/// A path found without regard to defects.
#[derive(Debug, Clone)]
pub(crate) struct Lenient {
    /// Leaf first; the root, if reached, is not in it.
    pub(crate) certs: Vec<Arc<Cert>>,
    /// The trusted root the path ends in.
    pub(crate) root: Option<Arc<Cert>>,
    /// Whether the last certificate is its own issuer: a self-signed end that nobody trusts.
    pub(crate) self_signed_end: bool,
    pub(crate) defects: Vec<Defect>,
}

/// Why a strict verifier would refuse the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Defect {
    Sha1,
    Md5,
    Expired,
    NotYet,
    NotACa,
    PathLen,
    WeakKey,
    LeafIsCa,
    TooLarge,
    NameConstraints,
    Uncheckable,
}

impl Defect {
    /// For sentences and the database.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::NotACa => "not-a-ca",
            Self::PathLen => "pathlen",
            Self::WeakKey => "weak-key",
            Self::LeafIsCa => "leaf-is-ca",
            Self::TooLarge => "too-large",
            Self::NameConstraints => "name-constraints",
            Self::Uncheckable => "signature-not-checkable",
        }
    }
}

/// Builds the best path for `leaf` from `candidates` (presented certificates and others at hand):
/// one that reaches a root beats one that does not, fewer defects beat more, shorter beats longer.
pub(crate) fn build(
    leaf: &Arc<Cert>,
    candidates: &[Arc<Cert>],
    roots: &Roots,
    now: Unix,
) -> Lenient {
    let mut search = Search {
        candidates,
        roots,
        now,
        checks: 0,
        best: None,
    };
    search.extend(&mut vec![Arc::clone(leaf)], false);
    let alone = search.finish(&[Arc::clone(leaf)], None, false);
    search.best.unwrap_or(alone)
}

struct Search<'a> {
    candidates: &'a [Arc<Cert>],
    roots: &'a Roots,
    now: Unix,
    checks: usize,
    best: Option<Lenient>,
}

impl Search<'_> {
    /// Tries every issuer of the last certificate of `path`.
    fn extend(&mut self, path: &mut Vec<Arc<Cert>>, uncheckable: bool) {
        let Some(last) = path.last().cloned() else {
            return;
        };
        let mut dead_end = true;
        for root in self.roots.by_subject(&last.issuer.raw).to_vec() {
            // A root presented by the server is its own issuer; it ends the path as the anchor.
            if path.len() > 1 && root.spki == last.spki {
                let found = self.finish(&path[..path.len() - 1], Some(root), uncheckable);
                self.offer(found);
                dead_end = false;
                continue;
            }
            match self.check(&last, &root) {
                Verdict::Bad => {}
                verdict => {
                    let unsure = uncheckable || verdict == Verdict::Uncheckable;
                    let found = self.finish(path, Some(root), unsure);
                    self.offer(found);
                    dead_end = false;
                }
            }
        }
        if path.len() < MAX_DEPTH && !last.is_self_issued() {
            for candidate in self.candidates {
                let fits = candidate.subject.raw == last.issuer.raw
                    && !path.iter().any(|used| used.spki == candidate.spki);
                if fits {
                    let verdict = self.check(&last, candidate);
                    if verdict != Verdict::Bad {
                        path.push(Arc::clone(candidate));
                        self.extend(path, uncheckable || verdict == Verdict::Uncheckable);
                        path.pop();
                        dead_end = false;
                    }
                }
            }
        }
        if dead_end {
            let found = self.finish(path, None, uncheckable);
            self.offer(found);
        }
    }

    fn check(&mut self, child: &Cert, issuer: &Cert) -> Verdict {
        self.checks += 1;
        if self.checks > MAX_CHECKS {
            Verdict::Bad
        } else {
            signed::by(child, issuer)
        }
    }

    fn offer(&mut self, found: Lenient) {
        let rank = |path: &Lenient| (path.root.is_none(), path.defects.len(), path.certs.len());
        // Among rootless paths the longest says most about where the chain came from.
        let better = self.best.as_ref().is_none_or(|best| {
            if best.root.is_none() && found.root.is_none() {
                found.certs.len() > best.certs.len()
            } else {
                rank(&found) < rank(best)
            }
        });
        if better {
            self.best = Some(found);
        }
    }

    fn finish(&self, certs: &[Arc<Cert>], root: Option<Arc<Cert>>, uncheckable: bool) -> Lenient {
        let self_signed_end = root.is_none()
            && certs.last().is_some_and(|last| {
                last.is_self_issued() && signed::by(last, last) != Verdict::Bad
            });
        let mut defects = defects(certs, self_signed_end, self.now);
        if uncheckable {
            defects.push(Defect::Uncheckable);
        }
        defects.sort_unstable();
        defects.dedup();
        Lenient {
            certs: certs.to_vec(),
            root,
            self_signed_end,
            defects,
        }
    }
}

/// The defects of a path. A self-signed end's own signature, like a root's, proves nothing and is
/// not judged.
fn defects(certs: &[Arc<Cert>], self_signed_end: bool, now: Unix) -> Vec<Defect> {
    let mut found = Vec::new();
    for (depth, cert) in certs.iter().enumerate() {
        let judged_signature = !(self_signed_end && depth + 1 == certs.len());
        match cert.signature {
            Signature::Sha1 if judged_signature => found.push(Defect::Sha1),
            Signature::Md5 if judged_signature => found.push(Defect::Md5),
            _ => {}
        }
        if now > cert.not_after {
            found.push(Defect::Expired);
        }
        if now < cert.not_before {
            found.push(Defect::NotYet);
        }
        if is_weak(cert) {
            found.push(Defect::WeakKey);
        }
        if cert.der.len() >= 65_536 {
            found.push(Defect::TooLarge);
        }
        if depth == 0 {
            if cert.ca == Some(true) {
                found.push(Defect::LeafIsCa);
            }
            continue;
        }
        if lacks_ca_rights(cert) {
            found.push(Defect::NotACa);
        }
        if violates_path_len(cert, depth) {
            found.push(Defect::PathLen);
        }
        if let Some(constraints) = &cert.constraints
            && certs[0]
                .dns_names
                .iter()
                .any(|name| !constraints.allows(name))
        {
            found.push(Defect::NameConstraints);
        }
    }
    found
}

/// Keys nobody may rely on: RSA below 2048 bits, curves below 256.
pub(crate) fn is_weak(cert: &Cert) -> bool {
    match cert.key.kind {
        KeyKind::Rsa => cert.key.bits < 2048,
        KeyKind::Ecdsa => cert.key.bits < 256,
        KeyKind::Ed25519 | KeyKind::Other => false,
    }
}

/// Whether a certificate used as an issuer says it is none.
pub(crate) fn lacks_ca_rights(issuer: &Cert) -> bool {
    issuer.ca != Some(true) || issuer.key_cert_sign == Some(false)
}

/// Whether the issuer at `depth` (1 signs the leaf) has more CAs below it than it allows.
pub(crate) fn violates_path_len(issuer: &Cert, depth: usize) -> bool {
    issuer
        .path_len
        .is_some_and(|limit| depth.saturating_sub(1) > limit as usize)
}

/// The key that identifies the issuer of a path: the next certificate's, else the root's, else a
/// stand-in made of the claimed issuer's name and key identifier. True for the stand-in.
pub(crate) fn issuer_key(path: &Lenient) -> (Sha256, bool) {
    if let Some(issuer) = path.certs.get(1).or(path.root.as_ref()) {
        return (issuer.spki, false);
    }
    let leaf = &path.certs[0];
    if path.self_signed_end {
        return (leaf.spki, false);
    }
    let aki = leaf.aki.as_deref().unwrap_or_default();
    (
        Sha256::of_parts([b"claimed issuer".as_slice(), &leaf.issuer.raw, aki]),
        true,
    )
}
