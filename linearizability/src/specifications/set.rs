//! A set. Operations on one element are a part of the history each; reading the whole set merges them all.

use std::{collections::BTreeSet, fmt::Debug, hash::Hash, marker::PhantomData};

use crate::specification::{Effect, Keys, Outcomes, Specification};

/// What is asked of the set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<T> {
    /// Have this in.
    Add(T),
    /// Do not have this in.
    Remove(T),
    /// Is this in?
    Contains(T),
    /// What is in?
    Elements,
}

/// What the set answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<T: Ord> {
    /// To an addition or a removal: done.
    Done,
    /// It is in.
    Present,
    /// It is not in.
    Absent,
    /// All that is in.
    Elements(BTreeSet<T>),
}

/// A set that is empty in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<T> {
    elements: PhantomData<fn(T)>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self { elements: PhantomData }
    }
}

impl<T: Clone + Ord + Hash + Debug + Send + Sync> Specification for Set<T> {
    type Key = T;
    type Input = Input<T>;
    type Output = Output<T>;
    type State = BTreeSet<T>;
    type Value = ();

    fn keys(&self, input: &Input<T>) -> Keys<T> {
        match input {
            Input::Add(element) | Input::Remove(element) | Input::Contains(element) => {
                Keys::One(element.clone())
            }
            Input::Elements => Keys::All,
        }
    }

    fn initial(&self, _keys: &[T]) -> BTreeSet<T> {
        BTreeSet::new()
    }

    fn apply(&self, set: &BTreeSet<T>, input: &Input<T>) -> Outcomes<Output<T>, BTreeSet<T>> {
        let mut next = set.clone();
        let output = match input {
            Input::Add(element) => {
                next.insert(element.clone());
                Output::Done
            }
            Input::Remove(element) => {
                next.remove(element);
                Output::Done
            }
            Input::Contains(element) if set.contains(element) => Output::Present,
            Input::Contains(_) => Output::Absent,
            Input::Elements => Output::Elements(set.clone()),
        };
        Outcomes::one(output, next)
    }

    fn effect(&self, input: &Input<T>) -> Effect {
        match input {
            Input::Contains(_) | Input::Elements => Effect::Read,
            Input::Add(_) => Effect::Extend,
            Input::Remove(_) => Effect::Update,
        }
    }

    fn can_reach(&self, set: &BTreeSet<T>, input: &Input<T>, output: &Output<T>) -> bool {
        match (input, output) {
            (Input::Contains(element), Output::Absent) => !set.contains(element),
            (Input::Elements, Output::Elements(found)) => set.is_subset(found),
            _ => true,
        }
    }

    fn state_bytes(&self, set: &BTreeSet<T>) -> u64 {
        (size_of::<BTreeSet<T>>() + 2 * set.len() * size_of::<T>()) as u64
    }
}
