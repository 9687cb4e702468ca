//! The protocol's vocabulary: who, which term, which position. Never bare integers.

use core::{fmt, num::NonZeroU64};

/// A server of the cluster. Never zero, so that "nobody" is an [`Option`] and not a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId(NonZeroU64);

impl NodeId {
    /// The identifier with this number, or `None` for zero.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The identifier as a number.
    pub const fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A term: the protocol's logical clock (§3.3). It begins with an election and has at most one leader.
/// Term 0 is the time before the first election.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Term(pub u64);

impl Term {
    /// The largest term a message may carry. A peer cannot push us to the end of the number line, where the
    /// next election would overflow.
    pub const MAX: Self = Self(u64::MAX >> 1);

    /// The term after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A position in the log. The first entry has index 1; index 0 is the position before it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogIndex(pub u64);

impl LogIndex {
    /// The largest index a log slice may reach, for the same reason as [`Term::MAX`].
    pub const MAX: Self = Self(u64::MAX >> 1);

    /// The largest index a snapshot of a peer may end with: behind it there is room for more entries than anybody will
    /// ever append.
    pub const MAX_SNAPSHOT: Self = Self(Self::MAX.0 >> 1);

    /// The position after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position before this one, or `None` before the first entry.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(index) => Some(Self(index)),
            None => None,
        }
    }
}

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// What identifies a log entry: by Log Matching (Figure 3), two entries with equal ids are equal, and so are
/// all entries before them. Written `term@index`.
///
/// The order of fields makes the derived order the one by which votes compare logs (§3.6.1): the later term
/// wins, and within a term the longer log.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EntryId {
    /// The term of the leader that created the entry.
    pub term: Term,
    /// The entry's position.
    pub index: LogIndex,
}

impl EntryId {
    /// The position before the first entry of every log.
    pub const ORIGIN: Self = Self { term: Term(0), index: LogIndex(0) };

    /// The entry of `term` at `index`.
    pub const fn new(term: u64, index: u64) -> Self {
        Self { term: Term(term), index: LogIndex(index) }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.term.0, self.index.0)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A span of the driver's logical time. What a tick is worth in seconds is the driver's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticks(pub u64);

impl fmt::Display for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks", self.0)
    }
}

/// One life of a replica, between two restarts. The driver numbers them, and never uses a number again while
/// receipts or messages of that life may still be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Incarnation(pub u64);

/// A read request of a replica. Handed out by [`Raft::read_index`](crate::Raft::read_index), and never used twice by one
/// incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReadId(pub u64);

/// A number of payload bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ByteCount(pub u64);

impl ByteCount {
    /// No limit.
    pub const UNLIMITED: Self = Self(u64::MAX);
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    /// As traces and messages write them.
    #[test]
    fn ids_are_told_apart_in_writing() {
        let node = NodeId::new(3).expect("not zero");
        assert_eq!(node.to_string(), "n3");
        assert_eq!(Term(4).to_string(), "t4");
        assert_eq!(LogIndex(5).to_string(), "5");
        assert_eq!(
            (EntryId::new(4, 5).to_string(), format!("{:?}", EntryId::new(4, 5))),
            ("4@5".into(), "4@5".into())
        );
        assert_eq!(Ticks(6).to_string(), "6 ticks");
        assert_eq!(NodeId::new(0), None);
    }
}
