//! `certwatch compare`: what only some vantage points see.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cli::Compare;
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::vantage::compare;
use crate::when;

pub(super) fn run(args: &Compare, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let known = store.vantages()?;
    if let Some(unknown) = args
        .vantages
        .iter()
        .find(|name| !known.values().any(|k| k == *name))
    {
        return Err(Error::Usage(format!("no vantage {unknown} in the store")));
    }
    let now = when::now();
    let mut out = Out::stdout();
    let mut differing = 0usize;
    for (id, target, _) in store.targets()? {
        let runs = store.shown_runs(id, &judge, now)?;
        let Some(disagreement) = compare(&runs, &args.vantages, now) else {
            continue;
        };
        differing += 1;
        if args.json {
            let keys: Vec<_> = disagreement
                .keys
                .iter()
                .map(|(key, chain, seen_by)| {
                    serde_json::json!({
                        "key": key.to_string(),
                        "owner": chain.owner.name,
                        "vantages": seen_by,
                        "quorum": disagreement.is_quorum(seen_by),
                    })
                })
                .collect();
            let object = serde_json::json!({
                "target": target.to_string(), "vantages": disagreement.vantages, "keys": keys,
            });
            writeln!(out, "{object}")?;
            continue;
        }
        writeln!(out, "{target}")?;
        for (key, chain, seen_by) in &disagreement.keys {
            let names: Vec<&str> = seen_by.iter().map(String::as_str).collect();
            let only = if disagreement.is_quorum(seen_by) {
                "seen by"
            } else {
                "only seen by"
            };
            writeln!(
                out,
                "  key {} of {}, {only} {}",
                key.short(),
                Escaped::text(&chain.owner.to_string()),
                Escaped::text(&names.join(", "))
            )?;
        }
    }
    out.flush()?;
    Ok(if differing == 0 {
        Exit::Done
    } else {
        Exit::Attention
    })
}
