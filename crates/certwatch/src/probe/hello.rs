//! The cleartext hello: up to TLS 1.2 a server shows its chain before any cryptography happens,
//! so a ClientHello that could never be finished is enough to see it.
//!
//! For servers rustls cannot talk to: TLS 1.0 and 1.1, RSA key exchange, CBC, DHE, and chains over
//! 64 KiB. It proves nothing about the key. No I/O here: bytes in, progress out.

use std::net::IpAddr;
use std::sync::Arc;

use crate::chain::Presented;

/// Cipher suites offered, modern first: everything a server that rustls refused may want.
const SUITES: [u16; 24] = [
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0xc023, 0xc027,
    0x009c, 0x009d, 0x002f, 0x0035, 0x003c, 0x000a, 0x009e, 0x009f, 0x0033, 0x0039, 0x0005, 0x0004,
];
const GROUPS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];
const SIGNATURES: [u16; 10] = [
    0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0203, 0x0201,
];

/// Handshake messages together; a chain of 64 certificates stays well below.
const MAX_HANDSHAKE: usize = 1 << 20;
/// Certificates in one list.
pub(crate) const MAX_CERTIFICATES: usize = 64;
/// A record's payload: 2^14 and the 2048 bytes that TLS 1.2 allows for expansion.
const MAX_RECORD: usize = 18_432;

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;

/// The ClientHello record for `name`. There is no supported_versions extension, so that a server
/// answers in TLS 1.2 or below; and no server_name for an IP address (RFC 6066).
pub(crate) fn client_hello(name: &str, random: &[u8; 32]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if name.parse::<IpAddr>().is_err() {
        let mut list = vec![0];
        push_vector16(&mut list, name.as_bytes());
        let mut body = Vec::new();
        push_vector16(&mut body, &list);
        push_extension(&mut extensions, 0, &body);
    }
    let words =
        |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_be_bytes()).collect() };
    let vector = |values: &[u16]| {
        let mut body = Vec::new();
        push_vector16(&mut body, &words(values));
        body
    };
    push_extension(&mut extensions, 10, &vector(&GROUPS));
    push_extension(&mut extensions, 11, &[1, 0]);
    push_extension(&mut extensions, 13, &vector(&SIGNATURES));
    push_extension(&mut extensions, 0xff01, &[0]);

    let mut body = vec![3, 3];
    body.extend_from_slice(random);
    body.push(0); // no session to resume
    push_vector16(&mut body, &words(&SUITES));
    body.extend_from_slice(&[1, 0]); // null compression
    push_vector16(&mut body, &extensions);

    let mut message = vec![1];
    message.extend_from_slice(&length(body.len()).to_be_bytes()[1..]);
    message.extend_from_slice(&body);
    let mut record = vec![HANDSHAKE, 3, 1];
    push_vector16(&mut record, &message);
    record
}

fn push_extension(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    push_vector16(out, body);
}

fn push_vector16(out: &mut Vec<u8>, body: &[u8]) {
    // Everything put into a hello is far below 64 KiB; host names end at 253 bytes.
    out.extend_from_slice(&length(body.len()).to_be_bytes()[2..]);
    out.extend_from_slice(body);
}

fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What the server has said so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    /// The chain, with the version and cipher suite the server chose.
    Chain {
        presented: Presented,
        version: u16,
        suite: u16,
    },
    Alert(u8),
    /// The server finished its part without a certificate.
    NoCertificate,
    /// Not TLS records.
    NotTls,
    /// Malformed, or larger than any honest chain.
    Broken,
}

/// Takes the server's bytes and finds the chain in them.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    records: Vec<u8>,
    handshake: Vec<u8>,
    chosen: Option<(u16, u16)>,
}

impl Answer {
    /// Takes more bytes. After anything but [`Progress::More`] the answer is over.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.records.extend_from_slice(bytes);
        while let Some(header) = self.records.first_chunk::<5>() {
            let [kind, major, _, high, low] = *header;
            let size = usize::from(u16::from_be_bytes([high, low]));
            if major != 3 || !matches!(kind, 20..=24) {
                return Progress::NotTls;
            }
            if size > MAX_RECORD {
                return Progress::Broken;
            }
            let Some(payload) = self.records.get(5..5 + size) else {
                return Progress::More;
            };
            match kind {
                ALERT => {
                    return payload
                        .get(1)
                        .map_or(Progress::Broken, |n| Progress::Alert(*n));
                }
                HANDSHAKE => self.handshake.extend_from_slice(payload),
                _ => return Progress::Broken,
            }
            self.records.drain(..5 + size);
            if self.handshake.len() > MAX_HANDSHAKE {
                return Progress::Broken;
            }
            match self.messages() {
                Progress::More => {}
                over => return over,
            }
        }
        Progress::More
    }

    fn messages(&mut self) -> Progress {
        while let Some(header) = self.handshake.first_chunk::<4>() {
            let [kind, a, b, c] = *header;
            let size = u24([a, b, c]);
            if size > MAX_HANDSHAKE {
                return Progress::Broken;
            }
            let Some(body) = self.handshake.get(4..4 + size) else {
                return Progress::More;
            };
            match kind {
                SERVER_HELLO => match server_hello(body) {
                    Some(chosen) => self.chosen = Some(chosen),
                    None => return Progress::Broken,
                },
                CERTIFICATE => {
                    return match (certificates(body), self.chosen) {
                        (Some(ders), Some(_)) if ders.is_empty() => Progress::NoCertificate,
                        (Some(ders), Some((version, suite))) => Progress::Chain {
                            presented: Presented { ders },
                            version,
                            suite,
                        },
                        _ => Progress::Broken,
                    };
                }
                SERVER_HELLO_DONE => return Progress::NoCertificate,
                _ => {}
            }
            self.handshake.drain(..4 + size);
        }
        Progress::More
    }
}

