//! A throw-away machine for tests that need a kernel of their own: PPP, device-mapper, network
//! namespaces whose state nobody else sees.
//!
//! The machine is user-mode Linux, a kernel that runs as an ordinary process, so it needs neither
//! KVM nor root on the host. It sees the host's files read-only below an overlay in its own
//! memory; a test executable built on the host therefore runs unchanged under its own path, with
//! every program and library of the host beside it. There is one CPU, no network, no udev and no
//! systemd. Booting, running `true` and powering off takes about three seconds.
//!
//! For what that kernel lacks (several processors, emulated hardware) there is a second one:
//! qemu with Debian's generic kernel, emulated in software, three times as slow to boot and many
//! times as slow to run. Both see the same files and run the same command.
//!
//! A guest that panics, hangs or is killed leaves no exit status behind. That is reported as an
//! error that carries the console, never as success.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

mod qemu;
mod uml;

/// The shell that is the guest's first process.
const BUSYBOX: &str = "/bin/busybox";
/// What both machines do once the host's files are there.
const ROOT: &str = include_str!("vm/root.sh");

/// How often the host looks for new output and for the end of the guest.
const POLL: Duration = Duration::from_millis(50);

/// Lines of the console shown when the guest dies.
const CONSOLE_TAIL: usize = 60;

/// What kind of machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Backend {
    /// User-mode Linux: one processor, boots in three seconds.
    #[default]
    Uml,
    /// Debian's generic kernel on an emulated computer with two processors.
    Qemu,
}

impl Backend {
    /// Debian packages the machine is made of, for the setup command.
    pub(crate) fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Uml => uml::PACKAGES,
            Self::Qemu => qemu::PACKAGES,
        }
    }
}

/// What the guest gets.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The machine.
    pub backend: Backend,
    /// How often the command may restart the machine. It runs again after each restart and finds
    /// its files in `/vmout/state`; the status of the last run counts.
    pub restarts: u32,
    /// Directory for the run's files; on the host, removed afterwards.
    pub work_dir: PathBuf,
    /// Memory in MiB. The guest's writable disk is half of it.
    pub memory_mib: u32,
    /// From start to power-off; past it the guest is killed and the run fails.
    pub timeout: Duration,
    /// Variables of the command besides `PATH`, `HOME` and `TERM`. Nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory of the command in the guest; the root directory if unset.
    pub current_dir: Option<PathBuf>,
    /// Copy the command's output to this process's stdout while it runs.
    pub live: bool,
}

impl Options {
    /// One GiB of memory, twenty minutes, output collected silently.
    pub(crate) fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            backend: Backend::default(),
            restarts: 0,
            work_dir: work_dir.into(),
            memory_mib: 1024,
            timeout: Duration::from_mins(20),
            env: Vec::new(),
            current_dir: None,
            live: false,
        }
    }
}

/// A command that ran to its end inside the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Exit status as a shell reports it: above 128 the command died by a signal.
    pub status: i32,
    /// Standard output and standard error in the order they were written.
    pub output: Vec<u8>,
}

/// Boots a machine, runs `binary` with `args` in it and powers it off.
///
/// # Errors
/// A missing package, a guest that panicked, hung past the timeout or went away without leaving
/// an exit status; the message ends with the last lines of its console and its output so far.
pub(crate) fn run(binary: &Path, args: &[OsString], options: &Options) -> Result<Outcome> {
    let run_dir = RunDir::create(&options.work_dir)?;
    fs::create_dir(run_dir.file("state"))?;
    write_new(&run_dir.file("cmd"), &command_script(binary, args, options))?;
    let words = match options.backend {
        Backend::Uml => uml::command(&run_dir, options)?,
        Backend::Qemu => qemu::command(&run_dir, options)?,
    };
    let mut guest = Guest::boot(&run_dir, &words)?;
    let mut output = Output::new(run_dir.file("out"), options.live);
    let deadline = Instant::now() + options.timeout;
    let end = loop {
        output.follow()?;
        if let Some(status) = guest
            .child
            .try_wait()
            .context("cannot wait for the guest")?
        {
            break End::Exited(status);
        }
        if Instant::now() >= deadline {
            guest.kill();
            break End::TimedOut;
        }
        thread::sleep(POLL);
    };
    output.follow()?;

    let status = fs::read_to_string(run_dir.file("rc")).ok();
    match (end, status.as_deref().map(str::trim).map(str::parse)) {
        (End::Exited(_), Some(Ok(status))) => Ok(Outcome {
            status,
            output: output.bytes,
        }),
        (end, _) => bail!(
            "{} in the test machine: {}\n--- output\n{}\n--- console\n{}",
            binary.display(),
            end.describe(options.timeout),
            String::from_utf8_lossy(&output.bytes).trim_end(),
            tail(
                &fs::read(run_dir.file("console")).unwrap_or_default(),
                CONSOLE_TAIL
            ),
        ),
    }
}

enum End {
    Exited(ExitStatus),
    TimedOut,
}

impl End {
    fn describe(&self, timeout: Duration) -> String {
        match self {
            Self::Exited(status) => format!("the kernel ended without a result ({status})"),
            Self::TimedOut => format!("killed after {} s", timeout.as_secs()),
        }
    }
}

fn check_installed(backend: Backend, paths: &[&str]) -> Result<()> {
    for path in paths {
        ensure!(
            Path::new(path).exists(),
            "the test machine needs {path}; install it with `cargo xtask setup` \
             (Debian packages {})",
            backend.packages().join(", "),
        );
    }
    Ok(())
}

