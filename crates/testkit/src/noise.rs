//! Reproducible bytes that do not compress.

/// `length` pseudo-random bytes, the same for the same `seed` on every machine (SplitMix64).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // The constants are those of the published SplitMix64 generator.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_seed_zero_is_the_published_one() {
        assert_eq!(noise(0, 8), 0xE220_A839_7B1D_CDAF_u64.to_le_bytes());
    }

    #[test]
    fn a_longer_run_starts_like_a_shorter_one() {
        assert_eq!(noise(7, 13), noise(7, 100)[..13]);
        assert_ne!(noise(7, 13), noise(8, 13));
    }
}
