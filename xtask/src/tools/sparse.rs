//! sparse: the binary `sparseimg`.

use super::{Debian, Tool};
use crate::demo::{Demo, note};
use crate::{setup, shell};
use anyhow::{Result, ensure};
use nightshift_testkit::{LoopDevice, noise};
use std::path::Path;
use std::process::Command;

mod bench;
mod images;

pub(super) const TOOL: Tool = Tool {
    binary: "sparseimg",
    debian: Debian {
        test: &[
            "btrfs-progs",
            "e2fsprogs",
            "gcc",
            "librsync-dev",
            "patch",
            "python3-dev",
            "rdiff",
            "xfsprogs",
        ],
        demo: &["rdiff", "gcc", "librsync-dev", "python3-dev"],
        bench: &[
            "gcc",
            "librsync-dev",
            "python3-dev",
            "qemu-utils",
            "rdiff",
            "rsync",
        ],
    },
    python: &["rdiff-backup==2.2.7"],
    demo: Some(demo),
    bench: Some(bench::run),
    fuzz: &["signature", "delta", "increment"],
    ..Tool::named("sparse")
};

/// Length of the demo's disk: large enough for aligned blocks, mostly holes.
const DISK: u64 = (1 << 30) + (64 << 20);

/// Copies a device to a sparse image, makes deltas that rdiff applies, backs the image up with
/// rdiff-backup, and restores an old state straight onto a device full of other bytes.
fn demo(demo: &Demo) -> Result<()> {
    let sandbox = demo.sandbox();
    let path = |name: &str| sandbox.join(name);
    let device = demo.step(
        "make a loop device of 1 GiB with data in three places",
        || {
            sandbox.file("disk", "");
            write_disk(&path("disk"), 0)?;
            Ok(LoopDevice::over(path("disk")))
        },
    )?;
    sandbox.dir("src");
    let image = path("src/root.img");
    let copied = demo.step("copy the device to a sparse image", || {
        demo.tool([
            Path::new("copy"),
            Path::new("--verify"),
            device.path(),
            &image,
        ])
    })?;
    note(&copied);
    let signed = demo.step("sign it as rdiff does, and compare the signatures", || {
        let text = demo.tool([Path::new("sig"), &image, &path("ours")])?;
        let rdiff = ["-b", "131072", "signature"];
        shell::capture(
            Command::new("rdiff")
                .args(rdiff)
                .args([&image, &path("theirs")]),
        )?;
        shell::capture(Command::new("cmp").args([path("ours"), path("theirs")]))?;
        Ok(text)
    })?;
    note(&signed);
    let repository = path("repo");
    demo.step("back up with rdiff-backup", || {
        rdiff_backup(FIRST, &path("src"), &repository)
    })?;
    shell::capture(
        Command::new("cp")
            .args(["--sparse=always"])
            .args([&image, &path("first.img")]),
    )?;
    let delta = demo.step(
        "change the disk, and make a delta that rdiff applies",
        || {
            write_disk(&image, 1)?;
            let text = demo.tool([
                Path::new("delta"),
                Path::new("--basis"),
                &path("first.img"),
                &image,
                &path("delta"),
            ])?;
            shell::capture(Command::new("rdiff").arg("patch").args([
                path("first.img"),
                path("delta"),
                path("second.img"),
            ]))?;
            shell::capture(Command::new("cmp").args([&image, &path("second.img")]))?;
            Ok(text)
        },
    )?;
    note(&delta);
    demo.step("back up again: an increment", || {
        rdiff_backup(SECOND, &path("src"), &repository)
    })?;
    let listed = demo.tool([
        Path::new("restore"),
        Path::new("--list"),
        &repository.join("root.img"),
    ])?;
    note(&listed);
    let restored = demo.step(
        "restore the first state onto a device that holds the second",
        || {
            let target = LoopDevice::over(path("second.img"));
            let at = FIRST.to_string();
            let file = repository.join("root.img");
            let args = [
                Path::new("restore"),
                Path::new("--at"),
                Path::new(&at),
                &file,
                target.path(),
            ];
            let text = demo.tool(args)?;
            let verified = demo.tool([Path::new("verify"), &path("first.img"), target.path()])?;
            ensure!(verified.contains("are equal"), "{verified}");
            Ok(text)
        },
    )?;
    note(&restored);
    Ok(())
}

/// Times of the backups in seconds since 1970.
const FIRST: u32 = 1_772_326_800;
const SECOND: u32 = FIRST + 86_400;

fn rdiff_backup(now: u32, from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new(setup::python_tool("rdiff-backup")?);
    command.args([
        "--api-version",
        "201",
        "--current-time",
        &now.to_string(),
        "backup",
    ]);
    shell::capture(command.arg(from).arg(to)).map(drop)
}

/// Writes data into three places of a file of the demo's length; generation 1 changes one.
fn write_disk(path: &Path, generation: u64) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path)?;
    file.set_len(DISK)?;
    file.write_all_at(&noise(1, 1 << 20), 0)?;
    file.write_all_at(&noise(2 + generation, 2 << 20), 512 << 20)?;
    file.write_all_at(&noise(9, 100_000), DISK - 200_000)?;
    Ok(())
}
