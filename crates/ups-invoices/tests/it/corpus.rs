//! The corpora of the fuzz targets, as ordinary tests on any compiler.

#[path = "../../fuzz/drive.rs"]
mod drive;

use nightshift_testkit::run_corpus;

#[test]
fn billing_files() {
    // Each run starts four workers.
    run_corpus("fuzz/corpus/csv", 200, drive::csv);
}

#[test]
fn xml_invoices() {
    run_corpus("fuzz/corpus/xml", usize::MAX, drive::xml);
}

#[test]
fn pages_with_forms() {
    run_corpus("fuzz/corpus/forms", usize::MAX, drive::forms);
}
