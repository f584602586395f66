//! A network prefix, as people write it.

use std::net::{IpAddr, Ipv4Addr};

/// A network prefix, such as `10.99.0.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    /// First address.
    pub address: IpAddr,
    /// Length in bits.
    pub length: u8,
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "default" {
            return Ok(Self {
                address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                length: 0,
            });
        }
        let bad = || format!("{text:?} is not a network prefix (example: 10.99.0.0/24)");
        let (address, length) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_not_an_address| bad())?;
        let length: u8 = length.parse().map_err(|_not_a_number| bad())?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        if length > max {
            return Err(bad());
        }
        let bits = match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        if bits.checked_shl(u32::from(length)).unwrap_or(0) != 0 {
            return Err(format!("{text:?} has bits set behind its length"));
        }
        Ok(Self { address, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Result<Prefix, String> {
        Prefix::try_from(text.to_owned())
    }

    #[test]
    fn prefixes_are_checked() {
        assert_eq!(prefix("10.99.0.0/24").unwrap().to_string(), "10.99.0.0/24");
        assert_eq!(prefix("default").unwrap().to_string(), "0.0.0.0/0");
        assert_eq!(prefix("fd00::/8").unwrap().length, 8);
        for bad in [
            "10.99.0.0",
            "10.99.0.0/33",
            "10.99.0.1/24",
            "x/3",
            "fd00::1/64",
            "/",
        ] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
    }
}
