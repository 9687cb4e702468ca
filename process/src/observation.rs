//! What the checks may know of a process, and of a message.

use raft_core::{EntryId, LogIndex, NodeId, Term};

/// The role a replica plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks whether an election could be won.
    PreCandidate,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

impl Role {
    /// The role's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Follower => "follower",
            Self::PreCandidate => "pre-candidate",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
        }
    }
}

/// A replica's state as far as the checks compare it. It holds nothing that the heap has to give, so that it can
/// be taken after every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Its role.
    pub role: Role,
    /// Its term, in memory: the disk may still be behind.
    pub term: Term,
    /// Its vote in that term, in memory.
    pub vote: Option<NodeId>,
    /// The leader it knows.
    pub leader: Option<NodeId>,
    /// The last entry of its log, in memory.
    pub last: EntryId,
    /// What it knows to be committed.
    pub commit: LogIndex,
    /// What its state machine has applied.
    pub applied: LogIndex,
    /// A digest of the implementation's whole state, for the identity of runs.
    pub digest: u128,
    /// A digest of the state machine: equal at equal `applied`, on every replica.
    pub machine_digest: u128,
}

/// What a message commits its sender to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Nothing beyond its term.
    None,
    /// The sender's vote in the message's term.
    Vote {
        /// Who got it.
        candidate: NodeId,
    },
    /// The sender holds the leader's log up to here.
    Holds {
        /// The last index held.
        index: LogIndex,
    },
}

/// What a message is, as far as traces and checks need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name by the paper, such as `AppendEntries`.
    pub kind: &'static str,
    /// The term it carries.
    pub term: Term,
    /// What it promises.
    pub promise: Promise,
}
