//! Time as the driver sees it.

use raft_core::{CampaignError, Config, Incarnation, Message, Raft, Recovered, RoleKind, Term, TimeoutError};

use crate::cluster::{Cluster, envelope, heartbeat, node, plain, ticks, vote};

#[test]
fn a_timeout_is_wanted_after_each_reset_until_it_is_supplied() {
    let mut cluster = Cluster::plain(3);
    assert!(cluster.raft(1).wants_election_timeout());
    cluster.act(1, |raft| raft.set_election_timeout(ticks(12))).unwrap();
    assert!(!cluster.raft(1).wants_election_timeout());
    cluster.act(1, |raft| raft.advance(ticks(11)));
    assert_eq!(cluster.raft(1).role(), RoleKind::Follower);
    cluster.act(1, |raft| raft.advance(ticks(1)));
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate);
    assert!(cluster.raft(1).wants_election_timeout(), "the candidate has a timeout of its own");
    cluster.act(1, |raft| raft.advance(ticks(1000)));
    assert_eq!(cluster.raft(1).term().0, 1, "without one its timer does not fire");
    cluster.tell(1, 2, 1, vote(true));
    assert!(!cluster.raft(1).wants_election_timeout(), "a leader needs none");
    cluster.tell(1, 2, 2, heartbeat(0, None));
    assert!(cluster.raft(1).wants_election_timeout());
}

/// An election has a whole timeout, however long its candidate had waited before.
#[test]
fn an_election_begins_a_new_timeout() {
    let mut cluster = Cluster::plain(3);
    cluster.tick(1, 9);
    cluster.campaign(1);
    cluster.tick(1, 9);
    assert_eq!(cluster.raft(1).term(), Term(1));
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).term(), Term(2));
}

/// A survey is not an election yet.
#[test]
fn a_survey_leaves_the_timer_running() {
    let mut cluster = Cluster::new(3);
    cluster.tick(1, 5);
    cluster.campaign(1);
    assert!(!cluster.raft(1).wants_election_timeout());
    cluster.mail.clear();
    cluster.tick(1, 5);
    assert_eq!(cluster.mail.len(), 2, "another survey");
}

/// §3.4: timeouts are drawn from an interval, here from T to 2T - 1.
#[test]
fn a_timeout_outside_the_interval_is_refused() {
    let mut cluster = Cluster::new(3);
    for (given, is_taken) in [(0, false), (9, false), (10, true), (19, true), (20, false), (u64::MAX, false)]
    {
        let expected =
            if is_taken { Ok(()) } else { Err(TimeoutError { given: ticks(given), base: ticks(10) }) };
        let before = cluster.raft(1).clone();
        assert_eq!(cluster.act(1, |raft| raft.set_election_timeout(ticks(given))), expected);
        assert_eq!(before == *cluster.raft(1), !is_taken, "{given}");
    }
}

#[test]
fn the_next_timeout_is_the_number_of_ticks_until_something_happens() {
    let mut cluster = Cluster::plain(3);
    assert_eq!(cluster.raft(1).ticks_until_timeout(), None, "no timeout supplied");
    cluster.act(1, |raft| raft.set_election_timeout(ticks(15))).unwrap();
    cluster.tick(1, 4);
    assert_eq!(cluster.raft(1).ticks_until_timeout(), Some(ticks(11)));
    cluster.elect(1);
    assert_eq!(cluster.raft(1).ticks_until_timeout(), Some(ticks(2)), "its heartbeat");
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).ticks_until_timeout(), Some(ticks(1)));
}

#[test]
fn the_end_of_an_election_timeout_is_a_leaders_next_timeout_too() {
    let mut cluster = Cluster::configured(3, |config| config.heartbeat_interval = ticks(9));
    cluster.elect(1);
    cluster.tick(1, 9);
    assert_eq!(cluster.raft(1).ticks_until_timeout(), Some(ticks(1)));
}

/// A replica without a vote never starts an election, not even if it is told to, and its
/// driver need not wake it.
#[test]
fn who_has_no_vote_has_no_timeout() {
    let recovered = Recovered::founding([2, 3].map(node));
    let mut raft = Raft::new(Config::new(node(1)), recovered, Incarnation(1)).unwrap();
    raft.set_election_timeout(ticks(10)).unwrap();
    assert_eq!(raft.ticks_until_timeout(), None);
    raft.advance(ticks(1000));
    assert_eq!(raft.role(), RoleKind::Follower);
    assert_eq!(raft.campaign(), Err(CampaignError::NotVoter { id: node(1) }));
    raft.step(envelope(2, 1, 1, Message::TimeoutNow)).unwrap();
    assert_eq!((raft.role(), raft.term()), (RoleKind::Follower, Term(1)));
}

/// One jump does what as many ticks do: for each role, over several timeouts, in steps of every size.
#[test]
fn a_jump_equals_as_many_ticks() {
    for jump in 1..40 {
        for leads in [false, true] {
            let mut cluster = Cluster::configured(3, |config| {
                plain(config);
                config.heartbeat_interval = ticks(3);
            });
            if leads {
                cluster.elect(1);
            }
            let mut jumping = cluster.raft(1).clone();
            let mut ticking = cluster.raft(1).clone();
            for raft in [&mut jumping, &mut ticking] {
                raft.set_election_timeout(ticks(13)).unwrap();
            }
            for _ in 0..3 {
                jumping.advance(ticks(jump));
                (0..jump).for_each(|_| ticking.tick());
                assert_eq!(jumping, ticking, "{jump} ticks");
                assert_eq!(jumping.ready(), ticking.ready(), "{jump} ticks");
            }
        }
    }
}

/// Time that nobody waits for may be of any length.
#[test]
fn time_does_not_run_out() {
    let mut cluster = Cluster::plain(3);
    cluster.act(1, |raft| raft.advance(ticks(u64::MAX)));
    cluster.act(1, |raft| raft.advance(ticks(u64::MAX)));
    cluster.tick(1, 1);
    assert_eq!(cluster.raft(1).role(), RoleKind::Candidate, "the timeout supplied has long passed");
}
