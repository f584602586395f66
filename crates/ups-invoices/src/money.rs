//! Amounts of money: decimal at the door, integers of minor units inside, never a float.
//!
//! This module takes text and gives numbers. It knows nothing of columns, files or the portal;
//! whoever calls it adds where the text stood.

use std::fmt;

/// Which character separates whole units from their fraction. The other of the two may then
/// only group digits by threes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalSign {
    /// `1,234.56`
    Point,
    /// `1.234,56`
    Comma,
}

impl DecimalSign {
    fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }

    fn group(self) -> u8 {
        match self {
            Self::Point => b',',
            Self::Comma => b'.',
        }
    }
}

/// What one numeric text says about the file's decimal sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignEvidence {
    /// No separator in it: says nothing.
    Silent,
    /// `1.234` reads as 1234 or as 1.234: says nothing, but must not be parsed before it is known.
    Ambiguous,
    /// Only this sign makes sense of it.
    Is(DecimalSign),
}

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Neither digits nor a separator where one was due.
    #[error("not a number")]
    NotANumber,
    /// `12.345` in a currency of two digits.
    #[error("more digits after the decimal sign than the currency has ({0})")]
    TooPrecise(u8),
    /// Beyond ±9.2e18 minor units.
    #[error("too large")]
    Overflow,
}

/// Digits after the decimal sign that ISO 4217 gives a currency; 2 where it says nothing else.
#[must_use]
pub fn exponent(currency: &str) -> u8 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// Reads an amount into minor units of a currency with `exponent` digits.
///
/// A sign may lead; zeros beyond the exponent are dropped (`1200.00` in JPY), other digits there
/// are an error, because dropping them would change the sum.
pub fn parse(text: &[u8], exponent: u8, sign: DecimalSign) -> Result<i64, AmountError> {
    let number = Digits::read(text, sign)?;
    number.to_minor(exponent)
}

/// Reads an amount as a person or a web page writes it: `$1,234.56`, `($12.34)`, `12.34 CR`.
///
/// Currency signs and letters around the number are skipped; brackets, a leading or trailing
/// minus and `CR` make it a credit. The decimal sign is a point, as US portals print it.
pub fn parse_listed(text: &str, exponent: u8) -> Result<i64, AmountError> {
    let trimmed = text.trim();
    let negative = trimmed.starts_with('(') && trimmed.ends_with(')')
        || trimmed.ends_with('-')
        || trimmed.to_ascii_uppercase().ends_with("CR");
    let outside = |c: char| !(c.is_ascii_digit() || c == '-' || c == '.');
    let core = trimmed
        .trim_matches(outside)
        .trim_end_matches('-')
        .trim_end_matches(outside);
    let (minus, core) = match core.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start_matches(outside)),
        None => (false, core),
    };
    let minor = parse(core.as_bytes(), exponent, DecimalSign::Point)?;
    Ok(if negative || minus { -minor } else { minor })
}

/// What `text` says about the decimal sign of its file.
///
/// `exponent` is that of the value's currency: where it is 3, `1.234` is a complete amount and
/// therefore evidence.
#[must_use]
pub fn sign_evidence(text: &[u8], exponent: u8) -> SignEvidence {
    use DecimalSign::{Comma, Point};
    let mut points = 0_usize;
    let mut commas = 0_usize;
    let mut last = None;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'.' => {
                points += 1;
                last = Some((at, Point));
            }
            b',' => {
                commas += 1;
                last = Some((at, Comma));
            }
            _ => {}
        }
    }
    let Some((at, sign)) = last else {
        return SignEvidence::Silent;
    };
    let other = if sign == Point { Comma } else { Point };
    match (points, commas) {
        (1, 0) | (0, 1) => {
            let after = text[at + 1..].iter().filter(|b| b.is_ascii_digit()).count();
            let whole: Vec<u8> = text[..at]
                .iter()
                .copied()
                .filter(u8::is_ascii_digit)
                .collect();
            let could_group =
                after == 3 && (1..=3).contains(&whole.len()) && whole.first() != Some(&b'0');
            if could_group && exponent != 3 {
                SignEvidence::Ambiguous
            } else {
                SignEvidence::Is(sign)
            }
        }
        (1, _) | (_, 1) if points > 0 && commas > 0 => SignEvidence::Is(sign),
        (_, 0) | (0, _) => SignEvidence::Is(other),
        _ => SignEvidence::Is(sign),
    }
}

