//! Arithmetic of multilink sequence numbers, and the plan that brings both directions of a bundle
//! back to zero.
//!
//! The kernel keeps 32-bit counters for a bundle and puts their lower 24 or 12 bits on the wire.
//! A received number widens to the 32-bit number nearest to the oldest one expected; a frame older
//! than expected is dropped. A peer that has restarted counts from zero, so both counters must
//! stand at zero modulo the wire's range before it joins again.

/// Width of the numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 24 bits, the default.
    Long,
    /// 12 bits, by agreement of both ends.
    Short,
}

const BEGIN_END_LONG: u32 = 0xc000_0000;
const BEGIN_END_SHORT: u16 = 0xc000;

impl Width {
    /// How many numbers there are.
    pub fn modulus(self) -> u32 {
        match self {
            Self::Long => 1 << 24,
            Self::Short => 1 << 12,
        }
    }

    /// The multilink header of a whole frame with this number.
    pub fn header(self, sequence: u32) -> Vec<u8> {
        match self {
            Self::Long => (BEGIN_END_LONG | (sequence & 0x00ff_ffff))
                .to_be_bytes()
                .to_vec(),
            Self::Short => {
                let low = u16::try_from(sequence & 0x0fff).unwrap_or(0);
                (BEGIN_END_SHORT | low).to_be_bytes().to_vec()
            }
        }
    }

    /// Sequence number and payload of what follows the multilink protocol number.
    pub fn split(self, bytes: &[u8]) -> Option<(u32, &[u8])> {
        match self {
            Self::Long => {
                let (head, rest) = bytes.split_first_chunk::<4>()?;
                Some((u32::from_be_bytes(*head) & 0x00ff_ffff, rest))
            }
            Self::Short => {
                let (head, rest) = bytes.split_first_chunk::<2>()?;
                Some((u32::from(u16::from_be_bytes(*head) & 0x0fff), rest))
            }
        }
    }

    /// Numbers to inject, in this order, so that the receiver expects zero next, from any state:
    /// each lies less than half the range after the one before, so it never looks old, and the
    /// last is the number before zero.
    pub fn markers(self) -> [u32; 4] {
        let quarter = self.modulus() / 4;
        [
            quarter - 1,
            2 * quarter - 1,
            3 * quarter - 1,
            4 * quarter - 1,
        ]
    }

    /// Fragments to send before a fresh peer accepts our frames, given the number of the next one.
    /// A fresh peer widens numbers of the upper half to negative ones, which are old to it. With
    /// short numbers a full round is cheap, and zero leaves no gap to wait out.
    pub fn burn(self, next: u32) -> u32 {
        let next = next % self.modulus();
        match self {
            Self::Long if next < self.modulus() / 2 => 0,
            _ => (self.modulus() - next) % self.modulus(),
        }
    }

    /// What the kernel makes of a number on the wire: the 32-bit number nearest to `oldest`.
    pub fn widen(self, wire: u32, oldest: u32) -> u32 {
        let mask = self.modulus() - 1;
        let half = self.modulus() / 2;
        let near = (oldest & !mask) | (wire & mask);
        let distance = near.wrapping_sub(oldest);
        if distance & 0x8000_0000 == 0 && distance > half {
            near.wrapping_sub(self.modulus())
        } else if distance & 0x8000_0000 != 0 && oldest.wrapping_sub(near) > half {
            near.wrapping_add(self.modulus())
        } else {
            near
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The receiving side of the kernel, reduced to whole frames on one channel.
    struct Receiver {
        width: Width,
        next: u32,
        oldest: u32,
    }

    impl Receiver {
        fn receive(&mut self, wire: u32) -> bool {
            let sequence = self.width.widen(wire, self.oldest);
            if sequence.wrapping_sub(self.next) & 0x8000_0000 != 0 {
                return false;
            }
            // One channel: everything before this frame is lost for good.
            self.next = sequence.wrapping_add(1);
            if sequence.wrapping_sub(self.oldest) & 0x8000_0000 == 0 {
                self.oldest = sequence;
            }
            true
        }
    }

    proptest! {
        #[test]
        fn markers_lead_to_zero_from_anywhere(next: u32, short: bool) {
            let width = if short { Width::Short } else { Width::Long };
            let mut receiver = Receiver { width, next, oldest: next.wrapping_sub(1) };
            let mut last = false;
            for marker in width.markers() {
                last = receiver.receive(marker);
            }
            prop_assert!(last);
            prop_assert_eq!(receiver.next % width.modulus(), 0);
            prop_assert!(receiver.receive(0) && receiver.receive(1));
        }

        #[test]
        fn after_the_burn_a_fresh_peer_accepts(next: u32, short: bool) {
            let width = if short { Width::Short } else { Width::Long };
            let burnt = next.wrapping_add(width.burn(next % width.modulus())) % width.modulus();
            let mut fresh = Receiver { width, next: 0, oldest: u32::MAX };
            prop_assert!(fresh.receive(burnt));
        }

        #[test]
        fn headers_round_trip(sequence: u32, short: bool, rest in proptest::collection::vec(any::<u8>(), 0..8)) {
            let width = if short { Width::Short } else { Width::Long };
            let bytes = [width.header(sequence), rest.clone()].concat();
            prop_assert_eq!(width.split(&bytes), Some((sequence % width.modulus(), rest.as_slice())));
        }
    }

    #[test]
    fn burns_are_exact() {
        assert_eq!(Width::Long.burn(0), 0);
        assert_eq!(Width::Long.burn(0x7f_ffff), 0);
        assert_eq!(Width::Long.burn(0x80_0000), 0x80_0000);
        assert_eq!(Width::Long.burn(0xff_ffff), 1);
        assert_eq!(Width::Short.burn(0), 0);
        assert_eq!(Width::Short.burn(1), 0xfff);
    }

    #[test]
    fn short_input_has_no_header() {
        assert_eq!(Width::Long.split(&[0xc0, 0, 0]), None);
        assert_eq!(Width::Short.split(&[0xc0]), None);
    }
}
