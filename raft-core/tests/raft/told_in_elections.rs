//! What candidates and voters tell each other to be committed, and what they make of it: a configuration acts where it is
//! applied, so an election may need somebody to learn of one first.

use raft_core::{
    CampaignError, ConfChange, Config, Configuration, EntryId, LogIndex, LogSlice, Majority, Message, Raft,
    RoleKind, Term, Transition, Voters,
};

use crate::cluster::{
    Cluster, add, append, at, change, envelope, knowing, node, plain, pre_vote, remove, request_pre_vote,
    request_vote, vote,
};

fn silent(config: &mut Config) {
    config.tell_commit_in_elections = false;
}

/// A server with the log 1, 1, 1, of which it knows the first to be committed, and two others; all in term 1.
fn cluster(configure: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], configure);
    cluster.tell(1, 2, 1, append(at(0, 0), &[1], 1));
    cluster.act(1, Raft::forget_leader).expect("it follows");
    cluster
}

/// The same server in another role.
fn in_role(role: RoleKind) -> Cluster {
    let mut cluster = cluster(|_| ());
    if role != RoleKind::Follower {
        cluster.campaign(1);
    }
    if role == RoleKind::Candidate || role == RoleKind::Leader {
        cluster.tell(1, 2, 2, pre_vote(true));
    }
    if role == RoleKind::Leader {
        cluster.tell(1, 2, 2, vote(true));
    }
    cluster.mail.clear();
    assert_eq!((cluster.raft(1).role(), cluster.commit(1)), (role, 1));
    cluster
}

fn voters(ids: &[u64]) -> Configuration {
    Configuration::of_voters(ids.iter().copied().map(node))
}

#[test]
fn a_candidate_tells_what_it_knows_to_be_committed() {
    let mut candidate = cluster(|_| ());
    candidate.campaign(1);
    let survey = candidate.take(1, 2, "RequestPreVote").message;
    assert_eq!(survey, knowing(at(1, 1), request_pre_vote(at(1, 3))));
    let election = knowing(at(1, 1), request_vote(at(1, 3)));
    let expected = [2, 3].map(|voter| envelope(1, voter, 2, election.clone()));
    assert_eq!(candidate.tell(1, 2, 2, pre_vote(true)), expected);
}

#[test]
fn a_voter_tells_what_it_knows_to_be_committed_whatever_it_answers() {
    let answers = [
        (2, request_pre_vote(at(1, 3)), 2, pre_vote(true)),
        (2, request_pre_vote(at(1, 2)), 1, pre_vote(false)),
        (2, request_vote(at(1, 3)), 2, vote(true)),
        (2, request_vote(at(1, 2)), 2, vote(false)),
    ];
    for (term, question, answer_term, answer) in answers {
        let expected = envelope(1, 2, answer_term, knowing(at(1, 1), answer));
        assert_eq!(cluster(|_| ()).tell(1, 2, term, question), [expected]);
    }
}

#[test]
fn so_does_who_refuses_a_candidate_of_the_past() {
    let mut cluster = cluster(|_| ());
    cluster.tell(1, 3, 5, vote(false));
    for (question, answer) in
        [(request_pre_vote(at(1, 3)), pre_vote(false)), (request_vote(at(1, 3)), vote(false))]
    {
        assert_eq!(cluster.tell(1, 2, 2, question), [envelope(1, 2, 5, knowing(at(1, 1), answer))]);
    }
}

/// No index stands for nothing: where nothing is committed, nothing is told.
#[test]
fn who_knows_nothing_to_be_committed_says_nothing() {
    let mut cluster = Cluster::with_logs(1, &[&[1], &[], &[]], |_| ());
    assert_eq!(cluster.tell(1, 2, 2, request_vote(at(1, 1))), [envelope(1, 2, 2, vote(true))]);
    cluster.tick(1, 10);
    assert_eq!(cluster.take(1, 2, "RequestPreVote").message, request_pre_vote(at(1, 1)));
}

/// All that may tell something, with the term it comes in to a server that began in term 1.
fn tellers(committed: EntryId) -> [(u64, Message); 6] {
    [
        (2, knowing(committed, request_pre_vote(at(1, 1)))),
        (2, knowing(committed, request_vote(at(1, 1)))),
        (1, knowing(committed, pre_vote(false))),
        (2, knowing(committed, pre_vote(true))),
        (2, knowing(committed, vote(false))),
        (2, knowing(committed, vote(true))),
    ]
}

