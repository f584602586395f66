//! The `delta` command: against a signature or against the old file itself.

use crate::delta::Totals;
use crate::direct;
use crate::engine::{cores, jobs};
use crate::error::Error;
use crate::matcher::Matcher;
use crate::ops::write_delta;
use crate::output::Output;
use crate::progress::Progress;
use crate::reader::Input;
use crate::rolling;
use crate::signature::Signature;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// How to compute a delta.
#[derive(Debug, Clone, Copy)]
pub struct DiffOptions {
    /// Threads; 0 chooses.
    pub jobs: usize,
    /// Search for moved data where nothing matched in place.
    pub roll: bool,
}

/// What a delta consists of.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DiffReport {
    /// Bytes of the new file.
    pub size: u64,
    /// Bytes of the delta.
    pub delta: u64,
    /// Bytes taken from the old file.
    pub copied: u64,
    /// Bytes the delta carries.
    pub literal: u64,
    /// Commands of either kind.
    pub commands: u64,
}

impl DiffReport {
    fn of(size: u64, totals: Totals) -> Self {
        Self {
            size,
            delta: totals.delta,
            copied: totals.copied,
            literal: totals.literal,
            commands: totals.copies + totals.literals,
        }
    }
}

/// Delta of `new` against the signature at `signature`.
pub fn by_signature(
    signature: &Path,
    new: &Path,
    out: &Path,
    options: DiffOptions,
    progress: &Progress,
) -> Result<DiffReport, Error> {
    let file = File::open(signature).map_err(Error::io("open", signature))?;
    let parsed = Signature::read(BufReader::with_capacity(256 << 10, file))
        .map_err(Error::parse("signature", signature))?;
    let new = Input::open_seekable(new)?;
    let jobs = jobs(options.jobs, cores());
    let output = Output::create(out, &[&new])?;
    let matcher = Matcher::new(&parsed);
    let ops = rolling::search(&matcher, &new, options.roll, jobs, progress)?;
    let totals = write_delta(&ops, &new, &mut &output, out, jobs, progress)?;
    new.check_unchanged()?;
    output.finish()?;
    Ok(DiffReport::of(new.len(), totals))
}

/// Delta of `new` against the file `old`, compared in steps of `step` bytes.
pub fn by_basis(
    old: &Path,
    new: &Path,
    out: &Path,
    step: u64,
    options: DiffOptions,
    progress: &Progress,
) -> Result<DiffReport, Error> {
    let old = Input::open_seekable(old)?;
    let new = Input::open_seekable(new)?;
    let jobs = jobs(options.jobs, cores());
    let output = Output::create(out, &[&old, &new])?;
    let ops = direct::search(&old, &new, step, options.roll, jobs, progress)?;
    let totals = write_delta(&ops, &new, &mut &output, out, jobs, progress)?;
    old.check_unchanged()?;
    new.check_unchanged()?;
    output.finish()?;
    Ok(DiffReport::of(new.len(), totals))
}

/// Bytes the delta of [`by_basis`] would have.
pub(crate) fn size_by_basis(
    old: &Path,
    new: &Path,
    step: u64,
    options: DiffOptions,
    progress: &Progress,
) -> Result<u64, Error> {
    let (old, new) = (Input::open_seekable(old)?, Input::open_seekable(new)?);
    let jobs = jobs(options.jobs, cores());
    let ops = direct::search(&old, &new, step, options.roll, jobs, progress)?;
    Ok(write_delta(&ops, &new, std::io::sink(), new.path(), jobs, progress)?.delta)
}
