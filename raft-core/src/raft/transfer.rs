//! Handing the leadership over (§3.10).

use super::Raft;
use crate::{
    error::TransferError,
    event::Event,
    id::{NodeId, Ticks},
    message::Message,
    progress::Progress,
    role::Role,
};

impl Raft {
    /// Hands the leadership to another voter: brings its log up to date and then has it start an election at
    /// once. No command is taken meanwhile. It is given up after one election timeout.
    ///
    /// # Errors
    /// When this replica does not lead, or the other has no vote or leads already.
    pub fn transfer_leadership(&mut self, to: NodeId) -> Result<(), TransferError> {
        let leader_id = self.leader();
        let Role::Leader(leader) = &mut self.role else {
            return Err(TransferError::NotLeader { leader: leader_id });
        };
        if to == self.config.id {
            return Err(TransferError::AlreadyLeader { to });
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

    /// Tells `peer` to start its election, if it is to lead and holds the whole log. Whether it was told.
    pub(super) fn complete_transfer(&mut self, peer: NodeId) -> bool {
        let last = self.log.last().index;
        let Role::Leader(leader) = &self.role else { return false };
        let caught_up = leader.member(peer).map(Progress::matched) == Some(last);
        let due = leader.transferee == Some(peer) && caught_up;
        if due {
            self.send(peer, Message::TimeoutNow);
        }
        due
    }

    pub(super) fn abort_transfer(&mut self) {
        if let Role::Leader(leader) = &mut self.role
            && let Some(to) = leader.transferee.take()
        {
            self.record(Event::TransferAborted { to });
        }
    }
}
