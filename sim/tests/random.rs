//! Randomized histories of every implementation pass, and were worth running.
//!
//! A run in which nothing happens passes as well. So the ensemble has to be rich: half of the runs have
//! thousands of events, more than two elections, a hundred answers and a lossy crash; every fault made a
//! difference somewhere, and every check had something to decide. The lists of faults and checks are written out here,
//! so that one cannot go missing unseen.

use wavetank::{
    explore::{Richness, Summary, explore},
    program,
};
use wavetank_process::branches;

/// How many histories of each implementation.
const SEEDS: u64 = 40;

const FAULTS: [&str; 14] = [
    "change",
    "clock_drift",
    "crash",
    "duplicate",
    "full_queue",
    "hold",
    "loss",
    "one_way_cut",
    "partition",
    "pause",
    "power_loss",
    "reorder",
    "torn_sector",
    "transfer",
];

const CHECKS: [&str; 18] = [
    "CommitDurability",
    "CommitTerm",
    "ConfigurationSafety",
    "ElectionQuorum",
    "ElectionSafety",
    "LeaderAppendOnly",
    "LeaderCompleteness",
    "Linearizability",
    "Liveness",
    "LogMatching",
    "Monotonic",
    "PreVoteQuorum",
    "Promises",
    "Recovery",
    "SnapshotDurability",
    "StateMachineSafety",
    "TermOrigin",
    "Votes",
];

#[test]
fn histories_of_raft_core_pass_and_are_rich() {
    assert_pass_and_rich("raft-core");
}

#[cfg(feature = "raft-rs")]
#[test]
fn histories_of_raft_rs_pass_and_are_rich() {
    assert_pass_and_rich("raft-rs");
}

/// Whoever adds an implementation adds its test above.
#[test]
fn every_implementation_is_tested() {
    let names = program::built_in().iter().map(|program| program.name().to_owned()).collect::<Vec<_>>();
    assert!(names.iter().all(|name| ["raft-core", "raft-rs"].contains(&name.as_str())), "{names:?}");
}

fn assert_pass_and_rich(program: &str) {
    let summary = explore(program, 0..SEEDS, |_| ()).expect("it is built in");
    for outcome in summary.failed.iter().chain(&summary.inconclusive) {
        eprintln!("{program} seed {}: {}", outcome.seed, outcome.verdict);
    }
    assert_eq!((summary.passed, summary.failed.len(), summary.inconclusive.len()), (SEEDS, 0, 0));
    assert_rich(&summary);
    assert_faults_strike(&summary);
    assert_checks_decide(&summary);
    assert_branches_reached(&summary);
}

/// Snapshots are taken, sent and installed, and members come, go and change their capacity, in some run or other. Too rare for
/// so few runs is that a snapshot is given up, that a newer one comes while it is received, and that a change is refused for
/// another reason than that one is pending: each happens in one of forty, or so. (The tests of the replica reach them.)
fn assert_branches_reached(summary: &Summary) {
    let rare = [branches::FAILED, branches::SUPERSEDED, branches::CHANGE_REFUSED];
    let all = branches::SNAPSHOTS.into_iter().chain(branches::MEMBERS);
    for branch in all.filter(|branch| !rare.contains(branch)) {
        assert!(summary.branches.contains_key(branch), "no run reached {branch}: {:?}", summary.branches);
    }
}

fn assert_rich(summary: &Summary) {
    assert_eq!(summary.runs(), SEEDS);
    let median = summary.median().expect("there were runs");
    let Richness { events, elections, acknowledged, lossy_crashes } = median;
    assert!(5_000 <= events, "{median:?}");
    assert!(3 <= elections, "{median:?}");
    assert!(100 <= acknowledged, "{median:?}");
    assert!(1 <= lossy_crashes, "{median:?}");
}

fn assert_faults_strike(summary: &Summary) {
    assert_eq!(summary.faults.keys().collect::<Vec<_>>(), FAULTS);
    for (name, counters) in &summary.faults {
        assert!(0 < counters.armed, "{name} was never meant to strike: {counters:?}");
        assert!(0 < counters.fired, "{name} never struck: {counters:?}");
        assert!(0 < counters.effective, "{name} never made a difference: {counters:?}");
    }
    assert_eq!(summary.idle_faults(), [""; 0]);
}

fn assert_checks_decide(summary: &Summary) {
    assert_eq!(summary.checks.keys().collect::<Vec<_>>(), CHECKS);
    for (name, counters) in &summary.checks {
        assert!(0 < counters.non_trivial, "{name} never had anything to decide: {counters:?}");
        assert!(counters.non_trivial <= counters.evaluations, "{name}: {counters:?}");
    }
    assert_eq!(summary.idle_checks(), [""; 0]);
    // This one is made once for each run that gets that far, and all do.
    assert_eq!(summary.checks["Liveness"].evaluations, SEEDS);
    // This one is made of every answer.
    assert!(100 * SEEDS < summary.checks["Linearizability"].evaluations);
}
