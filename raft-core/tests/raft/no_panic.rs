//! Whatever a peer sends and whatever a driver asks: never a panic, and what is refused changes nothing.

use std::thread;

use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestRunner},
};
use raft_core::RoleKind;

use crate::hostile::{Driver, Reached, action, count, replica};

/// Histories for each thread, and so many threads.
const CASES: u32 = 300;
const THREADS: u64 = 4;

#[test]
fn nothing_that_happens_makes_a_replica_panic() {
    let reached = Reached::default();
    thread::scope(|scope| {
        for seed in 1..=THREADS {
            let reached = &reached;
            scope.spawn(move || run_histories(seed, reached));
        }
    });
    assert!(4_000 < reached.refused.get(), "{} refusals", reached.refused.get());
    for role in [RoleKind::Follower, RoleKind::PreCandidate, RoleKind::Candidate, RoleKind::Leader] {
        let times = reached.in_role[role as usize].get();
        assert!(2_000 < times, "{times} times in the role of {role:?}");
    }
    assert!(120 < reached.committed_as_leader.get(), "{} commits", reached.committed_as_leader.get());
    for (name, times) in [
        ("compactions", &reached.compacted),
        ("snapshots sent", &reached.snapshot_sent),
        ("snapshots restored", &reached.restored),
        ("changes of members", &reached.reconfigured),
    ] {
        assert!(6 < times.get(), "{} {name}", times.get());
    }
    assert!(200 < reached.truncated.get(), "{} truncations", reached.truncated.get());
}

/// Runs histories drawn from a seed.
fn run_histories(seed: u64, reached: &Reached) {
    let config = ProptestConfig {
        cases: CASES,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let histories = (replica(), proptest::collection::vec(action(), 1..150));
    let result = TestRunner::new(config).run(&histories, |(raft, actions)| {
        let mut driver = Driver::new(raft, reached);
        for action in actions {
            let (last, commit) = (driver.raft.last(), driver.raft.commit());
            let base = driver.raft.base();
            driver.act(action);
            if base != driver.raft.base() && driver.raft.applied() < driver.raft.base().index {
                count(&reached.restored);
            }
            count(&reached.in_role[driver.raft.role() as usize]);
            if driver.raft.role() == RoleKind::Leader && commit < driver.raft.commit() {
                count(&reached.committed_as_leader);
            }
            if driver.raft.entry_term(last.index) != Some(last.term) {
                count(&reached.truncated);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
