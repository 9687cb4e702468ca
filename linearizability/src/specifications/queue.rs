//! First-in-first-out queues, one for each key.

use std::{collections::VecDeque, fmt::Debug, hash::Hash, marker::PhantomData};

use crate::specification::{Keys, Outcomes, Specification};

/// What is asked of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input<K, T> {
    /// Put this at the end.
    Enqueue(K, T),
    /// Take what is at the front.
    Dequeue(K),
}

/// What a queue answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output<T> {
    /// To putting something in: done.
    Enqueued,
    /// This was at the front, and is no longer in.
    Dequeued(T),
    /// Nothing was in.
    Empty,
}

/// Queues that are empty in the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queues<K, T> {
    types: PhantomData<fn(K, T)>,
}

impl<K, T> Default for Queues<K, T> {
    fn default() -> Self {
        Self { types: PhantomData }
    }
}

impl<K, T> Specification for Queues<K, T>
where
    K: Clone + Ord + Hash + Debug + Send + Sync,
    T: Clone + Eq + Hash + Debug + Send + Sync,
{
    type Key = K;
    type Input = Input<K, T>;
    type Output = Output<T>;
    type State = VecDeque<T>;
    type Value = ();

    fn keys(&self, input: &Input<K, T>) -> Keys<K> {
        let (Input::Enqueue(key, _) | Input::Dequeue(key)) = input;
        Keys::One(key.clone())
    }

    fn initial(&self, _keys: &[K]) -> VecDeque<T> {
        VecDeque::new()
    }

    fn apply(&self, queue: &VecDeque<T>, input: &Input<K, T>) -> Outcomes<Output<T>, VecDeque<T>> {
        let mut next = queue.clone();
        let output = match input {
            Input::Enqueue(_, element) => {
                next.push_back(element.clone());
                Output::Enqueued
            }
            Input::Dequeue(_) => next.pop_front().map_or(Output::Empty, Output::Dequeued),
        };
        Outcomes::one(output, next)
    }

    fn is_pure(&self, _input: &Input<K, T>, output: &Output<T>) -> bool {
        *output == Output::Empty
    }

    fn state_bytes(&self, queue: &VecDeque<T>) -> u64 {
        (size_of::<VecDeque<T>>() + queue.capacity() * size_of::<T>()) as u64
    }
}
