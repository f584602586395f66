//! Findings: stable codes, severities, and the sentence a person reads.

use std::fmt;
use std::str::FromStr;

use crate::digest::Sha256;

/// How much a finding matters. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Severity {
    /// Kept for the record: renewals, rotations.
    Info,
    /// Worth a look when one is looking anyway.
    Notice,
    /// Somebody should look today.
    Warning,
    /// Assume an attack or an outage until shown otherwise.
    Critical,
}

impl Severity {
    pub(crate) const ALL: [Self; 4] = [Self::Info, Self::Notice, Self::Warning, Self::Critical];

    /// The word used everywhere: JSON, database, metrics, command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.word() == text)
            .ok_or_else(|| format!("`{text}` is no severity (info, notice, warning, critical)"))
    }
}

/// A stable code. Codes are never renamed or reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Code(&'static str);

/// Declares the codes with the row of the decision table they come from.
macro_rules! codes {
    ($($name:ident = $text:literal, $row:literal;)*) => {
        impl Code {
            $(pub(crate) const $name: Self = Self($text);)*
            /// Every code with its row in the decision table; row 0 is outside the table.
            pub(crate) const ALL: &'static [(Self, u8)] = &[$((Self::$name, $row),)*];
        }
    };
}

codes! {
    FIRST_SEEN = "first-seen", 0;
    SELF_SIGNED = "self-signed", 0;
    UNTRUSTED = "untrusted", 0;
    NAME_MISMATCH = "name-mismatch", 0;
    CN_ONLY = "cn-only", 0;
    CERT_UNPARSEABLE = "cert-unparseable", 0;
    PIN_BROKEN = "pin-broken", 0;
    SELF_SIGNED_REKEYED = "self-signed-rekeyed", 0;
    CHAIN_VARIANT = "chain-variant", 1;
    RENEWED = "renewed", 2;
    REKEYED = "rekeyed", 3;
    REKEYED_EARLY = "rekeyed-early", 3;
    ISSUER_ROTATED = "issuer-rotated", 4;
    ISSUER_UNSEEN = "issuer-unseen", 5;
    OWNER_CHANGED = "owner-changed", 6;
    OWNER_CHANGED_UNSEEN = "owner-changed-unseen", 7;
    ANCHOR_CHANGED = "anchor-changed", 8;
    LOCAL_ROOT = "local-root", 9;
    UNTRUSTED_NOW = "untrusted-now", 10;
    LEVEL_DOWN_EV = "level-down-ev", 11;
    EV_NOT_PERMITTED = "ev-not-permitted", 11;
    LEVEL_DOWN_OV = "level-down-ov", 12;
    KEY_WEAKER = "key-weaker", 13;
    KEY_WEAK = "key-weak", 13;
    SIGNATURE_WEAK = "signature-weak", 13;
    KEY_TYPE = "key-type", 13;
    NAME_LOST = "name-lost", 14;
    NAMES_SHRUNK = "names-shrunk", 14;
    WILDCARD = "wildcard", 14;
    SCT_GONE = "sct-gone", 15;
    LEAF_IS_CA = "leaf-is-ca", 16;
    CA_FLAG = "ca-flag", 16;
    PATHLEN = "pathlen", 16;
    NAME_CONSTRAINTS = "name-constraints", 16;
    EKU = "eku", 16;
    SUBCA_YOUNG = "subca-young", 16;
    SUBCA_SHORT = "subca-short", 16;
    SUBCA_FOREIGN_NAME = "subca-foreign-name", 16;
    ORDER = "order", 17;
    INCOMPLETE = "incomplete", 17;
    EXTRA_CERTS = "extra-certs", 17;
    ROOT_SENT = "root-sent", 17;
    NOT_YET = "not-yet", 18;
    BACKDATED = "backdated", 18;
    SPLIT_ADDRESS = "split-address", 19;
    SPLIT_PORT = "split-port", 19;
    SPLIT_VANTAGE = "split-vantage", 19;
    RETURNED = "returned", 20;
    RETURNED_BAD = "returned-bad", 20;
    KEY_SHARED = "key-shared", 21;
    REJECTED_KEY = "rejected-key", 21;
    KNOWN_BAD = "known-bad", 21;
    EXPIRING = "expiring", 22;
    EXPIRING_NOW = "expiring-now", 22;
    PATH_EXPIRING = "path-expiring", 22;
    CAA_FORBIDS = "caa-forbids", 23;
    TLSA_MISMATCH = "tlsa-mismatch", 23;
    STARTTLS_GONE = "starttls-gone", 24;
    TLS_LEGACY = "tls-legacy", 24;
}

impl Code {
    /// The code as printed and stored.
    pub(crate) fn as_str(self) -> &'static str {
        self.0
    }

    /// Its row in the decision table.
    pub(crate) fn row(self) -> u8 {
        Self::ALL
            .iter()
            .find(|(code, _)| *code == self)
            .map_or(0, |(_, row)| *row)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .map(|(code, _)| *code)
            .find(|code| code.0 == text)
            .ok_or_else(|| format!("`{text}` is no finding code"))
    }
}

/// One thing worth saying about an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    pub(crate) severity: Severity,
    /// A sentence fragment with the facts in it. Names from certificates are in it as they are;
    /// whoever prints it escapes it.
    pub(crate) text: String,
    /// The certificate the finding is about, if it is about one.
    pub(crate) evidence: Option<Sha256>,
}

impl Finding {
    pub(crate) fn new(code: Code, severity: Severity, text: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            text: text.into(),
            evidence: None,
        }
    }

    pub(crate) fn about(mut self, certificate: Sha256) -> Self {
        self.evidence = Some(certificate);
        self
    }
}

/// The highest severity among `findings`.
pub(crate) fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        let mut seen = std::collections::HashSet::new();
        for (code, _) in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert!("no-such-code".parse::<Code>().is_err());
    }

    #[test]
    fn severities_are_ordered() {
        assert!(Severity::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
