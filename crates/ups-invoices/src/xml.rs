//! The XML form of an invoice, read through a mapping.
//!
//! No schema of it is at hand, so nothing about its root, namespaces or header is fixed here: a
//! profile's `[xml.map]` names each field by the tail of its element path, by local names.
//! A reader of hostile input: limits on size, depth and count, no document type, no entities but
//! the five of XML itself, and nothing is ever loaded from outside.

use std::collections::BTreeMap;

use jiff::civil::Date;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::csv250::row::decode;
use crate::day::{self, DateOrder};
use crate::money::{self, DecimalSign};

/// Largest document; the CSV of the largest known invoice is 50 MB, its XML about three times.
const LARGEST: usize = 256 << 20;
/// Deepest nesting; the known paths are 7 deep.
const DEEPEST: usize = 64;
/// Longest text of one element.
const LONGEST_TEXT: usize = 64 << 10;

/// Why an XML file is refused.
#[derive(Debug, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed, or not XML.
    #[error("byte {at}: not well-formed: {reason}")]
    Malformed {
        /// Offset in the file.
        at: u64,
        /// What the parser said.
        reason: String,
    },
    /// The end is missing.
    #[error("cut off: {open} elements are still open at the end")]
    Cut {
        /// How many.
        open: usize,
    },
    /// Something that only hostile files have.
    #[error("byte {at}: refused: {what}")]
    Hostile {
        /// Offset in the file.
        at: u64,
        /// What it is.
        what: &'static str,
    },
    /// A value that cannot be what its field holds.
    #[error("byte {at}, {field}: `{value}`: {reason}")]
    Value {
        /// Offset in the file.
        at: u64,
        /// Field of the mapping.
        field: &'static str,
        /// The value, escaped.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// None of the mapped charge elements occurs.
    #[error("no element ends in `{0}`: another kind of document, or the mapping is out of date")]
    NoCharges(String),
}

/// Which element holds which field: each value is the tail of a path, as `Shipment/LeadShipmentNumber`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlMap {
    tails: BTreeMap<Field, Vec<String>>,
}

/// Fields a mapping can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Charge,
    Net,
    Tracking,
    Class,
    Detail,
    Description,
    Account,
    Number,
    Date,
    Currency,
    Amount,
}

const FIELDS: [(&str, Field); 11] = [
    ("charge", Field::Charge),
    ("net", Field::Net),
    ("tracking", Field::Tracking),
    ("class", Field::Class),
    ("detail", Field::Detail),
    ("description", Field::Description),
    ("account", Field::Account),
    ("number", Field::Number),
    ("date", Field::Date),
    ("currency", Field::Currency),
    ("amount", Field::Amount),
];

impl XmlMap {
    /// Builds a mapping from field names and path tails; the error names the bad entry.
    pub fn new<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut tails = BTreeMap::new();
        for (name, tail) in entries {
            let known = FIELDS.iter().find(|(known, _)| *known == name);
            let Some((_, field)) = known else {
                let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                return Err(format!("no field `{name}`; there are {}", names.join(", ")));
            };
            let parts: Vec<String> = tail.split('/').map(str::to_owned).collect();
            if parts.iter().any(String::is_empty) {
                return Err(format!(
                    "`{tail}` is no path tail such as Shipment/LeadShipmentNumber"
                ));
            }
            tails.insert(*field, parts);
        }
        for (needed, name) in [(Field::Charge, "charge"), (Field::Net, "net")] {
            if !tails.contains_key(&needed) {
                return Err(format!("`{name}` is missing"));
            }
        }
        Ok(Self { tails })
    }

    /// The paths that one public reader of such files uses. No header is known.
    #[must_use]
    pub fn known_paths() -> Self {
        let entries = [
            (Field::Charge, "ChargeDetails/Charge"),
            (Field::Net, "ChargeInformation/NetAmount"),
            (Field::Description, "ChargeInformation/DescriptionOfCharges"),
            (Field::Detail, "TransactionDetails/ChargeCategoryDetailCode"),
            (Field::Tracking, "Shipment/LeadShipmentNumber"),
        ];
        let split = |tail: &str| tail.split('/').map(str::to_owned).collect();
        Self {
            tails: entries
                .into_iter()
                .map(|(field, tail)| (field, split(tail)))
                .collect(),
        }
    }

    fn field_of(&self, stack: &[String]) -> Option<Field> {
        self.tails
            .iter()
            .find(|(_, tail)| stack.ends_with(tail))
            .map(|(field, _)| *field)
    }
}

