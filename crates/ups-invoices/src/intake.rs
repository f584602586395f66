//! Takes a verified document into archive and ledger: the last steps of `fetch` and `ingest`.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::archive::{Archive, NameTemplate};
use crate::check::{Finding, Listed, Outcome, Rules};
use crate::document::{self, DocumentError, Part, Read};
use crate::error::Error;
use crate::ledger::{Document, Format, InvoiceFacts, InvoiceKey, Ledger, NewDocument};
use crate::xml::XmlMap;

/// What an intake needs.
#[derive(Debug)]
pub struct Intake<'a> {
    /// The ledger.
    pub ledger: &'a mut Ledger,
    /// The archive.
    pub archive: &'a Archive,
    /// How files are named.
    pub names: &'a NameTemplate,
    /// How XML is read.
    pub map: &'a XmlMap,
    /// How strictly invoices are judged.
    pub rules: Rules,
    /// Now.
    pub now: Timestamp,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Where a document came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Address without query, or path.
    pub url: String,
    /// sha256 of the server's certificate.
    pub leaf: Option<String>,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Stored, as this path, with failed checks if any.
    Stored {
        /// Path below the archive.
        path: String,
        /// Whether it restates an earlier one.
        restated: bool,
        /// Failed checks.
        failed: Vec<Finding>,
    },
    /// The same content was there already.
    Known,
}