/// A kernel parameter that names a path.
fn parameter(name: &str, path: &Path) -> Result<OsString> {
    // The kernel splits its command line at spaces and knows no quoting for them here.
    ensure!(
        !path
            .as_os_str()
            .as_bytes()
            .iter()
            .any(|b| b.is_ascii_whitespace() || *b == b','),
        "the test machine cannot use {}: white space or comma in the path",
        path.display(),
    );
    let mut word = OsString::from(name);
    word.push(path);
    Ok(word)
}

/// The running kernel with all its processes, which go when this goes.
struct Guest {
    child: Child,
}

impl Guest {
    /// The kernel runs below a small shell that holds the reading end of a pipe of ours: when we
    /// end, in whatever way, the pipe closes and the shell kills the whole process group. User-mode
    /// Linux is many processes, and killing the first one alone leaves the others behind.
    const GUARD: &str = r#"
        exec 3<&0
        { read -r _ <&3; kill -KILL 0; } &
        "$@" 3<&- </dev/null >console 2>&1
        status=$?
        kill "$!"
        exit "$status"
    "#;

    fn boot(run_dir: &RunDir, words: &[OsString]) -> Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", Self::GUARD, "vm-guard"])
            .args(words)
            .current_dir(&run_dir.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let child = command.spawn().context("cannot start the test machine")?;
        Ok(Self { child })
    }

    /// Closes the pipe the guard listens to and waits until it has done its work.
    fn kill(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Directory of one run, shared with the guest as /vmout.
struct RunDir(PathBuf);

impl RunDir {
    fn create(work_dir: &Path) -> Result<Self> {
        fs::create_dir_all(work_dir)
            .with_context(|| format!("cannot create {}", work_dir.display()))?;
        let work_dir = work_dir.canonicalize()?;
        remove_leftovers(&work_dir);
        (0..100)
            .map(|n| work_dir.join(format!("run-{}-{n}", std::process::id())))
            .find(|path| fs::create_dir(path).is_ok())
            .map(Self)
            .with_context(|| format!("cannot make a directory in {}", work_dir.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Removes the directories of runs whose process is gone: a killed run cannot clean up.
fn remove_leftovers(work_dir: &Path) {
    let Ok(entries) = fs::read_dir(work_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|n| n.strip_prefix("run-")?.split('-').next());
        if let Some(pid) = pid
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(path)?;
        file.write_all(content)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The shell script that is the guest's only job.
fn command_script(binary: &Path, args: &[OsString], options: &Options) -> Vec<u8> {
    let mut script = b"#!/bin/sh\n".to_vec();
    let dir = options.current_dir.as_deref().unwrap_or(Path::new("/"));
    script.extend_from_slice(b"cd ");
    script.extend(quoted(dir.as_os_str()));
    script.extend_from_slice(b" || exit 125\nexec env -i");
    let fixed = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/root"),
        ("TERM", "dumb"),
    ];
    let fixed = fixed.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    for (name, value) in fixed.iter().chain(&options.env) {
        script.push(b' ');
        script.extend(quoted(&[name.as_os_str(), value].join(OsStr::new("="))));
    }
    for word in std::iter::once(binary.as_os_str()).chain(args.iter().map(OsString::as_os_str)) {
        script.push(b' ');
        script.extend(quoted(word));
    }
    script.push(b'\n');
    script
}

/// One word of a shell command, whatever bytes it has.
fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// The command's output as far as the guest has written it.
struct Output {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Up to where it was shown.
    shown: usize,
    live: bool,
    file: Option<File>,
}

impl Output {
    fn new(path: PathBuf, live: bool) -> Self {
        Self {
            path,
            bytes: Vec::new(),
            shown: 0,
            live,
            file: None,
        }
    }

    fn follow(&mut self) -> Result<()> {
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error).context("cannot read the guest's output"),
            }
        }
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut self.bytes)
                .context("cannot read the guest's output")?;
            // Whole lines, because another machine may be talking too.
            let end = self
                .bytes
                .iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |n| n + 1);
            if self.live && end > self.shown {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&self.bytes[self.shown..end])?;
                stdout.flush()?;
                self.shown = end;
            }
        }
        Ok(())
    }
}

/// The last `lines` lines of a console, printable.
fn tail(console: &[u8], lines: usize) -> String {
    let text = String::from_utf8_lossy(console);
    let all: Vec<&str> = text
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        let words = [
            "plain",
            "two words",
            "it's",
            "",
            "$HOME `id` \\ \"x\"",
            "line\nbreak",
        ];
        let mut script = b"printf '<%s>'".to_vec();
        for word in words {
            script.push(b' ');
            script.extend(quoted(OsStr::new(word)));
        }
        let script = String::from_utf8(script).unwrap();
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let expected = format!("<{}>", words.join("><"));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }

    #[test]
    fn the_console_is_cut_to_its_end() {
        assert_eq!(tail(b"one\r\ntwo\r\nthree\r\n", 2), "two\nthree");
        assert_eq!(tail(b"", 2), "");
    }

    #[test]
    fn directories_of_dead_runs_are_removed_and_others_kept() {
        let work = std::env::temp_dir().join(format!("vm-leftovers-{}", std::process::id()));
        let dead = work.join("run-4194305-0"); // above the largest pid Linux hands out
        let alive = work.join(format!("run-{}-7", std::process::id()));
        let foreign = work.join("something-else");
        for dir in [&dead, &alive, &foreign] {
            fs::create_dir_all(dir).unwrap();
        }
        remove_leftovers(&work);
        assert!(!dead.exists());
        assert!(alive.exists() && foreign.exists());
        fs::remove_dir_all(&work).unwrap();
    }
}
