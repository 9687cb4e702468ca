//! A replica in hostile company, as in the test `no_panic`, but the fuzzer decides what happens: its bytes stand in for
//! the random numbers from which that test makes its histories.
#![no_main]

#[path = "../../tests/raft/cluster.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod cluster;
#[path = "../../tests/raft/hostile.rs"]
#[expect(dead_code, reason = "nobody asks what was reached")]
mod hostile;

use libfuzzer_sys::{Corpus, fuzz_target};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let Ok(raft) = hostile::replica().new_tree(&mut runner) else { return Corpus::Reject };
    let reached = hostile::Reached::default();
    let mut driver = hostile::Driver::new(raft.current(), &reached);
    // About as many bytes as one action takes.
    for _ in 0..bytes.len() / 32 {
        let Ok(action) = hostile::action().new_tree(&mut runner) else { break };
        driver.act(action.current());
    }
    Corpus::Keep
});
