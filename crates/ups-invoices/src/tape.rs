//! Recordings: what was asked and answered in a run, with every secret taken out, one JSON object
//! a line. A recording plays back offline to the same files; the evidence of a changed page is
//! one.

use std::cell::RefCell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::WINDOWS_1252;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mech::document::Document;
use crate::net::{Method, Request, Response, Transport, TransportError, plain_address};
use crate::redact::{PLACEHOLDER, Redactor, is_sensitive_name};

/// First line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of the form: 1.
    pub tape: u32,
    /// Profile it was made with.
    pub profile: String,
    /// When.
    pub recorded: Timestamp,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Method of the request.
    pub method: Method,
    /// Address without query.
    pub url: String,
    /// Names of the fields sent; never values.
    pub fields: Vec<String>,
    /// Status of the answer.
    pub status: u16,
    /// Its headers, secrets taken out.
    pub headers: Vec<(String, String)>,
    /// Its body as text, secrets taken out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// Its body as base64, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub base64: Option<String>,
    /// sha256 of the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leaf: Option<String>,
}

/// A recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape {
    /// Its first line.
    pub head: Head,
    /// In the order they happened.
    pub exchanges: Vec<Exchange>,
}

/// A recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TapeError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Tape {
    /// Reads a recording.
    pub fn parse(text: &str) -> Result<Self, TapeError> {
        let mut lines = text.lines().enumerate();
        let wrong = |line: usize, reason: String| TapeError {
            line: line + 1,
            reason,
        };
        let (_, first) = lines.next().ok_or_else(|| wrong(0, "empty".to_owned()))?;
        let head: Head = serde_json::from_str(first)
            .map_err(|error| wrong(0, format!("not the head of a recording: {error}")))?;
        if head.tape != 1 {
            return Err(wrong(0, format!("version {} is not known", head.tape)));
        }
        let exchanges = lines
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(at, line)| serde_json::from_str(line).map_err(|e| wrong(at, e.to_string())))
            .collect::<Result<_, _>>()?;
        Ok(Self { head, exchanges })
    }

    /// Writes it, passing everything through `redactor` once more: a secret learned late was not
    /// known when the first exchanges were kept.
    #[must_use]
    pub fn to_text(&self, redactor: &Redactor) -> String {
        let mut text = serde_json::to_string(&self.head).unwrap_or_default();
        text.push('\n');
        for exchange in &self.exchanges {
            let mut clean = exchange.clone();
            for (_, value) in &mut clean.headers {
                *value = redactor.clean(value);
            }
            clean.text = clean.text.map(|text| redactor.clean(&text));
            clean.url = redactor.clean(&clean.url);
            text.push_str(&redactor.clean(&serde_json::to_string(&clean).unwrap_or_default()));
            text.push('\n');
        }
        text
    }
}

impl Tape {
    /// The recording with everything that `redactor` knows taken out, also out of bodies that are
    /// no UTF-8. What is packed, as in a PDF, is not seen.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        let mut tape = self.clone();
        for exchange in &mut tape.exchanges {
            exchange.url = redactor.clean(&exchange.url);
            for (_, value) in &mut exchange.headers {
                *value = redactor.clean(value);
            }
            if let Some(text) = &mut exchange.text {
                *text = redactor.clean(text);
            }
            if let Some(bytes) = exchange
                .base64
                .as_ref()
                .and_then(|b| STANDARD.decode(b).ok())
            {
                // Windows-1252 gives every byte a letter and takes each back.
                let text = WINDOWS_1252.decode_without_bom_handling(&bytes).0;
                let clean = redactor.clean(&text);
                if clean != text {
                    exchange.base64 = Some(STANDARD.encode(WINDOWS_1252.encode(&clean).0));
                }
            }
        }
        tape
    }

    /// How often something was taken out.
    #[must_use]
    pub fn placeholders(&self) -> usize {
        let count = |text: &str| text.matches(PLACEHOLDER).count();
        self.exchanges
            .iter()
            .map(|exchange| {
                let headers: usize = exchange.headers.iter().map(|(_, v)| count(v)).sum();
                let bytes = exchange
                    .base64
                    .as_ref()
                    .and_then(|b| STANDARD.decode(b).ok());
                let bytes = bytes.map_or(0, |bytes| count(&String::from_utf8_lossy(&bytes)));
                let text = exchange.text.as_deref().map_or(0, count);
                count(&exchange.url) + headers + text + bytes
            })
            .sum()
    }
}

