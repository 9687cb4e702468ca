//! What a follower passes on to its leader (§6.2), where the settings allow it.

use raft_core::{
    Config, Incarnation, LogIndex, Message, Payload, ProposeError, Proposed, Raft, ReadContext, ReadError,
    ReadId, ReadLoss, ReadState, RoleKind, StepError, Term, TransferError,
};

use crate::cluster::{Cluster, at, envelope, node, plain, stale_term};

fn forwarding(config: &mut Config) {
    config.forward_proposals = true;
    config.forward_requests = true;
    plain(config);
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::configured(3, forwarding);
    cluster.elect(1);
    cluster
}

fn command(command: &'static str) -> Payload {
    Payload::Command(command.into())
}

#[test]
fn a_proposal_is_passed_on_and_appended_by_the_leader() {
    let mut cluster = cluster();
    let proposed = cluster.act(2, |raft| raft.propose("x".into()));
    assert_eq!(proposed, Ok(Proposed::Forwarded { to: node(1) }));
    assert_eq!(proposed.expect("it is passed on").id(), None);
    cluster.settle();
    assert_eq!(cluster.applied(3).last(), Some(&(at(1, 2), command("x"))));
}

#[test]
fn without_a_leader_there_is_nobody_to_pass_it_on_to() {
    let mut cluster = Cluster::configured(3, forwarding);
    let not_leader = ProposeError::NotLeader { leader: None };
    assert_eq!(cluster.act(2, |raft| raft.propose("x".into())), Err(not_leader));
    cluster.campaign(2);
    assert_eq!(cluster.act(2, |raft| raft.propose("x".into())), Err(not_leader));
    assert_eq!(cluster.act(2, Raft::read_index), Err(ReadError::NotLeader { leader: None }));
}

/// The default: whoever proposes is told at once whom to ask.
#[test]
fn nothing_is_passed_on_unless_the_settings_allow_it() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    let leader = Some(node(1));
    assert_eq!(cluster.act(2, |raft| raft.propose("x".into())), Err(ProposeError::NotLeader { leader }));
    assert_eq!(cluster.act(2, Raft::read_index), Err(ReadError::NotLeader { leader }));
    let transfer = cluster.act(2, |raft| raft.transfer_leadership(node(3)));
    assert_eq!(transfer, Err(TransferError::NotLeader { leader }));
    assert_eq!(cluster.mail, []);
    let passed_on = envelope(3, 2, 1, Message::Propose { payload: command("x") });
    let reason = ProposeError::NotLeader { leader };
    assert_eq!(cluster.step(passed_on), Err(StepError::ProposalRefused { from: node(3), reason }));
}

/// A proposal is no part of the term of whoever passes it on: neither is it refused for being late, nor does it
/// depose anybody.
#[test]
fn a_proposal_is_taken_in_whatever_term() {
    let mut cluster = cluster();
    cluster.elect(2);
    cluster.elect(1);
    let term = cluster.raft(1).term();
    for (number, other) in [(1, 1), (2, 99)] {
        let before = cluster.raft(1).last().index.0;
        cluster.tell(1, 3, other, Message::Propose { payload: command("x") });
        assert_eq!(cluster.raft(1).last(), at(term.0, before + 1), "proposal {number}");
        assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Leader, term));
    }
}

#[test]
fn a_leader_refuses_what_it_would_refuse_its_own_driver() {
    let mut cluster = cluster();
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).expect("it leads");
    let passed_on = envelope(2, 1, 1, Message::Propose { payload: command("x") });
    let reason = ProposeError::Transferring { to: node(3) };
    assert_eq!(cluster.step(passed_on), Err(StepError::ProposalRefused { from: node(2), reason }));
}

/// Whoever believed us to lead may be right about a leader that we know.
#[test]
fn a_proposal_is_passed_on_once_more_in_the_name_of_whoever_made_it() {
    let mut cluster = cluster();
    let proposal = Message::Propose { payload: command("x") };
    let sent = cluster.tell(2, 3, 1, proposal.clone());
    assert_eq!(sent, [envelope(3, 1, 1, proposal)]);
}

fn context(incarnation: u64, id: u64) -> ReadContext {
    ReadContext { incarnation: Incarnation(incarnation), id: ReadId(id) }
}

fn reply(incarnation: u64, id: u64, index: u64) -> Message {
    Message::ReadIndexReply { read: context(incarnation, id), index: LogIndex(index) }
}

