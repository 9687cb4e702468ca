//! Reads that a leader serves without an entry in the log (§6.4).
//!
//! A read asks for the commit index of a leader that still leads. The leader notes its commit index, has a
//! quorum confirm in a round of heartbeats that it has not been deposed, and answers. Rounds are counted by
//! positions that belong to one leadership; what the caller calls its read never enters a confirmation.

use alloc::collections::VecDeque;

use crate::{
    digest::Digest,
    id::{LogIndex, NodeId, ReadId},
    message::{ReadContext, ReadPosition},
};

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
    /// It will not be answered. Ask again.
    Lost {
        /// The request.
        id: ReadId,
        /// Why.
        reason: ReadLoss,
    },
}

/// Why a read request was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadLoss {
    /// This replica does not lead any more.
    SteppedDown,
    /// The leader that the request was passed on to is not the leader any more, or is not known to be.
    LeaderChanged,
}

impl ReadState {
    pub(crate) fn digest(&self, digest: &mut Digest) {
        match self {
            Self::Confirmed { id, index } => {
                digest.number(1);
                digest.number(id.0);
                digest.number(index.0);
            }
            Self::Lost { id, reason } => {
                digest.number(match reason {
                    ReadLoss::SteppedDown => 2,
                    ReadLoss::LeaderChanged => 3,
                });
                digest.number(id.0);
            }
        }
    }
}

/// Who asked a leader for a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requester {
    /// Its own driver.
    Driver(ReadId),
    /// A follower, for its driver.
    Follower(NodeId, ReadContext),
}

impl Requester {
    fn digest(self, digest: &mut Digest) {
        match self {
            Self::Driver(id) => {
                digest.number(1);
                digest.number(id.0);
            }
            Self::Follower(node, context) => {
                digest.number(2);
                digest.node(Some(node));
                digest.read_context(context);
            }
        }
    }
}

/// The reads of one leadership that wait for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadQueue {
    /// Asked before the leader committed an entry of its term: until then its commit index may be behind what earlier
    /// leaders have committed.
    parked: VecDeque<Requester>,
    /// Waiting for a quorum; the first of them has the position after `confirmed`.
    unconfirmed: VecDeque<(Requester, LogIndex)>,
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

    pub(crate) fn park(&mut self, requester: Requester) {
        self.parked.push_back(requester);
    }

    pub(crate) fn push(&mut self, requester: Requester, commit: LogIndex) {
        self.unconfirmed.push_back((requester, commit));
    }

    /// The first entry of the term is committed: the parked reads may go on.
    pub(crate) fn unpark(&mut self, commit: LogIndex) -> bool {
        let any = !self.parked.is_empty();
        self.unconfirmed.extend(self.parked.drain(..).map(|requester| (requester, commit)));
        any
    }

    /// A quorum has confirmed everything up to `position`. Yields who is to be answered, with which index.
    pub(crate) fn confirm(
        &mut self,
        position: ReadPosition,
    ) -> impl Iterator<Item = (Requester, LogIndex)> + '_ {
        let count = position.0.saturating_sub(self.confirmed.0);
        let count = usize::try_from(count).map_or(self.unconfirmed.len(), |n| n.min(self.unconfirmed.len()));
        self.confirmed.0 += count as u64;
        self.unconfirmed.drain(..count)
    }

    /// The leadership is over. Followers learn that without being told.
    pub(crate) fn lose(&mut self) -> impl Iterator<Item = ReadState> + '_ {
        let Self { parked, unconfirmed, confirmed: _ } = self;
        let requesters = unconfirmed.drain(..).map(|(requester, _)| requester).chain(parked.drain(..));
        requesters.filter_map(|requester| match requester {
            Requester::Driver(id) => Some(ReadState::Lost { id, reason: ReadLoss::SteppedDown }),
            Requester::Follower(..) => None,
        })
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        let Self { parked, unconfirmed, confirmed } = self;
        digest.number(confirmed.0);
        digest.number(parked.len() as u64);
        for requester in parked {
            requester.digest(digest);
        }
        digest.number(unconfirmed.len() as u64);
        for (requester, index) in unconfirmed {
            requester.digest(digest);
            digest.number(index.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;
    use alloc::vec::Vec;

    /// Reads 1 to 3, asked at commit indexes 10, 20 and 30.
    fn three_reads() -> ReadQueue {
        let mut queue = ReadQueue::default();
        for number in 1..=3 {
            queue.push(Requester::Driver(ReadId(number)), LogIndex(10 * number));
        }
        queue
    }

    fn driver(number: u64) -> Requester {
        Requester::Driver(ReadId(number))
    }

    fn confirmed(number: u64) -> (Requester, LogIndex) {
        (driver(number), LogIndex(10 * number))
    }

    fn confirm(queue: &mut ReadQueue, position: u64) -> Vec<(Requester, LogIndex)> {
        queue.confirm(ReadPosition(position)).collect()
    }

    #[test]
    fn a_position_confirms_every_read_up_to_it_once() {
        let mut queue = three_reads();
        assert_eq!(confirm(&mut queue, 0), []);
        assert_eq!(confirm(&mut queue, 2), [1, 2].map(confirmed));
        assert_eq!(confirm(&mut queue, 2), []);
        assert_eq!(confirm(&mut queue, 1), []);
        assert_eq!(confirm(&mut queue, u64::MAX), [confirmed(3)]);
    }

    #[test]
    fn positions_are_never_used_twice() {
        let mut queue = ReadQueue::default();
        assert_eq!((queue.latest(), queue.last_position()), (None, ReadPosition(0)));
        queue.push(driver(1), LogIndex(10));
        assert_eq!((queue.latest(), queue.last_position()), (Some(ReadPosition(1)), ReadPosition(1)));
        confirm(&mut queue, 1);
        assert_eq!((queue.latest(), queue.last_position()), (None, ReadPosition(1)));
        queue.push(driver(2), LogIndex(20));
        assert_eq!(queue.latest(), Some(ReadPosition(2)));
        assert_eq!(confirm(&mut queue, 1), [], "an answer to the round before");
        assert_eq!(confirm(&mut queue, 2), [confirmed(2)]);
    }

    #[test]
    fn a_parked_read_takes_no_part_until_it_is_released() {
        let mut queue = ReadQueue::default();
        assert!(!queue.unpark(LogIndex(5)), "there is none");
        queue.park(driver(1));
        assert_eq!(queue.latest(), None);
        assert_eq!(confirm(&mut queue, 9), []);
        assert!(queue.unpark(LogIndex(10)));
        assert!(!queue.unpark(LogIndex(20)), "there is none any more");
        assert_eq!(queue.latest(), Some(ReadPosition(1)));
        assert_eq!(confirm(&mut queue, 1), [confirmed(1)]);
    }

    #[test]
    fn every_read_of_the_driver_that_waits_is_lost_in_the_order_of_asking() {
        let mut queue = three_reads();
        queue.park(driver(4));
        let context = ReadContext { incarnation: Incarnation(1), id: ReadId(5) };
        queue.park(Requester::Follower(NodeId::new(2).expect("not zero"), context));
        confirm(&mut queue, 1);
        let lost: Vec<_> = queue.lose().collect();
        assert_eq!(
            lost,
            [2, 3, 4].map(|number| ReadState::Lost { id: ReadId(number), reason: ReadLoss::SteppedDown })
        );
    }
}
