//! Small histories whose verdict is plain.

use crate::{
    check::{check, check_with_candidate},
    history::{ClientId, EventNumber, History, OperationId},
    specifications::{
        key_value::{Command, KeyValue, Reply},
        register,
    },
    testing::Random,
    verdict::{Budget, Precision, Report, UnknownReason, Verdict},
    witness::{WitnessError, verify_witness},
};

type KvHistory = History<Command, Reply>;

const KEY: &str = "x";

fn get() -> Command {
    Command::Get { key: KEY.into() }
}

fn put(value: &str) -> Command {
    Command::Put { key: KEY.into(), value: value.into() }
}

fn cas(expected: Option<&str>, value: &str) -> Command {
    Command::Cas { key: KEY.into(), expected: expected.map(str::to_owned), value: value.into() }
}

fn append(value: &str) -> Command {
    Command::Append { key: KEY.into(), value: value.into() }
}

fn found(value: &str) -> Reply {
    Reply::Value(Some(value.into()))
}

fn swapped(actual: Option<&str>) -> Reply {
    Reply::CasResult { ok: true, actual: actual.map(str::to_owned) }
}

fn not_swapped(actual: Option<&str>) -> Reply {
    Reply::CasResult { ok: false, actual: actual.map(str::to_owned) }
}

/// What happens in a history told by hand; clients are numbers.
enum Told {
    Invoke(u64, Command),
    Complete(u64, Reply),
    Fail(u64),
    Abandon(u64),
}
use Told::{Abandon, Complete, Fail, Invoke};

fn history(told: impl IntoIterator<Item = Told>) -> KvHistory {
    let mut history = KvHistory::default();
    let open = |history: &KvHistory, client| history.open_operation(ClientId(client)).unwrap().id;
    for told in told {
        match told {
            Invoke(client, input) => {
                history.invoke(ClientId(client), input, 0).unwrap();
            }
            Complete(client, output) => {
                let id = open(&history, client);
                history.complete(id, output, 0).unwrap();
            }
            Fail(client) => {
                let id = open(&history, client);
                history.fail(id).unwrap();
            }
            Abandon(client) => {
                let id = open(&history, client);
                history.abandon(id).unwrap();
            }
        }
    }
    history
}

fn judge(history: &KvHistory) -> Verdict {
    check(&KeyValue::default(), history, Budget::default()).verdict
}

/// Whether it is linearizable, and if not, the first bad event.
fn first_bad(history: &KvHistory) -> Option<u64> {
    match judge(history) {
        Verdict::Linearizable { witness: _ } => None,
        Verdict::Violation(violation) if violation.precision == Precision::Exact => {
            Some(violation.first_bad.0)
        }
        verdict => panic!("expected a decision, got {verdict:?} of {history:?}"),
    }
}

#[test]
fn an_empty_history_is_linearizable() {
    assert_eq!(judge(&history([])), Verdict::Linearizable { witness: vec![] });
}

#[test]
fn a_read_of_what_was_overwritten_before_it_began_is_a_violation() {
    let told = [
        Invoke(1, put("1")),
        Complete(1, Reply::Written),
        Invoke(1, put("2")),
        Complete(1, Reply::Written),
        Invoke(2, get()),
        Complete(2, found("1")),
    ];
    assert_eq!(first_bad(&history(told)), Some(6));
}

#[test]
fn a_read_during_a_write_may_see_it_or_not_but_not_unsee_it() {
    let told = |first: Reply, second: Reply| {
        let (one, two) = (put("1"), put("2"));
        history([
            Invoke(1, one),
            Complete(1, Reply::Written),
            Invoke(1, two),
            Invoke(2, get()),
            Complete(2, first),
            Invoke(2, get()),
            Complete(2, second),
            Complete(1, Reply::Written),
        ])
    };
    assert_eq!(first_bad(&told(found("1"), found("1"))), None);
    assert_eq!(first_bad(&told(found("1"), found("2"))), None);
    assert_eq!(first_bad(&told(found("2"), found("2"))), None);
    assert_eq!(first_bad(&told(found("2"), found("1"))), Some(7));
}

