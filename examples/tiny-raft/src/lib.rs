//! A small Raft, written from the paper (Figure 2): elections, replication, commitment, persistence. Nothing more.
//!
//! It performs no IO. [`Raft::ready`] says what is to be sent and stored. What is said after a change waits until that is
//! written: so nothing is promised that a crash could take back.
//!
//! There is one bug in it, of a kind that real implementations had. The tests find it; the feature `fixed` repairs it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

/// One entry of the log. Its index is its position, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: u64,
    /// What it carries; nothing for the entry that begins a leader's term.
    pub command: Option<Vec<u8>>,
}

/// What a server remembers after a crash.
#[derive(Clone, Debug, Default)]
pub struct Persistent {
    /// The latest term it has entered.
    pub term: u64,
    /// Whom it voted for in that term.
    pub vote: Option<u64>,
    /// Its log.
    pub log: Vec<Entry>,
}

/// What is to be stored: term and vote, and the log from one position on.
#[derive(Clone, Debug)]
pub struct Write {
    /// The term.
    pub term: u64,
    /// The vote.
    pub vote: Option<u64>,
    /// How many entries stay as they are.
    pub kept: u64,
    /// What comes after them.
    pub entries: Vec<Entry>,
}

/// A write under way.
#[derive(Debug)]
struct Writing {
    /// How much of the log is durable with it; less if some of that was replaced since.
    length: u64,
    /// What was said on the strength of it.
    messages: Vec<Message>,
}

/// A message, with its envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who sends it.
    pub from: u64,
    /// To whom.
    pub to: u64,
    /// The sender's term.
    pub term: u64,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of Figure 2")]
pub enum Body {
    RequestVote {
        last_term: u64,
        last_index: u64,
    },
    RequestVoteReply {
        granted: bool,
    },
    AppendEntries {
        prev_term: u64,
        prev_index: u64,
        entries: Vec<Entry>,
        commit: u64,
    },
    /// The log agrees with the leader's up to this index, or it does not agree at `prev_index`, and it has so many entries.
    AppendEntriesReply {
        matched: Result<u64, u64>,
    },
}

/// What a server is at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It follows a leader, or waits for one.
    Follower,
    /// It collects votes.
    Candidate {
        /// Who has granted one.
        votes: BTreeSet<u64>,
    },
    /// It leads.
    Leader {
        /// For each other server, the next index to send.
        next: BTreeMap<u64, u64>,
        /// For each server, how far its log is known to agree.
        matched: BTreeMap<u64, u64>,
    },
}

/// So many entries fit into one message.
const MOST_ENTRIES: usize = 16;

/// A server.
#[derive(Debug)]
pub struct Raft {
    id: u64,
    servers: Vec<u64>,
    heartbeat_ticks: u64,
    role: Role,
    leader: Option<u64>,
    state: Persistent,
    commit: u64,
    /// Ticks since the timer was reset.
    elapsed: u64,
    /// Ticks until the next election; none after a reset, until one is supplied.
    timeout: Option<u64>,
    /// What was said since the last write was made.
    messages: Vec<Message>,
    /// The writes under way, in order.
    writing: VecDeque<Writing>,
    /// What a write has set free.
    released: Vec<Message>,
    /// Whether term, vote or log have changed since the last write.
    unsaved: bool,
    /// How many entries of the log no write has to touch again.
    saved: u64,
}

impl Raft {
    /// A server that starts with what it remembers.
    pub fn new(id: u64, servers: Vec<u64>, heartbeat_ticks: u64, state: Persistent, commit: u64) -> Self {
        Self {
            id,
            servers,
            heartbeat_ticks,
            role: Role::Follower,
            leader: None,
            saved: state.log.len() as u64,
            state,
            commit,
            elapsed: 0,
            timeout: None,
            messages: Vec::new(),
            writing: VecDeque::new(),
            released: Vec::new(),
            unsaved: false,
        }
    }

    /// What it is at the moment.
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The leader it knows.
    pub fn leader(&self) -> Option<u64> {
        self.leader
    }

    /// Term, vote and log.
    pub fn state(&self) -> &Persistent {
        &self.state
    }

    /// How many entries are committed.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// The index of the last entry.
    pub fn last_index(&self) -> u64 {
        self.state.log.len() as u64
    }

