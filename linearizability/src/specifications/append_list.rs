//! Lists that only grow, one for each key. If no element is appended twice, a read tells the whole order up to it, and
//! checking takes hardly longer than reading the history.

use std::{fmt::Debug, hash::Hash, marker::PhantomData};

use crate::specification::{Effect, Keys, Outcomes, Specification, View};

/// What is asked of a list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<K, T> {
    /// Have this at the end.
    Append(K, T),
    /// What is in?
    Read(K),
}

/// What a list answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<T> {
    /// To an append: done.
    Appended,
    /// To a read: all of it, in order.
    Elements(Vec<T>),
}

/// Lists that are empty in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendLists<K, T> {
    types: PhantomData<fn(K, T)>,
}

impl<K, T> Default for AppendLists<K, T> {
    fn default() -> Self {
        Self { types: PhantomData }
    }
}

impl<K, T> Specification for AppendLists<K, T>
where
    K: Clone + Ord + Hash + Debug + Send + Sync,
    T: Clone + Eq + Hash + Debug + Send + Sync,
{
    type Key = K;
    type Input = Input<K, T>;
    type Output = Output<T>;
    type State = Vec<T>;
    type Value = T;

    fn keys(&self, input: &Input<K, T>) -> Keys<K> {
        let (Input::Append(key, _) | Input::Read(key)) = input;
        Keys::One(key.clone())
    }

    fn initial(&self, _keys: &[K]) -> Vec<T> {
        Vec::new()
    }

    fn apply(&self, list: &Vec<T>, input: &Input<K, T>) -> Outcomes<Output<T>, Vec<T>> {
        match input {
            Input::Append(_, element) => {
                let longer = list.iter().chain([element]).cloned().collect();
                Outcomes::one(Output::Appended, longer)
            }
            Input::Read(_) => Outcomes::one(Output::Elements(list.clone()), list.clone()),
        }
    }

    fn effect(&self, input: &Input<K, T>) -> Effect {
        match input {
            Input::Append(..) => Effect::Extend,
            Input::Read(_) => Effect::Read,
        }
    }

    fn can_reach(&self, list: &Vec<T>, _input: &Input<K, T>, output: &Output<T>) -> bool {
        match output {
            Output::Elements(then) => then.starts_with(list),
            Output::Appended => true,
        }
    }

    fn view<'a>(&self, input: &'a Input<K, T>, output: Option<&'a Output<T>>) -> View<'a, T> {
        match (input, output) {
            (Input::Append(_, element), None | Some(Output::Appended)) => View::Append(element),
            (Input::Read(_), Some(Output::Elements(elements))) => View::ReadList(elements),
            (Input::Append(..) | Input::Read(_), _) => View::Opaque,
        }
    }

    fn state_bytes(&self, list: &Vec<T>) -> u64 {
        (size_of::<Vec<T>>() + list.capacity() * size_of::<T>()) as u64
    }
}
