//! Whole clusters under loss, duplication, reordering, partitions and crashes, checked against Figure 3
//! after every step. Each run is decided by its seed.

use std::collections::BTreeMap;

use raft_core::{
    AppendOutcome, ByteCount, ConfChange, Configuration, EntryId, Envelope, Leave, LogIndex, LogSlice,
    Majority, Message, NodeId, Payload, Progress, ProgressState, Raft, ReadId, ReadMode, ReadState, RoleKind,
    SnapshotOutcome, StepError, Term, Transition,
};

use crate::cluster::{Cluster, add, learn, node, remove, ticks};

/// Chance from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    /// A number below `bound`.
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Yes, in this many of a hundred cases.
    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }

    fn pick(&mut self, ids: &[u64]) -> u64 {
        ids[usize::try_from(self.roll(ids.len() as u64)).expect("a small number")]
    }
}

/// What has become known of the cluster as a whole.
#[derive(Default)]
struct Truth {
    leaders: BTreeMap<Term, u64>,
    /// What was committed at each index, and in which term that was first seen.
    committed: BTreeMap<LogIndex, (EntryId, Term)>,
    /// What the state machines were given at each index.
    applied: BTreeMap<LogIndex, (EntryId, Payload)>,
    /// For each read under way the commit index that it must not be behind.
    reads: BTreeMap<(u64, ReadId), LogIndex>,
    reads_answered: u64,
    compactions: u64,
    snapshots_sent: u64,
    changes: u64,
    /// Of each server its commit index and its configuration when it was last looked at.
    before: BTreeMap<u64, (LogIndex, Configuration)>,
}

impl Truth {
    fn check(&mut self, cluster: &mut Cluster) {
        let running: Vec<u64> = cluster.ids().into_iter().filter(|&id| cluster.is_running(id)).collect();
        for &id in &running {
            self.check_leader(cluster, id);
            self.check_commit(cluster, id);
            self.check_applied(cluster, id);
            self.check_reads(cluster, id);
        }
        check_log_matching(cluster, &running);
    }

    /// Election Safety, Leader Completeness.
    fn check_leader(&mut self, cluster: &Cluster, id: u64) {
        let raft = cluster.raft(id);
        if raft.role() != RoleKind::Leader {
            return;
        }
        let leader = *self.leaders.entry(raft.term()).or_insert(id);
        assert_eq!(leader, id, "two leaders in {}", raft.term());
        for (&index, &(entry, seen_in)) in &self.committed {
            if seen_in < raft.term() && raft.base().index <= index {
                assert_eq!(raft.entry_term(index), Some(entry.term), "{id} leads without {entry}");
            }
        }
    }

    /// What a leader commits is on the disks of a quorum, of its configuration before or after; and what is committed
    /// never changes.
    fn check_commit(&mut self, cluster: &Cluster, id: u64) {
        let raft = cluster.raft(id);
        let Some(term) = raft.entry_term(raft.commit()).filter(|_| LogIndex(0) < raft.commit()) else {
            return;
        };
        let entry = EntryId { term, index: raft.commit() };
        let after = (raft.commit(), raft.configuration().clone());
        let (commit, before) = self.before.insert(id, after.clone()).unwrap_or_else(|| after.clone());
        if raft.role() == RoleKind::Leader && commit < raft.commit() {
            let is_durable = |configuration: &Configuration| {
                let holds = |voter: NodeId| holds(&cluster.disk(voter.number()).log, entry);
                is_majority(configuration.voters().incoming(), holds)
                    && configuration.voters().outgoing().is_none_or(|outgoing| is_majority(outgoing, holds))
            };
            let durable = is_durable(&before) || is_durable(raft.configuration());
            assert!(durable, "{id} has committed {entry}, which no quorum holds");
        }
        for index in (raft.base().index.0.max(1)..=raft.commit().0).map(LogIndex) {
            let entry = EntryId { term: raft.entry_term(index).expect("it is in the log"), index };
            let (known, _) = *self.committed.entry(index).or_insert((entry, raft.term()));
            assert_eq!(known, entry, "{id} has committed another entry");
        }
    }

    /// State Machine Safety.
    fn check_applied(&mut self, cluster: &Cluster, id: u64) {
        for (position, (entry, payload)) in (1..).zip(cluster.applied(id)) {
            assert_eq!(entry.index, LogIndex(position), "{id} has applied in order");
            let known = self.applied.entry(entry.index).or_insert_with(|| (*entry, payload.clone()));
            assert_eq!(known, &(*entry, payload.clone()), "{id} has applied another entry");
        }
    }