#[test]
fn whoever_does_not_lead_believes_what_its_own_log_holds() {
    for (term, message) in tellers(at(1, 2)) {
        let mut follower = cluster(|_| ());
        follower.tell(1, 2, term, message.clone());
        assert_eq!(follower.commit(1), 2, "after {message:?}");
        assert_eq!(follower.applied(1).len(), 2);
    }
    for role in [RoleKind::PreCandidate, RoleKind::Candidate] {
        for message in [pre_vote(false), vote(false)] {
            let mut cluster = in_role(role);
            let term = cluster.raft(1).term().0;
            cluster.tell(1, 2, term, knowing(at(1, 2), message));
            assert_eq!((cluster.commit(1), cluster.raft(1).role()), (2, role), "no change is in it");
        }
    }
    let mut leader = in_role(RoleKind::Leader);
    leader.tell(1, 2, 2, knowing(at(1, 2), vote(false)));
    assert_eq!(leader.commit(1), 1, "it counts");
}

/// Its log may differ from the committed one anywhere behind its commit index.
#[test]
fn an_entry_of_another_term_is_not_believed() {
    for (term, message) in tellers(at(2, 2)).into_iter().filter(|&(term, _)| term == 2) {
        let mut cluster = cluster(|_| ());
        cluster.tell(1, 2, term, message.clone());
        assert_eq!(cluster.commit(1), 1, "after {message:?}");
    }
}

#[test]
fn neither_is_one_beyond_the_log() {
    for (term, message) in tellers(at(1, 4)) {
        let mut cluster = cluster(|_| ());
        cluster.tell(1, 2, term, message.clone());
        assert_eq!(cluster.commit(1), 1, "after {message:?}");
    }
}

#[test]
fn what_was_committed_stays_so() {
    let mut cluster = cluster(|_| ());
    cluster.tell(1, 2, 1, append(at(1, 2), &[1], 3));
    for (term, message) in tellers(at(1, 2)) {
        cluster.tell(1, 2, term, message.clone());
        assert_eq!(cluster.commit(1), 3, "after {message:?}");
    }
}

/// As in etcd: the preset is one of them.
#[test]
fn where_nothing_is_to_be_told_nothing_is_told_or_believed() {
    let etcd = |config: &mut Config| *config = Config::etcd(config.id);
    assert!(!Config::etcd(node(1)).tell_commit_in_elections);
    for (term, message) in tellers(at(1, 2)) {
        let mut cluster = cluster(silent);
        let answers = cluster.tell(1, 2, term, message.clone());
        let told =
            answers.iter().filter(|answer| answer.message == knowing(at(1, 1), answer.message.clone()));
        assert_eq!((told.count(), cluster.commit(1)), (0, 1), "after {message:?}");
    }
    let mut candidate = cluster(etcd);
    candidate.campaign(1);
    assert_eq!(candidate.take(1, 2, "RequestVote").message, request_vote(at(1, 3)));
}

/// Three servers, of which the first holds a change that adds a fourth, and does not know it to be committed.
fn with_change_of_members(configure: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = Cluster::configured(3, configure);
    cluster.elect(2);
    cluster.propose_change(2, change(&[add(4)]));
    cluster.deliver_to(1);
    cluster.mail.clear();
    cluster.cut_off(2);
    cluster.act(1, Raft::forget_leader).expect("it follows");
    assert_eq!((cluster.raft(1).last(), cluster.commit(1)), (at(1, 2), 1));
    cluster
}

/// Its votes were asked of, and would be counted by, a configuration that is known to have been replaced.
#[test]
fn a_candidacy_by_a_configuration_of_the_past_is_given_up() {
    let mut cluster = with_change_of_members(|_| ());
    cluster.campaign(1);
    cluster.tell(1, 3, 1, knowing(at(1, 2), pre_vote(false)));
    assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Follower, Term(1)));
    assert_eq!(cluster.raft(1).configuration(), &voters(&[1, 2, 3, 4]));
    let mut cluster = with_change_of_members(plain);
    cluster.campaign(1);
    cluster.tell(1, 3, 2, knowing(at(1, 2), vote(false)));
    for voter in [3, 4] {
        cluster.tell(1, voter, 2, vote(true));
    }
    assert_eq!((cluster.raft(1).role(), cluster.raft(1).term()), (RoleKind::Follower, Term(2)));
    cluster.mail.clear();
    cluster.tick(1, 10);
    let asked = cluster.mail.iter().map(|mail| mail.to).collect::<Vec<_>>();
    assert_eq!(asked, [node(3), node(4)], "and n2, which is cut off");
}

