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
        ..FaultModel::default()
    };
    Harness::adapter::<TinyRaft>().faults(model)
}

#[cfg(feature = "fixed")]
#[test]
fn tiny_raft_keeps_its_promises() {
    harness().seeds(0..240).run();
}

#[cfg(not(feature = "fixed"))]
#[test]
fn tiny_raft_breaks_its_promise_to_vote_once() {
    use wavetank::harness::Failure;

    let failure = harness().try_run().expect_err("there is a bug in it");
    println!("{failure}");
    let Failure::Run(failed) = failure else { panic!("{failure}") };
    let violation = failed.violation().expect("the run was judged");
    assert_eq!(violation.check, "Votes");
}
