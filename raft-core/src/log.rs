//! The log in memory (Figure 2, "log[]"), from the last compaction on, and how far each of its uses has come.
//!
//! Invariants: `applied <= handed out to be applied <= commit <= last`, and `durable <= written <= last`. All of
//! them but the last two only grow; those fall back when a suffix is replaced, which never reaches below `commit`.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    digest::{self, Digest},
    entry::{Entry, LogSlice},
    id::{ByteCount, EntryId, LogIndex, Term},
};

/// A replica's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// The entry before the first one kept.
    base: EntryId,
    entries: Vec<Entry>,
    /// For each entry a hash of the log up to it.
    chain: Vec<u128>,
    /// Handed to storage up to here.
    written: LogIndex,
    /// Acknowledged by storage up to here.
    durable: LogIndex,
    commit: LogIndex,
    /// Handed to the state machine up to here.
    handed_out: LogIndex,
    applied: LogIndex,
}

/// What a log made of entries that a leader sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It held them all already.
    Nothing,
    /// New entries were added at the end.
    Extended,
    /// Entries behind `kept` conflicted and were replaced.
    Replaced { kept: LogIndex },
}

impl Log {
    /// A log as recovered from storage: all of it is durable.
    pub(crate) fn new(recovered: &LogSlice, commit: LogIndex) -> Self {
        let base = recovered.prev();
        let last = recovered.last().index;
        assert!(base.index <= commit && commit <= last, "commit {commit} outside {base} to {last}");
        let mut log = Self {
            base,
            entries: Vec::new(),
            chain: Vec::new(),
            written: last,
            durable: last,
            commit,
            handed_out: base.index,
            applied: base.index,
        };
        for entry in recovered.entries() {
            log.push(entry.clone());
        }
        log
    }

    pub(crate) fn last(&self) -> EntryId {
        let index = LogIndex(self.base.index.0 + self.entries.len() as u64);
        self.entries.last().map_or(self.base, |entry| EntryId { term: entry.term, index })
    }

    pub(crate) fn commit(&self) -> LogIndex {
        self.commit
    }

    pub(crate) fn applied(&self) -> LogIndex {
        self.applied
    }

    pub(crate) fn handed_out(&self) -> LogIndex {
        self.handed_out
    }

    pub(crate) fn durable(&self) -> LogIndex {
        self.durable
    }

    /// Where the entry at `index` is kept, if it is.
    fn position(&self, index: LogIndex) -> Option<usize> {
        let position = usize::try_from(index.0.checked_sub(self.base.index.0 + 1)?).ok()?;
        (position < self.entries.len()).then_some(position)
    }

    /// How many of the entries kept stand at or before `index`, which must not be before the log.
    fn count_up_to(&self, index: LogIndex) -> usize {
        assert!(self.base.index <= index, "{index} was compacted, the log begins behind {}", self.base);
        usize::try_from(index.0 - self.base.index.0)
            .map_or(self.entries.len(), |count| count.min(self.entries.len()))
    }

