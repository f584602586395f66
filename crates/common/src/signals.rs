//! Signals as flags and as something to poll; used by the daemons and by long copies.
//!
//! A handler only notes the signal and wakes the poller; the program decides at a point where it
//! can clean up, returns [`Exit::Signal`](crate::exit::Exit::Signal), and [`crate::run`] raises
//! the signal again with its default action.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

/// The signals a program listens for.
#[derive(Debug)]
pub struct Signals {
    flags: Vec<(i32, Arc<AtomicBool>)>,
    wake: UnixStream,
}

impl Signals {
    /// Starts to listen; from now on these signals no longer end the process by themselves.
    pub fn listen(signals: &[i32]) -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut flags = Vec::with_capacity(signals.len());
        for &signal in signals {
            let flag = Arc::new(AtomicBool::new(false));
            // The flag is set before the poller is woken: handlers run in order of registration.
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
            flags.push((signal, flag));
        }
        Ok(Signals { flags, wake })
    }

    /// True once for each time `signal` came since the last call (several may count as one).
    pub fn take(&self, signal: i32) -> bool {
        self.flags
            .iter()
            .any(|(number, flag)| *number == signal && flag.swap(false, Ordering::Relaxed))
    }

    /// The first of SIGINT, SIGTERM, SIGQUIT that has come, and stays so: asked by loops that
    /// should stop at the next safe point.
    pub fn ending(&self) -> Option<i32> {
        self.flags
            .iter()
            .find(|(number, flag)| {
                matches!(*number, SIGINT | SIGTERM | SIGQUIT) && flag.load(Ordering::Relaxed)
            })
            .map(|(number, _)| *number)
    }

    /// Empties the wake-up channel; call it when [`Signals::as_fd`] polled readable, before
    /// looking at the flags.
    pub fn clear_wake(&self) {
        let mut sink = [0; 64];
        while matches!((&self.wake).read(&mut sink), Ok(n) if n == sink.len()) {}
    }
}

impl AsFd for Signals {
    /// Readable when a signal has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Ends the process by `signal` with its default action. Returns only when that failed.
pub fn raise(signal: i32) {
    // A failure means an unknown number; the caller then returns 128 + signal as a shell would.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, Signal, getpid, kill_process};

    #[test]
    fn a_signal_wakes_the_poller_and_is_taken_once() {
        let signals = Signals::listen(&[SIGUSR2]).unwrap();
        assert!(!signals.take(SIGUSR2));
        let me: Pid = getpid();
        kill_process(me, Signal::USR2).unwrap();
        let mut fds = [PollFd::new(&signals, PollFlags::IN)];
        poll(&mut fds, None).unwrap();
        signals.clear_wake();
        assert!(signals.take(SIGUSR2));
        assert!(!signals.take(SIGUSR2));
        assert_eq!(signals.ending(), None);
    }
}
