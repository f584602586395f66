//! Restoring from real repositories, beside rdiff-backup itself.

use crate::support::{date, noise, rdiff_backup, run, sparse_file, sparseimg};
use nightshift_testkit::{Output, Sandbox, any, has, has_all};
use sparse::progress::Progress;
use sparse::restore::{Checksum, RestoreOptions, restore};
use sparse::target::TargetOptions;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Seconds since 1970 of the first backup; one day between two.
const FIRST: u64 = 1_772_326_800;
const DAY: u64 = 86_400;

fn time(generation: usize) -> u64 {
    FIRST + generation as u64 * DAY
}

/// A source directory, backed up once per change.
struct History {
    sandbox: Sandbox,
    api: &'static str,
    generations: usize,
}

impl History {
    fn new(api: &'static str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.dir("src");
        Self {
            sandbox,
            api,
            generations: 0,
        }
    }

    fn src(&self, name: impl AsRef<Path>) -> PathBuf {
        self.sandbox.join("src").join(name)
    }

    fn write(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.sandbox.file(Path::new("src").join(name), content);
        date(&path, time(self.generations));
    }

    #[track_caller]
    fn back_up(&mut self) {
        let now = time(self.generations).to_string();
        let args = [
            "--api-version",
            self.api,
            "--current-time",
            &now,
            "backup",
            "src",
            "repo",
        ];
        rdiff_backup(&self.sandbox, args)
            .run()
            .assert(0, any(), any());
        self.generations += 1;
    }

    /// Our restore of one file.
    fn restore(&self, name: &Path, at: &str) -> Output {
        let file = Path::new("repo").join(name);
        sparseimg(["-q", "restore", "--at", at])
            .args([file.as_os_str(), "out".as_ref()])
            .cwd(self.sandbox.path())
            .run()
    }
}

/// A name of 240 bytes: its increments have no room for their suffix.
fn long_name() -> PathBuf {
    PathBuf::from("l".repeat(240))
}

fn odd_names() -> Vec<PathBuf> {
    [
        &b"new\nline"[..],
        b"back\\slash",
        b"not utf-8 \xff",
        b"dots.in.2026-01-01.name",
        b";058",
    ]
    .map(|name| PathBuf::from(OsString::from_vec(name.to_vec())))
    .to_vec()
}

/// Five generations: change, shrink, grow, delete, create again, file to directory and back.
fn five_generations(api: &'static str) -> History {
    let mut history = History::new(api);
    let mut disk = noise(1, 900_000);
    disk[200_000..600_000].fill(0);
    history.write("disk.img", &disk);
    history.write("sub/deep/file", b"first");
    history.write("comes and goes", b"here");
    history.write("turns", b"a file");
    history.write("z.iso.gz", &noise(2, 50_000));
    history.write("still", b"never changes");
    history.write("linked", &noise(3, 30_000));
    fs::hard_link(history.src("linked"), history.src("other link")).unwrap();
    history.write(long_name(), &noise(4, 20_000));
    for name in odd_names() {
        history.write(&name, name.as_os_str().as_bytes());
    }
    history.back_up();

    disk[100_000..100_100].fill(7);
    disk.splice(700_000..700_000, noise(5, 333));
    history.write("disk.img", &disk);
    history.write("sub/deep/file", b"f");
    fs::remove_file(history.src("comes and goes")).unwrap();
    fs::remove_file(history.src("turns")).unwrap();
    history.write("turns/inside", b"now a directory");
    history.write(long_name(), &noise(6, 20_000));
    for name in odd_names() {
        history.write(&name, b"second");
    }
    history.back_up();

    disk.extend(noise(7, 200_000));
    history.write("disk.img", &disk);
    history.write("sub/deep/file", b"grown again, and longer than ever");
    history.write("comes and goes", b"here again");
    let mut linked = fs::File::options()
        .append(true)
        .open(history.src("linked"))
        .unwrap();
    linked.write_all(b"both names see this").unwrap();
    history.write("z.iso.gz", &noise(8, 50_000));
    history.back_up();

    history.write("new in the fourth", b"new");
    fs::remove_file(history.src(long_name())).unwrap();
    disk.truncate(500_000);
    history.write("disk.img", &disk);
    history.back_up();

    fs::remove_dir_all(history.src("turns")).unwrap();
    history.write("turns", b"a file once more");
    fs::remove_file(history.src("comes and goes")).unwrap();
    fs::remove_dir_all(history.src("sub")).unwrap();
    let tail = disk.split_off(250_000);
    history.write("disk.img", &[tail, disk].concat());
    history.back_up();
    history
}

/// Regular files below a directory, by path.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path().strip_prefix(dir).unwrap().to_owned());
            }
        }
    }
    found
}

