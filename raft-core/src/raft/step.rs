//! Messages from peers: what is refused, what a term decides, and who answers.

use core::cmp::Ordering;

use super::Raft;
use crate::{
    entry::LogSlice,
    error::StepError,
    event::Event,
    id::{EntryId, LogIndex, NodeId, Term, Ticks},
    message::{AppendOutcome, Envelope, Message, ReadPosition},
    role::Role,
};

impl Raft {
    /// Takes a message of a peer.
    ///
    /// # Errors
    /// When no correct peer can have sent it to us. Nothing has changed then.
    pub fn step(&mut self, envelope: Envelope) -> Result<(), StepError> {
        self.validate(&envelope)?;
        let Envelope { from, .. } = envelope;
        match envelope.message {
            // These are no part of anybody's term.
            Message::Propose { payload } => {
                let taken = self.on_propose(from, payload);
                taken.map_err(|reason| StepError::ProposalRefused { from, reason })?;
            }
            Message::ReadIndex { read } => self.on_read_index(from, read),
            _ => self.step_in_term(&envelope),
        }
        self.assert_invariants();
        Ok(())
    }

    fn step_in_term(&mut self, envelope: &Envelope) {
        if self.ignores_candidate(envelope) {
            self.record(Event::CandidateIgnored { candidate: envelope.from, term: envelope.term });
            return;
        }
        match envelope.term.cmp(&self.term()) {
            Ordering::Less => self.answer_the_past(envelope),
            Ordering::Equal => self.dispatch(envelope),
            Ordering::Greater => {
                self.follow_into_term(envelope);
                self.dispatch(envelope);
            }
        }
    }

    /// Whether a candidate is not even answered, because its election would depose a leader that is well (§4.2.3), or
    /// one that may hold a lease. One that the leader itself has asked to stand is heard.
    fn ignores_candidate(&self, envelope: &Envelope) -> bool {
        let (Message::RequestPreVote { .. } | Message::RequestVote { transfer: false, .. }) =
            envelope.message
        else {
            return false;
        };
        Ticks(0) < self.vote_withheld || self.term() < envelope.term && self.hears_leader()
    }

    /// Takes the consequences of a later term (§3.3).
    fn follow_into_term(&mut self, envelope: &Envelope) {
        let Envelope { from, to: _, term, message } = envelope;
        match message {
            // These speak of a term that nobody has entered.
            Message::RequestPreVote { .. } | Message::RequestPreVoteReply { granted: true, .. } => (),
            Message::AppendEntries { .. } | Message::Heartbeat { .. } | Message::InstallSnapshot { .. } => {
                self.become_follower(*term, Some(*from));
            }
            Message::RequestPreVoteReply { granted: false, .. }
            | Message::RequestVote { .. }
            | Message::RequestVoteReply { .. }
            | Message::AppendEntriesReply(_)
            | Message::HeartbeatReply { .. }
            | Message::ReadIndexReply { .. }
            | Message::TransferLeader { .. }
            | Message::TimeoutNow => self.become_follower(*term, None),
            Message::Propose { .. } | Message::ReadIndex { .. } => (),
        }
    }

    /// Hands a message of the current term (or a pre-vote for a later one) to whom it concerns.
    fn dispatch(&mut self, envelope: &Envelope) {
        let (from, term) = (envelope.from, envelope.term);
        match envelope.message {
            Message::RequestPreVote { last, committed } => {
                self.on_request_pre_vote(from, term, last);
                self.learn_committed(committed);
            }
            Message::RequestPreVoteReply { granted, committed } => {
                if !self.on_pre_vote_reply(from, term, granted) {
                    self.learn_committed(committed);
                }
            }
            Message::RequestVote { last, transfer: _, committed } => {
                self.on_request_vote(from, last);
                self.learn_committed(committed);
            }
            Message::RequestVoteReply { granted, committed } => {
                if !self.on_vote_reply(from, granted) {
                    self.learn_committed(committed);
                }
            }
            Message::AppendEntries { ref entries, commit } => {
                self.heard_from_leader(from);
                self.on_append_entries(from, entries, commit);
            }
            Message::AppendEntriesReply(outcome) => self.on_append_reply(from, outcome),
            Message::Heartbeat { commit, read, sent_at } => {
                self.heard_from_leader(from);
                self.on_heartbeat(from, commit, read, sent_at);
            }
            Message::HeartbeatReply { read, sent_at } => self.on_heartbeat_reply(from, read, sent_at),
            Message::TimeoutNow => self.on_timeout_now(),
            Message::InstallSnapshot { ref snapshot } => {
                self.heard_from_leader(from);
                self.on_install_snapshot(from, snapshot);
            }
            Message::ReadIndexReply { read, index } => self.on_read_index_reply(from, read, index),
            Message::TransferLeader { to } => self.on_transfer_leader(from, to),
            Message::Propose { .. } | Message::ReadIndex { .. } => (),
        }
    }

