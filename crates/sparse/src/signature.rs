//! librsync signatures: the format, and the block sizes that go with it.
//!
//! A signature is a header and one record (weak sum, start of the strong sum) per block of the
//! old file. It states neither the number of records nor the length of the file.

use crate::error::FormatError;
use crate::strong::StrongKind;
use crate::weak::WeakKind;
use std::io::{self, Read};

/// Bytes of the header: magic, block length, strong sum length.
pub const HEADER_LEN: usize = 12;

/// librsync keeps block lengths in a C `int`.
pub const MAX_BLOCK_LEN: u32 = i32::MAX.cast_unsigned();

/// Above this length of a file, `auto` rounds the block length to whole stripes.
pub const ALIGN_ABOVE: u64 = 1 << 30;

/// The stripe that `auto` aligns to: rdiff-backup's `Globals.blocksize`, and a common RAID
/// chunk times data disks.
pub const STRIPE: u64 = 128 << 10;

/// Block length librsync takes when it cannot know the length of its input.
const UNKNOWN_BLOCK_LEN: u32 = 2048;

/// Strong sum length librsync takes as the minimum when it cannot know the length of its input.
const UNKNOWN_MIN_STRONG: usize = 12;

/// The pair of sums a signature is made of, named by its magic number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The weak sum.
    pub weak: WeakKind,
    /// The strong sum.
    pub strong: StrongKind,
}

impl Format {
    /// All formats, each with the magic number librsync gives it.
    pub const ALL: [(Self, u32); 4] = [
        (
            Self {
                weak: WeakKind::Rollsum,
                strong: StrongKind::Md4,
            },
            0x7273_0136,
        ),
        (
            Self {
                weak: WeakKind::Rollsum,
                strong: StrongKind::Blake2b,
            },
            0x7273_0137,
        ),
        (
            Self {
                weak: WeakKind::RabinKarp,
                strong: StrongKind::Md4,
            },
            0x7273_0146,
        ),
        (
            Self {
                weak: WeakKind::RabinKarp,
                strong: StrongKind::Blake2b,
            },
            0x7273_0147,
        ),
    ];

    /// The number a signature of this format starts with.
    pub fn magic(self) -> u32 {
        let found = Self::ALL.iter().find(|(format, _)| *format == self);
        found.map_or(0, |(_, magic)| *magic)
    }

    /// The format of a magic number, if there is one.
    pub fn from_magic(magic: u32) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == magic)
            .map(|(format, _)| *format)
    }
}

/// The first twelve bytes of a signature, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The sums used.
    pub format: Format,
    /// Bytes per block; only the last block of a file may be shorter. 1 to [`MAX_BLOCK_LEN`].
    pub block_len: u32,
    /// Bytes kept of each strong sum: 1 to [`StrongKind::max_len`].
    pub strong_len: u8,
}

impl Header {
    /// The header as it stands in the file.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.format.magic().to_be_bytes());
        bytes[4..8].copy_from_slice(&self.block_len.to_be_bytes());
        bytes[8..].copy_from_slice(&u32::from(self.strong_len).to_be_bytes());
        bytes
    }

    /// Reads and checks a header.
    pub fn decode(bytes: [u8; HEADER_LEN]) -> Result<Self, FormatError> {
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let magic = word(0);
        let format = Format::from_magic(magic).ok_or_else(|| {
            FormatError::new(
                0,
                format!("magic number {magic:08x} is not that of a signature"),
            )
        })?;
        let block_len = word(4);
        if block_len == 0 || block_len > MAX_BLOCK_LEN {
            return Err(FormatError::new(
                4,
                format!("block length {block_len} is impossible"),
            ));
        }
        let longest = format.strong.max_len();
        let strong_len = u8::try_from(word(8))
            .ok()
            .filter(|len| (1..=longest).contains(&usize::from(*len)))
            .ok_or_else(|| {
                let reason = format!("strong sum length {} is not 1 to {longest}", word(8));
                FormatError::new(8, reason)
            })?;
        Ok(Self {
            format,
            block_len,
            strong_len,
        })
    }

    /// Bytes of one record.
    pub fn record_len(&self) -> usize {
        4 + usize::from(self.strong_len)
    }

    /// Appends the record of a block to `out`.
    pub fn push_record(&self, out: &mut Vec<u8>, weak: u32, strong: &[u8]) {
        out.extend_from_slice(&weak.to_be_bytes());
        out.extend_from_slice(&strong[..usize::from(self.strong_len)]);
    }
}

