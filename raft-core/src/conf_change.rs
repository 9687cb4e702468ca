//! Changes of membership as an algebra: from one configuration to the next (§4), in the terms of etcd.
//!
//! A change of at most one voter may take effect at once, for any majority before it and any majority after it
//! share a server (§4.1). Any other change leads into a joint configuration, in which the majorities of before and
//! after decide together, and out of it again by a change of its own (§4.3).
//!
//! Nothing here knows of logs or leaders: a change applied to a configuration yields another, or a refusal.

use alloc::{collections::BTreeSet, vec::Vec};

use bytes::Bytes;

use crate::{
    configuration::{Configuration, Leave},
    id::{ByteCount, NodeId},
    quorum::{Majority, Voters},
};

/// One step of a change. Taking it twice is the same as taking it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MemberChange {
    /// The server is to vote, whatever it was before.
    AddVoter(NodeId),
    /// The server is to receive the log without a vote, whatever it was before.
    AddLearner(NodeId),
    /// The server is to be no member.
    Remove(NodeId),
    /// Something about the server has changed that the core does not know, such as its address. It stays what
    /// it is.
    Update(NodeId),
}

/// How a change takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Transition {
    /// At once if it is one step only, and otherwise through a joint configuration that ends by itself.
    #[default]
    Automatic,
    /// Through a joint configuration that ends by itself.
    JointImplicit,
    /// Through a joint configuration that stays until a further change ends it.
    JointExplicit,
}

/// A change of membership, as it is proposed and stands in the log.
///
/// Automatic and without steps it ends a joint configuration: the default value does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ConfChange {
    /// How it takes effect.
    pub transition: Transition,
    /// What it does, in order.
    pub changes: Vec<MemberChange>,
    /// For the application, which finds it in the log. The core does not look at it.
    pub context: Bytes,
}

/// What a change does to the configuration in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeStep {
    /// It replaces one configuration by another at once.
    Simple,
    /// It makes the configuration joint.
    EnterJoint(Leave),
    /// It ends a joint configuration.
    LeaveJoint,
}

/// What a change leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfiguration {
    /// Who belongs to the cluster from now on.
    pub configuration: Configuration,
    /// The members of which nothing is known: they are new, or were removed and added again by one change.
    pub joined: BTreeSet<NodeId>,
}

/// Why a change cannot be applied to the configuration in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// One joint configuration has to be left before another is entered.
    #[error("the configuration is joint already: leave it first")]
    AlreadyJoint,
    /// There is no joint configuration to leave.
    #[error("the configuration is not joint")]
    NotJoint,
    /// While a configuration is joint, nothing can be done but to leave it.
    #[error("the configuration is joint: leave it before anything else is changed")]
    SimpleWhileJoint,
    /// A cluster that nobody votes in cannot agree to anything.
    #[error("a configuration without voters cannot become joint")]
    NoVotersBefore,
    /// Nobody would be left to vote.
    #[error("the change removes all voters")]
    NoVotersAfter,
    /// Majorities before and after it might not share a server.
    #[error("{count} voters change at once, which takes a joint configuration")]
    TooManyVotersChanged {
        /// How many voters come or go.
        count: usize,
    },
}

impl ConfChange {
    /// The change that ends a joint configuration.
    pub fn leave_joint() -> Self {
        Self::default()
    }

    /// What it does to the configuration in force.
    pub fn step(&self) -> ChangeStep {
        match (self.transition, self.changes.len()) {
            (Transition::Automatic, 0) => ChangeStep::LeaveJoint,
            (Transition::Automatic, 1) => ChangeStep::Simple,
            (Transition::Automatic | Transition::JointImplicit, _) => {
                ChangeStep::EnterJoint(Leave::Automatic)
            }
            (Transition::JointExplicit, _) => ChangeStep::EnterJoint(Leave::Explicit),
        }
    }

    /// The size that quotas and limits count, about as many bytes as etcd takes to write it down: none for the change
    /// that ends a joint configuration.
    pub fn size(&self) -> ByteCount {
        let Self { transition, changes, context } = self;
        let transition = if *transition == Transition::Automatic { 0 } else { 2 };
        ByteCount(transition + 6 * changes.len() as u64 + context.len() as u64)
    }

