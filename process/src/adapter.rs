//! The Raft implementation of a [`Replica`](crate::Replica).

use bytes::Bytes;
use raft_core::{
    ConfChange, Configuration, EntryId, HardState, LogIndex, LogSlice, NodeId, SnapshotMeta, SnapshotOutcome,
};

use crate::{
    observation::{Description, Observation},
    process::RequestId,
};

/// The settings that implementations share. All times are in ticks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RaftOptions {
    /// The base of the election timeout, T: timeouts are drawn from `T..2T`.
    pub election_timeout_ticks: u64,
    /// The time between two heartbeats of a leader.
    pub heartbeat_ticks: u64,
    /// Whether an election begins with a survey.
    pub pre_vote: bool,
    /// Whether a leader steps down when it does not hear from a quorum.
    pub check_quorum: bool,
    /// The most payload bytes in one `AppendEntries`; one entry always fits.
    pub max_message_bytes: u64,
    /// The most unanswered `AppendEntries` to one follower.
    pub max_inflight_messages: usize,
    /// When snapshots are taken, and how they travel.
    #[serde(default)]
    pub snapshots: SnapshotOptions,
}

/// When a [`Replica`](crate::Replica) takes snapshots, what it keeps behind them, and how they travel.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotOptions {
    /// After how many applied entries a snapshot is taken; `None`: never.
    pub snapshot_every_entries: Option<u64>,
    /// How many entries stay in the log although a snapshot covers them, for followers that lag a little.
    pub keep_entries_behind_snapshot: u64,
    /// The most bytes of a snapshot in one message; at least 1.
    pub snapshot_chunk_bytes: u64,
}

impl Default for SnapshotOptions {
    /// None are taken.
    fn default() -> Self {
        Self { snapshot_every_entries: None, keep_entries_behind_snapshot: 0, snapshot_chunk_bytes: 1 << 16 }
    }
}

impl Default for RaftOptions {
    fn default() -> Self {
        Self {
            election_timeout_ticks: 10,
            heartbeat_ticks: 2,
            pre_vote: true,
            check_quorum: true,
            max_message_bytes: 1 << 20,
            max_inflight_messages: 64,
            snapshots: SnapshotOptions::default(),
        }
    }
}

/// What an implementation is told when its machine boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Who it is.
    pub id: NodeId,
    /// The voters with which the cluster began. A server that is neither among them nor among the learners waits to be
    /// added; it knows them all the same, since the changes in the log begin with them.
    pub voters: Vec<NodeId>,
    /// The learners with which it began: they get the log and have no vote.
    pub learners: Vec<NodeId>,
    /// How often this machine has booted before: 0 for the first time.
    pub incarnation: u64,
    /// Its settings.
    pub options: RaftOptions,
}

/// What the log store found on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The last commit index written; it may be behind what had been reached, and behind the snapshot.
    pub commit: LogIndex,
    /// The latest snapshot. The state machine starts from it.
    pub snapshot: Option<StoredSnapshot>,
    /// The whole log, from its last compaction on. The snapshot covers everything before.
    pub log: LogSlice,
}

/// A snapshot and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// The state machine's bytes.
    pub bytes: Bytes,
}

/// One write that an implementation wants durable. Writes are numbered from 1 in each incarnation and become
/// durable in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// Its number.
    pub number: u64,
    /// Term and vote, if they changed.
    pub hard_state: Option<HardState>,
    /// The commit index by now.
    pub commit: LogIndex,
    /// A snapshot that takes the place of the state machine's state and of the whole log. Its bytes were saved before
    /// the implementation heard of it.
    pub snapshot: Option<SnapshotMeta>,
    /// Entries that replace everything the log holds from the first of them on, behind the snapshot if there is one.
    pub entries: Option<LogSlice>,
}

/// A committed entry that is to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub id: EntryId,
    /// The command, exactly as it was proposed; `None` for entries that are none of the state machine's business.
    pub command: Option<Bytes>,
}

/// A snapshot that a peer is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSend {
    /// To whom.
    pub to: NodeId,
    /// The last entry that it covers.
    pub last: EntryId,
    /// The implementation's own message. The peer's implementation gets it when its replica has the bytes.
    pub message: Bytes,
}

/// What became of a read request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// It may be served by a state machine that has applied at least this index.
    At(LogIndex),
    /// It never will be; asking again may help.
    Lost,
}

/// Why an implementation did not take a request. Whatever it was, it has had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only the leader can do it.
    NotLeader {
        /// Who that is, if known.
        leader: Option<NodeId>,
    },
    /// Another change of members may be under way.
    ChangePending,
    /// Something else, in words.
    Other(String),
}

/// Everything an implementation has to say at one moment. The buffers are the caller's and are used again.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Messages that may leave now, in order.
    pub sends: Vec<(NodeId, Bytes)>,
    /// Snapshots to send.
    pub snapshots: Vec<SnapshotSend>,
    /// Writes, in order.
    pub writes: Vec<Persist>,
    /// Entries to apply, in order.
    pub committed: Vec<Committed>,
    /// Reads that were answered.
    pub reads: Vec<(RequestId, ReadOutcome)>,
}

impl Outputs {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let Self { sends, snapshots, writes, committed, reads } = self;
        sends.is_empty()
            && snapshots.is_empty()
            && writes.is_empty()
            && committed.is_empty()
            && reads.is_empty()
    }
}

