//! What a replica tells of itself: its events and its soft state.

use raft_core::{Event, LogIndex, NodeId, Raft, RoleKind, SoftState, Term};

use crate::cluster::{
    Cluster, append, at, heartbeat, matched, mismatched, node, plain, pre_vote, request_pre_vote,
    request_vote, vote,
};

/// Three servers that record their events, with logs of this term.
fn recording(log: &[u64]) -> Cluster {
    Cluster::with_logs(1, &[log, log, log], |config| config.record_events = true)
}

fn events(cluster: &mut Cluster) -> Vec<Event> {
    cluster.act(1, Raft::take_events)
}

const fn role_changed(from: RoleKind, to: RoleKind, term: u64) -> Event {
    Event::RoleChanged { from, to, term: Term(term) }
}

#[test]
fn events_are_recorded_only_on_request_and_told_once() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    assert_eq!(events(&mut cluster), []);
    let mut cluster = recording(&[]);
    cluster.elect(1);
    assert_ne!(events(&mut cluster), []);
    assert_eq!(events(&mut cluster), []);
}

#[test]
fn a_leadership_is_told_from_its_survey_to_its_end() {
    use RoleKind::{Candidate, Follower, Leader, PreCandidate};
    let mut cluster = recording(&[]);
    cluster.campaign(1);
    cluster.tell(1, 2, 2, pre_vote(true));
    cluster.tell(1, 2, 2, vote(true));
    cluster.tell(1, 2, 2, matched(1));
    let rise = [
        role_changed(Follower, PreCandidate, 1),
        Event::TermEntered { term: Term(2) },
        Event::VoteGranted { candidate: node(1), term: Term(2) },
        role_changed(PreCandidate, Candidate, 2),
        role_changed(Candidate, Leader, 2),
        Event::LeaderKnown { leader: node(1), term: Term(2) },
        Event::Committed { index: LogIndex(1) },
    ];
    assert_eq!(events(&mut cluster), rise);
    cluster.act(1, |raft| raft.transfer_leadership(node(3))).unwrap();
    cluster.act(1, |raft| raft.transfer_leadership(node(2))).unwrap();
    cluster.tell(1, 2, 2, mismatched(9, at(0, 0)));
    cluster.tick(1, 10);
    cluster.tick(1, 10);
    let fall = [
        Event::TransferStarted { to: node(3) },
        Event::TransferAborted { to: node(3) },
        Event::TransferStarted { to: node(2) },
        Event::AppendRejected { follower: node(2), probed: LogIndex(9) },
        Event::TransferAborted { to: node(2) },
        Event::QuorumLost { term: Term(2) },
        role_changed(Leader, Follower, 2),
    ];
    assert_eq!(events(&mut cluster), fall);
}

#[test]
fn a_voter_tells_whom_it_refuses_and_whom_it_ignores() {
    let mut cluster = recording(&[1, 1]);
    cluster.tell(1, 2, 2, request_vote(at(1, 1)));
    cluster.tell(1, 3, 2, request_pre_vote(at(1, 1)));
    cluster.tell(1, 3, 2, request_vote(at(1, 2)));
    let refusal =
        |candidate| Event::VoteRefused { candidate: node(candidate), term: Term(2), last: at(1, 1) };
    let granted = Event::VoteGranted { candidate: node(3), term: Term(2) };
    let entered = Event::TermEntered { term: Term(2) };
    assert_eq!(events(&mut cluster), [entered, refusal(2), refusal(3), granted]);
    cluster.tell(1, 3, 2, heartbeat(0, None));
    cluster.tell(1, 2, 5, request_vote(at(9, 9)));
    let known = Event::LeaderKnown { leader: node(3), term: Term(2) };
    let ignored = Event::CandidateIgnored { candidate: node(2), term: Term(5) };
    assert_eq!(events(&mut cluster), [known, ignored]);
}

#[test]
fn a_follower_tells_what_it_removes_and_what_is_committed() {
    let mut cluster = recording(&[1, 1]);
    cluster.tell(1, 2, 2, append(at(1, 1), &[2, 2], 3));
    let expected = [
        Event::TermEntered { term: Term(2) },
        Event::LeaderKnown { leader: node(2), term: Term(2) },
        Event::LogTruncated { kept: LogIndex(1) },
        Event::Committed { index: LogIndex(3) },
    ];
    assert_eq!(events(&mut cluster), expected);
}

/// A driver is told the role and the leader when either changes.
#[test]
fn the_soft_state_is_told_when_it_changes() {
    let mut raft = Cluster::configured(1, plain).raft(1).clone();
    let told = |raft: &mut Raft| raft.ready().and_then(|ready| ready.soft_state);
    let state = |role, leader: Option<NodeId>| Some(SoftState { role, leader });
    raft.campaign().unwrap();
    let ready = raft.ready().unwrap();
    assert_eq!(ready.soft_state, state(RoleKind::Candidate, None));
    raft.on_persisted(ready.write.unwrap().durable().receipt).unwrap();
    assert_eq!(told(&mut raft), state(RoleKind::Leader, Some(node(1))));
    raft.propose("x".into()).unwrap();
    assert_eq!(told(&mut raft), None);
}
