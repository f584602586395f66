//! What goes over the wire and what comes back, whoever carries it.
//!
//! A [`Transport`] sends one request and follows nothing: redirects, cookies and permission are
//! the browser's business. There are three: the network ([`client`]), a recorder around it and a
//! player of recordings (both in [`crate::tape`]).

pub mod client;
pub mod tls;

use url::Url;

/// The two methods a reader needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Sends a form or JSON.
    Post,
}

impl std::fmt::Display for Method {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(match self {
            Self::Get => "GET",
            Self::Post => "POST",
        })
    }
}

/// Body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Media type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A request, complete but for cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// Its body, if any.
    pub body: Option<Body>,
    /// Whether it carries a password or a code: such a request is never sent twice, and never
    /// follows a 307 or 308.
    pub secret: bool,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: None,
            secret: false,
        }
    }

    /// A POST with a body.
    #[must_use]
    pub fn post(url: Url, content_type: &str, bytes: Vec<u8>) -> Self {
        let body = Body {
            content_type: content_type.to_owned(),
            bytes,
        };
        Self {
            body: Some(body),
            ..Self::new(Method::Post, url)
        }
    }
}

/// A response, body complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// sha256 of the server's leaf certificate.
    pub leaf: Option<String>,
}

impl Response {
    /// The first header of a name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// TLS was refused, by us or by them; nothing of the request was sent.
    #[error("TLS with {host} refused: {refusal}")]
    Tls {
        /// Host, with port.
        host: String,
        /// Why, with what the certificate says.
        refusal: Box<tls::Refusal>,
    },
    /// The network failed.
    #[error("{method} {url}: {reason}")]
    Network {
        /// Method of the request.
        method: Method,
        /// Its address, without query.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The body ended before its length, or without a proper end.
    #[error("{method} {url}: the answer was cut off: {reason}")]
    Incomplete {
        /// Method of the request.
        method: Method,
        /// Its address, without query.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// The body is larger than anything expected.
    #[error("{url}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// Its address, without query.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// A recording has no answer for this request.
    #[error("the recording has no answer to {method} {url}{expected}")]
    NotRecorded {
        /// Method of the request.
        method: Method,
        /// Its address, without query.
        url: String,
        /// What it has instead.
        expected: String,
    },
    /// The client could not be set up.
    #[error("{0}")]
    Setup(String),
}

/// Carries one request.
pub trait Transport {
    /// Sends `request` and reads the whole answer.
    fn send(&mut self, request: &Request) -> Result<Response, TransportError>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        (**self).send(request)
    }
}

/// An address for messages and logs: without query, fragment and user, which may hold secrets.
#[must_use]
pub fn plain_address(url: &Url) -> String {
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "{}://{}{port}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.path()
    )
}