/// A signature in memory.
#[derive(Debug)]
pub struct Signature {
    /// Its header.
    pub header: Header,
    /// Weak sums in block order.
    pub weak: Vec<u32>,
    /// Strong sums in block order, [`Header::strong_len`] bytes each.
    pub strong: Vec<u8>,
}

/// Why a signature could not be read: the device failed, or the bytes are wrong.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The content is not what the format allows.
    #[error(transparent)]
    Format(#[from] FormatError),
}

impl Signature {
    /// Reads a whole signature.
    ///
    /// Memory grows with what is really there, not with any number the header states.
    pub fn read(mut reader: impl Read) -> Result<Self, ReadError> {
        let mut start = [0; HEADER_LEN];
        let got = fill(&mut reader, &mut start)?;
        if got < start.len() {
            let reason = format!("{got} bytes are too short for a signature");
            return Err(FormatError::new(got as u64, reason).into());
        }
        let header = Header::decode(start)?;
        let record_len = header.record_len();
        let mut signature = Self {
            header,
            weak: Vec::new(),
            strong: Vec::new(),
        };
        let mut buf = vec![0; record_len * 4096];
        let mut at = HEADER_LEN as u64;
        loop {
            let got = fill(&mut reader, &mut buf)?;
            if !got.is_multiple_of(record_len) {
                let reason = format!("the last record is cut: {record_len} bytes were expected");
                return Err(
                    FormatError::new(at + (got / record_len * record_len) as u64, reason).into(),
                );
            }
            for record in buf[..got].chunks_exact(record_len) {
                signature.weak.push(u32::from_be_bytes([
                    record[0], record[1], record[2], record[3],
                ]));
                signature.strong.extend_from_slice(&record[4..]);
            }
            at += got as u64;
            if got < buf.len() {
                break;
            }
        }
        if u32::try_from(signature.weak.len()).is_err() {
            return Err(FormatError::new(at, "more than 2^32 blocks".to_owned()).into());
        }
        Ok(signature)
    }

    /// The kept part of the strong sum of block `index`.
    pub fn strong_of(&self, index: usize) -> &[u8] {
        let len = usize::from(self.header.strong_len);
        &self.strong[index * len..][..len]
    }
}

