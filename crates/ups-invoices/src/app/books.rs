//! `export` and `report`: the ledger as books, tables and a page.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use super::query::workers;
use super::{App, write_private};
use crate::cli::{ExportTo, ReportBy};
use crate::document::DocumentError;
use crate::error::Error;
use crate::export::{self, Entry, Journal};
use crate::ledger::{Ledger, Listing};
use crate::money::show;
use crate::report::{self, group};
use crate::totals::Totals;

impl App {
    pub(super) fn entries(
        &self,
        ledger: &Ledger,
        since: Option<Date>,
        until: Option<Date>,
    ) -> Result<Vec<Entry>, Error> {
        let mut charges: BTreeMap<i64, Vec<_>> = BTreeMap::new();
        for charge in ledger.booked_charges(None)? {
            charges.entry(charge.invoice).or_default().push(charge);
        }
        let listings = ledger.listings(since, until)?;
        let only = self
            .global
            .account
            .as_ref()
            .and(self.settings.accounts.first());
        let mine = |listing: &Listing| {
            only.is_none_or(|account| {
                account
                    .numbers
                    .iter()
                    .any(|n| n.trim_start_matches('0') == listing.account)
            })
        };
        Ok(listings
            .into_iter()
            .filter(mine)
            .map(|invoice| {
                let charges = charges.remove(&invoice.id).unwrap_or_default();
                Entry { invoice, charges }
            })
            .filter(|entry| !entry.charges.is_empty())
            .collect())
    }

    pub(super) fn export(
        &mut self,
        to: ExportTo,
        output: Option<&Path>,
        since: Option<Date>,
        until: Option<Date>,
    ) -> Result<Exit, Error> {
        let ledger = self.ledger()?;
        let entries = self.entries(&ledger, since, until)?;
        if to == ExportTo::Sqlite {
            let Some(path) = output else {
                return Err(Error::Usage("--to sqlite needs --output FILE".to_owned()));
            };
            export::sqlite(path, &entries).map_err(|error| Error::Archive {
                path: path.to_owned(),
                source: std::io::Error::other(error),
            })?;
            return Ok(Exit::Done);
        }
        let mut text = Vec::new();
        match to {
            ExportTo::Ledger | ExportTo::Hledger => {
                export::journal(&mut text, Journal::Ledger, &entries)?;
            }
            ExportTo::Beancount => export::journal(&mut text, Journal::Beancount, &entries)?,
            ExportTo::Csv => export::csv(&mut text, &entries)?,
            ExportTo::Jsonl => export::jsonl(&mut text, &entries)?,
            ExportTo::Postgres | ExportTo::Sqlite => export::postgres(&mut text, &entries)?,
        }
        match output {
            Some(path) => write_private(path, &text)?,
            None => self.out.write_all(&text)?,
        }
        Ok(Exit::Done)
    }

    pub(super) fn report(
        &mut self,
        by: ReportBy,
        html: Option<&Path>,
        from_files: &[PathBuf],
    ) -> Result<Exit, Error> {
        if !from_files.is_empty() {
            return self.report_files(from_files);
        }
        let ledger = self.ledger()?;
        let entries = self.entries(&ledger, None, None)?;
        if let Some(path) = html {
            write_private(path, report::html(&entries, self.today).as_bytes())?;
            return Ok(Exit::Done);
        }
        let groups = group(&entries, by);
        if self.global.json {
            self.json(&groups)?;
        } else {
            let title = format!("{by:?}").to_lowercase();
            report::table(&mut self.out, &title, &groups)?;
        }
        Ok(Exit::Done)
    }

    fn report_files(&mut self, files: &[PathBuf]) -> Result<Exit, Error> {
        let mut totals = Totals::default();
        for path in files {
            let file = File::open(path).map_err(|source| Error::Archive {
                path: path.clone(),
                source,
            })?;
            totals
                .read(file, workers())
                .map_err(|source| Error::Document {
                    name: path.display().to_string(),
                    source: DocumentError::Csv(source),
                })?;
        }
        let codes = totals.codes();
        if self.global.json {
            let rows: Vec<serde_json::Value> = codes
                .iter()
                .map(|code| serde_json::json!({ "class": code.class, "code": code.code, "currency": code.currency, "net": show(code.sum.minor, code.sum.exponent), "rows": code.sum.rows }))
                .collect();
            self.json(&serde_json::json!({ "invoices": totals.invoices(), "codes": rows }))?;
            return Ok(Exit::Done);
        }
        for code in &codes {
            writeln!(
                self.out,
                "{:<5} {:<6} {:>16} {:<3} {:>10}",
                Escaped::text(&code.class).to_string(),
                Escaped::text(&code.code).to_string(),
                show(code.sum.minor, code.sum.exponent),
                Escaped::text(&code.currency).to_string(),
                code.sum.rows
            )?;
        }
        writeln!(self.out, "{} invoices", totals.invoices())?;
        Ok(Exit::Done)
    }
}