#[test]
fn an_abandoned_write_may_take_effect_late_or_never_but_once() {
    let told = |reads: &[&str]| {
        let mut told =
            vec![Invoke(1, put("1")), Complete(1, Reply::Written), Invoke(2, put("2")), Abandon(2)];
        told.extend(reads.iter().flat_map(|value| [Invoke(1, get()), Complete(1, found(value))]));
        history(told)
    };
    assert_eq!(first_bad(&told(&["1", "1", "2"])), None);
    assert_eq!(first_bad(&told(&["1", "1"])), None);
    assert_eq!(first_bad(&told(&["2", "1"])), Some(8));
}

#[test]
fn a_failed_write_never_takes_effect() {
    let told = |ending| history([Invoke(1, put("1")), ending, Invoke(2, get()), Complete(2, found("1"))]);
    assert_eq!(first_bad(&told(Abandon(1))), None);
    assert_eq!(first_bad(&told(Fail(1))), Some(4));
}

#[test]
fn an_operation_without_a_legal_answer_is_a_violation_only_if_it_was_answered() {
    let told = |ending| history([Invoke(1, put("1")), ending]);
    assert_eq!(first_bad(&told(Complete(1, Reply::Other("stale".into())))), Some(2));
    assert_eq!(first_bad(&told(Abandon(1))), None);
}

#[test]
fn a_compare_and_set_that_failed_may_tell_what_it_found_or_not() {
    let told = |reply| {
        history([
            Invoke(1, put("1")),
            Complete(1, Reply::Written),
            Invoke(1, cas(Some("2"), "3")),
            Complete(1, reply),
        ])
    };
    assert_eq!(first_bad(&told(not_swapped(Some("1")))), None);
    assert_eq!(first_bad(&told(Reply::CasFailed)), None);
    assert_eq!(first_bad(&told(not_swapped(Some("3")))), Some(4));
    assert_eq!(first_bad(&told(swapped(Some("2")))), Some(4));
}

#[test]
fn events_order_operations_even_at_one_instant() {
    // All times are equal here; the client read only after its own write was answered.
    let told =
        [Invoke(1, put("1")), Complete(1, Reply::Written), Invoke(1, get()), Complete(1, Reply::Value(None))];
    assert_eq!(first_bad(&history(told)), Some(4));
}

#[test]
fn keys_are_independent_and_the_earliest_violation_of_any_is_the_verdict() {
    let other = || Command::Get { key: String::from("w") };
    let told = [
        Invoke(1, get()),
        Invoke(2, other()),
        Complete(1, found("never written")),
        Complete(2, found("never written")),
    ];
    let Verdict::Violation(violation) = judge(&history(told)) else { panic!("a violation") };
    assert_eq!((violation.keys.as_slice(), violation.first_bad), (&[KEY.to_owned()][..], EventNumber(3)));
}

#[test]
fn an_answer_that_comes_later_does_not_make_an_earlier_event_the_first_bad_one() {
    // Up to event 5 the compare-and-set may have worked; it is its own answer that spoils it.
    let told = [
        Invoke(1, put("1")),
        Complete(1, Reply::Written),
        Invoke(1, cas(Some("1"), "2")),
        Invoke(2, get()),
        Complete(2, found("2")),
        Invoke(2, get()),
        Complete(2, found("2")),
        Complete(1, not_swapped(Some("1"))),
        Invoke(2, get()),
        Complete(2, found("2")),
    ];
    assert_eq!(first_bad(&history(told)), Some(8));
}

#[test]
fn appends_are_told_apart_by_the_order_in_which_they_are_read() {
    let told = |value| {
        history([
            Invoke(1, append("a")),
            Invoke(2, append("b")),
            Complete(1, Reply::Appended),
            Complete(2, Reply::Appended),
            Invoke(1, get()),
            Complete(1, found(value)),
        ])
    };
    assert_eq!(first_bad(&told("ab")), None);
    assert_eq!(first_bad(&told("ba")), None);
    assert_eq!(first_bad(&told("a")), Some(6));
}

