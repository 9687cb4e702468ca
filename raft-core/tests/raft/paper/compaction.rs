//! §5: log compaction.

use raft_core::{
    CampaignError, CompactError, Envelope, Message, ProgressState, ReportError, SnapshotError,
    SnapshotOutcome,
};

use super::*;

/// A leader with three committed entries, none of which it keeps; server 3 has got none of them.
fn compacted_without(cut_off: u64) -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.cut_off(cut_off);
    for command in ["x", "y"] {
        cluster.propose(1, command);
    }
    cluster.settle();
    cluster.compact(1);
    assert_eq!((cluster.raft(1).base(), cluster.raft(1).last()), (at(1, 3), at(1, 3)));
    cluster
}

/// Has the leader find out what server 3 lacks.
fn probe(cluster: &mut Cluster) {
    cluster.heal();
    cluster.tick(1, 2);
    let is_other = |mail: &Envelope| mail.message.kind() != "InstallSnapshot";
    while let Some(position) = cluster.mail.iter().position(is_other) {
        let message = cluster.mail.remove(position);
        cluster.step(message).expect("a message of a peer");
    }
}

fn install(snapshot: SnapshotMeta) -> Message {
    Message::InstallSnapshot { snapshot: Box::new(snapshot) }
}

fn pending_snapshot(cluster: &Cluster) -> Option<u64> {
    let mut peers = cluster.raft(1).peers();
    match peers.find(|(id, _)| *id == node(3)).map(|(_, progress)| progress.state())? {
        ProgressState::Snapshot { pending } => Some(pending.0),
        ProgressState::Probe | ProgressState::Replicate(_) => None,
    }
}

/// §5: "the Raft log [...] is truncated" behind a snapshot, which "stores the last included index and term".
#[test]
fn a_snapshot_takes_the_place_of_a_prefix_of_the_log() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.propose(1, "x");
    cluster.propose(1, "y");
    cluster.settle();
    let snapshot = cluster.take_snapshot(1);
    assert_eq!(snapshot.last, at(1, 3));
    assert_eq!(cluster.raft(1).base(), at(0, 0), "a snapshot alone removes nothing");
    cluster.compact_to(1, 2);
    assert_eq!(cluster.raft(1).base(), at(1, 2));
    let kept = [1, 2, 3].map(|index| cluster.raft(1).entry_term(LogIndex(index)));
    assert_eq!(kept, [None, Some(Term(1)), Some(Term(1))], "of the last one removed the term is kept");
}

/// §5.1: the snapshot holds the configuration of its last entry, since the entry that holds it may be gone.
#[test]
fn a_snapshot_holds_the_latest_configuration() {
    let cluster = compacted_without(3);
    let snapshot = cluster.raft(1).snapshot().expect("it was taken");
    assert_eq!(&snapshot.configuration, cluster.raft(1).configuration());
}

/// §5: a follower so far behind that the leader "has already discarded the next log entry that it needs to send"
/// gets a snapshot, and goes on from there.
#[test]
fn a_follower_that_needs_what_is_discarded_gets_the_snapshot() {
    let mut cluster = compacted_without(3);
    probe(&mut cluster);
    assert_eq!(pending_snapshot(&cluster), Some(3));
    cluster.propose(1, "z");
    cluster.settle();
    assert_eq!(pending_snapshot(&cluster), None);
    assert_eq!(cluster.applied(3), cluster.applied(1));
    assert_eq!((cluster.raft(3).base(), cluster.commit(3), cluster.log(3)), (at(1, 3), 4, vec![1]));
}

/// One that lacks what is kept gets entries.
#[test]
fn a_follower_that_lags_a_little_gets_entries() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.cut_off(3);
    cluster.propose(1, "x");
    cluster.propose(1, "y");
    cluster.settle();
    cluster.take_snapshot(1);
    cluster.compact_to(1, 1);
    cluster.heal();
    cluster.tick(1, 2);
    cluster.settle();
    cluster.tick(1, 2);
    cluster.settle();
    assert_eq!((cluster.raft(3).base(), cluster.commit(3)), (at(0, 0), 3));
}

