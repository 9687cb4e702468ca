//! Replication of the log (§3.5) and what is committed by it (§3.6.2).

use super::Raft;
use crate::{
    entry::{Entry, LogSlice, Payload},
    error::ReportError,
    event::Event,
    id::{ByteCount, EntryId, LogIndex, NodeId, Term, Ticks},
    log::Appended,
    message::{AppendOutcome, Message, ReadPosition},
    progress::{InflightLimits, Progress, ProgressState},
    progress_table::ProgressTable,
    read::ReadQueue,
    role::{Leader, Role},
};

impl Raft {
    /// Begins to lead, with an entry of its own term: only by committing one can it tell what is committed
    /// (§3.6.2, §6.4).
    pub(super) fn become_leader(&mut self) {
        let next = self.log.last().index.next();
        let this = self.config.id;
        let mut members = ProgressTable::new(self.configuration.members(), &Progress::new(next));
        if let Some(own) = members.row_mut(this) {
            own.become_own(self.log.durable());
        }
        self.transition(Role::Leader(Leader {
            members,
            heartbeat_elapsed: Ticks(0),
            first_of_term: next,
            reads: ReadQueue::default(),
            uncommitted_bytes: ByteCount(0),
            clock: Ticks(0),
            lease_void: false,
            // Any entry before may be a change.
            pending_conf_change: self.log.last().index,
            transferee: None,
        }));
        self.record(Event::LeaderKnown { leader: this, term: self.term() });
        self.append_own(Payload::Noop);
        self.broadcast_append();
    }

    /// Appends an entry of this leader's own.
    pub(super) fn append_own(&mut self, payload: Payload) -> EntryId {
        let id = self.log.push(Entry { term: self.term(), payload });
        let own = AppendOutcome::Matched { index: id.index };
        self.writes.gate_own(self.term(), Message::AppendEntriesReply(own));
        id
    }

    pub(super) fn inflight_limits(&self) -> InflightLimits {
        InflightLimits { messages: self.config.max_inflight_messages, bytes: self.config.max_inflight_bytes }
    }

    /// Sends everybody what they lack, and the commit index in any case.
    pub(super) fn broadcast_append(&mut self) {
        self.for_each_peer(|raft, peer| {
            raft.send_append(peer, true);
        });
    }

    /// Calls `act` for every other member in ascending order, as long as this replica leads.
    pub(super) fn for_each_peer(&mut self, mut act: impl FnMut(&mut Self, NodeId)) {
        let mut position = 0;
        while let Role::Leader(leader) = &self.role {
            let Some(peer) = leader.members.id_at(position) else { break };
            if peer != self.config.id {
                act(self, peer);
            }
            position += 1;
        }
    }

    /// Sends a follower the next entries it lacks, unless it is paused. With nothing to send, a message goes out
    /// only if `even_if_empty`. Whether one went out.
    pub(super) fn send_append(&mut self, to: NodeId, even_if_empty: bool) -> bool {
        let (limits, commit) = (self.inflight_limits(), self.log.commit());
        let Role::Leader(leader) = &mut self.role else { return false };
        let Some(progress) = leader.member_mut(to) else { return false };
        if progress.is_paused() {
            return false;
        }
        let is_up_to_date = self.log.last().index < progress.next();
        if is_up_to_date && !even_if_empty {
            return false;
        }
        let Some(prev) = progress.next().previous() else { return false };
        // With a full window an empty message still goes out: its answer is what makes progress possible again
        // when acknowledgements were lost.
        let entries = if progress.has_room(limits) {
            self.log.slice_after(prev, self.config.max_message_bytes)
        } else {
            self.log.term(prev).map(|term| LogSlice::empty(EntryId { term, index: prev }))
        };
        let Some(entries) = entries else { return self.send_snapshot(to) };
        if entries.is_empty() && !even_if_empty {
            return false;
        }
        let bytes = entries.entries().iter().map(|entry| entry.payload.size().0).sum();
        progress.sent(entries.last().index, ByteCount(bytes), commit, limits);
        self.send(to, Message::AppendEntries { entries, commit });
        true
    }

    /// Takes entries from the leader of the current term.
    pub(super) fn on_append_entries(&mut self, from: NodeId, entries: &LogSlice, commit: LogIndex) {
        let prev = entries.prev();
        let outcome = if prev.index < self.log.commit() {
            // A message from the past. What is committed is known to match.
            AppendOutcome::Matched { index: self.log.commit() }
        } else if self.log.holds(prev) {
            if let Appended::Replaced { kept } = self.log.append(entries) {
                self.writes.log_truncated(kept);
                self.record(Event::LogTruncated { kept });
            }
            // Only what this message covers is known to match: behind it may stand entries of another leader.
            let matched = entries.last().index;
            self.commit_to(commit.min(matched));
            AppendOutcome::Matched { index: matched }
        } else {
            let hint = self.log.last_possible_match(prev);
            AppendOutcome::Mismatched { probed: prev.index, hint }
        };
        self.send(from, Message::AppendEntriesReply(outcome));
    }

