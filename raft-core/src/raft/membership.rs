//! Changes of members (§4): proposed like commands, in force once they are applied.
//!
//! A leader lets one change be under way at a time: it takes another one only when it has applied everything that may
//! be a change. A configuration is in force once it is applied, which is etcd's way, and not as soon as it stands in
//! the log, as in the dissertation. Two changes under way at once would then make configurations that skip one another.

use alloc::boxed::Box;

use super::{Raft, proposals::Proposed};
use crate::{
    conf_change::{ConfChange, Reconfiguration, Rejection},
    config::ConfChangeValidation,
    configuration::{Configuration, Leave},
    entry::Payload,
    error::{ApplyConfChangeError, ConfChangeError, ProposeError},
    event::Event,
    id::LogIndex,
    role::Role,
};

impl Raft {
    /// Proposes a change of members. It is in force on a replica once [`apply_conf_change`](Self::apply_conf_change) has
    /// taken it there.
    ///
    /// # Errors
    /// As [`propose`](Self::propose), and when the change does not fit the configuration in force, or another may be
    /// under way: [`ConfChangeValidation`] says what becomes of it then.
    pub fn propose_conf_change(&mut self, change: ConfChange) -> Result<Proposed, ProposeError> {
        self.propose_payload(Payload::ConfChange(Box::new(change)))
    }

    /// Puts the change at `index` in force: to be called for every one that is handed out to be applied, in its turn, and
    /// before [`on_applied`](Self::on_applied). Returns the configuration, to be kept with the state machine and its
    /// snapshots.
    ///
    /// # Errors
    /// When there is no change to be applied at `index`; or when the change does not fit the configuration in force. As
    /// every replica applies the same changes in the same order, that one is refused everywhere, and is to be
    /// passed over. Nothing has changed then.
    pub fn apply_conf_change(&mut self, index: LogIndex) -> Result<Configuration, ApplyConfChangeError> {
        let (applied, handed_out) = (self.log.applied(), self.log.handed_out());
        if index <= applied || handed_out < index {
            return Err(ApplyConfChangeError::NotHandedOut { index, applied, handed_out });
        }
        if index <= self.configured {
            return Err(ApplyConfChangeError::InForce { index, last: self.configured });
        }
        let Some(Payload::ConfChange(change)) = self.log.payload(index) else {
            return Err(ApplyConfChangeError::NoConfChange { index });
        };
        if self.configuration == Configuration::default() {
            return Err(ApplyConfChangeError::Unfounded { index });
        }
        let next = change.apply_to(&self.configuration)?;
        let configuration = next.configuration.clone();
        self.configured = index;
        self.switch_to(next);
        self.assert_invariants();
        Ok(configuration)
    }

    fn switch_to(&mut self, next: Reconfiguration) {
        let last = self.log.last().index;
        if let Role::Leader(leader) = &mut self.role {
            leader.members.reconfigure(&next, last);
        }
        self.configuration = next.configuration;
        self.record(Event::ConfigurationChanged);
        let Role::Leader(leader) = &self.role else { return };
        let transferee = leader.transferee;
        if !self.configuration.is_voter(self.config.id) {
            if self.config.step_down_on_removal {
                self.become_follower(self.term(), None);
            }
            return;
        }
        // What the old quorums had not agreed on, the new ones may have.
        let commit = self.log.commit();
        self.advance_commit();
        if commit == self.log.commit() {
            self.for_each_peer(|raft, peer| {
                raft.send_append(peer, false);
            });
        }
        self.confirm_reads();
        if transferee.is_some_and(|to| !self.configuration.is_voter(to)) {
            self.abort_transfer();
        }
    }

    /// What a leader appends in place of a proposal: itself, if it is allowed.
    pub(super) fn validate_proposal(&self, payload: Payload) -> Result<Payload, ProposeError> {
        let Payload::ConfChange(change) = &payload else { return Ok(payload) };
        match (self.validate_conf_change(change), self.config.conf_change_validation) {
            (Ok(()), _) | (Err(_), ConfChangeValidation::Off) => Ok(payload),
            (Err(_), ConfChangeValidation::Replace) => Ok(Payload::Noop),
            (Err(error), ConfChangeValidation::Refuse) => Err(ProposeError::ConfChange(error)),
        }
    }

    fn validate_conf_change(&self, change: &ConfChange) -> Result<(), ConfChangeError> {
        let Role::Leader(leader) = &self.role else { return Ok(()) };
        let (pending, applied) = (leader.pending_conf_change, self.log.applied());
        if applied < pending {
            return Err(ConfChangeError::Pending { index: pending, applied });
        }
        // Without steps there is something to do in a joint configuration only: to leave it.
        match (self.configuration.is_joint(), change.changes.is_empty()) {
            (true, false) => return Err(Rejection::AlreadyJoint.into()),
            (false, true) => return Err(Rejection::NotJoint.into()),
            (true, true) | (false, false) => (),
        }
        change.apply_to(&self.configuration)?;
        Ok(())
    }

    /// Notes that what this leader appends last is a change, before which no other one is taken.
    pub(super) fn note_pending_change(&mut self) {
        let last = self.log.last().index;
        if let Role::Leader(leader) = &mut self.role {
            leader.pending_conf_change = last;
        }
    }

    /// Proposes to leave a joint configuration that ends by itself, as soon as it is in force. Should that be refused,
    /// because the leadership is being handed over, it is tried again when the next entry is applied, or when the handover
    /// is given up; the next leader has an entry of its own to apply.
    pub(super) fn leave_joint_automatically(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        let is_due = leader.pending_conf_change <= self.log.applied();
        if is_due && self.configuration.leave() == Some(Leave::Automatic) {
            let _ = self.propose_conf_change(ConfChange::leave_joint());
        }
    }
}
