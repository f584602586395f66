//! The command line. Nothing here runs; `command()` is what tests and the manual look at.

use crate::copy::Reflink;
use crate::device::TargetZero;
use crate::reader::Direct;
use crate::sign::StrongLen;
use crate::size::{BlockSize, HoleSize, parse_bytes};
use crate::strong::StrongKind;
use crate::weak::WeakKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use nightshift_common::flags::SharedFlags;
use std::path::PathBuf;

/// Sparse and aligned copies, deltas and restores of disk images
///
/// Stores only what is not zero, reads no holes, uses every core, and speaks the formats of
/// rdiff and rdiff-backup. Sizes take K, M, G and T (powers of 1024).
#[derive(Debug, Parser)]
#[command(name = "sparseimg", version, max_term_width = 100)]
pub struct Cli {
    /// Flags of every tool.
    #[command(flatten)]
    pub shared: SharedFlags,

    /// Threads to work on
    ///
    /// 0, the default, takes 4 for copying, comparing and mapping, where the disk is what
    /// limits, and one per processor for everything that computes. No output depends on it.
    #[arg(short, long, value_name = "N", global = true, help_heading = "Options")]
    pub jobs: Option<usize>,

    /// Print the result as JSON
    ///
    /// One object on standard output; on failure it has a member `error` with `kind` (io,
    /// no-space, corrupt, busy, changed, not-found, refused, partial, usage) and `message`.
    #[arg(long, global = true, help_heading = "Options")]
    pub json: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy a file, device or stream, leaving zeros out
    Copy(CopyArgs),
    /// Punch holes into files in place
    Dig(DigArgs),
    /// Show where the data of a file lies
    Map(MapArgs),
    /// Estimate what a sparse copy, a signature and a delta would need
    Estimate(EstimateArgs),
    /// Compare two files or devices, or a file with a block map
    Verify(VerifyArgs),
    /// Compute an rdiff signature
    Sig(SigArgs),
    /// Compute an rdiff delta against a signature or against the old file
    Delta(DeltaArgs),
    /// Apply an rdiff delta
    Patch(PatchArgs),
    /// Restore one file of an rdiff-backup repository at any recorded time
    Restore(RestoreArgs),
}

/// Flags about the target.
#[derive(Debug, Args, Clone, Copy)]
pub struct TargetArgs {
    /// How zeros get onto a block device
    ///
    /// `zeroout` asks the device to make them, freeing space where it can, and writes them where
    /// it cannot. `discard` discards, reads back and repairs what did not come back as zeros.
    /// `assume-zeroed` skips them: only for a device known to be all zeros. A file needs none
    /// of this. [default: zeroout]
    #[arg(long, value_name = "HOW", value_enum)]
    pub target_zero: Option<TargetZero>,

    /// The same as --target-zero assume-zeroed
    #[arg(long, conflicts_with = "target_zero")]
    pub assume_zeroed: bool,

    /// Write to a device that is in use
    ///
    /// Without it a device that is mounted, or part of a volume, RAID or swap area, is refused.
    /// Nothing else is overridden.
    #[arg(long)]
    pub force_device: bool,
}

/// `copy`
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct CopyArgs {
    /// What to copy: a file, a block device, or - for standard input
    #[arg(value_name = "SRC")]
    pub source: PathBuf,

    /// Where to: a file, which is replaced only when the copy is complete, a block device, or -
    #[arg(value_name = "DST")]
    pub target: PathBuf,

    /// Leave zeros out in blocks of this size, a power of two [default: 4K]
    ///
    /// Blocks are counted from the start of the target. Smaller than the file system's block
    /// saves nothing more; larger makes fewer, longer extents.
    #[arg(long, value_name = "SIZE")]
    pub hole_size: Option<HoleSize>,

    /// Keep allocated zeros allocated
    ///
    /// Where the source has stored zeros the target gets reserved space that reads as zeros;
    /// only what is a hole in the source is one in the target.
    #[arg(long)]
    pub preserve_holes: bool,

    /// Read and write past the page cache [default: auto]
    ///
    /// `auto` does so when the source is larger than a quarter of the memory, and from 64 MiB on
    /// when most of it is not in the page cache. Long runs of data are then written past it as
    /// well. Where a file system refuses, reads and writes are ordinary ones.
    #[arg(long, value_name = "WHEN", value_enum)]
    pub direct: Option<Direct>,

    /// Share the source's blocks instead of copying them [default: never]
    ///
    /// `auto` clones the file where the file system can (btrfs, xfs) and digs the zeros out
    /// afterwards. A shared block is stored once: damage to it hits both files.
    #[arg(long, value_name = "WHEN", value_enum)]
    pub reflink: Option<Reflink>,

    /// Compare source and target afterwards; exit 1 if they differ
    #[arg(long)]
    pub verify: bool,

    /// Fail, and leave no target, if the source changes while it is read
    ///
    /// Without it the target is kept and the exit code is 1. Not noticed on block devices.
    #[arg(long)]
    pub require_stable: bool,

    /// Put zeros in place of what cannot be read
    ///
    /// Each unreadable page of 4 KiB is reported; the exit code is then 1.
    #[arg(long)]
    pub keep_going: bool,

    /// The target.
    #[command(flatten)]
    pub place: TargetArgs,
}

