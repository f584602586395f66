//! The corpora of the fuzz targets, as ordinary tests on any compiler.

#[path = "../../fuzz/drive.rs"]
mod drive;

use std::path::Path;

/// Runs every input, and every cut of it in steps of `step`: files end anywhere.
fn run(target: &str, drive: fn(&[u8]), step: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        drive(&bytes);
        (0..bytes.len())
            .step_by(step)
            .for_each(|len| drive(&bytes[..len]));
        inputs += 1;
    }
    assert!(inputs >= 8, "{} holds {inputs} inputs", corpus.display());
}

#[test]
fn billing_files() {
    // Each run starts four workers.
    run("csv", drive::csv, 7);
}

#[test]
fn xml_invoices() {
    run("xml", drive::xml, 1);
}

#[test]
fn pages_with_forms() {
    run("forms", drive::forms, 1);
}
