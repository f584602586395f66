//! Resynchronises a bundle's sequence numbers after a total loss, through a channel of our own.
//!
//! The kernel offers no way to set the counters. So, while the unit is empty, we join a channel
//! whose other end we hold: frames injected there move the receiving counter to zero, frames sent
//! out of the unit and swallowed here move the sending counter. Both use a protocol number that no
//! network stack takes, so that each injected frame comes back on the unit as proof.
//!
//! The work is cut into steps, because moving the sending counter may take seconds when it stands
//! in the upper half of its range; the caller goes on with its other work between them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::net::Netlink;
use crate::seq::Width;
use crate::sys;
use crate::unit::{Frame, Unit, open_ppp};

const MULTILINK: [u8; 4] = [0xff, 0x03, 0x00, 0x3d];
const MARKER: [u8; 2] = [0xc0, 0x57];

/// How long the kernel may take to pass on one frame. Early markers may be swallowed as old.
const MARKER_TIMEOUT: Duration = Duration::from_millis(20);
/// The last marker must come.
const LAST_TIMEOUT: Duration = Duration::from_millis(250);

/// MTU of the device below the burning channel: with 6 bytes of PPPoE header and 2 of protocol it
/// leaves the channel less than the kernel's least fragment, which is 4 bytes.
const BURN_MTU: u32 = 12;
const FRAGMENT: u32 = 4;
/// One write burns this many fragments, in about 4 ms.
const BURN_CHUNK: u32 = 16_000;

/// What a resynchronisation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Number of the next fragment before.
    pub sent_before: u32,
    /// Fragments thrown away to reach the lower half.
    pub burnt: u32,
}

/// A resynchronisation under way.
#[derive(Debug)]
pub struct Resync {
    width: Width,
    report: Report,
    left: u32,
    burner: Option<Burner>,
}

impl Resync {
    /// Moves the receiving counter and finds out where the sending one stands.
    pub fn begin(unit: &Unit, width: Width) -> io::Result<Self> {
        let phantom = Phantom::join(unit)?;
        phantom.receive_to_zero(unit, width)?;
        let next = phantom.probe(unit, width)?.wrapping_add(1) % width.modulus();
        let mut left = width.burn(next);
        let report = Report {
            sent_before: next,
            burnt: left,
        };
        if width == Width::Short {
            // At most 4095 frames: the pseudo-terminal swallows them well enough.
            while left > 0 {
                phantom.probe(unit, width)?;
                left -= 1;
            }
        }
        drop(phantom);
        drain(unit)?;
        Ok(Self {
            width,
            report,
            left,
            burner: None,
        })
    }

    /// Does a part of the work; the report when all is done.
    pub fn step(&mut self, unit: &Unit, netlink: &mut Netlink) -> io::Result<Option<Report>> {
        if self.left == 0 {
            self.burner = None;
            drain(unit)?;
            return Ok(Some(self.report));
        }
        debug_assert_eq!(self.width, Width::Long, "short numbers are done at once");
        if self.burner.is_none() {
            self.burner = Some(Burner::join(unit, netlink)?);
        }
        let fragments = self.left.min(BURN_CHUNK);
        // The last fragment may be shorter, so any length from 4n-3 on gives n of them.
        let mut frame = vec![0; (fragments * FRAGMENT) as usize];
        frame[..2].copy_from_slice(&MARKER);
        unit.write(&frame)?;
        self.left -= fragments;
        Ok(None)
    }
}

/// Reads what the phantom left behind.
fn drain(unit: &Unit) -> io::Result<()> {
    for _ in 0..64 {
        if unit.read()? != Frame::Nothing {
            continue;
        }
        return Ok(());
    }
    Ok(())
}

/// A pseudo-terminal as a channel of the unit.
struct Phantom {
    master: File,
    slave: File,
    channel: File,
}

