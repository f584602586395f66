//! PostgreSQL, for fleets with more than one vantage point.
//!
//! The store is driven from one ordinary thread, so the asynchronous driver runs on a small
//! runtime of its own in here; its connection task moves whenever a call waits. TLS goes through the workspace's rustls: required unless the server
//! is reached by a local socket, and always verified.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;
use tokio_postgres::config::Host;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, NoTls, TlsConnect, TlsStream};
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use tokio_postgres::{Client, Config, Statement};

use crate::db::{Db, DbError, Row, Value};
use crate::pem;

/// What connecting needs besides the address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Login {
    /// PEM file with the root that signed the server's certificate; default: Mozilla's roots.
    pub(crate) root_cert: Option<PathBuf>,
    /// File with the password, readable by its owner only.
    pub(crate) password_file: Option<PathBuf>,
}

/// How long the end of a session may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// An open connection.
pub(crate) struct Postgres {
    runtime: Runtime,
    client: Client,
    place: String,
    statements: std::collections::HashMap<String, Statement>,
}

impl Postgres {
    /// Connects to `url`, which must not contain a password.
    pub(crate) fn open(url: &str, login: &Login) -> Result<Self, DbError> {
        let shown = url.split('?').next().unwrap_or(url).to_owned();
        let wrong = |reason: String| DbError::Configuration {
            place: shown.clone(),
            reason,
        };
        let mut config: Config = url
            .parse()
            .map_err(|error| wrong(format!("not a PostgreSQL address: {}", source_text(&error))))?;
        if config.get_password().is_some() {
            return Err(DbError::Configuration {
                place: "postgres://...".to_owned(),
                reason: "a password in the address can be seen by everybody on this machine; \
                         use `password-file` in the [store] section"
                    .to_owned(),
            });
        }
        if let Some(path) = &login.password_file {
            let secret = nightshift_common::secret::Secret::from_file(path)
                .map_err(|error| wrong(error.to_string()))?;
            config.password(secret.reveal());
        }
        config.application_name("certwatch");
        let local = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let fail = |source| DbError::Postgres {
            place: shown.clone(),
            source,
        };
        let client = if local {
            let (client, connection) = runtime.block_on(config.connect(NoTls)).map_err(fail)?;
            runtime.spawn(connection);
            client
        } else {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            let tls = Tls(Arc::new(
                tls_config(login.root_cert.as_deref()).map_err(wrong)?,
            ));
            let (client, connection) = runtime.block_on(config.connect(tls)).map_err(fail)?;
            runtime.spawn(connection);
            client
        };
        Ok(Self {
            runtime,
            client,
            place: shown,
            statements: std::collections::HashMap::new(),
        })
    }

    fn statement(&mut self, sql: &str) -> Result<Statement, DbError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self
            .runtime
            .block_on(self.client.prepare(sql))
            .map_err(self.fail())?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn fail(&self) -> impl Fn(tokio_postgres::Error) -> DbError + use<> {
        let place = self.place.clone();
        move |source| DbError::Postgres {
            place: place.clone(),
            source,
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The server lets go of locks when it notices that the session is over; watch opens a new
        // one at once. A server that is gone keeps nothing, and nobody waiting.
        let unlock = self.client.batch_execute("SELECT pg_advisory_unlock_all()");
        let unlock = async { tokio::time::timeout(GOODBYE, unlock).await };
        let _ = self.runtime.block_on(unlock);
    }
}

fn source_text(error: &tokio_postgres::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn tls_config(root_cert: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match root_cert {
        Some(path) => {
            let text = std::fs::read(path)
                .map_err(|error| format!("cannot read root_cert {}: {error}", path.display()))?;
            let (added, _) = roots.add_parsable_certificates(
                pem::certificates(&text)
                    .into_iter()
                    .map(CertificateDer::from),
            );
            if added == 0 {
                return Err(format!("no certificate in root_cert {}", path.display()));
            }
        }
        None => {
            roots.add_parsable_certificates(
                webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned(),
            );
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

impl Db for Postgres {
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, DbError> {
        let statement = self.statement(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        let rows = self
            .runtime
            .block_on(self.client.query(&statement, &parameters))
            .map_err(self.fail())?;
        rows.iter()
            .map(|row| convert(row).map_err(self.fail()))
            .collect()
    }

    fn each(
        &mut self,
        sql: &str,
        parameters: &[Value],
        take: &mut dyn FnMut(Row),
    ) -> Result<(), DbError> {
        // The driver collects them anyway unless a portal is opened; its rows are compact.
        for row in self.query(sql, parameters)? {
            take(row);
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, DbError> {
        let statement = self.statement(sql)?;
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        self.runtime
            .block_on(self.client.execute(&statement, &parameters))
            .map_err(self.fail())
    }

    fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        self.runtime
            .block_on(self.client.batch_execute(sql))
            .map_err(self.fail())
    }

    fn begin(&mut self) -> Result<(), DbError> {
        // Writers go one at a time, as with SQLite: two vantages that insert the same certificates
        // in different orders would deadlock.
        self.batch(&format!("BEGIN; {}", crate::store::ADVISORY_LOCK))
            .inspect_err(|_| self.rollback())
    }

    fn commit(&mut self) -> Result<(), DbError> {
        self.batch("COMMIT")
    }

    fn rollback(&mut self) {
        // Fails only when the connection is gone, and the transaction with it.
        let _ = self.batch("ROLLBACK");
    }

    fn keep_alone(&mut self, name: &str) -> Result<bool, DbError> {
        let rows = self.query(
            "SELECT CASE WHEN pg_try_advisory_lock(hashtext('certwatch'), hashtext($1))
             THEN 1::bigint ELSE 0::bigint END",
            &[name.into()],
        )?;
        Ok(rows.first().is_some_and(|row| row.int(0) == 1))
    }

    fn dialect(&self) -> (&'static str, &'static str) {
        (
            "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            "BYTEA",
        )
    }
}

fn convert(row: &tokio_postgres::Row) -> Result<Row, tokio_postgres::Error> {
    let value = |(at, column): (usize, &tokio_postgres::Column)| {
        Ok(match *column.type_() {
            Type::BYTEA => row
                .try_get::<_, Option<Vec<u8>>>(at)?
                .map_or(Value::Null, Value::Blob),
            Type::TEXT | Type::VARCHAR => row
                .try_get::<_, Option<String>>(at)?
                .map_or(Value::Null, Value::Text),
            _ => row.try_get::<_, Option<i64>>(at)?.into(),
        })
    };
    row.columns()
        .iter()
        .enumerate()
        .map(value)
        .collect::<Result<_, _>>()
        .map(Row)
}

impl ToSql for Value {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            // Beside a literal such as `$1 = 0` PostgreSQL takes the parameter for a short one.
            Self::Int(n) if *ty == Type::INT4 => i32::try_from(*n)?.to_sql(ty, out),
            Self::Int(n) => n.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Blob(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::INT4 | Type::INT8 | Type::TEXT | Type::VARCHAR | Type::BYTEA
        )
    }

    to_sql_checked!();
}

/// rustls for tokio-postgres: forty lines instead of a crate that brings a second X.509 parser.
#[derive(Clone)]
struct Tls(Arc<ClientConfig>);

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Wrapped<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        Ok(Handshake {
            config: Arc::clone(&self.0),
            name,
        })
    }
}

struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Wrapped<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wrapped<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let connector = tokio_rustls::TlsConnector::from(self.config);
            connector.connect(self.name, stream).await.map(Wrapped)
        })
    }
}

struct Wrapped<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wrapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wrapped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Wrapped<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
