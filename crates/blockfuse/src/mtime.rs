//! Which modification time a device's file shows.
//!
//! Incremental backup tools read a file again when its mtime moved; a device has none of its own.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How modification times are given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Policy {
    /// The time of the mount; a refresh renews all. The original's behaviour.
    #[default]
    Mount,
    /// The time of the mount; a refresh renews those whose device changed in the meantime.
    Refresh,
    /// As `Refresh`, and across unmounting as well: see [`crate::changes`].
    Changed,
    /// The time of asking, standing still while the file is open.
    Now,
    /// Always this moment.
    Fixed(SystemTime),
}

impl std::str::FromStr for Policy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "mount" => Self::Mount,
            "refresh" => Self::Refresh,
            "changed" => Self::Changed,
            "now" => Self::Now,
            seconds => {
                let seconds: u64 = seconds.parse().map_err(|_not_a_number| InvalidPolicy)?;
                let fixed = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
                Self::Fixed(fixed.ok_or(InvalidPolicy)?)
            }
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mount => f.write_str("mount"),
            Self::Refresh => f.write_str("refresh"),
            Self::Changed => f.write_str("changed"),
            Self::Now => f.write_str("now"),
            Self::Fixed(moment) => {
                let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
                write!(f, "{}", since.as_secs())
            }
        }
    }
}

impl TryFrom<String> for Policy {
    type Error = InvalidPolicy;

    fn try_from(text: String) -> Result<Self, InvalidPolicy> {
        text.parse()
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_string()
    }
}

/// The text names no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected mount, refresh, changed, now or seconds since 1970")]
pub struct InvalidPolicy;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_names_and_a_number_is_an_epoch() {
        let fixed = |seconds| Ok(Policy::Fixed(UNIX_EPOCH + Duration::from_secs(seconds)));
        for (text, expected) in [
            ("mount", Ok(Policy::Mount)),
            ("refresh", Ok(Policy::Refresh)),
            ("changed", Ok(Policy::Changed)),
            ("now", Ok(Policy::Now)),
            ("0", fixed(0)),
            ("1700000000", fixed(1_700_000_000)),
            ("18446744073709551615", Err(InvalidPolicy)),
            ("-1", Err(InvalidPolicy)),
            ("Mount", Err(InvalidPolicy)),
            ("", Err(InvalidPolicy)),
        ] {
            assert_eq!(text.parse::<Policy>(), expected, "{text:?}");
            if let Ok(policy) = expected {
                assert_eq!(policy.to_string(), text);
            }
        }
    }
}
