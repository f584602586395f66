//! `blockfuse umount`.

use nightshift_common::exit::Exit;
use rustix::io::Errno;

use crate::cli::UmountArgs;
use crate::client;
use crate::error::Error;
use crate::mount::unmount;

/// Unmounts and waits for the daemon's end, so that devices are free when this returns.
pub fn run(args: &UmountArgs) -> Result<Exit, Error> {
    let mountpoint = client::find(&args.mountpoint)?;
    let farewell = client::farewell(&mountpoint);
    match unmount(&mountpoint, args.lazy) {
        Ok(()) => {}
        Err(Errno::BUSY) => return Err(Error::Busy(mountpoint)),
        Err(errno) => {
            return Err(Error::Umount {
                mountpoint,
                source: errno.into(),
            });
        }
    }
    // A mount that was detached goes on until its last file is closed, and nobody waits for that.
    if let Some(farewell) = farewell
        && !args.lazy
    {
        farewell
            .wait()
            .map_err(|source| Error::NoAnswer { mountpoint, source })?;
    }
    Ok(Exit::Done)
}
