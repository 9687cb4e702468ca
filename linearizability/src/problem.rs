//! What a search is to explain: operations in numbers, and for each answer what was in progress before it.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    model::{ClassId, Model, StateId},
    specification::{Effect, Specification},
};

/// An operation that may have to be placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// What its owner calls it.
    pub(crate) name: u32,
    pub(crate) class: ClassId,
    /// The event of its invocation.
    pub(crate) invoked: u32,
    /// The event of its answer, or [`NEVER`].
    pub(crate) returned: u32,
}

/// The event of what does not happen.
pub(crate) const NEVER: u32 = u32::MAX;
/// Where there is no call.
pub(crate) const NONE: u32 = u32::MAX;

/// A call, and where it stands among others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placeable {
    pub(crate) call: Call,
    /// Its slot if it was answered, otherwise its index among those that were not.
    pub(crate) place: u32,
    /// The call of the same class that is to be placed first: with the answer before this one's, or, among calls
    /// without an answer, with the invocation before.
    pub(crate) twin: u32,
}

/// An answer: a point before which its call must have been placed.
#[derive(Clone, Debug)]
pub(crate) struct Return {
    pub(crate) event: u32,
    pub(crate) call: u32,
    /// The answered calls in progress just before, by the order of their answers, within `Problem::in_progress`.
    /// The first is the call itself.
    pub(crate) in_progress: Range<u32>,
    /// How many calls without an answer were invoked by then.
    pub(crate) unanswered: u32,
    /// How many of those do not overwrite.
    pub(crate) observers: u32,
    /// For the look-ahead: the first read in `Problem::reads` that is answered here or later.
    pub(crate) reads: u32,
    /// For the look-ahead: the next invocation after this of something that may do more than extend.
    pub(crate) next_obstacle: u32,
}

/// What is to be explained.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) root: StateId,
    pub(crate) calls: Vec<Placeable>,
    pub(crate) returns: Vec<Return>,
    pub(crate) in_progress: Vec<u32>,
    /// The calls without an answer, by invocation.
    pub(crate) unanswered: Vec<u32>,
    /// Those of them that do not overwrite.
    pub(crate) observers: Vec<u32>,
    /// The reads that were answered, by answer; none if nothing extends, for then they tell nothing in advance.
    pub(crate) reads: Vec<u32>,
    /// How many slots there are.
    pub(crate) slots: u32,
}

impl Problem {
    /// Puts calls, which come by invocation, into a problem that begins in a state. Calls without an answer that
    /// cannot change any state need not be placed and help nobody: they are left out (R0).
    pub(crate) fn new<S: Specification>(
        model: &Model<S>,
        root: StateId,
        calls: impl Iterator<Item = Call>,
    ) -> Self {
        let matters = |call: &Call| call.returned != NEVER || model.facts(call.class).effect != Effect::Read;
        let unplaced = |call| Placeable { call, place: NONE, twin: NONE };
        let mut problem = Self {
            root,
            calls: calls.filter(matters).map(unplaced).collect(),
            returns: Vec::new(),
            in_progress: Vec::new(),
            unanswered: Vec::new(),
            observers: Vec::new(),
            reads: Vec::new(),
            slots: 0,
        };
        problem.number_unanswered(model);
        let by_answer = problem.by_answer();
        problem.link_twins(&by_answer);
        problem.sweep(model, &by_answer);
        problem.prepare_look_ahead(model, &by_answer);
        problem
    }

    #[inline]
    pub(crate) fn candidates(&self, answer: &Return) -> &[u32] {
        &self.in_progress[answer.in_progress.start as usize..answer.in_progress.end as usize]
    }

    #[inline]
    pub(crate) fn call(&self, call: u32) -> &Placeable {
        &self.calls[call as usize]
    }

    pub(crate) fn bytes(&self) -> u64 {
        let words = self.in_progress.capacity()
            + self.unanswered.capacity()
            + self.observers.capacity()
            + self.reads.capacity();
        let others =
            self.calls.capacity() * size_of::<Placeable>() + self.returns.capacity() * size_of::<Return>();
        (words * size_of::<u32>() + others) as u64
    }

