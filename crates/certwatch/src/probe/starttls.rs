//! The plain-text preambles that lead to TLS. Each is a dialogue without I/O: it is given what the
//! server sent and says what to do next.
//!
//! Bytes that stand behind the server's go-ahead were written by somebody in between
//! (CVE-2011-0411 and its kin): they end the probe under their own outcome.

use crate::protocol::Protocol;

/// Bytes of a preamble; the longest honest greeting is a tenth of it.
const MAX_BYTES: usize = 16 * 1024;
/// Lines of a preamble.
const MAX_LINES: usize = 100;
/// The LDAP StartTLS extended request (RFC 4511, 4.14), message id 1.
const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
/// PostgreSQL's SSLRequest.
const POSTGRES_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
/// CLIENT_SSL in MySQL's capability flags.
const MYSQL_SSL: u16 = 0x0800;

/// The second tag of XMPP's go-ahead, when it is not one empty element.
const PROCEED_END: &[u8] = b"</proceed>";

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read more.
    Read,
    Write(Vec<u8>),
    /// TLS begins now.
    Start,
    Refused,
    Injected,
    /// The server does not speak the protocol.
    Foreign,
}

/// One preamble in progress.
#[derive(Debug)]
pub(crate) struct Dialogue {
    protocol: Protocol,
    name: String,
    stage: u8,
    buffer: Vec<u8>,
    bytes: usize,
    lines: usize,
}

impl Dialogue {
    /// A preamble of `protocol` with the server called `name`.
    pub(crate) fn new(protocol: Protocol, name: &str) -> Self {
        Self {
            protocol,
            name: name.to_owned(),
            stage: 0,
            buffer: Vec::new(),
            bytes: 0,
            lines: 0,
        }
    }

