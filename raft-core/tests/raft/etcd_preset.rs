//! The preset that behaves as etcd does, where it differs from the default.

use raft_core::{
    Config, Configuration, LogIndex, Message, RoleKind, SnapshotHandle, SnapshotMeta, Term, Ticks,
};

use crate::cluster::{Cluster, append, at, envelope, matched, node, pre_vote, request_vote, vote};

/// Three servers with the preset, whose writes wait.
fn slow_cluster() -> Cluster {
    let mut cluster = Cluster::configured(3, |config| *config = Config::etcd(config.id));
    for id in 1..=3 {
        cluster.slow_disk(id);
    }
    cluster
}

fn gated(cluster: &Cluster, id: u64) -> Vec<(u64, u64, Message)> {
    let writes = cluster.writes(id).iter().flat_map(|write| write.gated());
    writes.map(|message| (message.to().number(), message.term().0, message.message().clone())).collect()
}

/// A candidate's own vote shows in the write, as a message to itself. It counts with the receipt.
#[test]
fn an_own_vote_waits_like_any_answer() {
    let mut cluster = slow_cluster();
    cluster.campaign(1);
    let asked: Vec<_> = cluster.mail.iter().map(|mail| mail.message.clone()).collect();
    assert_eq!(asked, [2, 3].map(|_| request_vote(at(0, 0))), "its requests do not wait");
    assert_eq!(gated(&cluster, 1), [(1, 1, vote(true))]);
    cluster.tell(1, 2, 1, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "one vote of three");
    cluster.mail.clear();
    cluster.flush(1);
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    let to_itself = cluster.mail.iter().find(|mail| mail.to == node(1));
    assert_eq!(to_itself, None, "it is not to be sent");
}

/// An answer waits for a write even if it promises nothing.
#[test]
fn every_answer_to_a_candidate_or_to_entries_waits() {
    let mut cluster = slow_cluster();
    cluster.tell(2, 1, 1, append(at(0, 0), &[1], 0));
    while !cluster.writes(2).is_empty() {
        cluster.flush(2);
    }
    cluster.mail.clear();
    assert_eq!(cluster.tell(2, 3, 1, request_vote(at(0, 0))), []);
    assert_eq!(gated(&cluster, 2), [(3, 1, vote(false))]);
    let heartbeat = Message::Heartbeat { commit: LogIndex(0), read: None, sent_at: None };
    let reply = Message::HeartbeatReply { read: None, sent_at: None };
    assert_eq!(cluster.tell(2, 1, 1, heartbeat), [envelope(2, 1, 1, reply)], "this one does not");
}

/// A commit index alone makes a write, which no other rule would.
#[test]
fn a_commit_alone_is_written() {
    let mut cluster = slow_cluster();
    cluster.tell(2, 1, 1, append(at(0, 0), &[1], 0));
    while !cluster.writes(2).is_empty() {
        cluster.flush(2);
    }
    cluster.tell(2, 1, 1, Message::Heartbeat { commit: LogIndex(1), read: None, sent_at: None });
    let write = cluster.writes(2).back().expect("the commit index");
    assert_eq!((write.commit(), write.entries(), write.hard_state()), (LogIndex(1), None, None));
}

fn snapshot(cluster: &mut Cluster) -> SnapshotMeta {
    // Any bytes will do: those of an empty state machine.
    let handle = SnapshotHandle(cluster.keep_bytes(Vec::new()));
    SnapshotMeta { last: at(1, 5), configuration: Configuration::of_voters([1, 2, 3].map(node)), handle }
}

/// A receipt of an earlier term vouches for no entries, but a snapshot that is durable is durable.
#[test]
fn a_late_receipt_vouches_for_a_snapshot_and_not_for_entries() {
    let mut cluster = slow_cluster();
    let snapshot = snapshot(&mut cluster);
    cluster.tell(2, 1, 1, Message::InstallSnapshot { snapshot: Box::new(snapshot) });
    cluster.tell(2, 3, 2, request_vote(at(1, 9)));
    assert_eq!(cluster.raft(2).term(), Term(2));
    cluster.flush(2);
    assert_eq!(cluster.raft(2).applied(), LogIndex(5));
    let mut cluster = slow_cluster();
    cluster.tell(2, 1, 1, append(at(0, 0), &[1, 1], 0));
    cluster.tell(2, 3, 2, request_vote(at(1, 9)));
    cluster.flush(2);
    assert_eq!(cluster.writes(2)[0].vouches_for(), Some(at(1, 2)), "the next one does");
}

/// Entries may be applied as soon as they are committed.
#[test]
fn entries_are_applied_before_they_are_durable() {
    let mut cluster = slow_cluster();
    cluster.tell(2, 1, 1, append(at(0, 0), &[1], 1));
    assert_eq!(cluster.applied(2).len(), 1);
    assert_eq!(cluster.raft(2).applied(), LogIndex(1));
}

/// So do a pre-candidate's own pre-vote, which otherwise counts at once, and a leader's own entries.
#[test]
fn an_own_pre_vote_and_own_entries_wait_like_any_answer() {
    let configure = |config: &mut Config| *config = Config { pre_vote: true, ..Config::etcd(config.id) };
    let mut cluster = Cluster::configured(1, configure);
    cluster.slow_disk(1);
    cluster.campaign(1);
    for (role, promise) in [
        (RoleKind::PreCandidate, (1, 1, pre_vote(true))),
        (RoleKind::Candidate, (1, 1, vote(true))),
        (RoleKind::Leader, (1, 1, matched(1))),
    ] {
        assert_eq!(cluster.raft(1).role(), role);
        assert_eq!(gated(&cluster, 1), [promise]);
        assert_eq!(cluster.commit(1), 0);
        cluster.flush(1);
    }
    assert_eq!(cluster.commit(1), 1);
}

/// A cluster of servers with the preset elects, replicates and commits like any other.
#[test]
fn the_preset_makes_a_cluster() {
    let mut cluster = Cluster::configured(3, |config| *config = Config::etcd(config.id));
    cluster.elect(2);
    cluster.act(1, |raft| raft.propose("x".into())).expect("it is passed on");
    cluster.settle();
    for id in 1..=3 {
        assert_eq!(cluster.applied(id).len(), 2);
    }
    let config: &Config = cluster.raft(1).config();
    assert_eq!(config.heartbeat_interval, Ticks(1));
}
