//! A stub: one question, one answer, over UDP and, if that is cut off, TCP. It keeps nothing and
//! follows nothing; the resolver it asks does both.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::dns::caa::{Caa, Property};
use crate::dns::tlsa::Tlsa;
use crate::target::Target;

/// How long one server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Times each server is asked; a datagram may be lost.
const ROUNDS: usize = 2;
/// Fits into every path without fragments; what does not fit in it comes over TCP.
const PAYLOAD: u16 = 1232;
/// Labels above a name that are looked at; no name has more.
const LABELS: usize = 127;

/// Why there is no answer. None of these says anything about a certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DnsError {
    #[error("`{0}` is no name the DNS knows")]
    Name(String),
    #[error("no resolver answered: {0}")]
    Silent(String),
    /// SERVFAIL is also how a validating resolver says that signatures are wrong.
    #[error("the resolver answered {0}")]
    Refused(ResponseCode),
}

/// Asks the configured servers in turn.
#[derive(Debug)]
pub(crate) struct Resolver {
    servers: Vec<SocketAddr>,
}

/// Servers from resolv.conf(5), and whether it says that they are trusted to validate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Servers {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) trusted: bool,
}

impl Servers {
    /// Reads the text of resolv.conf. Without a server in it the local one is meant.
    pub(crate) fn parse(text: &str) -> Self {
        let mut servers = Self {
            addresses: Vec::new(),
            trusted: false,
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or("");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    servers
                        .addresses
                        .extend(address.map(|ip| SocketAddr::new(ip, 53)));
                }
                Some("options") => servers.trusted |= words.any(|word| word == "trust-ad"),
                _ => {}
            }
        }
        if servers.addresses.is_empty() {
            servers.addresses.push((Ipv4Addr::LOCALHOST, 53).into());
        }
        servers
    }
}

impl Resolver {
    pub(crate) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers }
    }

    /// The CAA records that bind a CA for `name`: those at the name or at the nearest name above
    /// it that has any (RFC 8659, section 3). Aliases are followed by the resolver, and never
    /// climbed.
    pub(crate) async fn caa(&self, name: &str) -> Result<Caa, DnsError> {
        let mut at = name;
        for _ in 0..LABELS {
            let answer = self.ask(at, RecordType::CAA).await?;
            let properties: Vec<Property> = answer
                .answers
                .iter()
                .filter_map(|record| match &record.data {
                    RData::CAA(caa) => Some(Property {
                        critical: caa.issuer_critical,
                        tag: caa.tag.to_ascii_lowercase(),
                        value: String::from_utf8_lossy(&caa.value).into_owned(),
                    }),
                    _ => None,
                })
                .collect();
            if !properties.is_empty() {
                return Ok(Caa::new(at, properties));
            }
            match at.split_once('.') {
                Some((_, above)) if !above.is_empty() => at = above,
                _ => break,
            }
        }
        Ok(Caa::default())
    }

    /// The TLSA records of `target`, if the resolver vouches for them. Unsigned ones are nobody's
    /// word and count as none.
    pub(crate) async fn tlsa(&self, target: &Target) -> Result<Vec<Tlsa>, DnsError> {
        if target.name().parse::<IpAddr>().is_ok() {
            return Ok(Vec::new());
        }
        let name = format!("_{}._tcp.{}", target.port, target.name());
        let answer = self.ask(&name, RecordType::TLSA).await?;
        if !answer.metadata.authentic_data {
            return Ok(Vec::new());
        }
        Ok(answer
            .answers
            .iter()
            .filter_map(|record| match &record.data {
                RData::TLSA(tlsa) => Some(Tlsa {
                    usage: tlsa.cert_usage.into(),
                    selector: tlsa.selector.into(),
                    matching: tlsa.matching.into(),
                    data: tlsa.cert_data.clone(),
                }),
                _ => None,
            })
            .collect())
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Message, DnsError> {
        let wrong = |_error| DnsError::Name(name.to_owned());
        let parsed = Name::from_ascii(format!("{name}.")).map_err(wrong)?;
        let mut query = Message::query();
        query.metadata.recursion_desired = true;
        // In a question this bit asks for itself in the answer (RFC 6840, section 5.7).
        query.metadata.authentic_data = true;
        query.add_query(Query::query(parsed, kind));
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        query.set_edns(edns);
        let bytes = query.to_vec().map_err(wrong)?;
        let mut last = DnsError::Silent("none is configured".to_owned());
        for server in std::iter::repeat_n(&self.servers, ROUNDS).flatten() {
            let answer = match timeout(PATIENCE, exchange(*server, &query, &bytes)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    last = DnsError::Silent(format!("{server}: {error}"));
                    continue;
                }
                Err(_elapsed) => {
                    last = DnsError::Silent(format!("{server}: timed out"));
                    continue;
                }
            };
            match answer.metadata.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => return Ok(answer),
                code => last = DnsError::Refused(code),
            }
        }
        Err(last)
    }
}

/// One question to one server.
async fn exchange(server: SocketAddr, query: &Message, bytes: &[u8]) -> io::Result<Message> {
    let local: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    // A socket, and with it a port, for each question: guessing both port and number is hard.
    let socket = UdpSocket::bind((local, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; usize::from(PAYLOAD)];
    let answer = loop {
        let n = socket.recv(&mut buffer).await?;
        // Whatever answers another question, or none, may come from anybody: wait on.
        if let Some(answer) = fitting(query, &buffer[..n]) {
            break answer;
        }
    };
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes(), bytes].concat())
        .await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    fitting(query, &buffer).ok_or_else(|| io::Error::other("no answer to the question"))
}

/// The answer in `bytes`, if it is one to `query`.
fn fitting(query: &Message, bytes: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let asked = answer.queries.len() == 1
        && answer.queries.iter().zip(&query.queries).all(|(a, q)| {
            a.query_type() == q.query_type()
                && a.query_class() == q.query_class()
                && a.name().to_lowercase() == q.name().to_lowercase()
        });
    (asked
        && answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id)
        .then_some(answer)
}

#[cfg(test)]
mod tests;
