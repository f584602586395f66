//! Commands that read: list, check, show, track, export, report.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use nightshift_common::error::{Report as _, chain};
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use super::App;
use crate::check::{self, Finding, Listed, Outcome};
use crate::cli::ReportBy;
use crate::config::Tolerance;
use crate::csv250;
use crate::document::{self, DocumentError, Part};
use crate::error::{CHECK_FAILED, Error, most_urgent};
use crate::export::Entry;
use crate::ledger::{Format, Ledger, Listing, Shipment};
use crate::money::show;
use crate::report::{self, group};

/// Workers over large files. Each holds a block of 1 MiB, so memory grows with them; four are
/// plenty for files of a few gigabytes.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(4)
}

impl App {
    pub(super) fn list(
        &mut self,
        since: Option<Date>,
        until: Option<Date>,
        missing: bool,
    ) -> Result<Exit, Error> {
        let ledger = self.ledger()?;
        let mut listings = ledger.listings(since, until)?;
        let lacks = |listing: &Listing| {
            listing.states.is_empty() || listing.states.values().any(|state| state != "stored")
        };
        if missing {
            listings.retain(lacks);
        }
        if self.global.json {
            let rows: Vec<serde_json::Value> = listings.iter().map(listing_json).collect();
            self.json(&rows)?;
        } else {
            for listing in &listings {
                let states: Vec<String> = listing
                    .states
                    .iter()
                    .map(|(format, state)| match state.as_str() {
                        "stored" => format.name().to_owned(),
                        other => format!("{}({other})", format.name()),
                    })
                    .collect();
                writeln!(
                    self.out,
                    "{}  {:<20}  {:<10}  {:>12} {}  {}",
                    listing.date,
                    Escaped::text(&listing.number).to_string(),
                    Escaped::text(&listing.account).to_string(),
                    listing.shown_amount(),
                    listing.currency,
                    states.join(" ")
                )?;
            }
        }
        Ok(if missing && !listings.is_empty() {
            Exit::Attention
        } else {
            Exit::Done
        })
    }

    pub(super) fn check(
        &mut self,
        invoices: &[String],
        all: bool,
        files: &[PathBuf],
        tolerance: Option<&str>,
    ) -> Result<Exit, Error> {
        if let Some(text) = tolerance {
            self.settings.tolerance = Tolerance::new(text).map_err(Error::Usage)?;
        }
        if !files.is_empty() {
            return self.check_files(files);
        }
        let ledger = self.ledger()?;
        let mut listings = Vec::new();
        if invoices.is_empty() {
            let since = (!all).then(|| self.settings.first_day(self.today));
            listings = ledger.listings(since, None)?;
        }
        for number in invoices {
            listings.extend(Self::find(&ledger, number)?);
        }
        let mut results = Vec::new();
        let mut exits = Vec::new();
        for listing in listings {
            match self.judge(&ledger, &listing) {
                Ok(findings) => {
                    let failed = findings.iter().any(|f| f.outcome == Outcome::Failed);
                    exits.push(if failed { CHECK_FAILED } else { Exit::Done });
                    results.push((listing.number.clone(), listing.date, findings));
                }
                Err(error) => {
                    tracing::error!(invoice = listing.number, "{}", chain(&error));
                    exits.push(error.exit());
                }
            }
        }
        self.print_findings(&results)?;
        Ok(most_urgent(exits))
    }

    fn check_files(&mut self, files: &[PathBuf]) -> Result<Exit, Error> {
        let mut exits = Vec::new();
        let mut results = Vec::new();
        for path in files {
            let name = path.display().to_string();
            let scanned = File::open(path)
                .map_err(csv250::CsvError::Io)
                .and_then(|file| csv250::scan(file, workers()));
            let scan = match scanned {
                Ok(scan) => scan,
                Err(source) => {
                    let error = Error::Document {
                        name,
                        source: DocumentError::Csv(source),
                    };
                    tracing::error!("{}", chain(&error));
                    if let Some(hint) = error.hint() {
                        tracing::error!("hint: {hint}");
                    }
                    exits.push(error.exit());
                    continue;
                }
            };
            let layout = check::layout(&scan.sums);
            for sum in &scan.sums.invoices {
                let mut findings = check::judge(Some(sum), None, None, self.rules(sum.exponent));
                findings.push(layout.clone());
                let failed = findings.iter().any(|f| f.outcome == Outcome::Failed);
                exits.push(if failed { CHECK_FAILED } else { Exit::Done });
                results.push((sum.number.clone(), sum.date.unwrap_or_default(), findings));
            }
        }
        self.print_findings(&results)?;
        Ok(most_urgent(exits))
    }

