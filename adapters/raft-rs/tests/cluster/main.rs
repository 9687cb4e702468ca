//! Replicas of the crate on a network, disks and a clock that are moved by hand.

mod support;

use bytes::Bytes;
use wavetank_process::{
    Adapter, Boot, Outputs, Promise, RaftOptions, ReadOutcome, Recovered, Refusal, Role,
    raft_core::{self, EntryId, HardState, LogIndex, LogSlice, Payload, Term},
};
use wavetank_raft_rs::RaftRs;

use support::*;

#[test]
fn time_elects_a_leader_and_keeps_it() {
    let mut cluster = Cluster::new(3);
    cluster.run(2 * ELECTION_TIMEOUT);
    let leaders: Vec<_> = (1..=3).filter(|&number| cluster.observe(number).role == Role::Leader).collect();
    assert_eq!(leaders.len(), 1);
    let term = cluster.observe(1).term;
    cluster.run(5 * ELECTION_TIMEOUT);
    for number in 1..=3 {
        let seen = cluster.observe(number);
        assert_eq!((seen.term, seen.leader), (term, Some(id(leaders[0]))));
    }
}

#[test]
fn proposals_are_applied_everywhere_in_order() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    for command in ["a", "b", "c"] {
        cluster.propose(1, command);
    }
    cluster.settle();
    for number in 1..=3 {
        assert_eq!(cluster.commands(number), ["a", "b", "c"]);
        let machine = cluster.machine(number);
        let ids: Vec<_> = machine.applied.iter().map(|one| one.id).collect();
        assert_eq!(ids, [1, 2, 3, 4].map(|index| EntryId::new(1, index)));
        assert_eq!(machine.applied[0].command, None, "a term begins with a no-op");
        assert_eq!(machine.disk.log.last(), EntryId::new(1, 4));
        assert_eq!(machine.disk.log.entries()[0].payload, Payload::Noop);
        assert_eq!(machine.disk.commit, LogIndex(4));
        assert_eq!(machine.disk.hard_state, HardState::recovered(Term(1), Some(id(1))));
    }
}

#[test]
fn a_single_voter_needs_only_its_own_disk() {
    let mut cluster = Cluster::new(1);
    cluster.raft(1).campaign().unwrap();
    cluster.drain(1);
    cluster.propose(1, "a");
    assert_eq!(cluster.observe(1).commit, LogIndex(0));
    cluster.settle();
    assert_eq!(cluster.commands(1), ["a"]);
    cluster.raft(1).read(request(1)).unwrap();
    cluster.drain(1);
    assert_eq!(cluster.machine(1).reads, [(request(1), ReadOutcome::At(LogIndex(2)))]);
}

#[test]
fn votes_wait_for_the_disk() {
    let mut cluster = Cluster::with_options(3, RaftOptions { pre_vote: false, ..options() });
    cluster.raft(1).campaign().unwrap();
    cluster.drain(1);
    assert_eq!(kinds(&cluster.mail), [""; 0], "a candidate's own vote is not durable");
    cluster.sync(1);
    let requests = cluster.take("RequestVote");
    assert_eq!(requests.iter().map(|letter| letter.to.number()).collect::<Vec<_>>(), [2, 3]);

    cluster.deliver(&requests[0]);
    assert_eq!(kinds(&cluster.mail), [""; 0]);
    let voted = HardState::recovered(Term(1), Some(id(1)));
    assert_eq!(cluster.machine(2).writes[0].hard_state, Some(voted));
    cluster.sync(2);
    assert_eq!(kinds(&cluster.mail), ["RequestVoteReply"]);
    let promise = RaftRs::describe(&cluster.mail[0].bytes).unwrap().promise;
    assert_eq!(promise, Promise::Vote { candidate: id(1) });
}

#[test]
fn acknowledgements_wait_for_the_disk_and_entries_of_a_leader_do_not() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    let appends = cluster.take("AppendEntries");
    assert_eq!(appends.len(), 2, "sent although the leader's own write is pending");
    assert_eq!(cluster.machine(1).writes.len(), 1);

    cluster.deliver(&appends[0]);
    assert_eq!(kinds(&cluster.mail), [""; 0]);
    cluster.sync(2);
    let replies = cluster.take("AppendEntriesReply");
    assert_eq!(RaftRs::describe(&replies[0].bytes).unwrap().promise, Promise::Holds { index: LogIndex(2) });

    // One durable copy of three does not commit.
    cluster.deliver(&replies[0]);
    assert_eq!(cluster.observe(1).commit, LogIndex(1));
    cluster.sync(1);
    assert_eq!(cluster.observe(1).commit, LogIndex(2));
}

