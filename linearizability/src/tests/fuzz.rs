//! Small histories of every specification: the same verdict and the same first event from the oracle, from the search
//! with every combination of reductions, and with the fast paths.
//!
//! `FUZZ_HISTORIES` says how many histories of each specification; CI's number is small, so that tests stay quick. The
//! complete run is
//!
//! ```text
//! FUZZ_HISTORIES=100000 cargo test --release --package linearizability fuzz -- --nocapture
//! ```
//!
//! Without `fuzz` there, the larger histories of the other tests are as many times more.

use std::env;

use super::workloads::{Registers, UniqueRegisters};
use crate::{
    check::{FastPaths, Options, check_with},
    history::{ClientId, Ending, EventKind, History},
    online::{Online, Progress},
    oracle,
    search::Reductions,
    specifications::{append_list, key_value, lock, queue, set},
    testing::{Random, Shape, Workload, random_history},
    verdict::{Budget, Precision, Verdict, Violation},
};

/// How many small histories of each specification are judged.
pub(super) fn histories() -> u64 {
    let asked = env::var("FUZZ_HISTORIES").ok();
    asked.map_or(600, |number| number.parse().expect("FUZZ_HISTORIES is a number of histories"))
}

/// The first violating event, if there is one, by a check with these options.
fn first_bad<W: Workload>(
    workload: &W,
    history: &History<W::Input, W::Output>,
    options: Options,
) -> Option<u64> {
    match check_with(workload, history, Budget::default(), options).verdict {
        Verdict::Linearizable { witness: _ } => None,
        Verdict::Violation(violation) => {
            assert_eq!(violation.precision, Precision::Exact, "{history:#?}");
            if options.fast_paths == FastPaths::Used {
                assert!(core_proves(workload, history, &violation), "{violation:#?} of {history:#?}");
            }
            Some(violation.first_bad.0)
        }
        verdict @ Verdict::Unknown { .. } => panic!("{verdict} of {history:#?}"),
    }
}

/// The first violating event, if there is one, by a judge that is told event by event.
fn first_bad_online<W: Workload + Clone>(
    workload: &W,
    history: &History<W::Input, W::Output>,
) -> Option<u64> {
    let mut online = Online::new(workload.clone(), Budget::default());
    for event in history.events() {
        // The history as it was then: the judge must not look ahead.
        match online.advance(&history.prefix(event.number)) {
            Progress::Explained => (),
            Progress::Violation(violation) => {
                assert_eq!(violation.first_bad, event.number, "{history:#?}");
                return Some(event.number.0);
            }
            Progress::Unknown(reason) => panic!("{reason} of {history:#?}"),
        }
    }
    online.report(history).assert_linearizable();
    None
}

/// Whether the operations of a core prove a violation, whatever the others did: without the ends of the others.
fn core_proves<W: Workload>(
    workload: &W,
    history: &History<W::Input, W::Output>,
    violation: &Violation,
) -> bool {
    let mut relaxed = History::default();
    for (client, event) in
        history.events().iter().filter(|event| event.number <= violation.first_bad).enumerate()
    {
        let operation = history.operation(event.operation).unwrap();
        let is_core = violation.core.contains(&event.operation);
        match (event.kind, &operation.ending) {
            (EventKind::Invoke, _) => {
                relaxed.invoke(ClientId(client as u64), operation.input.clone(), 0).unwrap();
            }
            (EventKind::Complete, Ending::Completed { output, .. }) if is_core => {
                relaxed.complete(event.operation, output.clone(), 0).unwrap();
            }
            (EventKind::Fail, _) if is_core => relaxed.fail(event.operation).unwrap(),
            _ => (),
        }
    }
    oracle::first_violation(workload, &relaxed).is_some()
}

/// Compares all ways of checking with the oracle, and sees to it that the histories are not too simple.
fn fuzz<W: Workload + Clone>(name: &str, workload: &W) {
    let mut random = Random(1);
    let (mut violations, mut early, mut unanswered, mut checks) = (0, 0, 0, 0);
    let histories = histories();
    for number in 0..histories {
        let shape = Shape::small(&mut random);
        let history = random_history(workload, &mut random, shape);
        let expected = oracle::first_violation(workload, &history).map(|event| event.0);
        let one = u8::try_from(number % 32).unwrap();
        let searches = [31, 0, one, one ^ 31]
            .map(|bits| Options { reductions: Reductions::combination(bits), fast_paths: FastPaths::Unused });
        for options in [Options::default()].iter().chain(&searches) {
            let found = first_bad(workload, &history, *options);
            assert_eq!(found, expected, "{name}, history {number}, {options:?}: {history:#?}");
            checks += 1;
        }
        assert_eq!(
            first_bad_online(workload, &history),
            expected,
            "{name}, history {number}, online: {history:#?}"
        );
        violations += u64::from(expected.is_some());
        early += u64::from(expected.is_some_and(|event| event + 2 < history.events().len() as u64));
        unanswered += u64::from(0 < history.counts().open + history.counts().abandoned);
    }
    println!("{name}: {histories} histories, {checks} checks, {violations} violations, {early} early");
    let share = |part: u64| 100 * part / histories;
    assert!((10..90).contains(&share(violations)), "{name}: {violations} violations of {histories}");
    assert!(3 < share(early), "{name}: only {early} violations came before the end");
    assert!(20 < share(unanswered), "{name}: only {unanswered} histories left something unanswered");
}

#[test]
fn fuzz_registers() {
    fuzz("registers", &Registers::holding(0));
}

#[test]
fn fuzz_registers_with_unique_values() {
    fuzz("registers with unique values", &UniqueRegisters::holding(0));
}

#[test]
fn fuzz_key_value() {
    fuzz("key-value", &key_value::KeyValue::default());
}

#[test]
fn fuzz_sets() {
    fuzz("sets", &set::Set::default());
}

#[test]
fn fuzz_queues() {
    fuzz("queues", &queue::Queues::default());
}

#[test]
fn fuzz_locks() {
    fuzz("locks", &lock::Locks::default());
}

#[test]
fn fuzz_append_lists() {
    fuzz("append-lists", &append_list::AppendLists::default());
}
