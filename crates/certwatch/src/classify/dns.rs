//! Row 23: what the holder of a name says in the DNS about its certificates.

use crate::chain::Chain;
use crate::dns::caa;
use crate::dns::tlsa::Tlsa;
use crate::finding::{Code, Finding, Severity};
use crate::history::History;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::paths::Trust;
use crate::when::{self, DAY, Unix};

/// Whether the CAA records matter for `chain`: they bind a public CA at the time it issues, so
/// they are asked when another issuer appears, and mean nothing later.
pub(crate) fn caa_matters(history: &History, chain: &Chain) -> bool {
    !history.sightings.is_empty()
        && chain.paths.trust == Trust::Valid
        && history.sightings.iter().all(|s| s.chain.hash != chain.hash)
        && history
            .issuers
            .iter()
            .all(|known| known.key != chain.issuer.id)
}

/// The new issuer is none of those that CAA names.
pub(super) fn caa_forbids(
    history: &History,
    observation: &Observation,
    chain: &Chain,
    knowledge: &Knowledge,
    now: Unix,
) -> Option<Finding> {
    let asked = knowledge.caa.as_ref()?;
    let identifiers = caa::identifiers(&chain.owner.name);
    let wildcard = chain.leaf().covers_by_wildcard(observation.target.name());
    if !caa_matters(history, chain)
        || identifiers.is_empty()
        || asked.records.permits(identifiers, wildcard)
    {
        return None;
    }
    let named: Vec<String> = asked
        .records
        .named(wildcard)
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect();
    let permitted = if named.is_empty() {
        "nobody".to_owned()
    } else {
        named.join(", ")
    };
    let lately = asked.changed.filter(|at| now - at < DAY);
    let (severity, when) = match lately {
        Some(at) => (
            Severity::Notice,
            format!("; the records changed {} ago", when::span(now - at)),
        ),
        None => (Severity::Warning, String::new()),
    };
    Some(
        Finding::new(
            Code::CAA_FORBIDS,
            severity,
            format!(
                "CAA at {} permits {permitted}, and not {} ({}){when}",
                asked.records.at,
                chain.owner,
                identifiers.join(", "),
            ),
        )
        .about(chain.leaf().sha256),
    )
}

/// No signed TLSA record fits what is served.
pub(super) fn tlsa_mismatch(
    observation: &Observation,
    chain: &Chain,
    knowledge: &Knowledge,
) -> Option<Finding> {
    let usable: Vec<&Tlsa> = knowledge
        .tlsa
        .iter()
        .filter(|record| record.is_usable(&observation.target))
        .collect();
    if usable.is_empty() || usable.iter().any(|record| record.matches(chain)) {
        return None;
    }
    let kinds: Vec<String> = usable
        .iter()
        .map(|r| format!("{} {} {}", r.usage, r.selector, r.matching))
        .collect();
    Some(
        Finding::new(
            Code::TLSA_MISMATCH,
            Severity::Warning,
            format!(
                "no signed TLSA record ({}) fits this chain: clients that check DANE refuse it",
                kinds.join("; ")
            ),
        )
        .about(chain.leaf().sha256),
    )
}