    /// The term of the entry at an index; 0 before the first.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        match index.checked_sub(1) {
            None => Some(0),
            Some(position) => self.state.log.get(position as usize).map(|entry| entry.term),
        }
    }

    fn last_term(&self) -> u64 {
        self.state.log.last().map_or(0, |entry| entry.term)
    }

    fn is_majority(&self, count: usize) -> bool {
        self.servers.len() < 2 * count
    }

    // Time.

    /// Whether the election timer was reset and has no timeout yet.
    pub fn wants_timeout(&self) -> bool {
        self.timeout.is_none()
    }

    /// Supplies an election timeout, counted from the timer's reset.
    pub fn set_timeout(&mut self, ticks: u64) {
        self.timeout = Some(ticks);
    }

    /// In how many ticks the timer fires.
    pub fn ticks_until_timeout(&self) -> Option<u64> {
        let ticks = match self.role {
            Role::Leader { .. } => Some(self.heartbeat_ticks),
            Role::Follower | Role::Candidate { .. } => self.timeout,
        };
        ticks.map(|ticks| ticks.saturating_sub(self.elapsed).max(1))
    }

    /// Lets time pass.
    pub fn advance(&mut self, ticks: u64) {
        self.elapsed += ticks;
        match self.role {
            Role::Leader { .. } if self.heartbeat_ticks <= self.elapsed => {
                self.elapsed = 0;
                self.replicate_to_all();
            }
            Role::Leader { .. } => (),
            Role::Follower | Role::Candidate { .. } => {
                if self.timeout.is_some_and(|timeout| timeout <= self.elapsed) {
                    self.campaign();
                }
            }
        }
    }

    fn reset_timer(&mut self) {
        self.elapsed = 0;
        self.timeout = None;
    }

    // Elections.

    /// Stands for election.
    pub fn campaign(&mut self) {
        self.become_follower(self.state.term + 1, None);
        self.state.vote = Some(self.id);
        self.role = Role::Candidate { votes: BTreeSet::new() };
        let (last_term, last_index) = (self.last_term(), self.last_index());
        self.send_to_all(&Body::RequestVote { last_term, last_index });
    }

    fn become_follower(&mut self, term: u64, leader: Option<u64>) {
        // The bug: in the term that it is in already, a server has a vote to remember.
        if !cfg!(feature = "fixed") || self.state.term < term {
            self.state.vote = None;
            self.unsaved = true;
        }
        self.state.term = term;
        self.role = Role::Follower;
        self.leader = leader;
        self.reset_timer();
    }

    fn on_request_vote(&mut self, from: u64, last_term: u64, last_index: u64) {
        let up_to_date = (self.last_term(), self.last_index()) <= (last_term, last_index);
        let granted = up_to_date && self.state.vote.is_none_or(|vote| vote == from);
        if granted {
            self.state.vote = Some(from);
            self.unsaved = true;
            self.reset_timer();
        }
        self.send(from, Body::RequestVoteReply { granted });
    }

    fn on_vote(&mut self, from: u64) {
        let Role::Candidate { votes } = &mut self.role else { return };
        votes.insert(from);
        let count = votes.len();
        if self.is_majority(count) {
            self.become_leader();
        }
    }

    fn become_leader(&mut self) {
        let next = self.last_index() + 1;
        let others = self.servers.iter().filter(|server| **server != self.id);
        self.role =
            Role::Leader { next: others.map(|server| (*server, next)).collect(), matched: BTreeMap::new() };
        self.leader = Some(self.id);
        self.elapsed = 0;
        self.append(None);
    }

    // Replication.

    /// Appends a command if this server leads, and says at which index.
    pub fn propose(&mut self, command: Option<Vec<u8>>) -> Option<u64> {
        matches!(self.role, Role::Leader { .. }).then(|| self.append(command))
    }

    fn append(&mut self, command: Option<Vec<u8>>) -> u64 {
        self.state.log.push(Entry { term: self.state.term, command });
        self.unsaved = true;
        self.replicate_to_all();
        self.last_index()
    }

    fn replicate_to_all(&mut self) {
        for server in self.servers.clone() {
            self.replicate_to(server);
        }
    }

    fn replicate_to(&mut self, to: u64) {
        let Role::Leader { next, .. } = &self.role else { return };
        let Some(&next) = next.get(&to) else { return };
        let prev_index = next - 1;
        let Some(prev_term) = self.term_at(prev_index) else { return };
        let entries = self.state.log.iter().skip(prev_index as usize).take(MOST_ENTRIES).cloned().collect();
        let commit = self.commit;
        self.send(to, Body::AppendEntries { prev_term, prev_index, entries, commit });
    }

    fn on_append_entries(&mut self, from: u64, prev: (u64, u64), entries: Vec<Entry>, leader_commit: u64) {
        self.become_follower(self.state.term, Some(from));
        let (prev_term, prev_index) = prev;
        if self.term_at(prev_index) != Some(prev_term) {
            let matched = Err(self.last_index().min(prev_index.saturating_sub(1)));
            return self.send(from, Body::AppendEntriesReply { matched });
        }
        let last_new = prev_index + entries.len() as u64;
        for (index, entry) in (prev_index + 1..).zip(entries) {
            if self.term_at(index) != Some(entry.term) {
                self.truncate(index - 1);
                self.state.log.push(entry);
                self.unsaved = true;
            }
        }
        self.commit = self.commit.max(leader_commit.min(last_new));
        self.send(from, Body::AppendEntriesReply { matched: Ok(last_new) });
    }

    fn truncate(&mut self, kept: u64) {
        self.state.log.truncate(kept as usize);
        self.saved = self.saved.min(kept);
        for write in &mut self.writing {
            write.length = write.length.min(kept);
        }
    }

    fn on_append_entries_reply(&mut self, from: u64, reply: Result<u64, u64>) {
        let last = self.last_index();
        let Role::Leader { next, matched } = &mut self.role else { return };
        let Some(next) = next.get_mut(&from) else { return };
        match reply {
            Ok(index) => {
                let known = matched.entry(from).or_insert(0);
                *known = index.min(last).max(*known);
                *next = *known + 1;
                let behind = *known < last;
                self.advance_commit();
                if behind {
                    self.replicate_to(from);
                }
            }
            Err(length) => {
                let known = matched.get(&from).copied().unwrap_or(0);
                *next = (length + 1).min(*next).max(known + 1);
                self.replicate_to(from);
            }
        }
    }

    /// Commits what a majority holds, if it is of this term (§5.4.2).
    fn advance_commit(&mut self) {
        let Role::Leader { matched, .. } = &self.role else { return };
        let held = |index: u64| matched.values().filter(|matched| index <= **matched).count();
        let candidates = (self.commit + 1..=self.last_index()).rev();
        let committed = candidates.into_iter().find(|&index| self.is_majority(held(index)));
        if let Some(index) = committed.filter(|&index| self.term_at(index) == Some(self.state.term)) {
            self.commit = index;
        }
    }

    // Messages.

    /// Handles a message.
    pub fn step(&mut self, message: Message) {
        let from = message.from;
        if self.state.term < message.term {
            self.become_follower(message.term, None);
        }
        let current = message.term == self.state.term;
        match message.body {
            Body::RequestVote { last_term, last_index } if current => {
                self.on_request_vote(from, last_term, last_index);
            }
            Body::RequestVote { .. } => self.send(from, Body::RequestVoteReply { granted: false }),
            Body::AppendEntries { prev_term, prev_index, entries, commit } if current => {
                self.on_append_entries(from, (prev_term, prev_index), entries, commit);
            }
            // The reply's term is all that a deposed leader needs.
            Body::AppendEntries { .. } => self.send(from, Body::AppendEntriesReply { matched: Err(0) }),
            Body::RequestVoteReply { granted: true } if current => self.on_vote(from),
            Body::AppendEntriesReply { matched } if current => self.on_append_entries_reply(from, matched),
            Body::RequestVoteReply { .. } | Body::AppendEntriesReply { .. } => (),
        }
    }

    fn send(&mut self, to: u64, body: Body) {
        self.messages.push(Message { from: self.id, to, term: self.state.term, body });
    }

    fn send_to_all(&mut self, body: &Body) {
        for server in self.servers.clone() {
            if server != self.id {
                self.send(server, body.clone());
            }
        }
    }

    // Persistence.

    /// What is to be sent now, and what is to be written. What was said since the last change waits for its write.
    pub fn ready(&mut self) -> (Vec<Message>, Option<Write>) {
        let write = self.unsaved.then(|| self.write());
        match self.writing.back_mut() {
            Some(last) => last.messages.append(&mut self.messages),
            None => self.released.append(&mut self.messages),
        }
        (std::mem::take(&mut self.released), write)
    }

    fn write(&mut self) -> Write {
        self.unsaved = false;
        let (kept, last) = (self.saved, self.last_index());
        self.saved = last;
        self.writing.push_back(Writing { length: last, messages: Vec::new() });
        let entries = self.state.log[kept as usize..].to_vec();
        Write { term: self.state.term, vote: self.state.vote, kept, entries }
    }

    /// The earliest of the writes under way is durable.
    pub fn on_written(&mut self) {
        let Some(Writing { length, messages }) = self.writing.pop_front() else { return };
        self.released.extend(messages);
        let voted = self.writing.is_empty() && !self.unsaved && self.state.vote == Some(self.id);
        match &mut self.role {
            Role::Leader { matched, .. } => {
                matched.insert(self.id, length);
                self.advance_commit();
            }
            Role::Candidate { .. } if voted => self.on_vote(self.id),
            Role::Candidate { .. } | Role::Follower => (),
        }
    }
}
