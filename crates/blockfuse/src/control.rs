//! The daemon's only decision maker after the start: signals, requests of the other commands, and
//! the end of the mount.
//!
//! It runs in a thread that answers no FUSE request. Only from here may the kernel be told to
//! forget something: inside a request that would wait for itself.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuser::{INodeNo, Notifier};
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::signals::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, Signals};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::mount::{Mounted, escaped};
use crate::refresh::Plan;
use crate::scan::Verdict;
use crate::served::{Invalidation, Served};
use crate::snapshots::Snapshots;
use crate::status::{Refreshed, Status};
use crate::watch::{Debounce, Watch};

/// Where sockets and locks live.
const RUNTIME_DIRECTORY: &str = "/run/nightshift/blockfuse";
/// How long a client may take to say what it wants, or to take the answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(2);
/// How long SIGTERM waits for open files before it detaches the mount.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// The signals that the daemon listens for.
pub const SIGNALS: &[i32] = &[SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1];

/// What a client asks for, one line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// A [`Status`].
    Status,
    /// Look at the source again; a [`Refreshed`].
    Refresh,
    /// Nothing, until the daemon ends.
    Farewell,
}

/// What it gets, one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer<T> {
    /// What was asked for.
    Done(T),
    /// Why not.
    Failed(String),
}

/// The path of the lock of a mount point.
pub fn lock_path(mountpoint: &Path) -> PathBuf {
    Path::new(RUNTIME_DIRECTORY).join(escaped(mountpoint) + ".lock")
}

/// The path of the socket of a mount point.
pub fn socket_path(mountpoint: &Path) -> PathBuf {
    Path::new(RUNTIME_DIRECTORY).join(escaped(mountpoint) + ".sock")
}

