//! Calendar days as the files and the portal write them.
//!
//! An invoice date is a day, not an instant: it is never shifted between time zones.

use jiff::civil::Date;

/// How a file writes its dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `2026-02-14`
    Iso,
    /// `14/02/2026`
    DayMonthYear,
    /// `02/14/2026`
    MonthDayYear,
    /// `14-Feb-26`: what a spreadsheet leaves behind. Two-digit years are of this century,
    /// because the format is younger than 2000.
    DayNameYear,
}

/// What one date text says about the order of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEvidence {
    /// Only this order reads it.
    Is(DateOrder),
    /// `03/04/2026`: the third of April or the fourth of March.
    Ambiguous,
    /// Not a date in any order.
    Nonsense,
}

/// Reads a date in a known order; `None` if it is none.
#[must_use]
pub fn parse(text: &[u8], order: DateOrder) -> Option<Date> {
    let text = text.trim_ascii();
    match order {
        DateOrder::Iso => {
            let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
                return None;
            };
            date(
                number(&[y1, y2, y3, y4])?,
                number(&[m1, m2])?,
                number(&[d1, d2])?,
            )
        }
        DateOrder::DayMonthYear => slashed(text).and_then(|(a, b, year)| date(year, b, a)),
        DateOrder::MonthDayYear => slashed(text).and_then(|(a, b, year)| date(year, a, b)),
        DateOrder::DayNameYear => {
            let mut parts = text.split(|&b| b == b'-');
            let (day, name, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            let year = number(year).map(|y| if y < 100 { 2000 + y } else { y })?;
            date(year, month_of_name(name)?, number(day)?)
        }
    }
}

/// What `text` says about the order of dates in its file.
#[must_use]
pub fn order_evidence(text: &[u8]) -> OrderEvidence {
    use DateOrder::{DayMonthYear, DayNameYear, Iso, MonthDayYear};
    for order in [Iso, DayNameYear] {
        if parse(text, order).is_some() {
            return OrderEvidence::Is(order);
        }
    }
    match (
        parse(text, DayMonthYear).is_some(),
        parse(text, MonthDayYear).is_some(),
    ) {
        // The same day both ways says nothing about the others.
        (true, true) => OrderEvidence::Ambiguous,
        (true, false) => OrderEvidence::Is(DayMonthYear),
        (false, true) => OrderEvidence::Is(MonthDayYear),
        (false, false) => OrderEvidence::Nonsense,
    }
}

/// A pattern of a profile such as `MM/DD/YYYY`, `YYYY-MM-DD` or `DD/MM/YY`: how a portal writes
/// dates and wants them written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatePattern(String);

impl DatePattern {
    /// Checks that day, month and year each occur once.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let once = |what: &str| pattern.matches(what).count() == 1;
        if once("MM") && once("DD") && (once("YYYY") || once("YY")) {
            Ok(Self(pattern.to_owned()))
        } else {
            Err(format!(
                "`{pattern}` is no date pattern: MM, DD and YYYY or YY, each once"
            ))
        }
    }

    /// Writes `day`.
    #[must_use]
    pub fn format(&self, day: Date) -> String {
        self.0
            .replace("YYYY", &format!("{:04}", day.year()))
            .replace("YY", &format!("{:02}", day.year().rem_euclid(100)))
            .replace("MM", &format!("{:02}", day.month()))
            .replace("DD", &format!("{:02}", day.day()))
    }

    /// Reads a day; digits may be fewer than the pattern has letters (`2/4/2026`), and what
    /// follows the pattern is ignored (`2026-02-14T00:00:00.000Z` is the 14th anywhere).
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Date> {
        let (mut year, mut month, mut day) = (None, None, None);
        let mut rest = text.trim();
        let mut pattern = self.0.as_str();
        while !pattern.is_empty() {
            let (part, slot) = if pattern.starts_with("YYYY") {
                ("YYYY", &mut year)
            } else if pattern.starts_with("YY") {
                ("YY", &mut year)
            } else if pattern.starts_with("MM") {
                ("MM", &mut month)
            } else if pattern.starts_with("DD") {
                ("DD", &mut day)
            } else {
                let literal = pattern.chars().next()?;
                rest = rest.strip_prefix(literal)?;
                pattern = &pattern[literal.len_utf8()..];
                continue;
            };
            let digits = rest
                .bytes()
                .take(part.len())
                .take_while(u8::is_ascii_digit)
                .count();
            let value = number(&rest.as_bytes()[..digits])?;
            *slot = Some(if part == "YY" { 2000 + value } else { value });
            rest = &rest[digits..];
            pattern = &pattern[part.len()..];
        }
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        date(year?, month?, day?)
    }
}

