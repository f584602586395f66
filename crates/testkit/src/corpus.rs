//! The corpora of fuzz targets, run as ordinary tests on any compiler.

use std::path::Path;

/// Inputs below which a corpus cannot have been found where it is looked for.
const FEWEST: usize = 8;

/// Gives `drive` every file of `corpus`, and every cut of it from the start in steps of a
/// `cuts`th of its length: files and connections end anywhere.
#[track_caller]
pub fn run_corpus(corpus: impl AsRef<Path>, cuts: usize, drive: impl Fn(&[u8])) {
    let corpus = corpus.as_ref();
    let entries = std::fs::read_dir(corpus);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut inputs = 0;
    for entry in entries {
        let path = entry.expect("directory entry").path();
        let bytes = std::fs::read(&path);
        let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        drive(&bytes);
        (0..bytes.len())
            .step_by((bytes.len() / cuts).max(1))
            .for_each(|len| drive(&bytes[..len]));
        inputs += 1;
    }
    assert!(
        inputs >= FEWEST,
        "{} holds {inputs} inputs",
        corpus.display()
    );
}
