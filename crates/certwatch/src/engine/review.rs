//! Row 19 between vantages that do not share a store while they look.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::classify::classify;
use crate::config::Settings;
use crate::error::Error;
use crate::finding::Code;
use crate::history::Sighting;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::{Outcome, Proof};
use crate::store::Store;
use crate::store::events::{Event, NewEvent};

/// Row 19, after runs of another vantage were imported: looks at every target that
/// more than one vantage saw. Returns the events that are new or got worse.
pub(crate) fn review_vantages(store: &mut Store, settings: &Settings) -> Result<Vec<Event>, Error> {
    let judge = settings.judge_with(store)?;
    let now = crate::when::now();
    let vantages = store.vantages()?;
    let mut cache = HashMap::new();
    let mut events = Vec::new();
    for (id, target, _) in store.targets()? {
        let history = store.history(id, &judge, &mut cache, now)?;
        let mut newest: BTreeMap<(String, Option<IpAddr>), &Sighting> = BTreeMap::new();
        for sighting in &history.sightings {
            newest.insert((sighting.vantage.clone(), sighting.addr), sighting);
        }
        let names: HashSet<&str> = newest.keys().map(|(name, _)| name.as_str()).collect();
        if names.len() < 2 {
            continue;
        }
        for ((vantage, addr), sighting) in &newest {
            let observation = Observation {
                target: target.clone(),
                vantage: vantage.clone(),
                addr: *addr,
                at: sighting.last,
                outcome: Outcome::Ok,
                proof: Proof::None,
                chain: Some(Arc::clone(&sighting.chain)),
            };
            let mut findings = classify(&history, &observation, &Knowledge::default(), now);
            findings.retain(|finding| finding.code == Code::SPLIT_VANTAGE);
            if findings.is_empty() {
                continue;
            }
            let old = history
                .old(&observation, &sighting.chain)
                .map(|old| old.chain.hash);
            let old_chain = match old {
                Some(hash) => store.chain_id(&hash)?,
                None => None,
            };
            let new_chain = store.chain_id(&sighting.chain.hash)?;
            let vantage_id = vantages
                .iter()
                .find(|(_, name)| *name == vantage)
                .map_or(0, |(id, _)| *id);
            let event = NewEvent {
                target: id,
                vantage: vantage_id,
                at: now,
                old_chain,
                new_chain,
                findings: &findings,
            };
            if let Some(id) = store.add_event(&event)? {
                events.extend(store.event(id)?);
            }
        }
    }
    Ok(events)
}
