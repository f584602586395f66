//! From the command line to the modules that do the work, and their results to standard output.

mod alerts;
mod books;
mod files;
mod portal;
mod profile;
mod query;
mod session;
mod tape;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::civil::Date;
use nightshift_common::config;
use nightshift_common::exit::Exit;
use nightshift_common::lock::InstanceLock;
use nightshift_common::manual::Manual;
use nightshift_common::notice::Channel;
use nightshift_common::output::Out;
use nightshift_common::run::{self, Context, Tool};

use crate::archive::make_private;
use crate::check::Rules;
use crate::cli::{Cli, Command, Global};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Account, FileLayer, Settings};
use crate::doctor;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::session::Session;
use crate::xml::XmlMap;

/// The tool, for the run wrapper.
pub const TOOL: Tool = Tool {
    name: "ups-invoices",
    manual: Manual {
        tool: include_str!("../../../docs/man/ups-invoices.8.md"),
        config: Some(include_str!("../../../docs/man/ups-invoices.toml.5.md")),
    },
};

/// Runs the tool.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    run::run(&TOOL, argv, |cli: &Cli| &cli.shared, body)
}

/// Everything a command works with.
pub(crate) struct App {
    pub(crate) settings: Settings,
    pub(crate) global: Global,
    pub(crate) out: Out,
    notify: Option<Channel>,
    pub(crate) today: Date,
    now: Timestamp,
}

fn body(cli: Cli, context: &Context) -> Result<Exit, Error> {
    let loaded = config::load::<FileLayer>(TOOL.name, &cli.shared)?;
    let (settings, notify, resolver) = Settings::resolve(context, &loaded, &cli.global)?;
    let mut out = Out::stdout();
    if cli.shared.show_config {
        resolver.print(&mut out)?;
        return Ok(Exit::Done);
    }
    let Some(command) = cli.command else {
        return Err(Error::Usage(
            "a command is missing; --help lists them".to_owned(),
        ));
    };
    let now = SystemClock.now();
    let today = jiff::tz::TimeZone::system().to_datetime(now).date();
    let mut app = App {
        settings,
        global: cli.global,
        out,
        notify,
        today,
        now,
    };
    let exit = app.dispatch(command)?;
    app.out.flush()?;
    Ok(exit)
}

impl App {
    fn dispatch(&mut self, command: Command) -> Result<Exit, Error> {
        match command {
            Command::Login => self.online("login").and_then(|()| self.login()),
            Command::Session { action } => self.session(&action),
            Command::Fetch(options) => {
                self.online("fetch")?;
                self.fetch(&options, None)
            }
            Command::Ingest { paths, watch } => self.ingest(paths, watch),
            Command::List {
                since,
                until,
                missing,
            } => self.list(since, until, missing),
            Command::Check {
                invoices,
                all,
                files,
                tolerance,
            } => self.check(&invoices, all, &files, tolerance.as_deref()),
            Command::Show { invoice, last } => self.show(invoice.as_deref(), last),
            Command::Track {
                number,
                unbilled,
                duplicates,
            } => self.track(number.as_deref(), unbilled.as_deref(), duplicates),
            Command::Export {
                to,
                output,
                since,
                until,
            } => self.export(to, output.as_deref(), since, until),
            Command::Report {
                by,
                html,
                from_files,
            } => self.report(by, html.as_deref(), &from_files),
            Command::Alerts { ack, notify } => self.alerts(ack, notify),
            Command::Fsck { repair } => self.fsck(repair),
            Command::Profile { action } => self.profile(&action),
            Command::Tape { action } => self.tape(&action),
            Command::DoctorTls { url } => {
                self.online("doctor-tls")?;
                doctor::run(
                    &url,
                    &self.settings.tls,
                    &self.global.resolve,
                    &mut self.out,
                )
            }
        }
    }

    /// The ledger; in memory for a dry run without one.
    pub(crate) fn ledger(&self) -> Result<Ledger, Error> {
        let path = self.settings.state.join("ledger.db");
        if self.global.dry_run && !path.exists() {
            return Ok(Ledger::in_memory()?);
        }
        make_private(&self.settings.state).map_err(|source| Error::Archive {
            path: self.settings.state.clone(),
            source,
        })?;
        Ok(Ledger::open(&path)?)
    }

    pub(crate) fn rules(&self, exponent: u8) -> Rules {
        Rules {
            tolerance: self.settings.tolerance.minor(exponent),
            today: self.today,
        }
    }

    fn lock(&self) -> Result<InstanceLock, Error> {
        Ok(InstanceLock::acquire(&self.settings.lock)?)
    }

    fn online(&self, command: &str) -> Result<(), Error> {
        if self.global.offline {
            return Err(Error::Usage(format!(
                "{command} needs the network, and --offline forbids it"
            )));
        }
        Ok(())
    }

    fn accounts(&self) -> Result<&[Account], Error> {
        if self.settings.accounts.is_empty() {
            return Err(Error::Usage("no [[account]] is configured".to_owned()));
        }
        Ok(&self.settings.accounts)
    }

    fn one_account(&self) -> Result<&Account, Error> {
        match self.accounts()? {
            [account] => Ok(account),
            _ => Err(Error::Usage(
                "there are several accounts: choose one with --account".to_owned(),
            )),
        }
    }

    fn session_path(&self, account: &str) -> PathBuf {
        Session::path(&self.settings.state.join("sessions"), account)
    }

    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer_pretty(&mut self.out, value).map_err(std::io::Error::from)?;
        writeln!(self.out)?;
        Ok(())
    }

    /// The mapping of the first account's profile: files of its kind are what is ingested.
    pub(crate) fn xml_map(&self) -> Result<XmlMap, Error> {
        match self.settings.accounts.first() {
            Some(account) => {
                Ok(crate::profile::load(&account.profile, &self.settings.profiles)?.xml)
            }
            None => Ok(XmlMap::known_paths()),
        }
    }
}

/// Replaces a file whole, for its owner's eyes.
fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    nightshift_common::atomic::replace_with(path, 0o600, content).map_err(|error| Error::Archive {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })
}
