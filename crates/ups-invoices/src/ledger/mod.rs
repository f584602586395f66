//! The ledger: every invoice, document, charge, alert and run, in one SQLite file.
//!
//! Write-ahead log, synchronous FULL: a row that says `stored` survives a power cut, and is only
//! written after its file did. All SQL of the tool is in this directory.

mod query;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

pub use query::{BookedCharge, Listing, Shipment, WeekSpend};

/// Formats of a document.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The billing data file.
    Csv,
    /// The XML.
    Xml,
    /// The document for people.
    Pdf,
}

impl Format {
    /// All of them, in the order they are fetched.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Xml, Self::Pdf];

    /// Name, file extension and ledger value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xml => "xml",
            Self::Pdf => "pdf",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "xml" => Self::Xml,
            "pdf" => Self::Pdf,
            _ => Self::Csv,
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "csv" => Ok(Self::Csv),
            "xml" => Ok(Self::Xml),
            "pdf" => Ok(Self::Pdf),
            other => Err(format!("`{other}` is no format: csv, xml or pdf")),
        }
    }
}

/// What makes an invoice itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvoiceKey {
    /// Name of the profile it came through; `files` for those ingested without one.
    pub profile: String,
    /// Shipper number without leading zeros.
    pub account: String,
    /// Invoice number.
    pub number: String,
    /// Its date.
    pub date: Date,
}

impl InvoiceKey {
    /// A key; the account loses its padding.
    #[must_use]
    pub fn new(profile: &str, account: &str, number: &str, date: Date) -> Self {
        let account = account.trim().trim_start_matches('0').to_owned();
        Self {
            profile: profile.to_owned(),
            account,
            number: number.trim().to_owned(),
            date,
        }
    }
}

/// What is known of an invoice besides its key.
#[derive(Debug, Clone, Default)]
pub struct InvoiceFacts {
    /// ISO 4217 code.
    pub currency: String,
    /// Digits after its decimal sign.
    pub exponent: u8,
    /// Amount of the list, minor units.
    pub listed: Option<i64>,
    /// Amount of the documents, minor units.
    pub amount: Option<i64>,
    /// Due date.
    pub due: Option<Date>,
}

/// A document as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Ledger id.
    pub id: i64,
    /// Id of its invoice.
    pub invoice: i64,
    /// Its format.
    pub format: Format,
    /// 1, or more where the invoice was restated.
    pub revision: u32,
    /// `listed`, `stored`, `refused` or `gone`.
    pub state: String,
    /// Why it was refused.
    pub reason: Option<String>,
    /// Path below the archive.
    pub path: Option<String>,
    /// Of the file.
    pub sha256: Option<String>,
    /// Of its canonical form.
    pub canonical: Option<String>,
}

/// A document to be written down, with its charges.
#[derive(Debug, Clone, Default)]
pub struct NewDocument {
    /// Path below the archive.
    pub path: String,
    /// Of the file.
    pub sha256: String,
    /// Of its canonical form.
    pub canonical: String,
    /// Bytes.
    pub size: u64,
    /// Data rows.
    pub rows: u64,
    /// Sum of net, minor units.
    pub net: Option<i64>,
    /// The file's variant in words.
    pub layout: String,
    /// Where it came from.
    pub url: String,
    /// sha256 of the server's leaf certificate.
    pub leaf: Option<String>,
    /// When.
    pub fetched: String,
    /// Its charges.
    pub charges: Vec<NewCharge>,
}

/// A charge to be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewCharge {
    /// Tracking number, blank on many adjustments.
    pub tracking: String,
    /// SHP, RTN, ADJ, MIS.
    pub category: String,
    /// ADC, SCC and the rest.
    pub detail: String,
    /// FRT, ACC, FSC and the rest.
    pub class: String,
    /// Charge code.
    pub code: String,
    /// Words.
    pub description: String,
    /// ISO 4217 code of its amounts; empty for that of the invoice.
    pub currency: String,
    /// Digits after its decimal sign, where it has a currency of its own.
    pub exponent: u8,
    /// Minor units.
    pub net: i64,
    /// Minor units, information only.
    pub incentive: i64,
    /// Zone.
    pub zone: String,
    /// Billed weight as written.
    pub weight: String,
    /// Words of the shipment's freight charge.
    pub service: String,
    /// Transaction date.
    pub shipped: Option<Date>,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Alert {
    /// Ledger id, for `--ack`.
    pub id: i64,
    /// What kind.
    pub kind: String,
    /// What it says.
    pub text: String,
    /// Since when.
    pub raised: String,
}

