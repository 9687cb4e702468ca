//! The Raft implementation of a [`Replica`](crate::Replica).

use bytes::Bytes;
use raft_core::{EntryId, HardState, LogIndex, LogSlice, NodeId};

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
        }
    }
}

/// What an implementation is told when its machine boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Who it is.
    pub id: NodeId,
    /// The cluster's voters, itself among them.
    pub voters: Vec<NodeId>,
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
    /// The last commit index written; it may be behind what had been reached.
    pub commit: LogIndex,
    /// The whole log.
    pub log: LogSlice,
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
    /// Entries that replace everything the log holds from the first of them on.
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
    /// Something else, in words.
    Other(String),
}

/// Everything an implementation has to say at one moment. The buffers are the caller's and are used again.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Messages that may leave now, in order.
    pub sends: Vec<(NodeId, Bytes)>,
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
        let Self { sends, writes, committed, reads } = self;
        sends.is_empty() && writes.is_empty() && committed.is_empty() && reads.is_empty()
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

    /// Takes a message of a peer.
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

    /// Moves everything there is to say to the end of `outputs`.
    fn drain(&mut self, outputs: &mut Outputs);

    /// The write of this number, and so all before it, is durable.
    fn persisted(&mut self, number: u64);

    /// Everything up to `index` is applied.
    fn applied(&mut self, index: LogIndex);

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
