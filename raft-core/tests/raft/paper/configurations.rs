//! §4.2.1 and §4.3: servers without a vote, and configurations of two majorities.

use std::collections::BTreeSet;

use raft_core::{CampaignError, Leave, Majority, Message, ReadId, ReadState, TransferError, Voters};

use super::*;

fn majority(ids: &[u64]) -> Majority {
    ids.iter().copied().map(node).collect()
}

/// Voters 1 to 3 and a learner 4.
fn with_learner() -> Cluster {
    let learners = [node(4)].into();
    let configuration = Configuration::new(majority(&[1, 2, 3]).into(), learners, BTreeSet::new(), None);
    Cluster::founded(4, &configuration.expect("it is in order"), |_| ())
}

/// Voters 1 to 3 on the way in, and 3 to 5 on the way out.
fn joint() -> Cluster {
    let voters = Voters::joint(majority(&[1, 2, 3]), majority(&[3, 4, 5]));
    let configuration = Configuration::new(voters, BTreeSet::new(), BTreeSet::new(), Some(Leave::Explicit));
    Cluster::founded(5, &configuration.expect("it is in order"), |_| ())
}

/// The members of one half are not enough, be it the one or the other.
const NOT_A_JOINT_QUORUM: [&[u64]; 4] = [&[1, 2, 3], &[1, 3, 4], &[3, 4, 5], &[1, 4, 5]];

/// §4.2.1: a server that has no vote receives the log.
#[test]
fn a_learner_receives_what_everybody_does() {
    let mut cluster = with_learner();
    cluster.elect(1);
    cluster.propose(1, "x");
    cluster.settle();
    assert_eq!(cluster.applied(4), cluster.applied(1));
    assert_eq!(cluster.applied(4).len(), 2);
}

/// §4.2.1: it is "not yet counted towards majorities": neither for a commit...
#[test]
fn a_learner_does_not_count_for_a_commit() {
    let mut cluster = with_learner();
    cluster.elect(1);
    let _ = cluster.propose(1, "x");
    cluster.tell(1, 4, 1, matched(2));
    assert_eq!(cluster.commit(1), 1);
    cluster.tell(1, 2, 1, matched(2));
    assert_eq!(cluster.commit(1), 2);
}

/// ... nor in an election, in which it is not asked...
#[test]
fn a_learner_does_not_count_in_an_election() {
    let mut cluster = with_learner();
    cluster.campaign(1);
    assert!(cluster.mail.iter().all(|mail| mail.to != node(4)), "{:?}", cluster.mail);
    cluster.tell(1, 4, 1, pre_vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
    cluster.tell(1, 2, 1, pre_vote(true));
    cluster.tell(1, 4, 1, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
}

/// ... nor for a read, nor as a sign of a quorum.
#[test]
fn a_learner_does_not_count_for_a_read_or_as_a_sign_of_a_quorum() {
    let mut cluster = with_learner();
    cluster.elect(1);
    let id = cluster.act(1, Raft::read_index).expect("it leads");
    cluster.tell(1, 4, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), []);
    cluster.tell(1, 2, 1, heartbeat_reply(Some(1)));
    assert_eq!(cluster.take_reads(1), [ReadState::Confirmed { id, index: LogIndex(1) }]);
    cluster.tick(1, 10);
    cluster.mail.clear();
    for _ in 0..10 {
        cluster.tell(1, 4, 1, heartbeat_reply(None));
        cluster.act(1, Raft::tick);
    }
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
}

#[test]
fn a_learner_does_not_stand_and_cannot_be_handed_the_leadership() {
    let mut cluster = with_learner();
    cluster.elect(1);
    assert_eq!(cluster.act(4, Raft::campaign), Err(CampaignError::NotVoter { id: node(4) }));
    assert_eq!(cluster.tell(4, 1, 1, Message::TimeoutNow), []);
    assert_eq!(cluster.raft(4).term(), Term(1));
    assert_eq!(cluster.raft(4).ticks_until_timeout(), None);
    let transfer = cluster.act(1, |raft| raft.transfer_leadership(node(4)));
    assert_eq!(transfer, Err(TransferError::NotVoter { to: node(4) }));
}

/// It may be a voter already without knowing it, and must not stand in the way of an election (etcd #10998).
#[test]
fn a_learner_that_is_asked_votes() {
    let mut cluster = with_learner();
    assert_eq!(cluster.tell(4, 9, 1, request_vote(at(0, 0))), [envelope(4, 9, 1, vote(true))]);
}

/// §4.3: "elections [...] require majorities from both configurations".
#[test]
fn a_joint_election_needs_both_majorities() {
    for voters in NOT_A_JOINT_QUORUM {
        let mut cluster = joint();
        let (candidate, others) = voters.split_first().expect("three of them");
        cluster.campaign(*candidate);
        for voter in others {
            cluster.tell(*candidate, *voter, 1, pre_vote(true));
        }
        let won = cluster.raft(*candidate).role() == RoleKind::Candidate;
        assert_eq!(won, *voters == [1, 3, 4], "{voters:?}");
        if won {
            assert_eq!(cluster.raft(*candidate).term(), Term(1));
        }
    }
}

/// §4.3: "agreement [...] requires majorities from both".
#[test]
fn a_joint_commit_needs_both_majorities() {
    for (followers, commits) in [(&[2, 3][..], false), (&[4, 5], false), (&[3], false), (&[3, 4], true)] {
        let mut cluster = joint();
        cluster.elect(1);
        cluster.propose(1, "x");
        for follower in followers {
            cluster.tell(1, *follower, 1, matched(2));
        }
        assert_eq!(cluster.commit(1) == 2, commits, "{followers:?}");
    }
}

#[test]
fn a_joint_read_needs_both_majorities() {
    for (followers, confirmed) in [(&[2, 3][..], false), (&[4, 5], false), (&[3], false), (&[3, 4], true)] {
        let mut cluster = joint();
        cluster.elect(1);
        let id = cluster.act(1, Raft::read_index).expect("it leads");
        for follower in followers {
            cluster.tell(1, *follower, 1, heartbeat_reply(Some(1)));
        }
        let states = if confirmed { vec![ReadState::Confirmed { id, index: LogIndex(1) }] } else { vec![] };
        assert_eq!(cluster.take_reads(1), states, "{followers:?}");
        assert_eq!(id, ReadId(1));
    }
}

#[test]
fn a_joint_leader_must_hear_from_both_majorities() {
    for (followers, leads) in [(&[2, 3][..], false), (&[4, 5], false), (&[3], false), (&[3, 4], true)] {
        let mut cluster = joint();
        cluster.elect(1);
        cluster.tick(1, 10);
        cluster.mail.clear();
        for follower in followers {
            cluster.tell(1, *follower, 1, heartbeat_reply(None));
        }
        cluster.tick(1, 10);
        assert_eq!(cluster.raft(1).role() == RoleKind::Leader, leads, "{followers:?}");
    }
}
