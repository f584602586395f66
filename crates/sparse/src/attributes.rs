//! What a file carries besides its bytes: mode, owner, times, extended attributes.

use crate::error::Error;
use rustix::fs::{Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::File;
use std::path::Path;

/// Attributes to give to a finished file.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner and group.
    pub owner: Option<(u32, u32)>,
    /// Time of last access and of last modification: seconds since 1970 and nanoseconds.
    pub times: Option<[(i64, i64); 2]>,
    /// Extended attributes, access control lists among them.
    pub xattrs: Vec<(CString, Vec<u8>)>,
}

impl Attributes {
    /// Those of an open regular file.
    pub(crate) fn of(file: &File, stat: &Stat, path: &Path) -> Result<Self, Error> {
        Ok(Self {
            mode: Some(stat.st_mode & 0o7777),
            owner: Some((stat.st_uid, stat.st_gid)),
            times: Some([
                (stat.st_atime, stat.st_atime_nsec.cast_signed()),
                (stat.st_mtime, stat.st_mtime_nsec.cast_signed()),
            ]),
            xattrs: xattrs(file).map_err(Error::io("read the extended attributes of", path))?,
        })
    }

    /// Gives the attributes to `file`.
    ///
    /// An ordinary user cannot give files away, and file systems differ in the attributes they
    /// take: what cannot be kept is said in the log, as cp does, and is no failure.
    pub(crate) fn apply(&self, file: &File, path: &Path) -> Result<(), Error> {
        if let Some((uid, gid)) = self.owner
            && let Err(error) =
                rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        {
            tracing::info!(path = %path.display(), %error, "owner not kept");
        }
        // After the owner, because changing that clears the set-id bits.
        if let Some(mode) = self.mode {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
                .map_err(Error::io("set the mode of", path))?;
        }
        for (name, value) in &self.xattrs {
            if let Err(error) = rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()) {
                tracing::info!(path = %path.display(), ?name, %error, "attribute not kept");
            }
        }
        if let Some([access, modification]) = self.times {
            let time = |(tv_sec, tv_nsec): (i64, i64)| Timespec { tv_sec, tv_nsec };
            let times = Timestamps {
                last_access: time(access),
                last_modification: time(modification),
            };
            rustix::fs::futimens(file, &times).map_err(Error::io("set the times of", path))?;
        }
        Ok(())
    }
}

/// All extended attributes of a file; none where the file system has none.
fn xattrs(file: &File) -> Result<Vec<(CString, Vec<u8>)>, Errno> {
    /// The kernel's XATTR_LIST_MAX and XATTR_SIZE_MAX.
    const MAX: usize = 65_536;
    let mut names = vec![0; MAX];
    let used = match rustix::fs::flistxattr(file, &mut names[..]) {
        Ok(used) => used,
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::ACCESS) => 0,
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    let mut value = vec![0; MAX];
    for name in names[..used]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let Ok(name) = CString::new(name) else {
            continue;
        };
        match rustix::fs::fgetxattr(file, &name, &mut value[..]) {
            Ok(len) => found.push((name, value[..len].to_vec())),
            // Removed meanwhile, or not for us to see.
            Err(error) => tracing::debug!(?name, %error, "attribute not read"),
        }
    }
    Ok(found)
}
