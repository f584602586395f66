//! CAA: which CAs the holder of a name lets issue for it (RFC 8659), and whether a CA is one.

use std::fmt;

use crate::owner;

/// The records that bind CAs for a name, with the name they were found at. Empty: any CA may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Caa {
    pub(crate) at: String,
    /// Sorted, so that equal sets have equal texts.
    properties: Vec<Property>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Property {
    /// A CA that does not understand the tag must not issue.
    pub(crate) critical: bool,
    /// Lower case.
    pub(crate) tag: String,
    pub(crate) value: String,
}

impl Caa {
    pub(crate) fn new(at: &str, mut properties: Vec<Property>) -> Self {
        properties.sort();
        properties.dedup();
        Self {
            at: at.to_owned(),
            properties,
        }
    }

    /// Whether a CA that is known in the DNS by one of `identifiers` may issue; a wildcard
    /// certificate has its own tag, before the general one.
    pub(crate) fn permits(&self, identifiers: &[&str], wildcard: bool) -> bool {
        if self.properties.iter().any(Property::is_foreign) {
            return false;
        }
        let named = self.named(wildcard);
        named.is_empty()
            || named
                .iter()
                .any(|domain| identifiers.contains(&domain.as_str()))
    }

    /// The issuers named for such a certificate, empty ones (nobody) included.
    pub(crate) fn named(&self, wildcard: bool) -> Vec<String> {
        let with = |tag: &str| -> Vec<String> {
            let mine = self.properties.iter().filter(|p| p.tag == tag);
            mine.map(Property::domain).collect()
        };
        let wild = if wildcard {
            with("issuewild")
        } else {
            Vec::new()
        };
        if wild.is_empty() { with("issue") } else { wild }
    }
}

impl Property {
    /// Critical, and of no kind that is defined: no CA understands it.
    fn is_foreign(&self) -> bool {
        const DEFINED: &[&str] = &[
            "issue",
            "issuewild",
            "iodef",
            "contactemail",
            "contactphone",
            "issuemail",
            "issuevmc",
        ];
        self.critical && !DEFINED.contains(&self.tag.as_str())
    }

    /// The issuer's domain name, without its parameters.
    fn domain(&self) -> String {
        let domain = self.value.split(';').next().unwrap_or("");
        domain.trim().trim_end_matches('.').to_ascii_lowercase()
    }
}

impl fmt::Display for Caa {
    /// As it is stored and compared: the name and its records in a fixed order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.at)?;
        for property in &self.properties {
            let flag = u8::from(property.critical) << 7;
            write!(f, "\n{flag} {} {:?}", property.tag, property.value)?;
        }
        Ok(())
    }
}

/// The names under which an owner of CAs goes in CAA records, as its practice statement lists
/// them. Empty for an owner that is not known here: then CAA says nothing.
pub(crate) fn identifiers(owner: &str) -> &'static [&'static str] {
    let key = owner::plain(owner);
    TABLE
        .iter()
        .find(|(name, _)| owner::plain(name) == key)
        .map_or(&[], |(_, identifiers)| identifiers)
}

