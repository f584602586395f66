//! `login` and `fetch`: one job per account, one after the other.

use std::io::Write as _;
use std::path::Path;

use nightshift_common::exit::Exit;

use super::{App, write_private};
use crate::cli::Fetch;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Account;
use crate::credentials::Sources;
use crate::error::{Error, TLS_REFUSED, most_urgent};
use crate::flow::Credentials;
use crate::ledger::Ledger;
use crate::net::client::Network;
use crate::profile::{self, Profile};
use crate::{alerts, fetch};

impl App {
    pub(super) fn login(&mut self) -> Result<Exit, Error> {
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

    pub(super) fn job<'a>(
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

    pub(super) fn fetch(&mut self, options: &Fetch, record: Option<&Path>) -> Result<Exit, Error> {
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
}