    /// The leader of the current term gave a sign of life.
    fn heard_from_leader(&mut self, leader: NodeId) {
        match &self.role {
            Role::Follower { leader: Some(_) } => (),
            // An election that somebody else has won, or a leader not heard of before.
            _ => self.learn_leader(leader),
        }
        self.election_elapsed = Ticks(0);
        self.withhold_vote();
    }

    fn learn_leader(&mut self, leader: NodeId) {
        if let Role::Follower { leader: known } = &mut self.role {
            *known = Some(leader);
            self.record(Event::LeaderKnown { leader, term: self.term() });
        } else {
            self.become_follower(self.term(), Some(leader));
        }
    }

    /// Whether a correct peer can have sent this to us.
    fn validate(&self, envelope: &Envelope) -> Result<(), StepError> {
        let Envelope { from, to, term, message } = envelope;
        let this = self.config.id;
        if *to != this {
            return Err(StepError::WrongAddress { to: *to, this });
        }
        // A proposal that was passed on may come back: whoever made it has become the leader meanwhile.
        let may_return = matches!(message, Message::Propose { .. });
        if *from == this && !may_return {
            return Err(StepError::FromSelf { this });
        }
        if *term == Term(0) || Term::MAX < *term {
            return Err(StepError::ImpossibleTerm { term: *term });
        }
        match message {
            Message::AppendEntries { entries, commit: _ } => self.validate_append(*from, *term, entries),
            Message::Heartbeat { commit, read: _, sent_at: _ } => {
                self.validate_heartbeat(*from, *term, *commit)
            }
            Message::InstallSnapshot { snapshot } => self.validate_snapshot(*from, *term, snapshot.last),
            Message::AppendEntriesReply(outcome) => {
                self.validate_member(*from)?;
                self.validate_append_reply(*from, *term, *outcome)
            }
            Message::HeartbeatReply { read, sent_at } => {
                self.validate_member(*from)?;
                self.validate_confirmation(*from, *term, *read)?;
                self.validate_heartbeat_reply(*from, *term, *sent_at)
            }
            Message::RequestPreVoteReply { granted: _, committed }
            | Message::RequestVoteReply { granted: _, committed } => {
                self.validate_member(*from)?;
                self.validate_committed(*term, *committed)
            }
            Message::RequestPreVote { last: _, committed }
            | Message::RequestVote { last: _, transfer: _, committed } => {
                self.validate_committed(*term, *committed)
            }
            Message::ReadIndexReply { .. } => self.validate_member(*from),
            Message::Propose { .. }
            | Message::ReadIndex { .. }
            | Message::TransferLeader { .. }
            | Message::TimeoutNow => Ok(()),
        }
    }

    fn validate_member(&self, from: NodeId) -> Result<(), StepError> {
        if self.configuration.contains(from) { Ok(()) } else { Err(StepError::UnknownPeer { from }) }
    }

    /// A term has one leader (Figure 3, Election Safety).
    fn validate_leader(&self, from: NodeId, term: Term) -> Result<(), StepError> {
        match self.leader() {
            Some(leader) if term == self.term() && leader != from => {
                Err(StepError::SecondLeader { from, term })
            }
            _ => Ok(()),
        }
    }

