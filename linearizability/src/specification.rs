//! What operations mean: the contract between a history and its judge.
//!
//! [`apply`](Specification::apply) says everything. What else a specification can tell are *hints*: claims about
//! `apply` that make checking fast, and that make it wrong when they are wrong. All have defaults that claim nothing.
//! [`hints::test`](crate::hints::test) puts them to the test, and every specification that comes with this crate is
//! tested so.

use std::{fmt::Debug, hash::Hash};

/// What operations mean.
pub trait Specification: Sync {
    /// What a history is divided by.
    type Key: Clone + Ord + Hash + Debug + Send + Sync;
    /// What is asked.
    type Input: Clone + Eq + Hash + Debug + Send + Sync;
    /// What is answered.
    type Output: Clone + Eq + Hash + Debug + Send + Sync;
    /// What the keys of one part of a history hold: of one key, unless operations concern several.
    type State: Clone + Eq + Hash + Debug + Send + Sync;
    /// What [views](Self::view) speak of; `()` where there are none.
    type Value: Clone + Eq + Hash + Debug + Send + Sync;

    /// The keys that an operation concerns.
    fn keys(&self, input: &Self::Input) -> Keys<Self::Key>;

    /// What these keys hold in the beginning. They are ascending, and one unless an operation concerns several.
    fn initial(&self, keys: &[Self::Key]) -> Self::State;

    /// What an operation may answer, and what it then leaves behind.
    fn apply(&self, state: &Self::State, input: &Self::Input) -> Outcomes<Self::Output, Self::State>;

    /// Whether an answer agrees with one that [`apply`](Self::apply) foretells. Answers that tell less than they
    /// could may agree with several.
    fn agrees(&self, foretold: &Self::Output, observed: &Self::Output) -> bool {
        foretold == observed
    }

    /// Hint: what an operation does to the state.
    fn effect(&self, _input: &Self::Input) -> Effect {
        Effect::Update
    }

    /// Hint: whether this input, when it is answered so, leaves every state as it is in which it can be answered so.
    /// Reads do; so does a compare-and-set that failed.
    fn is_pure(&self, input: &Self::Input, _output: &Self::Output) -> bool {
        self.effect(input) == Effect::Read
    }

    /// Hint: whether operations whose effect is [`Effect::Read`] or [`Effect::Extend`], as many as one likes and
    /// any, can lead from this state to one in which the input is answered so. `true` claims nothing.
    fn can_reach(&self, _state: &Self::State, _input: &Self::Input, _output: &Self::Output) -> bool {
        true
    }

    /// Hint: the operation in terms that faster algorithms understand. Without an output, it is not known.
    fn view<'a>(&self, _input: &'a Self::Input, _output: Option<&'a Self::Output>) -> View<'a, Self::Value> {
        View::Opaque
    }

    /// Hint: what a key holds in the beginning, in the terms of views; `None`: nothing.
    fn initial_value(&self, _key: &Self::Key) -> Option<Self::Value> {
        None
    }

    /// How many bytes a state takes up, for the budget of memory.
    fn state_bytes(&self, _state: &Self::State) -> u64 {
        size_of::<Self::State>() as u64
    }

    /// A key as it is shown.
    fn show_key(&self, key: &Self::Key) -> String {
        format!("{key:?}")
    }

    /// An input as it is shown.
    fn show_input(&self, input: &Self::Input) -> String {
        format!("{input:?}")
    }

    /// An output as it is shown.
    fn show_output(&self, output: &Self::Output) -> String {
        format!("{output:?}")
    }

    /// A state as it is shown.
    fn show_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }
}

/// The keys of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys<K> {
    /// One.
    One(K),
    /// Several: their parts of the history are judged together. At least one.
    Several(Vec<K>),
    /// Every key of the history.
    All,
}

/// What an operation may come to: nothing if it is not possible in that state, one thing if it is deterministic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes<O, S>(Inner<O, S>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Inner<O, S> {
    AtMostOne(Option<(O, S)>),
    Several(Vec<(O, S)>),
}

impl<O, S> Outcomes<O, S> {
    /// It is not possible.
    pub const NONE: Self = Self(Inner::AtMostOne(None));

    /// It answers this and leaves that behind.
    pub const fn one(output: O, state: S) -> Self {
        Self(Inner::AtMostOne(Some((output, state))))
    }

    /// It does one of these.
    pub const fn several(outcomes: Vec<(O, S)>) -> Self {
        Self(Inner::Several(outcomes))
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<(O, S)> {
        match self.0 {
            Inner::AtMostOne(outcome) => outcome.into_iter().collect(),
            Inner::Several(outcomes) => outcomes,
        }
    }
}

impl<O, S> IntoIterator for Outcomes<O, S> {
    type Item = (O, S);
    type IntoIter = OutcomesIter<O, S>;

    fn into_iter(self) -> Self::IntoIter {
        OutcomesIter(match self.0 {
            Inner::AtMostOne(outcome) => IterInner::AtMostOne(outcome.into_iter()),
            Inner::Several(outcomes) => IterInner::Several(outcomes.into_iter()),
        })
    }
}

/// Goes through [`Outcomes`].
#[derive(Debug)]
pub struct OutcomesIter<O, S>(IterInner<O, S>);

#[derive(Debug)]
enum IterInner<O, S> {
    AtMostOne(std::option::IntoIter<(O, S)>),
    Several(std::vec::IntoIter<(O, S)>),
}

impl<O, S> Iterator for OutcomesIter<O, S> {
    type Item = (O, S);

    fn next(&mut self) -> Option<(O, S)> {
        match &mut self.0 {
            IterInner::AtMostOne(outcome) => outcome.next(),
            IterInner::Several(outcomes) => outcomes.next(),
        }
    }
}

/// What an input does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It leaves every state as it is.
    Read,
    /// It adds to what is there; see [`Specification::can_reach`].
    Extend,
    /// What it answers and what its keys hold afterwards does not depend on the state: a blind write.
    Overwrite,
    /// Anything: the safe thing to say.
    Update,
}

/// An operation in general terms. `None` is what a key holds to which nothing was ever written, unless
/// [`Specification::initial_value`] says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a, V> {
    /// None of the below: faster algorithms keep their hands off.
    Opaque,
    /// Whatever the key held, now it holds this.
    Write(&'a V),
    /// The key holds this.
    Read(Option<&'a V>),
    /// The key held the one and now holds the other. Without an output: that, or nothing happened.
    Swap {
        /// What it held.
        from: Option<&'a V>,
        /// What it holds now.
        to: &'a V,
    },
    /// The key holds a list, and this is now its last element.
    Append(&'a V),
    /// The key holds this list.
    ReadList(&'a [V]),
}
