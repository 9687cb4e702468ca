//! Histories that are too large for the oracle: the ways of checking against each other, and with any number of threads.

use super::{
    fuzz::histories,
    workloads::{Registers, UniqueRegisters},
};
use crate::{
    check::{FastPaths, Options, check, check_with},
    history::History,
    online::{Online, Progress},
    search::Reductions,
    specifications::{append_list::AppendLists, key_value::KeyValue, queue::Queues, set::Set},
    testing::{Random, Shape, Workload, random_history},
    verdict::{Budget, Precision, Verdict},
};

/// Compares the judge that is told event by event with the one that sees all at once.
fn compare<W: Workload + Clone>(name: &str, workload: &W, histories: u64, operations: u64) {
    let mut random = Random(3);
    let mut violations = 0;
    for number in 0..histories {
        let shape = Shape {
            clients: 2 + random.below(4),
            operations,
            lies: (!random.one_in(3)).then_some(operations / 5),
            abandoned: Some(60),
            failed: Some(10),
        };
        let history = random_history(workload, &mut random, shape);
        let searched = Options { reductions: Reductions::ALL, fast_paths: FastPaths::Unused };
        let expected = match check_with(workload, &history, Budget::default(), searched).verdict {
            Verdict::Linearizable { witness: _ } => None,
            Verdict::Violation(violation) => {
                assert_eq!(violation.precision, Precision::Exact);
                Some(violation.first_bad)
            }
            verdict @ Verdict::Unknown { .. } => panic!("{name}, history {number}: {verdict}"),
        };
        let mut online = Online::new(workload.clone(), Budget::default());
        let found = match online.advance(&history) {
            Progress::Explained => None,
            Progress::Violation(violation) => Some(violation.first_bad),
            Progress::Unknown(reason) => panic!("{name}, history {number}: {reason}"),
        };
        assert_eq!(found, expected, "{name}, history {number}");
        let fast = check(workload, &history, Budget::default());
        match (&fast.verdict, expected) {
            (Verdict::Linearizable { .. }, None) => online.report(&history).assert_linearizable(),
            (Verdict::Violation(violation), Some(event)) => assert_eq!(violation.first_bad, event),
            (verdict, _) => panic!("{name}, history {number}: {verdict} instead of {expected:?}"),
        }
        violations += u64::from(expected.is_some());
    }
    assert!(
        histories / 6 < violations && violations < histories,
        "{name}: {violations} violations of {histories}"
    );
}

/// How many histories are compared, of each specification.
fn larger() -> u64 {
    (histories() / 100).max(10)
}

// A test for each specification, so that they run beside one another.

#[test]
fn larger_histories_of_registers_are_judged_alike_at_once_and_event_by_event() {
    compare("registers", &Registers::holding(0), larger(), 100);
    compare("registers with unique values", &UniqueRegisters::holding(0), larger(), 100);
}

#[test]
fn larger_histories_of_maps_are_judged_alike_at_once_and_event_by_event() {
    compare("key-value", &KeyValue::default(), larger(), 100);
}

#[test]
fn larger_histories_of_sets_are_judged_alike_at_once_and_event_by_event() {
    compare("sets", &Set::default(), larger(), 60);
}

#[test]
fn larger_histories_of_queues_are_judged_alike_at_once_and_event_by_event() {
    compare("queues", &Queues::default(), larger(), 40);
}

#[test]
fn larger_histories_of_lists_are_judged_alike_at_once_and_event_by_event() {
    compare("lists", &AppendLists::default(), larger(), 100);
}

#[test]
fn an_answer_costs_no_more_late_in_a_history_than_early() {
    let mut random = Random(23);
    for operations in [300, 1_000, 3_000] {
        let shape = Shape { clients: 5, operations, lies: None, abandoned: Some(100), failed: Some(100) };
        let history = random_history(&Registers::holding(0), &mut random, shape);
        // This is for each answer, and far too little to go through the longer histories.
        let budget = Budget { nodes: 300, ..Budget::default() };
        let mut online = Online::new(Registers::holding(0), budget);
        assert_eq!(online.advance(&history), Progress::Explained, "{operations} operations");
        assert!(operations / 2 < online.answers(), "{} answers", online.answers());
    }
}

/// The first violating event of a search with these reductions.
fn searched<W: Workload>(workload: &W, history: &History<W::Input, W::Output>, bits: u8) -> Option<u64> {
    let options = Options { reductions: Reductions::combination(bits), fast_paths: FastPaths::Unused };
    match check_with(workload, history, Budget::default(), options).verdict {
        Verdict::Linearizable { witness: _ } => None,
        Verdict::Violation(violation) => Some(violation.first_bad.0),
        verdict @ Verdict::Unknown { .. } => panic!("{verdict}"),
    }
}

#[test]
fn histories_too_large_for_the_oracle_are_judged_alike_without_reductions() {
    let mut random = Random(17);
    let workload = Registers::holding(0);
    let mut violations = 0;
    let medium = (histories() / 10).max(100);
    for number in 0..medium {
        let lies = (!random.one_in(4)).then_some(7);
        let shape = Shape { clients: 6, operations: 18, lies, abandoned: Some(12), failed: None };
        let history = random_history(&workload, &mut random, shape);
        let expected = searched(&workload, &history, 0);
        for bits in [0b1_1111, 0b0_1000, 0b0_1101] {
            assert_eq!(
                searched(&workload, &history, bits),
                expected,
                "history {number}, {bits:b}: {history:#?}"
            );
        }
        violations += u64::from(expected.is_some());
    }
    assert!(medium / 5 < violations, "{violations} violations of {medium} are too few");
}

#[test]
fn reports_are_the_same_with_any_number_of_threads() {
    let mut random = Random(11);
    for _ in 0..20 {
        let lies = (!random.one_in(3)).then_some(60);
        let shape = Shape { clients: 5, operations: 120, lies, abandoned: Some(10), failed: None };
        let history = random_history(&KeyValue::default(), &mut random, shape);
        for nodes in [0, 50, 100, 4_000_000] {
            let judge = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let budget = Budget { nodes, ..Budget::default() };
                pool.install(|| check(&KeyValue::default(), &history, budget))
            };
            assert_eq!(judge(1), judge(4));
        }
    }
}