    /// The term of the entry at `index`, or `None` where the log knows nothing: before its beginning or beyond
    /// its end. The term just before the first entry is known.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.position(index).map(|position| self.entries[position].term)
    }

    /// Whether the log holds this very entry.
    pub(crate) fn holds(&self, id: EntryId) -> bool {
        self.term(id.index) == Some(id.term)
    }

    /// The last entry at or before `probe.index` that may agree with a log in which `probe` stands: the last
    /// one whose term is not later than the probe's (§5.3 of the paper, the optimisation at its end; etcd's
    /// `findConflictByTerm`). `None` if nothing is known of it.
    pub(crate) fn last_possible_match(&self, probe: EntryId) -> Option<EntryId> {
        let mut index = probe.index.min(self.last().index);
        while probe.term < self.term(index)? {
            index = index.previous()?;
        }
        Some(EntryId { term: self.term(index)?, index })
    }

    /// Appends one entry.
    pub(crate) fn push(&mut self, entry: Entry) -> EntryId {
        let before = self.chain.last().copied().unwrap_or(0);
        self.chain.push(digest::chain(before, &entry));
        self.entries.push(entry);
        self.last()
    }

    /// The first of `slice` that this log holds another entry for, or none for.
    pub(crate) fn first_difference(&self, slice: &LogSlice) -> Option<EntryId> {
        slice.iter().map(|(id, _)| id).find(|&id| !self.holds(id))
    }

    /// Appends what a leader sent, whose `prev` must be held. Only a conflict removes entries: a message that
    /// arrives late must not cut off what a later one has added (§3.5).
    pub(crate) fn append(&mut self, slice: &LogSlice) -> Appended {
        assert!(self.holds(slice.prev()), "{} is not in the log", slice.prev());
        let Some(EntryId { index: first, .. }) = self.first_difference(slice) else {
            return Appended::Nothing;
        };
        let replaced = first <= self.last().index;
        let kept = first.previous().unwrap_or_default();
        if replaced {
            self.truncate(kept);
        }
        let new = slice.after(kept);
        for entry in new.iter().flat_map(LogSlice::entries) {
            self.push(entry.clone());
        }
        if replaced { Appended::Replaced { kept } } else { Appended::Extended }
    }

    /// Removes every entry behind `kept`.
    fn truncate(&mut self, kept: LogIndex) {
        assert!(
            self.commit <= kept,
            "committed entries are never removed: commit {}, kept {kept}",
            self.commit
        );
        let count = self.count_up_to(kept);
        self.entries.truncate(count);
        self.chain.truncate(count);
        self.written = self.written.min(kept);
        self.durable = self.durable.min(kept);
    }

    /// The entries behind `index`, as many as fit in `limit`, but at least one if there is any. `None` if that
    /// part of the log is not kept.
    pub(crate) fn slice_after(&self, index: LogIndex, limit: ByteCount) -> Option<LogSlice> {
        let prev = EntryId { term: self.term(index)?, index };
        let rest = &self.entries[self.count_up_to(index)..];
        let mut size = 0u64;
        let fitting = rest.iter().take_while(|entry| {
            size = size.saturating_add(entry.payload.size().0);
            size <= limit.0
        });
        let count = fitting.count().max(1).min(rest.len());
        Some(LogSlice::of_log(prev, Arc::from(&rest[..count])))
    }

    fn slice_between(&self, after: LogIndex, last: LogIndex) -> Option<LogSlice> {
        if last <= after {
            return None;
        }
        let term = self.term(after)?;
        let entries = &self.entries[self.count_up_to(after)..self.count_up_to(last)];
        Some(LogSlice::of_log(EntryId { term, index: after }, Arc::from(entries)))
    }

    /// Hands out what storage has not been given yet.
    pub(crate) fn take_unwritten(&mut self) -> Option<LogSlice> {
        let slice = self.slice_between(self.written, self.last().index)?;
        self.written = self.last().index;
        Some(slice)
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        self.written < self.last().index
    }

    /// Storage has made the log durable up to `index`.
    pub(crate) fn persisted(&mut self, index: LogIndex) {
        assert!(index <= self.written, "durable up to {index}, but written only up to {}", self.written);
        self.durable = self.durable.max(index);
    }

    /// Moves the commit index forward, never back. Whether it moved.
    pub(crate) fn commit_to(&mut self, index: LogIndex) -> bool {
        assert!(index <= self.last().index, "commit {index} beyond the last entry {}", self.last());
        let moves = self.commit < index;
        self.commit = self.commit.max(index);
        moves
    }

    /// The last index that may be applied now.
    fn applicable(&self, apply_before_durable: bool) -> LogIndex {
        if apply_before_durable { self.commit } else { self.commit.min(self.durable) }
    }

    pub(crate) fn has_applicable(&self, apply_before_durable: bool) -> bool {
        self.handed_out < self.applicable(apply_before_durable)
    }

    /// Hands out the committed entries that have not been handed out yet.
    pub(crate) fn take_applicable(&mut self, apply_before_durable: bool) -> Option<LogSlice> {
        let slice = self.slice_between(self.handed_out, self.applicable(apply_before_durable))?;
        self.handed_out = slice.last().index;
        Some(slice)
    }

    /// The state machine has applied everything up to `index`.
    pub(crate) fn applied_to(&mut self, index: LogIndex) {
        assert!(
            self.applied <= index && index <= self.handed_out,
            "applied {index}, outside {} to {}",
            self.applied,
            self.handed_out
        );
        self.applied = index;
    }

    pub(crate) fn assert_invariants(&self) {
        let last = self.last().index;
        assert!(self.base.index <= self.applied, "applied {} before {}", self.applied, self.base);
        assert!(self.applied <= self.handed_out, "applied {} of {}", self.applied, self.handed_out);
        assert!(self.handed_out <= self.commit, "handed out {} of {}", self.handed_out, self.commit);
        assert!(self.commit <= last, "commit {} of {last}", self.commit);
        assert!(self.durable <= self.written, "durable {} of {}", self.durable, self.written);
        assert!(self.written <= last, "written {} of {last}", self.written);
        assert_eq!(self.entries.len(), self.chain.len(), "a hash for every entry");
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self { base, entries, chain, written, durable, commit, handed_out, applied } = self;
        digest.entry_id(*base);
        digest.number(entries.len() as u64);
        digest.wide(chain.last().copied().unwrap_or(0));
        for index in [written, durable, commit, handed_out, applied] {
            digest.number(index.0);
        }
    }
}
