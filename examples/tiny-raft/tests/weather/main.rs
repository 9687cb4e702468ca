//! `tiny-raft` in the tank: its bug is found, and without the bug it weathers everything.

mod adapter;

use adapter::TinyRaft;
use wavetank::{
    harness::Harness,
    swarm::{Amount, FaultModel},
};

/// Everything but what a small Raft does not have.
fn harness() -> Harness {
    let model = FaultModel {
        pre_vote: vec![false],
        check_quorum: vec![false],
        transfers: Amount::NONE,
        changes: Amount::NONE,
        storm_events: 2_000..=4_000,
        ..FaultModel::default()
    };
    // It has neither surveys nor snapshots, and its members stay, so there is nothing to judge about that.
    Harness::adapter::<TinyRaft>()
        .faults(model)
        .allow_idle("ConfigurationSafety")
        .allow_idle("PreVoteQuorum")
        .allow_idle("SnapshotDurability")
}

/// With a bug in it the test below would fail. So that the repository's own tests pass, the failure is expected here,
/// and shown with `--nocapture`.
#[cfg(not(feature = "fixed"))]
#[test]
fn the_bug_is_found() {
    use wavetank::harness::Failure;

    let Err(failure) = harness().try_run() else {
        panic!("every history passed: if you have mended the bug, run `cargo test --features fixed`");
    };
    println!("{failure}");
    let Failure::Run(failed) = failure else { panic!("it failed in another way: {failure}") };
    let violation = failed.violation().expect("the run was judged");
    assert_eq!(violation.check, "Monotonic");
    assert!(violation.message.contains("vote"), "{violation}");
}

#[cfg(feature = "fixed")]
#[test]
fn tiny_raft_keeps_its_promises() {
    harness().seeds(0..200).run();
}
