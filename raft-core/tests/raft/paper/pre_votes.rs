//! §9.6: surveys before elections (pre-vote).

use super::*;

/// A term is entered only by a candidate that a majority would support.
#[test]
fn a_survey_changes_neither_term_nor_vote() {
    let mut cluster = Cluster::with_logs(2, &[&[1], &[], &[]], |_| ());
    cluster.tick(1, 10);
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
    assert_eq!(cluster.raft(1).term(), Term(2));
    assert_eq!(cluster.raft(1).hard_state().vote(), None);
    let question = |to| envelope(1, to, 3, request_pre_vote(at(1, 1)));
    assert_eq!(cluster.mail, [question(2), question(3)]);
}

#[test]
fn a_majority_of_willing_voters_starts_the_election() {
    for (size, needed) in [(2, 1), (3, 1), (4, 2), (5, 2)] {
        let mut cluster = Cluster::new(size);
        cluster.campaign(1);
        for voter in 2..2 + needed {
            assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
            cluster.tell(1, voter, 1, pre_vote(true));
        }
        assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
        assert_eq!(cluster.raft(1).term(), Term(1));
        cluster.tell(1, 2, 1, pre_vote(true));
        assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "willingness is no vote");
    }
}

#[test]
fn a_voter_that_is_willing_promises_nothing() {
    let mut cluster = Cluster::with_logs(2, &[&[], &[], &[]], |_| ());
    cluster.tick(1, 5);
    let before = cluster.raft(1).clone();
    assert_eq!(cluster.tell(1, 2, 3, request_pre_vote(at(0, 0))), [envelope(1, 2, 3, pre_vote(true))]);
    assert_eq!(*cluster.raft(1), before, "not even its timer is reset");
    assert_eq!(cluster.tell(1, 3, 3, request_pre_vote(at(0, 0))), [envelope(1, 3, 3, pre_vote(true))]);
}

/// Within its own term a voter is willing only as far as its vote is free.
#[test]
fn a_survey_for_the_current_term_respects_the_vote() {
    let mut cluster = Cluster::new(3);
    cluster.tell(1, 2, 3, request_vote(at(0, 0)));
    assert_eq!(cluster.tell(1, 3, 3, request_pre_vote(at(9, 9))), [envelope(1, 3, 3, pre_vote(false))]);
    assert_eq!(cluster.tell(1, 2, 3, request_pre_vote(at(9, 9))), [envelope(1, 2, 3, pre_vote(true))]);
}

#[test]
fn a_grant_counts_only_for_the_election_it_names() {
    let mut cluster = Cluster::with_logs(2, &[&[], &[], &[]], |_| ());
    cluster.campaign(1);
    for other_term in [1, 2, 4, 9] {
        cluster.tell(1, 2, other_term, pre_vote(true));
        assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate, "term {other_term}");
        assert_eq!(cluster.raft(1).term(), Term(2), "nobody is in term {other_term} by a survey");
    }
    cluster.tell(1, 2, 3, pre_vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
}

#[test]
fn a_grant_for_another_election_does_not_use_up_the_answer() {
    let mut cluster = Cluster::with_logs(2, &[&[], &[], &[]], |_| ());
    cluster.campaign(1);
    cluster.tell(1, 2, 2, pre_vote(false));
    cluster.tell(1, 2, 3, pre_vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate, "the first answer counts");
    cluster.tell(1, 3, 2, pre_vote(false));
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower, "two refusals of three");
    assert_eq!(cluster.raft(1).term(), Term(2));
}

/// A vote for the last election says nothing about the next.
#[test]
fn a_late_vote_is_not_counted_in_a_survey() {
    let mut cluster = Cluster::new(3);
    cluster.campaign(1);
    cluster.tell(1, 2, 1, pre_vote(true));
    cluster.tick(1, 10);
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
    cluster.tell(1, 2, 1, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
    assert_eq!(cluster.raft(1).term(), Term(1));
}

/// Each survey is counted by itself.
#[test]
fn an_earlier_survey_counts_for_nothing() {
    let mut cluster = Cluster::new(5);
    cluster.campaign(1);
    cluster.tell(1, 2, 1, pre_vote(true));
    cluster.campaign(1);
    cluster.tell(1, 3, 1, pre_vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
}

/// While it was cut off its term has not grown, so its return does not depose anybody.
#[test]
fn a_server_that_was_cut_off_does_not_depose_the_leader() {
    let mut cluster = Cluster::configured(3, |config| config.check_quorum = false);
    cluster.elect(1);
    cluster.cut_off(3);
    cluster.propose(1, "x");
    cluster.settle();
    cluster.tick(3, 50);
    assert_eq!(cluster.raft(3).role(), RoleKind::PreCandidate);
    cluster.heal();
    cluster.campaign(3);
    cluster.settle();
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    assert_eq!(cluster.raft(1).term(), Term(1));
    cluster.tick(1, 2);
    cluster.settle();
    assert_eq!(cluster.raft(3).leader(), Some(node(1)));
    assert_eq!(cluster.log(3), [1, 1]);
}

/// A candidate with the better log but an old term could not win without learning the term.
#[test]
fn a_survey_from_the_past_is_refused_in_the_current_term() {
    let mut cluster = Cluster::with_logs(5, &[&[1], &[1, 1], &[1]], |_| ());
    let refusal = envelope(1, 2, 5, pre_vote(false));
    assert_eq!(cluster.tell(1, 2, 3, request_pre_vote(at(1, 2))), [refusal]);
    let mut cluster = Cluster::with_logs(2, &[&[1, 1], &[1], &[1]], |_| ());
    cluster.campaign(1);
    cluster.tell(1, 2, 5, pre_vote(false));
    assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Follower, Term(5)));
}

/// A survey leaves the timer running: if it comes to nothing, another one follows.
#[test]
fn a_survey_without_an_answer_is_repeated() {
    let mut cluster = Cluster::new(3);
    cluster.tick(1, 10);
    cluster.mail.clear();
    cluster.tick(1, 10);
    assert_eq!(cluster.mail.len(), 2, "{:?}", cluster.mail);
    assert_eq!(cluster.raft(1).role(), RoleKind::PreCandidate);
    assert_eq!(cluster.raft(1).term(), Term(0));
}
