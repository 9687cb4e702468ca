//! A cluster driven by hand. Nothing happens by itself: messages wait until a test delivers, drops or
//! repeats them, and the writes of a slow disk wait until a test makes them durable.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
};

use raft_core::{
    AppendOutcome, ApplyConfChangeError, ConfChange, Config, Configuration, Entry, EntryId, Envelope,
    HardState, Incarnation, LogIndex, LogSlice, MemberChange, MemoryStorage, Message, NodeId, Payload, Raft,
    ReadPosition, ReadState, Recovered, RoleKind, SnapshotHandle, SnapshotMeta, StepError, Storage, Term,
    Ticks, Write,
};

/// Servers, and the messages between them.
pub(crate) struct Cluster {
    servers: BTreeMap<u64, Server>,
    /// Under way, oldest first.
    pub(crate) mail: Vec<Envelope>,
    cut_off: BTreeSet<u64>,
}

/// One server: a replica, its disk and its state machine.
struct Server {
    config: Config,
    /// `None` after a crash.
    raft: Option<Raft>,
    disk: MemoryStorage,
    /// Whether writes wait for [`Cluster::flush`].
    slow_disk: bool,
    writes: VecDeque<Write>,
    /// What the state machine was given, snapshots included.
    applied: Vec<(EntryId, Payload)>,
    snapshots: Snapshots,
    reads: Vec<ReadState>,
    lives: u64,
}

/// The bytes of all snapshots: what a state machine had been given. The handle is the position.
type Snapshots = Rc<RefCell<Vec<Vec<(EntryId, Payload)>>>>;

/// The settings of the paper: neither pre-vote nor check-quorum.
pub(crate) fn plain(config: &mut Config) {
    config.pre_vote = false;
    config.check_quorum = false;
}

impl Cluster {
    /// A new cluster with the default settings.
    pub(crate) fn new(size: u64) -> Self {
        Self::configured(size, |_| ())
    }

    /// A new cluster without pre-vote and check-quorum.
    pub(crate) fn plain(size: u64) -> Self {
        Self::configured(size, plain)
    }

    /// A new cluster with the default settings, changed.
    pub(crate) fn configured(size: u64, configure: impl Fn(&mut Config)) -> Self {
        let empty: Vec<&[u64]> = (0..size).map(|_| [].as_slice()).collect();
        Self::with_logs(0, &empty, configure)
    }

    /// A cluster of servers in `term` that have not voted, with logs whose entries have these terms.
    pub(crate) fn with_logs(term: u64, logs: &[&[u64]], configure: impl Fn(&mut Config)) -> Self {
        let size = logs.len() as u64;
        let configuration = Configuration::of_voters((1..=size).map(node));
        Self::with(&configuration, term, logs, &configure)
    }

    /// A new cluster of so many servers, with this configuration.
    pub(crate) fn founded(size: u64, configuration: &Configuration, configure: impl Fn(&mut Config)) -> Self {
        let empty: Vec<&[u64]> = (0..size).map(|_| [].as_slice()).collect();
        Self::with(configuration, 0, &empty, &configure)
    }

    /// Compiled once, and not once for each test that changes its settings.
    fn with(
        configuration: &Configuration,
        term: u64,
        logs: &[&[u64]],
        configure: &dyn Fn(&mut Config),
    ) -> Self {
        let size = logs.len() as u64;
        let snapshots = Snapshots::default();
        let servers = (1..=size).zip(logs).map(|(id, log)| {
            let mut config = Config::new(node(id));
            configure(&mut config);
            let recovered = Recovered {
                hard_state: HardState::recovered(Term(term), None),
                log: slice(EntryId::ORIGIN, log),
                configuration: configuration.clone(),
                ..Recovered::founding([])
            };
            (id, Server::new(config, recovered, Rc::clone(&snapshots)))
        });
        Self { servers: servers.collect(), mail: Vec::new(), cut_off: BTreeSet::new() }
    }

