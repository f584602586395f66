//! The corpora of the fuzz targets, as ordinary tests on any compiler.

use std::path::Path;

use certwatch::fuzz;

fn run(target: &str, drive: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        drive(&bytes);
        // Cuts of it as well: connections end anywhere.
        let step = (bytes.len() / 200).max(1);
        (0..bytes.len())
            .step_by(step)
            .for_each(|len| drive(&bytes[..len]));
        inputs += 1;
    }
    assert!(inputs >= 8, "{} holds {inputs} inputs", corpus.display());
}

#[test]
fn certificates() {
    run("certificate", fuzz::certificate);
}

#[test]
fn answers_to_a_hello() {
    run("hello", fuzz::hello);
}

#[test]
fn preambles() {
    run("starttls", fuzz::starttls);
}

#[test]
fn targets_files() {
    run("targets", fuzz::targets);
}