/// A charge of the XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlCharge {
    /// Lead shipment number.
    pub tracking: String,
    /// Classification, where mapped.
    pub class: String,
    /// Category detail.
    pub detail: String,
    /// Words.
    pub description: String,
    /// Net in minor units.
    pub net: i64,
}

/// An invoice as its XML tells it; a header value is `None` where the mapping names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XmlInvoice {
    /// Shipper number.
    pub account: Option<String>,
    /// Invoice number.
    pub number: Option<String>,
    /// Its date.
    pub date: Option<Date>,
    /// Its currency.
    pub currency: Option<String>,
    /// Its amount, minor units.
    pub amount: Option<i64>,
    /// Sum of net over all charges, minor units.
    pub net: i64,
    /// All charges in order.
    pub charges: Vec<XmlCharge>,
}

/// Reads an invoice. `currency` decides the digits where the XML itself names none.
pub fn read(bytes: &[u8], map: &XmlMap, currency: &str) -> Result<XmlInvoice, XmlError> {
    if bytes.len() > LARGEST {
        return Err(XmlError::Hostile {
            at: LARGEST as u64,
            what: "larger than 256 MiB",
        });
    }
    let text = decode(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut state = State::new(map, currency);
    loop {
        let at = reader.buffer_position();
        let malformed = |reason: String| XmlError::Malformed { at, reason };
        match reader
            .read_event()
            .map_err(|error| malformed(error.to_string()))?
        {
            Event::Start(start) => {
                let name = start.local_name();
                state.open(name.as_ref().to_owned(), at)?;
            }
            Event::End(_) => state.close(at)?,
            Event::Text(text) => state.text(&text, at)?,
            Event::CData(text) => state.text(&text, at)?,
            Event::GeneralRef(reference) => {
                let name = reference.to_string();
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => character,
                    _ => predefined(&name).ok_or(XmlError::Hostile {
                        at,
                        what: "an entity that XML does not define",
                    })?,
                };
                state.text(character.encode_utf8(&mut [0; 4]), at)?;
            }
            Event::DocType(_) => {
                return Err(XmlError::Hostile {
                    at,
                    what: "a document type declaration",
                });
            }
            Event::Eof => return state.finish(map),
            // Empty elements come as a start and an end.
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

struct State<'m> {
    map: &'m XmlMap,
    stack: Vec<String>,
    text: String,
    /// Values now in force and the depth of the element whose end drops them.
    values: BTreeMap<Field, (String, usize)>,
    /// Depth of the charge element that is open.
    charge: Option<usize>,
    currency: String,
    header_amount: Option<(String, u64)>,
    nets: Vec<(String, u64)>,
    invoice: XmlInvoice,
}

impl<'m> State<'m> {
    fn new(map: &'m XmlMap, currency: &str) -> Self {
        Self {
            map,
            stack: Vec::new(),
            text: String::new(),
            values: BTreeMap::new(),
            charge: None,
            currency: currency.to_owned(),
            header_amount: None,
            nets: Vec::new(),
            invoice: XmlInvoice::default(),
        }
    }

    fn open(&mut self, name: String, at: u64) -> Result<(), XmlError> {
        if self.stack.len() == DEEPEST {
            return Err(XmlError::Hostile {
                at,
                what: "nested deeper than 64 elements",
            });
        }
        self.stack.push(name);
        self.text.clear();
        if self.map.field_of(&self.stack) == Some(Field::Charge) {
            self.charge = Some(self.stack.len());
        }
        Ok(())
    }

    fn text(&mut self, text: &str, at: u64) -> Result<(), XmlError> {
        if self.text.len() + text.len() > LONGEST_TEXT {
            return Err(XmlError::Hostile {
                at,
                what: "an element with more than 64 KiB of text",
            });
        }
        self.text.push_str(text);
        Ok(())
    }

    fn close(&mut self, at: u64) -> Result<(), XmlError> {
        let depth = self.stack.len();
        if let Some(field) = self.map.field_of(&self.stack) {
            let value = self.text.trim().to_owned();
            match field {
                Field::Charge => self.charge_ends(at),
                Field::Account => self.invoice.account = Some(value),
                Field::Number => self.invoice.number = Some(value),
                Field::Currency => self
                    .currency
                    .clone_from(self.invoice.currency.insert(value)),
                Field::Amount => self.header_amount = Some((value, at)),
                Field::Date => {
                    let date =
                        day::parse(value.get(..10).unwrap_or(&value).as_bytes(), DateOrder::Iso);
                    let reason = "not an ISO date";
                    self.invoice.date =
                        Some(date.ok_or_else(|| value_error(at, "date", &value, reason))?);
                }
                _ => {
                    // Inside a charge a value holds until the charge ends, else until its parent
                    // does: a shipment's number is that of all its packages' charges.
                    let until = self
                        .charge
                        .filter(|&charge| charge < depth)
                        .unwrap_or(depth - 1);
                    self.values.insert(field, (value, until));
                }
            }
        }
        self.values.retain(|_, (_, until)| *until != depth);
        self.stack.pop();
        self.text.clear();
        Ok(())
    }

    fn charge_ends(&mut self, at: u64) {
        self.charge = None;
        let value = |field| {
            self.values
                .get(&field)
                .map(|(v, _)| v.clone())
                .unwrap_or_default()
        };
        self.nets.push((value(Field::Net), at));
        self.invoice.charges.push(XmlCharge {
            tracking: value(Field::Tracking),
            class: value(Field::Class),
            detail: value(Field::Detail),
            description: value(Field::Description),
            net: 0,
        });
    }

    /// Amounts are read last: the currency may stand after them.
    fn finish(mut self, map: &XmlMap) -> Result<XmlInvoice, XmlError> {
        if !self.stack.is_empty() {
            return Err(XmlError::Cut {
                open: self.stack.len(),
            });
        }
        if self.nets.is_empty() {
            return Err(XmlError::NoCharges(map.tails[&Field::Charge].join("/")));
        }
        let exponent = money::exponent(&self.currency);
        let amount = |text: &str, at, field| {
            if text.is_empty() {
                return Ok(0);
            }
            money::parse(text.as_bytes(), exponent, DecimalSign::Point)
                .map_err(|error| value_error(at, field, text, &error.to_string()))
        };
        for (charge, (text, at)) in self.invoice.charges.iter_mut().zip(&self.nets) {
            charge.net = amount(text, *at, "net")?;
            self.invoice.net = self
                .invoice
                .net
                .checked_add(charge.net)
                .ok_or_else(|| value_error(*at, "net", text, "too large for the sum"))?;
        }
        if let Some((text, at)) = &self.header_amount {
            self.invoice.amount = Some(amount(text, *at, "amount")?);
        }
        Ok(self.invoice)
    }
}

fn value_error(at: u64, field: &'static str, value: &str, reason: &str) -> XmlError {
    let value = value
        .chars()
        .take(60)
        .flat_map(char::escape_debug)
        .collect();
    XmlError::Value {
        at,
        field,
        value,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;
    use ups_testportal::invoice::{Recipe, make};
    use ups_testportal::variant;

    fn full_map() -> XmlMap {
        XmlMap::new([
            ("charge", "ChargeDetails/Charge"),
            ("net", "ChargeInformation/NetAmount"),
            ("class", "ChargeInformation/ClassificationCode"),
            ("tracking", "Shipment/LeadShipmentNumber"),
            ("detail", "TransactionDetails/ChargeCategoryDetailCode"),
            ("description", "ChargeInformation/DescriptionOfCharges"),
            ("number", "InvoiceDetails/InvoiceNumber"),
            ("account", "InvoiceDetails/AccountNumber"),
            ("date", "InvoiceDetails/InvoiceDate"),
            ("currency", "InvoiceDetails/InvoiceCurrency"),
            ("amount", "InvoiceDetails/InvoiceAmount"),
        ])
        .unwrap()
    }

    #[test]
    fn the_same_invoice_sums_as_its_rows_do() {
        for currency in ["USD", "JPY", "BHD"] {
            let invoice = make(&Recipe {
                seed: 11,
                account: "00A1".to_owned(),
                currency: currency.to_owned(),
                date: date(2026, 3, 7),
                shipments: 20,
            });
            let read = read(variant::xml(&invoice).as_bytes(), &full_map(), "USD").unwrap();
            assert_eq!(read.net, invoice.amount);
            assert_eq!(read.amount, Some(invoice.amount));
            assert_eq!(read.number.as_deref(), Some(invoice.number.as_str()));
            assert_eq!(read.date, Some(invoice.date));
            assert_eq!(read.charges.len(), invoice.rows.len());
            assert_eq!(read.charges[0].detail, "SRB", "padding is trimmed");
            assert!(read.charges[0].tracking.starts_with("1Z"));
        }
    }

    #[test]
    fn the_known_paths_alone_give_a_sum_but_no_header() {
        let text = "<r><TransactionDetails><Shipment><LeadShipmentNumber> 1Z </LeadShipmentNumber>\
            <Package><ChargeDetails><Charge><ChargeInformation><NetAmount>1.50</NetAmount>\
            <DescriptionOfCharges>A &amp; B</DescriptionOfCharges></ChargeInformation></Charge>\
            <Charge><ChargeInformation><NetAmount>-0.25</NetAmount></ChargeInformation></Charge>\
            </ChargeDetails></Package></Shipment></TransactionDetails></r>";
        let invoice = read(text.as_bytes(), &XmlMap::known_paths(), "USD").unwrap();
        assert_eq!((invoice.net, invoice.amount), (125, None));
        assert_eq!(invoice.charges[0].description, "A & B");
        assert_eq!(
            invoice.charges[1].description, "",
            "values end with their charge"
        );
        assert_eq!(
            invoice.charges[1].tracking, "1Z",
            "a shipment's number holds for its charges"
        );
    }

    #[test]
    fn hostile_and_broken_files_are_refused() {
        let map = XmlMap::known_paths();
        let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><r>&b;</r>";
        let deep = "<a>".repeat(70);
        for (text, words) in [
            (bomb, "document type"),
            ("<r>&undefined;</r>", "entity"),
            (deep.as_str(), "deeper than 64"),
            ("<r><a></r>", "not well-formed"),
            ("<r><ChargeDetails>", "cut off"),
            ("<r/>", "no element ends in `ChargeDetails/Charge`"),
            ("<html><body>Sign in</body></html>", "no element ends in"),
        ] {
            let error = read(text.as_bytes(), &map, "USD").unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn mappings_are_checked() {
        assert!(
            XmlMap::new([("net", "a/b")])
                .unwrap_err()
                .contains("`charge` is missing")
        );
        assert!(
            XmlMap::new([("nett", "a/b")])
                .unwrap_err()
                .contains("no field `nett`")
        );
        assert!(
            XmlMap::new([("charge", "a//b")])
                .unwrap_err()
                .contains("no path tail")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(text in "[<>a-cC/&;\"'! \\[\\]-]{0,200}") {
            let _ = read(text.as_bytes(), &XmlMap::known_paths(), "USD");
        }
    }
}
