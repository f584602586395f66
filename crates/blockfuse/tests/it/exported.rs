//! What is in a mount and how its bytes are read.

mod privileged {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::io::{ErrorKind, Read};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::time::SystemTime;

    use nightshift_testkit::{Cmd, LoopDevice, MountGuard, Sandbox, any, has, noise};
    use rustix::io::Errno;

    use crate::mounted::{Mounted, blockfuse};
    use crate::source::{MIB, Source};

    #[test]
    #[ignore = "needs root"]
    fn only_block_devices_with_a_size_appear_as_read_only_files() {
        let source = Source::new();
        let devices = ["vgBoot-_snap--asterisk", "sda1"].map(|name| source.noisy(name, 2 * MIB));
        let empty_file = Sandbox::in_memory();
        let empty = LoopDevice::over(empty_file.file("empty", ""));
        source.link("empty", &empty);
        for (name, target) in [
            ("null", "/dev/null"),
            ("dangling", "/nonexistent"),
            ("self", "."),
        ] {
            std::os::unix::fs::symlink(target, source.path().join(name)).unwrap();
        }
        let before = SystemTime::now();
        let mount = Mounted::new(source.path(), &[]);
        let mut names: Vec<_> = fs::read_dir(mount.path(""))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["sda1", "vgBoot-_snap--asterisk"]);
        for (device, name) in devices.iter().zip(["vgBoot-_snap--asterisk", "sda1"]) {
            let meta = fs::metadata(mount.path(name)).unwrap();
            assert!(meta.is_file());
            assert_eq!(meta.len(), 2 * MIB);
            assert_eq!(meta.blocks(), 2 * MIB / 512);
            assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o400, 1));
            assert_eq!((meta.uid(), meta.gid()), (0, 0));
            let mtime = meta.modified().unwrap();
            assert!(mtime >= before && mtime <= SystemTime::now());
            assert_eq!((meta.ctime(), meta.atime()), (meta.mtime(), meta.mtime()));
            Cmd::new("cmp")
                .args([device.path(), &mount.path(name)])
                .run()
                .assert(0, "", "");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn nothing_can_be_written_created_or_removed() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let disk = mount.path("disk");
        let errors = [
            File::options().write(true).open(&disk).map(drop),
            File::options()
                .read(true)
                .append(true)
                .open(&disk)
                .map(drop),
            File::create(mount.path("new")).map(drop),
            fs::create_dir(mount.path("new")),
            fs::remove_file(&disk),
            fs::rename(&disk, mount.path("other")),
            fs::hard_link(&disk, mount.path("link")),
            std::os::unix::fs::symlink("x", mount.path("symlink")),
            fs::set_permissions(&disk, std::os::unix::fs::PermissionsExt::from_mode(0o600)),
        ];
        for (index, result) in errors.into_iter().enumerate() {
            assert_eq!(
                result.unwrap_err().kind(),
                ErrorKind::ReadOnlyFilesystem,
                "{index}"
            );
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn names_are_bytes() {
        let source = Source::new();
        let device = LoopDevice::of_size(MIB);
        let names: [&[u8]; 4] = [
            b"with space",
            b"line\nfeed",
            b"latin \xe9",
            b"back\\slash,comma",
        ];
        for name in names {
            source.link_bytes(name, &device);
        }
        let mount = Mounted::new(source.path(), &[]);
        for name in names {
            assert_eq!(
                fs::read(mount.path(OsStr::from_bytes(name))).unwrap().len(),
                1 << 20
            );
        }
        let status = mount.status();
        let entry = &status["entries"][1];
        assert_eq!(entry["name_bytes"], "6c6174696e20e9");
        assert!(status["entries"][2]["name_bytes"].is_null());
        let listed = blockfuse(["list"])
            .arg(source.path())
            .run()
            .success()
            .stdout_text();
        assert!(
            listed.contains("line\\nfeed") && listed.contains("latin \\xe9"),
            "{listed}"
        );
    }

    #[test]
    #[ignore = "needs root"]
    fn sizes_are_exact_down_to_one_sector_and_up_to_tebibytes() {
        let source = Source::new();
        let sector = source.noisy("sector", 512);
        let odd = source.noisy("odd", MIB + 512);
        let huge = LoopDevice::of_size(20 << 40);
        source.link("huge", &huge);
        let tail = (20 << 40) - 8;
        File::options()
            .write(true)
            .open(huge.path())
            .unwrap()
            .write_all_at(b"the tail", tail)
            .unwrap();
        for engine in ["auto", "copy"] {
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            for (device, name, size) in [(&sector, "sector", 512), (&odd, "odd", MIB + 512)] {
                let content = fs::read(mount.path(name)).unwrap();
                assert_eq!(content.len() as u64, size);
                assert!(
                    content == fs::read(device.path()).unwrap(),
                    "{name} by {engine}"
                );
            }
            let file = File::open(mount.path("huge")).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 20 << 40);
            let mut bytes = [0; 16];
            assert_eq!(file.read_at(&mut bytes, tail).unwrap(), 8, "{engine}");
            assert_eq!(&bytes[..8], b"the tail");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn two_hundred_devices_are_there_at_once_when_the_command_returns() {
        let source = Source::new();
        let devices: Vec<_> = (0..200_u64)
            .map(|index| LoopDevice::of_content(&noise(index, 4096)))
            .collect();
        for (index, device) in devices.iter().enumerate() {
            source.link(&format!("vg-volume{index:03}"), device);
        }
        source.link("vg-volume999", &devices[0]);
        let mount = Mounted::new(source.path(), &[]);
        let mut entries: Vec<_> = fs::read_dir(mount.path(""))
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        assert_eq!(entries.len(), 201);
        entries.sort_by_key(fs::DirEntry::file_name);
        for (index, entry) in entries[..200].iter().enumerate() {
            assert!(
                fs::read(entry.path()).unwrap() == noise(index as u64, 4096),
                "{entry:?}"
            );
        }
        let mut inodes: Vec<_> = entries
            .iter()
            .map(|entry| entry.metadata().unwrap().ino())
            .collect();
        inodes.sort_unstable();
        inodes.dedup();
        assert_eq!(inodes.len(), 201, "names of one device are not hard links");
    }

    #[test]
    #[ignore = "needs root"]
    fn inode_numbers_outlive_a_remount_and_do_not_depend_on_neighbours() {
        let source = Source::new();
        let device = source.noisy("b", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let before = fs::metadata(mount.path("b")).unwrap().ino();
        mount.unmount();
        source.link("a", &device);
        source.link("c", &device);
        let mount = Mounted::new(source.path(), &[]);
        assert_eq!(fs::metadata(mount.path("b")).unwrap().ino(), before);
    }

    #[test]
    #[ignore = "needs root"]
    fn many_readers_at_once_get_the_right_bytes() {
        let source = Source::new();
        let device = source.noisy("disk", 16 * MIB);
        let expected = fs::read(device.path()).unwrap();
        for engine in ["auto", "copy"] {
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            let path = mount.path("disk");
            std::thread::scope(|scope| {
                for reader in 0..8_usize {
                    let (path, expected) = (&path, &expected);
                    scope.spawn(move || {
                        for round in 0..20_usize {
                            let file = File::open(path).unwrap();
                            let mut bytes = vec![0; 300_001];
                            let offset = (reader * 2_000_003 + round * 777_777) % (15 << 20);
                            file.read_exact_at(&mut bytes, offset as u64).unwrap();
                            assert!(bytes == expected[offset..offset + bytes.len()]);
                        }
                    });
                }
            });
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn globs_choose_names_and_trees_are_descended_on_request() {
        let source = Source::new();
        let device = LoopDevice::of_size(MIB);
        fs::create_dir(source.path().join("by-id")).unwrap();
        for name in [
            "a_snap",
            "b_snap",
            "b_snap-cow",
            "root",
            "by-id/c_snap",
            "by-id/other",
        ] {
            source.link(name, &device);
        }
        let options = ["--recursive", "--include", "*_snap*", "--exclude", "*-cow"];
        let mount = Mounted::new(source.path(), &options);
        let found = Cmd::new("find").args(["-mindepth", "1", "-printf", "%P %y\n"]);
        let mut found: Vec<_> = found
            .cwd(mount.path(""))
            .run()
            .success()
            .stdout_text()
            .lines()
            .map(str::to_owned)
            .collect();
        found.sort();
        assert_eq!(found, ["a_snap f", "b_snap f", "by-id d", "by-id/c_snap f"]);
    }

    #[test]
    #[ignore = "needs root"]
    fn the_size_of_the_file_system_is_that_of_its_files_and_it_is_full() {
        let source = Source::new();
        let _devices = [source.noisy("a", MIB), source.noisy("b", 3 * MIB)];
        let mount = Mounted::new(source.path(), &[]);
        let stat = rustix::fs::statvfs(mount.path("")).unwrap();
        assert_eq!(stat.f_blocks * stat.f_frsize, 4 * MIB);
        assert_eq!(
            (stat.f_bfree, stat.f_bavail, stat.f_files, stat.f_namemax),
            (0, 0, 2, 255)
        );
    }

    #[test]
    #[ignore = "needs root"]
    fn probes_of_backup_tools_get_ordinary_answers() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let errno = |path: &str| {
            let error = fs::metadata(mount.path(path)).unwrap_err();
            Errno::from_io_error(&error).unwrap()
        };
        for (path, expected) in [
            ("con", Errno::NOENT),
            ("DISK", Errno::NOENT),
            ("disk.", Errno::NOENT),
            ("disk/..namedfork/rsrc", Errno::NOTDIR),
        ] {
            assert_eq!(errno(path), expected, "{path}");
        }
        let disk = mount.path("disk");
        let mut space = [0_u8; 64];
        let attribute = rustix::fs::getxattr(&disk, "user.x", &mut space);
        assert_eq!(attribute.unwrap_err(), Errno::OPNOTSUPP);
        assert_eq!(
            rustix::fs::listxattr(&disk, &mut space),
            Err(Errno::OPNOTSUPP)
        );
        let file = File::open(&disk).unwrap();
        file.sync_all().unwrap();
        assert_eq!(
            rustix::fs::ioctl_blksszget(&file).unwrap_err(),
            Errno::NOTTY
        );
    }

    #[test]
    #[ignore = "needs root"]
    fn copying_tools_make_equal_copies() {
        let source = Source::new();
        let device = source.noisy("disk", 5 * MIB + 512);
        let mount = Mounted::new(source.path(), &[]);
        let copies = mount.sandbox().dir("copies");
        let (disk, copy) = (mount.path("disk"), copies.join("disk"));
        let run = |program: &str, words: &[&OsStr]| Cmd::new(program).args(words).run().success();
        for (program, words) in [
            (
                "cp",
                vec![
                    "--sparse=always".as_ref(),
                    disk.as_os_str(),
                    copy.as_os_str(),
                ],
            ),
            ("dd", vec![]),
            ("tar", vec![]),
        ] {
            match program {
                "dd" => {
                    let mut from = std::ffi::OsString::from("if=");
                    from.push(&disk);
                    let mut to = std::ffi::OsString::from("of=");
                    to.push(&copy);
                    Cmd::new("dd")
                        .args([from, to])
                        .args(["bs=1M", "status=none"])
                        .run()
                        .success();
                }
                "tar" => {
                    let archive = copies.join("a.tar");
                    let from = mount.path("");
                    run(
                        "tar",
                        &[
                            "-C".as_ref(),
                            from.as_os_str(),
                            "-Scf".as_ref(),
                            archive.as_os_str(),
                            "disk".as_ref(),
                        ],
                    );
                    run(
                        "tar",
                        &[
                            "-C".as_ref(),
                            copies.as_os_str(),
                            "-xf".as_ref(),
                            archive.as_os_str(),
                        ],
                    );
                }
                program => drop(run(program, &words)),
            }
            Cmd::new("cmp")
                .args([device.path(), &copy])
                .run()
                .assert(0, "", "");
            fs::remove_file(&copy).unwrap();
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn what_was_written_before_an_open_is_read_by_it() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let writer = File::options().write(true).open(device.path()).unwrap();
        for (engine, held) in [
            ("auto", false),
            ("auto", true),
            ("copy", false),
            ("copy", true),
        ] {
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            // Another reader that has the file open all the time changes nothing about it.
            let _other = held.then(|| {
                let other = File::open(mount.path("disk")).unwrap();
                other.read_exact_at(&mut vec![0; 1 << 20], 0).unwrap();
                other
            });
            for round in 0..20_u8 {
                writer
                    .write_all_at(&[round; 8192], 4096 * u64::from(round))
                    .unwrap();
                let mut byte = [0];
                let file = File::open(mount.path("disk")).unwrap();
                file.read_exact_at(&mut byte, 4096 * u64::from(round) + 5000)
                    .unwrap();
                assert_eq!(byte, [round], "{engine}, held {held}");
            }
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn a_mounted_device_can_be_read() {
        let source = Source::new();
        let device = source.noisy("disk", 8 * MIB);
        Cmd::new("/sbin/mkfs.ext4")
            .arg("-q")
            .arg(device.path())
            .run()
            .success();
        let place = Sandbox::new();
        let inside = place.dir("inside");
        let _ext4 = MountGuard::mount("ext4", device.path(), &inside, "ro");
        let mount = Mounted::new(source.path(), &[]);
        let mut bytes = Vec::new();
        File::open(mount.path("disk"))
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        assert!(bytes == fs::read(device.path()).unwrap());
    }

    #[test]
    #[ignore = "needs root"]
    fn others_get_in_only_when_let_in_and_as_far_as_the_mode_allows() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let nobody = [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
        ];
        let try_read = |mount: &Mounted| {
            fs::set_permissions(
                mount.sandbox().path(),
                std::os::unix::fs::PermissionsExt::from_mode(0o755),
            )
            .unwrap();
            Cmd::new("head")
                .args(["-c", "1"])
                .arg(mount.path("disk"))
                .under(nobody)
                .run()
        };
        let refused = has("Permission denied");
        let mount = Mounted::new(source.path(), &["--mode", "0444"]);
        try_read(&mount).assert(1, "", refused.clone());
        drop(mount);
        let mount = Mounted::new(source.path(), &["--allow-other"]);
        try_read(&mount).assert(1, "", refused.clone());
        drop(mount);
        let mount = Mounted::new(source.path(), &["-o", "allow_other,mode=0444,uid=7,gid=8"]);
        try_read(&mount).assert(0, any(), "");
        let meta = fs::metadata(mount.path("disk")).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (7, 8, 0o444));
        assert_eq!(fs::metadata(mount.path("")).unwrap().mode() & 0o777, 0o555);
    }
}
