//! Log entries, and runs of them that are contiguous by construction.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::ops::Range;

use bytes::Bytes;

use crate::{
    conf_change::ConfChange,
    id::{ByteCount, EntryId, LogIndex, Term},
};

/// What an entry carries to the state machine.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Payload {
    /// Nothing: the entry that a leader appends when its term begins, so that it can commit (§6.4).
    Noop,
    /// A command of the application, opaque to the core.
    Command(Bytes),
    /// A change of members, for the core as well as for the application (§4). (Boxed, lest every entry be as large
    /// as this one.)
    ConfChange(Box<ConfChange>),
}

impl Clone for Payload {
    // Derived, it is not inlined, and every entry is cloned several times on its way.
    #[inline]
    fn clone(&self) -> Self {
        match self {
            Self::Noop => Self::Noop,
            Self::Command(bytes) => Self::Command(bytes.clone()),
            Self::ConfChange(change) => Self::ConfChange(change.clone()),
        }
    }
}

impl Payload {
    /// The size that quotas and limits count.
    pub fn size(&self) -> ByteCount {
        match self {
            Self::Noop => ByteCount(0),
            Self::Command(bytes) => ByteCount(bytes.len() as u64),
            Self::ConfChange(change) => change.size(),
        }
    }
}

/// How many bytes a number takes in groups of seven bits.
fn varint_size(number: u64) -> u64 {
    u64::from(number.max(1).ilog2() / 7 + 1)
}

/// One entry of the log. Its index is where it stands: in a [`LogSlice`] or in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: Term,
    /// What it carries.
    pub payload: Payload,
}

impl Entry {
    /// How much it takes to write the entry down where it stands at `index`: its term, its index and its payload, each
    /// behind a tag, as etcd does. Never 0, so that a quota on it bounds the number of entries too.
    pub fn encoded_size(&self, index: LogIndex) -> ByteCount {
        let payload = match &self.payload {
            Payload::Noop => 0,
            Payload::Command(_) => {
                let ByteCount(len) = self.payload.size();
                1 + varint_size(len) + len
            }
            // The kind of the entry has a tag of its own.
            Payload::ConfChange(change) => {
                let ByteCount(len) = change.size();
                let data = if len == 0 { 0 } else { 1 + varint_size(len) + len };
                2 + data
            }
        };
        ByteCount(2 + varint_size(self.term.0) + varint_size(index.0) + payload)
    }
}

/// A run of log entries that follows the entry `prev`, with no gap and with terms that never decrease.
///
/// The entries are shared: cloning a slice, or narrowing it, copies no entry.
#[derive(Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "RawLogSlice", into = "RawLogSlice"))]
pub struct LogSlice {
    prev: EntryId,
    /// None if there never were any: a message without entries needs no memory.
    entries: Option<Arc<[Entry]>>,
    range: Range<usize>,
}

impl LogSlice {
    /// The entries that stand directly behind `prev`.
    ///
    /// # Errors
    /// When a term is lower than the one before it, is zero or above [`Term::MAX`], or the last index would
    /// pass [`LogIndex::MAX`].
    pub fn new(prev: EntryId, entries: Vec<Entry>) -> Result<Self, LogSliceError> {
        let last_index = (entries.len() as u64).saturating_add(prev.index.0);
        if LogIndex::MAX < LogIndex(last_index) {
            return Err(LogSliceError::IndexTooLarge { prev, len: entries.len() });
        }
        let mut term = prev.term;
        for (index, entry) in (prev.index.0 + 1..).map(LogIndex).zip(&entries) {
            if entry.term < term || entry.term == Term(0) || Term::MAX < entry.term {
                return Err(LogSliceError::TermOutOfOrder { index, term: entry.term, previous: term });
            }
            term = entry.term;
        }
        let range = 0..entries.len();
        let entries = (!entries.is_empty()).then(|| entries.into());
        Ok(Self { prev, entries, range })
    }

    /// A piece of a log, whose order the log vouches for.
    pub(crate) fn of_log(prev: EntryId, entries: impl ExactSizeIterator<Item = Entry>) -> Self {
        let range = 0..entries.len();
        let entries = (!range.is_empty()).then(|| entries.collect());
        Self { prev, entries, range }
    }

    /// No entries, standing behind `prev`.
    pub fn empty(prev: EntryId) -> Self {
        Self { prev, entries: None, range: 0..0 }
    }

    /// The entry that the first one follows.
    pub fn prev(&self) -> EntryId {
        self.prev
    }

    /// The id of the last entry, or `prev` when there is none.
    pub fn last(&self) -> EntryId {
        let index = LogIndex(self.prev.index.0 + self.len() as u64);
        self.entries().last().map_or(self.prev, |entry| EntryId { term: entry.term, index })
    }

    /// The index of the first entry, or the one it would have.
    pub fn first_index(&self) -> LogIndex {
        self.prev.index.next()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        self.entries.as_ref().map_or(&[], |entries| &entries[self.range.clone()])
    }

