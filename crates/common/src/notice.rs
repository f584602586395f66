//! Tells a person: by mail through a sendmail-compatible command, or through a hook of the
//! admin's own; used by certwatch and ups-invoices.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use serde::{Deserialize, Serialize};

use crate::escape::Escaped;

/// How long a command may take before it is killed; a mail queue answers in seconds.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// Where notices go. In a configuration file: `mail = { to = ["root"] }` or
/// `hook = { command = ["/usr/local/bin/page", "--now"] }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Channel {
    /// A message on standard input of a sendmail-compatible command.
    #[serde(rename_all = "kebab-case")]
    Mail {
        /// Recipients; at least one.
        to: Vec<String>,
        /// The `From:` header; the mail system's own choice when missing.
        #[serde(default)]
        from: Option<String>,
        /// The command; it must read recipients from the headers.
        #[serde(default = "sendmail")]
        command: Vec<String>,
    },
    /// A command that gets the data as JSON, or else the body, on standard input and the subject
    /// in `NIGHTSHIFT_SUBJECT`.
    #[serde(rename_all = "kebab-case")]
    Hook {
        /// Program and arguments; no shell is involved.
        command: Vec<String>,
    },
}

fn sendmail() -> Vec<String> {
    ["/usr/sbin/sendmail", "-t", "-i"]
        .map(String::from)
        .to_vec()
}

/// What is to be said.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// One line.
    pub subject: &'a str,
    /// Text for people; several lines. Text from outside must already be escaped.
    pub body: &'a str,
    /// The same for programs; hooks prefer it.
    pub json: Option<&'a str>,
}

/// Why a notice was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line is empty.
    #[error("the notification command is empty")]
    Empty,
    /// A recipient or sender holds a line break or control character.
    #[error("{0:?} cannot be an address")]
    Address(String),
    /// The command cannot be started, fed or waited for.
    #[error("cannot run the notification command {program:?}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The command took longer than [`TIMEOUT`] and was killed.
    #[error("the notification command {program:?} did not end within {} s", TIMEOUT.as_secs())]
    Slow {
        /// The program.
        program: String,
    },
    /// The command said no.
    #[error(
        "the notification command {program:?} failed ({status}){}",
        said(stderr)
    )]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it printed on standard error, escaped.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

impl Channel {
    /// Delivers a notice, or says why not. The caller decides whether that ends its run.
    pub fn send(&self, notice: &Notice<'_>) -> Result<(), Error> {
        match self {
            Channel::Mail { to, from, command } => feed(
                command,
                notice.subject,
                message(to, from.as_deref(), notice)?.as_bytes(),
            ),
            Channel::Hook { command } => {
                let input = notice.json.unwrap_or(notice.body);
                feed(command, notice.subject, input.as_bytes())
            }
        }
    }
}

/// An RFC 5322 message; date and message id are the mail system's.
fn message(to: &[String], from: Option<&str>, notice: &Notice<'_>) -> Result<String, Error> {
    for address in to.iter().map(String::as_str).chain(from) {
        if address.is_empty() || address.chars().any(char::is_control) {
            return Err(Error::Address(address.to_owned()));
        }
    }
    let mut text = String::new();
    if let Some(from) = from {
        let _ = writeln!(text, "From: {from}");
    }
    let _ = writeln!(
        text,
        "To: {}\nSubject: {}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\n{}",
        to.join(", "),
        subject(notice.subject),
        notice.body.trim_end(),
    );
    Ok(text)
}

/// One line of printable ASCII, or an encoded word (RFC 2047) per 42 bytes of UTF-8.
fn subject(text: &str) -> String {
    let text = Escaped::text(text).to_string();
    if text.is_ascii() {
        return text;
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        // An encoded word may have 75 characters and must hold whole characters (section 2, 5).
        if word.len() + 3 * c.len_utf8() > 60 {
            words.push(std::mem::take(&mut word));
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            if byte.is_ascii_alphanumeric() {
                word.push(char::from(byte));
            } else {
                let _ = write!(word, "={byte:02X}");
            }
        }
    }
    words.push(word);
    words
        .iter()
        .map(|word| format!("=?utf-8?Q?{word}?="))
        .collect::<Vec<_>>()
        .join("\n ")
}