#[test]
fn replies_without_a_write_wait_only_for_writes_before_them() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    let append = cluster.take("AppendEntries").remove(0);
    cluster.tick(1, 2);
    let heartbeat = cluster.take("Heartbeat").remove(0);

    cluster.deliver(&heartbeat);
    assert_eq!(kinds(&cluster.mail), ["HeartbeatReply"]);
    assert_eq!(cluster.machine(2).writes, [], "a heartbeat writes nothing");

    cluster.mail.clear();
    cluster.deliver(&append);
    cluster.deliver(&heartbeat);
    assert_eq!(kinds(&cluster.mail), [""; 0]);
    cluster.sync(2);
    assert_eq!(kinds(&cluster.mail), ["AppendEntriesReply", "HeartbeatReply"]);
}

#[test]
fn writes_may_become_durable_together() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    for command in ["a", "b", "c"] {
        cluster.propose(1, command);
    }
    let appends: Vec<_> =
        cluster.take("AppendEntries").into_iter().filter(|letter| letter.to == id(2)).collect();
    appends.iter().for_each(|append| cluster.deliver(append));
    let writes: Vec<_> = cluster.machine(2).writes.drain(..).collect();
    let numbers: Vec<_> = writes.iter().map(|write| write.number).collect();
    assert_eq!(numbers.len(), 3);
    assert!(writes.iter().all(|write| write.hard_state.is_none()), "neither term nor vote changed");
    cluster.raft(2).persisted(numbers[1]);
    cluster.drain(2);
    assert_eq!(kinds(&cluster.mail), ["AppendEntriesReply"; 2]);
    cluster.raft(2).persisted(numbers[2]);
    cluster.drain(2);
    assert_eq!(kinds(&cluster.mail), ["AppendEntriesReply"; 3]);
}

#[test]
fn a_minority_s_entries_are_replaced_on_disk() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.propose(1, "lost");
    cluster.propose(1, "lost too");
    cluster.settle_without(&[2, 3]);
    assert_eq!(cluster.machine(1).disk.log.last(), EntryId::new(1, 3));
    // The others forget their leader, and choose another.
    for number in [2, 3] {
        cluster.tick(number, ELECTION_TIMEOUT - 1);
    }
    cluster.raft(2).advance(ELECTION_TIMEOUT);
    cluster.drain(2);
    cluster.settle_without(&[1]);
    cluster.tick(3, ELECTION_TIMEOUT);
    cluster.settle_without(&[1]);
    let leader = if cluster.observe(2).role == Role::Leader { 2 } else { 3 };
    cluster.propose(leader, "kept");
    cluster.settle_without(&[1]);
    cluster.tick(leader, 2);
    cluster.settle();
    for number in 1..=3 {
        assert_eq!(cluster.commands(number), ["kept"], "n{number}");
        let logs = [number, leader].map(|one| cluster.machines[&id(one)].disk.log.clone());
        assert_eq!(logs[0], logs[1], "n{number}");
    }
}

#[test]
fn a_restart_applies_the_log_again() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.propose(1, "b");
    cluster.settle();
    let before = cluster.machine(2).applied.clone();

    cluster.restart(2);
    assert_eq!(cluster.machine(2).applied, before, "known to be committed");
    let seen = cluster.observe(2);
    assert_eq!((seen.term, seen.vote, seen.role), (Term(1), Some(id(1)), Role::Follower));
    assert_eq!(seen.last, EntryId::new(1, 3));

    // Not known any more: a leader has to say so again.
    cluster.machine(3).disk.commit = LogIndex(0);
    cluster.restart(3);
    assert_eq!(cluster.machine(3).applied, []);
    cluster.run(2);
    assert_eq!(cluster.machine(3).applied, before);
    cluster.propose(1, "c");
    cluster.settle();
    assert_eq!(cluster.commands(2), ["a", "b", "c"]);
    assert_eq!(cluster.commands(3), ["a", "b", "c"]);
}