fn every_file_at_every_time(history: &History) {
    let sandbox = &history.sandbox;
    let mut all = Vec::new();
    let mut restored = Vec::new();
    for generation in 0..history.generations {
        let (at, dir) = (time(generation).to_string(), format!("at-{generation}"));
        let args = [
            "--api-version",
            history.api,
            "restore",
            "--at",
            &at,
            "repo",
            &dir,
        ];
        rdiff_backup(sandbox, args).run().assert(0, any(), any());
        let found = files(&sandbox.join(&dir));
        all.extend(found.clone());
        restored.push((at, dir, found));
    }
    all.sort();
    all.dedup();
    assert!(all.len() >= 15, "{all:?}");
    for (at, dir, found) in restored {
        for name in &all {
            let output = history.restore(name, &at);
            if found.contains(name) {
                output.assert(0, "", "");
                let expected = fs::read(sandbox.join(&dir).join(name)).unwrap();
                assert!(
                    sandbox.read("out") == expected,
                    "{} at {at} differs",
                    name.display()
                );
                fs::remove_file(sandbox.join("out")).unwrap();
                stepwise(sandbox, name, &at, &expected);
            } else {
                output.assert(3, "", has("at 2026-03-0"));
            }
        }
    }
}

/// The same once more as if memory for no segment were there: one diff after the other.
#[track_caller]
fn stepwise(sandbox: &Sandbox, name: &Path, at: &str, expected: &[u8]) {
    let options = RestoreOptions {
        jobs: 0,
        at: Some(at.to_owned()),
        verify: true,
        max_segments: 0,
        target: TargetOptions::default(),
    };
    let out = sandbox.join("stepwise");
    let file = sandbox.join("repo").join(name);
    let done = restore(&file, &out, &options, sandbox.path(), &Progress::silent()).unwrap();
    // Nothing is applied to a file that was not a file between, and an empty one has no segments.
    let needed = done.diffs > 0 && !expected.is_empty();
    assert_eq!(done.stepwise, needed, "{} at {at}", name.display());
    assert_ne!(done.checksum, Checksum::Wrong, "{} at {at}", name.display());
    assert!(
        fs::read(&out).unwrap() == expected,
        "{} at {at}, step by step, differs",
        name.display()
    );
    fs::remove_file(out).unwrap();
}

#[test]
fn every_generation_equals_what_rdiff_backup_restores() {
    every_file_at_every_time(&five_generations("200"));
}

#[test]
fn every_generation_of_the_newer_interface_too() {
    every_file_at_every_time(&five_generations("201"));
}

#[test]
fn times_can_be_named_in_many_ways() {
    let history = five_generations("201");
    let sandbox = &history.sandbox;
    let restored = |line: &str, content: &[u8]| {
        run(sandbox, &format!("-q restore {line} out")).assert(0, "", "");
        assert_eq!(sandbox.read("out"), content, "{line}");
    };
    restored("repo/sub/deep/file --at 4B", b"first");
    restored("repo/sub/deep/file --at 3B", b"f");
    restored("repo/sub/deep/file --at 2026-03-01T01:00:00Z", b"first");
    restored("repo/sub/deep/file --at 2026-03-02T13:00:00Z", b"f");
    restored("repo/turns", b"a file once more");
    run(sandbox, "restore repo/turns out --at 2025-01-01").assert(
        1,
        any(),
        has("no backup is that old"),
    );
    assert_eq!(sandbox.read("out"), b"a file");
    run(sandbox, "-q restore repo/turns out --at yesterday").assert(2, "", has("is not a time"));
    let increments = sandbox.join("repo/rdiff-backup-data/increments/sub/deep");
    let oldest = files(&increments).into_iter().min().unwrap();
    let increment = increments.join(oldest);
    sparseimg([
        "-q".as_ref(),
        "restore".as_ref(),
        increment.as_os_str(),
        "out".as_ref(),
    ])
    .cwd(sandbox.path())
    .run()
    .assert(0, "", "");
    assert_eq!(
        sandbox.read("out"),
        b"first",
        "an increment names file and time"
    );
    run(sandbox, "restore --list repo/turns").assert(
        0,
        "2026-03-01T01:00:00Z  file       6\n\
         2026-03-02T01:00:00Z  directory\n\
         2026-03-03T01:00:00Z  directory\n\
         2026-03-04T01:00:00Z  directory\n\
         2026-03-05T01:00:00Z  file       16\n",
        "",
    );
    run(sandbox, "--json restore --list repo/turns").assert(0, has("\"state\":\"directory\""), "");
}

#[test]
fn an_increment_replaced_by_ours_still_verifies() {
    let mut history = History::new("201");
    let old = noise(1, 400_000);
    let mut new = old.clone();
    new[100_000..100_010].fill(1);
    history.write("disk", &old);
    history.back_up();
    history.write("disk", &new);
    history.back_up();
    let sandbox = &history.sandbox;
    let increments = sandbox.join("repo/rdiff-backup-data/increments");
    let name = files(&increments)
        .into_iter()
        .find(|name| name.as_os_str().as_bytes().ends_with(b".diff.gz"))
        .unwrap();
    sandbox.file("old", &old);
    run(sandbox, "delta --basis repo/disk old delta").success();
    let packed = nightshift_testkit::Cmd::new("gzip")
        .args(["-c", "delta"])
        .cwd(sandbox.path())
        .run()
        .success();
    fs::write(increments.join(name), packed.stdout).unwrap();
    let at = time(0).to_string();
    rdiff_backup(
        sandbox,
        ["--api-version", "201", "verify", "--at", &at, "repo"],
    )
    .run()
    .assert(0, any(), any());
    history.restore(Path::new("disk"), &at).assert(0, "", "");
    assert_eq!(sandbox.read("out"), old);
}

