//! A program that runs in the background of a test: a daemon, a server, a long copy.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Output, wait_for};

/// How long a reader may lag behind its program's end; longer means that a process the program
/// left behind keeps the pipe open.
const PIPE_GRACE: Duration = Duration::from_secs(5);

/// A started program; killed with its whole process group when dropped.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

impl Running {
    pub(crate) fn new(line: String, mut child: Child, input: Vec<u8>) -> Self {
        let stdout = Stream::collect(child.stdout.take());
        let stderr = Stream::collect(child.stderr.take());
        if let Some(mut stdin) = child.stdin.take() {
            // A thread of its own, because the program may write before it has read everything.
            // Its error is ignored: a program need not read its stdin to the end.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        Self {
            line,
            child,
            stdout,
            stderr,
        }
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program alone, not to its children.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(Pid::from_child(&self.child), signal) {
            panic!("cannot signal `{}`: {error}", self.line);
        }
    }

    /// What the program wrote to stdout up to now.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// What the program wrote to stderr up to now.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Waits until stdout contains `needle`.
    #[track_caller]
    pub fn wait_for_stdout(&self, needle: &str, limit: Duration) {
        wait_for(
            &format!("`{}` prints {needle:?} on stdout", self.line),
            limit,
            || self.stdout_so_far().contains(needle),
        );
    }

    /// Waits until stderr contains `needle`.
    #[track_caller]
    pub fn wait_for_stderr(&self, needle: &str, limit: Duration) {
        wait_for(
            &format!("`{}` prints {needle:?} on stderr", self.line),
            limit,
            || self.stderr_so_far().contains(needle),
        );
    }

    /// Whether the program is still there.
    #[track_caller]
    pub fn is_alive(&mut self) -> bool {
        self.poll().is_none()
    }

    /// Waits for the end; after `limit` kills the program and fails the test.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> Output {
        let started = Instant::now();
        let deadline = started + limit;
        let mut pause = Duration::from_millis(1);
        let status = loop {
            if let Some(status) = self.poll() {
                break status;
            }
            if Instant::now() >= deadline {
                self.kill_group();
                panic!(
                    "`{}` still runs after {limit:?}\n--- stdout\n{}\n--- stderr\n{}",
                    self.line,
                    self.stdout_so_far(),
                    self.stderr_so_far()
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        let elapsed = started.elapsed();
        if !(self.stdout.finish() & self.stderr.finish()) {
            self.kill_group();
            panic!(
                "`{}` ended ({status}) but left a process that keeps its stdout or stderr open",
                self.line
            );
        }
        Output::new(
            self.line.clone(),
            status,
            self.stdout.bytes(),
            self.stderr.bytes(),
            elapsed,
        )
    }

    #[track_caller]
    fn poll(&mut self) -> Option<ExitStatus> {
        match self.child.try_wait() {
            Ok(status) => status,
            Err(error) => panic!("cannot wait for `{}`: {error}", self.line),
        }
    }

    fn kill_group(&self) {
        // ESRCH means that the whole group has ended already.
        let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once the child has been waited for its id may belong to someone else.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill_group();
            let _status = self.child.wait();
        }
    }
}

/// One output pipe, drained by a thread so that the program never blocks on it.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn collect<R: Read + Send + 'static>(pipe: Option<R>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = pipe.map(|mut pipe| {
            let sink = Arc::clone(&bytes);
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    sink.extend_from_slice(&buffer[..length]);
                }
            })
        });
        Self { bytes, reader }
    }

    /// Waits for the end of the pipe; false when it stays open past the grace time.
    fn finish(&mut self) -> bool {
        let deadline = Instant::now() + PIPE_GRACE;
        while self
            .reader
            .as_ref()
            .is_some_and(|reader| !reader.is_finished())
        {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}
