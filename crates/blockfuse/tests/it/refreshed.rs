//! Refresh, by command and by signal, and the policies for modification times.

mod privileged {
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use nightshift_testkit::{Signal, wait_for};
    use serde_json::Value;

    use crate::mounted::{Mounted, blockfuse};
    use crate::source::{MIB, Source, write};

    const LIMIT: Duration = Duration::from_secs(20);

    fn mtime(mount: &Mounted, name: &str) -> i64 {
        fs::metadata(mount.path(name)).unwrap().mtime()
    }

    #[test]
    #[ignore = "needs root"]
    fn devices_that_came_and_went_are_seen_at_once() {
        let source = Source::new();
        let device = source.noisy("old", MIB);
        let mount = Mounted::new(source.path(), &[]);
        assert!(mount.path("old").exists());
        let open = File::open(mount.path("old")).unwrap();
        source.link("new", &device);
        fs::remove_file(source.path().join("old")).unwrap();
        assert!(!mount.path("new").exists());
        mount.refresh().assert(0, "+ new\n- old\n", "");
        assert!(mount.path("new").exists());
        assert!(!mount.path("old").exists());
        let mut byte = [0];
        open.read_exact_at(&mut byte, MIB - 1).unwrap();
        assert_eq!(open.metadata().unwrap().len(), MIB);
        mount.refresh().assert(0, "", "");
    }

    #[test]
    #[ignore = "needs root"]
    fn a_hangup_signal_refreshes_too() {
        let source = Source::new();
        let device = source.noisy("old", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let before = mtime(&mount, "old");
        source.link("new", &device);
        let pid = i32::try_from(mount.status()["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, Signal::HUP).unwrap();
        wait_for("the new name is there", LIMIT, || {
            mount.path("new").exists()
        });
        assert!(mtime(&mount, "old") > before);
    }

    #[test]
    #[ignore = "needs root"]
    fn by_default_a_refresh_moves_every_time_and_the_root_too() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &[]);
        let (before, root) = (mtime(&mount, "disk"), fs::metadata(mount.path("")).unwrap());
        mount.refresh().success();
        assert!(
            mtime(&mount, "disk") > before,
            "another second, even right after the mount"
        );
        assert!(
            fs::metadata(mount.path("")).unwrap().modified().unwrap() > root.modified().unwrap()
        );
    }

    #[test]
    #[ignore = "needs root"]
    fn the_policy_refresh_moves_only_what_was_written() {
        let source = Source::new();
        let written = source.noisy("written", MIB);
        let _still = source.noisy("still", MIB);
        let mount = Mounted::new(source.path(), &["--mtime", "refresh"]);
        let before = (mtime(&mount, "written"), mtime(&mount, "still"));
        write(written.path(), 4096, b"changed");
        File::open(written.path()).unwrap().sync_all().unwrap();
        mount.refresh().assert(0, "~ written\n", "");
        assert!(mtime(&mount, "written") > before.0);
        assert_eq!(mtime(&mount, "still"), before.1);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_fixed_time_never_moves_and_now_always_does() {
        let source = Source::new();
        let _device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &["--mtime", "1000000000"]);
        mount.refresh().success();
        assert_eq!(mtime(&mount, "disk"), 1_000_000_000);
        drop(mount);
        let mount = Mounted::new(source.path(), &["-o", "mtime=now"]);
        let first = fs::metadata(mount.path("disk"))
            .unwrap()
            .modified()
            .unwrap();
        wait_for("the time moves on", LIMIT, || {
            fs::metadata(mount.path("disk"))
                .unwrap()
                .modified()
                .unwrap()
                > first
        });
        assert!(first > UNIX_EPOCH && first < SystemTime::now());
    }

    #[test]
    #[ignore = "needs root"]
    fn an_open_file_shows_what_was_written_after_a_refresh() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        for engine in ["auto", "copy"] {
            let mount = Mounted::new(source.path(), &["--engine", engine]);
            let file = File::open(mount.path("disk")).unwrap();
            let mut bytes = [0; 7];
            file.read_exact_at(&mut bytes, 8192).unwrap();
            let new = if engine == "auto" {
                b"fresh 1"
            } else {
                b"fresh 2"
            };
            write(device.path(), 8192, new);
            File::open(device.path()).unwrap().sync_all().unwrap();
            mount.refresh().success();
            file.read_exact_at(&mut bytes, 8192).unwrap();
            assert_eq!(&bytes, new, "{engine}");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn the_json_answers_have_their_documented_fields() {
        let source = Source::new();
        let device = source.noisy("disk", MIB);
        let mount = Mounted::new(source.path(), &["--engine", "copy"]);
        source.link("more", &device);
        let output = blockfuse(["refresh", "--json"])
            .arg(mount.path(""))
            .run()
            .success();
        let refreshed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(refreshed["version"], 1);
        assert_eq!(refreshed["exported"], 2);
        assert_eq!(refreshed["came"][0]["name"], "more");
        assert_eq!(refreshed["failed"], 0);
        let _open = File::open(mount.path("disk")).unwrap();
        fs::read(mount.path("disk")).unwrap();
        let status = mount.status();
        assert_eq!(status["version"], 1);
        assert_eq!(status["source"], *source.path().to_string_lossy());
        let entry = mount.entry("disk");
        assert_eq!(entry["size"], MIB);
        assert_eq!(entry["engine"], "copy");
        assert_eq!(entry["reason"], "asked for");
        assert!(entry["bytes_read"].as_u64() >= Some(MIB));
        assert_eq!(entry["errors"], 0);
        assert_eq!(entry["mtime"], mtime(&mount, "disk"));
        assert!(entry["last_error"].is_null() && entry["problem"].is_null());
    }
}
