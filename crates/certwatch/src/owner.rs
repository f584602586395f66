//! Who stands behind a chain: the CA owner, so that the rotations inside one company stay silent
//! and a change of company does not.
//!
//! An intermediate's own organisation never decides alone: whoever signs it can write anything
//! into it. The root's can, because root programmes vetted it.

use std::collections::HashMap;
use std::fmt;

use crate::cert::{Cert, Name};
use crate::import::ccadb::Ccadb;

/// The owner of a chain. Two owners are the same when their names are.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) basis: Basis,
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// How the owner was determined, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The issuer's record in the Common CA Database.
    Ccadb,
    /// A cross-sign or white label we know: root owner and intermediate organisation together.
    Pair,
    /// The root's organisation, through the alias table or as it stands.
    Root,
    /// No path to a root: what the leaf says about its issuer.
    Claimed,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.basis {
            Basis::Claimed => f.write_str(" (claimed)"),
            Basis::Ccadb | Basis::Pair | Basis::Root => Ok(()),
        }
    }
}

/// Everything needed to name an owner.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// Normalised organisation to owner, from the configuration. Beats the built-in table.
    aliases: HashMap<String, String>,
    /// The imported CCADB report, empty without one.
    pub(crate) ccadb: Ccadb,
}

impl Owners {
    /// An owner table with the administrator's own aliases and an imported CCADB report.
    pub(crate) fn new(aliases: &std::collections::BTreeMap<String, String>, ccadb: Ccadb) -> Self {
        let aliases = aliases
            .iter()
            .map(|(from, to)| (normalise(from), to.clone()))
            .collect();
        Self { aliases, ccadb }
    }

    /// The owner of the chain `leaf` .. `issuer` .. `root`; either of the last two may be missing.
    /// `issuer` is the certificate that signed the leaf, when it is at hand.
    pub(crate) fn of(&self, leaf: &Cert, issuer: Option<&Cert>, root: Option<&Cert>) -> Owner {
        if let Some(issuer) = issuer
            && let Some(name) = self.ccadb.owner(issuer)
        {
            return Owner {
                name: name.to_owned(),
                basis: Basis::Ccadb,
            };
        }
        let Some(root) = root else {
            return Owner {
                name: self.by_name(&leaf.issuer),
                basis: Basis::Claimed,
            };
        };
        let root_owner = self.by_name(&root.subject);
        if let Some(organisation) = issuer.and_then(|issuer| issuer.subject.organisation.as_ref())
            && let Some(name) = pair(&root_owner, &normalise(organisation))
        {
            return Owner {
                name: name.to_owned(),
                basis: Basis::Pair,
            };
        }
        Owner {
            name: root_owner,
            basis: Basis::Root,
        }
    }

    /// The owner an organisation name stands for.
    pub(crate) fn by_name(&self, name: &Name) -> String {
        let plain = name.organisation.as_deref().unwrap_or_else(|| name.short());
        let key = normalise(plain);
        if let Some(owner) = self.aliases.get(&key) {
            return owner.clone();
        }
        ALIASES
            .iter()
            .find(|(alias, _)| *alias == key)
            .map_or_else(|| plain.to_owned(), |(_, owner)| (*owner).to_owned())
    }
}

/// Lower case, letters and digits only, legal forms dropped: "DigiCert, Inc." is "DigiCert Inc".
fn normalise(organisation: &str) -> String {
    const LEGAL_FORMS: &[&str] = &[
        "inc",
        "ltd",
        "llc",
        "limited",
        "corporation",
        "corp",
        "company",
        "co",
        "gmbh",
        "ag",
        "ab",
        "as",
        "sa",
        "nv",
        "spa",
        "oyj",
        "kft",
    ];
    let lower = organisation
        .to_lowercase()
        .replace("s.a.", "sa")
        .replace("s.p.a.", "spa");
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !LEGAL_FORMS.contains(word))
        .collect::<Vec<_>>()
        .join(" ")
}

/// An owner's name for comparing: every spelling of one company gives the same text.
pub(crate) fn plain(owner: &str) -> String {
    let key = normalise(owner);
    match ALIASES.iter().find(|(alias, _)| *alias == key) {
        Some((_, owner)) => normalise(owner),
        None => key,
    }
}