/// An amount beside the number of digits its currency has; shows itself exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Minor units.
    pub minor: i64,
    /// Digits after the decimal point.
    pub exponent: u8,
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = self.minor.unsigned_abs();
        let scale = 10_u64.pow(u32::from(self.exponent));
        let text = if self.exponent == 0 {
            format!("{sign}{digits}")
        } else {
            let width = usize::from(self.exponent);
            format!("{sign}{}.{:0width$}", digits / scale, digits % scale)
        };
        out.pad(&text)
    }
}

/// `minor` units written with `exponent` digits after a point.
#[must_use]
pub fn show(minor: i64, exponent: u8) -> String {
    Shown { minor, exponent }.to_string()
}

/// The same number in the shortest form with a point: `5.0` and `5,00` are both `5`.
pub fn normal_decimal(text: &[u8], sign: DecimalSign) -> Result<String, AmountError> {
    Digits::read(text, sign).map(|number| number.shortest())
}

/// A number taken apart: sign, all digits without leading zeros, and how many are a fraction.
struct Digits<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    group: u8,
}

impl<'a> Digits<'a> {
    fn read(text: &'a [u8], sign: DecimalSign) -> Result<Self, AmountError> {
        let text = text.trim_ascii();
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let point = text.iter().rposition(|&b| b == sign.byte());
        let (whole, fraction) = match point {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &text[text.len()..]),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(AmountError::NotANumber);
        }
        if !fraction.iter().all(u8::is_ascii_digit) || !grouped_by_threes(whole, sign.group()) {
            return Err(AmountError::NotANumber);
        }
        Ok(Self {
            negative,
            whole,
            fraction,
            group: sign.group(),
        })
    }

    fn to_minor(&self, exponent: u8) -> Result<i64, AmountError> {
        let wanted = usize::from(exponent);
        let (kept, surplus) = self.fraction.split_at(self.fraction.len().min(wanted));
        if surplus.iter().any(|&b| b != b'0') {
            return Err(AmountError::TooPrecise(exponent));
        }
        let digits = self
            .whole
            .iter()
            .filter(|&&b| b != self.group)
            .chain(kept)
            .copied();
        let padding = std::iter::repeat_n(b'0', wanted - kept.len());
        let mut minor = 0_i64;
        for digit in digits.chain(padding) {
            let digit = i64::from(digit - b'0');
            // Built on the side of its sign, so that i64::MIN is reachable and nothing wraps.
            minor = minor
                .checked_mul(10)
                .and_then(|m| {
                    if self.negative {
                        m.checked_sub(digit)
                    } else {
                        m.checked_add(digit)
                    }
                })
                .ok_or(AmountError::Overflow)?;
        }
        Ok(minor)
    }

    fn shortest(&self) -> String {
        let whole: String = self
            .whole
            .iter()
            .filter(|&&b| b != self.group)
            .map(|&b| char::from(b))
            .collect();
        let whole = whole.trim_start_matches('0');
        let fraction: String = self.fraction.iter().map(|&b| char::from(b)).collect();
        let fraction = fraction.trim_end_matches('0');
        let mut text = String::new();
        if self.negative && !(whole.is_empty() && fraction.is_empty()) {
            text.push('-');
        }
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if !fraction.is_empty() {
            text.push('.');
            text.push_str(fraction);
        }
        text
    }
}

