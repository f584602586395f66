//! As much of HTTP/1.1 as a test server needs, over TLS or in the clear.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::Identity;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// `Host` header.
    pub host: String,
    /// Path without query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Fields of query and form body, decoded.
    pub fields: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers; the length is added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it is spoiled on the way.
    pub spoil: Spoil,
}

/// Ways to spoil an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spoil {
    /// Not at all.
    #[default]
    No,
    /// Half of the body, then the connection ends.
    ShortBody,
    /// Neither length nor close_notify: half of the body, and the socket is dropped.
    NoEnd,
}

impl Answer {
    /// An answer of a media type.
    #[must_use]
    pub fn new(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self {
            status: 200,
            headers,
            body: body.into(),
            spoil: Spoil::No,
        }
    }

    /// A page.
    #[must_use]
    pub fn page(body: &str) -> Self {
        Self::new(
            "text/html; charset=utf-8",
            format!("<!doctype html><html><body>{body}</body></html>"),
        )
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, location: &str) -> Self {
        Self {
            status,
            ..Self::new("text/plain", "")
        }
        .with("location", location)
    }

    /// With a status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A listening server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections accepted.
    pub connections: Arc<AtomicU64>,
    /// Plaintext bytes received.
    pub bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves over TLS, or in the clear without an identity.
    pub fn start(
        identity: Option<&Identity>,
        respond: impl Fn(Request) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let config = identity.map(server_config).transpose()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (connections, bytes) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let stop = Arc::<AtomicBool>::default();
        let respond = Arc::new(respond);
        let (count, received, ending) = (
            Arc::clone(&connections),
            Arc::clone(&bytes),
            Arc::clone(&stop),
        );
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                if ending.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                count.fetch_add(1, Ordering::SeqCst);
                let (config, respond) = (config.clone(), Arc::clone(&respond));
                let received = Arc::clone(&received);
                // A client that breaks off is what many tests want; its thread just ends.
                std::thread::spawn(move || {
                    let _ = serve(socket, config, &received, &*respond);
                });
            }
        });
        Ok(Self {
            address,
            connections,
            bytes,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accept; if that fails the listener is gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn server_config(identity: &Identity) -> io::Result<Arc<ServerConfig>> {
    let bad = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
    let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(&error))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|e| bad(&e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| bad(&error))?;
    Ok(Arc::new(config))
}

trait Wire: Read + Write {
    /// Ends a connection properly, as TLS wants it.
    fn end(&mut self) {}
}

impl Wire for TcpStream {}

impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn end(&mut self) {
        self.conn.send_close_notify();
        let _ = self.flush();
    }
}

fn serve(
    socket: TcpStream,
    config: Option<Arc<ServerConfig>>,
    received: &AtomicU64,
    respond: &(dyn Fn(Request) -> Answer + Send + Sync),
) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    socket.set_nodelay(true)?;
    let stream: Box<dyn Wire> = match config {
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(connection, socket))
        }
        None => Box::new(socket),
    };
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader, received)? {
        let answer = respond(request);
        let wire = reader.get_mut();
        let length = answer.body.len();
        let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
        for (name, value) in &answer.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match answer.spoil {
            Spoil::No | Spoil::ShortBody => {
                let _ = write!(head, "content-length: {length}\r\n\r\n");
            }
            Spoil::NoEnd => head.push_str("connection: close\r\n\r\n"),
        }
        wire.write_all(head.as_bytes())?;
        if answer.spoil != Spoil::No {
            wire.write_all(&answer.body[..length / 2])?;
            wire.flush()?;
            if answer.spoil == Spoil::ShortBody {
                wire.end();
            }
            return Ok(());
        }
        wire.write_all(&answer.body)?;
        wire.flush()?;
    }
    reader.get_mut().end();
    Ok(())
}

fn read(reader: &mut impl BufRead, received: &AtomicU64) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    received.fetch_add(line.len() as u64, Ordering::SeqCst);
    let mut words = line.split_whitespace();
    let mut request = Request {
        method: words.next().unwrap_or_default().to_owned(),
        ..Request::default()
    };
    let target = words.next().unwrap_or_default().to_owned();
    loop {
        line.clear();
        received.fetch_add(reader.read_line(&mut line)? as u64, Ordering::SeqCst);
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = request
        .headers
        .get("content-length")
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    received.fetch_add(length as u64, Ordering::SeqCst);
    request.host = request.headers.get("host").cloned().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    path.clone_into(&mut request.path);
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let form = request
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.contains("urlencoded"));
    for pairs in [query, if form { body.as_str() } else { "" }] {
        for (name, value) in pairs.split('&').filter_map(|pair| pair.split_once('=')) {
            request.fields.insert(decoded(name), decoded(value));
        }
    }
    Ok(Some(request))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
