//! The two kinds of sets that a configuration of the search holds.
//!
//! Operations that were answered are in a configuration only while they are in progress, so they are counted in
//! slots, which are reused: a [`Mask`]. Operations that were not answered stay in progress for ever. They have an
//! index of their own that is never reused, and their sets are shared between configurations: [`SharedSets`].

use std::hash::Hash;

use crate::hash::{Table, mix};

/// A set of slots.
pub(crate) trait Mask: Clone + Eq + Hash + std::fmt::Debug {
    /// The empty set, with room for so many slots.
    fn empty(slots: u32) -> Self;
    /// Whether a slot is in.
    fn contains(&self, slot: u32) -> bool;
    /// Puts a slot in.
    fn insert(&mut self, slot: u32);
    /// Takes a slot out.
    fn remove(&mut self, slot: u32);
    /// Its hash.
    fn fingerprint(&self) -> u64;
    /// What it takes up elsewhere.
    fn heap_bytes(&self) -> u64;
}

/// Up to 64 slots, which is nearly always enough.
impl Mask for u64 {
    fn empty(slots: u32) -> Self {
        assert!(slots <= Self::BITS, "{slots} slots in 64 bits");
        0
    }

    #[inline]
    fn contains(&self, slot: u32) -> bool {
        self >> slot & 1 == 1
    }

    #[inline]
    fn insert(&mut self, slot: u32) {
        *self |= 1 << slot;
    }

    #[inline]
    fn remove(&mut self, slot: u32) {
        *self &= !(1 << slot);
    }

    #[inline]
    fn fingerprint(&self) -> u64 {
        *self
    }

    fn heap_bytes(&self) -> u64 {
        0
    }
}

/// Any number of slots.
impl Mask for Box<[u64]> {
    fn empty(slots: u32) -> Self {
        vec![0; slots.div_ceil(64) as usize].into_boxed_slice()
    }

    fn contains(&self, slot: u32) -> bool {
        self[slot as usize / 64].contains(slot % 64)
    }

    fn insert(&mut self, slot: u32) {
        self[slot as usize / 64].insert(slot % 64);
    }

    fn remove(&mut self, slot: u32) {
        self[slot as usize / 64].remove(slot % 64);
    }

    fn fingerprint(&self) -> u64 {
        self.iter().fold(0, |hash, &word| mix(hash, word))
    }

    fn heap_bytes(&self) -> u64 {
        size_of_val(&**self) as u64
    }
}

/// The number of a shared set. Equal sets have equal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetId(u32);

/// Sets of indices, each kept once. A set is held as words without trailing zeros.
#[derive(Debug)]
pub(crate) struct SharedSets {
    words: Vec<u64>,
    /// Where the words of each set begin; the last entry is where the next set would.
    starts: Vec<usize>,
    table: Table,
    scratch: Vec<u64>,
}

impl SharedSets {
    /// The set with nothing in it.
    pub(crate) const EMPTY: SetId = SetId(0);

    /// Only the empty set.
    pub(crate) fn new() -> Self {
        let mut table = Table::default();
        table.insert(fingerprint(&[]), 0);
        Self { words: Vec::new(), starts: vec![0, 0], table, scratch: Vec::new() }
    }

    fn words(&self, set: SetId) -> &[u64] {
        let set = set.0 as usize;
        &self.words[self.starts[set]..self.starts[set + 1]]
    }

    #[inline]
    pub(crate) fn contains(&self, set: SetId, index: u32) -> bool {
        self.words(set).get(index as usize / 64).is_some_and(|word| word.contains(index % 64))
    }

    /// The set with one index more.
    pub(crate) fn with(&mut self, set: SetId, index: u32) -> SetId {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(self.words(set));
        scratch.resize(scratch.len().max(index as usize / 64 + 1), 0);
        scratch[index as usize / 64].insert(index % 64);
        let hash = fingerprint(&scratch);
        let found = self.table.find(hash, |other| *self.words(SetId(other)) == *scratch);
        let number = found.unwrap_or_else(|| {
            let number = u32::try_from(self.starts.len() - 1).expect("fewer sets than 32 bits can number");
            self.words.extend_from_slice(&scratch);
            self.starts.push(self.words.len());
            self.table.insert(hash, number);
            number
        });
        self.scratch = scratch;
        SetId(number)
    }

    /// Whether everything in `smaller` is in `larger`.
    #[inline]
    pub(crate) fn is_subset(&self, smaller: SetId, larger: SetId) -> bool {
        if smaller == larger || smaller == Self::EMPTY {
            return true;
        }
        let (smaller, larger) = (self.words(smaller), self.words(larger));
        smaller.len() <= larger.len() && smaller.iter().zip(larger).all(|(s, l)| s & !l == 0)
    }

    /// What they take up.
    pub(crate) fn bytes(&self) -> u64 {
        let arrays = self.words.capacity() * size_of::<u64>() + self.starts.capacity() * size_of::<usize>();
        arrays as u64 + self.table.bytes()
    }
}

fn fingerprint(words: &[u64]) -> u64 {
    words.iter().fold(0, |hash, &word| mix(hash, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_mask_is_a_set<M: Mask>(slots: u32) {
        let mut mask = M::empty(slots);
        for slot in 0..slots {
            assert!(!mask.contains(slot));
            mask.insert(slot);
            assert!(mask.contains(slot));
        }
        for slot in (0..slots).step_by(3) {
            mask.remove(slot);
        }
        for slot in 0..slots {
            assert_eq!(mask.contains(slot), slot % 3 != 0, "{slot}");
        }
        let mut other = M::empty(slots);
        for slot in (0..slots).rev().filter(|slot| slot % 3 != 0) {
            other.insert(slot);
        }
        assert_eq!(mask, other);
        assert_eq!(mask.fingerprint(), other.fingerprint());
    }

    #[test]
    fn masks_are_sets() {
        a_mask_is_a_set::<u64>(64);
        a_mask_is_a_set::<Box<[u64]>>(200);
    }

    #[test]
    fn shared_sets_are_kept_once_and_compared_by_what_is_in_them() {
        let mut sets = SharedSets::new();
        let set = |sets: &mut SharedSets, indices: &[u32]| {
            indices.iter().fold(SharedSets::EMPTY, |set, &index| sets.with(set, index))
        };
        let (one, two) = (set(&mut sets, &[3, 200]), set(&mut sets, &[200, 3, 3]));
        assert_eq!(one, two);
        let (three, small) = (set(&mut sets, &[200, 3, 64]), set(&mut sets, &[3]));
        assert!(sets.contains(three, 64) && !sets.contains(one, 64) && !sets.contains(small, 200));
        assert!(
            sets.is_subset(one, three)
                && sets.is_subset(small, one)
                && sets.is_subset(SharedSets::EMPTY, one)
        );
        assert!(
            !sets.is_subset(three, one)
                && !sets.is_subset(one, small)
                && !sets.is_subset(one, SharedSets::EMPTY)
        );
    }
}
