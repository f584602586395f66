//! A presented chain with everything derived from it: paths, level, owner, issuer key, shape.
//!
//! Derived once per chain and root set; a fleet of a hundred thousand endpoints presents a few
//! thousand new chains a day.

use std::sync::Arc;

use crate::cert::Cert;
use crate::digest::Sha256;
use crate::lenient;
use crate::level::Level;
use crate::owner::{Basis, Owner, Owners};
use crate::paths::{self, Path, Paths, Pool, Trust};
use crate::roots::Roots;
use crate::sct::{Census, Logs};
use crate::when::Unix;

/// What a server presented, byte for byte and in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presented {
    /// DER of each certificate, the leaf first.
    pub(crate) ders: Vec<Arc<[u8]>>,
}

impl Presented {
    /// The hash over the hashes of its certificates: the identity of the chain.
    pub(crate) fn hash(&self) -> Sha256 {
        let hashes: Vec<Sha256> = self.ders.iter().map(|der| Sha256::of(der)).collect();
        Sha256::of_parts(hashes.iter().map(|hash| hash.0.as_slice()))
    }
}

/// A chain, judged.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) hash: Sha256,
    /// The certificates that parsed, in the order presented.
    pub(crate) certs: Vec<Arc<Cert>>,
    /// How many presented certificates did not parse.
    pub(crate) unparseable: usize,
    pub(crate) paths: Paths,
    pub(crate) level: Level,
    pub(crate) owner: Owner,
    pub(crate) issuer: IssuerKey,
    pub(crate) shape: Shape,
    /// Whether the path's intermediates and policies permit the EV the leaf claims.
    pub(crate) ev_permitted: bool,
    /// Intermediates of the best path whose organisation is not the owner's.
    pub(crate) foreign: Vec<Sha256>,
    /// What the leaf's embedded timestamps are worth.
    pub(crate) scts: Census,
    /// The moment after which the paths must be looked for again.
    pub(crate) good_until: Unix,
}

/// The key that issued the leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct IssuerKey {
    pub(crate) id: Sha256,
    /// Whether `id` is a stand-in for a key that was not at hand.
    pub(crate) claimed: bool,
}

/// What is untidy about the way the chain was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent observations"
)]
pub(crate) struct Shape {
    /// Certificates of the path come in another order than the path's.
    pub(crate) disordered: bool,
    /// The path needs a certificate the server did not send.
    pub(crate) incomplete: bool,
    /// Certificates that are on no path.
    pub(crate) extra: bool,
    /// A root among the presented certificates.
    pub(crate) root_sent: bool,
}

/// What judging a chain needs besides the chain.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) roots: Roots,
    pub(crate) owners: Owners,
    pub(crate) pool: Pool,
    pub(crate) logs: Logs,
}

impl Judge {
    /// A judge with an empty pool that knows no logs.
    pub(crate) fn new(roots: Roots, owners: Owners) -> Self {
        Self {
            roots,
            owners,
            pool: Pool::default(),
            logs: Logs::default(),
        }
    }

    /// Judges what was presented at `now`. `None` if its first certificate does not parse: then
    /// there is no leaf, and nothing to judge.
    pub(crate) fn chain(&self, presented: &Presented, now: Unix) -> Option<Chain> {
        let parsed: Vec<Option<Arc<Cert>>> = presented
            .ders
            .iter()
            .enumerate()
            // A fleet has few CAs, and their certificates come with every leaf.
            .map(|(at, der)| {
                let known = (at > 0).then(|| self.pool.get(der)).flatten().cloned();
                known.or_else(|| Cert::parse(der).map(Arc::new))
            })
            .collect();
        parsed.first()?.as_ref()?;
        let unparseable = parsed.iter().filter(|cert| cert.is_none()).count();
        let certs: Vec<Arc<Cert>> = parsed.into_iter().flatten().collect();
        let paths = paths::find(&certs, &self.pool, &self.roots, now)?;
        let leaf = &certs[0];
        let best = &paths.best;
        let level = Level::of(leaf);
        let owner = self
            .owners
            .of(leaf, best.issuer().map(Arc::as_ref), best.root.as_deref());
        Some(Chain {
            hash: presented.hash(),
            unparseable,
            level,
            issuer: issuer_key(&paths),
            shape: shape(&certs, &paths),
            ev_permitted: level != Level::Ev || self.owners.ccadb.permits_ev(best),
            foreign: self.foreign(best, &owner),
            scts: self.logs.census(leaf, best.issuer().map(Arc::as_ref)),
            owner,
            good_until: good_until(&paths, now),
            certs,
            paths,
        })
    }

    /// A name that differs from the root's is odd only when nothing better than names is known:
    /// CCADB and the pair table vouch for white labels.
    fn foreign(&self, path: &Path, owner: &Owner) -> Vec<Sha256> {
        let comparable = owner.basis == Basis::Root
            && path
                .root
                .as_ref()
                .is_some_and(|root| root.subject.organisation.is_some());
        let differs = |ca: &&Arc<Cert>| {
            ca.subject.organisation.is_some() && self.owners.by_name(&ca.subject) != owner.name
        };
        let suspects = if comparable {
            path.intermediates()
        } else {
            &[]
        };
        suspects
            .iter()
            .filter(differs)
            .map(|ca| ca.sha256)
            .collect()
    }

    /// Remembers the CA certificates of a chain for completing later ones.
    pub(crate) fn learn(&mut self, chain: &Chain) {
        for cert in chain.certs.iter().skip(1) {
            self.pool.add(cert);
        }
    }
}

