//! Sizes given on the command line: `4K`, `128K`, `1M`; checked once, valid ever after.

use nightshift_common::human::ByteSize;
use std::fmt;
use std::str::FromStr;

/// Parses a number of bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.0)
        .map_err(|error| error.to_string())
}

/// The block in which zeros are looked for: a power of two from 512 bytes to 1 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HoleSize(u64);

impl HoleSize {
    /// The page and block size of every common file system.
    pub const DEFAULT: Self = Self(4096);

    /// A hole size of `bytes`, if that is one.
    pub fn new(bytes: u64) -> Result<Self, String> {
        if bytes.is_power_of_two() && (512..=1 << 30).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(format!(
                "{} is not a power of two from 512 to 1G",
                ByteSize(bytes)
            ))
        }
    }

    /// Bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl Default for HoleSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl FromStr for HoleSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_bytes(text).and_then(Self::new)
    }
}

impl TryFrom<String> for HoleSize {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<HoleSize> for String {
    fn from(size: HoleSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for HoleSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteSize(self.0).fmt(f)
    }
}

/// The block length of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BlockSize {
    /// librsync's rule up to 1 GiB, above it rounded up to multiples of 128 KiB.
    Auto,
    /// librsync's rule at any size.
    Sqrt,
    /// This many bytes, at least one.
    Fixed(u32),
}

impl BlockSize {
    /// Blocks are worked on whole and in memory, several per thread.
    pub const MAX: u32 = 64 << 20;

    /// The block length for a file of `len` bytes, `None` if the length is unknown.
    pub fn resolve(self, len: Option<u64>) -> u32 {
        match self {
            Self::Auto => crate::signature::auto_block_len(len),
            Self::Sqrt => crate::signature::sqrt_block_len(len),
            Self::Fixed(bytes) => bytes,
        }
    }
}

impl FromStr for BlockSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "sqrt" => Ok(Self::Sqrt),
            _ => match u32::try_from(parse_bytes(text)?) {
                Ok(bytes) if (1..=Self::MAX).contains(&bytes) => Ok(Self::Fixed(bytes)),
                _ => Err(format!("{text} is not a block size from 1 to 64M")),
            },
        }
    }
}

impl TryFrom<String> for BlockSize {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BlockSize> for String {
    fn from(size: BlockSize) -> Self {
        size.to_string()
    }
}

impl fmt::Display for BlockSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Sqrt => f.write_str("sqrt"),
            Self::Fixed(bytes) => ByteSize(u64::from(*bytes)).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sensible_hole_sizes_are_accepted() {
        assert_eq!("4K".parse(), Ok(HoleSize::DEFAULT));
        for text in ["0", "3000", "256", "2G"] {
            assert!(text.parse::<HoleSize>().is_err(), "{text}");
        }
        assert_eq!(HoleSize::DEFAULT.to_string(), "4K");
    }

    #[test]
    fn block_sizes_have_names_or_numbers() {
        assert_eq!("auto".parse(), Ok(BlockSize::Auto));
        assert_eq!("sqrt".parse(), Ok(BlockSize::Sqrt));
        assert_eq!("1000".parse(), Ok(BlockSize::Fixed(1000)));
        for text in ["0", "65M", "Auto", "5G"] {
            assert!(text.parse::<BlockSize>().is_err(), "{text}");
        }
        assert_eq!(BlockSize::Auto.resolve(Some(20 << 30)), 262_144);
    }
}
