//! §4.2.3: servers that would disturb a leader.

use super::*;

/// Whoever has heard a leader lately does not help to depose it: no vote, and no new term either.
#[test]
fn a_server_that_hears_a_leader_ignores_candidates() {
    for request in [request_vote(at(9, 9)), request_pre_vote(at(9, 9))] {
        let mut cluster = Cluster::new(3);
        cluster.tell(1, 2, 1, heartbeat(0, None));
        cluster.tick(1, 9);
        let before = cluster.raft(1).clone();
        assert_eq!(cluster.tell(1, 3, 5, request.clone()), []);
        assert_eq!(*cluster.raft(1), before);
    }
}

/// The randomised timeout of a follower may be longer, but the protection ends with the shortest.
#[test]
fn a_server_that_has_heard_no_leader_for_the_shortest_timeout_answers() {
    for (request, granted) in
        [(request_vote(at(9, 9)), vote(true)), (request_pre_vote(at(9, 9)), pre_vote(true))]
    {
        let mut cluster = Cluster::new(3);
        cluster.tell(1, 2, 1, heartbeat(0, None));
        cluster.act(1, |raft| raft.set_election_timeout(ticks(15))).unwrap();
        cluster.tick(1, 10);
        assert_eq!(cluster.tell(1, 3, 5, request), [envelope(1, 3, 5, granted)]);
    }
}

#[test]
fn without_a_known_leader_nobody_is_protected() {
    let mut cluster = Cluster::new(3);
    assert_eq!(cluster.tell(1, 3, 5, request_vote(at(9, 9))), [envelope(1, 3, 5, vote(true))]);
}

/// A leader hears itself.
#[test]
fn a_leader_protects_itself() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    assert_eq!(cluster.tell(1, 3, 5, request_vote(at(9, 9))), []);
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
}

#[test]
fn without_check_quorum_every_candidate_is_heard() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    assert_eq!(
        cluster.tell(1, 3, 5, request_vote(at(9, 9))),
        [envelope(1, 3, 5, knowing(at(1, 1), vote(true)))]
    );
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
}
