//! Every system call without a safe wrapper elsewhere: the ioctls of /dev/ppp and of terminals,
//! byte locks, PPPoE sockets, the watchdog device, who is at the other end of a socket, and
//! children that die with us.
#![expect(
    unsafe_code,
    reason = "ioctls and fcntl locks that neither std nor rustix offers"
)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, c_ulong};

/// Numbers of linux/ppp-ioctl.h. The encoding of direction and size is the same on all
/// architectures this crate is built for.
const PPPIOCNEWUNIT: c_ulong = 0xc004_743e;
const PPPIOCGCHAN: c_ulong = 0x8004_7437;
const PPPIOCATTCHAN: c_ulong = 0x4004_7438;
const PPPIOCCONNECT: c_ulong = 0x4004_743a;
const PPPIOCDISCONN: c_ulong = 0x7439;
const PPPIOCGFLAGS: c_ulong = 0x8004_745a;
const PPPIOCSFLAGS: c_ulong = 0x4004_7459;
const PPPIOCSMRRU: c_ulong = 0x4004_743b;
const PPPIOCSMRU: c_ulong = 0x4004_7452;
const PPPIOCGUNIT: c_ulong = 0x8004_7456;
const TIOCSETD: c_ulong = 0x5423;
const TIOCGPTPEER: c_ulong = 0x5441;

#[cfg(any(
    target_arch = "mips",
    target_arch = "powerpc64",
    target_arch = "sparc64"
))]
compile_error!("ioctl directions are encoded differently on this architecture");

/// Flags of a PPP unit.
pub mod flag {
    /// Multilink.
    pub const MULTILINK: i32 = 0x400;
    /// Receive with 12-bit sequence numbers.
    pub const SHORT_RECEIVE: i32 = 0x800;
    /// Send with 12-bit sequence numbers.
    pub const SHORT_SEND: i32 = 0x4000;
}

/// Line discipline of an ordinary terminal.
pub const N_TTY: i32 = 0;
/// Line discipline where one write is one PPP frame.
pub const N_SYNC_PPP: i32 = 14;

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The process at the other end of a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process id; 0 if it lives outside of our process namespace.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// Who is at the other end of a Unix socket. rustix takes a process id of 0 for impossible.
pub fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = libc::socklen_t::try_from(size_of_val(&peer)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes, the size of `peer`, whose fields hold any
    // bits (socket(7), SO_PEERCRED).
    check(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    })?;
    Ok(Peer {
        pid: peer.pid.cast_unsigned(),
        uid: peer.uid,
    })
}

/// An ioctl whose argument points to an `int` that is read, written or both.
fn ioctl_int(fd: impl AsFd, request: c_ulong, value: &mut c_int) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: every request passed here is defined to read or write one int at the address, and
    // `value` is a valid, exclusively borrowed int for the duration of the call.
    let result = unsafe { libc::ioctl(fd, request, std::ptr::from_mut(value)) };
    check(result).map(drop)
}

fn to_int(number: u32) -> io::Result<c_int> {
    c_int::try_from(number).map_err(io::Error::other)
}

fn to_number(value: c_int) -> io::Result<u32> {
    u32::try_from(value).map_err(io::Error::other)
}

/// Creates a PPP unit on an unattached file; the file owns it from then on.
pub fn ppp_new_unit(fd: impl AsFd) -> io::Result<u32> {
    let mut unit = -1;
    ioctl_int(fd, PPPIOCNEWUNIT, &mut unit)?;
    to_number(unit)
}

/// The unit a file is bound to.
pub fn ppp_unit(fd: impl AsFd) -> io::Result<u32> {
    let mut unit = -1;
    ioctl_int(fd, PPPIOCGUNIT, &mut unit)?;
    to_number(unit)
}

/// The PPP channel behind a terminal or PPPoE socket; fails if there is none.
pub fn ppp_channel(fd: impl AsFd) -> io::Result<u32> {
    let mut channel = -1;
    ioctl_int(fd, PPPIOCGCHAN, &mut channel)?;
    to_number(channel)
}

/// Binds an unattached file to a channel.
pub fn ppp_attach_channel(fd: impl AsFd, channel: u32) -> io::Result<()> {
    ioctl_int(fd, PPPIOCATTCHAN, &mut to_int(channel)?)
}

/// Joins the channel a file is bound to, to a unit.
pub fn ppp_connect(fd: impl AsFd, unit: u32) -> io::Result<()> {
    ioctl_int(fd, PPPIOCCONNECT, &mut to_int(unit)?)
}

/// Takes the channel a file is bound to out of its unit.
pub fn ppp_disconnect(fd: impl AsFd) -> io::Result<()> {
    // The kernel takes no argument here; it ignores the address.
    ioctl_int(fd, PPPIOCDISCONN, &mut 0)
}

/// Flags of a unit.
pub fn ppp_flags(fd: impl AsFd) -> io::Result<i32> {
    let mut flags = 0;
    ioctl_int(fd, PPPIOCGFLAGS, &mut flags)?;
    Ok(flags)
}

