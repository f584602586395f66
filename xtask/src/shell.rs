//! Running other programs, interruptible, with errors that name the command line.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::interrupt;

/// How often a waiting xtask looks whether it was asked to end.
const POLL: Duration = Duration::from_millis(10);

/// Runs `command` with the terminal's streams; fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    ensure!(status.success(), "`{}` failed: {status}", line(command));
    Ok(())
}

/// Runs `command` with the terminal's streams and returns how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let line = line(command);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    wait(&mut child, kill_process)
}

/// Runs `command` quietly and returns its stdout; on failure its output is part of the error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let line = line(command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0); // so that an interruption reaches its children too
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let status = wait(&mut child, kill_process_group)?;
    let (stdout, stderr) = (text(stdout), text(stderr));
    ensure!(
        status.success(),
        "`{line}` failed: {status}\n{}{}",
        stdout,
        stderr.trim_end()
    );
    Ok(stdout)
}

/// Waits for the end of `child`; when xtask is asked to end, ends the child first, by `kill`.
fn wait(child: &mut Child, kill: fn(Pid, Signal) -> rustix::io::Result<()>) -> Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            interrupt::check()?;
            return Ok(status);
        }
        if let Err(interrupted) = interrupt::check() {
            // From a terminal the child may have got the signal too and be cleaning up; a signal
            // to xtask alone has to be passed on. TERM is right in both cases.
            let _gone = kill(Pid::from_child(child), Signal::TERM);
            child.wait()?;
            return Err(interrupted);
        }
        std::thread::sleep(POLL);
    }
}

/// The command line for messages.
pub(crate) fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The first line of what `PROGRAM --version` (or another flag) prints: for bench tables.
#[allow(dead_code, reason = "for benches that name their peers")]
pub(crate) fn version(program: &str, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let text = [output.stdout, output.stderr].concat();
    match String::from_utf8_lossy(&text)
        .lines()
        .find(|line| !line.trim().is_empty())
    {
        Some(line) => Ok(line.trim().to_owned()),
        None => bail!("`{program} {flag}` prints nothing"),
    }
}

type Drained = std::thread::JoinHandle<Vec<u8>>;

fn drain<R: Read + Send + 'static>(pipe: Option<R>) -> Option<Drained> {
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A read error ends the text early; the exit status still decides.
        let _length = pipe.read_to_end(&mut bytes);
        bytes
    }))
}

fn text(drained: Option<Drained>) -> String {
    let bytes = drained
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_shows_its_output() {
        let error = capture(Command::new("sh").args(["-c", "echo reason >&2; exit 3"]));
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("sh -c") && text.contains("status: 3"),
            "{text}"
        );
        assert!(text.contains("reason"), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run `no-such-program`");
    }

    #[test]
    fn a_version_may_be_printed_on_either_stream() {
        assert!(version("sh", "--no-such-flag").is_ok());
        assert!(version("true", "-x").is_err());
    }
}
