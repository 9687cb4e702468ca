//! Elections (§3.4, §3.6.1), with a survey before them (§9.6).

use alloc::vec::Vec;

use super::Raft;
use crate::{
    config::{ReadMode, WriteRules},
    entry::{Entry, Payload},
    error::{CampaignError, ForgetLeaderError},
    event::Event,
    id::{EntryId, LogIndex, NodeId, Term, Ticks},
    message::{AppendOutcome, Envelope, Message},
    quorum::VoteResult,
    role::{Ballot, Role, RoleKind},
};

impl Raft {
    /// Starts an election now, with the survey before it if the settings ask for one.
    ///
    /// # Errors
    /// When it leads already, has no vote, or has run out of terms.
    pub fn campaign(&mut self) -> Result<(), CampaignError> {
        if self.role() == RoleKind::Leader {
            return Err(CampaignError::AlreadyLeader { term: self.term() });
        }
        if !self.configuration.is_voter(self.config.id) {
            return Err(CampaignError::NotVoter { id: self.config.id });
        }
        if self.log.is_restoring() {
            return Err(CampaignError::Restoring { snapshot: self.log.base() });
        }
        if let Some(index) = self.unapplied_change() {
            return Err(CampaignError::ConfChangeUnapplied { index });
        }
        if Ticks(0) < self.vote_withheld {
            return Err(CampaignError::LeaseMayHold { left: self.vote_withheld });
        }
        if Term::MAX <= self.term() {
            return Err(CampaignError::TermsExhausted { term: self.term() });
        }
        if self.config.pre_vote {
            self.start_survey();
        } else {
            self.start_election(false);
        }
        self.assert_invariants();
        Ok(())
    }

    /// The first change of members that is committed and that this server has not applied, if there is one.
    fn unapplied_change(&self) -> Option<LogIndex> {
        let is_change = |entry: &Entry| matches!(entry.payload, Payload::ConfChange(_));
        self.log.find_between(self.log.applied(), self.log.commit(), is_change)
    }

    /// Whether this server may lead at all: it has a vote, and a log of its own to lead with.
    pub(super) fn is_promotable(&self) -> bool {
        self.configuration.is_voter(self.config.id) && !self.log.is_restoring()
    }

    /// Asks whether an election could be won. Changes nothing that others could see.
    fn start_survey(&mut self) {
        self.transition(Role::PreCandidate(Ballot::default()));
        let (last, committed) = (self.log.last(), self.committed_to_tell());
        let own = Message::RequestPreVoteReply { granted: true, committed: None };
        self.ask_voters(self.term().next(), &Message::RequestPreVote { last, committed }, &own);
        match self.config.write_rules {
            // Nothing is promised by it, so there is nothing to wait for.
            WriteRules::Minimal => self.count_own_vote(),
            WriteRules::Etcd => (),
        }
    }

    /// Enters a new term and asks for votes, its own first. That one counts once it is durable.
    pub(super) fn start_election(&mut self, transfer: bool) {
        self.enter_term(self.term().next());
        self.cast_vote(self.config.id);
        self.transition(Role::Candidate(Ballot::default()));
        let (last, committed) = (self.log.last(), self.committed_to_tell());
        let own = Message::RequestVoteReply { granted: true, committed: None };
        self.ask_voters(self.term(), &Message::RequestVote { last, transfer, committed }, &own);
    }

    /// Asks every voter in ascending order. This server's own answer is `own`.
    fn ask_voters(&mut self, term: Term, message: &Message, own: &Message) {
        let voters = self.configuration.voters().iter().collect::<Vec<_>>();
        for voter in voters {
            if voter == self.config.id {
                self.writes.gate_own(term, own.clone());
            } else {
                self.send_in(term, voter, message.clone());
            }
        }
    }

    pub(super) fn count_own_vote(&mut self) {
        self.count_vote(self.config.id, true);
    }

    /// Notes an answer and draws the consequence, if it decides the election. Whether it is won by it.
    fn count_vote(&mut self, voter: NodeId, granted: bool) -> bool {
        let (Role::PreCandidate(ballot) | Role::Candidate(ballot)) = &mut self.role else {
            return false;
        };
        ballot.record(voter, granted);
        let result = ballot.result(self.configuration.voters());
        match (result, self.role()) {
            (VoteResult::Pending, _) => (),
            (VoteResult::Won, RoleKind::PreCandidate) => self.start_election(false),
            (VoteResult::Won, _) => self.become_leader(),
            (VoteResult::Lost, _) => self.become_follower(self.term(), None),
        }
        result == VoteResult::Won
    }

