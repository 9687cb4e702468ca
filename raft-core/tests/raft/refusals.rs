//! What no correct peer can have sent is refused with a typed error, and so is a start from what no replica
//! can have written. A refusal changes nothing.

use raft_core::{
    ByteCount, CampaignError, Config, ConfigError, Configuration, Entry, EntryId, Envelope, HardState,
    Incarnation, LogIndex, LogSlice, Message, Payload, ProposeError, Proposed, Raft, ReadPosition, Recovered,
    SnapshotHandle, SnapshotMeta, StartError, StepError, Term,
};

use crate::cluster::{
    Cluster, append, at, envelope, heartbeat, heartbeat_reply, knowing, matched, mismatched, node, pre_vote,
    request_pre_vote, request_vote, slice, ticks, vote,
};

/// Steps a message that is to be refused, and checks that nothing has changed.
fn refused(cluster: &mut Cluster, envelope: Envelope) -> StepError {
    let before = cluster.raft(1).clone();
    let error = cluster.step(envelope).expect_err("it is refused");
    assert_eq!(*cluster.raft(1), before, "after {error}");
    error
}

#[test]
fn addresses_must_be_right() {
    let mut raft = Cluster::new(3).raft(1).clone();
    let error = raft.step(envelope(2, 3, 1, heartbeat(0, None)));
    assert_eq!(error, Err(StepError::WrongAddress { to: node(3), this: node(1) }));
    let error = refused(&mut Cluster::new(3), envelope(1, 1, 1, heartbeat(0, None)));
    assert_eq!(error, StepError::FromSelf { this: node(1) });
}

#[test]
fn replies_come_from_members() {
    for reply in [vote(true), pre_vote(true), matched(0), heartbeat_reply(None)] {
        let error = refused(&mut Cluster::new(3), envelope(4, 1, 9, reply));
        assert_eq!(error, StepError::UnknownPeer { from: node(4) });
    }
}

#[test]
fn no_server_is_in_term_zero_or_beyond_the_last() {
    for term in [0, Term::MAX.0 + 1, u64::MAX] {
        let error = refused(&mut Cluster::new(3), envelope(2, 1, term, request_vote(at(0, 0))));
        assert_eq!(error, StepError::ImpossibleTerm { term: Term(term) });
    }
    let mut cluster = Cluster::new(3);
    cluster.tell(1, 2, Term::MAX.0, heartbeat(0, None));
    let error = cluster.act(1, Raft::campaign);
    assert_eq!(error, Err(CampaignError::TermsExhausted { term: Term::MAX }));
    cluster.tell(1, 2, Term::MAX.0, Message::TimeoutNow);
    assert_eq!(cluster.raft(1).term(), Term::MAX);
}

#[test]
fn a_leader_has_no_entries_of_later_terms() {
    let error = refused(&mut Cluster::new(3), envelope(2, 1, 3, append(at(0, 0), &[4], 0)));
    assert_eq!(error, StepError::EntriesFromTheFuture { last: at(4, 1), term: Term(3) });
}

#[test]
fn a_term_has_one_leader() {
    let expected = StepError::SecondLeader { from: node(3), term: Term(1) };
    for message in [append(at(0, 0), &[1], 0), heartbeat(0, None)] {
        let mut cluster = Cluster::new(3);
        cluster.tell(1, 2, 1, heartbeat(0, None));
        assert_eq!(refused(&mut cluster, envelope(3, 1, 1, message.clone())), expected);
        let mut cluster = Cluster::new(3);
        cluster.elect(1);
        assert_eq!(refused(&mut cluster, envelope(3, 1, 1, message)), expected);
    }
}

#[test]
fn what_is_committed_stands() {
    for message in [append(at(0, 0), &[2], 0), append(at(1, 1), &[2], 0), append(at(2, 2), &[2], 0)] {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], |_| ());
        cluster.tell(1, 2, 1, append(at(1, 2), &[], 2));
        let error = refused(&mut cluster, envelope(3, 1, 2, message));
        let StepError::ConflictsWithCommitted { entry, commit: LogIndex(2) } = error else {
            panic!("{error}")
        };
        assert_eq!(entry.term, Term(2));
    }
}

/// No other entry can be committed where one is, and none without a term or of a later one than the message's.
#[test]
fn what_is_told_in_elections_to_be_committed_can_be() {
    for question in [request_pre_vote, request_vote] {
        for impossible in [at(0, 1), at(1, 0), at(3, 3)] {
            let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], |_| ());
            cluster.tell(1, 2, 1, append(at(1, 2), &[], 2));
            let message = knowing(impossible, question(at(1, 3)));
            let error = refused(&mut cluster, envelope(3, 1, 2, message));
            assert_eq!(error, StepError::ImpossibleCommit { committed: impossible, term: Term(2) });
        }
    }
    for answer in [pre_vote, vote] {
        let mut cluster = Cluster::with_logs(1, &[&[1, 1, 1], &[], &[]], |_| ());
        cluster.tell(1, 2, 1, append(at(1, 2), &[], 2));
        let error = refused(&mut cluster, envelope(3, 1, 2, knowing(at(2, 2), answer(false))));
        assert_eq!(error, StepError::ConflictsWithCommitted { entry: at(2, 2), commit: LogIndex(2) });
    }
}

