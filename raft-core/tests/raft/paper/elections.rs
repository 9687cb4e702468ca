//! §3.4: elections.

use super::*;

/// At first everybody waits.
#[test]
fn a_server_starts_as_a_follower_without_a_leader() {
    let cluster = Cluster::new(3);
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
    assert_eq!(cluster.raft(1).leader(), None);
}

/// Authority needs to be renewed.
#[test]
fn a_leader_sends_heartbeats_to_everybody_at_each_interval() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.tick(1, 1);
    assert_eq!(cluster.mail, [], "the interval is 2 ticks");
    cluster.tick(1, 1);
    let beat = |to| envelope(1, to, 1, heartbeat(1, None));
    assert_eq!(cluster.mail, [beat(2), beat(3)]);
    cluster.tick(1, 2);
    assert_eq!(cluster.mail, [beat(2), beat(3), beat(2), beat(3)]);
}

/// After an election timeout of silence a follower stands for election: it enters the next term, votes for
/// itself and asks all the others.
#[test]
fn a_follower_that_hears_nothing_starts_an_election() {
    let mut cluster = Cluster::with_logs(2, &[&[1, 2], &[], &[]], plain);
    cluster.tick(1, 9);
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
    assert_eq!(cluster.raft(1).term(), Term(3));
    assert_eq!(cluster.raft(1).hard_state().vote(), Some(node(1)));
    let request = |to| envelope(1, to, 3, request_vote(at(2, 2)));
    assert_eq!(cluster.mail, [request(2), request(3)]);
}

/// Silence is what starts an election. Leaders break it, and so do candidates whom we support.
#[test]
fn a_leaders_messages_and_a_granted_vote_keep_a_follower_quiet() {
    for message in [heartbeat(0, None), append(at(0, 0), &[], 0), request_vote(at(0, 0))] {
        let mut cluster = Cluster::plain(3);
        cluster.tell(1, 3, 1, pre_vote(false)); // enters the term: the timer is not reset by that below
        cluster.tick(1, 9);
        cluster.tell(1, 2, 1, message.clone());
        cluster.tick(1, 9);
        assert_eq!(cluster.raft(1).role(), RoleKind::Follower, "{message:?}");
        cluster.tick(1, 1);
        assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "{message:?}");
    }
}

/// Otherwise candidates that cannot win would keep those quiet who can.
#[test]
fn a_refused_vote_does_not_keep_a_follower_quiet() {
    let mut cluster = Cluster::with_logs(1, &[&[1], &[], &[]], plain);
    cluster.tick(1, 9);
    assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), [envelope(1, 2, 1, vote(false))]);
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
}

/// More than half of all servers, the silent ones included.
#[test]
fn a_majority_of_votes_and_nothing_less_wins() {
    for (size, needed) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (7, 3)] {
        let mut cluster = Cluster::plain(size);
        cluster.campaign(1);
        for voter in 2..2 + needed {
            assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "{size} servers, before {voter}");
            cluster.tell(1, voter, 1, vote(true));
        }
        assert_eq!(cluster.raft(1).role(), RoleKind::Leader, "{size} servers");
    }
}

#[test]
fn a_majority_of_refusals_and_nothing_less_loses() {
    for (size, needed) in [(2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4)] {
        let mut cluster = Cluster::plain(size);
        cluster.campaign(1);
        for voter in 2..2 + needed {
            assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "{size} servers, before {voter}");
            cluster.tell(1, voter, 1, vote(false));
        }
        assert_eq!(cluster.raft(1).role(), RoleKind::Follower, "{size} servers");
        assert_eq!(cluster.raft(1).hard_state().vote(), Some(node(1)), "the vote is not given back");
    }
}

