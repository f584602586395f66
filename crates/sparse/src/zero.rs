//! Exact zero test, and the zero and nonzero runs of a buffer.
//!
//! Everything that leaves zeros out rests on this module, so it decides by looking at every
//! byte. It knows nothing about files.

use std::ops::Range;

/// Bytes tested between two looks at the accumulator: long enough to be branch-free vector
/// code, short enough that ordinary data is recognised at once.
const STRIDE: usize = 256;

/// Whether every byte of `buf` is zero. An empty buffer is.
///
/// Words are or-ed together instead of compared one by one: that form the compiler turns into
/// vector code, which runs at memory speed.
pub fn is_zero(buf: &[u8]) -> bool {
    let mut strides = buf.chunks_exact(STRIDE);
    for stride in &mut strides {
        let mut seen = [0_u64; 4];
        for words in stride.chunks_exact(32) {
            for (lane, word) in seen.iter_mut().zip(words.chunks_exact(8)) {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(word);
                *lane |= u64::from_ne_bytes(bytes);
            }
        }
        if seen[0] | seen[1] | seen[2] | seen[3] != 0 {
            return false;
        }
    }
    strides.remainder().iter().fold(0, |seen, byte| seen | byte) == 0
}

/// A stretch of a buffer that is zero throughout, or is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where in the buffer, in bytes.
    pub range: Range<usize>,
    /// Whether all of it is zero.
    pub zero: bool,
}

/// Splits `buf`, whose first byte lies at offset `at` of a file, into alternating runs.
///
/// The file is divided into blocks of `block` bytes counted from its start; a block that is
/// only partly in the buffer is judged by the part that is. Neighbours of one kind are merged.
pub fn runs(buf: &[u8], at: u64, block: u64) -> Runs<'_> {
    Runs {
        buf,
        at,
        block,
        pos: 0,
    }
}

/// Iterator returned by [`runs`].
#[derive(Debug)]
pub struct Runs<'a> {
    buf: &'a [u8],
    at: u64,
    block: u64,
    pos: usize,
}

impl Runs<'_> {
    /// End, within the buffer, of the block that contains buffer offset `pos`.
    fn block_end(&self, pos: usize) -> usize {
        let into_block = (self.at + pos as u64) % self.block;
        let rest = usize::try_from(self.block - into_block).unwrap_or(usize::MAX);
        pos.saturating_add(rest).min(self.buf.len())
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let start = self.pos;
        if start == self.buf.len() {
            return None;
        }
        let mut end = self.block_end(start);
        let zero = is_zero(&self.buf[start..end]);
        while end < self.buf.len() {
            let next = self.block_end(end);
            if is_zero(&self.buf[end..next]) != zero {
                break;
            }
            end = next;
        }
        self.pos = end;
        Some(Run {
            range: start..end,
            zero,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_set_byte_anywhere_in_a_block_is_seen() {
        let mut block = vec![0_u8; 4096];
        assert!(is_zero(&block));
        for at in 0..block.len() {
            for value in [1, 0x80] {
                block[at] = value;
                assert!(!is_zero(&block), "byte {at} set to {value} overlooked");
            }
            block[at] = 0;
        }
    }

    #[test]
    fn a_buffer_of_any_length_and_start_is_tested_to_its_last_byte() {
        let mut buf = vec![0_u8; 600];
        for start in 0..9 {
            for end in start..buf.len() {
                assert!(is_zero(&buf[start..end]));
                if end > start {
                    buf[end - 1] = 1;
                    assert!(!is_zero(&buf[start..end]), "{start}..{end}");
                    buf[end - 1] = 0;
                }
            }
        }
    }

    #[test]
    fn runs_are_aligned_in_the_file_not_in_the_buffer() {
        // The buffer starts 2 bytes before a block edge; its one set byte is in the next block.
        let mut buf = vec![0_u8; 12];
        buf[3] = 7;
        let found: Vec<_> = runs(&buf, 6, 8).collect();
        assert_eq!(
            found,
            [
                Run {
                    range: 0..2,
                    zero: true
                },
                Run {
                    range: 2..10,
                    zero: false
                },
                Run {
                    range: 10..12,
                    zero: true
                },
            ]
        );
    }

    proptest! {
        #[test]
        fn runs_cover_the_buffer_and_tell_the_truth(
            spots in prop::collection::vec(0_usize..3000, 0..6),
            len in 0_usize..3000,
            at in 0_u64..5000,
            block in prop::sample::select(vec![1_u64, 7, 64, 512, 4096]),
        ) {
            let mut buf = vec![0_u8; len];
            for spot in spots {
                if let Some(byte) = buf.get_mut(spot) {
                    *byte = 0xff;
                }
            }
            let mut pos = 0;
            let mut last = None;
            for run in runs(&buf, at, block) {
                prop_assert_eq!(run.range.start, pos);
                prop_assert!(run.range.end > pos);
                prop_assert_ne!(Some(run.zero), last, "neighbours of one kind are merged");
                if run.zero {
                    prop_assert!(buf[run.range.clone()].iter().all(|byte| *byte == 0));
                }
                pos = run.range.end;
                last = Some(run.zero);
            }
            prop_assert_eq!(pos, len);
        }
    }
}
