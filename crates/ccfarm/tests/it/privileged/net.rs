//! A small network: a switch, a device, and nodes running Debian's distccd.

use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nightshift_testkit::{Cmd, Lan, NetNs, Running, Sandbox, needs, wait_for};

pub(crate) const DEVICE: &str = "10.77.0.1";
pub(crate) const STRANGER: &str = "10.77.0.4";
pub(crate) const CROSS_GCC: &str = "/usr/bin/arm-linux-gnueabi-gcc";

/// The switch and the machines on it; everything goes when it is dropped.
pub(crate) struct Net {
    // Daemons before namespaces: fields are dropped in this order.
    daemons: Vec<Running>,
    pub(crate) device: NetNs,
    pub(crate) stranger: NetNs,
    nodes: Vec<NetNs>,
    lan: Lan,
    pub(crate) sandbox: Sandbox,
}

impl Net {
    #[track_caller]
    pub(crate) fn new() -> Self {
        needs::root();
        for (command, package) in [
            ("distccd", "distcc"),
            ("ccache", "ccache"),
            ("ip", "iproute2"),
            ("setpriv", "util-linux"),
            ("arm-linux-gnueabi-gcc", "gcc-arm-linux-gnueabi"),
            ("arm-linux-gnueabi-gcc-11", "gcc-11-arm-linux-gnueabi"),
            ("arm-linux-gnueabihf-gcc-12", "gcc-12-arm-linux-gnueabihf"),
        ] {
            needs::command(command, package);
        }
        let lan = Lan::new("ccfarm");
        Self {
            daemons: Vec::new(),
            device: lan.machine(&format!("{DEVICE}/24")),
            stranger: lan.machine(&format!("{STRANGER}/24")),
            nodes: Vec::new(),
            lan,
            sandbox: Sandbox::new(),
        }
    }

    /// A new machine with an address.
    pub(crate) fn machine(&mut self, address: &str) -> usize {
        self.nodes.push(self.lan.machine(&format!("{address}/24")));
        self.nodes.len() - 1
    }

    /// The namespace of a machine made by [`Net::machine`].
    pub(crate) fn namespace(&self, machine: usize) -> &NetNs {
        &self.nodes[machine]
    }

    /// A machine with Debian's distccd, run as Debian's unit runs it, allowing the device only.
    /// `links` are names that come first in its PATH, each with the compiler it leads to.
    #[track_caller]
    pub(crate) fn node(&mut self, address: &str, links: &[(&str, &str)]) {
        let machine = self.machine(address);
        let bin = self.links(address, links);
        let daemon = Cmd::new("/usr/bin/distccd")
            .in_netns(&self.nodes[machine])
            .under([
                "setpriv",
                "--reuid=nobody",
                "--regid=nogroup",
                "--clear-groups",
            ])
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .args([
                "--no-detach",
                "--daemon",
                "--log-stderr",
                "--listen",
                "0.0.0.0",
            ])
            .args([
                "--allow",
                DEVICE,
                "--jobs",
                "4",
                "--stats",
                "--stats-port",
                "3633",
            ])
            .spawn();
        self.keep(daemon, address);
    }

    /// Keeps a daemon running until the network goes, and waits until its port answers.
    #[track_caller]
    pub(crate) fn keep(&mut self, daemon: Running, address: &str) {
        self.daemons.push(daemon);
        wait_for(
            &format!("distccd on {address}"),
            Duration::from_secs(30),
            || {
                self.device
                    .run(|| TcpStream::connect((address, 3632)).is_ok())
            },
        );
    }

    fn links(&self, address: &str, links: &[(&str, &str)]) -> PathBuf {
        let bin = self.sandbox.dir(format!("bin-{address}"));
        open_to_all(self.sandbox.path());
        for (name, target) in links {
            symlink(target, bin.join(name)).unwrap();
        }
        bin
    }
}

/// Daemons run as nobody and must reach their directories.
pub(crate) fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
