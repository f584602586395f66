//! One look at one endpoint.

use std::net::IpAddr;
use std::sync::Arc;

use crate::chain::Chain;
use crate::outcome::{Outcome, Proof};
use crate::target::Target;
use crate::when::Unix;

/// What was seen at one address of one target at one time.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    pub(crate) target: Target,
    pub(crate) vantage: String,
    pub(crate) addr: Option<IpAddr>,
    pub(crate) at: Unix,
    pub(crate) outcome: Outcome,
    pub(crate) proof: Proof,
    /// What was presented, judged; whatever the outcome, if there was a leaf.
    pub(crate) chain: Option<Arc<Chain>>,
    pub(crate) dns: DnsRecords,
}

/// What DNS says about who may serve and issue, from answers secured by DNSSEC only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DnsRecords {
    /// TLSA records; empty if there are none or nothing vouches for them.
    pub(crate) tlsa: Vec<Tlsa>,
    /// Issuer domains of CAA `issue` records; `None` without any record.
    pub(crate) caa: Option<Vec<String>>,
    /// Whether the CAA set is known to have changed within the last day.
    pub(crate) caa_changed_today: bool,
}

/// One TLSA record (RFC 6698).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tlsa {
    pub(crate) usage: u8,
    pub(crate) selector: u8,
    pub(crate) matching: u8,
    pub(crate) data: Vec<u8>,
}
