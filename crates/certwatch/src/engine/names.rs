//! What the engine asks and remembers of the DNS: CAA records, which bind a CA at the moment it
//! issues and must therefore be known from before.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::Engine;
use crate::chain::Chain;
use crate::classify::caa_matters;
use crate::db::DbError;
use crate::dns::Dns;
use crate::dns::caa::Caa;
use crate::history::History;
use crate::knowledge::AskedCaa;
use crate::targets::Entry;
use crate::when::{HOUR, Unix};

/// Records are looked at once a day, a little early, so that a daily scan finds them due.
const FRESH: i64 = 20 * HOUR;
/// After this many silent questions in a row the resolver is left alone until the next sweep: the
/// results of the others must not wait for it.
const FAILURES: u32 = 3;

/// Asks from the engine's own thread, for the few chains that need it.
#[derive(Debug)]
pub(super) struct Asker {
    dns: Arc<Dns>,
    runtime: Runtime,
    pub(super) failures: u32,
}

impl Asker {
    /// `None` if no CAA records are wanted.
    pub(super) fn new(dns: Option<Arc<Dns>>) -> Result<Option<Self>, DbError> {
        let Some(dns) = dns.filter(|dns| dns.caa) else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| DbError::Configuration {
            place: "dns".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Some(Self {
            dns,
            runtime,
            failures: 0,
        }))
    }

    fn caa(&mut self, name: &str) -> Option<Caa> {
        if self.failures >= FAILURES {
            return None;
        }
        match self.runtime.block_on(self.dns.resolver.caa(name)) {
            Ok(records) => {
                self.failures = 0;
                Some(records)
            }
            Err(error) => {
                self.failures += 1;
                tracing::warn!(name, "the CAA records cannot be asked: {error}");
                None
            }
        }
    }
}

impl Engine {
    /// The targets, one for each name, whose CAA records were not looked at lately.
    pub(crate) fn caa_due(&mut self, now: Unix) -> Result<HashSet<usize>, DbError> {
        if self.asker.is_none() {
            return Ok(HashSet::new());
        }
        let fresh = self.store.caa_asked_since(now - FRESH)?;
        let mut seen = HashSet::new();
        let due = |(index, (_, entry)): (usize, &(i64, Entry))| {
            let name = entry.target.name();
            let wanted = name.parse::<IpAddr>().is_err() && !fresh.contains(name);
            (wanted && seen.insert(name.to_owned())).then_some(index)
        };
        Ok(self.entries.iter().enumerate().filter_map(due).collect())
    }

    /// The CAA records to judge `chain` by, if they matter: as the sweep brought them, or asked
    /// now. A wildcard certificate is issued for the name above.
    pub(super) fn caa(
        &mut self,
        entry: &Entry,
        history: &History,
        chain: &Chain,
        brought: Option<&Caa>,
        now: Unix,
    ) -> Result<Option<AskedCaa>, DbError> {
        let name = entry.target.name();
        if self.asker.is_none() || name.parse::<IpAddr>().is_ok() || !caa_matters(history, chain) {
            return Ok(None);
        }
        // Others may write while the resolver thinks.
        self.store.commit()?;
        let mut ask = |name: &str| self.asker.as_mut().and_then(|asker| asker.caa(name));
        let own = brought.cloned().or_else(|| ask(name));
        let records = match name.split_once('.') {
            Some((_, above)) if chain.leaf().covers_by_wildcard(name) => ask(above),
            _ => own.clone(),
        };
        self.store.begin()?;
        let mut changed = None;
        if let Some(own) = own {
            let at = self.store.remember_caa(name, &own.to_string(), now)?;
            // What is said at a name above is known by what was found from this name.
            changed = at.filter(|_| records.as_ref() == Some(&own));
        }
        Ok(records.map(|records| AskedCaa { records, changed }))
    }
}