fn slashed(text: &[u8]) -> Option<(i16, i16, i16)> {
    let mut parts = text.split(|&b| b == b'/');
    let (a, b, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || a.len() > 2 || b.len() > 2 {
        return None;
    }
    Some((number(a)?, number(b)?, number(year)?))
}

fn number(digits: &[u8]) -> Option<i16> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0_i16, |value, &b| {
        b.is_ascii_digit().then(|| value * 10 + i16::from(b - b'0'))
    })
}

fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn month_of_name(name: &[u8]) -> Option<i16> {
    const NAMES: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let at = NAMES
        .iter()
        .position(|known| name.eq_ignore_ascii_case(known))?;
    i16::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date as day;
    use proptest::prelude::*;

    #[test]
    fn every_order_reads_its_own_form() {
        let wanted = Some(day(2026, 2, 14));
        assert_eq!(parse(b"2026-02-14", DateOrder::Iso), wanted);
        assert_eq!(parse(b"14/02/2026", DateOrder::DayMonthYear), wanted);
        assert_eq!(parse(b"2/14/2026", DateOrder::MonthDayYear), wanted);
        assert_eq!(parse(b"14-Feb-26", DateOrder::DayNameYear), wanted);
        assert_eq!(parse(b"2026-02-30", DateOrder::Iso), None);
        assert_eq!(parse(b"20260214", DateOrder::Iso), None);
    }

    #[test]
    fn evidence_comes_from_days_beyond_twelve() {
        assert_eq!(order_evidence(b"03/04/2026"), OrderEvidence::Ambiguous);
        assert_eq!(
            order_evidence(b"13/04/2026"),
            OrderEvidence::Is(DateOrder::DayMonthYear)
        );
        assert_eq!(
            order_evidence(b"04/13/2026"),
            OrderEvidence::Is(DateOrder::MonthDayYear)
        );
        assert_eq!(order_evidence(b"13/13/2026"), OrderEvidence::Nonsense);
    }

    #[test]
    fn patterns_read_and_write() {
        let us = DatePattern::new("MM/DD/YYYY").unwrap();
        assert_eq!(us.parse(" 2/4/2026 "), Some(day(2026, 2, 4)));
        assert_eq!(us.format(day(2026, 2, 4)), "02/04/2026");
        assert_eq!(
            DatePattern::new("DD/MM/YY")
                .unwrap()
                .format(day(2026, 2, 4)),
            "04/02/26"
        );
        let iso = DatePattern::new("YYYY-MM-DD").unwrap();
        assert_eq!(
            iso.parse("2026-02-14T00:00:00.000Z"),
            Some(day(2026, 2, 14))
        );
        assert!(DatePattern::new("MM/MM/YYYY").is_err());
    }

    proptest! {
        #[test]
        fn patterns_round_trip(year in 2000_i16..2100, month in 1_i8..=12, d in 1_i8..=28) {
            let date = day(year, month, d);
            for pattern in ["MM/DD/YYYY", "YYYY-MM-DD", "DD/MM/YY", "DD.MM.YYYY"] {
                let pattern = DatePattern::new(pattern).unwrap();
                prop_assert_eq!(pattern.parse(&pattern.format(date)), Some(date));
            }
        }
    }
}
