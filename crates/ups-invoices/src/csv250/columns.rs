//! The 250 columns of the billing data file, as a table.
//!
//! The table is data (`data/columns.tsv`): number, name, older name, type, length, where the type
//! comes from, notes. Types that UPS's dictionary states or exports show are binding; types
//! merely read off a name are not, and a value that breaks one is a remark, never a refusal.

use std::sync::LazyLock;

/// Columns of the newest known generation.
pub const COUNT: usize = 250;

/// The narrowest row that still holds every column the proof needs: Net Amount is the 53rd.
pub const NARROWEST: usize = 53;

/// Zero-based positions of the columns that code names.
pub mod at {
    #![expect(
        missing_docs,
        reason = "each constant is the column of its name in the table"
    )]
    pub const VERSION: usize = 0;
    pub const RECIPIENT: usize = 1;
    pub const ACCOUNT: usize = 2;
    pub const INVOICE_DATE: usize = 4;
    pub const INVOICE_NUMBER: usize = 5;
    pub const INVOICE_TYPE: usize = 6;
    pub const INVOICE_CURRENCY: usize = 9;
    pub const INVOICE_AMOUNT: usize = 10;
    pub const TRANSACTION_DATE: usize = 11;
    pub const LEAD_SHIPMENT: usize = 13;
    pub const PACKAGE_QUANTITY: usize = 18;
    pub const TRACKING: usize = 20;
    pub const BILLED_WEIGHT: usize = 28;
    pub const ZONE: usize = 33;
    pub const CATEGORY: usize = 34;
    pub const CATEGORY_DETAIL: usize = 35;
    pub const CLASS: usize = 43;
    pub const CODE: usize = 44;
    pub const DESCRIPTION: usize = 45;
    pub const BASIS_CURRENCY: usize = 47;
    pub const BASIS_VALUE: usize = 48;
    pub const TRANSACTION_CURRENCY: usize = 50;
    pub const INCENTIVE: usize = 51;
    pub const NET: usize = 52;
    pub const MISC_CURRENCY: usize = 53;
    pub const MISC_INCENTIVE: usize = 54;
    pub const MISC_NET: usize = 55;
    pub const ALTERNATE_CURRENCY: usize = 56;
    pub const ALTERNATE_AMOUNT: usize = 57;
    pub const DUE_DATE: usize = 62;
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Codes, identifiers, names. `007` stays `007`.
    Text,
    /// A count.
    Integer,
    /// A weight, rate or quantity.
    Decimal,
    /// Money.
    Amount,
    /// A calendar day.
    Date,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Position, counted from 1 as UPS does.
    pub number: usize,
    /// Name in the newest header.
    pub name: &'static str,
    /// Name in the header of 244 columns, empty if the same.
    pub older_name: &'static str,
    /// Type of its values.
    pub kind: Kind,
    /// Whether the type is known, not guessed from the name.
    pub binding: bool,
}

/// All columns in order.
pub fn all() -> &'static [Column] {
    static TABLE: LazyLock<Vec<Column>> = LazyLock::new(|| {
        include_str!("../../data/columns.tsv")
            .lines()
            .skip(1)
            .map(column)
            .collect()
    });
    &TABLE
}

/// Zero-based position of the column that carries the currency of amount column `column`.
#[must_use]
pub fn currency_of(column: usize) -> usize {
    match column {
        at::INCENTIVE | at::NET => at::TRANSACTION_CURRENCY,
        at::BASIS_VALUE => at::BASIS_CURRENCY,
        at::MISC_INCENTIVE | at::MISC_NET => at::MISC_CURRENCY,
        at::ALTERNATE_AMOUNT => at::ALTERNATE_CURRENCY,
        _ => at::INVOICE_CURRENCY,
    }
}

/// Finds a column by a header name: trimmed, blind to case, new name or old.
#[must_use]
pub fn by_name(name: &str) -> Option<usize> {
    let name = name.trim();
    all().iter().position(|column| {
        column.name.eq_ignore_ascii_case(name)
            || !column.older_name.is_empty() && column.older_name.eq_ignore_ascii_case(name)
    })
}

fn column(line: &'static str) -> Column {
    let mut cells = line.split('\t');
    let mut next = || cells.next().unwrap_or_default();
    let number = next().parse().unwrap_or_default();
    let (name, older_name, kind, _length, from) = (next(), next(), next(), next(), next());
    let kind = match kind {
        "integer" => Kind::Integer,
        "decimal" => Kind::Decimal,
        "amount" => Kind::Amount,
        "date" => Kind::Date,
        _ => Kind::Text,
    };
    Column {
        number,
        name,
        older_name,
        kind,
        binding: from != "name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_in_order() {
        assert_eq!(all().len(), COUNT);
        for (position, column) in all().iter().enumerate() {
            assert_eq!(column.number, position + 1, "{column:?}");
            assert!(!column.name.is_empty());
        }
    }

    #[test]
    fn named_positions_point_at_their_columns() {
        for (position, name) in [
            (at::VERSION, "Version"),
            (at::INVOICE_NUMBER, "Invoice Number"),
            (at::INVOICE_CURRENCY, "Invoice Currency Code"),
            (at::INVOICE_AMOUNT, "Invoice Amount"),
            (at::TRACKING, "Tracking Number"),
            (at::BILLED_WEIGHT, "Billed Weight"),
            (at::ZONE, "Zone"),
            (at::CATEGORY_DETAIL, "Charge Category Detail Code"),
            (at::CLASS, "Charge Classification Code"),
            (at::CODE, "Charge Description Code"),
            (at::BASIS_VALUE, "Basis Value"),
            (at::TRANSACTION_CURRENCY, "Transaction Currency Code"),
            (at::INCENTIVE, "Incentive Amount"),
            (at::NET, "Net Amount"),
            (at::MISC_CURRENCY, "Miscellaneous Currency Code"),
            (at::MISC_NET, "Miscellaneous Net Amount"),
            (at::ALTERNATE_AMOUNT, "Alternate Invoice Amount"),
            (at::DUE_DATE, "Invoice Due Date"),
        ] {
            assert_eq!(all()[position].name, name);
        }
    }

    #[test]
    fn headers_match_by_either_name_in_any_case() {
        assert_eq!(by_name(" invoice NUMBER "), Some(at::INVOICE_NUMBER));
        assert_eq!(
            by_name("Account Country"),
            by_name("Account Country/Territory")
        );
        assert_eq!(by_name("Place Holder 24"), Some(197));
        assert_eq!(by_name("Place Holder 60"), None);
    }
}
