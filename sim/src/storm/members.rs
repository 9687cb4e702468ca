//! An operator who changes the members, one by one and jointly, while everything else goes on.

use wavetank_process::{
    Control,
    raft_core::{ConfChange, MemberChange, NodeId, Transition},
};

use super::{Ending, FaultKind, Storm};
use crate::{
    chance::{Door, Site, labels},
    checks::Watched,
    client::Workload,
    members::Members,
    tank::Tank,
};

/// How many servers one change concerns at most.
const MOST_STEPS: u64 = 4;

/// Whether an operator may change the members at all. Who was removed may go on campaigning, in later and later terms. With
/// CheckQuorum or PreVote the others do not listen to it; without, they follow it into terms of which their leader never hears,
/// and one that only learns, or is added again, does not hear that leader for ever.
pub(super) fn may_change<W: Workload>(tank: &Tank<W>) -> bool {
    let raft = &tank.options().raft;
    raft.check_quorum || raft.pre_vote
}

impl Storm {
    /// Asks whoever leads for a change of members; now and then for another one at once, which has to be refused.
    pub(super) fn strike_change<W: Workload>(&mut self, tank: &mut Tank<W>) -> Option<()> {
        let leader = tank.leader()?;
        let change = draw_change(leader, tank)?;
        tank.control(leader, Control::Change(change));
        let site = Site::global(labels::FAULT_CHANGE);
        if tank.door().chance(site, 1, 4)
            && let Some(another) = draw_change(leader, tank)
        {
            tank.control(leader, Control::Change(another));
        }
        let until = tank.now() + Self::length(tank, FaultKind::Change, 4);
        self.end_at(until, Ending::LeaveJoint);
        Some(())
    }

    /// Asks whoever leads to leave a joint configuration that does not end by itself, until there is none.
    pub(super) fn leave_joint<W: Workload>(&mut self, tank: &mut Tank<W>) {
        if tank.stays_joint() {
            tank.leave_joint();
            let until = tank.now() + Self::length(tank, FaultKind::Change, 2);
            self.end_at(until, Ending::LeaveJoint);
        }
    }
}

/// Servers by what could be done with them.
struct Candidates {
    leader: NodeId,
    voters: Vec<NodeId>,
    learners: Vec<NodeId>,
    /// Who may be added.
    strangers: Vec<NodeId>,
}

impl Candidates {
    fn of<W: Workload>(members: &Members, leader: usize, tank: &Tank<W>) -> Self {
        let ids = |fits: &dyn Fn(&Watched) -> bool| {
            tank.cluster().iter().filter(|machine| fits(machine)).map(|machine| machine.id).collect()
        };
        Self {
            leader: tank.cluster()[leader].id,
            voters: ids(&|machine| members.votes(machine.id)),
            learners: ids(&|machine| members.contains(machine.id) && !members.votes(machine.id)),
            strangers: ids(&|machine| !members.contains(machine.id)),
        }
    }
}

/// A change that makes sense to a leader, mostly: what it finds to do depends on its members. `None` if nothing was found.
fn draw_change<W: Workload>(leader: usize, tank: &mut Tank<W>) -> Option<ConfChange> {
    let members = tank.cluster()[leader].members().clone();
    let candidates = Candidates::of(&members, leader, tank);
    let site = Site::global(labels::FAULT_CHANGE);
    let door = tank.door();
    if members.is_joint() && door.chance(site, 3, 4) {
        return Some(ConfChange::leave_joint());
    }
    let joint = door.chance(site, 1, 2);
    let steps = if joint { door.range(site, 1, MOST_STEPS) } else { 1 };
    let changes = (0..steps).filter_map(|_| draw_step(&candidates, door)).collect::<Vec<_>>();
    let transitions = [Transition::Automatic, Transition::JointImplicit, Transition::JointExplicit];
    let transition = if joint { *door.pick(site, &transitions) } else { Transition::Automatic };
    let change = ConfChange { transition, changes, ..ConfChange::default() };
    // While the configuration is joint everything is refused, and is worth a try. An empty set of voters is never asked for.
    let makes_sense = members.is_joint() || members.after(&change).is_some();
    (makes_sense && !change.changes.is_empty()).then_some(change)
}

/// One step: somebody is added, promoted, demoted or removed; the leader itself more often than its share.
fn draw_step(candidates: &Candidates, door: &mut Door) -> Option<MemberChange> {
    let Candidates { leader, voters, learners, strangers } = candidates;
    let site = Site::global(labels::FAULT_CHANGE);
    let (ids, step): (_, fn(NodeId) -> MemberChange) = match door.choose(site, 8) {
        0 | 1 => (strangers, MemberChange::AddVoter),
        2 => (strangers, MemberChange::AddLearner),
        3 => (learners, MemberChange::AddVoter),
        4 => (learners, MemberChange::Remove),
        5 => (voters, MemberChange::AddLearner),
        6 => (voters, MemberChange::Remove),
        _ => return Some(MemberChange::Remove(*leader)),
    };
    if ids.is_empty() { None } else { Some(step(*door.pick(site, ids))) }
}
