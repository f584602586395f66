//! The patch for rdiff-backup: it applies, does what its page says, and both versions restore
//! each other's repositories.

use crate::support::{noise, sparse_file};
use nightshift_testkit::{Cmd, Sandbox, any, needs};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Above which length the patched version aligns in the test of backups.
///
/// With the patch's own gibibyte that test takes a minute and a half, nearly all of it in
/// librsync and Python; `SPARSE_CONTRIB_FULL` in the environment asks for it.
fn threshold() -> u64 {
    if std::env::var_os("SPARSE_CONTRIB_FULL").is_some() {
        1 << 30
    } else {
        24 << 20
    }
}

/// Runs rdiff-backup with its modules from `modules`; the threshold of the patch is set, which
/// means nothing to a version without it.
fn rdiff_backup(sandbox: &Sandbox, modules: &Path, line: &str) {
    let python = needs::python_tool("python3");
    let code = format!(
        "import sys\n\
         from rdiff_backup import Rdiff\n\
         from rdiffbackup.run import main\n\
         Rdiff._ALIGN_ABOVE = {}\n\
         sys.exit(main())",
        threshold()
    );
    Cmd::new(python)
        .env("PYTHONPATH", modules)
        .env("PYTHONWARNINGS", "ignore")
        .args(["-c", &code])
        .args(["--api-version", "201"])
        .args(line.split(' '))
        .cwd(sandbox.path())
        // Up to a gibibyte through Python, on a machine that may be loaded.
        .timeout(Duration::from_mins(5))
        .run()
        .assert(0, any(), any());
}

fn python(modules: &Path, code: &str) -> String {
    let output = Cmd::new(needs::python_tool("python3"))
        .env("PYTHONPATH", modules)
        .args(["-c", code])
        .run();
    output.success().stdout_text()
}

/// A patched copy of the installed modules.
fn patched(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let code =
        "import os, rdiff_backup; print(os.path.dirname(os.path.dirname(rdiff_backup.__file__)))";
    let plain = PathBuf::from(python(Path::new("/nonexistent"), code).trim());
    let modules = sandbox.dir("patched");
    for package in ["rdiff_backup", "rdiffbackup"] {
        Cmd::new("cp")
            .arg("-r")
            .args([plain.join(package), modules.join(package)])
            .run()
            .success();
    }
    let patch = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../contrib/rdiff-backup/aligned-blocks.patch");
    needs::command("patch", "patch");
    Cmd::new("patch")
        .args(["-p1", "--fuzz=0", "-s", "-i"])
        .arg(patch)
        .cwd(&modules)
        .run()
        .assert(0, "", "");
    (plain, modules)
}

#[test]
fn sizes_change_above_one_gibibyte_only() {
    let sandbox = Sandbox::new();
    let (plain, modules) = patched(&sandbox);
    let code = "from rdiff_backup import Rdiff\n\
        print(*[Rdiff._find_blocksize(n) for n in \
        (0, 10239, 10240, 10**6, 1 << 30, (1 << 30) + 1, 20 << 30, 350 << 30)])";
    let (old, new) = (python(&plain, code), python(&modules, code));
    assert_eq!(old.trim(), "64 64 80 976 32768 32768 163840 716800");
    assert_eq!(new.trim(), "64 64 80 976 32768 131072 262144 786432");
}

#[test]
fn aligned_increments_restore_with_either_version() {
    let sandbox = Sandbox::in_memory();
    let (plain, modules) = patched(&sandbox);
    let len = threshold() + 5;
    let first: Vec<(u64, Vec<u8>)> = (0..6).map(|i| (i * (len / 8), noise(i, 300_000))).collect();
    let write = |changed: bool| {
        let mut data = first.clone();
        if changed {
            data[2].1[1000..1010].fill(1);
            data[4].1.fill(2);
        }
        let data: Vec<(u64, &[u8])> = data
            .iter()
            .map(|(at, bytes)| (*at, bytes.as_slice()))
            .collect();
        let disk = sandbox.join("src/disk");
        sparse_file(&disk, len, &data);
        // rdiff-backup takes a file of the same size and second for the same file.
        let day = u64::from(changed);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_000_000 + day * 86_400);
        let file = File::options().write(true).open(disk).unwrap();
        file.set_modified(time).unwrap();
    };
    sandbox.dir("src");
    for (repo, with, other) in [
        ("by-patched", &modules, &plain),
        ("by-plain", &plain, &modules),
    ] {
        write(false);
        rdiff_backup(
            &sandbox,
            with,
            &format!("--current-time 1772326800 backup src {repo}"),
        );
        write(true);
        rdiff_backup(
            &sandbox,
            with,
            &format!("--current-time 1772413200 backup src {repo}"),
        );
        write(false);
        let restored = format!("{repo}-restored");
        rdiff_backup(
            &sandbox,
            other,
            &format!("restore --at 1772326800 {repo} {restored}"),
        );
        crate::support::assert_equal(
            &sandbox.join(restored).join("disk"),
            &sandbox.join("src/disk"),
        );
        if repo == "by-patched" {
            assert!(copies_are_whole_stripes(&sandbox, repo));
        } else {
            assert!(
                !copies_are_whole_stripes(&sandbox, repo),
                "so the check above means something"
            );
        }
    }
}

/// Whether all COPY commands but the last of the increment have lengths of whole stripes.
fn copies_are_whole_stripes(sandbox: &Sandbox, repo: &str) -> bool {
    let increments = sandbox.join(repo).join("rdiff-backup-data/increments");
    let delta = std::fs::read_dir(increments)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".diff"))
        .unwrap();
    let reader =
        sparse::repo::unpack(&delta, delta.extension().is_some_and(|end| end == "gz")).unwrap();
    let mut decoder = sparse::delta::Decoder::new(reader).unwrap();
    let mut lengths = Vec::new();
    while let Some(command) = decoder.next_command().unwrap() {
        if let sparse::delta::Command::Copy { len, .. } = command {
            lengths.push(len);
        }
    }
    assert!(lengths.len() > 2, "{lengths:?}");
    lengths[..lengths.len() - 1]
        .iter()
        .all(|len| len.is_multiple_of(128 << 10))
}
