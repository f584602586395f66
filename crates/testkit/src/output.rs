//! What a program left behind, and the assertions on it.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

/// The end of a program: exit status, stdout and stderr.
#[derive(Debug, Clone)]
pub struct Output {
    line: String,
    status: ExitStatus,
    elapsed: Duration,
    /// Everything written to stdout.
    pub stdout: Vec<u8>,
    /// Everything written to stderr.
    pub stderr: Vec<u8>,
}

impl Output {
    pub(crate) fn new(
        line: String,
        status: ExitStatus,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        elapsed: Duration,
    ) -> Self {
        Self {
            line,
            status,
            elapsed,
            stdout,
            stderr,
        }
    }

    /// Checks exit code, stdout and stderr together and returns the output for more.
    ///
    /// `ending` is an exit code or [`killed_by`]. A plain string is compared exactly; [`has`],
    /// [`has_all`] and [`any`] ask for less.
    #[expect(clippy::return_self_not_must_use, reason = "the assertion is the use")]
    #[track_caller]
    pub fn assert(
        self,
        ending: impl Into<Ending>,
        stdout: impl Into<Pattern>,
        stderr: impl Into<Pattern>,
    ) -> Self {
        let wanted = ending.into();
        let mut complaints = Vec::new();
        if wanted != self.ending() {
            complaints.push(format!("ended with {}, expected {wanted}", self.ending()));
        }
        complaints.extend(stdout.into().complaint("stdout", &self.stdout_text()));
        complaints.extend(stderr.into().complaint("stderr", &self.stderr_text()));
        assert!(complaints.is_empty(), "{}\n{self}", complaints.join("\n"));
        self
    }

    /// Checks that the program exited with 0 and wrote nothing to stderr.
    #[expect(clippy::return_self_not_must_use, reason = "the assertion is the use")]
    #[track_caller]
    pub fn success(self) -> Self {
        self.assert(0, any(), "")
    }

    /// How the program ended.
    pub fn ending(&self) -> Ending {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => Ending::Exit(code),
            (None, signal) => Ending::Signal(signal.unwrap_or_default()),
        }
    }

    /// How long the program ran. Print it, compare it with seconds, never with less: test
    /// machines are loaded.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Stdout as text; bytes that are not UTF-8 become U+FFFD.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Stderr as text; bytes that are not UTF-8 become U+FFFD.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- command\n{}", self.line)?;
        writeln!(f, "--- end\n{} after {:.2?}", self.ending(), self.elapsed)?;
        writeln!(
            f,
            "--- stdout\n{}",
            self.stdout_text().trim_end_matches('\n')
        )?;
        write!(
            f,
            "--- stderr\n{}",
            self.stderr_text().trim_end_matches('\n')
        )
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Exit(i32),
    /// A signal of this number killed it.
    Signal(i32),
}

/// The program must have been ended by `signal`.
pub fn killed_by(signal: Signal) -> Ending {
    Ending::Signal(signal.as_raw())
}

impl From<i32> for Ending {
    fn from(code: i32) -> Self {
        Self::Exit(code)
    }
}

impl From<u8> for Ending {
    fn from(code: u8) -> Self {
        Self::Exit(code.into())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

/// What an output stream must look like.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Exactly this text.
    Is(String),
    /// Each of these texts, anywhere.
    Has(Vec<String>),
    /// Anything at all.
    Any,
}

/// The stream contains `needle`.
pub fn has(needle: impl Into<String>) -> Pattern {
    Pattern::Has(vec![needle.into()])
}

/// The stream contains each of `needles`, in any order.
pub fn has_all<S: Into<String>>(needles: impl IntoIterator<Item = S>) -> Pattern {
    Pattern::Has(needles.into_iter().map(Into::into).collect())
}

/// The stream does not matter here.
pub fn any() -> Pattern {
    Pattern::Any
}

impl<S: Into<String>> From<S> for Pattern {
    fn from(text: S) -> Self {
        Self::Is(text.into())
    }
}

impl Pattern {
    fn complaint(&self, stream: &str, text: &str) -> Option<String> {
        match self {
            Self::Is(wanted) if wanted != text => {
                Some(format!("{stream} differs, expected exactly {wanted:?}"))
            }
            Self::Has(needles) => needles
                .iter()
                .find(|needle| !text.contains(needle.as_str()))
                .map(|needle| format!("{stream} lacks {needle:?}")),
            Self::Is(_) | Self::Any => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cmd;

    fn sh(script: &str) -> Cmd {
        Cmd::new("/bin/sh").args(["-c", script])
    }

    fn panic_of(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
        let payload = std::panic::catch_unwind(test).expect_err("the assertion must fail");
        payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default()
    }

    #[test]
    fn exact_output_passes() {
        sh("echo out; echo err >&2; exit 4")
            .run()
            .assert(4, "out\n", "err\n");
    }

    #[test]
    fn a_failure_names_every_difference_and_shows_both_streams() {
        let text = panic_of(|| {
            sh("echo out; echo err >&2; exit 3")
                .run()
                .assert(0, has("other"), "");
        });
        for part in [
            "exit code 3, expected exit code 0",
            "stdout lacks \"other\"",
            "stderr differs",
            "--- stdout\nout",
            "--- stderr\nerr",
        ] {
            assert!(text.contains(part), "{part:?} is missing from:\n{text}");
        }
    }

    #[test]
    fn an_end_by_signal_is_not_an_exit_code() {
        sh("kill -TERM $$")
            .run()
            .assert(killed_by(Signal::TERM), "", "");
        assert_ne!(Ending::Signal(15), Ending::Exit(143));
    }

    #[test]
    fn the_environment_is_clean() {
        let output = sh("env | cut -d= -f1 | grep -v -e PWD -e SHLVL -e '^_$' | sort").run();
        output.assert(0, "HOME\nLC_ALL\nPATH\nTZ\n", "");
    }

    #[test]
    fn stdin_reaches_the_program_even_when_larger_than_a_pipe() {
        let input = vec![b'x'; 300_000];
        assert_eq!(
            Cmd::new("/bin/cat")
                .stdin(input.clone())
                .run()
                .success()
                .stdout,
            input
        );
        sh("cat").run().assert(0, "", "");
    }

    #[test]
    fn a_hanging_program_is_killed_with_its_children() {
        let text = panic_of(|| {
            sh("echo started; sleep 1000 & wait")
                .timeout(Duration::from_millis(300))
                .run();
        });
        assert!(
            text.contains("still runs after 300ms") && text.contains("started"),
            "{text}"
        );
    }

    #[test]
    fn a_background_program_can_be_watched_and_signalled() {
        let running = sh("trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
        let running = running.spawn();
        running.wait_for_stdout("ready", Duration::from_secs(20));
        running.signal(Signal::TERM);
        running
            .wait(Duration::from_secs(20))
            .assert(7, "ready\nbye\n", "");
    }
}
