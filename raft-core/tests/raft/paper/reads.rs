//! §6.4: reads without an entry in the log.

use super::*;
use raft_core::{ReadError, ReadId, ReadLoss, ReadState};

const fn confirmed(read: u64, index: u64) -> ReadState {
    ReadState::Confirmed { id: ReadId(read), index: LogIndex(index) }
}

fn read(cluster: &mut Cluster) {
    cluster.act(1, Raft::read_index).expect("it leads");
}

/// The leader may have been deposed without noticing: a majority must say that it was not.
#[test]
fn a_read_waits_until_a_quorum_confirms_the_leadership() {
    let mut cluster = Cluster::new(5);
    cluster.elect(1);
    read(&mut cluster);
    assert_eq!(cluster.mail.len(), 4, "{:?}", cluster.mail);
    assert_eq!(cluster.mail[0], envelope(1, 2, 1, heartbeat(1, Some(1))));
    assert_eq!(cluster.take_reads(1), []);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [], "two of five");
    cluster.tell(1, 3, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1)]);
}

/// What was committed when the read was asked is all that its client can have seen.
#[test]
fn the_answer_is_the_commit_index_of_the_moment_of_the_request() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    read(&mut cluster);
    cluster.propose(1, "x");
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.commit(1), 2);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1)]);
}

#[test]
fn one_round_answers_every_read_before_it_and_none_behind_it() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    for _ in 0..3 {
        read(&mut cluster);
    }
    cluster.tell(1, 2, 1, heartbeat_reply(Some(2)));
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1), confirmed(2, 1)]);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(3)));
    assert_eq!(cluster.take_reads(1), [confirmed(3, 1)]);
}

#[test]
fn an_answer_that_was_overtaken_takes_nothing_back() {
    let mut cluster = Cluster::new(5);
    cluster.elect(1);
    read(&mut cluster);
    read(&mut cluster);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(2)));
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    cluster.tell(1, 3, 1, heartbeat_reply(Some(2)));
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1), confirmed(2, 1)]);
}

/// An answer to a heartbeat from before the request says nothing about the time after it.
#[test]
fn the_answer_to_an_earlier_heartbeat_confirms_nothing() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.tick(1, 2);
    read(&mut cluster);
    cluster.tell(1, 2, 1, heartbeat_reply(None));
    assert_eq!(cluster.take_reads(1), []);
    read(&mut cluster);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1)]);
}

/// Until then its commit index may be behind what earlier leaders have committed.
#[test]
fn a_new_leader_answers_only_after_its_first_commit() {
    let mut cluster = Cluster::with_logs(1, &[&[1], &[1], &[1]], |_| ());
    cluster.campaign(1);
    cluster.tell(1, 2, 2, pre_vote(true));
    cluster.tell(1, 2, 2, vote(true));
    cluster.mail.clear();
    read(&mut cluster);
    assert_eq!(cluster.mail, []);
    cluster.tell(1, 2, 2, heartbeat_reply(None));
    assert_eq!(cluster.take_reads(1), []);
    cluster.tell(1, 2, 2, matched(2));
    assert_eq!(cluster.take_reads(1), [], "now it may ask");
    cluster.tell(1, 3, 2, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [confirmed(1, 2)]);
}

#[test]
fn a_lost_round_is_repeated_with_the_heartbeats() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    read(&mut cluster);
    cluster.mail.clear();
    cluster.tick(1, 2);
    cluster.settle();
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1)]);
}

#[test]
fn reads_are_lost_with_the_leadership() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    read(&mut cluster);
    read(&mut cluster);
    cluster.tell(1, 2, 2, stale_term());
    let lost = [1, 2].map(|read| ReadState::Lost { id: ReadId(read), reason: ReadLoss::SteppedDown });
    assert_eq!(cluster.take_reads(1), lost);
}

/// Positions begin anew with each leadership, and the term tells them apart.
#[test]
fn the_answer_to_an_earlier_leadership_confirms_nothing() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    read(&mut cluster);
    cluster.mail.clear();
    cluster.elect(2);
    cluster.elect(1);
    cluster.take_reads(1);
    read(&mut cluster);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), []);
    cluster.tell(1, 2, 3, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [confirmed(2, 3)]);
}

#[test]
fn alone_it_is_a_quorum() {
    let mut cluster = Cluster::new(1);
    cluster.elect(1);
    read(&mut cluster);
    assert_eq!(cluster.take_reads(1), [confirmed(1, 1)]);
}

#[test]
fn a_follower_says_who_leads() {
    let mut cluster = Cluster::new(3);
    let read = |raft: &mut Raft| raft.read_index();
    assert_eq!(cluster.act(2, read), Err(ReadError::NotLeader { leader: None }));
    cluster.elect(1);
    assert_eq!(cluster.act(2, read), Err(ReadError::NotLeader { leader: Some(node(1)) }));
}