    /// The entries with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        // Behind the last of all positions there is room for no entry, but for none there is.
        self.entries().iter().zip(1..).map(|(entry, offset)| {
            let index = LogIndex(self.prev.index.0 + offset);
            (EntryId { term: entry.term, index }, entry)
        })
    }

    /// The part behind `index`, which must lie within the slice (or be the index of `prev`).
    pub fn after(&self, index: LogIndex) -> Option<Self> {
        let skip = usize::try_from(index.0.checked_sub(self.prev.index.0)?).ok()?;
        if skip == 0 {
            return Some(self.clone());
        }
        let term = self.entries().get(skip - 1)?.term;
        let range = self.range.start + skip..self.range.end;
        Some(Self { prev: EntryId { term, index }, entries: self.entries.clone(), range })
    }

    /// So many entries behind `prev`, if that stands in the slice, or before it, and they all lie within it.
    pub(crate) fn part(&self, prev: EntryId, count: usize) -> Option<Self> {
        let skip = usize::try_from(prev.index.0.checked_sub(self.prev.index.0)?).ok()?;
        let start = self.range.start + skip;
        let range = start..start + count;
        (range.end <= self.range.end).then(|| Self { prev, entries: self.entries.clone(), range })
    }
}

impl PartialEq for LogSlice {
    fn eq(&self, other: &Self) -> bool {
        self.prev == other.prev && self.entries() == other.entries()
    }
}

impl Eq for LogSlice {}

impl core::fmt::Debug for LogSlice {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LogSlice").field("prev", &self.prev).field("entries", &self.entries()).finish()
    }
}

/// Why entries cannot stand in one [`LogSlice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogSliceError {
    /// Terms decrease along the log, or one is zero or too large.
    #[error("the entry at {index} has term {}, after an entry of term {}", term.0, previous.0)]
    TermOutOfOrder {
        /// Where the offending entry stands.
        index: LogIndex,
        /// Its term.
        term: Term,
        /// The term of the entry before it.
        previous: Term,
    },
    /// The last index would be too large.
    #[error("{len} entries after {prev} pass the largest index")]
    IndexTooLarge {
        /// The entry before the slice.
        prev: EntryId,
        /// The number of entries.
        len: usize,
    },
}

/// The form in which a slice travels; reading it back re-checks everything.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct RawLogSlice {
    prev: EntryId,
    entries: Vec<Entry>,
}

#[cfg(feature = "serde")]
impl TryFrom<RawLogSlice> for LogSlice {
    type Error = LogSliceError;

    fn try_from(raw: RawLogSlice) -> Result<Self, Self::Error> {
        Self::new(raw.prev, raw.entries)
    }
}

#[cfg(feature = "serde")]
impl From<LogSlice> for RawLogSlice {
    fn from(slice: LogSlice) -> Self {
        Self { prev: slice.prev, entries: slice.entries().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        NodeId,
        conf_change::{MemberChange, Transition},
    };

    fn sizes(payload: Payload, index: u64) -> (u64, u64) {
        let size = payload.size();
        let ByteCount(encoded) = Entry { term: Term(1), payload }.encoded_size(LogIndex(index));
        (size.0, encoded)
    }

    /// A tag and a number each for term and index, and what is carried behind a tag and its length.
    #[test]
    fn sizes_are_those_that_etcd_counts() {
        assert_eq!(sizes(Payload::Noop, 1), (0, 4));
        assert_eq!(sizes(Payload::Noop, 127), (0, 4));
        assert_eq!(sizes(Payload::Noop, 128), (0, 5), "seven bits to a byte");
        assert_eq!(sizes(Payload::Command(Bytes::from_static(b"abc")), 1), (3, 4 + 1 + 1 + 3));
        assert_eq!(sizes(Payload::Command(vec![0; 200].into()), 1), (200, 4 + 1 + 2 + 200));
        let add = |number| MemberChange::AddVoter(NodeId::new(number).expect("not zero"));
        let change = |transition, changes, context| {
            Payload::ConfChange(Box::new(ConfChange { transition, changes, context }))
        };
        let simple = change(Transition::Automatic, vec![add(4)], Bytes::new());
        assert_eq!(sizes(simple, 1), (6, 4 + 2 + 1 + 1 + 6));
        let explicit = change(Transition::JointExplicit, vec![add(4), add(5)], Bytes::from_static(b"why"));
        assert_eq!(sizes(explicit, 1), (2 + 12 + 3, 4 + 2 + 1 + 1 + 17));
        let leave = change(Transition::Automatic, vec![], Bytes::new());
        assert_eq!(sizes(leave, 1), (0, 4 + 2));
    }

    #[test]
    fn slices_are_equal_if_they_hold_the_same_in_the_same_place() {
        let entries = |terms: &[u64]| {
            terms.iter().map(|&term| Entry { term: Term(term), payload: Payload::Noop }).collect::<Vec<_>>()
        };
        let slice = |prev, terms: &[u64]| LogSlice::new(prev, entries(terms)).expect("terms in order");
        let (one, another) = (EntryId::new(1, 1), EntryId::new(1, 2));
        let long = slice(one, &[1, 2, 2]);
        assert_eq!(long, slice(one, &[1, 2, 2]));
        assert_eq!(long.after(LogIndex(2)), Some(slice(another, &[2, 2])), "of whatever it is a part");
        assert_ne!(long, slice(one, &[1, 2]));
        assert_ne!(long, slice(one, &[1, 2, 3]));
        assert_ne!(long, slice(another, &[1, 2, 2]));
        assert_ne!(LogSlice::empty(one), LogSlice::empty(another));
    }
}