/// The ledger is unusable.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite said no.
    #[error("{doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// Written by a newer version.
    #[error("schema version {found} is newer than this program's {known}")]
    Newer {
        /// Version of the file.
        found: i64,
        /// Version of the program.
        known: i64,
    },
}

/// Migrations in order; the schema version is how many of them ran.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema2.sql")];

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
}

fn doing(what: &'static str) -> impl FnOnce(rusqlite::Error) -> LedgerError {
    move |source| LedgerError::Sqlite {
        doing: what,
        source,
    }
}

impl Ledger {
    /// Opens or creates the ledger at `path`.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let mut connection = Connection::open(path).map_err(doing("open the ledger"))?;
        connection
            .execute_batch(
                "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;
                 pragma busy_timeout = 10000;",
            )
            .map_err(doing("prepare the ledger"))?;
        migrate(&mut connection)?;
        Ok(Self { connection })
    }

    /// A ledger in memory, for tests and for `--dry-run`.
    pub fn in_memory() -> Result<Self, LedgerError> {
        let mut connection = Connection::open_in_memory().map_err(doing("open a ledger"))?;
        migrate(&mut connection)?;
        Ok(Self { connection })
    }

    /// Notes that an invoice exists and gives its id. Facts that are known are updated; unknown
    /// ones never erase known ones.
    pub fn note_invoice(
        &mut self,
        key: &InvoiceKey,
        facts: &InvoiceFacts,
        now: &str,
    ) -> Result<(i64, bool), LedgerError> {
        let transaction = self.connection.transaction().map_err(doing("begin"))?;
        let noted =
            note_invoice(&transaction, key, facts, now).map_err(doing("note an invoice"))?;
        transaction.commit().map_err(doing("note an invoice"))?;
        Ok(noted)
    }

    /// Id of an invoice, if it is known.
    pub fn find(&self, key: &InvoiceKey) -> Result<Option<i64>, LedgerError> {
        let sql = "select id from invoice
                   where profile = ?1 and account = ?2 and number = ?3 and date = ?4";
        self.connection
            .query_row(
                sql,
                params![key.profile, key.account, key.number, key.date.to_string()],
                |row| row.get(0),
            )
            .optional()
            .map_err(doing("look up an invoice"))
    }

    /// The newest revision of a document.
    pub fn document(&self, invoice: i64, format: Format) -> Result<Option<Document>, LedgerError> {
        let sql = "select id, invoice, format, revision, state, reason, path, sha256, canonical
                   from document where invoice = ?1 and format = ?2
                   order by revision desc limit 1";
        self.connection
            .query_row(sql, params![invoice, format.name()], document_of)
            .optional()
            .map_err(doing("look up a document"))
    }

    /// All documents of an invoice, or of all.
    pub fn documents(&self, invoice: Option<i64>) -> Result<Vec<Document>, LedgerError> {
        let sql = "select id, invoice, format, revision, state, reason, path, sha256, canonical
                   from document where ?1 is null or invoice = ?1
                   order by invoice, format, revision";
        self.rows(sql, params![invoice], document_of, "list documents")
    }

    /// Whether a path belongs to another invoice.
    pub fn path_taken(&self, path: &str, invoice: i64) -> Result<bool, LedgerError> {
        let sql = "select exists (select 1 from document where path = ?1 and invoice <> ?2)";
        self.connection
            .query_row(sql, params![path, invoice], |row| row.get(0))
            .map_err(doing("look up a path"))
    }

    /// Whether a file of this content is stored already.
    pub fn has_sha256(&self, sha256: &str) -> Result<bool, LedgerError> {
        let sql = "select exists (select 1 from document where sha256 = ?1 and state = 'stored')";
        self.connection
            .query_row(sql, params![sha256], |row| row.get(0))
            .map_err(doing("look up a digest"))
    }

    /// Notes that a document exists and is wanted.
    pub fn note_document(&mut self, invoice: i64, format: Format) -> Result<(), LedgerError> {
        let sql = "insert into document (invoice, format, state) values (?1, ?2, 'listed')
                   on conflict do nothing";
        self.connection
            .execute(sql, params![invoice, format.name()])
            .map(|_| ())
            .map_err(doing("note a document"))
    }

    /// Writes a stored document and its charges, in one transaction.
    pub fn store(
        &mut self,
        invoice: i64,
        format: Format,
        revision: u32,
        new: &NewDocument,
    ) -> Result<i64, LedgerError> {
        let transaction = self.connection.transaction().map_err(doing("begin"))?;
        let id = store(&transaction, invoice, format, revision, new)
            .map_err(doing("store a document"))?;
        transaction.commit().map_err(doing("store a document"))?;
        Ok(id)
    }

    /// Sets the state of the newest revision of a document.
    pub fn set_state(
        &mut self,
        invoice: i64,
        format: Format,
        state: &str,
        reason: Option<&str>,
    ) -> Result<(), LedgerError> {
        self.note_document(invoice, format)?;
        let sql = "update document set state = ?3, reason = ?4 where id = (
                   select id from document where invoice = ?1 and format = ?2
                   order by revision desc limit 1)";
        self.connection
            .execute(sql, params![invoice, format.name(), state, reason])
            .map(|_| ())
            .map_err(doing("mark a document"))
    }

    /// Marks the invoices of shipper numbers `accounts` that a complete list from `since` on no
    /// longer has. Returns those that left before all their documents were stored.
    ///
    /// Several users of a portal share a profile, and the list of one says nothing about the
    /// invoices of another.
    pub fn mark_gone(
        &mut self,
        profile: &str,
        accounts: &BTreeSet<String>,
        since: Date,
        seen: &[i64],
        today: Date,
    ) -> Result<Vec<String>, LedgerError> {
        let sql = "select id, account, number,
                   exists (select 1 from document where invoice = invoice.id and state = 'listed')
                   from invoice where profile = ?1 and date >= ?2 and gone is null";
        let rows: Vec<(i64, String, String, bool)> = self.rows(
            sql,
            params![profile, since.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
            "look for invoices that left",
        )?;
        let mut lost = Vec::new();
        for (id, account, number, unfetched) in rows {
            if seen.contains(&id) || !accounts.contains(&account) {
                continue;
            }
            let sql = "update invoice set gone = ?2 where id = ?1";
            self.connection
                .execute(sql, params![id, today.to_string()])
                .map_err(doing("mark an invoice"))?;
            let sql = "update document set state = 'gone' where invoice = ?1 and state = 'listed'";
            self.connection
                .execute(sql, params![id])
                .map_err(doing("mark an invoice"))?;
            if unfetched {
                lost.push(number);
            }
        }
        Ok(lost)
    }

    /// Raises an alert unless the same one was raised before; `true` if it is new.
    pub fn raise(
        &mut self,
        kind: &str,
        key: &str,
        text: &str,
        now: &str,
    ) -> Result<bool, LedgerError> {
        let sql = "insert into alert (kind, key, text, raised) values (?1, ?2, ?3, ?4)
                   on conflict do nothing";
        let added = self
            .connection
            .execute(sql, params![kind, key, text, now])
            .map_err(doing("raise an alert"))?;
        Ok(added == 1)
    }

    /// Alerts that nobody acknowledged; with `unnotified`, only those not yet sent.
    pub fn alerts(&self, unnotified: bool) -> Result<Vec<Alert>, LedgerError> {
        let sql = "select id, kind, text, raised from alert
                   where acknowledged is null and (not ?1 or notified is null) order by id";
        let alert = |row: &rusqlite::Row<'_>| {
            Ok(Alert {
                id: row.get(0)?,
                kind: row.get(1)?,
                text: row.get(2)?,
                raised: row.get(3)?,
            })
        };
        self.rows(sql, params![unnotified], alert, "list alerts")
    }

    /// Acknowledges an alert; `false` if there is none of that id open.
    pub fn acknowledge(&mut self, id: i64, now: &str) -> Result<bool, LedgerError> {
        let sql = "update alert set acknowledged = ?2 where id = ?1 and acknowledged is null";
        let changed = self
            .connection
            .execute(sql, params![id, now])
            .map_err(doing("acknowledge"))?;
        Ok(changed == 1)
    }

    /// Notes that alerts were sent.
    pub fn notified(&mut self, ids: &[i64], now: &str) -> Result<(), LedgerError> {
        for id in ids {
            self.connection
                .execute(
                    "update alert set notified = ?2 where id = ?1",
                    params![id, now],
                )
                .map_err(doing("note a notification"))?;
        }
        Ok(())
    }

    /// Notes the start of a run and gives its id.
    pub fn run_starts(&mut self, command: &str, now: &str) -> Result<i64, LedgerError> {
        self.connection
            .execute(
                "insert into run (command, started) values (?1, ?2)",
                params![command, now],
            )
            .map_err(doing("note a run"))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Notes its end.
    pub fn run_ends(
        &mut self,
        id: i64,
        exit: u8,
        requests: u64,
        logins: u64,
        now: &str,
    ) -> Result<(), LedgerError> {
        let sql = "update run set ended = ?2, exit = ?3, requests = ?4, logins = ?5 where id = ?1";
        let (requests, logins) = (requests.cast_signed(), logins.cast_signed());
        self.connection
            .execute(sql, params![id, now, exit, requests, logins])
            .map(|_| ())
            .map_err(doing("note a run"))
    }

    /// The last good page's skeleton of a step.
    pub fn skeleton(&self, profile: &str, step: &str) -> Result<Option<String>, LedgerError> {
        self.connection
            .query_row(
                "select text from skeleton where profile = ?1 and step = ?2",
                params![profile, step],
                |row| row.get(0),
            )
            .optional()
            .map_err(doing("look up a skeleton"))
    }

    /// Keeps the skeleton of a good page.
    pub fn keep_skeleton(
        &mut self,
        profile: &str,
        step: &str,
        text: &str,
        now: &str,
    ) -> Result<(), LedgerError> {
        let sql = "insert into skeleton values (?1, ?2, ?3, ?4) on conflict (profile, step)
                   do update set text = excluded.text, seen = excluded.seen
                   where text <> excluded.text";
        self.connection
            .execute(sql, params![profile, step, text, now])
            .map(|_| ())
            .map_err(doing("keep a skeleton"))
    }

    /// Notes who issued a host's certificate; gives who did before, if that was somebody else.
    pub fn note_issuer(
        &mut self,
        host: &str,
        issuer: &str,
        now: &str,
    ) -> Result<Option<String>, LedgerError> {
        let before: Option<String> = self
            .connection
            .query_row("select issuer from issuer where host = ?1", [host], |row| {
                row.get(0)
            })
            .optional()
            .map_err(doing("look up an issuer"))?;
        let sql = "insert into issuer values (?1, ?2, ?3) on conflict (host)
                   do update set issuer = excluded.issuer, seen = excluded.seen";
        self.connection
            .execute(sql, params![host, issuer, now])
            .map_err(doing("note an issuer"))?;
        Ok(before.filter(|before| before != issuer))
    }

    /// SQLite's own verdict on the file: `ok`, or what is wrong.
    pub fn integrity(&self) -> Result<String, LedgerError> {
        self.connection
            .query_row("pragma integrity_check", [], |row| row.get(0))
            .map_err(doing("check the ledger"))
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        map: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
        what: &'static str,
    ) -> Result<Vec<T>, LedgerError> {
        let mut statement = self.connection.prepare(sql).map_err(doing(what))?;
        let rows = statement.query_map(params, map).map_err(doing(what))?;
        rows.collect::<rusqlite::Result<Vec<T>>>()
            .map_err(doing(what))
    }
}