/// Digits only, or groups of exactly three after a first one of one to three.
fn grouped_by_threes(whole: &[u8], group: u8) -> bool {
    if whole.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let mut parts = whole.split(|&b| b == group);
    let first = parts.next().unwrap_or_default();
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    (1..=3).contains(&first.len())
        && digits(first)
        && parts.all(|part| part.len() == 3 && digits(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use DecimalSign::{Comma, Point};
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, exponent, sign, minor) in [
            ("100.00", 2, Point, 10_000),
            ("-0.05", 2, Point, -5),
            ("+7", 2, Point, 700),
            (".5", 2, Point, 50),
            ("1,234.56", 2, Point, 123_456),
            ("1.234,56", 2, Comma, 123_456),
            ("1200.00", 0, Point, 1200),
            ("0.001", 3, Point, 1),
            ("-92233720368547758.08", 2, Point, i64::MIN),
        ] {
            assert_eq!(parse(text.as_bytes(), exponent, sign), Ok(minor), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_says_why() {
        for (text, exponent, error) in [
            ("", 2, AmountError::NotANumber),
            ("-", 2, AmountError::NotANumber),
            ("1E+11", 2, AmountError::NotANumber),
            ("1,23.00", 2, AmountError::NotANumber),
            ("12 3", 2, AmountError::NotANumber),
            ("1.005", 2, AmountError::TooPrecise(2)),
            ("1200.50", 0, AmountError::TooPrecise(0)),
            ("92233720368547758.08", 2, AmountError::Overflow),
        ] {
            assert_eq!(
                parse(text.as_bytes(), exponent, Point),
                Err(error),
                "{text}"
            );
        }
    }

    #[test]
    fn listed_amounts_know_credits() {
        for (text, minor) in [
            ("($12.34)", -1234),
            ("$1,200.00", 120_000),
            ("-$3.00", -300),
            ("USD 7.10", 710),
            ("4.00-", -400),
            ("5.00 CR", -500),
        ] {
            assert_eq!(parse_listed(text, 2), Ok(minor), "{text}");
        }
        assert!(parse_listed("pending", 2).is_err());
    }

    #[test]
    fn evidence_of_the_decimal_sign() {
        for (text, exponent, evidence) in [
            ("12", 2, SignEvidence::Silent),
            ("1.234", 2, SignEvidence::Ambiguous),
            ("1,234", 2, SignEvidence::Ambiguous),
            ("0.234", 2, SignEvidence::Is(Point)),
            ("1.234", 3, SignEvidence::Is(Point)),
            ("12,50", 2, SignEvidence::Is(Comma)),
            ("1.234,5", 2, SignEvidence::Is(Comma)),
            ("1.234.567", 2, SignEvidence::Is(Comma)),
            ("1,234,567.80", 2, SignEvidence::Is(Point)),
        ] {
            assert_eq!(sign_evidence(text.as_bytes(), exponent), evidence, "{text}");
        }
    }

    #[test]
    fn decimals_have_one_shortest_form() {
        for (text, sign, normal) in [
            ("5.0", Point, "5"),
            ("5,10", Comma, "5.1"),
            ("-0.00", Point, "0"),
            ("007", Point, "7"),
            (".50", Point, "0.5"),
        ] {
            assert_eq!(
                normal_decimal(text.as_bytes(), sign).as_deref(),
                Ok(normal),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(minor in any::<i64>(), exponent in 0_u8..=3) {
            let text = show(minor, exponent);
            prop_assert_eq!(parse(text.as_bytes(), exponent, Point), Ok(minor));
            let comma = text.replace('.', ",");
            prop_assert_eq!(parse(comma.as_bytes(), exponent, Comma), Ok(minor));
        }

        #[test]
        fn any_bytes_are_answered(text in proptest::collection::vec(any::<u8>(), 0..40), exponent in 0_u8..=3) {
            let _ = parse(&text, exponent, Point);
            let _ = sign_evidence(&text, exponent);
            let _ = parse_listed(&String::from_utf8_lossy(&text), exponent);
        }
    }
}