/// Cross-signs and white labels: (owner of the root, normalised organisation of the issuing
/// intermediate) to the owner who runs the intermediate. Each pair is public knowledge, stated in
/// the CPS of one of the two.
fn pair(root_owner: &str, organisation: &str) -> Option<&'static str> {
    const PAIRS: &[(&str, &str, &str)] = &[
        ("IdenTrust", "let s encrypt", "Let's Encrypt"),
        (
            "IdenTrust",
            "internet security research group",
            "Let's Encrypt",
        ),
        (
            "GlobalSign",
            "google trust services",
            "Google Trust Services",
        ),
        ("GlobalSign", "alphassl", "GlobalSign"),
        ("GoDaddy", "amazon", "Amazon Trust Services"),
        ("Sectigo", "zerossl", "Sectigo"),
        ("Sectigo", "gandi", "Sectigo"),
        ("Sectigo", "geant vereniging", "Sectigo"),
        ("DigiCert", "microsoft", "Microsoft"),
        ("DigiCert", "apple", "Apple"),
        ("Sectigo", "apple", "Apple"),
        ("Asseco", "trustasia technologies", "TrustAsia"),
        ("Sectigo", "ssl", "SSL.com"),
    ];
    PAIRS
        .iter()
        .find(|(root, intermediate, _)| *root == root_owner && *intermediate == organisation)
        .map(|(_, _, owner)| *owner)
}

/// Normalised root organisation to owner. Names not listed stand for themselves; listed are the
/// ones under which one company appears more than once among the embedded roots.
const ALIASES: &[(&str, &str)] = &[
    ("internet security research group", "Let's Encrypt"),
    ("let s encrypt", "Let's Encrypt"),
    ("digital signature trust", "IdenTrust"),
    ("identrust", "IdenTrust"),
    ("digicert", "DigiCert"),
    ("baltimore", "DigiCert"),
    ("cybertrust", "DigiCert"),
    ("quovadis", "DigiCert"),
    ("thawte", "DigiCert"),
    ("geotrust", "DigiCert"),
    ("verisign", "DigiCert"),
    ("symantec", "DigiCert"),
    ("comodo ca", "Sectigo"),
    ("sectigo", "Sectigo"),
    ("the usertrust network", "Sectigo"),
    ("addtrust", "Sectigo"),
    ("zerossl", "Sectigo"),
    ("globalsign", "GlobalSign"),
    ("google trust services", "Google Trust Services"),
    ("amazon", "Amazon Trust Services"),
    ("starfield technologies", "GoDaddy"),
    ("godaddy com", "GoDaddy"),
    ("the go daddy group", "GoDaddy"),
    ("microsoft", "Microsoft"),
    ("unizeto technologies", "Asseco"),
    ("unizeto sp z o o", "Asseco"),
    ("asseco data systems", "Asseco"),
    ("hellenic academic and research institutions ca", "HARICA"),
    (
        "hellenic academic and research institutions cert authority",
        "HARICA",
    ),
    ("deutsche telekom security", "Deutsche Telekom"),
    ("t systems enterprise services", "Deutsche Telekom"),
    ("t systems international", "Deutsche Telekom"),
    ("telia", "Telia"),
    ("telia finland", "Telia"),
    ("teliasonera", "Telia"),
    ("secom trust systems", "SECOM"),
    ("secom trust net", "SECOM"),
    ("oiste foundation", "WISeKey"),
    ("wisekey", "WISeKey"),
    ("trustasia technologies", "TrustAsia"),
    ("ssl", "SSL.com"),
    ("unitrust", "SHECA"),
    ("taiwan ca", "TWCA"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(organisation: &str) -> Name {
        Name {
            raw: Vec::new(),
            common_name: Some("Root".to_owned()),
            organisation: Some(organisation.to_owned()),
            ev_shaped: false,
            text: String::new(),
        }
    }

    #[test]
    fn one_company_under_many_spellings_is_one_owner() {
        let owners = Owners::default();
        for (spelling, owner) in [
            ("DigiCert Inc", "DigiCert"),
            ("DigiCert, Inc.", "DigiCert"),
            ("QuoVadis Limited", "DigiCert"),
            ("GlobalSign nv-sa", "GlobalSign"),
            ("COMODO CA Limited", "Sectigo"),
            ("SECOM Trust Systems CO.,LTD.", "SECOM"),
            ("Unizeto Technologies S.A.", "Asseco"),
            ("Google Trust Services LLC", "Google Trust Services"),
            ("Internet Security Research Group", "Let's Encrypt"),
            ("Example Root Company", "Example Root Company"),
        ] {
            assert_eq!(owners.by_name(&name(spelling)), owner, "{spelling}");
        }
    }

    #[test]
    fn an_alias_from_the_configuration_beats_the_built_in_table() {
        let aliases = [("digicert inc".to_owned(), "House CA".to_owned())].into();
        let owners = Owners::new(&aliases, Ccadb::default());
        assert_eq!(owners.by_name(&name("DigiCert, Inc.")), "House CA");
    }

    #[test]
    fn an_intermediate_organisation_alone_changes_nothing() {
        assert_eq!(pair("IdenTrust", "let s encrypt"), Some("Let's Encrypt"));
        assert_eq!(pair("DigiCert", "let s encrypt"), None);
    }
}
