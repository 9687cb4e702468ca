//! What the records of a log add up to.

use raft_core::{Entry, EntryId, HardState, LogIndex, LogSlice, Term};

use crate::{frame::Record, snapshot_file::NamedSnapshot};

/// The state of a server as of some record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) hard_state: HardState,
    pub(crate) commit: LogIndex,
    pub(crate) snapshot: Option<NamedSnapshot>,
    /// The entry before the first one: everything up to here is only in the snapshot.
    base: EntryId,
    entries: Vec<Entry>,
}

impl Default for LogState {
    /// Before the first record.
    fn default() -> Self {
        Self {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            snapshot: None,
            base: EntryId::ORIGIN,
            entries: Vec::new(),
        }
    }
}

impl LogState {
    /// The last entry, or the base.
    pub(crate) fn last(&self) -> EntryId {
        let index = LogIndex(self.base.index.0 + self.entries.len() as u64);
        self.entries.last().map_or(self.base, |entry| EntryId { term: entry.term, index })
    }

    /// How many entries stand at or before `index`; `None` if it lies outside the log.
    fn count_up_to(&self, index: LogIndex) -> Option<usize> {
        let count = usize::try_from(index.0.checked_sub(self.base.index.0)?).ok()?;
        (count <= self.entries.len()).then_some(count)
    }

    fn term(&self, index: LogIndex) -> Option<Term> {
        let count = self.count_up_to(index)?;
        Some(count.checked_sub(1).map_or(self.base.term, |last| self.entries[last].term))
    }

    /// Whether the log holds this entry, or begins behind it.
    pub(crate) fn contains(&self, id: EntryId) -> bool {
        self.term(id.index) == Some(id.term)
    }

    /// The whole log.
    pub(crate) fn log(&self) -> LogSlice {
        LogSlice::new(self.base, self.entries.clone()).expect("slices that attach make one slice")
    }

    /// What [`last`](Self::last) would be after [`apply`](Self::apply).
    ///
    /// # Errors
    /// When the record does not fit.
    pub(crate) fn last_after(&self, record: &Record) -> Result<EntryId, Misfit> {
        let Record { hard_state: _, commit: _, snapshot, entries } = record;
        match (snapshot.as_ref().map(|snapshot| snapshot.meta.last), entries) {
            (None, None) => Ok(self.last()),
            (None, Some(entries)) if self.contains(entries.prev()) => Ok(entries.last()),
            (Some(snapshot), None) if self.contains(snapshot) => Ok(self.last()),
            (Some(snapshot), Some(entries)) if entries.prev() == snapshot => Ok(entries.last()),
            (_, Some(entries)) => Err(Misfit::Detached { prev: entries.prev(), last: self.last() }),
            (Some(snapshot), None) => Err(Misfit::SnapshotOutsideLog { snapshot, last: self.last() }),
        }
    }