    fn number_unanswered<S: Specification>(&mut self, model: &Model<S>) {
        for (position, call) in (0..).zip(&mut self.calls) {
            if call.call.returned == NEVER {
                call.place = self.unanswered.len() as u32;
                self.unanswered.push(position);
                if model.facts(call.call.class).effect != Effect::Overwrite {
                    self.observers.push(position);
                }
            }
        }
    }

    /// The answered calls, by answer.
    fn by_answer(&self) -> Vec<u32> {
        let answered = |&call: &u32| self.call(call).call.returned != NEVER;
        let mut calls: Vec<_> = (0..self.calls.len() as u32).filter(answered).collect();
        calls.sort_unstable_by_key(|&call| self.call(call).call.returned);
        calls
    }

    fn link_twins(&mut self, by_answer: &[u32]) {
        for order in [by_answer, &self.unanswered] {
            let mut latest = BTreeMap::new();
            for &call in order {
                let placeable = &mut self.calls[call as usize];
                placeable.twin = latest.insert(placeable.call.class, call).unwrap_or(NONE);
            }
        }
    }

    /// Goes through the events in order: gives slots to the answered calls, and lists who is in progress when.
    fn sweep<S: Specification>(&mut self, model: &Model<S>, by_answer: &[u32]) {
        let (mut invoked, mut unanswered, mut observers) = (0, 0, 0);
        let mut open = BTreeMap::new();
        let mut free = Vec::new();
        for &call in by_answer {
            let event = self.call(call).call.returned;
            while let Some(next) = self.calls.get_mut(invoked).filter(|next| next.call.invoked < event) {
                if next.call.returned == NEVER {
                    unanswered += 1;
                    observers += u32::from(model.facts(next.call.class).effect != Effect::Overwrite);
                } else {
                    next.place = free.pop().unwrap_or_else(|| {
                        self.slots += 1;
                        self.slots - 1
                    });
                    open.insert(next.call.returned, invoked as u32);
                }
                invoked += 1;
            }
            let start = self.in_progress.len() as u32;
            self.in_progress.extend(open.values());
            let in_progress = start..self.in_progress.len() as u32;
            self.returns.push(Return {
                event,
                call,
                in_progress,
                unanswered,
                observers,
                reads: 0,
                next_obstacle: NEVER,
            });
            open.remove(&event);
            free.push(self.call(call).place);
        }
    }

    fn prepare_look_ahead<S: Specification>(&mut self, model: &Model<S>, by_answer: &[u32]) {
        let facts = |call: u32| model.facts(self.call(call).call.class);
        if !(0..self.calls.len() as u32).any(|call| facts(call).effect == Effect::Extend) {
            return;
        }
        let is_read = |call: &u32| facts(*call).effect == Effect::Read;
        let reads: Vec<_> = by_answer.iter().copied().filter(is_read).collect();
        let is_obstacle = |call: &u32| is_obstacle(facts(*call).effect, facts(*call).is_pure);
        let obstacles: Vec<_> = (0..self.calls.len() as u32)
            .filter(is_obstacle)
            .map(|call| self.call(call).call.invoked)
            .collect();
        for position in 0..self.returns.len() {
            let event = self.returns[position].event;
            let first = reads.partition_point(|&read| self.call(read).call.returned < event);
            self.returns[position].reads = first as u32;
            let next = obstacles.partition_point(|&invoked| invoked < event);
            self.returns[position].next_obstacle = obstacles.get(next).copied().unwrap_or(NEVER);
        }
        self.reads = reads;
    }
}

/// Whether something may do more than extend what is there.
pub(crate) fn is_obstacle(effect: Effect, is_pure: bool) -> bool {
    match effect {
        Effect::Read | Effect::Extend => false,
        Effect::Overwrite | Effect::Update => !is_pure,
    }
}
