//! The algebra by examples, and against an oracle that tries every set of servers.

use proptest::prelude::*;

use super::*;

fn node(number: u64) -> NodeId {
    NodeId::new(number).expect("tests number nodes from 1")
}

fn servers(numbers: &[u64]) -> Servers {
    numbers.iter().copied().map(node).collect()
}

fn founding(voters: &[u64], learners: &[u64]) -> Members {
    Members::founding(servers(voters), servers(learners))
}

fn change(transition: Transition, changes: &[MemberChange]) -> ConfChange {
    ConfChange { transition, changes: changes.to_vec(), ..ConfChange::default() }
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

fn told(before: &Members, transition: Transition, changes: &[MemberChange]) -> String {
    before.after(&change(transition, changes)).map_or("passed over".to_owned(), |after| after.to_string())
}

#[test]
fn one_step_acts_at_once_and_several_through_a_joint_configuration() {
    let three = founding(&[1, 2, 3], &[4]);
    let (automatic, implicit, explicit) =
        (Transition::Automatic, Transition::JointImplicit, Transition::JointExplicit);
    assert_eq!(told(&three, automatic, &[add(5)]), "n1 n2 n3 n5, learning n4");
    assert_eq!(told(&three, automatic, &[add(4)]), "n1 n2 n3 n4");
    assert_eq!(told(&three, automatic, &[learn(3)]), "n1 n2, learning n3 n4");
    assert_eq!(told(&three, automatic, &[remove(4)]), "n1 n2 n3");
    let both = [add(4), remove(1)];
    assert_eq!(told(&three, automatic, &both), "n2 n3 n4 with n1 n2 n3");
    assert_eq!(told(&three, implicit, &[add(5)]), "n1 n2 n3 n5 with n1 n2 n3, learning n4");
    assert_eq!(told(&three, explicit, &both), "n2 n3 n4 with n1 n2 n3, until told");
    assert_eq!(
        told(&three, explicit, &[learn(1)]),
        "n2 n3 with n1 n2 n3, learning n4, to learn n1, until told"
    );
    let joint = three.after(&change(explicit, &[learn(1)])).expect("it fits");
    assert_eq!(told(&joint, automatic, &[]), "n2 n3, learning n1 n4");
}

#[test]
fn what_does_not_fit_is_passed_over() {
    let one = founding(&[1], &[]);
    assert_eq!(told(&one, Transition::Automatic, &[]), "passed over");
    assert_eq!(told(&one, Transition::Automatic, &[remove(1)]), "passed over");
    assert_eq!(told(&one, Transition::JointImplicit, &[learn(1)]), "passed over");
    let joint = one.after(&change(Transition::JointExplicit, &[add(2)])).expect("it fits");
    for transition in [Transition::Automatic, Transition::JointImplicit, Transition::JointExplicit] {
        assert_eq!(told(&joint, transition, &[add(3)]), "passed over");
    }
}

#[test]
fn a_quorum_of_a_joint_configuration_is_one_of_either_half() {
    let joint = founding(&[1, 2, 3], &[])
        .after(&change(Transition::Automatic, &[add(4), add(5), remove(1), remove(2)]))
        .expect("it fits");
    let is_quorum = |ids: &[u64]| joint.is_quorum(|id| servers(ids).contains(&id));
    assert!(is_quorum(&[2, 3, 4]) && is_quorum(&[1, 2, 4, 5]));
    assert!(!is_quorum(&[3, 4, 5]) && !is_quorum(&[1, 2, 3]));
}

fn any_change() -> impl Strategy<Value = ConfChange> {
    let step = (0..4_u8, 1..6_u64).prop_map(|(kind, number)| match kind {
        0 => add(number),
        1 => learn(number),
        2 => remove(number),
        _ => MemberChange::Update(node(number)),
    });
    let transition = prop_oneof![
        Just(Transition::Automatic),
        Just(Transition::JointImplicit),
        Just(Transition::JointExplicit)
    ];
    (transition, prop::collection::vec(step, 0..4)).prop_map(|(transition, steps)| change(transition, &steps))
}

/// The sets among n1 to n5 that decide.
fn quorums(members: &Members) -> Vec<u64> {
    let decides = |set: &u64| members.is_quorum(|id| set & (1 << id.number()) != 0);
    (0..64).step_by(2).filter(decides).collect()
}

proptest! {
    /// Two independent writings of one algebra: the core's, and the judge's.
    #[test]
    fn the_core_makes_the_same_of_every_change(changes in prop::collection::vec(any_change(), 1..8)) {
        let mut claimed = Configuration::of_voters([1, 2, 3].map(node));
        let mut members = Members::from(&claimed);
        for change in changes {
            let (core, ours) = (change.apply_to(&claimed), members.after(&change));
            prop_assert_eq!(core.is_ok(), ours.is_some(), "{:?} {}", &change, &members);
            if let (Ok(next), Some(after)) = (core, ours) {
                prop_assert!(after.are(&next.configuration), "{after} {:?}", next.configuration);
                prop_assert_eq!(&after, &Members::from(&next.configuration));
                prop_assert!(members.must_meet(&after), "{members} {after}");
                (claimed, members) = (next.configuration, after);
            }
        }
    }

    /// Nothing is taken for safe that is not.
    #[test]
    fn who_must_meet_does(left in any_change(), right in any_change()) {
        let before = founding(&[1, 2, 3], &[]);
        let (Some(left), Some(right)) = (before.after(&left), before.after(&right)) else { return Ok(()) };
        let meet = quorums(&left).iter().all(|one| quorums(&right).iter().all(|other| one & other != 0));
        if left.is_joint() || right.is_joint() {
            prop_assert!(meet || !left.must_meet(&right), "{left} {right}");
        } else {
            prop_assert_eq!(meet, left.must_meet(&right), "{} {}", left, right);
        }
    }
}