#[test]
fn sparse_images_come_back_sparse_with_mode_and_time() {
    let mut history = History::new("201");
    sparse_file(
        &history.src("disk"),
        300 << 20,
        &[(100 << 20, &noise(1, 50_000))],
    );
    history.back_up();
    sparse_file(
        &history.src("disk"),
        300 << 20,
        &[(200 << 20, &noise(2, 50_000))],
    );
    history.back_up();
    let at = time(0).to_string();
    history.restore(Path::new("disk"), &at).assert(0, "", "");
    let out = history.sandbox.join("out");
    assert_eq!(out.metadata().unwrap().len(), 300 << 20);
    assert!(crate::support::allocated(&out) < 200_000);
    let piped = run(&history.sandbox, &format!("restore --at {at} repo/disk -")).success();
    assert!(piped.stdout == history.sandbox.read("out"));
}

#[test]
fn damaged_repositories_are_named_and_never_patched_over() {
    let history = five_generations("201");
    let sandbox = &history.sandbox;
    let data = sandbox.join("repo/rdiff-backup-data");
    let at = time(0).to_string();
    let disk = |kind: &str| {
        let list = files(&data.join("increments"));
        let mut found: Vec<_> = list
            .into_iter()
            .filter(|name| {
                name.to_string_lossy().starts_with("disk.img.")
                    && name.to_string_lossy().contains(kind)
            })
            .collect();
        found.sort();
        data.join("increments").join(&found[0])
    };
    // A damaged increment: nothing is written.
    let oldest = disk(".diff.gz");
    let whole = fs::read(&oldest).unwrap();
    fs::write(&oldest, &whole[..whole.len() / 2]).unwrap();
    history.restore(Path::new("disk.img"), &at).assert(
        3,
        "",
        has_all(["disk.img.", "not a valid increment"]),
    );
    assert!(!sandbox.join("out").exists());
    // A delta that is intact but wrong: the recorded size or checksum tells.
    let mut literal = vec![0x72, 0x73, 0x02, 0x36, 0x03];
    literal.extend(b"abc\0");
    sandbox.file("wrong", &literal);
    let packed = nightshift_testkit::Cmd::new("gzip")
        .args(["-c", "wrong"])
        .cwd(sandbox.path())
        .run()
        .success();
    fs::write(&oldest, packed.stdout).unwrap();
    history
        .restore(Path::new("disk.img"), &at)
        .assert(3, "", has("3 bytes, 900000 were recorded"));
    // A missing marker under a diff.
    fs::write(&oldest, &whole).unwrap();
    let marker = oldest.to_string_lossy().replace("2026-03-01", "2026-03-02");
    let newer: Vec<_> = files(&data.join("increments"))
        .into_iter()
        .filter(|name| name.to_string_lossy().starts_with("disk.img.2026-03-02"))
        .collect();
    fs::remove_file(data.join("increments").join(&newer[0])).unwrap();
    fs::write(marker.replace(".diff.gz", ".missing"), "").unwrap();
    history
        .restore(Path::new("disk.img"), &at)
        .assert(3, "", has("no file to apply to"));
    // Two mirror markers.
    let markers: Vec<_> = files(&data)
        .into_iter()
        .filter(|name| name.to_string_lossy().starts_with("current_mirror"))
        .collect();
    let second = data.join("current_mirror.2026-03-06T01:00:00Z.data");
    fs::write(&second, "PID 999999999\n").unwrap();
    history.restore(Path::new("still"), &at).assert(
        3,
        "",
        has_all(["interrupted", "hint: run rdiff-backup regress"]),
    );
    fs::write(&second, format!("PID {}\n", std::process::id())).unwrap();
    history
        .restore(Path::new("still"), &at)
        .assert(75, "", has("a backup is running"));
    fs::remove_file(&second).unwrap();
    fs::remove_file(data.join(&markers[0])).unwrap();
    history
        .restore(Path::new("still"), &at)
        .assert(3, "", has("current_mirror"));
}

#[test]
fn a_locked_repository_is_left_alone_and_never_written_to() {
    let mut history = History::new("201");
    history.write("f", b"x");
    history.back_up();
    let sandbox = &history.sandbox;
    run(sandbox, "restore repo/f repo/out").assert(2, "", has("only read"));
    run(sandbox, "restore repo/f repo/f").assert(2, "", has("only read"));
    run(sandbox, "restore repo/../x out").assert(2, "", has(".."));
    run(sandbox, "restore nowhere/f out").assert(3, "", has("rdiff-backup-data"));
    run(sandbox, "restore repo/missing out").assert(3, "", has("never a file"));
    run(sandbox, "restore repo out").assert(2, "", has("name a file in it"));
    let lock = fs::File::open(sandbox.join("repo/rdiff-backup-data/lock.yml")).unwrap();
    lock.lock().unwrap();
    run(sandbox, "restore repo/f out").assert(75, "", has("is writing"));
}
