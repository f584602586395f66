//! LVM and device-mapper, in the test machine. Its kernel is 6.1, without FUSE passthrough, so
//! all of this runs on the copy engine.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use nightshift_testkit::{Cmd, Sandbox, any, has, has_all, needs, noise, wait_for};

use crate::mounted::{Mounted, blockfuse};
use crate::volumes::{Group, content, dmsetup, write};

const MIB: u64 = 1 << 20;
const MAPPER: &str = "/dev/mapper";

fn ext4(device: &Path) {
    Cmd::new("/sbin/mkfs.ext4")
        .arg("-q")
        .arg(device)
        .run()
        .success();
}

/// Seeks as `lseek(2)` does; `None` for ENXIO.
fn seek(file: &File, to: rustix::fs::SeekFrom) -> Option<u64> {
    match rustix::fs::seek(file, to) {
        Ok(position) => Some(position),
        Err(rustix::io::Errno::NXIO) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
#[ignore = "needs the test VM"]
fn a_snapshot_is_backed_up_removed_and_restored_while_the_mount_stays() {
    let rdiff_backup = needs::python_tool("rdiff-backup");
    let group = Group::new("vgBoot");
    let origin = group.volume("root", "24M");
    ext4(&origin);
    let before = content(&origin);
    let snapshot = group.mapped("_snap-asterisk");
    group.snapshot("root", "_snap-asterisk", "20M");

    let mount = Mounted::new(Path::new(MAPPER), &[]);
    assert_eq!(snapshot, "vgBoot-_snap--asterisk");
    let file = mount.path(&snapshot);
    let meta = file.metadata().unwrap();
    assert!(meta.is_file());
    assert_eq!((meta.len(), meta.mode() & 0o7777), (24 * MIB, 0o400));
    assert_eq!(
        mount
            .path(format!("{snapshot}-cow"))
            .metadata()
            .unwrap()
            .len(),
        20 * MIB
    );
    assert!(
        !mount.path("control").exists(),
        "device-mapper's own node is no block device"
    );

    // The origin goes on living; the snapshot, and its file, stand still.
    write(&origin, 8 * MIB, &noise(1, 4 << 20));
    assert!(content(&origin) != before);
    assert!(
        content(&file) == before,
        "the file is the origin at the time of the snapshot"
    );

    let mirror = mount.sandbox().join("mirror");
    let pattern = mount.path("*_snap*");
    Cmd::new(&rdiff_backup)
        .args(["--api-version", "201", "backup", "--include"])
        .arg(pattern)
        .args(["--exclude", "**"])
        .arg(mount.path(""))
        .arg(&mirror)
        .run()
        .assert(0, any(), any());
    assert!(content(&mirror.join(&snapshot)) == before);

    // Idle, so nothing holds it, though it is still exported.
    group.remove("_snap-asterisk").assert(0, any(), any());
    let error = File::open(&file).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{error}");

    Cmd::new("/bin/dd")
        .arg(format!("if={}", mirror.join(&snapshot).display()))
        .arg(format!("of={}", origin.display()))
        .args(["bs=1M", "conv=fsync"])
        .run()
        .assert(0, any(), any());
    assert!(content(&origin) == before);
    Cmd::new("/sbin/fsck.ext4")
        .args(["-f", "-n"])
        .arg(&origin)
        .run()
        .assert(0, any(), any());
    mount.unmount();
}

/// The script that is installed beside the documentation, its values at the top changed.
#[test]
#[ignore = "needs the test VM"]
fn the_cron_script_backs_up_in_silence_and_cleans_up_after_a_failure() {
    let rdiff_backup = needs::python_tool("rdiff-backup");
    let group = Group::new("vgcron");
    let home = group.volume("home", "16M");
    let mail = group.volume("mail", "16M");
    write(&home, 0, &noise(1, 16 << 20));
    let sandbox = Sandbox::in_memory();
    let (mountpoint, backup) = (sandbox.join("mnt"), sandbox.join("backup"));
    let mut script = include_str!("../../dist/cron").to_owned();
    for (name, value) in [
        ("group", "vgcron"),
        ("room", "8M"),
        ("mountpoint", mountpoint.to_str().unwrap()),
        ("backup", backup.to_str().unwrap()),
    ] {
        let start = script.find(&format!("\n{name}=")).unwrap() + 1;
        let end = start + script[start..].find('\n').unwrap();
        script.replace_range(start..end, &format!("{name}={value}"));
    }
    let script = sandbox.file("cron", script);
    let own = Path::new(env!("CARGO_BIN_EXE_blockfuse")).parent().unwrap();
    let path = [own, rdiff_backup.parent().unwrap()].map(|dir| dir.display().to_string());
    let run = || {
        group
            .program("/bin/sh")
            .arg(&script)
            .env(
                "PATH",
                format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", path.join(":")),
            )
            .run()
    };
    let clean = || {
        let nodes = fs::read_dir(MAPPER).unwrap().flatten();
        let left: Vec<_> = nodes
            .map(|node| node.file_name())
            .filter(|name| name.to_string_lossy().contains("snap"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains("fuse.blockfuse"), "{mounts}");
    };
    let saved = |name: &str| backup.join(group.mapped(&format!("_snap-{name}")));

    run().assert(0, "", "");
    clean();
    assert!(content(&saved("home")) == content(&home));

    write(&mail, MIB, &noise(2, 4 << 20));
    // rdiff-backup keeps one state a second.
    let first = std::time::Instant::now();
    wait_for("the next second", Duration::from_secs(5), || {
        first.elapsed() > Duration::from_secs(1)
    });
    run().assert(0, "", "");
    clean();
    assert!(content(&saved("mail")) == content(&mail));

    fs::rename(&backup, sandbox.join("moved")).unwrap();
    sandbox.file("backup", "in the way");
    let failed = run();
    assert_ne!(failed.ending(), 0.into());
    assert!(!failed.stderr_text().is_empty() || !failed.stdout_text().is_empty());
    clean();
}

#[test]
#[ignore = "needs the test VM"]
fn a_volume_cannot_be_removed_while_its_file_is_open_and_can_afterwards() {
    let group = Group::new("vgopen");
    group.volume("data", "8M");
    let mount = Mounted::new(Path::new(MAPPER), &[]);
    let open = File::open(mount.path("vgopen-data")).unwrap();
    let mut byte = [0];
    open.read_exact_at(&mut byte, 0).unwrap();
    group.remove("data").assert(5, any(), has("in use"));
    drop(open);
    // The release comes after close(2) has returned.
    wait_for("the volume can be removed", Duration::from_secs(20), || {
        group.remove("data").ending() == 0.into()
    });
}

#[test]
#[ignore = "needs the test VM"]
fn a_snapshot_renewed_under_its_name_is_another_file_after_refresh() {
    let group = Group::new("vgrenew");
    let origin = group.volume("root", "8M");
    write(&origin, 0, &noise(1, 8 << 20));
    group.snapshot("root", "snap", "4M");
    let mount = Mounted::new(Path::new(MAPPER), &["--mtime", "changed"]);
    let file = mount.path("vgrenew-snap");
    let first = file.metadata().unwrap();
    let old = content(&file);

    group.remove("snap").assert(0, any(), any());
    write(&origin, MIB, &noise(2, 1 << 20));
    group.snapshot("root", "snap", "4M");
    mount.refresh().assert(0, has("vgrenew-snap"), any());
    let second = file.metadata().unwrap();
    assert_ne!(second.ino(), first.ino());
    assert!(second.mtime() > first.mtime());
    assert!(content(&file) != old);
    assert!(content(&file) == content(&origin));
}

#[test]
#[ignore = "needs the test VM"]
fn an_overflown_snapshot_is_an_io_error_and_status_names_it() {
    let group = Group::new("vgfull");
    let origin = group.volume("root", "16M");
    let mount = {
        group.snapshot("root", "snap", "4M");
        Mounted::new(Path::new(MAPPER), &[])
    };
    write(&origin, 0, &noise(1, 12 << 20));
    assert!(dmsetup(["status", "vgfull-snap"]).contains("Invalid"));
    let file = File::open(mount.path("vgfull-snap")).unwrap();
    let error = file.read_at(&mut [0; 4096], 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EIO));
    assert_eq!(
        file.metadata().unwrap().len(),
        16 * MIB,
        "no silent truncation"
    );
    blockfuse(["status"]).arg(mount.path("")).run().assert(
        1,
        has_all(["vgfull-snap", "overflowed and is invalid"]),
        any(),
    );
    assert!(
        content(&mount.path("vgfull-root")) == content(&origin),
        "the daemon lives on"
    );
}

#[test]
#[ignore = "needs the test VM"]
fn a_thin_volume_is_mapped_and_its_metadata_snapshot_given_back() {
    needs::command("thin_dump", "thin-provisioning-tools");
    let group = Group::new("vgthin");
    let thin = group.thin("pool", "thin");
    write(&thin, 10 * MIB, &noise(1, 4 << 20));
    write(&thin, 99 * MIB, &noise(2, 65536));
    let expected = "0 10485760 zero\n\
                    10485760 4194304 data\n\
                    14680064 89128960 zero\n\
                    103809024 65536 data\n\
                    103874560 983040 zero\n";
    let map = || blockfuse(["map", "--format", "borg"]).arg(&thin).run();
    map().assert(0, expected, "");
    // Not synced: the map flushes first.
    File::options()
        .write(true)
        .open(&thin)
        .unwrap()
        .write_all_at(&[7; 512], 0)
        .unwrap();
    map().assert(0, has("0 65536 data\n65536 10420224 zero\n"), "");
    let held = || {
        let status = dmsetup(["status", "vgthin-pool-tpool"]);
        status.split_whitespace().nth(6).unwrap().to_owned()
    };
    assert_eq!(held(), "-", "no metadata snapshot is left");

    // While somebody else holds one, theirs would be too old to trust.
    dmsetup(["message", "vgthin-pool-tpool", "0", "reserve_metadata_snap"]);
    map().assert(0, "0 104857600 data\n", has("no holes known"));
    assert_ne!(held(), "-", "theirs is left alone");
    dmsetup(["message", "vgthin-pool-tpool", "0", "release_metadata_snap"]);
}

#[test]
#[ignore = "needs the test VM"]
fn holes_of_a_read_only_thin_snapshot_are_seen_through_the_mount() {
    let group = Group::new("vgthinro");
    let thin = group.thin("pool", "thin");
    write(&thin, 10 * MIB, &noise(1, 4 << 20));
    group.thin_snapshot("thin", "fixed", "r");
    group.thin_snapshot("thin", "live", "rw");
    let mount = Mounted::new(Path::new(MAPPER), &[]);
    let data = |name: &str, from| {
        let file = File::open(mount.path(name)).unwrap();
        seek(&file, rustix::fs::SeekFrom::Data(from))
    };
    assert_eq!(data("vgthinro-fixed", 0), Some(10 * MIB));
    assert_eq!(data("vgthinro-fixed", 14 * MIB), None);
    assert_eq!(
        data("vgthinro-live", 0),
        Some(0),
        "it can be written, so nothing is sure"
    );
    let mut bytes = vec![0; 4 << 20];
    let file = File::open(mount.path("vgthinro-fixed")).unwrap();
    file.read_exact_at(&mut bytes, 10 * MIB).unwrap();
    assert!(bytes == noise(1, 4 << 20));
    let status = dmsetup(["status", "vgthinro-pool-tpool"]);
    assert_eq!(status.split_whitespace().nth(6), Some("-"), "{status}");
}

#[test]
#[ignore = "needs the test VM"]
fn a_bad_block_is_an_io_error_for_exactly_its_page() {
    let group = Group::new("vgbad");
    let good = group.volume("good", "16M");
    let expected = noise(1, 16 << 20);
    write(&good, 0, &expected);
    let bad = 5 * MIB + 12288;
    let sectors = |bytes: u64| bytes / 512;
    let table = format!(
        "0 {0} linear {good} 0\n{0} 8 error\n{1} {2} linear {good} {1}\n",
        sectors(bad),
        sectors(bad) + 8,
        sectors(16 * MIB) - sectors(bad) - 8,
        good = good.display(),
    );
    Cmd::new("/sbin/dmsetup")
        .args(["create", "bad"])
        .env("DM_DISABLE_UDEV", "1")
        .stdin(table)
        .run()
        .success();
    let mount = Mounted::new(Path::new(MAPPER), &[]);
    let file = File::open(mount.path("bad")).unwrap();
    for block in [4096, 128 << 10, 1 << 20] {
        let mut failed = Vec::new();
        let mut buffer = vec![0; block];
        let mut position = 0;
        while position < 16 * MIB {
            match file.read_at(&mut buffer, position) {
                Ok(len @ 1..) => {
                    let at = usize::try_from(position).unwrap();
                    assert!(buffer[..len] == expected[at..at + len], "at {position}");
                    position += len as u64;
                }
                Ok(_) => panic!("end of file at {position}, blocks of {block}"),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EIO), "at {position}");
                    failed.push(position);
                    position = position / 4096 * 4096 + 4096;
                }
            }
        }
        assert_eq!(failed, [bad], "blocks of {block}");
        assert_eq!(file.metadata().unwrap().len(), 16 * MIB);
    }
    drop(file);
    drop(mount);
    dmsetup(["remove", "--retry", "bad"]);
}

