//! The one system call that no safe wrapper in the tree offers: wait4(2), which tells what a
//! child cost.
#![expect(unsafe_code, reason = "wait4 is only reachable through libc")]

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// What a process and the children it waited for used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, in user space and in the kernel.
    pub cpu: Duration,
    /// The largest resident set of any one of them, in bytes.
    pub peak_memory: u64,
}

/// Waits for `child` and tells how it ended and what it used.
#[expect(
    clippy::needless_pass_by_value,
    reason = "afterwards the id may belong to someone else"
)]
pub(crate) fn wait4(child: Child) -> io::Result<(ExitStatus, Usage)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for writes of their types for the whole call, and the
        // child has not been waited for: `child` is owned here and Child::wait needs a reference.
        let result = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if result == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: zero bytes are a valid rusage, and the kernel has overwritten them.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    let usage = Usage {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_memory: usage.ru_maxrss.unsigned_abs() * 1024, // getrusage(2): in kilobytes
    };
    Ok((ExitStatus::from_raw(status), usage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_cost_of_a_child_is_told() {
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3";
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let (status, usage) = wait4(child).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(
            usage.cpu > Duration::ZERO && usage.peak_memory > 100_000,
            "{usage:?}"
        );
    }
}
