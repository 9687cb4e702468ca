//! A replica of `raft-core`.

use bytes::Bytes;
use raft_core::{
    Config, Envelope, Incarnation, MemoryStorage, NodeId, Raft, Recovered, Storage, Ticks, handle_ready,
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
        commands.into_iter().for_each(|command| self.propose(command));
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
            |entries| applied += entries.len() as u64,
        )
        .unwrap_or_else(|never| match never {});
        applied
    }

    fn compact(&mut self, _kept: u64) {}
}
