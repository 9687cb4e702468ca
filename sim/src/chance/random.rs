//! The decider that draws.

use std::{collections::BTreeMap, fmt};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{Decider, Site};

/// The version of the way from a seed to a choice. Two builds of the same version draw the same:
///
/// 1. The key of a site's stream is `xxh3_128(address, 0)` followed by `xxh3_128(address, 1)`, both little
///    endian, where the address is five little-endian words of 64 bits: this version, the seed, the label,
///    and the two words of the subject.
/// 2. The stream is ChaCha with 8 rounds under that key, nonce and counter 0, read as little-endian words of
///    64 bits. Each choice takes one word.
/// 3. The choice is `word * bound / 2^64`, rounded down. Its bias is below `bound / 2^64`.
///
/// The libraries are used for no more than these two published functions, so that upgrading them changes no
/// seed.
pub const MAPPING_VERSION: u64 = 1;

/// Draws every choice from the key stream of its site, which depends on nothing but the seed and the site:
/// one more choice at one site moves nothing elsewhere.
pub struct Random {
    seed: u64,
    streams: BTreeMap<Site, ChaCha8Rng>,
}

impl Random {
    /// The decider of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, streams: BTreeMap::new() }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, streams } = self;
        f.debug_struct("Random").field("seed", seed).field("streams", &streams.len()).finish()
    }
}

impl Decider for Random {
    fn decide(&mut self, site: Site, _ordinal: u64, bound: u64) -> u64 {
        let stream = self.streams.entry(site).or_insert_with(|| stream(self.seed, site));
        below(bound, stream.next_u64())
    }
}

/// The key stream of a site; see [`MAPPING_VERSION`].
fn stream(seed: u64, site: Site) -> ChaCha8Rng {
    let Site { label, subject: [first, second] } = site;
    let mut address = [0; 40];
    let words = [MAPPING_VERSION, seed, u64::from(label.0), first, second];
    for (bytes, word) in address.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut key = [0; 32];
    for (bytes, half) in key.chunks_exact_mut(16).zip(0..) {
        bytes.copy_from_slice(&xxh3_128_with_seed(&address, half).to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A uniform word as a number below `bound`.
fn below(bound: u64, word: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> u64::BITS) as u64
}

#[cfg(test)]
mod tests {
    use wavetank_process::Label;

    use super::*;
    use crate::chance::labels;

    const LINK: Site = Site { label: labels::NET_LATENCY, subject: [1, 2] };

    fn draws(seed: u64, site: Site, bound: u64) -> [u64; 4] {
        let mut random = Random::new(seed);
        std::array::from_fn(|ordinal| random.decide(site, ordinal as u64, bound))
    }

    /// Worked out from the description of the mapping with other implementations of both functions.
    #[test]
    fn seeds_keep_their_meaning() {
        let timeout = Site::global(Label::ELECTION_TIMEOUT);
        assert_eq!(
            draws(0, timeout, u64::MAX),
            [18131114974394186411, 6256828644791930404, 18138067716194277953, 12213747456518333744]
        );
        assert_eq!(draws(0, LINK, 1 << 16), [25837, 62627, 12438, 45189]);
        assert_eq!(draws(42, LINK, 1_000), [49, 182, 486, 571]);
        let largest = Site { label: Label(u16::MAX), subject: [u64::MAX; 2] };
        assert_eq!(
            draws(u64::MAX, largest, 1 << 63),
            [4023825899779290934, 7034137797663883685, 1332090564353457593, 6854141933004558842]
        );
    }

    #[test]
    fn a_stream_keeps_its_meaning_beyond_its_first_blocks() {
        let mut random = Random::new(42);
        let draws = (0..41).map(|ordinal| random.decide(LINK, ordinal, 1_000));
        assert_eq!(draws.last(), Some(257));
    }

    #[test]
    fn every_part_of_the_address_makes_another_stream() {
        let neighbours = [
            (0, LINK),
            (1, LINK),
            (0, Site { label: labels::NET_LOSS, ..LINK }),
            (0, Site { subject: [2, 1], ..LINK }),
            (0, Site { subject: [1, 3], ..LINK }),
        ];
        let mut firsts = neighbours.map(|(seed, site)| draws(seed, site, u64::MAX)[0]).to_vec();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), neighbours.len());
    }

    #[test]
    fn one_more_draw_moves_nothing_elsewhere() {
        let back = Site { subject: [2, 1], ..LINK };
        let mut disturbed = Random::new(3);
        let interleaved: [u64; 4] = std::array::from_fn(|ordinal| {
            for extra in 0..ordinal as u64 {
                disturbed.decide(back, extra, 10);
            }
            disturbed.decide(LINK, ordinal as u64, 1 << 32)
        });
        assert_eq!(interleaved, draws(3, LINK, 1 << 32));
    }

    #[test]
    fn words_become_choices_evenly() {
        assert_eq!(below(1, u64::MAX), 0);
        assert_eq!(below(2, u64::MAX / 2), 0);
        assert_eq!(below(2, u64::MAX / 2 + 1), 1);
        assert_eq!(below(u64::MAX, u64::MAX), u64::MAX - 1);
        assert_eq!(below(u64::MAX, 0), 0);
        assert_eq!(below(10, u64::MAX), 9);
    }

    #[test]
    fn draws_cover_their_range_evenly() {
        let mut random = Random::new(11);
        let mut seen = [0_u32; 10];
        for ordinal in 0..10_000 {
            seen[random.decide(LINK, ordinal, 10) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
    }
}
