//! The protocols TLS is found in, and their usual ports.

use std::fmt;
use std::str::FromStr;

/// How a connection gets to its TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Protocol {
    /// TLS from the first byte.
    Tls,
    Smtp,
    Lmtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    XmppClient,
    XmppServer,
    Postgres,
    Mysql,
    Nntp,
    Sieve,
    Irc,
}

/// Name and usual ports of each protocol; the first port is the default.
const TABLE: &[(Protocol, &str, &[u16])] = &[
    (Protocol::Tls, "tls", &[443]),
    (Protocol::Smtp, "smtp", &[25, 587]),
    (Protocol::Lmtp, "lmtp", &[24]),
    (Protocol::Imap, "imap", &[143]),
    (Protocol::Pop3, "pop3", &[110]),
    (Protocol::Ftp, "ftp", &[21]),
    (Protocol::Ldap, "ldap", &[389]),
    (Protocol::XmppClient, "xmpp-client", &[5222]),
    (Protocol::XmppServer, "xmpp-server", &[5269]),
    (Protocol::Postgres, "postgres", &[5432]),
    (Protocol::Mysql, "mysql", &[3306]),
    (Protocol::Nntp, "nntp", &[119]),
    (Protocol::Sieve, "sieve", &[4190]),
    (Protocol::Irc, "irc", &[6667]),
];

impl Protocol {
    /// The protocol usually found on `port`; plain TLS for all others.
    pub(crate) fn for_port(port: u16) -> Self {
        TABLE
            .iter()
            .find(|(_, _, ports)| ports.contains(&port))
            .map_or(Self::Tls, |(protocol, _, _)| *protocol)
    }

    /// The port used when none is given.
    pub(crate) fn default_port(self) -> u16 {
        self.row().2[0]
    }

    /// One of all, for fuzzing.
    pub(crate) fn numbered(n: u8) -> Self {
        TABLE[usize::from(n) % TABLE.len()].0
    }

    fn row(self) -> &'static (Self, &'static str, &'static [u16]) {
        TABLE
            .iter()
            .find(|(protocol, _, _)| *protocol == self)
            .unwrap_or(&TABLE[0])
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        TABLE
            .iter()
            .find(|(_, name, _)| *name == text)
            .map(|(protocol, _, _)| *protocol)
            .ok_or_else(|| {
                let names: Vec<&str> = TABLE.iter().map(|(_, name, _)| *name).collect();
                format!("`{text}` is no protocol ({})", names.join(", "))
            })
    }
}
