//! Changes of members (§4): asked for by an operator, in force on a replica once it has applied them.

use std::collections::BTreeSet;

use raft_core::{ConfChange, Configuration, EntryId, Leave, NodeId};

use super::{Running, branches};
use crate::{
    adapter::{Adapter, Refusal},
    observation::Role,
    process::{Context, Output},
};

impl<A: Adapter, S> Running<A, S> {
    /// Asks for a change of members.
    ///
    /// # Errors
    /// When the implementation does not take it.
    pub(super) fn change_members(
        &mut self,
        change: ConfChange,
        context: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let taken = self.raft.propose_change(change);
        let branch = match &taken {
            Ok(()) | Err(Refusal::NotLeader { .. }) => return taken,
            Err(Refusal::ChangePending) => branches::CHANGE_PENDING,
            Err(Refusal::Other(_)) => branches::CHANGE_REFUSED,
        };
        context.emit(Output::Reached { branch });
        taken
    }

    /// Applies an entry that is none of the state machine's business: a change of members, or nothing.
    ///
    /// # Errors
    /// When the implementation cannot tell what has become of it.
    pub(super) fn apply_change(&mut self, entry: EntryId, context: &mut Context<'_>) -> Result<(), String> {
        let (before, led) = (self.raft.configuration(), self.raft.observe().role == Role::Leader);
        if !self.raft.apply_change(entry)? {
            return Ok(());
        }
        let Some((before, after)) = before.zip(self.raft.configuration()) else { return Ok(()) };
        for branch in reached(&before, &after) {
            context.emit(Output::Reached { branch });
        }
        if led && before.is_voter(self.id) && !after.is_voter(self.id) {
            context.emit(Output::Reached { branch: branches::LEADER_REMOVED_ITSELF });
        }
        Ok(())
    }
}

/// What has happened to the members between two successive configurations.
fn reached(before: &Configuration, after: &Configuration) -> Vec<&'static str> {
    let step = match (before.leave(), after.leave()) {
        (None, None) => branches::CHANGED_AT_ONCE,
        (_, Some(_)) => branches::JOINT_ENTERED,
        (Some(Leave::Automatic), None) => branches::JOINT_LEFT_AUTOMATICALLY,
        (Some(Leave::Explicit), None) => branches::JOINT_LEFT_ON_REQUEST,
    };
    let members = before.members().into_iter().chain(after.members()).collect::<BTreeSet<_>>();
    let moved = members.into_iter().filter_map(|id| moved(standing(before, id), standing(after, id)));
    std::iter::once(step).chain(moved).collect()
}

/// In which capacity a server belongs to a cluster. Who votes in the outgoing half of a joint configuration votes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Voter,
    Learner,
    Stranger,
}

fn standing(configuration: &Configuration, id: NodeId) -> Standing {
    match (configuration.is_voter(id), configuration.is_learner(id)) {
        (true, _) => Standing::Voter,
        (false, true) => Standing::Learner,
        (false, false) => Standing::Stranger,
    }
}

fn moved(before: Standing, after: Standing) -> Option<&'static str> {
    match (before, after) {
        (Standing::Stranger, Standing::Voter) => Some(branches::VOTER_ADDED),
        (Standing::Stranger, Standing::Learner) => Some(branches::LEARNER_ADDED),
        (Standing::Learner, Standing::Voter) => Some(branches::LEARNER_PROMOTED),
        (Standing::Voter, Standing::Learner) => Some(branches::VOTER_DEMOTED),
        (Standing::Voter | Standing::Learner, Standing::Stranger) => Some(branches::MEMBER_REMOVED),
        (Standing::Voter, Standing::Voter)
        | (Standing::Learner, Standing::Learner)
        | (Standing::Stranger, Standing::Stranger) => None,
    }
}
