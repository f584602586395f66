//! PEM in and out: certificates are read from files people concatenated by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// One PEM block: its label (`CERTIFICATE`, `PUBLIC KEY`, ...) and its decoded bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The words between `BEGIN ` and the dashes.
    pub(crate) label: String,
    /// The decoded body.
    pub(crate) der: Vec<u8>,
}

/// All well-formed blocks of `text`, in order. Text around blocks, damaged blocks and headers
/// inside them are skipped: a bundle with one bad block still yields the others, and the caller
/// reports a file that yields none.
pub(crate) fn blocks(text: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix(DASHES))
        {
            open = Some((label.to_owned(), String::new()));
        } else if line.starts_with("-----END ") {
            if let Some((label, body)) = open.take()
                && let Ok(der) = STANDARD.decode(&body)
                && line == format!("-----END {label}{DASHES}")
            {
                found.push(Block { label, der });
            }
        } else if let Some((_, body)) = &mut open
            && !line.contains(':')
        {
            body.push_str(line);
        }
    }
    found
}

/// The certificates of `text`: PEM blocks, or the whole of it when it is one DER certificate.
pub(crate) fn certificates(text: &[u8]) -> Vec<Vec<u8>> {
    if text.first() == Some(&0x30) {
        return vec![text.to_vec()];
    }
    let labels = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
    blocks(text)
        .into_iter()
        .filter(|b| labels.contains(&b.label.as_str()))
        .map(|b| b.der)
        .collect()
}

/// `der` as a `CERTIFICATE` block with a trailing newline.
pub(crate) fn encode(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in body.as_bytes().chunks(64) {
        out.extend(line.iter().map(|&b| char::from(b)));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back_among_other_blocks_and_prose() {
        let der = [7; 100];
        let text = format!(
            "subject=CN = a\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n{}junk\n{}",
            encode(&der),
            encode(&der).replace('\n', "\r\n"),
        );
        assert_eq!(certificates(text.as_bytes()), [der.to_vec(), der.to_vec()]);
        assert_eq!(blocks(text.as_bytes())[0].label, "PUBLIC KEY");
    }

    #[test]
    fn damaged_blocks_are_left_out() {
        let text = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n\
                    -----BEGIN CERTIFICATE-----\nAAAA\n-----END PUBLIC KEY-----\n\
                    -----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(certificates(text.as_bytes()).is_empty());
    }
}
