//! The log in memory (Figure 2, "log[]"), from the last compaction on, and how far each of its uses has come.
//!
//! Invariants: `applied <= handed out to be applied <= commit <= last`, and `durable <= written <= last`. All of
//! them but the last two only grow; those fall back when a suffix is replaced, which never reaches below `commit`.
//!
//! A log whose beginning was compacted begins behind its `base`. It was replaced by a snapshot as long as `durable`
//! lies before `base`: until the snapshot is durable nothing is applied and nothing is known to be kept.

use alloc::vec::Vec;

use crate::{
    digest::{self, Digest},
    entry::{Entry, LogSlice, Payload},
    id::{ByteCount, EntryId, LogIndex, Term},
};

/// A replica's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// The entry before the first one kept.
    base: EntryId,
    records: Vec<Record>,
    /// What was compacted sums up to this. A log that was recovered, or replaced by a snapshot, begins anew.
    sum_base: Sum,
    /// Handed to storage up to here.
    written: LogIndex,
    /// Acknowledged by storage up to here.
    durable: LogIndex,
    commit: LogIndex,
    /// Handed to the state machine up to here.
    handed_out: LogIndex,
    applied: LogIndex,
    applying: Applying,
    recent: Recent,
}

/// An entry, and what the log sums up to with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    entry: Entry,
    sum: Sum,
}

/// What a log sums up to: whoever asks for the whole of it need not walk through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    /// A hash of all its entries.
    chain: u128,
    /// Its size, as encoded.
    size: ByteCount,
}

/// The run of entries of this log that was last taken in or handed out: whoever wants the same ones next, another
/// follower or the storage, shares it. It decides nothing, so two logs are equal whatever it is.
#[derive(Clone, Debug)]
struct Recent(LogSlice);

impl PartialEq for Recent {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Recent {}

/// How much the state machine has been handed out and not yet applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Applying {
    bytes: ByteCount,
    /// Nothing more is handed out before something is applied: the quota is used up, or did not suffice.
    paused: bool,
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
    /// A log as recovered from storage: all of it is durable. The state machine holds everything up to `applied`.
    pub(crate) fn new(recovered: &LogSlice, commit: LogIndex, applied: LogIndex) -> Self {
        let base = recovered.prev();
        let last = recovered.last().index;
        assert!(base.index <= applied && applied <= commit, "applied {applied} outside {base} to {commit}");
        assert!(commit <= last, "commit {commit} beyond the last index {last}");
        let mut log = Self {
            base,
            records: Vec::new(),
            sum_base: Sum::default(),
            written: last,
            durable: last,
            commit,
            handed_out: applied,
            applied,
            applying: Applying::default(),
            recent: Recent(LogSlice::empty(base)),
        };
        for entry in recovered.entries() {
            log.push(entry.clone());
        }
        log
    }

    /// The entry before the first one kept.
    pub(crate) fn base(&self) -> EntryId {
        self.base
    }

    pub(crate) fn last(&self) -> EntryId {
        let index = LogIndex(self.base.index.0 + self.records.len() as u64);
        self.records.last().map_or(self.base, |record| EntryId { term: record.entry.term, index })
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

    /// The end of the log, unless it is known to be durable.
    pub(crate) fn end_not_durable(&self) -> Option<EntryId> {
        let last = self.last();
        (self.durable.max(self.base.index) < last.index).then_some(last)
    }

    /// Where the entry at `index` is kept, if it is.
    fn position(&self, index: LogIndex) -> Option<usize> {
        let position = usize::try_from(index.0.checked_sub(self.base.index.0 + 1)?).ok()?;
        (position < self.records.len()).then_some(position)
    }

    /// How many of the entries kept stand at or before `index`, which must not be before the log.
    fn count_up_to(&self, index: LogIndex) -> usize {
        assert!(self.base.index <= index, "{index} was compacted, the log begins behind {}", self.base);
        usize::try_from(index.0 - self.base.index.0)
            .map_or(self.records.len(), |count| count.min(self.records.len()))
    }

    /// The term of the entry at `index`, or `None` where the log knows nothing: before its beginning or beyond
    /// its end. What it keeps of the entry before its beginning is the term.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.position(index).map(|position| self.records[position].entry.term)
    }

    /// What the entry at `index` carries, if it is kept.
    pub(crate) fn payload(&self, index: LogIndex) -> Option<&Payload> {
        self.position(index).map(|position| &self.records[position].entry.payload)
    }

    /// Whether the log holds this very entry.
    pub(crate) fn holds(&self, id: EntryId) -> bool {
        self.term(id.index) == Some(id.term)
    }

