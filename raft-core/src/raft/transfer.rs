//! Handing the leadership over (§3.10).

use super::Raft;
use crate::{
    config::ConfChangeValidation,
    error::TransferError,
    event::Event,
    id::{NodeId, Ticks},
    message::Message,
    progress::Progress,
    role::Role,
};

impl Raft {
    /// Hands the leadership to another voter: brings its log up to date and then has it start an election at
    /// once. No command is taken meanwhile. It is given up after one election timeout, or when the leadership is handed to
    /// this replica itself.
    ///
    /// # Errors
    /// When this replica does not lead and may not or cannot pass the request on, or the other has no vote or leads
    /// already.
    pub fn transfer_leadership(&mut self, to: NodeId) -> Result<(), TransferError> {
        let leader_id = self.leader();
        if let (Role::Follower { .. }, Some(leader), true) =
            (&self.role, leader_id, self.config.forward_requests)
        {
            self.send(leader, Message::TransferLeader { to });
            return Ok(());
        }
        let Role::Leader(leader) = &mut self.role else {
            return Err(TransferError::NotLeader { leader: leader_id });
        };
        if to == self.config.id {
            return if leader.transferee.is_some() {
                self.abort_transfer();
                Ok(())
            } else {
                Err(TransferError::AlreadyLeader { to })
            };
        }
        if !self.configuration.is_voter(to) {
            return Err(TransferError::NotVoter { to });
        }
        match leader.transferee.replace(to) {
            Some(current) if current == to => return Ok(()),
            Some(current) => self.record(Event::TransferAborted { to: current }),
            None => (),
        }
        self.record(Event::TransferStarted { to });
        // The handover has an election timeout from now.
        self.election_elapsed = Ticks(0);
        if !self.complete_transfer(to) {
            self.send_append(to, true);
        }
        Ok(())
    }

    /// A follower was asked to hand the leadership over, or passes on that another one was.
    pub(super) fn on_transfer_leader(&mut self, from: NodeId, to: NodeId) {
        match (&self.role, self.leader()) {
            (Role::Leader(_), _) => {
                // What cannot be done is not done; nobody waits for an answer.
                let _ = self.transfer_leadership(to);
            }
            (Role::Follower { .. }, Some(leader)) if leader != from && self.config.forward_requests => {
                self.send(leader, Message::TransferLeader { to });
            }
            (Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_), _) => (),
        }
    }

    /// Voters do not protect a leader from an election that it has asked for, and the message that asks for it may
    /// be under way for any length of time.
    fn void_lease(&mut self) {
        if let Role::Leader(leader) = &mut self.role {
            leader.lease_void = true;
        }
    }

    /// Tells `peer` to start its election, if it is to lead and holds the whole log. Whether it was told.
    pub(super) fn complete_transfer(&mut self, peer: NodeId) -> bool {
        let last = self.log.last().index;
        let Role::Leader(leader) = &self.role else { return false };
        let caught_up = leader.member(peer).map(Progress::matched) == Some(last);
        let due = leader.transferee == Some(peer) && caught_up;
        if due {
            self.void_lease();
            self.send(peer, Message::TimeoutNow);
        }
        due
    }

    pub(super) fn abort_transfer(&mut self) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(to) = leader.transferee.take()
        {
            self.record(Event::TransferAborted { to });
            // What was refused meanwhile. (etcd waits for the next entry to be applied.)
            if self.config.conf_change_validation == ConfChangeValidation::Refuse {
                self.leave_joint_automatically();
            }
        }
    }
}
