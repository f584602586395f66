//! MD4 (RFC 1320) of several equally long messages at once.
//!
//! MD4 is a chain of dependent additions and rotations, so one message cannot use more than a
//! fraction of a core. Eight messages in the lanes of vector registers can, and the blocks of a
//! file are exactly that: equally long and independent. MD4 is long broken; it is here because
//! librsync's older signatures carry it, never for security.

/// Bytes of a digest.
pub(crate) const DIGEST: usize = 16;

/// Messages hashed side by side: the lanes of a 256-bit register.
pub(crate) const LANES: usize = 8;

type Word<const L: usize> = [u32; L];

/// The initial state, RFC 1320 section 3.3.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Digests of `L` messages, which must all be as long as the first.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must be compiled into the caller's instruction set"
)]
pub(crate) fn digests<const L: usize>(messages: &[&[u8]; L]) -> [[u8; DIGEST]; L] {
    let len = messages[0].len();
    assert!(
        messages.iter().all(|message| message.len() == len),
        "messages of one length"
    );
    let mut state: [Word<L>; 4] = START.map(|word| [word; L]);
    let whole = len / 64 * 64;
    for at in (0..whole).step_by(64) {
        compress(
            &mut state,
            &std::array::from_fn(|lane| &messages[lane][at..at + 64]),
        );
    }
    // Padding: 0x80, zeros, the length in bits; one or two more blocks of 64 bytes.
    let mut last = [[0_u8; 128]; L];
    let used = len - whole;
    let padded = if used < 56 { 64 } else { 128 };
    for (tail, message) in last.iter_mut().zip(messages) {
        tail[..used].copy_from_slice(&message[whole..]);
        tail[used] = 0x80;
        tail[padded - 8..padded].copy_from_slice(&(len as u64).wrapping_mul(8).to_le_bytes());
    }
    for at in (0..padded).step_by(64) {
        compress(
            &mut state,
            &std::array::from_fn(|lane| &last[lane][at..at + 64]),
        );
    }
    std::array::from_fn(|lane| {
        let mut digest = [0; DIGEST];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(&state) {
            bytes.copy_from_slice(&word[lane].to_le_bytes());
        }
        digest
    })
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must be compiled into the caller's instruction set"
)]
#[expect(clippy::many_single_char_names, reason = "the names of RFC 1320")]
fn compress<const L: usize>(state: &mut [Word<L>; 4], blocks: &[&[u8]; L]) {
    let mut x = [[0_u32; L]; 16];
    for (lane, block) in blocks.iter().enumerate() {
        for (word, bytes) in x.iter_mut().zip(block.chunks_exact(4)) {
            word[lane] = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
    let [mut a, mut b, mut c, mut d] = *state;
    macro_rules! step {
        ($f:expr, $a:ident $b:ident $c:ident $d:ident, $k:expr, $add:expr, $s:expr) => {
            for lane in 0..L {
                $a[lane] = $a[lane]
                    .wrapping_add($f($b[lane], $c[lane], $d[lane]))
                    .wrapping_add(x[$k][lane])
                    .wrapping_add($add)
                    .rotate_left($s);
            }
        };
    }
    macro_rules! four {
        ($f:expr, $add:expr, $k:expr, $s:expr) => {
            step!($f, a b c d, $k[0], $add, $s[0]);
            step!($f, d a b c, $k[1], $add, $s[1]);
            step!($f, c d a b, $k[2], $add, $s[2]);
            step!($f, b c d a, $k[3], $add, $s[3]);
        };
    }
    let choose = |x: u32, y: u32, z: u32| z ^ (x & (y ^ z));
    let majority = |x: u32, y: u32, z: u32| (x & y) | (z & (x | y));
    let parity = |x: u32, y: u32, z: u32| x ^ y ^ z;
    four!(choose, 0, [0, 1, 2, 3], [3, 7, 11, 19]);
    four!(choose, 0, [4, 5, 6, 7], [3, 7, 11, 19]);
    four!(choose, 0, [8, 9, 10, 11], [3, 7, 11, 19]);
    four!(choose, 0, [12, 13, 14, 15], [3, 7, 11, 19]);
    four!(majority, 0x5a82_7999, [0, 4, 8, 12], [3, 5, 9, 13]);
    four!(majority, 0x5a82_7999, [1, 5, 9, 13], [3, 5, 9, 13]);
    four!(majority, 0x5a82_7999, [2, 6, 10, 14], [3, 5, 9, 13]);
    four!(majority, 0x5a82_7999, [3, 7, 11, 15], [3, 5, 9, 13]);
    four!(parity, 0x6ed9_eba1, [0, 8, 4, 12], [3, 9, 11, 15]);
    four!(parity, 0x6ed9_eba1, [2, 10, 6, 14], [3, 9, 11, 15]);
    four!(parity, 0x6ed9_eba1, [1, 9, 5, 13], [3, 9, 11, 15]);
    four!(parity, 0x6ed9_eba1, [3, 11, 7, 15], [3, 9, 11, 15]);
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        for lane in 0..L {
            word[lane] = word[lane].wrapping_add(add[lane]);
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_sign_loss, reason = "test values are small")]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    #[test]
    fn digests_equal_the_test_suite_of_rfc_1320() {
        for (message, digest) in [
            ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
            ("a", "bde52cb31de33e46245e05fbdbd6fb24"),
            ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
            ("message digest", "d9130a8164549fe818874806e1c7014b"),
            (
                "abcdefghijklmnopqrstuvwxyz",
                "d79e1c308aa5bbcdeea8ed63df412da9",
            ),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "043f8582f241db351ce627e153e7f0e4",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "e33b4ddc9c38f2199c3e7b164fcc0536",
            ),
        ] {
            assert_eq!(
                hex(&digests(&[message.as_bytes()])[0]),
                digest,
                "{message:?}"
            );
        }
    }

    #[test]
    fn lanes_do_not_mix() {
        for len in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000] {
            let messages: Vec<Vec<u8>> = (0..8_u8)
                .map(|lane| {
                    (0..len)
                        .map(|i| lane.wrapping_mul(37) ^ (i % 251) as u8)
                        .collect()
                })
                .collect();
            let refs: [&[u8]; 8] = std::array::from_fn(|lane| messages[lane].as_slice());
            let together = digests(&refs);
            for (message, digest) in messages.iter().zip(together) {
                assert_eq!(digests(&[message.as_slice()])[0], digest, "length {len}");
            }
        }
    }
}
