//! `--mtime changed` across remounts, with a backup tool that goes by the mtime.

mod privileged {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::Duration;

    use nightshift_testkit::{Cmd, Output, any, has, needs, noise, wait_for};

    use crate::mounted::Mounted;
    use crate::source::{MIB, Source, write};

    const OPTIONS: [&str; 2] = ["--mtime", "changed"];

    fn mtime(mount: &Mounted, name: &str) -> i64 {
        mount.path(name).metadata().unwrap().mtime()
    }

    fn again(source: &Source, mount: Mounted) -> Mounted {
        Mounted::again(source.path(), &OPTIONS, mount.unmount())
    }

    /// A mount whose state proves that its files did not change: a file under a loop device that
    /// was written within the last tick of the clock proves nothing yet.
    fn settled(source: &Source, names: &[&str]) -> Mounted {
        let mount = Mounted::new(source.path(), &OPTIONS);
        wait_for(
            "the state proves something",
            Duration::from_secs(20),
            || {
                let before: Vec<_> = names.iter().map(|name| mtime(&mount, name)).collect();
                mount.refresh().assert(0, any(), any());
                before
                    .iter()
                    .zip(names)
                    .all(|(before, name)| *before == mtime(&mount, name))
            },
        );
        mount
    }

    #[test]
    #[ignore = "needs root"]
    fn only_a_changed_device_has_a_new_mtime_after_a_remount() {
        let source = Source::new();
        let _same = source.noisy("same", MIB);
        let written = source.noisy("written", MIB);
        let below = source.noisy("below", MIB);
        let names = ["same", "written", "below"];
        let mount = settled(&source, &names);
        let first = names.map(|name| mtime(&mount, name));
        fs::read(mount.path("same")).unwrap();
        let mount = again(&source, mount);
        assert_eq!(
            names.map(|name| mtime(&mount, name)),
            first,
            "reading changes nothing"
        );

        write(written.path(), 0, &[1; 512]);
        write(below.backing(), 0, &[1; 512]);
        let mount = again(&source, mount);
        let second = names.map(|name| mtime(&mount, name));
        assert_eq!(second[0], first[0]);
        assert!(second[1] > first[1], "written through the device");
        assert!(second[2] > first[2], "written below the device");
    }

    #[test]
    #[ignore = "needs root"]
    fn another_file_under_the_same_loop_name_is_a_change() {
        let attached = (0..20).any(|_| {
            let source = Source::new();
            let device = source.noisy("disk", MIB);
            let mount = settled(&source, &["disk"]);
            let before = mtime(&mount, "disk");
            let other = mount.sandbox().file("other", noise(5, 1 << 20));
            device.detach().unwrap();
            wait_for("it is detached", Duration::from_secs(20), || {
                !device.is_bound()
            });
            let attach = Cmd::new("losetup").arg(device.path()).arg(&other).run();
            if attach.ending() != 0.into() {
                return false; // another test was quicker to take the number
            }
            mount.refresh().assert(0, has("disk"), any());
            assert!(mtime(&mount, "disk") > before);
            assert!(fs::read(mount.path("disk")).unwrap() == noise(5, 1 << 20));
            drop(mount);
            Cmd::new("losetup")
                .arg("-d")
                .arg(device.path())
                .run()
                .success();
            true
        });
        assert!(attached, "the number was never free");
    }

    #[test]
    #[ignore = "needs root"]
    fn damaged_and_missing_state_count_as_changed_and_are_reported() {
        let source = Source::new();
        let _disk = source.noisy("disk", MIB);
        let mount = settled(&source, &["disk"]);
        let first = mtime(&mount, "disk");
        let sandbox = mount.unmount();
        // A later second, so that even without the state the mtime is another one.
        wait_for("the next second", Duration::from_secs(20), || {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
            now > u64::try_from(first).unwrap()
        });
        let text = sandbox.read("state.json");
        sandbox.file("state.json", &text[..text.len() / 2]);
        let output = mount_in(&source, &sandbox).assert(0, "", has("state.json:"));
        assert!(
            output.stderr_text().contains("counts as changed"),
            "{output}"
        );
        let state = String::from_utf8(sandbox.read("state.json")).unwrap();
        assert!(!state.contains(&format!("\"mtime\": {first}\n")), "{state}");
        assert!(sandbox.join("state.json.damaged").exists());
        unmount(&sandbox.join("mnt"));

        fs::remove_file(sandbox.join("state.json")).unwrap();
        mount_in(&source, &sandbox).assert(0, "", any());
        unmount(&sandbox.join("mnt"));
    }

    fn mount_in(source: &Source, sandbox: &nightshift_testkit::Sandbox) -> Output {
        crate::mounted::blockfuse(["mount", "--mtime", "changed", "--state"])
            .arg(sandbox.join("state.json"))
            .args([source.path(), &sandbox.join("mnt")])
            .run()
    }

    fn unmount(mountpoint: &Path) {
        crate::mounted::blockfuse(["umount"])
            .arg(mountpoint)
            .run()
            .success();
    }

    #[test]
    #[ignore = "needs root"]
    fn rdiff_backup_reads_only_what_changed_across_remounts() {
        let rdiff_backup = needs::python_tool("rdiff-backup");
        let source = Source::new();
        let _same = source.noisy("same", 2 * MIB);
        let written = source.noisy("written", 2 * MIB);
        let mount = settled(&source, &["same", "written"]);
        let mirror = mount.sandbox().join("mirror");
        let backup = |mount: &Mounted| {
            Cmd::new(&rdiff_backup)
                .args(["--api-version", "201", "backup", "--print-statistics"])
                .arg(mount.path(""))
                .arg(&mirror)
                .run()
                .assert(0, any(), any())
                .stdout_text()
        };
        let changed = |statistics: &str| {
            let line = statistics
                .lines()
                .find(|line| line.starts_with("ChangedFiles"));
            line.unwrap()
                .split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u32>()
                .unwrap()
        };
        backup(&mount);
        let mount = next_second(&source, mount);
        assert_eq!(
            changed(&backup(&mount)),
            0,
            "nothing changed, nothing is read"
        );

        write(written.path(), MIB, &noise(7, 4096));
        let mount = next_second(&source, mount);
        // rdiff-backup counts the directory as changed when something in it is.
        assert!((1..=2).contains(&changed(&backup(&mount))));
        let kept = fs::read(mirror.join("written")).unwrap();
        assert!(kept == fs::read(written.path()).unwrap());
    }

    /// Remounts in a later second: rdiff-backup names its increments by the second.
    fn next_second(source: &Source, mount: Mounted) -> Mounted {
        let second = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let last = second();
        wait_for("the next second", Duration::from_secs(20), || {
            second() > last
        });
        again(source, mount)
    }
}
