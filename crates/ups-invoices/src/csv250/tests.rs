//! Tests over whole files.

use jiff::civil::date;
use ups_testportal::invoice::{Invoice, Recipe, make};
use ups_testportal::variant::{Header, Variant};

use super::*;

fn invoice(seed: u64, currency: &str, shipments: usize) -> Invoice {
    make(&Recipe {
        seed,
        account: "0000A1B2C3".to_owned(),
        currency: currency.to_owned(),
        date: date(2026, 2, 14),
        shipments,
    })
}

fn scan_bytes(bytes: &[u8]) -> Result<Scan, CsvError> {
    scan(bytes, 2)
}

fn edited(bytes: Vec<u8>, line: usize, edit: impl Fn(&mut Vec<String>)) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut cells: Vec<String> = lines[line - 1].split(',').map(str::to_owned).collect();
    edit(&mut cells);
    lines[line - 1] = cells.join(",");
    lines.join("\n").into_bytes()
}

#[test]
fn every_variant_of_an_invoice_has_one_canonical_form() {
    let invoice = invoice(7, "EUR", 60);
    let base = Variant::default();
    let variants = [
        ("as UPS sends it", base.clone()),
        (
            "LF",
            Variant {
                newline: "\n",
                ..base.clone()
            },
        ),
        (
            "mark",
            Variant {
                mark: true,
                ..base.clone()
            },
        ),
        (
            "header of 244",
            Variant {
                header: Header::Of244,
                ..base.clone()
            },
        ),
        (
            "header of 245",
            Variant {
                header: Header::Of(245),
                ..base.clone()
            },
        ),
        (
            "header of 250",
            Variant {
                header: Header::Of(250),
                mark: true,
                ..base.clone()
            },
        ),
        (
            "header of 251",
            Variant {
                header: Header::Of251,
                ..base.clone()
            },
        ),
        (
            "251 empty",
            Variant {
                columns: 251,
                ..base.clone()
            },
        ),
        (
            "176 columns",
            Variant {
                columns: 176,
                ..base.clone()
            },
        ),
        (
            "cp1252",
            Variant {
                cp1252: true,
                ..base.clone()
            },
        ),
        (
            "spreadsheet",
            Variant {
                spreadsheet_dates: true,
                ..base.clone()
            },
        ),
        (
            "semicolon",
            Variant {
                delimiter: ';',
                european: true,
                ..base.clone()
            },
        ),
        (
            "semicolon cp1252",
            Variant {
                delimiter: ';',
                european: true,
                cp1252: true,
                header: Header::Of244,
                ..base.clone()
            },
        ),
    ];
    let wanted = canonical::text(&base.csv(&invoice)).unwrap();
    assert!(wanted.contains("Zürich") && wanted.contains("2026-02-14"));
    for (name, variant) in variants {
        let bytes = variant.csv(&invoice);
        assert_eq!(canonical::text(&bytes).unwrap(), wanted, "{name}");
        let scan = scan_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scan.sums.invoices.len(), 1, "{name}");
        assert_eq!(scan.sums.invoices[0].net, invoice.amount, "{name}");
        assert_eq!(scan.sums.invoices[0].amount, invoice.amount, "{name}");
        assert!(
            scan.sums.remarks.is_empty(),
            "{name}: {:?}",
            scan.sums.remarks
        );
    }
}

#[test]
fn currencies_of_no_and_three_digits_are_exact() {
    for currency in ["JPY", "BHD", "KWD"] {
        let invoice = invoice(3, currency, 40);
        let scan = scan_bytes(&Variant::default().csv(&invoice)).unwrap();
        let sum = &scan.sums.invoices[0];
        assert_eq!(
            (sum.net, sum.amount),
            (invoice.amount, invoice.amount),
            "{currency}"
        );
    }
}

