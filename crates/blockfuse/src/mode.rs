//! Permission bits as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Read permission bits, written in octal: `0400`, `440`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u16);

/// Not a mode, or one that promises what a read-only mount cannot keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected read bits in octal, such as 0400 or 0444")]
pub struct InvalidMode;

impl Mode {
    /// The bits.
    pub fn bits(self) -> u16 {
        self.0
    }
}

impl Default for Mode {
    /// The owner may read.
    fn default() -> Self {
        Self(0o400)
    }
}

impl FromStr for Mode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        match u16::from_str_radix(text, 8) {
            Ok(bits) if bits & !0o444 == 0 => Ok(Self(bits)),
            _ => Err(InvalidMode),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl TryFrom<String> for Mode {
    type Error = InvalidMode;

    fn try_from(text: String) -> Result<Self, InvalidMode> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_read_bits_in_octal_are_modes() {
        for (text, bits) in [
            ("0400", Some(0o400)),
            ("444", Some(0o444)),
            ("0", Some(0)),
            ("440", Some(0o440)),
            ("0600", None),
            ("0500", None),
            ("4444", None),
            ("9", None),
            ("", None),
            ("-4", None),
        ] {
            assert_eq!(text.parse::<Mode>().ok().map(Mode::bits), bits, "{text:?}");
        }
        assert_eq!(Mode::default().to_string(), "0400");
    }
}
