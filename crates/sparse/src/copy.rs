//! Copies a file, device or stream: reads no holes, writes no zeros.

use crate::attributes::Attributes;
use crate::engine::{jobs, ordered};
use crate::error::Error;
use crate::extent::pieces;
use crate::gaps::Gaps;
use crate::progress::Progress;
use crate::reader::{Buffer, Direct, Input, Kind, STREAM};
use crate::signature::fill;
use crate::target::{Target, TargetOptions};
use std::io::Write;
use std::ops::Range;
use std::path::Path;

/// Piece of work with direct reads: the device sees few, large requests.
const DIRECT_PIECE: u64 = 4 << 20;
/// Piece of work through the page cache: stays in the processor's cache between the read, the
/// zero test and the write.
const CACHED_PIECE: u64 = 1 << 20;
/// Threads when none are asked for: enough to keep a device's queue filled.
const JOBS: usize = 4;

/// Whether to share the source's blocks.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Reflink {
    /// No: a shared block is also shared damage.
    #[default]
    Never,
    /// Where the file system can; holes are dug afterwards.
    Auto,
}

/// How to copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct CopyOptions {
    /// Threads; 0 chooses.
    pub jobs: usize,
    /// Reads past the page cache.
    pub direct: Direct,
    /// Sharing of blocks.
    pub reflink: Reflink,
    /// Compare afterwards.
    pub verify: bool,
    /// A source that changes is a failure and leaves no target.
    pub require_stable: bool,
    /// Zeros in place of what cannot be read.
    pub keep_going: bool,
    /// The target.
    pub target: TargetOptions,
}

/// What a copy did.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct CopyReport {
    /// Bytes of the source.
    pub size: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes in holes of the source, never read.
    pub holes: u64,
    /// Bytes written.
    pub written: u64,
    /// Bytes of a device set to zero by the device itself.
    pub zeroed: u64,
    /// Unreadable bytes replaced by zeros.
    pub lost: u64,
    /// Whether the target shares the source's blocks.
    pub reflinked: bool,
    /// Whether the source was written to meanwhile.
    pub changed: bool,
    /// Outcome of `verify`, if it was asked for.
    pub verified: Option<bool>,
}

/// Copies `source` to `target`.
pub fn copy(
    source: &Path,
    target: &Path,
    options: CopyOptions,
    progress: &Progress,
) -> Result<CopyReport, Error> {
    let mut input = Input::open(source)?;
    input.set_direct(options.direct);
    if options.keep_going {
        input.keep_going();
    }
    if target.as_os_str() == STREAM {
        return to_stdout(&input, options, progress);
    }
    let len = (input.kind() != Kind::Stream).then_some(input.len());
    let mut output = Target::open(target, len, &[&input], options.target, Path::new("."))?;
    if input.is_direct() {
        // What is too large or too cold to pass through memory on its way in is so on its way out.
        output.set_direct(input.len())?;
    }
    let mut report = CopyReport {
        size: input.len(),
        ..CopyReport::default()
    };
    let filled = match input.kind() {
        Kind::Stream => from_stream(&input, &output, options, progress, &mut report),
        _ => from_disk(&input, &output, options, progress, &mut report),
    };
    if let Err(error) = filled {
        output.abandon();
        return Err(error);
    }
    (report.written, report.zeroed) = (output.written(), output.zeroed());
    report.lost = input.lost();
    if let Err(error) = input.check_unchanged() {
        if options.require_stable {
            output.abandon();
            return Err(error);
        }
        report.changed = true;
    }
    let attributes = match input.kind() {
        Kind::Regular => Attributes::of(input.file(), input.stat(), source)?,
        // The node of a device says who may read the content; the copy keeps to that.
        Kind::Device => Attributes {
            mode: Some(input.stat().st_mode & 0o666),
            ..Attributes::default()
        },
        Kind::Stream => Attributes::default(),
    };
    output.finish(report.size, &attributes)?;
    if options.verify && input.kind() != Kind::Stream {
        let result = crate::verify::compare(source, target, options.jobs, false, progress)?;
        report.verified = Some(result.differing_bytes == 0);
    }
    Ok(report)
}

