//! §6.4.1: reads by a lease, "using clocks to reduce messaging".

use raft_core::{CampaignError, Config, ForgetLeaderError, ReadMode, ReadState};

use super::*;

fn with_leases(config: &mut Config) {
    config.read_mode = ReadMode::Lease { margin: ticks(0) };
}

/// Lets the time go by after which a server that starts votes, and elects server 1.
fn leader_with_lease() -> Cluster {
    let mut cluster = Cluster::configured(3, with_leases);
    for id in 1..=3 {
        cluster.act(id, |raft| {
            raft.set_election_timeout(ticks(19)).expect("it is in range");
            raft.advance(ticks(10));
        });
    }
    cluster.elect(1);
    cluster
}

/// A round of heartbeats, answered by all.
fn round(cluster: &mut Cluster) {
    cluster.tick(1, 2);
    cluster.settle();
}

/// Whether a read is answered without waiting for anybody.
fn reads_at_once(cluster: &mut Cluster) -> bool {
    cluster.take_reads(1);
    let id = cluster.act(1, Raft::read_index).expect("it leads");
    matches!(cluster.take_reads(1)[..], [ReadState::Confirmed { id: answer, .. }] if answer == id)
}

#[test]
fn a_leader_answers_at_once_while_a_quorum_has_answered_it() {
    let mut cluster = leader_with_lease();
    assert!(!reads_at_once(&mut cluster), "no heartbeat has been answered");
    cluster.settle();
    assert!(reads_at_once(&mut cluster));
}

/// The time counts from when the heartbeats left, not from when the answers came; two ticks are lost to rounding.
#[test]
fn a_lease_ends_an_election_timeout_after_its_heartbeats_left() {
    let mut cluster = leader_with_lease();
    cluster.tick(1, 2);
    let heartbeat = cluster.take(1, 2, "Heartbeat");
    cluster.step(heartbeat).expect("a message of a peer");
    let reply = cluster.take(2, 1, "HeartbeatReply");
    cluster.tick(1, 5);
    cluster.step(reply).expect("a message of a peer");
    cluster.cut_off(1);
    for left in [4, 3, 2, 1] {
        assert!(reads_at_once(&mut cluster), "{left} more ticks");
        cluster.tick(1, 1);
    }
    assert!(!reads_at_once(&mut cluster));
}

/// The two ticks are needed: a voter may hear the heartbeat just before its own tick, and the leader reads its count just
/// before its next one.
#[test]
fn no_other_server_is_elected_while_the_lease_holds() {
    let mut cluster = leader_with_lease();
    round(&mut cluster);
    // Server 2 has its first tick at once.
    cluster.tick(2, 1);
    cluster.cut_off(1);
    for elapsed in 1..=10 {
        let refused = matches!(cluster.act(2, Raft::campaign), Err(CampaignError::LeaseMayHold { .. }));
        assert!(refused || !reads_at_once(&mut cluster), "after {elapsed} ticks");
        for id in 1..=3 {
            cluster.tick(id, 1);
        }
        cluster.settle();
    }
    assert_ne!(cluster.raft(2).role(), RoleKind::Follower, "it stands in the end");
}

/// A voter keeps its vote to itself in whatever term it is: it may learn of a later one meanwhile.
#[test]
fn a_later_term_does_not_free_a_vote_that_is_withheld() {
    let mut cluster = leader_with_lease();
    round(&mut cluster);
    cluster.tell(2, 3, 7, vote(false));
    assert_eq!((cluster.raft(2).term(), cluster.raft(2).leader()), (Term(7), None));
    for term in [7, 8] {
        assert_eq!(cluster.tell(2, 3, term, request_vote(at(1, 1))), []);
        assert_eq!(cluster.tell(2, 3, term, request_pre_vote(at(1, 1))), []);
    }
    cluster.act(2, |raft| raft.set_election_timeout(ticks(19))).expect("it is in range");
    cluster.tick(2, 9);
    assert_eq!(cluster.tell(2, 3, 7, request_vote(at(1, 1))), []);
    cluster.tick(2, 1);
    assert_eq!(
        cluster.tell(2, 3, 7, request_vote(at(1, 1))),
        [envelope(2, 3, 7, knowing(at(1, 1), vote(true)))]
    );
}

