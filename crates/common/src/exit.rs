//! The exit codes of the suite; used by every tool.
//!
//! One table for all tools, never renumbered, so that a cron wrapper or a monitoring check can be
//! written once. It is printed in every manual page by [`crate::manual`].

use std::fmt;
use std::process::ExitCode;

/// How a run ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; nothing needs attention.
    Done,
    /// 1: done, and the answer is "no" or "look here": a copy differs, a link is down.
    Attention,
    /// 2: the command line or the configuration is wrong; nothing was attempted.
    Usage,
    /// 3: failed; the job was not done.
    Failed,
    /// 4: partly done: some items failed, each one was reported.
    Partial,
    /// 75: another instance holds the lock; try later (`EX_TEMPFAIL` of sysexits.h).
    Locked,
    /// A code of one tool alone, 10 or above, or of a foreign convention such as mount(8)'s 32.
    Tool(u8),
    /// The run was ended by this signal number; [`crate::run`] raises it again after clean-up, so
    /// that shells and supervisors see the truth.
    Signal(i32),
}

/// The rows that manual pages print: code and meaning.
pub const TABLE: &[(u8, &str)] = &[
    (0, "done; nothing needs attention"),
    (1, "done; the answer is \"no\" or \"look here\""),
    (
        2,
        "the command line or the configuration is wrong; nothing was attempted",
    ),
    (3, "failed; the job was not done"),
    (4, "partly done: some items failed, each one was reported"),
    (75, "another instance holds the lock; try later"),
];

impl Exit {
    /// The number that the process returns; for [`Exit::Signal`] the shell's 128 + signal.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Attention => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Partial => 4,
            Exit::Locked => 75,
            Exit::Tool(code) => code,
            Exit::Signal(signal) => 128u8.saturating_add(u8::try_from(signal).unwrap_or(127)),
        }
    }

    /// The more serious of two outcomes, for runs over many items: partial beats attention beats
    /// done; anything else beats those.
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        fn rank(exit: Exit) -> u8 {
            match exit {
                Exit::Done => 0,
                Exit::Attention => 1,
                Exit::Tool(_) => 2,
                Exit::Partial => 3,
                Exit::Locked => 4,
                Exit::Failed => 5,
                Exit::Usage => 6,
                Exit::Signal(_) => 7,
            }
        }
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_match_the_published_table() {
        for (exit, row) in [
            Exit::Done,
            Exit::Attention,
            Exit::Usage,
            Exit::Failed,
            Exit::Partial,
            Exit::Locked,
        ]
        .into_iter()
        .zip(TABLE)
        {
            assert_eq!(exit.code(), row.0);
        }
    }

    #[test]
    fn the_reference_page_has_the_same_table() {
        let page = include_str!("../../../docs/reference/exit-codes.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        let wanted = TABLE
            .iter()
            .map(|(code, meaning)| format!("| {code} | {meaning} |"));
        let wanted: Vec<String> = std::iter::once("| code | meaning |".to_owned())
            .chain(wanted)
            .collect();
        assert_eq!(rows, wanted);
    }

    #[test]
    fn worst_is_symmetric_and_keeps_the_serious_one() {
        assert_eq!(Exit::Done.worst(Exit::Partial), Exit::Partial);
        assert_eq!(Exit::Partial.worst(Exit::Attention), Exit::Partial);
        assert_eq!(Exit::Failed.worst(Exit::Partial), Exit::Failed);
    }

    #[test]
    fn a_signal_has_the_code_a_shell_would_show() {
        assert_eq!(Exit::Signal(15).code(), 143);
    }
}
