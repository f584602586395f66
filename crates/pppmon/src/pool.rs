//! The hub's address pool.
//!
//! A client gets an address when its bundle first comes up, and keeps it over every loss and over
//! restarts of the hub, whichever lines it uses. Addresses configured elsewhere are never handed
//! out.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Addresses from first to last, both included; written `10.9.0.2-10.9.0.30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Range {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl TryFrom<String> for Range {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            Some(Self {
                first: first.trim().parse().ok()?,
                last: last.trim().parse().ok()?,
            })
        });
        match parsed {
            Some(range) if range.first <= range.last => Ok(range),
            Some(_) => Err(format!("the pool {text:?} ends before it starts")),
            None => Err(format!(
                "{text:?} is not a pool (example: 10.9.0.2-10.9.0.30)"
            )),
        }
    }
}

/// Who has which address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Leases {
    leases: BTreeMap<String, Ipv4Addr>,
}

impl Leases {
    /// The client's address: the one it had, else the first free one. `None`: the pool is empty.
    pub fn assign(&mut self, client: &str, range: Range, taken: &[Ipv4Addr]) -> Option<Ipv4Addr> {
        let inside = |address: &Ipv4Addr| *address >= range.first && *address <= range.last;
        if let Some(address) = self.leases.get(client)
            && inside(address)
            && !taken.contains(address)
        {
            return Some(*address);
        }
        let free = (u32::from(range.first)..=u32::from(range.last))
            .map(Ipv4Addr::from)
            .find(|address| {
                !taken.contains(address) && !self.leases.values().any(|a| a == address)
            })?;
        self.leases.insert(client.to_owned(), free);
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> Result<Range, String> {
        Range::try_from(text.to_owned())
    }

    #[test]
    fn ranges_are_checked() {
        assert!(range("10.0.0.2-10.0.0.9").is_ok());
        for bad in ["10.0.0.9-10.0.0.2", "10.0.0.2", "a-b", ""] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_keeps_its_address_and_a_full_pool_says_so() {
        let range = range("10.0.0.2-10.0.0.3").unwrap();
        let mut leases = Leases::default();
        let a = leases.assign("a", range, &[]);
        assert_eq!(a, Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(
            leases.assign("b", range, &[]),
            Some(Ipv4Addr::new(10, 0, 0, 3))
        );
        assert_eq!(leases.assign("a", range, &[]), a);
        assert_eq!(leases.assign("c", range, &[]), None);
        let text = serde_json::to_string(&leases).unwrap();
        assert_eq!(serde_json::from_str::<Leases>(&text).unwrap(), leases);
    }

    proptest! {
        #[test]
        fn nobody_shares_an_address(clients in proptest::collection::vec("[a-f]", 1..40), taken in proptest::collection::vec(0u8..8, 0..3)) {
            let range = range("10.0.0.0-10.0.0.7").unwrap();
            let taken: Vec<_> = taken.into_iter().map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
            let mut leases = Leases::default();
            let mut given = BTreeMap::new();
            for client in clients {
                if let Some(address) = leases.assign(&client, range, &taken) {
                    prop_assert!(!taken.contains(&address));
                    let before = given.insert(client.clone(), address);
                    prop_assert!(before.is_none_or(|before| before == address));
                }
            }
            let mut addresses: Vec<_> = given.values().collect();
            addresses.sort();
            addresses.dedup();
            prop_assert_eq!(addresses.len(), given.len());
        }
    }
}