#[test]
fn a_vote_survives_a_restart() {
    let mut cluster =
        Cluster::with_options(3, RaftOptions { pre_vote: false, check_quorum: false, ..options() });
    for number in [1, 3] {
        cluster.raft(number).campaign().unwrap();
        cluster.drain(number);
        cluster.sync(number);
    }
    let requests: Vec<_> =
        cluster.take("RequestVote").into_iter().filter(|letter| letter.to == id(2)).collect();
    cluster.deliver(&requests[0]);
    cluster.sync(2);
    cluster.restart(2);
    cluster.mail.clear();
    cluster.deliver(&requests[1]);
    cluster.sync(2);
    assert_eq!(render(&cluster.mail[0].bytes), "RequestVoteReply t1 refused");
}

#[test]
fn broadcasts_are_in_the_order_of_ids() {
    let voters = [70_000, 3, 1 << 40, 77, 12_345, 6, 999].map(id).to_vec();
    let boot = Boot { id: id(3), voters, learners: Vec::new(), incarnation: 0, options: options() };
    let mut raft = RaftRs::start(&boot, blank()).unwrap();
    raft.campaign().unwrap();
    let mut outputs = Outputs::default();
    raft.drain(&mut outputs);
    let receivers: Vec<_> = outputs.sends.iter().map(|(to, _)| to.number()).collect();
    assert_eq!(receivers, [6, 77, 999, 12_345, 70_000, 1 << 40]);
}

#[test]
fn messages_keep_to_the_limits() {
    let limits = |max_message_bytes, max_inflight_messages| {
        let mut cluster =
            Cluster::with_options(3, RaftOptions { max_message_bytes, max_inflight_messages, ..options() });
        cluster.elect(1);
        for command in ["a", "b", "c", "d"] {
            cluster.propose(1, command);
        }
        let sent = cluster.mail.iter().filter(|letter| letter.to == id(2)).count();
        cluster.settle();
        let most = cluster.trace.iter().map(|line| line.matches('"').count() / 2).max();
        (sent, most, cluster.commands(2).len())
    };
    assert_eq!(limits(1 << 20, 64), (4, Some(1), 4));
    assert_eq!(limits(1 << 20, 1), (1, Some(3), 4));
    assert_eq!(limits(1, 1), (1, Some(1), 4));
}

#[test]
fn reads_are_answered_by_a_round_of_heartbeats() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    assert_eq!(cluster.raft(2).read(request(1)), Err(Refusal::NotLeader { leader: Some(id(1)) }));
    cluster.propose(1, "a");
    cluster.settle();

    cluster.raft(1).read(request(1)).unwrap();
    cluster.raft(1).read(request(2)).unwrap();
    cluster.drain(1);
    assert_eq!(cluster.machine(1).reads, []);
    cluster.settle();
    let answers = [request(1), request(2)].map(|id| (id, ReadOutcome::At(LogIndex(2))));
    assert_eq!(cluster.machine(1).reads, answers);
}

#[test]
fn a_late_reply_to_a_read_does_not_confirm_its_retry() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.raft(1).read(request(1)).unwrap();
    cluster.drain(1);
    for heartbeat in cluster.take("Heartbeat") {
        cluster.deliver(&heartbeat);
    }
    let replies = cluster.take("HeartbeatReply");
    cluster.deliver(&replies[0]);
    assert_eq!(cluster.machine(1).reads.len(), 1);

    cluster.raft(1).read(request(1)).unwrap();
    cluster.drain(1);
    cluster.deliver(&replies[1]);
    assert_eq!(cluster.machine(1).reads.len(), 1, "this reply is older than the question");
    cluster.settle();
    assert_eq!(cluster.machine(1).reads.len(), 2);
}

#[test]
fn reads_wait_for_a_commit_in_the_term() {
    let mut cluster = Cluster::new(3);
    cluster.raft(1).campaign().unwrap();
    cluster.drain(1);
    while cluster.observe(1).role != Role::Leader {
        (1..=3).for_each(|number| cluster.sync(number));
        let letter = cluster.mail.pop_front().unwrap();
        cluster.deliver(&letter);
    }
    assert!(matches!(cluster.raft(1).read(request(1)), Err(Refusal::Other(_))));
    cluster.settle();
    assert_eq!(cluster.raft(1).read(request(1)), Ok(()));
}

