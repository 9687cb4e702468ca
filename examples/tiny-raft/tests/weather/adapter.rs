//! Plugs `tiny-raft` into the tank.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use tiny_raft::{Body, Entry, Message, Persistent, Raft, Role};
use wavetank_process::{
    self as process, Adapter, Boot, Committed, Description, Observation, Outputs, Persist, Promise,
    ReadOutcome, Recovered, Refusal, RequestId,
    raft_core::{self, EntryId, HardState, LogIndex, LogSlice, NodeId, Payload, Term},
};

/// A server of `tiny-raft` behind the tank's seam.
pub struct TinyRaft {
    raft: Raft,
    /// How many entries have been handed out to be applied.
    handed_out: u64,
    /// Reads go through the log: by the index of the entry that stands for one, its term and who asks.
    reads: BTreeMap<u64, (u64, RequestId)>,
    /// How many writes there were, and how many of them are durable.
    writes: u64,
    durable: u64,
}

fn node(id: u64) -> NodeId {
    NodeId::new(id).expect("servers are numbered from 1")
}

fn entry_from(entry: &raft_core::Entry) -> Entry {
    let command = match &entry.payload {
        Payload::Noop | Payload::ConfChange(_) => None,
        Payload::Command(bytes) => Some(bytes.to_vec()),
    };
    Entry { term: entry.term.0, command }
}

fn entry_to(entry: &Entry) -> raft_core::Entry {
    let payload =
        entry.command.as_ref().map_or(Payload::Noop, |command| Payload::Command(command.clone().into()));
    raft_core::Entry { term: Term(entry.term), payload }
}

impl TinyRaft {
    fn id_at(&self, index: u64) -> EntryId {
        EntryId::new(self.raft.term_at(index).unwrap_or(0), index)
    }

    fn slice(&self, kept: u64, entries: &[Entry]) -> LogSlice {
        LogSlice::new(self.id_at(kept), entries.iter().map(entry_to).collect()).expect("terms never decrease")
    }

    fn not_leader(&self) -> Refusal {
        Refusal::NotLeader { leader: self.raft.leader().map(node) }
    }
}

impl Adapter for TinyRaft {
    const NAME: &'static str = "tiny-raft";

    fn start(boot: &Boot, recovered: Recovered) -> Result<Self, String> {
        // Who says nothing of a configuration is never asked for snapshots, and so finds none.
        let Recovered { hard_state, commit, snapshot: _, log } = recovered;
        let state = Persistent {
            term: hard_state.term().0,
            vote: hard_state.vote().map(NodeId::number),
            log: log.entries().iter().map(entry_from).collect(),
        };
        let servers = boot.voters.iter().map(|voter| voter.number()).collect();
        let raft = Raft::new(boot.id.number(), servers, boot.options.heartbeat_ticks, state, commit.0);
        Ok(Self { raft, handed_out: 0, reads: BTreeMap::new(), writes: 0, durable: 0 })
    }

    fn advance(&mut self, ticks: u64) {
        self.raft.advance(ticks);
    }

    fn ticks_until_timeout(&self) -> Option<u64> {
        self.raft.ticks_until_timeout()
    }

    fn wants_election_timeout(&self) -> bool {
        self.raft.wants_timeout()
    }

    fn set_election_timeout(&mut self, ticks: u64) {
        self.raft.set_timeout(ticks);
    }

    fn step(&mut self, from: NodeId, bytes: &[u8]) -> Result<(), String> {
        let message = postcard::from_bytes::<Message>(bytes).map_err(|error| error.to_string())?;
        if message.from != from.number() {
            return Err(format!("{from} sent a message in the name of {}", message.from));
        }
        self.raft.step(message);
        Ok(())
    }

    fn propose(&mut self, command: Bytes) -> Result<(), Refusal> {
        self.raft.propose(Some(command.to_vec())).map(|_| ()).ok_or_else(|| self.not_leader())
    }

    fn read(&mut self, id: RequestId) -> Result<(), Refusal> {
        let index = self.raft.propose(None).ok_or_else(|| self.not_leader())?;
        self.reads.insert(index, (self.raft.state().term, id));
        Ok(())
    }

    fn campaign(&mut self) -> Result<(), Refusal> {
        self.raft.campaign();
        Ok(())
    }

    fn transfer(&mut self, _to: NodeId) -> Result<(), Refusal> {
        Err(Refusal::Other("it cannot hand its leadership over".to_owned()))
    }