    /// Brings the state up to date.
    ///
    /// # Errors
    /// When the record does not fit; nothing has changed then.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Misfit> {
        self.last_after(record)?;
        let Record { hard_state, commit, snapshot, entries } = record;
        self.hard_state = *hard_state;
        self.commit = *commit;
        if let Some(entries) = entries {
            if snapshot.is_some() {
                self.restart_behind(entries.prev());
            }
            // They attach, so at most all of ours stand before them.
            self.entries.truncate(self.count_up_to(entries.prev().index).unwrap_or(0));
            self.entries.extend_from_slice(entries.entries());
        }
        if snapshot.is_some() {
            self.snapshot.clone_from(snapshot);
        }
        Ok(())
    }

    /// The state after the first record of a file. It may continue a log that was begun in another file: then it
    /// carries all of it that is left, and the snapshot that covers the rest.
    ///
    /// # Errors
    /// When it is no such record.
    pub(crate) fn begin(record: &Record) -> Result<Self, Misfit> {
        let mut state = Self::default();
        let Record { hard_state, commit, snapshot, entries } = record;
        let (Some(snapshot), Some(entries)) = (snapshot, entries) else {
            state.apply(record)?;
            return Ok(state);
        };
        state.restart_behind(entries.prev());
        state.entries.extend_from_slice(entries.entries());
        if !state.contains(snapshot.meta.last) {
            let (snapshot, last) = (snapshot.meta.last, state.last());
            return Err(Misfit::SnapshotOutsideLog { snapshot, last });
        }
        Ok(Self { hard_state: *hard_state, commit: *commit, snapshot: Some(snapshot.clone()), ..state })
    }

    fn restart_behind(&mut self, base: EntryId) {
        self.base = base;
        self.entries.clear();
    }

    /// The record with which a new file would begin, if everything up to `to` were left out.
    ///
    /// # Errors
    /// When entries would be lost that no snapshot covers, or none would be left out.
    pub(crate) fn compacted(&self, to: LogIndex) -> Result<Record, Uncovered> {
        // A log from which the snapshot's last entry was removed is covered no more.
        let snapshot = self.snapshot.as_ref().filter(|snapshot| self.contains(snapshot.meta.last));
        let covered = snapshot.map_or(LogIndex(0), |snapshot| snapshot.meta.last.index);
        let (Some(left), true) = (self.log().after(to), self.base.index < to && to <= covered) else {
            return Err(Uncovered { to, base: self.base.index, covered });
        };
        let snapshot = self.snapshot.clone();
        Ok(Record { hard_state: self.hard_state, commit: self.commit, snapshot, entries: Some(left) })
    }
}

/// Why a record cannot follow what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Its entries follow one that the log does not hold.
    #[error("the entries follow {prev}, which a log that ends with {last} does not hold")]
    Detached {
        /// The entry that they follow.
        prev: EntryId,
        /// The last entry of the log.
        last: EntryId,
    },
    /// It names a snapshot of more than the log, or of something else.
    #[error("the snapshot ends with {snapshot}, which a log that ends with {last} does not hold")]
    SnapshotOutsideLog {
        /// The last entry that the snapshot covers.
        snapshot: EntryId,
        /// The last entry of the log.
        last: EntryId,
    },
}

/// Entries cannot be left out: no snapshot covers them, or they are left out already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entries up to {to} cannot be left out of a log that begins behind {base} and whose snapshot ends at {covered}"
)]
pub struct Uncovered {
    /// The last entry that was to be left out.
    pub to: LogIndex,
    /// The entry behind which the log begins.
    pub base: LogIndex,
    /// The last entry that a snapshot covers, or 0.
    pub covered: LogIndex,
}

#[cfg(test)]
mod tests {
    use raft_core::{NodeId, Payload, SnapshotHandle, SnapshotMeta, configuration::Configuration};

    use super::*;
    use crate::snapshot_file::SnapshotPlace;

    fn slice(prev: EntryId, terms: &[u64]) -> LogSlice {
        let entries = terms.iter().map(|&term| Entry { term: Term(term), payload: Payload::Noop });
        LogSlice::new(prev, entries.collect()).unwrap()
    }

    fn record(snapshot: Option<EntryId>, entries: Option<LogSlice>) -> Record {
        let named = |last| NamedSnapshot {
            meta: SnapshotMeta {
                last,
                configuration: Configuration::of_voters(NodeId::new(1)),
                handle: SnapshotHandle(0),
            },
            place: SnapshotPlace { slot: 0, checksum: 0 },
        };
        let hard_state = HardState::default();
        Record { hard_state, commit: LogIndex(0), snapshot: snapshot.map(named), entries }
    }

    fn state(terms: &[u64]) -> LogState {
        LogState::begin(&record(None, Some(slice(EntryId::ORIGIN, terms)))).unwrap()
    }

    #[test]
    fn a_log_contains_its_entries_and_what_it_begins_behind() {
        let log = slice(EntryId::new(1, 2), &[3, 3, 4]);
        let state = LogState::begin(&record(Some(EntryId::new(3, 4)), Some(log.clone()))).unwrap();
        for term in 0..6 {
            for index in 0..7 {
                let id = EntryId::new(term, index);
                let held = id == log.prev() || log.iter().any(|(held, _)| held == id);
                assert_eq!(state.contains(id), held, "{id}");
            }
        }
        assert_eq!((state.last(), state.log()), (EntryId::new(4, 5), log));
    }