    /// Bytes that differ for different changes, to be hashed.
    pub(crate) fn to_hashable_bytes(&self) -> Vec<u8> {
        let Self { transition, changes, context } = self;
        let mut bytes = Vec::from([*transition as u8]);
        bytes.extend((changes.len() as u64).to_le_bytes());
        for change in changes {
            let (kind, id) = match change {
                MemberChange::AddVoter(id) => (0, id),
                MemberChange::AddLearner(id) => (1, id),
                MemberChange::Remove(id) => (2, id),
                MemberChange::Update(id) => (3, id),
            };
            bytes.push(kind);
            bytes.extend(id.number().to_le_bytes());
        }
        bytes.extend_from_slice(context);
        bytes
    }

    /// The configuration that it leads to from `before`.
    ///
    /// # Errors
    /// When `before` does not allow it.
    pub fn apply_to(&self, before: &Configuration) -> Result<Reconfiguration, Rejection> {
        match self.step() {
            ChangeStep::Simple => simple(before, &self.changes),
            ChangeStep::EnterJoint(leave) => enter_joint(before, leave, &self.changes),
            ChangeStep::LeaveJoint => leave_joint(before),
        }
    }
}

/// Takes every step at once, if together they add or remove no more than one voter (§4.1).
///
/// # Errors
/// When the configuration is joint, would lose all its voters, or more than one voter changes.
pub fn simple(before: &Configuration, changes: &[MemberChange]) -> Result<Reconfiguration, Rejection> {
    if before.is_joint() {
        return Err(Rejection::SimpleWhileJoint);
    }
    let mut draft = Draft::new(before);
    draft.take(changes)?;
    let incoming = before.voters().incoming().voters().iter().copied().collect::<BTreeSet<_>>();
    let count = incoming.symmetric_difference(&draft.incoming).count();
    if 1 < count {
        return Err(Rejection::TooManyVotersChanged { count });
    }
    Ok(draft.finish(None))
}

/// Makes the configuration joint: today's voters become the outgoing half, and the steps are taken on the other
/// (§4.3). `leave` says how it is to end.
///
/// # Errors
/// When the configuration is joint already, or has no voters before or after.
pub fn enter_joint(
    before: &Configuration,
    leave: Leave,
    changes: &[MemberChange],
) -> Result<Reconfiguration, Rejection> {
    if before.is_joint() {
        return Err(Rejection::AlreadyJoint);
    }
    let mut draft = Draft::new(before);
    if draft.incoming.is_empty() {
        return Err(Rejection::NoVotersBefore);
    }
    draft.outgoing.clone_from(&draft.incoming);
    draft.take(changes)?;
    Ok(draft.finish(Some(leave)))
}

/// Ends a joint configuration: the outgoing half is dissolved, and those of it that were to be learners are (§4.3).
///
/// # Errors
/// When the configuration is not joint.
pub fn leave_joint(before: &Configuration) -> Result<Reconfiguration, Rejection> {
    if !before.is_joint() {
        return Err(Rejection::NotJoint);
    }
    let mut draft = Draft::new(before);
    draft.outgoing.clear();
    draft.learners.append(&mut draft.learners_next);
    Ok(draft.finish(None))
}

/// A configuration in the making.
#[derive(Debug)]
struct Draft {
    incoming: BTreeSet<NodeId>,
    /// Empty unless the configuration will be joint. Steps do not touch it.
    outgoing: BTreeSet<NodeId>,
    learners: BTreeSet<NodeId>,
    learners_next: BTreeSet<NodeId>,
    joined: BTreeSet<NodeId>,
}

impl Draft {
    fn new(before: &Configuration) -> Self {
        let set = |half: &Majority| half.voters().iter().copied().collect::<BTreeSet<_>>();
        Self {
            incoming: set(before.voters().incoming()),
            outgoing: before.voters().outgoing().map(set).unwrap_or_default(),
            learners: before.learners().clone(),
            learners_next: before.learners_next().clone(),
            joined: BTreeSet::new(),
        }
    }

