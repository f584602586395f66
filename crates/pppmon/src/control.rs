//! The control socket: a JSON object a line, from root alone.
//!
//! A client that floods, stalls or talks nonsense is dropped; nothing here ever blocks.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::status::Status;
use crate::sys;

/// Longest line.
const LINE_MAX: usize = 64 * 1024;
/// Clients at a time.
const CLIENTS_MAX: usize = 32;
/// A client that neither sends nor reads for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// For [`Answer::status`].
    Status,
    /// For [`Answer::routes`].
    Routes {
        /// Only this bundle.
        bundle: Option<String>,
    },
    /// Switch on.
    Up {
        /// BUNDLE or BUNDLE/LINK.
        target: String,
    },
    /// Switch off.
    Down {
        /// BUNDLE or BUNDLE/LINK.
        target: String,
    },
    /// Replace.
    Restart {
        /// BUNDLE or BUNDLE/LINK.
        target: String,
    },
    /// Sequence numbers back to zero.
    Resync {
        /// BUNDLE.
        target: String,
    },
    /// Read the configuration anew.
    Reload,
    /// End and give up the interfaces.
    Release,
}

/// What it gets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Why the request was refused; none if it was not.
    pub error: Option<String>,
    /// Bundles and links.
    pub status: Option<Status>,
    /// Routes, for people.
    pub routes: Option<Vec<String>>,
}

impl Answer {
    /// A refusal.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            error: Some(reason.into()),
            ..Self::default()
        }
    }
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
    last_active: Duration,
}

/// The listening socket and its clients.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
}

impl Control {
    /// Listens at `path`; a socket left there by a dead supervisor is replaced.
    pub fn listen(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            clients: Vec::new(),
        })
    }

    /// Descriptors to poll: for each whether writing is waited for too.
    pub fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        std::iter::once((self.listener.as_fd(), false)).chain(
            self.clients
                .iter()
                .map(|c| (c.stream.as_fd(), !c.unsent.is_empty())),
        )
    }

    /// When a client runs out of time.
    pub fn deadline(&self) -> Option<Duration> {
        self.clients
            .iter()
            .map(|client| client.last_active + PATIENCE)
            .min()
    }

    /// Accepts, reads, answers through `serve`, writes; drops clients that misbehave.
    pub fn serve(&mut self, now: Duration, mut serve: impl FnMut(Request) -> Answer) {
        while let Ok((stream, _)) = self.listener.accept() {
            let own = rustix::process::geteuid().as_raw();
            let allowed = sys::peer(&stream).is_ok_and(|peer| [0, own].contains(&peer.uid));
            if allowed && self.clients.len() < CLIENTS_MAX && stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client {
                    stream,
                    received: Vec::new(),
                    unsent: Vec::new(),
                    last_active: now,
                });
            }
        }
        self.clients.retain_mut(|client| {
            client.exchange(now, &mut serve) && now.saturating_sub(client.last_active) < PATIENCE
        });
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    /// False when the client is to be dropped.
    fn exchange(&mut self, now: Duration, serve: &mut impl FnMut(Request) -> Answer) -> bool {
        let mut buffer = [0; 4096];
        let mut ended = false;
        // A client whose answer is unread is not read either.
        while self.unsent.is_empty() && self.received.len() <= LINE_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(length) => {
                    self.received.extend_from_slice(&buffer[..length]);
                    self.last_active = now;
                    if !self.answer_lines(serve) {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        if self.received.len() > LINE_MAX {
            return false;
        }
        self.flush(now) && !(ended && self.unsent.is_empty())
    }

    fn answer_lines(&mut self, serve: &mut impl FnMut(Request) -> Answer) -> bool {
        while let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let Ok(request) = serde_json::from_slice(&line) else {
                return false; // not a client of ours
            };
            let Ok(answer) = serde_json::to_vec(&serve(request)) else {
                return false;
            };
            self.unsent.extend(answer);
            self.unsent.push(b'\n');
        }
        true
    }

    fn flush(&mut self, now: Duration) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return false,
                Ok(length) => {
                    self.unsent.drain(..length);
                    self.last_active = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Asks the supervisor and waits for its answer.
pub fn ask(path: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(stream), &mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    fn fixture() -> (tempfile::TempDir, Control, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let control = Control::listen(&path).unwrap();
        (dir, control, path)
    }

    fn is_closed(stream: &mut UnixStream) -> bool {
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        match stream.read(&mut [0; 16]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    #[test]
    fn only_the_owner_may_connect_and_the_socket_is_removed() {
        let (_dir, control, path) = fixture();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(control);
        assert!(!path.exists());
    }

    #[test]
    fn a_request_is_answered_also_in_pieces() {
        let (_dir, mut control, path) = fixture();
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(br#"{"command":"up","#).unwrap();
        let now = Duration::ZERO;
        control.serve(now, |_| unreachable!("half a request"));
        client.write_all(b"\"target\":\"a\"}\n").unwrap();
        control.serve(now, |request| {
            assert_eq!(request, Request::Up { target: "a".into() });
            Answer::refused("no")
        });
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).unwrap();
        let answer: Answer = serde_json::from_str(&line).unwrap();
        assert_eq!(answer.error.as_deref(), Some("no"));
    }

    #[test]
    fn nonsense_floods_and_silence_end_the_connection() {
        let (_dir, mut control, path) = fixture();
        let serve = |control: &mut Control, now| control.serve(now, |_| Answer::default());
        let now = Duration::ZERO;

        let mut nonsense = UnixStream::connect(&path).unwrap();
        nonsense.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        serve(&mut control, now);
        assert!(is_closed(&mut nonsense));

        let mut flood = UnixStream::connect(&path).unwrap();
        flood.set_nonblocking(true).unwrap();
        while flood.write(&[b' '; 4096]).is_ok() {}
        flood.set_nonblocking(false).unwrap();
        serve(&mut control, now);
        assert!(is_closed(&mut flood));

        let mut silent = UnixStream::connect(&path).unwrap();
        serve(&mut control, now);
        assert_eq!(control.clients.len(), 1);
        serve(&mut control, PATIENCE);
        assert!(is_closed(&mut silent));
    }

    #[test]
    fn a_client_that_does_not_read_holds_nobody_up() {
        let (_dir, mut control, path) = fixture();
        let mut stalled = UnixStream::connect(&path).unwrap();
        let big = Answer {
            routes: Some(vec!["x".repeat(1 << 20)]),
            ..Answer::default()
        };
        stalled
            .write_all(b"{\"command\":\"routes\",\"bundle\":null}\n")
            .unwrap();
        control.serve(Duration::ZERO, |_| big.clone());
        let mut other = UnixStream::connect(&path).unwrap();
        other.write_all(b"{\"command\":\"status\"}\n").unwrap();
        control.serve(Duration::ZERO, |_| Answer::default());
        let mut line = String::new();
        BufReader::new(other).read_line(&mut line).unwrap();
        assert!(line.contains("null"), "{line}");
    }

    #[test]
    fn too_many_clients_are_turned_away() {
        let (_dir, mut control, path) = fixture();
        let mut clients: Vec<_> = (0..40)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        control.serve(Duration::ZERO, |_| Answer::default());
        assert_eq!(control.clients.len(), CLIENTS_MAX);
        assert!(is_closed(clients.last_mut().unwrap()));
    }
}
