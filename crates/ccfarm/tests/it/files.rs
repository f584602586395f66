//! plan, render, apply and undo, below a directory of the test's own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nightshift_testkit::{Cmd, Sandbox, has, has_all};

use crate::ccfarm;

const KIT: &str = "usr/local/lib/ccfarm";

/// A farm file from the program itself, and an empty root.
fn setup() -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new();
    let farm = sandbox.join("farm.toml");
    ccfarm().arg("init").arg(&farm).run().success();
    let root = sandbox.dir("root");
    (sandbox, farm, root)
}

fn on(verb: &str, farm: &Path, root: &Path) -> Cmd {
    ccfarm()
        .arg(verb)
        .arg("--farm")
        .arg(farm)
        .arg("--root")
        .arg(root)
}

/// Every file and link below a directory: mode, and content or target. Locks do not count.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if relative.starts_with("run") {
                continue;
            }
            let content = if metadata.is_dir() {
                open.push(path);
                Vec::new()
            } else if metadata.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(relative, (metadata.permissions().mode(), content));
        }
    }
    found
}

#[test]
fn a_plan_after_apply_is_empty_and_a_second_apply_writes_nothing() {
    let (_sandbox, farm, root) = setup();
    on("plan", &farm, &root).run().assert(
        1,
        has_all([
            "create usr/local/lib/ccfarm/guard\n",
            "    +export DISTCC_HOSTS=",
        ]),
        "",
    );
    assert!(!root.join("usr").exists(), "plan writes nothing");
    on("apply", &farm, &root)
        .arg("--dry-run")
        .run()
        .assert(0, has("create"), "");
    assert!(!root.join("usr").exists(), "a dry run writes nothing");

    on("apply", &farm, &root).run().assert(
        0,
        "on the device: . /usr/local/lib/ccfarm/env.sh\n",
        "",
    );
    on("plan", &farm, &root).run().assert(0, "", "");
    let inode = |path: &str| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(root.join(path)).unwrap().ino()
    };
    let before = (tree(&root), inode("usr/local/lib/ccfarm/guard"));
    on("apply", &farm, &root).run().assert(0, "", "");
    assert_eq!((tree(&root), inode("usr/local/lib/ccfarm/guard")), before);
}

