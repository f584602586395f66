//! Writes an invoice in any variant of the billing data file, as XML, or as a small PDF.

use std::fmt::Write as _;

use crate::invoice::{Invoice, Row, decimal};

/// Which header a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// None, as UPS sends it.
    None,
    /// The first generation: 244 names, `Country` and `Place Holder 24..53`.
    Of244,
    /// 245 to 250 names of the present generation.
    Of(usize),
    /// With a 251st, `Place Holder 60`.
    Of251,
}

/// One way of writing the same rows.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent difference"
)]
pub struct Variant {
    /// `,` or `;`.
    pub delimiter: char,
    /// `,` as decimal sign and DD/MM/YYYY.
    pub european: bool,
    /// `DD-Mon-YY`, as a spreadsheet saves dates.
    pub spreadsheet_dates: bool,
    /// Line ends.
    pub newline: &'static str,
    /// Begin with a byte-order mark.
    pub mark: bool,
    /// The header.
    pub header: Header,
    /// Columns written per row when there is no header.
    pub columns: usize,
    /// Windows-1252 instead of UTF-8.
    pub cp1252: bool,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            delimiter: ',',
            european: false,
            spreadsheet_dates: false,
            newline: "\r\n",
            mark: false,
            header: Header::None,
            columns: 250,
            cp1252: false,
        }
    }
}

impl Variant {
    /// The file of one invoice.
    #[must_use]
    pub fn csv(&self, invoice: &Invoice) -> Vec<u8> {
        self.csv_of(&[invoice])
    }

    /// One file of several invoices.
    #[must_use]
    pub fn csv_of(&self, invoices: &[&Invoice]) -> Vec<u8> {
        let mut text = String::new();
        if self.mark {
            text.push('\u{feff}');
        }
        let columns = match self.header {
            Header::None => self.columns,
            Header::Of244 => 244,
            Header::Of(count) => count,
            Header::Of251 => 251,
        };
        if self.header != Header::None {
            for column in 0..columns {
                if column > 0 {
                    text.push(self.delimiter);
                }
                self.push(&mut text, &name(column, self.header));
            }
            text.push_str(self.newline);
        }
        for row in invoices.iter().flat_map(|invoice| &invoice.rows) {
            self.push_row(&mut text, row, columns);
        }
        if self.cp1252 {
            text.chars()
                .map(|c| u8::try_from(c).unwrap_or(b'?'))
                .collect()
        } else {
            text.into_bytes()
        }
    }

    /// Appends one row of `columns` fields.
    pub fn push_row(&self, text: &mut String, row: &Row, columns: usize) {
        let mut position = 0;
        for (column, value) in row {
            while position < *column {
                text.push(self.delimiter);
                position += 1;
            }
            let value = match kind(*column) {
                "amount" | "decimal" if self.european => value.replace('.', ","),
                "date" if self.spreadsheet_dates => spreadsheet_date(value),
                "date" if self.european => slashed_date(value),
                _ => value.clone(),
            };
            self.push(text, &value);
        }
        while position + 1 < columns {
            text.push(self.delimiter);
            position += 1;
        }
        text.push_str(self.newline);
    }

    fn push(&self, text: &mut String, value: &str) {
        if value.contains([self.delimiter, '"', '\n']) {
            text.push('"');
            text.push_str(&value.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(value);
        }
    }
}

/// The XML of an invoice: the few known element names, a root and header of our own.
#[must_use]
pub fn xml(invoice: &Invoice) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BillingData xmlns=\"urn:test:billing\">\n",
    );
    let _ = writeln!(
        text,
        "<InvoiceDetails><AccountNumber>{}</AccountNumber><InvoiceNumber>{}</InvoiceNumber><InvoiceDate>{}</InvoiceDate><InvoiceCurrency>{}</InvoiceCurrency><InvoiceAmount>{}</InvoiceAmount></InvoiceDetails>",
        invoice.account,
        invoice.number,
        invoice.date,
        invoice.currency,
        decimal(invoice.amount, invoice.exponent)
    );
    for row in &invoice.rows {
        let value = |column: usize| {
            row.iter()
                .find(|(c, _)| *c == column)
                .map_or("", |(_, v)| v)
        };
        let _ = writeln!(
            text,
            "<TransactionDetails><ChargeCategoryDetailCode>{:<4}</ChargeCategoryDetailCode><Shipment><LeadShipmentNumber>{}</LeadShipmentNumber><Package><ChargeDetails><Charge><ChargeInformation><ClassificationCode>{}</ClassificationCode><NetAmount>{}</NetAmount><DescriptionOfCharges>{}</DescriptionOfCharges></ChargeInformation></Charge></ChargeDetails></Package></Shipment></TransactionDetails>",
            value(35),
            value(13),
            value(43),
            value(52),
            value(45).replace('&', "&amp;")
        );
    }
    text.push_str("</BillingData>\n");
    text
}

/// A PDF of one empty page that names the invoice; enough for a file that must look like one.
#[must_use]
pub fn pdf(invoice: &Invoice) -> Vec<u8> {
    let mut text = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for object in [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>".to_owned(),
        format!("<</Title(Invoice {})>>", invoice.number),
    ] {
        offsets.push(text.len());
        let _ = writeln!(text, "{} 0 obj{object}endobj", offsets.len());
    }
    let start = text.len();
    let _ = write!(text, "xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1);
    for offset in &offsets {
        let _ = writeln!(text, "{offset:010} 00000 n ");
    }
    let _ = write!(
        text,
        "trailer<</Size {}/Root 1 0 R/Info 4 0 R>>\nstartxref\n{start}\n%%EOF\n",
        offsets.len() + 1
    );
    text.into_bytes()
}

/// Lines of the column table: number, name, older name, type.
fn table() -> &'static [[&'static str; 3]] {
    static TABLE: std::sync::LazyLock<Vec<[&'static str; 3]>> = std::sync::LazyLock::new(|| {
        include_str!("../../ups-invoices/data/columns.tsv")
            .lines()
            .skip(1)
            .map(|line| {
                let mut cells = line.split('\t').skip(1);
                std::array::from_fn(|_| cells.next().unwrap_or_default())
            })
            .collect()
    });
    &TABLE
}

fn kind(column: usize) -> &'static str {
    table().get(column).map_or("text", |cells| cells[2])
}

fn name(column: usize, header: Header) -> String {
    match table().get(column) {
        Some([_, older, _]) if header == Header::Of244 && !older.is_empty() => (*older).to_owned(),
        // Trailing blanks and another case, as the generations differ in them.
        Some([name, ..]) if header == Header::Of251 => format!("{} ", name.to_uppercase()),
        Some([name, ..]) => (*name).to_owned(),
        None => format!("Place Holder {}", column - 190),
    }
}

fn slashed_date(iso: &str) -> String {
    match iso.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => format!("{day}/{month}/{year}"),
        _ => iso.to_owned(),
    }
}

fn spreadsheet_date(iso: &str) -> String {
    const NAMES: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    match iso.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => {
            let month: usize = month.parse().unwrap_or(1);
            format!("{day}-{}-{}", NAMES[month - 1], &year[2..])
        }
        _ => iso.to_owned(),
    }
}