fn from_disk(
    input: &Input,
    output: &Target,
    options: CopyOptions,
    progress: &Progress,
    report: &mut CopyReport,
) -> Result<(), Error> {
    progress.start("copy", input.len());
    if options.reflink == Reflink::Auto && input.kind() == Kind::Regular && !output.is_device() {
        match rustix::fs::ioctl_ficlone(output.file(), input.file()) {
            Ok(()) => {
                report.reflinked = true;
                return crate::dig::punch_zeros(
                    output.file(),
                    output.path(),
                    options.target.hole,
                    options.jobs,
                )
                .map(drop);
            }
            Err(error) => tracing::info!(%error, "blocks cannot be shared here, copying"),
        }
    }
    let piece = if input.is_direct() {
        DIRECT_PIECE
    } else {
        CACHED_PIECE
    };
    let mut gaps = Gaps::new(output);
    ordered(
        jobs(options.jobs, JOBS),
        pieces(input.extents(0..input.len()), piece).map(|piece| {
            progress.check()?;
            Ok(piece)
        }),
        Buffer::new,
        |buffer, piece| {
            if piece.hole {
                return Ok((piece, Vec::new()));
            }
            let data = input.read(buffer, &piece.range)?;
            let zeros = output.put(piece.range.start, data)?;
            Ok((piece, zeros))
        },
        |(piece, zeros)| {
            let len = piece.range.end - piece.range.start;
            if piece.hole {
                report.holes += len;
                gaps.hole(piece.range)?;
            } else {
                report.read += len;
                for range in zeros {
                    gaps.zeros(range)?;
                }
            }
            progress.add(len);
            Ok(())
        },
    )?;
    gaps.flush()
}

/// A pipe cannot be read by several threads, but its pieces can be worked on by several.
fn from_stream(
    input: &Input,
    output: &Target,
    options: CopyOptions,
    progress: &Progress,
    report: &mut CopyReport,
) -> Result<(), Error> {
    progress.start("copy", 0);
    let mut gaps = Gaps::new(output);
    ordered(
        jobs(options.jobs, JOBS),
        stream_pieces(input, progress),
        || (),
        |(), (at, data)| {
            let zeros = output.put(at, &data)?;
            Ok((data.len() as u64, zeros))
        },
        |(len, zeros)| {
            report.size += len;
            report.read += len;
            for range in zeros {
                gaps.zeros(range)?;
            }
            progress.add(len);
            Ok(())
        },
    )?;
    gaps.flush()
}

/// The pieces of a stream with their offsets.
pub(crate) fn stream_pieces<'a>(
    input: &'a Input,
    progress: &'a Progress,
) -> impl Iterator<Item = Result<(u64, Vec<u8>), Error>> + Send + 'a {
    stream_pieces_of(input, CACHED_PIECE, progress)
}

/// The same with pieces of `piece` bytes; only the last may be shorter.
pub(crate) fn stream_pieces_of<'a>(
    input: &'a Input,
    piece: u64,
    progress: &'a Progress,
) -> impl Iterator<Item = Result<(u64, Vec<u8>), Error>> + Send + 'a {
    let mut stream = input.stream();
    let mut at = 0_u64;
    let piece = usize::try_from(piece).unwrap_or(usize::MAX);
    std::iter::from_fn(move || {
        if let Err(error) = progress.check() {
            return Some(Err(error));
        }
        let mut data = vec![0; piece];
        match fill(&mut stream, &mut data) {
            Ok(0) => None,
            Ok(got) => {
                data.truncate(got);
                let start = at;
                at += got as u64;
                Some(Ok((start, data)))
            }
            Err(error) => Some(Err(Error::at("read", input.path(), at)(error))),
        }
    })
}

/// To a pipe everything must be written, but holes need not be read.
fn to_stdout(
    input: &Input,
    options: CopyOptions,
    progress: &Progress,
) -> Result<CopyReport, Error> {
    let mut out = std::io::stdout().lock();
    let mut report = CopyReport {
        size: input.len(),
        ..CopyReport::default()
    };
    let path = Path::new(STREAM);
    let mut write = |data: &[u8], written: &mut u64| {
        out.write_all(data)
            .map_err(Error::at("write", path, *written))?;
        *written += data.len() as u64;
        Ok::<(), Error>(())
    };
    if input.kind() == Kind::Stream {
        for piece in stream_pieces(input, progress) {
            let (_, data) = piece?;
            report.read += data.len() as u64;
            write(&data, &mut report.written)?;
        }
        report.size = report.read;
    } else {
        progress.start("copy", input.len());
        let zeros = vec![0; 1 << 20];
        ordered(
            jobs(options.jobs, JOBS),
            pieces(input.extents(0..input.len()), CACHED_PIECE).map(Ok),
            Buffer::new,
            |buffer, piece| {
                if piece.hole {
                    return Ok((piece.range, None));
                }
                let data = input.read(buffer, &piece.range)?.to_vec();
                Ok((piece.range, Some(data)))
            },
            |(range, data): (Range<u64>, Option<Vec<u8>>)| {
                progress.check()?;
                let len = range.end - range.start;
                if let Some(data) = data {
                    report.read += len;
                    write(&data, &mut report.written)?;
                } else {
                    report.holes += len;
                    let mut left = len;
                    while left > 0 {
                        let step = usize::try_from(left.min(1 << 20)).unwrap_or(0);
                        write(&zeros[..step], &mut report.written)?;
                        left -= step as u64;
                    }
                }
                progress.add(len);
                Ok(())
            },
        )?;
    }
    out.flush().map_err(Error::io("flush", path))?;
    report.lost = input.lost();
    report.changed = input.check_unchanged().is_err();
    Ok(report)
}
