//! distcc's protocol 1: one compile job out, one reply in, over any byte stream.
//!
//! A packet is a *token* of four ASCII bytes and eight hexadecimal digits; where the token carries
//! a body, the digits are its length and the body follows at once. There is no negotiation: the
//! client sends one job and reads one reply, then the connection ends. Protocols 2 (LZO bodies)
//! and 3 (pump) are not spoken.
//!
//! The reply comes from a stranger: every length is compared with a limit before a byte of it is
//! reserved, and buffers grow only as bytes arrive. This module knows nothing of sockets, time or
//! verdicts.

use std::fmt;
use std::io::{self, Read};

use nightshift_common::escape::Escaped;

/// Longest object accepted from a node, in bytes: 64 MiB, hundreds of times the probe's object.
pub const MAX_OBJECT: u32 = 64 << 20;

/// Longest standard error or standard output accepted from a node, in bytes: 1 MiB.
pub const MAX_TEXT: u32 = 1 << 20;

/// Longest argument accepted when a job is read (the node's side), in bytes.
pub const MAX_ARG: u32 = 64 << 10;

/// Most arguments accepted when a job is read (the node's side).
pub const MAX_ARGC: u32 = 4096;

/// The version sent in `DIST`.
const PROTOCOL: u32 = 1;

/// Most bytes taken from the stream at once, so that a length alone reserves next to nothing.
const READ_STEP: usize = 64 << 10;

/// Bytes of a token: four letters and eight digits.
const TOKEN_LEN: usize = 12;

/// One compile job: what to run on the node, and the preprocessed source it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Compiler name first, as for `execv`. The node replaces the words after `-c` and `-o`.
    pub argv: Vec<Vec<u8>>,
    /// Preprocessed C or C++.
    pub source: Vec<u8>,
}

impl Job {
    /// The bytes of the request.
    ///
    /// Lengths above `u32::MAX` cannot be expressed; argument lists and probe sources are a
    /// million times shorter, so they are cut off at that limit instead of failing.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.source.len() + 32 * self.argv.len() + 64);
        put_token(&mut out, *b"DIST", PROTOCOL);
        put_token(&mut out, *b"ARGC", length(self.argv.len()));
        for arg in &self.argv {
            put_body(&mut out, *b"ARGV", arg);
        }
        put_body(&mut out, *b"DOTI", &self.source);
        out
    }

    /// Reads a job as a node does. The counterpart of [`Job::encode`], for nodes played by tests.
    pub fn decode(input: &mut impl Read) -> Result<Self, ReplyError> {
        let mut packets = Packets::new(input);
        let version = packets.token(*b"DIST")?;
        if version != PROTOCOL {
            return Err(packets.too_long(*b"DIST", version, PROTOCOL));
        }
        let argc = packets.token(*b"ARGC")?;
        if argc > MAX_ARGC {
            return Err(packets.too_long(*b"ARGC", argc, MAX_ARGC));
        }
        let mut argv = Vec::new();
        for _ in 0..argc {
            argv.push(packets.body(*b"ARGV", MAX_ARG)?);
        }
        let source = packets.body(*b"DOTI", MAX_OBJECT)?;
        Ok(Self { argv, source })
    }
}

/// What a node answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How the compiler ended.
    pub status: WaitStatus,
    /// The compiler's standard error, and distccd's own warnings.
    pub stderr: Vec<u8>,
    /// The compiler's standard output.
    pub stdout: Vec<u8>,
    /// The object file; empty when the compiler failed.
    pub object: Vec<u8>,
}

impl Reply {
    /// Reads one reply. Stops after the object; what follows in the stream is not looked at.
    pub fn decode(input: &mut impl Read) -> Result<Self, ReplyError> {
        let mut packets = Packets::new(input);
        let version = packets.token(*b"DONE")?;
        if version != PROTOCOL {
            return Err(packets.too_long(*b"DONE", version, PROTOCOL));
        }
        let status = WaitStatus(packets.token(*b"STAT")?);
        Ok(Self {
            status,
            stderr: packets.body(*b"SERR", MAX_TEXT)?,
            stdout: packets.body(*b"SOUT", MAX_TEXT)?,
            object: packets.body(*b"DOTO", MAX_OBJECT)?,
        })
    }

    /// The bytes of the reply. The counterpart of [`Reply::decode`], for nodes played by tests.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.object.len() + self.stderr.len() + 128);
        put_token(&mut out, *b"DONE", PROTOCOL);
        put_token(&mut out, *b"STAT", self.status.0);
        put_body(&mut out, *b"SERR", &self.stderr);
        put_body(&mut out, *b"SOUT", &self.stdout);
        put_body(&mut out, *b"DOTO", &self.object);
        out
    }
}

/// A Unix wait status as `wait(2)` returns it: exit status in bits 8 to 15, signal in bits 0 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitStatus(pub u32);

impl WaitStatus {
    /// True if the compiler exited with status 0.
    pub fn success(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for WaitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 & 0x7f {
            0 => write!(f, "exit status {}", (self.0 >> 8) & 0xff),
            signal => write!(f, "signal {signal}"),
        }
    }
}

