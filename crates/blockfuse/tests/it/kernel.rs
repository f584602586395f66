//! The kernel engine through a real mount.

mod privileged {
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::path::Path;
    use std::time::Duration;

    use nightshift_testkit::{Cmd, LoopDevice, MountGuard, any, has, has_all, noise, wait_for};

    use crate::mounted::{Mounted, blockfuse};
    use crate::source::{MIB, Source, write};

    const LIMIT: Duration = Duration::from_secs(20);

    fn read_at(file: &File, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    fn is_free(device: &LoopDevice) -> bool {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::EXCL;
        rustix::fs::open(device.path(), flags, rustix::fs::Mode::empty()).is_ok()
    }

    #[test]
    #[ignore = "needs root"]
    fn a_free_device_is_read_by_the_kernel_and_a_mounted_one_copied_with_the_reason() {
        let source = Source::new();
        let free = source.noisy("free", 2 * MIB + 512);
        let used = source.noisy("used", 8 * MIB);
        Cmd::new("/sbin/mkfs.ext4")
            .arg("-q")
            .arg(used.path())
            .run()
            .success();
        let mount = Mounted::new(source.path(), &[]);
        let elsewhere = mount.sandbox().dir("ext4");
        let ext4 = MountGuard::mount("ext4", used.path(), elsewhere, "ro");

        let files = [
            File::open(mount.path("free")),
            File::open(mount.path("used")),
        ];
        let entry = mount.entry("free");
        assert_eq!(
            (&entry["engine"], &entry["reason"]),
            (&"kernel".into(), &().into())
        );
        let entry = mount.entry("used");
        assert_eq!(entry["engine"], "copy");
        let reason = entry["reason"].as_str().unwrap();
        assert!(reason.contains("EBUSY"), "{reason}");
        // Being mounted is an ordinary state, nothing to look at.
        blockfuse(["status"]).arg(mount.path("")).run().assert(
            0,
            has_all(["kernel", "copy"]),
            any(),
        );

        assert!(fs::read(mount.path("free")).unwrap() == fs::read(free.path()).unwrap());
        assert!(fs::read(mount.path("used")).unwrap() == fs::read(used.path()).unwrap());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(" erofs "), "{mounts}");
        drop(files);
        ext4.unmount();
    }