fn migrate(connection: &mut Connection) -> Result<(), LedgerError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection
        .query_row("pragma user_version", [], |row| row.get(0))
        .map_err(doing("read the ledger's version"))?;
    if found > known {
        return Err(LedgerError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(doing("begin"))?;
        transaction
            .execute_batch(sql)
            .map_err(doing("migrate the ledger"))?;
        transaction
            .pragma_update(
                None,
                "user_version",
                i64::try_from(index + 1).unwrap_or(i64::MAX),
            )
            .map_err(doing("migrate the ledger"))?;
        transaction.commit().map_err(doing("migrate the ledger"))?;
    }
    Ok(())
}

fn note_invoice(
    transaction: &Transaction<'_>,
    key: &InvoiceKey,
    facts: &InvoiceFacts,
    now: &str,
) -> rusqlite::Result<(i64, bool)> {
    let date = key.date.to_string();
    let known: Option<i64> = transaction
        .query_row(
            "select id from invoice
             where profile = ?1 and account = ?2 and number = ?3 and date = ?4",
            params![key.profile, key.account, key.number, date],
            |row| row.get(0),
        )
        .optional()?;
    let due = facts.due.map(|due| due.to_string());
    if let Some(id) = known {
        transaction.execute(
            "update invoice set last_seen = ?2, gone = null, list_minor = coalesce(?3, list_minor),
             amount_minor = coalesce(?4, amount_minor), due = coalesce(?5, due),
             currency = case when ?6 = '' then currency else ?6 end,
             exponent = case when ?6 = '' then exponent else ?7 end where id = ?1",
            params![
                id,
                now,
                facts.listed,
                facts.amount,
                due,
                facts.currency,
                facts.exponent
            ],
        )?;
        return Ok((id, false));
    }
    transaction.execute(
        "insert into invoice (profile, account, number, date, currency, exponent, list_minor,
         amount_minor, due, first_seen, last_seen)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)",
        params![
            key.profile,
            key.account,
            key.number,
            date,
            facts.currency,
            facts.exponent,
            facts.listed,
            facts.amount,
            due,
            now
        ],
    )?;
    Ok((transaction.last_insert_rowid(), true))
}

