//! The ready-made process, put together from a scripted implementation and a scripted store: it recovers first, does what the
//! implementation wants in order, and answers a client when its command is applied and not before.

use std::collections::VecDeque;

use bytes::Bytes;
use wavetank_process::{
    Adapter, Boot, Chance, ClientId, Committed, Context, Control, Description, DiskQueue, Input, Label,
    LocalTime, LogStore, Observation, Outcome, Output, Outputs, Persist, Process, RaftOptions, ReadOutcome,
    Recovered, Refusal, Replica, RequestId, RestoreError, Role, SnapshotOptions, SnapshotSend, StateMachine,
    StoreError, StoreEvent, StoredSnapshot, branches,
    disk::{DiskError, DiskResult, Request, Response},
    raft_core::{
        ConfChange, Configuration, EntryId, HardState, LogIndex, LogSlice, NodeId, SnapshotHandle,
        SnapshotMeta, Term,
    },
};

const TICK: u64 = 10;

/// A cluster of one that commits what is durable, and confirms reads at its last index.
#[derive(Debug)]
struct Alone {
    log: Vec<Bytes>,
    unwritten: VecDeque<u64>,
    committed: VecDeque<Committed>,
    reads: Vec<(RequestId, ReadOutcome)>,
    timeout: Option<u64>,
    ticks: u64,
    /// The last entry of the snapshot that it was started with.
    snapshot: Option<EntryId>,
    to_send: Vec<SnapshotSend>,
}

impl Adapter for Alone {
    const NAME: &'static str = "alone";

    fn start(_boot: &Boot, recovered: Recovered) -> Result<Self, String> {
        if recovered.hard_state.term() == Term(13) {
            return Err("an unlucky term".to_owned());
        }
        Ok(Self {
            log: Vec::new(),
            unwritten: VecDeque::new(),
            committed: VecDeque::new(),
            reads: Vec::new(),
            timeout: None,
            ticks: 0,
            snapshot: recovered.snapshot.map(|stored| stored.meta.last),
            to_send: Vec::new(),
        })
    }

    fn advance(&mut self, ticks: u64) {
        self.ticks += ticks;
    }

    fn ticks_until_timeout(&self) -> Option<u64> {
        self.timeout
    }

    fn wants_election_timeout(&self) -> bool {
        self.timeout.is_none()
    }

    fn set_election_timeout(&mut self, ticks: u64) {
        self.timeout = Some(ticks);
    }

    fn step(&mut self, _from: NodeId, _bytes: &[u8]) -> Result<(), String> {
        Err("it has no peers".to_owned())
    }

    fn propose(&mut self, command: Bytes) -> Result<(), Refusal> {
        self.log.push(command);
        self.unwritten.push_back(self.log.len() as u64);
        Ok(())
    }

    fn read(&mut self, id: RequestId) -> Result<(), Refusal> {
        let outcome = match id.sequence {
            99 => ReadOutcome::Lost,
            _ => ReadOutcome::At(LogIndex(self.log.len() as u64)),
        };
        self.reads.push((id, outcome));
        Ok(())
    }

    fn campaign(&mut self) -> Result<(), Refusal> {
        Err(Refusal::NotLeader { leader: NodeId::new(2) })
    }

    /// What it hands over is a snapshot, if it has one.
    fn transfer(&mut self, to: NodeId) -> Result<(), Refusal> {
        let last = self.snapshot.ok_or_else(|| Refusal::Other("to whom?".to_owned()))?;
        self.to_send.push(SnapshotSend { to, last, message: Bytes::new() });
        Ok(())
    }

    /// What a command says that is none of the state machine's business.
    fn apply_change(&mut self, id: EntryId) -> Result<bool, String> {
        let command = &self.log[usize::try_from(id.index.0).unwrap() - 1];
        if command.ends_with(b"lost") { Err(format!("{id} is lost")) } else { Ok(false) }
    }

    fn drain(&mut self, outputs: &mut Outputs) {
        let write =
            |number| Persist { number, hard_state: None, commit: LogIndex(0), snapshot: None, entries: None };
        outputs.writes.extend(self.unwritten.drain(..).map(write));
        outputs.committed.extend(self.committed.drain(..));
        outputs.reads.append(&mut self.reads);
        outputs.snapshots.append(&mut self.to_send);
    }

