//! A replica of `raft-core`.

use bytes::Bytes;
use raft_core::{
    Apply, Config, EntryId, Envelope, Incarnation, LogIndex, MemoryStorage, NodeId, Raft, Recovered,
    SnapshotHandle, SnapshotMeta, Storage, Ticks, handle_ready,
};

use crate::Replica;

/// A replica of `raft-core`, with storage in memory.
#[derive(Debug)]
pub struct CoreReplica {
    raft: Raft,
    storage: MemoryStorage,
}

impl Replica for CoreReplica {
    const NAME: &'static str = "raft-core";

    type Message = Envelope;

    fn start(id: u64, size: u64) -> Self {
        let id = NodeId::new(id).expect("from 1");
        let founding = || Recovered::founding((1..=size).filter_map(NodeId::new));
        let config =
            Config { heartbeat_interval: Ticks(1), pre_vote: false, check_quorum: false, ..Config::new(id) };
        let storage = MemoryStorage::new(founding());
        let recovered = storage.recover().unwrap_or_else(|never| match never {});
        let raft = Raft::new(config, recovered, Incarnation(1)).expect("a sound configuration");
        Self { raft, storage }
    }

    fn campaign(&mut self) {
        self.raft.campaign().expect("a voter may campaign");
    }

    fn tick(&mut self) {
        self.raft.tick();
    }

    fn propose(&mut self, command: Bytes) {
        self.raft.propose(command).expect("the first replica leads");
    }

    fn propose_all(&mut self, commands: Vec<Bytes>) {
        self.raft.propose_all(commands).expect("the first replica leads");
    }

    fn step(&mut self, message: Envelope) {
        self.raft.step(message).expect("peers are correct");
    }

    fn handle(&mut self, send: &mut impl FnMut(u64, Envelope)) -> u64 {
        let mut applied = 0;
        handle_ready(
            &mut self.raft,
            &mut self.storage,
            |envelope| send(envelope.to.number(), envelope),
            |apply| match apply {
                Apply::Entries(entries) => applied += entries.len() as u64,
                Apply::Snapshot(snapshot) => panic!("nobody lags, and yet there is {snapshot:?}"),
            },
        )
        .unwrap_or_else(|never| match never {});
        applied
    }

    fn compact(&mut self, kept: u64) {
        let to = LogIndex(self.raft.applied().0.saturating_sub(kept));
        let term = self.raft.entry_term(to).expect("it is in the log");
        let (last, configuration) = (EntryId { term, index: to }, self.raft.configuration().clone());
        // Of a counter nothing needs to be kept but where it stands.
        let snapshot = SnapshotMeta { last, configuration, handle: SnapshotHandle::default() };
        self.raft.snapshot_available(snapshot).expect("it has been applied");
        self.raft.compact(to).expect("the snapshot covers it");
        self.storage.compact(self.raft.base());
    }
}
