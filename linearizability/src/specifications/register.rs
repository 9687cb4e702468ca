//! Registers with compare-and-set, one for each key.

use std::{fmt::Debug, hash::Hash, marker::PhantomData};

use crate::specification::{Effect, Keys, Outcomes, Specification, View};

/// What is asked of a register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<K, V> {
    /// What does it hold?
    Read(K),
    /// Hold this.
    Write(K, V),
    /// If it holds `expected`, hold `value`.
    CompareAndSet {
        /// Which register.
        key: K,
        /// What it must hold.
        expected: V,
        /// What it holds afterwards.
        value: V,
    },
}

/// What a register answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<V> {
    /// To a read: it holds this.
    Value(V),
    /// To a write: done.
    Written,
    /// To a compare-and-set: done.
    Swapped,
    /// To a compare-and-set: it held something else, which the answer does not tell.
    NotSwapped,
    /// To a compare-and-set: it held something else, namely this.
    Held(V),
}

/// Registers that all hold the same in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers<K, V> {
    initial: V,
    keys: PhantomData<fn(K)>,
}

impl<K, V> Registers<K, V> {
    /// Registers that hold this in the beginning.
    pub const fn holding(initial: V) -> Self {
        Self { initial, keys: PhantomData }
    }
}

impl<K, V> Specification for Registers<K, V>
where
    K: Clone + Ord + Hash + Debug + Send + Sync,
    V: Clone + Eq + Hash + Debug + Send + Sync,
{
    type Key = K;
    type Input = Input<K, V>;
    type Output = Output<V>;
    type State = V;
    type Value = V;

    fn keys(&self, input: &Self::Input) -> Keys<K> {
        let (Input::Read(key) | Input::Write(key, _) | Input::CompareAndSet { key, .. }) = input;
        Keys::One(key.clone())
    }

    fn initial(&self, _keys: &[K]) -> V {
        self.initial.clone()
    }

    fn apply(&self, held: &V, input: &Self::Input) -> Outcomes<Output<V>, V> {
        match input {
            Input::Read(_) => Outcomes::one(Output::Value(held.clone()), held.clone()),
            Input::Write(_, value) => Outcomes::one(Output::Written, value.clone()),
            Input::CompareAndSet { key: _, expected, value } if held == expected => {
                Outcomes::one(Output::Swapped, value.clone())
            }
            Input::CompareAndSet { .. } => Outcomes::one(Output::Held(held.clone()), held.clone()),
        }
    }

    fn agrees(&self, foretold: &Output<V>, observed: &Output<V>) -> bool {
        foretold == observed || matches!((foretold, observed), (Output::Held(_), Output::NotSwapped))
    }

    fn effect(&self, input: &Self::Input) -> Effect {
        match input {
            Input::Read(_) => Effect::Read,
            Input::Write(..) => Effect::Overwrite,
            Input::CompareAndSet { .. } => Effect::Update,
        }
    }

    fn is_pure(&self, input: &Self::Input, output: &Output<V>) -> bool {
        match (input, output) {
            (Input::Read(_), _) | (_, Output::NotSwapped | Output::Held(_)) => true,
            (Input::CompareAndSet { key: _, expected, value }, Output::Swapped) => expected == value,
            (Input::Write(..), _) | (_, Output::Written | Output::Value(_)) => false,
        }
    }

    fn view<'a>(&self, input: &'a Self::Input, output: Option<&'a Output<V>>) -> View<'a, V> {
        match (input, output) {
            (Input::Write(_, value), None | Some(Output::Written)) => View::Write(value),
            (Input::Read(_), Some(Output::Value(value)))
            | (Input::CompareAndSet { .. }, Some(Output::Held(value)))
                if !is_contradiction(input, value) =>
            {
                View::Read(Some(value))
            }
            (Input::CompareAndSet { key: _, expected, value }, None | Some(Output::Swapped)) => {
                View::Swap { from: Some(expected), to: value }
            }
            (Input::Read(_) | Input::Write(..) | Input::CompareAndSet { .. }, _) => View::Opaque,
        }
    }

    fn initial_value(&self, _key: &K) -> Option<V> {
        Some(self.initial.clone())
    }
}

/// Whether a compare-and-set says that it failed because the register held what it should.
fn is_contradiction<K, V: PartialEq>(input: &Input<K, V>, held: &V) -> bool {
    matches!(input, Input::CompareAndSet { expected, .. } if expected == held)
}
