//! Putting the hints of a specification to the test: a hint that is wrong makes verdicts wrong.
//!
//! From what keys hold in the beginning, every state is visited that some inputs lead to, up to a number; in each of
//! them every hint about every input and answer is compared with what [`apply`](Specification::apply) does.

use std::collections::VecDeque;

use crate::{
    hash::Interner,
    specification::{Effect, Specification, View},
};

/// A hint that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hint {hint} is wrong: {what}")]
pub struct WrongHint {
    /// Which.
    pub hint: &'static str,
    /// Where it is.
    pub what: String,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// In so many states.
    pub states: u64,
    /// With so many answers.
    pub answers: u64,
}

/// Tests all hints about operations on one key, with these inputs and, beside those that come up, these answers.
///
/// # Errors
/// The first hint that is wrong.
pub fn test<S: Specification>(
    spec: &S,
    key: &S::Key,
    inputs: &[S::Input],
    answers: &[S::Output],
    most_states: u64,
) -> Result<Tried, WrongHint> {
    let world = World::explore(spec, key, inputs, answers, most_states);
    for state in world.states.values() {
        for input in inputs {
            world.test_effect(state, input)?;
            world.test_overwrite(state, input)?;
            for answer in world.answers.values() {
                world.test_answer(state, input, answer)?;
            }
        }
    }
    world.test_reach(inputs)?;
    Ok(Tried { states: world.states.values().len() as u64, answers: world.answers.values().len() as u64 })
}

/// States and answers.
struct World<'s, S: Specification> {
    spec: &'s S,
    states: Interner<S::State>,
    answers: Interner<S::Output>,
    /// By state: where reads and extensions lead.
    growth: Vec<Vec<u32>>,
    /// What holds a value, according to the views of writes.
    holders: Vec<(Option<S::Value>, S::State)>,
}

impl<'s, S: Specification> World<'s, S> {
    fn explore(
        spec: &'s S,
        key: &S::Key,
        inputs: &[S::Input],
        answers: &[S::Output],
        most_states: u64,
    ) -> Self {
        let beginning = spec.initial(std::slice::from_ref(key));
        let holders = vec![(spec.initial_value(key), beginning.clone())];
        let mut world = Self {
            spec,
            states: Interner::default(),
            answers: Interner::default(),
            growth: Vec::new(),
            holders,
        };
        for answer in answers {
            world.answers.intern(answer.clone());
        }
        let mut waiting = VecDeque::from([world.states.intern(beginning)]);
        while let Some(number) = waiting.pop_front() {
            let state = world.states.value(number).clone();
            let mut growth = Vec::new();
            for input in inputs {
                for (answer, next) in spec.apply(&state, input) {
                    world.answers.intern(answer);
                    let known = world.states.values().len();
                    if known as u64 == most_states && !world.states.values().contains(&next) {
                        continue;
                    }
                    let next = world.states.intern(next);
                    waiting.extend((known <= next as usize).then_some(next));
                    if matches!(spec.effect(input), Effect::Read | Effect::Extend) {
                        growth.push(next);
                    }
                }
            }
            world.growth.push(growth);
        }
        world.find_holders(inputs);
        world
    }

    fn find_holders(&mut self, inputs: &[S::Input]) {
        let beginning = self.states.value(0).clone();
        for input in inputs {
            if let View::Write(value) = self.spec.view(input, None)
                && let Some((_, next)) = self.spec.apply(&beginning, input).into_iter().next()
            {
                self.holders.push((Some(value.clone()), next));
            }
        }
    }

    /// What holds a value; `None` if no write tells.
    fn holder(&self, value: Option<&S::Value>) -> Option<&S::State> {
        self.holders.iter().find(|(held, _)| held.as_ref() == value).map(|(_, state)| state)
    }

    fn test_effect(&self, state: &S::State, input: &S::Input) -> Result<(), WrongHint> {
        let stays = self.spec.apply(state, input).into_iter().all(|(_, next)| next == *state);
        let fine = stays || self.spec.effect(input) != Effect::Read;
        wrong_unless(fine, "effect", || format!("{input:?} is a read and changes {state:?}"))
    }

