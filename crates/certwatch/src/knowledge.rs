//! What is known beyond the target under judgement, looked up before judging so that judging
//! itself stays a pure function.

use crate::dns::caa::Caa;
use crate::dns::tlsa::Tlsa;
use crate::when::Unix;

/// CAA records as they were found at the time of judging.
#[derive(Debug, Clone)]
pub(crate) struct AskedCaa {
    pub(crate) records: Caa,
    /// When they were first seen as they are, if they had been different before.
    pub(crate) changed: Option<Unix>,
}

/// Everything `classify` may know besides the target's own history.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, named where they are set"
)]
pub(crate) struct Knowledge {
    /// On how many other hosts the chain's issuer key was seen with a valid path.
    pub(crate) issuer_hosts: usize,
    /// Whether the chain's issuer is on record in the imported CCADB report.
    pub(crate) issuer_on_record: bool,
    /// Whether a CCADB report was imported.
    pub(crate) has_ccadb: bool,
    /// How many other hosts the store knows.
    pub(crate) hosts: usize,
    /// Whether the administrator authorised the leaf's key as their own.
    pub(crate) own_key: bool,
    /// Other targets that use the leaf's key and have nothing to do with this one.
    pub(crate) key_elsewhere: Vec<String>,
    /// Why a key or CA of the chain is on the known-bad list.
    pub(crate) known_bad: Option<String>,
    /// The target is tagged `corp`: TLS inspection is expected there.
    pub(crate) corporate: bool,
    /// Another own target already uses the same wildcard.
    pub(crate) wildcard_known: bool,
    /// Trust on first use is in effect; replay has none.
    pub(crate) learning: bool,
    /// First sight caps properties at notice; `check`, which has no history at all, does not.
    pub(crate) first_sight_cap: bool,
    /// The clock is behind the newest observation: findings that rest on it are suspended.
    pub(crate) clock_skewed: bool,
    /// CAA records for the target's name, if they were asked.
    pub(crate) caa: Option<AskedCaa>,
    /// Signed TLSA records of the target, if they were asked.
    pub(crate) tlsa: Vec<Tlsa>,
    /// Share of the lifetime below which `expiring` fires; default 0.20.
    pub(crate) expiring_share: f64,
    /// Share below which `expiring-now` fires; default 0.07.
    pub(crate) expiring_now_share: f64,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self {
            issuer_hosts: 0,
            issuer_on_record: false,
            has_ccadb: false,
            hosts: 0,
            own_key: false,
            key_elsewhere: Vec::new(),
            known_bad: None,
            corporate: false,
            wildcard_known: false,
            learning: false,
            first_sight_cap: true,
            clock_skewed: false,
            caa: None,
            tlsa: Vec::new(),
            expiring_share: 0.20,
            expiring_now_share: 0.07,
        }
    }
}

/// Below this many other hosts, absence from the store says little.
const THIN_HOSTS: usize = 50;
/// An issuer key on this many other hosts is known beyond doubt.
const KNOWN_HOSTS: usize = 3;

impl Knowledge {
    /// Whether nobody can be asked about an unknown issuer: no report, and few other hosts.
    pub(crate) fn is_thin(&self) -> bool {
        !self.has_ccadb && self.hosts < THIN_HOSTS
    }

    /// Whether the issuer key was ever seen elsewhere.
    pub(crate) fn issuer_seen(&self) -> bool {
        self.issuer_on_record || self.issuer_hosts > 0
    }

    /// Whether the issuer key is known beyond doubt.
    pub(crate) fn issuer_well_known(&self) -> bool {
        self.issuer_on_record || self.issuer_hosts >= KNOWN_HOSTS
    }
}