    /// Follows, in this term or a later one.
    pub(super) fn become_follower(&mut self, term: Term, leader: Option<NodeId>) {
        if self.term() < term {
            self.enter_term(term);
        }
        self.transition(Role::Follower { leader });
        if let Some(leader) = leader {
            self.record(Event::LeaderKnown { leader, term });
        }
    }

    fn enter_term(&mut self, term: Term) {
        self.hard_state.enter_term(term);
        self.writes.hard_state_changed();
        self.record(Event::TermEntered { term });
    }

    fn cast_vote(&mut self, candidate: NodeId) {
        if self.hard_state.cast_vote(candidate) {
            self.writes.hard_state_changed();
        }
        self.record(Event::VoteGranted { candidate, term: self.term() });
    }

    /// This server has heard from a leader that may count on its vote not to go to anybody else for a while: if leases
    /// are in use, and whatever term it learns of meanwhile.
    pub(super) fn withhold_vote(&mut self) {
        if self.config.keeps_lease() {
            self.vote_withheld = self.config.election_timeout;
        }
    }

    /// Forgets who leads, without leaving the term. A driver that knows the leader to be dead does this on a quorum of
    /// servers, which will elect another one then without waiting for their timeouts.
    ///
    /// # Errors
    /// When it leads itself, knows no leader, or has promised not to: under leases the leader answers reads because
    /// this server helps nobody else to lead.
    pub fn forget_leader(&mut self) -> Result<(), ForgetLeaderError> {
        match &mut self.role {
            Role::Leader(_) => Err(ForgetLeaderError::IsLeader { id: self.config.id }),
            Role::Follower { leader: Some(leader) } if self.config.read_mode != ReadMode::Quorum => {
                Err(ForgetLeaderError::LeaseMayHold { leader: *leader })
            }
            Role::Follower { leader: leader @ Some(_) } => {
                *leader = None;
                self.lose_forwarded_reads();
                Ok(())
            }
            Role::Follower { leader: None } | Role::PreCandidate(_) | Role::Candidate(_) => {
                Err(ForgetLeaderError::NoLeader)
            }
        }
    }

    /// Whether this server hears a leader, so that it will not help to depose it (§4.2.3).
    pub(super) fn hears_leader(&self) -> bool {
        self.config.check_quorum
            && self.leader().is_some()
            && self.election_elapsed < self.config.election_timeout
    }

    /// Answers a request for a pre-vote. No promise is made: the same answer may go to several candidates.
    pub(super) fn on_request_pre_vote(&mut self, from: NodeId, term: Term, last: EntryId) {
        let free = self.term() < term || self.may_vote_for(from);
        if free && self.log.last() <= last {
            // The answer names the election it is for, which nobody has entered yet.
            let committed = self.committed_to_tell();
            self.send_in(term, from, Message::RequestPreVoteReply { granted: true, committed });
        } else {
            self.record(Event::VoteRefused { candidate: from, term, last });
            self.refuse_pre_vote(from);
        }
    }

    /// Answers a request for a vote in the current term: to a log at least as complete as ours, and once (§3.6.1).
    pub(super) fn on_request_vote(&mut self, from: NodeId, last: EntryId) {
        let granted = self.may_vote_for(from) && self.log.last() <= last;
        if granted {
            self.cast_vote(from);
            self.election_elapsed = Ticks(0);
        } else {
            self.record(Event::VoteRefused { candidate: from, term: self.term(), last });
        }
        self.answer_candidate(from, granted);
    }

    fn answer_candidate(&mut self, candidate: NodeId, granted: bool) {
        let committed = self.committed_to_tell();
        self.send(candidate, Message::RequestVoteReply { granted, committed });
    }

    /// A refusal comes in our own term, unlike a grant.
    fn refuse_pre_vote(&mut self, candidate: NodeId) {
        let committed = self.committed_to_tell();
        self.send(candidate, Message::RequestPreVoteReply { granted: false, committed });
    }

    /// Whether the vote of the current term is still free, or was this candidate's already.
    fn may_vote_for(&self, candidate: NodeId) -> bool {
        match self.hard_state.vote() {
            Some(vote) => vote == candidate,
            None => self.leader().is_none(),
        }
    }

