//! Linearizable reads by quorum (§6.4).

use super::Raft;
use crate::{
    error::ReadError,
    id::NodeId,
    message::ReadPosition,
    read::ReadId,
    role::{Leader, Role},
};

impl Raft {
    /// Asks for an index at which a linearizable read may be served. The answer comes as a
    /// [`ReadState`](crate::ReadState), once a quorum has confirmed that this replica still leads.
    ///
    /// # Errors
    /// When it does not lead.
    pub fn read_index(&mut self) -> Result<ReadId, ReadError> {
        let commit = self.log.commit();
        let leader = self.leader();
        let Role::Leader(Leader { reads, first_of_term, .. }) = &mut self.role else {
            return Err(ReadError::NotLeader { leader });
        };
        self.last_read.0 += 1;
        let id = self.last_read;
        if commit < *first_of_term {
            reads.park(id);
        } else {
            reads.push(id, commit);
            self.seek_confirmation();
        }
        Ok(id)
    }

    /// The term's first entry is committed, if it was not before.
    pub(super) fn release_parked_reads(&mut self) {
        let commit = self.log.commit();
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.reads.unpark(commit) {
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

    fn confirm_reads(&mut self) {
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
            self.read_states.extend(leader.reads.confirm(position));
        }
    }
}
