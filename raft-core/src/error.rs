//! Why something was refused. A refusal changes nothing, and says what to do instead.

use crate::{
    conf_change::Rejection,
    config::ConfigError,
    id::{ByteCount, EntryId, LogIndex, NodeId, Term, Ticks},
    message::ReadPosition,
};

/// Why a replica cannot start from what was recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The settings make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The commit index points beyond the log: storage lost entries, or kept a hard state that is newer than its
    /// log.
    #[error("the recovered commit index {commit} lies beyond the recovered log, which ends at {last}")]
    CommitBeyondLog {
        /// The recovered commit index.
        commit: LogIndex,
        /// The last recovered entry.
        last: EntryId,
    },
    /// The snapshot and the log do not fit together: the snapshot's last entry is neither in the log nor the one
    /// before it.
    #[error(
        "the recovered snapshot ends with {snapshot}, which is not in the recovered log ({base} to {last})"
    )]
    SnapshotOutsideLog {
        /// The last entry in the snapshot.
        snapshot: EntryId,
        /// The entry before the recovered log.
        base: EntryId,
        /// The last recovered entry.
        last: EntryId,
    },
    /// The state machine is ahead of the log, which has lost entries.
    #[error("the state machine has applied index {applied}, but the recovered log ends at {last}")]
    AppliedBeyondLog {
        /// What the state machine holds.
        applied: LogIndex,
        /// The last recovered entry.
        last: EntryId,
    },
    /// A term or an index is larger than any that a replica can reach.
    #[error("the recovered term {} or the last entry {last} is beyond what a replica can reach", term.0)]
    OutOfRange {
        /// The recovered term.
        term: Term,
        /// The last recovered entry.
        last: EntryId,
    },
    /// The log knows a later term than the hard state: storage forgot a term, and perhaps a vote.
    #[error("the recovered term {} is older than the last entry {last}", term.0)]
    TermBehindLog {
        /// The recovered term.
        term: Term,
        /// The last recovered entry.
        last: EntryId,
    },
}

/// Why a message was refused. Nothing has changed; drop the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// It is addressed to another server.
    #[error("the message is for {to}, this is {this}")]
    WrongAddress {
        /// Whom it is for.
        to: NodeId,
        /// Who we are.
        this: NodeId,
    },
    /// It claims to come from this very server.
    #[error("the message claims to come from {this}, which is this server")]
    FromSelf {
        /// Who we are.
        this: NodeId,
    },
    /// A reply of a server that we would never have asked.
    #[error("a reply from {from}, which is no member")]
    UnknownPeer {
        /// Who replied.
        from: NodeId,
    },
    /// No server can be in this term.
    #[error("no server can send this in {term}")]
    ImpossibleTerm {
        /// The message's term.
        term: Term,
    },
    /// Entries of a later term than the leader that sends them.
    #[error("entries up to {last} cannot come from a leader of {term}")]
    EntriesFromTheFuture {
        /// The last entry sent.
        last: EntryId,
        /// The sender's term.
        term: Term,
    },
    /// An entry is said to be committed that nobody in that term can know of.
    #[error("{committed} cannot be known to be committed in {term}")]
    ImpossibleCommit {
        /// The entry, as it is claimed.
        committed: EntryId,
        /// The message's term.
        term: Term,
    },
    /// A snapshot that ends with what is no entry.
    #[error("a snapshot cannot end with {last}")]
    ImpossibleSnapshot {
        /// The last entry in it, as it claims.
        last: EntryId,
    },
    /// Another server claims to lead the term that this one leads.
    #[error("{from} claims to lead {term}, which this server leads: two leaders in one term")]
    SecondLeader {
        /// Who claims it.
        from: NodeId,
        /// The term.
        term: Term,
    },
    /// It would replace an entry that is committed, or says that another one is.
    #[error("the entry {entry} conflicts with the log at or below the commit index {commit}")]
    ConflictsWithCommitted {
        /// The entry sent.
        entry: EntryId,
        /// Our commit index.
        commit: LogIndex,
    },
    /// The leader believes our log to be longer than it is.
    #[error("commit index {commit} lies beyond the end of the log at {last}: this log has lost entries")]
    CommitBeyondLog {
        /// What the leader says is committed here.
        commit: LogIndex,
        /// Our last entry.
        last: EntryId,
    },
    /// A follower acknowledges what was never sent.
    #[error("{from} acknowledges index {index}, but the log ends at {last}")]
    AcknowledgesUnsent {
        /// The follower.
        from: NodeId,
        /// The index it acknowledges.
        index: LogIndex,
        /// Our last entry.
        last: EntryId,
    },
    /// A follower answers a heartbeat that was not sent yet.
    #[error("{from} answers a heartbeat of {sent_at:?}, and it is {now:?}")]
    AnswersUnsentHeartbeat {
        /// The follower.
        from: NodeId,
        /// When it claims that the heartbeat was sent.
        sent_at: Ticks,
        /// The leader's count of ticks.
        now: Ticks,
    },
    /// A proposal was passed on to us, and refused. It has had no effect.
    #[error("a proposal of {from} was refused: {reason}")]
    ProposalRefused {
        /// Who passed it on.
        from: NodeId,
        /// Why.
        reason: ProposeError,
    },
    /// A follower confirms a read that was never asked for.
    #[error("{from} confirms read position {position:?}, which was never sent")]
    ConfirmsUnsentRead {
        /// The follower.
        from: NodeId,
        /// The position it confirms.
        position: ReadPosition,
    },
}

