use std::path::Path;

use super::*;
use crate::farm::EXAMPLE;
use crate::tree::Content;

fn farm(change: impl FnOnce(String) -> String) -> Farm {
    Farm::parse(Path::new("farm.toml"), change(EXAMPLE.to_owned())).unwrap()
}

fn text(entries: &[Entry], path: &str) -> String {
    let entry = entries
        .iter()
        .find(|entry| entry.path == Path::new(path))
        .expect(path);
    match &entry.content {
        Content::File { bytes, .. } => String::from_utf8(bytes.clone()).unwrap(),
        Content::Link(_) => panic!("{path} is a link"),
    }
}

#[test]
fn the_kit_is_what_the_guide_shows() {
    let entries = files(&farm(|text| text), None);
    let paths: Vec<_> = entries
        .iter()
        .map(|entry| entry.path.display().to_string())
        .collect();
    let expected = [
        "bin/c++",
        "bin/cc",
        "bin/g++",
        "bin/gcc",
        "ccache.conf",
        "env.sh",
        "guard",
    ];
    assert_eq!(paths, expected.map(|path| format!("{DIRECTORY}/{path}")));
    assert_eq!(
        text(&entries, "usr/local/lib/ccfarm/bin/c++"),
        "#!/bin/sh\nexec /usr/bin/ccache /usr/bin/arm-linux-gnueabi-g++ \"$@\"\n"
    );
    assert_eq!(
        text(&entries, "usr/local/lib/ccfarm/ccache.conf"),
        "# Made by ccfarm.\n\
         cache_dir = /var/cache/ccache\n\
         max_size = 2097152Ki\n\
         prefix_command = /usr/local/lib/ccfarm/guard\n\
         # Objects from before the farm was checked must not be found again.\n\
         namespace = arm-linux-gnueabi-12.2.0\n"
    );
    assert_eq!(
        text(&entries, "usr/local/lib/ccfarm/env.sh"),
        "# Made by ccfarm. Source it before a build: . /usr/local/lib/ccfarm/env.sh\n\
         # make -jN, with N about the number of slots and one more.\n\
         export PATH=\"/usr/local/lib/ccfarm/bin:$PATH\"\n\
         export CCACHE_CONFIGPATH=\"/usr/local/lib/ccfarm/ccache.conf\"\n\
         export DISTCC_HOSTS=\"10.77.0.2:3632/4 --localslots=1 --localslots_cpp=2\"\n\
         export DISTCC_FALLBACK=\"0\"\n"
    );
}

#[test]
fn without_the_guard_ccache_calls_distcc_itself() {
    let entries = files(
        &farm(|text| text.replace("guard = true", "guard = false")),
        None,
    );
    assert!(text(&entries, "usr/local/lib/ccfarm/ccache.conf").contains("= distcc\n"));
    assert!(entries.iter().all(|entry| !entry.path.ends_with("guard")));
}

#[test]
fn the_host_list_knows_local_slots_and_ipv6() {
    let farm = farm(|text| {
        text.replace("local_slots = 0", "local_slots = 2")
            .replace("\"10.77.0.2\"", "\"fd00::2\"")
            .replace("fallback = false", "fallback = true")
    });
    let environment = environment(&farm);
    assert_eq!(
        environment[2].1,
        "[fd00::2]:3632/4 localhost/2 --localslots=2 --localslots_cpp=2"
    );
    assert_eq!(environment[3].1, "1");
}

#[test]
fn the_guard_s_pattern_follows_the_target() {
    let armel = guard(&farm(|text| text));
    assert!(armel.contains("case $head in 7f454c460101????????????????????????2800) exit 0"));
    assert!(armel.contains("not an ELF32 arm object"));
    let big = farm(|text| {
        text.replace(
            "class = 32, machine = \"arm\", float = \"soft\"",
            "class = 64, machine = \"ppc64\", endian = \"big\"",
        )
    });
    assert!(guard(&big).contains("7f454c460202????????????????????????0015)"));
    assert!(!armel.contains("@PATTERN@") && !armel.contains("@WANTED@"));
}
