//! The correct adapter with something done differently.

use std::fmt::Debug;

use bytes::Bytes;
use raft_core::{
    ConfChange, Configuration, EntryId, Envelope, LogIndex, LogSlice, NodeId, SnapshotMeta, SnapshotOutcome,
};
use wavetank_process::{
    Adapter, Boot, Description, Observation, Outputs, Recovered, Refusal, RequestId, raft_core,
};
use wavetank_raft_core::RaftCore;

/// What a broken adapter does differently; whatever a variant does not mention is done right.
pub(crate) trait Twist: Debug + Default + 'static {
    /// Whether it can say what its messages are.
    const DESCRIBES: bool = true;

    /// A machine boots.
    fn started(&mut self, _boot: &Boot) {}

    /// What the disk held.
    fn recovered(recovered: Recovered) -> Recovered {
        recovered
    }

    /// A message that has just arrived.
    fn incoming(&mut self, _core: &RaftCore, _envelope: &mut Envelope) {}

    /// A message about to leave.
    fn outgoing(&mut self, _core: &RaftCore, _envelope: &mut Envelope) {}

    /// Time goes by.
    fn advance(&mut self, core: &mut RaftCore, ticks: u64) {
        core.advance(ticks);
    }

    /// How long nothing will happen.
    fn ticks_until_timeout(&self, core: &RaftCore) -> Option<u64> {
        core.ticks_until_timeout()
    }

    /// A client wants to read.
    fn read(&mut self, core: &mut RaftCore, id: RequestId) -> Result<(), Refusal> {
        core.read(id)
    }

    /// Everything there is to say, after it was said right.
    fn drained(&mut self, _core: &mut RaftCore, _outputs: &mut Outputs) {}

    /// What it shows of itself.
    fn observed(&self, _core: &RaftCore, shown: Observation) -> Observation {
        shown
    }

    /// An entry that may be a change of members is applied.
    fn apply_change(&mut self, core: &mut RaftCore, id: EntryId) -> Result<bool, String> {
        core.apply_change(id)
    }

    /// Entries were applied.
    fn applied(&mut self, core: &mut RaftCore, index: LogIndex) {
        core.applied(index);
    }
}

/// Nothing is done differently.
#[derive(Debug, Default)]
pub(crate) struct Untwisted;

impl Twist for Untwisted {}

/// Nobody can say what its messages are.
#[derive(Debug, Default)]
pub(crate) struct Mumbling;

impl Twist for Mumbling {
    const DESCRIBES: bool = false;
}

/// The adapter with a twist.
#[derive(Debug)]
pub(crate) struct Twisted<T> {
    core: RaftCore,
    twist: T,
}

impl<T: Twist> Adapter for Twisted<T> {
    const NAME: &'static str = RaftCore::NAME;

    fn start(boot: &Boot, recovered: Recovered) -> Result<Self, String> {
        let core = RaftCore::start(boot, T::recovered(recovered))?;
        let mut twist = T::default();
        twist.started(boot);
        Ok(Self { core, twist })
    }

    fn advance(&mut self, ticks: u64) {
        self.twist.advance(&mut self.core, ticks);
    }

    fn ticks_until_timeout(&self) -> Option<u64> {
        self.twist.ticks_until_timeout(&self.core)
    }

    fn wants_election_timeout(&self) -> bool {
        self.core.wants_election_timeout()
    }

    fn set_election_timeout(&mut self, ticks: u64) {
        self.core.set_election_timeout(ticks);
    }

    fn step(&mut self, from: NodeId, bytes: &[u8]) -> Result<(), String> {
        let mut envelope = raft_wire::decode(bytes).map_err(|error| error.to_string())?;
        self.twist.incoming(&self.core, &mut envelope);
        self.core.step(from, &raft_wire::encode(&envelope))
    }

    fn install_snapshot(&mut self, from: NodeId, last: EntryId, bytes: &[u8]) -> Result<(), String> {
        let mut envelope = raft_wire::decode(bytes).map_err(|error| error.to_string())?;
        self.twist.incoming(&self.core, &mut envelope);
        self.core.install_snapshot(from, last, &raft_wire::encode(&envelope))
    }

    fn configuration(&self) -> Option<Configuration> {
        self.core.configuration()
    }

    fn wants_snapshot(&self) -> bool {
        self.core.wants_snapshot()
    }

    fn snapshot_available(&mut self, snapshot: SnapshotMeta) {
        self.core.snapshot_available(snapshot);
    }

    fn compact(&mut self, to: LogIndex) {
        self.core.compact(to);
    }

    fn report_snapshot(&mut self, peer: NodeId, outcome: SnapshotOutcome) {
        self.core.report_snapshot(peer, outcome);
    }

    fn propose(&mut self, command: Bytes) -> Result<(), Refusal> {
        self.core.propose(command)
    }

    fn read(&mut self, id: RequestId) -> Result<(), Refusal> {
        self.twist.read(&mut self.core, id)
    }

    fn campaign(&mut self) -> Result<(), Refusal> {
        self.core.campaign()
    }

    fn transfer(&mut self, to: NodeId) -> Result<(), Refusal> {
        self.core.transfer(to)
    }

    fn propose_change(&mut self, change: ConfChange) -> Result<(), Refusal> {
        self.core.propose_change(change)
    }

    fn apply_change(&mut self, id: EntryId) -> Result<bool, String> {
        self.twist.apply_change(&mut self.core, id)
    }

    fn drain(&mut self, outputs: &mut Outputs) {
        self.core.drain(outputs);
        self.twist.drained(&mut self.core, outputs);
        for (_, bytes) in &mut outputs.sends {
            let mut envelope = raft_wire::decode(bytes).expect("it has just been encoded");
            self.twist.outgoing(&self.core, &mut envelope);
            *bytes = raft_wire::encode(&envelope);
        }
    }

    fn persisted(&mut self, number: u64) {
        self.core.persisted(number);
    }

    fn applied(&mut self, index: LogIndex) {
        self.twist.applied(&mut self.core, index);
    }

    fn observe(&self) -> Observation {
        self.twist.observed(&self.core, self.core.observe())
    }

    fn log(&self) -> LogSlice {
        self.core.log()
    }

    fn describe(bytes: &[u8]) -> Option<Description> {
        if T::DESCRIBES { RaftCore::describe(bytes) } else { None }
    }

    fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String {
        RaftCore::render(bytes, command)
    }
}
