//! A replica in hostile company: peers that send whatever they like, and a driver that does things in any order.
//!
//! Whatever happens, a replica must not panic, and what it refuses must change nothing.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use proptest::{prelude::*, sample::Index};
use raft_core::{
    AppendOutcome, ByteCount, ConfChange, ConfChangeValidation, Config, Configuration, Entry, EntryId,
    Envelope, HardState, Incarnation, Leave, LogIndex, LogSlice, Majority, MemberChange, Message, NodeId,
    Payload, Raft, ReadContext, ReadId, ReadMode, ReadPosition, Receipt, Recovered, SnapshotHandle,
    SnapshotMeta, SnapshotOutcome, Term, Ticks, Transition, Voters, Write, WriteRules,
};

use crate::cluster::{node, slice};

/// Something that happens to the replica under test, which is server 1.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A message of whatever content arrives, in its own term or in that of the replica.
    Step {
        envelope: Envelope,
        in_current_term: bool,
    },
    /// A peer answers the last request sent to it as the replica would like it.
    Answer(Index),
    /// A peer lacks the entries that it was sent something behind, and everything before.
    Reject(Index),
    /// Entries arrive that fit the log, this far before its end.
    AppendNearEnd {
        from: NodeId,
        before: u64,
        terms_later: u64,
        entries: usize,
        commit: u64,
    },
    Advance(u64),
    SetTimeout(u64),
    Campaign,
    Propose(usize),
    ProposeChange(ConfChange),
    /// A change is put in force, whether there is one or not.
    ApplyChange(u64),
    /// As the next driver would do it: every change that was handed out, in its turn.
    ApplyChanges,
    Read,
    Transfer(NodeId),
    /// The driver takes what there is to do.
    Ready,
    /// Some write becomes durable, and its receipt is kept.
    Durable(Index),
    /// Some receipt is handed in.
    Receipt(Index),
    /// The oldest write becomes durable and its receipt is handed in.
    Persist,
    /// A receipt of another replica or another life is handed in.
    ForeignReceipt {
        id: NodeId,
        incarnation: u64,
    },
    Applied(u64),
    SnapshotAvailable(SnapshotMeta),
    /// A snapshot of all that is applied is taken.
    TakeSnapshot,
    Compact(u64),
    /// The log is compacted up to this far before the snapshot's last entry.
    CompactNearSnapshot(u64),
    ForgetLeader,
    ReportUnreachable(NodeId),
    ReportSnapshot {
        peer: NodeId,
        outcome: SnapshotOutcome,
    },
    /// The state machine applies all it was handed.
    ApplyAll,
}

/// Small numbers, where things meet, and the edges of the number line.
fn number() -> impl Strategy<Value = u64> {
    let edges = vec![u64::MAX, u64::MAX - 1, Term::MAX.0 + 1, Term::MAX.0, Term::MAX.0 - 1, 1 << 32];
    prop_oneof![12 => 0..8u64, 2 => Just(u64::MAX), 1 => proptest::sample::select(edges), 1 => any::<u64>()]
}

fn server() -> impl Strategy<Value = NodeId> {
    prop_oneof![8 => 1..=4u64, 1 => Just(9), 1 => Just(u64::MAX)].prop_map(node)
}

fn entry_id() -> impl Strategy<Value = EntryId> {
    (number(), number()).prop_map(|(term, index)| EntryId::new(term, index))
}

fn committed() -> impl Strategy<Value = Option<EntryId>> {
    proptest::option::of(entry_id())
}

fn log_slice() -> impl Strategy<Value = LogSlice> {
    let sound =
        (0..4u64, 0..6u64, proptest::collection::vec(0..3u64, 0..5)).prop_map(|(term, index, steps)| {
            let terms = steps.iter().scan(term.max(1), |term, step| {
                *term += step;
                Some(*term)
            });
            slice(EntryId::new(term, index), &terms.collect::<Vec<_>>())
        });
    let hostile = (entry_id(), number(), 0..3usize).prop_map(|(prev, term, len)| {
        let entry = Entry { term: Term(term), payload: Payload::Noop };
        LogSlice::new(prev, vec![entry; len]).unwrap_or_else(|_| LogSlice::empty(prev))
    });
    prop_oneof![3 => sound, 1 => hostile]
}