/// The socket, removed when dropped.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl ControlSocket {
    /// Makes the socket; whoever made one there before is dead, because we hold the lock.
    pub fn bind(mountpoint: &Path) -> io::Result<Self> {
        let path = socket_path(mountpoint);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // It may be gone already; a leftover is replaced at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// A running mount under control.
#[derive(Debug)]
pub struct Control {
    /// Set up before anything was mounted.
    pub signals: Signals,
    /// Where clients come in.
    pub socket: ControlSocket,
    /// Readable when the threads that answer requests have ended.
    pub ended: io::PipeReader,
    /// What is served.
    pub served: std::sync::Arc<Served>,
    /// Tells the kernel to forget.
    pub notifier: Notifier,
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Ends the mount.
    pub mounted: Mounted,
    /// Listens for devices, if asked to.
    pub watch: Option<Watch>,
}

impl Control {
    /// Serves until the mount ends, by whatever cause.
    pub fn run(mut self) -> Exit {
        // Clients that wait for our end.
        let mut farewells = Vec::new();
        let exit = self.serve_until_the_end(&mut farewells);
        // One that came while we were ending waits for the same.
        while let Ok((stream, _)) = self.socket.listener.accept() {
            farewells.push(stream);
        }
        // Their streams are to close with the process, after the lock: whoever has waited may
        // mount again at once.
        std::mem::forget(farewells);
        exit
    }

    fn serve_until_the_end(&mut self, farewells: &mut Vec<UnixStream>) -> Exit {
        let mut burst = Debounce::default();
        loop {
            if burst.is_due(Instant::now()) {
                self.refresh_unasked();
            }
            if let Some(signal) = self.signals.ending() {
                self.unmount();
                return Exit::Signal(signal);
            }
            if self.signals.take(SIGHUP) {
                self.refresh_unasked();
            }
            if self.signals.take(SIGUSR1) {
                self.log_status();
            }
            let [signal, client, ended, devices] = self.wait(burst.wait(Instant::now()));
            if devices && self.watch.as_ref().is_some_and(Watch::drain) {
                burst.event(Instant::now());
            }
            if ended {
                self.mounted.forget();
                return Exit::Done;
            }
            if signal {
                self.signals.clear_wake();
            }
            if client && let Ok((stream, _)) = self.socket.listener.accept() {
                match self.serve(&stream) {
                    Ok(Request::Farewell) => farewells.push(stream),
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "lost a client"),
                }
            }
        }
    }

    /// Waits for a signal, a client, the end or news of devices; tells which of them there is.
    fn wait(&self, limit: Option<Duration>) -> [bool; 4] {
        let mut sources = vec![
            (0, self.signals.as_fd()),
            (1, self.socket.listener.as_fd()),
            (2, self.ended.as_fd()),
        ];
        if let Some(watch) = &self.watch {
            sources.extend(watch.descriptors().map(|fd| (3, fd)));
        }
        let mut polled: Vec<_> = sources
            .iter()
            .map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        // A longer wait than the type holds only means that we look in between.
        let limit = limit.and_then(|limit| rustix::time::Timespec::try_from(limit).ok());
        let mut ready = [false; 4];
        // An error is a signal that came between; its flag is looked at next.
        if poll(&mut polled, limit.as_ref()).is_ok() {
            for ((kind, _), polled) in sources.iter().zip(&polled) {
                ready[*kind] |= !polled.revents().is_empty();
            }
        }
        ready
    }

    fn serve(&self, mut stream: &UnixStream) -> io::Result<Request> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(CLIENT_PATIENCE))?;
        stream.set_write_timeout(Some(CLIENT_PATIENCE))?;
        let peer = rustix::net::sockopt::socket_peercred(stream)?;
        if !peer.uid.is_root() && peer.uid != rustix::process::geteuid() {
            return Err(io::Error::from(Errno::PERM));
        }
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let request: Request = serde_json::from_str(&line)?;
        match request {
            Request::Status => answer(stream, &Answer::Done(self.status()))?,
            Request::Refresh => match self.refresh() {
                Ok(refreshed) => answer(stream, &Answer::Done(refreshed))?,
                Err(error) => answer(stream, &Answer::<()>::Failed(error.to_string()))?,
            },
            Request::Farewell => {}
        }
        stream.flush()?;
        Ok(request)
    }

    fn status(&self) -> Status {
        let table = self.served.table();
        let found: Vec<_> = table
            .files()
            .iter()
            .map(|file| file.exported().found)
            .collect();
        Status::of(&self.served, &self.mountpoint, &Snapshots::among(&found))
    }

    fn log_status(&self) {
        let status = self.status();
        let open = status
            .entries
            .iter()
            .filter(|entry| entry.opens > 0)
            .count();
        // A warning, so that it is shown: someone asked for it.
        tracing::warn!(exported = status.entries.len(), open, "status");
        for entry in status
            .entries
            .iter()
            .filter(|entry| entry.opens > 0 || entry.errors > 0)
        {
            tracing::warn!(
                file = %Escaped::name(&entry.name),
                engine = entry.engine.as_deref().unwrap_or("-"),
                opens = entry.opens,
                bytes_read = entry.bytes_read,
                errors = entry.errors,
                "status"
            );
        }
    }

    /// A refresh that nobody waits for.
    fn refresh_unasked(&self) {
        match self.refresh() {
            Ok(refreshed) => tracing::debug!(?refreshed, "refreshed"),
            Err(error) => tracing::error!("cannot refresh: {error}"),
        }
    }

    fn refresh(&self) -> io::Result<Refreshed> {
        let (plan, invalidations) = self.served.refresh()?;
        for invalidation in invalidations {
            let told = match &invalidation {
                // From the first byte to the end.
                Invalidation::Inode(inode) => self.notifier.inval_inode(INodeNo(*inode), 0, 0),
                Invalidation::Entry { parent, name } => {
                    self.notifier.inval_entry(INodeNo(*parent), name)
                }
            };
            if let Err(error) = told {
                // What the kernel keeps is at most as old as its lifetime, a second.
                tracing::debug!(%error, ?invalidation, "the kernel does not forget");
            }
        }
        warn_about(&plan);
        Ok(Refreshed::of(&plan))
    }

    /// Ends the mount: at once when nothing is open, else after the last close, and after some
    /// time although files are open.
    fn unmount(&mut self) {
        let deadline = Instant::now() + BUSY_PATIENCE;
        loop {
            match self.mounted.unmount() {
                Ok(()) => return,
                Err(Errno::BUSY) if Instant::now() < deadline => {}
                Err(errno) => {
                    tracing::warn!(
                        mountpoint = %Escaped::path(&self.mountpoint),
                        "detaching a mount that cannot be ended: {errno}"
                    );
                    // Dropping the guard detaches.
                    return;
                }
            }
            // Busy with open files: they may be read to the end, but no new ones are opened.
            // Busy otherwise (a working directory): nobody tells us when that ends, so look again.
            self.served.close();
            if self.served.wait_until_quiet(Duration::from_millis(500)) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn answer<T: Serialize>(mut stream: &UnixStream, answer: &Answer<T>) -> io::Result<()> {
    let mut text = serde_json::to_vec(answer)?;
    text.push(b'\n');
    stream.write_all(&text)
}

/// Warns about exported snapshots whose backup would be worthless.
pub fn warn_about(plan: &Plan) {
    let snapshots = Snapshots::among(plan.exports.iter().map(|export| &export.found));
    for export in &plan.exports {
        if let Some(problem) = snapshots.problem(&export.found) {
            tracing::warn!(file = %Escaped::path(&export.path), "{problem}");
        }
    }
}

/// Warns about entries that were lost to an error; everything else is left out by design.
pub fn warn_about_lost(entries: &[crate::scan::Entry]) {
    for entry in entries {
        if let Verdict::LeftOut(reason, _) = &entry.verdict {
            let file = Escaped::path(&entry.path);
            if reason.is_failure() {
                tracing::warn!(%file, "left out: {reason}");
            } else {
                tracing::debug!(%file, "left out: {reason}");
            }
        }
    }
}