    fn take(&mut self, changes: &[MemberChange]) -> Result<(), Rejection> {
        for &change in changes {
            match change {
                MemberChange::AddVoter(node) => self.make_voter(node),
                MemberChange::AddLearner(node) => self.make_learner(node),
                MemberChange::Remove(node) => self.remove(node),
                MemberChange::Update(_) => (),
            }
        }
        if self.incoming.is_empty() { Err(Rejection::NoVotersAfter) } else { Ok(()) }
    }

    fn is_member(&self, node: NodeId) -> bool {
        // Whoever is to be a learner is in the outgoing half.
        [&self.incoming, &self.outgoing, &self.learners].into_iter().any(|set| set.contains(&node))
    }

    fn welcome(&mut self, node: NodeId) {
        if !self.is_member(node) {
            self.joined.insert(node);
        }
    }

    fn make_voter(&mut self, node: NodeId) {
        self.welcome(node);
        self.learners.remove(&node);
        self.learners_next.remove(&node);
        self.incoming.insert(node);
    }

    fn make_learner(&mut self, node: NodeId) {
        self.welcome(node);
        self.incoming.remove(&node);
        // Nobody votes and learns at once: where the outgoing half needs its vote, it has to wait.
        let learners =
            if self.outgoing.contains(&node) { &mut self.learners_next } else { &mut self.learners };
        learners.insert(node);
    }

    fn remove(&mut self, node: NodeId) {
        self.incoming.remove(&node);
        self.learners.remove(&node);
        self.learners_next.remove(&node);
        // Of a server that the outgoing half needs, what is known is kept.
        if !self.outgoing.contains(&node) {
            self.joined.remove(&node);
        }
    }

