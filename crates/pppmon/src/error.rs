//! Everything that ends a command, with its exit code and what to try.

use std::io;
use std::path::PathBuf;

use nightshift_common::config::ConfigError;
use nightshift_common::error::Report;
use nightshift_common::exit::Exit;
use nightshift_common::{atomic, lock};

use crate::tdb::TdbError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another supervisor runs.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// A state file cannot be written.
    #[error(transparent)]
    State(#[from] atomic::Error),
    /// There is no bundle or link of that name.
    #[error("no {0} is configured")]
    NoTarget(String),
    /// The pppd to run is missing or unreadable.
    #[error("cannot examine pppd {path}")]
    Pppd {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pppd to run cannot do multilink.
    #[error("pppd {0} was built without multilink")]
    NoMultilink(PathBuf),
    /// pppd's database cannot be used.
    #[error(transparent)]
    Database(#[from] TdbError),
    /// /dev/ppp cannot be opened.
    #[error("cannot use /dev/ppp")]
    NoPpp(#[source] io::Error),
    /// A system call of the supervisor failed.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// No supervisor answers.
    #[error("no supervisor answers at {path}")]
    NoSupervisor {
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The supervisor answered something unexpected.
    #[error("the supervisor's answer makes no sense")]
    Answer(#[source] serde_json::Error),
    /// The supervisor refused.
    #[error("the supervisor refuses: {0}")]
    Refused(String),
    /// Output cannot be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl Error {
    /// For `map_err`.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(error) => error.exit(),
            Self::Lock(error) => error.exit(),
            Self::NoTarget(_) | Self::Pppd { .. } | Self::NoMultilink(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Pppd { .. } => {
                Some("install the package ppp, or set `pppd` in [defaults]".into())
            }
            Self::NoMultilink(_) => {
                Some("use a pppd built with HAVE_MULTILINK, or mode = \"classic\"".into())
            }
            Self::NoPpp(source) => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => "run as root (CAP_NET_ADMIN)".into(),
                _ => "load the kernel's PPP: modprobe ppp_generic".into(),
            }),
            Self::NoSupervisor { .. } => {
                Some("start it: systemctl start pppmon, or `pppmon run`".into())
            }
            _ => None,
        }
    }
}
