//! `certwatch report --html`.

use std::io::Write as _;

use nightshift_common::atomic;
use nightshift_common::exit::Exit;

use crate::cli::ReportArgs;
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::report::{Report, Site};
use crate::store::events::Filter;
use crate::when;

/// Events shown; a page nobody can read to the end helps nobody.
const MAX_EVENTS: usize = 200;

pub(super) fn run(args: &ReportArgs, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let now = when::now();
    let mut report = Report {
        now,
        vantage: settings.vantage.clone(),
        ..Report::default()
    };
    let mut cache = std::collections::HashMap::new();
    let mut events = store.events(&Filter::default())?;
    report.more_events = events.len().saturating_sub(MAX_EVENTS);
    events.truncate(MAX_EVENTS);
    for event in events {
        let mut chain = |id: Option<i64>, store: &mut crate::store::Store| match id {
            Some(id) => store.judged(id, &judge, &mut cache, event.at),
            None => Ok(None),
        };
        let old = chain(event.old_chain, &mut store)?;
        let new = chain(event.new_chain, &mut store)?;
        let target = super::display_key(&event.target);
        report.events.push(crate::report::Change {
            target,
            event,
            old,
            new,
        });
    }
    for (id, target, _) in store.targets()? {
        let runs = store.shown_runs(id, &judge, now)?;
        let newest = runs.iter().find_map(|run| run.chain.clone());
        let outcome = runs
            .first()
            .map_or_else(String::new, |run| run.outcome.clone());
        report.sites.push(Site {
            target: target.to_string(),
            outcome,
            chain: newest,
        });
    }
    let page = report.render();
    atomic::replace(&args.html, 0o644, |out| out.write_all(page.as_bytes()))
        .map_err(|error| Error::Failed(nightshift_common::error::chain(&error)))?;
    Ok(Exit::Done)
}
