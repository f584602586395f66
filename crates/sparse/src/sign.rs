//! Computes signatures, on as many threads as there are, byte for byte what rdiff computes.

use crate::copy::stream_pieces_of;
use crate::engine::{cores, jobs, ordered};
use crate::error::Error;
use crate::extent::{Extent, blocks};
use crate::progress::Progress;
use crate::reader::{Buffer, Input, Kind};
use crate::signature::{Format, Header, min_strong_len};
use crate::size::BlockSize;
use crate::strong::Strong;
use crate::zero::is_zero;
use std::io::{BufWriter, Write};

/// Bytes per piece of work, rounded to whole blocks.
const PIECE: u64 = 2 << 20;

/// How much of each strong sum to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrongLen {
    /// All of it.
    Max,
    /// What librsync considers safe for the length of the file.
    Min,
    /// This many bytes.
    Fixed(u8),
}

impl std::str::FromStr for StrongLen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" | "0" => Ok(Self::Max),
            "min" | "-1" => Ok(Self::Min),
            _ => match text.parse() {
                Ok(bytes @ 1..=32) => Ok(Self::Fixed(bytes)),
                _ => Err(format!("{text:?} is not min, max or a number from 1 to 32")),
            },
        }
    }
}

/// What a signature consists of.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SignReport {
    /// Bytes of the file.
    pub size: u64,
    /// Bytes per block.
    pub block_len: u32,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of the signature.
    pub signature: u64,
}

/// The header for a signature of `input`.
pub fn header(
    input: &Input,
    format: Format,
    block: BlockSize,
    strong: StrongLen,
) -> Result<Header, Error> {
    let block_len = block.resolve(input.known_len());
    let longest = format.strong.max_len();
    let least = min_strong_len(input.known_len(), block_len);
    let strong_len = match strong {
        StrongLen::Max => longest,
        StrongLen::Min => least.min(longest),
        StrongLen::Fixed(bytes) if usize::from(bytes) > longest => {
            let reason = format!("a strong sum of this kind has {longest} bytes, not {bytes}");
            return Err(Error::Argument(reason));
        }
        StrongLen::Fixed(bytes) => usize::from(bytes),
    };
    if strong_len < least {
        tracing::warn!(
            strong_len,
            safe = least,
            "short strong sums may match wrong blocks"
        );
    }
    let strong_len = u8::try_from(strong_len).unwrap_or(u8::MAX);
    Ok(Header {
        format,
        block_len,
        strong_len,
    })
}

/// Writes the signature of `input` to `out`.
pub fn sign(
    input: &Input,
    header: Header,
    out: impl Write,
    out_path: &std::path::Path,
    asked: usize,
    progress: &Progress,
) -> Result<SignReport, Error> {
    let mut out = BufWriter::with_capacity(256 << 10, out);
    let mut report = SignReport {
        size: input.len(),
        block_len: header.block_len,
        blocks: 0,
        signature: crate::signature::HEADER_LEN as u64,
    };
    let failed = |error| Error::io("write", out_path)(error);
    out.write_all(&header.encode()).map_err(failed)?;
    let records = Records::new(header);
    let mut write = |records: &[u8]| {
        report.blocks += (records.len() / header.record_len()) as u64;
        report.signature += records.len() as u64;
        out.write_all(records).map_err(Error::io("write", out_path))
    };
    let block = u64::from(header.block_len);
    let piece = block * (PIECE / block).max(1);
    let jobs = jobs(asked, cores());
    progress.start("signature", input.len());
    if input.kind() == Kind::Stream {
        let mut size = 0;
        let data = stream_pieces_of(input, piece, progress);
        let work = |scratch: &mut Scratch, (_, data): (u64, Vec<u8>)| {
            Ok((data.len() as u64, records.of(&data, scratch)))
        };
        ordered(jobs, data, Scratch::default, work, |(len, records)| {
            size += len;
            progress.add(len);
            write(&records)
        })?;
        report.size = size;
    } else {
        let len = input.len();
        let data = blocks(input.extents(0..len), block, piece, len).map(|extent| {
            progress.check()?;
            Ok(extent)
        });
        let state = || (Buffer::new(), Scratch::default());
        let work = |(buffer, scratch): &mut (Buffer, Scratch), extent: Extent| {
            let len = extent.range.end - extent.range.start;
            if extent.hole {
                return Ok((len, None));
            }
            let data = input.read(buffer, &extent.range)?;
            Ok((len, Some(records.of(data, scratch))))
        };
        ordered(jobs, data, state, work, |(len, found)| {
            match found {
                Some(records) => write(&records)?,
                None => records.zeros(len, &mut write)?,
            }
            progress.add(len);
            Ok(())
        })?;
    }
    out.flush().map_err(failed)?;
    Ok(report)
}