    fn persisted(&mut self, number: u64) {
        let command = self.log[usize::try_from(number).unwrap() - 1].clone();
        let is_change = command.ends_with(b"lost") || command.ends_with(b"unfit");
        let command = (!is_change).then_some(command);
        self.committed.push_back(Committed { id: EntryId::new(1, number), command });
    }

    fn applied(&mut self, _index: LogIndex) {}

    fn observe(&self) -> Observation {
        Observation {
            role: Role::Leader,
            term: Term(1),
            vote: None,
            leader: None,
            last: EntryId::ORIGIN,
            commit: LogIndex(0),
            applied: LogIndex(0),
            digest: u128::from(self.ticks),
            machine_digest: 0,
        }
    }

    fn log(&self) -> LogSlice {
        LogSlice::empty(EntryId::ORIGIN)
    }

    fn describe(_bytes: &[u8]) -> Option<Description> {
        None
    }

    fn render(_bytes: &[u8], _command: &dyn Fn(&[u8]) -> String) -> String {
        String::new()
    }
}

/// Asks the disk for one sync per write; a recovered term is the length of what it reads, and if that begins with an s, it is
/// a snapshot of as many entries.
#[derive(Debug, Default)]
struct Store {
    open: VecDeque<u64>,
}

impl LogStore for Store {
    fn open(&mut self, disk: &mut DiskQueue) {
        disk.submit(Request::Read { file: "log".into() });
    }

    fn append(&mut self, write: &Persist, disk: &mut DiskQueue) {
        self.open.push_back(write.number);
        disk.submit(Request::Sync { file: "log".into() });
    }

    fn save_snapshot(&mut self, last: EntryId, _bytes: &[u8], _disk: &mut DiskQueue) {
        panic!("nobody takes a snapshot of {last}");
    }

    fn name_snapshot(&mut self, snapshot: &SnapshotMeta, _disk: &mut DiskQueue) {
        panic!("nobody takes a snapshot of {}", snapshot.last);
    }

    fn discard_snapshot(&mut self, last: EntryId) {
        panic!("nobody takes a snapshot of {last}");
    }

    fn compact(&mut self, _to: LogIndex, _disk: &mut DiskQueue) -> bool {
        false
    }

    fn complete(
        &mut self,
        _id: wavetank_process::disk::RequestId,
        result: DiskResult,
        _disk: &mut DiskQueue,
    ) -> Result<StoreEvent, StoreError> {
        match result.map_err(|error| StoreError(error.to_string()))? {
            Response::Read(bytes) => {
                let last = EntryId::new(1, bytes.len() as u64);
                let meta =
                    SnapshotMeta { last, configuration: Configuration::default(), handle: SnapshotHandle(0) };
                let snapshot = bytes.starts_with(b"s").then(|| StoredSnapshot { meta, bytes: "10".into() });
                Ok(StoreEvent::Recovered(Box::new(Recovered {
                    hard_state: HardState::recovered(Term(bytes.len() as u64), None),
                    commit: LogIndex(0),
                    log: LogSlice::empty(
                        snapshot.as_ref().map_or(EntryId::ORIGIN, |stored| stored.meta.last),
                    ),
                    snapshot,
                })))
            }
            Response::Written => Ok(StoreEvent::Pending),
            Response::Synced => Ok(self.open.pop_front().map_or(StoreEvent::Pending, StoreEvent::Durable)),
        }
    }
}

/// Counts what it is given.
#[derive(Debug, Default)]
struct Counter(u64);

impl StateMachine for Counter {
    fn is_query(request: &[u8]) -> bool {
        request == b"?"
    }

    fn apply(&mut self, _id: RequestId, command: &[u8]) -> Bytes {
        self.0 += 1;
        Bytes::copy_from_slice(command)
    }

    fn query(&self, _request: &[u8]) -> Bytes {
        self.0.to_string().into()
    }

    fn digest(&self) -> u128 {
        u128::from(self.0)
    }

    fn snapshot(&self) -> Bytes {
        self.0.to_string().into()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError> {
        let text = std::str::from_utf8(snapshot).map_err(|error| RestoreError(error.to_string()))?;
        self.0 = text.parse().map_err(|_| RestoreError(format!("{text} is no number")))?;
        Ok(())
    }
}

struct Always(u64);

impl Chance for Always {
    fn choose(&mut self, _label: Label, bound: u64) -> u64 {
        self.0.min(bound - 1)
    }
}

struct Driver {
    replica: Replica<Alone, Store, Counter>,
    now: u64,
}

impl Driver {
    fn new() -> Self {
        let id = NodeId::new(3).unwrap();
        let boot = Boot {
            id,
            voters: vec![id],
            learners: Vec::new(),
            incarnation: 0,
            options: RaftOptions {
                snapshots: SnapshotOptions { snapshot_chunk_bytes: 1, ..SnapshotOptions::default() },
                ..RaftOptions::default()
            },
        };
        Self { replica: Replica::new(boot, TICK), now: 0 }
    }