fn store(
    transaction: &Transaction<'_>,
    invoice: i64,
    format: Format,
    revision: u32,
    new: &NewDocument,
) -> rusqlite::Result<i64> {
    transaction.execute(
        "insert into document (invoice, format, revision, state) values (?1, ?2, ?3, 'listed')
         on conflict do nothing",
        params![invoice, format.name(), revision],
    )?;
    let id: i64 = transaction.query_row(
        "update document set state = 'stored', reason = null, path = ?4, sha256 = ?5,
         canonical = ?6, size = ?7, rows = ?8, net_minor = ?9, layout = ?10, url = ?11,
         leaf_sha256 = ?12, fetched = ?13
         where invoice = ?1 and format = ?2 and revision = ?3 returning id",
        params![
            invoice,
            format.name(),
            revision,
            new.path,
            new.sha256,
            new.canonical,
            new.size.cast_signed(),
            new.rows.cast_signed(),
            new.net,
            new.layout,
            new.url,
            new.leaf,
            new.fetched
        ],
        |row| row.get(0),
    )?;
    transaction.execute("delete from charge where document = ?1", params![id])?;
    let mut insert = transaction.prepare(
        "insert into charge values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
         ?15, ?16)",
    )?;
    for (row, charge) in new.charges.iter().enumerate() {
        insert.execute(params![
            id,
            i64::try_from(row + 1).unwrap_or(i64::MAX),
            charge.tracking,
            charge.category,
            charge.detail,
            charge.class,
            charge.code,
            charge.description,
            charge.net,
            charge.incentive,
            charge.zone,
            charge.weight,
            charge.service,
            charge.shipped.map(|day| day.to_string()),
            charge.currency,
            charge.exponent,
        ])?;
    }
    Ok(id)
}

