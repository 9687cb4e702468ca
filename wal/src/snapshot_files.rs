//! Which files hold snapshots, and which may be written over.
//!
//! Invariants: a snapshot is synced before a record names it; its file is not written again before a record that names
//! a later one is durable. So whatever the log on the disk names is there, whole.

use std::collections::{BTreeMap, VecDeque};

use raft_core::EntryId;

use crate::{
    disk::{Request, RequestId, Response},
    snapshot_file::{self, SnapshotPlace, snapshot_file},
};

/// The snapshot files of an open log. There are as many as are needed at once, seldom more than three.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SnapshotFiles {
    /// Those that no record names yet, by slot.
    unnamed: BTreeMap<u64, Unnamed>,
    /// The one that the last record names.
    named: Option<u64>,
    /// Those that earlier records name, each with the number of the record that names another one instead.
    retired: VecDeque<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Unnamed {
    last: EntryId,
    checksum: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Writing {
        id: RequestId,
    },
    Syncing {
        id: RequestId,
    },
    /// It is durable.
    Saved,
}

impl SnapshotFiles {
    /// The files of a log that names this slot.
    pub(crate) fn continuing(named: Option<u64>) -> Self {
        Self { named, ..Self::default() }
    }

    /// Begins to write a snapshot into a file that nothing needs any more.
    pub(crate) fn save(&mut self, last: EntryId, snapshot: &[u8], submit: impl FnOnce(Request) -> RequestId) {
        let is_free = |slot: &u64| {
            !self.unnamed.contains_key(slot)
                && self.named != Some(*slot)
                && self.retired.iter().all(|(retired, _)| retired != slot)
        };
        let slot = (0..).find(is_free).expect("there are more numbers than files");
        let (bytes, checksum) = snapshot_file::encode(last, snapshot);
        let id = submit(Request::Write { file: snapshot_file(slot), offset: 0, bytes });
        self.unnamed.insert(slot, Unnamed { last, checksum, stage: Stage::Writing { id } });
    }

    /// Takes an answer, if it is one to a request of these files: the snapshot that is durable by it.
    pub(crate) fn complete(
        &mut self,
        id: RequestId,
        response: &Response,
        submit: impl FnOnce(Request) -> RequestId,
    ) -> Option<Option<EntryId>> {
        let mut files = self.unnamed.iter_mut();
        let (slot, file) = files.find(|(_, file)| match file.stage {
            Stage::Writing { id: open } => open == id && *response == Response::Written,
            Stage::Syncing { id: open } => open == id && *response == Response::Synced,
            Stage::Saved => false,
        })?;
        match response {
            Response::Synced => {
                file.stage = Stage::Saved;
                Some(Some(file.last))
            }
            Response::Written | Response::Read(_) => {
                let id = submit(Request::Sync { file: snapshot_file(*slot) });
                file.stage = Stage::Syncing { id };
                Some(None)
            }
        }
    }

    /// Where the snapshot of everything up to `last` is, if it is durable and not named yet.
    pub(crate) fn saved(&self, last: EntryId) -> Option<SnapshotPlace> {
        self.unnamed.iter().find_map(|(&slot, file)| {
            let Unnamed { last: saved, checksum, stage } = *file;
            (saved == last && stage == Stage::Saved).then_some(SnapshotPlace { slot, checksum })
        })
    }

    /// Frees the file of a snapshot that is durable and will not be named.
    pub(crate) fn discard(&mut self, last: EntryId) {
        self.unnamed.retain(|_, file| file.last != last || file.stage != Stage::Saved);
    }

    /// The record of this number names the snapshot in this slot.
    pub(crate) fn name(&mut self, slot: u64, number: u64) {
        self.unnamed.remove(&slot);
        if let Some(before) = self.named.replace(slot) {
            self.retired.push_back((before, number));
        }
    }

    /// The records up to this number are durable.
    pub(crate) fn durable(&mut self, number: u64) {
        while self.retired.front().is_some_and(|(_, retired_by)| *retired_by <= number) {
            self.retired.pop_front();
        }
    }
}
