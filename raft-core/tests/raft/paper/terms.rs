//! §3.3: terms.

use super::*;
use raft_core::Message;

/// A server that finds its term to be an old one, whatever its role, follows in the later one.
#[test]
fn whoever_sees_a_later_term_enters_it_as_a_follower() {
    let carriers = [
        append(at(0, 0), &[], 0),
        heartbeat(0, None),
        request_vote(at(0, 0)),
        vote(true),
        vote(false),
        pre_vote(false),
        matched(0),
        mismatched(1, at(0, 0)),
        stale_term(),
        heartbeat_reply(None),
    ];
    for message in carriers {
        for role in [RoleKind::Follower, RoleKind::PreCandidate, RoleKind::Candidate, RoleKind::Leader] {
            let mut cluster = in_role(role);
            cluster.tell(1, 2, 9, message.clone());
            assert_eq!(cluster.raft(1).term(), Term(9), "{role:?} after {message:?}");
            assert_eq!(cluster.raft(1).role(), RoleKind::Follower, "{role:?} after {message:?}");
        }
    }
}

/// A cluster whose first server has this role in term 1 (0, if it only asks for it).
fn in_role(role: RoleKind) -> Cluster {
    let mut cluster = Cluster::configured(3, |config| (config.pre_vote, config.check_quorum) = (true, false));
    match role {
        RoleKind::Follower => (),
        RoleKind::PreCandidate => cluster.campaign(1),
        RoleKind::Candidate => {
            cluster.campaign(1);
            cluster.tell(1, 2, 1, pre_vote(true));
        }
        RoleKind::Leader => cluster.elect(1),
    }
    assert_eq!(cluster.raft(1).role(), role);
    cluster
}

/// A request to lead comes from the leader of a term, which is entered first.
#[test]
fn a_later_term_in_a_request_to_lead_is_entered_before_the_election() {
    let mut cluster = Cluster::new(3);
    cluster.tell(1, 2, 9, Message::TimeoutNow);
    assert_eq!(cluster.raft(1).term(), Term(10));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
}

/// Requests of the past are not obeyed.
#[test]
fn a_message_of_an_earlier_term_changes_nothing() {
    let stale = [
        append(at(0, 0), &[1], 1),
        heartbeat(0, None),
        request_vote(at(2, 9)),
        request_pre_vote(at(2, 9)),
        vote(true),
        pre_vote(true),
        pre_vote(false),
        matched(1),
        mismatched(1, at(0, 0)),
        heartbeat_reply(None),
        Message::TimeoutNow,
    ];
    for message in stale {
        let mut cluster = Cluster::with_logs(3, &[&[2], &[2], &[2]], |_| ());
        let before = cluster.raft(1).clone();
        cluster.tell(1, 2, 2, message.clone());
        assert_eq!(*cluster.raft(1), before, "after {message:?}");
    }
}

/// §9.6: with pre-vote or check-quorum on, nobody will raise the term to show a leader
/// that it is a past one.
#[test]
fn a_leader_of_the_past_is_told_the_term() {
    for (pre_vote, check_quorum, tells) in
        [(false, false, false), (true, false, true), (false, true, true), (true, true, true)]
    {
        let mut cluster = Cluster::with_logs(3, &[&[], &[], &[]], |config| {
            (config.pre_vote, config.check_quorum) = (pre_vote, check_quorum);
        });
        for message in [append(at(0, 0), &[], 0), heartbeat(0, None)] {
            let expected = if tells { vec![envelope(1, 2, 3, stale_term())] } else { vec![] };
            assert_eq!(cluster.tell(1, 2, 2, message), expected);
        }
    }
}

/// Figure 2: whoever asks for a vote in an earlier term is refused in the present one, and learns of it so. (etcd leaves it
/// without an answer.)
#[test]
fn a_candidate_of_the_past_is_told_the_term() {
    for refuses in [true, false] {
        let mut cluster = Cluster::with_logs(3, &[&[], &[], &[]], |config| {
            config.refuse_stale_candidates = refuses;
        });
        let expected = if refuses { vec![envelope(1, 2, 3, vote(false))] } else { vec![] };
        assert_eq!(cluster.tell(1, 2, 2, request_vote(at(0, 0))), expected);
    }
}
