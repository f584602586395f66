//! Signatures, deltas and patches beside those of rdiff.

use crate::support::{assert_equal, noise, reference, run, sparse_file, sparseimg};
use nightshift_testkit::{Cmd, Sandbox, any, has, has_all, killed_by};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

#[test]
fn signatures_equal_those_of_rdiff_around_every_block_edge() {
    let sandbox = Sandbox::new();
    for len in [0, 1, 131_071, 131_072, 131_073] {
        sandbox.file("x", noise(len as u64, len));
        reference(&sandbox, "rdiff -f -b 131072 signature x theirs");
        run(&sandbox, "sig -b 128K x ours").success();
        assert_equal(&sandbox.join("ours"), &sandbox.join("theirs"));
    }
}

#[test]
fn signatures_equal_those_of_rdiff_in_every_format() {
    let sandbox = Sandbox::new();
    let mut content = noise(1, 700_000);
    content[100_000..400_000].fill(0);
    sandbox.file("x", content);
    for (hash, sizes) in [("blake2", &[8, 16, 32][..]), ("md4", &[8, 16])] {
        for sum in ["rabinkarp", "rollsum"] {
            for size in sizes {
                for block in [1000, 16_384] {
                    reference(
                        &sandbox,
                        &format!(
                            "rdiff -f -b {block} -H {hash} -R {sum} -S {size} signature x theirs"
                        ),
                    );
                    for jobs in [1, 2, 8] {
                        run(
                            &sandbox,
                            &format!(
                                "-q -j {jobs} sig -b {block} -H {hash} -R {sum} -S {size} x ours"
                            ),
                        )
                        .assert(0, "", any());
                        assert_equal(&sandbox.join("ours"), &sandbox.join("theirs"));
                    }
                }
            }
        }
    }
}

#[test]
fn without_a_block_size_small_files_get_what_rdiff_gives_them() {
    let sandbox = Sandbox::new();
    for len in [0, 65_536, 65_537, 3_000_000] {
        sandbox.file("x", noise(7, len));
        for (theirs, ours) in [("", ""), ("-S 0", "-S max"), ("-S -1", "-S min")] {
            reference(&sandbox, &format!("rdiff -f {theirs} signature x theirs"));
            run(&sandbox, &format!("-q sig {ours} x ours")).success();
            assert_equal(&sandbox.join("ours"), &sandbox.join("theirs"));
        }
    }
}

#[test]
fn holes_and_pipes_give_the_same_signature() {
    let sandbox = Sandbox::new();
    let (a, b) = (noise(1, 300_000), noise(2, 5000));
    sparse_file(
        &sandbox.join("x"),
        40_000_123,
        &[(10_000_000, &a), (39_990_000, &b)],
    );
    reference(&sandbox, "rdiff -b 131072 signature x theirs");
    run(&sandbox, "sig -b 128K x ours").success();
    assert_equal(&sandbox.join("ours"), &sandbox.join("theirs"));
    let piped = sparseimg(["sig", "-b", "128K", "-", "-"])
        .cwd(sandbox.path())
        .stdin(sandbox.read("x"))
        .run();
    assert_eq!(piped.success().stdout, sandbox.read("theirs"));
}

#[test]
fn large_files_get_blocks_of_whole_stripes() {
    let sandbox = Sandbox::new();
    sparse_file(&sandbox.join("x"), 20 << 30, &[(5 << 30, b"data")]);
    run(&sandbox, "--json sig x s").assert(0, has("\"block_len\":262144"), "");
    run(&sandbox, "--json sig -b sqrt x s").assert(0, has("\"block_len\":146432"), "");
    sparse_file(&sandbox.join("x"), 1 << 30, &[]);
    run(&sandbox, "--json sig x s").assert(0, has("\"block_len\":32768"), "");
}

