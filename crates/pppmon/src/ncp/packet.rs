//! Control protocol packets: code, identifier, length, options. Pure parsing and building.
//!
//! Everything here comes from the peer. A packet whose lengths do not add up is refused whole;
//! nothing is read past what the lengths allow.

/// PPP protocol numbers the supervisor speaks, as on the wire.
pub mod protocol {
    /// IP control protocol.
    pub const IPCP: u16 = 0x8021;
    /// IPv6 control protocol.
    pub const IPV6CP: u16 = 0x8057;
    /// Link control protocol, used here for Protocol-Reject alone.
    pub const LCP: u16 = 0xc021;
    /// A number that is no network protocol; see the `phantom` module.
    pub const MARKER: u16 = 0xc057;
}

/// Codes of RFC 1661, section 5.
pub mod code {
    /// Configure-Request.
    pub const REQUEST: u8 = 1;
    /// Configure-Ack.
    pub const ACK: u8 = 2;
    /// Configure-Nak.
    pub const NAK: u8 = 3;
    /// Configure-Reject.
    pub const REJECT: u8 = 4;
    /// Terminate-Request.
    pub const TERMINATE: u8 = 5;
    /// Terminate-Ack.
    pub const TERMINATE_ACK: u8 = 6;
    /// Code-Reject.
    pub const CODE_REJECT: u8 = 7;
    /// Protocol-Reject, LCP only.
    pub const PROTOCOL_REJECT: u8 = 8;
}

/// A packet whose length is consistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it asks or answers.
    pub code: u8,
    /// Ties an answer to its request.
    pub id: u8,
    /// Options, or whatever the code defines.
    pub body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads what follows the protocol number. Bytes past the stated length are padding.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let &[code, id, high, low, ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        Some(Self {
            code,
            id,
            body: bytes.get(4..length)?,
        })
    }

    /// The bytes with the protocol number in front; `None` if the body does not fit.
    pub fn frame(&self, protocol: u16) -> Option<Vec<u8>> {
        let length = u16::try_from(self.body.len().checked_add(4)?).ok()?;
        let mut frame = Vec::with_capacity(usize::from(length) + 2);
        frame.extend(protocol.to_be_bytes());
        frame.extend([self.code, self.id]);
        frame.extend(length.to_be_bytes());
        frame.extend(self.body);
        Some(frame)
    }
}

/// One configuration option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt<'a> {
    /// Its number within the protocol.
    pub kind: u8,
    /// Its value, without kind and length.
    pub value: &'a [u8],
    /// All of it, as it is echoed in an answer.
    pub raw: &'a [u8],
}

/// Splits a body into options; `None` if the lengths do not add up.
pub fn options(mut body: &[u8]) -> Option<Vec<Opt<'_>>> {
    let mut options = Vec::new();
    while !body.is_empty() {
        let &[kind, length, ..] = body else {
            return None;
        };
        let length = usize::from(length);
        if length < 2 {
            return None;
        }
        let raw = body.get(..length)?;
        options.push(Opt {
            kind,
            value: &raw[2..],
            raw,
        });
        body = &body[length..];
    }
    Some(options)
}

/// Builds one option. Values are a few bytes; longer ones are cut.
pub fn option(kind: u8, value: &[u8]) -> Vec<u8> {
    let value = &value[..value.len().min(253)];
    let length = u8::try_from(value.len() + 2).unwrap_or(u8::MAX);
    [&[kind, length], value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lying_lengths_are_refused() {
        assert_eq!(Packet::parse(&[1, 1, 0, 3]), None);
        assert_eq!(Packet::parse(&[1, 1, 0, 5]), None);
        assert_eq!(Packet::parse(&[1, 1, 0]), None);
        assert_eq!(Packet::parse(&[1, 9, 0, 4, 0xff]).unwrap().body, b"");
        assert_eq!(options(&[3, 6, 10, 0]), None);
        assert_eq!(options(&[3, 1]), None);
        assert_eq!(options(&[3, 0, 0, 0]), None);
        assert_eq!(options(&[3]), None);
    }

    proptest! {
        #[test]
        fn packets_round_trip(code: u8, id: u8, body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let packet = Packet { code, id, body: &body };
            let frame = packet.frame(protocol::IPCP).unwrap();
            prop_assert_eq!(Packet::parse(&frame[2..]), Some(packet));
        }

        #[test]
        fn options_cover_the_body_exactly(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(options) = options(&body) {
                let again: Vec<u8> = options.iter().flat_map(|o| o.raw.to_vec()).collect();
                prop_assert_eq!(again, body);
            }
        }
    }
}
