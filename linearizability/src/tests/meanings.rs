//! What the operations of every specification mean, told once more by example. The oracle asks the same specifications,
//! so that it cannot notice a mistake in them.

use std::collections::BTreeSet;

use crate::{
    specification::Specification,
    specifications::{append_list, key_value, lock, queue, register, set},
};

/// Lets one operation after the other take effect, on a store of these keys, and expects these answers and no others.
fn tell<S: Specification>(
    spec: &S,
    keys: &[S::Key],
    script: impl IntoIterator<Item = (S::Input, S::Output)>,
) {
    let mut state = spec.initial(keys);
    for (input, output) in script {
        let mut outcomes = spec.apply(&state, &input).into_vec();
        let (answer, next) = outcomes.pop().expect("there is an answer");
        assert!(outcomes.is_empty() && answer == output, "{input:?}: {answer:?}, expected {output:?}");
        state = next;
    }
}

#[test]
fn registers_hold_what_was_written_last() {
    use register::{Input, Output};
    let swap = |expected, value| Input::CompareAndSet { key: (), expected, value };
    tell(
        &register::Registers::holding(7),
        &[()],
        [
            (Input::Read(()), Output::Value(7)),
            (Input::Write((), 1), Output::Written),
            (swap(2, 3), Output::Held(1)),
            (Input::Read(()), Output::Value(1)),
            (swap(1, 3), Output::Swapped),
            (Input::Read(()), Output::Value(3)),
        ],
    );
    let registers = register::Registers::<(), _>::holding(7);
    assert!(registers.agrees(&Output::Held(1), &Output::NotSwapped));
    assert!(!registers.agrees(&Output::Swapped, &Output::NotSwapped));
    assert!(!registers.agrees(&Output::NotSwapped, &Output::Held(1)));
}

#[test]
fn maps_tell_a_missing_key_from_an_empty_one() {
    use key_value::{Command, KeyValue, Reply};
    let get = |key: &str| Command::Get { key: key.into() };
    let found = |value: Option<&str>| Reply::Value(value.map(str::to_owned));
    let cas = |expected: Option<&str>, value: &str| Command::Cas {
        key: "x".into(),
        expected: expected.map(str::to_owned),
        value: value.into(),
    };
    let result = |ok, actual: Option<&str>| Reply::CasResult { ok, actual: actual.map(str::to_owned) };
    let append = |key: &str, value: &str| Command::Append { key: key.into(), value: value.into() };
    let script = || {
        [
            (get("x"), found(None)),
            (cas(Some(""), "1"), result(false, None)),
            (cas(None, "1"), result(true, None)),
            (cas(None, "2"), result(false, Some("1"))),
            (append("x", "2"), Reply::Appended),
            (cas(Some("12"), "3"), result(true, Some("12"))),
            (get("x"), found(Some("3"))),
            (Command::Put { key: "x".into(), value: String::new() }, Reply::Written),
            (get("x"), found(Some(""))),
        ]
    };
    tell(&KeyValue::default(), &["x".into()], script());
    let all = || Command::GetAll { keys: vec!["x".into(), "y".into()] };
    let values = |pairs: &[(&str, &str)]| {
        Reply::Values(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
    };
    let put_all = Command::PutAll { values: [("y".into(), "4".into())].into() };
    let several = [
        (all(), values(&[("x", "")])),
        (put_all, Reply::Written),
        (append("y", "5"), Reply::Appended),
        (all(), values(&[("x", ""), ("y", "45")])),
        (get("y"), found(Some("45"))),
    ];
    tell(&KeyValue::default(), &["x".into(), "y".into()], script().into_iter().chain(several));
    let beginning = [(all(), values(&[("x", "0"), ("y", "0")])), (append("y", "1"), Reply::Appended)];
    tell(&KeyValue::starting_with(Some("0")), &["x".into(), "y".into()], beginning);
    let map = KeyValue::default();
    assert!(map.agrees(&result(false, Some("1")), &Reply::CasFailed));
    assert!(!map.agrees(&result(true, Some("1")), &Reply::CasFailed));
}

#[test]
fn sets_hold_what_was_added_and_not_removed() {
    use set::{Input, Output};
    tell(
        &set::Set::default(),
        &[1, 2],
        [
            (Input::Contains(1), Output::Absent),
            (Input::Add(1), Output::Done),
            (Input::Add(2), Output::Done),
            (Input::Add(2), Output::Done),
            (Input::Elements, Output::Elements(BTreeSet::from([1, 2]))),
            (Input::Remove(2), Output::Done),
            (Input::Contains(2), Output::Absent),
            (Input::Contains(1), Output::Present),
        ],
    );
}

#[test]
fn queues_give_out_first_what_came_in_first() {
    use queue::{Input, Output};
    tell(
        &queue::Queues::default(),
        &[()],
        [
            (Input::Dequeue(()), Output::Empty),
            (Input::Enqueue((), 1), Output::Enqueued),
            (Input::Enqueue((), 2), Output::Enqueued),
            (Input::Dequeue(()), Output::Dequeued(1)),
            (Input::Dequeue(()), Output::Dequeued(2)),
            (Input::Dequeue(()), Output::Empty),
        ],
    );
}

#[test]
fn lists_grow_at_their_end() {
    use append_list::{Input, Output};
    tell(
        &append_list::AppendLists::default(),
        &[()],
        [
            (Input::Read(()), Output::Elements(vec![])),
            (Input::Append((), 2), Output::Appended),
            (Input::Append((), 1), Output::Appended),
            (Input::Append((), 2), Output::Appended),
            (Input::Read(()), Output::Elements(vec![2, 1, 2])),
        ],
    );
}

#[test]
fn a_lease_is_over_when_anybody_is_told_so_and_tokens_rise() {
    use lock::{
        Input, LeaseState, Lock, Locks,
        Output::{Acquired, Expired, Refused, Released, Renewed},
    };
    let lock = |last_token, state| Lock { last_token, state };
    let (never, held, over) = (Lock::default(), lock(2, LeaseState::MayGoOn), lock(2, LeaseState::Over));
    let next = lock(3, LeaseState::MayGoOn);
    let (acquire, renew, release) = (
        Input::Acquire(()),
        |token| Input::Renew { key: (), token },
        |token| Input::Release { key: (), token },
    );
    let first = Acquired { token: 1 };
    let expected = [
        (never, acquire.clone(), vec![(first, lock(1, LeaseState::MayGoOn))]),
        (held, acquire.clone(), vec![(Refused, held), (Acquired { token: 3 }, next)]),
        (over, acquire, vec![(Acquired { token: 3 }, next)]),
        // The lease may have run out, and then it does not come back.
        (held, renew(2), vec![(Renewed, held), (Expired, over)]),
        (held, release(2), vec![(Released, over), (Expired, over)]),
        (over, renew(2), vec![(Expired, over)]),
        (over, release(2), vec![(Expired, over)]),
        // Whoever held it before does nothing to the one who does now, nor does a token that was never given out.
        (held, renew(1), vec![(Expired, held)]),
        (held, release(1), vec![(Expired, held)]),
        (held, renew(3), vec![(Expired, held)]),
        (never, release(0), vec![(Expired, never)]),
    ];
    for (state, input, outcomes) in expected {
        let told = Locks::default().apply(&state, &input).into_vec();
        assert_eq!(told, outcomes, "{state:?}, {input:?}");
    }
}
