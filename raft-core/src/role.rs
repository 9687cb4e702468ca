//! The roles of a server (§3.3), each with what dies with it.

use alloc::vec::Vec;

use crate::{
    digest::Digest,
    id::{ByteCount, LogIndex, NodeId, Ticks},
    progress::Progress,
    progress_table::ProgressTable,
    quorum::{VoteResult, Voters},
    read::ReadQueue,
};

/// What a server is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It answers, and waits for a leader.
    Follower { leader: Option<NodeId> },
    /// It asks whether an election could be won (§9.6).
    PreCandidate(Ballot),
    /// It asks for votes.
    Candidate(Ballot),
    /// It appends to its log and replicates it.
    Leader(Leader),
}

/// The name of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleKind {
    /// Answers, and waits for a leader.
    Follower,
    /// Asks whether an election could be won.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

impl Role {
    pub(crate) fn kind(&self) -> RoleKind {
        match self {
            Self::Follower { .. } => RoleKind::Follower,
            Self::PreCandidate(_) => RoleKind::PreCandidate,
            Self::Candidate(_) => RoleKind::Candidate,
            Self::Leader(_) => RoleKind::Leader,
        }
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        match self {
            Self::Follower { leader } => {
                digest.number(1);
                digest.node(*leader);
            }
            Self::PreCandidate(ballot) => {
                digest.number(2);
                ballot.digest(digest);
            }
            Self::Candidate(ballot) => {
                digest.number(3);
                ballot.digest(digest);
            }
            Self::Leader(leader) => {
                digest.number(4);
                leader.digest(digest);
            }
        }
    }
}

/// The answers to one candidate in one election.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ballot {
    votes: Vec<(NodeId, bool)>,
}

impl Ballot {
    /// Notes an answer. The first of each voter counts.
    pub(crate) fn record(&mut self, voter: NodeId, granted: bool) {
        if self.answer(voter).is_none() {
            self.votes.push((voter, granted));
        }
    }

    fn answer(&self, voter: NodeId) -> Option<bool> {
        self.votes.iter().find(|(id, _)| *id == voter).map(|&(_, granted)| granted)
    }

    pub(crate) fn result(&self, voters: &Voters) -> VoteResult {
        voters.vote_result(|voter| self.answer(voter))
    }

    fn digest(&self, digest: &mut Digest) {
        let Self { votes } = self;
        digest.number(votes.len() as u64);
        for &(voter, granted) in votes {
            digest.number(voter.number());
            digest.flag(granted);
        }
    }
}

/// What a leader keeps (Figure 2, "Volatile state on leaders").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    /// Every member, this server included as long as it is one.
    pub(crate) members: ProgressTable,
    pub(crate) heartbeat_elapsed: Ticks,
    /// The entry with which the term began. Once it is committed, so is everything before it (§3.6.2).
    pub(crate) first_of_term: LogIndex,
    pub(crate) reads: ReadQueue,
    /// Payload bytes of the entries that this leader has appended and that are not applied here yet.
    pub(crate) uncommitted_bytes: ByteCount,
    /// Ticks since this server leads; only leases need them, and only then they are counted.
    pub(crate) clock: Ticks,
    /// Somebody was told to start an election, which voters do not protect this leader from. The message may be
    /// under way for ever, so that no lease holds any more.
    pub(crate) lease_void: bool,
    /// Up to here there may be changes of members that are not applied. Until they are, no other one is taken.
    pub(crate) pending_conf_change: LogIndex,
    /// Who is to lead next, while the leadership is handed over (§3.10).
    pub(crate) transferee: Option<NodeId>,
}

impl Leader {
    pub(crate) fn member(&self, id: NodeId) -> Option<&Progress> {
        self.members.row(id)
    }

    pub(crate) fn member_mut(&mut self, id: NodeId) -> Option<&mut Progress> {
        self.members.row_mut(id)
    }

    fn digest(&self, digest: &mut Digest) {
        let Self {
            members,
            heartbeat_elapsed,
            first_of_term,
            reads,
            uncommitted_bytes,
            clock,
            lease_void,
            pending_conf_change,
            transferee,
        } = self;
        members.digest(digest);
        digest.number(heartbeat_elapsed.0);
        digest.number(first_of_term.0);
        reads.digest(digest);
        digest.number(uncommitted_bytes.0);
        digest.number(clock.0);
        digest.flag(*lease_void);
        digest.number(pending_conf_change.0);
        digest.node(*transferee);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quorum::Majority;

    #[test]
    fn the_first_answer_of_a_voter_counts() {
        let [one, two, stranger] = [1, 2, 9].map(|number| NodeId::new(number).expect("not zero"));
        let voters = Voters::from([one, two].into_iter().collect::<Majority>());
        let mut ballot = Ballot::default();
        ballot.record(one, true);
        ballot.record(one, false);
        ballot.record(stranger, true);
        assert_eq!(ballot.result(&voters), VoteResult::Pending);
        ballot.record(two, true);
        assert_eq!(ballot.result(&voters), VoteResult::Won);
    }
}
