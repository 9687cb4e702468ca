//! A replica in hostile company, as in the test `no_panic`, but the fuzzer decides what happens.
//!
//! Eight of its bytes are one event, by way of the generator of that test, whose seed they are. So the fuzzer can leave
//! an event out, repeat it or move it without touching the others.
#![no_main]

#[path = "../../tests/raft/cluster.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod cluster;
#[path = "../../tests/raft/hostile.rs"]
#[expect(dead_code, reason = "nobody asks what was reached")]
mod hostile;

use libfuzzer_sys::fuzz_target;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// What a strategy makes of these bytes.
fn value<S: Strategy>(strategy: &S, bytes: &[u8]) -> S::Value {
    let mut seed = [0; 32];
    seed[..bytes.len()].copy_from_slice(bytes);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("no strategy rejects anything").current()
}

fuzz_target!(|bytes: &[u8]| {
    let mut chunks = bytes.chunks(8);
    let Some(first) = chunks.next() else { return };
    let reached = hostile::Reached::default();
    let mut driver = hostile::Driver::new(value(&hostile::replica(), first), &reached);
    let action = hostile::action();
    for chunk in chunks {
        driver.act(value(&action, chunk));
    }
});