/// Owner to identifiers. One too many hides a finding, one too few is a false alarm: hence the
/// names of bought brands too.
const TABLE: &[(&str, &[&str])] = &[
    ("Actalis", &["actalis.it"]),
    (
        "Amazon Trust Services",
        &[
            "amazon.com",
            "amazontrust.com",
            "awstrust.com",
            "amazonaws.com",
        ],
    ),
    ("Asseco", &["certum.pl", "certum.eu"]),
    ("Buypass", &["buypass.com", "buypass.no"]),
    ("D-Trust", &["d-trust.net", "dtrust.de", "d-trust.de"]),
    ("Deutsche Telekom", &["telesec.de", "pki.dfn.de", "dfn.de"]),
    (
        "DigiCert",
        &[
            "digicert.com",
            "www.digicert.com",
            "digicert.ne.jp",
            "cybertrust.ne.jp",
            "symantec.com",
            "thawte.com",
            "geotrust.com",
            "rapidssl.com",
            "verisign.com",
            "digitalcertvalidation.com",
            "quovadisglobal.com",
            "volusion.digitalcertvalidation.com",
        ],
    ),
    ("Disig", &["disig.sk"]),
    ("Entrust", &["entrust.net", "affirmtrust.com"]),
    ("GlobalSign", &["globalsign.com", "alphassl.com"]),
    (
        "GoDaddy",
        &["godaddy.com", "starfieldtech.com", "secureserver.net"],
    ),
    ("Google Trust Services", &["pki.goog", "google.com"]),
    ("HARICA", &["harica.gr"]),
    ("IdenTrust", &["identrust.com"]),
    ("Izenpe", &["izenpe.com", "izenpe.eus"]),
    ("Let's Encrypt", &["letsencrypt.org"]),
    ("Microsoft", &["microsoft.com", "ssl.microsoft.com"]),
    ("SECOM", &["secomtrust.net"]),
    (
        "Sectigo",
        &[
            "sectigo.com",
            "comodo.com",
            "comodoca.com",
            "usertrust.com",
            "trust-provider.com",
            "trust-provider.net",
            "zerossl.com",
            "entrust.net",
            "affirmtrust.com",
        ],
    ),
    ("SSL.com", &["ssl.com"]),
    ("SwissSign", &["swisssign.com", "swisssign.net"]),
    ("TWCA", &["twca.com.tw"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn caa(records: &[(bool, &str, &str)]) -> Caa {
        let properties = records
            .iter()
            .map(|(critical, tag, value)| Property {
                critical: *critical,
                tag: (*tag).to_owned(),
                value: (*value).to_owned(),
            })
            .collect();
        Caa::new("example.org", properties)
    }

    #[test]
    fn issuers_are_permitted_as_the_standard_says() {
        for (records, plain, wildcard) in [
            (&[][..], true, true),
            (&[(false, "issue", "a.example")], true, true),
            (&[(false, "issue", " A.Example. ; policy=ev")], true, true),
            (&[(false, "issue", "b.example")], false, false),
            (&[(false, "issue", ";")], false, false),
            (&[(false, "issue", "")], false, false),
            (
                &[(false, "issue", "b.example"), (false, "issue", "a.example")],
                true,
                true,
            ),
            (
                &[(false, "issue", "a.example"), (false, "issuewild", ";")],
                true,
                false,
            ),
            (
                &[(false, "issue", ";"), (false, "issuewild", "a.example")],
                false,
                true,
            ),
            (&[(false, "issuewild", "b.example")], true, false),
            (&[(false, "iodef", "mailto:x@example.org")], true, true),
            (&[(false, "tbs", "unknown")], true, true),
            (&[(true, "tbs", "unknown")], false, false),
            (&[(true, "issue", "a.example")], true, true),
        ] {
            let caa = caa(records);
            let answers = [false, true].map(|wild| caa.permits(&["a.example"], wild));
            assert_eq!(answers, [plain, wildcard], "{records:?}");
        }
    }

    #[test]
    fn owners_are_found_under_every_spelling_and_others_have_no_identifier() {
        for (owner, identifier) in [
            ("Let's Encrypt", "letsencrypt.org"),
            ("Internet Security Research Group", "letsencrypt.org"),
            ("DigiCert, Inc.", "digicert.com"),
            ("GlobalSign nv-sa", "globalsign.com"),
            ("Google Trust Services LLC", "pki.goog"),
        ] {
            assert!(identifiers(owner).contains(&identifier), "{owner}");
        }
        assert!(identifiers("House CA").is_empty());
    }

    #[test]
    fn equal_sets_have_equal_texts() {
        let (a, b) = ((false, "issue", "a"), (true, "issuewild", "b\n"));
        assert_eq!(caa(&[a, b]).to_string(), caa(&[b, a, b]).to_string());
        assert_ne!(caa(&[a]).to_string(), caa(&[a, b]).to_string());
        assert_eq!(caa(&[b]).to_string(), "example.org\n128 issuewild \"b\\n\"");
    }
}
