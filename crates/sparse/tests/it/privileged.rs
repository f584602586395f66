//! Tests with loop devices, mounts, swap areas and file attributes.

use crate::support::{noise, reference, run, sparse_file, sparseimg};
use nightshift_testkit::{Cmd, LoopDevice, MountGuard, Sandbox, any, has, has_all, needs};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A device on which every byte is 0xFF, so that skipped zeros show.
fn dirty_device(len: usize) -> LoopDevice {
    needs::root();
    LoopDevice::of_content(&vec![0xff; len])
}

#[track_caller]
fn assert_begins(device: &LoopDevice, content: &[u8]) {
    let file = File::open(device.path()).unwrap();
    let mut found = vec![0; content.len()];
    file.read_exact_at(&mut found, 0).unwrap();
    let wrong = found.iter().zip(content).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "first difference");
}

/// Data, long and short zeros, an odd end.
fn image() -> Vec<u8> {
    let mut image = vec![0; 6 << 20];
    image[..10_000].fill(1);
    image[50_000..60_000].fill(2);
    image[(3 << 20) + 5..(3 << 20) + 100_000].fill(3);
    image.extend([0; 1000]);
    image.extend([4; 536]);
    image
}

#[test]
#[ignore = "needs root"]
fn zeros_really_get_onto_a_device() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("dense", image());
    run(&sandbox, "copy dense sparse").success();
    for source in ["dense", "sparse"] {
        for how in ["zeroout", "discard"] {
            for jobs in ["1", "8"] {
                let device = dirty_device(8 << 20);
                sparseimg(["-j", jobs, "copy", source, "--verify", "--target-zero", how])
                    .arg(device.path())
                    .cwd(sandbox.path())
                    .run()
                    .success();
                assert_begins(&device, &image());
                let mut rest = vec![0; 1 << 20];
                File::open(device.path())
                    .unwrap()
                    .read_exact_at(&mut rest, 7 << 20)
                    .unwrap();
                assert!(
                    rest.iter().all(|byte| *byte == 0xff),
                    "nothing past the image is touched"
                );
            }
        }
    }
}

#[test]
#[ignore = "needs root"]
fn zeros_are_skipped_only_when_the_device_is_said_to_have_them() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("a", image());
    let device = dirty_device(8 << 20);
    sparseimg(["copy", "a", "--assume-zeroed", "--verify"])
        .arg(device.path())
        .cwd(sandbox.path())
        .run()
        .assert(1, any(), has("differ"));
}

/// Past the page cache on both sides, from a device and onto one.
#[test]
#[ignore = "needs root"]
fn direct_copies_between_devices_are_exact() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("image", image());
    let source = dirty_device(8 << 20);
    let copy = |from: &Path, to: &Path| {
        sparseimg(["copy", "--direct", "yes", "--verify"])
            .args([from, to])
            .cwd(sandbox.path())
            .run()
            .success();
    };
    copy(Path::new("image"), source.path());
    assert_begins(&source, &image());
    let target = dirty_device(8 << 20);
    copy(source.path(), target.path());
    let mut expected = image();
    expected.resize(8 << 20, 0xff);
    assert_begins(&target, &expected);
}

#[test]
#[ignore = "needs root"]
fn patch_and_device_sources_work_on_devices() {
    let sandbox = Sandbox::in_memory();
    let mut old = image();
    old[2_000_000..2_100_000].fill(9);
    sandbox.file("old", &old);
    sandbox.file("new", image());
    run(&sandbox, "delta --basis old new delta").success();
    let device = dirty_device(8 << 20);
    sparseimg(["patch", "old", "delta"])
        .arg(device.path())
        .cwd(sandbox.path())
        .run()
        .success();
    assert_begins(&device, &image());
    sparseimg(["verify", "new"])
        .arg(device.path())
        .cwd(sandbox.path())
        .run()
        .assert(
            0,
            has("the device has 8388608, the rest was not looked at"),
            "",
        );
    sparseimg(["copy".as_ref(), device.path(), "back".as_ref()])
        .cwd(sandbox.path())
        .run()
        .success();
    assert_eq!(sandbox.read("back").len(), 8 << 20);
    reference(
        &sandbox,
        &format!(
            "rdiff -b 131072 signature {} theirs",
            device.path().display()
        ),
    );
    run(
        &sandbox,
        &format!("sig -b 128K {} ours", device.path().display()),
    )
    .success();
    assert_eq!(sandbox.read("ours"), sandbox.read("theirs"));
}

