//! Keeps the interfaces while no supervisor runs.
//!
//! A PPP interface exists as long as a descriptor of its unit is open somewhere. Under systemd the
//! service manager's descriptor store keeps copies. Elsewhere a tiny process of ours does, `pppmon
//! hold`: it takes descriptors over a Unix socket and hands copies out again, to root only. Either
//! way a supervisor that crashed or was upgraded finds its interfaces as they were.
//!
//! The protocol is one datagram each way: `put NAME` with a descriptor, `get NAME` answered with
//! one, `drop NAME`, `pid`; the answer is `ok` or `no`. The holder ends when it holds nothing any
//! more after a `drop`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nightshift_common::systemd::{self, NotifyState};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::sys;

/// Longest message: a verb and a bundle name.
const MESSAGE_MAX: usize = 256;
/// A loaded machine may take its time to start it.
const STARTING: Duration = Duration::from_secs(10);
/// The holder answers at once or something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the interfaces are kept.
#[derive(Debug)]
pub enum Keeping {
    /// In systemd's descriptor store, which gives them out at the start only: hence our copies.
    Systemd(BTreeMap<String, OwnedFd>),
    /// In a process of ours.
    Process {
        /// Connection to it.
        socket: OwnedFd,
        /// Its process id.
        pid: u32,
    },
    /// Nowhere: the interfaces end with us.
    Nowhere,
}

impl Keeping {
    /// Finds systemd's store, or the holder, or starts one.
    pub fn find(socket: &Path, want_process: bool) -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            return Ok(Self::Systemd(stored()));
        }
        if !want_process {
            return Ok(Self::Nowhere);
        }
        if let Ok(found) = connect(socket) {
            return Ok(found);
        }
        // The running program, also when an upgrade has replaced the file.
        Command::new("/proc/self/exe")
            .arg0("pppmon")
            .arg("hold")
            .arg("--socket")
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let deadline = Instant::now() + STARTING;
        loop {
            match connect(socket) {
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
                found => return found,
            }
        }
    }

    /// The process in whose name bundles are advertised: one that lives as long as the interface.
    pub fn owner(&self) -> u32 {
        match self {
            Self::Process { pid, .. } => *pid,
            Self::Systemd(_) | Self::Nowhere => std::process::id(),
        }
    }

    /// The interface kept for a bundle, if there is one.
    pub fn take(&mut self, bundle: &str) -> Option<OwnedFd> {
        match self {
            Self::Systemd(kept) => kept.get(bundle)?.try_clone().ok(),
            Self::Process { socket, .. } => {
                exchange(socket, &format!("get {bundle}"), None).ok()?.1
            }
            Self::Nowhere => None,
        }
    }

    /// Keeps an interface, in place of an older one of the bundle.
    pub fn put(&mut self, bundle: &str, interface: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Systemd(kept) => {
                kept.insert(bundle.to_owned(), interface.try_clone_to_owned()?);
                // The store holds any number of descriptors under one name.
                notify_with(&remove_message(bundle), None)?;
                notify_with(&store_message(bundle), Some(interface))
            }
            Self::Process { socket, .. } => {
                exchange(socket, &format!("put {bundle}"), Some(interface)).map(drop)
            }
            Self::Nowhere => Ok(()),
        }
    }

    /// Gives an interface up; it goes when the supervisor closes it too.
    pub fn release(&mut self, bundle: &str) {
        let result = match self {
            Self::Systemd(kept) => {
                kept.remove(bundle);
                notify_with(&remove_message(bundle), None)
            }
            Self::Process { socket, .. } => {
                exchange(socket, &format!("drop {bundle}"), None).map(drop)
            }
            Self::Nowhere => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(bundle, %error, "the interface could not be given up");
        }
    }
}

/// `FDPOLL=0`: a unit without links always polls readable, and must be kept all the same.
fn store_message(bundle: &str) -> String {
    format!("FDSTORE=1\nFDNAME={bundle}\nFDPOLL=0")
}

fn remove_message(bundle: &str) -> String {
    format!("FDSTOREREMOVE=1\nFDNAME={bundle}")
}

/// Tells the service manager that all is set up.
pub fn notify_ready() {
    systemd::notify(&[NotifyState::Ready]);
}

/// Tells the service manager that we are alive.
pub fn notify_alive() {
    systemd::notify(&[NotifyState::Watchdog]);
}

