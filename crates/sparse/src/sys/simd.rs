//! Hot loops, compiled once for the baseline and once for AVX2, chosen at run time.
//!
//! The loops themselves are ordinary safe code that the compiler vectorises; the only unsafe
//! step is the call into the AVX2 copy.

use crate::md4;
use crate::weak::MULTIPLIER;

/// Lanes of the Rabin-Karp sum; 64 keeps eight vector multiplications in flight.
const RK_LANES: usize = 64;
/// Every lane is multiplied by this per row.
const RK_ROW: u32 = MULTIPLIER.wrapping_pow(64);
/// Lanes of rollsum; the weights of its second sum contain the number, too.
const ROLL_LANES: usize = 32;

macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident, $avx2:ident, $body:ident, ($arg:ident: $type:ty) -> $result:ty) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2")]
        fn $avx2($arg: $type) -> $result {
            $body($arg)
        }

        $(#[$doc])*
        pub(crate) fn $name($arg: $type) -> $result {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2, tested on the line above.
                return unsafe { $avx2($arg) };
            }
            $body($arg)
        }
    };
}

dispatch!(
    /// Rabin-Karp polynomial of `data`, without the term of librsync's seed.
    rabin_karp, rabin_karp_avx2, rabin_karp_body, (data: &[u8]) -> u32
);
dispatch!(
    /// The two sums of rollsum over `data`, without its character offset.
    rollsum, rollsum_avx2, rollsum_body, (data: &[u8]) -> (u32, u32)
);
dispatch!(
    /// MD4 of eight equally long messages.
    md4_lanes, md4_lanes_avx2, md4_lanes_body,
    (messages: &[&[u8]; md4::LANES]) -> [[u8; md4::DIGEST]; md4::LANES]
);

/// Lane l takes bytes l, l + 64, ...: one multiplication by M^64 per row instead of one by M
/// per byte. The lanes are folded with M at the end, then the tail follows byte by byte.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must be compiled into the caller's instruction set"
)]
fn rabin_karp_body(data: &[u8]) -> u32 {
    let mut lanes = [0_u32; RK_LANES];
    let mut rows = data.chunks_exact(RK_LANES);
    for row in &mut rows {
        for (lane, byte) in lanes.iter_mut().zip(row) {
            *lane = lane.wrapping_mul(RK_ROW).wrapping_add(u32::from(*byte));
        }
    }
    let step = |sum: u32, value: u32| sum.wrapping_mul(MULTIPLIER).wrapping_add(value);
    let sum = lanes.iter().fold(0, |sum, lane| step(sum, *lane));
    rows.remainder()
        .iter()
        .fold(sum, |sum, byte| step(sum, u32::from(*byte)))
}

/// Lane l adds up bytes l, l + 32, ... (`plain`) and the running totals of that (`weighted`).
/// A byte of row r out of R has been added to `weighted` R - r times, and its weight in the
/// second sum is 32 * (R - r) - l.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must be compiled into the caller's instruction set"
)]
fn rollsum_body(data: &[u8]) -> (u32, u32) {
    let mut plain = [0_u32; ROLL_LANES];
    let mut weighted = [0_u32; ROLL_LANES];
    let mut rows = data.chunks_exact(ROLL_LANES);
    for row in &mut rows {
        for lane in 0..ROLL_LANES {
            plain[lane] = plain[lane].wrapping_add(u32::from(row[lane]));
            weighted[lane] = weighted[lane].wrapping_add(plain[lane]);
        }
    }
    let (mut s1, mut s2) = (0_u32, 0_u32);
    for (lane, (plain, weighted)) in (0_u32..).zip(plain.into_iter().zip(weighted)) {
        s1 = s1.wrapping_add(plain);
        s2 = s2
            .wrapping_add(weighted.wrapping_mul(32))
            .wrapping_sub(plain.wrapping_mul(lane));
    }
    for byte in rows.remainder() {
        s1 = s1.wrapping_add(u32::from(*byte));
        s2 = s2.wrapping_add(s1);
    }
    (s1, s2)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must be compiled into the caller's instruction set"
)]
fn md4_lanes_body(messages: &[&[u8]; md4::LANES]) -> [[u8; md4::DIGEST]; md4::LANES] {
    md4::digests(messages)
}
