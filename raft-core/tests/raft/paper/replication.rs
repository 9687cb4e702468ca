//! §3.5: replication of the log.

use super::*;
use raft_core::Message;

/// No follower waits for another.
#[test]
fn a_command_is_sent_to_everybody_at_once() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    assert_eq!(cluster.propose(1, "1@2"), at(1, 2));
    let entry = |to| envelope(1, to, 1, append(at(1, 1), &[1], 1));
    assert_eq!(cluster.mail, [entry(2), entry(3)]);
}

/// Committed is what more than half of all servers hold, and whatever stands before it.
#[test]
fn an_entry_commits_once_a_majority_holds_it_and_those_before_it_with_it() {
    for (size, needed) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
        let mut cluster = Cluster::plain(size);
        cluster.elect(1);
        cluster.mail.clear();
        cluster.propose(1, "a");
        cluster.propose(1, "b");
        for follower in 2..2 + needed {
            assert_eq!(cluster.commit(1), 1, "{size} servers, before {follower}");
            cluster.tell(1, follower, 1, matched(3));
        }
        assert_eq!(cluster.commit(1), 3, "{size} servers");
        assert_eq!(cluster.applied(1).len(), 3, "{size} servers");
    }
}

/// The commit index travels with the entries, and what it covers is applied from the
/// first entry to the last.
#[test]
fn followers_learn_what_is_committed_and_apply_it_in_order() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    for command in ["a", "b", "c"] {
        cluster.propose(1, command);
    }
    cluster.settle();
    let applied: Vec<_> = cluster.applied(2).iter().map(|(id, _)| *id).collect();
    assert_eq!(applied, [at(1, 1), at(1, 2), at(1, 3), at(1, 4)]);
    assert_eq!(cluster.applied(2), cluster.applied(1));
    assert_eq!(cluster.applied(3), cluster.applied(1));
}

/// The leader does not give up on a follower, be it slow or cut off.
#[test]
fn a_follower_that_missed_everything_catches_up() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.cut_off(3);
    for command in ["a", "b", "c"] {
        cluster.propose(1, command);
        cluster.settle();
    }
    assert_eq!(cluster.log(3), [1]);
    cluster.heal();
    for _ in 0..3 {
        cluster.tick(1, 2);
        cluster.settle();
    }
    assert_eq!(cluster.log(3), [1, 1, 1, 1]);
    assert_eq!(cluster.commit(3), 4);
}

/// By induction, whoever takes entries this way holds the same log as the leader up to them.
#[test]
fn entries_are_taken_only_behind_an_entry_that_is_held() {
    let takes = [at(0, 0), at(1, 1), at(2, 2)];
    let refuses = [(at(1, 2), at(1, 1)), (at(3, 2), at(2, 2)), (at(2, 3), at(2, 2)), (at(3, 9), at(2, 2))];
    for prev in takes {
        let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[], &[]], |_| ());
        let replies = cluster.tell(1, 2, 3, append(prev, &[3], 0));
        assert_eq!(replies, [envelope(1, 2, 3, matched(prev.index.0 + 1))]);
    }
    for (prev, hint) in refuses {
        let mut cluster = Cluster::with_logs(3, &[&[1, 2], &[], &[]], |_| ());
        let replies = cluster.tell(1, 2, 3, append(prev, &[3], 0));
        assert_eq!(replies, [envelope(1, 2, 3, mismatched(prev.index.0, hint))], "behind {prev}");
        assert_eq!(cluster.log(1), [1, 2]);
    }
}

/// Where logs differ the leader's wins: the conflicting entry goes with all behind it,
/// and nothing before it.
#[test]
fn a_conflict_removes_the_entry_and_all_behind_it() {
    let cases: [(_, &[u64], &[u64]); 6] = [
        (at(0, 0), &[3], &[3]),
        (at(1, 1), &[3], &[1, 3]),
        (at(1, 1), &[2, 3], &[1, 2, 3]),
        (at(1, 1), &[2, 2, 3, 3], &[1, 2, 2, 3, 3]),
        (at(2, 2), &[3, 3], &[1, 2, 3, 3]),
        (at(2, 3), &[3], &[1, 2, 2, 3]),
    ];
    for (prev, terms, log) in cases {
        let mut cluster = Cluster::with_logs(3, &[&[1, 2, 2], &[], &[]], |_| ());
        let end = prev.index.0 + terms.len() as u64;
        assert_eq!(
            cluster.tell(1, 2, 3, append(prev, terms, 0)),
            [envelope(1, 2, 3, matched(end))],
            "{terms:?} behind {prev}"
        );
        assert_eq!(cluster.log(1), log, "{terms:?} behind {prev}");
        assert_eq!(cluster.disk(1).log.last(), cluster.raft(1).last());
    }
}

