//! Root sets: what counts as publicly trusted, and what only this machine trusts.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::cert::Cert;
use crate::digest::Sha256;
use crate::pem;

/// Where Debian keeps the bundle of everything this machine trusts.
const NATIVE_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where Debian's package keeps the roots it ships; what is under here is public, not local.
const SHIPPED: &str = "/usr/share/ca-certificates";

/// A set of trusted roots, public ones and local ones.
#[derive(Debug)]
pub(crate) struct Roots {
    public: Vec<TrustAnchor<'static>>,
    all: Vec<TrustAnchor<'static>>,
    by_subject: HashMap<Vec<u8>, Vec<Arc<Cert>>>,
    by_spki: HashMap<Sha256, Arc<Cert>>,
    local: HashSet<Sha256>,
}

/// A root file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("cannot read the roots in {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("no usable root certificate in {}", .0.display())]
    Empty(PathBuf),
}

impl Roots {
    /// The roots of Mozilla's programme as embedded in this binary.
    pub(crate) fn mozilla() -> Self {
        Self::new(
            webpki_root_certs::TLS_SERVER_ROOT_CERTS
                .iter()
                .map(AsRef::as_ref),
            [],
        )
    }

    /// The roots in a PEM file, all equally public.
    pub(crate) fn file(path: &Path) -> Result<Self, RootsError> {
        let roots = Self::new(read(path)?.iter().map(Vec::as_slice), []);
        if roots.all.is_empty() {
            Err(RootsError::Empty(path.to_owned()))
        } else {
            Ok(roots)
        }
    }

    /// The machine's own bundle, all equally public.
    pub(crate) fn native() -> Result<Self, RootsError> {
        Self::file(Path::new(NATIVE_BUNDLE))
    }

    /// Adds the roots of `path` that are not public already as local ones.
    pub(crate) fn with_local_file(self, path: &Path) -> Result<Self, RootsError> {
        let extra = read(path)?;
        Ok(self.with_local(extra.iter().map(Vec::as_slice)))
    }

    /// Adds what the machine trusts beyond the public set and beyond what Debian ships: a root
    /// that Mozilla dropped may live on in the distribution's bundle, and is no local root.
    pub(crate) fn with_local_native(self) -> Result<Self, RootsError> {
        let mut shipped = HashSet::new();
        let mut directories = vec![PathBuf::from(SHIPPED)];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = std::fs::read_dir(&directory) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    directories.push(path);
                } else if let Ok(text) = std::fs::read(&path) {
                    shipped.extend(pem::certificates(&text).iter().map(|der| Sha256::of(der)));
                }
            }
        }
        let bundle = Path::new(NATIVE_BUNDLE);
        if !bundle.exists() {
            return Ok(self);
        }
        let extra = read(bundle)?;
        let local = extra
            .iter()
            .filter(|der| !shipped.contains(&Sha256::of(der)));
        Ok(self.with_local(local.map(Vec::as_slice)))
    }

    /// Builds a set from DER certificates. Those that do not parse are left out.
    pub(crate) fn new<'a>(
        public: impl IntoIterator<Item = &'a [u8]>,
        local: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut roots = Self {
            public: Vec::new(),
            all: Vec::new(),
            by_subject: HashMap::new(),
            by_spki: HashMap::new(),
            local: HashSet::new(),
        };
        for der in public {
            if let Some(anchor) = roots.add(der) {
                roots.public.push(anchor.clone());
                roots.all.push(anchor);
            }
        }
        roots.with_local(local)
    }

    fn with_local<'a>(mut self, local: impl IntoIterator<Item = &'a [u8]>) -> Self {
        for der in local {
            let spki = Cert::parse(der).map(|cert| cert.spki);
            if spki.is_some_and(|spki| self.by_spki.contains_key(&spki)) {
                continue;
            }
            if let Some(anchor) = self.add(der) {
                self.all.push(anchor);
                self.local.extend(spki);
            }
        }
        self
    }

    fn add(&mut self, der: &[u8]) -> Option<TrustAnchor<'static>> {
        let cert = Arc::new(Cert::parse(der)?);
        let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der))
            .ok()?
            .to_owned();
        self.by_subject
            .entry(cert.subject.raw.clone())
            .or_default()
            .push(Arc::clone(&cert));
        self.by_spki.entry(cert.spki).or_insert(cert);
        Some(anchor)
    }

    pub(crate) fn public_anchors(&self) -> &[TrustAnchor<'static>] {
        &self.public
    }

    /// Public and local anchors; equal to the public ones when there are no local ones.
    pub(crate) fn all_anchors(&self) -> &[TrustAnchor<'static>] {
        &self.all
    }

    pub(crate) fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// The root with this key.
    pub(crate) fn by_spki(&self, spki: &Sha256) -> Option<&Arc<Cert>> {
        self.by_spki.get(spki)
    }

    /// The roots with this subject.
    pub(crate) fn by_subject(&self, raw: &[u8]) -> &[Arc<Cert>] {
        self.by_subject.get(raw).map_or(&[], Vec::as_slice)
    }
}

fn read(path: &Path) -> Result<Vec<Vec<u8>>, RootsError> {
    let text = std::fs::read(path).map_err(|source| RootsError::Read(path.to_owned(), source))?;
    Ok(pem::certificates(&text))
}
