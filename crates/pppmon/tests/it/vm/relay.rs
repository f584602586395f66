//! Lines: pairs of pseudo-terminals with a relay between them that can be cut and restored.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Which end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Leaf,
    Hub,
}

struct Line {
    masters: [File; 2],
    terminals: [PathBuf; 2],
    cut: bool,
}

/// All lines between two hosts.
pub(super) struct Relay {
    lines: Arc<Mutex<Vec<Line>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn new_end() -> (File, PathBuf) {
    let (master, slave) = pppmon::sys::open_pty().unwrap();
    for side in [&master, &slave] {
        let mut attributes = tcgetattr(side).unwrap();
        attributes.make_raw();
        tcsetattr(side, OptionalActions::Now, &attributes).unwrap();
    }
    let flags = rustix::fs::fcntl_getfl(&master).unwrap();
    rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK).unwrap();
    let name = std::fs::read_link(format!("/proc/self/fd/{}", {
        use std::os::fd::AsRawFd;
        slave.as_raw_fd()
    }));
    (master, name.unwrap())
}

impl Relay {
    pub(super) fn new(count: usize) -> Self {
        let lines = (0..count)
            .map(|_| {
                let ((leaf, leaf_name), (hub, hub_name)) = (new_end(), new_end());
                Line {
                    masters: [leaf, hub],
                    terminals: [leaf_name, hub_name],
                    cut: false,
                }
            })
            .collect();
        let lines = Arc::new(Mutex::new(lines));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (lines, stop) = (Arc::clone(&lines), Arc::clone(&stop));
            move || relay(&lines, &stop)
        });
        Self {
            lines,
            stop,
            thread: Some(thread),
        }
    }

    /// The terminal at one end of a line.
    pub(super) fn terminal(&self, line: usize, end: End) -> PathBuf {
        self.lines.lock().unwrap()[line].terminals[end as usize].clone()
    }

    /// Pulls lines out, or plugs them in again. There is no carrier: both ends hear silence.
    pub(super) fn set_cut(&self, which: impl IntoIterator<Item = usize>, cut: bool) {
        let mut lines = self.lines.lock().unwrap();
        for line in which {
            lines[line].cut = cut;
        }
    }

    /// Gives one end of every line a new terminal, as after a restart of that host.
    pub(super) fn renew(&self, end: End) {
        for line in self.lines.lock().unwrap().iter_mut() {
            let (master, name) = new_end();
            line.masters[end as usize] = master;
            line.terminals[end as usize] = name;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn relay(lines: &Mutex<Vec<Line>>, stop: &AtomicBool) {
    let mut buffer = [0; 8192];
    while !stop.load(Ordering::Relaxed) {
        let (mut moved, mut fds) = (false, Vec::new());
        {
            let lines = lines.lock().unwrap();
            for line in lines.iter() {
                for (from, to) in [(0, 1), (1, 0)] {
                    // End of file or EIO: nobody has opened the other side.
                    while let Ok(length @ 1..) = (&line.masters[from]).read(&mut buffer) {
                        moved = true;
                        // A terminal that nobody has open would echo.
                        if !line.cut && is_open(&line.masters[to]) {
                            let _ = (&line.masters[to]).write(&buffer[..length]);
                        }
                    }
                    if is_open(&line.masters[from]) {
                        fds.push(line.masters[from].as_fd().try_clone_to_owned().unwrap());
                    }
                }
            }
        }
        if !moved {
            let mut fds: Vec<_> = fds
                .iter()
                .map(|fd| PollFd::new(fd, PollFlags::IN))
                .collect();
            let timeout = Timespec::try_from(Duration::from_millis(20)).unwrap();
            let _ = poll(&mut fds, Some(&timeout));
        }
    }
}

fn is_open(master: &File) -> bool {
    let mut fds = [PollFd::new(master, PollFlags::IN)];
    let _ = poll(&mut fds, Some(&Timespec::default()));
    !fds[0].revents().contains(PollFlags::HUP)
}
