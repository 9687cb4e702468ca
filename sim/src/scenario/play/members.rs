//! Verbs about who belongs to the cluster: `change`, `leave`.

use wavetank_process::{
    Control,
    raft_core::{ConfChange, MemberChange, NodeId, Transition},
};

use super::{Failure, Played, Player};
use crate::scenario::{Server, TransitionName, step::Change};

impl Player<'_> {
    pub(super) fn change(&mut self, change: &Change) -> Played {
        let Change { to, add, learn, remove, transition, even_if_refused } = change;
        let mut changes = Vec::new();
        for (servers, step) in [
            (add, MemberChange::AddVoter as fn(NodeId) -> MemberChange),
            (learn, MemberChange::AddLearner),
            (remove, MemberChange::Remove),
        ] {
            for server in servers {
                changes.push(step(self.id(*server)?));
            }
        }
        let transition = match transition {
            TransitionName::Automatic => Transition::Automatic,
            TransitionName::Implicit => Transition::JointImplicit,
            TransitionName::Explicit => Transition::JointExplicit,
        };
        let position = self.find(*to)?;
        let played =
            self.control(*to, Control::Change(ConfChange { transition, changes, ..ConfChange::default() }));
        self.refusal = match (self.tank.refusal(), even_if_refused, played) {
            (Some(reason), true, Err(Failure::Step(_))) => Some((position, reason.to_owned())),
            (_, _, played) => return played,
        };
        Ok(())
    }

    pub(super) fn leave(&mut self, server: Server) -> Played {
        self.control(server, Control::Change(ConfChange::leave_joint()))
    }
}
