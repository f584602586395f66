//! The local fleet (examples/fleet.rs) as a guard.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nightshift_testkit::{Cmd, NetNs, Sandbox, wait_for};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_certwatch");

/// A running fleet with its own store; it ends with the value.
pub(crate) struct Fleet {
    pub(crate) sandbox: Sandbox,
    place: Option<String>,
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A port nobody listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn program() -> PathBuf {
    Path::new(BINARY).parent().unwrap().join("examples/fleet")
}

impl Fleet {
    pub(crate) fn new(count: usize) -> Self {
        Self::start(Command::new(program()), &["0", &count.to_string()])
    }

    /// A fleet in a network namespace, started with `port` and `count`; with the address of an
    /// `upstream` it is a proxy in front of that.
    pub(crate) fn within(ns: &NetNs, port: u16, count: usize, upstream: Option<&str>) -> Self {
        let (port, count) = (port.to_string(), count.to_string());
        let mut arguments = vec![port.as_str(), &count];
        arguments.extend(upstream);
        Self::start(ns.command(program()), &arguments)
    }

    fn start(mut command: Command, arguments: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let mut child = command
            .arg(sandbox.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut fleet = Self {
            sandbox,
            place: None,
            child,
            commands,
            answers,
        };
        fleet.expect("ready");
        fleet
    }

    fn expect(&mut self, word: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    }

    /// Gives host number `n` a new leaf from sub-CA `ca`, or from `other`.
    pub(crate) fn swap(&mut self, n: usize, ca: &str) {
        writeln!(self.commands, "swap h{n}.fleet.test {ca}").unwrap();
        self.expect("swapped");
    }

    /// Makes the key of the next leaf of host number `n`; returns the file of its public half.
    pub(crate) fn next_key(&mut self, n: usize) -> PathBuf {
        writeln!(self.commands, "next h{n}.fleet.test").unwrap();
        self.expect("prepared");
        self.sandbox.join("next.pem")
    }

    /// From now on a proxy ends TLS itself.
    pub(crate) fn intercept(&mut self) {
        writeln!(self.commands, "intercept").unwrap();
        self.expect("intercepting");
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.sandbox.join("store.db")
    }

    /// From now on the memory is kept at `place` instead of in the sandbox.
    pub(crate) fn keep_at(&mut self, place: impl Into<String>) {
        self.place = Some(place.into());
    }

    /// The tool with this fleet's roots and store.
    pub(crate) fn tool(&self, args: &[&str]) -> Cmd {
        self.tool_at("here", args)
    }

    /// The same from another vantage point.
    pub(crate) fn tool_at(&self, vantage: &str, args: &[&str]) -> Cmd {
        let place = self.place.clone();
        Cmd::new(BINARY)
            .arg("--store")
            .arg(place.map_or_else(|| self.store(), PathBuf::from))
            .arg("--roots")
            .arg(self.sandbox.join("roots.pem"))
            .args(["--vantage", vantage])
            .args(args)
    }

    pub(crate) fn scan(&self) -> Cmd {
        self.tool(&["scan", "-f"]).arg(self.sandbox.join("targets"))
    }

    /// The first target as the targets file names it.
    pub(crate) fn target(&self, n: usize) -> String {
        let text = String::from_utf8(self.sandbox.read("targets")).unwrap();
        text.lines()
            .nth(n)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the next second: the store's times are whole ones.
pub(crate) fn next_second() {
    let second = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let now = second();
    wait_for("the clock moves on", Duration::from_secs(10), || {
        second() > now
    });
}