fn message() -> impl Strategy<Value = Message> {
    let outcome = prop_oneof![
        number().prop_map(|index| AppendOutcome::Matched { index: LogIndex(index) }),
        (number(), entry_id())
            .prop_map(|(probed, hint)| AppendOutcome::Mismatched { probed: LogIndex(probed), hint }),
        Just(AppendOutcome::StaleTerm),
    ];
    let read = || proptest::option::of(number().prop_map(ReadPosition));
    let sent_at = || proptest::option::of(number().prop_map(Ticks));
    let context = || {
        (1..3u64, number())
            .prop_map(|(life, id)| ReadContext { incarnation: Incarnation(life), id: ReadId(id) })
    };
    prop_oneof![
        1 => (entry_id(), committed()).prop_map(|(last, committed)| Message::RequestPreVote { last, committed }),
        1 => (any::<bool>(), committed())
            .prop_map(|(granted, committed)| Message::RequestPreVoteReply { granted, committed }),
        1 => (entry_id(), any::<bool>(), committed())
            .prop_map(|(last, transfer, committed)| Message::RequestVote { last, transfer, committed }),
        1 => (any::<bool>(), committed())
            .prop_map(|(granted, committed)| Message::RequestVoteReply { granted, committed }),
        3 => (log_slice(), number())
            .prop_map(|(entries, commit)| Message::AppendEntries { entries, commit: LogIndex(commit) }),
        2 => outcome.prop_map(Message::AppendEntriesReply),
        1 => (number(), read(), sent_at())
            .prop_map(|(commit, read, sent_at)| Message::Heartbeat { commit: LogIndex(commit), read, sent_at }),
        1 => (read(), sent_at()).prop_map(|(read, sent_at)| Message::HeartbeatReply { read, sent_at }),
        1 => (0..5usize).prop_map(|size| Message::Propose { payload: Payload::Command(vec![0; size].into()) }),
        1 => Just(Message::Propose { payload: Payload::Noop }),
        1 => conf_change()
            .prop_map(|change| Message::Propose { payload: Payload::ConfChange(change.into()) }),
        1 => context().prop_map(|read| Message::ReadIndex { read }),
        1 => (context(), number())
            .prop_map(|(read, index)| Message::ReadIndexReply { read, index: LogIndex(index) }),
        1 => server().prop_map(|to| Message::TransferLeader { to }),
        1 => Just(Message::TimeoutNow),
        1 => snapshot().prop_map(|snapshot| Message::InstallSnapshot { snapshot: Box::new(snapshot) }),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let to = prop_oneof![20 => Just(node(1)), 1 => server()];
    (server(), to, number(), message()).prop_map(|(from, to, term, message)| Envelope {
        from,
        to,
        term: Term(term),
        message,
    })
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (envelope(), any::<bool>())
            .prop_map(|(envelope, in_current_term)| Action::Step { envelope, in_current_term }),
        12 => any::<Index>().prop_map(Action::Answer),
        8 => any::<Index>().prop_map(Action::Reject),
        6 => (server(), 0..3u64, 0..2u64, 0..3usize, number()).prop_map(
            |(from, before, terms_later, entries, commit)| {
                Action::AppendNearEnd { from, before, terms_later, entries, commit }
            }
        ),
        3 => prop_oneof![8 => 0..12u64, 1 => number()].prop_map(Action::Advance),
        2 => prop_oneof![4 => 10..20u64, 1 => number()].prop_map(Action::SetTimeout),
        2 => Just(Action::Campaign),
        4 => (0..5usize).prop_map(Action::Propose),
        3 => conf_change().prop_map(Action::ProposeChange),
        1 => number().prop_map(Action::ApplyChange),
        4 => Just(Action::ApplyChanges),
        2 => Just(Action::Read),
        1 => server().prop_map(Action::Transfer),
        4 => Just(Action::Ready),
        1 => any::<Index>().prop_map(Action::Durable),
        1 => any::<Index>().prop_map(Action::Receipt),
        8 => Just(Action::Persist),
        1 => (server(), 0..3u64).prop_map(|(id, incarnation)| Action::ForeignReceipt { id, incarnation }),
        1 => number().prop_map(Action::Applied),
        2 => Just(Action::ApplyAll),
        1 => snapshot().prop_map(Action::SnapshotAvailable),
        2 => Just(Action::TakeSnapshot),
        1 => number().prop_map(Action::Compact),
        2 => (0..3u64).prop_map(Action::CompactNearSnapshot),
        1 => Just(Action::ForgetLeader),
        1 => server().prop_map(Action::ReportUnreachable),
        1 => (server(), proptest::sample::select(vec![SnapshotOutcome::Sent, SnapshotOutcome::Failed]))
            .prop_map(|(peer, outcome)| Action::ReportSnapshot { peer, outcome }),
    ]
}