    /// A server that starts without anything, to be added to a cluster that was founded by servers 1 to `founders`.
    pub(crate) fn start_server(&mut self, id: u64, founders: u64) {
        let other = self.servers.values().next().expect("a cluster has servers");
        let config = Config { id: node(id), ..other.config.clone() };
        let recovered = Recovered::founding((1..=founders).map(node));
        let server = Server::new(config, recovered, Rc::clone(&other.snapshots));
        self.servers.insert(id, server);
    }

    fn server(&self, id: u64) -> &Server {
        &self.servers[&id]
    }

    fn server_mut(&mut self, id: u64) -> &mut Server {
        self.servers.get_mut(&id).expect("a server of the cluster")
    }

    /// The ids of all servers.
    pub(crate) fn ids(&self) -> Vec<u64> {
        self.servers.keys().copied().collect()
    }

    /// The replica of a server that runs.
    pub(crate) fn raft(&self, id: u64) -> &Raft {
        self.server(id).raft.as_ref().expect("a server that runs")
    }

    /// Whether the server has not crashed.
    pub(crate) fn is_running(&self, id: u64) -> bool {
        self.servers.get(&id).is_some_and(|server| server.raft.is_some())
    }

    /// What the server would find after a crash at this moment.
    pub(crate) fn disk(&self, id: u64) -> Recovered {
        self.server(id).disk.recover().expect("it never fails")
    }

    /// The term of each entry of the log.
    pub(crate) fn log(&self, id: u64) -> Vec<u64> {
        let raft = self.raft(id);
        (raft.base().index.0 + 1..=raft.last().index.0)
            .map_while(|index| raft.entry_term(LogIndex(index)))
            .map(|term| term.0)
            .collect()
    }

    /// The commit index.
    pub(crate) fn commit(&self, id: u64) -> u64 {
        self.raft(id).commit().0
    }

    /// What the state machine was given in this life.
    pub(crate) fn applied(&self, id: u64) -> &[(EntryId, Payload)] {
        &self.server(id).applied
    }

    /// The answers to reads, taken out.
    pub(crate) fn take_reads(&mut self, id: u64) -> Vec<ReadState> {
        std::mem::take(&mut self.server_mut(id).reads)
    }

    /// Does something to a replica, and then what the replica has to say.
    pub(crate) fn act<T>(&mut self, id: u64, act: impl FnOnce(&mut Raft) -> T) -> T {
        let server = self.server_mut(id);
        let result = act(server.raft.as_mut().expect("a server that runs"));
        let sent = server.do_outputs();
        self.post(sent);
        result
    }

    fn post(&mut self, messages: Vec<Envelope>) {
        let cut_off = &self.cut_off;
        let is_cut = |id: NodeId| cut_off.contains(&id.number());
        self.mail.extend(messages.into_iter().filter(|message| !is_cut(message.from) && !is_cut(message.to)));
    }

    /// Has a server start an election (or the survey before it).
    pub(crate) fn campaign(&mut self, id: u64) {
        self.act(id, Raft::campaign).expect("it can campaign");
    }

    /// Makes a server the leader, with all messages delivered.
    pub(crate) fn elect(&mut self, id: u64) {
        self.campaign(id);
        self.settle();
        assert_eq!(self.raft(id).role(), RoleKind::Leader, "the election of {id}");
    }

    /// Has the leader append a command.
    pub(crate) fn propose(&mut self, id: u64, command: &'static str) -> EntryId {
        let proposed = self.act(id, |raft| raft.propose(command.into())).expect("it leads");
        proposed.id().expect("it is not passed on")
    }

    /// Has the leader append a change of members.
    pub(crate) fn propose_change(&mut self, id: u64, change: ConfChange) -> EntryId {
        let proposed = self.act(id, |raft| raft.propose_conf_change(change)).expect("it leads");
        proposed.id().expect("it is not passed on")
    }

