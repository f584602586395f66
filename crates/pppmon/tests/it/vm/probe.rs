//! What a user of the bundle sees: UDP probes every 10 ms, a TCP stream, and every change of
//! links, addresses and routes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pppmon::net::{Monitor, kind};

use super::host::{HUB, Host, LEAF};

const UDP_PORT: u16 = 4001;
const TCP_PORT: u16 = 4002;

/// Everything that is observed.
pub(super) struct Probe {
    stop: Arc<AtomicBool>,
    replies: Arc<Mutex<Vec<Instant>>>,
    tcp_bytes: Arc<AtomicU64>,
    tcp_broken: Arc<AtomicBool>,
    deletions: Arc<Mutex<Vec<&'static str>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Probe {
    /// Starts to observe; the TCP stream begins when the first UDP reply has come.
    pub(super) fn start(leaf: &Host, hub: &Host) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let replies = Arc::new(Mutex::new(Vec::new()));
        let tcp_bytes = Arc::new(AtomicU64::new(0));
        let tcp_broken = Arc::new(AtomicBool::new(false));
        let deletions = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();

        let stopped = Arc::clone(&stop);
        threads.push(hub.thread(move || udp_echo(&stopped)));
        let stopped = Arc::clone(&stop);
        threads.push(hub.thread(move || tcp_echo(&stopped)));
        let (stopped, seen) = (Arc::clone(&stop), Arc::clone(&deletions));
        threads.push(leaf.thread(move || watch(&stopped, &seen)));
        let (stopped, times) = (Arc::clone(&stop), Arc::clone(&replies));
        threads.push(leaf.thread(move || udp_probe(&stopped, &times)));
        let (stopped, bytes, broken, times) = (
            Arc::clone(&stop),
            Arc::clone(&tcp_bytes),
            Arc::clone(&tcp_broken),
            Arc::clone(&replies),
        );
        threads.push(leaf.thread(move || {
            while times.lock().unwrap().is_empty() && !stopped.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
            }
            if tcp_stream(&stopped, &bytes).is_err() {
                broken.store(true, Ordering::Relaxed);
            }
        }));
        Self {
            stop,
            replies,
            tcp_bytes,
            tcp_broken,
            deletions,
            threads,
        }
    }

    /// Waits until the bundle has carried probes for half a second without a break.
    #[track_caller]
    pub(super) fn wait_until_steady(&self, limit: Duration) {
        super::host::wait_for("a steady bundle", limit, || {
            let replies = self.replies.lock().unwrap();
            replies
                .iter()
                .rev()
                .take_while(|at| at.elapsed() < Duration::from_millis(500))
                .count()
                >= 20
        });
    }

    /// From a moment to the first reply after it.
    pub(super) fn first_reply_after(&self, moment: Instant, limit: Duration) -> Option<Duration> {
        while moment.elapsed() < limit {
            let replies = self.replies.lock().unwrap();
            let first = replies.partition_point(|&at| at <= moment);
            if let Some(reply) = replies.get(first) {
                return Some(*reply - moment);
            }
            drop(replies);
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// The longest time without a reply since a moment.
    pub(super) fn longest_gap_since(&self, moment: Instant) -> Duration {
        let replies = self.replies.lock().unwrap();
        let mut last = moment;
        let mut longest = Duration::ZERO;
        for &at in replies
            .iter()
            .filter(|&&at| at > moment)
            .chain([&Instant::now()])
        {
            longest = longest.max(at - last);
            last = at;
        }
        longest
    }

    /// Whether the TCP stream, opened at the start, still carries data.
    pub(super) fn tcp_alive(&self, limit: Duration) -> bool {
        let before = self.tcp_bytes.load(Ordering::Relaxed);
        let started = Instant::now();
        while started.elapsed() < limit {
            if self.tcp_broken.load(Ordering::Relaxed) {
                return false;
            }
            if self.tcp_bytes.load(Ordering::Relaxed) > before {
                return true;
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Links, addresses and routes that were deleted so far.
    pub(super) fn deletions(&self) -> Vec<&'static str> {
        self.deletions.lock().unwrap().clone()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

const SHORT: Option<Duration> = Some(Duration::from_millis(100));

fn udp_echo(stop: &AtomicBool) {
    let socket = UdpSocket::bind((HUB, UDP_PORT)).unwrap();
    socket.set_read_timeout(SHORT).unwrap();
    let mut buffer = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    }
}

fn udp_probe(stop: &AtomicBool, replies: &Mutex<Vec<Instant>>) {
    let socket = UdpSocket::bind((LEAF, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 64];
    while !stop.load(Ordering::Relaxed) {
        let _ = socket.send_to(b"probe", (HUB, UDP_PORT));
        thread::sleep(Duration::from_millis(10));
        while socket.recv_from(&mut buffer).is_ok() {
            replies.lock().unwrap().push(Instant::now());
        }
    }
}

fn tcp_echo(stop: &AtomicBool) {
    let listener = TcpListener::bind((HUB, TCP_PORT)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut stream: Option<TcpStream> = None;
    let mut buffer = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((accepted, _)) = listener.accept() {
            accepted.set_read_timeout(SHORT).unwrap();
            stream = Some(accepted);
        }
        match &mut stream {
            None => thread::sleep(Duration::from_millis(20)),
            Some(open) => match open.read(&mut buffer) {
                Ok(0) => stream = None,
                Ok(length) => drop(open.write_all(&buffer[..length])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => stream = None,
            },
        }
    }
}

fn tcp_stream(stop: &AtomicBool, bytes: &AtomicU64) -> std::io::Result<()> {
    // The listener may start a moment later than we do.
    let mut stream = loop {
        match tcp_connect() {
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused
                    && !stop.load(Ordering::Relaxed) =>
            {
                thread::sleep(Duration::from_millis(50));
            }
            connected => break connected?,
        }
    };
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut buffer = [0; 256];
    let mut waiting = 0;
    while !stop.load(Ordering::Relaxed) {
        // Not more than a few writes ahead, so that progress means round trips.
        if waiting < 64 {
            stream.write_all(&[b'x'; 16])?;
            waiting += 16;
        }
        thread::sleep(Duration::from_millis(50));
        match stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                waiting -= length.min(waiting);
                bytes.fetch_add(length as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// From the host's own address: those of the bundle may go with the interface.
fn tcp_connect() -> std::io::Result<TcpStream> {
    let family = rustix::net::AddressFamily::INET;
    let socket = rustix::net::socket(family, rustix::net::SocketType::STREAM, None)?;
    let address = |text: &str, port| SocketAddrV4::new(text.parse().unwrap(), port);
    rustix::net::bind(&socket, &address(LEAF, 0))?;
    rustix::net::connect(&socket, &address(HUB, TCP_PORT))?;
    Ok(TcpStream::from(socket))
}

fn watch(stop: &AtomicBool, deletions: &Mutex<Vec<&'static str>>) {
    let monitor = Monitor::open().unwrap();
    while !stop.load(Ordering::Relaxed) {
        for message in monitor.read().unwrap().unwrap_or_default() {
            let what = match message.kind {
                kind::DEL_LINK => "link",
                kind::DEL_ADDRESS => "address",
                kind::DEL_ROUTE => "route",
                _ => continue,
            };
            deletions.lock().unwrap().push(what);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
