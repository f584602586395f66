//! Everything that can end a run, with its exit code and hint.

use std::path::PathBuf;

use nightshift_common::config::ConfigError;
use nightshift_common::error::Report;
use nightshift_common::exit::Exit;

use crate::db::DbError;
use crate::roots::RootsError;

/// Why a run ended without doing its job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Store(#[from] DbError),
    #[error(transparent)]
    Roots(#[from] RootsError),
    #[error(transparent)]
    Lock(#[from] nightshift_common::lock::Error),
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
    #[error("{}: {reason}", path.display())]
    Import { path: PathBuf, reason: String },
    #[error("no target {0} in the store")]
    UnknownTarget(String),
    #[error("no event {0} in the store")]
    UnknownEvent(i64),
    #[error("another scan or watch of vantage {vantage} uses the store {place}")]
    Busy { place: String, vantage: String },
    #[error("{0}")]
    Failed(String),
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(error) => error.exit(),
            Self::Lock(error) => error.exit(),
            Self::Busy { .. } => Exit::Locked,
            Self::Usage(_)
            | Self::Roots(_)
            | Self::Store(DbError::Configuration { .. })
            | Self::UnknownTarget(_)
            | Self::UnknownEvent(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            Self::Store(DbError::Unusable { hint, .. }) => hint.clone(),
            Self::UnknownTarget(_) => Some("`certwatch show` lists what is watched".to_owned()),
            Self::UnknownEvent(_) => Some("`certwatch events` lists them".to_owned()),
            _ => None,
        }
    }
}
