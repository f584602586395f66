//! Two hosts on one kernel: each a network and a mount namespace of its own.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Addresses of the hosts' own networks and of the two ends of the bundle.
pub(super) const LEAF: &str = "10.88.0.1";
pub(super) const HUB: &str = "10.99.0.1";
pub(super) const LEAF_END: &str = "10.77.0.2";
pub(super) const HUB_END: &str = "10.77.0.1";

/// A host.
pub(super) struct Host {
    holder: Child,
    pub(super) name: &'static str,
    /// Outside of the host's private mounts.
    pub(super) directory: PathBuf,
}

const SET_UP: &str = r#"
    mount -t tmpfs tmpfs /run
    mkdir -p /run/lock /run/ppp /run/pppd
    mount -t tmpfs tmpfs /etc/ppp
    : > /etc/ppp/options
    (umask 077; : > /etc/ppp/chap-secrets; : > /etc/ppp/pap-secrets)
    ip link set lo up
    ip link add host0 type dummy
    ip address add "$1/32" dev host0
    ip link set host0 up
    : > "$2"
    exec sleep infinity
"#;

impl Host {
    pub(super) fn new(name: &'static str, address: &str) -> Self {
        // Tests run side by side.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/tmp/pppmon-{name}-{number}"));
        fs::create_dir_all(&directory).unwrap();
        let ready = directory.join("ready");
        let holder = Command::new("unshare")
            .args(["-n", "-m", "sh", "-c", SET_UP, "host", address])
            .arg(&ready)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let host = Self {
            holder,
            name,
            directory,
        };
        wait_for("a host", Duration::from_secs(20), || ready.exists());
        host
    }

    /// A command that runs on the host.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.holder.id().to_string(), "-n", "-m", "--"])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// Connects two hosts by an Ethernet cable; each end has this name.
    pub(super) fn plug(&self, other: &Self, name: &str) {
        let end = |host: &Self| host.holder.id().to_string();
        let linked = Command::new("ip")
            .args(["link", "add", name, "netns", &end(self), "type", "veth"])
            .args(["peer", "name", name, "netns", &end(other)])
            .status()
            .unwrap();
        assert!(linked.success());
        for host in [self, other] {
            host.shell(&format!("ip link set {name} up"));
        }
    }

    /// A path of the host's, as seen from outside.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.holder.id()))
    }

    /// Runs a shell command on the host and returns its output.
    pub(super) fn shell(&self, script: &str) -> String {
        let output = self.command("sh").args(["-c", script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A thread whose sockets are the host's.
    pub(super) fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        })
    }

    /// Process ids of what runs there under a name, or of everything.
    pub(super) fn processes(&self, name: &str) -> Vec<u32> {
        let own = fs::read_link(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let here = fs::read_link(entry.path().join("ns/net")).is_ok_and(|ns| ns == own);
            if !here || pid == self.holder.id() || pid == std::process::id() {
                continue;
            }
            let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if !comm.is_empty() && (name.is_empty() || comm.trim_end() == name) {
                found.push(pid);
            }
        }
        found
    }

    /// Kills everything that runs there and empties what a restart of a machine empties.
    pub(super) fn reboot(&self) {
        wait_for("the processes to die", Duration::from_secs(10), || {
            let left = self.processes("");
            for &pid in &left {
                kill(pid, rustix::process::Signal::KILL);
            }
            left.is_empty()
        });
        self.shell("rm -rf /run/*; mkdir -p /run/lock /run/ppp /run/pppd");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.reboot();
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The program under test: a copy in the machine's own memory, so that all tests of a run use the
/// same one even if it is built again on the host meanwhile.
pub(super) fn program() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let copy = PathBuf::from("/tmp/pppmon-under-test");
        fs::copy(env!("CARGO_BIN_EXE_pppmon"), &copy).unwrap();
        copy
    })
}

/// Sends a signal to a process of ours.
pub(super) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

/// Waits until a condition holds.
#[track_caller]
pub(super) fn wait_for(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
    started.elapsed()
}

/// Writes a file and its directory.
pub(super) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Tests run side by side on one processor. One that keeps it busy takes it alone.
static PROCESSOR: RwLock<()> = RwLock::new(());

/// For a test that mostly waits.
pub(super) fn shared_processor() -> RwLockReadGuard<'static, ()> {
    PROCESSOR.read().unwrap_or_else(PoisonError::into_inner)
}

/// For a test that computes, or starts processes by the hundred.
pub(super) fn whole_processor() -> RwLockWriteGuard<'static, ()> {
    PROCESSOR.write().unwrap_or_else(PoisonError::into_inner)
}
