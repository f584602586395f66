//! Takes secrets out of every text that leaves: recordings, evidence, messages.
//!
//! Known by value, in every form that a browser, a server or a log gives them: as they are,
//! URL-encoded, JSON- and HTML-escaped, and inside base64 at each of its three alignments.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// What stands in a secret's place.
pub const PLACEHOLDER: &str = "[redacted]";

/// Bytes of the shortest value that is taken out: harmless text would go with shorter ones.
pub const SHORTEST: usize = 4;

/// Knows secrets; clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Rc<RefCell<Vec<String>>>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Redactor({} forms)", self.0.borrow().len())
    }
}

impl Redactor {
    /// Learns a secret, unless it is shorter than [`SHORTEST`].
    pub fn learn(&self, secret: &str) {
        if secret.len() < SHORTEST || secret == PLACEHOLDER {
            return;
        }
        let mut known = self.0.borrow_mut();
        for form in forms(secret) {
            if form.len() >= SHORTEST && !known.contains(&form) {
                known.push(form);
            }
        }
        // Longest first, so that no part of a longer form is left over.
        known.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// `text` without any known secret.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for form in self.0.borrow().iter() {
            if clean.contains(form.as_str()) {
                clean = clean.replace(form.as_str(), PLACEHOLDER);
            }
        }
        clean
    }
}

/// Names of fields and headers whose values are secrets whatever they are.
#[must_use]
pub fn is_sensitive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "passw",
        "pwd",
        "token",
        "csrf",
        "secret",
        "cookie",
        "authorization",
        "otp",
        "nonce",
        "ticket",
        "instance-id",
    ]
    .iter()
    .any(|part| name.contains(part))
}

fn forms(secret: &str) -> Vec<String> {
    let plus: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = plus.replace('+', "%20");
    let everything: String = secret.bytes().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "%{byte:02X}");
        text
    });
    let json = serde_json::to_string(secret).unwrap_or_default();
    let json = json
        .trim_start_matches('"')
        .strip_suffix('"')
        .unwrap_or_default()
        .to_owned();
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let mut forms = vec![
        secret.to_owned(),
        // encodeURIComponent leaves these as they are, forms do not.
        percent
            .replace("%21", "!")
            .replace("%27", "'")
            .replace("%28", "(")
            .replace("%29", ")")
            .replace("%7E", "~"),
        plus.to_ascii_lowercase(),
        percent.to_ascii_lowercase(),
        plus,
        percent,
        everything,
        json.replace('/', "\\/"),
        json,
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&#x27;"),
        html.replace('"', "&quot;"),
        html,
    ];
    for offset in 0..3 {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(secret.as_bytes());
        let start = (offset * 8).div_ceil(6);
        let end = bytes.len() * 8 / 6;
        if end > start + SHORTEST {
            for encoded in [STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)] {
                forms.push(encoded[start..end].to_owned());
            }
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "p@ss w\"o/rd%";

    #[test]
    fn every_form_of_a_secret_is_found() {
        let redactor = Redactor::default();
        redactor.learn(PASSWORD);
        let around = |text: &str| format!("before {text} after");
        let mut texts = vec![
            around(PASSWORD),
            around("p%40ss+w%22o%2Frd%25"),
            around("p%40ss%20w%22o%2frd%25"),
            around("p@ss w\\\"o/rd%"),
            around("p@ss w\\\"o\\/rd%"),
            around("p@ss w&quot;o/rd%"),
        ];
        for prefix in ["", "a", "ab", "abc"] {
            texts.push(STANDARD.encode(format!("{prefix}{PASSWORD}xyz")));
        }
        for text in texts {
            let clean = redactor.clean(&text);
            assert!(clean.contains(PLACEHOLDER), "{text} -> {clean}");
        }
    }

    #[test]
    fn harmless_text_stays() {
        let redactor = Redactor::default();
        redactor.learn("on");
        redactor.learn("hunter22");
        assert_eq!(redactor.clean("the button is on"), "the button is on");
    }
}
