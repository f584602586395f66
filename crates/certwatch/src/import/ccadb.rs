//! The reports of the Common CA Database: who owns which CA certificate.
//!
//! certwatch ships no copy; the administrator downloads a report and imports it. Columns are found
//! by header name, because the reports grow columns in the middle.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cert::Cert;
use crate::digest::Sha256;
use crate::level;
use crate::paths::Path;

/// What the reports say, indexed for lookups by certificate.
#[derive(Debug, Default)]
pub(crate) struct Ccadb {
    by_certificate: HashMap<Sha256, String>,
    key_ids: HashSet<Vec<u8>>,
    ev_policies: HashMap<Sha256, Vec<String>>,
}

/// One row that matters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// SHA-256 of the certificate.
    pub(crate) certificate: Option<Sha256>,
    pub(crate) owner: String,
    /// Subject key identifier; empty if the row has none.
    pub(crate) key_id: Vec<u8>,
    pub(crate) revoked: bool,
    /// EV policy OIDs, in Mozilla's report of included roots.
    pub(crate) ev_policies: Vec<String>,
}

/// A file that is not the report it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CcadbError {
    #[error("line {line}: no column `{column}`; this is no CCADB certificate report")]
    Column { line: u64, column: &'static str },
    #[error("line {line}: malformed CSV")]
    Csv {
        line: u64,
        #[source]
        source: csv::Error,
    },
    #[error("line {line}: {reason}")]
    Value { line: u64, reason: String },
}

impl Ccadb {
    /// Indexes records.
    pub(crate) fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let mut ccadb = Self::default();
        for record in records {
            let Some(certificate) = record.certificate else {
                continue;
            };
            if !record.ev_policies.is_empty() {
                ccadb.ev_policies.insert(certificate, record.ev_policies);
            }
            if record.revoked {
                continue;
            }
            if !record.key_id.is_empty() {
                ccadb.key_ids.insert(record.key_id);
            }
            ccadb.by_certificate.insert(certificate, record.owner);
        }
        ccadb
    }

    /// Whether nothing was imported.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_certificate.is_empty()
    }

    /// The owner recorded for exactly this certificate.
    pub(crate) fn owner(&self, cert: &Cert) -> Option<&str> {
        self.by_certificate.get(&cert.sha256).map(String::as_str)
    }

    /// Whether the certificate, or another one for the same key identifier, is on record.
    pub(crate) fn knows(&self, cert: &Cert) -> bool {
        self.by_certificate.contains_key(&cert.sha256)
            || cert
                .ski
                .as_ref()
                .is_some_and(|ski| self.key_ids.contains(ski))
    }

    /// Whether `path` may carry EV: every intermediate's own policies allow it and, when the roots'
    /// report was imported, the root is enabled for EV.
    pub(crate) fn permits_ev(&self, path: &Path) -> bool {
        let none = Vec::new();
        let root_policies = path
            .root
            .as_ref()
            .map(|root| self.ev_policies.get(&root.sha256));
        let enabled = self.ev_policies.is_empty() || matches!(root_policies, Some(Some(_)));
        let policies = root_policies.flatten().unwrap_or(&none);
        enabled
            && path
                .intermediates()
                .iter()
                .all(|ca| level::may_assert_ev(ca, policies))
    }
}

/// Reads the AllCertificateRecords report or Mozilla's report of included roots.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Record>, CcadbError> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text);
    let headers = reader
        .headers()
        .map_err(|source| CcadbError::Csv { line: 1, source })?
        .clone();
    let find = |name: &str| headers.iter().position(|header| header.trim() == name);
    let need = |names: &[&'static str]| {
        names
            .iter()
            .find_map(|name| find(name))
            .ok_or(CcadbError::Column {
                line: 1,
                column: names[0],
            })
    };
    let owner = need(&["CA Owner", "Owner"])?;
    let fingerprint = need(&["SHA-256 Fingerprint"])?;
    let sub_owner = find("Subordinate CA Owner");
    let status = find("Revocation Status");
    let key_id = find("Subject Key Identifier");
    let ev = find("EV Policy OID(s)");
    let mut records = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|source| CcadbError::Csv {
            line: source.position().map_or(0, csv::Position::line),
            source,
        })?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or("").trim();
        let fingerprint = field(Some(fingerprint));
        if fingerprint.is_empty() {
            continue; // the report has rows for CAs that never issued
        }
        let certificate = fingerprint
            .parse()
            .map_err(|reason| CcadbError::Value { line, reason })?;
        let sub = field(sub_owner);
        let owner = if sub.is_empty() {
            field(Some(owner))
        } else {
            sub
        };
        records.push(Record {
            certificate: Some(certificate),
            owner: owner.to_owned(),
            key_id: STANDARD.decode(field(key_id)).unwrap_or_default(),
            revoked: matches!(field(status), "Revoked" | "Parent Cert Revoked"),
            ev_policies: field(ev)
                .split([';', ',', ' '])
                .map(str::trim)
                .filter(|oid| oid.starts_with(|c: char| c.is_ascii_digit()))
                .map(str::to_owned)
                .collect(),
        });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "CA Owner,Subordinate CA Owner,Certificate Name,Revocation Status,\
                        SHA-256 Fingerprint,Parent SHA-256 Fingerprint,Subject Key Identifier\n";

    #[test]
    fn rows_are_found_by_header_whatever_stands_between() {
        let text = format!(
            "{HEAD}Owner A,,\"Quoted, name\",Not Revoked,{},,aGVsbG8=\nOwner A,Owner B,x,Revoked,{},,\n,,,,,,\n",
            "AA".repeat(32),
            "bb".repeat(32),
        );
        let records = parse(text.as_bytes()).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].key_id, b"hello");
        assert_eq!(
            (records[1].owner.as_str(), records[1].revoked),
            ("Owner B", true)
        );
        assert_eq!(
            Ccadb::new(records).by_certificate.len(),
            1,
            "revoked rows vouch for nothing"
        );
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_line() {
        let error = parse(b"a,b\n1,2\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "line 1: no column `CA Owner`; this is no CCADB certificate report"
        );
        let bad = format!("{HEAD}O,,n,,zz,,\n");
        assert!(
            parse(bad.as_bytes())
                .unwrap_err()
                .to_string()
                .starts_with("line 2: `zz`")
        );
        let short = format!("{HEAD}O,,n\n");
        assert!(matches!(
            parse(short.as_bytes()),
            Err(CcadbError::Csv { line: 2, .. })
        ));
    }
}