/// §5, at its end: a snapshot of a prefix removes no entries behind it, but says that the prefix is committed.
#[test]
fn a_snapshot_of_what_a_follower_holds_commits_it_and_removes_nothing() {
    let mut cluster = compacted_without(3);
    let snapshot = cluster.raft(1).snapshot().expect("it was taken").clone();
    cluster.heal();
    cluster.tell(3, 1, 1, append(at(1, 1), &[1, 1, 1], 1));
    assert_eq!(cluster.commit(3), 1);
    let reply = cluster.tell(3, 1, 1, install(snapshot));
    assert_eq!(reply, [envelope(3, 1, 1, matched(3))]);
    assert_eq!((cluster.commit(3), cluster.raft(3).base()), (3, at(0, 0)));
    assert_eq!(cluster.raft(3).last(), at(1, 4));
}

/// A snapshot that a follower has moved beyond is answered with what the follower knows to be committed.
#[test]
fn a_stale_snapshot_is_ignored() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    let snapshot = cluster.take_snapshot(1);
    cluster.propose(1, "x");
    cluster.settle();
    cluster.tick(1, 2);
    cluster.settle();
    let reply = cluster.tell(3, 1, 1, install(snapshot));
    assert_eq!(reply, [envelope(3, 1, 1, matched(2))]);
    assert_eq!(cluster.raft(3).base(), at(0, 0));
}

/// It may have compacted more than that.
#[test]
fn a_stale_snapshot_does_not_bring_a_compacted_log_back() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    let snapshot = cluster.take_snapshot(1);
    cluster.propose(1, "x");
    cluster.settle();
    cluster.compact(3);
    let reply = cluster.tell(3, 1, 1, install(snapshot));
    assert_eq!(reply, [envelope(3, 1, 1, matched(2))]);
    assert_eq!(cluster.raft(3).base(), at(1, 2));
}

/// What is applied before it is durable here cannot be in a snapshot yet: a restart would find a log that ends before it.
#[test]
fn a_snapshot_holds_what_is_durable() {
    let mut cluster = Cluster::configured(3, |config| config.apply_before_durable = true);
    cluster.slow_disk(3);
    cluster.tell(3, 1, 1, append(at(0, 0), &[1, 1], 2));
    assert_eq!(cluster.raft(3).applied(), LogIndex(2));
    let configuration = cluster.raft(3).configuration().clone();
    let snapshot = SnapshotMeta { last: at(1, 2), configuration, handle: SnapshotHandle(0) };
    let refused = cluster.act(3, |raft| raft.snapshot_available(snapshot.clone()));
    assert_eq!(refused, Err(SnapshotError::NotDurable { given: at(1, 2), durable: LogIndex(0) }));
    while !cluster.writes(3).is_empty() {
        cluster.flush(3);
    }
    assert_eq!(cluster.act(3, |raft| raft.snapshot_available(snapshot)), Ok(()));
}

/// A server that is no member in a snapshot would lose its place in the cluster by taking it.
#[test]
fn a_snapshot_without_oneself_is_ignored() {
    let mut cluster = Cluster::plain(3);
    let snapshot = SnapshotMeta {
        last: at(1, 5),
        configuration: Configuration::of_voters([1, 2].map(node)),
        handle: SnapshotHandle(0),
    };
    let reply = cluster.tell(3, 1, 1, install(snapshot));
    assert_eq!(reply, [envelope(3, 1, 1, matched(0))]);
    assert_eq!((cluster.raft(3).base(), cluster.commit(3)), (at(0, 0), 0));
}

