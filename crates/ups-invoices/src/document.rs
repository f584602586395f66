//! Bytes that claim to be a document of an invoice: what they are, and whether they are whole.
//!
//! Fetched, ingested and adopted files all pass here. Takes bytes, touches no path.

use std::io::Read as _;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::civil::Date;

use crate::check::{self, Finding, Listed, Outcome, Rules};
use crate::csv250::{self, CsvError, InvoiceSum, canonical, columns::at, row::decode};
use crate::ledger::{Format, NewCharge};
use crate::xml::{self, XmlError, XmlInvoice, XmlMap};

/// Entries of a ZIP answer; the portal lists at most 100 invoices at once.
const MOST_ENTRIES: usize = 300;
/// Bytes of all entries together, unpacked.
const LARGEST_UNPACKED: u64 = 512 << 20;
/// Text packs about 1:20; nothing honest is packed tighter than this.
const TIGHTEST: u64 = 200;

/// Why bytes are no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The CSV is refused.
    #[error("CSV")]
    Csv(#[from] CsvError),
    /// The XML is refused.
    #[error("XML")]
    Xml(#[from] XmlError),
    /// Something else came in its place.
    #[error("{wanted} expected, but it is {found}")]
    Other {
        /// The format due.
        wanted: &'static str,
        /// What came.
        found: &'static str,
    },
    /// The PDF has no end.
    #[error("the PDF is cut off: it has no %%EOF")]
    PdfCut,
    /// A ZIP archive is refused as a whole.
    #[error("ZIP refused: {0}")]
    Zip(String),
    /// It is another invoice.
    #[error("not the invoice that was asked for: {0}")]
    NotAsked(String),
}

impl DocumentError {
    /// Whether the bytes broke off, so that trying again may help.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        matches!(
            self,
            Self::Csv(CsvError::Cut { .. }) | Self::Xml(XmlError::Cut { .. }) | Self::PdfCut
        )
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Csv(error) => error.hint(),
            _ => None,
        }
    }
}

/// What the first bytes say a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// One of the three formats.
    Like(Format),
    /// A ZIP archive.
    Zip,
    /// A web page.
    Page,
    /// JSON: an error message.
    Json,
    /// Nothing.
    Empty,
}

impl Looks {
    /// Looks at bytes.
    #[must_use]
    pub fn at(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let start = bytes.trim_ascii_start();
        let lower: Vec<u8> = start.iter().take(512).map(u8::to_ascii_lowercase).collect();
        let page = lower.starts_with(b"<!doctype html")
            || lower.starts_with(b"<html")
            || memchr::memmem::find(&lower, b"<html").is_some();
        match start {
            [] => Self::Empty,
            [b'P', b'K', ..] => Self::Zip,
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Like(Format::Pdf),
            [b'<', ..] if page => Self::Page,
            [b'<', ..] => Self::Like(Format::Xml),
            [b'{' | b'[', ..] => Self::Json,
            _ => Self::Like(Format::Csv),
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Like(Format::Csv) => "text",
            Self::Like(Format::Xml) => "XML",
            Self::Like(Format::Pdf) => "a PDF",
            Self::Zip => "a ZIP archive",
            Self::Page => "a web page",
            Self::Json => "JSON",
            Self::Empty => "nothing",
        }
    }
}

/// One invoice inside a document.
#[derive(Debug, Clone)]
pub struct Part {
    /// Shipper number, if the document says.
    pub account: Option<String>,
    /// Invoice number, if the document says.
    pub number: Option<String>,
    /// Date, if the document says.
    pub date: Option<Date>,
    /// Due date.
    pub due: Option<Date>,
    /// ISO 4217 code; empty if the document does not say.
    pub currency: String,
    /// Digits after its decimal sign.
    pub exponent: u8,
    /// Invoice amount, minor units.
    pub amount: Option<i64>,
    /// Sum of net, minor units.
    pub net: Option<i64>,
    /// Rows or charges.
    pub rows: u64,
    /// sha256 of the canonical form, else of the file.
    pub canonical: String,
    /// Variant in words.
    pub layout: String,
    /// All charges.
    pub charges: Vec<NewCharge>,
    /// Sums, where it is a CSV.
    pub csv: Option<InvoiceSum>,
    /// Values, where it is XML.
    pub xml: Option<XmlInvoice>,
    /// Verdict on the file's layout.
    pub layout_finding: Option<Finding>,
}

