//! A volume group on a loop device in memory, for tests in the test machine, where there is no
//! udev and device-mapper belongs to nobody else.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nightshift_testkit::{Cmd, LoopDevice, Output, Sandbox, needs};

/// Makes LVM work without udev: nobody but LVM itself then makes and waits for device nodes.
const CONFIGURATION: &str = r#"
devices { obtain_device_list_from_udev=0 external_device_info_source="none" use_devicesfile=0 scan=["/dev"] }
activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 }
global { event_activation=0 use_lvmpolld=0 thin_check_executable="" }
"#;

/// A volume group, removed with all its volumes when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    name: &'static str,
    configuration: Sandbox,
    disk: LoopDevice,
}

impl Group {
    /// A group of 300 MB.
    pub(crate) fn new(name: &'static str) -> Self {
        needs::command("lvcreate", "lvm2");
        for module in ["dm-mod", "dm-snapshot", "dm-thin-pool", "loop", "fuse"] {
            Cmd::new("/sbin/modprobe").arg(module).run().success();
        }
        let configuration = Sandbox::in_memory();
        configuration.file("lvm.conf", CONFIGURATION);
        let disk = LoopDevice::of_size(300 << 20);
        let group = Self {
            name,
            configuration,
            disk,
        };
        let disk = group.disk.path().to_owned();
        group.lvm(["pvcreate", "-y"], [&disk]);
        group.lvm(["vgcreate", name], [&disk]);
        group
    }

    /// A plain volume, neither wiped nor zeroed, for both would ask udev.
    pub(crate) fn volume(&self, name: &str, size: &str) -> PathBuf {
        self.lvm(
            ["lvcreate", "-y", "-Wn", "-Zn", "-L", size, "-n", name],
            [self.name],
        );
        self.node(name)
    }

    /// A classic snapshot with room for `size` of changes.
    pub(crate) fn snapshot(&self, origin: &str, name: &str, size: &str) -> PathBuf {
        let origin = format!("{}/{origin}", self.name);
        self.lvm(["lvcreate", "-y", "-s", "-L", size, "-n", name], [origin]);
        self.node(name)
    }

    /// A thin pool and a thin volume in it.
    pub(crate) fn thin(&self, pool: &str, name: &str) -> PathBuf {
        let pool = format!("{}/{pool}", self.name);
        self.lvm(
            [
                "lvcreate", "-y", "-L", "80M", "-V", "100M", "-n", name, "-T",
            ],
            [pool],
        );
        self.node(name)
    }

    /// A snapshot of a thin volume, active like any other; `permission` is `rw` or `r`.
    pub(crate) fn thin_snapshot(&self, origin: &str, name: &str, permission: &str) -> PathBuf {
        let origin = format!("{}/{origin}", self.name);
        let args = [
            "lvcreate", "-y", "-kn", "-ay", "-p", permission, "-s", "-n", name,
        ];
        self.lvm(args, [origin]);
        self.node(name)
    }

    /// Removes a volume; LVM's exit code and complaint are the caller's to judge.
    pub(crate) fn remove(&self, name: &str) -> Output {
        self.command(["lvremove", "-y"])
            .arg(format!("{}/{name}", self.name))
            .run()
    }

    /// Resizes a volume upwards.
    pub(crate) fn extend(&self, name: &str, size: &str) {
        self.lvm(
            ["lvextend", "-y", "-L", size],
            [format!("{}/{name}", self.name)],
        );
    }

    /// Merges a snapshot back into its origin; LVM returns when that is done.
    pub(crate) fn merge(&self, snapshot: &str) {
        self.lvm(
            ["lvconvert", "-y", "--merge"],
            [format!("{}/{snapshot}", self.name)],
        );
    }

    /// The node of a volume under /dev/mapper.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        Path::new("/dev/mapper").join(self.mapped(name))
    }

    /// The name of a volume under /dev/mapper, where hyphens are doubled.
    pub(crate) fn mapped(&self, name: &str) -> String {
        format!(
            "{}-{}",
            self.name.replace('-', "--"),
            name.replace('-', "--")
        )
    }

    fn lvm<const N: usize, A: AsRef<std::ffi::OsStr>>(&self, args: [&str; N], rest: [A; 1]) {
        let output = self.command(args).args(rest).run();
        // Warnings about overcommitted pools and the like are expected on stderr.
        assert_eq!(
            output.ending(),
            0.into(),
            "{args:?}: {}",
            output.stderr_text()
        );
    }

    fn command<const N: usize>(&self, args: [&str; N]) -> Cmd {
        self.program(format!("/sbin/{}", args[0])).args(&args[1..])
    }

    /// A program that may call LVM's commands.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Cmd {
        Cmd::new(program)
            .env("LVM_SYSTEM_DIR", self.configuration.path())
            .env("DM_DISABLE_UDEV", "1")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let output = self.command(["vgremove", "-ff", "-y", self.name]).run();
        let gone = output.ending() == 0.into();
        assert!(gone || std::thread::panicking(), "{}", output.stderr_text());
    }
}

/// `dmsetup` with these arguments; its output.
pub(crate) fn dmsetup<const N: usize>(args: [&str; N]) -> String {
    let output = Cmd::new("/sbin/dmsetup")
        .args(args)
        .env("DM_DISABLE_UDEV", "1")
        .run();
    assert_eq!(
        output.ending(),
        0.into(),
        "dmsetup {args:?}: {}",
        output.stderr_text()
    );
    output.stdout_text()
}

/// Writes to a device and waits until it has arrived.
pub(crate) fn write(device: &Path, offset: u64, bytes: &[u8]) {
    let device = File::options().write(true).open(device).unwrap();
    device.write_all_at(bytes, offset).unwrap();
    device.sync_all().unwrap();
}

/// The whole content of a device or file.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
