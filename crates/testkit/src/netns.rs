//! Network namespaces: machines of their own as far as the network is concerned.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace with its loopback up. On drop, processes left inside are killed and the
/// namespace goes, with its interfaces.
#[derive(Debug)]
pub struct NetNs {
    name: String,
}

impl NetNs {
    /// A new namespace; its name is made of `label`, the process id and a counter.
    #[track_caller]
    pub fn new(label: &str) -> Self {
        let ns = Self {
            name: format!("{label}-{}-{}", std::process::id(), next_number()),
        };
        ip(&["netns", "add", &ns.name]);
        ns.ip(&["link", "set", "lo", "up"]);
        ns
    }

    /// The name under /run/netns, for `ip -n` and `ip netns exec`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Joins two namespaces by a cable: an interface `name` in each, up, with the given
    /// addresses, such as `192.0.2.1/24`. Pulling the cable: `ns.ip(&["link", "set", name,
    /// "down"])`.
    #[track_caller]
    pub fn connect(&self, address: &str, other: &Self, other_address: &str, name: &str) {
        // Both ends are born in their final namespace: no name ever meets the host's.
        ip(&[
            "link",
            "add",
            name,
            "netns",
            &self.name,
            "type",
            "veth",
            "peer",
            "name",
            name,
            "netns",
            &other.name,
        ]);
        for (ns, address) in [(self, address), (other, other_address)] {
            ns.ip(&["address", "add", address, "dev", name, "nodad"]);
            ns.ip(&["link", "set", name, "up"]);
        }
    }

    /// Runs `ip ARGS` inside and returns its output; fails the test when ip fails.
    #[track_caller]
    pub fn ip(&self, args: &[&str]) -> String {
        ip(&[&["-n", &self.name], args].concat())
    }

    /// A plain command that will run inside; for the program under test see
    /// [`Cmd::in_netns`](crate::Cmd::in_netns).
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs `work` on a thread inside the namespace. Sockets made there stay there wherever they
    /// are used later, which is how a test's own server gets into a namespace.
    #[track_caller]
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let file = File::open(format!("/run/netns/{}", self.name)).expect("namespace");
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("entering the namespace");
                work()
            });
            thread
                .join()
                .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
    }

    fn kill_inhabitants(&self) {
        let Ok(output) = Command::new("ip")
            .args(["netns", "pids", &self.name])
            .output()
        else {
            return;
        };
        for pid in String::from_utf8_lossy(&output.stdout).split_whitespace() {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                let _gone = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for NetNs {
    fn drop(&mut self) {
        // A namespace lives as long as a process inside it, named or not.
        self.kill_inhabitants();
        let _output = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .output();
    }
}

fn next_number() -> u32 {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

#[track_caller]
fn ip(args: &[&str]) -> String {
    let output = match Command::new("ip").args(args).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run ip (Debian package iproute2): {error}"),
    };
    assert!(
        output.status.success(),
        "`ip {}` failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
