//! `profile`: lint, show, diff, test.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use nightshift_common::config;
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use super::App;
use super::tape::{NoSecrets, read_tape};
use crate::cli::ProfileAction;
use crate::clock::SteppedClock;
use crate::error::Error;
use crate::mech::{Browser, Pace};
use crate::profile::{self, Profile};
use crate::redact::Redactor;
use crate::tape::{Player, Tape};
use crate::{evidence, flow};

impl App {
    pub(super) fn named_profile(&self, name: &str) -> Result<Profile, Error> {
        if is_profile_file(name) {
            let (stem, text) = self.profile_text(name)?;
            return Ok(profile::parse(&stem, Path::new(name), text)?);
        }
        self.must_exist(name)?;
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
        self.must_exist(name)?;
        let (_, text) = profile::text_of(name, &self.settings.profiles)?;
        Ok((name.to_owned(), text))
    }

    /// Says which profiles there are, where a name is none of them.
    fn must_exist(&self, name: &str) -> Result<(), Error> {
        let names = profile::names(&self.settings.profiles);
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "no profile {}; there are {}",
            Escaped::text(name),
            names.join(", ")
        )))
    }

    pub(super) fn profile(&mut self, action: &ProfileAction) -> Result<Exit, Error> {
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
                let (_, text) = self.profile_text(name)?;
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
}

/// Whether a profile is given as a file, not by its name.
pub(super) fn is_profile_file(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "toml")
}
