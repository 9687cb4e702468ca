//! Configurations and fault plans from proptest: runs of them pass, and a failing one shrinks to what it needs.

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestError, TestRng, TestRunner},
};
use wavetank::{
    harness::Harness,
    strategies::run_options,
    swarm::{FaultModel, RunOptions},
};
use wavetank_raft_core::RaftCore;

/// The same cases every time: nothing here is left to chance.
fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn raft_core_weathers_every_configuration() {
    let harness = Harness::adapter::<RaftCore>();
    let runs = (run_options(&FaultModel::default()), any::<u64>().no_shrink());
    let result = runner(12).run(&runs, |(options, seed)| match harness.run_one(&options, seed) {
        Ok(report) => {
            prop_assert!(1_000 < report.events, "too little happened: {} events", report.events);
            Ok(())
        }
        Err(failure) => Err(TestCaseError::fail(failure.to_string())),
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn a_failing_configuration_shrinks_to_what_it_needs() {
    let result = runner(256).run(&run_options(&FaultModel::default()), |options| {
        prop_assert!(options.faults.partitions < 2 || options.tank.network.loss_permille < 7);
        Ok(())
    });
    let Err(TestError::Fail(_, options)) = result else { panic!("it must fail: {result:?}") };
    let RunOptions { programs: _, tank, faults } = options;
    assert_eq!((faults.partitions, tank.network.loss_permille), (2, 7));
    // Everything else is as calm and as small as the model allows.
    assert_eq!((faults.crashes, faults.power_losses, faults.pauses, faults.events), (0, 2, 0, 5_000));
    assert_eq!((tank.voters, tank.clients.len(), tank.disk.tear), (3, 2, false));
    assert_eq!((tank.network.duplicate_permille, tank.network.capacity), (0, None));
    assert_eq!(tank.drift_ppm, [0, 0, 0]);
}