/// Nothing is gained by giving up what is won.
#[test]
fn a_vote_that_wins_is_counted_first() {
    let mut cluster = with_change_of_members(|_| ());
    cluster.campaign(1);
    cluster.tell(1, 3, 2, knowing(at(1, 2), pre_vote(true)));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
    cluster.tell(1, 3, 2, knowing(at(1, 2), vote(true)));
    assert_eq!((cluster.raft(1).role(), cluster.commit(1)), (RoleKind::Leader, 1));
}

/// Server 1 leads, and was replaced by server 2: that holds the last change, and does not know it to be committed. The log of
/// server 1 is longer.
fn replaced(configure: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = Cluster::founded(2, &voters(&[1]), configure);
    cluster.elect(1);
    let exchange = ConfChange { transition: Transition::JointExplicit, ..change(&[add(2), remove(1)]) };
    cluster.propose_change(1, exchange);
    cluster.settle();
    cluster.tick(1, 2);
    cluster.settle();
    cluster.propose_change(1, ConfChange::leave_joint());
    let leave = cluster.take(1, 2, "AppendEntries");
    cluster.propose(1, "x");
    cluster.mail.clear();
    cluster.step(leave).expect("a message of a peer");
    let acknowledgement = cluster.take(2, 1, "AppendEntriesReply");
    cluster.step(acknowledgement).expect("a message of a peer");
    cluster.mail.clear();
    let joint = Voters::joint([node(2)].into_iter().collect(), [node(1)].into_iter().collect::<Majority>());
    assert_eq!(cluster.raft(1).configuration(), &voters(&[2]));
    assert_eq!(cluster.raft(2).configuration().voters(), &joint);
    assert_eq!((cluster.raft(1).last(), cluster.raft(2).last()), (at(1, 4), at(1, 3)));
    cluster
}

/// The other one asks for its vote, and is refused. So the refusal tells.
#[test]
fn a_server_that_was_removed_and_has_the_longer_log_keeps_nobody_from_being_elected() {
    for (configure, elected) in [((|_| ()) as fn(&mut Config), true), (silent, false)] {
        let mut cluster = replaced(configure);
        cluster.act(2, Raft::forget_leader).expect("it follows");
        for _ in 0..3 {
            cluster.tick(2, 10);
            cluster.settle();
        }
        assert_eq!(cluster.raft(2).role() == RoleKind::Leader, elected);
        assert_eq!(cluster.commit(2), if elected { 4 } else { 2 });
        assert_eq!(cluster.act(1, Raft::campaign), Err(CampaignError::NotVoter { id: node(1) }));
    }
}

/// Server 2 leads and crashes. Server 3 was added last, and knows it; server 1 has the longer log, and does not.
fn added(configure: impl Fn(&mut Config)) -> Cluster {
    let mut cluster = Cluster::founded(3, &voters(&[1, 2]), configure);
    cluster.elect(2);
    cluster.propose_change(2, change(&[add(3)]));
    let change = cluster.take(2, 1, "AppendEntries");
    cluster.propose(2, "x");
    let command = cluster.take(2, 1, "AppendEntries");
    cluster.step(change).expect("a message of a peer");
    cluster.step(command).expect("a message of a peer");
    let acknowledgement = cluster.take(1, 2, "AppendEntriesReply");
    cluster.mail.clear();
    cluster.step(acknowledgement).expect("a message of a peer");
    cluster.mail.retain(|mail| mail.to != node(1));
    // The newcomer gets the change, and not the command behind it.
    let log = cluster.raft(2).log();
    let entries = LogSlice::new(log.prev(), log.entries()[..2].to_vec()).expect("the beginning of a log");
    cluster.tell(3, 2, 1, Message::AppendEntries { entries, commit: LogIndex(2) });
    cluster.crash(2);
    cluster.mail.clear();
    assert_eq!(cluster.raft(1).configuration(), &voters(&[1, 2]));
    assert_eq!(cluster.raft(3).configuration(), &voters(&[1, 2, 3]));
    assert_eq!((cluster.raft(1).last(), cluster.raft(3).last()), (at(1, 3), at(1, 2)));
    cluster
}

/// Server 1 could be elected by two of three, and takes server 3 for no member. So the request tells.
#[test]
fn who_knows_of_a_newcomer_is_only_the_newcomer_and_tells_it() {
    for (configure, elected) in [((|_| ()) as fn(&mut Config), true), (silent, false)] {
        let mut cluster = added(configure);
        for id in [1, 3] {
            cluster.act(id, Raft::forget_leader).expect("it follows");
        }
        for id in [1, 3, 1, 1] {
            cluster.tick(id, 10);
            cluster.settle();
        }
        assert_eq!(cluster.raft(1).role() == RoleKind::Leader, elected);
        assert_eq!(cluster.commit(3), if elected { 4 } else { 2 });
    }
}
