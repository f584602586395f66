//! An ARM machine to compile on: a Debian armel root whose programs run under qemu.
//!
//! The kernel's table of foreign binaries (binfmt_misc) belongs to a user namespace since Linux
//! 6.7, so the host's own stays as it is. Needs root, and the packages mmdebstrap, arch-test and
//! qemu-user-static.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs;

/// What is installed in the root, beside the minimal system. gcc only recommends libc6-dev, whose
/// headers any real source wants.
const PACKAGES: &str = "gcc,libc6-dev,make,distcc,ccache";

/// The machine. Its root is made once per target directory and kept: that takes minutes.
#[derive(Debug)]
pub struct EmulatedArm {
    root: PathBuf,
    enter: PathBuf,
}

impl EmulatedArm {
    /// The machine of this target directory.
    #[track_caller]
    pub fn get() -> Self {
        needs::root();
        needs::command("mmdebstrap", "mmdebstrap");
        needs::command("arch-test", "arch-test");
        needs::file(
            "/usr/lib/binfmt.d/qemu-arm.conf",
            "apt-get install qemu-user-static",
        );
        let top = needs::target_dir().join("emulated-arm");
        let machine = Self {
            root: top.join("root"),
            enter: top.join("enter"),
        };
        make_dir(&top);
        // Tests run side by side, in one program and in several; one of them makes it.
        let lock = fs::File::create(top.join("lock")).and_then(|file| file.lock().map(|()| file));
        if let Err(error) = &lock {
            panic!("cannot lock {}: {error}", top.display());
        }
        machine.write_enter();
        if !machine.root.is_dir() {
            machine.build(&top.join("root.part"));
        }
        machine
    }

    /// The root directory, for putting files there.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program of the host that runs its arguments on the machine, in a directory and network
    /// of the caller's choice: `enter COMMAND ARGUMENTS`. Standard streams, exit status and
    /// resource use are the command's.
    pub fn enter(&self) -> &Path {
        &self.enter
    }

    #[track_caller]
    fn build(&self, part: &Path) {
        // What an interrupted build left is not a root.
        let _gone = fs::remove_dir_all(part);
        let output = Command::new(&self.enter)
            .env("EMULATED_ROOT", "/")
            .args([
                "mmdebstrap",
                "--mode=root",
                "--arch=armel",
                "--variant=minbase",
            ])
            .arg(format!("--include={PACKAGES}"))
            .arg("bookworm")
            .arg(part)
            .output();
        let output = match output {
            Ok(output) => output,
            Err(error) => panic!("cannot run {}: {error}", self.enter.display()),
        };
        assert!(
            output.status.success(),
            "the armel root cannot be made: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        if let Err(error) = fs::rename(part, &self.root) {
            panic!("cannot name {}: {error}", self.root.display());
        }
    }

    #[track_caller]
    fn write_enter(&self) {
        let script =
            include_str!("emulated/enter.sh").replace("@ROOT@", &self.root.display().to_string());
        // Beside the target and renamed: another test may be running the old one.
        let part = self.enter.with_extension("part");
        let written = fs::File::create(&part)
            .and_then(|mut file| std::io::Write::write_all(&mut file, script.as_bytes()))
            .and_then(|()| fs::set_permissions(&part, fs::Permissions::from_mode(0o755)))
            .and_then(|()| fs::rename(&part, &self.enter));
        if let Err(error) = written {
            panic!("cannot write {}: {error}", self.enter.display());
        }
    }
}

#[track_caller]
fn make_dir(path: &Path) {
    if let Err(error) = fs::create_dir_all(path) {
        panic!("cannot make {}: {error}", path.display());
    }
}
