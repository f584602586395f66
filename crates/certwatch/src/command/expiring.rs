//! `certwatch expiring`: before the sales people call.

use std::io::Write as _;
use std::sync::Arc;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::chain::Chain;
use crate::cli::{Expiring, Within};
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::target::Target;
use crate::when;

pub(super) fn run(args: &Expiring, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let now = when::now();
    let mut found: Vec<(Target, Arc<Chain>)> = Vec::new();
    for (id, target, _) in store.targets()? {
        let runs = store.shown_runs(id, &judge, now)?;
        // Each address's newest chain, for one forgotten member of a farm is what breaks.
        let mut places = std::collections::HashSet::new();
        for run in runs {
            let Some(chain) = run.chain else { continue };
            if !places.insert((run.vantage, run.addr)) {
                continue;
            }
            let leaf = chain.leaf();
            let left = leaf.not_after - now;
            let soon = match args.within {
                Within::Seconds(limit) => left <= limit,
                Within::Share(limit) => leaf.share_left(now) <= limit,
            };
            let issuer_fits = args
                .issuer
                .as_deref()
                .is_none_or(|text| contains(&leaf.issuer.text, text));
            let owner_fits = args
                .owner
                .as_deref()
                .is_none_or(|text| contains(&chain.owner.name, text));
            let known = found
                .iter()
                .any(|(t, c)| *t == target && c.leaf().sha256 == leaf.sha256);
            if soon && issuer_fits && owner_fits && !known {
                found.push((target.clone(), chain));
            }
        }
    }
    found.sort_by_key(|(target, chain)| (chain.leaf().not_after, target.clone()));
    let mut out = Out::stdout();
    if args.csv {
        writeln!(out, "target,not_after,days_left,owner,issuer")?;
    }
    for (target, chain) in &found {
        let leaf = chain.leaf();
        let days = (leaf.not_after - now).div_euclid(when::DAY);
        if args.csv {
            writeln!(
                out,
                "{},{},{days},{},{}",
                field(&target.to_string()),
                when::rfc3339(leaf.not_after),
                field(&chain.owner.name),
                field(chain.issuer_name())
            )?;
        } else {
            let left = if leaf.not_after < now {
                "expired".to_owned()
            } else {
                format!("{days} days")
            };
            writeln!(
                out,
                "{}  {left:>9}  {target}  {}",
                when::date(leaf.not_after),
                Escaped::text(&chain.owner.to_string())
            )?;
        }
    }
    out.flush()?;
    Ok(if found.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// A CSV field. Text that a spreadsheet would run as a formula is defused by an apostrophe, for
/// the issuer's name is written by strangers.
fn field(text: &str) -> String {
    let text = Escaped::text(text).to_string();
    let defused = if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text
    };
    if defused.contains([',', '"']) {
        format!("\"{}\"", defused.replace('"', "\"\""))
    } else {
        defused
    }
}
