//! Digging holes in place.

use crate::support::{allocated, noise, run, sparseimg};
use nightshift_testkit::{Sandbox, any, has, has_all, wait_for};
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

fn image() -> Vec<u8> {
    [
        noise(1, 100_000),
        vec![0; 1 << 20],
        noise(2, 5000),
        vec![0; 500_000],
    ]
    .concat()
}

#[test]
fn a_dug_file_reads_the_same_and_takes_less() {
    let sandbox = Sandbox::new();
    let a = sandbox.file("a", image());
    let before = allocated(&a);
    run(&sandbox, "dig -n a").assert(0, has("would free"), "");
    assert_eq!(allocated(&a), before);
    run(&sandbox, "dig a").assert(0, has("freed"), "");
    assert_eq!(sandbox.read("a"), image());
    assert!(allocated(&a) < 130_000, "{}", allocated(&a));
    crate::support::reference(&sandbox, "cp --sparse=always a b");
    let (ours, theirs) = (allocated(&a), allocated(&sandbox.join("b")));
    // A file that was dense may keep an index block for its extents.
    assert!(
        ours <= theirs + theirs / 100 + 4096,
        "ours {ours}, cp's {theirs}"
    );
}

#[test]
fn times_are_kept_on_request() {
    let sandbox = Sandbox::new();
    for (flags, kept) in [("--preserve", true), ("", false)] {
        let a = sandbox.file("a", image());
        crate::support::reference(&sandbox, "touch -d 2020-02-02T02:02:02Z a");
        let before = a.metadata().unwrap().mtime();
        run(&sandbox, &format!("dig {flags} a")).success();
        assert_eq!(a.metadata().unwrap().mtime() == before, kept, "{flags}");
    }
}

#[test]
fn a_file_in_use_is_refused_unless_forced_and_the_others_go_on() {
    let sandbox = Sandbox::new();
    let a = sandbox.file("a", image());
    sandbox.file("b", image());
    let open = File::open(&a).unwrap();
    run(&sandbox, "dig a").assert(75, "", has_all(["in use", "hint: --force"]));
    run(&sandbox, "dig a b").assert(4, has("b: freed"), has("a is in use"));
    run(&sandbox, "--json dig a missing").assert(any_failure(), has("\"kind\":\"busy\""), any());
    run(&sandbox, "dig --force a").assert(0, has("freed"), "");
    drop(open);
    assert_eq!(sandbox.read("a"), image());
}

/// Whoever opens the file while it is dug waits; the digging stops, and nothing that is then
/// written is lost.
#[test]
fn a_file_opened_meanwhile_is_left_alone() {
    const PAIR: usize = 8192;
    let sandbox = Sandbox::in_memory();
    let mut content = noise(1, 192 << 20);
    // Every other page is zeros: tens of thousands of holes.
    for pair in content.chunks_mut(PAIR) {
        pair[PAIR / 2..].fill(0);
    }
    let a = sandbox.file("a", &content);
    let before = allocated(&a);
    let child = sparseimg(["dig", "a"]).cwd(sandbox.path()).spawn();
    wait_for("the first hole", Duration::from_secs(20), || {
        allocated(&a) < before
    });
    child.signal(Signal::STOP);
    let output = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // Waits here until the lease is given back.
            let file = File::options().write(true).open(&a).unwrap();
            for at in (PAIR / 2..content.len()).step_by(PAIR) {
                file.write_all_at(b"written", at as u64).unwrap();
            }
        });
        // The kernel notes who waits for a lease at once, and nobody else does here.
        wait_for("the writer", Duration::from_secs(20), || {
            writer.is_finished() || is_waiting_for(&a)
        });
        child.signal(Signal::CONT);
        let output = child.wait(Duration::from_mins(1));
        writer.join().unwrap();
        output
    });
    output.assert(75, "", has_all(["another process opened it", "hint:"]));
    for pair in content.chunks_mut(PAIR) {
        pair[PAIR / 2..PAIR / 2 + 7].copy_from_slice(b"written");
    }
    assert!(sandbox.read("a") == content);
}

/// Whether a lease on the file is being broken, as /proc/locks tells.
fn is_waiting_for(path: &Path) -> bool {
    let inode = format!(":{} ", path.metadata().unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks
        .lines()
        .any(|line| line.contains("LEASE  BREAKING") && line.contains(&inode))
}

/// All files failed; the code is that of the last.
fn any_failure() -> i32 {
    3
}

#[test]
fn only_regular_files_can_be_dug() {
    let sandbox = Sandbox::new();
    sandbox.dir("dir");
    run(&sandbox, "dig dir").assert(2, "", has("is a directory"));
    run(&sandbox, "dig /dev/null").assert(2, "", has("not a regular file"));
}