/// Until the snapshot is durable it is neither acknowledged nor built upon.
#[test]
fn a_snapshot_is_acknowledged_once_it_is_durable() {
    let mut cluster = compacted_without(3);
    cluster.slow_disk(3);
    probe(&mut cluster);
    let message = cluster.take(1, 3, "InstallSnapshot");
    cluster.step(message).expect("a message of a peer");
    assert_eq!(cluster.raft(3).commit(), LogIndex(3));
    cluster.settle();
    assert_eq!(cluster.raft(3).applied(), LogIndex(1));
    assert_eq!(pending_snapshot(&cluster), Some(3), "no answer has come");
    let refused = cluster.act(3, Raft::campaign);
    assert_eq!(refused, Err(CampaignError::Restoring { snapshot: at(1, 3) }));
    cluster.act(3, |raft| raft.set_election_timeout(ticks(10))).expect("it is in range");
    assert_eq!(cluster.raft(3).ticks_until_timeout(), None);
    cluster.tell(3, 1, 1, Message::TimeoutNow);
    assert_eq!((cluster.raft(3).role(), cluster.raft(3).term()), (RoleKind::Follower, Term(1)));
    while !cluster.writes(3).is_empty() {
        cluster.flush(3);
    }
    assert_eq!(cluster.raft(3).applied(), LogIndex(3));
    cluster.settle();
    assert_eq!(pending_snapshot(&cluster), None);
}

/// A crash before the snapshot is durable leaves the old state, and one behind it the new.
#[test]
fn a_snapshot_survives_a_crash_if_it_was_durable() {
    for durable in [false, true] {
        let mut cluster = compacted_without(3);
        cluster.slow_disk(3);
        probe(&mut cluster);
        let message = cluster.take(1, 3, "InstallSnapshot");
        cluster.step(message).expect("a message of a peer");
        while durable && !cluster.writes(3).is_empty() {
            cluster.flush(3);
        }
        cluster.crash(3);
        cluster.restart(3);
        let expected = if durable { (at(1, 3), 3) } else { (at(0, 0), 0) };
        assert_eq!((cluster.raft(3).base(), cluster.raft(3).applied().0), expected);
        assert_eq!(cluster.applied(3).is_empty(), !durable);
    }
}

/// Entries that were being written when the snapshot came say nothing about it when they are durable.
#[test]
fn a_late_write_of_entries_does_not_vouch_for_a_snapshot() {
    let mut cluster = compacted_without(3);
    cluster.slow_disk(3);
    cluster.heal();
    cluster.tell(3, 1, 1, append(at(1, 1), &[1, 1], 1));
    let last = at(1, 9);
    let snapshot = SnapshotMeta { last, ..cluster.raft(1).snapshot().expect("it was taken").clone() };
    cluster.tell(3, 1, 1, install(snapshot));
    assert_eq!(cluster.writes(3).len(), 2);
    cluster.flush(3);
    assert_eq!(cluster.raft(3).applied(), LogIndex(1));
    cluster.mail.clear();
    cluster.flush(3);
    assert_eq!(cluster.raft(3).applied(), LogIndex(9));
    assert_eq!(cluster.mail, [envelope(3, 1, 1, matched(9))]);
}

/// A follower that is sent a snapshot is sent nothing else, until something is heard of it.
#[test]
fn nothing_is_sent_behind_a_snapshot() {
    let mut cluster = compacted_without(3);
    probe(&mut cluster);
    let _lost = cluster.take(1, 3, "InstallSnapshot");
    cluster.propose(1, "z");
    cluster.tick(1, 2);
    let sent: Vec<_> = cluster.mail.iter().filter(|mail| mail.to == node(3)).collect();
    assert_eq!(sent, [&envelope(1, 3, 1, heartbeat(1, None))]);
    cluster.settle();
    assert_eq!(pending_snapshot(&cluster), Some(3));
}

/// A transmission that failed begins anew with the next sign of life; one that succeeded is probed for.
#[test]
fn the_end_of_a_transmission_is_reported_by_the_driver() {
    for outcome in [SnapshotOutcome::Failed, SnapshotOutcome::Sent] {
        let mut cluster = compacted_without(3);
        probe(&mut cluster);
        let message = cluster.take(1, 3, "InstallSnapshot");
        if outcome == SnapshotOutcome::Sent {
            cluster.step(message).expect("a message of a peer");
            let _lost = cluster.take(3, 1, "AppendEntriesReply");
        }
        cluster.act(1, |raft| raft.report_snapshot(node(3), outcome)).expect("it was on its way");
        let progress = |cluster: &Cluster| {
            let (_, progress) = cluster.raft(1).peers().last().expect("server 3");
            (progress.next().0, progress.is_paused())
        };
        let next = if outcome == SnapshotOutcome::Sent { 4 } else { 2 };
        assert_eq!(progress(&cluster), (next, true), "nothing is sent before it is heard from");
        cluster.tick(1, 2);
        cluster.settle();
        assert_eq!(pending_snapshot(&cluster), None);
        assert_eq!(cluster.raft(3).last(), at(1, 3));
    }
}