/// Exchanges kept by a recorder; clones share them.
pub type Kept = Rc<RefCell<Vec<Exchange>>>;

/// Keeps what passes through, and teaches the redactor what it sees.
pub struct Recorder<T> {
    inner: T,
    redactor: Redactor,
    kept: Kept,
    /// Bodies larger than this are left out.
    limit: usize,
}

impl<T> std::fmt::Debug for Recorder<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Recorder")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> Recorder<T> {
    /// Records what `inner` does. With `limit`, larger bodies are left out: enough for evidence.
    pub fn new(inner: T, redactor: Redactor, limit: usize) -> (Self, Kept) {
        let kept = Kept::default();
        (
            Self {
                inner,
                redactor,
                kept: Rc::clone(&kept),
                limit,
            },
            kept,
        )
    }

    fn learn(&self, request: &Request, response: &Response) {
        for (name, value) in request.headers.iter().chain(&response.headers) {
            if name == "cookie" || name == "set-cookie" {
                let pairs = value
                    .split(';')
                    .take(if name == "cookie" { usize::MAX } else { 1 });
                for (_, value) in pairs.filter_map(|pair| pair.split_once('=')) {
                    self.redactor.learn(value.trim());
                }
            } else if is_sensitive_name(name) {
                self.redactor.learn(value);
            }
        }
        for (name, value) in request.url.query_pairs() {
            if is_sensitive_name(&name) {
                self.redactor.learn(&value);
            }
        }
        if response
            .header("content-type")
            .is_some_and(|kind| kind.contains("html"))
        {
            let page = Document::parse(&String::from_utf8_lossy(&response.body));
            for input in page
                .elements()
                .filter(|element| element.value().name() == "input")
            {
                if input.value().attr("name").is_some_and(is_sensitive_name)
                    && let Some(value) = input.value().attr("value")
                {
                    self.redactor.learn(value);
                }
            }
        }
    }
}

impl<T: Transport> Transport for Recorder<T> {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let response = self.inner.send(request)?;
        self.learn(request, &response);
        let headers = response
            .headers
            .iter()
            .map(|(name, value)| {
                let value = if name == "set-cookie" {
                    cookie_without_value(value)
                } else if is_sensitive_name(name) {
                    PLACEHOLDER.to_owned()
                } else {
                    self.redactor.clean(value)
                };
                (name.clone(), value)
            })
            .collect();
        let (text, base64) = match std::str::from_utf8(&response.body) {
            _ if response.body.len() > self.limit => (Some(String::new()), None),
            Ok(text) => (Some(self.redactor.clean(text)), None),
            Err(_) => (None, Some(STANDARD.encode(&response.body))),
        };
        self.kept.borrow_mut().push(Exchange {
            method: request.method,
            url: self.redactor.clean(&plain_address(&request.url)),
            fields: field_names(request),
            status: response.status,
            headers,
            text,
            base64,
            leaf: response.leaf.clone(),
        });
        Ok(response)
    }
}

fn cookie_without_value(header: &str) -> String {
    match header.split_once('=') {
        Some((name, rest)) => {
            let attributes = rest
                .split_once(';')
                .map(|(_, a)| format!(";{a}"))
                .unwrap_or_default();
            format!("{name}={PLACEHOLDER}{attributes}")
        }
        None => String::new(),
    }
}

