//! What is refused, with which words and which exit code.

use nightshift_testkit::{Sandbox, any, has, has_all};

use crate::mounted::blockfuse;

#[test]
fn mistakes_on_the_command_line_and_in_the_configuration_are_told_apart_from_failures() {
    let sandbox = Sandbox::new();
    let (source, mountpoint) = (sandbox.dir("dev"), sandbox.dir("mnt"));
    let inside = sandbox.dir("dev/inside");
    let file = sandbox.file("file", "");
    let missing = sandbox.join("missing");
    let config = sandbox.file("bad.toml", "[mount]\nthreads = \"many\"\n");
    let position = format!("{}:2:11: ", config.display());
    let mount = |words: &[&std::path::Path]| blockfuse(["mount"]).args(words).run();
    mount(&[&missing, &mountpoint]).assert(
        3,
        "",
        has_all([
            "cannot read the source directory",
            "No such file or directory",
        ]),
    );
    mount(&[&file, &mountpoint]).assert(
        3,
        "",
        has_all(["cannot read the source directory", "Not a directory"]),
    );
    mount(&[&source, &missing]).assert(
        3,
        "",
        has_all(["cannot use the mount point", "No such file", "hint: mkdir"]),
    );
    mount(&[&source, &inside]).assert(2, "", has("lie inside each other"));
    mount(&[&inside, &source]).assert(2, "", has("lie inside each other"));
    mount(&["-o".as_ref(), "ro,blink".as_ref(), &source, &mountpoint]).assert(
        2,
        "",
        "blockfuse: error: unknown mount option \"blink\"\n",
    );
    mount(&["--blink".as_ref(), &source, &mountpoint]).assert(2, "", has("--blink"));
    mount(&["--config".as_ref(), &config, &source, &mountpoint]).assert(2, "", has(position));
    mount(&["--include".as_ref(), "[".as_ref(), &source, &mountpoint]).assert(
        2,
        "",
        has("unclosed character class"),
    );
    mount(&[&mountpoint]).assert(2, "", has_all(["no source directory given", "hint:"]));
    for command in ["status", "refresh", "umount"] {
        blockfuse([command])
            .arg(&mountpoint)
            .run()
            .assert(3, "", has("no blockfuse is mounted"));
        blockfuse([command])
            .arg(&missing)
            .run()
            .assert(3, "", has("cannot use the mount point"));
    }
    blockfuse::<&str>([]).run().assert(2, "", has("Usage:"));
}

#[test]
fn settings_are_shown_with_their_origin() {
    let sandbox = Sandbox::new();
    let config = sandbox.file("blockfuse.toml", "[mount]\nreadahead = 64\n");
    blockfuse([
        "mount",
        "--show-config",
        "--threads",
        "3",
        "/dev/mapper",
        "/mnt",
        "--config",
    ])
    .arg(&config)
    .env("BLOCKFUSE_MTIME", "now")
    .run()
    .assert(
        0,
        has_all([
            "mount.threads = 3  # flag --threads\n".to_owned(),
            format!("mount.readahead = 64  # {}:2\n", config.display()),
            "mount.mtime = \"now\"  # environment BLOCKFUSE_MTIME\n".to_owned(),
            "mount.engine = \"auto\"  # default\n".to_owned(),
        ]),
        "",
    );
}

mod privileged {
    use std::path::Path;
    use std::time::Duration;

    use nightshift_testkit::{Cmd, MountGuard, wait_value};

    use super::*;

    #[test]
    #[ignore = "needs root"]
    fn an_ordinary_user_is_told_to_become_root() {
        let sandbox = Sandbox::new();
        let (source, mountpoint) = (sandbox.dir("dev"), sandbox.dir("mnt"));
        std::fs::set_permissions(
            sandbox.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        // The binary itself may lie where nobody else may look.
        let binary = sandbox.join("blockfuse");
        std::fs::copy(env!("CARGO_BIN_EXE_blockfuse"), &binary).unwrap();
        let attempt = || {
            Cmd::new(&binary)
                .args([Path::new("mount"), &source, &mountpoint])
                .under([
                    "setpriv",
                    "--reuid",
                    "65534",
                    "--regid",
                    "65534",
                    "--clear-groups",
                ])
                .run()
        };
        // Another test's child may hold the copy open for writing between its fork and its exec,
        // and such a file cannot be run (setpriv then exits with 126).
        let output = wait_value("the copy can be run", Duration::from_secs(20), || {
            Some(attempt()).filter(|output| output.ending() != 126.into())
        });
        output.assert(3, "", has_all(["cannot mount without being root", "hint:"]));
    }

    #[test]
    #[ignore = "needs root"]
    fn a_mountpoint_with_something_on_it_is_busy() {
        let sandbox = Sandbox::new();
        let (source, mountpoint) = (sandbox.dir("dev"), sandbox.dir("mnt"));
        let _tmpfs = MountGuard::mount("tmpfs", "none", &mountpoint, "size=1M");
        blockfuse([Path::new("mount"), &source, &mountpoint])
            .run()
            .assert(3, "", has("is busy: tmpfs is mounted there"));
    }

    #[test]
    #[ignore = "needs root"]
    fn without_dev_fuse_it_says_so() {
        let sandbox = Sandbox::new();
        let (source, mountpoint) = (sandbox.dir("dev"), sandbox.dir("mnt"));
        // A mount namespace of its own in which /dev/fuse is hidden.
        let script = "mount -t tmpfs none /dev && exec \"$0\" mount \"$1\" \"$2\"";
        Cmd::new("unshare")
            .args([
                "--mount",
                "sh",
                "-c",
                script,
                env!("CARGO_BIN_EXE_blockfuse"),
            ])
            .args([&source, &mountpoint])
            .run()
            .assert(
                3,
                "",
                has_all(["cannot open /dev/fuse: No such file", "hint: modprobe fuse"]),
            );
    }

    #[test]
    #[ignore = "needs root"]
    fn without_the_right_to_mount_it_says_so() {
        let sandbox = Sandbox::new();
        let (source, mountpoint) = (sandbox.dir("dev"), sandbox.dir("mnt"));
        blockfuse([Path::new("mount"), &source, &mountpoint])
            .under(["setpriv", "--bounding-set", "-sys_admin"])
            .run()
            .assert(3, any(), has_all(["cannot mount on", "CAP_SYS_ADMIN"]));
    }
}