/// Whatever the driver reports, an answer that the log goes on from ends the transmission.
#[test]
fn a_follower_that_caught_up_otherwise_needs_no_snapshot() {
    let mut cluster = compacted_without(3);
    probe(&mut cluster);
    let _on_its_way = cluster.take(1, 3, "InstallSnapshot");
    cluster.propose(1, "z");
    cluster.tell(1, 3, 1, matched(2));
    assert_eq!(pending_snapshot(&cluster), Some(3), "the log does not go on from there");
    let sent = cluster.tell(1, 3, 1, matched(3));
    assert_eq!(pending_snapshot(&cluster), None);
    assert_eq!(sent.len(), 1, "the entry behind it: {sent:?}");
}

/// A follower that is not heard from is not worth the effort.
#[test]
fn a_silent_follower_is_sent_no_snapshot() {
    for is_heard in [true, false] {
        let mut cluster = compacted_without(3);
        for _ in 0..2 {
            cluster.tick(1, 10);
            cluster.settle();
        }
        cluster.heal();
        cluster.act(1, |raft| raft.report_unreachable(node(3))).expect("it follows");
        if is_heard {
            cluster.tell(1, 3, 1, stale_term());
        }
        cluster.propose(1, "z");
        let sent = cluster.mail.iter().any(|mail| mail.message.kind() == "InstallSnapshot");
        assert_eq!(sent, is_heard);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut cluster = compacted_without(3);
    let known = cluster.raft(1).snapshot().expect("it was taken").clone();
    cluster.act(1, |raft| {
        let offer = |raft: &mut Raft, last| raft.snapshot_available(SnapshotMeta { last, ..known.clone() });
        let outdated = |given| Err(SnapshotError::Outdated { given, known: at(1, 3) });
        assert_eq!(offer(raft, at(1, 3)), outdated(at(1, 3)));
        assert_eq!(offer(raft, at(1, 2)), outdated(at(1, 2)));
        let not_applied = SnapshotError::NotHandedOut { given: at(1, 4), handed_out: LogIndex(3) };
        assert_eq!(offer(raft, at(1, 4)), Err(not_applied));
        let not_covered = CompactError::NotCovered { given: LogIndex(4), covered: LogIndex(3) };
        assert_eq!(raft.compact(LogIndex(4)), Err(not_covered));
        let compacted = CompactError::Compacted { given: LogIndex(3), base: at(1, 3) };
        assert_eq!(raft.compact(LogIndex(3)), Err(compacted));
        let report = |raft: &mut Raft, peer| raft.report_snapshot(node(peer), SnapshotOutcome::Sent);
        assert_eq!(report(raft, 2), Err(ReportError::NoSnapshot { peer: node(2) }));
        assert_eq!(report(raft, 9), Err(ReportError::NoMember { peer: node(9) }));
    });
    cluster.act(2, |raft| {
        let report = raft.report_snapshot(node(1), SnapshotOutcome::Sent);
        assert_eq!(report, Err(ReportError::NotLeader { leader: Some(node(1)) }));
        let wrong_term = raft.snapshot_available(SnapshotMeta { last: at(7, 1), ..known });
        assert_eq!(wrong_term, Err(SnapshotError::NotInLog { given: at(7, 1) }));
        let not_covered = CompactError::NotCovered { given: LogIndex(1), covered: LogIndex(0) };
        assert_eq!(raft.compact(LogIndex(1)), Err(not_covered));
    });
}
