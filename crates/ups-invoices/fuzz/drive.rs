//! What each fuzz target does with its bytes. The corpora run through the same functions as an
//! ordinary test, so this file belongs to both.

use ups_invoices::csv250::{self, canonical};
use ups_invoices::mech::document::Document;
use ups_invoices::mech::form::{Form, FormBy};
use ups_invoices::net::Method;
use ups_invoices::totals::Totals;
use ups_invoices::xml::{self, XmlMap};
use url::Url;

/// Nets beyond this could reach the edge of 64 bits in some order of adding and not in another.
const SMALL: u64 = 1 << 50;

/// A billing data file is read or refused, with one worker as with three. Where it is read, the
/// short way of adding up comes to the same, and so does its canonical form.
pub(crate) fn csv(data: &[u8]) {
    let one = csv250::scan(data, 1);
    let three = csv250::scan(data, 3);
    assert_eq!(one.is_ok(), three.is_ok());
    let (Ok(one), Ok(three)) = (one, three) else {
        return;
    };
    assert_eq!(one.sums.invoices, three.sums.invoices);
    let invoices = &one.sums.invoices;
    if invoices
        .iter()
        .any(|invoice| invoice.net.unsigned_abs() > SMALL)
    {
        return;
    }
    let mut totals = Totals::default();
    // Totals want Net Amount in every row, where a check takes a missing one for zero.
    if totals.read(data, 1).is_ok() {
        let by_code: i64 = totals.codes().iter().map(|code| code.sum.minor).sum();
        let by_invoice: i64 = invoices.iter().map(|invoice| invoice.net).sum();
        assert_eq!(by_code, by_invoice);
    }
    let text = canonical::text(data).expect("what scans has a canonical form");
    if let Ok(again) = csv250::scan(text.as_bytes(), 1) {
        assert_eq!(again.sums.rows, one.sums.rows);
        for (a, b) in again.sums.invoices.iter().zip(invoices) {
            assert_eq!((a.net, a.amount, a.date), (b.net, b.amount, b.date));
        }
    }
}

/// An XML invoice is read or refused; its net is that of its charges.
pub(crate) fn xml(data: &[u8]) {
    let full = XmlMap::new([
        ("charge", "ChargeDetails/Charge"),
        ("net", "ChargeInformation/NetAmount"),
        ("tracking", "Shipment/LeadShipmentNumber"),
        ("number", "InvoiceDetails/InvoiceNumber"),
        ("date", "InvoiceDetails/InvoiceDate"),
        ("currency", "InvoiceDetails/InvoiceCurrency"),
        ("amount", "InvoiceDetails/InvoiceAmount"),
    ]);
    for map in [XmlMap::known_paths(), full.expect("a sound mapping")] {
        if let Ok(invoice) = xml::read(data, &map, "USD") {
            let net: i64 = invoice.charges.iter().map(|charge| charge.net).sum();
            assert_eq!(net, invoice.net);
        }
    }
}

/// A page is parsed, whatever it is; each of its forms is found by each of its fields, and what
/// it sends is either an address alone or an address and a body.
pub(crate) fn forms(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let page = Document::parse(&text);
    let _seen = (page.visible_text(), page.skeleton(), page.refresh());
    let url = Url::parse("https://www.portal.test/a/b?c=d").expect("a sound address");
    let names: Vec<&str> = page
        .elements()
        .filter_map(|element| element.value().attr("name"))
        .take(20)
        .collect();
    for name in names {
        let by = FormBy::HasField(name.to_owned());
        let Some(mut form) = Form::find(&page, &by, &url, encoding_rs::UTF_8) else {
            continue;
        };
        let _may_be_a_choice = form.fill(name, "x\ny");
        if let Ok(request) = form.submit(None) {
            assert_eq!(request.body.is_some(), request.method == Method::Post);
        }
    }
}
