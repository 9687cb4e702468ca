//! A cluster in memory, driven as fast as it goes, and histories: what the benchmarks measure.

pub mod histories;

use std::collections::VecDeque;

use bytes::Bytes;
use raft_core::{Config, Envelope, Incarnation, MemoryStorage, NodeId, Raft, Recovered, Ticks, handle_ready};

/// Replicas that talk through a queue in memory and persist to memory.
#[derive(Debug)]
pub struct Cluster {
    replicas: Vec<(Raft, MemoryStorage)>,
    network: VecDeque<Envelope>,
    applied: u64,
}

impl Cluster {
    /// So many replicas, of which the first leads.
    ///
    /// # Panics
    /// When there are none.
    pub fn elected(size: u64) -> Self {
        let ids = (1..=size).filter_map(NodeId::new).collect::<Vec<_>>();
        let replica = |id: &NodeId| {
            let founding = || Recovered::founding(ids.iter().copied());
            let config = Config { pre_vote: false, ..Config::new(*id) };
            let mut raft = Raft::new(config, founding(), Incarnation(1)).expect("a sound configuration");
            raft.set_election_timeout(Ticks(10)).expect("within the range");
            (raft, MemoryStorage::new(founding()))
        };
        let mut cluster =
            Self { replicas: ids.iter().map(replica).collect(), network: VecDeque::new(), applied: 0 };
        cluster.replicas[0].0.campaign().expect("a voter may campaign");
        cluster.settle();
        cluster
    }

    /// Has the leader append this command so many times, and waits until every replica has applied them all.
    ///
    /// # Panics
    /// When one of them was not applied everywhere.
    pub fn commit(&mut self, command: &Bytes, count: u64) {
        let before = self.applied;
        for _ in 0..count {
            self.replicas[0].0.propose(command.clone()).expect("the first replica leads");
        }
        self.settle();
        assert_eq!(self.applied - before, count * self.replicas.len() as u64, "applied everywhere");
    }

    /// Lets one tick go by everywhere.
    pub fn tick(&mut self) {
        for (raft, _) in &mut self.replicas {
            raft.tick();
        }
        self.settle();
    }

    fn settle(&mut self) {
        for position in 0..self.replicas.len() {
            self.handle(position);
        }
        while let Some(envelope) = self.network.pop_front() {
            let position = usize::try_from(envelope.to.number() - 1).expect("replicas are few");
            self.replicas[position].0.step(envelope).expect("peers are correct");
            self.handle(position);
        }
    }

    fn handle(&mut self, position: usize) {
        let (raft, storage) = &mut self.replicas[position];
        let (network, applied) = (&mut self.network, &mut self.applied);
        handle_ready(
            raft,
            storage,
            |envelope| network.push_back(envelope),
            |entries| *applied += entries.len() as u64,
        )
        .unwrap_or_else(|never| match never {});
    }
}