#[test]
fn undo_restores_every_byte_mode_and_link() {
    let (sandbox, farm, root) = setup();
    let kit = root.join(KIT);
    fs::create_dir_all(kit.join("bin")).unwrap();
    sandbox.file(format!("root/{KIT}/env.sh"), "old \x00 content\n");
    fs::set_permissions(kit.join("env.sh"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("/elsewhere", kit.join("bin/gcc")).unwrap();
    let before = tree(&root);

    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");
    assert_ne!(tree(&root), before);
    // A change of the farm in between: undo goes back to the very first state.
    let text = fs::read_to_string(&farm).unwrap();
    sandbox.file("farm.toml", text.replace("slots = 4", "slots = 9"));
    on("plan", &farm, &root).run().assert(
        1,
        has_all([
            "change usr/local/lib/ccfarm/env.sh\n",
            "    -export DISTCC_HOSTS=\"10.77.0.2:3632/4",
        ]),
        "",
    );
    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");

    on("apply", &farm, &root)
        .args(["--undo", "--dry-run"])
        .run()
        .assert(
            0,
            has_all([
                "restore usr/local/lib/ccfarm/env.sh\n",
                "remove usr/local/lib/ccfarm/guard\n",
            ]),
            "",
        );
    on("apply", &farm, &root)
        .arg("--undo")
        .run()
        .assert(0, "", "");
    assert_eq!(tree(&root), before);
    on("apply", &farm, &root)
        .arg("--undo")
        .run()
        .assert(0, "", "");
}

#[test]
fn a_file_that_somebody_changed_since_is_left_alone() {
    let (sandbox, farm, root) = setup();
    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");
    sandbox.file(format!("root/{KIT}/env.sh"), "mine\n");
    on("apply", &farm, &root).arg("--undo").run().assert(
        4,
        "",
        has("left alone: somebody else has changed usr/local/lib/ccfarm/env.sh"),
    );
    assert_eq!(fs::read(root.join(KIT).join("env.sh")).unwrap(), b"mine\n");
    assert!(!root.join(KIT).join("guard").exists());
}

#[test]
fn what_leaves_the_farm_leaves_the_root() {
    let (sandbox, farm, root) = setup();
    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");
    let text = fs::read_to_string(&farm).unwrap();
    sandbox.file("farm.toml", text.replace("guard = true", "guard = false"));
    on("plan", &farm, &root)
        .run()
        .assert(1, has("withdraw usr/local/lib/ccfarm/guard\n"), "");
    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");
    assert!(!root.join(KIT).join("guard").exists());
    on("plan", &farm, &root).run().assert(0, "", "");
}

#[test]
fn the_device_and_a_node_share_a_root_without_disturbing_each_other() {
    let (_sandbox, farm, root) = setup();
    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");
    on("apply", &farm, &root)
        .args(["--node", "n1"])
        .run()
        .assert(
            0,
            has_all([
                "systemctl enable --now ccfarm-n1",
                "ccfarm toolroot build --cc arm-linux-gnueabi-gcc",
            ]),
            "",
        );
    on("plan", &farm, &root).run().assert(0, "", "");
    on("apply", &farm, &root)
        .args(["--node", "n1", "--undo"])
        .run()
        .assert(0, "", "");
    assert!(!root.join("etc").exists());
    on("plan", &farm, &root).run().assert(0, "", "");
    on("apply", &farm, &root)
        .args(["--node", "n7"])
        .run()
        .assert(2, "", has("no node \"n7\""));
}

#[test]
fn a_link_on_the_way_cannot_lead_out_of_the_root() {
    let (sandbox, farm, root) = setup();
    let outside = sandbox.dir("outside");
    symlink(&outside, root.join("usr")).unwrap();
    on("apply", &farm, &root)
        .run()
        .assert(3, "", has("a directory on the way is a symbolic link"));
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}

#[test]
fn a_second_instance_is_told_to_wait() {
    let (_sandbox, farm, root) = setup();
    let lock = root.join("run/nightshift/ccfarm.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = fs::File::create(&lock).unwrap();
    file.lock().unwrap();
    on("apply", &farm, &root)
        .run()
        .assert(75, "", has("holds the lock"));
}

#[test]
fn a_termination_leaves_no_temporary_file_and_can_be_undone() {
    let (_sandbox, farm, root) = setup();
    // At any moment of the run: each round waits until one more file is there.
    for wait_for in 0..8 {
        let running = on("apply", &farm, &root).spawn();
        let kit = root.join(KIT);
        let count = || tree_names(&kit).len();
        while count() < wait_for && kit_running(running.pid()) {
            std::thread::yield_now();
        }
        if kit_running(running.pid()) {
            running.signal(rustix::process::Signal::TERM);
        }
        running.wait(std::time::Duration::from_secs(30));
        assert!(tree_names(&root).iter().all(|name| !name.contains(".tmp")));
        on("apply", &farm, &root)
            .arg("--undo")
            .run()
            .assert(0, "", "");
        assert!(!root.join("usr").exists());
    }
}

fn tree_names(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names
}

fn kit_running(pid: u32) -> bool {
    // A zombie has no executable any more.
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

#[test]
fn render_writes_what_apply_would() {
    let (sandbox, farm, root) = setup();
    let output = sandbox.join("out");
    for _ in 0..2 {
        ccfarm()
            .args(["render", "--farm"])
            .arg(&farm)
            .arg("-o")
            .arg(&output)
            .run()
            .success();
    }
    let unpacked = sandbox.dir("unpacked");
    Cmd::new("/bin/tar")
        .arg("-C")
        .arg(&unpacked)
        .arg("-xf")
        .arg(output.join("device-kit.tar"))
        .run()
        .success();
    on("apply", &farm, &root)
        .run()
        .assert(0, has("on the device"), "");
    let applied = tree(&root.join("usr/local/lib/ccfarm"));
    let names = |tree: &BTreeMap<PathBuf, (u32, Vec<u8>)>| {
        tree.iter()
            .map(|(path, (_, content))| (path.clone(), content.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&tree(&unpacked.join("usr/local/lib/ccfarm"))),
        names(&applied)
    );
    assert!(
        output
            .join("nodes/n1/etc/systemd/system/ccfarm-n1.service")
            .is_file()
    );
}