/// `dig`
#[derive(Debug, Args)]
pub struct DigArgs {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Only say what would be freed
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Punch holes in blocks of this size, a power of two [default: 4K]
    #[arg(long, value_name = "SIZE")]
    pub hole_size: Option<HoleSize>,

    /// Put the times of last access and modification back afterwards
    #[arg(long)]
    pub preserve: bool,

    /// Dig even if another process has the file open
    ///
    /// What it writes meanwhile may be lost. Nothing else is overridden: swap areas and
    /// immutable files stay refused.
    #[arg(long)]
    pub force: bool,
}

/// `map`
#[derive(Debug, Args)]
pub struct MapArgs {
    /// The file or device
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Write a picture to this file, - for standard output
    #[arg(long, value_name = "OUT")]
    pub svg: Option<PathBuf>,

    /// Write a block map (bmap 2.0, with checksums) to this file, - for standard output
    #[arg(long, value_name = "OUT")]
    pub bmap: Option<PathBuf>,

    /// Ask the file system only; do not look for zeros in the data
    #[arg(long)]
    pub no_read: bool,

    /// Look for zeros in blocks of this size, a power of two [default: 4K]
    #[arg(long, value_name = "SIZE")]
    pub hole_size: Option<HoleSize>,
}

/// `estimate`
#[derive(Debug, Args)]
pub struct EstimateArgs {
    /// The file or device
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// An older state of it, to estimate deltas as well
    #[arg(long, value_name = "OLD")]
    pub basis: Option<PathBuf>,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The first file or device
    #[arg(value_name = "A")]
    pub a: PathBuf,

    /// The second; a device may be longer than an image
    #[arg(value_name = "B", required_unless_present = "bmap")]
    pub b: Option<PathBuf>,

    /// List every differing range
    #[arg(long)]
    pub all: bool,

    /// Compare A with the checksums of a block map instead
    #[arg(long, value_name = "MAP", conflicts_with = "b")]
    pub bmap: Option<PathBuf>,
}

/// `--hash`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HashName {
    /// BLAKE2b, rdiff's default
    Blake2,
    /// MD4, for old readers
    Md4,
}

impl From<HashName> for StrongKind {
    fn from(name: HashName) -> Self {
        match name {
            HashName::Blake2 => Self::Blake2b,
            HashName::Md4 => Self::Md4,
        }
    }
}

/// `--rollsum`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RollsumName {
    /// Rabin-Karp, rdiff's default
    Rabinkarp,
    /// The sum of rsync, for old readers
    Rollsum,
}

impl From<RollsumName> for WeakKind {
    fn from(name: RollsumName) -> Self {
        match name {
            RollsumName::Rabinkarp => Self::RabinKarp,
            RollsumName::Rollsum => Self::Rollsum,
        }
    }
}

/// `sig`
#[derive(Debug, Args)]
pub struct SigArgs {
    /// The file, device, or - for standard input
    #[arg(value_name = "OLD")]
    pub file: PathBuf,

    /// Where the signature goes, - for standard output
    #[arg(value_name = "SIG")]
    pub signature: PathBuf,

    /// Bytes per block, `auto` or `sqrt` [default: auto]
    ///
    /// `sqrt` is librsync's rule: 256 bytes up to 64 KiB, above that the square root of the
    /// length rounded down to 128. `auto` is the same up to 1 GiB and above it the square root
    /// rounded up to whole stripes of 128 KiB: 256K at 20 GiB, 640K at 350 GiB. Small blocks
    /// make small deltas and large signatures: a flat 128K at 350 GiB means 2.87 million
    /// blocks and a signature of 103 MB, five times that of `auto`.
    #[arg(short, long, value_name = "SIZE")]
    pub block_size: Option<BlockSize>,

    /// The strong sum
    #[arg(
        short = 'H',
        long,
        value_enum,
        default_value = "blake2",
        value_name = "HASH"
    )]
    pub hash: HashName,

    /// The weak sum
    #[arg(
        short = 'R',
        long,
        value_enum,
        default_value = "rabinkarp",
        value_name = "SUM"
    )]
    pub rollsum: RollsumName,

    /// Bytes kept of each strong sum: a number, `min` or `max`
    ///
    /// `max` is 32 for BLAKE2b and 16 for MD4. `min` is what librsync considers safe for the
    /// length of the file; less than that is warned about.
    #[arg(
        short = 'S',
        long,
        default_value = "max",
        value_name = "N",
        allow_hyphen_values = true
    )]
    pub sum_size: StrongLen,
}

