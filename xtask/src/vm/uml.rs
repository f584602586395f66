//! User-mode Linux.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use super::{BUSYBOX, Backend, Options, ROOT, RunDir, check_installed, parameter, write_new};

pub(super) const PACKAGES: &[&str] = &["user-mode-linux", "busybox-static"];

const KERNEL: &str = "/usr/bin/linux.uml";
const MODULES: &str = "/usr/lib/uml/modules";
const HEAD: &str = include_str!("uml-head.sh");
const TAIL: &str = include_str!("uml-tail.sh");

/// The command line that boots the machine.
pub(super) fn command(run_dir: &RunDir, options: &Options) -> Result<Vec<OsString>> {
    check_installed(Backend::Uml, &[KERNEL, MODULES, BUSYBOX])?;
    let init = run_dir.file("init");
    write_new(&init, [HEAD, ROOT, TAIL].concat().as_bytes())?;
    let mut words: Vec<OsString> = vec![KERNEL.into()];
    words.push(format!("mem={}M", options.memory_mib).into());
    let fixed = [
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "quiet",
        "con0=fd:0,fd:1",
        "con=null",
    ];
    words.extend(fixed.map(OsString::from));
    words.push(parameter("init=", &init)?);
    words.push(parameter("uml_dir=", &run_dir.0)?);
    words.push(parameter("vm.out=", &run_dir.0)?);
    words.push(parameter("vm.modules=", Path::new(MODULES))?);
    words.push(format!("vm.restarts={}", options.restarts).into());
    Ok(words)
}
