//! One account, one run: list, then download, prove and store what is missing.

mod work;

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use nightshift_common::error::{Report as _, chain};
use nightshift_common::exit::Exit;
use work::Work;

use crate::cli;
use crate::clock::Clock;
use crate::config::{Account, Settings};
use crate::error::{Error, most_urgent};
use crate::flow::{Credentials, Flow};
use crate::ledger::Ledger;
use crate::mech::{Browser, Pace};
use crate::net::Transport;
use crate::profile::Profile;
use crate::redact::Redactor;
use crate::session::Session;
use crate::tape::{Head, Recorder, Tape};

/// Bodies kept for evidence: pages, not documents.
const EVIDENCE_BODY: usize = 2 << 20;

/// What a run needs.
pub struct Job<'a> {
    /// Settings.
    pub settings: &'a Settings,
    /// The account.
    pub account: &'a Account,
    /// Its profile.
    pub profile: &'a Profile,
    /// The ledger.
    pub ledger: &'a mut Ledger,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Where passwords come from.
    pub credentials: &'a mut dyn Credentials,
    /// Flags.
    pub options: &'a cli::Fetch,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Keep whole documents in the recording.
    pub record: bool,
    /// Where the session is kept; `None` for a replay.
    pub session: Option<PathBuf>,
    /// Today, in the machine's time zone.
    pub today: Date,
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Numbers of invoices not known before.
    pub new: Vec<String>,
    /// Paths of documents stored, or that would be.
    pub stored: Vec<String>,
    /// Requests sent.
    pub requests: u64,
    /// Sign-ins posted.
    pub logins: u64,
    /// What was asked and answered.
    pub tape: Tape,
    /// Knows the run's secrets.
    pub redactor: Redactor,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Job")
            .field("account", &self.account.name)
            .finish_non_exhaustive()
    }
}

impl Job<'_> {
    /// Runs to the end. Errors are reported as they occur; the outcome holds the most urgent one.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is not general enough over its lifetimes"
    )]
    pub fn run(self, transport: Box<dyn Transport + '_>) -> Result<Outcome, Error> {
        self.with_flow(transport, |job, flow, outcome| job.fetch(flow, outcome))
    }

    /// Signs in and keeps the session, whatever session there is.
    pub fn login(self, transport: Box<dyn Transport + '_>) -> Result<Outcome, Error> {
        self.with_flow(transport, |_, flow, _| flow.sign_in())
    }

    fn with_flow<'j>(
        self,
        transport: Box<dyn Transport + 'j>,
        work: impl FnOnce(&mut Work<'_>, &mut Flow<'_>, &mut Outcome) -> Result<(), Error>,
    ) -> Result<Outcome, Error>
    where
        Self: 'j,
    {
        let redactor = Redactor::default();
        let limit = if self.record {
            usize::MAX
        } else {
            EVIDENCE_BODY
        };
        let (recorder, kept) = Recorder::new(transport, redactor.clone(), limit);
        let started = self.clock.now();
        let settings = self.settings;
        let pace = Pace {
            delay: settings.delay.unwrap_or(self.profile.delay),
            jitter: settings.jitter.unwrap_or(self.profile.jitter),
            max_requests: settings.max_requests.unwrap_or(self.profile.max_requests),
            deadline: started
                .checked_add(settings.deadline)
                .unwrap_or(Timestamp::MAX),
        };
        let policy = self.profile.policy.clone();
        let mut browser = Browser::new(Box::new(recorder), self.clock, policy, pace);
        let session = match &self.session {
            Some(path) => {
                Session::load(path).map_err(|error| session_error(self.account, &error))?
            }
            None => None,
        };
        let before = session.clone().unwrap_or_default();
        browser.jar = before.jar.clone();
        browser.headers.clone_from(&before.headers);
        for cookie in browser.jar.cookies() {
            redactor.learn(&cookie.value);
        }
        let mut flow = Flow::new(
            browser,
            self.profile,
            &self.account.name,
            self.credentials,
            self.clock,
            redactor.clone(),
            before.imported,
        );
        let mut outcome = Outcome {
            exit: Exit::Done,
            new: Vec::new(),
            stored: Vec::new(),
            requests: 0,
            logins: 0,
            tape: Tape {
                head: Head {
                    tape: 1,
                    profile: self.profile.name.clone(),
                    recorded: started,
                },
                exchanges: Vec::new(),
            },
            redactor: redactor.clone(),
        };
        let mut work_state = Work {
            settings,
            profile: self.profile,
            ledger: self.ledger,
            clock: self.clock,
            options: self.options,
            dry_run: self.dry_run,
            today: self.today,
            kept: &kept,
            redactor: &redactor,
            numbers: &self.account.numbers,
        };
        let result = work(&mut work_state, &mut flow, &mut outcome);
        outcome.tape.exchanges.clone_from(&kept.borrow());
        if let Err(error) = result {
            let error = work_state.with_evidence(error, &flow, &outcome.tape);
            report(&error, &redactor);
            outcome.exit = most_urgent([outcome.exit, error.exit()]);
        }
        if !self.dry_run {
            for (step, skeleton) in &flow.skeletons {
                let now = self.clock.now().to_string();
                work_state
                    .ledger
                    .keep_skeleton(&self.profile.name, step, skeleton, &now)?;
            }
        }
        outcome.requests = flow.browser.requests();
        outcome.logins = flow.logins;
        let after = Session {
            jar: flow.browser.jar.clone(),
            // A token fetched in this run is not part of an imported session.
            headers: before.headers.clone(),
            imported: before.imported,
        };
        if let Some(path) = &self.session
            && after != before
        {
            after
                .save(path)
                .map_err(|error| session_error(self.account, &error))?;
        }
        Ok(outcome)
    }
}

fn report(error: &Error, redactor: &Redactor) {
    tracing::error!("{}", redactor.clean(&chain(error)));
    if let Some(hint) = error.hint() {
        tracing::error!("hint: {hint}");
    }
}

fn session_error(account: &Account, error: &dyn std::error::Error) -> Error {
    Error::Secret {
        account: account.name.clone(),
        what: format!("session: {}", chain(error)),
    }
}
