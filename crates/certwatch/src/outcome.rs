//! What became of one probe. Never one "error": each way to fail says something else about the
//! server, the network or us, and what was presented is kept with any of them.

use std::fmt;

/// The outcome of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Ok,
    /// The name does not resolve.
    Dns,
    Refused,
    Unreachable,
    Timeout(Stage),
    Reset,
    StarttlsRefused,
    /// Bytes stood behind the server's go-ahead: somebody injected plain text.
    StarttlsInjected,
    NotTls,
    /// A TLS alert ended the handshake.
    Alert(u8),
    /// Only the cleartext hello got a chain: protocol version and cipher suite the server chose.
    Legacy {
        version: u16,
        suite: u16,
    },
    CertUnparseable,
    NameMismatch,
    Expired,
    NotYet,
    Untrusted,
    Incomplete,
    /// The server spoke TLS, but broke it in a way no alert describes.
    Broken,
}

/// Where a probe was when its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Dns,
    Connect,
    Preamble,
    Handshake,
}

/// Whether the server proved that it holds the leaf's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Proof {
    Proven,
    Failed,
    /// The library refuses to verify with such a key (RSA below 2048 bits).
    Unverifiable,
    /// Nothing was asked to be proven: cleartext hello, or no handshake.
    #[default]
    None,
}

impl Proof {
    /// The word used in the database and in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Failed => "failed",
            Self::Unverifiable => "unverifiable",
            Self::None => "none",
        }
    }

    /// Reads [`Proof::code`].
    pub(crate) fn from_code(code: &str) -> Self {
        [Self::Proven, Self::Failed, Self::Unverifiable]
            .into_iter()
            .find(|proof| proof.code() == code)
            .unwrap_or(Self::None)
    }
}

impl Outcome {
    /// The outcome without its details: metric labels and counts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Reset => "reset",
            Self::StarttlsRefused => "starttls-refused",
            Self::StarttlsInjected => "starttls-injected",
            Self::NotTls => "not-tls",
            Self::Alert(_) => "alert",
            Self::Legacy { .. } => "legacy",
            Self::CertUnparseable => "cert-unparseable",
            Self::NameMismatch => "name-mismatch",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Untrusted => "untrusted",
            Self::Incomplete => "incomplete",
            Self::Broken => "broken",
        }
    }

    /// Reads the `Display` form back from the database.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = [
            Self::Ok,
            Self::Dns,
            Self::Refused,
            Self::Unreachable,
            Self::Reset,
            Self::StarttlsRefused,
            Self::StarttlsInjected,
            Self::NotTls,
            Self::CertUnparseable,
            Self::NameMismatch,
            Self::Expired,
            Self::NotYet,
            Self::Untrusted,
            Self::Incomplete,
            Self::Broken,
        ];
        let stages = [
            Stage::Dns,
            Stage::Connect,
            Stage::Preamble,
            Stage::Handshake,
        ];
        if let Some(found) = plain.into_iter().find(|outcome| outcome.kind() == text) {
            return Some(found);
        }
        let (kind, detail) = text.strip_suffix(')')?.split_once('(')?;
        match kind {
            "timeout" => stages
                .into_iter()
                .find(|stage| stage.word() == detail)
                .map(Self::Timeout),
            "alert" => detail.parse().ok().map(Self::Alert),
            "legacy" => {
                let (version, suite) = detail.split_once(',')?;
                let hex = |text: &str| u16::from_str_radix(text, 16).ok();
                Some(Self::Legacy {
                    version: hex(version)?,
                    suite: hex(suite)?,
                })
            }
            _ => None,
        }
    }
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Preamble => "preamble",
            Self::Handshake => "handshake",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(stage) => write!(f, "timeout({})", stage.word()),
            Self::Alert(number) => write!(f, "alert({number})"),
            Self::Legacy { version, suite } => write!(f, "legacy({version:04x},{suite:04x})"),
            other => f.write_str(other.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_read_back() {
        for outcome in [
            Outcome::Ok,
            Outcome::Dns,
            Outcome::Refused,
            Outcome::Unreachable,
            Outcome::Reset,
            Outcome::StarttlsRefused,
            Outcome::StarttlsInjected,
            Outcome::NotTls,
            Outcome::CertUnparseable,
            Outcome::NameMismatch,
            Outcome::Expired,
            Outcome::NotYet,
            Outcome::Untrusted,
            Outcome::Incomplete,
            Outcome::Broken,
            Outcome::Alert(70),
            Outcome::Legacy {
                version: 0x0301,
                suite: 0xc013,
            },
            Outcome::Timeout(Stage::Dns),
            Outcome::Timeout(Stage::Handshake),
        ] {
            assert_eq!(Outcome::parse(&outcome.to_string()), Some(outcome));
        }
        assert_eq!(Outcome::parse("timeout(lunch)"), None);
    }
}
