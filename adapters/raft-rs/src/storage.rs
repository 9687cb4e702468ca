//! The crate's storage, in memory: what has been handed on to be written, and the latest snapshot's description.
//!
//! The crate's own `MemStorage` makes up snapshots from the commit index and forgets the term before a compacted log. This
//! one holds what the tank knows.

use raft::{
    Error, GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
};
use raft_core::EntryId;

/// The log behind its base, term and vote, and a snapshot without bytes.
#[derive(Default)]
pub(crate) struct MemoryStorage {
    pub(crate) hard_state: HardState,
    /// The members as of the snapshot, or those with which the cluster began.
    pub(crate) members: ConfState,
    /// The entry before the first one.
    pub(crate) base: EntryId,
    pub(crate) entries: Vec<Entry>,
    /// What followers may be sent.
    pub(crate) snapshot: Option<Snapshot>,
}

impl MemoryStorage {
    /// Where the entry at `index` is, or would be; `None` before the first one.
    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index.checked_sub(self.base.index.0 + 1)?).ok()
    }

    /// Puts entries in the place of everything from the first of them on.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let place = self.place(first.index).expect("the crate appends behind what is committed");
        assert!(place <= self.entries.len(), "{} leaves a gap behind {}", first.index, self.entries.len());
        self.entries.truncate(place);
        self.entries.extend_from_slice(entries);
    }

    /// Forgets the entries up to `to`.
    pub(crate) fn compact(&mut self, to: u64) {
        let Some(last) = self.place(to).filter(|&place| place < self.entries.len()) else { return };
        let removed = self.entries.drain(..=last).next_back().expect("there is one at least");
        self.base = EntryId::new(removed.term, removed.index);
    }

    /// Whether the latest snapshot may be sent to that server. Who is no member in it would not take it.
    pub(crate) fn offers(&self, to: u64) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| {
            let state = snapshot.get_metadata().get_conf_state();
            [&state.voters, &state.voters_outgoing, &state.learners].into_iter().any(|ids| ids.contains(&to))
        })
    }

    /// Becomes what a snapshot stands for.
    pub(crate) fn install(&mut self, snapshot: Snapshot) {
        let metadata = snapshot.get_metadata();
        self.base = EntryId::new(metadata.term, metadata.index);
        self.entries.clear();
        self.snapshot = Some(snapshot);
    }
}

impl Storage for MemoryStorage {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState { hard_state: self.hard_state.clone(), conf_state: self.members.clone() })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let places = self.place(low).zip(self.place(high)).ok_or(Error::Store(StorageError::Compacted))?;
        let entries = self.entries.get(places.0..places.1).ok_or(Error::Store(StorageError::Unavailable))?;
        let mut entries = entries.to_vec();
        raft::util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.base.index.0 {
            return Ok(self.base.term.0);
        }
        let place = self.place(index).ok_or(Error::Store(StorageError::Compacted))?;
        let entry = self.entries.get(place).ok_or(Error::Store(StorageError::Unavailable))?;
        Ok(entry.term)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.index.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.base.index.0 + self.entries.len() as u64)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let reaches = |snapshot: &&Snapshot| request_index <= snapshot.get_metadata().index;
        let snapshot = self.snapshot.as_ref().filter(reaches).filter(|_| self.offers(to));
        snapshot.cloned().ok_or(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