    /// Takes what the server sent.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.buffer.extend_from_slice(bytes);
    }

    /// Decides the next step. After [`Step::Read`], call [`Dialogue::received`] first.
    pub(crate) fn next(&mut self) -> Step {
        if self.bytes > MAX_BYTES || self.lines > MAX_LINES {
            return Step::Foreign;
        }
        let step = match self.protocol {
            Protocol::Tls => Some(Step::Start),
            Protocol::Smtp => self.mail(b"EHLO certwatch.invalid\r\n"),
            Protocol::Lmtp => self.mail(b"LHLO certwatch.invalid\r\n"),
            Protocol::Ftp => self.ftp(),
            Protocol::Nntp => self.nntp(),
            Protocol::Imap => self.imap(),
            Protocol::Pop3 => self.pop3(),
            Protocol::Sieve => self.sieve(),
            Protocol::Irc => self.irc(),
            Protocol::Ldap => self.ldap(),
            Protocol::Postgres => self.postgres(),
            Protocol::Mysql => self.mysql(),
            Protocol::XmppClient => self.xmpp("jabber:client"),
            Protocol::XmppServer => self.xmpp("jabber:server"),
        };
        match step {
            None => Step::Read,
            Some(Step::Start) if !self.buffer.is_empty() => Step::Injected,
            Some(step) => step,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "every caller returns it as its own step"
    )]
    fn write(&mut self, bytes: &[u8]) -> Option<Step> {
        self.stage += 1;
        Some(Step::Write(bytes.to_vec()))
    }

    /// The next complete line without its ending.
    fn line(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|&b| b == b'\n')?;
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        self.lines += 1;
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// A reply of the SMTP kind: lines `250-...` up to one `250 ...`. Nothing is consumed before
    /// the last line is there.
    fn reply(&mut self) -> Option<(u16, Vec<String>)> {
        let text = String::from_utf8_lossy(&self.buffer).into_owned();
        let mut lines = Vec::new();
        let mut used = 0;
        for line in text.split_inclusive('\n') {
            if !line.ends_with('\n') {
                return None;
            }
            used += line.len();
            let line = line.trim_end();
            lines.push(line.get(4..).unwrap_or("").to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                // Lossy text may be longer than the bytes it came from.
                self.buffer.drain(..used.min(self.buffer.len()));
                self.lines += lines.len();
                let code = line
                    .get(..3)
                    .and_then(|code| code.parse().ok())
                    .unwrap_or(0);
                return Some((code, lines));
            }
            if lines.len() > MAX_LINES {
                return Some((0, lines));
            }
        }
        None
    }

    fn mail(&mut self, hello: &[u8]) -> Option<Step> {
        let (code, lines) = self.reply()?;
        match (self.stage, code) {
            (0, 220) => self.write(hello),
            (0, _) => Some(if code == 0 {
                Step::Foreign
            } else {
                Step::Refused
            }),
            (1, 250) if offers(&lines, "STARTTLS") => self.write(b"STARTTLS\r\n"),
            (2, 220) => Some(Step::Start),
            _ => Some(Step::Refused),
        }
    }

    fn ftp(&mut self) -> Option<Step> {
        let (code, _) = self.reply()?;
        match (self.stage, code) {
            (0, 220) => self.write(b"AUTH TLS\r\n"),
            (0, 0) => Some(Step::Foreign),
            (1, 234) => Some(Step::Start),
            _ => Some(Step::Refused),
        }
    }

    fn nntp(&mut self) -> Option<Step> {
        let code = |line: &str| line.get(..3).and_then(|code| code.parse::<u16>().ok());
        loop {
            let line = self.line()?;
            match (self.stage, code(&line)) {
                (0, Some(200 | 201)) => return self.write(b"CAPABILITIES\r\n"),
                (0, None) => return Some(Step::Foreign),
                (1, Some(101)) => self.stage = 2,
                (2, _) if line == "STARTTLS" => self.stage = 3,
                (3, _) if line == "." => return self.write(b"STARTTLS\r\n"),
                (2, _) if line == "." => return Some(Step::Refused),
                (2 | 3, _) => {}
                (4, Some(382)) => return Some(Step::Start),
                _ => return Some(Step::Refused),
            }
        }
    }

    fn imap(&mut self) -> Option<Step> {
        loop {
            let line = self.line()?;
            let upper = line.to_ascii_uppercase();
            match self.stage {
                0 if upper.starts_with("* OK") => return self.write(b". CAPABILITY\r\n"),
                0 if upper.starts_with("* ") => return Some(Step::Refused),
                0 => return Some(Step::Foreign),
                1 if upper.starts_with("* CAPABILITY") => {
                    if !upper.split_whitespace().any(|word| word == "STARTTLS") {
                        return Some(Step::Refused);
                    }
                    self.stage = 2;
                }
                2 if upper.starts_with(". OK") => return self.write(b". STARTTLS\r\n"),
                3 if upper.starts_with(". OK") => return Some(Step::Start),
                _ if upper.starts_with("* BYE") || upper.starts_with(". ") => {
                    return Some(Step::Refused);
                }
                _ => {}
            }
        }
    }

    fn pop3(&mut self) -> Option<Step> {
        let line = self.line()?;
        match (self.stage, line.starts_with("+OK")) {
            (0, true) => self.write(b"STLS\r\n"),
            (0, false) if !line.starts_with("-ERR") => Some(Step::Foreign),
            (1, true) => Some(Step::Start),
            _ => Some(Step::Refused),
        }
    }

    fn sieve(&mut self) -> Option<Step> {
        loop {
            let line = self.line()?.to_ascii_uppercase();
            match self.stage {
                0 if line.starts_with("\"STARTTLS\"") => self.stage = 1,
                0 if line.starts_with("OK") => return Some(Step::Refused),
                1 if line.starts_with("OK") => return self.write(b"STARTTLS\r\n"),
                2 if line.starts_with("OK") => return Some(Step::Start),
                _ if line.starts_with("NO") || line.starts_with("BYE") => {
                    return Some(Step::Refused);
                }
                0 | 1 if line.starts_with('"') => {}
                _ => return Some(Step::Foreign),
            }
        }
    }

    fn irc(&mut self) -> Option<Step> {
        if self.stage == 0 {
            return self.write(b"STARTTLS\r\n");
        }
        loop {
            let line = self.line()?;
            let mut words = line.split_whitespace();
            let first = words.next().unwrap_or("");
            let command = if first.starts_with(':') {
                words.next().unwrap_or("")
            } else {
                first
            };
            match command {
                "670" => return Some(Step::Start),
                "691" | "421" | "451" | "ERROR" => return Some(Step::Refused),
                _ => {}
            }
        }
    }

    fn ldap(&mut self) -> Option<Step> {
        if self.stage == 0 {
            return self.write(LDAP_REQUEST);
        }
        if self.buffer.first() != Some(&0x30) {
            return if self.buffer.is_empty() {
                None
            } else {
                Some(Step::Foreign)
            };
        }
        let (header, size) = match ber_length(&self.buffer[1..]) {
            Ok(Some(length)) => length,
            Ok(None) => return None,
            Err(()) => return Some(Step::Foreign),
        };
        let start = 1 + header;
        if self.buffer.len() < start + size {
            return None;
        }
        let message: Vec<u8> = self.buffer.drain(..start + size).skip(start).collect();
        // messageID, then [APPLICATION 24]; its first element is the result code.
        let granted = message.get(3) == Some(&0x78)
            && matches!(ber_length(&message[4..]), Ok(Some((header, _)))
                if message.get(4 + header..).is_some_and(|body| body.starts_with(&[0x0a, 1, 0])));
        Some(if granted { Step::Start } else { Step::Refused })
    }

    fn postgres(&mut self) -> Option<Step> {
        if self.stage == 0 {
            return self.write(POSTGRES_REQUEST);
        }
        match *self.buffer.first()? {
            b'S' => {
                self.buffer.remove(0);
                Some(Step::Start)
            }
            b'N' | b'E' => Some(Step::Refused),
            _ => Some(Step::Foreign),
        }
    }

    fn mysql(&mut self) -> Option<Step> {
        if self.stage == 1 {
            return Some(Step::Start);
        }
        let header = self.buffer.first_chunk::<4>()?;
        let size =
            usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        if header[3] != 0 || size > MAX_BYTES {
            return Some(Step::Foreign);
        }
        if self.buffer.len() < 4 + size {
            return None;
        }
        let greeting: Vec<u8> = self.buffer.drain(..4 + size).skip(4).collect();
        match greeting.first() {
            Some(0x0a) => {}
            Some(0xff) => return Some(Step::Refused),
            _ => return Some(Step::Foreign),
        }
        // Version text, thread id (4), authentication data (8), a zero, then the capabilities.
        let version_end = greeting.iter().skip(1).position(|&b| b == 0)? + 2;
        let Some([low, high]) = greeting.get(version_end + 13..version_end + 15) else {
            return Some(Step::Foreign);
        };
        if u16::from_le_bytes([*low, *high]) & MYSQL_SSL == 0 {
            return Some(Step::Refused);
        }
        let mut request = vec![0x20, 0, 0, 1];
        request.extend_from_slice(&0x8a00u32.to_le_bytes());
        request.extend_from_slice(&(1u32 << 24).to_le_bytes());
        request.push(0x21);
        request.extend_from_slice(&[0; 23]);
        self.write(&request)
    }

    fn xmpp(&mut self, namespace: &str) -> Option<Step> {
        if self.stage == 0 {
            let open = format!(
                "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
                 xmlns='{namespace}' to='{}' version='1.0'>",
                self.name
            );
            return self.write(open.as_bytes());
        }
        if !self.buffer.is_empty()
            && self
                .buffer
                .trim_ascii_start()
                .first()
                .is_some_and(|&b| b != b'<')
        {
            return Some(Step::Foreign);
        }
        // Markup is ASCII; whatever else is in there does not matter, but stays one byte, or the
        // offsets found in the text would not be those of the buffer.
        let ascii = |&b: &u8| if b.is_ascii() { char::from(b) } else { '?' };
        let text: String = self.buffer.iter().map(ascii).collect();
        if self.stage == 1 {
            if text.contains("</stream:features>") || text.contains("</features>") {
                if !text.contains("<starttls") {
                    return Some(Step::Refused);
                }
                self.buffer.clear();
                return self.write(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
            }
            let over = ["<stream:error", "</stream:stream>", "<stream:features/>"];
            return over
                .iter()
                .any(|end| text.contains(end))
                .then_some(Step::Refused);
        }
        if text.contains("<failure") {
            return Some(Step::Refused);
        }
        let begin = text.find("<proceed")?;
        let end = begin + text[begin..].find('>')?;
        self.buffer.drain(..=end);
        if text[..end].ends_with('/') {
            return Some(Step::Start);
        }
        // `<proceed ...></proceed>` is the same element in two tags.
        if self.buffer.starts_with(PROCEED_END) {
            self.buffer.drain(..PROCEED_END.len());
        }
        Some(Step::Start)
    }
}

fn offers(lines: &[String], what: &str) -> bool {
    lines.iter().any(|line| {
        line.split_whitespace()
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(what))
    })
}

/// (bytes of the length field, length) of a BER element whose tag was skipped; `None` if bytes are
/// missing. Servers may use the long form even for short messages.
fn ber_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, ()> {
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    if *first < 0x80 {
        return Ok(Some((1, usize::from(*first))));
    }
    let count = usize::from(*first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(());
    }
    let Some(digits) = bytes.get(1..=count) else {
        return Ok(None);
    };
    let size = digits
        .iter()
        .fold(0usize, |sum, digit| sum << 8 | usize::from(*digit));
    if size > MAX_BYTES {
        Err(())
    } else {
        Ok(Some((1 + count, size)))
    }
}

#[cfg(test)]
mod tests;
