//! Reads that a leader serves without an entry in the log (§6.4).
//!
//! A read asks for the commit index of a leader that still leads. The leader notes its commit index, has a
//! quorum confirm in a round of heartbeats that it has not been deposed, and answers. Rounds are counted by
//! positions that belong to one leadership; what the caller calls its read never enters a confirmation.

use alloc::collections::VecDeque;

use crate::{digest::Digest, id::LogIndex, message::ReadPosition};

/// A read request of this replica. Handed out by [`Raft::read_index`](crate::Raft::read_index), and never used twice by one
/// incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// What became of a read request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadState {
    /// It may be served as soon as the state machine has applied this index.
    Confirmed {
        /// The request.
        id: ReadId,
        /// What must be applied first.
        index: LogIndex,
    },
    /// The leadership ended first. Ask the next leader.
    Lost {
        /// The request.
        id: ReadId,
    },
}

/// The reads of one leadership that wait for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadQueue {
    /// Asked before the leader committed an entry of its term: until then its commit index may be behind what earlier
    /// leaders have committed.
    parked: VecDeque<ReadId>,
    /// Waiting for a quorum; the first of them has the position after `confirmed`.
    unconfirmed: VecDeque<(ReadId, LogIndex)>,
    confirmed: ReadPosition,
}

impl ReadQueue {
    /// The position of the latest read, if one waits: what heartbeats carry.
    pub(crate) fn latest(&self) -> Option<ReadPosition> {
        (!self.unconfirmed.is_empty()).then(|| self.last_position())
    }

    /// The last position ever given out in this leadership.
    pub(crate) fn last_position(&self) -> ReadPosition {
        ReadPosition(self.confirmed.0 + self.unconfirmed.len() as u64)
    }

    pub(crate) fn park(&mut self, id: ReadId) {
        self.parked.push_back(id);
    }

    pub(crate) fn push(&mut self, id: ReadId, commit: LogIndex) {
        self.unconfirmed.push_back((id, commit));
    }

    /// The first entry of the term is committed: the parked reads may go on.
    pub(crate) fn unpark(&mut self, commit: LogIndex) -> bool {
        let any = !self.parked.is_empty();
        self.unconfirmed.extend(self.parked.drain(..).map(|id| (id, commit)));
        any
    }

    /// A quorum has confirmed everything up to `position`.
    pub(crate) fn confirm(&mut self, position: ReadPosition) -> impl Iterator<Item = ReadState> + '_ {
        let count = position.0.saturating_sub(self.confirmed.0);
        let count = usize::try_from(count).map_or(self.unconfirmed.len(), |n| n.min(self.unconfirmed.len()));
        self.confirmed.0 += count as u64;
        self.unconfirmed.drain(..count).map(|(id, index)| ReadState::Confirmed { id, index })
    }

    /// The leadership is over.
    pub(crate) fn lose(&mut self) -> impl Iterator<Item = ReadState> + '_ {
        let Self { parked, unconfirmed, confirmed: _ } = self;
        unconfirmed.drain(..).map(|(id, _)| id).chain(parked.drain(..)).map(|id| ReadState::Lost { id })
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self { parked, unconfirmed, confirmed } = self;
        digest.number(confirmed.0);
        digest.number(parked.len() as u64);
        for id in parked {
            digest.number(id.0);
        }
        digest.number(unconfirmed.len() as u64);
        for (id, index) in unconfirmed {
            digest.number(id.0);
            digest.number(index.0);
        }
    }
}