    /// One line for an invoice that passed, one for each verdict that is not "passed".
    fn print_findings(&mut self, results: &[(String, Date, Vec<Finding>)]) -> Result<(), Error> {
        if self.global.json {
            let rows: Vec<serde_json::Value> = results
                .iter()
                .map(|(number, date, findings)| {
                    serde_json::json!({ "invoice": number, "date": date, "findings": findings })
                })
                .collect();
            return self.json(&rows);
        }
        for (number, date, findings) in results {
            let number = Escaped::text(number).to_string();
            let odd: Vec<&Finding> = findings
                .iter()
                .filter(|f| f.outcome != Outcome::Passed)
                .collect();
            if odd.is_empty() {
                writeln!(
                    self.out,
                    "{date}  {number:<20}  passed {} checks",
                    findings.len()
                )?;
            }
            for finding in odd {
                writeln!(
                    self.out,
                    "{date}  {number:<20}  {} {}: {}",
                    finding.check, finding.outcome, finding.detail
                )?;
            }
        }
        Ok(())
    }

    fn find(ledger: &Ledger, number: &str) -> Result<Vec<Listing>, Error> {
        let found = ledger.by_number(number)?;
        if found.is_empty() {
            return Err(Error::Usage(format!(
                "the ledger has no invoice {}",
                Escaped::text(number)
            )));
        }
        Ok(found)
    }

    /// Reads the stored files of an invoice again and judges them.
    fn judge(&self, ledger: &Ledger, listing: &Listing) -> Result<Vec<Finding>, Error> {
        let map = match crate::profile::load(&listing.profile, &self.settings.profiles) {
            Ok(profile) => profile.xml,
            Err(_files) => self.xml_map()?,
        };
        let mut parts: BTreeMap<Format, Part> = BTreeMap::new();
        for format in [Format::Csv, Format::Xml] {
            let document = ledger.document(listing.id, format)?;
            let Some(path) = document
                .filter(|d| d.state == "stored")
                .and_then(|d| d.path)
            else {
                continue;
            };
            let full = self.settings.archive.join(&path);
            let bytes =
                std::fs::read(&full).map_err(|source| Error::Archive { path: full, source })?;
            let read =
                document::read(&bytes, format, &map, &listing.currency).map_err(|source| {
                    Error::Document {
                        name: path.clone(),
                        source,
                    }
                })?;
            let mine = |part: &Part| part.number.as_deref().is_none_or(|n| n == listing.number);
            if let Some(part) = read.parts.into_iter().find(mine) {
                parts.insert(format, part);
            }
        }
        let listed = Listed {
            number: listing.number.clone(),
            date: Some(listing.date),
            account: Some(listing.account.clone()),
            amount: listing.listed,
        };
        let rules = self.rules(listing.exponent);
        let (csv, xml) = (parts.get(&Format::Csv), parts.get(&Format::Xml));
        match csv.or(xml) {
            Some(part) => Ok(part.judge(xml.filter(|_| csv.is_some()), Some(&listed), rules)),
            None => Ok(vec![Finding {
                check: check::Check::Sum,
                outcome: Outcome::NotProvable,
                detail: "neither CSV nor XML is stored".to_owned(),
            }]),
        }
    }

