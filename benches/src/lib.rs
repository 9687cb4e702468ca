//! A cluster in memory, driven as fast as it goes: what the benchmarks of the core measure.
//!
//! The driver is the same for every implementation, so that only the implementations differ: one thread, messages
//! moved by value, each write stored in memory before what rests on it leaves, every committed entry counted as
//! applied. In each round a replica takes everything in its mailbox and then says once what it has to say.
//!
//! Beside it stand [histories] for the benchmarks of linearizability.

pub mod histories;

mod core_replica;
mod peer_replica;
pub mod heap;
pub mod bare_process;

use std::mem;

use bytes::Bytes;

pub use core_replica::CoreReplica;
pub use peer_replica::PeerReplica;

/// One replica of an implementation.
pub trait Replica {
    /// What it is called in tables.
    const NAME: &'static str;

    /// What it sends.
    type Message;

    /// A replica of a cluster with the ids 1 to `size`, without prior state. Elections have no survey first.
    fn start(id: u64, size: u64) -> Self;

    /// Starts an election.
    fn campaign(&mut self);

    /// Lets one tick go by. A leader sends a heartbeat every tick, and nobody's patience ends.
    fn tick(&mut self);

    /// Has the leader append a command.
    fn propose(&mut self, command: Bytes);

    /// Has the leader append several commands at once.
    fn propose_all(&mut self, commands: Vec<Bytes>);

    /// Takes a message.
    fn step(&mut self, message: Self::Message);

    /// Does what is to be done once: persists, sends, applies. Messages go to `send` with their receiver. Returns how
    /// many entries were applied.
    fn handle(&mut self, send: &mut impl FnMut(u64, Self::Message)) -> u64;

    /// Forgets what every replica has applied, but for the last `kept` entries.
    fn compact(&mut self, kept: u64);
}

/// How a batch of commands is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// In one request.
    AtOnce,
    /// In a request each, before anything is sent.
    OneByOne,
}

impl Batch {
    /// What it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::OneByOne => "one by one",
        }
    }
}

/// Replicas and their mailboxes.
#[expect(missing_debug_implementations, reason = "the peer's state has none")]
pub struct Cluster<R: Replica> {
    replicas: Vec<R>,
    mailboxes: Vec<Vec<R::Message>>,
    applied: u64,
    since_compaction: u64,
}

/// After how many commands the log is compacted.
const COMPACT_EVERY: u64 = 8_192;

impl<R: Replica> Cluster<R> {
    /// So many replicas that have just started.
    pub fn new(size: u64) -> Self {
        Self {
            replicas: (1..=size).map(|id| R::start(id, size)).collect(),
            mailboxes: (0..size).map(|_| Vec::new()).collect(),
            applied: 0,
            since_compaction: 0,
        }
    }

    /// So many replicas, of which the first leads and has committed its no-op everywhere.
    pub fn elected(size: u64) -> Self {
        let mut cluster = Self::new(size);
        cluster.elect();
        cluster
    }

    /// Has the first replica elected.
    ///
    /// # Panics
    /// When its first entry was not applied everywhere.
    pub fn elect(&mut self) {
        let before = self.applied;
        self.replicas[0].campaign();
        self.settle();
        assert_eq!(self.applied - before, self.replicas.len() as u64, "the no-op is applied everywhere");
    }

    /// Has the leader append this command so many times, and waits until every replica has applied them all.
    ///
    /// # Panics
    /// When one of them was not applied everywhere.
    pub fn commit(&mut self, command: &Bytes, count: u64, batch: Batch) {
        let before = self.applied;
        match batch {
            Batch::AtOnce => self.replicas[0].propose_all((0..count).map(|_| command.clone()).collect()),
            Batch::OneByOne => (0..count).for_each(|_| self.replicas[0].propose(command.clone())),
        }
        self.settle();
        assert_eq!(self.applied - before, count * self.replicas.len() as u64, "applied everywhere");
        self.since_compaction += count;
        if COMPACT_EVERY <= self.since_compaction {
            self.since_compaction = 0;
            self.replicas.iter_mut().for_each(|replica| replica.compact(1));
        }
    }

    /// Lets one tick go by everywhere.
    pub fn tick(&mut self) {
        self.replicas.iter_mut().for_each(R::tick);
        self.settle();
    }

    /// Goes from replica to replica until nobody has anything more to say.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for position in 0..self.replicas.len() {
                let mut mail = mem::take(&mut self.mailboxes[position]);
                let replica = &mut self.replicas[position];
                mail.drain(..).for_each(|message| replica.step(message));
                // The buffer goes back, so that its memory is not counted as anybody's.
                self.mailboxes[position] = mail;
                let mailboxes = &mut self.mailboxes;
                self.applied += replica.handle(&mut |to, message| {
                    quiet = false;
                    mailboxes[usize::try_from(to - 1).expect("replicas are few")].push(message);
                });
            }
            if quiet {
                return;
            }
        }
    }
}
