//! The two weak sums of librsync: cheap to compute, cheap to move along by one byte.
//!
//! Both are computed over whole blocks by code the compiler can turn into vector instructions,
//! because that is what limits an aligned pass; rolling is needed only where nothing matched.

use crate::sys::simd;

/// Which weak sum a signature carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeakKind {
    /// The sum of rsync and of old librsync.
    Rollsum,
    /// Rabin-Karp, librsync's default since 2.2: far fewer collisions.
    RabinKarp,
}

impl WeakKind {
    /// Weak sum of a whole block.
    pub fn sum(self, block: &[u8]) -> u32 {
        match self {
            Self::Rollsum => Rollsum::of(block).sum(),
            Self::RabinKarp => RabinKarp::of(block).sum(),
        }
    }
}

/// A weak sum over a window that can move.
pub trait Rolling {
    /// The sum of this window.
    fn of(window: &[u8]) -> Self;
    /// The value as signatures store it.
    fn sum(&self) -> u32;
    /// Moves the window one byte: `out` leaves at its start, `new` enters at its end.
    fn roll(&mut self, out: u8, new: u8);
}

/// State of librsync's rollsum; see [`WeakKind::Rollsum`].
#[derive(Debug, Clone)]
pub struct Rollsum {
    s1: u32,
    s2: u32,
    /// Window length times the offset that librsync adds to every byte.
    len: u32,
}

/// What librsync adds to every byte in rollsum (ROLLSUM_CHAR_OFFSET).
const CHAR_OFFSET: u32 = 31;

impl Rolling for Rollsum {
    fn of(window: &[u8]) -> Self {
        let (s1, s2) = simd::rollsum(window);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "only 16 bits of the sums count"
        )]
        let len = window.len() as u32;
        // Sum of 1..=n without overflow: one of n and n + 1 is even.
        let triangle = if len.is_multiple_of(2) {
            (len / 2).wrapping_mul(len.wrapping_add(1))
        } else {
            len.wrapping_mul(len / 2 + 1)
        };
        Self {
            s1: s1.wrapping_add(CHAR_OFFSET.wrapping_mul(len)),
            s2: s2.wrapping_add(CHAR_OFFSET.wrapping_mul(triangle)),
            len,
        }
    }

    fn sum(&self) -> u32 {
        (self.s2 << 16) | (self.s1 & 0xffff)
    }

    #[inline]
    fn roll(&mut self, out: u8, new: u8) {
        let out = u32::from(out);
        self.s1 = self.s1.wrapping_add(u32::from(new)).wrapping_sub(out);
        self.s2 = self
            .s2
            .wrapping_add(self.s1)
            .wrapping_sub(self.len.wrapping_mul(out + CHAR_OFFSET));
    }
}

/// State of librsync's Rabin-Karp sum; see [`WeakKind::RabinKarp`].
#[derive(Debug, Clone)]
pub struct RabinKarp {
    sum: u32,
    /// `MULTIPLIER` to the power of the window length.
    power: u32,
}

/// librsync's RABINKARP_MULT.
pub(crate) const MULTIPLIER: u32 = 0x0810_4225;

impl Rolling for RabinKarp {
    fn of(window: &[u8]) -> Self {
        // librsync starts from 1, so a window of n bytes carries the term M^n.
        let power = MULTIPLIER.wrapping_pow(u32::try_from(window.len()).unwrap_or(u32::MAX));
        Self {
            sum: simd::rabin_karp(window).wrapping_add(power),
            power,
        }
    }

    fn sum(&self) -> u32 {
        self.sum
    }

    #[inline]
    fn roll(&mut self, out: u8, new: u8) {
        let leaving = self
            .power
            .wrapping_mul(u32::from(out).wrapping_add(MULTIPLIER).wrapping_sub(1));
        self.sum = self
            .sum
            .wrapping_mul(MULTIPLIER)
            .wrapping_add(u32::from(new))
            .wrapping_sub(leaving);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTOR: &[u8] = b"nightshift sparse vector 0123456789abcdef!";

    /// The definitions, one byte after the other.
    fn plain(kind: WeakKind, block: &[u8]) -> u32 {
        match kind {
            WeakKind::RabinKarp => block.iter().fold(1_u32, |sum, byte| {
                sum.wrapping_mul(MULTIPLIER).wrapping_add(u32::from(*byte))
            }),
            WeakKind::Rollsum => {
                let (mut s1, mut s2) = (0_u32, 0_u32);
                for byte in block {
                    s1 = s1.wrapping_add(u32::from(*byte) + 31);
                    s2 = s2.wrapping_add(s1);
                }
                (s2 << 16) | (s1 & 0xffff)
            }
        }
    }

    #[test]
    fn sums_equal_those_of_librsync() {
        for (kind, first, second, page, stripe) in [
            (WeakKind::Rollsum, 0x0bdd_0efe, 0x171d_0454, 0xf800_f000, 0),
            (
                WeakKind::RabinKarp,
                0xe212_7a1b,
                0x351a_2d1f,
                0xc081_c001,
                0x1038_0001,
            ),
        ] {
            assert_eq!(kind.sum(&VECTOR[..32]), first);
            assert_eq!(kind.sum(&VECTOR[32..]), second);
            assert_eq!(kind.sum(&[0; 4096]), page);
            assert_eq!(kind.sum(&vec![0; 131_072]), stripe);
        }
    }

    #[test]
    fn long_blocks_of_full_bytes_do_not_overflow_the_fast_form() {
        let block = vec![0xff_u8; 1_000_003];
        for kind in [WeakKind::Rollsum, WeakKind::RabinKarp] {
            assert_eq!(kind.sum(&block), plain(kind, &block));
        }
    }

    fn rolls_like_new<R: Rolling>(data: &[u8], window: usize) {
        let mut rolling = R::of(&data[..window]);
        for start in 1..=data.len() - window {
            rolling.roll(data[start - 1], data[start + window - 1]);
            assert_eq!(
                rolling.sum(),
                R::of(&data[start..start + window]).sum(),
                "at {start}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_fast_form_equals_the_definition(data in prop::collection::vec(any::<u8>(), 0..1500)) {
            for kind in [WeakKind::Rollsum, WeakKind::RabinKarp] {
                prop_assert_eq!(kind.sum(&data), plain(kind, &data));
            }
        }

        #[test]
        fn a_rolled_sum_equals_a_fresh_one(
            data in prop::collection::vec(any::<u8>(), 1..400),
            window in 1_usize..300,
        ) {
            let window = window.min(data.len());
            rolls_like_new::<Rollsum>(&data, window);
            rolls_like_new::<RabinKarp>(&data, window);
        }
    }
}
