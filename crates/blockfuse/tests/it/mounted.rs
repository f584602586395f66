//! A directory mounted by the real program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nightshift_testkit::{Cmd, MountGuard, Output, Sandbox, any};
use serde_json::Value;

/// The program under test.
pub(crate) fn blockfuse<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_blockfuse")).args(args)
}

/// A mount with a state file of its own, unmounted on drop.
#[derive(Debug)]
pub(crate) struct Mounted {
    guard: MountGuard,
    sandbox: Sandbox,
}

impl Mounted {
    /// Mounts `source` with these options and waits for the program to say so.
    #[track_caller]
    pub(crate) fn new(source: &Path, options: &[&str]) -> Self {
        Self::again(source, options, Sandbox::new())
    }

    /// Like [`Mounted::new`], finding the state that a mount in the same sandbox left behind.
    #[track_caller]
    pub(crate) fn again(source: &Path, options: &[&str], sandbox: Sandbox) -> Self {
        let mountpoint = sandbox.join("mnt");
        if !mountpoint.exists() {
            sandbox.dir("mnt");
        }
        let guard = MountGuard::adopt(&mountpoint);
        blockfuse(["mount"])
            .args(options)
            .arg("--state")
            .arg(sandbox.join("state.json"))
            .args([source, &mountpoint])
            .run()
            .assert(0, "", any());
        Self { guard, sandbox }
    }

    /// The file of this name in the mount.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.guard.path().join(name)
    }

    /// A place for the test's own files, beside the mount.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// `blockfuse refresh`.
    pub(crate) fn refresh(&self) -> Output {
        blockfuse(["refresh"]).arg(self.guard.path()).run()
    }

    /// `blockfuse status --json`, whatever its exit code.
    pub(crate) fn status(&self) -> Value {
        let output = blockfuse(["status", "--json"]).arg(self.guard.path()).run();
        let text = output.stdout_text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// What `status` says about one file.
    pub(crate) fn entry(&self, name: &str) -> Value {
        let status = self.status();
        let entries = status["entries"].as_array().unwrap();
        let found = entries.iter().find(|entry| entry["name"] == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {status}"))
            .clone()
    }

    /// The sandbox of a mount that has been unmounted already.
    pub(crate) fn unmounted(self) -> Sandbox {
        self.sandbox
    }

    /// Unmounts by the program and gives back the sandbox for [`Mounted::again`].
    #[track_caller]
    pub(crate) fn unmount(self) -> Sandbox {
        blockfuse(["umount"]).arg(self.guard.path()).run().success();
        self.sandbox
    }
}
