//! What several modules need: the binary, files with holes, reference programs.

use nightshift_testkit::{Cmd, Sandbox, needs};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// The tool with these arguments.
pub(crate) fn sparseimg<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_sparseimg")).args(args)
}

/// The tool in a sandbox's directory, arguments separated by blanks.
pub(crate) fn run(sandbox: &Sandbox, line: &str) -> nightshift_testkit::Output {
    sparseimg(line.split_whitespace()).cwd(sandbox.path()).run()
}

/// A reference program in a sandbox's directory; it must succeed.
#[track_caller]
pub(crate) fn reference(sandbox: &Sandbox, line: &str) {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap();
    needs::command(
        program,
        if program == "rdiff" {
            "rdiff"
        } else {
            "coreutils"
        },
    );
    Cmd::new(program)
        .args(words)
        .cwd(sandbox.path())
        .run()
        .success();
}

/// Bytes without structure, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    nightshift_testkit::noise(seed, len)
}

/// A file of `len` bytes with data at some places and holes elsewhere.
pub(crate) fn sparse_file(path: &Path, len: u64, data: &[(u64, &[u8])]) {
    let file = File::create(path).unwrap();
    file.set_len(len).unwrap();
    for (at, bytes) in data {
        file.write_all_at(bytes, *at).unwrap();
    }
}

/// rdiff-backup of the private environment, in a sandbox's directory.
pub(crate) fn rdiff_backup<A: AsRef<OsStr>>(
    sandbox: &Sandbox,
    args: impl IntoIterator<Item = A>,
) -> Cmd {
    let program = needs::python_tool("rdiff-backup");
    // Its warnings about coming versions are not about us.
    Cmd::new(program)
        .env("PYTHONWARNINGS", "ignore")
        .args(args)
        .cwd(sandbox.path())
}

/// Bytes allocated to a file.
pub(crate) fn allocated(path: &Path) -> u64 {
    path.metadata().unwrap().blocks() * 512
}

/// Whether two files have the same bytes, without holding them in memory.
#[track_caller]
pub(crate) fn assert_equal(a: &Path, b: &Path) {
    Cmd::new("cmp").args([a, b]).run().assert(0, "", "");
}

/// Dates a file. rdiff-backup compares whole seconds, and a fast test writes two states in one.
pub(crate) fn date(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}