/// Figure 2 removes entries on a conflict only. A message that comes late, or twice, must not cut off what
/// a later one has added, for that may be acknowledged and committed.
#[test]
fn entries_that_are_held_already_remove_nothing() {
    for (prev, terms) in
        [(at(0, 0), &[][..]), (at(0, 0), &[1]), (at(0, 0), &[1, 2]), (at(1, 1), &[2]), (at(2, 2), &[])]
    {
        let mut cluster = Cluster::with_logs(3, &[&[1, 2, 2], &[], &[]], |_| ());
        let end = prev.index.0 + terms.len() as u64;
        let replies = cluster.tell(1, 2, 3, append(prev, terms, 0));
        assert_eq!(replies, [envelope(1, 2, 3, matched(end))], "only what the message covers");
        assert_eq!(cluster.log(1), [1, 2, 2], "after {terms:?} behind {prev}");
    }
}

/// Figure 2: the leader's commit index, but no further than the entries that came with it.
#[test]
fn a_follower_commits_only_what_the_message_vouches_for() {
    for (prev, terms, leader_commit, commit) in [
        (at(0, 0), &[1][..], 3, 1),
        (at(1, 1), &[], 3, 1),
        (at(1, 1), &[2], 3, 2),
        (at(1, 1), &[2, 2], 2, 2),
        (at(2, 3), &[3], 3, 3),
        (at(2, 3), &[3], u64::MAX, 4),
        (at(3, 3), &[3], 3, 0),
    ] {
        let mut cluster = Cluster::with_logs(3, &[&[1, 2, 2], &[], &[]], |_| ());
        cluster.tell(1, 2, 3, append(prev, terms, leader_commit));
        assert_eq!(cluster.commit(1), commit, "{terms:?} behind {prev}, commit {leader_commit}");
    }
}

#[test]
fn a_commit_index_never_goes_back() {
    let mut cluster = Cluster::with_logs(1, &[&[1, 1], &[], &[]], |_| ());
    cluster.tell(1, 2, 1, append(at(1, 2), &[], 2));
    for late in [append(at(1, 2), &[], 1), append(at(0, 0), &[1], 1), heartbeat(0, None)] {
        cluster.tell(1, 2, 1, late);
        assert_eq!(cluster.commit(1), 2);
    }
}

/// A message from before what is committed: all up to there is known to match.
#[test]
fn entries_before_the_commit_index_are_answered_with_it() {
    let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], |_| ());
    cluster.tell(1, 2, 1, append(at(1, 2), &[], 2));
    assert_eq!(cluster.tell(1, 2, 1, append(at(0, 0), &[1], 0)), [envelope(1, 2, 1, matched(2))]);
}

/// Figure 7: a leader of term 8 meets every way in which logs can differ, and makes them equal its own.
#[test]
fn a_leader_brings_every_log_of_figure_7_to_agree_with_its_own() {
    let mut cluster = Cluster::with_logs(
        7,
        &[
            &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
            &[1, 1, 1, 4, 4, 5, 5, 6, 6],
            &[1, 1, 1, 4],
            &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
            &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
            &[1, 1, 1, 4, 4, 4, 4],
            &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
        ],
        plain,
    );
    cluster.elect(1);
    cluster.tick(1, 2);
    cluster.settle();
    for id in cluster.ids() {
        assert_eq!(cluster.log(id), [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8], "server {id}");
        assert_eq!(cluster.applied(id), cluster.applied(1), "server {id}");
        assert_eq!(cluster.disk(id).log, cluster.disk(1).log, "the disk of server {id}");
    }
}

/// A refusal that helps to find the match costs one round for each conflicting term, not for each entry.
#[test]
fn a_refusal_skips_whole_terms() {
    let mut cluster = Cluster::with_logs(3, &[&[1, 1, 2, 2, 2, 2], &[1, 1, 3, 3, 3, 3, 3], &[]], plain);
    assert_eq!(
        cluster.tell(2, 1, 4, append(at(2, 6), &[4], 0)),
        [envelope(2, 1, 4, mismatched(6, at(1, 2)))],
        "by the follower's log, which holds nothing of term 2"
    );
    let mut cluster = Cluster::with_logs(3, &[&[1, 1, 3, 3, 3], &[1, 1, 2, 2, 2], &[]], plain);
    cluster.campaign(1);
    cluster.tell(1, 3, 4, vote(true));
    let probes = cluster.tell(1, 2, 4, mismatched(5, at(2, 5)));
    assert_eq!(probes.len(), 1);
    let Message::AppendEntries { entries, .. } = &probes[0].message else { panic!("{probes:?}") };
    assert_eq!(entries.prev(), at(1, 2), "by the leader's log, which holds nothing of term 2");
}
