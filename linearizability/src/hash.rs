//! Hashing that is the same on every machine and in every run, so that node counts, budgets and verdicts are too.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Half of the digits of the golden ratio: an odd number without structure.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hasher without a random seed.
#[derive(Clone, Copy, Debug, Default)]
struct FixedHasher(u64);

/// Mixes a word into a hash: the halves of a long product, so that every bit of either reaches every bit.
#[inline]
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ MULTIPLIER) * u128::from(MULTIPLIER ^ word.rotate_left(32));
    (product >> 64) as u64 ^ product as u64
}

impl Hasher for FixedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = mix(self.0, u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = mix(self.0, u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }

    fn write_i64(&mut self, word: i64) {
        self.0 = mix(self.0, word.cast_unsigned());
    }

    fn write_usize(&mut self, word: usize) {
        self.0 = mix(self.0, word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.0 = mix(self.0, word.cast_unsigned() as u64);
    }
}

/// The hash of a value.
#[inline]
pub(crate) fn hash_of<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = FixedHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A set of indices into something else, found by hash and comparison: open addressing with linear probing. What the
/// indices stand for, and when two are equal, is the caller's affair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// The upper half is part of the hash, the lower half the index plus one; zero is free.
    slots: Vec<u64>,
    used: usize,
}

const SMALLEST: usize = 16;

impl Table {
    /// The index with this hash for which `is_equal` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_equal: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (mask, tag) = (self.slots.len() - 1, tag(hash));
        let mut place = tag as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                return None;
            }
            let index = (slot as u32) - 1;
            if slot >> 32 == u64::from(tag) && is_equal(index) {
                return Some(index);
            }
            place = (place + 1) & mask;
        }
    }

    /// Adds an index that is not in yet.
    pub(crate) fn insert(&mut self, hash: u64, index: u32) {
        if self.slots.len() <= 2 * self.used {
            self.grow();
        }
        assert!(index < u32::MAX, "a table of {index} entries is full");
        place(&mut self.slots, u64::from(tag(hash)) << 32 | u64::from(index + 1));
        self.used += 1;
    }

    fn grow(&mut self) {
        let longer = (2 * self.slots.len()).max(SMALLEST);
        let slots = std::mem::replace(&mut self.slots, vec![0; longer]);
        for slot in slots.into_iter().filter(|&slot| slot != 0) {
            place(&mut self.slots, slot);
        }
    }

    /// What it takes up.
    pub(crate) fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<u64>()) as u64
    }
}

/// The part of a hash that a slot remembers. It also says where the search begins.
fn tag(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

fn place(slots: &mut [u64], slot: u64) {
    let mask = slots.len() - 1;
    let mut place = (slot >> 32) as usize & mask;
    while slots[place] != 0 {
        place = (place + 1) & mask;
    }
    slots[place] = slot;
}

/// A map from pairs of numbers to numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo {
    /// Pairs, as one word each plus one; zero is free.
    slots: Vec<(u64, u32)>,
    used: usize,
}

impl Memo {
    #[inline]
    pub(crate) fn find(&self, pair: (u32, u32)) -> Option<u32> {
        let word = word(pair);
        let mask = self.slots.len().checked_sub(1)?;
        let mut place = mix(0, word) as usize & mask;
        loop {
            match self.slots[place] {
                (0, _) => return None,
                (other, value) if other == word => return Some(value),
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// Adds a pair that is not in yet.
    pub(crate) fn insert(&mut self, pair: (u32, u32), value: u32) {
        if self.slots.len() <= 2 * self.used {
            let longer = (2 * self.slots.len()).max(SMALLEST);
            let slots = std::mem::replace(&mut self.slots, vec![(0, 0); longer]);
            slots.into_iter().filter(|&(word, _)| word != 0).for_each(|slot| self.place(slot));
        }
        self.place((word(pair), value));
        self.used += 1;
    }

    fn place(&mut self, slot: (u64, u32)) {
        let mask = self.slots.len() - 1;
        let mut place = mix(0, slot.0) as usize & mask;
        while self.slots[place].0 != 0 {
            place = (place + 1) & mask;
        }
        self.slots[place] = slot;
    }

    /// What it takes up.
    pub(crate) fn bytes(&self) -> u64 {
        (self.slots.len() * size_of::<(u64, u32)>()) as u64
    }
}

fn word((one, other): (u32, u32)) -> u64 {
    assert!(one < u32::MAX, "the largest number is taken");
    (u64::from(one) << 32 | u64::from(other)) + 1
}

/// Numbers for values: equal values get equal numbers, from 0, in the order of their first appearance.
#[derive(Clone, Debug)]
pub(crate) struct Interner<T> {
    values: Vec<T>,
    table: Table,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { values: Vec::new(), table: Table::default() }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The number of a value.
    pub(crate) fn intern(&mut self, value: T) -> u32 {
        let hash = hash_of(&value);
        let values = &self.values;
        if let Some(number) = self.table.find(hash, |number| values[number as usize] == value) {
            return number;
        }
        let number = u32::try_from(self.values.len()).expect("fewer values than 32 bits can number");
        self.table.insert(hash, number);
        self.values.push(value);
        number
    }

    /// The value with this number.
    pub(crate) fn value(&self, number: u32) -> &T {
        &self.values[number as usize]
    }

    /// All values, by number.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// What it takes up, but for what the values themselves refer to.
    pub(crate) fn bytes(&self) -> u64 {
        self.table.bytes() + (self.values.capacity() * size_of::<T>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_get_equal_numbers_and_others_get_others() {
        let mut interner = Interner::default();
        for round in 0..2 {
            for value in 0..1000_u64 {
                assert_eq!(interner.intern(value * value), u32::try_from(value).unwrap(), "round {round}");
            }
        }
        assert_eq!(interner.values().len(), 1000);
        assert_eq!(*interner.value(3), 9);
    }

    #[test]
    fn a_memo_remembers_every_pair() {
        let mut memo = Memo::default();
        let pairs = || (0..50).flat_map(|one| (0..50).map(move |other| (one, other)));
        for pair @ (one, other) in pairs() {
            assert_eq!(memo.find(pair), None);
            memo.insert(pair, 1000 * one + other);
        }
        assert!(pairs().all(|pair| memo.find(pair) == Some(1000 * pair.0 + pair.1)));
        assert_eq!(memo.find((50, 0)), None);
    }

    #[test]
    fn a_table_tells_apart_what_hashes_alike() {
        let mut table = Table::default();
        for index in 0..100 {
            assert_eq!(table.find(7, |other| other == index), None);
            table.insert(7, index);
        }
        for index in 0..100 {
            assert_eq!(table.find(7, |other| other == index), Some(index));
        }
        assert_eq!(table.find(8, |_| true), None);
    }

    #[test]
    fn hashes_are_the_same_on_every_machine() {
        let hashes = [hash_of(&1_u64), hash_of("ab"), hash_of(&(Some(2_u32), false))];
        assert_eq!(hashes, GOLDEN);
    }

    const GOLDEN: [u64; 3] =
        [11_532_224_481_007_490_954, 1_965_195_213_857_502_856, 5_924_596_681_005_604_331];
}