#[test]
fn several_invoices_in_a_file_are_summed_apart_whatever_the_threads() {
    let invoices: Vec<Invoice> = (0..30).map(|seed| invoice(seed, "USD", 90)).collect();
    let refs: Vec<&Invoice> = invoices.iter().collect();
    let bytes = Variant::default().csv_of(&refs);
    assert!(
        bytes.len() > 2 << 20,
        "several blocks are wanted: {}",
        bytes.len()
    );
    let one = scan(bytes.as_slice(), 1).unwrap();
    let four = scan(bytes.as_slice(), 4).unwrap();
    assert_eq!(one.sums.invoices, four.sums.invoices);
    for (sum, invoice) in one.sums.invoices.iter().zip(&invoices) {
        assert_eq!((&sum.number, sum.net), (&invoice.number, invoice.amount));
    }
}

#[test]
fn merged_files_may_repeat_their_header() {
    let (a, b) = (invoice(1, "USD", 5), invoice(2, "USD", 5));
    let variant = Variant {
        header: Header::Of(250),
        ..Variant::default()
    };
    let bytes = [variant.csv(&a), variant.csv(&b)].concat();
    assert_eq!(scan_bytes(&bytes).unwrap().sums.invoices.len(), 2);
}

#[test]
fn errors_name_line_column_and_value() {
    let good = Variant {
        newline: "\n",
        ..Variant::default()
    }
    .csv(&invoice(5, "JPY", 9));
    let cases: [(usize, &str, &str); 6] = [
        (
            53,
            "12.5",
            "line 3, column 53 (Net Amount): `12.5`: more digits after the decimal sign than its currency has",
        ),
        (
            53,
            "1O0",
            "line 3, column 53 (Net Amount): `1O0`: not a number",
        ),
        (
            5,
            "14.02.2026",
            "line 3, column 5 (Invoice Date): `14.02.2026`: not a date in the order of the file's others",
        ),
        (
            6,
            "1.2E+11",
            "line 3, column 6 (Invoice Number): `1.2E+11`: an identifier spoiled by a spreadsheet",
        ),
        (
            21,
            "#####",
            "line 3, column 21 (Tracking Number): `#####`: an identifier spoiled by a spreadsheet",
        ),
        (
            11,
            "99999999999999999999",
            "line 3, column 11 (Invoice Amount): `99999999999999999999`: too large",
        ),
    ];
    for (column, value, message) in cases {
        let bytes = edited(good.clone(), 3, |cells| {
            value.clone_into(&mut cells[column - 1]);
        });
        let error = scan_bytes(&bytes).unwrap_err().to_string();
        assert_eq!(error, message);
    }
}

#[test]
fn guessed_types_give_remarks_not_refusals() {
    let good = Variant {
        newline: "\n",
        ..Variant::default()
    }
    .csv(&invoice(5, "USD", 9));
    let bytes = edited(good, 2, |cells| cells[234] = "soon".to_owned());
    let scan = scan_bytes(&bytes).unwrap();
    let remark = &scan.sums.remarks[0];
    assert_eq!(
        (
            remark.column,
            remark.count,
            remark.line,
            remark.value.as_str()
        ),
        (234, 1, 2, "soon")
    );
}

#[test]
fn a_file_cut_in_a_row_is_a_cut() {
    let good = Variant::default().csv(&invoice(5, "USD", 9));
    let lines = memchr::memchr_iter(b'\n', &good).count() as u64;
    for keep in [good.len() - 3, good.len() - 100, good.len() - 200] {
        match scan_bytes(&good[..keep]) {
            Err(CsvError::Cut { line }) => assert_eq!(line, lines),
            other => panic!("{keep}: {other:?}"),
        }
    }
    assert!(
        scan_bytes(&good[..good.len() - 2]).is_ok(),
        "only the last newline is missing"
    );
    assert!(matches!(
        scan_bytes(&good[..300]),
        Err(CsvError::Cut { .. })
    ));
}

