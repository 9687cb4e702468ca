//! What leaves a replica, and what comes back when it is done.

use alloc::vec::Vec;

use super::Raft;
use crate::{
    config::WriteRules,
    error::AppliedError,
    event::Event,
    id::{ByteCount, LogIndex, NodeId, Term, Ticks},
    message::{AppendOutcome, Envelope, Message},
    ready::{Ready, SoftState},
    role::{Role, RoleKind},
    write::{Receipt, ReceiptError, Write},
};

impl Raft {
    /// Sends a message in the current term.
    pub(super) fn send(&mut self, to: NodeId, message: Message) {
        self.send_in(self.term(), to, message);
    }

    /// Sends a message, at once or with the next write.
    pub(super) fn send_in(&mut self, term: Term, to: NodeId, message: Message) {
        let may_leave = match self.config.write_rules {
            WriteRules::Minimal => self.may_leave(&message),
            WriteRules::Etcd => !is_answer(&message),
        };
        let envelope = Envelope { from: self.config.id, to, term, message };
        if may_leave {
            self.messages.push(envelope);
        } else {
            self.writes.gate(envelope);
        }
    }

    /// Whether what a message promises is durable already. This is the whole of "persist before send".
    fn may_leave(&self, message: &Message) -> bool {
        match message {
            // A leader's word. Its term and its vote were durable before anybody could vote for it, and its
            // entries count for it only once they are durable here too (§10.2.1).
            Message::AppendEntries { .. }
            | Message::Heartbeat { .. }
            | Message::InstallSnapshot { .. }
            | Message::ReadIndexReply { .. }
            | Message::TimeoutNow => true,
            // Requests that are no part of a term.
            Message::Propose { .. } | Message::ReadIndex { .. } => true,
            // A vote for itself is in a candidate's request, and whoever grants it relies on the log it claims.
            Message::RequestVote { last, .. } => {
                !self.writes.hard_state_pending() && last.index <= self.log.durable()
            }
            Message::AppendEntriesReply(AppendOutcome::Matched { index }) => {
                !self.writes.hard_state_pending() && *index <= self.log.durable()
            }
            // The term alone.
            Message::RequestPreVote { .. }
            | Message::RequestPreVoteReply { .. }
            | Message::RequestVoteReply { .. }
            | Message::AppendEntriesReply(AppendOutcome::Mismatched { .. } | AppendOutcome::StaleTerm)
            | Message::TransferLeader { .. }
            | Message::HeartbeatReply { .. } => !self.writes.hard_state_pending(),
        }
    }

    fn current_soft_state(&self) -> SoftState {
        SoftState { role: self.role(), leader: self.leader() }
    }

    /// Whether [`ready`](Self::ready) would return something.
    pub fn has_ready(&self) -> bool {
        !self.messages.is_empty()
            || self.log.has_unwritten()
            || self.writes.is_due(self.log.commit())
            || self.log.has_applicable(self.config.apply_before_durable)
            || !self.read_states.is_empty()
            || self.soft_state != self.current_soft_state()
    }

    /// Everything there is to do, or `None`. What is returned is not returned again: a driver does all of it.
    /// It may be called again before the writes of earlier calls are durable.
    pub fn ready(&mut self) -> Option<Ready> {
        if !self.has_ready() {
            return None;
        }
        let soft_state = self.current_soft_state();
        let soft_state_changed = core::mem::replace(&mut self.soft_state, soft_state) != soft_state;
        Some(Ready {
            messages: core::mem::take(&mut self.messages),
            write: self.next_write(),
            committed: self
                .log
                .take_applicable(self.config.apply_before_durable, self.config.max_applying_bytes),
            reads: core::mem::take(&mut self.read_states),
            soft_state: soft_state_changed.then_some(soft_state),
        })
    }

    /// The next write, if there is anything to hand out.
    fn next_write(&mut self) -> Option<Write> {
        let entries = self.log.take_unwritten();
        let commit = self.log.commit();
        if entries.is_none() && !self.writes.is_due(commit) {
            return None;
        }
        let (log_end, vouches_for) = (self.log.last().index, self.log.end_not_durable());
        Some(self.writes.next(self.hard_state, commit, entries, log_end, vouches_for))
    }

    /// Gives a list of messages back when they have been sent, so that the next ones need no memory of their own. Nobody
    /// has to.
    pub fn recycle(&mut self, mut messages: Vec<Envelope>) {
        messages.clear();
        if self.messages.capacity() == 0 {
            self.messages = messages;
        } else {
            self.writes.recycle(messages);
        }
    }

