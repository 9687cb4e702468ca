//! The adapter: one replica of the crate, driven by the tank.

use std::collections::BTreeMap;

use bytes::Bytes;
use raft::{RawNode, StateRole, eraftpb::MessageType};
use raft_core::{
    ConfChange, Configuration, EntryId, LogIndex, LogSlice, NodeId, SnapshotMeta, SnapshotOutcome,
};
use wavetank_process::{
    Adapter, Boot, Description, Observation, Outputs, ReadOutcome, Recovered, Refusal, RequestId,
};

use crate::{
    changes, log, members, message, observation, snapshot, start, storage::MemoryStorage, timers,
    writes::Writes,
};

/// Why it cannot campaign now: the crate would panic.
const INSTALLING: &str = "a snapshot is being installed";

/// A replica of TiKV's `raft` crate. See the [crate's page](crate).
#[expect(missing_debug_implementations, reason = "the crate's own state has none")]
pub struct RaftRs {
    node: RawNode<MemoryStorage>,
    /// The timeout last supplied; the least there is until then.
    election_timeout: usize,
    /// The term and role for which it was supplied.
    timed: Option<(u64, StateRole)>,
    writes: Writes,
    /// Reads that wait for a round of heartbeats, by the context that the crate knows them by.
    reads: BTreeMap<Vec<u8>, RequestId>,
    last_read: u64,
}

impl RaftRs {
    fn require_leadership(&self) -> Result<(), Refusal> {
        let leader = NodeId::new(self.node.raft.leader_id);
        let leads = self.node.raft.state == StateRole::Leader;
        if leads { Ok(()) } else { Err(Refusal::NotLeader { leader }) }
    }
}

impl Adapter for RaftRs {
    const NAME: &'static str = "raft-rs";

    fn start(boot: &Boot, recovered: Recovered) -> Result<Self, String> {
        let node = start::node(boot, &recovered)?;
        Ok(Self {
            election_timeout: node.raft.election_timeout(),
            node,
            timed: None,
            writes: Writes::default(),
            reads: BTreeMap::new(),
            last_read: 0,
        })
    }

    fn advance(&mut self, ticks: u64) {
        // The crate panics if an election times out while a snapshot is being installed: TiKV holds its clock too.
        let ticks = if self.writes.installs_snapshot() { 0 } else { ticks };
        for _ in 0..ticks {
            // Only a tick reads the timeout, so what the crate has drawn since the last one never acts.
            self.node.raft.set_randomized_election_timeout(self.election_timeout);
            self.node.tick();
        }
    }

    fn ticks_until_timeout(&self) -> Option<u64> {
        timers::ticks_until_timeout(&self.node.raft, self.election_timeout)
    }

    /// The crate draws when it enters a term, steps down, or wins: never without a change of term or role. (A
    /// heartbeat restarts the timer, and so does a survey that is repeated, but both keep its length; so does a
    /// role that is left and taken up again between two questions. A survey that begins gets a new one here.)
    fn wants_election_timeout(&self) -> bool {
        self.timed != Some((self.node.raft.term, self.node.raft.state))
    }

    fn set_election_timeout(&mut self, ticks: u64) {
        let least = self.node.raft.election_timeout() as u64;
        assert!(least <= ticks && ticks < 2 * least, "{ticks} ticks are not in {least}..{}", 2 * least);
        self.election_timeout = ticks as usize;
        self.timed = Some((self.node.raft.term, self.node.raft.state));
    }

    fn step(&mut self, from: NodeId, bytes: &[u8]) -> Result<(), String> {
        let message = message::decode_for(&self.node.raft, from, bytes)?;
        match message.msg_type {
            MessageType::MsgSnapshot => return Err("a snapshot without its bytes".to_owned()),
            MessageType::MsgTimeoutNow if self.writes.installs_snapshot() => {
                return Err(INSTALLING.to_owned());
            }
            _ => (),
        }
        self.node.step(message).map_err(|error| error.to_string())
    }

    fn install_snapshot(&mut self, from: NodeId, last: EntryId, bytes: &[u8]) -> Result<(), String> {
        let message = message::decode_for(&self.node.raft, from, bytes)?;
        if message.msg_type != MessageType::MsgSnapshot || snapshot::last(message.get_snapshot()) != last {
            return Err(format!("no message with a snapshot of {last}"));
        }
        self.node.step(message).map_err(|error| error.to_string())
    }