fn configuration() -> impl Strategy<Value = Configuration> {
    let half = |ids: &[u64]| ids.iter().copied().map(node).collect::<Majority>();
    let simple = |voters: &[u64], learners: &[u64]| {
        let learners = learners.iter().copied().map(node).collect();
        Configuration::new(half(voters).into(), learners, [].into(), None).expect("it is in order")
    };
    let joint = |incoming: &[u64], outgoing: &[u64], leave| {
        let voters = Voters::joint(half(incoming), half(outgoing));
        Configuration::new(voters, [].into(), [].into(), Some(leave)).expect("it is in order")
    };
    let choices: Vec<Configuration> = vec![
        simple(&[1], &[]),
        simple(&[1, 2, 3], &[]),
        simple(&[1, 2, 3], &[]),
        simple(&[1, 2, 3], &[4]),
        simple(&[1, 2, 3, 4], &[]),
        simple(&[2, 3], &[]),
        simple(&[2, 3], &[1]),
        simple(&[], &[]),
        joint(&[1, 2, 3], &[2, 3, 4], Leave::Automatic),
        joint(&[2, 3, 4], &[1], Leave::Explicit),
    ];
    proptest::sample::select(choices)
}

fn conf_change() -> impl Strategy<Value = ConfChange> {
    let step = (0..4u64, server()).prop_map(|(kind, id)| match kind {
        0 => MemberChange::AddVoter(id),
        1 => MemberChange::AddLearner(id),
        2 => MemberChange::Remove(id),
        _ => MemberChange::Update(id),
    });
    let kinds = vec![Transition::Automatic, Transition::JointImplicit, Transition::JointExplicit];
    let changes = prop_oneof![Just(vec![]), proptest::collection::vec(step, 0..4)];
    (proptest::sample::select(kinds), changes).prop_map(|(transition, changes)| ConfChange {
        transition,
        changes,
        ..ConfChange::default()
    })
}

fn snapshot() -> impl Strategy<Value = SnapshotMeta> {
    (entry_id(), configuration()).prop_map(|(last, configuration)| SnapshotMeta {
        last,
        configuration,
        handle: SnapshotHandle(0),
    })
}

