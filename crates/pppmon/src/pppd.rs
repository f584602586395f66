//! The pppd program: what it can do, where its database is, and running one.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::Error;
use crate::exit_policy::Exit;
use crate::output::LineBuffer;
use crate::sys;

/// What the program file tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its bundle database; none if it was built without multilink.
    pub database: Option<PathBuf>,
}

/// Reads the program file.
pub fn examine(path: &Path) -> Result<Facts, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Pppd {
        path: path.to_owned(),
        source,
    })?;
    Ok(facts(&bytes))
}

/// The database path is a constant of the build: a NUL-ended absolute path in the file.
fn facts(program: &[u8]) -> Facts {
    const NAME: &[u8] = b"pppd2.tdb";
    const MULTILINK: &[u8] = b"New bundle %s created";
    let contains = |needle: &[u8]| program.windows(needle.len()).any(|window| window == needle);
    let database = program
        .split(|&byte| byte == 0)
        .find(|text| text.starts_with(b"/") && text.ends_with(NAME))
        .map(|text| PathBuf::from(String::from_utf8_lossy(text).into_owned()));
    // A script in place of pppd (a wrapper) hides its constants; it may name the database.
    let script = program.starts_with(b"#!");
    if script || contains(MULTILINK) {
        Facts { database }
    } else {
        Facts { database: None }
    }
}

/// A running pppd.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pidfd: OwnedFd,
    output: File,
    lines: LineBuffer,
}

impl Process {
    /// Starts the program. It gets SIGTERM when we end, however we end, so that it restores its
    /// terminal and closes LCP.
    pub fn spawn(program: &Path, arguments: &[String]) -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let flags = rustix::fs::fcntl_getfl(&read)?;
        rustix::fs::fcntl_setfl(&read, flags | OFlags::NONBLOCK)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(write.try_clone()?)
            .stderr(write)
            .process_group(0);
        sys::die_with_parent(&mut command);
        let mut child = command.spawn()?;
        drop(command); // holds our copies of the pipe's writing end
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pidfd = pid
            .ok_or_else(|| io::Error::other("process id out of range"))
            .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
        match pidfd {
            Ok(pidfd) => Ok(Self {
                child,
                pidfd,
                output: File::from(read),
                lines: LineBuffer::default(),
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Readable when the process has ended.
    pub fn end_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Readable when it has printed something.
    pub fn output_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Reads what has been printed; false at the end of the output. At most 64 KiB at a time, so
    /// that a talkative process cannot hold up the others.
    pub fn read_lines(&mut self, mut each: impl FnMut(&[u8])) -> bool {
        let mut buffer = [0; 4096];
        for _ in 0..16 {
            match self.output.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.lines.push(&buffer[..length], &mut each),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// What it has printed since it was last asked, in lines, and how it ended if it has: then it
    /// is taken out of its place.
    pub fn hear(slot: &mut Option<Self>) -> (Vec<Vec<u8>>, Option<Exit>) {
        let mut lines = Vec::new();
        let Some(process) = slot else {
            return (lines, None);
        };
        process.read_lines(|line| lines.push(line.to_vec()));
        let exit = process.ended();
        if exit.is_some() {
            // What it printed between the first read and its end.
            process.read_lines(|line| lines.push(line.to_vec()));
            *slot = None;
        }
        (lines, exit)
    }

    /// Sends a signal; one that is gone already is no error.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Exit> {
        let status = self.child.try_wait().ok()??;
        Some(match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_path_is_found_in_the_program() {
        let program = b"\x7fELF\0junk\0/var/run/pppd2.tdb\0New bundle %s created\0";
        assert_eq!(facts(program).database, Some("/var/run/pppd2.tdb".into()));
        let newer = b"\x7fELF\0/run/pppd/pppd2.tdb\0x\0New bundle %s created\0";
        assert_eq!(facts(newer).database, Some("/run/pppd/pppd2.tdb".into()));
        assert_eq!(facts(b"\x7fELF\0/var/run/pppd2.tdb\0").database, None);
        assert_eq!(
            facts(b"\x7fELF\0New bundle %s created\0pppd2.tdb\0").database,
            None
        );
    }

    #[test]
    fn a_child_is_read_and_reaped() {
        let arguments = ["-c".to_owned(), "echo one; echo two >&2; exit 7".to_owned()];
        let mut process = Process::spawn(Path::new("/bin/sh"), &arguments).unwrap();
        let mut lines = Vec::new();
        while process.read_lines(|line| lines.push(line.to_vec())) {
            std::thread::yield_now();
        }
        assert_eq!(lines, [b"one".to_vec(), b"two".to_vec()]);
        let exit = loop {
            if let Some(exit) = process.ended() {
                break exit;
            }
            std::thread::yield_now();
        };
        assert_eq!(exit, Exit::Code(7));
    }
}
