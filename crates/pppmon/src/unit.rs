//! The PPP unit: the network interface of a bundle, seen from /dev/ppp.
//!
//! The interface exists as long as a copy of this file is open anywhere. Frames the network does
//! not take (IPCP and its like) are read here. A unit without channels reads as end of file for
//! ever, so the caller must stop polling after [`Frame::NoChannels`] until a link has joined.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::seq::Width;
use crate::sys::{self, flag};

/// Largest frame handled; the kernel cuts longer ones.
const FRAME_MAX: usize = 2048;

/// What a read of the unit gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame, protocol number first.
    Data(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// No channel is left in the unit.
    NoChannels,
}

/// An open unit.
#[derive(Debug)]
pub struct Unit {
    file: File,
    number: u32,
}

impl Unit {
    /// Makes a new unit and with it a network interface.
    pub fn create(mrru: u32, width: Width) -> io::Result<Self> {
        let file = open_ppp()?;
        let number = sys::ppp_new_unit(&file)?;
        let unit = Self { file, number };
        unit.set_up(mrru, width)?;
        Ok(unit)
    }

    /// Takes over a unit whose descriptor someone kept for us.
    pub fn adopt(fd: OwnedFd, mrru: u32, width: Width) -> io::Result<Self> {
        let file = File::from(fd);
        let number = sys::ppp_unit(&file)?;
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags | rustix::fs::OFlags::NONBLOCK)?;
        let unit = Self { file, number };
        unit.set_up(mrru, width)?;
        Ok(unit)
    }

    /// The multilink flag is set here and never cleared: each time it goes from 0 to 1 the kernel
    /// resets one of its two receive counters, and after 128 rounds nothing is accepted any more.
    fn set_up(&self, mrru: u32, width: Width) -> io::Result<()> {
        sys::ppp_set_mru(&self.file, mrru)?;
        sys::ppp_set_mrru(&self.file, mrru)?;
        let wanted = flag::MULTILINK
            | match width {
                Width::Long => 0,
                Width::Short => flag::SHORT_RECEIVE | flag::SHORT_SEND,
            };
        let flags = sys::ppp_flags(&self.file)?;
        if flags & wanted != wanted {
            sys::ppp_set_flags(&self.file, flags | wanted)?;
        }
        Ok(())
    }

    /// Its number: N of pppN.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Another descriptor of the same unit, to be kept elsewhere.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }

    /// Reads one frame without waiting.
    pub fn read(&self) -> io::Result<Frame> {
        let mut buffer = [0; FRAME_MAX];
        match (&self.file).read(&mut buffer) {
            Ok(0) => Ok(Frame::NoChannels),
            Ok(length) => Ok(Frame::Data(buffer[..length].to_vec())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Frame::Nothing),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Frame::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Sends one frame, protocol number first. Without channels it is lost, as on a dead line.
    pub fn write(&self, frame: &[u8]) -> io::Result<()> {
        (&self.file).write(frame).map(drop)
    }

    /// For polling.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// An unattached /dev/ppp.
pub(crate) fn open_ppp() -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/ppp")
}

/// Takes the channel of a terminal out of whatever unit it is in. pppd normally does so itself;
/// one that was killed, or a pseudo-terminal whose other end is still open, leaves it behind and
/// the next pppd cannot join. True if there was a channel.
pub fn detach_terminal(terminal: &Path) -> io::Result<bool> {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let tty = File::options()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(terminal)?;
    let Ok(channel) = sys::ppp_channel(&tty) else {
        return Ok(false); // an ordinary line discipline
    };
    let file = open_ppp()?;
    sys::ppp_attach_channel(&file, channel)?;
    match sys::ppp_disconnect(&file) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false), // in no unit
        Err(error) => Err(error),
    }
}
