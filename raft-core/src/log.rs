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
    entries: Vec<Entry>,
    /// For each entry a hash of the log up to it.
    chain: Vec<u128>,
    /// For each entry the size of the log up to it, as encoded.
    sizes: Vec<ByteCount>,
    /// The size of what was compacted.
    size_base: ByteCount,
    /// The hash of what was compacted. A log that was recovered, or replaced by a snapshot, begins a new chain.
    chain_base: u128,
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
            entries: Vec::new(),
            chain: Vec::new(),
            chain_base: 0,
            sizes: Vec::new(),
            size_base: ByteCount(0),
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

    /// The end of the log, unless it is known to be durable.
    pub(crate) fn end_not_durable(&self) -> Option<EntryId> {
        let last = self.last();
        (self.durable.max(self.base.index) < last.index).then_some(last)
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
    /// its end. What it keeps of the entry before its beginning is the term.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.position(index).map(|position| self.entries[position].term)
    }

    /// What the entry at `index` carries, if it is kept.
    pub(crate) fn payload(&self, index: LogIndex) -> Option<&Payload> {
        self.position(index).map(|position| &self.entries[position].payload)
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
        let before = self.chain_end();
        self.chain.push(digest::chain(before, &entry));
        let index = self.last().index.next();
        let size = self.sizes.last().unwrap_or(&self.size_base).0 + entry.encoded_size(index).0;
        self.sizes.push(ByteCount(size));
        self.entries.push(entry);
        self.last()
    }

    fn chain_end(&self) -> u128 {
        self.chain.last().copied().unwrap_or(self.chain_base)
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
        self.entries.truncate(count);
        self.chain.truncate(count);
        self.recent = Recent(LogSlice::empty(self.last()));
        self.sizes.truncate(count);
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
        self.entries.drain(..count);
        self.chain_base = self.chain.drain(..count).next_back().unwrap_or(self.chain_base);
        self.size_base = self.sizes.drain(..count).next_back().unwrap_or(self.size_base);
    }

    /// A snapshot takes the place of the whole log. All that is known of the storage is what was committed before.
    pub(crate) fn restore(&mut self, snapshot: EntryId) {
        let Self {
            base,
            entries,
            chain,
            chain_base,
            sizes,
            size_base,
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
        entries.clear();
        chain.clear();
        *chain_base = 0;
        *recent = Recent(LogSlice::empty(snapshot));
        sizes.clear();
        *size_base = ByteCount(0);
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
            if condition(&self.entries[self.position(index)?]) {
                return Some(index);
            }
        }
        None
    }

    /// The entries behind `index`, as many as fit in `limit`, but at least one if there is any. `None` if that
    /// part of the log is not kept.
    pub(crate) fn slice_after(&mut self, index: LogIndex, limit: ByteCount) -> Option<LogSlice> {
        let prev = EntryId { term: self.term(index)?, index };
        let rest = &self.entries[self.count_up_to(index)..];
        let mut size = 0u64;
        let fitting = rest.iter().take_while(|entry| {
            size = size.saturating_add(entry.payload.size().0);
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
        if let Some(slice) = self.recent.0.part(prev.index, count) {
            return slice;
        }
        let begin = self.count_up_to(prev.index);
        let slice = LogSlice::of_log(prev, &self.entries[begin..begin + count]);
        self.recent = Recent(slice.clone());
        slice
    }

    /// All of it.
    pub(crate) fn whole(&self) -> LogSlice {
        LogSlice::of_log(self.base, &self.entries)
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
        count.checked_sub(1).map_or(self.size_base, |last| self.sizes[last])
    }

    /// The payload bytes of the entries behind `after` up to `last`, as far as they are kept.
    pub(crate) fn payload_bytes(&self, after: LogIndex, last: LogIndex) -> ByteCount {
        let begin = self.base.index.max(after);
        let entries = self.entries.iter().skip(self.count_up_to(begin));
        let indexes = begin.0 + 1..=last.0;
        ByteCount(entries.zip(indexes).map(|(entry, _)| entry.payload.size().0).sum())
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
        assert_eq!(self.entries.len(), self.chain.len(), "a hash for every entry");
        let recent = self.recent.0.last();
        assert!(self.recent.0.is_empty() || self.holds(recent), "{recent} is shared and not in the log");
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self {
            base,
            entries,
            chain: _,
            chain_base: _,
            sizes: _,
            size_base: _,
            written,
            durable,
            commit,
            handed_out,
            applied,
            applying: Applying { bytes, paused },
            recent: _,
        } = self;
        digest.entry_id(*base);
        digest.number(entries.len() as u64);
        digest.wide(self.chain_end());
        for index in [written, durable, commit, handed_out, applied] {
            digest.number(index.0);
        }
        digest.number(bytes.0);
        digest.flag(*paused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Payload;

    fn at(term: u64, index: u64) -> EntryId {
        EntryId::new(term, index)
    }

    /// Entries of these terms, each with its index for a payload.
    fn slice(prev: EntryId, terms: &[u64]) -> LogSlice {
        let entries = (prev.index.0 + 1..).zip(terms).map(|(index, &term)| Entry {
            term: Term(term),
            payload: Payload::Command(index.to_le_bytes().to_vec().into()),
        });
        LogSlice::new(prev, entries.collect()).expect("terms in order")
    }

    fn log(terms: &[u64]) -> Log {
        Log::new(&slice(EntryId::ORIGIN, terms), LogIndex(0), LogIndex(0))
    }

    fn terms(log: &Log) -> Vec<u64> {
        log.entries.iter().map(|entry| entry.term.0).collect()
    }

    fn digest_of(log: &Log) -> u128 {
        let mut digest = Digest::default();
        log.digest(&mut digest);
        digest.finish()
    }

    #[test]
    fn the_term_of_an_entry_is_known_from_the_one_before_the_log_to_its_end() {
        let log = Log::new(&slice(at(2, 5), &[2, 3]), LogIndex(5), LogIndex(5));
        let known = [4, 5, 6, 7, 8, u64::MAX].map(|index| log.term(LogIndex(index)).map(|term| term.0));
        assert_eq!(known, [None, Some(2), Some(2), Some(3), None, None]);
        assert!(log.holds(at(3, 7)) && !log.holds(at(2, 7)) && !log.holds(at(3, 8)));
        assert_eq!(log.last(), at(3, 7));
        assert_eq!(Log::new(&slice(at(2, 5), &[]), LogIndex(5), LogIndex(5)).last(), at(2, 5));
    }

    #[test]
    fn a_possible_match_is_the_last_entry_of_no_later_term() {
        let log = Log::new(&slice(at(2, 5), &[2, 4, 4, 7]), LogIndex(5), LogIndex(5));
        for (probe, expected) in [
            (at(7, 9), at(7, 9)),
            (at(9, u64::MAX), at(7, 9)),
            (at(6, 9), at(4, 8)),
            (at(3, 9), at(2, 6)),
            (at(4, 7), at(4, 7)),
            (at(2, 8), at(2, 6)),
            (at(2, 5), at(2, 5)),
            (at(1, 9), at(0, 4)),
            (at(9, 4), at(0, 4)),
        ] {
            assert_eq!(log.last_possible_match(probe), expected, "{probe}");
        }
    }

    /// Every short log against every short message, by the rules of Figure 2, receiver implementation 3 and 4.
    #[test]
    fn appending_removes_what_conflicts_and_adds_what_is_missing() {
        let runs: Vec<Vec<u64>> = (0..4u64.pow(4))
            .map(|code| {
                (0..4).map(|digit| code / 4u64.pow(digit) % 4).take_while(|&term| term != 0).collect()
            })
            .filter(|run: &Vec<u64>| run.is_sorted())
            .collect();
        for (old, new) in runs.iter().flat_map(|old| runs.iter().map(move |new| (old, new))) {
            for prev in 0..=old.len().min(new.len()) {
                if old[..prev] != new[..prev] {
                    continue;
                }
                let prev_id = at(prev.checked_sub(1).map_or(0, |last| new[last]), prev as u64);
                let mut log = log(old);
                let appended = log.append(&slice(prev_id, &new[prev..]));
                log.assert_invariants();
                let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
                let (expected, outcome) = if same == new.len() {
                    (old, Appended::Nothing)
                } else if same == old.len() {
                    (new, Appended::Extended)
                } else {
                    (new, Appended::Replaced { kept: LogIndex(same as u64) })
                };
                assert_eq!(
                    (&terms(&log), appended),
                    (expected, outcome),
                    "{old:?} with {new:?} behind {prev}"
                );
                let durable = if appended == Appended::Nothing { old.len() } else { same };
                assert_eq!(log.durable(), LogIndex(durable as u64));
                assert_eq!(log.has_unwritten(), appended != Appended::Nothing);
            }
        }
    }

    #[test]
    #[should_panic(expected = "committed entries are never removed")]
    fn committed_entries_are_not_replaced() {
        let mut log = log(&[1, 1]);
        log.commit_to(LogIndex(1));
        log.append(&slice(EntryId::ORIGIN, &[2]));
    }

    #[test]
    fn entries_are_shared_by_all_who_want_the_same_ones_and_never_after_they_were_replaced() {
        let shares = |left: &LogSlice, right: &LogSlice| core::ptr::eq(left.entries(), right.entries());
        let mut log = log(&[]);
        for _ in 0..2 {
            log.push(Entry { term: Term(1), payload: Payload::Noop });
        }
        let sent = log.slice_after(LogIndex(0), ByteCount::UNLIMITED).expect("it is kept");
        assert!(shares(&sent, &log.slice_after(LogIndex(0), ByteCount::UNLIMITED).expect("it is kept")));
        assert!(shares(&sent, &log.take_unwritten().expect("all of it")));
        let received = slice(at(1, 1), &[2, 2]);
        assert_eq!(log.append(&received), Appended::Replaced { kept: LogIndex(1) });
        assert!(shares(&received, &log.take_unwritten().expect("what was received")));
        assert_eq!(log.slice_after(LogIndex(1), ByteCount::UNLIMITED), Some(received));
        assert_eq!(terms(&log), [1, 2, 2]);
    }

    #[test]
    fn a_slice_holds_what_fits_and_one_entry_in_any_case() {
        let mut log = log(&[1, 1, 1]); // of 8 bytes each
        let mut lengths = |after: u64| {
            [0, 8, 15, 16, u64::MAX]
                .map(|limit| log.slice_after(LogIndex(after), ByteCount(limit)).expect("it is kept").len())
        };
        assert_eq!(lengths(0), [1, 1, 1, 2, 3]);
        assert_eq!(lengths(2), [1, 1, 1, 1, 1]);
        assert_eq!(lengths(3), [0, 0, 0, 0, 0]);
        assert_eq!(log.slice_after(LogIndex(4), ByteCount::UNLIMITED), None);
        let part = log.slice_after(LogIndex(1), ByteCount::UNLIMITED).expect("it is kept");
        assert_eq!(part, slice(at(1, 1), &[1, 1]));
    }

    #[test]
    fn each_entry_is_written_once_and_again_only_if_it_was_replaced() {
        let mut log = log(&[1]);
        assert_eq!(log.take_unwritten(), None, "recovered entries are durable");
        log.append(&slice(at(1, 1), &[1, 1]));
        assert_eq!(log.take_unwritten(), Some(slice(at(1, 1), &[1, 1])));
        assert_eq!(log.take_unwritten(), None);
        log.persisted(LogIndex(2));
        log.persisted(LogIndex(1));
        assert_eq!(log.durable(), LogIndex(2), "it only grows");
        log.append(&slice(at(1, 1), &[2]));
        assert_eq!(log.durable(), LogIndex(1));
        assert_eq!(log.take_unwritten(), Some(slice(at(1, 1), &[2])));
    }

    #[test]
    fn committed_entries_are_handed_out_once_they_are_durable_or_before() {
        let mut log = log(&[1, 1]);
        log.append(&slice(at(1, 2), &[1]));
        assert!(!log.has_applicable(true));
        assert!(log.commit_to(LogIndex(3)) && !log.commit_to(LogIndex(3)) && !log.commit_to(LogIndex(1)));
        assert_eq!(log.commit(), LogIndex(3));
        assert_eq!(log.take_applicable(false, ByteCount::UNLIMITED), Some(slice(EntryId::ORIGIN, &[1, 1])));
        assert!(!log.has_applicable(false) && log.has_applicable(true));
        assert_eq!(log.take_applicable(true, ByteCount::UNLIMITED), Some(slice(at(1, 2), &[1])));
        log.applied_to(LogIndex(3), ByteCount::UNLIMITED);
        assert_eq!((log.applied(), log.handed_out()), (LogIndex(3), LogIndex(3)));
    }

    /// Pages of at most the quota, one entry at least, and nothing more while the quota is used up or did not suffice.
    #[test]
    fn committed_entries_are_handed_out_in_pages() {
        let size = Entry { term: Term(1), payload: Payload::Command([0; 8].to_vec().into()) };
        let size = size.encoded_size(LogIndex(1)).0;
        for (quota, page) in
            [(1, 1), (size, 1), (2 * size - 1, 1), (2 * size, 2), (3 * size, 3), (u64::MAX, 5)]
        {
            let mut log = log(&[1; 5]);
            log.commit_to(LogIndex(5));
            let mut applied = 0;
            while applied < 5 {
                let slice = log.take_applicable(false, ByteCount(quota)).expect("there is more");
                let expected = page.min(5 - applied);
                assert_eq!(slice.len() as u64, expected, "quota {quota}");
                assert!(!log.has_applicable(false), "quota {quota}");
                assert_eq!(log.take_applicable(false, ByteCount(quota)), None);
                applied += expected;
                log.applied_to(LogIndex(applied), ByteCount(quota));
            }
            assert_eq!(log.applying, Applying::default());
        }
    }

    /// What is not applied yet uses the quota up.
    #[test]
    fn a_page_is_smaller_while_an_earlier_one_is_being_applied() {
        let mut log = log(&[1; 6]);
        let quota = ByteCount(40); // three of them and a bit
        log.commit_to(LogIndex(2));
        assert_eq!(log.take_applicable(false, quota).map(|slice| slice.len()), Some(2));
        log.commit_to(LogIndex(6));
        assert_eq!(log.take_applicable(false, quota).map(|slice| slice.len()), Some(1));
        assert!(!log.has_applicable(false), "there was no room for the fourth");
        log.applied_to(LogIndex(1), quota);
        assert_eq!(log.take_applicable(false, quota).map(|slice| slice.len()), Some(1));
    }

    #[test]
    fn a_recovered_log_is_applied_from_its_beginning() {
        let mut log = Log::new(&slice(at(2, 5), &[2, 3]), LogIndex(6), LogIndex(5));
        assert_eq!(log.applied(), LogIndex(5));
        assert_eq!(log.take_applicable(false, ByteCount::UNLIMITED), Some(slice(at(2, 5), &[2])));
    }

    /// However a log came to be, equal logs have equal digests, and an entry makes a difference wherever it stands.
    #[test]
    fn the_digest_of_a_log_is_that_of_its_entries() {
        let mut grown = log(&[1, 1]);
        grown.append(&slice(at(1, 1), &[2, 2]));
        grown.take_unwritten();
        grown.persisted(LogIndex(3));
        assert_eq!(grown, log(&[1, 2, 2]));
        let digests =
            [&[1, 2, 2][..], &[1, 1, 2], &[2, 2, 2], &[1, 2, 3], &[1, 2], &[]].map(|t| digest_of(&log(t)));
        for (position, digest) in digests.iter().enumerate() {
            assert!(!digests[..position].contains(digest), "log {position}");
        }
        let with_payload = |payload| {
            let mut log = log(&[]);
            log.push(Entry { term: Term(1), payload });
            log.push(Entry { term: Term(1), payload: Payload::Noop });
            digest_of(&log)
        };
        let payloads = [Payload::Noop, Payload::Command("".into()), Payload::Command("x".into())];
        let [noop, empty, command] = payloads.map(with_payload);
        assert!(noop != empty && empty != command && noop != command);
    }
}
