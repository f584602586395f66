//! Devices that shrink, vanish or are replaced, and daemons that are killed.

mod privileged {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::time::Duration;

    use nightshift_testkit::{Cmd, LoopDevice, Signal, has, has_all, wait_for};
    use rustix::io::Errno;

    use crate::mounted::{Mounted, blockfuse};
    use crate::source::{MIB, Source, write};

    const LIMIT: Duration = Duration::from_secs(20);

    fn errno(result: std::io::Result<impl std::fmt::Debug>) -> Errno {
        Errno::from_io_error(&result.unwrap_err()).unwrap()
    }

    fn drop_cache(path: &Path) {
        let file = File::open(path).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }

    #[test]
    #[ignore = "needs root"]
    fn a_file_cut_under_the_device_is_an_error_for_the_lost_range_only() {
        let source = Source::new();
        let device = source.noisy("cut", 8 * MIB);
        let other = source.noisy("other", 4 * MIB);
        let expected = fs::read(device.path()).unwrap();
        let mount = Mounted::new(source.path(), &["--engine", "copy"]);
        let pid = mount.status()["pid"].clone();
        let file = File::open(mount.path("cut")).unwrap();
        let mut page = vec![0; 4096];
        file.read_exact_at(&mut page, 0).unwrap();
        // A reader is in the middle of it while the file shrinks.
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut buffer = vec![0; 1 << 17];
                for round in 0..2000_u64 {
                    // Either bytes or EIO, but always all bytes.
                    let offset = round * 131_072 % (8 * MIB);
                    match file.read_at(&mut buffer, offset) {
                        Ok(read) => assert_eq!(read, buffer.len(), "a silent end"),
                        Err(error) => assert_eq!(error.raw_os_error(), Some(5)),
                    }
                }
            });
            File::options()
                .write(true)
                .open(device.backing())
                .unwrap()
                .set_len(3 * MIB)
                .unwrap();
            reader.join().unwrap();
        });
        drop_cache(device.path());
        let again = File::open(mount.path("cut")).unwrap();
        assert_eq!(
            again.metadata().unwrap().len(),
            8 * MIB,
            "never a silent end"
        );
        for size in [4096, 1 << 17, 1 << 20] {
            let mut buffer = vec![0; size];
            again.read_exact_at(&mut buffer, 0).unwrap();
            assert!(buffer == expected[..size]);
            let lost = again.read_at(&mut buffer, 7 * MIB - size as u64);
            assert_eq!(errno(lost), Errno::IO, "{size}");
        }
        assert!(fs::read(mount.path("other")).unwrap() == fs::read(other.path()).unwrap());
        assert_eq!(mount.status()["pid"], pid);
        let entry = mount.entry("cut");
        assert!(entry["errors"].as_u64() > Some(0), "{entry}");
        assert_eq!(entry["problem"], "read errors");
        blockfuse(["status"])
            .arg(mount.path(""))
            .run()
            .assert(1, has("failed reads"), "");
    }

    #[test]
    #[ignore = "needs root"]
    fn an_idle_mount_pins_nothing() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let free = || {
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::EXCL;
            rustix::fs::open(device.path(), flags, rustix::fs::Mode::empty()).is_ok()
        };
        assert!(free(), "before any open");
        let file = File::open(mount.path("disk")).unwrap();
        assert_eq!(mount.entry("disk")["opens"], 1);
        drop(file);
        // The kernel tells the daemon about a close after close(2) has returned.
        wait_for("the file is idle", LIMIT, || {
            mount.entry("disk")["opens"] == 0
        });
        device.detach().unwrap();
        wait_for("the loop device is gone", LIMIT, || !device.is_bound());
    }

    #[test]
    #[ignore = "needs root"]
    fn a_thousand_opens_and_closes_leak_nothing() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        for engine in ["auto", "copy"] {
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            let pid = mount.status()["pid"].as_u64().unwrap();
            let descriptors = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
            let once = || {
                let mut byte = [0];
                File::open(mount.path("disk"))
                    .unwrap()
                    .read_exact_at(&mut byte, 4097)
                    .unwrap();
            };
            once();
            wait_for("the file is idle", LIMIT, || {
                mount.entry("disk")["opens"] == 0
            });
            let before = descriptors();
            for _ in 0..1000 {
                once();
            }
            wait_for("the file is idle", LIMIT, || {
                mount.entry("disk")["opens"] == 0
            });
            wait_for("no descriptor is left", LIMIT, || descriptors() <= before);
            let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
            assert!(!maps.contains(&*device.path().to_string_lossy()), "{maps}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn another_disk_behind_a_name_is_refused_until_a_refresh() {
        let source = Source::new();
        let first = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let second = LoopDevice::of_content(&vec![7; 1 << 20]);
        fs::remove_file(source.path().join("disk")).unwrap();
        assert_eq!(errno(File::open(mount.path("disk"))), Errno::NOENT);
        source.link("disk", &second);
        assert_eq!(errno(File::open(mount.path("disk"))), Errno::STALE);
        mount.refresh().assert(0, "~ disk (another device)\n", "");
        assert!(fs::read(mount.path("disk")).unwrap() == vec![7; 1 << 20]);
        drop(first);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_device_attached_anew_under_the_same_number_is_refused_until_a_refresh() {
        let attempts = (0..20).any(|_| {
            let source = Source::new();
            let device = source.noisy("disk", MIB);
            let mount = Mounted::new(source.path(), &[]);
            device.detach().unwrap();
            wait_for("the loop device is gone", LIMIT, || !device.is_bound());
            let attach = Cmd::new("losetup")
                .arg(device.path())
                .arg(device.backing())
                .run();
            if attach.ending() != 0.into() {
                return false; // another test was quicker to take the number
            }
            assert_eq!(errno(File::open(mount.path("disk"))), Errno::STALE);
            assert_eq!(mount.entry("disk")["problem"], "the device is gone");
            blockfuse(["status"])
                .arg(mount.path(""))
                .run()
                .assert(1, has("is gone"), "");
            mount.refresh().assert(0, "~ disk\n", "");
            File::open(mount.path("disk")).unwrap();
            true
        });
        assert!(attempts, "the number was never free");
    }

    #[test]
    #[ignore = "needs root"]
    fn a_killed_daemon_leaves_what_umount_cleans() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &["--engine", "copy"]);
        let mountpoint = mount.path("");
        let file = File::open(mount.path("disk")).unwrap();
        let pid = i32::try_from(mount.status()["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
        let mut byte = [0];
        wait_for("the mount is dead", LIMIT, || {
            file.read_at(&mut byte, 0).is_err()
        });
        wait_for(
            "the kernel has forgotten the root's attributes",
            LIMIT,
            || {
                let error = fs::metadata(&mountpoint).err();
                error.and_then(|error| Errno::from_io_error(&error)) == Some(Errno::NOTCONN)
            },
        );
        let lazy = format!("hint: blockfuse umount --lazy {}", mountpoint.display())
            .replace("mnt/", "mnt");
        blockfuse(["mount"])
            .arg(source.path())
            .arg(&mountpoint)
            .run()
            .assert(3, "", has_all(["a dead mount lies on", lazy.as_str()]));
        blockfuse(["status"])
            .arg(&mountpoint)
            .run()
            .assert(3, "", has("does not answer"));
        blockfuse(["umount", "--lazy"])
            .arg(&mountpoint)
            .run()
            .assert(0, "", "");
        drop(file);
        blockfuse(["umount"])
            .arg(&mountpoint)
            .run()
            .assert(3, "", has("no blockfuse is mounted"));
        let again = Mounted::again(source.path(), &[], mount.unmounted());
        assert!(again.path("disk").exists());
    }

    #[test]
    #[ignore = "needs root"]
    fn growth_shows_and_new_bytes_can_be_read() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &["--engine", "copy"]);
        let file = File::open(mount.path("disk")).unwrap();
        File::options()
            .write(true)
            .open(device.backing())
            .unwrap()
            .set_len(2 * MIB)
            .unwrap();
        device.reread_size();
        write(device.path(), 2 * MIB - 4, b"grew");
        wait_for("the size has grown", LIMIT, || {
            file.metadata().unwrap().len() == 2 * MIB
        });
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 2 * MIB - 4).unwrap();
        assert_eq!(&bytes, b"grew");
    }

    #[test]
    #[ignore = "needs root"]
    fn a_busy_mount_is_not_unmounted_but_can_be_detached() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let file = File::open(mount.path("disk")).unwrap();
        let mountpoint = mount.path("");
        blockfuse(["umount"])
            .arg(&mountpoint)
            .run()
            .assert(3, "", has_all(["is busy", "--lazy"]));
        blockfuse(["umount", "--lazy"])
            .arg(&mountpoint)
            .run()
            .assert(0, "", "");
        let mut byte = [0];
        file.read_exact_at(&mut byte, MIB - 1).unwrap();
    }
}
