//! Replicas, a network, disks and a clock, all moved by hand.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use wavetank_process::{
    Adapter, Boot, ClientId, Committed, Observation, Outputs, Persist, RaftOptions, ReadOutcome, Recovered,
    RequestId, Role,
    raft_core::{EntryId, HardState, LogIndex, LogSlice, NodeId},
};
use wavetank_raft_rs::RaftRs;

pub(crate) const ELECTION_TIMEOUT: u64 = 10;

pub(crate) fn id(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

pub(crate) fn request(sequence: u64) -> RequestId {
    RequestId { client: ClientId(1), sequence }
}

pub(crate) fn options() -> RaftOptions {
    RaftOptions { election_timeout_ticks: ELECTION_TIMEOUT, ..RaftOptions::default() }
}

pub(crate) fn boot(number: u64, voters: u64, options: RaftOptions) -> Boot {
    Boot {
        id: id(number),
        voters: (1..=voters).map(id).collect(),
        learners: Vec::new(),
        incarnation: 0,
        options,
    }
}

pub(crate) fn blank() -> Recovered {
    Recovered {
        hard_state: HardState::default(),
        commit: LogIndex(0),
        snapshot: None,
        log: LogSlice::empty(EntryId::ORIGIN),
    }
}

/// What the disk holds after one more write.
pub(crate) fn write(disk: &mut Recovered, write: &Persist) {
    disk.hard_state = write.hard_state.unwrap_or(disk.hard_state);
    disk.commit = write.commit;
    if let Some(entries) = &write.entries {
        let kept = usize::try_from(entries.prev().index.0).unwrap();
        assert!(kept <= disk.log.len(), "a gap: {entries:?} after {:?}", disk.log);
        let mut log = disk.log.entries()[..kept].to_vec();
        log.extend_from_slice(entries.entries());
        let grown = LogSlice::new(EntryId::ORIGIN, log).unwrap();
        assert_eq!(grown.after(entries.prev().index).unwrap().prev(), entries.prev());
        disk.log = grown;
    }
}

/// A message in one line, with commands in quotes.
pub(crate) fn render(bytes: &[u8]) -> String {
    RaftRs::render(bytes, &|command| format!("\"{}\"", command.escape_ascii()))
}

pub(crate) struct Machine {
    pub(crate) raft: RaftRs,
    pub(crate) disk: Recovered,
    /// What is asked for but not durable.
    pub(crate) writes: VecDeque<Persist>,
    pub(crate) last_write: u64,
    pub(crate) applied: Vec<Committed>,
    pub(crate) reads: Vec<(RequestId, ReadOutcome)>,
    pub(crate) timeouts: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) bytes: Bytes,
}

pub(crate) struct Cluster {
    pub(crate) machines: BTreeMap<NodeId, Machine>,
    pub(crate) mail: VecDeque<Letter>,
    /// Everything that was said and the state after every delivery.
    pub(crate) trace: Vec<String>,
    pub(crate) options: RaftOptions,
}

impl Cluster {
    pub(crate) fn new(size: u64) -> Self {
        Self::with_options(size, options())
    }

    pub(crate) fn with_options(size: u64, options: RaftOptions) -> Self {
        let mut cluster =
            Self { machines: BTreeMap::new(), mail: VecDeque::new(), trace: Vec::new(), options };
        for number in 1..=size {
            cluster.start(number, size, blank());
        }
        cluster
    }

    pub(crate) fn start(&mut self, number: u64, size: u64, disk: Recovered) {
        let raft = RaftRs::start(&boot(number, size, self.options.clone()), disk.clone()).unwrap();
        let machine = Machine {
            raft,
            disk,
            writes: VecDeque::new(),
            last_write: 0,
            applied: Vec::new(),
            reads: Vec::new(),
            timeouts: 0,
        };
        self.machines.insert(id(number), machine);
        self.drain(number);
    }

    /// Stops a machine and boots it from what is durable.
    pub(crate) fn restart(&mut self, number: u64) {
        let size = self.machines.len() as u64;
        let disk = self.machines.remove(&id(number)).unwrap().disk;
        self.mail.retain(|letter| letter.to != id(number));
        self.start(number, size, disk);
    }

    pub(crate) fn machine(&mut self, number: u64) -> &mut Machine {
        self.machines.get_mut(&id(number)).unwrap()
    }

    pub(crate) fn raft(&mut self, number: u64) -> &mut RaftRs {
        &mut self.machine(number).raft
    }

