//! `certwatch show`: what is remembered.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cert::Cert;
use crate::chain::{Chain, Judge};
use crate::cli::Show;
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::pem;
use crate::sct::Census;
use crate::store::Store;
use crate::store::events::Filter;
use crate::store::runs::ShownRun;
use crate::when;

pub(super) fn run(args: &Show, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let mut out = Out::stdout();
    let exit = match &args.target {
        None => list(&mut store, &judge, &mut out)?,
        Some(target) => {
            let (id, target) = super::find_target(&mut store, target)?;
            let runs = store.shown_runs(id, &judge, when::now())?;
            if args.pem {
                return print_pem(&runs, &target.to_string(), &mut out);
            }
            writeln!(out, "{target}")?;
            let Some(current) = runs.first() else {
                writeln!(out, "  never seen")?;
                out.flush()?;
                return Ok(Exit::Done);
            };
            print_run(&mut out, current)?;
            if let Some(chain) = &current.chain {
                print_leaf(&mut out, chain)?;
                if args.chain {
                    print_chain(&mut out, chain)?;
                }
            }
            if args.history {
                history(&mut store, id, &runs, &mut out)?;
            }
            Exit::Done
        }
    };
    out.flush()?;
    Ok(exit)
}

fn list(store: &mut Store, judge: &Judge, out: &mut Out) -> Result<Exit, Error> {
    for (id, target, _) in store.targets()? {
        let runs = store.shown_runs(id, judge, when::now())?;
        let Some(run) = runs.first() else {
            writeln!(out, "{target}  never seen")?;
            continue;
        };
        let what = match &run.chain {
            Some(chain) => format!(
                "{}, until {}",
                Escaped::text(&chain.owner.to_string()),
                when::date(chain.leaf().not_after)
            ),
            None => "no chain".to_owned(),
        };
        writeln!(out, "{target}  {}  {what}", run.outcome)?;
    }
    Ok(Exit::Done)
}

fn print_pem(runs: &[ShownRun], target: &str, out: &mut Out) -> Result<Exit, Error> {
    let Some(chain) = runs.iter().find_map(|run| run.chain.as_ref()) else {
        return Err(Error::Failed(format!("no chain was ever seen at {target}")));
    };
    for cert in &chain.certs {
        write!(out, "{}", pem::encode(&cert.der))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn print_run(out: &mut Out, run: &ShownRun) -> Result<(), Error> {
    let addr = if run.addr.is_empty() {
        "no address"
    } else {
        &run.addr
    };
    let number = run
        .chain_id
        .map(|id| format!("chain {id}, "))
        .unwrap_or_default();
    writeln!(
        out,
        "  {number}{}, key {}, at {addr} from {}, {} to {}, {} times",
        run.outcome,
        run.proof,
        Escaped::text(&run.vantage),
        when::rfc3339(run.first),
        when::rfc3339(run.last),
        run.n,
    )?;
    Ok(())
}

fn print_leaf(out: &mut Out, chain: &Chain) -> Result<(), Error> {
    let leaf = chain.leaf();
    writeln!(out, "  subject   {}", Escaped::text(&leaf.subject.text))?;
    let names: Vec<&str> = leaf.dns_names.iter().take(12).map(String::as_str).collect();
    let more = leaf.dns_names.len() - names.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    writeln!(out, "  names     {}{more}", Escaped::text(&names.join(" ")))?;
    writeln!(
        out,
        "  valid     {} to {}",
        when::date(leaf.not_before),
        when::date(leaf.not_after)
    )?;
    writeln!(out, "  key       {}, {}", leaf.key, leaf.spki.short())?;
    writeln!(out, "  issuer    {}", Escaped::text(&leaf.issuer.text))?;
    writeln!(
        out,
        "  owner     {}, level {} as claimed, {}",
        Escaped::text(&chain.owner.to_string()),
        chain.level,
        chain.paths.trust.code()
    )?;
    let scts = chain.scts;
    if scts != Census::default() {
        writeln!(
            out,
            "  logged    {} timestamps proven, {} by unknown logs, {} forged",
            scts.proven, scts.unknown, scts.forged
        )?;
    }
    Ok(())
}

fn print_chain(out: &mut Out, chain: &Chain) -> Result<(), Error> {
    let path = chain.path();
    for (depth, cert) in path.certs.iter().chain(&path.root).enumerate() {
        let what = match (depth, path.root.as_ref()) {
            (0, _) => "leaf",
            (_, Some(root)) if root.sha256 == cert.sha256 => "root",
            _ => "sub-CA",
        };
        print_cert(out, what, cert)?;
    }
    Ok(())
}

fn print_cert(out: &mut Out, what: &str, cert: &Cert) -> Result<(), Error> {
    writeln!(out, "  {what:8} {}", Escaped::text(&cert.subject.text))?;
    writeln!(out, "           sha256 {}", cert.sha256)?;
    writeln!(out, "           key    {}, sha256 {}", cert.key, cert.spki)?;
    writeln!(
        out,
        "           valid  {} to {}, serial {}",
        when::date(cert.not_before),
        when::date(cert.not_after),
        cert.serial
    )?;
    Ok(())
}

fn history(store: &mut Store, id: i64, runs: &[ShownRun], out: &mut Out) -> Result<(), Error> {
    writeln!(out, "runs, newest first:")?;
    for run in runs {
        print_run(out, run)?;
    }
    writeln!(out, "events, newest first:")?;
    let filter = Filter {
        target: Some(id),
        ..Filter::default()
    };
    for event in store.events(&filter)? {
        super::print_event(out, &event)?;
    }
    writeln!(out, "decisions:")?;
    for row in store.audit(id)? {
        writeln!(
            out,
            "  {} {} {} by {}: {}",
            when::rfc3339(row.int(4)),
            row.text(0),
            Escaped::text(row.text(1)),
            Escaped::text(row.text(2)),
            Escaped::text(row.text(3)),
        )?;
    }
    Ok(())
}
