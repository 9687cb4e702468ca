//! §6.2: leaders that are cut off.

use super::*;

/// A leader that cannot reach a majority could not commit anything, and its clients had
/// better ask elsewhere.
#[test]
fn a_leader_that_hears_from_no_quorum_steps_down() {
    let mut cluster = Cluster::new(5);
    cluster.elect(1);
    cluster.tick(1, 10); // what it has heard during its election counts for the first period
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    cluster.tick(1, 9);
    cluster.tell(1, 2, 1, heartbeat_reply(None));
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower, "two of five are no quorum");
    assert_eq!(cluster.raft(1).term(), Term(1));
    assert_eq!(cluster.raft(1).leader(), None);
}

#[test]
fn any_sign_of_a_quorum_keeps_a_leader() {
    for sign in [heartbeat_reply(None), matched(1), matched(0), mismatched(9, at(0, 0))] {
        let mut cluster = Cluster::new(3);
        cluster.elect(1);
        for _ in 0..5 {
            cluster.tick(1, 10);
            cluster.tell(1, 2, 1, sign.clone());
        }
        assert_eq!(cluster.raft(1).role(), RoleKind::Leader, "{sign:?}");
    }
}

#[test]
fn without_check_quorum_a_leader_that_is_cut_off_goes_on() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.tick(1, 100);
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
}
