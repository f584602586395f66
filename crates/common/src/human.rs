//! Sizes and durations as people write them; used by every tool's flags and configuration.
//!
//! Both types print a form that they read back to the same value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes: `4096`, `128K`, `1.5GiB`, `20T` (powers of 1024), `10MB` (powers of 1000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A length of time: `90s`, `2m`, `1h 30m`, `7days`, `500ms`. A bare number has no unit and is
/// refused: nobody remembers which unit a tool means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// Why a text is not a size or a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a number followed by a known unit.
    #[error("{0:?} is not a size (examples: 4096, 128K, 1.5GiB, 10MB)")]
    Size(String),
    /// Larger than 2^64 - 1 bytes.
    #[error("the size {0:?} is too large")]
    TooLarge(String),
    /// A fraction that is not a whole number of bytes.
    #[error("the size {0:?} is not a whole number of bytes")]
    Fraction(String),
    /// Not a duration.
    #[error("{text:?} is not a duration (examples: 30s, 5m, 1h 30m, 7days): {reason}")]
    Duration {
        /// What was given.
        text: String,
        /// What the parser says.
        reason: String,
    },
}

const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
    ("p", 1 << 50),
    ("pib", 1 << 50),
    ("pb", 1_000_000_000_000_000),
    ("e", 1 << 60),
    ("eib", 1 << 60),
];

impl FromStr for ByteSize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::Size(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let unit = unit.trim().to_ascii_lowercase();
        let &(_, factor) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(bad)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty()
            || fraction.contains('.')
            || (fraction.is_empty() && number.contains('.'))
        {
            return Err(bad());
        }
        // Digits only are left, so a parse failure can only be an overflow.
        let large = |_| Error::TooLarge(text.to_owned());
        let whole: u64 = whole.parse().map_err(large)?;
        let scale = 10u128
            .checked_pow(u32::try_from(fraction.len()).ok().ok_or_else(bad)?)
            .ok_or_else(bad)?;
        let part: u128 = if fraction.is_empty() {
            0
        } else {
            fraction.parse().map_err(large)?
        };
        let scaled = part.checked_mul(u128::from(factor)).ok_or_else(bad)?;
        if !scaled.is_multiple_of(scale) {
            return Err(Error::Fraction(text.to_owned()));
        }
        let bytes = u128::from(whole) * u128::from(factor) + scaled / scale;
        u64::try_from(bytes)
            .map(ByteSize)
            .map_err(|_overflow| Error::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for ByteSize {
    /// The largest binary unit that divides the value exactly: `131072` prints as `128K`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = ["", "K", "M", "G", "T", "P", "E"];
        let step = if self.0 == 0 {
            0
        } else {
            (self.0.trailing_zeros() / 10) as usize
        };
        write!(f, "{}{}", self.0 >> (10 * step), unit[step])
    }
}

impl ByteSize {
    /// For people: three significant digits and a unit, `1.46 GiB`; not exact.
    pub fn approx(self) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut value = self.0 as f64;
        let mut unit = 0;
        // 999.5 would print as "1000": go to the next unit there, not at 1024.
        while value >= 999.5 && unit + 1 < units.len() {
            value /= 1024.0;
            unit += 1;
        }
        match value {
            _ if unit == 0 => format!("{} B", self.0),
            v if v < 9.995 => format!("{v:.2} {}", units[unit]),
            v if v < 99.95 => format!("{v:.1} {}", units[unit]),
            v => format!("{v:.0} {}", units[unit]),
        }
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        humantime::parse_duration(text.trim())
            .map(Span)
            .map_err(|reason| Error::Duration {
                text: text.to_owned(),
                reason: reason.to_string(),
            })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    /// A string, or a whole number of bytes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 4096, \"128K\" or \"1.5GiB\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_negative| E::custom("a size is not negative"))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("128K", 131_072),
            ("128 KiB", 131_072),
            ("1.5GiB", 1_610_612_736),
            ("10MB", 10_000_000),
            ("1t", 1 << 40),
            ("0.5k", 512),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for text in ["", "K", "-1", "1.2.3", "1.", "12 parsecs", "0x10", "1e3"] {
            assert!(
                matches!(text.parse::<ByteSize>(), Err(Error::Size(_))),
                "{text}"
            );
        }
        assert!(matches!("16E".parse::<ByteSize>(), Err(Error::TooLarge(_))));
        assert!(matches!(
            "99999999999999999999".parse::<ByteSize>(),
            Err(Error::TooLarge(_))
        ));
        assert!(matches!("0.3".parse::<ByteSize>(), Err(Error::Fraction(_))));
        assert!(
            "90".parse::<Span>()
                .unwrap_err()
                .to_string()
                .contains("30s")
        );
    }

    #[test]
    fn approximate_sizes_have_three_digits() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1023, "1.00 KiB"),
            (1 << 30, "1.00 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(ByteSize(bytes).approx(), shown);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes: u64, millis in 0u64..1 << 50) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn never_panics(text: String) {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Span>();
        }
    }
}
