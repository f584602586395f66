//! The whole job with rdiff-backup: two devices, two states, both restored; and the trap of the
//! original, that nothing is seen without a refresh.

mod privileged {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::Duration;

    use nightshift_testkit::{
        Cmd, LoopDevice, MountGuard, Output, Sandbox, Signal, needs, noise, wait_for,
    };

    use crate::mounted::Mounted;
    use crate::source::{MIB, Source};

    /// Runs rdiff-backup as if it were `day` days after a fixed moment: it wants each backup in a
    /// second of its own, and naming them is better than waiting for the clock.
    fn rdiff_backup(day: u64, words: &[&str], from: &Path, to: &Path) -> Output {
        let now = (1_700_000_000 + day * 86_400).to_string();
        Cmd::new(needs::python_tool("rdiff-backup"))
            .args(["--api-version", "201", "--current-time", &now])
            .args(words)
            .args([from, to])
            .timeout(Duration::from_mins(3))
            .run()
            .success()
    }

    /// How many files a backup found changed, as rdiff-backup's statistics say.
    fn changed_files(repository: &Path) -> u64 {
        let data = repository.join("rdiff-backup-data");
        let newest = fs::read_dir(data)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("session_stat")
            })
            .max()
            .unwrap();
        let text = fs::read_to_string(newest).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("ChangedFiles "))
            .unwrap();
        line.split_ascii_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }

    fn write_inside(device: &LoopDevice, place: &Sandbox, content: &[u8]) {
        let mount = MountGuard::mount("ext4", device.path(), place.dir("inside"), "");
        place.file("inside/letter", content);
        // Another test's child may hold our descriptors between its fork and its exec.
        wait_for(
            "the file system is unmounted",
            Duration::from_secs(20),
            || rustix::mount::unmount(mount.path(), rustix::mount::UnmountFlags::empty()).is_ok(),
        );
    }

    fn sums(dir: &Path, names: &[&str]) -> Vec<String> {
        let sum = |name: &&str| {
            let text = Cmd::new("sha256sum")
                .arg(dir.join(name))
                .run()
                .success()
                .stdout_text();
            text.split_ascii_whitespace().next().unwrap().to_owned()
        };
        names.iter().map(sum).collect()
    }

    #[test]
    #[ignore = "needs root"]
    fn two_states_of_two_disks_come_back_and_without_a_refresh_nothing_is_seen() {
        const NAMES: &[&str] = &["vg-_snap--home", "vg-_snap--mail"];
        let source = Source::new();
        let place = Sandbox::new();
        let disks: Vec<_> = NAMES
            .iter()
            .map(|name| {
                let device = LoopDevice::of_size(16 * MIB);
                source.link(name, &device);
                Cmd::new("/sbin/mkfs.ext4")
                    .arg("-q")
                    .arg(device.path())
                    .run()
                    .success();
                write_inside(&device, &place, &noise(3, 1 << 20));
                device
            })
            .collect();
        let mount = Mounted::new(source.path(), &[]);
        let (files, repository) = (mount.path(""), place.join("repository"));
        rdiff_backup(1, &["backup"], &files, &repository);
        let first = sums(&files, NAMES);
        // The times of the mount arrive in the mirror.
        for name in NAMES {
            let mirrored = fs::metadata(repository.join(name)).unwrap().mtime();
            assert_eq!(mirrored, fs::metadata(mount.path(name)).unwrap().mtime());
        }

        write_inside(&disks[1], &place, b"another letter");
        rdiff_backup(2, &["backup"], &files, &repository);
        // The trap that the manual warns of: same size, same time, so nothing is looked at. The
        // file's own content did change.
        assert_eq!(changed_files(&repository), 0);
        let second = sums(&files, NAMES);
        assert_eq!(first[0], second[0]);
        assert_ne!(first[1], second[1]);
        assert_eq!(sums(&repository, NAMES), first, "the mirror is stale");

        mount.refresh().success();
        rdiff_backup(3, &["backup"], &files, &repository);
        assert!(changed_files(&repository) >= 2);
        assert_eq!(sums(&repository, NAMES), second);

        write_inside(&disks[0], &place, b"a third letter");
        let pid = i32::try_from(mount.status()["pid"].as_i64().unwrap()).unwrap();
        let before = fs::metadata(mount.path(NAMES[0])).unwrap().mtime();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::HUP)
            .unwrap();
        wait_for(
            "the signal has moved the time",
            Duration::from_secs(20),
            || fs::metadata(mount.path(NAMES[0])).unwrap().mtime() > before,
        );
        rdiff_backup(4, &["backup"], &files, &repository);
        let third = sums(&files, NAMES);
        assert_ne!(third[0], second[0]);

        for (day, expected) in [(1, &first), (3, &second), (4, &third)] {
            let restored = place.join(format!("restored-{day}"));
            let at = (1_700_000_000 + day * 86_400).to_string();
            rdiff_backup(9, &["restore", "--at", &at], &repository, &restored);
            assert_eq!(&sums(&restored, NAMES), expected, "day {day}");
        }
    }
}
