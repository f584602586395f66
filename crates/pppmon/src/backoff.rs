//! Delays between attempts: doubling, capped, spread by jitter, forgotten after stability.

use std::time::Duration;

/// Source of jitter: a xorshift generator. Links that lost a line together must not come back in
/// step, and a test must be able to repeat a run; nothing here is a secret.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator; zero is as good as any other seed.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15 | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// `delay` minus up to a quarter of it.
    pub fn spread(&mut self, delay: Duration) -> Duration {
        let permille = u32::try_from(self.next() % 251).unwrap_or(0);
        delay.saturating_sub(delay / 1000 * permille)
    }

    /// A number below `bound`, or zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }
}

/// A doubling delay.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
}

impl Backoff {
    /// Starts at `first`, doubles, never exceeds `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self {
            first: first.min(max),
            max,
            attempts: 0,
        }
    }

    /// The delay before the next attempt.
    pub fn next(&mut self, jitter: &mut Jitter) -> Duration {
        let factor = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let delay = self.first.saturating_mul(factor).min(self.max);
        self.attempts = (self.attempts + 1).min(31);
        jitter.spread(delay)
    }

    /// Forgets all attempts.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Attempts since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_to_the_cap_and_forgets() {
        let mut jitter = Jitter::new(7);
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        let mut nominal = 200u64;
        for _ in 0..12 {
            let delay = backoff.next(&mut jitter);
            let expected = Duration::from_millis(nominal.min(30_000));
            assert!(
                delay <= expected && delay >= expected * 3 / 4,
                "{delay:?} for {expected:?}"
            );
            nominal *= 2;
        }
        backoff.reset();
        assert!(backoff.next(&mut jitter) <= Duration::from_millis(200));
    }

    proptest! {
        #[test]
        fn never_exceeds_the_cap(seed: u64, first in 1u64..100_000, max in 1u64..1_000_000, rounds in 1usize..200) {
            let mut jitter = Jitter::new(seed);
            let max = Duration::from_millis(max);
            let mut backoff = Backoff::new(Duration::from_millis(first), max);
            for _ in 0..rounds {
                prop_assert!(backoff.next(&mut jitter) <= max);
            }
        }
    }
}
