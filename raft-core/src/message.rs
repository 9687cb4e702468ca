//! What servers say to each other: the RPCs of Figure 2, and what the dissertation adds to them.

use alloc::boxed::Box;

use crate::{
    entry::{LogSlice, Payload},
    id::{EntryId, Incarnation, LogIndex, NodeId, ReadId, Term, Ticks},
    snapshot::SnapshotMeta,
};

/// A message with its addresses and its term.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Envelope {
    /// Who sent it.
    pub from: NodeId,
    /// Who is to receive it.
    pub to: NodeId,
    /// The sender's term. A pre-vote and a grant of it carry the term of the election to come instead, which
    /// nobody has entered yet (§9.6).
    pub term: Term,
    /// What it says.
    pub message: Message,
}

/// A position in the sequence of read requests of one leadership: what a round of heartbeats confirms (§6.4).
/// It begins anew with every leader, so a reply to an earlier leadership confirms nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReadPosition(pub u64);

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Message {
    /// Would you vote for me? Asked before an election is started, so that a server that cannot win does not
    /// disturb the others with a new term (§9.6).
    RequestPreVote {
        /// The last entry of the candidate's log.
        last: EntryId,
        /// The last entry that the candidate knows to be committed, where [it is
        /// told](crate::Config::tell_commit_in_elections); `None` too if none is.
        committed: Option<EntryId>,
    },
    /// The answer to [`RequestPreVote`](Self::RequestPreVote). It promises nothing.
    RequestPreVoteReply {
        /// Whether the sender would vote so.
        granted: bool,
        /// The last entry that the voter knows to be committed, as in the request.
        committed: Option<EntryId>,
    },
    /// Vote for me (§3.4).
    RequestVote {
        /// The last entry of the candidate's log.
        last: EntryId,
        /// The leader asked for this election, so voters need not protect it (§3.10).
        transfer: bool,
        /// The last entry that the candidate knows to be committed, as in [`RequestPreVote`](Self::RequestPreVote).
        committed: Option<EntryId>,
    },
    /// The answer to [`RequestVote`](Self::RequestVote). A grant is a promise: it leaves once the vote is durable.
    RequestVoteReply {
        /// Whether the vote was given.
        granted: bool,
        /// The last entry that the voter knows to be committed, as in [`RequestPreVote`](Self::RequestPreVote).
        committed: Option<EntryId>,
    },
    /// Append these entries to your log (§3.5).
    AppendEntries {
        /// The entries, and the entry they follow in the leader's log. May hold none, to probe or to tell the
        /// commit index.
        entries: LogSlice,
        /// The leader's commit index.
        commit: LogIndex,
    },
    /// The answer to [`AppendEntries`](Self::AppendEntries).
    AppendEntriesReply(AppendOutcome),
    /// I still lead (§3.4). Unlike in the paper it is not an empty `AppendEntries`: it asks nothing of the log.
    Heartbeat {
        /// The leader's commit index, as far as the receiver's log is known to match.
        commit: LogIndex,
        /// The latest read that waits for a round of heartbeats.
        read: Option<ReadPosition>,
        /// When it was sent, in ticks since the leader's term began for it. Only leases need it (§6.4.1).
        sent_at: Option<Ticks>,
    },
    /// The answer to [`Heartbeat`](Self::Heartbeat).
    HeartbeatReply {
        /// The position of the heartbeat that is answered.
        read: Option<ReadPosition>,
        /// When the heartbeat that is answered was sent, as it said.
        sent_at: Option<Ticks>,
    },
    /// Start an election now: you are to lead (§3.10).
    TimeoutNow,
    /// Replace your state by this one: the entries you lack are gone (§5). It is answered like entries up to the
    /// snapshot's last. A driver hands it over when it holds the snapshot's bytes.
    InstallSnapshot {
        /// What the snapshot stands for. (Boxed, lest every message be as large as this one.)
        snapshot: Box<SnapshotMeta>,
    },
    /// Append this, as you are the leader (§6.2). It is no part of the sender's term, and is handled in whatever term
    /// the receiver is.
    Propose {
        /// What the entry is to carry.
        payload: Payload,
    },
    /// Which index must be applied for a read, as you are the leader? Like [`Propose`](Self::Propose) it is no part of
    /// the sender's term.
    ReadIndex {
        /// Which read.
        read: ReadContext,
    },
    /// The answer to [`ReadIndex`](Self::ReadIndex), once a quorum has confirmed the leader.
    ReadIndexReply {
        /// Which read.
        read: ReadContext,
        /// What must be applied first.
        index: LogIndex,
    },
    /// Hand the leadership over, as you are the leader (§3.10).
    TransferLeader {
        /// Who is to lead.
        to: NodeId,
    },
}

/// A read of another server. A server that starts again counts its reads anew, so the number alone could be that of
/// a read of an earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReadContext {
    /// The life of the server that asks.
    pub incarnation: Incarnation,
    /// Its read.
    pub id: ReadId,
}

/// What became of an [`AppendEntries`](Message::AppendEntries).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum AppendOutcome {
    /// The sender's log equals the leader's up to here. It is a promise: it leaves once the entries are durable.
    Matched {
        /// The last index known to match.
        index: LogIndex,
    },
    /// The sender's log does not hold the entry that the new ones follow.
    Mismatched {
        /// The index at which the leader probed.
        probed: LogIndex,
        /// The last entry of the sender's log that could still match, so that the leader skips whole terms
        /// (§3.5, the optimisation at its end).
        hint: EntryId,
    },
    /// The sender is in a later term, which the envelope tells; the message came from a leader of the past.
    StaleTerm,
}

impl Message {
    /// The message's name in the literature, for traces and statistics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RequestPreVote { .. } => "RequestPreVote",
            Self::RequestPreVoteReply { .. } => "RequestPreVoteReply",
            Self::RequestVote { .. } => "RequestVote",
            Self::RequestVoteReply { .. } => "RequestVoteReply",
            Self::AppendEntries { .. } => "AppendEntries",
            Self::AppendEntriesReply(_) => "AppendEntriesReply",
            Self::Heartbeat { .. } => "Heartbeat",
            Self::HeartbeatReply { .. } => "HeartbeatReply",
            Self::TimeoutNow => "TimeoutNow",
            Self::InstallSnapshot { .. } => "InstallSnapshot",
            Self::Propose { .. } => "Propose",
            Self::ReadIndex { .. } => "ReadIndex",
            Self::ReadIndexReply { .. } => "ReadIndexReply",
            Self::TransferLeader { .. } => "TransferLeader",
        }
    }
}