/// A whole document.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its format.
    pub format: Format,
    /// sha256 of its bytes.
    pub sha256: String,
    /// Its invoices: one, or several in a CSV.
    pub parts: Vec<Part>,
}

impl Part {
    /// All verdicts, with what the list says and the other format of the same invoice.
    #[must_use]
    pub fn judge(&self, other: Option<&Part>, list: Option<&Listed>, rules: Rules) -> Vec<Finding> {
        let csv = self
            .csv
            .as_ref()
            .or_else(|| other.and_then(|part| part.csv.as_ref()));
        let xml = self
            .xml
            .as_ref()
            .or_else(|| other.and_then(|part| part.xml.as_ref()));
        let mut findings = check::judge(csv, xml, list, rules);
        findings.extend(self.layout_finding.clone());
        findings
    }

    /// Refuses a document of another invoice than `list` names.
    pub fn must_be(&self, list: &Listed, rules: Rules) -> Result<(), DocumentError> {
        let findings = check::judge(self.csv.as_ref(), self.xml.as_ref(), Some(list), rules);
        let wrong = findings
            .into_iter()
            .find(|f| f.check == check::Check::Asked && f.outcome == Outcome::Failed);
        wrong.map_or(Ok(()), |finding| {
            Err(DocumentError::NotAsked(finding.detail))
        })
    }
}

/// Reads a document of a format, whole and typed.
pub fn read(
    bytes: &[u8],
    format: Format,
    map: &XmlMap,
    currency: &str,
) -> Result<Read, DocumentError> {
    let looks = Looks::at(bytes);
    // A CSV says itself by name what else it might be.
    if looks != Looks::Like(format) && format != Format::Csv || looks == Looks::Page {
        return Err(DocumentError::Other {
            wanted: format.name(),
            found: looks.words(),
        });
    }
    let sha256 = crate::hex(digest(&SHA256, bytes).as_ref());
    let parts = match format {
        Format::Csv => read_csv(bytes)?,
        Format::Xml => vec![read_xml(bytes, map, currency, &sha256)?],
        Format::Pdf => {
            let tail = &bytes[bytes.len().saturating_sub(1024)..];
            if memchr::memmem::find(tail, b"%%EOF").is_none() {
                return Err(DocumentError::PdfCut);
            }
            vec![pdf(&sha256)]
        }
    };
    Ok(Read {
        format,
        sha256,
        parts,
    })
}

/// Documents of one invoice each, cut from one of several: the bytes of each part, and what they
/// say by themselves.
///
/// `None` for a part whose rows alone do not say the same, as where the order of dates is only
/// told by those of another invoice.
#[must_use]
pub fn apart(bytes: &[u8], parts: &[Part], map: &XmlMap) -> Vec<Option<(Vec<u8>, Read)>> {
    let mut files = csv250::apart(bytes).unwrap_or_default();
    parts
        .iter()
        .map(|part| {
            let sum = part.csv.as_ref()?;
            let own = files.remove(&(sum.recipient.clone(), sum.number.clone()))?;
            let read = read(&own, Format::Csv, map, &sum.currency).ok()?;
            let same = read.parts.len() == 1 && read.parts[0].canonical == part.canonical;
            same.then_some((own, read))
        })
        .collect()
}

