//! The corpora of the fuzz targets, as ordinary tests on any compiler.

#[path = "../../fuzz/drive.rs"]
mod drive;

use nightshift_testkit::run_corpus;

/// Files are small: every cut of them.
const ALL: usize = usize::MAX;

#[test]
fn signatures() {
    run_corpus("fuzz/corpus/signature", ALL, drive::signature);
}

#[test]
fn deltas() {
    run_corpus("fuzz/corpus/delta", ALL, drive::delta);
}

#[test]
fn names_and_metadata() {
    run_corpus("fuzz/corpus/increment", ALL, drive::increment);
}
