//! The corpora of the fuzz targets, as ordinary tests on any compiler.

use certwatch::fuzz;
use nightshift_testkit::run_corpus;

/// Cuts of each input; a certificate has some hundred bytes.
const CUTS: usize = 200;

#[test]
fn certificates() {
    run_corpus("fuzz/corpus/certificate", CUTS, fuzz::certificate);
}

#[test]
fn answers_to_a_hello() {
    run_corpus("fuzz/corpus/hello", CUTS, fuzz::hello);
}

#[test]
fn preambles() {
    run_corpus("fuzz/corpus/starttls", CUTS, fuzz::starttls);
}

#[test]
fn targets_files() {
    run_corpus("fuzz/corpus/targets", CUTS, fuzz::targets);
}