fn feed(argv: &[String], subject: &str, input: &[u8]) -> Result<(), Error> {
    let (program, arguments) = argv.split_first().ok_or(Error::Empty)?;
    let fail = |source| Error::Run {
        program: program.clone(),
        source,
    };
    // Files in memory instead of pipes: a command that never reads, or leaves a child behind that
    // keeps its standard error open, cannot hold us.
    let mut stdin = memory_file(c"notice").map_err(fail)?;
    stdin
        .write_all(input)
        .and_then(|()| stdin.rewind())
        .map_err(fail)?;
    let mut stderr = memory_file(c"stderr").map_err(fail)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("NIGHTSHIFT_SUBJECT", Escaped::text(subject).to_string())
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(stderr.try_clone().map_err(fail)?)
        .spawn()
        .map_err(fail)?;
    let status = wait(&mut child, program)?;
    if status.success() {
        return Ok(());
    }
    let mut said = Vec::new();
    stderr
        .rewind()
        .and_then(|()| stderr.take(1024).read_to_end(&mut said))
        .map_err(fail)?;
    let stderr = Escaped::text(said.trim_ascii()).to_string();
    Err(Error::Failed {
        program: program.clone(),
        status,
        stderr,
    })
}

fn memory_file(name: &CStr) -> io::Result<File> {
    Ok(File::from(rustix::fs::memfd_create(
        name,
        MemfdFlags::CLOEXEC,
    )?))
}

fn wait(child: &mut Child, program: &str) -> Result<ExitStatus, Error> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let ended = child.try_wait().map_err(|source| Error::Run {
            program: program.to_owned(),
            source,
        })?;
        match ended {
            Some(status) => return Ok(status),
            None if Instant::now() >= deadline => {
                // It may have ended just now; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::Slow {
                    program: program.to_owned(),
                });
            }
            // Polling: a notice is rare and a pidfd would need the caller's event loop.
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTICE: Notice<'_> = Notice {
        subject: "chain changed",
        body: "mail.example.org\n",
        json: None,
    };

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(String::from).to_vec()
    }

    #[test]
    fn a_mail_reaches_the_command_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mail");
        let channel = Channel::Mail {
            to: vec!["root".into(), "ops@example.org".into()],
            from: None,
            command: sh(&format!("cat >{}", file.display())),
        };
        channel.send(&NOTICE).unwrap();
        let mail = std::fs::read_to_string(&file).unwrap();
        assert!(
            mail.starts_with("To: root, ops@example.org\nSubject: chain changed\n"),
            "{mail}"
        );
        assert!(mail.ends_with("\n\nmail.example.org\n"), "{mail}");
    }

    #[test]
    fn a_hook_gets_the_data_and_the_subject() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        let script = format!(
            "{{ echo \"$NIGHTSHIFT_SUBJECT\"; cat; }} >{}",
            file.display()
        );
        let channel = Channel::Hook {
            command: sh(&script),
        };
        channel
            .send(&Notice {
                json: Some("{}"),
                ..NOTICE
            })
            .unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "chain changed\n{}");
    }

    #[test]
    fn a_failing_command_is_quoted_inertly() {
        let channel = Channel::Hook {
            command: sh("printf 'no\\033[31m way' >&2; exit 7"),
        };
        let error = channel.send(&NOTICE).unwrap_err().to_string();
        assert!(
            error.contains("exit status: 7") && error.ends_with("no\\x1b[31m way"),
            "{error}"
        );
    }

    #[test]
    fn a_command_that_reads_nothing_does_not_block() {
        let body = "x".repeat(1 << 20);
        let channel = Channel::Hook {
            command: sh("exit 0"),
        };
        channel
            .send(&Notice {
                body: &body,
                ..NOTICE
            })
            .unwrap();
    }

    #[test]
    fn headers_cannot_be_injected() {
        let channel = Channel::Mail {
            to: vec!["a\nBcc: b".into()],
            from: None,
            command: sh("true"),
        };
        assert!(matches!(channel.send(&NOTICE), Err(Error::Address(_))));
        assert_eq!(subject("a\nBcc: b"), "a\\nBcc: b");
        assert_eq!(subject("Zürich"), "=?utf-8?Q?Z=C3=BCrich?=");
    }
}
