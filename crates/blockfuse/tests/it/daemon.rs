//! Starting, stopping and being started by others.

mod privileged {
    use std::fs::{self, File};
    use std::os::unix::net::UnixDatagram;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use nightshift_testkit::{
        Cmd, MountGuard, Running, Sandbox, Signal, any, has, has_all, killed_by, wait_for,
    };

    use crate::mounted::{Mounted, blockfuse};
    use crate::source::{MIB, Source};

    const LIMIT: Duration = Duration::from_secs(30);

    /// A mount in the foreground, as a service manager starts it.
    fn foreground(source: &Source, sandbox: &Sandbox) -> (Running, MountGuard) {
        let mountpoint = sandbox.dir("mnt");
        let guard = MountGuard::adopt(&mountpoint);
        let socket = UnixDatagram::bind(sandbox.join("notify")).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let running = blockfuse(["mount", "--foreground", "--pidfile"])
            .arg(sandbox.join("pid"))
            .args([source.path(), &mountpoint])
            .env("NOTIFY_SOCKET", sandbox.join("notify"))
            .spawn();
        let mut text = [0; 64];
        let length = socket.recv(&mut text).unwrap();
        assert_eq!(str::from_utf8(&text[..length]).unwrap().trim(), "READY=1");
        assert!(guard.is_mounted());
        (running, guard)
    }

    #[test]
    #[ignore = "needs root"]
    fn the_foreground_tells_its_readiness_and_a_signal_ends_it_cleanly() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        for signal in [Signal::TERM, Signal::INT] {
            let sandbox = Sandbox::new();
            let (running, guard) = foreground(&source, &sandbox);
            let pid = running.pid().to_string();
            assert_eq!(fs::read_to_string(sandbox.join("pid")).unwrap().trim(), pid);
            running.signal(signal);
            running.wait(LIMIT).assert(killed_by(signal), "", "");
            assert!(!guard.is_mounted());
            assert!(!sandbox.join("pid").exists());
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn a_signal_lets_open_files_be_read_to_their_end() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let sandbox = Sandbox::new();
        let (running, guard) = foreground(&source, &sandbox);
        let file = File::open(guard.path().join("disk")).unwrap();
        running.signal(Signal::TERM);
        wait_for("opens are refused", LIMIT, || {
            let error = File::open(guard.path().join("disk")).err();
            error.and_then(|error| error.raw_os_error()) == Some(108) // ESHUTDOWN
        });
        assert_eq!(
            std::io::copy(&mut &file, &mut std::io::sink()).unwrap(),
            MIB
        );
        assert!(guard.is_mounted());
        drop(file);
        running.wait(LIMIT).assert(killed_by(Signal::TERM), "", "");
        assert!(!guard.is_mounted());
    }