    fn drain(&mut self, outputs: &mut Outputs) {
        let (sends, write) = self.raft.ready();
        for message in sends {
            outputs
                .sends
                .push((node(message.to), postcard::to_stdvec(&message).expect("it can be encoded").into()));
        }
        if let Some(write) = write {
            self.writes += 1;
            outputs.writes.push(Persist {
                number: self.writes,
                hard_state: Some(HardState::recovered(Term(write.term), write.vote.map(node))),
                commit: LogIndex(self.raft.commit()),
                snapshot: None,
                entries: (!write.entries.is_empty()).then(|| self.slice(write.kept, &write.entries)),
            });
        }
        while self.handed_out < self.raft.commit() {
            self.handed_out += 1;
            let id = self.id_at(self.handed_out);
            let entry = &self.raft.state().log[self.handed_out as usize - 1];
            outputs.committed.push(Committed { id, command: entry.command.clone().map(Bytes::from) });
            if let Some((term, request)) = self.reads.remove(&self.handed_out) {
                // Another leader's entry may have taken its place.
                let outcome = if term == entry.term { ReadOutcome::At(id.index) } else { ReadOutcome::Lost };
                outputs.reads.push((request, outcome));
            }
        }
    }

    fn persisted(&mut self, number: u64) {
        while self.durable < number {
            self.durable += 1;
            self.raft.on_written();
        }
    }

    fn applied(&mut self, _index: LogIndex) {}

    fn observe(&self) -> Observation {
        let state = self.raft.state();
        let role = match self.raft.role() {
            Role::Follower => process::Role::Follower,
            Role::Candidate { .. } => process::Role::Candidate,
            Role::Leader { .. } => process::Role::Leader,
        };
        let mut hasher = DefaultHasher::new();
        (state.term, state.vote, role as u64, self.raft.last_index(), self.raft.ticks_until_timeout())
            .hash(&mut hasher);
        Observation {
            role,
            term: Term(state.term),
            vote: state.vote.map(node),
            leader: self.raft.leader().map(node),
            last: self.id_at(self.raft.last_index()),
            commit: LogIndex(self.raft.commit()),
            applied: LogIndex(0),
            digest: hasher.finish().into(),
            machine_digest: 0,
        }
    }

    fn log(&self) -> LogSlice {
        self.slice(0, &self.raft.state().log)
    }

    fn describe(bytes: &[u8]) -> Option<Description> {
        let Message { term, to, from, body } = postcard::from_bytes(bytes).ok()?;
        let (kind, promise) = match body {
            // Who asks for votes has given its own.
            Body::RequestVote { .. } => ("RequestVote", Promise::Vote { candidate: node(from) }),
            Body::RequestVoteReply { granted: true } => {
                ("RequestVoteReply", Promise::Vote { candidate: node(to) })
            }
            Body::RequestVoteReply { granted: false } => ("RequestVoteReply", Promise::None),
            Body::AppendEntries { .. } => ("AppendEntries", Promise::None),
            Body::AppendEntriesReply { matched: Ok(index) } => {
                ("AppendEntriesReply", Promise::Holds { index: LogIndex(index) })
            }
            Body::AppendEntriesReply { matched: Err(_) } => ("AppendEntriesReply", Promise::None),
        };
        Some(Description { kind, term: Term(term), promise })
    }

    fn render(bytes: &[u8], command: &dyn Fn(&[u8]) -> String) -> String {
        let Ok(Message { term, body, .. }) = postcard::from_bytes(bytes) else {
            return "(unreadable)".to_owned();
        };
        let entry = |entry: &Entry| entry.command.as_deref().map_or("no-op".to_owned(), command);
        match body {
            Body::RequestVote { last_term, last_index } => {
                format!("RequestVote t{term} last {last_index}@{last_term}")
            }
            Body::RequestVoteReply { granted } => {
                format!("RequestVoteReply t{term} {}", if granted { "granted" } else { "refused" })
            }
            Body::AppendEntries { prev_term, prev_index, entries, commit } => {
                let entries = entries.iter().map(entry).collect::<Vec<_>>().join(", ");
                format!("AppendEntries t{term} prev {prev_index}@{prev_term} [{entries}] commit {commit}")
            }
            Body::AppendEntriesReply { matched: Ok(index) } => {
                format!("AppendEntriesReply t{term} matched {index}")
            }
            Body::AppendEntriesReply { matched: Err(length) } => {
                format!("AppendEntriesReply t{term} mismatch, its log ends at {length}")
            }
        }
    }
}