#[test]
fn the_beginning_is_part_of_the_specification() {
    let told = history([Invoke(1, get()), Complete(1, found(""))]);
    assert_eq!(first_bad(&told), Some(2));
    let verdict = check(&KeyValue::starting_with(Some("")), &told, Budget::default()).verdict;
    assert_eq!(verdict, Verdict::Linearizable { witness: vec![OperationId(1)] });
}

#[test]
fn a_violation_is_told_as_a_story() {
    let told = [
        Invoke(1, put("1")),
        Complete(1, Reply::Written),
        Invoke(3, append("3")),
        Abandon(3),
        Invoke(1, put("2")),
        Complete(1, Reply::Written),
        Invoke(1, append("4")),
        Invoke(2, get()),
        Complete(2, found("1")),
    ];
    let Verdict::Violation(violation) = judge(&history(told)) else { panic!("a violation") };
    let story = "\
key x: no order of operations explains everything up to event 9.
events 8 to 9: client 2 asked `get x` and was told `1`.
These operations prove it, whatever the others did:
  events 1 to 2: client 1 asked `put x=1` and was told `written`
  events 5 to 6: client 1 asked `put x=2` and was told `written`
  events 8 to 9: client 2 asked `get x` and was told `1`
";
    assert_eq!(violation.story, story);
    // If it were not known that the first put took effect before the second began, the read could be right.
    assert_eq!(violation.core, [1, 3, 5].map(OperationId));
}

#[test]
fn a_failure_that_comes_late_is_the_first_bad_event_if_the_effect_was_seen() {
    // Up to event 3 the put may have taken effect; then it is said that it did not.
    let told = [Invoke(1, put("1")), Invoke(2, get()), Complete(2, found("1")), Fail(1)];
    assert_eq!(first_bad(&history(told)), Some(4));
}

/// Histories in which clients do one read each of values that were appended at the same time.
fn hard(clients: u64, keys: u64) -> KvHistory {
    let mut told = KvHistory::default();
    for key in 0..keys {
        let key = format!("k{key}");
        let appends: Vec<_> = (0..clients)
            .map(|client| {
                let value = "ab"[usize::try_from(client % 2).unwrap()..][..1].to_owned();
                told.invoke(ClientId(client), Command::Append { key: key.clone(), value }, 0).unwrap()
            })
            .collect();
        for append in appends {
            told.complete(append, Reply::Appended, 0).unwrap();
        }
        let read = told.invoke(ClientId(0), Command::Get { key }, 0).unwrap();
        told.complete(read, Reply::Value(Some("b".repeat(usize::try_from(clients).unwrap()))), 0).unwrap();
    }
    told
}

#[test]
fn without_budget_nothing_is_known() {
    let told = hard(10, 2);
    let report = check(&KeyValue::default(), &told, Budget { nodes: 0, ..Budget::default() });
    let undecided_keys = vec!["k0".to_owned(), "k1".to_owned()];
    assert_eq!(
        report.verdict,
        Verdict::Unknown { reason: UnknownReason::Nodes { budget: 0 }, undecided_keys }
    );
    assert_eq!(report.cost.nodes, 0);
}

#[test]
fn memory_is_a_budget_of_its_own() {
    let told = hard(10, 2);
    let report = check(&KeyValue::default(), &told, Budget { bytes: 1, ..Budget::default() });
    let reason = UnknownReason::Bytes { budget: 1 };
    let undecided_keys = vec!["k0".to_owned(), "k1".to_owned()];
    assert_eq!(report.verdict, Verdict::Unknown { reason, undecided_keys });
}

#[test]
#[should_panic(expected = "unknown: the budget of 0 nodes was spent before these keys were decided: k0")]
fn what_is_unknown_fails_a_test() {
    check(&KeyValue::default(), &hard(3, 1), Budget { nodes: 0, ..Budget::default() }).assert_linearizable();
}

#[test]
fn what_is_unknown_passes_a_test_that_asks_for_it_by_name() {
    let report = check(&KeyValue::default(), &hard(3, 1), Budget { nodes: 0, ..Budget::default() });
    report.assert_no_violation_found();
}

#[test]
#[should_panic(expected = "These operations prove it")]
fn a_violation_fails_every_test() {
    check(&KeyValue::default(), &hard(3, 1), Budget::default()).assert_no_violation_found();
}