    pub(crate) fn observe(&self, number: u64) -> Observation {
        self.machines[&id(number)].raft.observe()
    }

    /// Takes all outputs of a machine, and supplies a timeout if it wants one.
    pub(crate) fn drain(&mut self, number: u64) {
        let machine = self.machines.get_mut(&id(number)).unwrap();
        if machine.raft.wants_election_timeout() {
            machine.timeouts += 1;
            let timeout = ELECTION_TIMEOUT + (3 * number + 4 * machine.timeouts) % ELECTION_TIMEOUT;
            machine.raft.set_election_timeout(timeout);
        }
        let mut outputs = Outputs::default();
        machine.raft.drain(&mut outputs);
        let Outputs { sends, snapshots, writes, committed, reads } = outputs;
        assert_eq!(snapshots, [], "nothing is compacted");
        for (to, bytes) in sends {
            self.trace.push(format!("{} -> {to} {}", id(number), render(&bytes)));
            self.mail.push_back(Letter { from: id(number), to, bytes });
        }
        for write in writes {
            machine.last_write += 1;
            assert_eq!(write.number, machine.last_write);
            machine.writes.push_back(write);
        }
        if let Some(last) = committed.last() {
            machine.raft.applied(last.id.index);
        }
        machine.applied.extend(committed);
        machine.reads.extend(reads);
        self.trace.push(format!("{} {:?}", id(number), machine.raft.observe()));
    }

    /// Makes everything that a machine has asked to write durable.
    pub(crate) fn sync(&mut self, number: u64) {
        let machine = self.machine(number);
        while let Some(next) = machine.writes.pop_front() {
            write(&mut machine.disk, &next);
            machine.raft.persisted(next.number);
        }
        self.drain(number);
    }

    pub(crate) fn deliver(&mut self, letter: &Letter) {
        let Some(machine) = self.machines.get_mut(&letter.to) else { return };
        machine.raft.step(letter.from, &letter.bytes).unwrap();
        self.drain(letter.to.number());
    }

    /// Takes the letters out of the mail that say `kind`.
    pub(crate) fn take(&mut self, kind: &str) -> Vec<Letter> {
        let is_kind = |letter: &Letter| RaftRs::describe(&letter.bytes).unwrap().kind == kind;
        let (taken, rest) = self.mail.drain(..).partition(is_kind);
        self.mail = rest;
        Vec::from(taken)
    }

    /// Delivers and syncs until nothing is left to do. Letters from or to `cut` machines are lost.
    pub(crate) fn settle_without(&mut self, cut: &[u64]) {
        let numbers: Vec<_> = self.machines.keys().map(|id| id.number()).collect();
        loop {
            numbers.iter().for_each(|&number| self.sync(number));
            let Some(letter) = self.mail.pop_front() else { break };
            if !cut.contains(&letter.from.number()) && !cut.contains(&letter.to.number()) {
                self.deliver(&letter);
            }
        }
    }

    pub(crate) fn settle(&mut self) {
        self.settle_without(&[]);
    }

    pub(crate) fn tick(&mut self, number: u64, ticks: u64) {
        self.raft(number).advance(ticks);
        self.drain(number);
    }

    /// Lets time go by everywhere.
    pub(crate) fn run(&mut self, ticks: u64) {
        let numbers: Vec<_> = self.machines.keys().map(|id| id.number()).collect();
        for _ in 0..ticks {
            numbers.iter().for_each(|&number| self.tick(number, 1));
            self.settle();
        }
    }

    pub(crate) fn elect(&mut self, number: u64) {
        self.raft(number).campaign().unwrap();
        self.drain(number);
        self.settle();
        assert_eq!(self.observe(number).role, Role::Leader);
    }

    pub(crate) fn propose(&mut self, number: u64, command: &'static str) {
        self.raft(number).propose(Bytes::from_static(command.as_bytes())).unwrap();
        self.drain(number);
    }

    pub(crate) fn commands(&self, number: u64) -> Vec<&str> {
        let applied = &self.machines[&id(number)].applied;
        applied.iter().flat_map(|one| &one.command).map(|bytes| std::str::from_utf8(bytes).unwrap()).collect()
    }
}

pub(crate) fn kinds(mail: &VecDeque<Letter>) -> Vec<&'static str> {
    mail.iter().map(|letter| RaftRs::describe(&letter.bytes).unwrap().kind).collect()
}