/// Why the bytes of a node are not a reply. Offsets count from the start of the reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The stream ended before its first byte.
    #[error("connection closed without a reply")]
    Silent,
    /// The stream failed: reset, or the deadline passed.
    #[error("reading byte {offset} of the reply")]
    Read {
        /// Bytes received so far.
        offset: u64,
        /// The socket's error.
        #[source]
        source: io::Error,
    },
    /// Another token, or none at all.
    #[error(
        "expected {} at byte {offset}, got \"{}\"",
        Escaped::text(expected),
        Escaped::text(got)
    )]
    Token {
        /// The token the protocol asks for here.
        expected: [u8; 4],
        /// What stands there.
        got: [u8; TOKEN_LEN],
        /// Where.
        offset: u64,
    },
    /// The digits after a token are not hexadecimal.
    #[error(
        "length of {} at byte {offset} is not hexadecimal: \"{}\"",
        Escaped::text(token),
        Escaped::text(got)
    )]
    Length {
        /// The token.
        token: [u8; 4],
        /// What stands where digits belong.
        got: [u8; 8],
        /// Where the token starts.
        offset: u64,
    },
    /// A length, count or version above what is accepted.
    #[error(
        "{} at byte {offset} says {value}, at most {limit} accepted",
        Escaped::text(token)
    )]
    TooLong {
        /// The token.
        token: [u8; 4],
        /// The value received.
        value: u32,
        /// The largest one accepted.
        limit: u32,
        /// Where the token starts.
        offset: u64,
    },
    /// The stream ended inside a packet.
    #[error("reply ends at byte {offset}, inside {}", Escaped::text(token))]
    Truncated {
        /// The packet that is incomplete.
        token: [u8; 4],
        /// Bytes received.
        offset: u64,
    },
}

impl ReplyError {
    /// True if not a single byte of a reply has been seen.
    pub fn before_first_byte(&self) -> bool {
        matches!(self, Self::Silent | Self::Read { offset: 0, .. })
    }
}

/// Takes packets off a stream and counts the bytes, so that errors can say where.
struct Packets<'a, R> {
    input: &'a mut R,
    offset: u64,
}

impl<'a, R: Read> Packets<'a, R> {
    fn new(input: &'a mut R) -> Self {
        Self { input, offset: 0 }
    }

    fn token(&mut self, expected: [u8; 4]) -> Result<u32, ReplyError> {
        let start = self.offset;
        let mut got = [0; TOKEN_LEN];
        let mut filled = 0;
        while filled < TOKEN_LEN {
            match self.input.read(&mut got[filled..]) {
                Ok(0) if self.offset == 0 => return Err(ReplyError::Silent),
                Ok(0) => {
                    return Err(ReplyError::Truncated {
                        token: expected,
                        offset: self.offset,
                    });
                }
                Ok(n) => {
                    filled += n;
                    self.offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(ReplyError::Read {
                        offset: self.offset,
                        source,
                    });
                }
            }
        }
        if got[..4] != expected {
            return Err(ReplyError::Token {
                expected,
                got,
                offset: start,
            });
        }
        let mut digits = [0; 8];
        digits.copy_from_slice(&got[4..]);
        hex(digits).ok_or(ReplyError::Length {
            token: expected,
            got: digits,
            offset: start,
        })
    }

    fn body(&mut self, token: [u8; 4], limit: u32) -> Result<Vec<u8>, ReplyError> {
        let length = self.token(token)?;
        if length > limit {
            return Err(self.too_long(token, length, limit));
        }
        let length = length as usize;
        let mut body = Vec::new();
        while body.len() < length {
            let filled = body.len();
            let step = READ_STEP.min(length - filled);
            if body.capacity() < filled + step {
                // Doubles, but never beyond what was announced and accepted.
                body.reserve_exact(step.max(filled).min(length - filled));
            }
            body.resize(filled + step, 0);
            let outcome = self.input.read(&mut body[filled..]);
            body.truncate(filled + *outcome.as_ref().unwrap_or(&0));
            match outcome {
                Ok(0) => {
                    return Err(ReplyError::Truncated {
                        token,
                        offset: self.offset,
                    });
                }
                Ok(n) => self.offset += n as u64,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(ReplyError::Read {
                        offset: self.offset,
                        source,
                    });
                }
            }
        }
        Ok(body)
    }

    fn too_long(&self, token: [u8; 4], value: u32, limit: u32) -> ReplyError {
        ReplyError::TooLong {
            token,
            value,
            limit,
            offset: self.offset - TOKEN_LEN as u64,
        }
    }
}

