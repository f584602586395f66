//! blockfuse: block devices as regular files.

mod bench;
mod soak;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, ensure};
use nightshift_testkit::{LoopDevice, MountGuard, noise, wait_for};

use super::{Debian, Door, Extra, Tool};
use crate::demo::{Demo, note};
use crate::{setup, shell};

pub(super) const TOOL: Tool = Tool {
    door: Door::Sbin,
    // mount(8) looks for this name when fstab says `fuse.blockfuse`.
    links: &["mount.fuse.blockfuse"],
    extras: &[
        Extra::Unit("blockfuse@.service"),
        Extra::Example("blockfuse.toml"),
        Extra::Example("cron"),
    ],
    debian: Debian {
        // The machine for LVM, and every tool of docs/guides/backup-tools.md.
        test: &[
            "borgbackup",
            "dmsetup",
            "e2fsprogs",
            "kmod",
            "lvm2",
            "qemu-utils",
            "restic",
            "rsync",
            "thin-provisioning-tools",
        ],
        demo: &["e2fsprogs"],
        bench: &[
            "gcc",
            "libc6-dev",
            "libfuse3-dev",
            "libnbd-bin",
            "nbdkit",
            "pkg-config",
        ],
    },
    python: &["rdiff-backup==2.2.7"],
    demo: Some(demo),
    bench: Some(bench::bench),
    soak: Some(soak::soak),
    vm_tests: true,
    ..Tool::named("blockfuse")
};

/// Size of each demo disk: large enough for ext4 and a few files, small enough for two seconds.
const DISK: u64 = 64 << 20;

/// Backs up two live ext4 disks through the mount, changes one, backs up again, and restores
/// both states.
fn demo(demo: &Demo) -> Result<()> {
    let sandbox = demo.sandbox();
    let (source, mountpoint) = (sandbox.dir("dev"), sandbox.dir("mnt"));
    let disks = demo.step("make two loop devices with ext4 and files on them", || {
        let disks = [("vg-_snap--home", 1), ("vg-_snap--mail", 2)].map(|(name, seed)| {
            let device = LoopDevice::options().of_size(DISK)?;
            sandbox.symlink(device.path(), source.join(name));
            shell::capture(Command::new("mkfs.ext4").arg("-q").arg(device.path()))?;
            write_inside(demo, &device, "letter", &noise(seed, 3 << 20))?;
            anyhow::Ok((name, device))
        });
        disks.into_iter().collect::<Result<Vec<_>>>()
    })?;
    let _mount = demo.step("mount them as files with blockfuse", || {
        let guard = MountGuard::adopt(&mountpoint);
        demo.tool([Path::new("mount"), &source, &mountpoint])?;
        Ok(guard)
    })?;
    note(&shell::capture(
        Command::new("ls").arg("-l").arg(&mountpoint),
    )?);

    let repository = sandbox.join("backup");
    let backup = |time: u32| {
        let mut command = rdiff_backup(time, "backup", &[], &mountpoint, &repository)?;
        shell::capture(&mut command).map(drop)
    };
    let before = demo.step("note the checksums", || checksums(&mountpoint))?;
    demo.step("back up with rdiff-backup", || backup(FIRST))?;
    demo.step("change a file inside one disk", || {
        let (_, device) = &disks[1];
        write_inside(demo, device, "letter", b"another letter")
    })?;
    demo.step("tell blockfuse: refresh", || {
        // rdiff-backup compares whole seconds: the refresh must not share one with the mount.
        let given = modified(&mountpoint.join("vg-_snap--mail"))?;
        wait_for(
            "the clock has left that second",
            Duration::from_secs(5),
            || now() > given,
        );
        demo.tool([Path::new("refresh"), &mountpoint])
    })?;
    let after = demo.step("note the checksums again", || checksums(&mountpoint))?;
    ensure!(
        before[0] == after[0],
        "the disk that was left alone has changed"
    );
    ensure!(
        before[1] != after[1],
        "the change does not show through the mount"
    );
    demo.step("back up again: an increment", || backup(SECOND))?;
    demo.step("unmount", || demo.tool([Path::new("umount"), &mountpoint]))?;

    for (what, time, wanted) in [("first", FIRST, &before), ("second", SECOND, &after)] {
        let restored = sandbox.join(format!("restored-{what}"));
        demo.step(&format!("restore the {what} backup and compare"), || {
            let at = time.to_string();
            let options = ["--at", &at];
            shell::capture(&mut rdiff_backup(
                THIRD,
                "restore",
                &options,
                &repository,
                &restored,
            )?)?;
            let found = checksums(&restored)?;
            ensure!(&found == wanted, "expected {wanted:?}, restored {found:?}");
            Ok(())
        })?;
    }
    for (sum, name) in &after {
        note(&format!("{}... {name}", &sum[..16]));
    }
    Ok(())
}

/// Times of the backups in seconds since 1970: rdiff-backup wants each in a second of its own,
/// and naming them is better than waiting for the clock.
const FIRST: u32 = 1_700_000_000;
const SECOND: u32 = FIRST + 86_400;
const THIRD: u32 = SECOND + 86_400;

fn rdiff_backup(
    now: u32,
    action: &str,
    options: &[&str],
    from: &Path,
    to: &Path,
) -> Result<Command> {
    let mut command = Command::new(setup::python_tool("rdiff-backup")?);
    command.args([
        "--api-version",
        "201",
        "--current-time",
        &now.to_string(),
        action,
    ]);
    command.args(options).arg(from).arg(to);
    Ok(command)
}

/// The modification time of a file in seconds since 1970.
fn modified(file: &Path) -> Result<u64> {
    Ok(file
        .metadata()?
        .modified()?
        .duration_since(UNIX_EPOCH)?
        .as_secs())
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// Writes a file into the file system on a device, as the machine that owns the disk would.
fn write_inside(demo: &Demo, device: &LoopDevice, name: &str, content: &[u8]) -> Result<()> {
    let target = demo.sandbox().dir("inside");
    let mount = MountGuard::try_mount("ext4", device.path(), &target, "")?;
    demo.sandbox().file(Path::new("inside").join(name), content);
    mount.unmount();
    Ok(())
}

/// The sha256 sum and name of each file in a directory, by name.
fn checksums(dir: &Path) -> Result<Vec<(String, String)>> {
    let mut names = std::fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>>>()?;
    names.sort();
    let text = shell::capture(Command::new("sha256sum").args(&names))?;
    text.lines()
        .map(|line| {
            let (sum, path) = line.split_once("  ").unwrap_or((line, ""));
            let name = Path::new(path).file_name().unwrap_or_default();
            Ok((sum.to_owned(), name.to_string_lossy().into_owned()))
        })
        .collect()
}