prop_compose! {
    pub(crate) fn replica()(
        configuration in configuration(),
        switches in any::<[bool; 8]>(),
        lease in 0..4u64,
        validation in 0..3usize,
        max_message_bytes in proptest::sample::select(vec![0, 3, 1 << 20]),
        max_inflight_messages in 1..4usize,
        log in proptest::sample::select(vec![vec![], vec![1], vec![1, 1, 2, 2], vec![1, 2, 3]]),
        base in 0..3u64,
        term in prop_oneof![8 => 3..5u64, 1 => Term::MAX.0 - 2..=Term::MAX.0],
        committed in 0..2u64,
    ) -> Raft {
        let [pre_vote, check_quorum, apply_before_durable, record_events, forward, tiny_quotas, etcd, step_down] =
            switches;
        let read_mode = match lease {
            0 if check_quorum => ReadMode::EtcdLease,
            1 if check_quorum => ReadMode::Lease { margin: Ticks(1) },
            _ => ReadMode::Quorum,
        };
        let quota = if tiny_quotas { ByteCount(9) } else { ByteCount::UNLIMITED };
        let config = Config {
            pre_vote,
            check_quorum,
            apply_before_durable,
            record_events,
            max_message_bytes: ByteCount(max_message_bytes),
            max_inflight_messages,
            max_inflight_bytes: ByteCount(7),
            max_applying_bytes: quota,
            max_uncommitted_bytes: quota,
            forward_proposals: forward,
            forward_requests: forward,
            read_mode,
            write_rules: if etcd { WriteRules::Etcd } else { WriteRules::Minimal },
            conf_change_validation: [
                ConfChangeValidation::Refuse,
                ConfChangeValidation::Replace,
                ConfChangeValidation::Off,
            ][validation],
            step_down_on_removal: step_down,
            ..Config::new(node(1))
        };
        let recovered = Recovered {
            hard_state: HardState::recovered(Term(term), None),
            commit: LogIndex(base + committed.min(log.len() as u64)),
            configuration,
            snapshot: None,
            applied: LogIndex(0),
            log: slice(EntryId::new(base.min(1), base), &log),
        };
        Raft::new(config, recovered, Incarnation(1)).expect("a sound beginning")
    }
}