/// Space that is used again from piece to piece.
#[derive(Debug, Default)]
struct Scratch {
    sums: Vec<Strong>,
}

/// Computes records; knows the one of a zero block beforehand.
#[derive(Debug)]
struct Records {
    header: Header,
    zero: Vec<u8>,
}

impl Records {
    fn new(header: Header) -> Self {
        let block = vec![0; header.block_len as usize];
        let mut zero = Vec::new();
        let kinds = header.format;
        header.push_record(&mut zero, kinds.weak.sum(&block), &kinds.strong.sum(&block));
        Self { header, zero }
    }

    /// The records of consecutive blocks; the last may be short.
    fn of(&self, data: &[u8], scratch: &mut Scratch) -> Vec<u8> {
        let block_len = self.header.block_len as usize;
        // A zero block needs no hash, but the short tail is no full block.
        let known = |block: &[u8]| block.len() == block_len && is_zero(block);
        let to_hash: Vec<&[u8]> = data
            .chunks(block_len)
            .filter(|block| !known(block))
            .collect();
        scratch.sums.clear();
        scratch.sums.resize(to_hash.len(), Strong::default());
        self.header
            .format
            .strong
            .sum_many(&to_hash, &mut scratch.sums);
        let mut hashed = to_hash.iter().zip(&scratch.sums).peekable();
        let blocks = data.len().div_ceil(block_len);
        let mut out = Vec::with_capacity(blocks * self.header.record_len());
        for block in data.chunks(block_len) {
            match hashed.next_if(|(next, _)| std::ptr::eq(next.as_ptr(), block.as_ptr())) {
                Some((_, strong)) => {
                    self.header
                        .push_record(&mut out, self.header.format.weak.sum(block), strong);
                }
                None => out.extend_from_slice(&self.zero),
            }
        }
        out
    }

    /// The records of `len` bytes of zeros, in portions.
    fn zeros(
        &self,
        len: u64,
        write: &mut impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        /// Records handed over at once.
        const PORTION: u64 = 4096;
        let block_len = u64::from(self.header.block_len);
        let mut whole = len / block_len;
        let portion = self
            .zero
            .repeat(usize::try_from(PORTION.min(whole)).unwrap_or(0));
        while whole > 0 {
            let step = PORTION.min(whole);
            write(&portion[..usize::try_from(step).unwrap_or(0) * self.zero.len()])?;
            whole -= step;
        }
        let tail = usize::try_from(len % block_len).unwrap_or(0);
        if tail > 0 {
            write(&self.of(&vec![0; tail], &mut Scratch::default()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Signature;
    use std::io::Seek;

    fn signature(content: &[u8], holes: bool, header: Header, jobs: usize) -> Vec<u8> {
        let mut file = tempfile::tempfile().expect("temporary file");
        if holes {
            for (index, page) in content.chunks(4096).enumerate() {
                if !is_zero(page) {
                    file.seek(std::io::SeekFrom::Start(index as u64 * 4096))
                        .expect("seek");
                    file.write_all(page).expect("write");
                }
            }
            file.set_len(content.len() as u64).expect("length");
        } else {
            file.write_all(content).expect("write");
        }
        let path = std::path::Path::new("test");
        let input = Input::of(file, path).expect("input");
        let mut out = Vec::new();
        sign(&input, header, &mut out, path, jobs, &Progress::silent()).expect("sign");
        out
    }

    #[test]
    fn holes_and_threads_do_not_change_a_byte() {
        let mut content = vec![0; 600_000];
        content[234_567..300_000].fill(9);
        content[599_999] = 1;
        for (format, _) in Format::ALL {
            for block_len in [1000, 4096, 131_072, 1_000_000] {
                let header = Header {
                    format,
                    block_len,
                    strong_len: 16,
                };
                let plain = signature(&content, false, header, 1);
                for jobs in [1, 2, 8] {
                    assert_eq!(
                        signature(&content, true, header, jobs),
                        plain,
                        "{block_len}"
                    );
                }
                let read = Signature::read(plain.as_slice()).expect("valid");
                assert_eq!(read.weak.len(), content.len().div_ceil(block_len as usize));
                for (index, block) in content.chunks(block_len as usize).enumerate() {
                    assert_eq!(read.weak[index], format.weak.sum(block));
                    assert_eq!(read.strong_of(index), &format.strong.sum(block)[..16]);
                }
            }
        }
    }

    #[test]
    fn strong_lengths_are_named_or_numbered() {
        assert_eq!("max".parse(), Ok(StrongLen::Max));
        assert_eq!("-1".parse(), Ok(StrongLen::Min));
        assert_eq!("8".parse(), Ok(StrongLen::Fixed(8)));
        for text in ["33", "", "-2", "eight"] {
            assert!(text.parse::<StrongLen>().is_err(), "{text}");
        }
    }
}