/// A server that starts again does not know whom it has heard from.
#[test]
fn a_server_that_starts_again_withholds_its_vote() {
    let mut cluster = leader_with_lease();
    cluster.crash(2);
    cluster.restart(2);
    assert_eq!(cluster.tell(2, 3, 7, request_vote(at(1, 1))), []);
    let left = CampaignError::LeaseMayHold { left: ticks(10) };
    assert_eq!(cluster.act(2, Raft::campaign), Err(left));
    cluster.act(2, |raft| raft.set_election_timeout(ticks(19))).expect("it is in range");
    cluster.tick(2, 10);
    assert_eq!(cluster.tell(2, 3, 7, request_vote(at(1, 1))), [envelope(2, 3, 7, vote(true))]);
}

/// Whoever is told to stand is elected at once, and the message that tells it may be under way for ever.
#[test]
fn a_lease_ends_for_good_with_a_transfer() {
    let mut cluster = leader_with_lease();
    round(&mut cluster);
    assert!(reads_at_once(&mut cluster));
    cluster.act(1, |raft| raft.transfer_leadership(node(2))).expect("it leads");
    let timeout_now = cluster.take(1, 2, "TimeoutNow");
    assert!(!reads_at_once(&mut cluster));
    for _ in 0..6 {
        round(&mut cluster);
    }
    assert_eq!(cluster.raft(1).transferee(), None, "it was given up");
    assert!(!reads_at_once(&mut cluster));
    cluster.settle();
    cluster.take_reads(1);
    cluster.step(timeout_now).expect("a message of a peer");
    cluster.settle();
    assert_eq!(cluster.raft(2).role(), RoleKind::Leader);
}

#[test]
fn a_lease_needs_a_quorum_of_answers() {
    let mut cluster = Cluster::configured(5, with_leases);
    for id in 1..=5 {
        cluster.act(id, |raft| {
            raft.set_election_timeout(ticks(19)).expect("it is in range");
            raft.advance(ticks(10));
        });
    }
    cluster.elect(1);
    cluster.tick(1, 2);
    for (follower, holds) in [(2, false), (3, true)] {
        let heartbeat = cluster.take(1, follower, "Heartbeat");
        cluster.step(heartbeat).expect("a message of a peer");
        let reply = cluster.take(follower, 1, "HeartbeatReply");
        cluster.step(reply).expect("a message of a peer");
        assert_eq!(reads_at_once(&mut cluster), holds, "with {follower}");
    }
}

/// Its commit index may be behind what earlier leaders have committed.
#[test]
fn a_lease_does_not_answer_before_the_first_commit() {
    let mut cluster = leader_with_lease();
    cluster.cut_off(1);
    for _ in 0..10 {
        for id in [2, 3] {
            cluster.tick(id, 1);
        }
    }
    let _ = cluster.act(2, Raft::campaign);
    for kind in ["RequestPreVote", "RequestPreVoteReply", "RequestVote", "RequestVoteReply"] {
        let (from, to) = if kind.ends_with("Reply") { (3, 2) } else { (2, 3) };
        let message = cluster.take(from, to, kind);
        cluster.step(message).expect("a message of a peer");
    }
    cluster.tell(2, 3, 2, raft_core::Message::HeartbeatReply { read: None, sent_at: Some(ticks(0)) });
    let id = cluster.act(2, Raft::read_index).expect("it leads");
    assert_eq!(cluster.take_reads(2), [], "nothing of its term is committed");
    cluster.settle();
    assert_eq!(cluster.take_reads(2), [ReadState::Confirmed { id, index: LogIndex(2) }]);
}

#[test]
fn a_leader_that_may_hold_a_lease_is_not_forgotten() {
    let mut cluster = leader_with_lease();
    let error = ForgetLeaderError::LeaseMayHold { leader: node(1) };
    assert_eq!(cluster.act(2, Raft::forget_leader), Err(error));
}

/// etcd's lease is the leadership itself, once the term has a commit.
#[test]
fn the_lease_of_etcd_holds_as_long_as_the_leader_leads() {
    let mut cluster = Cluster::configured(3, |config| config.read_mode = ReadMode::EtcdLease);
    cluster.campaign(1);
    cluster.settle();
    assert!(reads_at_once(&mut cluster));
    cluster.cut_off(1);
    cluster.tick(1, 9);
    assert!(reads_at_once(&mut cluster), "check-quorum has not looked yet");
}