    /// Lets time go by for one server. Whenever it wants an election timeout, it gets the shortest.
    pub(crate) fn tick(&mut self, id: u64, ticks: u64) {
        for _ in 0..ticks {
            self.act(id, |raft| {
                if raft.wants_election_timeout() {
                    raft.set_election_timeout(raft.config().election_timeout).expect("it is in range");
                }
                raft.tick();
            });
        }
    }

    /// Hands a message over, be it from the mail or made up. A server that has crashed hears nothing.
    pub(crate) fn step(&mut self, envelope: Envelope) -> Result<(), StepError> {
        let id = envelope.to.number();
        if self.is_running(id) { self.act(id, |raft| raft.step(envelope)) } else { Ok(()) }
    }

    /// Hands over a message that is made up, and takes out what is sent because of it.
    pub(crate) fn tell(&mut self, to: u64, from: u64, term: u64, message: Message) -> Vec<Envelope> {
        let waiting = self.mail.len();
        self.step(envelope(from, to, term, message)).expect("a message that a peer can send");
        self.mail.split_off(waiting)
    }

    /// Takes out the first waiting message of this kind.
    pub(crate) fn take(&mut self, from: u64, to: u64, kind: &str) -> Envelope {
        let wanted =
            |mail: &Envelope| mail.from == node(from) && mail.to == node(to) && mail.message.kind() == kind;
        let position = self.mail.iter().position(wanted);
        self.mail
            .remove(position.unwrap_or_else(|| panic!("no {kind} from {from} to {to} in {:?}", self.mail)))
    }

    /// Delivers a message of a peer, which may have been removed meanwhile.
    fn step_as_peer(&mut self, message: Envelope) {
        match self.step(message) {
            Ok(()) | Err(StepError::UnknownPeer { .. }) => (),
            Err(error) => panic!("a message of a peer: {error}"),
        }
    }

    /// Delivers every message that waits for this server, but none that is sent because of it.
    pub(crate) fn deliver_to(&mut self, id: u64) {
        let (due, rest) = self.mail.drain(..).partition(|mail| mail.to == node(id));
        self.mail = rest;
        let due: Vec<Envelope> = due;
        for message in due {
            self.step_as_peer(message);
        }
    }

    /// Delivers everything, answers included, until nobody has anything left to say.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            if self.mail.is_empty() {
                return;
            }
            let message = self.mail.remove(0);
            self.step_as_peer(message);
        }
        panic!("the cluster does not come to rest");
    }

    /// Loses every message to and from this server until it is [healed](Self::heal), those under way too.
    pub(crate) fn cut_off(&mut self, id: u64) {
        self.cut_off.insert(id);
        self.mail.retain(|message| message.from != node(id) && message.to != node(id));
    }

    /// Ends every [cut](Self::cut_off).
    pub(crate) fn heal(&mut self) {
        self.cut_off.clear();
    }

    /// From now on the server's writes wait.
    pub(crate) fn slow_disk(&mut self, id: u64) {
        self.server_mut(id).slow_disk = true;
    }

    /// How many writes wait.
    pub(crate) fn writes(&self, id: u64) -> &VecDeque<Write> {
        &self.server(id).writes
    }

    /// Makes the oldest waiting write durable.
    pub(crate) fn flush(&mut self, id: u64) {
        let server = self.server_mut(id);
        let mut sent = server.flush();
        sent.extend(server.do_outputs());
        self.post(sent);
    }

    /// Keeps what a snapshot that is made up holds. Returns its handle.
    pub(crate) fn keep_bytes(&mut self, applied: Vec<(EntryId, Payload)>) -> u64 {
        let server = self.servers.values().next().expect("a cluster has servers");
        server.snapshots.borrow_mut().push(applied);
        server.snapshots.borrow().len() as u64 - 1
    }

    /// Takes a snapshot of all that the server has applied.
    pub(crate) fn take_snapshot(&mut self, id: u64) -> SnapshotMeta {
        self.server_mut(id).take_snapshot()
    }

    /// Takes a snapshot, and keeps no entry that it covers.
    pub(crate) fn compact(&mut self, id: u64) -> SnapshotMeta {
        let snapshot = self.take_snapshot(id);
        self.compact_to(id, snapshot.last.index.0);
        snapshot
    }

    /// Compacts the log and what is on the disk.
    pub(crate) fn compact_to(&mut self, id: u64, to: u64) {
        let server = self.server_mut(id);
        let raft = server.raft.as_mut().expect("a server that runs");
        raft.compact(LogIndex(to)).expect("a snapshot covers it");
        server.disk.compact(raft.base());
    }

    /// Ends a server's life. What was not durable is lost.
    pub(crate) fn crash(&mut self, id: u64) {
        let server = self.server_mut(id);
        server.raft = None;
        server.writes.clear();
        server.applied.clear();
        server.reads.clear();
    }

    /// Begins a crashed server's next life with what its disk holds.
    pub(crate) fn restart(&mut self, id: u64) {
        let recovered = self.disk(id);
        let server = self.server_mut(id);
        server.lives += 1;
        if let Some(snapshot) = &recovered.snapshot {
            server.install(snapshot);
        }
        let raft = Raft::new(server.config.clone(), recovered, Incarnation(server.lives));
        server.raft = Some(raft.expect("what a replica wrote"));
        let sent = server.do_outputs();
        self.post(sent);
    }
}