    /// The last entry at or before `probe.index` that may agree with a log in which `probe` stands: the last
    /// one whose term is not later than the probe's (§5.3 of the paper, the optimisation at its end; etcd's
    /// `findConflictByTerm`). Where nothing is known any more the term is 0.
    pub(crate) fn last_possible_match(&self, probe: EntryId) -> EntryId {
        let mut index = probe.index.min(self.last().index);
        while let Some(term) = self.term(index) {
            if term <= probe.term {
                return EntryId { term, index };
            }
            let Some(previous) = index.previous() else { break };
            index = previous;
        }
        EntryId { term: Term(0), index }
    }

    /// Appends one entry.
    pub(crate) fn push(&mut self, entry: Entry) -> EntryId {
        let id = EntryId { term: entry.term, index: self.last().index.next() };
        let before = self.sum();
        let chain = digest::chain(before.chain, &entry);
        let size = ByteCount(before.size.0 + entry.encoded_size(id.index).0);
        self.records.push(Record { entry, sum: Sum { chain, size } });
        id
    }

    /// What the whole log sums up to.
    fn sum(&self) -> Sum {
        self.records.last().map_or(self.sum_base, |record| record.sum)
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
        let new = slice.after(kept).unwrap_or_else(|| panic!("{kept} is not in {slice:?}"));
        for entry in new.entries() {
            self.push(entry.clone());
        }
        self.recent = Recent(new);
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
        self.records.truncate(count);
        self.recent = Recent(LogSlice::empty(self.last()));
        self.written = self.written.min(kept);
        self.durable = self.durable.min(kept);
    }

    /// Removes every entry up to `index`, which is applied.
    pub(crate) fn compact(&mut self, index: LogIndex) {
        assert!(index <= self.applied, "compacted up to {index}, but applied only up to {}", self.applied);
        let Some(term) = self.term(index) else { return };
        let count = self.count_up_to(index);
        self.base = EntryId { term, index };
        // It would keep alive what is to be forgotten.
        self.recent = Recent(LogSlice::empty(self.base));
        self.sum_base = self.records.drain(..count).next_back().map_or(self.sum_base, |record| record.sum);
    }

    /// A snapshot takes the place of the whole log. All that is known of the storage is what was committed before.
    pub(crate) fn restore(&mut self, snapshot: EntryId) {
        let Self {
            base,
            records,
            sum_base,
            written,
            durable,
            commit,
            handed_out: _,
            applied: _,
            applying: _,
            recent,
        } = self;
        assert!(*commit < snapshot.index, "a snapshot up to {snapshot} goes back behind commit {commit}");
        *durable = (*durable).min(*commit);
        *base = snapshot;
        records.clear();
        *sum_base = Sum::default();
        *recent = Recent(LogSlice::empty(snapshot));
        *written = snapshot.index;
        *commit = snapshot.index;
    }

    /// The snapshot that took the place of the log is durable, and the state machine has been set to it.
    pub(crate) fn restored(&mut self) {
        self.durable = self.durable.max(self.base.index);
        self.handed_out = self.handed_out.max(self.base.index);
        self.applied = self.applied.max(self.base.index);
        self.applying = Applying::default();
    }

    /// Whether a snapshot has taken the place of the log and is not durable yet.
    pub(crate) fn is_restoring(&self) -> bool {
        self.durable < self.base.index
    }

    /// The first entry behind `after` and up to `last` that meets a condition.
    pub(crate) fn find_between(
        &self,
        after: LogIndex,
        last: LogIndex,
        condition: impl Fn(&Entry) -> bool,
    ) -> Option<LogIndex> {
        let mut index = after.max(self.base.index);
        while index < last {
            index = index.next();
            if condition(&self.records[self.position(index)?].entry) {
                return Some(index);
            }
        }
        None
    }

    /// The entries behind `index`, as many as fit in `limit`, but at least one if there is any. `None` if that
    /// part of the log is not kept.
    pub(crate) fn slice_after(&mut self, index: LogIndex, limit: ByteCount) -> Option<LogSlice> {
        let prev = EntryId { term: self.term(index)?, index };
        let rest = &self.records[self.count_up_to(index)..];
        let mut size = 0u64;
        let fitting = rest.iter().take_while(|record| {
            size = size.saturating_add(record.entry.payload.size().0);
            size <= limit.0
        });
        let count = fitting.count().max(1).min(rest.len());
        Some(self.share(prev, count))
    }

    /// So many entries behind `prev`, which are all in the log.
    fn share(&mut self, prev: EntryId, count: usize) -> LogSlice {
        if count == 0 {
            return LogSlice::empty(prev);
        }
        if let Some(slice) = self.recent.0.part(prev, count) {
            assert!(self.holds(slice.last()), "{} is shared and not in the log", slice.last());
            return slice;
        }
        let begin = self.count_up_to(prev.index);
        let slice = Self::slice(prev, &self.records[begin..begin + count]);
        self.recent = Recent(slice.clone());
        slice
    }

    /// All of it.
    pub(crate) fn whole(&self) -> LogSlice {
        Self::slice(self.base, &self.records)
    }

