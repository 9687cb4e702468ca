//! Plugs [`raft_core`] into the tank.
//!
//! The adapter keeps each [`Write`] until the log store has made it durable, and only then claims so: the promises
//! inside leave at that moment and not before.

mod entry;
mod members;
mod message;
mod observation;
mod render;
mod start;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use raft_core::{
    CampaignError, ConfChange, Configuration, EntryId, Envelope, LogIndex, LogSlice, Message, NodeId, Raft,
    ReadError, ReadId, ReadState, SnapshotMeta, SnapshotOutcome, Ticks, TransferError, Write,
};
use wavetank_process::{
    Adapter, Boot, Description, Observation, Outputs, Persist, ReadOutcome, Recovered, Refusal, RequestId,
};

/// A replica of `raft-core` behind the tank's seam.
#[derive(Debug)]
pub struct RaftCore {
    raft: Raft,
    /// Handed to the log store and not yet durable, in order.
    writes: VecDeque<Write>,
    /// Set free by a durable write.
    released: Vec<Envelope>,
    reads: BTreeMap<ReadId, RequestId>,
}

impl Adapter for RaftCore {
    const NAME: &'static str = "raft-core";

    fn start(boot: &Boot, recovered: Recovered) -> Result<Self, String> {
        let raft = start::replica(boot, recovered)?;
        Ok(Self { raft, writes: VecDeque::new(), released: Vec::new(), reads: BTreeMap::new() })
    }

    fn advance(&mut self, ticks: u64) {
        self.raft.advance(Ticks(ticks));
    }

    fn ticks_until_timeout(&self) -> Option<u64> {
        self.raft.ticks_until_timeout().map(|ticks| ticks.0)
    }

    fn wants_election_timeout(&self) -> bool {
        self.raft.wants_election_timeout()
    }

    fn set_election_timeout(&mut self, ticks: u64) {
        self.raft.set_election_timeout(Ticks(ticks)).expect("drawn from the range that is configured");
    }

    fn step(&mut self, from: NodeId, bytes: &[u8]) -> Result<(), String> {
        let envelope = message::decode(from, bytes)?;
        if let Message::InstallSnapshot { .. } = envelope.message {
            return Err("a snapshot without its bytes".to_owned());
        }
        self.raft.step(envelope).map_err(|e| e.to_string())
    }

    fn install_snapshot(&mut self, from: NodeId, last: EntryId, bytes: &[u8]) -> Result<(), String> {
        let envelope = message::decode(from, bytes)?;
        match &envelope.message {
            Message::InstallSnapshot { snapshot } if snapshot.last == last => {
                self.raft.step(envelope).map_err(|e| e.to_string())
            }
            _ => Err(format!("no message with a snapshot of {last}")),
        }
    }

    fn propose(&mut self, command: Bytes) -> Result<(), Refusal> {
        self.raft.propose(command).map(|_| ()).map_err(members::refusal)
    }

    fn propose_change(&mut self, change: ConfChange) -> Result<(), Refusal> {
        members::propose(&mut self.raft, change)
    }

    fn apply_change(&mut self, id: EntryId) -> Result<bool, String> {
        members::apply(&mut self.raft, id.index)
    }

    fn read(&mut self, id: RequestId) -> Result<(), Refusal> {
        match self.raft.read_index() {
            Ok(read) => {
                self.reads.insert(read, id);
                Ok(())
            }
            Err(ReadError::NotLeader { leader }) => Err(Refusal::NotLeader { leader }),
        }
    }

    fn campaign(&mut self) -> Result<(), Refusal> {
        self.raft.campaign().map_err(|error: CampaignError| Refusal::Other(error.to_string()))
    }

    fn transfer(&mut self, to: NodeId) -> Result<(), Refusal> {
        self.raft.transfer_leadership(to).map_err(|error| match error {
            TransferError::NotLeader { leader } => Refusal::NotLeader { leader },
            TransferError::NotVoter { .. } | TransferError::AlreadyLeader { .. } => {
                Refusal::Other(error.to_string())
            }
        })
    }

    fn drain(&mut self, outputs: &mut Outputs) {
        self.released.drain(..).for_each(|envelope| message::send(&envelope, outputs));
        while let Some(ready) = self.raft.ready() {
            ready.messages.iter().for_each(|envelope| message::send(envelope, outputs));
            if let Some(write) = ready.write {
                outputs.writes.push(Persist {
                    number: write.number().0,
                    hard_state: write.hard_state(),
                    commit: write.commit(),
                    snapshot: write.snapshot().cloned(),
                    entries: write.entries().cloned(),
                });
                self.writes.push_back(write);
            }
            outputs.committed.extend(ready.committed.iter().flat_map(LogSlice::iter).map(entry::committed));
            for state in ready.reads {
                let (id, outcome) = match state {
                    ReadState::Confirmed { id, index } => (id, ReadOutcome::At(index)),
                    ReadState::Lost { id, reason: _ } => (id, ReadOutcome::Lost),
                };
                outputs.reads.extend(self.reads.remove(&id).map(|request| (request, outcome)));
            }
        }
    }

    fn persisted(&mut self, number: u64) {
        while self.writes.front().is_some_and(|write| write.number().0 <= number) {
            let Some(write) = self.writes.pop_front() else { break };
            let durable = write.durable();
            self.released.extend(durable.messages);
            self.raft.on_persisted(durable.receipt).expect("writes are claimed once, in order");
        }
    }

    fn applied(&mut self, index: LogIndex) {
        self.raft.on_applied(index).expect("entries are applied as they are handed out");
    }

    fn configuration(&self) -> Option<Configuration> {
        Some(self.raft.configuration().clone())
    }

    fn wants_snapshot(&self) -> bool {
        self.raft.wants_snapshot()
    }

    fn snapshot_available(&mut self, snapshot: SnapshotMeta) {
        self.raft
            .snapshot_available(snapshot)
            .expect("it is of what was applied, and later than the last one");
    }

    fn compact(&mut self, to: LogIndex) {
        self.raft.compact(to).expect("the snapshot that is available covers it, and it was kept until now");
    }

    fn report_snapshot(&mut self, peer: NodeId, outcome: SnapshotOutcome) {
        // It may no longer lead, or have found out by itself.
        let _late = self.raft.report_snapshot(peer, outcome);
    }

    fn observe(&self) -> Observation {
        observation::observe(&self.raft)
    }

    fn log(&self) -> LogSlice {
        self.raft.log()
    }

    fn describe(bytes: &[u8]) -> Option<Description> {
        message::describe(bytes)
    }

    fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String {
        raft_wire::decode(bytes)
            .map_or_else(|error| format!("({error})"), |envelope| render::render(&envelope, command))
    }
}
