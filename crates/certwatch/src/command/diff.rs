//! `certwatch diff`: old beside new, the chain first, as Certificate Patrol's dialog did.

use std::io::Write as _;
use std::sync::Arc;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cert::Cert;
use crate::chain::Chain;
use crate::cli::Diff;
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::when;

/// Width of one side.
const SIDE: usize = 46;

pub(super) fn run(args: &Diff, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let (id, target) = super::find_target(&mut store, &args.target)?;
    let now = when::now();
    let mut chains: Vec<(i64, Arc<Chain>)> = Vec::new();
    for run in store.shown_runs(id, &judge, now)? {
        if let (Some(id), Some(chain)) = (run.chain_id, run.chain)
            && !chains.iter().any(|(known, _)| *known == id)
        {
            chains.push((id, chain));
        }
    }
    let pick = |wanted: i64| {
        chains.iter().find(|(id, _)| *id == wanted).map(|(_, chain)| Arc::clone(chain)).ok_or_else(
            || Error::Usage(format!("{target} never showed chain {wanted}; `certwatch show --history {target}` numbers them")),
        )
    };
    let (old, new) = match (args.old, args.new) {
        (Some(old), Some(new)) => (pick(old)?, pick(new)?),
        _ => match chains.as_slice() {
            [(_, new), (_, old), ..] => (Arc::clone(old), Arc::clone(new)),
            _ => {
                return Err(Error::Usage(format!(
                    "{target} showed fewer than two chains"
                )));
            }
        },
    };
    let mut out = Out::stdout();
    writeln!(out, "{target}")?;
    side_by_side(&mut out, &old, &new)?;
    out.flush()?;
    Ok(if old.hash == new.hash {
        Exit::Done
    } else {
        Exit::Attention
    })
}

fn side_by_side(out: &mut Out, old: &Chain, new: &Chain) -> Result<(), Error> {
    row(out, ' ', "old", "new")?;
    row(
        out,
        mark(old.owner == new.owner),
        &format!("owner {}", old.owner),
        &format!("owner {}", new.owner),
    )?;
    row(
        out,
        mark(old.level == new.level),
        &format!("level {}", old.level),
        &format!("level {}", new.level),
    )?;
    let (old_path, new_path) = (links(old), links(new));
    for depth in 0..old_path.len().max(new_path.len()) {
        let (a, b) = (old_path.get(depth), new_path.get(depth));
        let same_key = matches!((a, b), (Some(a), Some(b)) if a.spki == b.spki);
        writeln!(out)?;
        row(
            out,
            mark(same_key),
            &title(depth, old, a),
            &title(depth, new, b),
        )?;
        let (left, right) = (lines(a), lines(b));
        for line in 0..left.len().max(right.len()) {
            let (l, r) = (left.get(line), right.get(line));
            let (l, r) = (l.map_or("", String::as_str), r.map_or("", String::as_str));
            row(out, mark(l == r), l, r)?;
        }
    }
    Ok(())
}

/// Leaf to root.
fn links(chain: &Chain) -> Vec<Arc<Cert>> {
    chain
        .path()
        .certs
        .iter()
        .chain(&chain.path().root)
        .cloned()
        .collect()
}

fn title(depth: usize, chain: &Chain, cert: Option<&Arc<Cert>>) -> String {
    let Some(cert) = cert else {
        return String::new();
    };
    let is_root = chain
        .path()
        .root
        .as_ref()
        .is_some_and(|root| root.sha256 == cert.sha256);
    let what = match depth {
        0 => "certificate",
        _ if is_root => "root",
        _ => "sub-CA",
    };
    format!("[{what}] {}", cert.subject.short())
}

fn lines(cert: Option<&Arc<Cert>>) -> Vec<String> {
    let Some(cert) = cert else { return Vec::new() };
    let mut lines = vec![
        format!("issuer {}", cert.issuer.short()),
        format!(
            "valid {} to {}",
            when::date(cert.not_before),
            when::date(cert.not_after)
        ),
        format!("key {} {}", cert.key, cert.spki.short()),
    ];
    lines.extend(
        cert.dns_names
            .iter()
            .take(8)
            .map(|name| format!("name {name}")),
    );
    if cert.dns_names.len() > 8 {
        lines.push(format!("and {} more names", cert.dns_names.len() - 8));
    }
    lines
}

fn mark(same: bool) -> char {
    if same { ' ' } else { '!' }
}

fn row(out: &mut Out, mark: char, left: &str, right: &str) -> std::io::Result<()> {
    let fit = |text: &str| -> String {
        let text = Escaped::text(text).to_string();
        match text.char_indices().nth(SIDE) {
            Some((end, _)) => format!("{}~", &text[..end - 1]),
            None => text,
        }
    };
    let line = format!("{mark} {:SIDE$} | {}", fit(left), fit(right));
    writeln!(out, "{}", line.trim_end())
}
