//! Known-bad keys and CAs: broken into, or known to sign for interception. A CA merely dropped by
//! a root programme is not here; its chains are untrusted, which says enough.

use crate::cert::Cert;
use crate::chain::Chain;
use crate::digest::Sha256;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distrusted {
    what: What,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// SHA-256 of a SubjectPublicKeyInfo.
    Spki(Sha256),
    /// The exact organisation of a CA certificate.
    Organisation(String),
}

/// CAs whose keys were used by intruders, by their organisation. Each is in the public record of
/// the root programmes that removed it.
const BUILT_IN: &[(&str, &str)] = &[
    (
        "DigiNotar",
        "DigiNotar, broken into in 2011, signed for google.com and 530 others",
    ),
    (
        "DigiNotar B.V.",
        "DigiNotar, broken into in 2011, signed for google.com and 530 others",
    ),
    (
        "TÜRKTRUST Bilgi İletişim ve Bilişim Güvenliği Hizmetleri A.Ş.",
        "TURKTRUST gave out two sub-CAs by mistake; one intercepted google.com in 2012",
    ),
    (
        "Superfish, Inc.",
        "Superfish, a pre-installed interception root with a published key",
    ),
];

impl Distrusted {
    /// An entry from its stored or written form: kind `spki` or `org`.
    pub(crate) fn new(kind: &str, value: &str, reason: &str) -> Result<Self, String> {
        let what = match kind {
            "spki" => What::Spki(value.parse()?),
            "org" if !value.is_empty() => What::Organisation(value.to_owned()),
            "org" => return Err("an empty organisation".to_owned()),
            _ => return Err(format!("`{kind}` is neither `spki` nor `org`")),
        };
        Ok(Self {
            what,
            reason: reason.to_owned(),
        })
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.what {
            What::Spki(_) => "spki",
            What::Organisation(_) => "org",
        }
    }

    pub(crate) fn value(&self) -> String {
        match &self.what {
            What::Spki(hash) => hash.to_string(),
            What::Organisation(name) => name.clone(),
        }
    }

    fn matches(&self, cert: &Cert) -> bool {
        match &self.what {
            What::Spki(hash) => cert.spki == *hash,
            What::Organisation(name) => {
                cert.ca == Some(true) && cert.subject.organisation.as_ref() == Some(name)
            }
        }
    }
}

/// Reads a list: `spki HEX reason...` or `org NAME<TAB>reason`, `#` starts a comment.
pub(crate) fn parse(text: &str) -> Result<Vec<Distrusted>, (usize, String)> {
    let mut entries = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fail = |reason: String| (number + 1, reason);
        let (kind, rest) = line.split_once(char::is_whitespace).ok_or_else(|| {
            fail("expected `spki HEX REASON` or `org NAME<TAB>REASON`".to_owned())
        })?;
        let rest = rest.trim();
        let separator = if kind == "org" { '\t' } else { ' ' };
        let (value, reason) = rest.split_once(separator).unwrap_or((rest, "imported"));
        entries.push(Distrusted::new(kind, value.trim(), reason.trim()).map_err(fail)?);
    }
    Ok(entries)
}

/// Why a certificate of `chain` is known to be bad, if one is.
pub(crate) fn reason(chain: &Chain, imported: &[Distrusted]) -> Option<String> {
    let certs = || {
        chain
            .certs
            .iter()
            .chain(&chain.path().certs)
            .chain(&chain.path().root)
    };
    let built_in = BUILT_IN.iter().find(|(organisation, _)| {
        certs().any(|cert| {
            cert.ca == Some(true) && cert.subject.organisation.as_deref() == Some(*organisation)
        }) || chain.leaf().issuer.organisation.as_deref() == Some(*organisation)
    });
    if let Some((_, reason)) = built_in {
        return Some((*reason).to_owned());
    }
    imported
        .iter()
        .find(|entry| certs().any(|cert| entry.matches(cert)))
        .map(|entry| format!("{} {} ({})", entry.kind(), entry.value(), entry.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_mistakes_name_their_line() {
        let text = format!(
            "# bad\nspki {} stolen key\norg Bad CA\tsigned for intruders\n",
            "ab".repeat(32)
        );
        let list = parse(&text).unwrap();
        assert_eq!(
            (list[0].kind(), list[0].reason.as_str()),
            ("spki", "stolen key")
        );
        assert_eq!(
            (list[1].value().as_str(), list[1].reason.as_str()),
            ("Bad CA", "signed for intruders")
        );
        assert_eq!(parse("\nspki zz x").unwrap_err().0, 2);
        assert_eq!(
            parse("key abc").unwrap_err().1,
            "`key` is neither `spki` nor `org`"
        );
    }
}
