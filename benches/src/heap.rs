//! The least that a simulation of a cluster needs: a heap of events around TiKV's `raft` crate.
//!
//! No disk, no bytes on the wire, no faults, no clients and nothing that is checked or recorded: what a simulator costs
//! beyond this is what it costs for being one. Servers tick every 10 ms, leaders send a heartbeat every 50 ms, elections
//! are due after half a second to a second, and messages take 1 to 10 ms.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use bytes::Bytes;
use raft::eraftpb::Message;

use crate::{PeerReplica, Replica};

const MILLISECOND: u64 = 1_000_000;
const TICK: u64 = 10 * MILLISECOND;

/// The ticks of the base election timeout, in every simulation that is compared.
pub const ELECTION_TIMEOUT_TICKS: u64 = 50;

/// The ticks between heartbeats, in every simulation that is compared.
pub const HEARTBEAT_TICKS: u64 = 5;

enum Event {
    Message(u64, Message),
    Tick,
    Propose,
}

struct Entry {
    time: u64,
    age: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.age).cmp(&(other.time, other.age))
    }
}

/// A cluster of three and its events to come.
#[expect(missing_debug_implementations, reason = "the peer's state has none")]
pub struct Heap {
    now: u64,
    age: u64,
    random: u64,
    queue: BinaryHeap<Reverse<Entry>>,
    servers: Vec<PeerReplica>,
    /// How many proposals the leader makes in each millisecond.
    proposals_per_millisecond: u64,
    command: Bytes,
    applied: u64,
    compacted_at: u64,
}

impl Heap {
    /// A cluster of three whose leader makes so many proposals of 64 bytes in each millisecond.
    pub fn new(proposals_per_millisecond: u64) -> Self {
        let servers = (1..=3)
            .map(|id| PeerReplica::timed(id, 3, ELECTION_TIMEOUT_TICKS as usize, HEARTBEAT_TICKS as usize))
            .collect();
        let mut heap = Self {
            now: 0,
            age: 0,
            random: 1,
            queue: BinaryHeap::new(),
            servers,
            proposals_per_millisecond,
            command: Bytes::from(vec![7; 64]),
            applied: 0,
            compacted_at: 0,
        };
        heap.push(TICK, Event::Tick);
        if 0 < proposals_per_millisecond {
            heap.push(MILLISECOND, Event::Propose);
        }
        heap
    }

    /// How many entries were applied, on all servers together.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Lets so many milliseconds go by.
    pub fn run(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds * MILLISECOND;
        while self.queue.peek().is_some_and(|Reverse(next)| next.time <= until) {
            let Some(Reverse(Entry { time, event, .. })) = self.queue.pop() else { break };
            self.now = time;
            self.happen(event);
        }
        self.now = until;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Message(to, message) => {
                let server = usize::try_from(to - 1).expect("servers are few");
                self.servers[server].step(message);
                self.handle(server);
            }
            Event::Tick => {
                for server in 0..self.servers.len() {
                    self.servers[server].tick();
                    self.handle(server);
                }
                self.push(self.now + TICK, Event::Tick);
            }
            Event::Propose => {
                if let Some(leader) = (0..self.servers.len()).find(|&server| self.servers[server].leads()) {
                    for _ in 0..self.proposals_per_millisecond {
                        self.servers[leader].propose(self.command.clone());
                    }
                    self.handle(leader);
                }
                self.push(self.now + MILLISECOND, Event::Propose);
            }
        }
    }

    fn handle(&mut self, server: usize) {
        let mut sent = Vec::new();
        self.applied += self.servers[server].handle(&mut |to, message| sent.push((to, message)));
        for (to, message) in sent {
            let latency = self.latency();
            self.push(self.now + latency, Event::Message(to, message));
        }
        if self.compacted_at + 3 * crate::COMPACT_EVERY <= self.applied {
            self.compacted_at = self.applied;
            self.servers.iter_mut().for_each(|server| server.compact(crate::COMPACT_EVERY / 2));
        }
    }

    fn latency(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        MILLISECOND + (self.random >> 33) % (9 * MILLISECOND)
    }

    fn push(&mut self, time: u64, event: Event) {
        self.age += 1;
        self.queue.push(Reverse(Entry { time, age: self.age, event }));
    }
}
