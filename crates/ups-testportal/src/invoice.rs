//! Invoices from a seed: rows as the billing data file has them, with a total that is known.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::random::Random;

/// Values of one row by zero-based column; all other columns are empty.
pub type Row = Vec<(usize, String)>;

/// An invented invoice.
#[derive(Debug, Clone)]
pub struct Invoice {
    /// Shipper number.
    pub account: String,
    /// Invoice number, with leading zeros.
    pub number: String,
    /// Its date.
    pub date: Date,
    /// ISO 4217 code.
    pub currency: String,
    /// Digits after the decimal sign.
    pub exponent: u8,
    /// Sum of all nets in minor units, which is the invoice amount.
    pub amount: i64,
    /// Canonical values: ISO dates, point decimals.
    pub rows: Vec<Row>,
}

/// What to make.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Decides everything else.
    pub seed: u64,
    /// Shipper number.
    pub account: String,
    /// Currency of all amounts.
    pub currency: String,
    /// Date of the invoice.
    pub date: Date,
    /// Shipments on it; each gives one to five rows.
    pub shipments: usize,
}

/// Services with the code, classification and words of their freight charge.
const SERVICES: [(&str, &str); 6] = [
    ("003", "Ground"),
    ("001", "Next Day Air"),
    ("002", "2nd Day Air"),
    ("011", "Standard"),
    ("007", "Worldwide Express"),
    ("065", "Worldwide Saver"),
];

/// Accessorial charges.
const EXTRAS: [(&str, &str); 5] = [
    ("RES", "Residential Surcharge"),
    ("DAS", "Delivery Area Surcharge"),
    ("ADS", "Adult Signature Required"),
    ("SAT", "Saturday Delivery"),
    ("LPS", "Large Package Surcharge"),
];

/// Names with what makes parsers stumble: commas, quotes, letters beyond ASCII.
const NAMES: [&str; 6] = [
    "Example Goods, Inc.",
    "Müller & Söhne",
    "The \"Best\" Shop",
    "Plain Traders",
    "Café Zürich, Filiale 2",
    "Tools; Parts; More",
];

const CITIES: [&str; 5] = ["Springfield", "Köln", "Zürich", "Málaga", "Fairview"];

/// Makes an invoice; the same recipe gives the same one.
#[must_use]
pub fn make(recipe: &Recipe) -> Invoice {
    let mut random = Random::new(recipe.seed);
    let exponent = match recipe.currency.as_str() {
        "JPY" | "KRW" | "CLP" => 0,
        "BHD" | "KWD" | "JOD" => 3,
        _ => 2,
    };
    let number = format!(
        "{:0>15}",
        format!("{}{:03}", recipe.account, recipe.seed % 1000)
    );
    let mut maker = Maker {
        recipe,
        exponent,
        amount: 0,
        rows: Vec::new(),
    };
    for shipment in 0..recipe.shipments {
        maker.shipment(&mut random, shipment);
    }
    let Maker {
        amount, mut rows, ..
    } = maker;
    let shown = decimal(amount, exponent);
    for row in &mut rows {
        row.push((0, "2.1".to_owned()));
        row.push((1, recipe.account.clone()));
        row.push((2, recipe.account.clone()));
        row.push((3, "US".to_owned()));
        row.push((4, recipe.date.to_string()));
        row.push((5, number.clone()));
        row.push((6, "E".to_owned()));
        row.push((7, "1".to_owned()));
        row.push((9, recipe.currency.clone()));
        row.push((10, shown.clone()));
        row.push((62, recipe.date.saturating_add(14.days()).to_string()));
        row.sort_by_key(|(column, _)| *column);
    }
    Invoice {
        account: recipe.account.clone(),
        number,
        date: recipe.date,
        currency: recipe.currency.clone(),
        exponent,
        amount,
        rows,
    }
}

