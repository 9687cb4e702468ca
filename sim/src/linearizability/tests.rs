//! The checker against small histories whose verdict is plain, and against an oracle that tries every order.

use wavetank_process::ClientId;

use super::*;
use crate::time::Time;

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
                history.invoke(ClientId(client), input, Time(0)).unwrap();
            }
            Complete(client, output) => {
                let id = open(&history, client);
                history.complete(id, output, Time(0)).unwrap();
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
    check(&KvSpecification::default(), history, Budget::default())
}

/// Whether it is linearizable, and if not, the first bad event.
fn first_bad(history: &KvHistory) -> Option<u64> {
    match judge(history) {
        Verdict::Linearizable { witness: _ } => None,
        Verdict::Violation(Violation { first_bad, precision: Precision::Exact, .. }) => Some(first_bad.0),
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
    assert_eq!(first_bad(&told(Complete(1, Reply::Stale))), Some(2));
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
    assert_eq!((violation.key.as_str(), violation.first_bad), (KEY, EventNumber(3)));
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
    let verdict = check(&KvSpecification::starting_with(Some("")), &told, Budget::default());
    assert_eq!(verdict, Verdict::Linearizable { witness: vec![OperationId(1)] });
}

#[test]
fn a_violation_is_told_as_a_story() {
    let told = [
        Invoke(1, put("1")),
        Complete(1, Reply::Written),
        Invoke(3, put("3")),
        Abandon(3),
        Invoke(1, put("2")),
        Complete(1, Reply::Written),
        Invoke(1, append("4")),
        Invoke(2, get()),
        Complete(2, found("1")),
    ];
    let Verdict::Violation(violation) = judge(&history(told)) else { panic!("a violation") };
    let story = "\
key x: no order of its operations explains all answers up to event 9.
events 8 to 9: client 2 asked `get x` and was told `1`; whatever the order, the key then held \
\"2\" or \"24\" or \"3\" or \"34\".
What went on around it:
  events 1 to 2: client 1 asked `put x=1` and was told `written`
  event 3 on: client 3 asked `put x=3` and was never answered
  events 5 to 6: client 1 asked `put x=2` and was told `written`
  event 7 on: client 1 asked `append x+=4` and was never answered
  events 8 to 9: client 2 asked `get x` and was told `1`
";
    assert_eq!(violation.story, story);
    assert_eq!(violation.operations, [1, 2, 3, 4, 5].map(OperationId));
}

#[test]
fn without_budget_nothing_is_known() {
    let told = history([Invoke(1, get()), Complete(1, found("1"))]);
    let verdict = check(&KvSpecification::default(), &told, Budget { nodes: 0 });
    let reason = UnknownReason::Budget { unfinished_keys: vec![KEY.to_owned()] };
    assert_eq!(verdict, Verdict::Unknown { reason, nodes: 0 });
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
    let verdict = check(&KvSpecification::default(), &history(told), Budget { nodes: 400 });
    assert!(matches!(verdict, Verdict::Linearizable { .. }), "{verdict:?}");
}

#[test]
fn a_smaller_budget_gives_the_same_verdict_or_none() {
    let mut random = Random(5);
    let mut unknown = 0;
    for _ in 0..300 {
        let history = random_history(&mut random);
        let full = judge(&history);
        for nodes in 0..12 {
            match (check(&KvSpecification::default(), &history, Budget { nodes }), &full) {
                (Verdict::Unknown { reason: _, nodes: spent }, _) => {
                    unknown += 1;
                    assert!(spent <= nodes, "{spent} nodes of {nodes}");
                }
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
        verify_witness(&KvSpecification::default(), &told, &order)
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

/// A stream of numbers for the tests below (SplitMix64, Steele and others 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T>(&mut self, options: &'a [T]) -> &'a T {
        &options[usize::try_from(self.below(options.len() as u64)).unwrap()]
    }
}

fn random_value(random: &mut Random) -> String {
    (*random.pick(&["1", "2"])).to_owned()
}

fn random_found(random: &mut Random) -> Option<String> {
    random.pick(&[None, Some("1"), Some("2"), Some("12")]).map(str::to_owned)
}

fn random_command(random: &mut Random) -> Command {
    let key = (*random.pick(&["x", "x", "x", "y"])).to_owned();
    match random.below(7) {
        0..3 => Command::Get { key },
        3 | 4 => Command::Put { key, value: random_value(random) },
        5 => Command::Cas { key, expected: random_found(random), value: random_value(random) },
        _ => Command::Append { key, value: random_value(random) },
    }
}

/// An answer of the right kind, whatever the store holds.
fn random_reply(random: &mut Random, command: &Command) -> Reply {
    match command {
        Command::Get { .. } => Reply::Value(random_found(random)),
        Command::Put { .. } => Reply::Written,
        Command::Append { .. } => Reply::Appended,
        Command::Cas { .. } if random.one_in(4) => Reply::CasFailed,
        Command::Cas { .. } if random.one_in(2) => not_swapped(random_found(random).as_deref()),
        Command::Cas { expected, .. } => swapped(expected.as_deref()),
    }
}

/// What a client has open while a history is made up.
struct OpenCall {
    id: OperationId,
    input: Command,
    /// What the store answered, once it took effect.
    reply: Option<Reply>,
}

/// A history of up to 7 operations by up to 4 clients, as one store would answer, but for some answers that are
/// made up: none in a third of the histories, few in another, all in the last.
fn random_history(random: &mut Random) -> KvHistory {
    let (clients, operations) = (1 + random.below(4), 2 + random.below(6));
    let made_up = *random.pick(&[None, Some(6), Some(1)]);
    let spec = KvSpecification::default();
    let mut history = KvHistory::default();
    let mut store = BTreeMap::<String, Register>::new();
    let mut open = BTreeMap::<u64, OpenCall>::new();
    let mut late = Vec::new();
    let mut take_effect = |input: &Command| {
        let held = store.entry(input.key().to_owned()).or_default();
        let (reply, next) = spec.apply(held, input);
        *held = next;
        reply
    };
    for _ in 0..8 * operations {
        let client = random.below(clients);
        let Some(call) = open.get_mut(&client) else {
            if (history.operations().len() as u64) < operations {
                let input = random_command(random);
                let id = history.invoke(ClientId(client), input.clone(), Time(0)).unwrap();
                open.insert(client, OpenCall { id, input, reply: None });
            }
            continue;
        };
        match (random.below(8), &call.reply) {
            (0, _) => {
                history.abandon(call.id).unwrap();
                late.extend(call.reply.is_none().then(|| call.input.clone()));
                open.remove(&client);
            }
            (1, None) => {
                history.fail(call.id).unwrap();
                open.remove(&client);
            }
            (2, _) if !late.is_empty() => {
                take_effect(&late.remove(0));
            }
            (_, None) => call.reply = Some(take_effect(&call.input)),
            (_, Some(reply)) => {
                let lie = made_up.is_some_and(|bound| random.one_in(bound));
                let output = if lie { random_reply(random, &call.input) } else { reply.clone() };
                history.complete(call.id, output, Time(0)).unwrap();
                open.remove(&client);
            }
        }
    }
    history
}

/// The first event of an answer up to which no order explains the history, by trying all of them.
fn oracle(history: &KvHistory) -> Option<u64> {
    let is_answer = |event: &&crate::history::Event| event.kind == crate::history::EventKind::Complete;
    let mut answers = history.events().iter().filter(is_answer).map(|event| event.number);
    answers
        .find(|&last| !some_order_explains(history, last, &mut Vec::new(), &BTreeMap::new()))
        .map(|event| event.0)
}

/// Whether the operations placed, which left `states` behind, can be followed by others so that everything
/// answered up to `last` is explained.
fn some_order_explains(
    history: &KvHistory,
    last: EventNumber,
    placed: &mut Vec<OperationId>,
    states: &BTreeMap<String, Register>,
) -> bool {
    let end = |operation: &Operation<_, _>| match operation.ending {
        Ending::Completed { event, .. } if event <= last => Some(event),
        _ => None,
    };
    let waiting = |operation: &&Operation<_, _>| {
        operation.invoked <= last
            && !matches!(operation.ending, Ending::Failed { event: _ })
            && !placed.contains(&operation.id)
    };
    let waiting: Vec<_> = history.operations().iter().filter(waiting).collect();
    let Some(first_end) = waiting.iter().filter_map(|operation| end(operation)).min() else { return true };
    for operation in waiting.into_iter().filter(|operation| operation.invoked < first_end) {
        let mut states = states.clone();
        let state = states.entry(operation.input.key().to_owned()).or_default();
        let (foretold, next) = KvSpecification::default().apply(state, &operation.input);
        *state = next;
        let agrees = match (&operation.ending, end(operation)) {
            (Ending::Completed { output, .. }, Some(_)) => match (output, &foretold) {
                (Reply::CasFailed, Reply::CasResult { ok, .. }) => !ok,
                (output, foretold) => output == foretold,
            },
            _ => true,
        };
        placed.push(operation.id);
        if agrees && some_order_explains(history, last, placed, &states) {
            return true;
        }
        placed.pop();
    }
    false
}

#[test]
fn the_search_agrees_with_an_oracle_that_tries_every_order() {
    let mut random = Random(1);
    let (mut violations, mut early, mut unanswered) = (0, 0, 0);
    for _ in 0..30_000 {
        let history = random_history(&mut random);
        let verdict = first_bad(&history);
        assert_eq!(verdict, oracle(&history), "{history:#?}");
        violations += u64::from(verdict.is_some());
        early += u64::from(verdict.is_some_and(|event| event + 2 < history.events().len() as u64));
        unanswered += u64::from(0 < history.counts().open + history.counts().abandoned);
    }
    assert!(5_000 < violations && violations < 25_000, "{violations} violations of 30,000 make a poor test");
    assert!(1_000 < early, "only {early} violations came before the end");
    assert!(5_000 < unanswered, "only {unanswered} histories left something unanswered");
}
