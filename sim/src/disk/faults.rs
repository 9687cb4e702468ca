//! What is wrong with a disk by order: requests that fail, a disk that is full, a write that is torn at the next loss of
//! power, bits that rot.
//!
//! Each [fault](DiskFault) waits until it strikes, and whoever ordered it can ask whether it has. Rot is a mask over what
//! reads return and leaves the images alone: those keep telling what was made durable, and a process that takes rotten
//! bytes for true shows itself by the difference.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use wavetank_process::disk::FileName;

use super::SECTOR_BYTES;

/// What can be asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskOperation {
    /// To read a file.
    Read,
    /// To write into one.
    Write,
    /// To make what was written durable.
    Sync,
}

impl DiskOperation {
    /// Its name, as in [`DiskError`](wavetank_process::disk::DiskError).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
        }
    }
}

/// Something that is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskFault {
    /// The next operation of this kind fails and has no effect.
    Fail(DiskOperation),
    /// From now on no file can grow.
    Full,
    /// At the next loss of power, of the last write to each file only so many bytes reach the disk, if it is not durable.
    Tear {
        /// Counted from the beginning of the first sector that it touches.
        bytes: u64,
    },
    /// Reads see damage.
    Rot(Damage),
}

/// Damage to every file that is large enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The lowest bit of this byte is flipped.
    Bit(u64),
    /// This sector, counted from 0, reads as zeros.
    Sector(u64),
}

impl Damage {
    fn sector(self) -> u64 {
        match self {
            Self::Bit(byte) => byte / SECTOR_BYTES,
            Self::Sector(sector) => sector,
        }
    }

    /// Damages an image. Whether that makes a difference.
    fn mar(self, image: &mut [u8]) -> bool {
        let start = self.sector().saturating_mul(SECTOR_BYTES);
        let bytes = match self {
            Self::Bit(byte) => byte..byte.saturating_add(1),
            Self::Sector(_) => start..start.saturating_add(SECTOR_BYTES),
        };
        let len = image.len() as u64;
        let marred = &mut image[bytes.start.min(len) as usize..bytes.end.min(len) as usize];
        match self {
            Self::Bit(_) => marred.iter_mut().for_each(|byte| *byte ^= 1),
            Self::Sector(_) if marred.iter().all(|byte| *byte == 0) => return false,
            Self::Sector(_) => marred.fill(0),
        }
        !marred.is_empty()
    }
}

/// The faults of one disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Which operations are to fail, once each.
    failing: BTreeSet<DiskOperation>,
    full: bool,
    tear: Option<u64>,
    damage: BTreeMap<FileName, BTreeSet<Damage>>,
    /// What was ordered and has made no difference yet.
    waiting: BTreeSet<DiskFault>,
}

impl Faults {
    /// Orders a fault. `false` if the same one waits already.
    pub(super) fn order(&mut self, fault: DiskFault, files: impl Iterator<Item = FileName>) -> bool {
        if !self.waiting.insert(fault) {
            return false;
        }
        match fault {
            DiskFault::Fail(operation) => _ = self.failing.insert(operation),
            DiskFault::Full => self.full = true,
            DiskFault::Tear { bytes } => self.tear = Some(bytes),
            DiskFault::Rot(damage) => {
                for file in files {
                    self.damage.entry(file).or_default().insert(damage);
                }
            }
        }
        true
    }

    /// Whether a fault was ordered and has made no difference yet.
    pub(super) fn waits(&self, fault: DiskFault) -> bool {
        self.waiting.contains(&fault)
    }

    /// Makes room again. `false` if the disk was not full.
    pub(super) fn make_room(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }

    /// Why an operation fails, if it does.
    pub(super) fn strike(&mut self, operation: DiskOperation, grows: bool) -> Option<&'static str> {
        if self.failing.remove(&operation) {
            self.waiting.remove(&DiskFault::Fail(operation));
            return Some("input/output error");
        }
        if self.full && grows {
            self.waiting.remove(&DiskFault::Full);
            return Some("no space left");
        }
        None
    }

    /// How many bytes the last writes are torn behind, if they are.
    pub(super) fn tear(&self) -> Option<u64> {
        self.tear
    }

    /// The tear has struck.
    pub(super) fn torn(&mut self) {
        if let Some(bytes) = self.tear.take() {
            self.waiting.remove(&DiskFault::Tear { bytes });
        }
    }

    /// Damages what is read of a file.
    pub(super) fn mar(&mut self, file: &FileName, image: &mut [u8]) {
        let Some(damage) = self.damage.get(file) else { return };
        for &damage in damage {
            if damage.mar(image) {
                self.waiting.remove(&DiskFault::Rot(damage));
            }
        }
    }

    /// A sector that is written anew is sound.
    pub(super) fn heal(&mut self, file: &FileName, sectors: std::ops::Range<u64>) {
        if let Some(damage) = self.damage.get_mut(file) {
            damage.retain(|damage| !sectors.contains(&damage.sector()));
        }
    }
}