    fn validate_committed(&self, term: Term, committed: Option<EntryId>) -> Result<(), StepError> {
        let Some(committed) = committed else { return Ok(()) };
        if committed.index == LogIndex(0) || committed.term == Term(0) || term < committed.term {
            return Err(StepError::ImpossibleCommit { committed, term });
        }
        // Two entries are never committed at one index (Figure 3, State Machine Safety).
        let commit = self.log.commit();
        let conflicts = self.log.term(committed.index).is_some_and(|term| term != committed.term);
        if committed.index <= commit && conflicts {
            return Err(StepError::ConflictsWithCommitted { entry: committed, commit });
        }
        Ok(())
    }

    fn validate_append(&self, from: NodeId, term: Term, entries: &LogSlice) -> Result<(), StepError> {
        let last = entries.last();
        if term < last.term {
            return Err(StepError::EntriesFromTheFuture { last, term });
        }
        self.validate_leader(from, term)?;
        if term < self.term() {
            return Ok(());
        }
        // A leader holds every committed entry (Figure 3, Leader Completeness).
        let commit = self.log.commit();
        let conflicts =
            |id: EntryId| id.index <= commit && self.log.term(id.index).is_some_and(|term| term != id.term);
        let ids = entries.iter().map(|(id, _)| id).take_while(|id| id.index <= commit);
        match core::iter::once(entries.prev()).chain(ids).find(|&id| conflicts(id)) {
            Some(entry) => Err(StepError::ConflictsWithCommitted { entry, commit }),
            None => Ok(()),
        }
    }

    fn validate_heartbeat(&self, from: NodeId, term: Term, commit: LogIndex) -> Result<(), StepError> {
        self.validate_leader(from, term)?;
        let last = self.log.last();
        if self.term() <= term && last.index < commit {
            return Err(StepError::CommitBeyondLog { commit, last });
        }
        Ok(())
    }

    fn validate_snapshot(&self, from: NodeId, term: Term, last: EntryId) -> Result<(), StepError> {
        if last.term == Term(0) || last.index == LogIndex(0) || LogIndex::MAX_SNAPSHOT < last.index {
            return Err(StepError::ImpossibleSnapshot { last });
        }
        if term < last.term {
            return Err(StepError::EntriesFromTheFuture { last, term });
        }
        self.validate_leader(from, term)?;
        let commit = self.log.commit();
        let conflicts = self.log.term(last.index).is_some_and(|term| term != last.term);
        if self.term() <= term && last.index <= commit && conflicts {
            return Err(StepError::ConflictsWithCommitted { entry: last, commit });
        }
        Ok(())
    }

    fn validate_append_reply(
        &self,
        from: NodeId,
        term: Term,
        outcome: AppendOutcome,
    ) -> Result<(), StepError> {
        let last = self.log.last();
        match (&self.role, outcome) {
            (Role::Leader(_), AppendOutcome::Matched { index })
                if term == self.term() && last.index < index =>
            {
                Err(StepError::AcknowledgesUnsent { from, index, last })
            }
            _ => Ok(()),
        }
    }

    fn validate_confirmation(
        &self,
        from: NodeId,
        term: Term,
        read: Option<ReadPosition>,
    ) -> Result<(), StepError> {
        match (&self.role, read) {
            (Role::Leader(leader), Some(position))
                if term == self.term() && leader.reads.last_position() < position =>
            {
                Err(StepError::ConfirmsUnsentRead { from, position })
            }
            _ => Ok(()),
        }
    }

    fn validate_heartbeat_reply(
        &self,
        from: NodeId,
        term: Term,
        sent_at: Option<Ticks>,
    ) -> Result<(), StepError> {
        match (&self.role, sent_at) {
            (Role::Leader(leader), Some(sent_at)) if term == self.term() && leader.clock < sent_at => {
                Err(StepError::AnswersUnsentHeartbeat { from, sent_at, now: leader.clock })
            }
            _ => Ok(()),
        }
    }
}
