//! The subcommands, one module each; here only the choice between them and what several share.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::manual::Manual;
use nightshift_common::output::Out;
use nightshift_common::run::{Context, Tool};

use crate::cli::{Cli, Command};
use crate::config;
use crate::error::Error;
use crate::store::events::Event;
use crate::target::Target;
use crate::when;

mod check;
mod compare;
mod decide;
mod diff;
mod events;
mod expiring;
mod export;
mod import;
mod replay;
mod report;
mod scan;
mod show;
mod watch;

pub(crate) const TOOL: Tool = Tool {
    name: "certwatch",
    manual: Manual {
        tool: include_str!("../../../docs/man/certwatch.8.md"),
        config: Some(include_str!("../../../docs/man/certwatch.toml.5.md")),
    },
};

/// Runs one command.
pub(crate) fn run(cli: Cli, context: &Context) -> Result<Exit, Error> {
    let Some(settings) = config::load(&cli, context)? else {
        return Ok(Exit::Done);
    };
    let Some(command) = cli.command else {
        return Err(Error::Usage(
            "no command given; `certwatch --help` lists them".to_owned(),
        ));
    };
    match command {
        Command::Check(args) => check::run(&args, &settings),
        Command::Scan(args) => scan::run(&args, settings),
        Command::Watch(args) => watch::run(&args, settings),
        Command::Events(args) => events::run(&args, &settings),
        Command::Show(args) => show::run(&args, &settings),
        Command::Diff(args) => diff::run(&args, &settings),
        Command::Expiring(args) => expiring::run(&args, &settings),
        Command::Compare(args) => compare::run(&args, &settings),
        Command::Report(args) => report::run(&args, &settings),
        Command::Accept(args) => decide::accept(&args, &settings),
        Command::Reject(args) => decide::reject(&args, &settings),
        Command::Pin(args) => decide::pin(&args, &settings),
        Command::Ignore(args) => decide::ignore(&args, &settings),
        Command::Authorize(args) => decide::authorize(&args, &settings),
        Command::Replay(args) => replay::run(&args, &settings),
        Command::Import(args) => import::run(&args, &settings),
        Command::Export(args) => export::run(&args, &settings),
    }
}

/// Prints an event for people: one line for the event, one per finding.
fn print_event(out: &mut Out, event: &Event) -> std::io::Result<()> {
    writeln!(
        out,
        "{}  {}  event {}, {}, {}",
        Escaped::text(&display_key(&event.target)),
        event.severity,
        event.id,
        event.state,
        when::rfc3339(event.at)
    )?;
    for finding in &event.findings {
        writeln!(
            out,
            "  {:8} {}: {}",
            finding.severity,
            finding.code,
            Escaped::text(&finding.text)
        )?;
    }
    if !event.note.is_empty() {
        writeln!(
            out,
            "  {} by {}: {}",
            event.state,
            Escaped::text(&event.who),
            Escaped::text(&event.note)
        )?;
    }
    Ok(())
}

/// An event as one JSON object. Fields are only ever added.
fn event_json(event: &Event) -> serde_json::Value {
    serde_json::json!({
        "event": event.id,
        "target": display_key(&event.target),
        "vantage": event.vantage,
        "at": when::rfc3339(event.at),
        "severity": event.severity.word(),
        "state": event.state,
        "findings": event.findings,
    })
}

/// A stored target name as people write it.
fn display_key(key: &str) -> String {
    let mut parts = key.split('|');
    let (Some(host), Some(port), Some(protocol)) = (parts.next(), parts.next(), parts.next())
    else {
        return key.to_owned();
    };
    let sni = parts.next().filter(|sni| !sni.is_empty());
    let text = match (port.parse(), protocol.parse()) {
        (Ok(port), Ok(protocol)) => Target {
            host: host.to_owned(),
            port,
            protocol,
            sni: None,
        }
        .to_string(),
        _ => key.to_owned(),
    };
    match sni {
        Some(sni) => format!("{text} ({sni})"),
        None => text,
    }
}

/// The id of the stored target the user means: exactly it, or the only one with its host and port.
fn find_target(store: &mut crate::store::Store, wanted: &Target) -> Result<(i64, Target), Error> {
    let all = store.targets()?;
    if let Some((id, target, _)) = all.iter().find(|(_, target, _)| target == wanted) {
        return Ok((*id, target.clone()));
    }
    let mut same = all
        .iter()
        .filter(|(_, t, _)| t.host == wanted.host && t.port == wanted.port);
    match (same.next(), same.next()) {
        (Some((id, target, _)), None) => Ok((*id, target.clone())),
        _ => Err(Error::UnknownTarget(wanted.to_string())),
    }
}

/// Who decides: the user behind sudo, else the user.
fn who() -> String {
    ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
