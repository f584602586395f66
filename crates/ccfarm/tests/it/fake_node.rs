//! A node that does what a test tells it, on a port of the loopback interface.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ccfarm::proto::{Job, Reply, WaitStatus};

pub(crate) const ARMEL: &[u8] = include_bytes!("../../src/elf/fixtures/armel.o");
pub(crate) const AMD64: &[u8] = include_bytes!("../../src/elf/fixtures/amd64.o");
pub(crate) const ARMHF: &[u8] = include_bytes!("../../src/elf/fixtures/armhf.o");

/// What a node does with one connection.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Reads the job and answers with this object.
    Object(&'static [u8]),
    /// Reads the job and answers with exit status 1 and this error text.
    Fails(&'static str),
    /// Reads the job and ends the connection.
    Hangup,
    /// Ends the connection with a reset, whatever is sent.
    Reset,
    /// Resets connections that send something and keeps silent ones open.
    ResetTalkers,
    /// Reads the job and answers with these bytes, then keeps the connection open.
    Bytes(Vec<u8>),
    /// Reads the job and answers with these bytes, then ends the connection.
    BytesThenEnd(Vec<u8>),
    /// Reads the job and sends a reply of one byte per 50 ms.
    Dribble,
    /// Accepts and does nothing.
    Silence,
    /// Speaks first, like another service.
    Banner(&'static [u8]),
    /// Sends a valid beginning and then standard error without end.
    EndlessText,
}

/// A running fake node; its thread ends with the test process.
#[derive(Debug)]
pub(crate) struct FakeNode {
    pub(crate) address: SocketAddr,
    jobs: Arc<Mutex<Vec<Job>>>,
}

impl FakeNode {
    /// Starts to listen on a free port.
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), behaviour)
    }

    /// Serves a given listener, which may live in another network namespace.
    pub(crate) fn on(listener: TcpListener, behaviour: Behaviour) -> Self {
        let address = listener.local_addr().unwrap();
        let jobs = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&jobs);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behaviour, seen) = (behaviour.clone(), Arc::clone(&seen));
                // A client that goes away early is what some tests are about.
                thread::spawn(move || serve(stream, &behaviour, &seen).ok());
            }
        });
        Self { address, jobs }
    }

    /// The jobs received so far.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn serve(
    mut stream: TcpStream,
    behaviour: &Behaviour,
    seen: &Mutex<Vec<Job>>,
) -> std::io::Result<()> {
    match behaviour {
        Behaviour::Reset => return reset(&stream),
        Behaviour::ResetTalkers => {
            stream.read_exact(&mut [0])?;
            return reset(&stream);
        }
        Behaviour::Silence => {
            thread::park_timeout(Duration::from_mins(1));
            return Ok(());
        }
        Behaviour::Banner(banner) => {
            stream.write_all(banner)?;
            std::io::copy(&mut stream, &mut std::io::sink())?;
            return Ok(());
        }
        _ => {}
    }
    let Ok(job) = Job::decode(&mut stream) else {
        return Ok(());
    };
    seen.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(job);
    match behaviour {
        Behaviour::Object(object) => stream.write_all(&reply(0, "", object).encode()),
        Behaviour::Fails(text) => stream.write_all(&reply(0x100, text, b"").encode()),
        Behaviour::BytesThenEnd(bytes) => stream.write_all(bytes),
        Behaviour::Bytes(bytes) => {
            stream.write_all(bytes)?;
            stream.read_exact(&mut [0])
        }
        Behaviour::Dribble => {
            for byte in reply(0, "", ARMEL).encode() {
                stream.write_all(&[byte])?;
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        Behaviour::EndlessText => {
            stream.write_all(b"DONE00000001STAT00000000SERR000fffff")?;
            loop {
                stream.write_all(&[b'x'; 4096])?;
            }
        }
        _ => Ok(()),
    }
}

fn reply(status: u32, stderr: &str, object: &[u8]) -> Reply {
    Reply {
        status: WaitStatus(status),
        stderr: stderr.as_bytes().to_vec(),
        stdout: Vec::new(),
        object: object.to_vec(),
    }
}

/// Closing with a linger of zero seconds sends a reset.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Ok(())
}
