//! What decides in a scenario: the mildest choice everywhere, unless a step asks for another one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    chance::{Decider, Site, labels},
    scenario::Fate,
};

/// What becomes of unsynced sectors at the next loss of power. Shared between the script and what decides for it.
#[derive(Clone, Debug, Default)]
pub(super) struct FateOfSectors(Arc<AtomicU64>);

impl FateOfSectors {
    /// From now on it is this one; `None` is the mildest.
    pub(super) fn set(&self, fate: Option<Fate>) {
        let choice = match fate {
            None | Some(Fate::Kept) => 0,
            Some(Fate::Lost) => 1,
            Some(Fate::Torn) => 2,
        };
        self.0.store(choice, Ordering::Relaxed);
    }
}

/// Makes the mildest choice everywhere, except about unsynced sectors.
pub(super) struct Quiet {
    fate: FateOfSectors,
}

impl Quiet {
    pub(super) fn new(fate: &FateOfSectors) -> Self {
        Self { fate: fate.clone() }
    }
}

impl Decider for Quiet {
    fn decide(&mut self, site: Site, _ordinal: u64, bound: u64) -> u64 {
        match site.label {
            labels::DISK_UNSYNCED => self.fate.0.load(Ordering::Relaxed).min(bound - 1),
            // In the middle, so that something of either side is there.
            labels::DISK_TEAR => bound / 2,
            _ => 0,
        }
    }
}
