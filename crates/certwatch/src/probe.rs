//! One look at one address: connect, preamble, handshake, and if rustls cannot talk to the server,
//! the cleartext hello. One deadline covers all of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig, ClientConnection, InvalidMessage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::chain::Presented;
use crate::outcome::{Outcome, Proof, Stage};
use crate::target::Target;

pub(crate) mod hello;
mod recorder;
pub(crate) mod starttls;

use hello::{Answer, Progress};
use recorder::Recorder;
use starttls::{Dialogue, Step};

/// What a probe brought back. The chain is not judged yet: `outcome` is `Ok` when nothing but the
/// chain itself can be wrong.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) proof: Proof,
    pub(crate) presented: Option<Presented>,
}

impl Seen {
    pub(crate) fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            proof: Proof::None,
            presented: None,
        }
    }
}

/// Makes probes; cheap to share, one per thread.
#[derive(Debug)]
pub(crate) struct Prober {
    config: Arc<ClientConfig>,
    provider: Arc<CryptoProvider>,
    deadline: Duration,
    fast: bool,
}

impl Prober {
    /// A prober whose probes take at most `deadline`, all stages together. A `fast` one hangs up
    /// without a goodbye.
    pub(crate) fn new(deadline: Duration, fast: bool) -> Self {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![
            aws_lc_rs::kx_group::X25519,
            aws_lc_rs::kx_group::SECP256R1,
            aws_lc_rs::kx_group::SECP384R1,
        ];
        // AES-128 first, as browsers have it: its SHA-256 is done by the processor, while SHA-384
        // was a tenth of a sweep's cost.
        provider
            .cipher_suites
            .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .unwrap_or_else(|error| {
                unreachable!("the provider has suites for both versions: {error}")
            })
            .dangerous()
            .with_custom_certificate_verifier(Recorder::new(&provider))
            .with_no_client_auth();
        // A resumed session shows no chain.
        config.resumption = Resumption::disabled();
        Self {
            config: Arc::new(config),
            provider,
            deadline,
            fast,
        }
    }

    /// Looks at `target` at `address`. `spent` of the deadline is already gone (name resolution).
    pub(crate) async fn probe(&self, target: &Target, address: IpAddr, spent: Duration) -> Seen {
        let deadline = Instant::now() + self.deadline.saturating_sub(spent);
        let stage = Here(Mutex::new(Stage::Connect));
        let recorder = Recorder::new(&self.provider);
        let address = SocketAddr::new(address, target.port);
        // On the heap: sixteen kilobytes of state should not be moved about.
        let work = Box::pin(self.exchange(target, address, &recorder, &stage));
        let mut seen = timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_elapsed| Seen::nothing(Outcome::Timeout(stage.get())));
        // Whatever happened afterwards, even the deadline: what was recorded counts.
        if seen.presented.is_none() {
            let recorded = recorder.recorded();
            if recorded.presented.is_some() {
                seen = Seen {
                    outcome: Outcome::Ok,
                    proof: recorded.proof,
                    presented: recorded.presented,
                };
            }
        }
        seen
    }

    async fn exchange(
        &self,
        target: &Target,
        address: SocketAddr,
        recorder: &Arc<Recorder>,
        stage: &Here,
    ) -> Seen {
        let stream = match open(target, address, stage, self.fast).await {
            Ok(stream) => stream,
            Err(outcome) => return Seen::nothing(outcome),
        };
        stage.set(Stage::Handshake);
        let mut config = (*self.config).clone();
        config
            .dangerous()
            .set_certificate_verifier(Arc::<Recorder>::clone(recorder));
        let Ok(name) = ServerName::try_from(target.name().to_owned()) else {
            return Seen::nothing(Outcome::Dns);
        };
        let error = match self.handshake(config, name, stream).await {
            Ok(()) => {
                let recorded = recorder.recorded();
                return Seen {
                    outcome: Outcome::Ok,
                    proof: recorded.proof,
                    presented: recorded.presented,
                };
            }
            Err(error) => error,
        };
        if recorder.recorded().presented.is_some() {
            return Seen::nothing(Outcome::Ok); // filled in by the caller
        }
        let (outcome, try_hello) = judge_failure(&error);
        if !try_hello {
            return Seen::nothing(outcome);
        }
        // The first failure is the true one if the cleartext hello fails as well.
        Box::pin(cleartext(target, address, stage, self.fast))
            .await
            .unwrap_or_else(|| Seen::nothing(outcome))
    }

    /// Shakes hands, says goodbye, and hangs up.
    ///
    /// By hand, because the last message of the handshake and the goodbye fit into one segment: a
    /// stream would send two, a tenth of what a probe costs.
    async fn handshake(
        &self,
        config: ClientConfig,
        name: ServerName<'static>,
        mut stream: TcpStream,
    ) -> Result<(), Failure> {
        let mut tls = ClientConnection::new(Arc::new(config), name).map_err(Failure::Tls)?;
        let mut out = Vec::with_capacity(1024);
        let mut buffer = vec![0; 4096];
        loop {
            while tls.wants_write() {
                tls.write_tls(&mut out).map_err(|_never| Failure::Closed)?;
            }
            if !out.is_empty() {
                stream
                    .write_all(&out)
                    .await
                    .map_err(|_reset| Failure::Closed)?;
                out.clear();
            }
            let n = match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return Err(Failure::Closed),
                Ok(n) => n,
            };
            let mut received = &buffer[..n];
            while !received.is_empty() {
                tls.read_tls(&mut received)
                    .map_err(|_full| Failure::Closed)?;
                if let Err(error) = tls.process_new_packets() {
                    // The alert that tells the server why; its failure is nobody's news.
                    while tls.wants_write() && tls.write_tls(&mut out).is_ok() {}
                    let _ = stream.write_all(&out).await;
                    return Err(Failure::Tls(error));
                }
            }
            if !tls.is_handshaking() {
                if !self.fast {
                    // Aborted connections fill server logs; close_notify does not.
                    tls.send_close_notify();
                }
                while tls.wants_write() && tls.write_tls(&mut out).is_ok() {}
                let _ = stream.write_all(&out).await;
                return Ok(());
            }
        }
    }
}

