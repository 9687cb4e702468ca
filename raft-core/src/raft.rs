//! One replica: its whole state, what a driver may ask of it, and in the chapters below how it answers.

mod outputs;
mod election;
mod snapshots;
mod replication;
mod proposals;
mod membership;
mod reads;
mod transfer;
mod time;
mod step;
mod invariants;

pub use proposals::Proposed;

use alloc::vec::Vec;

use crate::{
    config::Config,
    configuration::Configuration,
    digest::Digest,
    entry::LogSlice,
    error::StartError,
    event::Event,
    hard_state::HardState,
    id::{EntryId, Incarnation, LogIndex, NodeId, ReadId, Term, Ticks},
    log::Log,
    message::Envelope,
    progress::Progress,
    progress_table::ProgressTable,
    read::ReadState,
    ready::SoftState,
    role::{Role, RoleKind},
    snapshot::SnapshotMeta,
    write::Writes,
};

/// One replica of a Raft cluster. See the [crate's page](crate) for how it is driven.
///
/// It is a plain value: it can be cloned, compared and printed, and does nothing unless it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raft {
    config: Config,
    configuration: Configuration,
    /// The last change of members that is in force, or what the state machine began with.
    configured: LogIndex,
    hard_state: HardState,
    log: Log,
    role: Role,
    /// Since the last sign of a leader, or since the role began; a leader counts to its next look at its quorum.
    election_elapsed: Ticks,
    /// How long to wait for a leader; `None` until the driver has supplied it after a reset.
    election_timeout: Option<Ticks>,
    writes: Writes,
    /// The latest that followers may be sent. It covers what was compacted.
    snapshot: Option<SnapshotMeta>,
    /// What may leave with the next [`Ready`](crate::Ready).
    messages: Vec<Envelope>,
    read_states: Vec<ReadState>,
    last_read: ReadId,
    /// Passed on to the leader, and not answered yet.
    forwarded_reads: Vec<ReadId>,
    /// For so long it votes for nobody, as a leader may hold a lease that rests on it.
    vote_withheld: Ticks,
    /// As last told to the driver.
    soft_state: SoftState,
    events: Vec<Event>,
}

/// What a replica starts from: what its storage holds, or for a new cluster what its founders agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Term and vote.
    pub hard_state: HardState,
    /// The last commit index that was written. It may be behind what the replica had reached, even behind what it
    /// has compacted since.
    pub commit: LogIndex,
    /// Who belonged to the cluster when everything up to `applied` had been applied: the
    /// snapshot's configuration, for a state machine that starts from the snapshot.
    pub configuration: Configuration,
    /// The latest snapshot. What is compacted must be covered by one, or no follower could be sent it.
    pub snapshot: Option<SnapshotMeta>,
    /// What the state machine holds already; what the snapshot covers counts in any case. What lies behind it is
    /// handed out to be applied.
    pub applied: LogIndex,
    /// The log, all of it durable. Its `prev` is the last entry that was compacted away.
    pub log: LogSlice,
}

impl Recovered {
    /// The beginning of a new cluster: no term, no vote, no entry. Every founder starts with the same voters, and so
    /// does whoever joins later: it will find in the log what has changed since. Only a server that is certain to begin
    /// with a snapshot may start without any.
    pub fn founding(voters: impl IntoIterator<Item = NodeId>) -> Self {
        Self {
            hard_state: HardState::default(),
            commit: LogIndex(0),
            configuration: Configuration::of_voters(voters),
            snapshot: None,
            applied: LogIndex(0),
            log: LogSlice::empty(EntryId::ORIGIN),
        }
    }

    /// What the state machine holds, with what no log can give it any more.
    fn applied(&self) -> LogIndex {
        let snapshot = self.snapshot.as_ref().map_or(LogIndex(0), |snapshot| snapshot.last.index);
        self.applied.max(snapshot).max(self.log.prev().index)
    }

