//! The tool root and the sandboxed node: what an allowed client can still do there.

use std::path::Path;
use std::time::Duration;

use ccfarm::probe::{Limits, Outcome, probe};
use ccfarm::proto::{Job, Reply};
use nightshift_testkit::{Cmd, has, has_all, needs};

use super::net::{Net, open_to_all};
use crate::ccfarm;
use crate::farm::FarmFile;

const GCC: &str = "arm-linux-gnueabi-gcc";

/// Long enough for a loaded machine.
const PATIENT: Limits = Limits {
    connect: Duration::from_secs(30),
    job: Duration::from_mins(2),
};

#[track_caller]
fn tool_root(net: &Net) -> std::path::PathBuf {
    let archive = net.sandbox.join("root.tar");
    ccfarm()
        .args(["toolroot", "build", "--cc", GCC, "-o"])
        .arg(&archive)
        .run()
        .success();
    let root = net.sandbox.dir("root");
    Cmd::new("/bin/tar")
        .arg("-C")
        .arg(&root)
        .arg("-xf")
        .arg(&archive)
        .run()
        .success();
    root
}

/// Sends a job with these arguments between the compiler's name and `-c`.
fn send(net: &Net, address: &str, args: &[&str], source: &str) -> Reply {
    let words = [GCC]
        .iter()
        .chain(args)
        .chain(&["-c", "probe.c", "-o", "probe.o"]);
    let job = Job {
        argv: words.map(|word| word.as_bytes().to_vec()).collect(),
        source: source.as_bytes().to_vec(),
    };
    match net.device.run(|| probe(address, 3632, &job, PATIENT)) {
        Outcome::Reply(reply) => *reply,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs root"]
fn the_tool_root_is_small_and_holds_no_interpreter() {
    let net = Net::new();
    let root = tool_root(&net);
    let mut size = 0;
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(
                !["sh", "bash", "dash", "busybox"].contains(&name.as_str()),
                "{name}"
            );
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                size += entry.metadata().unwrap().len();
            }
        }
    }
    assert!(size < 60 << 20, "{size} bytes");
    assert!(root.join("etc/ld.so.cache").is_file());
    assert_eq!(std::fs::read_dir(root.join("proc")).unwrap().count(), 0);

    // The same archive twice.
    let first = net.sandbox.read("root.tar");
    ccfarm()
        .args(["toolroot", "build", "--cc", GCC, "-o"])
        .arg(net.sandbox.join("root.tar"))
        .run()
        .success();
    assert!(first == net.sandbox.read("root.tar"), "the archives differ");
}

#[test]
#[ignore = "needs root"]
fn a_wrapper_script_would_bring_a_shell_and_is_refused() {
    let net = Net::new();
    let wrapper = net
        .sandbox
        .file("cross-gcc", format!("#!/bin/sh\nexec {GCC} \"$@\"\n"));
    open_to_all(&wrapper);
    let archive = net.sandbox.join("root.tar");
    ccfarm()
        .args(["toolroot", "build", "--cc"])
        .arg(&wrapper)
        .arg("-o")
        .arg(&archive)
        .run()
        .assert(
            1,
            "",
            has_all([
                "/usr/bin/dash would be in the tool root",
                "hint: a wrapper script",
            ]),
        );
    assert!(!archive.exists());
}

#[test]
#[ignore = "needs root"]
fn a_sandboxed_node_compiles_and_gives_nothing_away() {
    needs::command("bwrap", "bubblewrap");
    let mut net = Net::new();
    let root = tool_root(&net);
    net.node("10.77.0.2", &[]);
    let machine = net.machine("10.77.0.5");
    let mut farm = FarmFile::new()
        .names(&[GCC, "/usr/bin/arm-linux-gnueabi-gcc", "gcc"])
        .node("boxed", "10.77.0.5", 3632);
    farm.nodes[0].3 = "sandbox = \"bwrap\"\n";
    let path = farm.write(&net.sandbox);
    ccfarm()
        .args(["render", "--farm"])
        .arg(&path)
        .arg("-o")
        .arg(net.sandbox.join("out"))
        .run()
        .success();
    let start = net
        .sandbox
        .join("out/nodes/boxed/usr/local/lib/ccfarm/start-boxed");
    for directory in ["out", "out/nodes", "out/nodes/boxed"] {
        open_to_all(&net.sandbox.join(directory));
    }
    let daemon = Cmd::new(&start)
        .in_netns(net.namespace(machine))
        .under([
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
        ])
        .arg(&root)
        .spawn();
    net.keep(daemon, "10.77.0.5");

    // It does its work, and runs no name but the triplet.
    ccfarm()
        .in_netns(&net.device)
        .args(["doctor", "--farm"])
        .arg(&path)
        .run()
        .assert(
            1,
            has_all([
                "boxed  arm-linux-gnueabi-gcc           ok  ",
                "boxed  /usr/bin/arm-linux-gnueabi-gcc  ok  ",
                "boxed  gcc                             refused-compiler",
            ]),
            "",
        );

    // What an allowed client can do to a stock node, and not to this one.
    let stolen = ".section .rodata\n.incbin \"/etc/hostname\"\n";
    let steal = format!("# 1 \"probe.c\"\n__asm__({stolen:?});\n");
    assert!(
        send(&net, "10.77.0.2", &[], &steal).status.success(),
        "a stock node obeys"
    );
    assert!(!send(&net, "10.77.0.5", &[], &steal).status.success());

    let environment = steal.replace("/etc/hostname", "/proc/1/environ");
    assert!(!send(&net, "10.77.0.5", &[], &environment).status.success());

    let marker = "/tmp/ccfarm-wrapper-was-here";
    let wrapper = format!("/bin/sh,-c,touch {marker}; exit 1,");
    let run = |address: &str| send(&net, address, &["-wrapper", &wrapper], "int x;\n");
    assert!(!run("10.77.0.5").status.success());
    assert!(
        !Path::new(marker).exists(),
        "the sandboxed node ran a shell"
    );
    assert!(!run("10.77.0.2").status.success());
    let obeyed = std::fs::remove_file(marker).is_ok();
    assert!(
        obeyed,
        "a stock node runs any program: if not, the check above proves nothing"
    );
}

#[test]
#[ignore = "needs root"]
fn systemd_accepts_the_units() {
    needs::command("systemd-analyze", "systemd");
    let net = Net::new();
    for (sandbox, exposure) in [("none", 20), ("systemd", 20)] {
        let extra: &'static str = format!("sandbox = \"{sandbox}\"\n").leak();
        let mut farm = FarmFile::new().node("n1", "10.77.0.2", 3632);
        farm.nodes[0].3 = extra;
        let out = net.sandbox.join(sandbox);
        ccfarm()
            .args(["render", "--farm"])
            .arg(farm.write(&net.sandbox))
            .arg("-o")
            .arg(&out)
            .run()
            .success();
        let unit = out.join("nodes/n1/etc/systemd/system/ccfarm-n1.service");
        Cmd::new("/usr/bin/systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&unit)
            .run()
            .success();
        // Tenths of systemd's exposure level: 2.0 is "OK".
        Cmd::new("/usr/bin/systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={exposure}"))
            .arg(&unit)
            .run()
            .assert(0, has("Overall exposure level"), "");
    }
}
