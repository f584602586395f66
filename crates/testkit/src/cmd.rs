//! Builds a command line for the program under test, in an environment that is the same on
//! every machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{NetNs, Output, Running};

/// The search path of every program under test: Debian's default for root.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program about to be run: arguments, a clean environment, bytes for stdin, a time limit.
///
/// The environment holds `PATH`, `HOME=/nonexistent`, `LC_ALL=C.UTF-8`, `TZ=UTC` and what
/// [`Cmd::env`] adds; nothing of the developer's own. Without [`Cmd::stdin`] stdin is empty.
#[derive(Debug, Clone)]
#[must_use]
pub struct Cmd {
    program: PathBuf,
    prefix: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    stdin: Vec<u8>,
    timeout: Duration,
}

impl Cmd {
    /// A command for `program`; tests of a tool pass `env!("CARGO_BIN_EXE_<tool>")`.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            prefix: Vec::new(),
            args: Vec::new(),
            env: [
                ("PATH", PATH),
                ("HOME", "/nonexistent"),
                ("LC_ALL", "C.UTF-8"),
                ("TZ", "UTC"),
            ]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
            cwd: None,
            stdin: Vec::new(),
            timeout: Duration::from_mins(1),
        }
    }

    /// Appends one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends several arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, also one of those set by default.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs in `dir` instead of the test's own directory.
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Feeds `bytes` to stdin, then closes it.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Kills the command and fails the test after `limit` (default: 60 s).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Runs the command under another one, such as `["setpriv", "--reuid", "65534"]`.
    pub fn under<A: AsRef<OsStr>>(mut self, prefix: impl IntoIterator<Item = A>) -> Self {
        self.prefix
            .extend(prefix.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Runs the command in a network namespace.
    pub fn in_netns(self, ns: &NetNs) -> Self {
        self.under(["ip", "netns", "exec", ns.name()])
    }

    /// Runs to the end and collects everything; panics when the time limit is hit.
    #[track_caller]
    pub fn run(self) -> Output {
        let limit = self.timeout;
        self.spawn().wait(limit)
    }

    /// Starts the command in the background, in a process group of its own.
    #[track_caller]
    pub fn spawn(self) -> Running {
        let line = self.to_string();
        match self.command().spawn() {
            Ok(child) => Running::new(line, child, self.stdin),
            Err(error) => panic!("cannot start `{line}`: {error}"),
        }
    }

    fn command(&self) -> Command {
        let mut words = self.prefix.iter().cloned();
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .process_group(0) // so that a timeout reaches grandchildren too
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }
}

/// The command line as it appears in failure messages.
impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for word in &self.prefix {
            write!(f, "{} ", word.display())?;
        }
        write!(f, "{}", self.program.display())?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", arg.display()))
    }
}