#[test]
fn one_hard_key_does_not_hide_an_easy_violation() {
    // Many clients append different letters at once and a read tells another order than all: a search without look-ahead
    // would be at it for long. The budget is too small for any of these keys, and enough for the last.
    let mut told = KvHistory::default();
    let reads: Vec<_> = (0..18_u64)
        .map(|client| {
            let put = Command::Put { key: "hard".into(), value: (client % 9).to_string() };
            let id = told.invoke(ClientId(client), put, 0).unwrap();
            let cas = Command::Cas {
                key: "hard".into(),
                expected: Some((client % 7).to_string()),
                value: (client % 5).to_string(),
            };
            let swap = told.invoke(ClientId(100 + client), cas, 0).unwrap();
            (id, swap)
        })
        .collect();
    let easy = told.invoke(ClientId(300), Command::Get { key: "z".into() }, 0).unwrap();
    told.complete(easy, found("never written"), 0).unwrap();
    for (put, swap) in reads {
        told.complete(put, Reply::Written, 0).unwrap();
        told.complete(swap, swapped(Some("no such value")), 0).unwrap();
    }
    let Verdict::Violation(violation) =
        check(&KeyValue::default(), &told, Budget { nodes: 3_000, ..Budget::default() }).verdict
    else {
        panic!("a violation")
    };
    assert_eq!(violation.keys, ["z"]);
    assert_eq!((violation.first_bad, &violation.precision), (EventNumber(38), &Precision::Exact));
}

#[test]
fn operations_on_several_keys_merge_them_and_the_result_says_so() {
    let several = || Command::GetAll { keys: vec!["x".into(), "y".into()] };
    let values = |x: &str, y: &str| Reply::Values([("x".into(), x.into()), ("y".into(), y.into())].into());
    let put = |key: &str, value: &str| Command::Put { key: key.into(), value: value.into() };
    let told = |seen: Reply| {
        history([
            Invoke(1, put("x", "1")),
            Complete(1, Reply::Written),
            Invoke(1, put("y", "1")),
            Complete(1, Reply::Written),
            Invoke(1, put("x", "2")),
            Invoke(2, several()),
            Complete(2, seen),
            Complete(1, Reply::Written),
            Invoke(3, put("z", "1")),
            Complete(3, Reply::Written),
        ])
    };
    let report = check(&KeyValue::default(), &told(values("2", "1")), Budget::default());
    report.assert_linearizable();
    assert_eq!(report.merged_keys, [["x".to_owned(), "y".to_owned()]]);
    assert_eq!(first_bad(&told(values("3", "1"))), Some(7));
    // Each key alone would allow this: x may be as yet unwritten before event 2, y written after event 3.
    let told = history([
        Invoke(1, Command::PutAll { values: [("x".into(), "1".into()), ("y".into(), "1".into())].into() }),
        Invoke(2, several()),
        Complete(2, Reply::Values([("x".into(), "1".into())].into())),
        Complete(1, Reply::Written),
    ]);
    assert_eq!(first_bad(&told), Some(3));
}

#[test]
fn a_candidate_that_explains_is_the_witness_and_one_that_does_not_proves_nothing() {
    let told = history([
        Invoke(1, put("1")),
        Invoke(2, put("2")),
        Complete(1, Reply::Written),
        Complete(2, Reply::Written),
        Invoke(1, get()),
        Complete(1, found("1")),
    ]);
    let judge = |order: &[u64]| {
        let order = order.iter().copied().map(OperationId).collect();
        check_with_candidate(&KeyValue::default(), &told, order, Budget::default())
    };
    for order in [&[2, 1, 3][..], &[1, 2, 3], &[], &[9]] {
        let Report { verdict, cost, merged_keys: _ } = judge(order);
        assert_eq!(verdict, Verdict::Linearizable { witness: [2, 1, 3].map(OperationId).to_vec() });
        assert_eq!(cost.nodes, 0);
    }
}

