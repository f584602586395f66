//! Every way in which a run can fail, with its exit code.

use std::path::PathBuf;

use nightshift_common::config::ConfigError;
use nightshift_common::error::Report;
use nightshift_common::exit::Exit;

use crate::document::DocumentError;
use crate::ledger::LedgerError;
use crate::mech::BrowseError;
use crate::net::TransportError;
use crate::policy::Refused;

/// Exit code: the portal refused the sign-in; one attempt was made.
pub const LOGIN_REFUSED: Exit = Exit::Tool(10);
/// Exit code: TLS refused.
pub const TLS_REFUSED: Exit = Exit::Tool(11);
/// Exit code: a page changed, or points outside the allow-list; evidence was saved.
pub const PAGE_CHANGED: Exit = Exit::Tool(12);
/// Exit code: a person is needed.
pub const NEEDS_PERSON: Exit = Exit::Tool(13);
/// Exit code: a check failed.
pub const CHECK_FAILED: Exit = Exit::Tool(14);

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Configuration or profile.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Command line.
    #[error("{0}")]
    Usage(String),
    /// Another run is under way.
    #[error(transparent)]
    Lock(#[from] nightshift_common::lock::Error),
    /// The ledger is unusable.
    #[error("ledger")]
    Ledger(#[from] LedgerError),
    /// The archive or another file cannot be written or read.
    #[error("{}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A document is refused.
    #[error("{name}")]
    Document {
        /// File or invoice.
        name: String,
        /// Why.
        source: DocumentError,
    },
    /// A request brought no page.
    #[error(transparent)]
    Browse(#[from] BrowseError),
    /// The client could not be set up.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No secret to sign in with.
    #[error("account {account}: {what}")]
    Secret {
        /// Name of the account.
        account: String,
        /// What went wrong, without any value.
        what: String,
    },
    /// The portal said no to user or password.
    #[error("account {account}: the portal refused the sign-in; it is not tried again in this run")]
    LoginRefused {
        /// Name of the account.
        account: String,
    },
    /// Captcha, verification code, expired import.
    #[error("account {account}: a person is needed: {what}")]
    Person {
        /// Name of the account.
        account: String,
        /// What for.
        what: String,
    },
    /// The page is not as the profile says.
    #[error("step {step}: the page changed: {missing} is missing{}", saved(evidence.as_ref()))]
    Changed {
        /// The step.
        step: String,
        /// Selector, form or field.
        missing: String,
        /// Where evidence was saved.
        evidence: Option<PathBuf>,
    },
    /// Writing to standard output failed.
    #[error("output")]
    Output(#[from] std::io::Error),
    /// Alerts could not be sent.
    #[error("alerts")]
    Notice(#[from] nightshift_common::notice::Error),
}

fn saved(evidence: Option<&PathBuf>) -> String {
    evidence
        .map(|path| format!(" (evidence in {})", path.display()))
        .unwrap_or_default()
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Secret { .. } => Exit::Usage,
            Self::Lock(error) => error.exit(),
            Self::Document { source, .. } if source.is_cut() => Exit::Failed,
            Self::Document { .. } => CHECK_FAILED,
            Self::Browse(
                BrowseError::Refused(Refused::Downgrade { .. })
                | BrowseError::Transport(TransportError::Tls { .. }),
            )
            | Self::Transport(TransportError::Tls { .. }) => TLS_REFUSED,
            Self::Browse(BrowseError::Refused(_)) | Self::Changed { .. } => PAGE_CHANGED,
            Self::LoginRefused { .. } => LOGIN_REFUSED,
            Self::Person { .. } => NEEDS_PERSON,
            Self::Browse(_)
            | Self::Transport(_)
            | Self::Ledger(_)
            | Self::Archive { .. }
            | Self::Output(_)
            | Self::Notice(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Document { source, .. } => source.hint().map(str::to_owned),
            Self::LoginRefused { .. } => {
                Some("sign in with a browser to see why; repeated failures lock accounts".to_owned())
            }
            Self::Person { .. } => Some(
                "sign in with a browser and use `session import`, or save the files and use `ingest`"
                    .to_owned(),
            ),
            Self::Changed { .. } => Some(
                "edit the profile in /etc/nightshift/ups-invoices.d and prove it with `profile test --tape`"
                    .to_owned(),
            ),
            Self::Browse(BrowseError::Transport(TransportError::Tls { .. })) => {
                Some("`ups-invoices doctor-tls URL` shows the chain; [tls] ca_file names an own CA".to_owned())
            }
            _ => None,
        }
    }
}

/// Of several outcomes, the one that a caller must hear of: 11, 13, 10, 12, 14, 4, 3, 1, 0.
#[must_use]
pub fn most_urgent(exits: impl IntoIterator<Item = Exit>) -> Exit {
    let rank = |exit: &Exit| match exit.code() {
        2 => 0,
        75 => 1,
        11 => 2,
        13 => 3,
        10 => 4,
        12 => 5,
        14 => 6,
        4 => 7,
        3 => 8,
        1 => 9,
        _ => 10,
    };
    exits.into_iter().min_by_key(rank).unwrap_or(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_outcome_wins() {
        let tool = Exit::Tool;
        let all = [
            Exit::Done,
            Exit::Attention,
            Exit::Failed,
            Exit::Partial,
            tool(14),
            tool(12),
            tool(10),
            tool(13),
            tool(11),
        ];
        for (at, urgent) in all.iter().enumerate() {
            assert_eq!(most_urgent(all[..=at].iter().copied()), *urgent);
        }
        assert_eq!(most_urgent([]), Exit::Done);
    }
}
