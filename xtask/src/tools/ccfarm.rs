//! ccfarm: a distcc and ccache farm for small devices.

mod bench;
mod network;

use std::path::Path;

use anyhow::{Result, ensure};
use nightshift_testkit::Sandbox;

use super::{Debian, Extra, Tool};
use crate::demo::{Demo, note};
use network::{MENDED, Network};

/// What the tests, the demo and the measurements run.
const FARM: &[&str] = &[
    "ccache",
    "distcc",
    "gcc",
    "gcc-arm-linux-gnueabi",
    "libc6-dev-armel-cross",
    "make",
];

pub(super) const TOOL: Tool = Tool {
    extras: &[Extra::Example("ccfarm.toml")],
    debian: Debian {
        test: &[
            "bubblewrap",
            "busybox-static",
            "ccache",
            "distcc",
            "gcc",
            "gcc-11-arm-linux-gnueabi",
            "gcc-12-arm-linux-gnueabihf",
            "gcc-arm-linux-gnueabi",
            "libc6-dev-armel-cross",
            "make",
            "systemd",
        ],
        demo: FARM,
        bench: &[
            "arch-test",
            "bubblewrap",
            "ccache",
            "distcc",
            "gcc",
            "gcc-arm-linux-gnueabi",
            "libc6-dev-armel-cross",
            "make",
            "mmdebstrap",
            "qemu-user-static",
        ],
    },
    demo: Some(demo),
    bench: Some(bench::run),
    ..Tool::named("ccfarm")
};

/// Lets doctor loose on a farm of stock packages, and again after it was mended.
fn demo(demo: &Demo) -> Result<()> {
    let mut network = demo.step(
        "make a device and two nodes on a network of their own",
        || Ok(Network::new(demo.sandbox())),
    )?;
    demo.step(
        "start Debian's distccd on both, one of them as it is installed",
        || {
            network.node("10.77.0.2", &[])?;
            network.node("10.77.0.3", MENDED)
        },
    )?;
    let doctor = |nodes: &[&str], expected: i32| {
        let farm = farm_file(demo.sandbox(), nodes);
        let (code, report) = network.on_device(demo.binary(), &["doctor", "--farm", &farm])?;
        ensure!(
            code == Some(expected),
            "doctor ended with {code:?}, expected {expected}:\n{report}"
        );
        Ok(report)
    };
    let report = demo.step("doctor finds the node that compiles for x86-64", || {
        let report = doctor(&["stock", "mended"], 1)?;
        let seen = report.contains("stock   gcc  wrong-target      ELF64 x86-64, wanted ELF32 arm");
        ensure!(seen, "doctor says:\n{report}");
        Ok(report)
    })?;
    note(&report);
    let report = demo.step("doctor passes the mended node", || doctor(&["mended"], 0))?;
    note(&report);
    Ok(())
}

/// A farm of these nodes, in the order of their addresses; returns the file's name.
fn farm_file(sandbox: &Sandbox, nodes: &[&str]) -> String {
    let target = "[target]\ntriple = \"arm-linux-gnueabi\"\nnames = [\"gcc\", \"cc\"]\n\
                    cflags = \"-O2 -march=armv5te\"\ngcc = \"12.2.0\"\n\
                    elf = { class = 32, machine = \"arm\", float = \"soft\" }\n";
    let node = |name: &&str| {
        let host = if *name == "stock" {
            "10.77.0.2"
        } else {
            "10.77.0.3"
        };
        format!("[[node]]\nname = \"{name}\"\nhost = \"{host}\"\nslots = 2\n")
    };
    let nodes: Vec<_> = nodes.iter().map(node).collect();
    let file = sandbox.file(Path::new("farm.toml"), target.to_owned() + &nodes.concat());
    file.display().to_string()
}