    /// Whether a replica can have written this.
    fn validate(&self) -> Result<(), StartError> {
        let (base, last) = (self.log.prev(), self.log.last());
        if let Some(snapshot) = self.snapshot.as_ref().map(|snapshot| snapshot.last)
            && self.log.after(snapshot.index).is_none_or(|rest| rest.prev() != snapshot)
        {
            return Err(StartError::SnapshotOutsideLog { snapshot, base, last });
        }
        if last.index < self.applied {
            return Err(StartError::AppliedBeyondLog { applied: self.applied, last });
        }
        if last.index < self.commit {
            return Err(StartError::CommitBeyondLog { commit: self.commit, last });
        }
        let term = self.hard_state.term();
        if Term::MAX < term || LogIndex::MAX < last.index {
            return Err(StartError::OutOfRange { term, last });
        }
        // The founders of a cluster may start from a snapshot, which counts as written in the first term.
        let is_founding =
            self.hard_state == HardState::default() && self.log.is_empty() && last.term <= Term(1);
        if term < last.term && !is_founding {
            return Err(StartError::TermBehindLog { term, last });
        }
        Ok(())
    }
}

impl Raft {
    /// A replica that starts, or starts again, as a follower.
    ///
    /// # Errors
    /// When the settings make no sense, or what was recovered cannot have been written by a replica.
    pub fn new(config: Config, recovered: Recovered, incarnation: Incarnation) -> Result<Self, StartError> {
        config.validate()?;
        recovered.validate()?;
        let applied = recovered.applied();
        let Recovered { hard_state, commit, configuration, snapshot, applied: _, log } = recovered;
        // What is applied was committed, even if the commit index that says so was lost.
        let commit = commit.max(applied);
        Ok(Self {
            configuration,
            configured: applied,
            hard_state,
            log: Log::new(&log, commit, applied, config.keep_digests),
            role: Role::Follower { leader: None },
            election_elapsed: Ticks(0),
            election_timeout: None,
            writes: Writes::new(config.write_rules, config.id, incarnation, commit),
            snapshot,
            messages: Vec::new(),
            read_states: Vec::new(),
            last_read: ReadId(0),
            forwarded_reads: Vec::new(),
            // Whom it has heard from in an earlier life it cannot know.
            vote_withheld: if config.keeps_lease() { config.election_timeout } else { Ticks(0) },
            soft_state: SoftState { role: RoleKind::Follower, leader: None },
            events: Vec::new(),
            config,
        })
    }
}