/// Why a command was not appended. It has had no effect and never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Only the leader appends. Ask it, or wait for one.
    #[error("not the leader{}", Hint(*leader))]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// The leadership is being handed over. Ask the new leader in a moment.
    #[error("the leadership is being transferred to {to}")]
    Transferring {
        /// Who is to lead.
        to: NodeId,
    },
    /// The change of members does not fit.
    #[error(transparent)]
    ConfChange(#[from] ConfChangeError),
    /// This leader was removed from the cluster. Ask the next one, once it is elected.
    #[error("{id} leads a cluster that it is no member of any more")]
    NotMember {
        /// Who we are.
        id: NodeId,
    },
    /// Too much waits to be committed and applied. Try again when less does.
    #[error("{used} wait to be committed, and {quota} may")]
    QuotaExceeded {
        /// How much waits.
        used: ByteCount,
        /// How much may wait.
        quota: ByteCount,
    },
}

/// Why a change of members was not proposed. It has had no effect and never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfChangeError {
    /// Another one may be under way. Propose it again when that is applied.
    #[error("up to {index} there may be a change of members, and only {applied} is applied")]
    Pending {
        /// Where the last one may be.
        index: LogIndex,
        /// What is applied.
        applied: LogIndex,
    },
    /// The configuration in force does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// Why a leader was not forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgetLeaderError {
    /// It leads itself.
    #[error("{id} is the leader itself")]
    IsLeader {
        /// Who we are.
        id: NodeId,
    },
    /// There is none to forget.
    #[error("no leader is known")]
    NoLeader,
    /// The leader may serve reads because this server votes for nobody else.
    #[error("{leader} may hold a lease that this server has promised to respect")]
    LeaseMayHold {
        /// Who leads.
        leader: NodeId,
    },
}

/// Why a read was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Only the leader can say what is committed. Ask it.
    #[error("not the leader{}", Hint(*leader))]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
}

/// Why an election was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CampaignError {
    /// It leads already.
    #[error("already the leader of {term}")]
    AlreadyLeader {
        /// Its term.
        term: Term,
    },
    /// It has no vote in this cluster.
    #[error("{id} is not a voter")]
    NotVoter {
        /// Who we are.
        id: NodeId,
    },
    /// It has taken a snapshot in place of its log, which is not durable yet.
    #[error("the snapshot up to {snapshot} is not durable yet")]
    Restoring {
        /// The last entry in the snapshot.
        snapshot: EntryId,
    },
    /// A change of members is committed and not applied yet. It might take the vote of this very server.
    #[error("the change of members at {index} is not applied yet")]
    ConfChangeUnapplied {
        /// Where it stands.
        index: LogIndex,
    },
    /// Its leader may hold a lease, which this server has promised to respect.
    #[error("it has heard from a leader that may hold a lease, for {left} more")]
    LeaseMayHold {
        /// How long it keeps its vote to itself.
        left: Ticks,
    },
    /// The last possible term has been reached.
    #[error("there is no term after {term}")]
    TermsExhausted {
        /// The current term.
        term: Term,
    },
}

/// Why the leadership is not being handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// There is nothing to hand over. Ask the leader.
    #[error("not the leader{}", Hint(*leader))]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// The other has no vote, so it cannot lead.
    #[error("{to} is not a voter")]
    NotVoter {
        /// Who was to lead.
        to: NodeId,
    },
    /// It leads already.
    #[error("{to} leads already")]
    AlreadyLeader {
        /// Who was to lead.
        to: NodeId,
    },
}

