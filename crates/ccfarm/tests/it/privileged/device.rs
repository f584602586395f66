//! A device whose own gcc builds for ARM, made of the host: a mount namespace in which the cross
//! compiler lies over /usr/bin/gcc and the applied device kit over /usr/local/lib.
//!
//! `cargo xtask test --farm` runs the same builds in an emulated armel root instead.

use std::path::PathBuf;

use ccfarm::elf::{Machine, ObjectFacts};
use nightshift_testkit::{Cmd, Output, needs};

use super::net::{Net, open_to_all};
use crate::farm::FarmFile;
use crate::{PATIENCE, ccfarm};

/// The program behind Debian's link /usr/bin/gcc on amd64.
const NATIVE_GCC: &str = "/usr/bin/x86_64-linux-gnu-gcc-12";

pub(crate) struct Device<'a> {
    net: &'a Net,
    root: PathBuf,
    pub(crate) work: PathBuf,
}

impl<'a> Device<'a> {
    /// Applies the kit of a farm with these nodes.
    #[track_caller]
    pub(crate) fn new(net: &'a Net, mut farm: FarmFile) -> Self {
        needs::command("make", "make");
        needs::command("unshare", "util-linux");
        needs::file(NATIVE_GCC, "apt-get install gcc");
        farm.cache = Some(net.sandbox.join("cache"));
        let root = net.sandbox.dir("device");
        ccfarm()
            .args(["apply", "--farm"])
            .arg(farm.write(&net.sandbox))
            .arg("--root")
            .arg(&root)
            .run()
            .success();
        let work = net.sandbox.dir("work");
        open_to_all(&work);
        Self { net, root, work }
    }

    /// Applies the kit of another farm over the present one.
    #[track_caller]
    pub(crate) fn reconfigure(&self, mut farm: FarmFile) {
        farm.cache = Some(self.net.sandbox.join("cache"));
        ccfarm()
            .args(["apply", "--farm"])
            .arg(farm.write(&self.net.sandbox))
            .arg("--root")
            .arg(&self.root)
            .run()
            .success();
    }

    /// Runs a shell script on the device, in its working directory.
    pub(crate) fn run(&self, script: &str) -> Output {
        let mounts = format!(
            "mount --make-rprivate / && \
             mount --bind /usr/bin/arm-linux-gnueabi-gcc-12 {NATIVE_GCC} && \
             mount --bind {}/usr/local/lib /usr/local/lib && exec \"$@\"",
            self.root.display()
        );
        Cmd::new("/bin/sh")
            .in_netns(&self.net.device)
            .under(["unshare", "--mount", "sh", "-c", &mounts, "sh"])
            .cwd(&self.work)
            .env("DISTCC_DIR", self.net.sandbox.dir("distcc"))
            .timeout(PATIENCE)
            .args(["-e", "-c", script])
            .run()
    }

    /// Runs a script with the device kit's environment.
    pub(crate) fn with_kit(&self, script: &str) -> Output {
        self.run(&format!(". /usr/local/lib/ccfarm/env.sh\n{script}"))
    }

    /// One of ccache's counters.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        let text = self
            .with_kit("ccache --print-stats")
            .success()
            .stdout_text();
        let line = text
            .lines()
            .find(|line| line.split('\t').next() == Some(name));
        line.and_then(|line| line.split('\t').nth(1))
            .unwrap()
            .parse()
            .unwrap()
    }

    /// The machine of an object in the working directory.
    #[track_caller]
    pub(crate) fn machine(&self, object: &str) -> Machine {
        ObjectFacts::read(&std::fs::read(self.work.join(object)).unwrap())
            .unwrap()
            .machine
    }
}
