//! The other side of the control socket: how `status`, `refresh` and `umount` reach the daemon.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::control::{Answer, Request, socket_path};
use crate::error::Error;
use crate::mount::resolve;
use crate::mountinfo;

/// How long a refresh of thousands of devices may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Finds the mount that a path means.
///
/// The path of a dead mount can still be resolved: the kernel does not ask a mount about its root.
pub fn find(mountpoint: &Path) -> Result<PathBuf, Error> {
    let absolute = resolve(mountpoint).map_err(|source| Error::Mountpoint {
        path: mountpoint.to_owned(),
        source,
    })?;
    match mountinfo::at(&absolute) {
        Ok(Some(mount)) if mount.is_blockfuse() => Ok(absolute),
        Ok(_) => Err(Error::NotMounted(absolute)),
        Err(source) => Err(Error::Mountpoint {
            path: absolute,
            source,
        }),
    }
}

/// Asks the daemon of a mount.
pub fn ask<T: DeserializeOwned>(mountpoint: &Path, request: Request) -> Result<T, Error> {
    let failed = |source| Error::NoAnswer {
        mountpoint: mountpoint.to_owned(),
        source,
    };
    let stream = send(mountpoint, request).map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .map_err(failed)?;
    match serde_json::from_str(&line) {
        Ok(Answer::Done(answer)) => Ok(answer),
        Ok(Answer::Failed(reason)) => Err(Error::Refused(reason)),
        Err(error) => Err(failed(error.into())),
    }
}

/// Begins to wait for the end of the daemon; nothing if there is none.
pub fn farewell(mountpoint: &Path) -> Option<Farewell> {
    send(mountpoint, Request::Farewell).ok().map(Farewell)
}

/// A daemon that is about to end.
#[derive(Debug)]
pub struct Farewell(UnixStream);

impl Farewell {
    /// Waits for the end.
    pub fn wait(mut self) -> io::Result<()> {
        // The daemon says nothing more; the end of the stream is its end. A daemon that is killed
        // resets the connection, which is an end as well.
        match self.0.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            other => other.map(drop),
        }
    }
}

fn send(mountpoint: &Path, request: Request) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket_path(mountpoint))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_vec(&request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    Ok(stream)
}