impl Phantom {
    fn join(unit: &Unit) -> io::Result<Self> {
        let (master, slave) = sys::open_pty()?;
        for side in [&master, &slave] {
            let mut attributes = rustix::termios::tcgetattr(side)?;
            attributes.make_raw();
            rustix::termios::tcsetattr(side, rustix::termios::OptionalActions::Now, &attributes)?;
        }
        sys::set_line_discipline(&slave, sys::N_SYNC_PPP)?;
        let channel = open_ppp()?;
        sys::ppp_attach_channel(&channel, sys::ppp_channel(&slave)?)?;
        sys::ppp_connect(&channel, unit.number())?;
        Ok(Self {
            master,
            slave,
            channel,
        })
    }

    fn receive_to_zero(&self, unit: &Unit, width: Width) -> io::Result<()> {
        let markers = width.markers();
        for (n, sequence) in markers.into_iter().enumerate() {
            let last = n + 1 == markers.len();
            let tag = [b'r', u8::try_from(n).unwrap_or(0)];
            let frame = [
                &MULTILINK,
                width.header(sequence).as_slice(),
                &MARKER,
                tag.as_slice(),
            ]
            .concat();
            (&self.master).write_all(&frame)?;
            let timeout = if last { LAST_TIMEOUT } else { MARKER_TIMEOUT };
            let returned = await_marker(unit, &tag, timeout)?;
            if last && !returned {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the unit does not accept the last sequence marker",
                ));
            }
        }
        Ok(())
    }

    /// Sends one frame out of the unit and returns the number it went out with.
    fn probe(&self, unit: &Unit, width: Width) -> io::Result<u32> {
        let tag = *b"send";
        unit.write(&[MARKER.as_slice(), &tag].concat())?;
        let deadline = Instant::now() + LAST_TIMEOUT;
        while wait_readable(&self.master, deadline)? {
            let mut buffer = [0; 256];
            let length = (&self.master).read(&mut buffer)?;
            let frame = &buffer[..length];
            let Some(at) = frame.windows(2).position(|pair| pair == [0x00, 0x3d]) else {
                continue;
            };
            if let Some((sequence, payload)) = width.split(&frame[at + 2..])
                && payload.ends_with(&tag)
            {
                return Ok(sequence);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "a probe did not come out of the unit",
        ))
    }
}

impl Drop for Phantom {
    fn drop(&mut self) {
        let _ = sys::ppp_disconnect(&self.channel);
        let _ = sys::set_line_discipline(&self.slave, sys::N_TTY);
    }
}

/// A PPPoE session on a throw-away device: a channel that swallows frames in tiny fragments.
#[derive(Debug)]
struct Burner {
    channel: File,
    _session: OwnedFd,
    device: String,
}

impl Burner {
    fn join(unit: &Unit, netlink: &mut Netlink) -> io::Result<Self> {
        let device = format!("pppburn{}", unit.number());
        netlink.add_dummy(&device, BURN_MTU)?;
        let join = || {
            let session = sys::pppoe_session(&device, 1)?;
            let channel = open_ppp()?;
            sys::ppp_attach_channel(&channel, sys::ppp_channel(&session)?)?;
            sys::ppp_connect(&channel, unit.number())?;
            Ok((channel, session))
        };
        match join() {
            Ok((channel, session)) => Ok(Self {
                channel,
                _session: session,
                device,
            }),
            Err(error) => {
                let _ = netlink.delete_link(&device);
                Err(error)
            }
        }
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = sys::ppp_disconnect(&self.channel);
        if let Ok(mut netlink) = Netlink::open() {
            let _ = netlink.delete_link(&self.device);
        }
    }
}

fn await_marker(unit: &Unit, tag: &[u8], timeout: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        match unit.read()? {
            Frame::Data(frame) if frame.starts_with(&MARKER) && frame.ends_with(tag) => {
                return Ok(true);
            }
            Frame::Data(_) => {}
            Frame::Nothing | Frame::NoChannels => {
                if !wait_readable(unit.fd(), deadline)? {
                    return Ok(false);
                }
            }
        }
    }
}

fn wait_readable(fd: impl AsFd, deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)];
    match poll(&mut fds, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(Instant::now() < deadline),
        Err(error) => Err(error.into()),
    }
}
