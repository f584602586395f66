//! The run itself: what the list has, what the ledger lacks, one document after the other.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::Date;
use nightshift_common::error::{Report as _, chain};
use nightshift_common::exit::Exit;

use super::{Outcome, report};
use crate::archive::Archive;
use crate::check::{Listed, Rules};
use crate::clock::Clock;
use crate::config::Settings;
use crate::document::{self, DocumentError, Looks};
use crate::error::{CHECK_FAILED, Error, most_urgent};
use crate::evidence::Evidence;
use crate::flow::{Fetched, Flow, Row};
use crate::intake::{Intake, Origin, Taken};
use crate::ledger::{Format, InvoiceFacts, InvoiceKey, Ledger};
use crate::profile::Profile;
use crate::redact::Redactor;
use crate::tape::Tape;
use crate::{cli, money};

/// Tries of a document whose answer breaks off.
const TRIES: usize = 3;
/// Failures in a row after which the network is taken to be down.
const FAILURES: usize = 3;

/// A run under way.
pub(super) struct Work<'a> {
    pub(super) settings: &'a Settings,
    pub(super) profile: &'a Profile,
    pub(super) ledger: &'a mut Ledger,
    pub(super) clock: &'a dyn Clock,
    pub(super) options: &'a cli::Fetch,
    pub(super) dry_run: bool,
    pub(super) today: Date,
    pub(super) kept: &'a crate::tape::Kept,
    pub(super) redactor: &'a Redactor,
    /// Shipper numbers of the account.
    pub(super) numbers: &'a [String],
}

