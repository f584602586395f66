//! `certwatch events`.

use std::io::Write as _;

use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cli::Events;
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::store::events::Filter;

pub(super) fn run(args: &Events, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let filter = Filter {
        open: args.open,
        since: args.since,
        severity: args.severity,
        target: None,
    };
    let mut out = Out::stdout();
    for event in store.events(&filter)? {
        if args.json {
            writeln!(out, "{}", super::event_json(&event))?;
        } else {
            super::print_event(&mut out, &event)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}
