//! The lines that the commands print when they are done.

use crate::cli::CopyArgs;
use crate::copy::CopyReport;
use crate::diff::DiffReport;
use crate::dig::DigReport;
use crate::patch::PatchReport;
use crate::verify::VerifyReport;
use nightshift_common::escape::Escaped;
use nightshift_common::human::ByteSize;
use std::fmt::Write as _;
use std::path::Path;

/// What a copy did.
pub(crate) fn copied(args: &CopyArgs, done: &CopyReport) -> String {
    let mut text = format!(
        "{}: {}, {} read, {} written",
        Escaped::path(&args.target),
        ByteSize(done.size).approx(),
        ByteSize(done.read).approx(),
        ByteSize(done.written).approx(),
    );
    if done.zeroed > 0 {
        let _ = write!(text, ", {} zeroed", ByteSize(done.zeroed).approx());
    }
    if done.reflinked {
        text += ", blocks shared with the source";
    }
    if done.verified == Some(true) {
        text += ", verified";
    }
    text
}

/// What digging freed, or would free.
pub(crate) fn dug(file: &Path, done: &DigReport, dry_run: bool) -> String {
    let freed = ByteSize(done.before.saturating_sub(done.after)).approx();
    let verb = if dry_run { "would free" } else { "freed" };
    let after = ByteSize(done.after).approx();
    format!("{}: {verb} {freed}, {after} allocated", Escaped::path(file))
}

/// What a delta consists of.
pub(crate) fn delta(new: &Path, done: &DiffReport) -> String {
    format!(
        "{}: {} from the old file, {} new, delta {}",
        Escaped::path(new),
        ByteSize(done.copied).approx(),
        ByteSize(done.literal).approx(),
        ByteSize(done.delta).approx()
    )
}

/// What a patch wrote.
pub(crate) fn patched(out: &Path, done: &PatchReport) -> String {
    format!(
        "{}: {}, {} written",
        Escaped::path(out),
        ByteSize(done.size).approx(),
        ByteSize(done.written).approx()
    )
}

/// Whether two inputs are equal, or where they differ.
pub(crate) fn compared(a: &Path, b: &Path, done: &VerifyReport) -> String {
    let (name_a, name_b) = (Escaped::path(a), Escaped::path(b));
    let Some(first) = done.first else {
        let mut text = format!("{name_a} and {name_b} are equal, {} bytes", done.compared);
        if done.device_longer {
            let longer = done.size_a.max(done.size_b);
            let _ = write!(
                text,
                "; the device has {longer}, the rest was not looked at"
            );
        }
        return text;
    };
    let mut text = format!(
        "{name_a} and {name_b} differ: first at offset {first}, {} bytes in all",
        done.differing_bytes
    );
    if done.size_a != done.size_b && !done.device_longer {
        let _ = write!(text, "; sizes {} and {}", done.size_a, done.size_b);
    }
    push_ranges(&mut text, &done.ranges);
    text
}

/// Appends ranges, start and length in bytes, one a line.
pub(crate) fn push_ranges(text: &mut String, ranges: &[(u64, u64)]) {
    for (start, len) in ranges {
        let _ = write!(text, "\n  {start} +{len}");
    }
}