    /// Takes the answer to a survey. Whether it is won by it.
    pub(super) fn on_pre_vote_reply(&mut self, from: NodeId, term: Term, granted: bool) -> bool {
        // A grant counts for the election it names only. A refusal comes in the voter's own term.
        let concerns_us = if granted { term == self.term().next() } else { term == self.term() };
        self.role() == RoleKind::PreCandidate && concerns_us && self.count_vote(from, granted)
    }

    /// Takes the answer to a request for a vote. Whether the election is won by it.
    pub(super) fn on_vote_reply(&mut self, from: NodeId, granted: bool) -> bool {
        self.role() == RoleKind::Candidate && self.count_vote(from, granted)
    }

    /// The last entry known to be committed, for the other side of an election to know it too.
    fn committed_to_tell(&self) -> Option<EntryId> {
        let index = self.log.commit();
        if !self.config.tell_commit_in_elections || index == LogIndex(0) {
            return None;
        }
        self.log.term(index).map(|term| EntryId { term, index })
    }

    /// Believes a candidate or a voter that an entry is committed, if our log holds that very entry: same index, same term.
    ///
    /// That is safe in any role, and however old the claim is. What is committed stays so; and by Log Matching (Figure 3)
    /// two logs that share an entry share everything before it, so what was committed along with it is what stands here. From
    /// another entry at that index, or a log that ends before it, nothing follows: behind our commit index our log may differ
    /// from the committed one anywhere.
    ///
    /// It has to be told in both directions, for a configuration is in force where it is applied. A candidate may need the vote
    /// of who knows of a later one: who refuses it, its log being longer, tells; and who grants it tells as well, since the
    /// others that it asks may have gone. And a voter with the longer log may be the only one that can win, and take whoever
    /// knows of the later configuration for no member: then it learns only from being asked.
    ///
    /// A candidacy by a configuration that is known to have been replaced is given up, as [`campaign`](Self::campaign)
    /// refuses to begin one; the next timeout finds the change applied. A vote that wins the election is counted first:
    /// to win by the configuration before the last is sound, for the two have no quorums apart (and nobody is further
    /// behind: see [`Write::commit`](crate::Write::commit)). A leader has no use for any of this: it commits by counting.
    pub(super) fn learn_committed(&mut self, committed: Option<EntryId>) {
        let Some(committed) = committed.filter(|_| self.config.tell_commit_in_elections) else { return };
        if self.role() == RoleKind::Leader || !self.log.holds(committed) {
            return;
        }
        let has_moved = self.commit_to(committed.index);
        if has_moved && self.role() != RoleKind::Follower && self.unapplied_change().is_some() {
            self.become_follower(self.term(), None);
        }
    }

    /// The leader wants us to lead. It asked for the election itself, so nobody is surveyed first (§3.10).
    pub(super) fn on_timeout_now(&mut self) {
        let eligible = self.is_promotable() && self.unapplied_change().is_none() && self.term() < Term::MAX;
        if self.role() == RoleKind::Follower && eligible {
            self.start_election(true);
        }
    }

    /// Answers a message of an earlier term, if an answer helps.
    pub(super) fn answer_the_past(&mut self, envelope: &Envelope) {
        match &envelope.message {
            // A leader that was cut off may be heard again when everybody else has moved on. It learns of the
            // new term from us: with pre-vote we would not raise it ourselves to make it step down.
            Message::AppendEntries { .. } | Message::Heartbeat { .. }
                if self.config.check_quorum || self.config.pre_vote =>
            {
                self.send(envelope.from, Message::AppendEntriesReply(AppendOutcome::StaleTerm));
            }
            // A candidate whose log is ahead but whose term is behind could not win without learning ours.
            Message::RequestPreVote { .. } => self.refuse_pre_vote(envelope.from),
            Message::RequestVote { .. } if self.config.refuse_stale_candidates => {
                self.answer_candidate(envelope.from, false);
            }
            Message::AppendEntries { .. }
            | Message::Heartbeat { .. }
            | Message::RequestPreVoteReply { .. }
            | Message::RequestVote { .. }
            | Message::RequestVoteReply { .. }
            | Message::AppendEntriesReply(_)
            | Message::HeartbeatReply { .. }
            | Message::InstallSnapshot { .. }
            | Message::Propose { .. }
            | Message::ReadIndex { .. }
            | Message::ReadIndexReply { .. }
            | Message::TransferLeader { .. }
            | Message::TimeoutNow => (),
        }
    }
}
