//! From the command line to the modules that do the work, and their results to standard output.

mod query;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use nightshift_common::config;
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::lock::InstanceLock;
use nightshift_common::manual::Manual;
use nightshift_common::notice::{Channel, Notice};
use nightshift_common::output::Out;
use nightshift_common::run::{self, Context, Tool};

use crate::archive::{Archive, make_private};
use crate::check::Rules;
use crate::cli::{Cli, Command, Fetch, Global, ProfileAction, SessionAction, TapeAction};
use crate::clock::{Clock as _, SteppedClock, SystemClock};
use crate::config::{Account, FileLayer, Settings};
use crate::credentials::Sources;
use crate::error::{CHECK_FAILED, Error, TLS_REFUSED, most_urgent};
use crate::flow::Credentials;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::mech::{Browser, Pace};
use crate::net::client::Network;
use crate::profile::{self, Profile};
use crate::redact::{self, Redactor};
use crate::session::Session;
use crate::tape::{Player, Tape};
use crate::totp::Totp;
use crate::xml::XmlMap;
use crate::{alerts, doctor, evidence, fetch, flow, fsck, ingest};

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

    fn login(&mut self) -> Result<Exit, Error> {
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        let mut exits = Vec::new();
        for account in self.accounts()? {
            let profile = profile::load(&account.profile, &self.settings.profiles)?;
            let mut credentials = Sources::new(account, &profile.policy.hosts[0]);
            let options = Fetch::default();
            let job = self.job(
                account,
                &profile,
                &mut ledger,
                &mut credentials,
                &options,
                false,
            );
            let network = Network::new(&self.settings.tls, &self.global.resolve)?;
            exits.push(job.login(Box::new(network))?.exit);
        }
        Ok(most_urgent(exits))
    }

    fn job<'a>(
        &'a self,
        account: &'a Account,
        profile: &'a Profile,
        ledger: &'a mut Ledger,
        credentials: &'a mut dyn Credentials,
        options: &'a Fetch,
        record: bool,
    ) -> fetch::Job<'a> {
        fetch::Job {
            settings: &self.settings,
            account,
            profile,
            ledger,
            clock: &SystemClock,
            credentials,
            options,
            dry_run: self.global.dry_run,
            record,
            session: Some(self.session_path(&account.name)),
            today: self.today,
        }
    }

    fn fetch(&mut self, options: &Fetch, record: Option<&Path>) -> Result<Exit, Error> {
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        let mut exits = Vec::new();
        let mut summaries = Vec::new();
        for account in self.accounts()?.to_vec() {
            let profile = profile::load(&account.profile, &self.settings.profiles)?;
            let run = if self.global.dry_run {
                None
            } else {
                Some(ledger.run_starts("fetch", &self.now.to_string())?)
            };
            let mut credentials = Sources::new(&account, &profile.policy.hosts[0]);
            let record_all = record.is_some();
            let job = self.job(
                &account,
                &profile,
                &mut ledger,
                &mut credentials,
                options,
                record_all,
            );
            let network = Network::new(&self.settings.tls, &self.global.resolve)?;
            let seen = network.seen();
            let outcome = job.run(Box::new(network))?;
            // A refused certificate was never the portal's.
            if !self.global.dry_run && outcome.exit != TLS_REFUSED {
                let now = SystemClock.now().to_string();
                alerts::issuers(&mut ledger, &profile.policy.hosts, &seen, &now)?;
            }
            if let Some(run) = run {
                let now = SystemClock.now().to_string();
                ledger.run_ends(
                    run,
                    outcome.exit.code(),
                    outcome.requests,
                    outcome.logins,
                    &now,
                )?;
            }
            if let Some(file) = record {
                let text = outcome.tape.to_text(&outcome.redactor);
                write_private(file, text.as_bytes())?;
            }
            if self.global.dry_run {
                for path in &outcome.stored {
                    writeln!(self.out, "would fetch {path}")?;
                }
            }
            if options.exit_new && !outcome.new.is_empty() {
                exits.push(Exit::Attention);
            }
            exits.push(outcome.exit);
            summaries.push(serde_json::json!({
                "account": account.name,
                "exit": outcome.exit.code(),
                "new": outcome.new,
                "stored": outcome.stored,
                "requests": outcome.requests,
                "logins": outcome.logins,
            }));
        }
        if !self.global.dry_run {
            alerts::update(
                &mut ledger,
                self.settings.alerts,
                self.today,
                SystemClock.now(),
            )?;
        }
        if self.global.json {
            self.json(&summaries)?;
        }
        Ok(most_urgent(exits))
    }

    pub(crate) fn json<T: serde::Serialize>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer_pretty(&mut self.out, value).map_err(std::io::Error::from)?;
        writeln!(self.out)?;
        Ok(())
    }

    fn intake<'a>(
        &'a self,
        ledger: &'a mut Ledger,
        archive: &'a Archive,
        map: &'a XmlMap,
    ) -> Intake<'a> {
        Intake {
            ledger,
            archive,
            names: &self.settings.names,
            map,
            rules: self.rules(2),
            now: self.now,
            dry_run: self.global.dry_run,
        }
    }

    /// The mapping of the first account's profile: files of its kind are what is ingested.
    pub(crate) fn xml_map(&self) -> Result<XmlMap, Error> {
        match self.settings.accounts.first() {
            Some(account) => Ok(profile::load(&account.profile, &self.settings.profiles)?.xml),
            None => Ok(XmlMap::known_paths()),
        }
    }

    fn ingest(&mut self, paths: Vec<PathBuf>, watch: bool) -> Result<Exit, Error> {
        let paths = match (paths.is_empty(), &self.settings.ingest) {
            (false, _) => paths,
            (true, Some(directory)) => vec![directory.clone()],
            (true, None) => {
                let what = "no PATH is given, and no [ingest] directory is configured";
                return Err(Error::Usage(what.to_owned()));
            }
        };
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        let archive = Archive::new(&self.settings.archive);
        let map = self.xml_map()?;
        loop {
            let outcome = {
                let mut intake = self.intake(&mut ledger, &archive, &map);
                intake.now = SystemClock.now();
                ingest::run(&paths, &self.settings, &mut intake)
            };
            if !self.global.dry_run && !outcome.stored.is_empty() {
                alerts::update(
                    &mut ledger,
                    self.settings.alerts,
                    self.today,
                    SystemClock.now(),
                )?;
            }
            if self.global.json {
                self.json(&serde_json::json!({
                    "exit": outcome.exit.code(),
                    "stored": outcome.stored,
                    "known": outcome.known,
                    "waiting": outcome.waiting.iter().map(|p| Escaped::path(p).to_string()).collect::<Vec<_>>(),
                }))?;
            } else {
                let verb = if self.global.dry_run {
                    "would store"
                } else {
                    "stored"
                };
                for path in &outcome.stored {
                    writeln!(self.out, "{verb} {path}")?;
                }
            }
            self.out.flush()?;
            if !watch {
                return Ok(outcome.exit);
            }
            std::thread::sleep(self.settings.settle.max(Duration::from_secs(1)));
        }
    }

    fn session(&mut self, action: &SessionAction) -> Result<Exit, Error> {
        let account = self.one_account()?.clone();
        let path = self.session_path(&account.name);
        let failed = |error: &dyn std::error::Error| Error::Secret {
            account: account.name.clone(),
            what: nightshift_common::error::chain(error),
        };
        match action {
            SessionAction::Import { file } => {
                let profile = profile::load(&account.profile, &self.settings.profiles)?;
                let text = std::fs::read_to_string(file).map_err(|source| Error::Archive {
                    path: file.clone(),
                    source,
                })?;
                let session =
                    Session::import(&text, &profile, self.now).map_err(|error| failed(&error))?;
                session.save(&path).map_err(|error| failed(&error))?;
                writeln!(
                    self.out,
                    "imported {} cookies and {} headers; now delete {}: it is as good as a password",
                    session.jar.cookies().len(),
                    session.headers.len(),
                    Escaped::path(file)
                )?;
            }
            SessionAction::Show => match Session::load(&path).map_err(|error| failed(&error))? {
                None => writeln!(self.out, "no session is kept for account {}", account.name)?,
                Some(session) => {
                    let kind = if session.imported {
                        "imported"
                    } else {
                        "signed in"
                    };
                    let ends = session.jar.ends().map_or(
                        "with the browser session, or when the portal says".to_owned(),
                        |end| end.to_string(),
                    );
                    writeln!(
                        self.out,
                        "{kind}, {} cookies, ends {ends}",
                        session.jar.cookies().len()
                    )?;
                }
            },
            SessionAction::Clear => match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Archive { path, source }),
            },
        }
        Ok(Exit::Done)
    }

    fn alerts(&mut self, ack: Option<i64>, notify: bool) -> Result<Exit, Error> {
        let mut ledger = self.ledger()?;
        let now = self.now.to_string();
        if let Some(id) = ack {
            if ledger.acknowledge(id, &now)? {
                return Ok(Exit::Done);
            }
            return Err(Error::Usage(format!("no open alert has the number {id}")));
        }
        alerts::update(&mut ledger, self.settings.alerts, self.today, self.now)?;
        if notify {
            let fresh = ledger.alerts(true)?;
            if fresh.is_empty() {
                return Ok(Exit::Done);
            }
            let Some(channel) = &self.notify else {
                return Err(Error::Usage("[alerts] notify is not configured".to_owned()));
            };
            let lines: Vec<String> = fresh
                .iter()
                .map(|alert| {
                    format!(
                        "{} {}: {}",
                        alert.id,
                        alert.kind,
                        Escaped::text(&alert.text)
                    )
                })
                .collect();
            let body = lines.join("\n") + "\n";
            let json = serde_json::to_string(&fresh).unwrap_or_default();
            let subject = format!("ups-invoices: {} new alerts", fresh.len());
            channel.send(&Notice {
                subject: &subject,
                body: &body,
                json: Some(&json),
            })?;
            let ids: Vec<i64> = fresh.iter().map(|alert| alert.id).collect();
            ledger.notified(&ids, &now)?;
            return Ok(Exit::Attention);
        }
        let open = ledger.alerts(false)?;
        if self.global.json {
            self.json(&open)?;
        } else {
            for alert in &open {
                writeln!(
                    self.out,
                    "{:>4}  {:<10}  {}",
                    alert.id,
                    alert.kind,
                    Escaped::text(&alert.text)
                )?;
            }
        }
        Ok(if open.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }

    fn fsck(&mut self, repair: bool) -> Result<Exit, Error> {
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        let archive = Archive::new(&self.settings.archive);
        let map = self.xml_map()?;
        let faults = fsck::run(&mut self.intake(&mut ledger, &archive, &map), repair)?;
        if self.global.json {
            self.json(&faults)?;
        } else {
            for fault in &faults {
                let done = fault
                    .repaired
                    .as_ref()
                    .map(|done| format!(": {done}"))
                    .unwrap_or_default();
                writeln!(
                    self.out,
                    "{}: {}{done}",
                    Escaped::text(&fault.path),
                    fault.what
                )?;
            }
        }
        Ok(if faults.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }

    fn named_profile(&self, name: &str) -> Result<Profile, Error> {
        if is_profile_file(name) {
            let (stem, text) = self.profile_text(name)?;
            return Ok(profile::parse(&stem, Path::new(name), text)?);
        }
        Ok(profile::load(name, &self.settings.profiles)?)
    }

    /// Name and text of a profile that is given by name or as a file.
    fn profile_text(&self, name: &str) -> Result<(String, String), Error> {
        if is_profile_file(name) {
            let path = Path::new(name);
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let text =
                std::fs::read_to_string(path).map_err(|source| config::ConfigError::Read {
                    path: path.to_owned(),
                    source,
                })?;
            return Ok((stem.into_owned(), text));
        }
        let (_, text) = profile::text_of(name, &self.settings.profiles)?;
        Ok((name.to_owned(), text))
    }

    fn profile(&mut self, action: &ProfileAction) -> Result<Exit, Error> {
        match action {
            ProfileAction::Lint { name } => {
                let profile = self.named_profile(name)?;
                writeln!(
                    self.out,
                    "{}: {} hosts, {} allowed kinds of request, {} sign-in steps, {} downloads",
                    profile.name,
                    profile.policy.hosts.len(),
                    profile.policy.allow.len(),
                    profile.login.len(),
                    profile.downloads.len()
                )?;
                Ok(Exit::Done)
            }
            ProfileAction::Show { name: None } => {
                for name in profile::names(&self.settings.profiles) {
                    writeln!(self.out, "{name}")?;
                }
                Ok(Exit::Done)
            }
            ProfileAction::Show { name: Some(name) } => {
                let (_, text) = profile::text_of(name, &self.settings.profiles)?;
                write!(self.out, "{text}")?;
                Ok(Exit::Done)
            }
            ProfileAction::Diff { name, against } => self.profile_diff(name, against.as_deref()),
            ProfileAction::Test { name, tape } => {
                let profile = self.named_profile(name)?;
                let tape = read_tape(tape)?;
                self.prove(&profile, &tape)
            }
        }
    }

    /// Prints the lines in which a profile differs from another, by default from the built-in one
    /// of its name.
    fn profile_diff(&mut self, name: &str, against: Option<&str>) -> Result<Exit, Error> {
        let (stem, new) = self.profile_text(name)?;
        let old = match against {
            Some(other) => self.profile_text(other)?.1,
            None => profile::built_in(&stem)
                .ok_or_else(|| {
                    Error::Usage(format!(
                        "no profile {} is built in: name another with --against",
                        Escaped::text(&stem)
                    ))
                })?
                .to_owned(),
        };
        let difference = evidence::difference(&old, &new);
        for line in difference.lines() {
            writeln!(self.out, "{}", Escaped::text(line))?;
        }
        Ok(if difference.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }

    /// Lists a recording by a profile, and says what it found.
    fn prove(&mut self, profile: &Profile, tape: &Tape) -> Result<Exit, Error> {
        let clock = SteppedClock::new(tape.head.recorded);
        let pace = Pace {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            max_requests: u64::MAX,
            deadline: Timestamp::MAX,
        };
        let policy = profile.policy.clone();
        let browser = Browser::new(Box::new(Player::new(tape)), &clock, policy, pace);
        let mut credentials = NoSecrets;
        let redactor = Redactor::default();
        let name = "recorded";
        let mut walk = flow::Flow::new(
            browser,
            profile,
            name,
            &mut credentials,
            &clock,
            redactor,
            false,
        );
        let today = jiff::tz::TimeZone::UTC
            .to_datetime(tape.head.recorded)
            .date();
        // A tape that begins with a sign-in began without a session.
        let rows = walk.list(self.settings.first_day(today), today)?;
        writeln!(self.out, "list: {} invoices", rows.len())?;
        let (mut good, mut missing) = (0, 0);
        for row in &rows {
            for format in profile.downloads.keys() {
                match walk.download(row, *format) {
                    Ok(_) => good += 1,
                    Err(Error::Browse(crate::mech::BrowseError::Transport(
                        crate::net::TransportError::NotRecorded { .. },
                    ))) => missing += 1,
                    Err(error) => return Err(error),
                }
            }
        }
        writeln!(
            self.out,
            "downloads: {good} good, {missing} not in the recording"
        )?;
        Ok(Exit::Done)
    }

    fn tape(&mut self, action: &TapeAction) -> Result<Exit, Error> {
        match action {
            TapeAction::Record { file, fetch } => {
                self.online("tape record")?;
                self.one_account()?;
                self.fetch(fetch, Some(file))
            }
            TapeAction::Replay { file, into } => {
                let tape = read_tape(file)?;
                self.replay(&tape, into)
            }
            TapeAction::Redact {
                file,
                values,
                output,
            } => self.redact(file, values, output),
        }
    }

    /// Takes further values out of a recording, before it is given to somebody.
    fn redact(&mut self, file: &Path, values: &Path, output: &Path) -> Result<Exit, Error> {
        let tape = read_tape(file)?;
        let list = std::fs::read_to_string(values).map_err(|source| Error::Archive {
            path: values.to_owned(),
            source,
        })?;
        let redactor = Redactor::default();
        for value in list
            .lines()
            .map(str::trim)
            .filter(|value| !value.is_empty())
        {
            if value.len() < redact::SHORTEST {
                return Err(Error::Usage(format!(
                    "{}: `{}` is too short to be told from other text",
                    Escaped::path(values),
                    Escaped::text(value)
                )));
            }
            redactor.learn(value);
        }
        let before = tape.placeholders();
        let clean = tape.redacted(&redactor);
        let found = clean.placeholders().saturating_sub(before);
        write_private(output, clean.to_text(&redactor).as_bytes())?;
        writeln!(self.out, "{found} places redacted")?;
        Ok(if found == 0 {
            Exit::Attention
        } else {
            Exit::Done
        })
    }

    fn replay(&mut self, tape: &Tape, into: &Path) -> Result<Exit, Error> {
        let profile = self.named_profile(&tape.head.profile)?;
        make_private(into).map_err(|source| Error::Archive {
            path: into.to_owned(),
            source,
        })?;
        self.settings.archive = into.join("archive");
        into.clone_into(&mut self.settings.state);
        let mut ledger = self.ledger()?;
        let clock = SteppedClock::new(tape.head.recorded);
        let account = Account {
            name: "recorded".to_owned(),
            profile: profile.name.clone(),
            username: None,
            numbers: Vec::new(),
            password_command: Vec::new(),
            totp_command: Vec::new(),
            netrc: None,
        };
        let options = Fetch::default();
        let job = fetch::Job {
            settings: &self.settings,
            account: &account,
            profile: &profile,
            ledger: &mut ledger,
            clock: &clock,
            credentials: &mut NoSecrets,
            options: &options,
            dry_run: false,
            record: false,
            session: None,
            today: jiff::tz::TimeZone::UTC
                .to_datetime(tape.head.recorded)
                .date(),
        };
        let outcome = job.run(Box::new(Player::new(tape)))?;
        writeln!(self.out, "{} documents", outcome.stored.len())?;
        Ok(outcome.exit)
    }
}

/// What a recording is signed in with: nothing of it is sent anywhere.
struct NoSecrets;

impl Credentials for NoSecrets {
    fn username(&mut self) -> Result<String, Error> {
        Ok("recorded".to_owned())
    }

    fn password(&mut self) -> Result<String, Error> {
        Ok("recorded".to_owned())
    }

    fn totp(&mut self) -> Result<Option<Totp>, Error> {
        Ok(Totp::parse("AAAAAAAAAAAAAAAAAAAA").ok())
    }
}

/// Replaces a file whole, for its owner's eyes.
fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    nightshift_common::atomic::replace_with(path, 0o600, content).map_err(|error| Error::Archive {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    })
}

/// Whether a profile is given as a file, not by its name.
fn is_profile_file(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "toml")
}

fn read_tape(path: &Path) -> Result<Tape, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Archive {
        path: path.to_owned(),
        source,
    })?;
    Tape::parse(&text).map_err(|error| Error::Usage(format!("{}: {error}", Escaped::path(path))))
}
