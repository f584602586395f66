//! A device and nodes running Debian's distccd, each a network namespace.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nightshift_testkit::{Cmd, Lan, NetNs, Running, Sandbox, wait_for};

/// The device's address; nodes allow no other.
pub(super) const DEVICE: &str = "10.77.0.1";
const CROSS_GCC: &str = "/usr/bin/arm-linux-gnueabi-gcc";
/// Links that mend a stock node: the compiler's names lead to the cross compiler.
pub(super) const MENDED: &[(&str, &str)] =
    &[("gcc", CROSS_GCC), ("cc", CROSS_GCC), ("gcc-12", CROSS_GCC)];

/// Everything goes when it is dropped, daemons first.
pub(super) struct Network {
    daemons: Vec<Running>,
    pub(super) device: NetNs,
    nodes: Vec<NetNs>,
    lan: Lan,
    directory: PathBuf,
}

impl Network {
    pub(super) fn new(sandbox: &Sandbox) -> Self {
        let lan = Lan::new("ccfarm");
        let device = lan.machine(&format!("{DEVICE}/24"));
        let directory = sandbox.path().to_owned();
        Self {
            daemons: Vec::new(),
            device,
            nodes: Vec::new(),
            lan,
            directory,
        }
    }

    /// A node with the packaged distccd; `links` come first in its PATH.
    pub(super) fn node(&mut self, address: &str, links: &[(&str, &str)]) -> Result<()> {
        let bin = self.directory.join(format!("bin-{address}"));
        fs::create_dir_all(&bin)?;
        // distccd runs as nobody and must reach the links.
        fs::set_permissions(&self.directory, fs::Permissions::from_mode(0o755))?;
        for (name, target) in links {
            symlink(target, bin.join(name))?;
        }
        let daemon = Cmd::new("/usr/bin/distccd")
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .args([
                "--no-detach",
                "--daemon",
                "--log-stderr",
                "--listen",
                "0.0.0.0",
            ])
            .args(["--allow", DEVICE, "--jobs", "4"]);
        self.start(address, daemon, &[]);
        Ok(())
    }

    /// A node with this daemon, run as nobody under `prefix`.
    pub(super) fn start(&mut self, address: &str, daemon: Cmd, prefix: &[&str]) {
        let machine = self.lan.machine(&format!("{address}/24"));
        let daemon = daemon
            .in_netns(&machine)
            .under([
                "setpriv",
                "--reuid=nobody",
                "--regid=nogroup",
                "--clear-groups",
            ])
            .under(prefix)
            .spawn();
        self.daemons.push(daemon);
        self.nodes.push(machine);
        wait_for(
            &format!("distccd on {address}"),
            Duration::from_secs(30),
            || {
                self.device
                    .run(|| TcpStream::connect((address, 3632)).is_ok())
            },
        );
    }

    /// Runs a program on the device; returns its exit code and what it printed.
    pub(super) fn on_device(&self, program: &Path, args: &[&str]) -> Result<(Option<i32>, String)> {
        let output = self
            .device
            .command(program)
            .args(args)
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    /// A command on the device, for measurements.
    pub(super) fn command(&self, program: &Path) -> Command {
        self.device.command(program)
    }
}
