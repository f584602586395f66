//! Maps, pictures, block maps and estimates.

use crate::support::{noise, run, sparse_file};
use nightshift_testkit::{Sandbox, any, has, has_all};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;

/// 1 MiB hole, 1 MiB data, 1 MiB stored zeros, 1 MiB reserved.
fn sample(sandbox: &Sandbox) {
    let data = [noise(1, 1 << 20), vec![0; 1 << 20]].concat();
    sparse_file(&sandbox.join("a"), 4 << 20, &[(1 << 20, &data)]);
    let file = File::options().write(true).open(sandbox.join("a")).unwrap();
    file.sync_all().unwrap();
    fallocate(&file, FallocateFlags::empty(), 3 << 20, 1 << 20).unwrap();
}

#[test]
fn the_four_kinds_are_told_apart() {
    let sandbox = Sandbox::new();
    sample(&sandbox);
    let output = run(&sandbox, "--json map a").success();
    let map: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(map["version"], 1);
    let kinds: Vec<_> = map["extents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|extent| {
            (
                extent["start"].as_u64().unwrap() >> 20,
                extent["kind"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [(0, "hole"), (1, "data"), (2, "zero"), (3, "unwritten")];
    assert_eq!(kinds, expected.map(|(at, kind)| (at, kind.to_owned())));
    let output = run(&sandbox, "--json map --no-read a").success();
    let map: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(map["totals"]["data"], 2 << 20);
    run(&sandbox, "map a").assert(
        0,
        has_all(["hole", "25.0%", "dig would free about 1.00 MiB"]),
        "",
    );
}

#[test]
fn the_picture_is_reproducible_and_complete() {
    let sandbox = Sandbox::new();
    sample(&sandbox);
    run(&sandbox, "map a --svg a.svg").success();
    let picture = sandbox.read("a.svg");
    let text = String::from_utf8(picture.clone()).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    for legend in [
        "hole: 1.00 MiB, 25.0 %",
        "zero: 1.00 MiB",
        "unwritten: 1.00 MiB",
    ] {
        assert!(text.contains(legend), "{legend}");
    }
    assert_eq!(run(&sandbox, "map a --svg -").success().stdout, picture);
}

#[test]
fn a_block_map_verifies_the_copy_it_describes() {
    let sandbox = Sandbox::new();
    sample(&sandbox);
    run(&sandbox, "map a --bmap a.bmap").success();
    run(&sandbox, "copy a b").success();
    run(&sandbox, "verify b --bmap a.bmap").assert(0, has("every checksum is right"), "");
    let damaged = File::options().write(true).open(sandbox.join("b")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&damaged, b"!", (1 << 20) + 5).unwrap();
    run(&sandbox, "verify b --bmap a.bmap").assert(
        1,
        has("1 ranges are wrong, the first at offset 1048576"),
        "",
    );
    sandbox.file("a.bmap", "<bmap version=\"2.0\">");
    run(&sandbox, "verify b --bmap a.bmap").assert(3, "", has("not a valid block map"));
}

#[test]
fn estimates_agree_with_what_happens() {
    let sandbox = Sandbox::new();
    let old = [noise(1, 2 << 20), vec![0; 2 << 20]].concat();
    sandbox.file("old", &old);
    let mut new = old.clone();
    new[500_000] ^= 1;
    sandbox.file("new", &new);
    let output = run(&sandbox, "--json estimate new --basis old").success();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["holes"][0]["needed"], 2 << 20);
    run(&sandbox, "delta --basis old new delta").success();
    assert_eq!(found["basis_delta"], sandbox.read("delta").len());
    for row in found["blocks"].as_array().unwrap() {
        let block = row["block_size"].as_u64().unwrap();
        let changed = block.max(4096);
        assert_eq!(row["delta"], changed, "one block of {block} has changed");
        run(&sandbox, &format!("-q sig -b {block} new sig")).assert(0, "", any());
        assert_eq!(row["signature"], sandbox.read("sig").len());
    }
    run(&sandbox, "estimate new").assert(0, has_all(["hole size", "rdiff-backup", "auto"]), "");
}