#[test]
fn a_heartbeat_commits_only_what_was_acknowledged() {
    let mut cluster = Cluster::with_logs(1, &[&[1], &[], &[]], |_| ());
    for term in [1, 2] {
        let error = refused(&mut cluster, envelope(2, 1, term, heartbeat(2, None)));
        assert_eq!(error, StepError::CommitBeyondLog { commit: LogIndex(2), last: at(1, 1) });
    }
}

#[test]
fn an_acknowledgement_answers_what_was_sent() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    let error = refused(&mut cluster, envelope(2, 1, 1, matched(2)));
    assert_eq!(error, StepError::AcknowledgesUnsent { from: node(2), index: LogIndex(2), last: at(1, 1) });
    cluster.act(1, Raft::read_index).unwrap();
    let error = refused(&mut cluster, envelope(2, 1, 1, heartbeat_reply(Some(2))));
    assert_eq!(error, StepError::ConfirmsUnsentRead { from: node(2), position: ReadPosition(2) });
}

#[test]
fn only_the_leader_takes_commands() {
    let mut cluster = Cluster::new(3);
    let mut propose = |id| cluster.act(id, |raft| raft.propose("x".into()));
    assert_eq!(propose(2), Err(ProposeError::NotLeader { leader: None }));
    cluster.elect(1);
    let mut propose = |id| cluster.act(id, |raft| raft.propose("x".into()));
    assert_eq!(propose(2), Err(ProposeError::NotLeader { leader: Some(node(1)) }));
    assert_eq!(propose(1), Ok(Proposed::Appended(at(1, 2))));
}

#[test]
fn a_leader_has_nothing_to_campaign_for() {
    let mut cluster = Cluster::new(3);
    cluster.elect(1);
    assert_eq!(cluster.act(1, Raft::campaign), Err(CampaignError::AlreadyLeader { term: Term(1) }));
}

#[test]
fn a_start_needs_a_log_with_its_commit_index_and_a_term_as_late_as_the_log() {
    let start = |term, commit, log: LogSlice| {
        let recovered = Recovered {
            hard_state: HardState::recovered(Term(term), None),
            commit: LogIndex(commit),
            log,
            ..Recovered::founding([1, 2, 3].map(node))
        };
        Raft::new(Config::new(node(1)), recovered, Incarnation(1)).map(|_| ())
    };
    let log = || slice(at(1, 3), &[1, 2]);
    for commit in [6, u64::MAX] {
        let beyond = StartError::CommitBeyondLog { commit: LogIndex(commit), last: at(2, 5) };
        assert_eq!(start(2, commit, log()), Err(beyond));
    }
    for commit in [0, 2, 3, 5] {
        assert_eq!(start(2, commit, log()), Ok(()));
    }
    assert_eq!(start(1, 3, log()), Err(StartError::TermBehindLog { term: Term(1), last: at(2, 5) }));
    let far = at(1, u64::MAX - 1);
    let beyond = |term, last| Err(StartError::OutOfRange { term: Term(term), last });
    assert_eq!(start(1, far.index.0, LogSlice::empty(far)), beyond(1, far));
    assert_eq!(start(u64::MAX, 3, log()), beyond(u64::MAX, at(2, 5)));
}

/// What a snapshot covers must be where the log begins, or in it.
#[test]
fn a_start_needs_a_log_that_fits_the_snapshot() {
    let start = |snapshot: EntryId, applied| {
        let configuration = Configuration::of_voters([1, 2, 3].map(node));
        let snapshot = SnapshotMeta { last: snapshot, configuration, handle: SnapshotHandle(0) };
        let recovered = Recovered {
            hard_state: HardState::recovered(Term(2), None),
            commit: LogIndex(0),
            snapshot: Some(snapshot),
            applied: LogIndex(applied),
            log: slice(at(1, 3), &[1, 2]),
            ..Recovered::founding([1, 2, 3].map(node))
        };
        let raft = Raft::new(Config::new(node(1)), recovered, Incarnation(1))?;
        Ok((raft.applied().0, raft.commit().0))
    };
    for snapshot in [at(1, 2), at(2, 3), at(2, 4), at(1, 5), at(2, 6)] {
        let error = StartError::SnapshotOutsideLog { snapshot, base: at(1, 3), last: at(2, 5) };
        assert_eq!(start(snapshot, 0), Err(error));
    }
    assert_eq!(start(at(1, 3), 0), Ok((3, 3)));
    assert_eq!(start(at(1, 4), 0), Ok((4, 4)));
    assert_eq!(start(at(1, 4), 5), Ok((5, 5)));
    let beyond = StartError::AppliedBeyondLog { applied: LogIndex(6), last: at(2, 5) };
    assert_eq!(start(at(1, 4), 6), Err(beyond));
}