/// A Raft implementation, as a [`Replica`](crate::Replica) drives it.
///
/// After any call the replica [drains](Self::drain) the outputs until there are none. Implementations must not
/// draw randomness of their own: they say that they [want an election timeout](Self::wants_election_timeout).
pub trait Adapter: Sized + 'static {
    /// What it is called on the command line and in traces.
    const NAME: &'static str;

    /// Boots from what was recovered.
    ///
    /// # Errors
    /// When the settings or the recovered state make no sense; in words. The machine halts.
    fn start(boot: &Boot, recovered: Recovered) -> Result<Self, String>;

    /// Lets `ticks` go by, at least one.
    fn advance(&mut self, ticks: u64);

    /// How many ticks may go by in one step before anything happens; at least one. `None`: nothing ever would.
    fn ticks_until_timeout(&self) -> Option<u64>;

    /// Whether the election timer was reset since the last [`set_election_timeout`](Self::set_election_timeout).
    fn wants_election_timeout(&self) -> bool;

    /// Supplies the election timeout, in ticks from the timer's reset.
    fn set_election_timeout(&mut self, ticks: u64);

    /// Takes a message of a peer. One that installs a snapshot makes no sense here: it comes by
    /// [`install_snapshot`](Self::install_snapshot).
    ///
    /// # Errors
    /// When the message makes no sense, in words; nothing has changed then.
    fn step(&mut self, from: NodeId, bytes: &[u8]) -> Result<(), String>;

    /// Appends a command to the log. Its fate shows when it is applied, or never.
    ///
    /// # Errors
    /// When it was not appended, and so never will be.
    fn propose(&mut self, command: Bytes) -> Result<(), Refusal>;

    /// Asks for an index at which a linearizable read may be served.
    ///
    /// # Errors
    /// When it cannot be answered here.
    fn read(&mut self, id: RequestId) -> Result<(), Refusal>;

    /// Starts an election.
    ///
    /// # Errors
    /// When it may not.
    fn campaign(&mut self) -> Result<(), Refusal>;

    /// Hands the leadership over.
    ///
    /// # Errors
    /// When it does not lead, or the other cannot.
    fn transfer(&mut self, to: NodeId) -> Result<(), Refusal>;

    /// Appends a change of members to the log (§4). It is in force once [`apply_change`](Self::apply_change) has taken it there.
    ///
    /// # Errors
    /// When it was not appended, and so never will be; always, with an implementation whose members never change.
    fn propose_change(&mut self, _change: ConfChange) -> Result<(), Refusal> {
        Err(Refusal::Other(format!("the members of {} never change", Self::NAME)))
    }

    /// The entry `id`, which was handed out without a command, is applied in its turn. If it is a change of members, it is
    /// in force from now on. Whether it has had that effect: not if it is none, nor if it does not fit the configuration in
    /// force, so that it is passed over, here as everywhere.
    ///
    /// # Errors
    /// When that cannot be told, in words. Others may have applied it, so the replica gives up.
    fn apply_change(&mut self, _id: EntryId) -> Result<bool, String> {
        Ok(false)
    }

    /// Moves everything there is to say to the end of `outputs`.
    fn drain(&mut self, outputs: &mut Outputs);

    /// The write of this number, and so all before it, is durable. If there are snapshots in them, the state machine has
    /// become what the last of them holds.
    fn persisted(&mut self, number: u64);

    /// Everything up to `index` is applied, entry by entry.
    fn applied(&mut self, index: LogIndex);

    /// Takes the message that went with a snapshot of everything up to `last`, whose bytes are durable here. If a write
    /// with that snapshot comes of it, it is installed with that write; otherwise it is not needed.
    ///
    /// # Errors
    /// When the message makes no sense or is about another snapshot, in words; nothing has changed then.
    fn install_snapshot(&mut self, _from: NodeId, last: EntryId, _message: &[u8]) -> Result<(), String> {
        Err(format!("a snapshot of {last}, which {} has no use for", Self::NAME))
    }

    /// Who belongs to the cluster as of what is applied: what a snapshot taken now stands for. `None` for an
    /// implementation that knows no snapshots and whose members never change; then no snapshots are taken, and the four
    /// functions below are not called.
    fn configuration(&self) -> Option<Configuration> {
        None
    }

    /// Whether somebody has to be sent a snapshot, and the latest one does not do: he is no member in it, say. One of what is
    /// applied is taken then, ahead of its time.
    fn wants_snapshot(&self) -> bool {
        false
    }

    /// The replica has a snapshot of everything up to `snapshot.last`, which is applied. It is durable and may be sent.
    fn snapshot_available(&mut self, _snapshot: SnapshotMeta) {}

    /// The entries up to `to` may be forgotten. A snapshot that is available covers them.
    fn compact(&mut self, _to: LogIndex) {}

    /// Sending a snapshot to `peer` has ended. It may be late: the implementation may no longer lead.
    fn report_snapshot(&mut self, _peer: NodeId, _outcome: SnapshotOutcome) {}

    /// Fills in what the checks may know; `applied` and `machine_digest` are the replica's to set.
    fn observe(&self) -> Observation;

    /// The whole log as it is in memory. Called when the replica has recovered, to be compared with what is on the
    /// disk.
    fn log(&self) -> LogSlice;

    /// What a message is, or `None` if these bytes are none. Called for every message: it must be cheap.
    fn describe(bytes: &[u8]) -> Option<Description>;

    /// The message in one line for a reader, by the paper's names; begins with its kind. Commands inside are
    /// rendered by `command`, since only the state machine can read them.
    fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String;
}