impl Server {
    fn new(config: Config, recovered: Recovered, snapshots: Snapshots) -> Self {
        let raft = Raft::new(config.clone(), recovered.clone(), Incarnation(1)).expect("a sound beginning");
        Self {
            config,
            raft: Some(raft),
            disk: MemoryStorage::new(recovered),
            slow_disk: false,
            writes: VecDeque::new(),
            applied: Vec::new(),
            snapshots,
            reads: Vec::new(),
            lives: 1,
        }
    }

    /// Does everything that the replica wants done and returns what it sends.
    fn do_outputs(&mut self) -> Vec<Envelope> {
        let mut sent = Vec::new();
        while let Some(ready) = self.raft.as_mut().and_then(Raft::ready) {
            sent.extend(ready.messages);
            self.writes.extend(ready.write);
            self.reads.extend(ready.reads);
            if let Some(committed) = ready.committed {
                self.applied.extend(committed.iter().map(|(id, entry)| (id, entry.payload.clone())));
                let raft = self.raft.as_mut().expect("it runs");
                for (id, entry) in committed.iter() {
                    if let Payload::ConfChange(_) = entry.payload {
                        match raft.apply_conf_change(id.index) {
                            Ok(_) | Err(ApplyConfChangeError::Rejected(_)) => (),
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                raft.on_applied(committed.last().index).expect("as handed out");
            }
            while !self.slow_disk && !self.writes.is_empty() {
                sent.extend(self.flush());
            }
        }
        sent
    }

    /// Sets the state machine to a snapshot.
    fn install(&mut self, snapshot: &SnapshotMeta) {
        let position = usize::try_from(snapshot.handle.0).expect("a small number");
        self.applied = self.snapshots.borrow()[position].clone();
    }

    /// Takes a snapshot of what is applied.
    fn take_snapshot(&mut self) -> SnapshotMeta {
        let raft = self.raft.as_mut().expect("a server that runs");
        let (last, _) = *self.applied.last().expect("something is applied");
        let configuration = raft.configuration().clone();
        let handle = SnapshotHandle(self.snapshots.borrow().len() as u64);
        self.snapshots.borrow_mut().push(self.applied.clone());
        let snapshot = SnapshotMeta { last, configuration, handle };
        raft.snapshot_available(snapshot.clone()).expect("a later snapshot of what is applied");
        self.disk.keep_snapshot(snapshot.clone());
        snapshot
    }

    /// Makes the oldest write durable and returns the messages that waited for it.
    fn flush(&mut self) -> Vec<Envelope> {
        let write = self.writes.pop_front().expect("a write that waits");
        self.disk.persist(&write).expect("it never fails");
        if let Some(snapshot) = write.snapshot() {
            self.install(snapshot);
        }
        let durable = write.durable();
        let raft = self.raft.as_mut().expect("a server that runs");
        raft.on_persisted(durable.receipt).expect("the oldest write");
        durable.messages
    }
}

/// A server's id.
pub(crate) fn node(number: u64) -> NodeId {
    NodeId::new(number).expect("not zero")
}

/// The entry of `term` at `index`.
pub(crate) fn at(term: u64, index: u64) -> EntryId {
    EntryId::new(term, index)
}

/// The change that takes these steps: at once if it is one, and otherwise through a joint configuration that ends by
/// itself.
pub(crate) fn change(changes: &[MemberChange]) -> ConfChange {
    ConfChange { changes: changes.to_vec(), ..ConfChange::default() }
}

pub(crate) fn add(id: u64) -> MemberChange {
    MemberChange::AddVoter(node(id))
}

pub(crate) fn learn(id: u64) -> MemberChange {
    MemberChange::AddLearner(node(id))
}

pub(crate) fn remove(id: u64) -> MemberChange {
    MemberChange::Remove(node(id))
}

/// The envelope around a message.
pub(crate) fn envelope(from: u64, to: u64, term: u64, message: Message) -> Envelope {
    Envelope { from: node(from), to: node(to), term: Term(term), message }
}

/// Entries of these terms behind `prev`. Each carries its own id, so that equal ids mean equal entries.
pub(crate) fn slice(prev: EntryId, terms: &[u64]) -> LogSlice {
    let entries = terms.iter().zip(prev.index.0 + 1..).map(|(&term, index)| {
        let payload = Payload::Command(at(term, index).to_string().into());
        Entry { term: Term(term), payload }
    });
    LogSlice::new(prev, entries.collect()).expect("terms in order")
}

pub(crate) fn append(prev: EntryId, terms: &[u64], commit: u64) -> Message {
    Message::AppendEntries { entries: slice(prev, terms), commit: LogIndex(commit) }
}

pub(crate) fn matched(index: u64) -> Message {
    Message::AppendEntriesReply(AppendOutcome::Matched { index: LogIndex(index) })
}

pub(crate) fn mismatched(probed: u64, hint: EntryId) -> Message {
    Message::AppendEntriesReply(AppendOutcome::Mismatched { probed: LogIndex(probed), hint })
}

pub(crate) fn stale_term() -> Message {
    Message::AppendEntriesReply(AppendOutcome::StaleTerm)
}

pub(crate) fn request_vote(last: EntryId) -> Message {
    Message::RequestVote { last, transfer: false, committed: None }
}

pub(crate) fn vote(granted: bool) -> Message {
    Message::RequestVoteReply { granted, committed: None }
}

pub(crate) fn request_pre_vote(last: EntryId) -> Message {
    Message::RequestPreVote { last, committed: None }
}

pub(crate) fn pre_vote(granted: bool) -> Message {
    Message::RequestPreVoteReply { granted, committed: None }
}

/// A question or an answer of an election, by a server that knows this entry to be committed.
pub(crate) fn knowing(entry: EntryId, mut message: Message) -> Message {
    if let Message::RequestPreVote { committed, .. }
    | Message::RequestPreVoteReply { committed, .. }
    | Message::RequestVote { committed, .. }
    | Message::RequestVoteReply { committed, .. } = &mut message
    {
        *committed = Some(entry);
    }
    message
}

pub(crate) fn heartbeat(commit: u64, read: Option<u64>) -> Message {
    Message::Heartbeat { commit: LogIndex(commit), read: read.map(ReadPosition), sent_at: None }
}

pub(crate) fn heartbeat_reply(read: Option<u64>) -> Message {
    Message::HeartbeatReply { read: read.map(ReadPosition), sent_at: None }
}

/// A number of ticks.
pub(crate) fn ticks(number: u64) -> Ticks {
    Ticks(number)
}
