//! The trap of a farm made of stock packages, and the device kit that avoids it.

use std::fmt::Write as _;
use std::net::TcpListener;

use ccfarm::elf::Machine;
use nightshift_testkit::{any, has};

use super::device::Device;
use super::net::{CROSS_GCC, Net};
use crate::fake_node::{AMD64, Behaviour, FakeNode};
use crate::farm::FarmFile;
use crate::lua::sources;

const X86_64: Machine = Machine(62);

/// Files of Lua that are built: enough for a parallel build, few enough for every test run.
const SOURCES: &[&str] = &[
    "lapi", "lcode", "lctype", "ldebug", "ldo", "lgc", "llex", "lmem",
];

/// A makefile with one object per source.
fn makefile() -> String {
    let mut text = format!("CFLAGS = -O1 -I{}\nall:", sources().display());
    for source in SOURCES {
        let _ = write!(text, " {source}.o");
    }
    let _ = write!(
        text,
        "\n%.o: {}/%.c\n\t$(CC) $(CFLAGS) -c $< -o $@\n",
        sources().display()
    );
    text
}

#[test]
#[ignore = "needs root"]
fn stock_packages_build_for_x86_and_ccache_keeps_it() {
    let mut net = Net::new();
    net.node("10.77.0.2", &[]);
    net.node(
        "10.77.0.3",
        &[("gcc", CROSS_GCC), ("cc", CROSS_GCC), ("gcc-12", CROSS_GCC)],
    );
    let device = Device::new(&net, FarmFile::new().node("a", "10.77.0.2", 3632));
    net.sandbox
        .file("work/a.c", "int answer(void) { return 42; }\n");

    // The device's own compiler, to know what is right.
    device.run("gcc -O1 -c a.c -o a.o").success();
    assert_eq!(device.machine("a.o"), Machine::ARM);

    let cache = format!(
        "export CCACHE_DIR={} CCACHE_PREFIX=distcc\n",
        net.sandbox.join("c").display()
    );
    let build = |hosts: &str| {
        device
            .run(&format!(
                "{cache} DISTCC_HOSTS={hosts} ccache gcc -O1 -c a.c -o a.o"
            ))
            .success();
        device.machine("a.o")
    };
    assert_eq!(
        build("10.77.0.2"),
        X86_64,
        "a stock node, exit status 0 and not a word"
    );
    assert_eq!(
        build("10.77.0.3"),
        X86_64,
        "the mended node is not even asked"
    );
    device
        .run(&format!(
            "{cache} CCACHE_PREFIX= ccache gcc -O1 -c a.c -o a.o"
        ))
        .success();
    assert_eq!(
        device.machine("a.o"),
        X86_64,
        "nor is the device's own compiler"
    );
}

#[test]
#[ignore = "needs root"]
fn the_kit_gets_arm_objects_from_a_stock_node() {
    let mut net = Net::new();
    net.node("10.77.0.2", &[]);
    let device = Device::new(&net, FarmFile::new().node("a", "10.77.0.2", 3632));
    net.sandbox.file("work/Makefile", makefile());

    device.with_kit("make -j4 CC=gcc").assert(0, any(), any());
    for source in SOURCES {
        assert_eq!(
            device.machine(&format!("{source}.o")),
            Machine::ARM,
            "{source}"
        );
    }
    assert_eq!(device.counter("cache_miss"), SOURCES.len() as u64);

    // Again, from the cache alone: no node in the host list.
    device
        .with_kit("make clean || rm *.o\nexport DISTCC_HOSTS=\nmake -j4 CC=cc")
        .assert(0, any(), any());
    assert_eq!(device.counter("direct_cache_hit"), SOURCES.len() as u64);

    // Text is let through the guard, and linking is not distributed.
    net.sandbox
        .file("work/m.c", "int main(void) { return 0; }\n");
    device
        .with_kit("gcc -S m.c -o m.s && gcc m.c -o m && gcc --version")
        .assert(0, has("12.2.0"), "");
}

#[test]
#[ignore = "needs root"]
fn the_guard_keeps_wrong_objects_out_of_the_cache() {
    let mut net = Net::new();
    net.node("10.77.0.2", &[]);
    let machine = net.machine("10.77.0.3");
    let listener = net
        .namespace(machine)
        .run(|| TcpListener::bind("10.77.0.3:3632").unwrap());
    let bad = FakeNode::on(listener, Behaviour::Object(AMD64));
    let device = Device::new(&net, FarmFile::new().node("bad", "10.77.0.3", 3632));
    net.sandbox
        .file("work/a.c", "int answer(void) { return 42; }\n");

    let output = device.with_kit("gcc -O1 -c a.c -o a.o");
    assert!(
        output
            .stderr_text()
            .contains("a.o is not an ELF32 arm object"),
        "{output}"
    );
    assert_eq!(output.ending(), 121.into(), "{output}");
    assert!(!device.work.join("a.o").exists());
    assert_eq!(bad.jobs().len(), 1);
    assert_eq!(device.counter("compile_failed"), 1);
    assert_eq!(device.counter("files_in_cache"), 0);

    // The same source, a good node: compiled anew, and right.
    device.reconfigure(FarmFile::new().node("good", "10.77.0.2", 3632));
    device.with_kit("gcc -O1 -c a.c -o a.o").assert(0, "", "");
    assert_eq!(device.machine("a.o"), Machine::ARM);
}

#[test]
#[ignore = "needs root"]
fn without_fallback_a_dead_farm_fails_loudly() {
    let net = Net::new();
    let device = Device::new(&net, FarmFile::new().node("dead", "10.77.0.9", 3632));
    net.sandbox
        .file("work/a.c", "int answer(void) { return 42; }\n");
    let output = device.with_kit("DISTCC_IO_TIMEOUT=5 gcc -O1 -c a.c -o a.o");
    assert_ne!(output.ending(), 0.into(), "{output}");
    assert!(!device.work.join("a.o").exists());
}