#[test]
fn settings_must_make_sense() {
    let start = |change: &dyn Fn(&mut Config)| {
        let mut config = Config::new(node(1));
        change(&mut config);
        Raft::new(config, Recovered::founding([node(1)]), Incarnation(1)).map(|_| ())
    };
    let timeout = |election: u64, heartbeat: u64| {
        Err(StartError::Config(ConfigError::ElectionTimeout {
            election_timeout: ticks(election),
            heartbeat_interval: ticks(heartbeat),
        }))
    };
    assert_eq!(start(&|_| ()), Ok(()));
    assert_eq!(start(&|c| c.heartbeat_interval = ticks(0)), Err(ConfigError::NoHeartbeat.into()));
    assert_eq!(start(&|c| c.election_timeout = ticks(2)), timeout(2, 2));
    let longest = u64::MAX >> 2;
    assert_eq!(start(&|c| c.election_timeout = ticks(longest)), Ok(()));
    assert_eq!(start(&|c| c.election_timeout = ticks(longest + 1)), timeout(longest + 1, 2));
    assert_eq!(start(&|c| c.max_inflight_messages = 0), Err(ConfigError::NothingInflight.into()));
    assert_eq!(start(&|c| c.max_inflight_bytes = ByteCount(0)), Err(ConfigError::NothingInflight.into()));
}

/// The edges of the number line, where one more would overflow.
#[test]
fn the_largest_numbers_do_no_harm() {
    let huge = EntryId { term: Term(1), index: LogIndex(u64::MAX) };
    for is_known in [false, true] {
        let mut leader = Cluster::plain(3);
        leader.campaign(1);
        leader.tell(1, 3, 1, vote(true));
        if is_known {
            leader.tell(1, 2, 1, matched(1));
        }
        for probed in [u64::MAX, u64::MAX - 1, LogIndex::MAX.0] {
            leader.tell(1, 2, 1, mismatched(probed, huge));
        }
    }
    let mut follower = Cluster::plain(3);
    let message = Message::AppendEntries { entries: LogSlice::empty(huge), commit: huge.index };
    let refusal = mismatched(u64::MAX, at(0, 0));
    assert_eq!(follower.tell(1, 2, 1, message), [envelope(1, 2, 1, refusal)]);
}

#[test]
fn entries_stand_in_order() {
    let entry = |term| Entry { term: Term(term), payload: Payload::Noop };
    let slice = |prev, terms: &[u64]| LogSlice::new(prev, terms.iter().map(|&term| entry(term)).collect());
    assert!(slice(at(2, 5), &[2, 3]).is_ok());
    assert!(slice(at(2, 5), &[1]).is_err());
    assert!(slice(at(2, 5), &[3, 2]).is_err());
    assert!(slice(EntryId::ORIGIN, &[0]).is_err());
    assert!(slice(EntryId::ORIGIN, &[Term::MAX.0]).is_ok());
    assert!(slice(EntryId::ORIGIN, &[Term::MAX.0 + 1]).is_err());
    let end = EntryId { term: Term(1), index: LogIndex::MAX };
    assert!(slice(end, &[]).is_ok());
    assert!(slice(end, &[1]).is_err());
    assert!(slice(EntryId { term: Term(1), index: LogIndex(u64::MAX) }, &[1]).is_err());
}

/// A term is written before an entry of it. Only the snapshot with which a cluster is founded comes without.
#[test]
fn a_start_needs_the_term_of_its_log() {
    let start = |snapshot: Option<EntryId>, log: LogSlice| {
        let configuration = Configuration::of_voters([1, 2, 3].map(node));
        let snapshot = snapshot.map(|last| SnapshotMeta { last, configuration, handle: SnapshotHandle(0) });
        let recovered = Recovered { snapshot, log, ..Recovered::founding([1, 2, 3].map(node)) };
        Raft::new(Config::new(node(1)), recovered, Incarnation(1)).map(|_| ())
    };
    let behind = |last| Err(StartError::TermBehindLog { term: Term(0), last });
    assert_eq!(start(None, slice(EntryId::ORIGIN, &[1])), behind(at(1, 1)));
    assert_eq!(start(Some(at(1, 1)), LogSlice::empty(at(1, 1))), Ok(()));
    assert_eq!(start(Some(at(2, 1)), LogSlice::empty(at(2, 1))), behind(at(2, 1)));
    assert_eq!(start(Some(at(1, 1)), slice(at(1, 1), &[1])), behind(at(1, 2)));
}
