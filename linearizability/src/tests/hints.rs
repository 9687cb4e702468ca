//! The hints of the specifications that come with the crate are right, and wrong ones are found.

use super::workloads::{Registers, UniqueRegisters};
use crate::{
    hints,
    specification::{Effect, Keys, Outcomes, Specification, View},
    specifications::{append_list, key_value, lock, queue, register, set},
    testing::{Random, Workload},
};

/// Tests the hints of a specification with inputs and answers drawn at random, on its first key.
fn test<W: Workload>(workload: &W) {
    let mut random = Random(7);
    let key = workload.all_keys().remove(0);
    let inputs: Vec<_> = (0..36)
        .map(|number| workload.random_input(&mut random, number % 6))
        .filter(|input| workload.keys(input) == Keys::One(key.clone()))
        .collect();
    let answers: Vec<_> = inputs.iter().map(|input| workload.random_output(&mut random, input)).collect();
    let tried = hints::test(workload, &key, &inputs, &answers, 40).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(1 < tried.states && 1 < tried.answers, "{tried:?} is too little");
}

#[test]
fn hints_of_every_specification_are_right() {
    test(&Registers::holding(0));
    test(&UniqueRegisters::holding(0));
    test(&key_value::KeyValue::default());
    test(&key_value::KeyValue::starting_with(Some("1")));
    test(&set::Set::default());
    test(&queue::Queues::default());
    test(&lock::Locks::default());
    test(&append_list::AppendLists::default());
}

/// What is wrong about [`Wrong`].
#[derive(Clone, Copy, Debug)]
enum Mistake {
    ReadThatChanges,
    OverwriteThatDepends,
    PureThatChanges,
    ReachThatIsDenied,
    WriteThatDoesNot,
    ReadOfAnother,
    SwapOfAnother,
}

/// Registers with a wrong hint.
struct Wrong(Mistake);

impl Specification for Wrong {
    type Key = u8;
    type Input = register::Input<u8, u8>;
    type Output = register::Output<u8>;
    type State = u8;
    type Value = u8;

    fn keys(&self, input: &Self::Input) -> Keys<u8> {
        Registers::holding(0).keys(input)
    }

    fn initial(&self, _keys: &[u8]) -> u8 {
        0
    }

    fn apply(&self, state: &u8, input: &Self::Input) -> Outcomes<Self::Output, u8> {
        Registers::holding(0).apply(state, input)
    }

    fn effect(&self, input: &Self::Input) -> Effect {
        match (self.0, input) {
            (Mistake::ReadThatChanges, register::Input::Write(..)) => Effect::Read,
            (Mistake::OverwriteThatDepends, register::Input::CompareAndSet { .. }) => Effect::Overwrite,
            (_, register::Input::Read(_)) => Effect::Read,
            _ => Effect::Update,
        }
    }

    fn is_pure(&self, input: &Self::Input, output: &Self::Output) -> bool {
        matches!(self.0, Mistake::PureThatChanges) && *output == register::Output::Swapped
            || Registers::holding(0).is_pure(input, output)
    }

    fn can_reach(&self, _state: &u8, _input: &Self::Input, output: &Self::Output) -> bool {
        !matches!((self.0, output), (Mistake::ReachThatIsDenied, register::Output::Value(1)))
    }

    fn view<'a>(&self, input: &'a Self::Input, output: Option<&'a Self::Output>) -> View<'a, u8> {
        match (self.0, input, output) {
            (Mistake::WriteThatDoesNot, register::Input::CompareAndSet { value, .. }, _) => {
                View::Write(value)
            }
            (Mistake::ReadOfAnother, register::Input::Read(_), Some(register::Output::Value(1))) => {
                View::Read(Some(&2))
            }
            (Mistake::SwapOfAnother, register::Input::CompareAndSet { expected, value, .. }, _) => {
                View::Swap { from: Some(value), to: expected }
            }
            (Mistake::ReadOfAnother | Mistake::SwapOfAnother, register::Input::Write(_, value), _) => {
                View::Write(value)
            }
            _ => View::Opaque,
        }
    }

    fn initial_value(&self, _key: &u8) -> Option<u8> {
        Some(0)
    }
}

#[test]
fn wrong_hints_are_found() {
    let mut inputs = vec![register::Input::Read(0)];
    inputs.extend((0..3).map(|value| register::Input::Write(0, value)));
    inputs.extend((0..3).map(|value| register::Input::CompareAndSet {
        key: 0,
        expected: value,
        value: (value + 1) % 3,
    }));
    let expected = [
        (Mistake::ReadThatChanges, "effect"),
        (Mistake::OverwriteThatDepends, "effect"),
        (Mistake::PureThatChanges, "is_pure"),
        (Mistake::ReachThatIsDenied, "can_reach"),
        (Mistake::WriteThatDoesNot, "view"),
        (Mistake::ReadOfAnother, "view"),
        (Mistake::SwapOfAnother, "view"),
    ];
    for (mistake, hint) in expected {
        let found = hints::test(&Wrong(mistake), &0, &inputs, &[], 10).map_err(|wrong| wrong.hint);
        assert_eq!(found, Err(hint), "{mistake:?}");
    }
}
