//! Nodes that lie, stall or are no nodes at all.

use std::time::{Duration, Instant};

use nightshift_testkit::{Sandbox, has};

use crate::ccfarm;
use crate::fake_node::{AMD64, ARMEL, ARMHF, Behaviour, FakeNode};
use crate::farm::FarmFile;

/// Runs doctor against one node and returns its only JSON entry and the exit code.
#[track_caller]
fn diagnose(behaviour: Behaviour) -> (serde_json::Value, u8) {
    let node = FakeNode::start(behaviour);
    let sandbox = Sandbox::new();
    let mut farm = FarmFile::new().node("n1", "127.0.0.1", node.address.port());
    farm.timeout = "5s";
    let output = ccfarm()
        .args(["doctor", "--json", "--farm"])
        .arg(farm.write(&sandbox))
        .run();
    assert_eq!(output.stderr_text(), "", "{output}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let nodes = document["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1, "{document}");
    let code = match output.ending() {
        nightshift_testkit::Ending::Exit(code) => u8::try_from(code).unwrap(),
        ending @ nightshift_testkit::Ending::Signal(_) => panic!("{ending}\n{output}"),
    };
    assert_eq!(document["ok"], code == 0);
    (nodes[0].clone(), code)
}

#[test]
fn every_behaviour_has_its_verdict() {
    let bad_header = |bytes: &[u8]| Behaviour::BytesThenEnd(bytes.to_vec());
    let ok = b"DONE00000001STAT00000000";
    let text_too_long = [&ok[..], b"SERRffffffff"].concat();
    let object_too_long = [&ok[..], b"SERR00000000SOUT00000000DOTO04000001"].concat();
    let not_hex = [&ok[..], b"SERR0000000z"].concat();
    let truncated = [&ok[..], b"SERR00000000SOUT00000000DOTO00001000\x7fELF"].concat();
    let stalled = [&ok[..], b"SERR00000000SOUT00000000DOTO00001000\x7fELF"].concat();
    let cases = [
        (
            Behaviour::Object(ARMEL),
            "ok",
            "ELF32 arm, soft-float v5TE, gcc 12.2.0",
            0,
        ),
        (
            Behaviour::Object(AMD64),
            "wrong-target",
            "ELF64 x86-64, wanted ELF32 arm",
            1,
        ),
        (
            Behaviour::Object(ARMHF),
            "wrong-target",
            "hard-float v7, wanted soft-float",
            1,
        ),
        (
            Behaviour::Object(b""),
            "bad-reply",
            "exit status 0, but no object",
            1,
        ),
        (
            Behaviour::Object(b"MZ"),
            "bad-reply",
            "not an ELF file; it begins with \"MZ\"",
            1,
        ),
        (
            Behaviour::Object(&ARMEL[..90]),
            "bad-reply",
            "broken ELF file",
            1,
        ),
        (
            Behaviour::Fails("no\x1b[m"),
            "compile-error",
            "exit status 1 on the ten-line probe: no\\x1b[m",
            1,
        ),
        (
            Behaviour::Hangup,
            "refused-compiler",
            "closed without a reply",
            1,
        ),
        (Behaviour::Reset, "refused-client", "client not allowed", 1),
        (
            Behaviour::ResetTalkers,
            "bad-reply",
            "reset while reading the request",
            1,
        ),
        (
            Behaviour::Silence,
            "down",
            "connected, no answer in 5 s (busy?)",
            3,
        ),
        (
            Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"),
            "bad-reply",
            "expected DONE at byte 0, got \"SSH-2.0-Open\"",
            1,
        ),
        (
            bad_header(&text_too_long),
            "bad-reply",
            "SERR at byte 24 says 4294967295",
            1,
        ),
        (
            bad_header(&object_too_long),
            "bad-reply",
            "DOTO at byte 48 says 67108865",
            1,
        ),
        (
            bad_header(&not_hex),
            "bad-reply",
            "length of SERR at byte 24 is not hexadecimal",
            1,
        ),
        (
            bad_header(&truncated),
            "bad-reply",
            "reply ends at byte 64, inside DOTO",
            1,
        ),
        (
            Behaviour::Bytes(stalled),
            "bad-reply",
            "reading byte 64 of the reply",
            1,
        ),
        (Behaviour::Dribble, "bad-reply", "of the reply", 1),
        (Behaviour::EndlessText, "bad-reply", "expected SOUT", 1),
    ];
    std::thread::scope(|scope| {
        for (behaviour, verdict, detail, exit) in cases {
            scope.spawn(move || {
                let (entry, code) = diagnose(behaviour.clone());
                assert_eq!(entry["verdict"], verdict, "{behaviour:?}: {entry}");
                let seen = entry["detail"].as_str().unwrap();
                assert!(seen.contains(detail), "{behaviour:?}: {entry}");
                assert_eq!(code, exit, "{behaviour:?}");
            });
        }
    });
}