    fn finish(self, leave: Option<Leave>) -> Reconfiguration {
        let Self { incoming, outgoing, learners, learners_next, joined } = self;
        let incoming = incoming.into_iter().collect::<Majority>();
        let voters = match leave {
            Some(_) => Voters::joint(incoming, outgoing.into_iter().collect()),
            None => incoming.into(),
        };
        let configuration = Configuration::new(voters, learners, learners_next, leave);
        match configuration {
            Ok(configuration) => Reconfiguration { configuration, joined },
            Err(error) => panic!("a change must lead from one configuration to another, but {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quorum::VoteResult;
    use alloc::vec;
    use proptest::prelude::*;

    fn node(number: u64) -> NodeId {
        NodeId::new(number).expect("not zero")
    }

    fn set(numbers: &[u64]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(node).collect()
    }

    fn voters(numbers: &[u64]) -> Configuration {
        Configuration::of_voters(numbers.iter().copied().map(node))
    }

    fn add(number: u64) -> MemberChange {
        MemberChange::AddVoter(node(number))
    }

    fn learn(number: u64) -> MemberChange {
        MemberChange::AddLearner(node(number))
    }

    fn remove(number: u64) -> MemberChange {
        MemberChange::Remove(node(number))
    }

    /// From some configuration into a joint one.
    fn joint(before: &[u64], changes: &[MemberChange]) -> Configuration {
        enter_joint(&voters(before), Leave::Explicit, changes).expect("it is allowed").configuration
    }

    /// What is printed of a configuration: incoming, outgoing, learners, learners-to-be.
    fn parts(configuration: &Configuration) -> [BTreeSet<NodeId>; 4] {
        let half = |half: &Majority| half.voters().iter().copied().collect();
        [
            half(configuration.voters().incoming()),
            configuration.voters().outgoing().map(half).unwrap_or_default(),
            configuration.learners().clone(),
            configuration.learners_next().clone(),
        ]
    }

    #[test]
    fn the_transition_and_the_number_of_steps_say_how_a_change_takes_effect() {
        let steps = [vec![], vec![add(1)], vec![add(1), add(2)]];
        let step = |transition| {
            steps.clone().map(|changes| ConfChange { transition, changes, context: Bytes::new() }.step())
        };
        let (automatic, explicit) =
            (ChangeStep::EnterJoint(Leave::Automatic), ChangeStep::EnterJoint(Leave::Explicit));
        assert_eq!(step(Transition::Automatic), [ChangeStep::LeaveJoint, ChangeStep::Simple, automatic]);
        assert_eq!(step(Transition::JointImplicit), [automatic; 3]);
        assert_eq!(step(Transition::JointExplicit), [explicit; 3]);
        assert_eq!(ConfChange::leave_joint().step(), ChangeStep::LeaveJoint);
    }

    #[test]
    fn a_change_is_refused_where_it_does_not_fit() {
        let (one, nobody) = (voters(&[1]), Configuration::default());
        let two_halves = joint(&[1], &[add(2)]);
        let outcome = |before: &Configuration, transition, changes: &[MemberChange]| {
            let change = ConfChange { transition, changes: changes.to_vec(), context: Bytes::new() };
            change.apply_to(before).map(|next| next.configuration)
        };
        for (before, transition, changes, rejection) in [
            (&two_halves, Transition::Automatic, &[add(3)][..], Rejection::SimpleWhileJoint),
            (&two_halves, Transition::JointExplicit, &[add(3)], Rejection::AlreadyJoint),
            (&one, Transition::Automatic, &[], Rejection::NotJoint),
            (&one, Transition::Automatic, &[remove(1)], Rejection::NoVotersAfter),
            (&one, Transition::JointImplicit, &[learn(1)], Rejection::NoVotersAfter),
            (&nobody, Transition::Automatic, &[learn(1)], Rejection::NoVotersAfter),
            (&nobody, Transition::JointExplicit, &[add(1)], Rejection::NoVotersBefore),
        ] {
            assert_eq!(outcome(before, transition, changes), Err(rejection), "{transition:?} {changes:?}");
        }
        let both = simple(&voters(&[1, 2, 3]), &[remove(1), add(4), learn(2)]);
        assert_eq!(both, Err(Rejection::TooManyVotersChanged { count: 3 }));
        assert!(simple(&voters(&[1, 2]), &[remove(1), add(1), learn(4), learn(5)]).is_ok());
        assert_eq!(outcome(&nobody, Transition::Automatic, &[add(1)]), Ok(one));
    }

    #[test]
    fn a_demoted_voter_learns_when_its_vote_is_not_needed_any_more() {
        let halves = joint(&[1, 2], &[learn(1), add(3), remove(2), learn(4)]);
        assert_eq!(parts(&halves), [set(&[3]), set(&[1, 2]), set(&[4]), set(&[1])]);
        let after = leave_joint(&halves).expect("it is joint");
        assert_eq!(parts(&after.configuration), [set(&[3]), set(&[]), set(&[1, 4]), set(&[])]);
        assert_eq!(after.joined, set(&[]));
        let at_once = simple(&voters(&[1, 2]), &[learn(1)]).expect("one voter less");
        assert_eq!(parts(&at_once.configuration), [set(&[2]), set(&[]), set(&[1]), set(&[])]);
        let promoted = simple(&at_once.configuration, &[add(1)]).expect("one voter more");
        assert_eq!(promoted, Reconfiguration { configuration: voters(&[1, 2]), joined: set(&[]) });
    }

    #[test]
    fn a_server_that_comes_back_within_one_change_is_a_stranger_unless_it_votes_in_the_outgoing_half() {
        let joined = |outcome: Result<Reconfiguration, Rejection>| outcome.expect("it is allowed").joined;
        let two = voters(&[1, 2]);
        assert_eq!(joined(simple(&two, &[remove(2), add(2)])), set(&[2]));
        assert_eq!(joined(simple(&two, &[learn(3), remove(3)])), set(&[]));
        assert_eq!(joined(simple(&two, &[learn(3), remove(3), add(3)])), set(&[3]));
        assert_eq!(joined(simple(&two, &[learn(2), add(2), learn(2)])), set(&[]));
        assert_eq!(joined(enter_joint(&two, Leave::Explicit, &[remove(2), add(2), learn(4)])), set(&[4]));
    }

    fn any_change() -> impl Strategy<Value = MemberChange> {
        (0..4u8, 1..6u64).prop_map(|(kind, number)| match kind {
            0 => add(number),
            1 => learn(number),
            2 => remove(number),
            _ => MemberChange::Update(node(number)),
        })
    }

    fn any_conf_change() -> impl Strategy<Value = ConfChange> {
        let transition = prop_oneof![
            Just(Transition::Automatic),
            Just(Transition::JointImplicit),
            Just(Transition::JointExplicit)
        ];
        (transition, prop::collection::vec(any_change(), 0..5)).prop_map(|(transition, changes)| ConfChange {
            transition,
            changes,
            context: Bytes::new(),
        })
    }

    /// Any configuration that changes can lead to.
    fn any_configuration() -> impl Strategy<Value = Configuration> {
        prop::collection::vec(any_conf_change(), 0..12).prop_map(|changes| {
            changes.iter().fold(voters(&[1]), |before, change| {
                change.apply_to(&before).map_or(before, |next| next.configuration)
            })
        })
    }

    /// The sets of servers 1 to 5 that can decide.
    fn quorums(configuration: &Configuration) -> Vec<u64> {
        let is_in = |bits: u64, id: NodeId| bits & (1 << id.number()) != 0;
        let wins =
            |&bits: &u64| configuration.voters().vote_result(|id| Some(is_in(bits, id))) == VoteResult::Won;
        (0..64).step_by(2).filter(wins).collect()
    }

    proptest! {
        /// What all of membership rests on: no two leaders, one by the rules of before and one by those of after.
        #[test]
        fn quorums_of_successive_configurations_overlap(
            before in any_configuration(),
            change in any_conf_change(),
        ) {
            let Ok(Reconfiguration { configuration: after, .. }) = change.apply_to(&before) else {
                return Ok(());
            };
            for (left, right) in quorums(&before).into_iter().flat_map(|left| {
                quorums(&after).into_iter().map(move |right| (left, right))
            }) {
                prop_assert!(left & right != 0, "{before:?} {after:?}: {left:b} {right:b}");
            }
        }

        #[test]
        fn a_step_taken_twice_is_a_step_taken_once(
            before in any_configuration(),
            change in any_conf_change(),
        ) {
            let twice = change.changes.iter().flat_map(|&step| [step, step]).collect::<Vec<_>>();
            let leave = Leave::Automatic;
            prop_assert_eq!(simple(&before, &change.changes), simple(&before, &twice));
            prop_assert_eq!(enter_joint(&before, leave, &change.changes), enter_joint(&before, leave, &twice));
        }

        /// Nothing is known of a new member, and what is known of one that stays is kept unless it left meanwhile.
        #[test]
        fn whoever_is_new_has_joined(before in any_configuration(), change in any_conf_change()) {
            let Ok(Reconfiguration { configuration: after, joined }) = change.apply_to(&before) else {
                return Ok(());
            };
            for id in after.members() {
                let removed = change.changes.contains(&MemberChange::Remove(id));
                let is_new = !before.contains(id);
                prop_assert!(is_new == joined.contains(&id) || (removed && !is_new), "{id} of {joined:?}");
            }
            prop_assert!(joined.is_subset(&after.members()));
        }

        /// Every configuration can be reached by changes from an empty one: how etcd starts from a snapshot's.
        #[test]
        fn a_configuration_is_what_the_changes_that_spell_it_out_lead_to(wanted in any_configuration()) {
            let [incoming, outgoing, learners, learners_next] = parts(&wanted);
            let mut changes = outgoing.iter().map(|&id| MemberChange::Remove(id)).collect::<Vec<_>>();
            changes.extend(incoming.iter().map(|&id| MemberChange::AddVoter(id)));
            changes.extend(learners.iter().chain(&learners_next).map(|&id| MemberChange::AddLearner(id)));
            let before = Configuration::of_voters(outgoing);
            let restored = match wanted.leave() {
                Some(leave) => enter_joint(&before, leave, &changes),
                None => changes.iter().try_fold(
                    Reconfiguration { configuration: before, joined: BTreeSet::new() },
                    |before, &change| simple(&before.configuration, &[change]),
                ),
            };
            prop_assert_eq!(restored.map(|next| next.configuration), Ok(wanted));
        }
    }
}
