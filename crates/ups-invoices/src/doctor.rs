//! Shows what a server presents and what we make of it. Opens a connection, completes the
//! handshake, sends no request.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use nightshift_common::exit::Exit;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Stream};
use url::Url;

use crate::error::{Error, TLS_REFUSED};
use crate::net::client::Resolve;
use crate::net::tls::{self, Seen, TlsOptions};

/// Time for connecting and for each step of the handshake.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at a server and prints chain, verdict and reason.
pub fn run(
    address: &str,
    options: &TlsOptions,
    resolve: &[Resolve],
    out: &mut impl Write,
) -> Result<Exit, Error> {
    let full = if address.contains("://") {
        address.to_owned()
    } else {
        format!("https://{address}/")
    };
    let url = Url::parse(&full).map_err(|error| Error::Usage(format!("{address}: {error}")))?;
    if url.scheme() != "https" {
        return Err(Error::Usage(format!(
            "{address}: only https has certificates"
        )));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let name = ServerName::try_from(host.clone())
        .map_err(|error| Error::Usage(format!("{host}: {error}")))?;
    let seen = Seen::default();
    let config =
        tls::client_config(options, &seen).map_err(|error| Error::Usage(error.to_string()))?;
    let failed = |error: std::io::Error| Error::Archive {
        path: format!("{host}:{port}").into(),
        source: error,
    };
    let target: SocketAddr = match resolve.iter().find(|entry| entry.host == host) {
        Some(entry) => entry.address,
        None => (host.as_str(), port)
            .to_socket_addrs()
            .map_err(failed)?
            .next()
            .ok_or_else(|| failed(std::io::Error::other("no address")))?,
    };
    let mut socket = TcpStream::connect_timeout(&target, PATIENCE).map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut client = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| Error::Usage(format!("{host}: {error}")))?;
    let mut stream = Stream::new(&mut client, &mut socket);
    // Flushing drives the handshake to its end and sends nothing of ours.
    let handshake = stream.flush();
    writeln!(out, "{host}:{port} ({target})")?;
    for (depth, certificate) in seen.chain(&host).iter().enumerate() {
        writeln!(out, "{depth}  subject  {}", certificate.subject)?;
        writeln!(out, "   issuer   {}", certificate.issuer)?;
        if !certificate.names.is_empty() {
            writeln!(out, "   names    {}", certificate.names.join(" "))?;
        }
        writeln!(
            out,
            "   valid    {} to {}",
            certificate.from, certificate.until
        )?;
        writeln!(out, "   sha256   {}", certificate.sha256)?;
        if let Some(pin) = certificate.pin {
            writeln!(out, "   pin      {pin}")?;
        }
    }
    match handshake {
        Ok(()) => {
            let version = client
                .protocol_version()
                .map(|v| format!("{v:?}"))
                .unwrap_or_default();
            writeln!(out, "accepted, {version}")?;
            Ok(Exit::Done)
        }
        Err(error) => match tls::refusal_in(&error) {
            Some(refused) => {
                writeln!(out, "refused: {}", tls::reason(refused))?;
                Ok(TLS_REFUSED)
            }
            None => Err(failed(error)),
        },
    }
}