    /// A replica that has found an empty disk.
    fn running() -> Self {
        Self::running_from(b"")
    }

    /// A replica that has found this on its disk.
    fn running_from(found: &'static [u8]) -> Self {
        let mut driver = Self::new();
        driver.input(Input::Start);
        driver.disk(1, Ok(Response::Read(Bytes::from_static(found))));
        driver
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut chance = Always(0);
        self.replica.handle(input, &mut Context::new(LocalTime(self.now), &mut outputs, &mut chance));
        outputs
    }

    fn disk(&mut self, id: u64, result: DiskResult) -> Vec<Output> {
        self.input(Input::Disk { id: wavetank_process::disk::RequestId(id), result })
    }

    fn request(&mut self, sequence: u64, bytes: &'static [u8]) -> Vec<Output> {
        self.input(Input::Request { id: request(sequence), bytes: Bytes::from_static(bytes) })
    }
}

fn request(sequence: u64) -> RequestId {
    RequestId { client: ClientId(1), sequence }
}

fn done(sequence: u64, reply: &'static str) -> Output {
    Output::Reply { id: request(sequence), outcome: Outcome::Done(Bytes::from_static(reply.as_bytes())) }
}

fn refused(sequence: u64) -> Output {
    Output::Reply { id: request(sequence), outcome: Outcome::Refused { leader: None } }
}

#[test]
fn nothing_is_handled_before_the_log_is_recovered() {
    let mut driver = Driver::new();
    assert!(matches!(driver.input(Input::Start)[..], [Output::Disk { request: Request::Read { .. }, .. }]));
    assert_eq!(driver.request(1, b"+"), [refused(1)]);
    assert!(matches!(driver.input(Input::Control(Control::Campaign))[..], [Output::ControlRefused { .. }]));
    assert_eq!(driver.replica.observe(), None);
    assert_eq!(driver.replica.deadline(), None);
    driver.disk(1, Ok(Response::Read(Bytes::new())));
    assert!(driver.replica.observe().is_some());
}

#[test]
fn a_command_is_answered_once_when_it_is_applied() {
    let mut driver = Driver::running();
    assert!(matches!(driver.request(1, b"+")[..], [Output::Disk { request: Request::Sync { .. }, .. }]));
    assert_eq!(driver.disk(2, Ok(Response::Synced)), [done(1, "+")]);
    assert_eq!(driver.disk(3, Ok(Response::Synced)), []);
    assert_eq!(driver.replica.observe().unwrap().applied, LogIndex(1));
    assert_eq!(driver.replica.observe().unwrap().machine_digest, 1);
}

#[test]
fn a_read_waits_for_what_was_appended_before_it() {
    let mut driver = Driver::running();
    assert_eq!(driver.request(1, b"?"), [done(1, "0")]);
    driver.request(2, b"+");
    assert_eq!(driver.request(3, b"?"), [], "index 1 is not applied yet");
    assert_eq!(driver.disk(2, Ok(Response::Synced)), [done(2, "+"), done(3, "1")]);
    assert_eq!(driver.request(99, b"?"), [refused(99)], "a lost read is refused, since it changes nothing");
}

#[test]
fn a_failed_disk_halts_the_replica_for_good() {
    let mut driver = Driver::running();
    driver.request(1, b"+");
    let error = DiskError { operation: "sync", file: "log".into(), reason: "broken".to_owned() };
    assert!(
        matches!(&driver.disk(2, Err(error))[..], [Output::Halt { reason }] if reason.contains("broken"))
    );
    assert_eq!(driver.request(2, b"+"), []);
    assert_eq!(driver.replica.observe(), None);
}

#[test]
fn what_cannot_be_started_from_halts_the_replica() {
    let mut driver = Driver::new();
    driver.input(Input::Start);
    let outputs = driver.disk(1, Ok(Response::Read(Bytes::from_static(&[0; 13]))));
    assert_eq!(outputs, [Output::Halt { reason: "an unlucky term".to_owned() }]);
}

#[test]
fn refusals_are_passed_on_in_words() {
    let mut driver = Driver::running();
    let refused = |reason: &str| vec![Output::ControlRefused { reason: reason.to_owned() }];
    assert_eq!(driver.input(Input::Control(Control::Campaign)), refused("not the leader; n2 is"));
    let to = NodeId::new(1).unwrap();
    assert_eq!(driver.input(Input::Control(Control::Transfer(to))), refused("to whom?"));
    for (bytes, reason) in
        [(&[0][..], "it has no peers"), (&[], "an empty frame"), (&[9], "no frame is of kind 9")]
    {
        let message = Input::Message { from: to, bytes: Bytes::copy_from_slice(bytes) };
        let reason = reason.to_owned();
        assert_eq!(driver.input(message), [Output::MessageRefused { from: to, reason }]);
    }
}

#[test]
fn time_is_passed_on_in_whole_ticks_and_none_is_lost() {
    let mut driver = Driver::running();
    // The mildest election timeout of n3 is two ticks longer than that of n1, which is T = 10.
    assert_eq!(driver.replica.deadline(), Some(LocalTime(12 * TICK)));
    let ticks = |driver: &Driver| driver.replica.observe().unwrap().digest;
    for (now, expected) in [(9, 0), (10, 1), (19, 1), (35, 3), (40, 4)] {
        driver.now = now;
        driver.input(Input::Timer);
        assert_eq!(ticks(&driver), expected, "at {now}");
    }
    assert_eq!(driver.replica.deadline(), Some(LocalTime(40 + 12 * TICK)));
}

#[test]
fn a_change_of_members_that_is_refused_is_counted() {
    let mut driver = Driver::running();
    let outputs = driver.input(Input::Control(Control::Change(ConfChange::default())));
    let reason = "the members of alone never change".to_owned();
    let expected = [Output::Reached { branch: branches::CHANGE_REFUSED }, Output::ControlRefused { reason }];
    assert_eq!(outputs, expected);
}

#[test]
fn a_change_that_does_not_fit_is_passed_over() {
    let mut driver = Driver::running();
    driver.request(1, b"unfit");
    assert_eq!(driver.disk(2, Ok(Response::Synced)), []);
    assert_eq!(driver.replica.observe().unwrap().applied, LogIndex(1));
}

/// Others may have applied it: to go on would be to go on with other members than they have.
#[test]
fn a_change_that_cannot_be_applied_halts_the_replica() {
    let mut driver = Driver::running();
    driver.request(1, b"lost");
    assert_eq!(driver.disk(2, Ok(Response::Synced)), [Output::Halt { reason: "1@1 is lost".to_owned() }]);
    assert_eq!(driver.replica.observe(), None);
}

/// The first chunk of a snapshot, which is not the last.
fn first_chunk(sender: &mut Driver) -> Bytes {
    let outputs = sender.input(Input::Control(Control::Transfer(NodeId::new(2).unwrap())));
    let [Output::Reached { branch: branches::SENDING }, Output::Send { to: _, bytes }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    bytes.clone()
}

#[test]
fn a_snapshot_that_nobody_answers_is_given_up() {
    let mut sender = Driver::running_from(b"snapshot");
    first_chunk(&mut sender);
    let mut reached = Vec::new();
    for _ in 0..100 {
        sender.now += 6 * TICK;
        let outputs = sender.input(Input::Timer);
        reached.extend(outputs.into_iter().filter_map(|output| match output {
            Output::Reached { branch } => Some(branch),
            _ => None,
        }));
    }
    assert_eq!(reached.pop(), Some(branches::FAILED), "once, and then it is quiet");
    assert!(!reached.is_empty() && reached.iter().all(|&branch| branch == branches::REPEATED), "{reached:?}");
}

#[test]
fn a_snapshot_is_given_up_for_a_newer_one() {
    let mut receiver = Driver::running();
    let mut hear = |found| {
        let bytes = first_chunk(&mut Driver::running_from(found));
        receiver.input(Input::Message { from: NodeId::new(1).unwrap(), bytes })
    };
    let superseded = Output::Reached { branch: branches::SUPERSEDED };
    assert!(!hear(b"snapshot").contains(&superseded));
    assert!(!hear(b"snap").contains(&superseded), "an older one");
    assert!(hear(b"snapshot2").contains(&superseded));
}