#[test]
fn reads_are_lost_with_the_leadership() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    cluster.raft(1).read(request(1)).unwrap();
    cluster.drain(1);
    cluster.mail.clear();
    assert_eq!(cluster.machine(1).reads, []);
    // Two election timeouts without an answer: the first still counts what was heard before.
    cluster.tick(1, 2 * ELECTION_TIMEOUT);
    assert_eq!(cluster.observe(1).role, Role::Follower);
    assert_eq!(cluster.machine(1).reads, [(request(1), ReadOutcome::Lost)]);
    cluster.drain(1);
    assert_eq!(cluster.machine(1).reads.len(), 1, "said once");
}

#[test]
fn leadership_is_handed_over() {
    let mut cluster = Cluster::new(3);
    assert_eq!(cluster.raft(1).transfer(id(2)), Err(Refusal::NotLeader { leader: None }));
    cluster.elect(1);
    assert_eq!(cluster.raft(3).transfer(id(2)), Err(Refusal::NotLeader { leader: Some(id(1)) }));
    assert!(matches!(cluster.raft(1).transfer(id(1)), Err(Refusal::Other(_))));
    assert!(matches!(cluster.raft(1).transfer(id(9)), Err(Refusal::Other(_))));
    assert!(matches!(cluster.raft(1).campaign(), Err(Refusal::Other(_))));

    cluster.raft(1).transfer(id(2)).unwrap();
    assert!(
        matches!(cluster.raft(1).propose(Bytes::from_static(b"a")), Err(Refusal::Other(_))),
        "in between"
    );
    cluster.drain(1);
    assert_eq!(kinds(&cluster.mail), ["TimeoutNow"]);
    cluster.settle();
    assert_eq!(cluster.observe(2).role, Role::Leader);
    assert!(cluster.trace.iter().any(|line| line == "n2 -> n1 RequestVote t2 last 1@1, for a transfer"));
}

#[test]
fn only_a_leader_takes_commands_and_none_that_are_empty() {
    let mut cluster = Cluster::new(3);
    let command = Bytes::from_static(b"a");
    assert_eq!(cluster.raft(1).propose(command.clone()), Err(Refusal::NotLeader { leader: None }));
    cluster.elect(1);
    assert_eq!(cluster.raft(2).propose(command), Err(Refusal::NotLeader { leader: Some(id(1)) }));
    assert!(matches!(cluster.raft(1).propose(Bytes::new()), Err(Refusal::Other(_))));
    cluster.drain(2);
    assert!(cluster.mail.is_empty(), "nothing is forwarded");
    assert_eq!(cluster.observe(1).last, EntryId::new(1, 1));
}

#[test]
fn the_timeout_that_was_supplied_is_the_one_that_fires() {
    for timeout in ELECTION_TIMEOUT..2 * ELECTION_TIMEOUT {
        let mut raft = RaftRs::start(&boot(1, 3, options()), blank()).unwrap();
        assert!(raft.wants_election_timeout());
        raft.set_election_timeout(timeout);
        assert!(!raft.wants_election_timeout());
        assert_eq!(raft.ticks_until_timeout(), Some(timeout));
        raft.advance(timeout - 1);
        assert_eq!((raft.observe().role, raft.ticks_until_timeout()), (Role::Follower, Some(1)));
        raft.advance(1);
        assert_eq!(raft.observe().role, Role::PreCandidate);
        assert!(raft.wants_election_timeout());
    }
}

#[test]
fn a_leader_s_next_deadline_is_a_heartbeat_or_a_count_of_its_quorum() {
    let options = RaftOptions { election_timeout_ticks: ELECTION_TIMEOUT, heartbeat_ticks: 4, ..options() };
    let mut cluster = Cluster::with_options(3, options);
    cluster.elect(1);
    let mut deadlines = Vec::new();
    while cluster.observe(1).role == Role::Leader {
        let ticks = cluster.raft(1).ticks_until_timeout().unwrap();
        deadlines.push(ticks);
        cluster.tick(1, ticks);
    }
    assert_eq!(deadlines, [4, 4, 2, 2, 4, 4], "heartbeats at 4, 8, 12, 16, a count at 10 and 20");
}

/// Elections by timeout, proposals, a restart, a read and a transfer.
fn busy_run() -> Vec<String> {
    let mut cluster = Cluster::new(5);
    for round in 0..6 {
        cluster.run(2 * ELECTION_TIMEOUT);
        let leader = (1..=5).find(|&number| cluster.observe(number).role == Role::Leader);
        let leader = leader.expect("two timeouts elect a leader");
        cluster.propose(leader, "a");
        cluster.raft(leader).read(request(round)).unwrap();
        cluster.drain(leader);
        if round % 2 == 0 {
            cluster.raft(leader).transfer(id(leader % 5 + 1)).unwrap();
        }
        cluster.settle();
        cluster.restart(leader);
    }
    cluster.trace
}

