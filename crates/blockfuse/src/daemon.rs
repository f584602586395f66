//! Going to the background: the parent waits until the mount answers and reports what went wrong.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use nightshift_common::error::{Report, chain};
use nightshift_common::exit::Exit;
use nightshift_common::systemd::{self, NotifyState};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sys::{self, Fork};

/// What the child tells the parent, once.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Ready,
    Failed {
        message: String,
        hint: Option<String>,
        exit: u8,
    },
}

/// Who is waiting for the mount to answer.
#[derive(Debug)]
pub enum Waiting {
    /// The parent process, at the other end of a pipe.
    Parent(io::PipeWriter),
    /// The service manager, if there is one.
    ServiceManager,
}

impl Waiting {
    /// The mount answers.
    pub fn ready(self) {
        match self {
            Self::Parent(pipe) => {
                // From now on nobody reads stderr, and a cron job's parent would wait for it to
                // be closed.
                if let Err(error) = detach() {
                    tracing::warn!("cannot leave the terminal: {error}");
                }
                tell(pipe, &Word::Ready);
            }
            Self::ServiceManager => systemd::notify(&[NotifyState::Ready]),
        }
    }
}

fn tell(mut pipe: io::PipeWriter, word: &Word) {
    let sent = serde_json::to_writer(&mut pipe, word).map_err(io::Error::from);
    if let Err(error) = sent.and_then(|()| pipe.flush()) {
        tracing::debug!(%error, "the parent has gone");
    }
}

/// Runs `serve` in a new process and returns when that is ready or has failed.
///
/// In the new process this returns when serving ends. No thread may exist yet.
pub fn background(
    serve: impl FnOnce(&mut Option<Waiting>) -> Result<Exit, Error>,
) -> Result<Exit, Error> {
    let prepare = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Prepare { what, source }
    };
    let (mut reader, writer) = io::pipe().map_err(prepare("make a pipe"))?;
    match sys::fork().map_err(prepare("fork"))? {
        Fork::Parent(child) => {
            drop(writer);
            let mut text = Vec::new();
            reader
                .read_to_end(&mut text)
                .map_err(prepare("wait for the daemon"))?;
            match serde_json::from_slice(&text) {
                Ok(Word::Ready) => Ok(Exit::Done),
                Ok(Word::Failed {
                    message,
                    hint,
                    exit,
                }) => Err(Error::Daemon {
                    message,
                    hint,
                    exit,
                }),
                Err(_) => Err(Error::DaemonDied(ending(child))),
            }
        }
        Fork::Child => {
            drop(reader);
            let mut waiting = Some(Waiting::Parent(writer));
            serve(&mut waiting).or_else(|error| match waiting {
                // The parent reports it; here nothing is left to say.
                Some(Waiting::Parent(pipe)) => {
                    let exit = error.exit();
                    let word = Word::Failed {
                        message: chain(&error),
                        hint: error.hint(),
                        exit: exit.code(),
                    };
                    tell(pipe, &word);
                    Ok(exit)
                }
                _ => Err(error),
            })
        }
    }
}

fn ending(child: rustix::process::Pid) -> String {
    use rustix::process::{WaitOptions, waitpid};
    match waitpid(Some(child), WaitOptions::empty()) {
        Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        },
        Ok(None) | Err(_) => "its exit code is not known".to_owned(),
    }
}

/// Leaves session, directory and standard streams of whoever started us. Messages go to the
/// journal, or to syslog where there is none, or nowhere.
fn detach() -> io::Result<()> {
    // EPERM would mean that we lead a session already, which is all that is wanted.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    let log = journal().or_else(|_no_journal| syslog());
    rustix::stdio::dup2_stderr(log.as_ref().map_or(null.as_fd(), AsFd::as_fd))?;
    Ok(())
}

/// A stream whose lines become journal entries, as systemd-cat(1) makes it.
fn journal() -> io::Result<OwnedFd> {
    let mut stream = UnixStream::connect("/run/systemd/journal/stdout")?;
    stream.shutdown(std::net::Shutdown::Read)?;
    // Identifier, unit, priority (info), level prefixes, then forwarding to syslog, the kernel's
    // log and the console: none.
    stream.write_all(b"blockfuse\n\n6\n0\n0\n0\n0\n")?;
    Ok(stream.into())
}

/// A socket on which each message, written at once, is a syslog entry.
fn syslog() -> io::Result<OwnedFd> {
    let socket = UnixDatagram::unbound()?;
    socket.connect("/dev/log")?;
    Ok(socket.into())
}
