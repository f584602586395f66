//! The corpora of the fuzz targets, as ordinary tests on any compiler.

#[path = "../../fuzz/drive.rs"]
mod drive;

use std::path::Path;

fn run(target: &str, drive: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        drive(&bytes);
        // Every cut of it as well: files end anywhere.
        (0..bytes.len()).for_each(|len| drive(&bytes[..len]));
        inputs += 1;
    }
    assert!(inputs >= 8, "{} holds {inputs} inputs", corpus.display());
}

#[test]
fn signatures() {
    run("signature", drive::signature);
}

#[test]
fn deltas() {
    run("delta", drive::delta);
}

#[test]
fn names_and_metadata() {
    run("increment", drive::increment);
}