#[test]
#[ignore = "needs the test VM"]
fn volumes_that_come_go_and_grow_are_seen_by_themselves() {
    let group = Group::new("vgwatch");
    let mount = Mounted::new(Path::new(MAPPER), &["--watch"]);
    let limit = Duration::from_secs(20);
    let file = mount.path("vgwatch-late");
    assert!(!file.exists());
    group.volume("late", "8M");
    wait_for("the new volume appears", limit, || file.exists());
    assert_eq!(content(&file).len() as u64, 8 * MIB);
    group.extend("late", "12M");
    wait_for("it grows", limit, || {
        file.metadata().is_ok_and(|meta| meta.len() == 12 * MIB)
    });
    assert_eq!(content(&file).len() as u64, 12 * MIB);
    group.remove("late").assert(0, any(), any());
    wait_for("it is gone", limit, || !file.exists());
}

#[test]
#[ignore = "needs the test VM"]
fn a_volume_keeps_its_mtime_over_remounts_until_it_changes() {
    let group = Group::new("vgtime");
    let origin = group.volume("root", "8M");
    write(&origin, 0, &noise(1, 8 << 20));
    group.snapshot("root", "snap", "8M");
    let mount = Mounted::new(Path::new(MAPPER), &["--mtime", "changed"]);
    let mtime = |mount: &Mounted, name: &str| {
        mount
            .path(format!("vgtime-{name}"))
            .metadata()
            .unwrap()
            .mtime()
    };
    let first = (mtime(&mount, "root"), mtime(&mount, "snap"));
    content(&mount.path("vgtime-snap"));

    let again = |mount: Mounted| {
        Mounted::again(Path::new(MAPPER), &["--mtime", "changed"], mount.unmount())
    };
    let mount = again(mount);
    assert_eq!(
        (mtime(&mount, "root"), mtime(&mount, "snap")),
        first,
        "nothing happened"
    );

    write(&origin, 0, &noise(2, 1 << 20));
    let mount = again(mount);
    let second = mtime(&mount, "root");
    assert!(second > first.0, "written");
    assert_eq!(mtime(&mount, "snap"), first.1, "a snapshot stands still");

    // Merging brings back the old bytes without a write to the origin's own device.
    group.merge("snap");
    let mount = again(mount);
    assert!(mtime(&mount, "root") > second, "merged");
    assert!(content(&mount.path("vgtime-root")) == noise(1, 8 << 20));
}

