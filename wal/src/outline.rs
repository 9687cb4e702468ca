//! A log without its payloads: enough to tell which entries attach to it.

use raft_core::{EntryId, LogIndex, LogSlice, Term};

/// The ids of a log's entries, in a form whose size is the number of terms and not of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The first entry of each run of entries of one term, in order of index, and so of term.
    run_starts: Vec<EntryId>,
    /// The index of the last entry; 0 without entries.
    last_index: LogIndex,
}

impl Outline {
    /// The outline of a log.
    pub(crate) fn of(log: &LogSlice) -> Self {
        let mut outline = Self::default();
        outline.replace(log).expect("a whole log begins at the origin");
        outline
    }

    /// The last entry, or the origin.
    pub(crate) fn last(&self) -> EntryId {
        EntryId { term: self.run_starts.last().map_or(Term(0), |run| run.term), index: self.last_index }
    }

    /// Whether the log holds this entry. The origin is in every log.
    pub(crate) fn contains(&self, id: EntryId) -> bool {
        let runs_begun = self.run_starts.partition_point(|run| run.index <= id.index);
        let term = self.run_starts[..runs_begun].last().map_or(Term(0), |run| run.term);
        id.index <= self.last_index && id.term == term
    }

    /// What [`last`](Self::last) would be after [`replace`](Self::replace).
    ///
    /// # Errors
    /// When the entries do not attach.
    pub(crate) fn last_after(&self, entries: &LogSlice) -> Result<EntryId, Detached> {
        if self.contains(entries.prev()) {
            Ok(entries.last())
        } else {
            Err(Detached { prev: entries.prev(), last: self.last() })
        }
    }

    /// Puts `entries` in the place of everything from their first index on.
    ///
    /// # Errors
    /// When they do not attach; nothing has changed then.
    pub(crate) fn replace(&mut self, entries: &LogSlice) -> Result<(), Detached> {
        let last = self.last_after(entries)?;
        let runs_kept = self.run_starts.partition_point(|run| run.index < entries.first_index());
        self.run_starts.truncate(runs_kept);
        for (id, _) in entries.iter() {
            if self.run_starts.last().is_none_or(|run| run.term < id.term) {
                self.run_starts.push(id);
            }
        }
        self.last_index = last.index;
        Ok(())
    }
}

/// Entries follow one that the log does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entries follow {prev}, which a log that ends with {last} does not hold")]
pub struct Detached {
    /// The entry that they follow.
    pub prev: EntryId,
    /// The last entry of the log.
    pub last: EntryId,
}

#[cfg(test)]
mod tests {
    use raft_core::{Entry, Payload};

    use super::*;

    fn slice(prev: EntryId, terms: &[u64]) -> LogSlice {
        let entries = terms.iter().map(|&term| Entry { term: Term(term), payload: Payload::Noop });
        LogSlice::new(prev, entries.collect()).unwrap()
    }

    #[test]
    fn an_outline_holds_the_entries_of_its_log_and_no_others() {
        let log = slice(EntryId::ORIGIN, &[1, 1, 3, 3, 4]);
        let outline = Outline::of(&log);
        for term in 0..6 {
            for index in 0..7 {
                let id = EntryId::new(term, index);
                let held = id == EntryId::ORIGIN || log.iter().any(|(held, _)| held == id);
                assert_eq!(outline.contains(id), held, "{id}");
            }
        }
        assert_eq!(outline.last(), EntryId::new(4, 5));
    }

    #[test]
    fn replacing_equals_building_anew() {
        let mut outline = Outline::of(&slice(EntryId::ORIGIN, &[1, 1, 3, 3, 4]));
        outline.replace(&slice(EntryId::new(3, 3), &[3, 5])).unwrap();
        assert_eq!(outline, Outline::of(&slice(EntryId::ORIGIN, &[1, 1, 3, 3, 5])));
        outline.replace(&slice(EntryId::new(1, 1), &[])).unwrap();
        assert_eq!(outline, Outline::of(&slice(EntryId::ORIGIN, &[1])));
        outline.replace(&slice(EntryId::ORIGIN, &[])).unwrap();
        assert_eq!(outline, Outline::default());
    }

    #[test]
    fn entries_that_do_not_attach_change_nothing() {
        let mut outline = Outline::of(&slice(EntryId::ORIGIN, &[1, 1]));
        for prev in [EntryId::new(1, 3), EntryId::new(2, 2), EntryId::new(0, 1)] {
            let detached = outline.replace(&slice(prev, &[3]));
            assert_eq!(detached, Err(Detached { prev, last: EntryId::new(1, 2) }));
        }
        assert_eq!(outline, Outline::of(&slice(EntryId::ORIGIN, &[1, 1])));
    }
}