fn field_names(request: &Request) -> Vec<String> {
    let mut names: Vec<String> = request
        .url
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    if let Some(body) = &request.body
        && body.content_type.contains("urlencoded")
    {
        names.extend(url::form_urlencoded::parse(&body.bytes).map(|(name, _)| name.into_owned()));
    }
    names
}

/// Answers from a recording.
#[derive(Debug)]
pub struct Player {
    waiting: Vec<Option<Exchange>>,
}

impl Player {
    /// Plays `tape`.
    #[must_use]
    pub fn new(tape: &Tape) -> Self {
        Self {
            waiting: tape.exchanges.iter().cloned().map(Some).collect(),
        }
    }
}

impl Transport for Player {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let url = plain_address(&request.url);
        let fits = |exchange: &&mut Option<Exchange>| {
            exchange
                .as_ref()
                .is_some_and(|e| e.method == request.method && e.url == url)
        };
        let Some(exchange) = self.waiting.iter_mut().find(fits).and_then(Option::take) else {
            let next = self.waiting.iter().flatten().next();
            let expected = next
                .map(|next| format!("; the next one is {} {}", next.method, next.url))
                .unwrap_or_default();
            return Err(TransportError::NotRecorded {
                method: request.method,
                url,
                expected,
            });
        };
        let body = match (exchange.text, exchange.base64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(encoded)) => STANDARD.decode(encoded).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        let Exchange {
            status,
            headers,
            leaf,
            ..
        } = exchange;
        Ok(Response {
            status,
            headers,
            body,
            leaf,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    struct Fixed(Response);

    impl Transport for Fixed {
        fn send(&mut self, _request: &Request) -> Result<Response, TransportError> {
            Ok(self.0.clone())
        }
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn secrets_do_not_reach_the_tape_and_the_rest_plays_back() {
        let redactor = Redactor::default();
        redactor.learn("p@ss w\"o/rd%");
        let html = "<form><input type=hidden name=csrfToken value=tok-12345></form>you typed p@ss w&quot;o/rd%, tok-12345";
        let response = Response {
            status: 200,
            headers: vec![
                ("content-type".into(), "text/html".into()),
                ("set-cookie".into(), "JSESSIONID=sess-9876; Path=/".into()),
                ("x-csrf-token".into(), "hdr-55555".into()),
            ],
            body: html.as_bytes().to_vec(),
            leaf: None,
        };
        let (mut recorder, kept) = Recorder::new(Fixed(response), redactor.clone(), usize::MAX);
        let mut request = Request::post(
            url("https://www.portal.test/login?t=1"),
            "application/x-www-form-urlencoded",
            b"uid=u&password=p%40ss+w%22o%2Frd%25".to_vec(),
        );
        request
            .headers
            .push(("cookie".into(), "old=cookie-777".into()));
        recorder.send(&request).unwrap();
        let head = Head {
            tape: 1,
            profile: "p".into(),
            recorded: "2026-02-14T12:00:00Z".parse().unwrap(),
        };
        let tape = Tape {
            head,
            exchanges: kept.borrow().clone(),
        };
        let text = tape.to_text(&redactor);
        for secret in [
            "p@ss",
            "p%40ss",
            "tok-12345",
            "sess-9876",
            "hdr-55555",
            "cookie-777",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let read = Tape::parse(&text).unwrap();
        assert_eq!(read.exchanges[0].fields, ["t", "uid", "password"]);
        let mut player = Player::new(&read);
        let answer = player
            .send(&Request::new(
                Method::Post,
                url("https://www.portal.test/login?t=2"),
            ))
            .unwrap();
        assert_eq!(answer.status, 200);
        assert!(
            answer
                .headers
                .iter()
                .any(|(n, v)| n == "set-cookie" && v.starts_with("JSESSIONID=[redacted]; Path=/"))
        );
        let error = player
            .send(&Request::new(Method::Get, url("https://www.portal.test/x")))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no answer to GET https://www.portal.test/x")
        );
    }
}
