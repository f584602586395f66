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
}
