//! Multilink PPP whose interface, routes and TCP connections outlive every link.
//!
//! pppd makes an interface for a session and removes it with the session; routes through it and
//! connections over it go too. pppmon keeps the interface itself and lets ordinary, unmodified
//! pppds join it, so that lines may come and go, all of them at once too, while the bundle stays
//! what it was: same name, same index, same addresses, same routes.
//!
//! ```text
//! # pppmon status
//! office           open          2h13m  ppp0  10.88.0.2 -> 10.88.0.1  2/3 links  in 1 kB/s out 96 kB/s
//!   t1             attached      2h13m  pid 811     starts 1    echo losses 0
//!   t2             attached       4m10s  pid 1422    starts 3    echo losses 2   last: exit 16: hang-up
//!   t3             backoff          1s  pid -       starts 9    echo losses 0   last: exit 7: cannot open the device
//! ```
//!
//! Promises: the interface outlives every link, the peer and the supervisor; both directions of a
//! bundle work again after the peer was replaced; one wrong password causes no storm. Refused:
//! patching pppd, or guessing when the configuration is unclear.
//!
//! Where to read on: [`bundle`] decides, [`keeper`] carries out, [`supervisor`] waits; [`phantom`]
//! explains the sequence numbers; [`advert`] and [`tdb`] how pppd is made to join.

pub mod address;
pub mod advert;
pub mod backoff;
pub mod bundle;
pub mod classic;
pub mod cli;
pub mod config;
pub mod control;
pub mod doctor;
pub mod error;
pub mod exit_policy;
pub mod holder;
pub mod keeper;
pub mod link;
pub mod link_kind;
pub mod ncp;
pub mod net;
pub mod output;
pub mod phantom;
pub mod pool;
pub mod pppd;
pub mod prefix;
pub mod route;
pub mod seq;
pub mod snapshot;
pub mod status;
pub mod supervisor;
pub mod sys;
pub mod tdb;
pub mod unit;
pub mod watchdog;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use nightshift_common::exit::Exit;
use nightshift_common::manual::Manual;
use nightshift_common::output::Out;
use nightshift_common::run::{Context, Tool};

use cli::{Cli, Command};
use config::Settings;
use control::{Answer, Request};
use error::Error;

const TOOL: Tool = Tool {
    name: "pppmon",
    manual: Manual {
        tool: include_str!("../../../docs/man/pppmon.8.md"),
        config: Some(include_str!("../../../docs/man/pppmon.toml.5.md")),
    },
};

/// Runs the tool.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    nightshift_common::run::run(&TOOL, argv, |cli: &Cli| &cli.shared, dispatch)
}

fn dispatch(cli: Cli, _context: &Context) -> Result<Exit, Error> {
    let flags = &cli.shared;
    if let Command::Hold { socket } = &cli.command {
        holder::hold(socket).map_err(Error::system("keep the interfaces"))?;
        return Ok(Exit::Done);
    }
    let settings = supervisor::settings(flags)?;
    match cli.command {
        Command::Run => supervisor::run(settings, &|| supervisor::settings(flags)),
        Command::Check | Command::Hold { .. } => Ok(Exit::Done),
        Command::Status {
            bundle,
            json,
            watch,
        } => show_status(&settings, bundle.as_deref(), json, watch),
        Command::Up { target } => each(&settings, target, |target| Request::Up { target }),
        Command::Down { target } => each(&settings, target, |target| Request::Down { target }),
        Command::Restart { target } => {
            each(&settings, target, |target| Request::Restart { target })
        }
        Command::Resync { bundle } => {
            each(&settings, vec![bundle], |target| Request::Resync { target })
        }
        Command::Routes { bundle } => show_routes(&settings, bundle),
        Command::PrintCmd { link } => print_command(&settings, &link),
        Command::Doctor => {
            let (text, exit) = doctor::report(&doctor::examine(&settings));
            print(&text)?;
            Ok(exit)
        }
        Command::Reload => accepted(ask(&settings, &Request::Reload)?),
        Command::Release => accepted(ask(&settings, &Request::Release)?),
    }
}

fn ask(settings: &Settings, request: &Request) -> Result<Answer, Error> {
    let path = settings.run_dir.join("control.sock");
    control::ask(&path, request).map_err(|source| Error::NoSupervisor { path, source })
}

fn accepted(answer: Answer) -> Result<Exit, Error> {
    match answer.error {
        Some(reason) => Err(Error::Refused(reason)),
        None => Ok(Exit::Done),
    }
}

/// The same for several targets; one bad target does not stop the others.
fn each(
    settings: &Settings,
    targets: Vec<String>,
    request: impl Fn(String) -> Request,
) -> Result<Exit, Error> {
    let count = targets.len();
    let mut refused = Vec::new();
    for target in targets {
        let answer = ask(settings, &request(target))?;
        refused.extend(answer.error);
    }
    let Some(last) = refused.pop() else {
        return Ok(Exit::Done);
    };
    if refused.len() + 1 == count {
        return Err(Error::Refused([refused, vec![last]].concat().join("; ")));
    }
    for reason in refused.into_iter().chain([last]) {
        tracing::error!("the supervisor refuses: {reason}");
    }
    Ok(Exit::Partial)
}

fn show_status(
    settings: &Settings,
    bundle: Option<&str>,
    json: bool,
    watch: bool,
) -> Result<Exit, Error> {
    let mut out = Out::stdout();
    let redraw = watch && std::io::stdout().is_terminal();
    loop {
        let Some(mut status) = ask(settings, &Request::Status)?.status else {
            return Err(Error::Refused("no status".into()));
        };
        if let Some(bundle) = bundle
            && !status.select(bundle)
        {
            return Err(Error::NoTarget(format!("bundle {bundle}")));
        }
        let text = if json {
            let mut text = serde_json::to_string_pretty(&status).map_err(Error::Answer)?;
            text.push('\n');
            text
        } else {
            status.table()
        };
        let clear = if redraw { "\x1b[H\x1b[2J" } else { "" };
        write!(out, "{clear}{text}")
            .and_then(|()| out.flush())
            .map_err(Error::Output)?;
        if !watch || out.closed() {
            return Ok(status.exit());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn print_command(settings: &Settings, target: &str) -> Result<Exit, Error> {
    let found = target.split_once('/').and_then(|(bundle, link)| {
        let bundle = settings.bundles.iter().find(|b| b.name == bundle)?;
        Some((bundle, bundle.links.iter().find(|l| l.name == link)?))
    });
    let Some((bundle, link)) = found else {
        return Err(Error::NoTarget(format!("link {target}")));
    };
    let line = link_kind::shell_line(&settings.pppd, &link_kind::pppd_arguments(bundle, link));
    print(&format!("{line}\n"))?;
    Ok(Exit::Done)
}

fn show_routes(settings: &Settings, bundle: Option<String>) -> Result<Exit, Error> {
    let answer = ask(settings, &Request::Routes { bundle })?;
    let lines = answer.routes.clone().unwrap_or_default();
    accepted(answer)?;
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    print(&text)?;
    Ok(Exit::Done)
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = Out::stdout();
    write!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}