impl Work<'_> {
    pub(super) fn fetch(
        &mut self,
        flow: &mut Flow<'_>,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let archive = Archive::new(&self.settings.archive);
        if !self.dry_run {
            let removed = archive.remove_parts().map_err(|source| Error::Archive {
                path: self.settings.archive.clone(),
                source,
            })?;
            if removed > 0 {
                tracing::info!(
                    removed,
                    "removed files that an earlier run left half written"
                );
            }
        }
        let since = self
            .options
            .since
            .unwrap_or_else(|| self.settings.first_day(self.today));
        let rows = flow.list(since, self.today)?;
        tracing::info!(invoices = rows.len(), %since, "listed");
        let bare = |number: &String| number.trim().trim_start_matches('0').to_owned();
        let mut accounts: BTreeSet<String> = self.numbers.iter().map(bare).collect();
        let mut seen = Vec::new();
        let mut wanted = Vec::new();
        for row in rows {
            let (key, listed) = self.identify(&row)?;
            accounts.insert(key.account.clone());
            let exponent = money::exponent(&row.currency);
            let facts = InvoiceFacts {
                currency: row.currency.clone(),
                exponent,
                listed: listed.amount,
                amount: None,
                due: row.due,
            };
            let now = self.clock.now().to_string();
            let id = if self.dry_run {
                self.ledger.find(&key)?
            } else {
                let (id, new) = self.ledger.note_invoice(&key, &facts, &now)?;
                seen.push(id);
                if new {
                    outcome.new.push(key.number.clone());
                    if self.settings.alerts.new_invoice {
                        let text = format!("new invoice {} of {}", key.number, key.date);
                        self.ledger.raise("new", &key.number, &text, &now)?;
                    }
                }
                Some(id)
            };
            for format in self.formats() {
                if self.options.all || !self.has(id, format, &archive, &now)? {
                    wanted.push((row.clone(), key.clone(), listed.clone(), format, id));
                }
            }
        }
        if !self.dry_run {
            let left =
                self.ledger
                    .mark_gone(&self.profile.name, &accounts, since, &seen, self.today)?;
            for number in left {
                let text = format!("invoice {number} left the portal before it was fetched");
                self.ledger
                    .raise("gone", &number, &text, &self.clock.now().to_string())?;
            }
        }
        let limit = self.options.limit.unwrap_or(usize::MAX);
        let left = wanted.len().saturating_sub(limit);
        let mut failures = 0;
        for (row, key, listed, format, id) in wanted.into_iter().take(limit) {
            let result = if self.dry_run {
                outcome
                    .stored
                    .push(self.settings.names.path(&key, format, 1));
                Ok(Exit::Done)
            } else {
                self.one(flow, &row, &key, &listed, format, &archive, outcome)
            };
            match result {
                Ok(exit) => {
                    failures = 0;
                    outcome.exit = most_urgent([outcome.exit, exit]);
                }
                Err(error) => {
                    let ends = ends_run(&error);
                    if let (Error::Document { source, .. }, Some(id)) = (&error, id)
                        && !source.is_cut()
                    {
                        let reason = chain(source);
                        self.ledger
                            .set_state(id, format, "refused", Some(&reason))?;
                    }
                    failures += 1;
                    if ends || failures == FAILURES {
                        return Err(error);
                    }
                    let tape = Tape {
                        exchanges: self.kept.borrow().clone(),
                        ..outcome.tape.clone()
                    };
                    let error = self.with_evidence(error, flow, &tape);
                    report(&error, self.redactor);
                    outcome.exit = most_urgent([outcome.exit, error.exit()]);
                }
            }
        }
        if left > 0 {
            outcome.exit = most_urgent([outcome.exit, Exit::Partial]);
        }
        if outcome.exit == Exit::Failed && !outcome.stored.is_empty() {
            outcome.exit = Exit::Partial;
        }
        Ok(())
    }

    /// Fetches, proves and stores one document.
    #[expect(clippy::too_many_arguments, reason = "one document is all of these")]
    fn one(
        &mut self,
        flow: &mut Flow<'_>,
        row: &Row,
        key: &InvoiceKey,
        listed: &Listed,
        format: Format,
        archive: &Archive,
        outcome: &mut Outcome,
    ) -> Result<Exit, Error> {
        let exponent = money::exponent(&row.currency);
        let mut intake = Intake {
            archive,
            names: &self.settings.names,
            map: &self.profile.xml,
            rules: Rules {
                tolerance: self.settings.tolerance.minor(exponent),
                today: self.today,
            },
            now: self.clock.now(),
            dry_run: false,
            ledger: self.ledger,
        };
        if !self.options.all && intake.adopt(key, format, listed, &Origin::default())? {
            outcome
                .stored
                .push(self.settings.names.path(key, format, 1));
            return Ok(Exit::Done);
        }
        let name = format!("invoice {} as {}", key.number, format.name());
        let mut tries = 0;
        loop {
            tries += 1;
            let fetched = flow.download(row, format)?;
            intake.now = self.clock.now();
            match store(&mut intake, key, listed, format, &row.currency, &fetched) {
                Ok(Taken::Stored { path, failed, .. }) => {
                    tracing::info!(path, "stored");
                    outcome.stored.push(path);
                    for finding in &failed {
                        tracing::error!(
                            invoice = key.number,
                            "check {} failed: {}",
                            finding.check,
                            finding.detail
                        );
                    }
                    return Ok(if failed.is_empty() {
                        Exit::Done
                    } else {
                        CHECK_FAILED
                    });
                }
                Ok(Taken::Known) => return Ok(Exit::Done),
                Err(Error::Document { source, .. }) if source.is_cut() && tries < TRIES => {
                    tracing::info!(invoice = key.number, "the answer broke off; trying again");
                }
                Err(Error::Document { source, .. }) => {
                    return Err(Error::Document { name, source });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn identify(&self, row: &Row) -> Result<(InvoiceKey, Listed), Error> {
        let account = row.account.clone().unwrap_or_default();
        let key = InvoiceKey::new(&self.profile.name, &account, &row.number, row.date);
        let exponent = money::exponent(&row.currency);
        let amount =
            money::parse_listed(&row.amount, exponent).map_err(|error| Error::Changed {
                step: "list".to_owned(),
                missing: format!("an amount of invoice {} ({error})", row.number),
                evidence: None,
            })?;
        let listed = Listed {
            number: row.number.clone(),
            date: Some(row.date),
            account: row.account.clone(),
            amount: Some(amount),
        };
        Ok((key, listed))
    }

    fn formats(&self) -> Vec<Format> {
        let asked = if self.options.formats.is_empty() {
            &self.settings.formats
        } else {
            &self.options.formats
        };
        Format::ALL
            .into_iter()
            .filter(|format| asked.contains(format) && self.profile.downloads.contains_key(format))
            .collect()
    }

    /// Whether a document is there: by its row, and by its file being the one of the row.
    fn has(
        &mut self,
        invoice: Option<i64>,
        format: Format,
        archive: &Archive,
        now: &str,
    ) -> Result<bool, Error> {
        let Some(invoice) = invoice else {
            return Ok(false);
        };
        let document = self.ledger.document(invoice, format)?;
        let Some(document) = document.filter(|document| document.state == "stored") else {
            if !self.dry_run {
                self.ledger.note_document(invoice, format)?;
            }
            return Ok(false);
        };
        let Some(path) = &document.path else {
            return Ok(false);
        };
        let found = archive.sha256(path).map_err(|source| Error::Archive {
            path: archive.full(path),
            source,
        })?;
        if found.is_some() && found == document.sha256 {
            return Ok(true);
        }
        if !self.dry_run {
            let what = if found.is_some() {
                "differs from"
            } else {
                "is missing from"
            };
            let text = format!("{path} {what} the archive; it is fetched again");
            self.ledger
                .raise("damaged", &format!("{path} {now}"), &text, now)?;
        }
        Ok(false)
    }

    /// Saves evidence for errors that are about a page.
    pub(super) fn with_evidence(&self, error: Error, flow: &Flow<'_>, tape: &Tape) -> Error {
        let (step, missing) = match &error {
            Error::Changed { step, missing, .. } => (step.clone(), missing.clone()),
            Error::Document {
                name,
                source: source @ DocumentError::Zip(_),
            } => (name.clone(), source.to_string()),
            Error::Browse(crate::mech::BrowseError::Refused(refused)) => {
                ("policy".to_owned(), refused.to_string())
            }
            _ => return error,
        };
        let good = self
            .ledger
            .skeleton(&self.profile.name, &step)
            .ok()
            .flatten();
        let evidence = Evidence {
            step: &step,
            missing: &missing,
            profile: self.profile,
            hops: flow.browser.hops(),
            page: flow.browser.page(),
            good: good.as_deref(),
            tape,
        };
        let root: &Path = &self.settings.state.join("evidence");
        match evidence.save(root, self.redactor, self.clock.now()) {
            Ok(directory) => match error {
                Error::Changed { step, missing, .. } => Error::Changed {
                    step,
                    missing,
                    evidence: Some(directory),
                },
                other => {
                    tracing::warn!(directory = %directory.display(), "evidence saved");
                    other
                }
            },
            Err(failed) => {
                tracing::error!(root = %root.display(), "evidence cannot be saved: {failed}");
                error
            }
        }
    }
}

fn store(
    intake: &mut Intake<'_>,
    key: &InvoiceKey,
    listed: &Listed,
    format: Format,
    currency: &str,
    fetched: &Fetched,
) -> Result<Taken, Error> {
    let refused = |source| Error::Document {
        name: key.number.clone(),
        source,
    };
    let origin = Origin {
        url: fetched.url.clone(),
        leaf: fetched.leaf.clone(),
    };
    let unpacked;
    let bytes: &[u8] = if Looks::at(&fetched.bytes) == Looks::Zip {
        let entries = document::unzip(&fetched.bytes).map_err(refused)?;
        let mut fitting = entries
            .into_iter()
            .filter(|(name, bytes)| is_of(name, bytes, key, format));
        unpacked = fitting.next().ok_or_else(|| {
            refused(DocumentError::Zip(format!(
                "no {} of this invoice in it",
                format.name()
            )))
        })?;
        &unpacked.1
    } else {
        &fetched.bytes
    };
    let read = document::read(bytes, format, intake.map, currency).map_err(refused)?;
    let part = read
        .parts
        .iter()
        .find(|part| {
            part.number
                .as_deref()
                .is_none_or(|number| number == key.number)
        })
        .or(read.parts.first())
        .ok_or_else(|| refused(DocumentError::NotAsked("no invoice is in it".to_owned())))?
        .clone();
    part.must_be(listed, intake.rules).map_err(refused)?;
    intake.take(key, &read, &part, bytes, Some(listed), &origin)
}

/// Whether a ZIP entry is the format wanted and, where its name tells, the invoice wanted.
fn is_of(name: &str, bytes: &[u8], key: &InvoiceKey, format: Format) -> bool {
    let named = document::facts_of_name(name);
    Looks::at(bytes) == Looks::Like(format) && named.is_none_or(|(number, _)| number == key.number)
}

/// Whether going on to the next document makes no sense.
fn ends_run(error: &Error) -> bool {
    use crate::mech::BrowseError;
    use crate::net::TransportError;
    match error {
        Error::Document { .. } | Error::Browse(BrowseError::Busy { .. }) => false,
        Error::Browse(BrowseError::Transport(transport)) => !matches!(
            transport,
            TransportError::Network { .. } | TransportError::Incomplete { .. }
        ),
        _ => true,
    }
}
