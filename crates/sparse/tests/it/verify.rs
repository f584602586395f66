//! Comparing files.

use crate::support::{noise, run, sparse_file};
use nightshift_testkit::{Sandbox, has, has_all};

#[test]
fn a_hole_equals_zeros() {
    let sandbox = Sandbox::new();
    let content = [vec![0; 1 << 20], noise(1, 5000), vec![0; 100_000]].concat();
    sandbox.file("a", &content);
    sparse_file(
        &sandbox.join("b"),
        content.len() as u64,
        &[(1 << 20, &noise(1, 5000))],
    );
    run(&sandbox, "verify a b").assert(0, has("are equal, 1153576 bytes"), "");
    run(&sandbox, "-q verify a b").assert(0, "", "");
}

#[test]
fn differences_are_counted_and_placed() {
    let sandbox = Sandbox::new();
    let mut content = noise(1, 3 << 20);
    sandbox.file("a", &content);
    for at in [1_500_000, 1_500_001, 3_000_000] {
        content[at] ^= 0xff;
    }
    sandbox.file("b", &content);
    run(&sandbox, "verify a b").assert(1, has("first at offset 1500000, 3 bytes in all"), "");
    run(&sandbox, "verify --all a b").assert(1, has_all(["\n  1500000 +2", "\n  3000000 +1"]), "");
    run(&sandbox, "--json verify a b").assert(1, has("\"first\":1500000"), "");
    content.truncate(1_000_000);
    sandbox.file("b", &content);
    run(&sandbox, "verify a b").assert(
        1,
        has_all(["first at offset 1000000", "sizes 3145728 and 1000000"]),
        "",
    );
}
