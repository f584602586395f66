//! What can go wrong, the exit code it leads to and what to try.

use std::io;
use std::path::{Path, PathBuf};

use nightshift_common::config::ConfigError;
use nightshift_common::error::Report;
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::{atomic, lock};

use crate::changes::Damage;
use crate::map;
use crate::options::InvalidOption;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or a setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A mount option is wrong.
    #[error(transparent)]
    Option(#[from] InvalidOption),
    /// `mount` with one path, and the configuration does not say what belongs there.
    #[error("no source directory given for {}", Escaped::path(.0))]
    NoSource(PathBuf),
    /// Mounting there would hide the source or mount it inside itself.
    #[error(
        "{} and {} lie inside each other",
        Escaped::path(devices),
        Escaped::path(mountpoint)
    )]
    Nested {
        /// The directory of devices.
        devices: PathBuf,
        /// Where to mount.
        mountpoint: PathBuf,
    },
    /// The directory of devices cannot be read.
    #[error("cannot read the source directory {}", Escaped::path(path))]
    Source {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The mount point is not there.
    #[error("cannot use the mount point {}", Escaped::path(path))]
    Mountpoint {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A daemon was killed and its mount is still there.
    #[error("a dead mount lies on {}", Escaped::path(.0))]
    DeadMount(PathBuf),
    /// Something else is mounted there.
    #[error("{} is busy: {kind} is mounted there", Escaped::path(mountpoint))]
    AlreadyMounted {
        /// The directory.
        mountpoint: PathBuf,
        /// The file system that is there.
        kind: String,
    },
    /// Another instance serves this mount point.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// Only root mounts.
    #[error("cannot mount without being root")]
    NotRoot,
    /// No FUSE.
    #[error("cannot open /dev/fuse")]
    NoFuse(#[source] io::Error),
    /// mount(2) said no.
    #[error("cannot mount on {}", Escaped::path(mountpoint))]
    Mount {
        /// Where.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel does not talk to us as it should.
    #[error("the mount on {} does not answer", Escaped::path(mountpoint))]
    Session {
        /// Where.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A preparation of the daemon failed.
    #[error("cannot {what}")]
    Prepare {
        /// What was being done.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The process id could not be written.
    #[error("cannot write the process id")]
    Pidfile(#[from] atomic::Error),
    /// The daemon reported this while it was starting.
    #[error("{message}")]
    Daemon {
        /// Its error with all causes.
        message: String,
        /// What to try.
        hint: Option<String>,
        /// Its exit code.
        exit: u8,
    },
    /// The daemon ended without a word.
    #[error("the daemon ended before the mount answered ({0})")]
    DaemonDied(String),
    /// There is no mount of ours.
    #[error("no blockfuse is mounted on {}", Escaped::path(.0))]
    NotMounted(PathBuf),
    /// The daemon cannot be asked.
    #[error("the daemon of {} does not answer", Escaped::path(mountpoint))]
    NoAnswer {
        /// Where it is mounted.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon could not do it.
    #[error("the daemon says: {0}")]
    Refused(String),
    /// A file of the mount is open.
    #[error("{} is busy", Escaped::path(.0))]
    Busy(PathBuf),
    /// umount(2) said no.
    #[error("cannot unmount {}", Escaped::path(mountpoint))]
    Umount {
        /// Where.
        mountpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no map of a device.
    #[error(transparent)]
    Map(#[from] map::Failure),
    /// The state to compare with cannot be read.
    #[error("cannot read the state {}", Escaped::path(path))]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state to compare with is no such file.
    #[error("{}:{damage}", Escaped::path(path))]
    DamagedState {
        /// The file.
        path: PathBuf,
        /// Where and what.
        damage: Damage,
    },
    /// The output could not be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl Report for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(error) => error.exit(),
            Self::Lock(error) => error.exit(),
            Self::Option(_) | Self::NoSource(_) | Self::Nested { .. } => Exit::Usage,
            Self::Daemon { exit, .. } => match exit {
                2 => Exit::Usage,
                75 => Exit::Locked,
                _ => Exit::Failed,
            },
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let umount =
            |path: &Path, lazy| Some(format!("blockfuse umount {lazy}{}", Escaped::path(path)));
        match self {
            Self::NoSource(_) => Some(
                "name SOURCE_DIR before the mount point, or give the configuration a [[mounts]] \
                 entry for it"
                    .into(),
            ),
            Self::Nested { .. } => Some("choose a mount point elsewhere, such as /mnt/bd".into()),
            Self::Mountpoint { path, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("mkdir {}", Escaped::path(path)))
            }
            Self::DeadMount(path) => umount(path, "--lazy "),
            Self::Busy(path) => Some(format!(
                "close the files (fuser -vm {0} shows who has them), or blockfuse umount --lazy {0}",
                Escaped::path(path)
            )),
            Self::NotRoot => Some("run it as root, or through sudo".into()),
            Self::NoFuse(error) if error.kind() == io::ErrorKind::NotFound => {
                Some("modprobe fuse; in a container, pass the device /dev/fuse in".into())
            }
            Self::NoFuse(_) => Some("the device must be readable and writable by root".into()),
            Self::Mount { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("mounting needs CAP_SYS_ADMIN; containers often lack it".into())
            }
            Self::NoAnswer { mountpoint, .. } => umount(mountpoint, "--lazy "),
            Self::Daemon { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}
