//! Points in time as unix seconds, and their two written forms.
//!
//! Everything certwatch stores or compares is UTC at one-second resolution, so a calendar library
//! would bring time zones nobody asks for. The civil-date arithmetic is Howard Hinnant's
//! `days_from_civil`, valid over the whole range a certificate can express.

/// Seconds since 1970-01-01T00:00:00Z, negative before.
pub(crate) type Unix = i64;

/// Seconds in one day.
pub(crate) const DAY: i64 = 86_400;
/// Seconds in one hour.
pub(crate) const HOUR: i64 = 3_600;

/// The system clock. A clock before 1970 reads as 0, which every check treats as "skewed".
pub(crate) fn now() -> Unix {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|d| i64::try_from(d.as_secs()).ok())
        .unwrap_or(0)
}

/// `2026-11-25T16:04:05Z`.
pub(crate) fn rfc3339(at: Unix) -> String {
    let second = at.rem_euclid(DAY);
    format!(
        "{}T{:02}:{:02}:{:02}Z",
        date(at),
        second / HOUR,
        second / 60 % 60,
        second % 60
    )
}

/// `2026-11-25`.
pub(crate) fn date(at: Unix) -> String {
    let (year, month, day) = civil_from_days(at.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Reads `2026-11-25`, `2026-11-25T16:04:05Z` and numeric offsets such as `+02:00`.
/// The error says what was expected.
pub(crate) fn parse(text: &str) -> Result<Unix, String> {
    parse_parts(text)
        .ok_or_else(|| format!("`{text}` is no RFC 3339 time (example: 2026-11-25T16:04:05Z)"))
}

/// A length of time in whole days, or hours below two days: what a sentence needs.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.abs();
    let (n, unit) = if seconds >= 2 * DAY {
        (seconds / DAY, "day")
    } else if seconds >= 2 * HOUR {
        (seconds / HOUR, "hour")
    } else {
        (seconds / 60, "minute")
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

fn parse_parts(text: &str) -> Option<Unix> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let literal = |at: usize, byte: u8| (text.as_bytes().get(at) == Some(&byte)).then_some(());
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    literal(4, b'-')?;
    literal(7, b'-')?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * DAY;
    if text.len() == 10 {
        return Some(midnight);
    }
    matches!(text.as_bytes()[10], b'T' | b't' | b' ').then_some(())?;
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    literal(13, b':')?;
    literal(16, b':')?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        let zone = fraction
            .find(|c: char| !c.is_ascii_digit())
            .filter(|&digits| digits > 0)?;
        rest = &fraction[zone..];
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let start = text.len() - rest.len();
            let sign = match rest.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            literal(start + 3, b':')?;
            let (hours, minutes) = (number(start + 1..start + 3)?, number(start + 4..start + 6)?);
            (rest.len() == 6 && hours < 24 && minutes < 60).then_some(())?;
            sign * (hours * HOUR + minutes * 60)
        }
    };
    Some(midnight + hour * HOUR + minute * 60 + second - offset)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_written() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("1969-12-31T23:59:59Z", -1),
            ("2026-11-25T16:04:05Z", 1_795_622_645),
        ] {
            assert_eq!(parse(text), Ok(unix));
            assert_eq!(rfc3339(unix), text);
        }
        assert_eq!(parse("2026-11-25T18:04:05+02:00"), Ok(1_795_622_645));
        assert_eq!(parse("2026-11-25T16:04:05.250Z"), Ok(1_795_622_645));
        assert_eq!(
            parse("2026-11-25"),
            Ok(1_795_622_645 - 16 * HOUR - 4 * 60 - 5)
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-11-25T16:04",
            "2026-11-25T24:00:00Z",
            "2026-11-25T16:04:05",
            "2026-11-25T16:04:05+2",
            "2026-11-25T16:04:05.Z",
            "2026-11-25x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_five_centuries_survives_the_round_trip() {
        for day in -100_000..100_000 {
            assert_eq!(parse(&date(day * DAY)), Ok(day * DAY));
        }
    }
}