/// The status of a replica, and a leader's view of its peers: what etcd's `Status` gathers is asked of the value itself.
impl Raft {
    /// Who this replica is.
    pub fn id(&self) -> NodeId {
        self.config.id
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Who belongs to the cluster.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Term and vote, as in memory.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The current term, as in memory.
    pub fn term(&self) -> Term {
        self.hard_state.term()
    }

    /// The role.
    pub fn role(&self) -> RoleKind {
        self.role.kind()
    }

    /// The leader of the current term, if one is known.
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Follower { leader } => *leader,
            Role::PreCandidate(_) | Role::Candidate(_) => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// The entry before the first one of the log in memory: the last one that was compacted.
    pub fn base(&self) -> EntryId {
        self.log.base()
    }

    /// The last entry of the log in memory.
    pub fn last(&self) -> EntryId {
        self.log.last()
    }

    /// The whole log in memory, from the last compaction on.
    pub fn log(&self) -> LogSlice {
        self.log.whole()
    }

    /// The term of the entry at `index`, if the log in memory reaches there.
    pub fn entry_term(&self, index: LogIndex) -> Option<Term> {
        self.log.term(index)
    }

    /// What is known to be committed.
    pub fn commit(&self) -> LogIndex {
        self.log.commit()
    }

    /// What the state machine has applied.
    pub fn applied(&self) -> LogIndex {
        self.log.applied()
    }

    /// A leader's view of the members by ascending id, itself included if it is one; empty for anyone else.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, &Progress)> {
        let members = match &self.role {
            Role::Leader(leader) => Some(&leader.members),
            Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_) => None,
        };
        members.into_iter().flat_map(ProgressTable::iter)
    }

    /// A leader's view of the others, by ascending id; empty for anyone else.
    pub fn peers(&self) -> impl Iterator<Item = (NodeId, &Progress)> {
        self.members().filter(|(id, _)| *id != self.config.id)
    }

    /// Whether a leader has as much under way to a member as its settings allow.
    pub fn is_window_full(&self, member: NodeId) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        leader.member(member).is_some_and(|progress| progress.is_window_full(self.inflight_limits()))
    }

    /// To whom the leadership is being handed over.
    pub fn transferee(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(leader) => leader.transferee,
            Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_) => None,
        }
    }

    /// What happened since it was last asked, oldest first; nothing unless
    /// [`record_events`](Config::record_events) is set.
    pub fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    fn record(&mut self, event: Event) {
        if self.config.record_events {
            self.events.push(event);
        }
    }

    /// A digest of everything that decides what this replica does next, timers included. Equal on every
    /// machine. It takes time in proportion to what is under way, and to the log too unless
    /// [`keep_digests`](Config::keep_digests) is set.
    pub fn state_digest(&self) -> u128 {
        let Self {
            config: _,
            configuration,
            configured,
            hard_state,
            log,
            role,
            election_elapsed,
            election_timeout,
            writes,
            snapshot,
            messages,
            read_states,
            last_read,
            forwarded_reads,
            vote_withheld,
            soft_state,
            events: _,
        } = self;
        let mut digest = Digest::default();
        digest.configuration(configuration);
        digest.number(configured.0);
        digest.number(hard_state.term().0);
        digest.node(hard_state.vote());
        log.digest(&mut digest);
        role.digest(&mut digest);
        digest.number(election_elapsed.0);
        digest.option(election_timeout.map(|ticks| ticks.0));
        writes.digest(&mut digest);
        digest.flag(snapshot.is_some());
        if let Some(snapshot) = snapshot {
            digest.snapshot(snapshot);
        }
        digest.number(messages.len() as u64);
        for envelope in messages {
            digest.envelope(envelope);
        }
        digest.number(read_states.len() as u64);
        for state in read_states {
            state.digest(&mut digest);
        }
        digest.number(last_read.0);
        digest.number(forwarded_reads.len() as u64);
        for id in forwarded_reads {
            digest.number(id.0);
        }
        digest.number(vote_withheld.0);
        digest.number(soft_state.role as u64);
        digest.node(soft_state.leader);
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        configuration::Leave,
        entry::{Entry, Payload},
        id::ByteCount,
        message::{Message, ReadContext, ReadPosition},
        quorum::{Majority, Voters},
        read::{ReadLoss, Requester},
        snapshot::SnapshotHandle,
        write::Write,
    };
    use alloc::{
        collections::{BTreeMap, VecDeque},
        vec,
    };

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    fn replica(id: u64) -> Raft {
        let config = Config {
            max_message_bytes: ByteCount(0),
            max_inflight_messages: 2,
            keep_digests: true,
            ..Config::new(node(id))
        };
        Raft::new(config, Recovered::founding([1, 2, 3].map(node)), Incarnation(1)).expect("it starts")
    }

    /// Three replicas with slow disks and a network that reorders, decided by a seed.
    struct Run {
        seed: u64,
        replicas: Vec<(Raft, VecDeque<Write>)>,
        mail: Vec<Envelope>,
    }

    impl Run {
        fn new(seed: u64) -> Self {
            let replicas = [1, 2, 3].map(|id| (replica(id), VecDeque::new()));
            Self { seed, replicas: replicas.into(), mail: Vec::new() }
        }

        /// A number below `bound`.
        fn roll(&mut self, bound: usize) -> usize {
            self.seed =
                self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.seed >> 33).expect("31 bits") % bound
        }

        fn step(&mut self) {
            let (at, kind) = (self.roll(3), self.roll(10));
            let mail = (!self.mail.is_empty()).then(|| self.roll(self.mail.len()));
            let timeout = Ticks(10 + self.roll(10) as u64);
            let (raft, writes) = &mut self.replicas[at];
            match kind {
                0..5 if let Some(position) = mail => {
                    let message = self.mail.remove(position);
                    let (raft, _) = &mut self.replicas[usize::try_from(message.to.number() - 1).unwrap()];
                    raft.step(message).expect("a message of a peer");
                }
                0..7 => {
                    if let Some(write) = writes.pop_front() {
                        let durable = write.durable();
                        self.mail.extend(durable.messages);
                        raft.on_persisted(durable.receipt).expect("the oldest");
                    }
                }
                7 => {
                    if let Some(ready) = raft.ready() {
                        self.mail.extend(ready.messages);
                        writes.extend(ready.write);
                    }
                }
                8 => {
                    let _ = raft.set_election_timeout(timeout);
                    raft.tick();
                }
                _ => {
                    let _ = raft.propose("x".into());
                    let _ = raft.read_index();
                }
            }
        }
    }

    /// Without what a digest leaves out: the numbers of writes.
    fn essence(raft: &Raft) -> Raft {
        Raft { writes: raft.writes.clone().without_numbers(), ..raft.clone() }
    }

    /// Whenever two states of a replica have the same digest they are the same, and the reverse.
    #[test]
    fn equal_digests_mean_equal_states() {
        let mut seen: [BTreeMap<u128, Raft>; 3] = Default::default();
        let mut met_again = 0;
        for seed in 0..20 {
            let mut run = Run::new(seed);
            for _ in 0..1000 {
                run.step();
                for ((raft, _), seen) in run.replicas.iter().zip(&mut seen) {
                    let essence = essence(raft);
                    assert_eq!(raft.state_digest(), essence.state_digest());
                    met_again += usize::from(seen.contains_key(&raft.state_digest()));
                    let first = seen.entry(raft.state_digest()).or_insert_with(|| essence.clone());
                    assert_eq!(*first, essence);
                }
            }
        }
        let states = seen.iter().flat_map(BTreeMap::values);
        let led = states.clone().filter(|raft| raft.role() == RoleKind::Leader).count();
        let states = states.count();
        assert!(1000 < states && 300 < led && 1000 < met_again, "{states} states, {led} {met_again}");
    }

    #[test]
    fn equal_runs_have_equal_digests() {
        let (mut left, mut right) = (Run::new(7), Run::new(7));
        for _ in 0..1000 {
            left.step();
            right.step();
            for ((left, _), (right, _)) in left.replicas.iter().zip(&right.replicas) {
                assert_eq!((left, left.state_digest()), (right, right.state_digest()));
            }
        }
    }

    /// A leader with a read, a command and messages under way.
    fn busy_leader() -> Raft {
        let mut raft = replica(1);
        let mut tell = |from, term, message| {
            raft.step(Envelope { from: node(from), to: node(1), term: Term(term), message })
                .expect("it fits");
            while let Some(write) = raft.ready().and_then(|ready| ready.write) {
                raft.on_persisted(write.durable().receipt).expect("the oldest");
            }
        };
        tell(2, 1, Message::TimeoutNow);
        tell(2, 2, Message::RequestVoteReply { granted: true, committed: None });
        let matched = crate::message::AppendOutcome::Matched { index: LogIndex(1) };
        tell(2, 2, Message::AppendEntriesReply(matched));
        assert_eq!((raft.role(), raft.commit()), (RoleKind::Leader, LogIndex(1)));
        raft.propose("x".into()).expect("it leads");
        raft.read_index().expect("it leads");
        drop(raft.ready());
        raft.read_states = vec![lost(1)];
        raft.messages = vec![message(Message::TimeoutNow)];
        raft
    }

    fn message(message: Message) -> Envelope {
        Envelope { from: node(1), to: node(2), term: Term(2), message }
    }

    fn refusal(committed: Option<EntryId>) -> Message {
        Message::RequestPreVoteReply { granted: false, committed }
    }

    /// Every part counts: a change of any of them, however small, shows in the digest.
    #[test]
    fn every_field_shows_in_the_digest() {
        let changes: Vec<fn(&mut Raft)> = vec![
            |_| (),
            |raft| raft.configuration = Configuration::of_voters([1, 2].map(node)),
            |raft| raft.configured.0 += 1,
            |raft| raft.configuration = joint(&[], &[], Leave::Explicit),
            |raft| raft.configuration = joint(&[], &[], Leave::Automatic),
            |raft| raft.configuration = joint(&[6], &[], Leave::Automatic),
            |raft| raft.configuration = joint(&[], &[4], Leave::Automatic),
            |raft| raft.snapshot = Some(snapshot(0)),
            |raft| raft.snapshot = Some(snapshot(1)),
            |raft| raft.writes.restore(snapshot(1), LogIndex(2)),
            |raft| {
                raft.log.applied_to(LogIndex(1), ByteCount::UNLIMITED);
                raft.log.compact(LogIndex(1));
            },
            |raft| raft.log.restore(EntryId::new(2, 3)),
            |raft| raft.hard_state = HardState::recovered(Term(3), Some(node(1))),
            |raft| raft.hard_state = HardState::recovered(Term(2), Some(node(2))),
            |raft| raft.hard_state = HardState::recovered(Term(2), None),
            |raft| push(raft, Payload::Noop),
            |raft| push(raft, Payload::Command("".into())),
            |raft| raft.log.persisted(LogIndex(2)),
            |raft| assert!(raft.log.commit_to(LogIndex(2))),
            |raft| raft.log.applied_to(LogIndex(1), ByteCount::UNLIMITED),
            |raft| raft.election_elapsed.0 += 1,
            |raft| raft.election_timeout = Some(Ticks(0)),
            |raft| raft.election_timeout = Some(Ticks(1)),
            |raft| raft.writes.hard_state_changed(),
            |raft| raft.writes.gate(message(Message::TimeoutNow)),
            |raft| raft.writes.log_truncated(LogIndex(1)),
            |raft| raft.messages.clear(),
            |raft| raft.messages[0].from = node(3),
            |raft| raft.messages[0].to = node(3),
            |raft| raft.messages[0].term = Term(3),
            |raft| raft.messages[0].message = Message::RequestVoteReply { granted: true, committed: None },
            |raft| raft.messages[0].message = Message::RequestVoteReply { granted: false, committed: None },
            |raft| raft.messages[0].message = refusal(None),
            |raft| raft.messages[0].message = refusal(Some(EntryId::ORIGIN)),
            |raft| raft.messages[0].message = refusal(Some(EntryId::new(0, 1))),
            |raft| raft.messages[0].message = heartbeat_reply(None, None),
            |raft| raft.messages[0].message = heartbeat_reply(Some(0), None),
            |raft| raft.messages[0].message = heartbeat_reply(None, Some(0)),
            |raft| raft.messages[0].message = Message::Propose { payload: Payload::Noop },
            |raft| raft.messages[0].message = Message::Propose { payload: Payload::Command("".into()) },
            |raft| raft.messages[0].message = Message::ReadIndex { read: context(1, 1) },
            |raft| raft.messages[0].message = Message::ReadIndex { read: context(1, 2) },
            |raft| raft.messages[0].message = Message::ReadIndex { read: context(2, 1) },
            |raft| {
                raft.messages[0].message =
                    Message::ReadIndexReply { read: context(1, 1), index: LogIndex(0) };
            },
            |raft| raft.messages[0].message = Message::TransferLeader { to: node(2) },
            |raft| {
                raft.messages[0].message =
                    Message::InstallSnapshot { snapshot: alloc::boxed::Box::new(snapshot(0)) }
            },
            |raft| raft.forwarded_reads.push(ReadId(1)),
            |raft| raft.forwarded_reads.push(ReadId(2)),
            |raft| raft.vote_withheld.0 += 1,
            |raft| raft.read_states.clear(),
            |raft| raft.read_states = vec![lost(2)],
            |raft| {
                raft.read_states = vec![ReadState::Lost { id: ReadId(1), reason: ReadLoss::LeaderChanged }];
            },
            |raft| raft.read_states = vec![ReadState::Confirmed { id: ReadId(1), index: LogIndex(0) }],
            |raft| raft.read_states = vec![ReadState::Confirmed { id: ReadId(1), index: LogIndex(1) }],
            |raft| raft.last_read.0 += 1,
            |raft| raft.soft_state.role = RoleKind::Candidate,
            |raft| raft.soft_state.leader = None,
            |raft| raft.role = Role::Follower { leader: None },
            |raft| raft.role = Role::Follower { leader: Some(node(2)) },
            |raft| raft.role = Role::Candidate(Default::default()),
            |raft| raft.role = Role::PreCandidate(Default::default()),
            |raft| leader(raft).transferee = Some(node(2)),
            |raft| leader(raft).heartbeat_elapsed.0 += 1,
            |raft| leader(raft).first_of_term.0 += 1,
            |raft| leader(raft).reads.push(Requester::Driver(ReadId(2)), LogIndex(1)),
            |raft| leader(raft).reads.park(Requester::Driver(ReadId(2))),
            |raft| leader(raft).reads.park(Requester::Follower(node(2), context(1, 2))),
            |raft| leader(raft).uncommitted_bytes.0 += 1,
            |raft| leader(raft).clock.0 += 1,
            |raft| leader(raft).lease_void = true,
            |raft| peer(raft).heartbeat_answered(Some(Ticks(0))),
            |raft| assert_eq!(leader(raft).reads.confirm(ReadPosition(1)).count(), 1),
            |raft| leader(raft).members = ProgressTable::default(),
            |raft| peer(raft).become_snapshot(LogIndex(2)),
            |raft| peer(raft).become_snapshot(LogIndex(3)),
            |raft| assert!(peer(raft).acknowledged(LogIndex(2))),
            |raft| peer(raft).become_probe(),
            |raft| peer(raft).recently_active ^= true,
            |raft| peer(raft).read_confirmed.0 += 1,
            |raft| peer(raft).commit_told(LogIndex(2)),
            |raft| peer(raft).commit_told(LogIndex(3)),
        ];
        let mut digests: Vec<u128> = Vec::new();
        for (position, change) in changes.iter().enumerate() {
            let mut raft = busy_leader();
            change(&mut raft);
            let digest = raft.state_digest();
            let same = digests.iter().position(|other| *other == digest);
            assert_eq!(same, None, "change {position} has the digest of another");
            digests.push(digest);
        }
    }

    fn lost(id: u64) -> ReadState {
        ReadState::Lost { id: ReadId(id), reason: ReadLoss::SteppedDown }
    }

    fn context(incarnation: u64, id: u64) -> ReadContext {
        ReadContext { incarnation: Incarnation(incarnation), id: ReadId(id) }
    }

    fn heartbeat_reply(read: Option<u64>, sent_at: Option<u64>) -> Message {
        Message::HeartbeatReply { read: read.map(ReadPosition), sent_at: sent_at.map(Ticks) }
    }

    /// Voters 1 to 3 in one half and 4 in the other, with these learners.
    fn joint(learners: &[u64], learners_next: &[u64], leave: Leave) -> Configuration {
        let set = |ids: &[u64]| ids.iter().copied().map(node).collect();
        let half = |ids: &[u64]| ids.iter().copied().map(node).collect::<Majority>();
        let voters = Voters::joint(half(&[1, 2, 3]), half(&[4]));
        Configuration::new(voters, set(learners), set(learners_next), Some(leave)).expect("it is in order")
    }

    fn snapshot(handle: u64) -> SnapshotMeta {
        let configuration = Configuration::of_voters([1, 2, 3].map(node));
        SnapshotMeta { last: EntryId::new(2, 1), configuration, handle: SnapshotHandle(handle) }
    }

    fn push(raft: &mut Raft, payload: Payload) {
        raft.log.push(Entry { term: Term(2), payload });
    }

    fn leader(raft: &mut Raft) -> &mut crate::role::Leader {
        let Role::Leader(leader) = &mut raft.role else { panic!("it leads") };
        leader
    }

    fn peer(raft: &mut Raft) -> &mut Progress {
        leader(raft).member_mut(node(2)).expect("a member")
    }

    /// What nobody decides by is no part of it.
    #[test]
    fn events_and_the_numbers_of_writes_do_not_show_in_the_digest() {
        let mut raft = busy_leader();
        let digest = raft.state_digest();
        raft.events.push(Event::Committed { index: LogIndex(1) });
        assert_eq!(raft.state_digest(), digest);
        assert_eq!(essence(&raft).state_digest(), digest);
    }
}
