//! Linearizable reads by quorum (§6.4), or by a lease (§6.4.1).

use alloc::vec::Vec;

use super::Raft;
use crate::{
    config::ReadMode,
    error::ReadError,
    id::{LogIndex, NodeId, ReadId, Ticks},
    message::{Message, ReadContext, ReadPosition},
    progress::Progress,
    read::{ReadLoss, ReadState, Requester},
    role::{Leader, Role},
};

impl Raft {
    /// Asks for an index at which a linearizable read may be served. The answer comes as a
    /// [`ReadState`], once a quorum has confirmed that the leader still leads, or at once under a
    /// lease.
    ///
    /// # Errors
    /// When it does not lead, and may not or cannot pass the request on.
    pub fn read_index(&mut self) -> Result<ReadId, ReadError> {
        let leader = self.leader();
        let id = ReadId(self.last_read.0 + 1);
        match (&self.role, leader) {
            (Role::Leader(_), _) => {
                self.last_read = id;
                self.request_read(Requester::Driver(id));
            }
            (Role::Follower { .. }, Some(leader)) if self.config.forward_requests => {
                self.last_read = id;
                self.forwarded_reads.push(id);
                let read = ReadContext { incarnation: self.writes.incarnation(), id };
                self.send(leader, Message::ReadIndex { read });
            }
            (Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_), _) => {
                return Err(ReadError::NotLeader { leader });
            }
        }
        Ok(id)
    }

    /// A leader takes a read.
    fn request_read(&mut self, requester: Requester) {
        let (commit, holds_lease) = (self.log.commit(), self.holds_lease());
        let Role::Leader(Leader { reads, first_of_term, .. }) = &mut self.role else { return };
        if commit < *first_of_term {
            reads.park(requester);
        } else if holds_lease {
            self.answer_read(requester, commit);
        } else {
            reads.push(requester, commit);
            self.seek_confirmation();
        }
    }

    /// A follower passes a read on. If we do not lead any more it will find out who does.
    pub(super) fn on_read_index(&mut self, from: NodeId, read: ReadContext) {
        self.request_read(Requester::Follower(from, read));
    }

    /// The leader answers a read that was passed on to it. Of an earlier life, or given up: it is of no use.
    pub(super) fn on_read_index_reply(&mut self, from: NodeId, read: ReadContext, index: LogIndex) {
        if read.incarnation != self.writes.incarnation() || self.leader() != Some(from) {
            return;
        }
        if let Some(position) = self.forwarded_reads.iter().position(|id| *id == read.id) {
            let id = self.forwarded_reads.remove(position);
            self.read_states.push(ReadState::Confirmed { id, index });
        }
    }

    /// The reads that were passed on will not be answered.
    pub(super) fn lose_forwarded_reads(&mut self) {
        let lost = self.forwarded_reads.drain(..);
        self.read_states.extend(lost.map(|id| ReadState::Lost { id, reason: ReadLoss::LeaderChanged }));
    }

    fn answer_read(&mut self, requester: Requester, index: LogIndex) {
        match requester {
            Requester::Driver(id) => self.read_states.push(ReadState::Confirmed { id, index }),
            Requester::Follower(follower, read) => {
                self.send(follower, Message::ReadIndexReply { read, index });
            }
        }
    }

    /// The term's first entry is committed, if it was not before.
    pub(super) fn release_parked_reads(&mut self) {
        let commit = self.log.commit();
        let holds_lease = self.holds_lease();
        let Role::Leader(leader) = &mut self.role else { return };
        if !leader.reads.unpark(commit) {
            return;
        }
        if holds_lease {
            let position = leader.reads.last_position();
            self.confirm_reads_up_to(position);
        } else {
            self.seek_confirmation();
        }
    }

    fn seek_confirmation(&mut self) {
        self.broadcast_heartbeat();
        // On its own it is a quorum.
        self.confirm_reads();
    }

    pub(super) fn on_read_confirmed(&mut self, from: NodeId, position: ReadPosition) {
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(progress) = leader.member_mut(from) else { return };
        progress.read_confirmed = progress.read_confirmed.max(position);
        self.confirm_reads();
    }

    /// Answers the reads that a quorum has confirmed.
    pub(super) fn confirm_reads(&mut self) {
        let this = self.config.id;
        let Role::Leader(leader) = &mut self.role else { return };
        let own = leader.reads.last_position();
        let confirmed = self.configuration.voters().agreed(|voter| {
            if voter == this {
                own
            } else {
                leader.member(voter).map_or(ReadPosition(0), |p| p.read_confirmed)
            }
        });
        if let Some(position) = confirmed {
            self.confirm_reads_up_to(position);
        }
    }

    fn confirm_reads_up_to(&mut self, position: ReadPosition) {
        let Role::Leader(leader) = &mut self.role else { return };
        let confirmed: Vec<_> = leader.reads.confirm(position).collect();
        for (requester, index) in confirmed {
            self.answer_read(requester, index);
        }
    }

    /// Whether no other server can lead at this moment, as far as clocks can tell.
    ///
    /// A voter that has heard from this leader votes for nobody for an election timeout. The lease counts from when
    /// the heartbeats *left* that a quorum has answered. Two ticks are lost to rounding: the voter's next
    /// tick may come right after the heartbeat, and ours a tick after we read our count.
    fn holds_lease(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        let margin = match self.config.read_mode {
            ReadMode::Quorum => return false,
            ReadMode::EtcdLease => return true,
            ReadMode::Lease { margin } => margin,
        };
        if leader.lease_void {
            return false;
        }
        let (this, now) = (self.config.id, leader.clock);
        let answered = self.configuration.voters().agreed(|voter| {
            if voter == this {
                Some(now)
            } else {
                leader.member(voter).and_then(Progress::answered_heartbeat)
            }
        });
        answered.flatten().is_some_and(|Ticks(sent_at)| {
            let ends = sent_at.saturating_add(self.config.election_timeout.0);
            now.0.saturating_add(margin.0).saturating_add(1) < ends
        })
    }
}
