//! The first seam: one machine's whole program, driven from outside.

use std::fmt;

use bytes::Bytes;
use raft_core::{ConfChange, Configuration, LogSlice, NodeId};
use raft_wal::disk;

use crate::observation::Observation;

/// A reading of the process's own clock, in nanoseconds since it was first booted. Clocks of different
/// processes run at different rates and are never compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalTime(pub u64);

impl LocalTime {
    /// So many nanoseconds later; the end of the number line at most.
    pub const fn after(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }
}

/// A client of the cluster. Numbered from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A client's request. Retries of one request keep its id, so that a server can tell them from new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// Who asks.
    pub client: ClientId,
    /// The client's count of its requests, from 1.
    pub sequence: u64,
}

/// What an operator may ask of a process at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Start an election.
    Campaign,
    /// Hand the leadership to this server.
    Transfer(NodeId),
    /// Change who belongs to the cluster.
    Change(ConfChange),
    /// Take a snapshot of what is applied.
    Snapshot,
    /// Remove from the log what the latest snapshot covers.
    Compact,
}

/// What happens to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// It was booted; the first input of each incarnation.
    Start,
    /// A message arrived.
    Message {
        /// The sender, vouched for by the network.
        from: NodeId,
        /// What it sent.
        bytes: Bytes,
    },
    /// The disk answered a request of this incarnation.
    Disk {
        /// The request.
        id: disk::RequestId,
        /// The answer.
        result: disk::DiskResult,
    },
    /// A client asks for something.
    Request {
        /// Who asks, and which of its requests this is.
        id: RequestId,
        /// The request, in the state machine's own encoding.
        bytes: Bytes,
    },
    /// An operator asks for something.
    Control(Control),
    /// The deadline has passed.
    Timer,
}

/// How a client's request ended, as its server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the state machine's reply.
    Done(Bytes),
    /// Refused *before* anything was done: it has had no effect and never will. A server that cannot be sure must
    /// stay silent instead.
    Refused {
        /// Who might serve it.
        leader: Option<NodeId>,
    },
}

/// What a process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        bytes: Bytes,
    },
    /// Ask the disk.
    Disk {
        /// A name for the request, not used before in this incarnation.
        id: disk::RequestId,
        /// The request.
        request: disk::Request,
    },
    /// Answer a client.
    Reply {
        /// The request answered.
        id: RequestId,
        /// The answer.
        outcome: Outcome,
    },
    /// An operator's request was refused.
    ControlRefused {
        /// Why, in words.
        reason: String,
    },
    /// A peer's message was refused: nothing has changed by it.
    MessageRefused {
        /// The sender.
        from: NodeId,
        /// Why, in words.
        reason: String,
    },
    /// The process has been somewhere where it seldom comes. It is counted, so that tests can ask whether a branch was
    /// ever reached.
    Reached {
        /// The branch's name.
        branch: &'static str,
    },
    /// The process gives up, for a reason that is not its fault: a disk that failed or is damaged. It handles
    /// nothing more until it is booted again.
    Halt {
        /// Why, in words.
        reason: String,
    },
}

/// What a choice is about, as a number: part of the address of the choice, so that one more choice of one kind
/// shifts none of another. Processes own the numbers below 256; the tank's begin there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub u16);

impl Label {
    /// [`Replica`](crate::Replica)'s choice of an election timeout.
    pub const ELECTION_TIMEOUT: Self = Self(1);
}

/// The one door for chance.
pub trait Chance {
    /// A number below `bound`, which is at least 1. Smaller is simpler, and 0 is the mildest choice: a run whose
    /// choices are all 0 is the quietest there is.
    fn choose(&mut self, label: Label, bound: u64) -> u64;
}

/// What a process may use while it handles an input.
#[expect(
    missing_debug_implementations,
    reason = "it borrows the driver's own parts for the length of a call"
)]
pub struct Context<'a> {
    now: LocalTime,
    outputs: &'a mut Vec<Output>,
    chance: &'a mut dyn Chance,
}

impl<'a> Context<'a> {
    /// For drivers: a context that reads `now` on the process's clock and collects what it does in `outputs`.
    pub fn new(now: LocalTime, outputs: &'a mut Vec<Output>, chance: &'a mut dyn Chance) -> Self {
        Self { now, outputs, chance }
    }

    /// The process's own clock.
    pub fn now(&self) -> LocalTime {
        self.now
    }

    /// Does something. The order is kept.
    pub fn emit(&mut self, output: Output) {
        self.outputs.push(output);
    }

    /// See [`Chance::choose`].
    pub fn choose(&mut self, label: Label, bound: u64) -> u64 {
        self.chance.choose(label, bound)
    }
}

/// One machine's whole program. See the [crate's page](crate).
///
/// It is dropped when its machine crashes; what it had asked its disk to make durable is all that the next
/// incarnation finds.
pub trait Process {
    /// Handles one input. A panic in here is reported as a bug of the process, with the seed that leads to it.
    fn handle(&mut self, input: Input, context: &mut Context<'_>);

    /// When the process next wants an [`Input::Timer`], on its own clock. Asked after every input.
    fn deadline(&self) -> Option<LocalTime>;

    /// What the checks may know of it, or `None` while it has nothing to show (it is recovering, say).
    fn observe(&self) -> Option<Observation>;

    /// The log it holds in memory, or `None` if it cannot show one. Asked once it has recovered, to be compared with
    /// its disk.
    fn log(&self) -> Option<LogSlice> {
        None
    }

    /// Whom it takes for the members of the cluster, as of what is applied; or, once its log says that a snapshot takes the
    /// log's place, as of that. `None` if it does not say.
    fn configuration(&self) -> Option<Configuration> {
        None
    }
}