/// Why an election timeout was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an election timeout of {given} is outside {} to {} ticks", base.0, 2 * base.0 - 1)]
pub struct TimeoutError {
    /// What was given.
    pub given: Ticks,
    /// The configured base T.
    pub base: Ticks,
}

/// Why an applied index was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "applied up to {given}, but only {applied} to {handed_out} can be: entries are applied in order, as handed out"
)]
pub struct AppliedError {
    /// What was given.
    pub given: LogIndex,
    /// What is applied already.
    pub applied: LogIndex,
    /// The last index handed out to be applied.
    pub handed_out: LogIndex,
}

/// Why a change of members was not put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyConfChangeError {
    /// It is not among the entries that are being applied.
    #[error("index {index} is not being applied: {applied} is applied and {handed_out} handed out")]
    NotHandedOut {
        /// What was given.
        index: LogIndex,
        /// What is applied already.
        applied: LogIndex,
        /// The last index handed out to be applied.
        handed_out: LogIndex,
    },
    /// A change as late as this one is in force already.
    #[error("the change at {last} is in force already, and {index} comes too late")]
    InForce {
        /// What was given.
        index: LogIndex,
        /// The last change in force.
        last: LogIndex,
    },
    /// The entry is no change of members.
    #[error("the entry at {index} is no change of members")]
    NoConfChange {
        /// What was given.
        index: LogIndex,
    },
    /// This server does not know which configuration its log began with. Start it with that one, or have it take a
    /// snapshot first.
    #[error("the change at {index} follows on a configuration that this server does not know")]
    Unfounded {
        /// What was given.
        index: LogIndex,
    },
    /// It does not fit the configuration in force, on no replica.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// Why a snapshot was not taken note of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// One is known that is as late or later.
    #[error("a snapshot up to {given} is of no use, as there is one up to {known}")]
    Outdated {
        /// The last entry in it.
        given: EntryId,
        /// The last entry in the one that is known.
        known: EntryId,
    },
    /// It holds entries that were not handed out to be applied.
    #[error("a snapshot up to {given}, but only {handed_out} was handed out to be applied")]
    NotHandedOut {
        /// The last entry in it.
        given: EntryId,
        /// What was handed out.
        handed_out: LogIndex,
    },
    /// It holds entries that are applied, but not durable here yet: a restart would find a log that ends before the
    /// snapshot does.
    #[error("a snapshot up to {given}, but only {durable} is durable")]
    NotDurable {
        /// The last entry in it.
        given: EntryId,
        /// What is durable.
        durable: LogIndex,
    },
    /// It ends with an entry that this log does not hold: its index and its term do not belong together, or the entry
    /// is compacted.
    #[error("a snapshot up to {given}, which is no entry of this log")]
    NotInLog {
        /// The last entry in it.
        given: EntryId,
    },
}

/// Why the log was not compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// Followers could not be sent what would be removed. Report a snapshot first.
    #[error("entries up to {given} cannot be removed, as the latest snapshot ends with {covered}")]
    NotCovered {
        /// The last index that was to be removed.
        given: LogIndex,
        /// The last index in the latest snapshot, 0 if there is none.
        covered: LogIndex,
    },
    /// They are gone already.
    #[error("entries up to {given} are removed already: the log begins behind {base}")]
    Compacted {
        /// The last index that was to be removed.
        given: LogIndex,
        /// The entry before the log.
        base: EntryId,
    },
}

/// Why a report about a follower was of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Only a leader sends anything to followers.
    #[error("not the leader{}", Hint(*leader))]
    NotLeader {
        /// Who leads, if known.
        leader: Option<NodeId>,
    },
    /// There is no such follower.
    #[error("{peer} is no member")]
    NoMember {
        /// Whom the report is about.
        peer: NodeId,
    },
    /// No snapshot is on its way there.
    #[error("{peer} is not being sent a snapshot")]
    NoSnapshot {
        /// Whom the report is about.
        peer: NodeId,
    },
}

/// Renders the known leader behind "not the leader".
struct Hint(Option<NodeId>);

impl core::fmt::Display for Hint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(leader) => write!(f, "; {leader} is"),
            None => f.write_str(", and none is known"),
        }
    }
}
