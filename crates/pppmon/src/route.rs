//! Routes as the kernel gives them, kept whole so that they can be put back whole.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::Fallback;
use crate::net::{self, AF_INET, Message, kind, push_attribute, rta};

/// Length of struct rtmsg.
const FIXED: usize = 12;
const RTA_PREFSRC: u16 = 7;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const TYPE_UNICAST: u8 = 1;
const TYPE_BLACKHOLE: u8 = 6;
const TYPE_UNREACHABLE: u8 = 7;
const SCOPE_UNIVERSE: u8 = 0;
const TABLE_LOCAL: u32 = 255;
const FLAG_CLONED: u32 = 0x200;
/// Routes that the kernel or a router made: they come back by themselves.
const MADE_BY_OTHERS: [u8; 3] = [1, 2, 9]; // redirect, kernel, router advertisement

/// Metric of the routes that stand in: worse than anything people or programs choose.
pub const TWIN_METRIC: u32 = 4_278_198_272;

/// A route, stored as hexadecimal text of the kernel's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Route {
    body: Vec<u8>,
}

impl From<Route> for String {
    fn from(route: Route) -> Self {
        use fmt::Write as _;
        route.body.iter().fold(Self::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl TryFrom<String> for Route {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let body: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        match body {
            Some(body) if body.len() >= FIXED => Ok(Self { body }),
            _ => Err("not a stored route".into()),
        }
    }
}

impl Route {
    /// A route worth keeping that leads through this interface.
    pub fn through(message: &Message, ifindex: u32) -> Option<Self> {
        if message.kind != kind::NEW_ROUTE || message.body.len() < FIXED {
            return None;
        }
        let route = Self {
            body: message.body.clone(),
        };
        let wanted = route.body[7] == TYPE_UNICAST
            && !MADE_BY_OTHERS.contains(&route.body[5])
            && message.number(8) & FLAG_CLONED == 0
            && route.number(RTA_TABLE) != Some(TABLE_LOCAL)
            && route.number(rta::OIF) == Some(ifindex);
        wanted.then_some(route)
    }

    fn message(body: Vec<u8>, kind: u16) -> Message {
        Message { kind, body }
    }

    fn attribute(&self, wanted: u16) -> Option<Vec<u8>> {
        let message = Self::message(self.body.clone(), kind::NEW_ROUTE);
        let found = message.attributes(FIXED);
        found
            .into_iter()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value.to_vec())
    }

    fn number(&self, wanted: u16) -> Option<u32> {
        let value = self.attribute(wanted)?;
        Some(u32::from_ne_bytes(*value.first_chunk()?))
    }

    fn address(&self, wanted: u16) -> Option<IpAddr> {
        net::address(&self.attribute(wanted)?)
    }

    /// Whether it needs another route to reach its gateway, and so goes after those.
    pub fn has_gateway(&self) -> bool {
        self.attribute(rta::GATEWAY).is_some()
    }

    /// The same attributes, except some.
    fn rebuilt(&self, fixed: [u8; FIXED], leave_out: &[u16], add: &[(u16, u32)]) -> Vec<u8> {
        let mut body = fixed.to_vec();
        let message = Self::message(self.body.clone(), kind::NEW_ROUTE);
        for (kind, value) in message.attributes(FIXED) {
            if !leave_out.contains(&kind) {
                push_attribute(&mut body, kind, value);
            }
        }
        for (kind, value) in add {
            push_attribute(&mut body, *kind, &value.to_ne_bytes());
        }
        body
    }

    fn fixed(&self) -> [u8; FIXED] {
        *self.body.first_chunk().unwrap_or(&[0; FIXED])
    }

    /// The message that puts it back through an interface, with or without its preferred source
    /// address, which may be gone.
    pub fn restore(&self, ifindex: u32, with_source: bool) -> Message {
        let mut fixed = self.fixed();
        fixed[8..].fill(0); // state of the old one
        let mut leave_out = vec![rta::OIF, RTA_CACHEINFO];
        if !with_source {
            leave_out.push(RTA_PREFSRC);
        }
        Self::message(
            self.rebuilt(fixed, &leave_out, &[(rta::OIF, ifindex)]),
            kind::NEW_ROUTE,
        )
    }

    /// The route that stands in for it while the interface is gone; none if nothing should.
    pub fn twin(&self, fallback: Fallback) -> Option<Route> {
        let mut fixed = self.fixed();
        fixed[6] = SCOPE_UNIVERSE;
        fixed[7] = match fallback {
            Fallback::None => return None,
            Fallback::Unreachable => TYPE_UNREACHABLE,
            Fallback::Blackhole => TYPE_BLACKHOLE,
        };
        fixed[8..].fill(0);
        let message = Self::message(self.body.clone(), kind::NEW_ROUTE);
        let kept = [rta::DST, RTA_TABLE];
        let leave_out: Vec<u16> = message
            .attributes(FIXED)
            .into_iter()
            .map(|(kind, _)| kind)
            .filter(|kind| !kept.contains(kind))
            .collect();
        Some(Self {
            body: self.rebuilt(fixed, &leave_out, &[(rta::PRIORITY, TWIN_METRIC)]),
        })
    }

    /// The message that adds it as it is.
    pub fn add(&self) -> Message {
        Self::message(self.body.clone(), kind::NEW_ROUTE)
    }

    /// The message that removes it as it is.
    pub fn delete(&self) -> Message {
        Self::message(self.body.clone(), kind::DEL_ROUTE)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unspecified = if self.body[0] == AF_INET {
            "0.0.0.0"
        } else {
            "::"
        };
        match self.address(rta::DST) {
            Some(address) => write!(f, "{address}/{}", self.body[1])?,
            None => write!(f, "{unspecified}/{}", self.body[1])?,
        }
        if let Some(gateway) = self.address(rta::GATEWAY) {
            write!(f, " via {gateway}")?;
        }
        if let Some(metric) = self.number(rta::PRIORITY) {
            write!(f, " metric {metric}")?;
        }
        match self.number(RTA_TABLE) {
            Some(table) if table != 254 => write!(f, " table {table}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(protocol: u8, oif: u32) -> Message {
        let mut body = vec![
            AF_INET,
            24,
            0,
            0,
            254,
            protocol,
            253,
            TYPE_UNICAST,
            4,
            0,
            0,
            0,
        ];
        push_attribute(&mut body, RTA_TABLE, &254u32.to_ne_bytes());
        push_attribute(&mut body, rta::DST, &[10, 99, 0, 0]);
        push_attribute(&mut body, rta::OIF, &oif.to_ne_bytes());
        push_attribute(&mut body, rta::PRIORITY, &50u32.to_ne_bytes());
        push_attribute(&mut body, RTA_PREFSRC, &[10, 0, 0, 1]);
        Message {
            kind: kind::NEW_ROUTE,
            body,
        }
    }

    #[test]
    fn only_routes_through_the_interface_that_people_made_are_kept() {
        assert!(Route::through(&message(4, 7), 7).is_some());
        assert!(Route::through(&message(4, 7), 8).is_none());
        assert!(
            Route::through(&message(2, 7), 7).is_none(),
            "the kernel's own"
        );
        assert!(
            Route::through(
                &Message {
                    kind: kind::DEL_ROUTE,
                    ..message(4, 7)
                },
                7
            )
            .is_none()
        );
    }

    #[test]
    fn a_route_is_restored_through_the_new_index() {
        let route = Route::through(&message(4, 7), 7).unwrap();
        assert_eq!(route.to_string(), "10.99.0.0/24 metric 50");
        let again = Route::through(&route.restore(9, true), 9).unwrap();
        assert_eq!(again.to_string(), route.to_string());
        assert!(again.attribute(RTA_PREFSRC).is_some());
        assert_eq!(again.number(rta::OIF), Some(9));
        let without = Route::through(&route.restore(9, false), 9).unwrap();
        assert!(without.attribute(RTA_PREFSRC).is_none());
    }

    #[test]
    fn the_twin_leads_nowhere_with_the_worst_metric() {
        let route = Route::through(&message(4, 7), 7).unwrap();
        let twin = route.twin(Fallback::Unreachable).unwrap();
        assert_eq!(
            twin.to_string(),
            format!("10.99.0.0/24 metric {TWIN_METRIC}")
        );
        assert_eq!(
            (twin.body[7], twin.number(rta::OIF)),
            (TYPE_UNREACHABLE, None)
        );
        assert_eq!(route.twin(Fallback::None), None);
    }

    #[test]
    fn stored_routes_read_back() {
        let route = Route::through(&message(4, 7), 7).unwrap();
        let text = serde_json::to_string(&route).unwrap();
        assert_eq!(serde_json::from_str::<Route>(&text).unwrap(), route);
        for bad in ["\"00\"", "\"zz\"", "\"0\"", "7"] {
            assert!(serde_json::from_str::<Route>(bad).is_err());
        }
    }
}
