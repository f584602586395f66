//! Questions asked of the ledger by `list`, `show`, `track`, `report`, `export` and the alerts.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::params;

use super::{Format, Ledger, LedgerError};

/// An invoice and the state of its documents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Listing {
    /// Ledger id.
    pub id: i64,
    /// Profile it came through.
    pub profile: String,
    /// Shipper number.
    pub account: String,
    /// Invoice number.
    pub number: String,
    /// Its date.
    pub date: Date,
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
    /// Day on which the list no longer had it.
    pub gone: Option<Date>,
    /// Newest state of each format known.
    pub states: BTreeMap<Format, String>,
}

impl Listing {
    /// The amount to show: of the documents, else of the list.
    #[must_use]
    pub fn best_amount(&self) -> Option<i64> {
        self.amount.or(self.listed)
    }

    /// The amount as text, `?` where none is known.
    #[must_use]
    pub fn shown_amount(&self) -> String {
        self.best_amount().map_or("?".to_owned(), |minor| {
            crate::money::show(minor, self.exponent)
        })
    }
}

/// A charge of the document that counts, with its invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedCharge {
    /// Id of its invoice.
    pub invoice: i64,
    /// Category: SHP, RTN, ADJ, MIS.
    pub category: String,
    /// Category detail.
    pub detail: String,
    /// Classification.
    pub class: String,
    /// Charge code.
    pub code: String,
    /// Words.
    pub description: String,
    /// Words of the shipment's freight charge.
    pub service: String,
    /// Tracking number.
    pub tracking: String,
    /// Zone.
    pub zone: String,
    /// Billed weight as written.
    pub weight: String,
    /// Transaction date.
    pub shipped: Option<Date>,
    /// ISO 4217 code of its amounts.
    pub currency: String,
    /// Digits after its decimal sign.
    pub exponent: u8,
    /// Minor units.
    pub net: i64,
    /// Minor units.
    pub incentive: i64,
}

/// A charge found by its tracking number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Shipment {
    /// Invoice number.
    pub invoice: String,
    /// Invoice date.
    pub date: Date,
    /// Tracking number.
    pub tracking: String,
    /// Category.
    pub category: String,
    /// Classification.
    pub class: String,
    /// Charge code.
    pub code: String,
    /// Words.
    pub description: String,
    /// Minor units.
    pub net: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// Digits after its decimal sign.
    pub exponent: u8,
}

/// Spend of an account in a week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeekSpend {
    /// Shipper number.
    pub account: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Digits after its decimal sign.
    pub exponent: u8,
    /// Invoice date.
    pub date: Date,
    /// Minor units.
    pub minor: i64,
}

impl Ledger {
    /// Invoices from `since` until `until`, oldest first.
    pub fn listings(
        &self,
        since: Option<Date>,
        until: Option<Date>,
    ) -> Result<Vec<Listing>, LedgerError> {
        let mut states: BTreeMap<i64, BTreeMap<Format, String>> = BTreeMap::new();
        for document in self.documents(None)? {
            // Revisions come in order, so the newest one stays.
            states
                .entry(document.invoice)
                .or_default()
                .insert(document.format, document.state);
        }
        let sql = "select id, profile, account, number, date, currency, exponent, list_minor,
                   amount_minor, due, gone from invoice
                   where (?1 is null or date >= ?1) and (?2 is null or date <= ?2)
                   order by date, number, account";
        let text = |day: Option<Date>| day.map(|day| day.to_string());
        self.rows(
            sql,
            params![text(since), text(until)],
            |row| {
                let id = row.get(0)?;
                Ok(Listing {
                    id,
                    profile: row.get(1)?,
                    account: row.get(2)?,
                    number: row.get(3)?,
                    date: day(row, 4)?.unwrap_or_default(),
                    currency: row.get(5)?,
                    exponent: row.get(6)?,
                    listed: row.get(7)?,
                    amount: row.get(8)?,
                    due: day(row, 9)?,
                    gone: day(row, 10)?,
                    states: states.remove(&id).unwrap_or_default(),
                })
            },
            "list invoices",
        )
    }

    /// Invoices of a number; leading zeros may be left out if that is unambiguous.
    pub fn by_number(&self, number: &str) -> Result<Vec<Listing>, LedgerError> {
        let all = self.listings(None, None)?;
        let exact: Vec<Listing> = all.iter().filter(|l| l.number == number).cloned().collect();
        if !exact.is_empty() {
            return Ok(exact);
        }
        let bare = number.trim_start_matches('0');
        Ok(all
            .into_iter()
            .filter(|l| l.number.trim_start_matches('0') == bare)
            .collect())
    }