impl Intake<'_> {
    /// Stores one invoice of a document.
    ///
    /// Other CSV or XML content under the same identity is kept beside the first as a revision
    /// and alerted. A PDF is not: servers stamp times into them.
    pub fn take(
        &mut self,
        key: &InvoiceKey,
        read: &Read,
        part: &Part,
        bytes: &[u8],
        list: Option<&Listed>,
        origin: &Origin,
    ) -> Result<Taken, Error> {
        let other = self.other_format(key, read.format)?;
        let failed: Vec<Finding> = part
            .judge(other.as_ref(), list, self.rules)
            .into_iter()
            .filter(|finding| finding.outcome == Outcome::Failed)
            .collect();
        if self.dry_run {
            let path = self.names.path(key, read.format, 1);
            return Ok(Taken::Stored {
                path,
                restated: false,
                failed,
            });
        }
        let now = self.now.to_string();
        let facts = InvoiceFacts {
            currency: part.currency.clone(),
            exponent: part.exponent,
            listed: list.and_then(|list| list.amount),
            amount: part.amount.or(part.net),
            due: part.due,
        };
        let facts = if read.format == Format::Pdf {
            InvoiceFacts::default()
        } else {
            facts
        };
        let (invoice, _) = self.ledger.note_invoice(key, &facts, &now)?;
        let known = self.ledger.document(invoice, read.format)?;
        let revision = match &known {
            Some(known) if known.state == "stored" => {
                let same = known.canonical.as_deref() == Some(part.canonical.as_str());
                let present = self.is_intact(known)?;
                if present && (same || read.format == Format::Pdf) {
                    return Ok(Taken::Known);
                }
                if same || !present {
                    known.revision
                } else {
                    known.revision + 1
                }
            }
            Some(known) => known.revision,
            None => 1,
        };
        let mut path = self.names.path(key, read.format, revision);
        if self.ledger.path_taken(&path, invoice)? {
            let with_account = InvoiceKey {
                number: format!("{}_{}", key.number, key.account),
                ..key.clone()
            };
            path = self.names.path(&with_account, read.format, revision);
        }
        let write = |error| Error::Archive {
            path: self.archive.full(&path),
            source: error,
        };
        self.archive.write(&path, bytes).map_err(write)?;
        let new = NewDocument {
            path: path.clone(),
            sha256: read.sha256.clone(),
            canonical: part.canonical.clone(),
            size: bytes.len() as u64,
            rows: part.rows,
            net: part.net,
            layout: part.layout.clone(),
            url: origin.url.clone(),
            leaf: origin.leaf.clone(),
            fetched: now.clone(),
            charges: part.charges.clone(),
        };
        self.ledger.store(invoice, read.format, revision, &new)?;
        if revision > 1 {
            let text = format!(
                "invoice {} of {} was restated: {path}",
                key.number, key.date
            );
            self.ledger.raise("restated", &path, &text, &now)?;
        }
        for finding in &failed {
            let text = format!(
                "invoice {} of {}: check {} failed: {}",
                key.number, key.date, finding.check, finding.detail
            );
            let unique = format!("{path} {} {}", finding.check, finding.detail);
            self.ledger.raise("mismatch", &unique, &text, &now)?;
        }
        Ok(Taken::Stored {
            path,
            restated: revision > 1,
            failed,
        })
    }

    /// Looks for a file that was renamed into place by a run that was killed before it wrote the
    /// row: verified, it is adopted; otherwise it is set aside.
    pub fn adopt(
        &mut self,
        key: &InvoiceKey,
        format: Format,
        list: &Listed,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let path = self.names.path(key, format, 1);
        let full = self.archive.full(&path);
        let bytes = match std::fs::read(&full) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(Error::Archive { path: full, source }),
        };
        let read = document::read(&bytes, format, self.map, "USD");
        let good = read.ok().filter(|read| {
            read.parts.len() == 1 && read.parts[0].must_be(list, self.rules).is_ok()
        });
        let Some(read) = good else {
            tracing::warn!(path, "set aside: a file that is no document of its name");
            let aside = full.with_extension(format!("{}.aside", format.name()));
            std::fs::rename(&full, aside)
                .map_err(|source| Error::Archive { path: full, source })?;
            return Ok(false);
        };
        let part = read.parts[0].clone();
        self.take(key, &read, &part, &bytes, Some(list), origin)?;
        Ok(true)
    }

    /// The other machine-readable format of the same invoice, for cross-checks.
    fn other_format(&self, key: &InvoiceKey, format: Format) -> Result<Option<Part>, Error> {
        let other = match format {
            Format::Csv => Format::Xml,
            Format::Xml => Format::Csv,
            Format::Pdf => return Ok(None),
        };
        let listings = self.ledger.by_number(&key.number)?;
        let Some(invoice) = listings
            .iter()
            .find(|l| l.profile == key.profile && l.account == key.account && l.date == key.date)
        else {
            return Ok(None);
        };
        let document = self.ledger.document(invoice.id, other)?;
        let path = document
            .filter(|d| d.state == "stored")
            .and_then(|d| d.path);
        let Some(bytes) = path.and_then(|path| std::fs::read(self.archive.full(&path)).ok()) else {
            return Ok(None);
        };
        // A stored file that no longer reads is fsck's to report.
        let read = document::read(&bytes, other, self.map, &invoice.currency).ok();
        Ok(read.and_then(|read| {
            read.parts
                .into_iter()
                .find(|p| p.number.as_deref().is_none_or(|n| n == key.number))
        }))
    }

    fn is_intact(&self, document: &Document) -> Result<bool, Error> {
        let Some(path) = &document.path else {
            return Ok(false);
        };
        let found = self.archive.sha256(path).map_err(|source| Error::Archive {
            path: self.archive.full(path),
            source,
        })?;
        Ok(found.is_some() && found == document.sha256)
    }
}

/// Key of a part: from itself, else from a file name of Billing Center.
pub fn key_of(
    part: &Part,
    name: &str,
    profile_of: impl Fn(&str) -> String,
) -> Result<InvoiceKey, DocumentError> {
    let named = document::facts_of_name(name);
    let number = part
        .number
        .clone()
        .or_else(|| named.as_ref().map(|(number, _)| number.clone()));
    let date: Option<Date> = part.date.or(named.map(|(_, date)| date));
    match (number.filter(|number| !number.is_empty()), date) {
        (Some(number), Some(date)) => {
            let account = part.account.clone().unwrap_or_default();
            let bare = account.trim_start_matches('0');
            Ok(InvoiceKey::new(&profile_of(bare), &account, &number, date))
        }
        _ => Err(DocumentError::NotAsked(
            "neither the file nor its name tells number and date (Invoice_<number>_<MMDDYY>)"
                .to_owned(),
        )),
    }
}
