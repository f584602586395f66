//! Finds the blocks of a signature in new data.
//!
//! The answer to "which block is this?" must not depend on the order in which threads ask, so
//! equal blocks form a group named after its first member, and choosing among the members is
//! left to [`Matcher::choose`], which is asked in file order.

use crate::signature::{Format, Header, Signature};
use crate::strong::Strong;
use std::hash::{BuildHasher, RandomState};

/// Strong sums compared per weak sum. Blocks past that are not found: a crafted signature
/// could otherwise make every lookup walk through all of it.
const MAX_COLLISIONS: u32 = 1024;

/// Index of a block.
pub(crate) type Block = u32;

/// A signature made searchable.
#[derive(Debug)]
pub(crate) struct Matcher<'s> {
    signature: &'s Signature,
    /// First block with the same sums, per block.
    group: Vec<Block>,
    /// Open addressing; block index plus one, 0 is empty.
    slots: Vec<u32>,
    /// Varies the slot of a weak sum from run to run, so that nobody can aim at one slot.
    seed: u32,
    /// One bit per hashed weak sum: small enough to stay in the processor's cache.
    filter: Vec<u64>,
    filter_shift: u32,
}

/// A multiplier that spreads neighbouring values (Knuth, 2^32 divided by the golden ratio).
const SPREAD: u32 = 0x9e37_79b1;

impl<'s> Matcher<'s> {
    pub(crate) fn new(signature: &'s Signature) -> Self {
        let count = signature.weak.len();
        let slots = (count * 2).next_power_of_two().max(16);
        // 32 bits or more per block: one position in 32 or less passes the filter by chance.
        let filter_bits = (count.max(64) * 32)
            .next_power_of_two()
            .ilog2()
            .clamp(10, 27);
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        let seed = RandomState::new().hash_one(0) as u32;
        let mut matcher = Self {
            signature,
            group: Vec::with_capacity(count),
            slots: vec![0; slots],
            seed,
            filter: vec![0; 1 << (filter_bits - 6)],
            filter_shift: 32 - filter_bits,
        };
        for index in 0..count {
            matcher.insert(index);
        }
        matcher
    }