    fn propose(&mut self, command: Bytes) -> Result<(), Refusal> {
        self.require_leadership()?;
        if command.is_empty() {
            return Err(Refusal::Other("an empty command cannot be told from a no-op".to_owned()));
        }
        self.node.propose(Vec::new(), command.into()).map_err(|error| Refusal::Other(error.to_string()))
    }

    fn read(&mut self, id: RequestId) -> Result<(), Refusal> {
        self.require_leadership()?;
        if !self.node.raft.commit_to_current_term() {
            return Err(Refusal::Other("nothing of this term is committed yet".to_owned()));
        }
        self.last_read += 1;
        let context = self.last_read.to_be_bytes().to_vec();
        self.reads.insert(context.clone(), id);
        self.node.read_index(context);
        Ok(())
    }

    fn campaign(&mut self) -> Result<(), Refusal> {
        match self.require_leadership() {
            Ok(()) => Err(Refusal::Other("it leads already".to_owned())),
            Err(_) if self.writes.installs_snapshot() => Err(Refusal::Other(INSTALLING.to_owned())),
            Err(_) if !self.node.raft.promotable() => Err(Refusal::Other("it has no vote".to_owned())),
            Err(_) => self.node.campaign().map_err(|error| Refusal::Other(error.to_string())),
        }
    }

    fn transfer(&mut self, to: NodeId) -> Result<(), Refusal> {
        self.require_leadership()?;
        if to.number() == self.node.raft.id || !self.node.raft.prs().conf().voters().contains(to.number()) {
            return Err(Refusal::Other(format!("{to} is no other voter")));
        }
        self.node.transfer_leader(to.number());
        Ok(())
    }

    fn propose_change(&mut self, change: ConfChange) -> Result<(), Refusal> {
        self.require_leadership()?;
        changes::propose(&mut self.node, &change)
    }

    fn apply_change(&mut self, id: EntryId) -> Result<bool, String> {
        changes::apply(&mut self.node, id)
    }

    fn drain(&mut self, outputs: &mut Outputs) {
        self.writes.release(outputs);
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            let mut messages = ready.take_messages();
            message::take_snapshots(&mut messages, &mut outputs.snapshots);
            outputs.sends.extend(message::encode(messages));
            outputs.committed.extend(ready.take_committed_entries().iter().map(log::committed));
            for state in ready.take_read_states() {
                let id = self.reads.remove(&state.request_ctx).expect("a read is answered once");
                outputs.reads.push((id, ReadOutcome::At(LogIndex(state.index))));
            }
            self.writes.submit(&mut self.node, ready, outputs);
        }
        // A read that the crate no longer waits for was dropped with the leadership.
        let waiting = &self.node.raft.read_only.pending_read_index;
        let lost = self.reads.iter().filter(|(context, _)| !waiting.contains_key(*context));
        outputs.reads.extend(lost.map(|(_, id)| (*id, ReadOutcome::Lost)));
        self.reads.retain(|context, _| waiting.contains_key(context));
    }

    fn persisted(&mut self, number: u64) {
        self.writes.persisted(&mut self.node, number);
    }

    fn applied(&mut self, index: LogIndex) {
        self.node.advance_apply_to(index.0);
    }

    fn configuration(&self) -> Option<Configuration> {
        Some(members::in_force(&self.node))
    }

    fn wants_snapshot(&self) -> bool {
        changes::want_snapshot(&self.node)
    }

    fn snapshot_available(&mut self, snapshot: SnapshotMeta) {
        self.node.mut_store().snapshot = Some(snapshot::described(&snapshot));
    }

    fn compact(&mut self, to: LogIndex) {
        self.node.mut_store().compact(to.0);
    }

    fn report_snapshot(&mut self, peer: NodeId, outcome: SnapshotOutcome) {
        self.node.report_snapshot(peer.number(), snapshot::status(outcome));
    }

    fn observe(&self) -> Observation {
        observation::observe(&self.node.raft, self.election_timeout)
    }

    fn log(&self) -> LogSlice {
        log::whole(&self.node.raft.raft_log)
    }

    fn describe(bytes: &[u8]) -> Option<Description> {
        message::decode(bytes).ok().map(|(_, description)| description)
    }

    fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String {
        message::render(bytes, command)
    }
}