    /// All charges that count, in the order of invoices and rows.
    pub fn booked_charges(&self, invoice: Option<i64>) -> Result<Vec<BookedCharge>, LedgerError> {
        let sql = "select b.invoice, c.category, c.detail, c.class, c.code, c.description,
                   c.service, c.tracking, c.zone, c.weight, c.shipped, c.net_minor,
                   c.incentive_minor,
                   case c.currency when '' then i.currency else c.currency end,
                   case c.currency when '' then i.exponent else c.exponent end
                   from booked b join charge c on c.document = b.id
                   join invoice i on i.id = b.invoice
                   where ?1 is null or b.invoice = ?1 order by b.invoice, c.row";
        self.rows(
            sql,
            params![invoice],
            |row| {
                Ok(BookedCharge {
                    invoice: row.get(0)?,
                    category: row.get(1)?,
                    detail: row.get(2)?,
                    class: row.get(3)?,
                    code: row.get(4)?,
                    description: row.get(5)?,
                    service: row.get(6)?,
                    tracking: row.get(7)?,
                    zone: row.get(8)?,
                    weight: row.get(9)?,
                    shipped: day(row, 10)?,
                    net: row.get(11)?,
                    incentive: row.get(12)?,
                    currency: row.get(13)?,
                    exponent: row.get(14)?,
                })
            },
            "read charges",
        )
    }

    /// What a tracking number was billed, and when.
    pub fn shipments(&self, tracking: &str) -> Result<Vec<Shipment>, LedgerError> {
        let sql = format!("{SHIPMENT} where c.tracking = ?1 order by i.date, i.number, c.row");
        self.rows(
            &sql,
            params![tracking],
            shipment,
            "look up a tracking number",
        )
    }

    /// Charges that stand on two invoices: same tracking number, class, code and positive net,
    /// and no equal negative one. INF rows carry no charge and are left out.
    pub fn duplicates(&self) -> Result<Vec<Shipment>, LedgerError> {
        let sql = format!(
            "with positive as (
                 select c.tracking, c.class, c.code, c.net_minor, c.currency,
                 count(distinct b.invoice) as times
                 from charge c join booked b on b.id = c.document
                 where c.tracking <> '' and c.class <> 'INF' and c.net_minor > 0
                 group by c.tracking, c.class, c.code, c.net_minor, c.currency having times > 1),
             wrong as (
                 select * from positive p where not exists (
                     select 1 from charge n join booked nb on nb.id = n.document
                     where n.tracking = p.tracking and n.class = p.class and n.code = p.code
                     and n.net_minor = -p.net_minor and n.currency = p.currency))
             {SHIPMENT} join wrong w on w.tracking = c.tracking and w.class = c.class
                 and w.code = c.code and w.net_minor = c.net_minor and w.currency = c.currency
             order by c.tracking, c.class, c.code, i.date, i.number"
        );
        self.rows(&sql, [], shipment, "look for duplicates")
    }

    /// Adjustments that want a look: address and charge corrections, residential adjustments.
    pub fn adjustments(&self) -> Result<Vec<Shipment>, LedgerError> {
        let sql = format!(
            "{SHIPMENT} where c.detail in ('ADC', 'SCC', 'RADJ') and c.net_minor > 0
             order by i.date, i.number, c.row"
        );
        self.rows(&sql, [], shipment, "look for adjustments")
    }

    /// Amounts by invoice date, for weekly sums.
    pub fn spends(&self) -> Result<Vec<WeekSpend>, LedgerError> {
        let sql = "select account, currency, exponent, date, coalesce(amount_minor, list_minor)
                   from invoice where coalesce(amount_minor, list_minor) is not null
                   order by account, currency, date";
        self.rows(
            sql,
            [],
            |row| {
                Ok(WeekSpend {
                    account: row.get(0)?,
                    currency: row.get(1)?,
                    exponent: row.get(2)?,
                    date: day(row, 3)?.unwrap_or_default(),
                    minor: row.get(4)?,
                })
            },
            "sum up weeks",
        )
    }
}

const SHIPMENT: &str = "select i.number, i.date, c.tracking, c.category, c.class, c.code,
    c.description, c.net_minor,
    case c.currency when '' then i.currency else c.currency end,
    case c.currency when '' then i.exponent else c.exponent end
    from charge c join booked b on b.id = c.document join invoice i on i.id = b.invoice";

fn shipment(row: &rusqlite::Row<'_>) -> rusqlite::Result<Shipment> {
    Ok(Shipment {
        invoice: row.get(0)?,
        date: day(row, 1)?.unwrap_or_default(),
        tracking: row.get(2)?,
        category: row.get(3)?,
        class: row.get(4)?,
        code: row.get(5)?,
        description: row.get(6)?,
        net: row.get(7)?,
        currency: row.get(8)?,
        exponent: row.get(9)?,
    })
}

fn day(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<Date>> {
    let text: Option<String> = row.get(index)?;
    text.map(|text| {
        text.parse().map_err(|error: jiff::Error| {
            rusqlite::Error::FromSqlConversionFailure(
                index,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    })
    .transpose()
}