#[test]
#[ignore = "needs root"]
fn every_generation_restores_onto_a_device() {
    let sandbox = Sandbox::new();
    let mut content = vec![image()];
    content.push({
        let mut next = image();
        next[4 << 20..5 << 20].fill(8);
        next
    });
    content.push(image()[..3 << 20].to_vec());
    for (day, state) in (0..).zip(&content) {
        let now: u64 = 1_772_326_800 + day * 86_400;
        crate::support::date(&sandbox.file("src/disk", state), now);
        let now = now.to_string();
        let args = [
            "--api-version",
            "201",
            "--current-time",
            &now,
            "backup",
            "src",
            "repo",
        ];
        crate::support::rdiff_backup(&sandbox, args)
            .run()
            .assert(0, any(), any());
    }
    for (back, state) in content.iter().rev().enumerate() {
        let device = dirty_device(8 << 20);
        sparseimg(["restore", "repo/disk", "--at", &format!("{back}B")])
            .arg(device.path())
            .cwd(sandbox.path())
            .run()
            .assert(0, has("checksum right"), "");
        assert_begins(&device, state);
    }
}

#[test]
#[ignore = "needs root"]
fn unsuitable_devices_are_refused_before_the_first_write() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("a", image());
    let small = dirty_device(1 << 20);
    let copy = |device: &LoopDevice, flags: &[&str]| {
        sparseimg(["copy", "a"])
            .arg(device.path())
            .args(flags)
            .cwd(sandbox.path())
            .run()
    };
    copy(&small, &[]).assert(3, "", has("do not fit, the device has 1048576"));
    assert_begins(&small, &vec![0xff; 1 << 20]);
    // A delta does not say how long its output is; it ends where the device ends.
    sandbox.file("old", "");
    run(&sandbox, "delta --basis old a delta").success();
    let patch = sparseimg(["patch", "old", "delta"])
        .arg(small.path())
        .cwd(sandbox.path())
        .run();
    patch.assert(3, "", has_all(["1048576", "partly written"]));

    sandbox.file("backing", vec![0xff; 8 << 20]);
    let read_only = LoopDevice::options()
        .read_only()
        .over(sandbox.join("backing"))
        .unwrap();
    copy(&read_only, &[]).assert(3, "", has("read-only"));

    let device = dirty_device(16 << 20);
    Cmd::new("mkfs.ext4")
        .arg("-q")
        .arg(device.path())
        .run()
        .success();
    let mount = MountGuard::mount("ext4", device.path(), sandbox.dir("mnt"), "");
    copy(&device, &[]).assert(75, "", has_all(["in use", "hint: --force-device"]));
    mount.unmount();
    copy(&device, &[]).success();
    assert_begins(&device, &image());
}

