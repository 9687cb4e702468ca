//! What must not change a verdict, and what can only change it in one way.

use std::collections::BTreeMap;

use super::workloads::Registers;
use crate::{
    check::check,
    history::{ClientId, Ending, EventKind, EventNumber, History, OperationId},
    specifications::register::{Input, Output},
    testing::{Random, Shape, random_history},
    verdict::{Budget, Verdict},
};

type RegisterHistory = History<Input<u8, u8>, Output<u8>>;

fn first_bad(history: &RegisterHistory) -> Option<u64> {
    match check(&Registers::holding(0), history, Budget::default()).verdict {
        Verdict::Linearizable { witness: _ } => None,
        Verdict::Violation(violation) => Some(violation.first_bad.0),
        verdict @ Verdict::Unknown { .. } => panic!("{verdict}"),
    }
}

/// What happened, as it can be told again with changes.
#[derive(Clone)]
struct Told {
    operation: u64,
    kind: EventKind,
}

fn told(history: &RegisterHistory) -> Vec<Told> {
    history.events().iter().map(|event| Told { operation: event.operation.0, kind: event.kind }).collect()
}

/// Tells events of a history in another order; what is not told did not happen.
fn retell(original: &RegisterHistory, told: &[Told]) -> RegisterHistory {
    let mut history = RegisterHistory::default();
    let mut names = BTreeMap::new();
    for Told { operation, kind } in told {
        let of = original.operation(OperationId(*operation)).unwrap();
        match (kind, &of.ending) {
            (EventKind::Invoke, _) => {
                // Every operation has a client of its own: their order need not be that of the original.
                let id = history.invoke(ClientId(*operation), of.input.clone(), 0).unwrap();
                names.insert(*operation, id);
            }
            (EventKind::Complete, Ending::Completed { output, .. }) => {
                history.complete(names[operation], output.clone(), 0).unwrap();
            }
            (EventKind::Fail, _) => history.fail(names[operation]).unwrap(),
            _ => history.abandon(names[operation]).unwrap(),
        }
    }
    history
}

/// Histories of a few dozen operations, one after the other, with a source of chance.
fn histories(count: u64) -> impl Iterator<Item = (RegisterHistory, Random)> {
    let mut random = Random(2);
    (0..count).map(move |number| {
        let lies = (!random.one_in(2)).then_some(15);
        let shape = Shape { clients: 4, operations: 30, lies, abandoned: Some(8), failed: Some(20) };
        (random_history(&Registers::holding(0), &mut random, shape), Random(number))
    })
}

#[test]
fn a_wider_interval_keeps_a_history_linearizable() {
    let mut widened = 0;
    for (history, mut random) in histories(400).filter(|(history, _)| first_bad(history).is_none()) {
        let mut events = told(&history);
        for _ in 0..20 {
            // An invocation moves ahead of the event before it, or an answer behind the one after it.
            let place = usize::try_from(random.below(events.len() as u64 - 1)).unwrap();
            let (one, other) = (&events[place], &events[place + 1]);
            let widens = other.kind == EventKind::Invoke || one.kind == EventKind::Complete;
            if one.operation != other.operation
                && widens
                && other.kind != EventKind::Fail
                && one.kind != EventKind::Fail
            {
                events.swap(place, place + 1);
                widened += 1;
            }
        }
        assert_eq!(first_bad(&retell(&history, &events)), None, "{history:#?}");
    }
    assert!(1_000 < widened, "{widened} steps are too few");
}

#[test]
fn what_is_not_known_keeps_a_history_linearizable() {
    for (history, mut random) in histories(400).filter(|(history, _)| first_bad(history).is_none()) {
        let mut events = told(&history);
        // Any answer may be missing, and any read.
        for event in &mut events {
            if event.kind == EventKind::Complete && random.one_in(4) {
                event.kind = EventKind::Abandon;
            }
        }
        assert_eq!(first_bad(&retell(&history, &events)), None, "{history:#?}");
        let is_read = |operation: u64| {
            matches!(history.operation(OperationId(operation)).unwrap().input, Input::Read(_))
        };
        events.retain(|event| !is_read(event.operation) || event.operation % 3 != 0);
        assert_eq!(first_bad(&retell(&history, &events)), None, "{history:#?}");
    }
}

#[test]
fn the_first_violating_event_is_where_prefixes_stop_being_linearizable() {
    let mut violations = 0;
    for (history, _) in histories(150) {
        let Some(event) = first_bad(&history) else { continue };
        violations += 1;
        assert_eq!(first_bad(&history.prefix(EventNumber(event - 1))), None);
        assert_eq!(first_bad(&history.prefix(EventNumber(event))), Some(event));
    }
    assert!(20 < violations, "{violations} violations are too few");
}

#[test]
fn other_names_for_clients_keys_and_values_change_nothing() {
    let mut violations = 0;
    for (history, mut random) in histories(300) {
        let expected = first_bad(&history);
        violations += u64::from(expected.is_some());
        // The beginning keeps its name.
        let mut names = [1, 2, 3];
        names.swap(0, usize::try_from(random.below(3)).unwrap());
        let value = |value: u8| if value == 0 { 0 } else { names[usize::from(value) - 1] };
        let key = |key: u8| 9 - key;
        let mut renamed = RegisterHistory::default();
        for event in history.events() {
            let of = history.operation(event.operation).unwrap();
            match (event.kind, &of.ending) {
                (EventKind::Invoke, _) => {
                    let input = match &of.input {
                        Input::Read(of) => Input::Read(key(*of)),
                        Input::Write(of, written) => Input::Write(key(*of), value(*written)),
                        Input::CompareAndSet { key: of, expected, value: new } => Input::CompareAndSet {
                            key: key(*of),
                            expected: value(*expected),
                            value: value(*new),
                        },
                    };
                    renamed.invoke(ClientId(1_000 - of.client.0), input, 7).unwrap();
                }
                (EventKind::Complete, Ending::Completed { output, .. }) => {
                    let output = match output {
                        Output::Value(found) => Output::Value(value(*found)),
                        Output::Held(found) => Output::Held(value(*found)),
                        other => other.clone(),
                    };
                    renamed.complete(event.operation, output, 8).unwrap();
                }
                (EventKind::Fail, _) => renamed.fail(event.operation).unwrap(),
                _ => renamed.abandon(event.operation).unwrap(),
            }
        }
        assert_eq!(first_bad(&renamed), expected, "{history:#?}");
    }
    assert!(50 < violations, "{violations} violations are too few");
}
