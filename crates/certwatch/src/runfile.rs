//! Run files: what one vantage point saw, for another store. JSON Lines with the certificates in
//! them and a SHA-256 trailer, so that half a file is never taken for a whole one.

use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The format's version. Readers refuse newer ones.
const VERSION: u32 = 1;

/// A run file in memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RunFile {
    pub(crate) vantage: String,
    pub(crate) runs: Vec<Run>,
    /// DER of every certificate the runs refer to.
    pub(crate) certificates: Vec<Vec<u8>>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sni: Option<String>,
    pub(crate) addr: String,
    pub(crate) outcome: String,
    pub(crate) proof: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) n: i64,
    /// SHA-256 of each certificate, as presented; empty if nothing was.
    pub(crate) chain: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    CertwatchRun {
        version: u32,
        vantage: String,
    },
    Certificate(String),
    Run(Run),
    /// SHA-256 over every byte before this line.
    Sha256(String),
}

impl RunFile {
    /// Writes the file's text.
    pub(crate) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut lines = vec![Line::CertwatchRun {
            version: VERSION,
            vantage: self.vantage.clone(),
        }];
        lines.extend(
            self.certificates
                .iter()
                .map(|der| Line::Certificate(STANDARD.encode(der))),
        );
        lines.extend(self.runs.iter().cloned().map(Line::Run));
        let mut text = Vec::new();
        for line in &lines {
            push(&mut text, line)?;
        }
        let hash = Sha256::of(&text);
        push(&mut text, &Line::Sha256(hash.to_string()))?;
        out.write_all(&text)
    }

    /// Reads a whole file; the error names the line.
    pub(crate) fn read(text: &[u8]) -> Result<Self, (usize, String)> {
        let mut file = Self::default();
        let mut start = 0;
        let mut complete = false;
        for (index, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
            let number = index + 1;
            let fail = |reason: String| (number, reason);
            if complete {
                return Err(fail("text after the trailer".to_owned()));
            }
            let parsed: Line = serde_json::from_slice(line)
                .map_err(|error| fail(format!("not a run file: {error}")))?;
            match (index, parsed) {
                (0, Line::CertwatchRun { version, vantage }) if version <= VERSION => {
                    file.vantage = vantage;
                }
                (0, Line::CertwatchRun { version, .. }) => {
                    return Err(fail(format!(
                        "version {version} is newer than this certwatch"
                    )));
                }
                (0, _) | (_, Line::CertwatchRun { .. }) => {
                    return Err(fail("not a run file".to_owned()));
                }
                (_, Line::Certificate(text)) => {
                    let der = STANDARD
                        .decode(text)
                        .map_err(|error| fail(error.to_string()))?;
                    file.certificates.push(der);
                }
                (_, Line::Run(run)) => file.runs.push(run),
                (_, Line::Sha256(hash)) => {
                    if hash != Sha256::of(&text[..start]).to_string() {
                        return Err(fail("damaged: the checksum does not match".to_owned()));
                    }
                    complete = true;
                }
            }
            start += line.len();
        }
        if complete {
            Ok(file)
        } else {
            Err((0, "incomplete: the checksum is missing".to_owned()))
        }
    }
}

fn push(text: &mut Vec<u8>, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> RunFile {
        RunFile {
            vantage: "north".to_owned(),
            certificates: vec![vec![1, 2, 3]],
            runs: vec![Run {
                host: "a.example".to_owned(),
                port: 443,
                protocol: "tls".to_owned(),
                sni: None,
                addr: "192.0.2.1".to_owned(),
                outcome: "ok".to_owned(),
                proof: "proven".to_owned(),
                first: 1,
                last: 2,
                n: 3,
                chain: vec![Sha256::of(&[1, 2, 3]).to_string()],
            }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut text = Vec::new();
        sample().write(&mut text).unwrap();
        assert_eq!(RunFile::read(&text).unwrap(), sample());
    }

    #[test]
    fn half_a_file_and_a_changed_one_are_refused() {
        let mut text = Vec::new();
        sample().write(&mut text).unwrap();
        let half: Vec<u8> = text
            .split_inclusive(|&b| b == b'\n')
            .take(2)
            .flatten()
            .copied()
            .collect();
        assert!(RunFile::read(&half).unwrap_err().1.contains("incomplete"));
        let changed = String::from_utf8(text.clone())
            .unwrap()
            .replace("a.example", "b.example");
        assert_eq!(
            RunFile::read(changed.as_bytes()).unwrap_err(),
            (4, "damaged: the checksum does not match".to_owned())
        );
        assert_eq!(RunFile::read(b"{}").unwrap_err().0, 1);
        assert!(RunFile::read(b"").is_err());
    }
}