/// Minor units with exactly `exponent` digits after a point.
#[must_use]
pub fn decimal(minor: i64, exponent: u8) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let (digits, width) = (minor.unsigned_abs(), usize::from(exponent));
    let scale = 10_u64.pow(u32::from(exponent));
    if exponent == 0 {
        format!("{sign}{digits}")
    } else {
        format!("{sign}{}.{:0width$}", digits / scale, digits % scale)
    }
}

struct Maker<'a> {
    recipe: &'a Recipe,
    exponent: u8,
    amount: i64,
    rows: Vec<Row>,
}

impl Maker<'_> {
    fn shipment(&mut self, random: &mut Random, index: usize) {
        let (code, words) = *random.pick(&SERVICES);
        let tracking = format!(
            "1Z{}{:08}",
            self.recipe.account,
            self.recipe.seed % 1000 * 100_000 + index as u64
        );
        let zone = format!("{:03}", random.range(2, 8));
        let shipped = self.recipe.date.saturating_sub(random.range(1, 6).days());
        let weight = random.range(10, 700);
        let freight = random.range(500, 90_00);
        let incentive = freight / 10;
        let mut row = self.charge(
            &["SHP", "SRB", "FRT", code, words],
            freight - incentive,
            incentive,
        );
        row.extend([
            (11, shipped.to_string()),
            (13, tracking.clone()),
            (18, "1".to_owned()),
            (20, tracking.clone()),
            (26, format!("{}.{}", weight / 10, weight % 10)),
            (27, "L".to_owned()),
            (28, format!("{}.{}", weight / 10 + 1, weight % 10)),
            (29, "L".to_owned()),
            (30, "PKG".to_owned()),
            (32, "12.0x 9.0x 7.0".to_owned()),
            (33, zone.clone()),
            (66, (*random.pick(&NAMES)).to_owned()),
            (70, (*random.pick(&CITIES)).to_owned()),
            (74, (*random.pick(&NAMES)).to_owned()),
            (78, (*random.pick(&CITIES)).to_owned()),
            (129, "0.00".to_owned()),
        ]);
        self.rows.push(row);
        let further = |maker: &mut Self, words: &[&str; 5], net: i64| {
            let mut row = maker.charge(words, net, 0);
            row.extend([
                (11, shipped.to_string()),
                (13, tracking.clone()),
                (18, "0".to_owned()),
                (20, tracking.clone()),
                (26, "0.0".to_owned()),
                (28, "0.0".to_owned()),
                (33, zone.clone()),
            ]);
            maker.rows.push(row);
        };
        if random.one_in(2) {
            further(
                self,
                &["SHP", "SRB", "FSC", "FSC", "Fuel Surcharge"],
                freight / 8,
            );
        }
        if random.one_in(3) {
            let (code, words) = *random.pick(&EXTRAS);
            let net = random.range(100, 1500);
            further(self, &["SHP", "SRB", "ACC", code, words], net);
        }
        if random.one_in(8) {
            further(self, &["SHP", "SRB", "INF", code, words], 0);
        }
        if random.one_in(12) {
            let net = -random.range(50, 400);
            further(self, &["ADJ", "CADJ", "FRT", code, words], net);
        }
        if random.one_in(20) {
            let net = random.range(100, 900);
            let mut row = self.charge(&["MIS", "MISC", "MSC", "SVC", "Service Charge"], net, 0);
            row.push((11, self.recipe.date.to_string()));
            row.push((18, "0".to_owned()));
            self.rows.push(row);
        }
    }

    /// Category, detail, class, code, words.
    fn charge(&mut self, words: &[&str; 5], net: i64, incentive: i64) -> Row {
        self.amount += net;
        vec![
            (34, words[0].to_owned()),
            (35, words[1].to_owned()),
            (43, words[2].to_owned()),
            (44, words[3].to_owned()),
            (45, words[4].to_owned()),
            (50, self.recipe.currency.clone()),
            (51, decimal(incentive, self.exponent)),
            (52, decimal(net, self.exponent)),
        ]
    }
}