#[test]
fn a_hostile_node_cannot_bloat_the_program() {
    // The largest object that is accepted, in full: 64 MiB of zeros.
    let mut bytes = b"DONE00000001STAT00000000SERR00000000SOUT00000000DOTO04000000".to_vec();
    bytes.resize(bytes.len() + (64 << 20), 0);
    let node = FakeNode::start(Behaviour::BytesThenEnd(bytes));
    let sandbox = Sandbox::new();
    let farm = FarmFile::new()
        .node("n1", "127.0.0.1", node.address.port())
        .write(&sandbox);
    // The limit is on the address space, which is larger than what is resident.
    ccfarm()
        .under(["prlimit", "--as=200000000"])
        .args(["doctor", "--farm"])
        .arg(farm)
        .run()
        .assert(1, has("not an ELF file"), "");
}

#[test]
fn one_dead_node_delays_and_hides_no_other() {
    let good = FakeNode::start(Behaviour::Object(ARMEL));
    let dead = FakeNode::start(Behaviour::Silence);
    let sandbox = Sandbox::new();
    let mut farm = FarmFile::new()
        .names(&["gcc", "cc"])
        .node("dead", "127.0.0.1", dead.address.port())
        .node("closed", "127.0.0.1", 1)
        .node("good", "127.0.0.1", good.address.port());
    farm.timeout = "1s";
    let start = Instant::now();
    let output = ccfarm()
        .args(["doctor", "--farm"])
        .arg(farm.write(&sandbox))
        .run();
    let text = output.stdout_text();
    let verdicts: Vec<_> = text
        .lines()
        .map(|line| {
            line.split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            "dead gcc down",
            "dead cc down",
            "closed gcc down",
            "closed cc down",
            "good gcc ok",
            "good cc ok"
        ]
    );
    // The second name of the dead node is not tried; trying it would take another second, and
    // this leaves room for a loaded machine all the same.
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(output.ending(), 1.into());
}

#[test]
fn the_job_is_what_the_farm_says() {
    let node = FakeNode::start(Behaviour::Object(ARMEL));
    let sandbox = Sandbox::new();
    let mut farm =
        FarmFile::new()
            .names(&["/usr/bin/gcc"])
            .node("n1", "127.0.0.1", node.address.port());
    farm.cflags = "-O2  -march=armv5te";
    ccfarm()
        .args(["doctor", "--farm"])
        .arg(farm.write(&sandbox))
        .run()
        .success();
    let lines: Vec<_> = node
        .jobs()
        .iter()
        .map(|job| {
            job.argv
                .iter()
                .map(|arg| String::from_utf8_lossy(arg))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        lines,
        [
            // The target probe goes without the farm's flags: a gcc for another machine would
            // reject them, and a wrong target would look like a compile error.
            "/usr/bin/gcc -O1 -c probe.c -o probe.o",
            "/usr/bin/gcc -O2 -march=armv5te -fno-ident -c probe.c -o probe.o",
        ]
    );
    assert!(
        node.jobs()
            .iter()
            .all(|job| job.source.starts_with(b"# 1 \"probe.c\"\n"))
    );
}