/// Sets the flags of a unit.
pub fn ppp_set_flags(fd: impl AsFd, flags: i32) -> io::Result<()> {
    ioctl_int(fd, PPPIOCSFLAGS, &mut { flags })
}

/// Largest packet reassembled from fragments; zero drops all multilink frames.
pub fn ppp_set_mrru(fd: impl AsFd, bytes: u32) -> io::Result<()> {
    ioctl_int(fd, PPPIOCSMRRU, &mut to_int(bytes)?)
}

/// Largest packet received.
pub fn ppp_set_mru(fd: impl AsFd, bytes: u32) -> io::Result<()> {
    ioctl_int(fd, PPPIOCSMRU, &mut to_int(bytes)?)
}

/// Sets the line discipline of a terminal.
pub fn set_line_discipline(fd: impl AsFd, discipline: i32) -> io::Result<()> {
    ioctl_int(fd, TIOCSETD, &mut { discipline })
}

/// A new pseudo-terminal: master and slave, close-on-exec, slave not our controlling terminal.
pub fn open_pty() -> io::Result<(File, File)> {
    let master = File::options().read(true).write(true).open("/dev/ptmx")?;
    ioctl_int(&master, libc::TIOCSPTLCK, &mut 0)?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags by value and touches no memory of ours.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), TIOCGPTPEER, flags) };
    let slave = check(slave)?;
    // SAFETY: the kernel has just returned this descriptor to us and nobody else owns it.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    Ok((master, File::from(slave)))
}

/// A PPPoE session socket on a network device: a PPP channel that sends nothing by itself.
pub fn pppoe_session(device: &str, session: u16) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PPPOX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    let fd = check(fd)?;
    // SAFETY: as above, the descriptor is new and ours.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // struct sockaddr_pppox, packed: family, protocol, session, address, device name.
    let mut address = [0u8; 30];
    let family = u16::try_from(libc::AF_PPPOX).map_err(io::Error::other)?;
    address[..2].copy_from_slice(&family.to_ne_bytes());
    address[6..8].copy_from_slice(&session.to_be_bytes());
    address[8..14].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    let name = device.as_bytes();
    if name.len() > 15 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    address[14..14 + name.len()].copy_from_slice(name);
    // SAFETY: address and length describe a live buffer; the kernel copies it.
    let result = unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), 30) };
    check(result)?;
    Ok(socket)
}

/// Takes over a descriptor that this process was started with.
pub fn inherited(fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD takes no pointer; it fails unless the descriptor is open.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the descriptor is open, as just seen; the service manager gave it to us, and the
    // caller asks once for each.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Kind of byte lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Shared.
    Read,
    /// Exclusive.
    Write,
}

fn byte_lock(file: &File, at: u64, kind: c_int) -> io::Result<()> {
    let kind = libc::c_short::try_from(kind).map_err(io::Error::other)?;
    let whence = libc::c_short::try_from(libc::SEEK_SET).map_err(io::Error::other)?;
    let start = libc::off_t::try_from(at).map_err(io::Error::other)?;
    let lock = libc::flock {
        l_type: kind,
        l_whence: whence,
        l_start: start,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: F_OFD_SETLK reads one struct flock, which lives until the call returns.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    check(result).map(drop)
}

/// Locks one byte of a file, waiting up to `timeout`. The lock belongs to the open file, not to
/// the process, so that closing another descriptor of the same file does not drop it; it conflicts
/// with the process locks that others take.
pub fn lock_byte(file: &File, at: u64, access: Access, timeout: Duration) -> io::Result<()> {
    let kind = match access {
        Access::Read => libc::F_RDLCK,
        Access::Write => libc::F_WRLCK,
    };
    let deadline = Instant::now() + timeout;
    loop {
        match byte_lock(file, at, kind) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= deadline {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Releases a byte; closing the file does the same.
pub fn unlock_byte(file: &File, at: u64) {
    let _ = byte_lock(file, at, libc::F_UNLCK);
}

/// Makes a child get SIGTERM when this thread ends, however it ends. This survives the exec of a
/// set-uid program as long as we are root.
pub fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    let set = move || {
        // SAFETY: PR_SET_PDEATHSIG takes a signal number by value; the call is async-signal-safe.
        let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
        check(result)?;
        // The parent may have died before the call.
        if std::os::unix::process::parent_id() == parent {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: the closure runs between fork and exec and only calls prctl(2) and getppid(2),
    // which are async-signal-safe; its errors are made without allocation.
    unsafe { command.pre_exec(set) };
}

const WDIOC_SETTIMEOUT: c_ulong = 0xc004_5706;
const WDIOC_KEEPALIVE: c_ulong = 0x8004_5705;

/// Sets the timeout of a hardware watchdog; returns the one in force.
pub fn watchdog_set_timeout(fd: impl AsFd, seconds: u32) -> io::Result<u32> {
    let mut value = to_int(seconds)?;
    ioctl_int(fd, WDIOC_SETTIMEOUT, &mut value)?;
    to_number(value)
}

/// Tells a hardware watchdog that all is well.
pub fn watchdog_keep_alive(fd: impl AsFd) -> io::Result<()> {
    ioctl_int(fd, WDIOC_KEEPALIVE, &mut 0)
}