#[test]
fn a_history_that_was_recorded_in_the_order_of_its_effects_costs_a_node_an_operation() {
    let mut told = Vec::new();
    for round in 0..200 {
        let value = round.to_string();
        // The abandoned writes are places where a search may lose its way.
        told.extend([Invoke(2, put("never")), Abandon(2), Invoke(3, append("never")), Abandon(3)]);
        told.extend([
            Invoke(1, put(&value)),
            Complete(1, Reply::Written),
            Invoke(1, get()),
            Complete(1, found(&value)),
        ]);
    }
    let budget = Budget { nodes: 400, ..Budget::default() };
    check(&KeyValue::default(), &history(told), budget).assert_linearizable();
}

#[test]
fn values_that_are_unique_need_no_search() {
    let mut told = History::default();
    for number in 1..100_u64 {
        let write = told.invoke(ClientId(1), register::Input::Write((), number), 0).unwrap();
        let read = told.invoke(ClientId(2), register::Input::Read(()), 0).unwrap();
        told.complete(read, register::Output::Value(number - number % 2), 0).unwrap();
        told.complete(write, register::Output::Written, 0).unwrap();
    }
    let report = check(&register::Registers::holding(0), &told, Budget { nodes: 0, bytes: 0 });
    assert_eq!((report.cost.fast_keys, report.cost.searched_keys), (1, 0));
    report.assert_linearizable();
}

#[test]
fn a_smaller_budget_gives_the_same_verdict_or_none() {
    let mut random = Random(5);
    let mut unknown = 0;
    for _ in 0..300 {
        let shape = crate::testing::Shape::small(&mut random);
        let history = crate::testing::random_history(&KeyValue::default(), &mut random, shape);
        let full = judge(&history);
        for nodes in 0..12 {
            let report = check(&KeyValue::default(), &history, Budget { nodes, ..Budget::default() });
            assert!(report.cost.nodes <= nodes, "{} nodes of {nodes}", report.cost.nodes);
            match (report.verdict, &full) {
                (Verdict::Unknown { .. }, _) => unknown += 1,
                (Verdict::Linearizable { witness: _ }, Verdict::Linearizable { witness: _ }) => (),
                (Verdict::Violation(found), Verdict::Violation(full)) => {
                    assert!(full.first_bad <= found.first_bad);
                    if found.precision == Precision::Exact {
                        assert_eq!(found.first_bad, full.first_bad);
                    }
                }
                (verdict, full) => {
                    panic!("{verdict:?} with {nodes} nodes, {full:?} with all, of {history:?}")
                }
            }
        }
    }
    assert!(100 < unknown, "only {unknown} checks ran out of budget");
}

#[test]
fn the_verifier_refuses_every_order_that_explains_nothing() {
    let told = history([
        Invoke(1, put("1")),
        Invoke(2, get()),
        Complete(1, Reply::Written),
        Complete(2, found("1")),
        Invoke(1, put("2")),
        Fail(1),
        Invoke(2, get()),
        Complete(2, found("1")),
        Invoke(3, put("3")),
        Abandon(3),
    ]);
    let verify = |order: &[u64]| {
        let order: Vec<_> = order.iter().copied().map(OperationId).collect();
        verify_witness(&KeyValue::default(), &told, &order)
    };
    assert_eq!(verify(&[1, 2, 4]), Ok(()));
    assert_eq!(verify(&[1, 2, 4, 5]), Ok(()));
    assert_eq!(verify(&[1, 2, 9]), Err(WitnessError::UnknownOperation(OperationId(9))));
    assert_eq!(verify(&[1, 1, 2, 4]), Err(WitnessError::Repeated(OperationId(1))));
    assert_eq!(verify(&[1, 2, 4, 5, 5]), Err(WitnessError::Repeated(OperationId(5))));
    assert_eq!(verify(&[1, 2, 3, 4]), Err(WitnessError::Failed(OperationId(3))));
    assert_eq!(verify(&[1, 4, 2]), Err(WitnessError::OutOfTime(OperationId(2))));
    assert_eq!(verify(&[1, 5, 2, 4]), Err(WitnessError::OutOfTime(OperationId(2))));
    assert_eq!(verify(&[2, 1, 4]), Err(WitnessError::OtherAnswer(OperationId(2))));
    assert_eq!(verify(&[1, 2]), Err(WitnessError::Missing(OperationId(4))));
}
