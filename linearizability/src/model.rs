//! A specification in numbers: equal operations form a class, states are numbered as they come up, and what an
//! operation does to a state is computed once.

use std::collections::BTreeSet;

use crate::{
    hash::{Interner, Memo},
    specification::{Effect, Keys, Specification},
};

/// The number of a class: of an input together with its output, or with none if it is not known.
pub(crate) type ClassId = u32;
/// The number of a state.
pub(crate) type StateId = u32;

/// A specification, and what has been found out about it.
#[derive(Debug)]
pub(crate) struct Model<S: Specification> {
    /// How many keys a state is about.
    keys: usize,
    classes: Interner<(S::Input, Option<S::Output>)>,
    facts: Vec<ClassFacts>,
    states: Interner<S::State>,
    /// What the states refer to.
    state_bytes: u64,
    memo: Memo,
    /// Where there is more than one next state.
    several: Vec<Vec<StateId>>,
    reach: Memo,
}

/// What is known about a class, whatever the state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassFacts {
    pub(crate) effect: Effect,
    /// It leaves every state as it is in which it can be answered so.
    pub(crate) is_pure: bool,
    /// It is possible in every state, and leaves the same behind.
    pub(crate) overwrites: bool,
    /// Its answer ruled out some, but not all of what it could have done in some state.
    pub(crate) is_choosy: bool,
}

/// What a class leads to from a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is not possible there.
    Impossible,
    /// This state.
    One(StateId),
    /// One of several states, by number.
    Several(u32),
}

/// Marks a [`Next::Several`] in the memo.
const SEVERAL: u32 = 1 << 31;
const IMPOSSIBLE: u32 = u32::MAX;

impl Next {
    fn encode(self) -> u32 {
        match self {
            Self::Impossible => IMPOSSIBLE,
            Self::One(state) => state,
            Self::Several(number) => SEVERAL | number,
        }
    }

    fn decode(word: u32) -> Self {
        match word {
            IMPOSSIBLE => Self::Impossible,
            word if word & SEVERAL != 0 => Self::Several(word & !SEVERAL),
            state => Self::One(state),
        }
    }
}

impl<S: Specification> Model<S> {
    /// A model of states that are about so many keys.
    pub(crate) fn new(keys: usize) -> Self {
        Self {
            keys,
            classes: Interner::default(),
            facts: Vec::new(),
            states: Interner::default(),
            state_bytes: 0,
            memo: Memo::default(),
            several: Vec::new(),
            reach: Memo::default(),
        }
    }

    /// The class of an operation.
    pub(crate) fn class(&mut self, spec: &S, input: &S::Input, output: Option<&S::Output>) -> ClassId {
        let class = self.classes.intern((input.clone(), output.cloned()));
        if class as usize == self.facts.len() {
            let effect = self.effect(spec, input);
            let is_pure = match output {
                Some(output) => spec.is_pure(input, output),
                None => effect == Effect::Read,
            };
            self.facts.push(ClassFacts { effect, is_pure, overwrites: false, is_choosy: false });
        }
        class
    }

    /// What an input does to a whole state: what overwrites some of its keys does not overwrite it.
    fn effect(&self, spec: &S, input: &S::Input) -> Effect {
        let overwritten = match spec.keys(input) {
            Keys::One(_) => 1,
            Keys::Several(keys) => keys.into_iter().collect::<BTreeSet<_>>().len(),
            Keys::All => self.keys,
        };
        match spec.effect(input) {
            Effect::Overwrite if overwritten < self.keys => Effect::Update,
            effect => effect,
        }
    }

    #[inline]
    pub(crate) fn facts(&self, class: ClassId) -> ClassFacts {
        self.facts[class as usize]
    }

    /// Looks whether a class that is said to overwrite is possible at all: if it is in one state, it is in all.
    pub(crate) fn settle_overwrite(&mut self, spec: &S, class: ClassId, any: StateId) {
        if self.facts(class).effect == Effect::Overwrite {
            self.facts[class as usize].overwrites = self.next(spec, any, class) != Next::Impossible;
        }
    }

    pub(crate) fn state(&mut self, spec: &S, state: S::State) -> StateId {
        let known = self.states.values().len();
        let bytes = spec.state_bytes(&state);
        let number = self.states.intern(state);
        if number as usize == known {
            assert!(number < SEVERAL, "{number} states are more than can be numbered");
            self.state_bytes += bytes;
        }
        number
    }

    pub(crate) fn state_of(&self, number: StateId) -> &S::State {
        self.states.value(number)
    }

    pub(crate) fn input_of(&self, class: ClassId) -> &S::Input {
        &self.classes.value(class).0
    }

    /// What a class leads to from a state.
    #[inline]
    pub(crate) fn next(&mut self, spec: &S, state: StateId, class: ClassId) -> Next {
        if let Some(known) = self.memo.find((state, class)) {
            return Next::decode(known);
        }
        let next = self.compute(spec, state, class);
        self.memo.insert((state, class), next.encode());
        next
    }

    fn compute(&mut self, spec: &S, state: StateId, class: ClassId) -> Next {
        let (input, output) = self.classes.value(class);
        let (mut all, mut agreeing) = (0_u64, Vec::new());
        for (foretold, next) in spec.apply(self.states.value(state), input) {
            all += 1;
            if output.as_ref().is_none_or(|output| spec.agrees(&foretold, output)) {
                agreeing.push(next);
            }
        }
        if !agreeing.is_empty() && (agreeing.len() as u64) < all {
            self.facts[class as usize].is_choosy = true;
        }
        let mut numbers: Vec<_> = agreeing.into_iter().map(|next| self.state(spec, next)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        match *numbers {
            [] => Next::Impossible,
            [one] => Next::One(one),
            [..] => {
                self.several.push(numbers);
                Next::Several(u32::try_from(self.several.len() - 1).expect("as many as there are states"))
            }
        }
    }

    /// One of the states that a class leads to, from 0.
    #[inline]
    pub(crate) fn alternative(&self, next: Next, place: u32) -> Option<StateId> {
        match next {
            Next::Impossible => None,
            Next::One(state) => (place == 0).then_some(state),
            Next::Several(number) => self.several[number as usize].get(place as usize).copied(),
        }
    }

    /// Whether a state that only grows can come to one where the class is possible.
    pub(crate) fn can_reach(&mut self, spec: &S, state: StateId, class: ClassId) -> bool {
        if let Some(known) = self.reach.find((state, class)) {
            return known != 0;
        }
        let (input, output) = self.classes.value(class);
        let can =
            output.as_ref().is_none_or(|output| spec.can_reach(self.states.value(state), input, output));
        self.reach.insert((state, class), u32::from(can));
        can
    }

    /// What all this takes up.
    pub(crate) fn bytes(&self) -> u64 {
        let facts = (self.facts.capacity() * size_of::<ClassFacts>()) as u64;
        self.classes.bytes()
            + facts
            + self.states.bytes()
            + self.state_bytes
            + self.memo.bytes()
            + self.reach.bytes()
    }
}
