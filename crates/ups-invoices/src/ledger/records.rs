//! What the ledger holds: invoices, documents, charges, alerts.

use jiff::civil::Date;

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

    pub(super) fn of(name: &str) -> Self {
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