    pub(super) fn show(&mut self, invoice: Option<&str>, last: bool) -> Result<Exit, Error> {
        let ledger = self.ledger()?;
        let found = match invoice {
            Some(number) if !last => Self::find(&ledger, number)?,
            _ => {
                let newest = ledger.listings(None, None)?.into_iter().next_back();
                vec![newest.ok_or_else(|| Error::Usage("the ledger is empty".to_owned()))?]
            }
        };
        for listing in &found {
            let documents = ledger.documents(Some(listing.id))?;
            let findings = self.judge(&ledger, listing);
            let entry = Entry {
                invoice: listing.clone(),
                charges: ledger.booked_charges(Some(listing.id))?,
            };
            let groups = group(std::slice::from_ref(&entry), ReportBy::Class);
            if self.global.json {
                let mut value = listing_json(listing);
                value["documents"] = documents
                    .iter()
                    .map(|d| serde_json::json!({ "format": d.format, "revision": d.revision, "state": d.state, "reason": d.reason, "path": d.path, "sha256": d.sha256 }))
                    .collect();
                value["findings"] =
                    serde_json::to_value(findings.unwrap_or_default()).unwrap_or_default();
                value["classes"] = serde_json::to_value(&groups).unwrap_or_default();
                self.json(&value)?;
                continue;
            }
            writeln!(self.out, "invoice   {}", Escaped::text(&listing.number))?;
            writeln!(self.out, "date      {}", listing.date)?;
            writeln!(self.out, "account   {}", Escaped::text(&listing.account))?;
            writeln!(
                self.out,
                "amount    {} {}",
                listing.shown_amount(),
                listing.currency
            )?;
            if let Some(due) = listing.due {
                writeln!(self.out, "due       {due}")?;
            }
            if let Some(gone) = listing.gone {
                writeln!(self.out, "gone      {gone}")?;
            }
            for document in documents {
                let what = document.path.or(document.reason).unwrap_or_default();
                let format = document.format.name();
                writeln!(
                    self.out,
                    "{format:<8}  {} {}",
                    document.state,
                    Escaped::text(&what)
                )?;
            }
            match findings {
                Ok(findings) => {
                    for f in findings {
                        writeln!(self.out, "{:<9} {}  {}", f.check, f.outcome, f.detail)?;
                    }
                }
                Err(error) => writeln!(self.out, "check     {}", chain(&error))?,
            }
            if !groups.is_empty() {
                writeln!(self.out)?;
                report::table(&mut self.out, "class", &groups)?;
            }
        }
        Ok(Exit::Done)
    }

    pub(super) fn track(
        &mut self,
        number: Option<&str>,
        unbilled: Option<&Path>,
        duplicates: bool,
    ) -> Result<Exit, Error> {
        let ledger = self.ledger()?;
        if let Some(path) = unbilled {
            return self.unbilled(&ledger, path);
        }
        let charges = if duplicates {
            ledger.duplicates()?
        } else {
            ledger.shipments(number.unwrap_or_default().trim())?
        };
        if self.global.json {
            let rows: Vec<serde_json::Value> = charges
                .iter()
                .map(|charge| {
                    let mut value = serde_json::to_value(charge).unwrap_or_default();
                    value["net"] = show(charge.net, charge.exponent).into();
                    value
                })
                .collect();
            self.json(&rows)?;
        } else {
            for charge in &charges {
                self.print_charge(charge)?;
            }
        }
        let look = if duplicates {
            !charges.is_empty()
        } else {
            charges.is_empty()
        };
        Ok(if look { Exit::Attention } else { Exit::Done })
    }

    fn print_charge(&mut self, charge: &Shipment) -> Result<(), Error> {
        writeln!(
            self.out,
            "{}  {:<20}  {:<18}  {:<3} {:<3} {:<28} {:>12} {}",
            charge.date,
            Escaped::text(&charge.invoice).to_string(),
            Escaped::text(&charge.tracking).to_string(),
            Escaped::text(&charge.category).to_string(),
            Escaped::text(&charge.class).to_string(),
            Escaped::text(&charge.description).to_string(),
            show(charge.net, charge.exponent),
            charge.currency
        )?;
        Ok(())
    }

    fn unbilled(&mut self, ledger: &Ledger, path: &Path) -> Result<Exit, Error> {
        let file = |source| Error::Archive {
            path: path.to_owned(),
            source,
        };
        let input: Box<dyn std::io::BufRead> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(std::io::BufReader::new(File::open(path).map_err(file)?))
        };
        let mut found = false;
        for line in input.lines() {
            let line = line.map_err(file)?;
            let number = line.trim();
            if !number.is_empty() && ledger.shipments(number)?.is_empty() {
                found = true;
                writeln!(self.out, "{}", Escaped::text(number))?;
            }
        }
        Ok(if found { Exit::Attention } else { Exit::Done })
    }
}

fn listing_json(listing: &Listing) -> serde_json::Value {
    let amount = |minor: Option<i64>| minor.map(|minor| show(minor, listing.exponent));
    serde_json::json!({
        "invoice": listing.number,
        "date": listing.date,
        "account": listing.account,
        "profile": listing.profile,
        "currency": listing.currency,
        "amount": amount(listing.best_amount()),
        "listed": amount(listing.listed),
        "due": listing.due,
        "gone": listing.gone,
        "documents": listing.states,
    })
}
