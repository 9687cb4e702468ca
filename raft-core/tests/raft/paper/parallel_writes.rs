//! §10.2.1: the leader's own disk.

use super::*;

/// The disk of the leader works at the same time as those of its followers.
#[test]
fn a_leader_sends_its_entries_before_they_are_durable() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.slow_disk(1);
    cluster.propose(1, "1@2");
    assert_eq!(cluster.writes(1).len(), 1);
    assert_eq!(cluster.mail[0], envelope(1, 2, 1, append(at(1, 1), &[1], 1)));
}

/// Any majority will do, and the leader need not be part of it.
#[test]
fn a_leader_commits_what_a_quorum_of_others_holds() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.slow_disk(1);
    cluster.propose(1, "x");
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.commit(1), 1, "the leader's own copy does not count yet");
    cluster.tell(1, 3, 1, matched(2));
    assert_eq!(cluster.commit(1), 2);
}

#[test]
fn a_leader_counts_itself_once_its_copy_is_durable() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.slow_disk(1);
    cluster.propose(1, "x");
    cluster.tell(1, 2, 1, matched(2));
    cluster.flush(1);
    assert_eq!(cluster.commit(1), 2);
}