/// Unpacks a ZIP answer in memory; refused as a whole if anything about it is odd.
pub fn unzip(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, DocumentError> {
    let refused = |reason: String| DocumentError::Zip(reason);
    let mut archive =
        zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(|e| refused(e.to_string()))?;
    if archive.len() > MOST_ENTRIES {
        return Err(refused(format!(
            "{} entries, more than {MOST_ENTRIES}",
            archive.len()
        )));
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut total = 0;
    for index in 0..archive.len() {
        let entry = archive
            .by_index(index)
            .map_err(|error| refused(error.to_string()))?;
        if entry.is_dir() {
            continue;
        }
        let name = entry
            .name()
            .map_err(|error| refused(error.to_string()))?
            .into_owned();
        let shown = name.escape_debug();
        let traversal = name.starts_with(['/', '\\'])
            || name.contains(':')
            || name.split(['/', '\\']).any(|part| part == "..");
        if traversal || entry.is_symlink() {
            return Err(refused(format!("entry `{shown}` points outside")));
        }
        if files.iter().any(|(known, _)| *known == name) {
            return Err(refused(format!("entry `{shown}` occurs twice")));
        }
        let packed = entry.compressed_size().max(1);
        let limit = (LARGEST_UNPACKED - total).min(packed.saturating_mul(TIGHTEST) + 4096);
        let mut content = Vec::new();
        // The size in the header is the archive's own claim; what is read is what counts.
        entry
            .take(limit + 1)
            .read_to_end(&mut content)
            .map_err(|e| refused(e.to_string()))?;
        if content.len() as u64 > limit {
            return Err(refused(format!(
                "entry `{shown}` unpacks to far more than it should"
            )));
        }
        total += content.len() as u64;
        files.push((name, content));
    }
    Ok(files)
}

/// Invoice number and date from a name as Billing Center gives: `Invoice_<number>_<MMDDYY>.pdf`.
#[must_use]
pub fn facts_of_name(name: &str) -> Option<(String, Date)> {
    let stem = name.rsplit('/').next()?.rsplit_once('.')?.0;
    let rest = stem.strip_prefix("Invoice_")?;
    let (number, date) = rest.rsplit_once('_')?;
    if number.is_empty() || date.len() != 6 || !date.is_ascii() {
        return None;
    }
    let two = |at: usize| date[at..at + 2].parse::<i8>().ok();
    let date = Date::new(2000 + i16::from(two(4)?), two(0)?, two(2)?).ok()?;
    Some((number.to_owned(), date))
}

fn read_csv(bytes: &[u8]) -> Result<Vec<Part>, DocumentError> {
    let scan = csv250::scan(bytes, 1)?;
    let mut digests = canonical::digests(bytes)?;
    let layout_finding = check::layout(&scan.sums);
    let layout = scan.layout.describe();
    let mut parts: Vec<Part> = scan
        .sums
        .invoices
        .into_iter()
        .map(|sum| Part {
            account: Some(sum.account.clone()),
            number: Some(sum.number.clone()),
            date: sum.date,
            due: sum.due,
            currency: sum.currency.clone(),
            exponent: sum.exponent,
            amount: Some(sum.amount),
            net: Some(sum.net),
            rows: sum.rows,
            canonical: digests
                .remove(&(sum.recipient.clone(), sum.number.clone()))
                .unwrap_or_default(),
            layout: layout.clone(),
            charges: Vec::new(),
            csv: Some(sum),
            xml: None,
            layout_finding: Some(layout_finding.clone()),
        })
        .collect();
    csv250::each_row(bytes, |row| {
        let (recipient, number) = (row.string(at::RECIPIENT), row.string(at::INVOICE_NUMBER));
        let part = parts.iter_mut().find(|part| {
            part.csv
                .as_ref()
                .is_some_and(|s| s.number == number && s.recipient == recipient)
        });
        if let Some(part) = part {
            part.charges.push(NewCharge {
                tracking: row.string(at::TRACKING),
                category: row.string(at::CATEGORY),
                detail: row.string(at::CATEGORY_DETAIL),
                class: row.string(at::CLASS),
                code: row.string(at::CODE),
                description: row.string(at::DESCRIPTION),
                currency: decode(row.currency(at::NET)).into_owned(),
                exponent: row.exponent(at::NET),
                net: row.amount(at::NET)?,
                incentive: row.amount(at::INCENTIVE)?,
                zone: row.string(at::ZONE),
                weight: row.string(at::BILLED_WEIGHT),
                service: String::new(),
                shipped: row.date(at::TRANSACTION_DATE)?,
            });
        }
        Ok(())
    })?;
    for part in &mut parts {
        name_services(&mut part.charges);
    }
    Ok(parts)
}

/// Gives each charge the words of its shipment's freight charge: fuel for Ground is a cost of
/// Ground. Charges without a freight charge keep their own words.
fn name_services(charges: &mut [NewCharge]) {
    let mut services = std::collections::HashMap::new();
    for charge in charges
        .iter()
        .filter(|c| c.class == "FRT" || c.class == "INF")
    {
        services
            .entry(charge.tracking.clone())
            .or_insert_with(|| charge.description.clone());
    }
    for charge in charges {
        let service = services
            .get(&charge.tracking)
            .filter(|_| !charge.tracking.is_empty());
        charge.service = service.unwrap_or(&charge.description).clone();
    }
}

fn read_xml(
    bytes: &[u8],
    map: &XmlMap,
    currency: &str,
    sha256: &str,
) -> Result<Part, DocumentError> {
    let invoice = xml::read(bytes, map, currency)?;
    let mut charges: Vec<NewCharge> = invoice
        .charges
        .iter()
        .map(|charge| NewCharge {
            tracking: charge.tracking.clone(),
            detail: charge.detail.clone(),
            class: charge.class.clone(),
            description: charge.description.clone(),
            net: charge.net,
            ..NewCharge::default()
        })
        .collect();
    name_services(&mut charges);
    let known = invoice.currency.clone().unwrap_or_default();
    Ok(Part {
        account: invoice.account.clone(),
        number: invoice.number.clone(),
        date: invoice.date,
        due: None,
        exponent: crate::money::exponent(if known.is_empty() { currency } else { &known }),
        currency: known,
        amount: invoice.amount,
        net: Some(invoice.net),
        rows: invoice.charges.len() as u64,
        canonical: sha256.to_owned(),
        layout: "XML".to_owned(),
        charges,
        csv: None,
        xml: Some(invoice),
        layout_finding: None,
    })
}

fn pdf(sha256: &str) -> Part {
    Part {
        account: None,
        number: None,
        date: None,
        due: None,
        currency: String::new(),
        exponent: 2,
        amount: None,
        net: None,
        rows: 0,
        canonical: sha256.to_owned(),
        layout: "PDF".to_owned(),
        charges: Vec::new(),
        csv: None,
        xml: None,
        layout_finding: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::write::SimpleFileOptions;

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_zip_is_unpacked_or_refused_as_a_whole() {
        let good = unzip(&zipped(&[("a.csv", b"2.1,x"), ("d/b.csv", b"2.1,y")])).unwrap();
        assert_eq!(good.len(), 2);
        for name in ["../a.csv", "/etc/passwd", "x/../../y", "..\\a", "C:\\a"] {
            let error = unzip(&zipped(&[("ok.csv", b"1"), (name, b"2")]))
                .unwrap_err()
                .to_string();
            assert!(error.contains("points outside"), "{name}: {error}");
        }
    }

    #[test]
    fn a_zip_bomb_is_refused_before_it_fills_memory() {
        let bomb = zipped(&[("a.csv", &vec![b'0'; 64 << 20])]);
        assert!(bomb.len() < 100_000, "it is tight: {}", bomb.len());
        assert!(
            unzip(&bomb)
                .unwrap_err()
                .to_string()
                .contains("far more than it should")
        );
    }

    #[test]
    fn what_came_instead_is_named() {
        let map = XmlMap::known_paths();
        for (bytes, format, words) in [
            (
                &b"<!DOCTYPE html><html>"[..],
                Format::Csv,
                "csv expected, but it is a web page",
            ),
            (b"<html>", Format::Xml, "xml expected, but it is a web page"),
            (
                b"{\"error\":1}",
                Format::Pdf,
                "pdf expected, but it is JSON",
            ),
            (b"", Format::Pdf, "pdf expected, but it is nothing"),
            (b"%PDF-1.4 ...", Format::Pdf, "cut off"),
        ] {
            let error = read(bytes, format, &map, "USD").unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn names_of_billing_center_tell_number_and_date() {
        let date = jiff::civil::date(2026, 2, 14);
        assert_eq!(
            facts_of_name("x/Invoice_0000A1B2C3_021426.pdf"),
            Some(("0000A1B2C3".to_owned(), date))
        );
        for name in ["Invoice_1.pdf", "Invoice_1_991426.pdf", "other.pdf"] {
            assert_eq!(facts_of_name(name), None, "{name}");
        }
    }
}