#[test]
#[ignore = "needs the test VM"]
fn suspended_and_empty_volumes_hold_nothing_up() {
    let group = Group::new("vgodd");
    group.volume("asleep", "8M");
    group.volume("awake", "8M");
    dmsetup(["create", "--notable", "tableless"]);
    // Without udev dmsetup makes no node before there is a table.
    let node = Path::new(MAPPER).join("tableless");
    let numbers = dmsetup([
        "info",
        "--columns",
        "--noheadings",
        "--separator",
        " ",
        "-o",
        "major,minor",
        "tableless",
    ]);
    if !node.exists() {
        Cmd::new("mknod")
            .arg(&node)
            .arg("b")
            .args(numbers.split_whitespace())
            .run()
            .success();
    }
    dmsetup(["suspend", "vgodd-asleep"]);
    let mount = Mounted::new(Path::new(MAPPER), &["--mtime", "changed"]);
    assert!(!mount.path("tableless").exists());
    blockfuse(["list", MAPPER])
        .run()
        // The kernel makes the disk when the table comes: before that there is only the node.
        .assert(0, has("left out: no such device"), any());
    assert_eq!(content(&mount.path("vgodd-awake")).len() as u64, 8 * MIB);
    let error = File::open(mount.path("vgodd-asleep")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY), "{error}");
    dmsetup(["resume", "vgodd-asleep"]);
    let mut file = File::open(mount.path("vgodd-asleep")).unwrap();
    assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), 8 * MIB);
    fs::read(mount.path("vgodd-asleep")).unwrap();
    drop(file);
    mount.unmount();
    dmsetup(["remove", "tableless"]);
    if node.exists() {
        fs::remove_file(node).unwrap();
    }
}