#[test]
#[ignore = "needs root"]
fn a_device_is_not_copied_onto_itself_under_another_name() {
    let sandbox = Sandbox::in_memory();
    let device = dirty_device(1 << 20);
    let alias = sandbox.symlink(device.path(), "alias");
    sparseimg(["copy".as_ref(), device.path(), alias.as_path()])
        .run()
        .assert(2, "", has("input as well as the output"));
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_leaves_the_old_target_and_no_debris() {
    let sandbox = Sandbox::new();
    needs::root();
    let _mount = MountGuard::mount("tmpfs", "none", sandbox.dir("mnt"), "size=16m");
    sandbox.file("mnt/old", "old");
    sandbox.file("a", noise(1, 32 << 20));
    for line in ["copy a mnt/old", "copy --json a mnt/old"] {
        run(&sandbox, line).assert(
            3,
            any(),
            has_all(["cannot write mnt/old at offset", "No space"]),
        );
        assert_eq!(sandbox.read("mnt/old"), b"old");
        assert_eq!(std::fs::read_dir(sandbox.join("mnt")).unwrap().count(), 1);
    }
    run(&sandbox, "copy --json a mnt/old").assert(3, has("\"kind\":\"no-space\""), any());
    sandbox.file("empty", "");
    run(&sandbox, "delta --basis empty a whole").success();
    for line in [
        "delta --basis empty a mnt/delta",
        "patch empty whole mnt/old",
        "-q sig -b 32 a mnt/sig",
        "restore repo/a mnt/old",
    ] {
        if line.starts_with("restore") {
            sandbox.dir("src");
            std::fs::rename(sandbox.join("a"), sandbox.join("src/a")).unwrap();
            crate::support::rdiff_backup(&sandbox, ["backup", "src", "repo"])
                .run()
                .assert(0, any(), any());
        }
        run(&sandbox, line).assert(3, "", has("No space"));
        assert_eq!(sandbox.read("mnt/old"), b"old", "{line}");
        let left = std::fs::read_dir(sandbox.join("mnt")).unwrap().count();
        assert_eq!(left, 1, "{line}");
    }
}

#[test]
#[ignore = "needs root"]
fn a_read_error_in_the_middle_has_an_offset_and_can_be_passed_over() {
    let sandbox = Sandbox::new();
    needs::root();
    // A device whose backing file has shrunk gives EIO past the new end.
    let backing = sandbox.file("backing", noise(1, 4 << 20));
    let device = LoopDevice::over(&backing);
    File::options()
        .write(true)
        .open(&backing)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let copy = |flags: &[&str]| {
        sparseimg(["copy", "--direct", "yes"])
            .arg(device.path())
            .arg("out")
            .args(flags)
            .cwd(sandbox.path())
            .run()
    };
    copy(&[]).assert(
        3,
        "",
        has_all(["cannot read", "at offset 1048576", "Input/output error"]),
    );
    assert!(!sandbox.join("out").exists());
    copy(&["--keep-going"]).assert(1, any(), has("3145728"));
    let expected = [noise(1, 4 << 20)[..1 << 20].to_vec(), vec![0; 3 << 20]].concat();
    assert!(sandbox.read("out") == expected);
}

#[test]
#[ignore = "needs root"]
fn what_must_not_be_dug_is_refused() {
    let sandbox = Sandbox::new();
    needs::root();
    let dig = |name: &str, flags: &str| run(&sandbox, &format!("dig {flags} {name}"));

    let backing = sandbox.file("backing", vec![0; 1 << 20]);
    let device = LoopDevice::over(&backing);
    dig("backing", "").assert(75, "", has("loop device"));
    drop(device);

    sandbox.file("fixed", vec![0; 1 << 20]);
    Cmd::new("chattr")
        .arg("+i")
        .arg(sandbox.join("fixed"))
        .run()
        .success();
    dig("fixed", "").assert(3, "", has("immutable"));
    dig("fixed", "--force").assert(3, "", has("immutable"));
    Cmd::new("chattr")
        .arg("-i")
        .arg(sandbox.join("fixed"))
        .run()
        .success();

    let swap = sandbox.file("swap", vec![0; 1 << 20]);
    Cmd::new("chmod").arg("600").arg(&swap).run().success();
    Cmd::new("mkswap").arg(&swap).run().assert(0, any(), any());
    let _guard = SwapOff(&swap);
    Cmd::new("swapon").arg(&swap).run().assert(0, any(), any());
    dig("swap", "--force").assert(3, "", has("swap"));
}

/// Switches a swap file off again, also after a panic.
struct SwapOff<'a>(&'a Path);

impl Drop for SwapOff<'_> {
    fn drop(&mut self) {
        Cmd::new("swapoff").arg(self.0).run();
    }
}

#[test]
#[ignore = "needs root"]
fn owner_and_extended_attributes_are_kept() {
    let sandbox = Sandbox::new();
    needs::root();
    let a = sandbox.file("a", noise(1, 5000));
    std::os::unix::fs::chown(&a, Some(12_345), Some(23_456)).unwrap();
    rustix::fs::setxattr(&a, "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
    run(&sandbox, "copy a b").success();
    let found = sandbox.join("b").metadata().unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&found), 12_345);
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&found), 23_456);
    let mut value = [0; 16];
    let len = rustix::fs::getxattr(sandbox.join("b"), "user.note", &mut value).unwrap();
    assert_eq!(&value[..len], b"kept");
}

#[test]
#[ignore = "needs root"]
fn sparse_files_of_other_file_systems_keep_their_holes() {
    needs::root();
    for (kind, package) in [
        ("ext4", "e2fsprogs"),
        ("xfs", "xfsprogs"),
        ("btrfs", "btrfs-progs"),
    ] {
        let sandbox = Sandbox::new();
        let device = LoopDevice::of_size(400 << 20);
        let mkfs = needs::command(&format!("mkfs.{kind}"), package);
        Cmd::new(mkfs)
            .arg("-q")
            .arg(device.path())
            .run()
            .assert(0, any(), any());
        let _mount = MountGuard::mount(kind, device.path(), sandbox.dir("mnt"), "");
        sparse_file(
            &sandbox.join("mnt/a"),
            1 << 30,
            &[(500 << 20, &noise(1, 100_000))],
        );
        run(&sandbox, "copy mnt/a mnt/b --verify").success();
        run(&sandbox, "copy mnt/a mnt/c --reflink auto --verify").success();
        for name in ["mnt/b", "mnt/c"] {
            let allocated = crate::support::allocated(&sandbox.join(name));
            assert!(allocated < 200_000, "{kind}, {name}: {allocated}");
        }
    }
}