    #[test]
    #[ignore = "needs root"]
    fn umount_by_anyone_ends_the_daemon() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let sandbox = Sandbox::new();
        let (running, guard) = foreground(&source, &sandbox);
        Cmd::new("umount").arg(guard.path()).run().assert(0, "", "");
        running.wait(LIMIT).assert(0, "", "");
        // Two in a row: nothing of the first is in the way of the second.
        fs::remove_file(sandbox.join("notify")).unwrap();
        let (running, guard) = foreground(&source, &sandbox);
        blockfuse(["umount"])
            .arg(guard.path())
            .run()
            .assert(0, "", "");
        running.wait(LIMIT).assert(0, "", "");
    }

    #[test]
    #[ignore = "needs root"]
    fn sigusr1_logs_the_status() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let sandbox = Sandbox::new();
        let (running, guard) = foreground(&source, &sandbox);
        let _open = File::open(guard.path().join("disk")).unwrap();
        running.signal(Signal::USR1);
        running.wait_for_stderr("status exported=1 open=1", LIMIT);
        running.wait_for_stderr("file=disk", LIMIT);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_second_instance_on_the_same_mountpoint_has_its_own_exit_code() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        blockfuse(["mount"])
            .args([source.path(), &mount.path("")])
            .run()
            .assert(75, "", has("another instance"));
    }

    #[test]
    #[ignore = "needs root"]
    fn nothing_of_the_starter_is_kept() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let pid = mount.status()["pid"].as_u64().unwrap();
        let link = |what: &str| fs::read_link(format!("/proc/{pid}/{what}")).unwrap();
        assert_eq!(link("cwd"), Path::new("/"));
        assert_eq!(link("fd/0"), Path::new("/dev/null"));
        assert_eq!(link("fd/1"), Path::new("/dev/null"));
    }

    fn helper(sandbox: &Sandbox) -> PathBuf {
        sandbox.symlink(env!("CARGO_BIN_EXE_blockfuse"), "mount.fuse.blockfuse")
    }

    #[test]
    #[ignore = "needs root"]
    fn called_as_mount8_calls_it_it_mounts_and_fails_with_32() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let sandbox = Sandbox::new();
        let (helper, mountpoint) = (helper(&sandbox), sandbox.dir("mnt"));
        let guard = MountGuard::adopt(&mountpoint);
        let run = |options: &str| {
            Cmd::new(&helper)
                .args([source.path(), &mountpoint])
                .args(["-o", options, "-v"])
                .run()
        };
        run("rw,noauto,_netdev,x-systemd.automount,mtime=7").assert(0, "", any());
        assert!(guard.is_mounted());
        let table = fs::read_to_string("/proc/self/mounts").unwrap();
        let line = format!(
            "{} {} fuse.blockfuse ro,nosuid,nodev,noexec",
            source.path().display(),
            mountpoint.display()
        );
        assert!(table.contains(&line), "{line} is not in\n{table}");
        run("ro").assert(32, "", has("another instance"));
        guard.unmount();
        run("ro,colour=blue").assert(32, "", has("unknown mount option \"colour=blue\""));
        Cmd::new(&helper)
            .arg("-x")
            .run()
            .assert(32, "", has("as mount(8) calls it"));
        Cmd::new(&helper)
            .args([Path::new("/nonexistent"), &mountpoint])
            .run()
            .assert(
                32,
                "",
                has_all(["cannot read the source directory", "No such file"]),
            );
    }

    #[test]
    #[ignore = "needs root"]
    fn two_bare_arguments_mount_as_the_original_did() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let sandbox = Sandbox::new();
        let guard = MountGuard::adopt(sandbox.dir("mnt"));
        blockfuse([source.path(), guard.path()])
            .run()
            .assert(0, "", "");
        Cmd::new("cmp")
            .args([device.path(), &guard.path().join("disk")])
            .run()
            .assert(0, "", "");
        blockfuse(["umount"])
            .arg(guard.path())
            .run()
            .assert(0, "", "");
    }

    #[test]
    #[ignore = "needs root"]
    fn the_read_ahead_of_the_mount_is_what_was_asked_for() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        for (options, expected) in [(vec![], "1024"), (vec!["--readahead", "256"], "256")] {
            let mount = Mounted::new(source.path(), &options);
            let device =
                std::os::unix::fs::MetadataExt::dev(&fs::metadata(mount.path("")).unwrap());
            let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
            let attribute = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
            assert_eq!(fs::read_to_string(attribute).unwrap().trim(), expected);
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn an_entry_of_the_configuration_makes_the_source_unnecessary() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let sandbox = Sandbox::new();
        let guard = MountGuard::adopt(sandbox.dir("mnt"));
        let file = sandbox.file(
            "blockfuse.toml",
            format!(
                "[mount]\nmode = \"0444\"\n[[mounts]]\nsource = {:?}\nmountpoint = {:?}\n\
                 options = {{ mtime = \"5\" }}\n",
                source.path(),
                guard.path()
            ),
        );
        blockfuse(["mount", "--config"])
            .args([&file, guard.path()])
            .run()
            .assert(0, "", "");
        let meta = fs::metadata(guard.path().join("disk")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mtime(&meta), 5);
        blockfuse(["umount"]).arg(guard.path()).run().success();
    }
}