impl Chain {
    pub(crate) fn leaf(&self) -> &Arc<Cert> {
        &self.certs[0]
    }

    /// The path to show and to judge by.
    pub(crate) fn path(&self) -> &Path {
        &self.paths.best
    }

    /// The key of the root the best path ends in.
    pub(crate) fn anchor(&self) -> Option<Sha256> {
        self.path().root.as_ref().map(|root| root.spki)
    }

    /// When the first certificate of the valid path ends; 0 without a valid path.
    pub(crate) fn path_end(&self) -> Unix {
        let path = self.paths.valid.first();
        path.and_then(|path| path.certs.iter().map(|cert| cert.not_after).min())
            .unwrap_or(0)
    }

    /// The name of the certificate that signed the leaf.
    pub(crate) fn issuer_name(&self) -> &str {
        self.leaf().issuer.short()
    }
}

fn issuer_key(paths: &Paths) -> IssuerKey {
    let as_lenient = lenient::Lenient {
        certs: paths.best.certs.clone(),
        root: paths.best.root.clone(),
        self_signed_end: paths.trust == Trust::SelfSigned,
        defects: Vec::new(),
    };
    let (id, claimed) = lenient::issuer_key(&as_lenient);
    IssuerKey { id, claimed }
}

fn shape(certs: &[Arc<Cert>], paths: &Paths) -> Shape {
    let best = &paths.best;
    let position = |cert: &Arc<Cert>| certs.iter().position(|c| c.spki == cert.spki);
    let places: Vec<Option<usize>> = best.certs.iter().map(position).collect();
    let in_order: Vec<usize> = places.iter().copied().flatten().collect();
    let on_a_path = |cert: &Arc<Cert>| {
        std::iter::once(best).chain(&paths.valid).any(|path| {
            path.certs
                .iter()
                .chain(&path.root)
                .any(|used| used.spki == cert.spki)
        })
    };
    Shape {
        disordered: in_order.windows(2).any(|pair| pair[0] > pair[1]),
        incomplete: places.iter().any(Option::is_none) || paths.trust == Trust::Incomplete,
        extra: certs.iter().any(|cert| !on_a_path(cert)),
        root_sent: certs.iter().skip(1).any(|cert| {
            cert.is_self_issued() && best.root.as_ref().is_none_or(|root| root.spki == cert.spki)
        }),
    }
}

/// Until when the verdict of `paths` can be reused: the next moment at which a certificate on the
/// best path begins or ends.
fn good_until(paths: &Paths, now: Unix) -> Unix {
    paths
        .best
        .certs
        .iter()
        .flat_map(|cert| [cert.not_before, cert.not_after])
        .filter(|edge| *edge >= now)
        .min()
        .unwrap_or(Unix::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{self, EV, Leaf};
    use crate::when;

    /// A generator of its own, so that a failure can be repeated.
    fn random(state: &mut u64, below: usize) -> usize {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        usize::try_from(*state % u64::try_from(below).unwrap()).unwrap()
    }

    /// One to four changes of the kinds that parsers trip over: bits, lengths, cuts, repetitions.
    fn mutate(der: &[u8], state: &mut u64) -> Vec<u8> {
        let mut der = der.to_vec();
        for _ in 0..=random(state, 4) {
            if der.is_empty() {
                break;
            }
            let at = random(state, der.len());
            match random(state, 6) {
                0 => der[at] ^= 1 << random(state, 8),
                1 => der[at] = [0, 0x7f, 0x80, 0x82, 0x84, 0xff][random(state, 6)],
                2 => der.truncate(at),
                3 => {
                    der.remove(at);
                }
                4 => der.insert(at, der[at]),
                _ => {
                    let end = der.len().min(at + random(state, 40));
                    let piece = der[at..end].to_vec();
                    let place = random(state, der.len());
                    der.splice(place..place, piece);
                }
            }
        }
        der
    }

    /// What has been fuzzed for longer, as an ordinary test: whatever bytes a server presents,
    /// they are recorded, and judged or called unparseable; the judge itself survives.
    #[test]
    fn mutated_certificates_are_survived() {
        let root = forge::root("Good Root", "Good CA");
        let sub = root.sub("Good 1", "Good CA", "2024-01-01", 3650);
        let judge = forge::judge(&[&root], &[]);
        let start = when::parse("2026-01-01").unwrap();
        let good = sub.issue(&Leaf {
            policy: EV,
            ..Leaf::new("www.example.org", "k1", start)
        });
        let mut state = 0x2545_f491_4f6c_dd1d;
        let (mut parsed, mut refused) = (0, 0);
        for round in 0..1200 {
            let ders = good.ders.iter().enumerate().map(|(n, der)| {
                if round % 3 == 2 || n == round % 3 {
                    Arc::from(mutate(der, &mut state))
                } else {
                    Arc::clone(der)
                }
            });
            let presented = Presented {
                ders: ders.collect(),
            };
            match judge.chain(&presented, start + when::DAY) {
                Some(chain) => {
                    assert!(chain.certs.len() + chain.unparseable <= presented.ders.len());
                    let observation = forge::observe("www.example.org", &Arc::new(chain), start);
                    let knowledge = crate::knowledge::Knowledge::default();
                    let history = crate::history::History::default();
                    crate::classify::classify(&history, &observation, &knowledge, start);
                    parsed += 1;
                }
                None => refused += 1,
            }
        }
        assert!(parsed > 100 && refused > 100, "{parsed} {refused}");
    }
}