    fn insert(&mut self, index: usize) {
        let weak = self.signature.weak[index];
        let mut collisions = 0;
        let mut slot = self.slot(weak);
        // read() refuses signatures with more blocks than a u32 counts.
        let block = u32::try_from(index).unwrap_or(u32::MAX);
        loop {
            let Some(other) = self.slots[slot].checked_sub(1) else {
                self.slots[slot] = block + 1;
                let bit = weak.wrapping_mul(SPREAD) >> self.filter_shift;
                self.filter[bit as usize / 64] |= 1 << (bit % 64);
                break self.group.push(block);
            };
            if self.signature.weak[other as usize] == weak {
                if self.signature.strong_of(other as usize) == self.signature.strong_of(index) {
                    break self.group.push(other);
                }
                collisions += 1;
                if collisions == MAX_COLLISIONS {
                    break self.group.push(block);
                }
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn slot(&self, weak: u32) -> usize {
        let mixed = (weak ^ self.seed).wrapping_mul(SPREAD);
        (mixed ^ (mixed >> 15)) as usize & (self.slots.len() - 1)
    }

    /// Whether a block with this weak sum may exist. Quick, and wrong only in saying yes.
    #[inline]
    pub(crate) fn maybe(&self, weak: u32) -> bool {
        let bit = weak.wrapping_mul(SPREAD) >> self.filter_shift;
        self.filter[bit as usize / 64] >> (bit % 64) & 1 != 0
    }

    /// Whether any block has this weak sum.
    pub(crate) fn has_weak(&self, weak: u32) -> bool {
        self.maybe(weak) && self.candidates(weak).next().is_some()
    }

    fn candidates(&self, weak: u32) -> impl Iterator<Item = Block> {
        let mut slot = self.slot(weak);
        std::iter::from_fn(move || {
            let block = self.slots[slot].checked_sub(1)?;
            slot = (slot + 1) & (self.slots.len() - 1);
            Some(block)
        })
        .filter(move |block| self.signature.weak[*block as usize] == weak)
    }

    /// The group of blocks with these sums.
    pub(crate) fn find(&self, weak: u32, strong: &Strong) -> Option<Block> {
        let strong = &strong[..usize::from(self.signature.header.strong_len)];
        self.candidates(weak)
            .find(|block| self.signature.strong_of(*block as usize) == strong)
    }

    /// The group of this block of data, hashing it only if its weak sum is known. Of a
    /// signature without strong sums the answer is a guess that the caller must confirm.
    pub(crate) fn find_data(&self, weak: u32, data: &[u8]) -> Option<Block> {
        if !self.has_weak(weak) {
            return None;
        }
        if self.header().strong_len == 0 {
            return self.candidates(weak).next();
        }
        self.find(weak, &self.signature.header.format.strong.sum(data))
    }

    /// The group of this block of data.
    pub(crate) fn group_of(&self, data: &[u8]) -> Option<Block> {
        self.find_data(self.format().weak.sum(data), data)
    }

    /// The header of the signature.
    pub(crate) fn header(&self) -> Header {
        self.signature.header
    }

    /// The sums in use.
    pub(crate) fn format(&self) -> Format {
        self.signature.header.format
    }

    /// The member of `group` to copy from: the one that continues the copy before it, else the
    /// one at the same place as in the new file, else the first.
    pub(crate) fn choose(&self, group: Block, after: Option<Block>, here: Option<u64>) -> Block {
        let member = |block: u64| {
            let index = usize::try_from(block).ok()?;
            (*self.group.get(index)? == group).then(|| u32::try_from(index).ok())?
        };
        after
            .and_then(|block| member(u64::from(block) + 1))
            .or_else(|| here.and_then(member))
            .unwrap_or(group)
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "test values are small"
)]
mod tests {
    use super::*;
    use crate::strong::StrongKind;
    use crate::weak::WeakKind;

    fn signature(records: &[(u32, u8)]) -> Signature {
        let format = Format {
            weak: WeakKind::RabinKarp,
            strong: StrongKind::Md4,
        };
        Signature {
            header: Header {
                format,
                block_len: 16,
                strong_len: 1,
            },
            weak: records.iter().map(|record| record.0).collect(),
            strong: records.iter().map(|record| record.1).collect(),
        }
    }

    fn strong(first: u8) -> Strong {
        let mut strong = Strong::default();
        strong[0] = first;
        strong
    }

    #[test]
    fn equal_blocks_are_one_group_and_the_next_one_is_preferred() {
        let signature = signature(&[(7, 1), (7, 2), (7, 1), (0, 9), (7, 1)]);
        let matcher = Matcher::new(&signature);
        assert_eq!(matcher.find(7, &strong(1)), Some(0));
        assert_eq!(matcher.find(7, &strong(2)), Some(1));
        assert_eq!(matcher.find(7, &strong(3)), None);
        assert_eq!(
            matcher.find(0, &strong(9)),
            Some(3),
            "0 is a sum like any other"
        );
        assert!(!matcher.has_weak(8));
        assert_eq!(matcher.choose(0, Some(1), Some(4)), 2);
        assert_eq!(matcher.choose(0, Some(0), Some(4)), 4);
        assert_eq!(matcher.choose(0, None, Some(1)), 0);
        assert_eq!(matcher.choose(0, Some(u32::MAX), None), 0);
    }

    #[test]
    fn a_crafted_signature_costs_a_bounded_number_of_comparisons() {
        let records: Vec<(u32, u8)> = (0..5000).map(|i| (5, (i % 256) as u8)).collect();
        let short = signature(&records);
        assert_eq!(Matcher::new(&short).find(5, &strong(255)), Some(255));
        let mut long = signature(&[]);
        long.header.strong_len = 4;
        for index in 0..3000_u32 {
            long.weak.push(5);
            long.strong.extend(index.to_be_bytes());
        }
        let matcher = Matcher::new(&long);
        assert_eq!(matcher.candidates(5).count(), MAX_COLLISIONS as usize);
    }

    #[test]
    fn an_empty_signature_matches_nothing() {
        let empty = signature(&[]);
        let matcher = Matcher::new(&empty);
        assert!(!matcher.has_weak(0));
        assert_eq!(matcher.find(1, &strong(0)), None);
    }
}