    #[test]
    fn entries_replace_the_log_behind_the_one_they_follow() {
        let mut state = state(&[1, 1, 3, 3, 4]);
        for (entries, left) in [
            (slice(EntryId::new(3, 3), &[3, 5]), &[1, 1, 3, 3, 5][..]),
            (slice(EntryId::new(1, 1), &[]), &[1]),
            (slice(EntryId::ORIGIN, &[]), &[]),
        ] {
            state.apply(&record(None, Some(entries))).unwrap();
            assert_eq!(state.log(), slice(EntryId::ORIGIN, left));
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut log = state(&[1, 1]);
        let last = EntryId::new(1, 2);
        for prev in [EntryId::new(1, 3), EntryId::new(2, 2), EntryId::new(0, 1)] {
            let detached = log.apply(&record(None, Some(slice(prev, &[3]))));
            assert_eq!(detached, Err(Misfit::Detached { prev, last }));
            let detached = log.apply(&record(Some(last), Some(slice(prev, &[3]))));
            assert_eq!(detached, Err(Misfit::Detached { prev, last }));
            let outside = log.apply(&record(Some(prev), None));
            assert_eq!(outside, Err(Misfit::SnapshotOutsideLog { snapshot: prev, last }));
        }
        assert_eq!(log, state(&[1, 1]));
    }

    #[test]
    fn a_snapshot_stays_beside_the_log_or_takes_its_place() {
        let mut state = state(&[1, 1, 2]);
        state.apply(&record(Some(EntryId::new(1, 2)), None)).unwrap();
        assert_eq!(state.log(), slice(EntryId::ORIGIN, &[1, 1, 2]));
        let restarted = slice(EntryId::new(4, 9), &[5]);
        state.apply(&record(Some(EntryId::new(4, 9)), Some(restarted.clone()))).unwrap();
        assert_eq!((state.base, state.log()), (EntryId::new(4, 9), restarted));
        assert_eq!(state.snapshot.map(|snapshot| snapshot.meta.last), Some(EntryId::new(4, 9)));
    }

    #[test]
    fn only_what_a_snapshot_covers_is_left_out() {
        let mut state = state(&[1, 1, 2]);
        let uncovered = |to, base, covered| {
            Err(Uncovered { to: LogIndex(to), base: LogIndex(base), covered: LogIndex(covered) })
        };
        assert_eq!(state.compacted(LogIndex(1)), uncovered(1, 0, 0));
        state.apply(&record(Some(EntryId::new(1, 2)), None)).unwrap();
        assert_eq!(state.compacted(LogIndex(3)), uncovered(3, 0, 2));
        assert_eq!(state.compacted(LogIndex(0)), uncovered(0, 0, 2));
        let left = state.compacted(LogIndex(1)).unwrap();
        assert_eq!(left.entries, Some(slice(EntryId::new(1, 1), &[1, 2])));
        let compacted = LogState::begin(&left).unwrap();
        assert_eq!((compacted.base, compacted.last()), (EntryId::new(1, 1), EntryId::new(2, 3)));
        assert_eq!(compacted.snapshot, state.snapshot);
        assert_eq!(compacted.compacted(LogIndex(1)), uncovered(1, 1, 2));
    }

    #[test]
    fn a_file_does_not_begin_behind_what_no_snapshot_covers() {
        let prev = EntryId::new(1, 2);
        let detached = LogState::begin(&record(None, Some(slice(prev, &[3]))));
        assert_eq!(detached, Err(Misfit::Detached { prev, last: EntryId::ORIGIN }));
        for snapshot in [EntryId::new(1, 1), EntryId::new(2, 3), EntryId::new(3, 4)] {
            let outside = LogState::begin(&record(Some(snapshot), Some(slice(prev, &[3]))));
            assert_eq!(outside, Err(Misfit::SnapshotOutsideLog { snapshot, last: EntryId::new(3, 3) }));
        }
    }
}
