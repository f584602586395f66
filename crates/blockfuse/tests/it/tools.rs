//! The tools that people back up and copy with, each over a device and back.
//!
//! What each one needs is in docs/guides/backup-tools.md; the options here are those of its table.

mod privileged {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use nightshift_testkit::{Cmd, LoopDevice, any, needs, noise};

    use crate::mounted::Mounted;
    use crate::source::{MIB, Source, write};

    /// A mount of one device, `disk`: 16 MiB with 2 MiB of noise in a hole.
    struct Fixture {
        mount: Mounted,
        device: LoopDevice,
        _source: Source,
    }

    impl Fixture {
        fn new() -> Self {
            let source = Source::new();
            let device = LoopDevice::of_size(16 * MIB);
            write(device.path(), 8 * MIB, &noise(3, 2 << 20));
            source.link("disk", &device);
            Self {
                mount: Mounted::new(source.path(), &[]),
                device,
                _source: source,
            }
        }

        fn run(&self, program: &str, package: &str, args: &[&str]) {
            let program = needs::command(program, package);
            let root = self.mount.sandbox().path().to_owned();
            let home = root.join("home");
            Cmd::new(program)
                .args(args)
                .cwd(root)
                .env("HOME", home)
                .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
                .env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes")
                .env("RESTIC_PASSWORD", "test")
                .run()
                .assert(0, any(), any());
        }

        #[track_caller]
        fn assert_same(&self, copy: impl AsRef<Path>) {
            let copy = self.mount.sandbox().join(copy);
            let same = fs::read(&copy).unwrap() == fs::read(self.device.path()).unwrap();
            assert!(same, "{} differs from the device", copy.display());
        }

        /// The copy takes little more room than the data in it.
        #[track_caller]
        fn assert_sparse(&self, copy: impl AsRef<Path>) {
            let allocated = self.mount.sandbox().join(copy).metadata().unwrap().blocks() * 512;
            assert!(allocated <= 5 * MIB, "{allocated} bytes are allocated");
        }

        /// Writes the copy back onto the device, which was overwritten meanwhile.
        #[track_caller]
        fn restore(&self, copy: impl AsRef<Path>) {
            let before = fs::read(self.device.path()).unwrap();
            write(self.device.path(), 0, &noise(4, 16 << 20));
            let copy = self.mount.sandbox().join(copy);
            Cmd::new("/bin/dd")
                .arg(format!("if={}", copy.display()))
                .arg(format!("of={}", self.device.path().display()))
                .args(["bs=1M", "conv=fsync"])
                .run()
                .assert(0, any(), any());
            assert!(fs::read(self.device.path()).unwrap() == before, "restored");
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn rsync_copies_sparsely_and_skips_by_mtime() {
        let fixture = Fixture::new();
        fixture.run("rsync", "rsync", &["-a", "--sparse", "mnt/", "copy/"]);
        fixture.assert_same("copy/disk");
        fixture.assert_sparse("copy/disk");
        // The same mtime and size: not looked at again, though the bytes are others.
        write(fixture.device.path(), 0, &[1; 512]);
        fixture.run("rsync", "rsync", &["-a", "--sparse", "mnt/", "copy/"]);
        let copied = fs::read(fixture.mount.sandbox().join("copy/disk")).unwrap();
        assert_eq!(copied[0], 0);
        fixture.mount.refresh().assert(0, any(), any());
        fixture.run("rsync", "rsync", &["-a", "--inplace", "mnt/", "copy/"]);
        fixture.assert_same("copy/disk");
        fixture.restore("copy/disk");
    }

    #[test]
    #[ignore = "needs root"]
    fn borg_archives_and_extracts_sparsely() {
        let fixture = Fixture::new();
        fixture.run("borg", "borgbackup", &["init", "-e", "none", "repo"]);
        // Holes are a matter of the fixed chunker alone.
        let chunker = ["--chunker-params", "fixed,4194304"];
        let create = [
            "create",
            "--sparse",
            chunker[0],
            chunker[1],
            "repo::one",
            "mnt",
        ];
        fixture.run("borg", "borgbackup", &create);
        fs::create_dir(fixture.mount.sandbox().join("out")).unwrap();
        let out = fixture.mount.sandbox().join("out");
        Cmd::new(needs::command("borg", "borgbackup"))
            .args(["extract", "--sparse", "../repo::one"])
            .cwd(&out)
            .env("HOME", fixture.mount.sandbox().join("home"))
            .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
            .run()
            .assert(0, any(), any());
        fixture.assert_same("out/mnt/disk");
        fixture.assert_sparse("out/mnt/disk");
        fixture.restore("out/mnt/disk");
    }

    #[test]
    #[ignore = "needs root"]
    fn restic_backs_up_and_restores_sparsely() {
        let fixture = Fixture::new();
        fixture.run("restic", "restic", &["-q", "init", "-r", "repo"]);
        fixture.run("restic", "restic", &["-q", "backup", "-r", "repo", "mnt"]);
        let restore = ["-q", "restore", "-r", "repo", "latest", "--target", "out"];
        fixture.run("restic", "restic", &restore);
        fixture.assert_same("out/mnt/disk");
        fixture.restore("out/mnt/disk");
    }

    #[test]
    #[ignore = "needs root"]
    fn tar_skips_the_holes() {
        let fixture = Fixture::new();
        fixture.run(
            "tar",
            "tar",
            &["-S", "-cf", "archive.tar", "-C", "mnt", "disk"],
        );
        let archive = fixture
            .mount
            .sandbox()
            .join("archive.tar")
            .metadata()
            .unwrap()
            .len();
        assert!(archive < 3 * MIB, "the archive has {archive} bytes");
        fs::create_dir(fixture.mount.sandbox().join("out")).unwrap();
        fixture.run("tar", "tar", &["-xf", "archive.tar", "-C", "out"]);
        fixture.assert_same("out/disk");
        fixture.assert_sparse("out/disk");
        fixture.restore("out/disk");
    }

    #[test]
    #[ignore = "needs root"]
    fn cp_copies_sparsely() {
        let fixture = Fixture::new();
        for sparse in ["auto", "always"] {
            let option = format!("--sparse={sparse}");
            fixture.run("cp", "coreutils", &[&option, "mnt/disk", sparse]);
            fixture.assert_same(sparse);
            fixture.assert_sparse(sparse);
        }
        fixture.restore("auto");
    }

    #[test]
    #[ignore = "needs root"]
    fn dd_copies_sparsely() {
        let fixture = Fixture::new();
        let args = ["if=mnt/disk", "of=copy", "bs=1M", "conv=sparse"];
        fixture.run("dd", "coreutils", &args);
        fixture.assert_same("copy");
        fixture.assert_sparse("copy");
        fixture.restore("copy");
    }

    #[test]
    #[ignore = "needs root"]
    fn qemu_img_converts_there_and_back() {
        let fixture = Fixture::new();
        let out = [
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "mnt/disk",
            "disk.qcow2",
        ];
        fixture.run("qemu-img", "qemu-utils", &out);
        let image = fixture
            .mount
            .sandbox()
            .join("disk.qcow2")
            .metadata()
            .unwrap()
            .len();
        assert!(image < 4 * MIB, "the image has {image} bytes");
        let back = ["convert", "-f", "qcow2", "-O", "raw", "disk.qcow2", "copy"];
        fixture.run("qemu-img", "qemu-utils", &back);
        fixture.assert_same("copy");
        fixture.restore("copy");
    }
}
