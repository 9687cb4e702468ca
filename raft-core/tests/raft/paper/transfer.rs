//! §3.10: handing the leadership over.

use super::*;
use raft_core::{Message, ProposeError, TransferError};

/// A target that lacks nothing can start at once.
#[test]
fn a_follower_with_the_whole_log_is_told_at_once() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    assert_eq!(cluster.mail, [envelope(1, 3, 1, Message::TimeoutNow)]);
}

/// Its election needs no survey, and the voters help although they hear a leader.
#[test]
fn the_target_is_elected_although_the_leader_is_alive() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    cluster.deliver_to(3);
    let request = Message::RequestVote { last: at(1, 1), transfer: true, committed: Some(at(1, 1)) };
    assert_eq!(cluster.mail, [envelope(3, 1, 2, request.clone()), envelope(3, 2, 2, request)]);
    cluster.settle();
    assert_eq!(cluster.raft(3).role(), RoleKind::Leader);
    assert_eq!(cluster.raft(1).leader(), Some(node(3)));
    assert_eq!(cluster.raft(1).transferee(), None);
}

/// A target that lacks entries could not win, so it gets them first.
#[test]
fn a_follower_that_is_behind_is_brought_up_to_date_first() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.mail.clear();
    cluster.propose(1, "a");
    cluster.mail.clear();
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    let question = envelope(1, 3, 1, append(at(1, 2), &[], 1));
    assert_eq!(cluster.mail, [question], "did it get what was sent?");
    let sent = cluster.tell(1, 3, 1, matched(2));
    assert_eq!(sent.last(), Some(&envelope(1, 3, 1, Message::TimeoutNow)));
}

/// New commands would keep the target behind. They are refused until an election timeout
/// has passed without success.
#[test]
fn no_command_is_taken_until_the_handover_is_given_up() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.tick(1, 5);
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    cluster.tick(1, 9);
    let refused = cluster.act(1, |raft| raft.propose("x".into()));
    assert_eq!(refused, Err(ProposeError::Transferring { to: node(3) }));
    assert_eq!(cluster.log(1), [1]);
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).transferee(), None);
    cluster.propose(1, "x");
}

#[test]
fn another_target_replaces_the_first() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    cluster.act(1, |raft| raft.transfer_leadership(node(2))).unwrap();
    assert_eq!(cluster.raft(1).transferee(), Some(node(2)));
    cluster.mail.clear();
    cluster.act(1, |raft| raft.transfer_leadership(node(2))).unwrap();
    assert_eq!(cluster.mail, [], "it is under way");
}

/// Handing it to itself is how a leader gives a handover up.
#[test]
fn a_handover_is_given_up_on_request() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.act(1, |raft| raft.transfer_leadership(node(2))).expect("it leads");
    cluster.act(1, |raft| raft.transfer_leadership(node(1))).expect("there is one to give up");
    assert_eq!(cluster.raft(1).transferee(), None);
    cluster.propose(1, "x");
    let none = cluster.act(1, |raft| raft.transfer_leadership(node(1)));
    assert_eq!(none, Err(TransferError::AlreadyLeader { to: node(1) }));
}

#[test]
fn a_transfer_ends_with_the_leadership() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    cluster.mail.clear();
    cluster.elect(2);
    cluster.elect(1);
    assert_eq!(cluster.raft(1).transferee(), None);
    cluster.propose(1, "x");
}

#[test]
fn a_refused_transfer_says_why() {
    let mut cluster = Cluster::new(3);
    let mut transfer = |id, to| cluster.act(id, |raft| raft.transfer_leadership(node(to)));
    assert_eq!(transfer(2, 3), Err(TransferError::NotLeader { leader: None }));
    cluster.elect(1);
    let mut transfer = |id, to| cluster.act(id, |raft| raft.transfer_leadership(node(to)));
    assert_eq!(transfer(2, 3), Err(TransferError::NotLeader { leader: Some(node(1)) }));
    assert_eq!(transfer(1, 9), Err(TransferError::NotVoter { to: node(9) }));
    assert_eq!(transfer(1, 1), Err(TransferError::AlreadyLeader { to: node(1) }));
    assert_eq!(cluster.raft(1).transferee(), None);
}

#[test]
fn only_a_follower_obeys() {
    let mut cluster = Cluster::plain(3);
    cluster.campaign(1);
    cluster.mail.clear();
    cluster.tell(1, 2, 1, Message::TimeoutNow);
    assert_eq!(cluster.raft(1).term(), Term(1), "a candidate stands already");
    cluster.tell(1, 2, 1, vote(true));
    cluster.tell(1, 2, 1, Message::TimeoutNow);
    assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Leader, Term(1)));
}