/// Eight hexadecimal digits; distcc writes lower case and reads either. No sign, no blank.
fn hex(digits: [u8; 8]) -> Option<u32> {
    digits.iter().try_fold(0, |value: u32, &digit| {
        Some(value << 4 | char::from(digit).to_digit(16)?)
    })
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn put_token(out: &mut Vec<u8>, token: [u8; 4], value: u32) {
    out.extend_from_slice(&token);
    out.extend_from_slice(format!("{value:08x}").as_bytes());
}

fn put_body(out: &mut Vec<u8>, token: [u8; 4], body: &[u8]) {
    put_token(out, token, length(body.len()));
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reply() -> Reply {
        Reply {
            status: WaitStatus(0),
            stderr: b"warning\n".to_vec(),
            stdout: Vec::new(),
            object: b"\x7fELF".to_vec(),
        }
    }

    #[test]
    fn a_job_is_encoded_as_distcc_encodes_it() {
        let job = Job {
            argv: vec![b"gcc".to_vec(), b"-c".to_vec()],
            source: b"int x;\n".to_vec(),
        };
        assert_eq!(
            job.encode(),
            b"DIST00000001ARGC00000002ARGV00000003gccARGV00000002-cDOTI00000007int x;\n"
        );
    }

    #[test]
    fn a_wait_status_reads_as_exit_or_signal() {
        assert_eq!(WaitStatus(0x0100).to_string(), "exit status 1");
        assert_eq!(WaitStatus(0x000b).to_string(), "signal 11");
        // The core-dump bit says nothing about the signal.
        assert_eq!(WaitStatus(0x008b).to_string(), "signal 11");
        assert!(WaitStatus(0).success());
    }

    #[test]
    fn every_way_to_break_a_reply_is_told_apart() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "connection closed without a reply"),
            (b"DONE0", "reply ends at byte 5, inside DONE"),
            (
                b"SSH-2.0-OpenSSH_9.2p1",
                "expected DONE at byte 0, got \"SSH-2.0-Open\"",
            ),
            (b"DONE00000002", "DONE at byte 0 says 2, at most 1 accepted"),
            (
                b"DONE00000001STAT0000000g",
                "length of STAT at byte 12 is not hexadecimal: \"0000000g\"",
            ),
            (
                b"DONE00000001STAT+0000001",
                "length of STAT at byte 12 is not hexadecimal: \"+0000001\"",
            ),
            (
                b"DONE00000001STAT00000000SERRffffffff",
                "SERR at byte 24 says 4294967295, at most 1048576 accepted",
            ),
            (
                b"DONE00000001STAT00000000SERR00000005abc",
                "reply ends at byte 39, inside SERR",
            ),
            (
                b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO04000001",
                "DOTO at byte 48 says 67108865, at most 67108864 accepted",
            ),
        ];
        for (bytes, text) in cases {
            let error = Reply::decode(&mut &bytes[..]).unwrap_err();
            assert_eq!(error.to_string(), *text);
        }
    }

    #[test]
    fn a_huge_length_reserves_no_memory() {
        // The claimed 64 MiB never come; if they were reserved, a farm of hostile nodes could
        // exhaust the client with a dozen bytes each.
        let mut bytes: &[u8] = b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO04000000xyz";
        let error = Reply::decode(&mut bytes).unwrap_err();
        assert_eq!(error.to_string(), "reply ends at byte 63, inside DOTO");
    }

    #[test]
    fn a_reply_arriving_byte_by_byte_is_the_same_reply() {
        struct Dribble<'a>(&'a [u8]);
        impl Read for Dribble<'_> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let n = buf.len().min(1).min(self.0.len());
                buf[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let bytes = reply().encode();
        assert_eq!(Reply::decode(&mut Dribble(&bytes)).unwrap(), reply());
    }

    #[test]
    fn a_failing_stream_says_how_far_it_came() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let error = Reply::decode(&mut Broken).unwrap_err();
        assert!(error.before_first_byte());
        let error = Reply::decode(&mut b"DONE0000".chain(Broken)).unwrap_err();
        assert!(!error.before_first_byte());
        assert_eq!(error.to_string(), "reading byte 8 of the reply");
    }

    fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..most)
    }

    proptest! {
        #[test]
        fn jobs_survive_the_wire(
            argv in proptest::collection::vec(bytes(40), 0..12),
            source in bytes(600),
        ) {
            let job = Job { argv, source };
            prop_assert_eq!(Job::decode(&mut &job.encode()[..]).unwrap(), job);
        }

        #[test]
        fn replies_survive_the_wire(
            status in any::<u32>(),
            stderr in bytes(200),
            stdout in bytes(50),
            object in bytes(600),
        ) {
            let reply = Reply { status: WaitStatus(status), stderr, stdout, object };
            prop_assert_eq!(Reply::decode(&mut &reply.encode()[..]).unwrap(), reply);
        }

        #[test]
        fn random_bytes_never_panic(input in bytes(300)) {
            let _ = Reply::decode(&mut &input[..]);
            let _ = Job::decode(&mut &input[..]);
        }

        #[test]
        fn a_damaged_reply_never_panics_and_never_overreads(
            at in any::<proptest::sample::Index>(),
            with in any::<u8>(),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = reply().encode();
            let at = at.index(bytes.len());
            bytes[at] = with;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(reply) = Reply::decode(&mut &bytes[..]) {
                prop_assert!(reply.encode().len() <= bytes.len());
            }
        }
    }
}
