//! `tape`: record, replay, redact.

use std::io::Write as _;
use std::path::Path;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use super::{App, write_private};
use crate::archive::make_private;
use crate::cli::{Fetch, TapeAction};
use crate::clock::SteppedClock;
use crate::config::Account;
use crate::error::Error;
use crate::fetch;
use crate::flow::Credentials;
use crate::redact::{self, Redactor};
use crate::tape::{Player, Tape};
use crate::totp::Totp;

impl App {
    pub(super) fn tape(&mut self, action: &TapeAction) -> Result<Exit, Error> {
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
pub(super) struct NoSecrets;

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

pub(super) fn read_tape(path: &Path) -> Result<Tape, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Archive {
        path: path.to_owned(),
        source,
    })?;
    Tape::parse(&text).map_err(|error| Error::Usage(format!("{}: {error}", Escaped::path(path))))
}