/// The replica under test, with what its driver holds.
pub(crate) struct Driver<'a> {
    pub(crate) raft: Raft,
    reached: &'a Reached,
    sent: Vec<Envelope>,
    writes: VecDeque<Write>,
    receipts: VecDeque<Receipt>,
    handed_out: LogIndex,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(raft: Raft, reached: &'a Reached) -> Self {
        Self {
            raft,
            reached,
            sent: Vec::new(),
            writes: VecDeque::new(),
            receipts: VecDeque::new(),
            handed_out: LogIndex(0),
        }
    }

    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::Step { mut envelope, in_current_term } => {
                if in_current_term {
                    envelope.term = self.raft.term();
                }
                self.attempt(|raft| raft.step(envelope));
            }
            Action::Answer(which) => {
                if let Some(answer) = self.favourable_answer(which) {
                    self.attempt(|raft| raft.step(answer));
                }
            }
            Action::Reject(which) => {
                self.take_ready();
                let is_append = |sent: &&Envelope| matches!(sent.message, Message::AppendEntries { .. });
                let appends: Vec<_> = self.sent.iter().filter(is_append).collect();
                if !appends.is_empty()
                    && let Envelope { from, to, term, message: Message::AppendEntries { entries, .. } } =
                        appends[which.index(appends.len())]
                {
                    let probed = entries.prev().index;
                    let outcome = AppendOutcome::Mismatched { probed, hint: EntryId::ORIGIN };
                    let message = Message::AppendEntriesReply(outcome);
                    let answer = Envelope { from: *to, to: *from, term: *term, message };
                    self.attempt(|raft| raft.step(answer));
                }
            }
            Action::AppendNearEnd { from, before, terms_later, entries, commit } => {
                let index = LogIndex(self.raft.last().index.0.saturating_sub(before));
                let prev = self.raft.entry_term(index).map(|term| EntryId { term, index });
                let prev = prev.unwrap_or(self.raft.last());
                let entries = if prev.index < LogIndex(u64::MAX >> 2) { entries } else { 0 };
                let term = self.raft.term().0.saturating_add(terms_later).clamp(1, Term::MAX.0);
                let message = Message::AppendEntries {
                    entries: slice(prev, &vec![term; entries]),
                    commit: LogIndex(index.0.saturating_add(commit).saturating_sub(3)),
                };
                let envelope = Envelope { from, to: node(1), term: Term(term), message };
                self.attempt(|raft| raft.step(envelope));
            }
            Action::Advance(ticks) => {
                // Only a replica that waits for nothing can skip any time.
                let most = if self.raft.ticks_until_timeout().is_some() { 50 } else { u64::MAX };
                self.raft.advance(Ticks(ticks.min(most)));
            }
            Action::SetTimeout(ticks) => self.attempt(|raft| raft.set_election_timeout(Ticks(ticks))),
            Action::Campaign => self.attempt(Raft::campaign),
            Action::Propose(size) => self.attempt(|raft| raft.propose(vec![0; size].into())),
            Action::ProposeChange(change) => self.attempt(|raft| raft.propose_conf_change(change)),
            Action::ApplyChange(index) => self.attempt(|raft| raft.apply_conf_change(LogIndex(index))),
            Action::ApplyChanges => {
                for index in self.raft.applied().0 + 1..=self.handed_out.0 {
                    let before = self.raft.configuration().clone();
                    self.attempt(|raft| raft.apply_conf_change(LogIndex(index)));
                    if before != *self.raft.configuration() {
                        count(&self.reached.reconfigured);
                    }
                }
            }
            Action::Read => self.attempt(Raft::read_index),
            Action::Transfer(to) => self.attempt(|raft| raft.transfer_leadership(to)),
            Action::Ready => self.take_ready(),
            Action::Durable(which) => {
                if !self.writes.is_empty() {
                    let write = self.writes.remove(which.index(self.writes.len())).expect("it is there");
                    self.receipts.push_back(write.durable().receipt);
                }
            }
            Action::Receipt(which) => {
                if !self.receipts.is_empty() {
                    let receipt =
                        self.receipts.remove(which.index(self.receipts.len())).expect("it is there");
                    self.attempt(|raft| raft.on_persisted(receipt));
                }
            }
            Action::Persist => {
                self.take_ready();
                if let Some(write) = self.writes.pop_front() {
                    let durable = write.durable();
                    self.sent.extend(durable.messages);
                    self.attempt(|raft| raft.on_persisted(durable.receipt));
                }
            }
            Action::ForeignReceipt { id, incarnation } => {
                if (id, incarnation) != (node(1), 1) {
                    let receipt = foreign_receipt(id, incarnation);
                    let before = self.raft.clone();
                    self.raft.on_persisted(receipt).expect_err("it is not ours");
                    assert_eq!(self.raft, before);
                }
            }
            Action::Applied(index) => self.attempt(|raft| raft.on_applied(LogIndex(index))),
            Action::SnapshotAvailable(snapshot) => self.attempt(|raft| raft.snapshot_available(snapshot)),
            Action::TakeSnapshot => {
                let index = self.raft.applied();
                if let Some(term) = self.raft.entry_term(index) {
                    let configuration = self.raft.configuration().clone();
                    let last = EntryId { term, index };
                    let snapshot = SnapshotMeta { last, configuration, handle: SnapshotHandle(1) };
                    self.attempt(|raft| raft.snapshot_available(snapshot));
                }
            }
            Action::Compact(to) => self.attempt(|raft| raft.compact(LogIndex(to))),
            Action::CompactNearSnapshot(before) => {
                let last = self.raft.snapshot().map_or(0, |snapshot| snapshot.last.index.0);
                let compacted = self.raft.base();
                self.attempt(|raft| raft.compact(LogIndex(last.saturating_sub(before))));
                if compacted != self.raft.base() {
                    count(&self.reached.compacted);
                }
            }
            Action::ForgetLeader => self.attempt(Raft::forget_leader),
            Action::ReportUnreachable(peer) => self.attempt(|raft| raft.report_unreachable(peer)),
            Action::ReportSnapshot { peer, outcome } => {
                self.attempt(|raft| raft.report_snapshot(peer, outcome));
            }
            Action::ApplyAll => {
                if self.raft.applied() < self.handed_out && self.raft.base().index <= self.handed_out {
                    self.raft.on_applied(self.handed_out).expect("as handed out");
                }
            }
        }
    }

    /// Does something that may be refused. If it is, nothing may have changed.
    fn attempt<T, E: std::error::Error>(&mut self, act: impl FnOnce(&mut Raft) -> Result<T, E>) {
        let before = self.raft.clone();
        if let Err(error) = act(&mut self.raft) {
            assert_eq!(self.raft, before, "refused with {error}, and yet it has changed");
            assert!(!error.to_string().is_empty());
            count(&self.reached.refused);
        }
    }

    fn take_ready(&mut self) {
        assert_eq!(self.raft.clone().ready().is_some(), self.raft.has_ready());
        if let Some(ready) = self.raft.ready() {
            self.sent.extend(ready.messages);
            self.writes.extend(ready.write);
            if let Some(committed) = ready.committed {
                self.handed_out = committed.last().index;
            }
        }
        assert!(!self.raft.has_ready());
    }

    /// What a peer would say that has all the replica wishes for.
    fn favourable_answer(&mut self, which: Index) -> Option<Envelope> {
        self.take_ready();
        if self.sent.is_empty() {
            return None;
        }
        let Envelope { from, to, term, message } = self.sent.remove(which.index(self.sent.len()));
        let answer = match message {
            Message::RequestPreVote { .. } => Message::RequestPreVoteReply { granted: true, committed: None },
            Message::RequestVote { .. } => Message::RequestVoteReply { granted: true, committed: None },
            Message::AppendEntries { entries, .. } => {
                Message::AppendEntriesReply(AppendOutcome::Matched { index: entries.last().index })
            }
            Message::Heartbeat { read, sent_at, .. } => Message::HeartbeatReply { read, sent_at },
            Message::ReadIndex { read } => Message::ReadIndexReply { read, index: self.raft.commit() },
            Message::InstallSnapshot { snapshot } => {
                count(&self.reached.snapshot_sent);
                Message::AppendEntriesReply(AppendOutcome::Matched { index: snapshot.last.index })
            }
            Message::RequestPreVoteReply { .. }
            | Message::RequestVoteReply { .. }
            | Message::AppendEntriesReply(_)
            | Message::HeartbeatReply { .. }
            | Message::ReadIndexReply { .. }
            | Message::Propose { .. }
            | Message::TransferLeader { .. }
            | Message::TimeoutNow => return None,
        };
        Some(Envelope { from: to, to: from, term, message: answer })
    }
}

/// The receipt of another replica's first write.
fn foreign_receipt(id: NodeId, incarnation: u64) -> Receipt {
    let config = Config { pre_vote: false, ..Config::new(id) };
    let mut raft = Raft::new(config, Recovered::founding([id]), Incarnation(incarnation)).expect("it starts");
    raft.campaign().expect("it votes");
    raft.ready().and_then(|ready| ready.write).expect("its vote").durable().receipt
}

/// How often a test reached what it is about, lest it prove nothing.
#[derive(Default)]
pub(crate) struct Reached {
    pub(crate) refused: Counter,
    pub(crate) in_role: [Counter; 4],
    pub(crate) committed_as_leader: Counter,
    pub(crate) truncated: Counter,
    pub(crate) compacted: Counter,
    pub(crate) snapshot_sent: Counter,
    pub(crate) restored: Counter,
    pub(crate) reconfigured: Counter,
}

/// How often something was reached, on any thread.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn count(counter: &Counter) {
    counter.0.fetch_add(1, Ordering::Relaxed);
}