/// Why a handshake ended early.
#[derive(Debug)]
enum Failure {
    Closed,
    Tls(rustls::Error),
}

/// Where a probe is, for naming what its deadline interrupted. Probes may move between threads, so
/// this is a mutex; nobody ever waits for it.
#[derive(Debug)]
struct Here(Mutex<Stage>);

impl Here {
    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn get(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects and leads the server to its TLS handshake.
async fn open(
    target: &Target,
    address: SocketAddr,
    stage: &Here,
    fast: bool,
) -> Result<TcpStream, Outcome> {
    stage.set(Stage::Connect);
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => Outcome::Refused,
            io::ErrorKind::ConnectionReset => Outcome::Reset,
            io::ErrorKind::TimedOut => Outcome::Timeout(Stage::Connect),
            _ => Outcome::Unreachable,
        })?;
    if fast {
        // Closing resets the connection and leaves no port waiting. Without it the end is only
        // slower.
        let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
    }
    stage.set(Stage::Preamble);
    let mut dialogue = Dialogue::new(target.protocol, target.name());
    // No delay to switch off: nothing here is written in pieces.
    let mut buffer = Vec::new();
    loop {
        match dialogue.next() {
            Step::Start => return Ok(stream),
            Step::Refused => return Err(Outcome::StarttlsRefused),
            Step::Injected => return Err(Outcome::StarttlsInjected),
            Step::Foreign => return Err(Outcome::NotTls),
            Step::Write(bytes) => {
                stream
                    .write_all(&bytes)
                    .await
                    .map_err(|_reset| Outcome::Reset)?;
            }
            Step::Read => {
                buffer.resize(4096, 0);
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return Err(Outcome::Reset),
                    Ok(n) => dialogue.received(&buffer[..n]),
                }
            }
        }
    }
}

/// Names a failed handshake, and says whether the cleartext hello may get further: only after a
/// handshake alert or a limit of rustls, never after silence.
fn judge_failure(failure: &Failure) -> (Outcome, bool) {
    let Failure::Tls(error) = failure else {
        return (Outcome::Reset, false);
    };
    match error {
        rustls::Error::AlertReceived(alert) => (Outcome::Alert(u8::from(*alert)), true),
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => (Outcome::NotTls, false),
        rustls::Error::InvalidMessage(_)
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::PeerMisbehaved(_) => (Outcome::Broken, true),
        _ => (Outcome::Broken, false),
    }
}

/// The second connection: a hello without cryptography. `None` if it shows nothing either.
async fn cleartext(target: &Target, address: SocketAddr, stage: &Here, fast: bool) -> Option<Seen> {
    let mut stream = open(target, address, stage, fast).await.ok()?;
    stage.set(Stage::Handshake);
    let mut random = [0; 32];
    aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut random)
        .ok()?;
    stream
        .write_all(&hello::client_hello(target.name(), &random))
        .await
        .ok()?;
    let mut answer = Answer::default();
    let mut buffer = [0; 16 * 1024];
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        match answer.feed(&buffer[..n]) {
            Progress::More => {}
            Progress::Chain {
                presented,
                version,
                suite,
            } => {
                // A polite goodbye: fatal user_canceled keeps the server from waiting for us.
                let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 90]).await;
                return Some(Seen {
                    outcome: Outcome::Legacy { version, suite },
                    proof: Proof::None,
                    presented: Some(presented),
                });
            }
            _ => return None,
        }
    }
}
