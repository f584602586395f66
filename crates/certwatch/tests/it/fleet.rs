//! The local fleet (examples/fleet.rs) as a guard.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nightshift_testkit::{Cmd, Sandbox};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_certwatch");

/// A running fleet with its own store; it ends with the value.
pub(crate) struct Fleet {
    pub(crate) sandbox: Sandbox,
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

impl Fleet {
    pub(crate) fn new(count: usize) -> Self {
        let sandbox = Sandbox::new();
        let program = Path::new(BINARY).parent().unwrap().join("examples/fleet");
        let mut child = Command::new(program)
            .arg(sandbox.path())
            .args(["0".to_owned(), count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut fleet = Self {
            sandbox,
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

    pub(crate) fn store(&self) -> PathBuf {
        self.sandbox.join("store.db")
    }

    /// The tool with this fleet's roots and store.
    pub(crate) fn tool(&self, args: &[&str]) -> Cmd {
        Cmd::new(BINARY)
            .arg("--store")
            .arg(self.store())
            .arg("--roots")
            .arg(self.sandbox.join("roots.pem"))
            .args(["--vantage", "here"])
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