#[test]
fn a_vote_counts_once_however_often_it_is_delivered() {
    let mut cluster = Cluster::plain(5);
    cluster.campaign(1);
    cluster.tell(1, 2, 1, vote(true));
    cluster.tell(1, 2, 1, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
}

#[test]
fn a_vote_of_an_earlier_election_counts_for_nothing() {
    let mut cluster = Cluster::plain(3);
    cluster.campaign(1);
    cluster.campaign(1);
    cluster.tell(1, 2, 1, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
    cluster.tell(1, 2, 2, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
}

/// Whoever asks first has the vote of the term.
#[test]
fn a_server_votes_once_a_term_and_repeats_itself() {
    let mut cluster = Cluster::plain(3);
    assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), [envelope(1, 2, 1, vote(true))]);
    assert_eq!(cluster.tell(1, 3, 1, request_vote(at(0, 0))), [envelope(1, 3, 1, vote(false))]);
    assert_eq!(cluster.tell(1, 2, 1, request_vote(at(0, 0))), [envelope(1, 2, 1, vote(true))]);
    assert_eq!(cluster.tell(1, 3, 2, request_vote(at(0, 0))), [envelope(1, 3, 2, vote(true))], "a new term");
}

#[test]
fn a_candidate_and_a_leader_have_given_their_vote_to_themselves() {
    let mut cluster = Cluster::plain(3);
    cluster.campaign(1);
    assert_eq!(cluster.tell(1, 2, 1, request_vote(at(9, 9))), [envelope(1, 2, 1, vote(false))]);
    cluster.tell(1, 2, 1, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    assert_eq!(cluster.tell(1, 3, 1, request_vote(at(9, 9))), [envelope(1, 3, 1, vote(false))]);
}

/// The winner holds the votes of a majority already.
#[test]
fn a_server_that_knows_the_leader_of_the_term_gives_nobody_else_its_vote() {
    let mut cluster = Cluster::plain(3);
    cluster.tell(1, 2, 1, heartbeat(0, None));
    assert_eq!(cluster.tell(1, 3, 1, request_vote(at(9, 9))), [envelope(1, 3, 1, vote(false))]);
}

/// Others learn of the new leader before they time out: the first entries of the term tell them.
#[test]
fn a_new_leader_speaks_to_everybody_at_once() {
    let mut cluster = Cluster::plain(3);
    cluster.campaign(1);
    let sent = cluster.tell(1, 2, 1, vote(true));
    let heard: Vec<_> = sent.iter().map(|mail| (mail.to, mail.message.kind())).collect();
    assert_eq!(heard, [(node(2), "AppendEntries"), (node(3), "AppendEntries")]);
}

/// Another one has won the election.
#[test]
fn a_candidate_yields_to_the_leader_of_its_term() {
    for message in [append(at(0, 0), &[1], 0), heartbeat(0, None)] {
        for survey in [false, true] {
            let mut cluster = Cluster::configured(3, |config| config.pre_vote = survey);
            cluster.campaign(1);
            cluster.tell(1, 2, 1, message.clone());
            assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
            assert_eq!(cluster.raft(1).leader(), Some(node(2)));
            assert_eq!(cluster.raft(1).term(), Term(1));
        }
    }
}

/// After a split vote somebody stands again, in a later term.
#[test]
fn a_candidate_whose_election_comes_to_nothing_starts_another() {
    let mut cluster = Cluster::plain(4);
    cluster.campaign(1);
    cluster.tell(1, 2, 1, vote(false));
    cluster.mail.clear();
    cluster.tick(1, 10);
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
    assert_eq!(cluster.raft(1).term(), Term(2));
    assert_eq!(cluster.mail.len(), 3);
    cluster.tell(1, 3, 2, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "a new count");
    cluster.tell(1, 2, 2, vote(true));
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
}

#[test]
fn a_leader_does_not_campaign_against_itself() {
    let mut cluster = Cluster::plain(3);
    cluster.elect(1);
    cluster.tick(1, 100);
    assert_eq!(cluster.raft(1).role(), RoleKind::Leader);
    assert_eq!(cluster.raft(1).term(), Term(1));
}
