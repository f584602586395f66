//! The times people give to `--at`.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Which recorded state is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The state at this instant.
    At(Timestamp),
    /// This many backups before the newest.
    Back(usize),
}

impl Moment {
    /// Parses what a user wrote; `now` and `zone` are what it is relative to.
    pub fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a time such as now, 1772326800, 2026-03-01T02:00:00Z, \
                 2026-03-01, 3/1/2026, 3D12h or 2B"
            )
        };
        if text == "now" {
            return Ok(Self::At(now));
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds = text.parse().map_err(|_too_large| wrong())?;
            return Timestamp::from_second(seconds)
                .map(Self::At)
                .map_err(|_too_large| wrong());
        }
        if let Some(count) = text.strip_suffix('B') {
            return count
                .parse()
                .map(Self::Back)
                .map_err(|_not_a_number| wrong());
        }
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self::At(instant));
        }
        let local = |civil: DateTime| zone.to_timestamp(civil).map(Self::At).ok();
        if text.contains('T')
            && let Ok(civil) = text.parse::<DateTime>()
        {
            return local(civil).ok_or_else(wrong);
        }
        if let Some(date) = date(text) {
            return local(date.to_datetime(jiff::civil::Time::midnight())).ok_or_else(wrong);
        }
        let ago = ago(text).ok_or_else(wrong)?;
        now.checked_sub(ago)
            .map(Self::At)
            .map_err(|_too_long_ago| wrong())
    }
}

/// `2026-03-01`, `2026/03/01`, `3/1/2026` or `3-1-2026` (month, day, year).
fn date(text: &str) -> Option<Date> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = if a.len() == 4 { (a, b, c) } else { (c, a, b) };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if year.len() != 4 || ![year, month, day].iter().all(|part| digits(part)) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// `3D12h`: numbers with units, added up.
fn ago(text: &str) -> Option<SignedDuration> {
    let mut seconds = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let split = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: i64 = rest[..split].parse().ok()?;
        let mut characters = rest[split..].chars();
        let unit = match characters.next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'D' => 86_400,
            'W' => 7 * 86_400,
            'M' => 30 * 86_400,
            'Y' => 365 * 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = characters.as_str();
    }
    (!text.is_empty()).then(|| SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_326_800; // 2026-03-01T01:00:00Z

    fn parse(text: &str) -> Result<Moment, String> {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        Moment::parse(text, Timestamp::from_second(NOW).expect("valid"), &zone)
    }

    fn at(seconds: i64) -> Moment {
        Moment::At(Timestamp::from_second(seconds).expect("valid"))
    }

    #[test]
    fn every_form_is_understood() {
        for (text, seconds) in [
            ("now", NOW),
            ("0", 0),
            ("1772326800", NOW),
            ("2026-03-01T01:00:00Z", NOW),
            ("2026-03-01T03:00:00+02:00", NOW),
            ("2026-03-01T02:00:00", NOW),
            ("2026-03-01", NOW - 7200),
            ("2026/03/01", NOW - 7200),
            ("3/1/2026", NOW - 7200),
            ("3-1-2026", NOW - 7200),
            ("3D12h", NOW - 302_400),
            ("1W2m3s", NOW - 604_923),
            ("1M", NOW - 2_592_000),
            ("1Y", NOW - 31_536_000),
        ] {
            assert_eq!(parse(text), Ok(at(seconds)), "{text}");
        }
        assert_eq!(parse("2B"), Ok(Moment::Back(2)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "B",
            "yesterday",
            "2026-13-01",
            "31/12/2026",
            "1d",
            "3D12",
            "99999999999999999999",
            "9999999999Y",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
