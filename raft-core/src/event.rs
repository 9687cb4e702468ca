//! What happened, as data: for traces, metrics and tests. Recorded only where asked for
//! ([`Config::record_events`](crate::Config::record_events)).

use crate::{
    id::{EntryId, LogIndex, NodeId, Term},
    role::RoleKind,
};

/// Something that happened inside a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It took a role, in this term.
    RoleChanged {
        /// What it was.
        from: RoleKind,
        /// What it is.
        to: RoleKind,
        /// The term by then.
        term: Term,
    },
    /// It entered a later term.
    TermEntered {
        /// The term.
        term: Term,
    },
    /// It learned who leads its term.
    LeaderKnown {
        /// Who leads.
        leader: NodeId,
        /// The term.
        term: Term,
    },
    /// It gave its vote.
    VoteGranted {
        /// To whom.
        candidate: NodeId,
        /// In which term.
        term: Term,
    },
    /// It refused a vote or a pre-vote.
    VoteRefused {
        /// To whom.
        candidate: NodeId,
        /// For an election in which term.
        term: Term,
        /// The last entry of the candidate's log, as it claimed.
        last: EntryId,
    },
    /// It did not even answer a candidate, because it hears a leader (§4.2.3).
    CandidateIgnored {
        /// Who asked.
        candidate: NodeId,
        /// For an election in which term.
        term: Term,
    },
    /// It removed entries that conflict with the leader's.
    LogTruncated {
        /// The last index kept.
        kept: LogIndex,
    },
    /// A follower's log did not match.
    AppendRejected {
        /// The follower.
        follower: NodeId,
        /// Where the leader had probed.
        probed: LogIndex,
    },
    /// A prefix of the log was removed, which a snapshot covers.
    LogCompacted {
        /// The last entry removed.
        base: EntryId,
    },
    /// A leader sent a snapshot, because entries that the follower lacks are compacted.
    SnapshotSent {
        /// The follower.
        follower: NodeId,
        /// The last entry in the snapshot.
        last: EntryId,
    },
    /// A snapshot took the place of the log.
    SnapshotRestored {
        /// The last entry in the snapshot.
        last: EntryId,
    },
    /// The commit index moved.
    Committed {
        /// It is now.
        index: LogIndex,
    },
    /// A change of members is in force.
    ConfigurationChanged,
    /// A leader did not hear from a quorum and stepped down (§6.2).
    QuorumLost {
        /// The term it led.
        term: Term,
    },
    /// A handover of the leadership began (§3.10).
    TransferStarted {
        /// Who is to lead.
        to: NodeId,
    },
    /// A handover did not succeed in time, and was given up.
    TransferAborted {
        /// Who was to lead.
        to: NodeId,
    },
}
