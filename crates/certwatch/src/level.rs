//! Validation levels. A level is what the CA *claims*: nothing here proves that anyone looked.

use std::fmt;

use crate::cert::Cert;

const EV: &str = "2.23.140.1.1";
const DV: &str = "2.23.140.1.2.1";
const OV: &str = "2.23.140.1.2.2";
const IV: &str = "2.23.140.1.2.3";
/// anyPolicy: a sub-CA that carries it may assert every level its root may.
const ANY: &str = "2.5.29.32.0";

/// What a leaf claims about how its subject was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    Ev,
    Ov,
    Iv,
    Dv,
    /// No policy of the CA/Browser Forum in it. Before about 2016 most certificates carried only
    /// their CA's own OIDs, so a change from or to this says nothing.
    Unknown,
}

impl Level {
    /// The level asserted by the Forum's policy OIDs, the highest if several are there; else EV
    /// by the shape of the subject, which no other level has.
    pub(crate) fn of(leaf: &Cert) -> Self {
        let has = |oid: &str| leaf.policies.iter().any(|policy| policy == oid);
        if has(EV) || leaf.subject.ev_shaped {
            Self::Ev
        } else if has(OV) {
            Self::Ov
        } else if has(IV) {
            Self::Iv
        } else if has(DV) {
            Self::Dv
        } else {
            Self::Unknown
        }
    }

    /// The code used in the database and in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Ev => "EV",
            Self::Ov => "OV",
            Self::Iv => "IV",
            Self::Dv => "DV",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether `issuer`, an intermediate, may assert EV at all: by its own policies, which must hold
/// anyPolicy or an EV policy. An intermediate without the extension asserts nothing.
pub(crate) fn may_assert_ev(issuer: &Cert, ev_policies: &[String]) -> bool {
    issuer
        .policies
        .iter()
        .any(|policy| policy == ANY || policy == EV || ev_policies.contains(policy))
}
