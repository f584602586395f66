//! Invoices and their documents: noted, stored, refused, gone.

use std::collections::BTreeSet;

use jiff::civil::Date;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::records::{Document, Format, InvoiceFacts, InvoiceKey, NewDocument};
use super::{Ledger, LedgerError, doing};

impl Ledger {
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
    use crate::ledger::NewCharge;
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
}