    /// A read is not behind what was committed when it was asked.
    fn check_reads(&mut self, cluster: &mut Cluster, id: u64) {
        for state in cluster.take_reads(id) {
            match state {
                ReadState::Confirmed { id: read, index } => {
                    let least = self.reads.remove(&(id, read)).expect("a read that was asked, answered once");
                    assert!(least <= index, "{id} answers a read with {index}, behind {least}");
                    self.reads_answered += 1;
                }
                ReadState::Lost { id: read, reason: _ } => {
                    self.reads.remove(&(id, read)).expect("a read that was asked, answered once");
                }
            }
        }
    }
}

/// Whether more than half of the voters have something.
fn is_majority(voters: &Majority, has: impl Fn(NodeId) -> bool) -> bool {
    voters.voters().len() < 2 * voters.voters().iter().filter(|&&voter| has(voter)).count()
}

/// Whether a log holds a committed entry, or a snapshot in its place.
fn holds(log: &LogSlice, entry: EntryId) -> bool {
    entry.index < log.prev().index || entry == log.prev() || log.iter().any(|(id, _)| id == entry)
}

/// Log Matching: two logs that hold the same entry are equal up to it, as far as neither is compacted.
fn check_log_matching(cluster: &Cluster, running: &[u64]) {
    for (position, &left) in running.iter().enumerate() {
        for &right in &running[position + 1..] {
            let (left, right) = (cluster.raft(left), cluster.raft(right));
            let first = left.base().index.max(right.base().index);
            let last = left.last().index.min(right.last().index);
            let both = (first.0..=last.0)
                .map(LogIndex)
                .map(|index| left.entry_term(index) == right.entry_term(index));
            assert!(both.is_sorted_by(|before, after| after <= before), "{left:?} {right:?}");
        }
    }
}

/// Checks the messages that have just left, from this position in the mail on.
fn check_promises(cluster: &Cluster, sent_from: usize) {
    for message in &cluster.mail[sent_from..] {
        check_promise(cluster, message);
    }
}

/// What a message says that leaves now is on its sender's disk now.
fn check_promise(cluster: &Cluster, Envelope { from, to, term, message }: &Envelope) {
    let disk = cluster.disk(from.number());
    let (disk_term, disk_vote) = (disk.hard_state.term(), disk.hard_state.vote());
    let promises_no_term = matches!(
        message,
        Message::RequestPreVote { .. }
            | Message::RequestPreVoteReply { granted: true, .. }
            | Message::Propose { .. }
            | Message::ReadIndex { .. }
    );
    assert!(
        promises_no_term || *term <= disk_term,
        "{from} sends {message:?} in {term}, durable is {disk_term}"
    );
    match message {
        Message::RequestVoteReply { granted: true, .. } if *term == disk_term => {
            assert_eq!(disk_vote, Some(*to), "the vote of {from}");
        }
        Message::RequestVote { last, .. } => {
            assert_eq!((disk_term, disk_vote), (*term, Some(*from)), "the vote of {from} for itself");
            assert!(disk.log.last() == *last, "{from} claims {last}, durable is {}", disk.log.last());
        }
        Message::AppendEntriesReply(AppendOutcome::Matched { index }) => {
            assert!(
                *index <= disk.log.last().index,
                "{from} acknowledges {index}, durable is {}",
                disk.log.last()
            );
        }
        _ => (),
    }
}