/// `delta`
#[derive(Debug, Args)]
pub struct DeltaArgs {
    /// Compare with this old file directly instead of with a signature
    ///
    /// Faster and smaller than by signature for changes in place: the files are compared at
    /// equal offsets, and only long new stretches are searched for data that has moved.
    #[arg(long, value_name = "OLD")]
    pub basis: Option<PathBuf>,

    /// SIG NEW DELTA, or with --basis NEW DELTA; DELTA may be - for standard output
    #[arg(value_name = "FILE", num_args = 2..=3, required = true)]
    pub files: Vec<PathBuf>,

    /// With --basis: compare in steps of this many bytes, a power of two
    #[arg(
        short,
        long,
        value_name = "SIZE",
        default_value = "4K",
        requires = "basis"
    )]
    pub block_size: HoleSize,

    /// Do not search for data that has moved
    ///
    /// Blocks are then found at multiples of the block size only (with --basis: at their old
    /// offset). Faster where large new areas are known to be new.
    #[arg(long)]
    pub no_roll: bool,
}

/// `patch`
#[derive(Debug, Args)]
pub struct PatchArgs {
    /// The old file or device
    #[arg(value_name = "OLD")]
    pub old: PathBuf,

    /// The delta, also as gzip, or - for standard input
    #[arg(value_name = "DELTA")]
    pub delta: PathBuf,

    /// Where the new file goes: a file, a block device or -
    #[arg(value_name = "OUT")]
    pub out: PathBuf,

    /// Refuse a delta whose output is longer than this
    ///
    /// A few bytes of delta can ask for any length. Nothing past the limit is written.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, visible_alias = "max-size")]
    pub max_output: Option<u64>,

    /// Directory for output that goes to a pipe and is collected first [default: /var/tmp]
    #[arg(long, value_name = "DIR")]
    pub tmp_dir: Option<PathBuf>,

    /// The target.
    #[command(flatten)]
    pub place: TargetArgs,
}

/// `restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file in the repository: REPO/PATH, or the path of one of its increments
    ///
    /// The repository is the nearest directory above it that holds `rdiff-backup-data`. The file
    /// need not exist any more. An increment names file and time.
    #[arg(value_name = "REPO/PATH")]
    pub file: PathBuf,

    /// Where the restored file goes: a file, a block device or -
    #[arg(value_name = "OUT", required_unless_present = "list")]
    pub out: Option<PathBuf>,

    /// The state at this time [default: now]
    ///
    /// `now`; seconds since 1970; `2026-03-01T02:00:00Z`, local time without a zone;
    /// `2026-03-01` or `3/1/2026`, midnight; `3D12h` ago (s, m, h, D, W, M of 30 days, Y of 365
    /// days); `2B`, two backups back. It is the newest backup not after that time; if there is
    /// none, the oldest is taken and the exit code is 1.
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,

    /// List the times at which the file is available, and its size then
    #[arg(long, conflicts_with_all = ["out", "at"])]
    pub list: bool,

    /// Do not compare the result with the recorded checksum
    #[arg(long)]
    pub no_verify: bool,

    /// Directory for intermediate files, when they are needed [default: /var/tmp]
    #[arg(long, value_name = "DIR")]
    pub tmp_dir: Option<PathBuf>,

    /// The target.
    #[command(flatten)]
    pub place: TargetArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent_and_each_has_help() {
        let command = Cli::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            for arg in verb.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{}: {} has help",
                    verb.get_name(),
                    arg.get_id()
                );
                let takes_value = arg.get_action().takes_values();
                assert!(
                    !takes_value || arg.get_value_names().is_some(),
                    "{}",
                    arg.get_id()
                );
            }
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "sparseimg copy a",
            "sparseimg copy a b --hole-size 3000",
            "sparseimg copy a b --assume-zeroed --target-zero discard",
            "sparseimg verify a",
            "sparseimg verify a b --bmap m",
            "sparseimg sig a b -b 0",
            "sparseimg sig a b -S 33",
            "sparseimg delta a",
            "sparseimg restore r/f",
            "sparseimg restore r/f out --list",
            "sparseimg dig",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        for line in [
            "sparseimg restore r/f --list",
            "sparseimg sig -S -1 a b",
            "sparseimg delta --basis a b c -b 64K",
            "sparseimg --show-config",
            "sparseimg -j 2 copy - -",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}