/// Descriptors of the service manager's store, by name.
fn stored() -> BTreeMap<String, OwnedFd> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let mut kept = BTreeMap::new();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return kept;
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let count = number("LISTEN_FDS").unwrap_or(0).min(1024);
    for (name, fd) in names.split(':').zip(3..).take(count as usize) {
        // sd_listen_fds(3): the first is number 3.
        if let Ok(fd) = sys::inherited(fd) {
            kept.insert(name.to_owned(), fd);
        }
    }
    kept
}

/// Sends a message with a descriptor to the service manager.
fn notify_with(message: &str, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let path = std::env::var("NOTIFY_SOCKET").map_err(io::Error::other)?;
    notify_at(&path, message, fd)
}

fn notify_at(path: &str, message: &str, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        None => SocketAddrUnix::new(path)?,
    };
    rustix::net::connect(&socket, &address)?;
    send(&socket, message.as_bytes(), fd)
}

fn connect(path: &Path) -> io::Result<Keeping> {
    let socket = seqpacket()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::sockopt::set_socket_timeout(
        &socket,
        rustix::net::sockopt::Timeout::Recv,
        Some(PATIENCE),
    )?;
    let pid = sys::peer(&socket)?.pid;
    if pid == 0 {
        // Records in its name would look like those of a dead process.
        return Err(io::Error::other(
            "the holder is in another process namespace",
        ));
    }
    Ok(Keeping::Process { socket, pid })
}

fn seqpacket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

fn exchange(
    socket: &OwnedFd,
    message: &str,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    send(socket, message.as_bytes(), fd)?;
    let (answer, fd) = receive(socket)?;
    if answer == b"ok" {
        Ok((answer, fd))
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn send(socket: impl AsFd, message: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(message)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn receive(socket: impl AsFd) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut buffer = [0; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut buffer)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut fd = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            fd = fds.last();
        }
    }
    Ok((buffer[..received.bytes].to_vec(), fd))
}

/// The holder process: serves one supervisor after another until it holds nothing any more.
pub fn hold(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = seqpacket()?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    rustix::net::listen(&listener, 4)?;
    let mut kept: BTreeMap<String, OwnedFd> = BTreeMap::new();
    loop {
        let client = rustix::net::acceptfrom_with(&listener, SocketFlags::CLOEXEC)?.0;
        let own = rustix::process::geteuid().as_raw();
        if !sys::peer(&client).is_ok_and(|peer| [0, own].contains(&peer.uid)) {
            continue;
        }
        // One at a time: there is only ever one supervisor.
        while let Ok((message, fd)) = receive(&client) {
            if message.is_empty() {
                break;
            }
            let text = String::from_utf8_lossy(&message).into_owned();
            let mut given = None;
            let ok = match (text.split_once(' '), fd) {
                (Some(("put", name)), Some(fd)) => {
                    kept.insert(name.to_owned(), fd);
                    true
                }
                (Some(("get", name)), None) => {
                    given = kept.get(name).map(|fd| fd.as_fd());
                    given.is_some()
                }
                (Some(("drop", name)), None) => kept.remove(name).is_some(),
                _ => false,
            };
            let answer: &[u8] = if ok { b"ok" } else { b"no" };
            if send(&client, answer, given).is_err() {
                break;
            }
            if ok && kept.is_empty() && text.starts_with("drop ") {
                return fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn the_service_manager_gets_a_name_and_the_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let (_reader, writer) = io::pipe().unwrap();
        let message = store_message("office");
        notify_at(path.to_str().unwrap(), &message, Some(writer.as_fd())).unwrap();
        let (received, fd) = receive(&manager).unwrap();
        assert_eq!(received, b"FDSTORE=1\nFDNAME=office\nFDPOLL=0");
        assert!(fd.is_some());
        notify_at(path.to_str().unwrap(), "READY=1", None).unwrap();
        assert!(receive(&manager).unwrap().1.is_none());
    }

    #[test]
    fn descriptors_survive_the_connection_and_go_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hold.sock");
        let holder = std::thread::spawn({
            let path = path.clone();
            move || hold(&path)
        });
        let mut connected = loop {
            if let Ok(connected) = connect(&path) {
                break connected;
            }
            std::thread::yield_now();
        };
        let (mut reader, writer) = io::pipe().unwrap();
        connected.put("office", writer.as_fd()).unwrap();
        drop(writer);
        drop(connected);

        let mut again = connect(&path).unwrap();
        assert!(again.take("unknown").is_none());
        let mut writer = fs::File::from(again.take("office").unwrap());
        writer.write_all(b"still here").unwrap();
        drop(writer);
        again.release("office");
        holder.join().unwrap().unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "still here", "the last copy is closed: end of file");
        assert!(!path.exists());
    }
}
