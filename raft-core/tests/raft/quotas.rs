//! How much may wait: for a quorum, and for the state machine.

use raft_core::{ByteCount, Entry, LogIndex, Payload, ProposeError, Proposed, Raft, Term};

use crate::cluster::{Cluster, at, matched, node};

/// A leader of three, with this quota of uncommitted bytes, whose messages are lost.
fn lonely_leader(quota: u64) -> Cluster {
    let mut cluster = Cluster::configured(3, |config| config.max_uncommitted_bytes = ByteCount(quota));
    cluster.elect(1);
    cluster.cut_off(1);
    cluster
}

fn propose(cluster: &mut Cluster, size: usize) -> Result<(), ProposeError> {
    cluster.act(1, |raft| raft.propose(vec![0; size].into())).map(|_| ())
}

#[test]
fn a_leader_refuses_more_than_its_quota_of_what_is_not_committed() {
    let mut cluster = lonely_leader(10);
    assert_eq!(propose(&mut cluster, 6), Ok(()));
    assert_eq!(propose(&mut cluster, 4), Ok(()));
    let full = ProposeError::QuotaExceeded { used: ByteCount(10), quota: ByteCount(10) };
    assert_eq!(propose(&mut cluster, 1), Err(full));
    assert_eq!(propose(&mut cluster, 0), Ok(()), "what is empty takes no room");
}

#[test]
fn commands_proposed_together_count_together_and_are_refused_together() {
    let mut cluster = lonely_leader(10);
    assert_eq!(propose(&mut cluster, 4), Ok(()));
    let commands = |sizes: &[usize]| sizes.iter().map(|&size| vec![0; size].into()).collect();
    let refused = cluster.act(1, |raft| raft.propose_all(commands(&[3, 4])));
    assert_eq!(refused, Err(ProposeError::QuotaExceeded { used: ByteCount(4), quota: ByteCount(10) }));
    assert_eq!(cluster.raft(1).last(), at(1, 2), "none of them was appended");
    let appended = cluster.act(1, |raft| raft.propose_all(commands(&[2, 4])));
    assert_eq!(appended, Ok([at(1, 3), at(1, 4)].map(Proposed::Appended).into()));
    assert_eq!(cluster.act(1, |raft| raft.propose_all(Vec::new())), Ok(Vec::new()));
    assert!(propose(&mut cluster, 1).is_err(), "the quota is used up");
}

/// Otherwise it could never be proposed at all.
#[test]
fn a_first_proposal_may_be_of_any_size() {
    let mut cluster = lonely_leader(10);
    assert_eq!(propose(&mut cluster, 100), Ok(()));
    let full = ProposeError::QuotaExceeded { used: ByteCount(100), quota: ByteCount(10) };
    assert_eq!(propose(&mut cluster, 1), Err(full));
}

#[test]
fn what_is_applied_makes_room() {
    let mut cluster = lonely_leader(10);
    assert_eq!(propose(&mut cluster, 6), Ok(()));
    assert_eq!(propose(&mut cluster, 4), Ok(()));
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.commit(1), 2);
    assert_eq!(propose(&mut cluster, 6), Ok(()));
    assert!(propose(&mut cluster, 1).is_err());
}

#[test]
fn a_leadership_begins_with_its_whole_quota() {
    let mut cluster = lonely_leader(10);
    assert_eq!(propose(&mut cluster, 10), Ok(()));
    cluster.heal();
    cluster.tell(1, 2, 5, crate::cluster::vote(false));
    cluster.campaign(1);
    cluster.tell(1, 2, 6, crate::cluster::pre_vote(true));
    cluster.tell(1, 2, 6, crate::cluster::vote(true));
    assert_eq!(propose(&mut cluster, 10), Ok(()));
}

/// An entry as protobuf would write it: two tags, two numbers, and for a command a tag and a length.
#[test]
fn the_size_of_an_entry_is_what_it_takes_to_write_it_down() {
    let size = |term, index, payload| Entry { term: Term(term), payload }.encoded_size(LogIndex(index)).0;
    assert_eq!(size(1, 1, Payload::Noop), 4);
    assert_eq!(size(127, 128, Payload::Noop), 5);
    assert_eq!(size(1, u64::MAX >> 1, Payload::Noop), 12);
    assert_eq!(size(1, 1, Payload::Command("".into())), 6);
    assert_eq!(size(1, 1, Payload::Command(vec![0; 127].into())), 6 + 127);
    assert_eq!(size(1, 1, Payload::Command(vec![0; 128].into())), 7 + 128);
}

/// A leader on its own with these many bytes to be applied at a time, and five commands of seven bytes that are durable.
fn with_five_to_apply(max_applying_bytes: u64) -> Raft {
    let mut cluster =
        Cluster::configured(1, |config| config.max_applying_bytes = ByteCount(max_applying_bytes));
    cluster.slow_disk(1);
    cluster.campaign(1);
    while !cluster.writes(1).is_empty() {
        cluster.flush(1);
    }
    let mut raft = cluster.raft(1).clone();
    for command in ["v", "w", "x", "y", "z"] {
        raft.propose(command.into()).expect("it leads");
    }
    let write = raft.ready().and_then(|ready| ready.write).expect("the entries");
    raft.on_persisted(write.durable().receipt).expect("the oldest");
    raft
}

/// Entries leave for the state machine a page at a time.
#[test]
fn committed_entries_are_handed_out_within_a_quota() {
    let mut raft = with_five_to_apply(1);
    for index in 2..=6 {
        let ready = raft.ready().expect("a page");
        let page = ready.committed.expect("an entry");
        assert_eq!((page.len(), page.last()), (1, at(1, index)));
        assert!(!raft.has_ready(), "nothing more before it is applied");
        raft.on_applied(LogIndex(index)).expect("as handed out");
    }
    assert!(!raft.has_ready());
    assert_eq!(raft.id(), node(1));
}

/// What is being applied still counts: each entry that is done makes room for one more.
#[test]
fn the_quota_counts_what_is_under_way() {
    let mut raft = with_five_to_apply(2 * 7);
    let page = raft.ready().and_then(|ready| ready.committed).expect("entries");
    assert_eq!((page.len(), page.last()), (2, at(1, 3)));
    for (applied, next) in [(2, 4), (3, 5), (4, 6)] {
        raft.on_applied(LogIndex(applied)).expect("as handed out");
        let page = raft.ready().and_then(|ready| ready.committed).expect("an entry");
        assert_eq!((page.len(), page.last()), (1, at(1, next)), "{applied} is applied");
        assert!(!raft.has_ready(), "two are under way");
    }
}
