//! The whole farm with a device that is one: an emulated armel machine. Takes minutes; run by
//! `cargo xtask test --farm`.

use std::fs;
use std::path::Path;

use ccfarm::elf::{Float, Machine, ObjectFacts};
use nightshift_testkit::{Cmd, EmulatedArm, Output, has};

use crate::farm::FarmFile;
use crate::lua::sources;
use crate::privileged::net::Net;
use crate::{PATIENCE, ccfarm};

/// Files that the device compiles itself too, for comparison.
const COMPARED: &[&str] = &["lctype", "lmem", "lobject", "lopcodes", "lzio", "linit"];

/// A program that uses the library.
const MAIN: &str = r#"
#include "lauxlib.h"
#include "lualib.h"
int main(void)
{
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    return luaL_dostring(lua, "print(6 * 7, _VERSION)");
}
"#;

/// Runs a shell script on the emulated device, in /work, which is `work` on the host.
fn on_device(net: &Net, machine: &EmulatedArm, work: &Path, script: &str) -> Output {
    Cmd::new(machine.enter())
        .in_netns(&net.device)
        .env("EMULATED_WORK", work)
        .args(["sh", "-e", "-c", &format!("cd /work\n{script}")])
        .timeout(PATIENCE)
        .run()
}

#[test]
#[ignore = "needs the emulated device"]
fn the_device_s_own_compiler_is_the_measure() {
    let machine = EmulatedArm::get();
    let mut net = Net::new();
    net.node("10.77.0.2", &[]);
    let mut farm = FarmFile::new()
        .names(&["arm-linux-gnueabi-gcc", "/usr/bin/arm-linux-gnueabi-gcc"])
        .node("n1", "10.77.0.2", 3632);
    farm.cflags = "-O2 -march=armv5te";
    let path = farm.write(&net.sandbox);
    let reference = net.sandbox.join("reference.toml");
    ccfarm()
        .args(["reference", "--farm"])
        .arg(&path)
        .arg("--via")
        .arg(machine.enter())
        .arg("-o")
        .arg(&reference)
        .run()
        .success();
    // The device's Debian has a security revision, the cross package has not: told, and ok, since
    // the code is the same to the last byte.
    ccfarm()
        .in_netns(&net.device)
        .args(["doctor", "--farm"])
        .arg(&path)
        .arg("--reference")
        .arg(&reference)
        .run()
        .assert(
            0,
            has("same code as the device's; same version, other revision: \"(Debian 12.2.0-14)"),
            "",
        );
}

#[test]
#[ignore = "needs the emulated device"]
fn lua_built_by_the_farm_is_the_device_s_own_and_runs() {
    let machine = EmulatedArm::get();
    let mut net = Net::new();
    net.node("10.77.0.2", &[]);
    let mut farm = FarmFile::new().node("n1", "10.77.0.2", 3632);
    farm.cache = Some("/work/cache".into());
    let path = farm.write(&net.sandbox);
    let apply = |extra: &[&str]| {
        ccfarm()
            .args(["apply", "--farm"])
            .arg(&path)
            .arg("--root")
            .arg(machine.root())
            .args(extra)
            .run()
    };
    apply(&[]).success();
    let work = net.sandbox.dir("work");
    for entry in fs::read_dir(sources()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), work.join(entry.file_name())).unwrap();
    }
    // The package has the library only.
    net.sandbox.file("work/main.c", MAIN);

    let build = "for file in *.c; do echo \"all: ${file%.c}.o\"; done > Makefile
        . /usr/local/lib/ccfarm/env.sh
        make -j3 CC=gcc CFLAGS='-O1 -fno-ident -DLUA_USE_POSIX'
        gcc -o lua *.o -lm
        ./lua";
    on_device(&net, &machine, &work, build).assert(0, has("42\tLua 5.4\n"), "");

    let mut objects = 0;
    for entry in fs::read_dir(&work).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "o") {
            let facts = ObjectFacts::read(&fs::read(&path).unwrap()).unwrap();
            assert_eq!(facts.machine, Machine::ARM, "{}", path.display());
            assert_eq!(
                facts.arm.unwrap().float(),
                Some(Float::Soft),
                "{}",
                path.display()
            );
            objects += 1;
        }
    }
    assert!(objects > 30, "{objects}");

    // The device's own compiler gives the same bytes: without .comment nothing tells them apart.
    let native = format!(
        "for file in {}; do
            /usr/bin/gcc -O1 -fno-ident -DLUA_USE_POSIX -c $file.c -o $file.native
            cmp $file.o $file.native
        done",
        COMPARED.join(" ")
    );
    on_device(&net, &machine, &work, &native).assert(0, "", "");
    apply(&["--undo"]).success();
}
