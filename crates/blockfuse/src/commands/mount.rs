//! `blockfuse mount`.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use fuser::{Session, SessionACL};
use nightshift_common::atomic;
use nightshift_common::exit::Exit;
use nightshift_common::lock::InstanceLock;
use nightshift_common::signals::Signals;

use crate::changes::store::Store;
use crate::config::Settings;
use crate::control::{Control, ControlSocket, SIGNALS, lock_path, warn_about, warn_about_lost};
use crate::daemon::{self, Waiting};
use crate::error::Error;
use crate::extents::Holes;
use crate::filesystem::BlockFilesystem;
use crate::mount::{Mounted, Places, set_readahead};
use crate::scan::Scanner;
use crate::served::{Manner, Served};
use crate::watch::Watch;

/// Mounts, and returns when the mount answers, or with `foreground` when it has ended.
pub fn run(settings: Settings) -> Result<Exit, Error> {
    let places = Places::check(&settings.source, &settings.mountpoint)?;
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let mut lock = InstanceLock::acquire(&lock_path(&places.mountpoint))?;
    places.check_free()?;
    if settings.foreground {
        let mut waiting = Some(Waiting::ServiceManager);
        return serve(settings, &places, &mut waiting);
    }
    daemon::background(|waiting| {
        let pid = std::process::id();
        lock.write_pid(pid).map_err(|source| Error::Prepare {
            what: "write the lock".into(),
            source,
        })?;
        serve(settings, &places, waiting)
    })
}

/// Serves until the mount ends. Takes `waiting` when it answers.
fn serve(
    settings: Settings,
    places: &Places,
    waiting: &mut Option<Waiting>,
) -> Result<Exit, Error> {
    let prepare = |what: &str| {
        let what = what.to_owned();
        move |source| Error::Prepare { what, source }
    };
    let signals = Signals::listen(SIGNALS).map_err(prepare("listen for signals"))?;
    // Before the scan, so that nothing is missed in between.
    let watch = settings
        .watch
        .then(|| Watch::start(&places.source, settings.scan.recursive))
        .transpose()
        .map_err(prepare("watch for devices"))?;
    let socket = ControlSocket::bind(&places.mountpoint).map_err(prepare("make the socket"))?;
    let manner = Manner {
        source: places.source.clone(),
        scan: settings.scan,
        mtime: settings.mtime,
        engine: settings.engine,
        uid: settings.uid,
        gid: settings.gid,
        mode: settings.mode.bits(),
        holes: settings.holes == Holes::Auto,
        state: settings
            .state
            .unwrap_or_else(|| Store::default_path(&places.source, &places.mountpoint)),
    };
    let (served, plan, entries) =
        Served::new(manner, Scanner::default()).map_err(|source| Error::Source {
            path: places.source.clone(),
            source,
        })?;
    let served = Arc::new(served);
    warn_about_lost(&entries);

    let (mounted, fuse) = Mounted::new(places, settings.allow_other)?;
    let session_failed = |source| Error::Session {
        mountpoint: places.mountpoint.clone(),
        source,
    };
    let mut config = fuser::Config::default();
    config.n_threads = Some(usize::from(settings.threads));
    // Each thread reads from a descriptor of its own, so that they do not wake each other.
    config.clone_fd = settings.threads > 1;
    let filesystem = BlockFilesystem::new(Arc::clone(&served));
    // Who may do what is the kernel's business (default_permissions, allow_other).
    let session =
        Session::from_fd(filesystem, fuse, SessionACL::All, config).map_err(session_failed)?;
    let notifier = session.notifier();
    let (ended, end) = io::pipe().map_err(prepare("make a pipe"))?;
    std::thread::Builder::new()
        .name("session".into())
        .spawn(move || {
            if let Err(error) = session.run() {
                tracing::error!("serving the mount failed: {error}");
            }
            drop(end);
        })
        .map_err(prepare("start a thread"))?;
    if let Err(error) = set_readahead(&places.mountpoint, settings.readahead) {
        tracing::info!("cannot set the read-ahead, reading will be slower: {error}");
    }
    // Answered by our own threads: when this returns, everybody gets answers.
    fs::metadata(&places.mountpoint).map_err(session_failed)?;
    let pidfile = settings.pidfile.map(Pidfile::write).transpose()?;
    warn_about(&plan);
    if let Some(waiting) = waiting.take() {
        waiting.ready();
    }
    tracing::info!(files = served.table().files().len(), "mounted");
    let mountpoint = places.mountpoint.clone();
    let exit = Control {
        signals,
        socket,
        ended,
        served,
        notifier,
        mountpoint,
        mounted,
        watch,
    }
    .run();
    drop(pidfile);
    Ok(exit)
}

/// The daemon's process id in a file, removed when dropped.
struct Pidfile(std::path::PathBuf);

impl Pidfile {
    fn write(path: std::path::PathBuf) -> Result<Self, Error> {
        atomic::replace_with(&path, 0o644, format!("{}\n", std::process::id()).as_bytes())?;
        Ok(Self(path))
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        remove_quietly(&self.0);
    }
}

fn remove_quietly(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, path = %path.display(), "cannot remove");
    }
}
