//! Copies between files and pipes.

use crate::support::{allocated, assert_equal, noise, run, sparse_file, sparseimg};
use nightshift_testkit::{Cmd, Sandbox, any, has, killed_by};
use rustix::process::Signal;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::time::Duration;

#[test]
fn zeros_are_left_out_wherever_they_are() {
    let sandbox = Sandbox::new();
    let mut content = vec![0; 3 << 20];
    // The first and the last byte of a block, a block across a chunk edge, an odd length.
    for at in [
        0,
        4095,
        8191,
        12_288,
        (1 << 20) - 1,
        1 << 20,
        (2 << 20) + 4096,
    ] {
        content[at] = 1;
    }
    content.extend([0; 777]);
    sandbox.file("a", &content);
    for jobs in [1, 2, 8] {
        for flags in ["", "--direct yes", "--hole-size 64K"] {
            run(&sandbox, &format!("-j {jobs} copy a b {flags}")).success();
            assert_eq!(sandbox.read("b"), content, "{flags}");
        }
    }
    run(&sandbox, "copy a b").success();
    assert_eq!(allocated(&sandbox.join("b")), 6 * 4096);
}

#[test]
fn holes_are_not_read_and_the_trailing_hole_costs_nothing() {
    let sandbox = Sandbox::new();
    sparse_file(
        &sandbox.join("a"),
        5_000_000_001,
        &[(1 << 30, &noise(1, 100_000))],
    );
    run(&sandbox, "--json copy a b --verify").assert(0, has("\"verified\":true"), "");
    let found = sandbox.join("b").metadata().unwrap();
    assert_eq!(found.len(), 5_000_000_001);
    assert!(allocated(&sandbox.join("b")) <= 128 << 10);
}

#[test]
fn preserved_holes_reserve_space_for_stored_zeros() {
    let sandbox = Sandbox::new();
    sandbox.file("a", vec![0; 1 << 20]);
    File::options()
        .write(true)
        .open(sandbox.join("a"))
        .unwrap()
        .set_len(2 << 20)
        .unwrap();
    run(&sandbox, "copy --preserve-holes a b").success();
    let stored = allocated(&sandbox.join("b"));
    assert!((1 << 20..(1 << 20) + 65_536).contains(&stored), "{stored}");
    assert_equal(&sandbox.join("a"), &sandbox.join("b"));
}

#[test]
fn metadata_is_kept() {
    let sandbox = Sandbox::new();
    let a = sandbox.file("a", noise(1, 5000));
    std::fs::set_permissions(&a, std::fs::Permissions::from_mode(0o640)).unwrap();
    Cmd::new("touch")
        .args(["-d", "2020-02-02T02:02:02.123456789Z"])
        .arg(&a)
        .run()
        .success();
    run(&sandbox, "copy a b").success();
    let (a, b) = (a.metadata().unwrap(), sandbox.join("b").metadata().unwrap());
    assert_eq!((a.mode(), a.uid(), a.gid()), (b.mode(), b.uid(), b.gid()));
    assert_eq!((a.mtime(), a.mtime_nsec()), (b.mtime(), b.mtime_nsec()));
}

#[test]
fn pipes_on_either_side_work() {
    let sandbox = Sandbox::new();
    let content = [vec![0; 2 << 20], noise(1, 300_000), vec![0; 12_345]].concat();
    sparseimg(["copy", "-", "b"])
        .cwd(sandbox.path())
        .stdin(content.clone())
        .run()
        .success();
    assert_eq!(sandbox.read("b"), content);
    assert!(allocated(&sandbox.join("b")) < 320_000);
    let output = run(&sandbox, "copy b -").success();
    assert!(
        output.stdout == content,
        "zeros come out of a pipe as zeros"
    );
}

#[test]
fn a_terabyte_of_holes_takes_no_time_and_no_memory() {
    let sandbox = Sandbox::new();
    let data = noise(1, 1 << 20);
    let places: Vec<_> = (0..64_u64)
        .map(|i| (i * (16 << 30), data.as_slice()))
        .collect();
    sparse_file(&sandbox.join("a"), 1 << 40, &places);
    for line in ["copy a b", "sig a s", "map a"] {
        let output = sparseimg(line.split(' '))
            .cwd(sandbox.path())
            .under(["sh", "-c", "ulimit -v 1048576; exec \"$@\"", "-"])
            .run();
        println!("{line}: {:?}", output.elapsed());
        let output = output.success();
        // The promise is two seconds; a loaded test machine gets ten times that.
        assert!(
            output.elapsed() < Duration::from_secs(20),
            "{line}: {:?}",
            output.elapsed()
        );
    }
    assert_equal_ends(&sandbox);
}