#[test]
fn a_read_is_passed_on_and_answered_once_a_quorum_has_confirmed_the_leader() {
    let mut cluster = cluster();
    let id = cluster.act(2, Raft::read_index).expect("it is passed on");
    let request = cluster.take(2, 1, "ReadIndex");
    assert_eq!(request.message, Message::ReadIndex { read: context(1, id.0) });
    cluster.step(request).expect("a message of a peer");
    assert!(cluster.mail.iter().all(|mail| mail.message.kind() == "Heartbeat"), "{:?}", cluster.mail);
    cluster.settle();
    assert_eq!(cluster.take_reads(2), [ReadState::Confirmed { id, index: LogIndex(1) }]);
    assert_eq!(cluster.take_reads(1), [], "it is no read of the leader's driver");
}

/// Like a proposal it is no part of a term.
#[test]
fn a_read_is_taken_in_whatever_term() {
    let mut cluster = cluster();
    cluster.elect(2);
    cluster.elect(1);
    for term in [1, 99] {
        cluster.tell(1, 2, term, Message::ReadIndex { read: context(1, term) });
        let sent =
            cluster.tell(1, 3, 3, crate::cluster::heartbeat_reply(Some(if term == 1 { 1 } else { 2 })));
        let answer = Message::ReadIndexReply { read: context(1, term), index: LogIndex(3) };
        assert_eq!(sent, [envelope(1, 2, 3, answer)]);
        assert_eq!(cluster.raft(1).term(), Term(3));
    }
}

/// The network may repeat an answer, and a server that starts again counts its reads anew.
#[test]
fn a_read_is_answered_once_and_in_the_life_that_asked() {
    let mut cluster = cluster();
    let id = cluster.act(2, Raft::read_index).expect("it is passed on");
    cluster.mail.clear();
    cluster.tell(2, 1, 1, reply(1, 7, 1));
    cluster.tell(2, 1, 1, reply(2, id.0, 1));
    cluster.tell(2, 3, 1, reply(1, id.0, 1));
    assert_eq!(cluster.take_reads(2), [], "other reads, other lives, and one that does not lead");
    cluster.tell(2, 1, 1, reply(1, id.0, 1));
    cluster.tell(2, 1, 1, reply(1, id.0, 1));
    assert_eq!(cluster.take_reads(2), [ReadState::Confirmed { id, index: LogIndex(1) }]);
    cluster.crash(2);
    cluster.restart(2);
    cluster.tick(1, 2);
    cluster.settle();
    assert_eq!(cluster.act(2, Raft::read_index), Ok(id), "the number is the same");
    cluster.tell(2, 1, 1, reply(1, id.0, 1));
    assert_eq!(cluster.take_reads(2), []);
}

#[test]
fn a_read_that_was_passed_on_is_lost_when_the_leader_changes() {
    let loss = |cluster: &mut Cluster, id| {
        let lost = ReadState::Lost { id, reason: ReadLoss::LeaderChanged };
        assert_eq!(cluster.take_reads(2), [lost]);
    };
    let mut cluster = cluster();
    let ask = |cluster: &mut Cluster| cluster.act(2, Raft::read_index).expect("it is passed on");
    let id = ask(&mut cluster);
    cluster.tell(2, 3, 2, stale_term());
    loss(&mut cluster, id);
    assert_eq!(cluster.raft(2).term(), Term(2));
    cluster.elect(3);
    let id = ask(&mut cluster);
    cluster.act(2, Raft::forget_leader).expect("it follows");
    loss(&mut cluster, id);
    cluster.tick(3, 2);
    cluster.settle();
    let id = ask(&mut cluster);
    cluster.campaign(2);
    loss(&mut cluster, id);
}

/// Of its own reads a leader says that they are lost; a follower finds out by itself.
#[test]
fn a_leader_that_steps_down_answers_no_follower() {
    let mut cluster = cluster();
    cluster.act(2, Raft::read_index).expect("it is passed on");
    let request = cluster.take(2, 1, "ReadIndex");
    cluster.step(request).expect("a message of a peer");
    cluster.mail.clear();
    cluster.tell(1, 3, 2, stale_term());
    assert_eq!(cluster.take_reads(1), []);
    assert_eq!(cluster.mail, []);
}

#[test]
fn a_transfer_is_passed_on() {
    let mut cluster = cluster();
    cluster.act(2, |raft| raft.transfer_leadership(node(3))).expect("it is passed on");
    cluster.settle();
    assert_eq!(cluster.raft(3).role(), RoleKind::Leader);
    let sent = cluster.tell(2, 1, 2, Message::TransferLeader { to: node(1) });
    assert_eq!(sent, [envelope(2, 3, 2, Message::TransferLeader { to: node(1) })], "once more");
    let sent = cluster.tell(2, 3, 2, Message::TransferLeader { to: node(1) });
    assert_eq!(sent, [], "not back to where it came from");
}
