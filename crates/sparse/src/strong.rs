//! The strong sums of librsync signatures, many blocks at a time.

use crate::sys::simd;
use blake2b_simd::many::{HashManyJob, hash_many};

/// Which strong sum a signature carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StrongKind {
    /// RFC 1320, 16 bytes. Broken as a hash; for rdiff-backup and old signatures.
    Md4,
    /// BLAKE2b parametrised for a digest of 32 bytes, librsync's default.
    Blake2b,
}

/// Room for the longest strong sum.
pub const MAX_STRONG: usize = 32;

/// A full strong sum; the bytes past [`StrongKind::max_len`] are zero.
pub type Strong = [u8; MAX_STRONG];

/// Jobs handed to the hash at once: groups of four pay, more than that only saves calls.
const BATCH: usize = 16;

impl StrongKind {
    /// Bytes of the full sum.
    pub const fn max_len(self) -> usize {
        match self {
            Self::Md4 => crate::md4::DIGEST,
            Self::Blake2b => MAX_STRONG,
        }
    }

    /// Full strong sum of one block.
    pub fn sum(self, block: &[u8]) -> Strong {
        let mut sum = [[0; MAX_STRONG]];
        self.sum_many(&[block], &mut sum);
        sum[0]
    }

    /// Full strong sums of `blocks`, written to the places of the same number in `sums`.
    ///
    /// Fastest when the blocks are equally long.
    ///
    /// # Panics
    ///
    /// Unless both slices have the same length.
    pub fn sum_many(self, blocks: &[&[u8]], sums: &mut [Strong]) {
        assert_eq!(blocks.len(), sums.len(), "one place per block");
        match self {
            Self::Blake2b => blake2b(blocks, sums),
            Self::Md4 => md4(blocks, sums),
        }
    }
}

fn blake2b(blocks: &[&[u8]], sums: &mut [Strong]) {
    let mut params = blake2b_simd::Params::new();
    params.hash_length(MAX_STRONG);
    for (blocks, sums) in blocks.chunks(BATCH).zip(sums.chunks_mut(BATCH)) {
        let mut jobs: Vec<_> = blocks
            .iter()
            .map(|block| HashManyJob::new(&params, block))
            .collect();
        hash_many(jobs.iter_mut());
        for (job, sum) in jobs.iter().zip(sums) {
            sum.copy_from_slice(job.to_hash().as_bytes());
        }
    }
}

fn md4(blocks: &[&[u8]], sums: &mut [Strong]) {
    for (blocks, sums) in blocks
        .chunks(crate::md4::LANES)
        .zip(sums.chunks_mut(crate::md4::LANES))
    {
        let equal = blocks.iter().all(|block| block.len() == blocks[0].len());
        match <[&[u8]; crate::md4::LANES]>::try_from(blocks) {
            Ok(lanes) if equal => {
                for (sum, digest) in sums.iter_mut().zip(simd::md4_lanes(&lanes)) {
                    sum[..crate::md4::DIGEST].copy_from_slice(&digest);
                }
            }
            _ => {
                for (sum, block) in sums.iter_mut().zip(blocks) {
                    let [digest] = crate::md4::digests(&[block]);
                    sum[..crate::md4::DIGEST].copy_from_slice(&digest);
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test values are small")]
mod tests {
    use super::*;

    const VECTOR: &[u8] = b"nightshift sparse vector 0123456789abcdef!";

    #[test]
    fn sums_equal_those_of_librsync() {
        for (kind, first, second) in [
            (StrongKind::Md4, "451ce7a6fdde30d9", "38648a08b1f80af9"),
            (StrongKind::Blake2b, "9cb24fde79951837", "b8bd7bbde1d4b0af"),
        ] {
            for (block, expected) in [(&VECTOR[..32], first), (&VECTOR[32..], second)] {
                let sum = kind.sum(block)[..8]
                    .iter()
                    .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
                assert_eq!(sum, expected, "{kind:?}");
            }
        }
        let zeros = StrongKind::Blake2b.sum(&vec![0; 131_072]);
        assert_eq!(zeros[..8], [0xf7, 0xfb, 0xb0, 0x4b, 0x46, 0x03, 0xfb, 0x2e]);
    }

    #[test]
    fn many_blocks_give_the_sums_of_each() {
        let data: Vec<u8> = (0..40_000_u32).map(|i| ((i * 7919) >> 5) as u8).collect();
        for kind in [StrongKind::Md4, StrongKind::Blake2b] {
            for count in [0, 1, 3, 8, 9, 17, 39] {
                let mut blocks: Vec<&[u8]> = data.chunks(1000).take(count).collect();
                if let Some(last) = blocks.last_mut() {
                    *last = &last[..13]; // the short tail of a file
                }
                let mut sums = vec![[0; MAX_STRONG]; count];
                kind.sum_many(&blocks, &mut sums);
                for (block, sum) in blocks.iter().zip(sums) {
                    assert_eq!(kind.sum(block), sum, "{kind:?}, {count} blocks");
                }
            }
        }
    }
}