#[test]
fn the_crate_s_own_draws_do_not_show() {
    let first = busy_run();
    let elections = first.iter().filter(|line| line.contains(" RequestVote t")).count();
    assert!(6 <= elections, "{elections} requests for a vote");
    for _ in 0..3 {
        let again = busy_run();
        let differs = first.iter().zip(&again).find(|(one, other)| one != other);
        assert_eq!(differs, None);
        assert_eq!(first.len(), again.len());
    }
}

#[test]
fn the_digest_tells_states_apart() {
    let mut cluster = Cluster::new(5);
    let mut digests = vec![cluster.observe(1).digest];
    let mut note = |cluster: &Cluster, number| {
        let digest = cluster.observe(number).digest;
        assert!(!digests.contains(&digest), "seen before: {:?}", cluster.observe(number));
        digests.push(digest);
    };
    cluster.raft(1).set_election_timeout(ELECTION_TIMEOUT);
    note(&cluster, 1);
    cluster.tick(1, 1);
    note(&cluster, 1);
    cluster.raft(1).campaign().unwrap();
    cluster.drain(1);
    note(&cluster, 1);
    // One answer of the two that are needed.
    let survey = cluster.take("RequestPreVote").remove(0);
    cluster.deliver(&survey);
    let reply = cluster.mail.pop_front().unwrap();
    cluster.deliver(&reply);
    note(&cluster, 1);
    cluster.elect(1);
    note(&cluster, 1);
    cluster.propose(1, "a");
    note(&cluster, 1);
    // One copy, of the three that commit.
    let append = cluster.take("AppendEntries").remove(0);
    cluster.deliver(&append);
    cluster.sync(append.to.number());
    let reply = cluster.take("AppendEntriesReply").remove(0);
    cluster.deliver(&reply);
    note(&cluster, 1);
    // A follower that learns of a commit, and of nothing else.
    note(&cluster, 2);
    let commit = raft::eraftpb::Message {
        msg_type: raft::eraftpb::MessageType::MsgHeartbeat,
        from: 1,
        to: 2,
        term: 1,
        commit: 2,
        ..raft::eraftpb::Message::default()
    };
    cluster.raft(2).step(id(1), &protobuf::Message::write_to_bytes(&commit).unwrap()).unwrap();
    note(&cluster, 2);
}

#[test]
fn senseless_settings_and_logs_are_refused() {
    let refused = |boot: Boot, recovered: Recovered| match RaftRs::start(&boot, recovered) {
        Ok(_) => panic!("{boot:?} was taken"),
        Err(reason) => assert!(!reason.is_empty()),
    };
    refused(boot(1, 3, RaftOptions { heartbeat_ticks: 0, ..options() }), blank());
    refused(boot(1, 3, RaftOptions { heartbeat_ticks: ELECTION_TIMEOUT, ..options() }), blank());
    refused(boot(1, 3, RaftOptions { election_timeout_ticks: u64::MAX, ..options() }), blank());
    refused(boot(1, 3, RaftOptions { max_inflight_messages: 0, ..options() }), blank());
    refused(boot(1, 3, RaftOptions { max_inflight_messages: usize::MAX, ..options() }), blank());

    let log = |prev, term| {
        let entry = raft_core::Entry { term: Term(term), payload: Payload::Noop };
        LogSlice::new(prev, vec![entry]).unwrap()
    };
    let recovered = |term, commit, log| Recovered {
        hard_state: HardState::recovered(Term(term), None),
        commit,
        snapshot: None,
        log,
    };
    refused(boot(1, 3, options()), recovered(1, LogIndex(2), log(EntryId::ORIGIN, 1)));
    refused(boot(1, 3, options()), recovered(1, LogIndex(0), log(EntryId::ORIGIN, 2)));
    refused(boot(1, 3, options()), recovered(1, LogIndex(0), log(EntryId::new(1, 1), 1)));
    assert!(
        RaftRs::start(&boot(1, 3, options()), recovered(1, LogIndex(1), log(EntryId::ORIGIN, 1))).is_ok()
    );
    let twice = Boot { voters: [1, 2, 3, 2].map(id).to_vec(), ..boot(1, 3, options()) };
    assert!(RaftRs::start(&twice, blank()).is_ok());
}