    #[test]
    #[ignore = "needs root"]
    fn insisting_on_the_kernel_engine_refuses_a_mounted_device() {
        let source = Source::new();
        let used = source.noisy("used", 8 * MIB);
        Cmd::new("/sbin/mkfs.ext4")
            .arg("-q")
            .arg(used.path())
            .run()
            .success();
        let mount = Mounted::new(source.path(), &["--engine", "kernel"]);
        let ext4 = MountGuard::mount("ext4", used.path(), mount.sandbox().dir("ext4"), "ro");
        let error = File::open(mount.path("used")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
        ext4.unmount();
        File::open(mount.path("used")).unwrap();
    }

    #[test]
    #[ignore = "needs root"]
    fn bytes_written_before_an_open_are_seen_by_that_open() {
        for engine in ["kernel", "copy"] {
            let source = Source::new();
            let device = source.noisy("disk", 4 * MIB);
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            for seed in 2..6 {
                let bytes = noise(seed, 1 << 20);
                write(device.path(), 2 * MIB, &bytes);
                let file = File::open(mount.path("disk")).unwrap();
                assert!(
                    read_at(&file, 2 * MIB, 1 << 20) == bytes,
                    "{engine}, write {seed}"
                );
                assert_eq!(mount.entry("disk")["engine"], engine);
            }
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn bytes_that_reach_the_device_around_its_cache_are_seen_by_the_next_open() {
        for engine in ["kernel", "copy"] {
            let source = Source::new();
            let device = source.noisy("disk", 4 * MIB);
            // Somebody has it open, so its page cache outlives our readers.
            let _holder = File::open(device.path()).unwrap();
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            fs::read(mount.path("disk")).unwrap();
            let bytes = noise(9, 1 << 20);
            write(device.backing(), MIB, &bytes);
            wait_for("the last reader is gone", LIMIT, || {
                mount.entry("disk")["opens"] == 0
            });
            let file = File::open(mount.path("disk")).unwrap();
            assert!(read_at(&file, MIB, 1 << 20) == bytes, "{engine}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn after_refresh_an_open_file_shows_what_was_written_to_the_device() {
        for engine in ["kernel", "copy"] {
            let source = Source::new();
            let device = source.noisy("disk", 4 * MIB);
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            let file = File::open(mount.path("disk")).unwrap();
            assert!(read_at(&file, 0, 4 << 20) == noise(1, 4 << 20));
            let bytes = noise(2, 1 << 20);
            write(device.path(), MIB, &bytes);
            mount.refresh().assert(0, any(), any());
            assert!(
                read_at(&file, MIB, 1 << 20) == bytes,
                "{engine}, the open file"
            );
            let second = File::open(mount.path("disk")).unwrap();
            assert!(
                read_at(&second, MIB, 1 << 20) == bytes,
                "{engine}, opened since"
            );
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn a_name_that_went_and_came_back_while_open_can_be_opened_again() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &["--engine", "kernel"]);
        let held = File::open(mount.path("disk")).unwrap();
        fs::remove_file(source.path().join("disk")).unwrap();
        mount.refresh().assert(0, has("- disk"), any());
        source.link("disk", &device);
        mount.refresh().assert(0, has("+ disk"), any());
        let again = File::open(mount.path("disk")).unwrap();
        assert!(read_at(&again, 0, 1 << 20) == noise(1, 1 << 20));
        assert!(read_at(&held, 0, 1 << 20) == noise(1, 1 << 20));
    }

    #[test]
    #[ignore = "needs root"]
    fn every_way_of_reading_gives_the_devices_bytes() {
        let source = Source::new();
        let device = source.noisy("disk", 3 * MIB + 512);
        let mount = Mounted::new(source.path(), &["--engine", "kernel"]);
        let expected = fs::read(device.path()).unwrap();
        let path = mount.path("disk");
        assert!(fs::read(&path).unwrap() == expected, "read");
        let copy = mount.sandbox().join("copy");
        fs::copy(&path, &copy).unwrap(); // copy_file_range or sendfile
        assert!(fs::read(&copy).unwrap() == expected, "copy_file_range");
        Cmd::new("/bin/dd")
            .arg(format!("if={}", path.display()))
            .arg(format!("of={}", copy.display()))
            .args(["iflag=direct", "bs=64k"])
            .run()
            .assert(0, any(), any());
        assert!(fs::read(&copy).unwrap() == expected, "O_DIRECT");
        Cmd::new("/usr/bin/cmp")
            .args([&path, device.path()])
            .run()
            .success();
        let write = File::options().write(true).open(&path).unwrap_err();
        assert_eq!(write.raw_os_error(), Some(libc::EROFS));
    }

    #[test]
    #[ignore = "needs root"]
    fn a_shrunk_device_is_an_io_error_and_never_a_short_file() {
        for engine in ["kernel", "copy"] {
            let source = Source::new();
            let device = source.noisy("disk", 8 * MIB);
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            let file = File::open(mount.path("disk")).unwrap();
            File::options()
                .write(true)
                .open(device.backing())
                .unwrap()
                .set_len(4 * MIB)
                .unwrap();
            let error = file.read_at(&mut [0; 4096], 6 * MIB).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EIO), "{engine}");
            assert_eq!(file.metadata().unwrap().len(), 8 * MIB, "{engine}");
            assert!(read_at(&file, 0, 1 << 20) == noise(1, 1 << 20), "{engine}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn the_device_is_claimed_from_the_first_open_to_the_last_close() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &["--engine", "kernel"]);
        assert!(is_free(&device));
        let first = File::open(mount.path("disk")).unwrap();
        let second = File::open(mount.path("disk")).unwrap();
        assert!(!is_free(&device));
        drop(first);
        assert_eq!(read_at(&second, 0, 512), noise(1, 512));
        assert!(!is_free(&device));
        drop(second);
        // The release comes after close(2) has returned.
        wait_for("the device is free", LIMIT, || is_free(&device));
        device.detach().unwrap();
        wait_for("the device is detached", LIMIT, || !device.is_bound());
    }

    #[test]
    #[ignore = "needs root"]
    fn opening_and_closing_from_many_threads_never_fails() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let path = mount.path("disk");
        let expected = noise(1, 65536);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let file = File::open(&path).unwrap();
                        assert!(read_at(&file, 0, 65536) == expected);
                    }
                });
            }
        });
        wait_for("the device is free", LIMIT, || is_free(&device));
        assert_eq!(mount.entry("disk")["errors"], 0);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_killed_daemon_leaves_open_files_readable_and_in_the_end_nothing() {
        let source = Source::new();
        let device = source.noisy("disk", 4 * MIB);
        let mount = Mounted::new(source.path(), &["--engine", "kernel"]);
        let file = File::open(mount.path("disk")).unwrap();
        let pid = mount.status()["pid"].as_i64().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        wait_for("the daemon is dead", LIMIT, || {
            let error = File::open(mount.path("disk")).err();
            error.and_then(|error| error.raw_os_error()) == Some(libc::ENOTCONN)
        });
        assert!(read_at(&file, 0, 4 << 20) == noise(1, 4 << 20));
        assert!(!is_free(&device));
        drop(file);
        mount.unmount();
        wait_for("the device is free", LIMIT, || is_free(&device));
    }

    #[test]
    #[ignore = "needs root"]
    fn holes_of_a_loops_file_are_seen_through_the_mount_and_nowhere_else() {
        for engine in ["kernel", "copy"] {
            let source = Source::new();
            let device = LoopDevice::of_size(64 * MIB);
            source.link("sparse", &device);
            write(device.backing(), 10 * MIB, &noise(1, 1 << 20));
            write(device.backing(), 40 * MIB, &noise(2, 1 << 20));
            let extents = |path: &Path| {
                let file = File::open(path).unwrap();
                let seek = |to| rustix::fs::seek(&file, to).ok();
                let mut extents = Vec::new();
                let mut at = 0;
                while let Some(data) = seek(rustix::fs::SeekFrom::Data(at)) {
                    at = seek(rustix::fs::SeekFrom::Hole(data)).unwrap();
                    extents.push((data, at));
                }
                extents
            };
            let expected = [(10 * MIB, 11 * MIB), (40 * MIB, 41 * MIB)];
            assert_eq!(extents(device.backing()), expected);
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            let path = mount.path("sparse");
            assert_eq!(extents(&path), expected, "{engine}");
            assert_eq!(path.metadata().unwrap().blocks(), 2 * MIB / 512, "{engine}");
            // Not synced, and on the device, not in the file below: data all the same.
            write(device.path(), 20 * MIB, &noise(3, 4096));
            assert_eq!(extents(&path)[1], (20 * MIB, 20 * MIB + 4096), "{engine}");

            let blind = Mounted::new(source.path(), &["--engine", engine, "--holes", "off"]);
            let path = blind.path("sparse");
            assert_eq!(extents(&path), [(0, 64 * MIB)], "{engine}");
            assert_eq!(
                path.metadata().unwrap().blocks(),
                64 * MIB / 512,
                "{engine}"
            );
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn map_shows_the_holes_of_a_loops_file_in_three_formats() {
        let device = LoopDevice::of_size(8 * MIB);
        write(device.backing(), 2 * MIB, &noise(1, 4096));
        let map = |format| {
            blockfuse(["map", "--format", format])
                .arg(device.path())
                .run()
        };
        let borg = "0 2097152 zero\n2097152 4096 data\n2101248 6287360 zero\n";
        map("borg").assert(0, borg, "");
        map("json").assert(0, has_all([r#""size":8388608"#, r#""type":"zero""#]), "");
        map("text").assert(0, has("4096 of 8388608 bytes are data"), "");
        blockfuse(["map", "/dev/null"])
            .run()
            .assert(3, "", has("not a block device"));
        blockfuse(["map", "/nonexistent"])
            .run()
            .assert(3, "", has("/nonexistent"));
    }

    #[test]
    #[ignore = "needs root"]
    fn map_against_a_state_says_same_until_the_device_changes() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let options = ["--mtime", "changed"];
        // The state holds a proof only once the file's stamp is a tick old.
        let mount = Mounted::new(source.path(), &options);
        let map = |device: &LoopDevice| {
            let state = mount.sandbox().join("state.json");
            let map = blockfuse(["map", "--format", "borg", "--against"]).arg(state);
            map.arg(device.path()).run()
        };
        wait_for("the state proves something", LIMIT, || {
            mount.refresh().assert(0, any(), any());
            map(&device).ending() == 0.into()
        });
        map(&device).assert(0, "0 1048576 same\n", "");
        write(device.path(), 0, &[1; 512]);
        map(&device).assert(1, "0 1048576 data\n", "");
    }
}