    /// The entries of these records, which stand behind `prev`.
    fn slice(prev: EntryId, records: &[Record]) -> LogSlice {
        LogSlice::of_log(prev, records.iter().map(|record| record.entry.clone()))
    }

    fn slice_between(&mut self, after: LogIndex, last: LogIndex) -> Option<LogSlice> {
        if last <= after {
            return None;
        }
        let term = self.term(after)?;
        let count = self.count_up_to(last) - self.count_up_to(after);
        Some(self.share(EntryId { term, index: after }, count))
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
        if self.is_restoring() {
            self.handed_out
        } else if apply_before_durable {
            self.commit
        } else {
            self.commit.min(self.durable)
        }
    }

    pub(crate) fn has_applicable(&self, apply_before_durable: bool) -> bool {
        !self.applying.paused && self.handed_out < self.applicable(apply_before_durable)
    }

    /// Hands out the committed entries that have not been handed out yet, as many as `quota` leaves room for.
    pub(crate) fn take_applicable(
        &mut self,
        apply_before_durable: bool,
        quota: ByteCount,
    ) -> Option<LogSlice> {
        if !self.has_applicable(apply_before_durable) {
            return None;
        }
        let applicable = self.applicable(apply_before_durable);
        let (last, bytes) = self.page(applicable, quota);
        let slice = self.slice_between(self.handed_out, last)?;
        self.handed_out = last;
        self.applying.bytes.0 += bytes.0;
        self.applying.paused = quota <= self.applying.bytes || last < applicable;
        Some(slice)
    }

    /// Up to where entries may be handed out next, one at least, and how much that is.
    fn page(&self, applicable: LogIndex, quota: ByteCount) -> (LogIndex, ByteCount) {
        let before = self.size_up_to(self.handed_out);
        let size = |last| ByteCount(self.size_up_to(last).0 - before.0);
        let all = size(applicable);
        let room = ByteCount(quota.0.saturating_sub(self.applying.bytes.0));
        if all <= room {
            return (applicable, all);
        }
        let first = self.handed_out.next();
        let behind = (first.0 + 1..=applicable.0).map(LogIndex).find(|&index| room < size(index));
        let last = behind.and_then(LogIndex::previous).unwrap_or(applicable);
        (last, size(last))
    }

    /// The size of the log up to `index`, which must be kept, as encoded. Only differences mean anything.
    fn size_up_to(&self, index: LogIndex) -> ByteCount {
        let count = self.count_up_to(index);
        count.checked_sub(1).map_or(self.sum_base, |last| self.records[last].sum).size
    }

    /// The payload bytes of the entries behind `after` up to `last`, as far as they are kept.
    pub(crate) fn payload_bytes(&self, after: LogIndex, last: LogIndex) -> ByteCount {
        let begin = self.base.index.max(after);
        let records = self.records.iter().skip(self.count_up_to(begin));
        let indexes = begin.0 + 1..=last.0;
        ByteCount(records.zip(indexes).map(|(record, _)| record.entry.payload.size().0).sum())
    }

    /// The state machine has applied everything up to `index`.
    pub(crate) fn applied_to(&mut self, index: LogIndex, quota: ByteCount) {
        assert!(
            self.applied <= index && index <= self.handed_out,
            "applied {index}, outside {} to {}",
            self.applied,
            self.handed_out
        );
        // (Of entries that a snapshot has taken the place of nothing is known, and nothing matters.)
        if self.base.index <= self.applied {
            let bytes = self.size_up_to(index).0 - self.size_up_to(self.applied).0;
            self.applying.bytes.0 = self.applying.bytes.0.saturating_sub(bytes);
        }
        self.applying.paused = quota <= self.applying.bytes;
        self.applied = index;
    }

    pub(crate) fn assert_invariants(&self) {
        let last = self.last().index;
        let begins = self.base.index <= self.applied || self.is_restoring();
        assert!(begins, "applied {} before {}", self.applied, self.base);
        assert!(self.applied <= self.handed_out, "applied {} of {}", self.applied, self.handed_out);
        assert!(self.handed_out <= self.commit, "handed out {} of {}", self.handed_out, self.commit);
        assert!(self.commit <= last, "commit {} of {last}", self.commit);
        assert!(self.durable <= self.written, "durable {} of {}", self.durable, self.written);
        assert!(self.written <= last, "written {} of {last}", self.written);
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            base,
            records,
            sum_base: _,
            written,
            durable,
            commit,
            handed_out,
            applied,
            applying: Applying { bytes, paused },
            recent: _,
        } = self;
        digest.entry_id(*base);
        digest.number(records.len() as u64);
        digest.wide(self.sum().chain);
        for index in [written, durable, commit, handed_out, applied] {
            digest.number(index.0);
        }
        digest.number(bytes.0);
        digest.flag(*paused);
    }
}

#[cfg(test)]
mod tests;
