//! One job sent to one node, and what became of it.
//!
//! distccd says little when it refuses: a client that is not allowed gets a reset, a compiler that
//! is not allowed gets an end of file, and a busy node gets nothing at all. This module tells them
//! apart; it does not look into the object.
//!
//! The standard library's socket timeouts count per call, so a node that sends one byte a second
//! would never run into one. `Deadlined` gives each call what is left of one deadline instead.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::proto::{Job, Reply, ReplyError};

/// How long the silent second connection waits for the node to hang up. distccd sets
/// `TCP_DEFER_ACCEPT` to one second and closes a refused client about 1.02 s after it connected.
const REFUSAL_WAIT: Duration = Duration::from_millis(1500);

/// How long one probe may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name resolution and connecting, together.
    pub connect: Duration,
    /// From the connection to the last byte of the reply, both directions.
    pub job: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            job: Duration::from_secs(30),
        }
    }
}

/// What became of a job. Only the first kind has an object to look at.
#[derive(Debug)]
pub enum Outcome {
    /// A complete reply, whatever the compiler said.
    Reply(Box<Reply>),
    /// No connection, or no answer on it.
    Down(Down),
    /// Reset before a byte of reply, and a second, silent connection was closed too: the address
    /// is not in the node's `--allow` list.
    ClientRefused {
        /// The address this host used.
        from: Option<IpAddr>,
    },
    /// Reset before a byte of reply, although the client is allowed.
    ResetWhileReading,
    /// End of file before a byte of reply: distccd does not run this compiler.
    CompilerRefused,
    /// Something answered, but not with a reply.
    BadReply(ReplyError),
}

/// Why a node counts as down.
#[derive(Debug, thiserror::Error)]
pub enum Down {
    /// The name does not resolve.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's reason.
        #[source]
        source: io::Error,
    },
    /// The resolver or the network did not answer in time.
    #[error("no connection within {}", seconds(*.after))]
    ConnectTimeout {
        /// The limit.
        after: Duration,
    },
    /// Refused or unreachable.
    #[error("cannot connect to {address}")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// Connected, but not one byte came back.
    #[error("connected, no answer in {} (busy?)", seconds(*.after))]
    NoAnswer {
        /// The limit.
        after: Duration,
    },
}

/// Sends `job` to `host:port` and reads the reply.
///
/// Never fails: every failure is an [`Outcome`]. Takes at most `limits.connect + limits.job`, and
/// 1.5 s more where a reset has to be explained.
pub fn probe(host: &str, port: u16, job: &Job, limits: Limits) -> Outcome {
    let address = match connect(host, port, limits.connect) {
        Ok(stream) => match exchange(stream, job, limits.job) {
            Exchange::Outcome(outcome) => return outcome,
            Exchange::Reset { peer } => peer,
        },
        // A refusal can overtake the end of the handshake.
        Err(Down::Connect { address, source }) if is_reset(&source) => Some(address),
        Err(down) => return Outcome::Down(down),
    };
    explain_reset(address, limits.connect)
}

/// Connects to the first address of `host` that answers. One deadline for all of it.
pub(crate) fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, Down> {
    let deadline = Instant::now() + limit;
    let timeout = || Down::ConnectTimeout { after: limit };
    let mut last = None;
    for address in resolve(host, port, limit)? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timeout());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(source) => last = Some((address, source)),
        }
    }
    Err(match last {
        Some((_, source)) if source.kind() == io::ErrorKind::TimedOut => timeout(),
        Some((address, source)) => Down::Connect { address, source },
        None => Down::Resolve {
            host: host.to_owned(),
            source: io::Error::from(io::ErrorKind::NotFound),
        },
    })
}

/// The resolver has no timeout of its own, so a name is looked up in a thread that is left behind
/// when it takes too long. Addresses need no resolver.
fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Down> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (send, receive) = mpsc::channel();
    let name = host.to_owned();
    thread::spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        // Nobody listens any more once the limit has passed.
        let _ = send.send(found);
    });
    match receive.recv_timeout(limit) {
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(source)) => Err(Down::Resolve {
            host: host.to_owned(),
            source,
        }),
        Err(_) => Err(Down::ConnectTimeout { after: limit }),
    }
}

enum Exchange {
    Outcome(Outcome),
    Reset { peer: Option<SocketAddr> },
}

fn exchange(stream: TcpStream, job: &Job, limit: Duration) -> Exchange {
    let peer = stream.peer_addr().ok();
    let mut stream = Deadlined::new(stream, limit);
    // A node that refuses closes while we are still sending. What it said before that, if
    // anything, is still in the receive buffer, so a failed write does not end the exchange.
    let sent = stream.write_all(&job.encode());
    let error = match Reply::decode(&mut stream) {
        Ok(reply) => return Exchange::Outcome(Outcome::Reply(Box::new(reply))),
        Err(error) => error,
    };
    if !error.before_first_byte() {
        return Exchange::Outcome(Outcome::BadReply(error));
    }
    match (error, sent) {
        (ReplyError::Read { source, .. }, _) if is_reset(&source) => Exchange::Reset { peer },
        (_, Err(source)) if is_reset(&source) => Exchange::Reset { peer },
        (ReplyError::Silent, Ok(())) => Exchange::Outcome(Outcome::CompilerRefused),
        (ReplyError::Read { source, .. }, _) if is_timeout(&source) => {
            Exchange::Outcome(Outcome::Down(Down::NoAnswer { after: limit }))
        }
        (error, _) => Exchange::Outcome(Outcome::BadReply(error)),
    }
}

/// A reset has two causes: the client's address is not allowed, or the request displeased
/// distccd. A connection that sends nothing tells which: only the first kind is hung up on.
fn explain_reset(peer: Option<SocketAddr>, connect_limit: Duration) -> Outcome {
    let Some(peer) = peer else {
        return Outcome::ResetWhileReading;
    };
    let stream = match TcpStream::connect_timeout(&peer, connect_limit) {
        Ok(stream) => stream,
        Err(error) if is_reset(&error) => return Outcome::ClientRefused { from: None },
        Err(_) => return Outcome::ResetWhileReading,
    };
    let from = stream.local_addr().ok().map(|address| address.ip());
    match Deadlined::new(stream, REFUSAL_WAIT).read(&mut [0]) {
        Ok(0) => Outcome::ClientRefused { from },
        Err(error) if is_reset(&error) => Outcome::ClientRefused { from },
        _ => Outcome::ResetWhileReading,
    }
}

/// A socket on which every call together may take no longer than one limit.
pub(crate) struct Deadlined {
    stream: TcpStream,
    deadline: Instant,
}

impl Deadlined {
    pub(crate) fn new(stream: TcpStream, limit: Duration) -> Self {
        Self {
            stream,
            deadline: Instant::now() + limit,
        }
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }
}

impl Read for Deadlined {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buf)
    }
}

impl Write for Deadlined {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// A socket timeout reads as `EAGAIN` on Linux, our own deadline as `TimedOut`.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}