/// Version and cipher suite of a ServerHello.
fn server_hello(body: &[u8]) -> Option<(u16, u16)> {
    let word = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    let session = usize::from(*body.get(34)?);
    Some((word(0)?, word(35 + session)?))
}

/// The DER certificates of a Certificate message.
fn certificates(body: &[u8]) -> Option<Vec<Arc<[u8]>>> {
    let (size, mut rest) = take24(body)?;
    if rest.len() != size {
        return None;
    }
    let mut ders = Vec::new();
    while !rest.is_empty() {
        let (size, tail) = take24(rest)?;
        if size == 0 || ders.len() >= MAX_CERTIFICATES {
            return None;
        }
        ders.push(Arc::from(tail.get(..size)?));
        rest = tail.get(size..)?;
    }
    Some(ders)
}

fn take24(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, tail) = bytes.split_first_chunk::<3>()?;
    Some((u24(*head), tail))
}

fn u24([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(certs: &[&[u8]]) -> Vec<u8> {
        let mut list = Vec::new();
        for cert in certs {
            list.extend_from_slice(&length(cert.len()).to_be_bytes()[1..]);
            list.extend_from_slice(cert);
        }
        let mut body = length(list.len()).to_be_bytes()[1..].to_vec();
        body.extend_from_slice(&list);
        let mut hello = vec![3, 1];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[2, 9, 9, 0xc0, 0x13, 0]);
        let mut messages = Vec::new();
        for (kind, body) in [(SERVER_HELLO, hello), (CERTIFICATE, body)] {
            messages.push(kind);
            messages.extend_from_slice(&length(body.len()).to_be_bytes()[1..]);
            messages.extend_from_slice(&body);
        }
        messages
            .chunks(700)
            .flat_map(|part| {
                let mut record = vec![HANDSHAKE, 3, 1];
                push_vector16(&mut record, part);
                record
            })
            .collect()
    }

    #[test]
    fn a_chain_is_found_however_it_is_cut() {
        let (leaf, ca) = (vec![1; 1000], vec![2; 500]);
        let bytes = answer(&[&leaf, &ca]);
        for step in [1, 7, 1000, bytes.len()] {
            let mut parser = Answer::default();
            let last = bytes.chunks(step).map(|part| parser.feed(part)).last();
            let Some(Progress::Chain {
                presented,
                version,
                suite,
            }) = last
            else {
                panic!("step {step}: {last:?}");
            };
            assert_eq!((version, suite), (0x0301, 0xc013));
            assert_eq!(
                presented.ders,
                [Arc::from(leaf.as_slice()), Arc::from(ca.as_slice())]
            );
        }
    }

    #[test]
    fn other_answers_have_their_own_names() {
        let feed = |bytes: &[u8]| Answer::default().feed(bytes);
        assert_eq!(feed(&[21, 3, 3, 0, 2, 2, 70]), Progress::Alert(70));
        assert_eq!(feed(b"220 mail.example ESMTP\r\n"), Progress::NotTls);
        assert_eq!(feed(&[22, 3, 1, 0xff, 0xff]), Progress::Broken);
        assert_eq!(
            feed(&[22, 3, 1, 0, 4, 14, 0, 0, 0]),
            Progress::NoCertificate
        );
        let mut endless = answer(&[]);
        endless.truncate(endless.len() - 7);
        let many: Vec<&[u8]> = vec![&[1]; 65];
        assert_eq!(feed(&answer(&many)), Progress::Broken);
    }

    #[test]
    fn an_address_gets_no_server_name() {
        let with = client_hello("example.org", &[0; 32]);
        let without = client_hello("192.0.2.1", &[0; 32]);
        assert!(with.windows(11).any(|part| part == b"example.org"));
        assert_eq!(with.len() - without.len(), 4 + 2 + 3 + 11);
        assert_eq!(
            usize::from(u16::from_be_bytes([with[3], with[4]])),
            with.len() - 5
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8)) {
            let mut parser = Answer::default();
            for part in parts {
                if parser.feed(&part) != Progress::More {
                    break;
                }
            }
        }

        #[test]
        fn any_handshake_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut record = vec![HANDSHAKE, 3, 3];
            push_vector16(&mut record, &body);
            Answer::default().feed(&record);
        }
    }
}
