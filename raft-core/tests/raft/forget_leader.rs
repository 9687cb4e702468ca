//! A follower whose driver knows that the leader is dead.

use raft_core::{ForgetLeaderError, Raft, ReadMode, RoleKind, Term};

use crate::cluster::{Cluster, at, envelope, knowing, node, pre_vote, request_pre_vote};

#[test]
fn a_forgotten_leader_is_not_protected() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    assert_eq!(cluster.tell(2, 3, 2, request_pre_vote(at(1, 1))), []);
    cluster.act(2, Raft::forget_leader).expect("it follows");
    assert_eq!((cluster.raft(2).leader(), cluster.raft(2).term()), (None, Term(1)));
    let granted = envelope(2, 3, 2, knowing(at(1, 1), pre_vote(true)));
    assert_eq!(cluster.tell(2, 3, 2, request_pre_vote(at(1, 1))), [granted]);
}

/// The timer goes on as if nothing had happened.
#[test]
fn forgetting_does_not_touch_the_timer() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.tick(2, 4);
    let before = cluster.raft(2).ticks_until_timeout();
    cluster.act(2, Raft::forget_leader).expect("it follows");
    assert_eq!(cluster.raft(2).ticks_until_timeout(), before);
    assert!(!cluster.raft(2).wants_election_timeout());
}

#[test]
fn a_leader_that_lives_is_remembered() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.act(2, Raft::forget_leader).expect("it follows");
    cluster.tick(1, 2);
    cluster.settle();
    assert_eq!(cluster.raft(2).leader(), Some(node(1)));
}

#[test]
fn there_must_be_a_leader_to_forget() {
    let mut cluster = Cluster::new(3);
    assert_eq!(cluster.act(1, Raft::forget_leader), Err(ForgetLeaderError::NoLeader));
    cluster.campaign(1);
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
    assert_eq!(cluster.act(1, Raft::forget_leader), Err(ForgetLeaderError::NoLeader));
    cluster.settle();
    assert_eq!(cluster.act(1, Raft::forget_leader), Err(ForgetLeaderError::IsLeader { id: node(1) }));
}

#[test]
fn under_etcds_leases_nobody_forgets() {
    let mut cluster = Cluster::configured(3, |config| config.read_mode = ReadMode::EtcdLease);
    cluster.elect(1);
    let error = ForgetLeaderError::LeaseMayHold { leader: node(1) };
    assert_eq!(cluster.act(2, Raft::forget_leader), Err(error));
    assert_eq!(cluster.raft(2).leader(), Some(node(1)));
}
