//! Doctor against stock, mended, outdated and foreign nodes.

use std::time::{Duration, Instant};

use nightshift_testkit::{any, has, has_all};

use super::net::{CROSS_GCC, Net};
use crate::ccfarm;
use crate::farm::FarmFile;

/// Links that mend a stock node.
const MENDED: &[(&str, &str)] = &[("gcc", CROSS_GCC), ("cc", CROSS_GCC), ("gcc-12", CROSS_GCC)];

#[test]
#[ignore = "needs root"]
fn a_stock_node_builds_for_x86_and_a_mended_one_for_the_device() {
    let mut net = Net::new();
    net.node("10.77.0.2", &[]);
    net.node("10.77.0.3", MENDED);
    let stock = FarmFile::new().node("stock", "10.77.0.2", 3632);
    let mended = FarmFile::new()
        .names(&["gcc", "cc"])
        .node("mended", "10.77.0.3", 3632);

    let doctor = |farm: &FarmFile| {
        ccfarm()
            .in_netns(&net.device)
            .args(["doctor", "--farm"])
            .arg(farm.write(&net.sandbox))
            .run()
    };
    doctor(&stock).assert(
        1,
        has_all([
            "stock  gcc  wrong-target      ELF64 x86-64, wanted ELF32 arm\n",
            "    hint: call arm-linux-gnueabi-gcc instead of gcc",
        ]),
        "",
    );
    doctor(&mended).assert(0, has("ELF32 arm, soft-float v5TE, gcc 12.2.0"), "");

    // ccache calls the compiler by its absolute name, past every link in PATH.
    doctor(&mended.names(&["/usr/bin/gcc"])).assert(1, has("wrong-target"), "");

    // The farm's flags must not hide the wrong target behind "bad value for -march".
    let mut stock = stock;
    stock.cflags = "-O2 -march=armv5te";
    doctor(&stock).assert(
        1,
        has("wrong-target      ELF64 x86-64, wanted ELF32 arm"),
        "",
    );

    // The full names need no mending on a stock node.
    let full = ["arm-linux-gnueabi-gcc", "/usr/bin/arm-linux-gnueabi-gcc"];
    doctor(&stock.names(&full)).assert(0, any(), "");
}

#[test]
#[ignore = "needs root"]
fn every_refusal_is_told_from_the_others() {
    let mut net = Net::new();
    net.node("10.77.0.2", MENDED);
    let farm = FarmFile::new().node("n1", "10.77.0.2", 3632);
    let path = farm.write(&net.sandbox);

    // A client that is not allowed: the same node, from another address.
    ccfarm()
        .in_netns(&net.stranger)
        .args(["doctor", "--farm"])
        .arg(&path)
        .run()
        .assert(
            1,
            has_all([
                "refused-client",
                "hint: add 10.77.0.4 to distccd's --allow list on n1",
            ]),
            "",
        );

    // A compiler that is not linked in /usr/lib/distcc.
    let other = FarmFile::new()
        .names(&["no-such-gcc"])
        .node("n1", "10.77.0.2", 3632);
    let output = ccfarm()
        .in_netns(&net.device)
        .args(["doctor", "--farm"])
        .arg(other.write(&net.sandbox))
        .run();
    output.assert(
        1,
        has_all([
            "refused-compiler",
            "hint: link no-such-gcc to distcc in /usr/lib/distcc on n1",
        ]),
        "",
    );

    // No machine at this address: down within the connect timeout.
    let mut dead = FarmFile::new()
        .names(&["gcc", "cc"])
        .node("dead", "10.77.0.9", 3632);
    dead.connect_timeout = "1s";
    let start = Instant::now();
    ccfarm()
        .in_netns(&net.device)
        .args(["doctor", "--farm"])
        .arg(dead.write(&net.sandbox))
        .run()
        .assert(3, has("dead  gcc  down"), "");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
#[ignore = "needs root"]
fn other_compilers_behind_the_same_name_are_found() {
    let mut net = Net::new();
    net.node("10.77.0.2", &[("gcc", "/usr/bin/arm-linux-gnueabi-gcc-11")]);
    net.node(
        "10.77.0.3",
        &[("gcc", "/usr/bin/arm-linux-gnueabihf-gcc-12")],
    );
    net.node("10.77.0.5", MENDED);
    let mut farm = FarmFile::new()
        .node("old", "10.77.0.2", 3632)
        .node("hard", "10.77.0.3", 3632)
        .node("good", "10.77.0.5", 3632);
    farm.cflags = "-O2 -march=armv5te";
    let path = farm.write(&net.sandbox);
    let reference = net.sandbox.join("reference.toml");

    // The device's own compiler: here the cross compiler of the same release.
    ccfarm()
        .args(["reference", "--via", "env", "--farm"])
        .arg(&path)
        .arg("-o")
        .arg(&reference)
        .run()
        .success();
    let run = |extra: &[&str]| {
        ccfarm()
            .in_netns(&net.device)
            .args(["doctor", "--farm"])
            .arg(&path)
            .args(["--reference"])
            .arg(&reference)
            .args(extra)
            .run()
    };
    run(&[]).assert(
        1,
        has_all([
            "old   gcc  wrong-version     11.3.0, wanted 12.2.0",
            "hard  gcc  wrong-target      hard-float v7, wanted soft-float v5TE",
            "good  gcc  ok                ELF32 arm, soft-float v5TE, gcc 12.2.0, same code as the device's",
        ]),
        "",
    );

    // The device's distribution revision differs from the node's: told, not judged.
    let text = String::from_utf8(net.sandbox.read("reference.toml")).unwrap();
    net.sandbox.file(
        "reference.toml",
        text.replace("12.2.0-14)", "12.2.0-14+deb12u1)"),
    );
    run(&[]).assert(
        1,
        has("same version, other revision: \"(Debian 12.2.0-14) 12.2.0\""),
        "",
    );
    run(&["--strict", "--json"]).assert(
        1,
        has("\"name\":\"good\",\"compiler\":\"gcc\",\"verdict\":\"wrong-version\""),
        "",
    );

    // Other flags than those of the reference: nothing is sent.
    farm.cflags = "-O1";
    farm.write(&net.sandbox);
    run(&[]).assert(
        2,
        "",
        has("cflags is \"-O2 -march=armv5te\" here and \"-O1\""),
    );
}
