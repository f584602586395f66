//! A value that will not print itself, and the places it may come from; used by the tools that
//! log in somewhere (ups-invoices, certwatch's PostgreSQL store, pppmon's links).
//!
//! Never from a flag or an environment variable: both can be read by others on the machine.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A password, token or key. `Debug` shows only that there is one; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret could not be had. No variant holds any part of the value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the secret file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read or change the file.
    #[error("the secret file {} is open to others (mode {mode:03o}, owner {owner})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Its owner's user id.
        owner: u32,
    },
    /// The credential directory of systemd is not there.
    #[error("no systemd credential {name:?}: $CREDENTIALS_DIRECTORY is not set")]
    NoCredentials {
        /// The credential's name.
        name: String,
    },
    /// The credential's name is not a plain file name.
    #[error("{name:?} is not the name of a credential")]
    CredentialName {
        /// What was given.
        name: String,
    },
    /// The command could not be run.
    #[error("cannot run the secret command {program:?}")]
    Run {
        /// The program, without its arguments.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The command failed; its output is not shown.
    #[error("the secret command {program:?} failed ({status})")]
    Command {
        /// The program, without its arguments.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// What was read is empty or not UTF-8 text.
    #[error("the secret from {origin} is {problem}")]
    Content {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Secret {
    /// Wraps a value that was obtained elsewhere, a prompt for instance.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself; the name makes each use easy to find in review.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads a file that only its owner (we or root) may read; one trailing newline is dropped.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let fail = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(fail)?;
        // Asked of the open file, so that it cannot be exchanged between check and reading.
        let facts = file.metadata().map_err(fail)?;
        let me = rustix::process::geteuid().as_raw();
        let mode = facts.mode() & 0o777;
        if mode & 0o077 != 0 || (facts.uid() != me && facts.uid() != 0) {
            return Err(Error::Exposed {
                path: path.to_owned(),
                mode,
                owner: facts.uid(),
            });
        }
        let bytes = io::read_to_string(file).map_err(fail)?;
        Self::checked(bytes.into_bytes(), &path.display().to_string())
    }

    /// Reads a credential that systemd passed (`LoadCredential=`), by its name.
    pub fn from_credential(name: &str) -> Result<Self, Error> {
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(Error::CredentialName {
                name: name.to_owned(),
            });
        }
        let directory =
            std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| Error::NoCredentials {
                name: name.to_owned(),
            })?;
        let path = Path::new(&directory).join(name);
        // systemd keeps the directory private to the service; no mode check of ours is needed.
        let bytes = std::fs::read(&path).map_err(|source| Error::Read { path, source })?;
        Self::checked(bytes, &format!("credential {name:?}"))
    }

    /// Takes the standard output of a program, run without a shell; its standard error goes to
    /// ours so that a password manager can explain itself.
    pub fn from_command(argv: &[String]) -> Result<Self, Error> {
        let (program, arguments) = argv.split_first().ok_or_else(|| Error::Content {
            origin: "an empty command".into(),
            problem: "missing",
        })?;
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| Error::Run {
                program: program.clone(),
                source,
            })?;
        if !output.status.success() {
            return Err(Error::Command {
                program: program.clone(),
                status: output.status,
            });
        }
        Self::checked(output.stdout, &format!("command {program:?}"))
    }

    fn checked(bytes: Vec<u8>, origin: &str) -> Result<Self, Error> {
        let problem = |problem| Error::Content {
            origin: origin.to_owned(),
            problem,
        };
        // The error of from_utf8 would carry the bytes; it must not travel.
        let Ok(mut text) = String::from_utf8(bytes) else {
            return Err(problem("not UTF-8 text"));
        };
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() {
            Err(problem("empty"))
        } else {
            Ok(Secret(text))
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic;

    #[test]
    fn debug_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(hidden)");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        atomic::replace_with(&path, 0o644, b"hunter2\n").unwrap();
        let error = Secret::from_file(&path).unwrap_err();
        assert!(
            matches!(error, Error::Exposed { mode: 0o644, .. }),
            "{error:?}"
        );
        assert!(!error.to_string().contains("hunter2"));
        atomic::replace_with(&path, 0o600, b"hunter2\n").unwrap();
        assert_eq!(Secret::from_file(&path).unwrap().reveal(), "hunter2");
    }

    #[test]
    fn an_empty_or_binary_secret_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        atomic::replace_with(&path, 0o600, b"\n").unwrap();
        assert!(matches!(
            Secret::from_file(&path),
            Err(Error::Content { .. })
        ));
    }

    #[test]
    fn a_command_gives_its_output_and_a_failing_one_only_its_status() {
        let argv = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            Secret::from_command(&argv(&["echo", "pass word"]))
                .unwrap()
                .reveal(),
            "pass word"
        );
        let error = Secret::from_command(&argv(&["sh", "-c", "echo oops; exit 3"])).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("oops"));
        assert!(Secret::from_command(&[]).is_err());
    }

    #[test]
    fn a_credential_name_cannot_leave_its_directory() {
        assert!(matches!(
            Secret::from_credential("../x"),
            Err(Error::CredentialName { .. })
        ));
    }
}
