//! What is watched: `HOST[:PORT][/PROTO]`, and the file that lists targets.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::protocol::Protocol;

/// One endpoint to watch. The host is a lower-case A-label name or an IP address, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// The name asked for and checked, when it is not the host (a server watched by its address).
    pub(crate) sni: Option<String>,
}

impl Target {
    /// The name the certificate must cover.
    pub(crate) fn name(&self) -> &str {
        self.sni.as_deref().unwrap_or(&self.host)
    }

    /// The host as an address, if it is one.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        if self.protocol != Protocol::for_port(self.port) {
            write!(f, "/{}", self.protocol)?;
        }
        Ok(())
    }
}

/// Why a target is none. The offset counts bytes from the start of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct TargetError {
    pub(crate) offset: usize,
    pub(crate) reason: String,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let fail = |offset: usize, reason: String| TargetError { offset, reason };
        let (address, protocol) = match text.rsplit_once('/') {
            Some((address, name)) => {
                let protocol: Protocol = name
                    .parse()
                    .map_err(|reason| fail(address.len() + 1, reason))?;
                (address, Some(protocol))
            }
            None => (text, None),
        };
        let (host_text, port) =
            split_port(address).map_err(|(offset, reason)| fail(offset, reason))?;
        let host = host(host_text).map_err(|reason| fail(0, reason))?;
        let port = port.unwrap_or_else(|| protocol.map_or(443, Protocol::default_port));
        let protocol = protocol.unwrap_or_else(|| Protocol::for_port(port));
        Ok(Self {
            host,
            port,
            protocol,
            sni: None,
        })
    }
}

/// Splits `host:port`, `[v6]:port`, or a bare host (a bare IPv6 address included).
fn split_port(text: &str) -> Result<(&str, Option<u16>), (usize, String)> {
    let port = |offset: usize, digits: &str| match digits.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err((offset, format!("`{digits}` is no port (1 to 65535)"))),
    };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err((0, "a `[` without its `]`".to_owned()));
        };
        return match after.strip_prefix(':') {
            Some(digits) => Ok((host, port(host.len() + 3, digits)?)),
            None if after.is_empty() => Ok((host, None)),
            None => Err((host.len() + 2, format!("`{after}` after the address"))),
        };
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text, None));
    }
    match text.split_once(':') {
        Some((host, digits)) => Ok((host, port(host.len() + 1, digits)?)),
        None => Ok((text, None)),
    }
}

/// A host name in the form it is resolved, sent and compared in.
pub(crate) fn host(text: &str) -> Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    let name = idna::domain_to_ascii(text).unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !name.is_empty() && name.len() <= 253 && name.split('.').all(label_ok) {
        Ok(name.to_owned())
    } else {
        Err(format!("`{text}` is no host name"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_read_and_printed_shortest() {
        for (text, printed, protocol) in [
            ("example.org", "example.org:443", Protocol::Tls),
            ("EXAMPLE.org.:8443", "example.org:8443", Protocol::Tls),
            ("mail.example.org:25", "mail.example.org:25", Protocol::Smtp),
            (
                "mail.example.org/imap",
                "mail.example.org:143",
                Protocol::Imap,
            ),
            (
                "example.org:2525/smtp",
                "example.org:2525/smtp",
                Protocol::Smtp,
            ),
            ("bücher.example", "xn--bcher-kva.example:443", Protocol::Tls),
            ("192.0.2.1:993", "192.0.2.1:993", Protocol::Tls),
            ("[2001:db8::1]:443", "[2001:db8::1]:443", Protocol::Tls),
            ("2001:db8::1", "[2001:db8::1]:443", Protocol::Tls),
            ("_dane.example", "_dane.example:443", Protocol::Tls),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (target.to_string().as_str(), target.protocol),
                (printed, protocol)
            );
            assert_eq!(printed.parse::<Target>().unwrap(), target);
        }
    }

    #[test]
    fn mistakes_carry_their_offset() {
        for (text, offset, reason) in [
            ("example.org:0", 12, "`0` is no port (1 to 65535)"),
            ("example.org:https", 12, "`https` is no port (1 to 65535)"),
            ("[2001:db8::1", 0, "a `[` without its `]`"),
            ("[::1]x", 5, "`x` after the address"),
            ("exa mple", 0, "`exa mple` is no host name"),
            ("", 0, "`` is no host name"),
            ("a..b", 0, "`a..b` is no host name"),
        ] {
            let error = text.parse::<Target>().unwrap_err();
            assert_eq!(
                (error.offset, error.reason.as_str()),
                (offset, reason),
                "{text}"
            );
        }
        assert_eq!("a.example/gopher".parse::<Target>().unwrap_err().offset, 10);
    }
}