#[test]
fn narrow_rows_pad_and_narrower_ones_are_refused() {
    let good = Variant {
        newline: "\n",
        ..Variant::default()
    }
    .csv(&invoice(5, "USD", 9));
    let padded = edited(good.clone(), 2, |cells| cells.truncate(63));
    assert_eq!(scan_bytes(&padded).unwrap().sums.padded, 1);
    let short = edited(good.clone(), 2, |cells| cells.truncate(40));
    assert_eq!(
        scan_bytes(&short).unwrap_err().to_string(),
        "line 2: has 40 columns where 250 are due"
    );
    let wide = edited(good, 2, |cells| cells.push("surprise".to_owned()));
    assert!(
        scan_bytes(&wide)
            .unwrap_err()
            .to_string()
            .contains("beyond column 250")
    );
}

#[test]
fn other_layouts_are_refused_by_name() {
    let mut narrow_version = Variant::default().csv(&invoice(5, "USD", 2));
    narrow_version[2] = b'9';
    for (bytes, words) in [
        (b"".to_vec(), "an empty file"),
        (b"PK\x03\x04....".to_vec(), "XLSX"),
        (b"<html><body>Log in</body></html>".to_vec(), "a web page"),
        (b"{\"error\":1}".to_vec(), "JSON"),
        (b"\xff\xfeI\0n\0".to_vec(), "UTF-16"),
        (
            b"Account Number,Invoice Number,Invoice Date,Tracking Number,Net Amount\n1,2,3,4,5\n"
                .to_vec(),
            "Lite",
        ),
        (b"H,0001,20050102\nD,0002,1\n".to_vec(), "flat file"),
        (narrow_version, "layout version `2.9`"),
    ] {
        let error = scan_bytes(&bytes).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(matches!(error, CsvError::Layout(_)) && error.hint().is_some());
    }
}

#[test]
fn what_only_ambiguous_values_say_is_an_error_with_its_place() {
    let good = Variant {
        newline: "\n",
        ..Variant::default()
    }
    .csv(&invoice(5, "USD", 1));
    let text = String::from_utf8(good).unwrap();
    let row: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    let mut cells = vec![""; 250];
    for column in [0, 1, 2, 5, 9] {
        cells[column] = row[column];
    }
    cells[4] = "03/04/2026";
    let line = cells.join(",");
    let error = scan_bytes(line.as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("line 1, column 5 (Invoice Date): `03/04/2026`: could be two days"),
        "{error}"
    );
    cells[4] = "2026-04-03";
    cells[52] = "1.234";
    let line = cells.join(",");
    let error = scan_bytes(line.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("column 53 (Net Amount): `1.234`"), "{error}");
}

#[test]
fn header_disagreements_and_foreign_currencies_are_noted() {
    let good = Variant {
        newline: "\n",
        ..Variant::default()
    }
    .csv(&invoice(5, "USD", 9));
    let bytes = edited(good.clone(), 3, |cells| cells[10] = "1.00".to_owned());
    let sum = &scan_bytes(&bytes).unwrap().sums.invoices[0];
    assert_eq!(
        (sum.disagreements[0].0, sum.disagreements[0].1),
        ("Invoice Amount", 3)
    );
    let bytes = edited(good, 3, |cells| cells[50] = "CAD".to_owned());
    let sum = &scan_bytes(&bytes).unwrap().sums.invoices[0];
    assert_eq!(sum.other_currency, Some(("CAD".to_owned(), 3)));
}

mod any_input {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_answered(bytes in proptest::collection::vec(prop_oneof![Just(b','), Just(b'"'), Just(b'\n'), Just(b'2'), any::<u8>()], 0..2000)) {
            let mut file = b"2.1,".to_vec();
            file.extend(std::iter::repeat_n(b',', 52));
            file.extend(bytes);
            let _ = super::scan(file.as_slice(), 1);
            let _ = super::canonical::text(&file);
        }
    }
}