/// Reads until `buf` is full or the input ends; returns the bytes read.
pub(crate) fn fill(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match reader.read(&mut buf[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// librsync's block length for a file of `len` bytes: the square root, rounded down to 128.
pub fn sqrt_block_len(len: Option<u64>) -> u32 {
    match len {
        None => UNKNOWN_BLOCK_LEN,
        Some(len) if len <= 65_536 => 256,
        Some(len) => {
            let root = len.isqrt() & !127;
            u32::try_from(root)
                .unwrap_or(MAX_BLOCK_LEN & !127)
                .min(MAX_BLOCK_LEN & !127)
        }
    }
}

/// librsync's block length up to 1 GiB; above it the square root rounded up to whole stripes
/// of 128 KiB, so that no block straddles a stripe it need not touch.
pub fn auto_block_len(len: Option<u64>) -> u32 {
    match len {
        Some(len) if len > ALIGN_ABOVE => {
            // At most 2^32, so rounding cannot overflow; far below MAX_BLOCK_LEN in practice.
            let rounded = len.isqrt().next_multiple_of(STRIPE);
            u32::try_from(rounded).unwrap_or(1 << 30).min(1 << 30)
        }
        _ => sqrt_block_len(len),
    }
}

/// The block length rdiff-backup uses for a file of `len` bytes, for comparison.
pub fn rdiff_backup_block_len(len: u64) -> u64 {
    if len < 10_240 {
        64
    } else {
        let bits = 64 - len.leading_zeros();
        (len >> (bits / 2 + 4)) << 4
    }
}

/// The shortest strong sum that librsync considers safe for a file of `len` bytes.
pub fn min_strong_len(len: Option<u64>, block_len: u32) -> usize {
    len.map_or(UNKNOWN_MIN_STRONG, |len| {
        let blocks = len / u64::from(block_len) + 1;
        2 + (len.saturating_add(1 << 24).ilog2() + blocks.ilog2()).div_ceil(8) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        format: Format {
            weak: WeakKind::RabinKarp,
            strong: StrongKind::Blake2b,
        },
        block_len: 32,
        strong_len: 8,
    };

    #[test]
    fn block_lengths_follow_the_rules() {
        let table: [(u64, u32, u32); 8] = [
            (0, 256, 256),
            (65_536, 256, 256),
            (1_000_000, 896, 896),
            (1 << 30, 32_768, 32_768),
            ((1 << 30) + 1, 32_768, 131_072),
            (1536 << 20, 40_064, 131_072),
            (20 << 30, 146_432, 262_144),
            (350 << 30, 612_992, 655_360),
        ];
        for (len, sqrt, auto) in table {
            assert_eq!(sqrt_block_len(Some(len)), sqrt, "sqrt of {len}");
            assert_eq!(auto_block_len(Some(len)), auto, "auto of {len}");
        }
        assert_eq!(auto_block_len(None), 2048);
        for len in [u64::MAX, u64::MAX / 2, 1 << 62] {
            assert!(sqrt_block_len(Some(len)) <= MAX_BLOCK_LEN);
            assert!(auto_block_len(Some(len)) <= MAX_BLOCK_LEN);
        }
    }

    #[test]
    fn the_block_length_of_rdiff_backup_is_known() {
        for (len, block) in [
            (10_239, 64),
            (1536 << 20, 49_152),
            (4 << 30, 65_536),
            (10 << 30, 81_920),
            (20 << 30, 163_840),
            (350 << 30, 716_800),
        ] {
            assert_eq!(rdiff_backup_block_len(len), block, "{len}");
        }
    }

    #[test]
    fn wrong_headers_are_refused_with_the_offset_of_the_mistake() {
        let good = HEADER.encode();
        assert_eq!(Header::decode(good), Ok(HEADER));
        for (at, value, offset) in [
            (0, 0x7273_0236_u32, 0),
            (4, 0, 4),
            (4, 1 << 31, 4),
            (8, 0, 8),
            (8, 33, 8),
            (8, 0x0100_0008, 8),
        ] {
            let mut bad = good;
            bad[at..at + 4].copy_from_slice(&value.to_be_bytes());
            let error = Header::decode(bad).expect_err("refused");
            assert_eq!(error.offset, offset, "{error}");
        }
    }

    #[test]
    fn a_cut_signature_is_refused() {
        let mut bytes = HEADER.encode().to_vec();
        for block in 0..3_u8 {
            HEADER.push_record(&mut bytes, u32::from(block), &[block; 32]);
        }
        let whole = Signature::read(bytes.as_slice()).expect("whole");
        assert_eq!(whole.weak, [0, 1, 2]);
        assert_eq!(whole.strong_of(2), [2; 8]);
        for len in (0..bytes.len()).filter(|len| *len < 12 || (len - 12) % 12 != 0) {
            let error = Signature::read(&bytes[..len]).expect_err("cut");
            assert!(matches!(error, ReadError::Format(_)), "{len}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            let _refused = Signature::read(bytes.as_slice());
            if bytes.len() >= 12 {
                bytes[..12].copy_from_slice(&HEADER.encode());
                let valid = (bytes.len() - 12).is_multiple_of(12);
                prop_assert_eq!(Signature::read(bytes.as_slice()).is_ok(), valid);
            }
        }
    }
}