    /// Takes a follower's answer to entries.
    pub(super) fn on_append_reply(&mut self, from: NodeId, outcome: AppendOutcome) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.member_mut(from) else { return };
        progress.recently_active = true;
        match outcome {
            AppendOutcome::Matched { index } => self.on_append_matched(from, index),
            AppendOutcome::Mismatched { probed, hint } => self.on_append_mismatched(from, probed, hint),
            // It would have come in a later term, and we would not lead any more.
            AppendOutcome::StaleTerm => (),
        }
    }

    fn on_append_matched(&mut self, from: NodeId, index: LogIndex) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.member_mut(from) else { return };
        let found = progress.is_probing() && index == progress.matched();
        if !progress.acknowledged(index) && !found {
            return;
        }
        match progress.state() {
            ProgressState::Probe => progress.become_replicate(),
            // Whatever it has restored, the log goes on from there.
            ProgressState::Snapshot { .. } if self.log.base().index <= progress.matched() => {
                progress.become_probe();
                progress.become_replicate();
            }
            ProgressState::Snapshot { .. } | ProgressState::Replicate(_) => (),
        }
        let commit = self.log.commit();
        if commit < index {
            self.advance_commit();
        }
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.member_mut(from) else { return };
        if commit == self.log.commit() && progress.can_learn_commit(commit) {
            self.send_append(from, true);
        }
        // Its window has room again: fill it.
        while self.send_append(from, false) {}
        self.complete_transfer(from);
    }

    fn on_append_mismatched(&mut self, from: NodeId, probed: LogIndex, hint: EntryId) {
        // The follower has skipped what cannot match by its own log; we skip what cannot match by ours.
        // A hint without a term comes from beyond the beginning of its log, and there is no more to skip.
        let next_probe =
            if hint.term == Term(0) { hint.index } else { self.log.last_possible_match(hint).index };
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.member_mut(from) else { return };
        if progress.rejected(probed, next_probe) {
            self.record(Event::AppendRejected { follower: from, probed });
            self.send_append(from, true);
        }
    }

    /// Commits what a quorum has made durable, if its last entry is of the current term: entries of earlier terms
    /// are committed only along with one of these (§3.6.2, Figure 8).
    pub(super) fn advance_commit(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let first_of_term = leader.first_of_term;
        let voters = self.configuration.voters();
        let agreed = voters.agreed_index(|voter| leader.member(voter).map_or(LogIndex(0), Progress::matched));
        if agreed < first_of_term || !self.commit_to(agreed) {
            return;
        }
        self.release_parked_reads();
        self.broadcast_append();
    }

    /// Tells every follower that we still lead, and what its log may commit.
    pub(super) fn broadcast_heartbeat(&mut self) {
        let commit = self.log.commit();
        let needs_lease = self.config.keeps_lease();
        self.for_each_peer(|raft, peer| {
            let Role::Leader(leader) = &mut raft.role else { return };
            let read = leader.reads.latest();
            let sent_at = needs_lease.then_some(leader.clock);
            let Some(progress) = leader.member_mut(peer) else { return };
            // The follower's log may end anywhere behind what it has acknowledged.
            let commit = commit.min(progress.matched());
            progress.commit_told(commit);
            raft.send(peer, Message::Heartbeat { commit, read, sent_at });
        });
    }

    pub(super) fn on_heartbeat(
        &mut self,
        from: NodeId,
        commit: LogIndex,
        read: Option<ReadPosition>,
        sent_at: Option<Ticks>,
    ) {
        self.commit_to(commit);
        self.send(from, Message::HeartbeatReply { read, sent_at });
    }

    pub(super) fn on_heartbeat_reply(
        &mut self,
        from: NodeId,
        read: Option<ReadPosition>,
        sent_at: Option<Ticks>,
    ) {
        let last = self.log.last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.member_mut(from) else { return };
        progress.recently_active = true;
        progress.heartbeat_answered(sent_at);
        progress.resume();
        // Whatever was lost on the way is sent again, or probed for.
        if progress.matched() < last || progress.is_probing() {
            self.send_append(from, true);
        }
        if let Some(position) = read {
            self.on_read_confirmed(from, position);
        }
    }

    /// The driver could not reach `peer`: what was sent ahead is probably lost, so it is probed for.
    ///
    /// # Errors
    /// When `peer` is no follower of this leader. The report is of no use then.
    pub fn report_unreachable(&mut self, peer: NodeId) -> Result<(), ReportError> {
        let leader = self.leader();
        let this = self.config.id;
        let Role::Leader(role) = &mut self.role else { return Err(ReportError::NotLeader { leader }) };
        let Some(progress) = role.member_mut(peer).filter(|_| peer != this) else {
            return Err(ReportError::NoMember { peer });
        };
        if let ProgressState::Replicate(_) = progress.state() {
            progress.become_probe();
        }
        Ok(())
    }
}