    /// A write is durable. It may be what a candidate's own vote or a leader's commit waited for.
    ///
    /// # Errors
    /// When the receipt is not that of the oldest write under way, or not this replica's at all. Nothing has
    /// changed then, and the write still counts as not durable.
    pub fn on_persisted(&mut self, receipt: Receipt) -> Result<(), ReceiptError> {
        let write = self.writes.acknowledge(receipt)?;
        if write.snapshot == Some(self.log.base().index) {
            self.log.restored();
        }
        match self.config.write_rules {
            WriteRules::Minimal => {
                self.log.persisted(write.log_end);
                self.count_what_is_durable();
            }
            WriteRules::Etcd => {
                if write.term == self.term() {
                    self.log.persisted(write.log_end);
                }
                write.own_promises.into_iter().for_each(|promise| self.take_own_promise(promise));
            }
        }
        self.assert_invariants();
        Ok(())
    }

    /// The state machine has applied everything up to `index`.
    ///
    /// # Errors
    /// When `index` goes back, or beyond what was handed out. (It may be behind a snapshot that was restored since.)
    pub fn on_applied(&mut self, index: LogIndex) -> Result<(), AppliedError> {
        let (applied, handed_out) = (self.log.applied(), self.log.handed_out());
        if index < applied && index <= self.log.base().index {
            // A snapshot has overtaken it.
            return Ok(());
        }
        if index < applied || handed_out < index {
            return Err(AppliedError { given: index, applied, handed_out });
        }
        if let Role::Leader(leader) = &mut self.role
            && leader.uncommitted_bytes != ByteCount(0)
        {
            let bytes = self.log.payload_bytes(applied, index);
            leader.uncommitted_bytes.0 = leader.uncommitted_bytes.0.saturating_sub(bytes.0);
        }
        self.log.applied_to(index, self.config.max_applying_bytes);
        self.leave_joint_automatically();
        Ok(())
    }

    /// Counts this server's own vote or log, as far as they are durable.
    fn count_what_is_durable(&mut self) {
        match self.role() {
            RoleKind::Candidate if !self.writes.hard_state_pending() => self.count_own_vote(),
            RoleKind::Leader => self.acknowledge_own(self.log.durable()),
            RoleKind::Follower | RoleKind::PreCandidate | RoleKind::Candidate => (),
        }
    }

    /// Counts what this server has promised itself. If it has entered another term meanwhile, nobody needs it.
    fn take_own_promise(&mut self, promise: Envelope) {
        let Envelope { from, to: _, term, message } = promise;
        match message {
            Message::RequestPreVoteReply { granted, committed: _ } => {
                self.on_pre_vote_reply(from, term, granted);
            }
            Message::RequestVoteReply { granted, committed: _ } if term == self.term() => {
                self.on_vote_reply(from, granted);
            }
            Message::AppendEntriesReply(AppendOutcome::Matched { index }) if term == self.term() => {
                self.acknowledge_own(index);
            }
            _ => (),
        }
    }

    /// A leader's own log counts up to here.
    fn acknowledge_own(&mut self, index: LogIndex) {
        let this = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(own) = leader.members.row_mut(this) else { return };
        let is_news = own.acknowledged(index);
        // It was removed and added again.
        let is_found = own.is_probing() && own.matched() == index;
        if own.is_probing() && (is_news || is_found) {
            own.become_replicate();
        }
        if is_news || is_found {
            self.advance_commit();
        }
    }

    /// Moves the commit index, if it is behind, and says so.
    pub(super) fn commit_to(&mut self, index: LogIndex) -> bool {
        let moved = self.log.commit_to(index);
        if moved {
            self.record(Event::Committed { index });
        }
        moved
    }

    /// The one place where a role begins, and with it where the previous one ends.
    pub(super) fn transition(&mut self, role: Role) {
        if let Role::Leader(leader) = &mut self.role {
            self.read_states.extend(leader.reads.lose());
        }
        self.lose_forwarded_reads();
        let from = self.role.kind();
        self.role = role;
        let to = self.role.kind();
        // A survey is not an election yet: it leaves the timer running, so that it is repeated if it fails.
        if to != RoleKind::PreCandidate {
            self.election_elapsed = Ticks(0);
            self.election_timeout = None;
        }
        if from != to {
            self.record(Event::RoleChanged { from, to, term: self.term() });
        }
    }
}

/// Whether a message answers a request for a vote or pre-vote, or entries.
fn is_answer(message: &Message) -> bool {
    match message {
        Message::RequestPreVoteReply { .. }
        | Message::RequestVoteReply { .. }
        | Message::AppendEntriesReply(_) => true,
        Message::RequestPreVote { .. }
        | Message::RequestVote { .. }
        | Message::AppendEntries { .. }
        | Message::Heartbeat { .. }
        | Message::HeartbeatReply { .. }
        | Message::InstallSnapshot { .. }
        | Message::Propose { .. }
        | Message::ReadIndex { .. }
        | Message::ReadIndexReply { .. }
        | Message::TransferLeader { .. }
        | Message::TimeoutNow => false,
    }
}