fn document_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        id: row.get(0)?,
        invoice: row.get(1)?,
        format: Format::of(&row.get::<_, String>(2)?),
        revision: row.get(3)?,
        state: row.get(4)?,
        reason: row.get(5)?,
        path: row.get(6)?,
        sha256: row.get(7)?,
        canonical: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn key(number: &str) -> InvoiceKey {
        InvoiceKey::new("p", "000A1", number, date(2026, 2, 14))
    }

    #[test]
    fn facts_are_added_and_never_erased() {
        let mut ledger = Ledger::in_memory().unwrap();
        let facts = InvoiceFacts {
            currency: "EUR".into(),
            exponent: 2,
            listed: Some(5),
            ..InvoiceFacts::default()
        };
        let (id, new) = ledger.note_invoice(&key("1"), &facts, "t1").unwrap();
        assert!(new);
        let later = InvoiceFacts {
            amount: Some(5),
            ..InvoiceFacts::default()
        };
        assert_eq!(
            ledger.note_invoice(&key("1"), &later, "t2").unwrap(),
            (id, false)
        );
        let listing = &ledger.listings(None, None).unwrap()[0];
        assert_eq!(
            (listing.currency.as_str(), listing.listed, listing.amount),
            ("EUR", Some(5), Some(5))
        );
        assert_eq!(listing.account, "A1");
    }

    #[test]
    fn the_newest_stored_csv_is_the_one_that_counts() {
        let mut ledger = Ledger::in_memory().unwrap();
        let (id, _) = ledger
            .note_invoice(&key("1"), &InvoiceFacts::default(), "t")
            .unwrap();
        let with = |net| NewDocument {
            charges: vec![NewCharge {
                net,
                tracking: "1Z".into(),
                ..NewCharge::default()
            }],
            ..NewDocument::default()
        };
        ledger.store(id, Format::Xml, 1, &with(1)).unwrap();
        assert_eq!(ledger.shipments("1Z").unwrap()[0].net, 1);
        ledger.store(id, Format::Csv, 1, &with(2)).unwrap();
        assert_eq!(ledger.shipments("1Z").unwrap()[0].net, 2);
        ledger.store(id, Format::Csv, 2, &with(3)).unwrap();
        let found = ledger.shipments("1Z").unwrap();
        assert_eq!((found.len(), found[0].net), (1, 3));
    }

    #[test]
    fn alerts_are_raised_once_and_stay_acknowledged() {
        let mut ledger = Ledger::in_memory().unwrap();
        assert!(ledger.raise("due", "1", "text", "t").unwrap());
        assert!(!ledger.raise("due", "1", "text", "t").unwrap());
        let id = ledger.alerts(false).unwrap()[0].id;
        assert!(ledger.acknowledge(id, "t").unwrap());
        assert!(!ledger.acknowledge(id, "t").unwrap());
        assert!(ledger.alerts(false).unwrap().is_empty());
        assert!(!ledger.raise("due", "1", "text", "t").unwrap());
    }

    #[test]
    fn invoices_that_left_the_list_are_marked_and_unfetched_ones_told() {
        let mut ledger = Ledger::in_memory().unwrap();
        let (a, _) = ledger
            .note_invoice(&key("1"), &InvoiceFacts::default(), "t")
            .unwrap();
        let (b, _) = ledger
            .note_invoice(&key("2"), &InvoiceFacts::default(), "t")
            .unwrap();
        ledger.note_document(b, Format::Csv).unwrap();
        let (since, today) = (date(2026, 1, 1), date(2026, 3, 1));
        let others = BTreeSet::from(["B2".to_owned()]);
        let lost = ledger.mark_gone("p", &others, since, &[], today).unwrap();
        assert!(lost.is_empty(), "the list of another account says nothing");
        let ours = BTreeSet::from(["A1".to_owned()]);
        let lost = ledger.mark_gone("p", &ours, since, &[a], today).unwrap();
        assert_eq!(lost, ["2"]);
        assert_eq!(
            ledger.document(b, Format::Csv).unwrap().unwrap().state,
            "gone"
        );
        assert!(
            ledger
                .mark_gone("p", &ours, since, &[a], today)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_newer_ledger_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        drop(Ledger::open(&path).unwrap());
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            Ledger::open(&path),
            Err(LedgerError::Newer { found: 99, .. })
        ));
    }
}