/// One edit of an image.
#[derive(Debug, Clone)]
enum Edit {
    Insert(usize, Vec<u8>),
    Delete(usize, usize),
    Move(usize, usize, usize),
    Zero(usize, usize),
    Overwrite(usize, Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = || 0..200_000_usize;
    let len = || 0..20_000_usize;
    prop_oneof![
        (place(), proptest::prelude::any::<u64>(), len())
            .prop_map(|(at, seed, len)| Edit::Insert(at, noise(seed, len))),
        (place(), len()).prop_map(|(at, len)| Edit::Delete(at, len)),
        (place(), place(), len()).prop_map(|(from, to, len)| Edit::Move(from, to, len)),
        (place(), len()).prop_map(|(at, len)| Edit::Zero(at, len)),
        (place(), proptest::prelude::any::<u64>(), len())
            .prop_map(|(at, seed, len)| Edit::Overwrite(at, noise(seed, len))),
    ]
}

fn apply(old: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut new = old.to_vec();
    for edit in edits {
        let clamp = |at: usize, len: usize, total: usize| {
            let start = at.min(total);
            start..(start + len).min(total)
        };
        match edit {
            Edit::Insert(at, data) => {
                let at = (*at).min(new.len());
                new.splice(at..at, data.iter().copied());
            }
            Edit::Delete(at, len) => drop(new.drain(clamp(*at, *len, new.len()))),
            Edit::Move(from, to, len) => {
                let part: Vec<u8> = new.drain(clamp(*from, *len, new.len())).collect();
                let to = (*to).min(new.len());
                new.splice(to..to, part);
            }
            Edit::Zero(at, len) => {
                let range = clamp(*at, *len, new.len());
                new[range].fill(0);
            }
            Edit::Overwrite(at, data) => {
                let range = clamp(*at, data.len(), new.len());
                let len = range.len();
                new[range].copy_from_slice(&data[..len]);
            }
        }
    }
    new
}

/// Random edits, all four formats: our deltas through rdiff's patch and ours, rdiff's through
/// ours, the same bytes for any number of threads.
#[test]
fn deltas_of_random_edits_go_both_ways() {
    let cases = std::env::var("SPARSE_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(12);
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let inputs = (
        (
            proptest::prelude::any::<u64>(),
            prop::sample::select(vec![0, 1, 4095, 4096, 131_071, 131_072, 131_073, 200_001]),
        ),
        prop::collection::vec(edit(), 0..5),
        prop::sample::select(vec![
            ("md4", "rollsum"),
            ("md4", "rabinkarp"),
            ("blake2", "rollsum"),
            ("blake2", "rabinkarp"),
        ]),
        prop::sample::select(vec![256, 1000, 4096]),
    );
    TestRunner::new(config)
        .run(&inputs, |((seed, len), edits, (hash, sum), block)| {
            let sandbox = Sandbox::in_memory();
            let old = noise(seed, len);
            let new = apply(&old, &edits);
            sandbox.file("old", &old);
            sandbox.file("new", &new);
            reference(
                &sandbox,
                &format!("rdiff -b {block} -H {hash} -R {sum} signature old sig"),
            );
            reference(&sandbox, "rdiff delta sig new theirs");
            run(&sandbox, "patch old theirs out").success();
            prop_assert_eq!(&sandbox.read("out"), &new, "our patch of rdiff's delta");
            for flags in [
                "sig",
                "--no-roll sig",
                "--basis old",
                "--basis old --no-roll",
            ] {
                run(&sandbox, &format!("-q -j 1 delta {flags} new ours")).success();
                for jobs in [2, 8] {
                    run(&sandbox, &format!("-q -j {jobs} delta {flags} new again")).success();
                    prop_assert_eq!(sandbox.read("ours"), sandbox.read("again"), "{}", flags);
                }
                reference(&sandbox, "rdiff -f patch old ours out");
                prop_assert_eq!(&sandbox.read("out"), &new, "rdiff's patch of {}", flags);
                run(&sandbox, "patch old ours out").success();
                prop_assert_eq!(&sandbox.read("out"), &new, "our patch of {}", flags);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn rolling_finds_what_rdiff_finds() {
    let sandbox = Sandbox::in_memory();
    let old = noise(3, 8 << 20);
    let mut new = old.clone();
    new.splice(1_000_000..1_000_000, noise(4, 777));
    new.drain(5_000_000..5_100_000);
    sandbox.file("old", &old);
    sandbox.file("new", &new);
    reference(&sandbox, "rdiff -b 65536 signature old sig");
    reference(&sandbox, "rdiff delta sig new theirs");
    run(&sandbox, "delta sig new ours").success();
    let (ours, theirs) = (sandbox.read("ours").len(), sandbox.read("theirs").len());
    // Where moved and unmoved data meet, a block may be cut in two: a command more.
    assert!(
        ours <= theirs + theirs / 50,
        "ours {ours}, rdiff's {theirs}"
    );
    run(&sandbox, "delta --basis old new direct").success();
    let direct = sandbox.read("direct").len();
    assert!(direct < 10_000, "moved data is found to the byte: {direct}");
}

#[test]
fn an_unchanged_image_of_zeros_costs_a_few_bytes() {
    let sandbox = Sandbox::in_memory();
    sparse_file(
        &sandbox.join("old"),
        256 << 20,
        &[(100 << 20, &noise(1, 1 << 20))],
    );
    run(&sandbox, "sig -b 128K old sig").success();
    for flags in ["sig", "--basis old"] {
        run(&sandbox, &format!("delta {flags} old delta")).success();
        assert!(
            sandbox.read("delta").len() <= 32,
            "{} bytes",
            sandbox.read("delta").len()
        );
    }
}

#[test]
fn an_image_that_became_zeros_needs_no_literal_zeros() {
    let sandbox = Sandbox::in_memory();
    let mut old = noise(1, 4 << 20);
    old[1 << 20..(1 << 20) + 65_536].fill(0);
    sandbox.file("old", &old);
    sandbox.file("new", vec![0; 4 << 20]);
    run(&sandbox, "delta --basis old new delta").success();
    assert!(
        sandbox.read("delta").len() < 1000,
        "{} bytes",
        sandbox.read("delta").len()
    );
    reference(&sandbox, "rdiff patch old delta out");
    assert_equal(&sandbox.join("out"), &sandbox.join("new"));
}

#[test]
fn a_new_file_much_longer_than_the_old_one_is_compared_as_far_as_that_goes() {
    let sandbox = Sandbox::in_memory();
    let new = noise(1, 5 << 20);
    sandbox.file("new", &new);
    for len in [0, 1, 100_000, 3 << 20] {
        sandbox.file("old", &new[..len]);
        run(&sandbox, "delta --basis old new delta").success();
        let delta = sandbox.read("delta").len();
        assert!(delta < new.len() - len + 100, "{len}: {delta}");
        reference(&sandbox, "rdiff -f patch old delta out");
        assert_equal(&sandbox.join("out"), &sandbox.join("new"));
    }
}

#[test]
fn damaged_deltas_leave_the_old_target_alone() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("old", noise(1, 10_000));
    sandbox.file("out", "before");
    let magic = [0x72, 0x73, 0x02, 0x36];
    for (body, says) in [
        (&b""[..], "without an END"),
        (b"\x46\x00\xff\xff\x00", "copies"),
        (b"\x05abc", "inside a literal"),
        (b"\x60\x00", "reserved"),
        (b"\x41\x00\x00", "length zero"),
        (b"\x44\xff\xff\xff\xff\xff\xff\xff\xff", "over 2^63"),
        // As long as they claim to be, these would take all memory.
        (
            b"\x44\x7f\xff\xff\xff\xff\xff\xff\xffabc",
            "inside a literal",
        ),
        (
            b"\x54\0\0\0\0\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff\0",
            "copies",
        ),
    ] {
        sandbox.file("delta", [&magic[..], body].concat());
        sparseimg(["patch", "old", "delta", "out"])
            .cwd(sandbox.path())
            .under(["sh", "-c", "ulimit -v 524288; exec \"$@\"", "-"])
            .run()
            .assert(3, "", has_all(["delta", "offset", says]));
        assert_eq!(sandbox.read("out"), b"before");
        assert_eq!(
            std::fs::read_dir(sandbox.path()).unwrap().count(),
            3,
            "no debris"
        );
    }
    sandbox.file("delta", "not a delta");
    run(&sandbox, "--json patch old delta out").assert(3, has("\"kind\":\"corrupt\""), any());
}

#[test]
fn a_delta_bomb_stops_at_the_limit() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("old", noise(1, 1 << 20));
    let mut bomb = vec![0x72, 0x73, 0x02, 0x36];
    for _ in 0..10_000 {
        bomb.extend([0x47, 0x00, 0x00, 0x10, 0x00, 0x00]); // COPY 0, 1 MiB
    }
    bomb.push(0);
    sandbox.file("bomb", bomb);
    run(&sandbox, "patch old bomb out --max-output 5M").assert(
        3,
        "",
        has_all(["5242880", "hint: --max-output"]),
    );
    assert!(!sandbox.join("out").exists());
}

#[test]
fn kill_minus_nine_in_the_middle_of_a_patch_leaves_the_old_target_and_no_debris() {
    let sandbox = Sandbox::new();
    sandbox.file("old", noise(1, 1 << 20));
    sandbox.file("out", "before");
    reference(&sandbox, "mkfifo delta");
    let child = sparseimg(["patch", "old", "delta", "out"])
        .cwd(sandbox.path())
        .spawn();
    let mut fifo = File::options()
        .write(true)
        .open(sandbox.join("delta"))
        .unwrap();
    fifo.write_all(&[0x72, 0x73, 0x02, 0x36]).unwrap();
    // A pipe holds far less than these literals, so most of them have become output.
    for seed in 0..10 {
        fifo.write_all(&[0x43, 0x00, 0x10, 0x00, 0x00]).unwrap();
        fifo.write_all(&noise(seed, 1 << 20)).unwrap();
    }
    child.signal(Signal::KILL);
    child
        .wait(Duration::from_secs(20))
        .assert(killed_by(Signal::KILL), "", "");
    assert_eq!(sandbox.read("out"), b"before");
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 3);
}

#[test]
fn damaged_signatures_are_refused() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("new", noise(1, 10_000));
    run(&sandbox, "sig -b 1000 new good").success();
    let good = sandbox.read("good");
    for (name, bytes, says) in [
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            "offset 336: the last record is cut",
        ),
        ("short", good[..5].to_vec(), "too short"),
        ("magic", [b"junk", &good[4..]].concat(), "magic"),
        (
            "block",
            [&good[..4], &[0; 4], &good[8..]].concat(),
            "offset 4: block length 0",
        ),
        (
            "strong",
            [&good[..8], &[0, 0, 0, 33], &good[12..]].concat(),
            "offset 8",
        ),
    ] {
        sandbox.file(name, bytes);
        run(&sandbox, &format!("delta {name} new out")).assert(3, "", has(says));
        assert!(!sandbox.join("out").exists());
    }
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("a", noise(1, 5000));
    run(&sandbox, "sig a s").success();
    run(&sandbox, "delta s a d").success();
    std::fs::hard_link(sandbox.join("a"), sandbox.join("alias")).unwrap();
    for line in [
        "sig a a",
        "sig a alias",
        "patch a d a",
        "patch a d d",
        "delta --basis a a a",
        "copy a a",
        "copy a ./alias",
    ] {
        run(&sandbox, line).assert(2, "", has("input as well as the output"));
    }
    assert_eq!(sandbox.read("a"), noise(1, 5000));
}

#[test]
fn patches_of_devices_pipes_and_packed_deltas_work() {
    let sandbox = Sandbox::in_memory();
    sandbox.file("old", noise(1, 50_000));
    let new = [noise(1, 50_000), noise(2, 1000)].concat();
    sandbox.file("new", &new);
    run(&sandbox, "delta --basis old new delta").success();
    let piped = sparseimg(["patch", "old", "-", "-"])
        .cwd(sandbox.path())
        .stdin(sandbox.read("delta"))
        .run();
    assert_eq!(piped.success().stdout, new);
    Cmd::new("gzip")
        .arg("-k")
        .arg("delta")
        .cwd(sandbox.path())
        .run()
        .success();
    run(&sandbox, "patch old delta.gz out").success();
    assert_eq!(sandbox.read("out"), new);
}