/// Comparing a terabyte byte by byte is what must not be needed.
fn assert_equal_ends(sandbox: &Sandbox) {
    run(sandbox, "verify a b").assert(0, has("are equal"), "");
}

#[test]
fn a_source_that_changes_is_reported() {
    let sandbox = Sandbox::in_memory();
    let a = sandbox.file("a", noise(1, 64 << 20));
    let file = File::options().append(true).open(&a).unwrap();
    let copies = || sparseimg(["copy", "a", "b"]).cwd(sandbox.path());
    // A writer that never stops: the copy cannot finish before it has written.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all_at(b"x", at).unwrap();
                at += 1;
                std::thread::yield_now();
            }
        });
        copies()
            .run()
            .assert(1, any(), has("changed while it was read"));
        assert!(sandbox.join("b").exists(), "the copy is kept");
        std::fs::remove_file(sandbox.join("b")).unwrap();
        copies()
            .arg("--require-stable")
            .run()
            .assert(3, "", has("changed while it was read"));
        assert!(!sandbox.join("b").exists());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn kill_minus_nine_in_the_middle_leaves_the_old_target_and_no_debris() {
    let sandbox = Sandbox::new();
    sandbox.file("b", "old");
    crate::support::reference(&sandbox, "mkfifo fifo");
    let child = sparseimg(["copy", "fifo", "b"]).cwd(sandbox.path()).spawn();
    // Opening waits for the reader; a pipe holds far less than this, so it has been reading.
    let mut fifo = File::options()
        .write(true)
        .open(sandbox.join("fifo"))
        .unwrap();
    fifo.write_all(&noise(1, 10 << 20)).unwrap();
    child.signal(Signal::KILL);
    child
        .wait(Duration::from_secs(20))
        .assert(killed_by(Signal::KILL), "", "");
    assert_eq!(sandbox.read("b"), b"old");
    assert_eq!(
        std::fs::read_dir(sandbox.path()).unwrap().count(),
        2,
        "no debris"
    );
}

#[test]
fn a_signal_ends_the_copy_by_that_signal_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    crate::support::reference(&sandbox, "mkfifo fifo");
    let child = sparseimg(["copy", "fifo", "b"]).cwd(sandbox.path()).spawn();
    let mut fifo = File::options()
        .write(true)
        .open(sandbox.join("fifo"))
        .unwrap();
    fifo.write_all(&noise(1, 10 << 20)).unwrap();
    child.signal(Signal::TERM);
    // It notices between two pieces, and those come from here.
    let more = noise(2, 1 << 20);
    while fifo.write_all(&more).is_ok() {}
    child
        .wait(Duration::from_secs(20))
        .assert(killed_by(Signal::TERM), "", "");
    assert_eq!(
        std::fs::read_dir(sandbox.path()).unwrap().count(),
        1,
        "only the pipe"
    );
}

#[test]
fn what_cannot_be_a_target_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("a", "content");
    sandbox.dir("dir");
    run(&sandbox, "copy a dir").assert(2, "", has("is a directory"));
    run(&sandbox, "copy dir b").assert(2, "", has("is a directory"));
    run(&sandbox, "copy a /dev/null").assert(2, "", has("neither a file nor a block device"));
    run(&sandbox, "copy a missing/b").assert(3, "", has("missing"));
    run(&sandbox, "copy missing b").assert(3, "", has("cannot open missing"));
    run(&sandbox, "--json copy missing b").assert(3, has("\"kind\":\"not-found\""), any());
}

#[test]
fn settings_come_from_the_file_and_mistakes_have_a_place() {
    let sandbox = Sandbox::new();
    sandbox.file("c.toml", "jobs = 3\nhole_size = \"64K\"\n");
    run(&sandbox, "--config c.toml --show-config -j 5").assert(
        0,
        nightshift_testkit::has_all([
            "jobs = 5  # flag --jobs",
            "hole_size = \"64K\"  # c.toml:2",
            "direct = \"auto\"  # default",
        ]),
        "",
    );
    sandbox.file("c.toml", "jobs = 3\nhole_size = \"3000\"\n");
    run(&sandbox, "--config c.toml copy a b").assert(2, "", has("c.toml:2:13: "));
    sandbox.file("c.toml", "colour = 1\n");
    run(&sandbox, "--config c.toml copy a b").assert(2, "", has("c.toml:1:1: unknown field"));
    run(&sandbox, "").assert(2, "", has("a command is missing"));
}