/// One run: a cluster with its settings from the seed, thrown about.
struct Run {
    dice: Dice,
    cluster: Cluster,
    truth: Truth,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let size = 3 + dice.roll(3);
        let [pre_vote, check_quorum, apply_early, tiny, forward, lease] = [0; 6].map(|_| dice.percent(50));
        let mut cluster = Cluster::configured(size, |config| {
            (config.pre_vote, config.check_quorum) = (pre_vote, check_quorum);
            config.apply_before_durable = apply_early;
            config.forward_requests = forward;
            if lease && check_quorum {
                // The clocks of these servers differ as much as the dice will have it.
                config.read_mode = ReadMode::Lease { margin: ticks(0) };
            }
            if tiny {
                config.max_message_bytes = ByteCount(0);
                config.max_inflight_messages = 1;
                config.max_applying_bytes = ByteCount(1);
                config.max_uncommitted_bytes = ByteCount(1);
            }
        });
        for id in 1..=size {
            cluster.slow_disk(id);
        }
        Self { dice, cluster, truth: Truth::default() }
    }

    /// One thing happens, and then everything is checked.
    fn step(&mut self) {
        let ids = self.cluster.ids();
        let id = self.dice.pick(&ids);
        let dice = self.dice.roll(212);
        match dice {
            0..100 if !self.cluster.mail.is_empty() => self.deliver_one(),
            _ if !self.cluster.is_running(id) => self.restart_at_last(id),
            0..150 => self.flush_some(id),
            150..180 => self.tick(id),
            // The rest is refused by all but the leader.
            180..192 => {
                let _ = self.act(id, |raft| raft.propose("x".into()));
            }
            192..196 => self.read(id),
            196 => {
                let to = node(self.dice.pick(&ids));
                let _ = self.act(id, |raft| raft.transfer_leadership(to));
            }
            197 => {
                let _ = self.act(id, Raft::campaign);
            }
            198 => self.crash_at_times(id),
            199 => self.compact(id),
            202..212 => self.change_members(id),
            _ => self.cut_off_or_heal(id),
        }
        self.truth.check(&mut self.cluster);
    }

    fn act<T>(&mut self, id: u64, act: impl FnOnce(&mut Raft) -> T) -> T {
        let sent_from = self.cluster.mail.len();
        let result = self.cluster.act(id, act);
        check_promises(&self.cluster, sent_from);
        result
    }

    /// Delivers a message: mostly the oldest, mostly once.
    fn deliver_one(&mut self) {
        let mut position = 0;
        if self.dice.percent(40) {
            position = usize::try_from(self.dice.roll(self.cluster.mail.len() as u64)).expect("a position");
        }
        let message = self.cluster.mail[position].clone();
        if self.dice.percent(90) {
            self.cluster.mail.remove(position);
        }
        if self.dice.percent(90) {
            let sent_from = self.cluster.mail.len();
            self.cluster
                .step(message)
                .or_else(|error| match error {
                    // A server that was removed still answers.
                    StepError::UnknownPeer { .. } => Ok(()),
                    _ => Err(error),
                })
                .expect("what a peer has sent is never refused");
            check_promises(&self.cluster, sent_from);
        }
    }

    fn flush_some(&mut self, id: u64) {
        while !self.cluster.writes(id).is_empty() && self.dice.percent(70) {
            self.flush(id);
        }
    }

    fn flush(&mut self, id: u64) {
        let sent_from = self.cluster.mail.len();
        self.cluster.flush(id);
        check_promises(&self.cluster, sent_from);
    }

    fn tick(&mut self, id: u64) {
        let timeout = ticks(10 + self.dice.roll(10));
        self.act(id, |raft| {
            if raft.wants_election_timeout() {
                raft.set_election_timeout(timeout).expect("it is in range");
            }
            raft.tick();
        });
        self.give_up_snapshots(id);
        if self.cluster.raft(id).wants_snapshot() {
            self.compact(id);
        }
    }

    fn read(&mut self, id: u64) {
        let least = self.truth.committed.keys().next_back().copied().unwrap_or_default();
        if let Ok(read) = self.act(id, Raft::read_index) {
            self.truth.reads.insert((id, read), least);
        }
    }

    /// A change of one to three steps, of any kind; or the end of a joint configuration.
    fn change_members(&mut self, id: u64) {
        let ids = self.cluster.ids();
        let count = self.dice.roll(4);
        let changes: Vec<_> = (0..count)
            .map(|_| {
                let subject = self.dice.pick(&ids);
                match self.dice.roll(5) {
                    0 => remove(subject),
                    1 => learn(subject),
                    _ => add(subject),
                }
            })
            .collect();
        let kinds = [Transition::Automatic, Transition::JointImplicit, Transition::JointExplicit];
        let kind = if changes.is_empty() { 0 } else { self.dice.roll(3) };
        let transition = kinds[usize::try_from(kind).expect("a small number")];
        let change = ConfChange { transition, changes, ..ConfChange::default() };
        if self.act(id, |raft| raft.propose_conf_change(change)).is_ok() {
            self.truth.changes += 1;
        }
    }

    /// Takes a snapshot, and keeps a few of the entries that it covers, or none.
    fn compact(&mut self, id: u64) {
        let raft = self.cluster.raft(id);
        let known = raft.snapshot().map_or(LogIndex(0), |snapshot| snapshot.last.index);
        if known < raft.applied() && raft.applied() <= self.cluster.disk(id).log.last().index {
            let last = self.cluster.take_snapshot(id).last.index.0;
            let to = last.saturating_sub(self.dice.roll(4));
            if self.cluster.raft(id).base().index.0 < to {
                self.cluster.compact_to(id, to);
                self.truth.compactions += 1;
            }
        }
    }

    /// Transmissions of snapshots are reported as failed now and then, whatever became of them.
    fn give_up_snapshots(&mut self, id: u64) {
        let is_pending = |progress: &Progress| matches!(progress.state(), ProgressState::Snapshot { .. });
        let pending = self.cluster.raft(id).peers().filter(|(_, progress)| is_pending(progress));
        for peer in pending.map(|(peer, _)| peer).collect::<Vec<_>>() {
            self.truth.snapshots_sent += 1;
            if self.dice.percent(10) {
                self.act(id, |raft| raft.report_snapshot(peer, SnapshotOutcome::Failed))
                    .expect("it is pending");
            }
        }
    }

    fn cut_off_or_heal(&mut self, id: u64) {
        if self.dice.percent(50) {
            self.cluster.cut_off(id);
        } else {
            self.cluster.heal();
        }
    }

    fn crash_at_times(&mut self, id: u64) {
        if self.dice.percent(50) {
            self.cluster.crash(id);
            self.truth.reads.retain(|(server, _), _| *server != id);
        }
    }

    fn restart_at_last(&mut self, id: u64) {
        if self.dice.percent(40) {
            self.cluster.restart(id);
        }
    }

    /// With everybody back and nothing lost any more, the cluster finds a leader and agrees.
    fn must_come_to_agree(&mut self) {
        self.cluster.heal();
        let ids = self.cluster.ids();
        for &id in &ids {
            if !self.cluster.is_running(id) {
                self.cluster.restart(id);
            }
        }
        for _ in 0..400 {
            for &id in &ids {
                self.tick(id);
                while !self.cluster.writes(id).is_empty() {
                    self.flush(id);
                }
            }
            for &id in &ids {
                self.cluster.deliver_to(id);
            }
            self.truth.check(&mut self.cluster);
            if self.agrees(&ids) {
                return;
            }
        }
        let state = |&id: &u64| {
            let raft = self.cluster.raft(id);
            let ends = (raft.applied(), raft.commit(), raft.last());
            format!("{id} {:?} {} {ends:?} {:?}", raft.role(), raft.term(), raft.configuration())
        };
        panic!("no agreement: {:#?}", ids.iter().map(state).collect::<Vec<_>>());
    }

    fn agrees(&self, ids: &[u64]) -> bool {
        let leaders = ids.iter().filter(|&&id| self.cluster.raft(id).role() == RoleKind::Leader);
        let Some(&leader) = leaders.max_by_key(|&&id| self.cluster.raft(id).term()) else { return false };
        let configuration = self.cluster.raft(leader).configuration();
        let end = |id: u64| (self.cluster.raft(id).last(), self.cluster.commit(id));
        let (last, commit) = end(leader);
        let members = configuration.members();
        let agrees = |member: &NodeId| {
            let raft = self.cluster.raft(member.number());
            end(member.number()) == (last, commit) && raft.configuration() == configuration
        };
        configuration.leave() != Some(Leave::Automatic)
            && last.index.0 == commit
            && members.iter().all(agrees)
    }
}

#[test]
fn a_cluster_is_safe_in_any_weather_and_agrees_in_calm() {
    let (mut elections, mut applied, mut reads) = (0, 0, 0);
    let (mut compactions, mut snapshots, mut changes) = (0, 0, 0);
    for seed in 0..50 {
        let mut run = Run::new(seed);
        for _ in 0..3000 {
            run.step();
        }
        run.must_come_to_agree();
        elections += run.truth.leaders.len();
        applied += run.truth.applied.len();
        reads += run.truth.reads_answered;
        compactions += run.truth.compactions;
        snapshots += run.truth.snapshots_sent;
        changes += run.truth.changes;
    }
    // A storm in which nothing happens proves nothing.
    assert!(160 < elections, "{elections} elections");
    assert!(800 < applied, "{applied} entries");
    assert!(200 < reads, "{reads} reads");
    assert!(260 < compactions, "{compactions} compactions");
    assert!(160 < changes, "{changes} changes of members");
    assert!(30 < snapshots, "{snapshots} snapshots under way");
}
