//! The network: one HTTPS client, whose every decision beyond sending is switched off.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::blocking::Client;

use super::tls::{self, Refusal, Seen, TlsOptions};
use super::{Method, Request, Response, Transport, TransportError, plain_address};

/// Largest answer read: the largest known invoice is 50 MB.
const LARGEST: u64 = 256 << 20;
/// Time for connecting, and between two pieces of an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// `HOST:PORT:ADDR`: connect to another address for a host; the certificate is still judged for
/// the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// The host.
    pub host: String,
    /// Address and port to connect to.
    pub address: SocketAddr,
}

impl std::str::FromStr for Resolve {
    type Err = String;

    /// Reads `HOST:PORT:ADDR`, as curl has it; the address may carry another port
    /// (`www.portal.test:443:127.0.0.1:8443`).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not HOST:PORT:ADDR");
        let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (port, address) = rest.split_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_number| wrong())?;
        let address = match (address.parse::<SocketAddr>(), address.parse()) {
            (Ok(address), _) => address,
            (_, Ok(ip)) => SocketAddr::new(ip, port),
            _ => return Err(wrong()),
        };
        Ok(Self {
            host: host.to_ascii_lowercase(),
            address,
        })
    }
}

/// Sends requests over HTTPS.
#[derive(Debug)]
pub struct Network {
    client: Client,
    seen: Seen,
}

impl Network {
    /// A client for one run.
    pub fn new(options: &TlsOptions, resolve: &[Resolve]) -> Result<Self, TransportError> {
        let seen = Seen::default();
        let setup = |error: &dyn std::error::Error| TransportError::Setup(error.to_string());
        let config = tls::client_config(options, &seen).map_err(|error| setup(&error))?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            // A repeated login locks accounts; what may be repeated is decided above.
            .retry(reqwest::retry::never())
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE * 10)
            .user_agent(concat!("ups-invoices/", env!("CARGO_PKG_VERSION")));
        if options.http1_only {
            builder = builder.http1_only();
        }
        for entry in resolve {
            builder = builder.resolve(&entry.host, entry.address);
        }
        let client = builder.build().map_err(|error| setup(&error))?;
        Ok(Self { client, seen })
    }
}

impl Network {
    /// The certificates that hosts presented, also in runs to come.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

impl Transport for Network {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut builder = self.client.request(method, request.url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder
                .header("content-type", &body.content_type)
                .body(body.bytes.clone());
        }
        let host = request.url.host_str().unwrap_or_default();
        let response = builder
            .send()
            .map_err(|error| self.failed(request, host, &error))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let expected = response.content_length();
        let mut body = Vec::new();
        response
            .take(LARGEST + 1)
            .read_to_end(&mut body)
            .map_err(|error| TransportError::Incomplete {
                method: request.method,
                url: plain_address(&request.url),
                reason: whole_story(&error),
            })?;
        let length = body.len() as u64;
        if length > LARGEST {
            let url = plain_address(&request.url);
            return Err(TransportError::TooLarge {
                url,
                limit: LARGEST,
            });
        }
        if let Some(expected) = expected.filter(|&expected| expected != length) {
            return Err(TransportError::Incomplete {
                method: request.method,
                url: plain_address(&request.url),
                reason: format!("{length} of {expected} bytes"),
            });
        }
        let leaf = self
            .seen
            .chain(host)
            .into_iter()
            .next()
            .map(|leaf| leaf.sha256);
        Ok(Response {
            status,
            headers,
            body,
            leaf,
        })
    }
}

impl Network {
    fn failed(
        &self,
        request: &Request,
        host: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> TransportError {
        if let Some(refused) = tls::refusal_in(error) {
            let port = request
                .url
                .port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            return TransportError::Tls {
                host: format!("{host}{port}"),
                refusal: Box::new(Refusal {
                    reason: tls::reason(refused),
                    chain: self.seen.chain(host),
                }),
            };
        }
        TransportError::Network {
            method: request.method,
            url: plain_address(&request.url),
            reason: whole_story(error),
        }
    }
}

/// An error's causes, innermost last. reqwest's own text carries the full address with its query
/// and is left out.
fn whole_story(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut current = error.source().or(Some(error));
    while let Some(error) = current {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        current = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolve_entries_are_read_as_curl_does() {
        let entry: Resolve = "www.portal.test:443:127.0.0.1".parse().unwrap();
        assert_eq!(entry.address.to_string(), "127.0.0.1:443");
        let entry: Resolve = "www.portal.test:443:127.0.0.1:8443".parse().unwrap();
        assert_eq!(
            (entry.host.as_str(), entry.address.port()),
            ("www.portal.test", 8443)
        );
        let entry: Resolve = "www.portal.test:443:[::1]:8443".parse().unwrap();
        assert_eq!(entry.address.to_string(), "[::1]:8443");
        for bad in [
            "www.portal.test",
            "www.portal.test:443",
            "h:p:127.0.0.1",
            "h:1:name",
        ] {
            assert!(bad.parse::<Resolve>().is_err(), "{bad}");
        }
    }
}
