//! §3.6: safety.

use super::*;

/// §3.6.1: logs compare by the term of their last entry first, and by their length only if it is the same.
#[test]
fn a_vote_goes_only_to_a_log_that_is_at_least_as_complete() {
    for (last, granted) in [
        (at(0, 0), false),
        (at(1, 1), false),
        (at(1, 9), false),
        (at(2, 1), false),
        (at(2, 2), true),
        (at(2, 3), true),
        (at(3, 1), true),
    ] {
        let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[], &[]], |_| ());
        assert_eq!(cluster.tell(1, 2, 4, request_vote(last)), [envelope(1, 2, 4, vote(granted))], "{last}");
        let given = cluster.raft(1).hard_state().vote();
        assert_eq!(given, granted.then_some(node(2)), "a refusal leaves the vote free");
        let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[], &[]], |_| ());
        let term = if granted { 4 } else { 3 };
        let replies = cluster.tell(1, 2, 4, request_pre_vote(last));
        assert_eq!(replies, [envelope(1, 2, term, pre_vote(granted))], "{last}");
    }
}

/// The vote once given is no reason to give it to a log that is worse by now.
#[test]
fn a_repeated_request_is_held_to_the_same_standard() {
    let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[], &[]], |_| ());
    assert_eq!(cluster.tell(1, 2, 4, request_vote(at(2, 2))), [envelope(1, 2, 4, vote(true))]);
    assert_eq!(cluster.tell(1, 2, 4, request_vote(at(2, 1))), [envelope(1, 2, 4, vote(false))]);
}

/// §3.6.2, Figure 8: counting replicas commits entries of the current term only.
#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[1, 2], &[1], &[1], &[1, 3]], plain);
    cluster.campaign(1);
    cluster.tell(1, 2, 4, vote(true));
    cluster.tell(1, 3, 4, vote(true));
    cluster.tell(1, 2, 4, matched(2));
    cluster.tell(1, 3, 4, matched(2));
    cluster.tell(1, 4, 4, matched(2));
    assert_eq!(cluster.commit(1), 0, "(c): on a majority, and yet it may be overwritten");
    cluster.tell(1, 2, 4, matched(3));
    assert_eq!(cluster.commit(1), 0);
    cluster.tell(1, 3, 4, matched(3));
    assert_eq!(cluster.commit(1), 3, "(e): with an entry of term 4, everything before it is committed too");
}

/// Figure 8 to its end (d): the entry of term 2 that was on a majority is overwritten,
/// and nobody has applied it.
#[test]
fn figure_8_loses_nothing_that_was_committed() {
    let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[1, 2], &[1, 2], &[1], &[1, 3]], plain);
    cluster.cut_off(5);
    cluster.campaign(1);
    cluster.deliver_to(2);
    cluster.deliver_to(3);
    cluster.deliver_to(1);
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    cluster.mail.clear();
    cluster.heal();
    cluster.cut_off(1);
    cluster.campaign(5); // in term 4, which is taken
    cluster.settle();
    cluster.elect(5);
    for id in [2, 3, 4, 5] {
        assert_eq!(cluster.log(id), [1, 3, 5], "server {id}");
        assert_eq!(cluster.applied(id).get(1).map(|(id, _)| *id), Some(at(3, 2)));
    }
    assert_eq!(cluster.applied(1), []);
}

/// Figure 3, Leader Append-Only: a leader only ever adds to its log.
#[test]
fn a_new_leader_keeps_what_it_holds() {
    let mut cluster = Cluster::with_logs(2, &[&[1, 1, 2], &[1], &[1]], plain);
    cluster.elect(1);
    assert_eq!(cluster.log(1), [1, 1, 2, 3]);
    assert_eq!(cluster.commit(1), 4);
}
