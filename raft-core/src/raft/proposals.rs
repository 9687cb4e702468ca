//! Commands on their way into the log (§3.5, §6.2).

use alloc::vec::Vec;

use bytes::Bytes;

use super::Raft;
use crate::{
    entry::Payload,
    error::ProposeError,
    id::{ByteCount, EntryId, NodeId},
    message::{Envelope, Message},
    role::{Leader, Role},
};

/// What became of a proposal for the time being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposed {
    /// It stands in this leader's log. It is committed once an entry with this very id is handed out to be applied, and
    /// will never be if another one is handed out at that index.
    Appended(EntryId),
    /// It was sent to the leader, as the [settings](crate::Config::forward_proposals) allow. It may get lost, or be
    /// appended twice.
    Forwarded {
        /// Who leads, as far as is known.
        to: NodeId,
    },
}

impl Proposed {
    /// Where it stands, if it is in this replica's log.
    pub fn id(self) -> Option<EntryId> {
        match self {
            Self::Appended(id) => Some(id),
            Self::Forwarded { to: _ } => None,
        }
    }
}

impl Raft {
    /// Appends a command to the log and starts to replicate it.
    ///
    /// # Errors
    /// When this replica does not lead, and may not or cannot pass the command on; when it is about to stop leading; or
    /// when too much is waiting to be committed. The command has had no effect and never will.
    pub fn propose(&mut self, command: Bytes) -> Result<Proposed, ProposeError> {
        self.propose_payload(Payload::Command(command))
    }

    /// Appends several commands, one behind the other, and sends followers all of them together, which is cheaper than
    /// to [propose](Self::propose) each. Says what became of each, in their order. (A follower that passes them on does so one
    /// by one.)
    ///
    /// # Errors
    /// As [`propose`](Self::propose); none of the commands has had any effect then. Their sizes count together.
    pub fn propose_all(&mut self, commands: Vec<Bytes>) -> Result<Vec<Proposed>, ProposeError> {
        let Role::Leader(_) = &self.role else {
            return commands.into_iter().map(|command| self.propose(command)).collect();
        };
        let size = ByteCount(commands.iter().map(|command| command.len() as u64).sum());
        let total = self.may_propose()?.uncommitted_with(size, self.config.max_uncommitted_bytes)?;
        let append = |command| Proposed::Appended(self.append_own(Payload::Command(command)));
        let appended = commands.into_iter().map(append).collect();
        self.replicate_appended(total);
        Ok(appended)
    }

    /// Appends an entry, or passes it on to the leader.
    pub(super) fn propose_payload(&mut self, payload: Payload) -> Result<Proposed, ProposeError> {
        match (&self.role, self.leader()) {
            (Role::Leader(_), _) => self.append_proposal(payload).map(Proposed::Appended),
            (Role::Follower { .. }, Some(to)) if self.config.forward_proposals => {
                self.send(to, Message::Propose { payload });
                Ok(Proposed::Forwarded { to })
            }
            (Role::Follower { .. } | Role::PreCandidate(_) | Role::Candidate(_), leader) => {
                Err(ProposeError::NotLeader { leader })
            }
        }
    }

    /// Takes a proposal that was passed on, or passes it on once more in the name of whoever made it.
    pub(super) fn on_propose(&mut self, from: NodeId, payload: Payload) -> Result<(), ProposeError> {
        let leader = self.leader();
        match (&self.role, leader) {
            (Role::Follower { .. }, Some(to)) if self.config.forward_proposals => {
                let message = Message::Propose { payload };
                self.messages.push(Envelope { from, to, term: self.term(), message });
                Ok(())
            }
            _ => self.propose_payload(payload).map(|_| ()),
        }
    }

    fn append_proposal(&mut self, payload: Payload) -> Result<EntryId, ProposeError> {
        let leader = self.may_propose()?;
        let payload = self.validate_proposal(payload)?;
        let total = leader.uncommitted_with(payload.size(), self.config.max_uncommitted_bytes)?;
        let is_change = matches!(payload, Payload::ConfChange(_));
        let id = self.append_own(payload);
        if is_change {
            self.note_pending_change();
        }
        self.replicate_appended(total);
        Ok(id)
    }

    /// The leader that this replica is, unless it is about to stop.
    fn may_propose(&self) -> Result<&Leader, ProposeError> {
        let Role::Leader(leader) = &self.role else {
            return Err(ProposeError::NotLeader { leader: self.leader() });
        };
        if let Some(to) = leader.transferee {
            return Err(ProposeError::Transferring { to });
        }
        if leader.members.row(self.config.id).is_none() {
            return Err(ProposeError::NotMember { id: self.config.id });
        }
        Ok(leader)
    }

    /// Sends what a leader has just appended, after which so much is not committed.
    fn replicate_appended(&mut self, uncommitted_bytes: ByteCount) {
        if let Role::Leader(leader) = &mut self.role {
            leader.uncommitted_bytes = uncommitted_bytes;
        }
        self.broadcast_append();
    }
}

impl Leader {
    /// How much is not committed once so much is appended, if the quota allows that.
    fn uncommitted_with(&self, size: ByteCount, quota: ByteCount) -> Result<ByteCount, ProposeError> {
        let used = self.uncommitted_bytes;
        let total = ByteCount(used.0.saturating_add(size.0));
        // What is empty must always pass: without the first entry of its term a leader could commit nothing.
        if used != ByteCount(0) && size != ByteCount(0) && quota < total {
            return Err(ProposeError::QuotaExceeded { used, quota });
        }
        Ok(total)
    }
}