    fn test_overwrite(&self, state: &S::State, input: &S::Input) -> Result<(), WrongHint> {
        let (here, there) = (self.spec.apply(state, input), self.spec.apply(self.states.value(0), input));
        let (here, there) = (here.into_vec(), there.into_vec());
        let same = here.iter().all(|one| there.contains(one)) && there.iter().all(|one| here.contains(one));
        let blind = self.spec.effect(input) == Effect::Overwrite;
        wrong_unless(same || !blind, "effect", || {
            format!("{input:?} overwrites, and does not do in {state:?} what it does in the beginning")
        })?;
        match self.spec.view(input, None) {
            View::Write(_) => {
                let what = || format!("{input:?} writes, and depends on {state:?}");
                wrong_unless(same && here.len() == 1, "view", what)
            }
            View::Swap { from, to } => {
                let found = self.holder(from).is_none_or(|from| from == state);
                let result = |next: &S::State| {
                    next == state || found && self.holder(Some(to)).is_none_or(|to| to == next)
                };
                let fine = here.iter().all(|(_, next)| result(next));
                wrong_unless(fine, "view", || {
                    format!("{input:?} swaps, and does something else in {state:?}")
                })
            }
            View::Opaque | View::Read(_) | View::Append(_) | View::ReadList(_) => Ok(()),
        }
    }

    /// Where an input leads that is answered so.
    fn nexts(&self, state: &S::State, input: &S::Input, answer: &S::Output) -> Vec<S::State> {
        let outcomes = self.spec.apply(state, input).into_iter();
        outcomes.filter(|(output, _)| self.spec.agrees(output, answer)).map(|(_, next)| next).collect()
    }

    fn test_answer(&self, state: &S::State, input: &S::Input, answer: &S::Output) -> Result<(), WrongHint> {
        let nexts = self.nexts(state, input, answer);
        let stays = nexts.iter().all(|next| next == state);
        wrong_unless(stays || !self.spec.is_pure(input, answer), "is_pure", || {
            format!("{input:?} answered {answer:?} changes {state:?}")
        })?;
        let (possible, what) = (!nexts.is_empty(), || format!("{input:?} answered {answer:?} in {state:?}"));
        let leads_to = |to: Option<&S::State>| nexts.iter().all(|next| to.is_none_or(|to| to == next));
        match self.spec.view(input, Some(answer)) {
            View::Opaque | View::Append(_) => Ok(()),
            View::Write(value) => wrong_unless(possible && leads_to(self.holder(Some(value))), "view", what),
            View::Read(value) => {
                let known = self.holder(value).is_none_or(|holder| (holder == state) == possible);
                wrong_unless(known && stays, "view", what)
            }
            View::Swap { from, to } => {
                let known = self.holder(from).is_none_or(|holder| (holder == state) == possible);
                wrong_unless(known && leads_to(self.holder(Some(to))), "view", what)
            }
            View::ReadList(list) => self.test_list(state, input, list, possible && stays),
        }
    }

    /// A list that was read is in one state only, which the appends of its elements lead to from the beginning.
    fn test_list(
        &self,
        state: &S::State,
        input: &S::Input,
        list: &[S::Value],
        possible: bool,
    ) -> Result<(), WrongHint> {
        let others = self.states.values().iter().filter(|other| *other != state);
        let mut elsewhere = others.flat_map(|other| self.spec.apply(other, input)).filter(|(output, _)| {
            matches!(self.spec.view(input, Some(output)), View::ReadList(other) if other == list)
        });
        let fine = !possible || elsewhere.next().is_none();
        wrong_unless(fine, "view", || format!("{input:?} reads {list:?} in {state:?} and elsewhere"))
    }

    /// What can be answered in a state can be reached from every state that grows into it.
    fn test_reach(&self, inputs: &[S::Input]) -> Result<(), WrongHint> {
        for start in 0..self.growth.len() {
            let mut reached = vec![start as u32];
            let mut next = 0;
            while let Some(&state) = reached.get(next) {
                next += 1;
                let new: Vec<_> =
                    self.growth[state as usize].iter().filter(|s| !reached.contains(s)).copied().collect();
                reached.extend(new);
            }
            let start = self.states.value(start as u32);
            for state in reached.iter().map(|&state| self.states.value(state)) {
                for (input, answer) in
                    inputs.iter().flat_map(|input| self.answers.values().iter().map(move |a| (input, a)))
                {
                    let lost = !self.nexts(state, input, answer).is_empty()
                        && !self.spec.can_reach(start, input, answer);
                    wrong_unless(!lost, "can_reach", || {
                        format!("{start:?} grows into {state:?}, where {input:?} is answered {answer:?}")
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn wrong_unless(fine: bool, hint: &'static str, what: impl FnOnce() -> String) -> Result<(), WrongHint> {
    if fine { Ok(()) } else { Err(WrongHint { hint, what: what() }) }
}
