//! Judgement while a history is recorded: each answer is looked at when it comes, so that one can stop at the event that
//! breaks linearizability.
//!
//! For each part of the history, one order is kept that explains everything so far. Nearly always the operation that was
//! answered can be put at its end. If not, an order is searched that begins as the present one does up to a point
//! before which nothing was in progress any more, and is different behind it: that *window* holds a few dozen
//! operations, however long the history. An operation in progress may stand in it, with any answer, or not; when its
//! answer comes it is looked at again. If there is no such order, it may be the beginning that was chosen wrongly: more
//! and more of it is given up. When nothing is left of it and there still is no order, this answer is the first that
//! cannot be explained.

use std::collections::BTreeSet;

use crate::{
    check::{check, check_with_candidate},
    hash::Interner,
    history::{Ending, Event, EventKind, EventNumber, History, Operation as Recorded, OperationId},
    model::{ClassId, Model, StateId},
    partition::bare,
    problem::{Call, NEVER, Problem},
    search::{self, Allowance, Outcome, Reductions, Step},
    specification::{Effect as Impact, Keys, Specification},
    verdict::{Budget, Precision, Report, UnknownReason, Verdict, Violation},
};

/// What is known of a history so far.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Everything so far can be explained.
    Explained,
    /// Everything up to the event before this violation's can be explained. What came later was not looked at.
    Violation(&'a Violation),
    /// Some answer needed more searching than was allowed. What came later was not looked at.
    Unknown(UnknownReason),
}

/// A judge that is told of events as they are recorded.
#[derive(Debug)]
pub struct Online<S: Specification> {
    spec: S,
    /// What each answer may cost.
    budget: Budget,
    keys: Interner<S::Key>,
    /// By key: its part.
    part_of_key: Vec<usize>,
    parts: Vec<Part<S>>,
    /// By operation: its part, and its position there.
    places: Vec<(usize, u32)>,
    /// Whether there was an operation on all keys: then there is one part only.
    everything: Option<usize>,
    /// How many events were looked at.
    events: u64,
    state: State,
    answers: u64,
    telling_answers: u64,
}

#[derive(Debug)]
enum State {
    Explained,
    Violation(Box<Violation>),
    Unknown(UnknownReason),
}

/// What an event has done to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Explained,
    Violated,
    Spent(UnknownReason),
}

impl<S: Specification> Online<S> {
    /// A judge of a history without events. The budget is for each answer.
    pub fn new(spec: S, budget: Budget) -> Self {
        Self {
            spec,
            budget,
            keys: Interner::default(),
            part_of_key: Vec::new(),
            parts: Vec::new(),
            places: Vec::new(),
            everything: None,
            events: 0,
            state: State::Explained,
            answers: 0,
            telling_answers: 0,
        }
    }

    /// What is known so far.
    pub fn progress(&self) -> Progress<'_> {
        match &self.state {
            State::Explained => Progress::Explained,
            State::Violation(violation) => Progress::Violation(violation),
            State::Unknown(reason) => Progress::Unknown(*reason),
        }
    }

    /// How many answers were looked at.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// How many of these answers told something: not every state would have led to them.
    pub fn telling_answers(&self) -> u64 {
        self.telling_answers
    }

    /// Looks at the events that were recorded since the last time. It must be the same history each time.
    ///
    /// # Panics
    /// As [`check`], and when the history has become shorter.
    pub fn advance(&mut self, history: &History<S::Input, S::Output>) -> Progress<'_> {
        let seen = usize::try_from(self.events).expect("events are in memory");
        for event in &history.events()[seen..] {
            if !matches!(self.state, State::Explained) {
                break;
            }
            self.take(history, *event);
            self.events += 1;
        }
        self.progress()
    }

    /// The report on the whole history, as [`check`] would give it. If every event was looked at and everything is
    /// explained, the order that does so was found already, and is replayed.
    ///
    /// # Panics
    /// As [`check`].
    pub fn report(&self, history: &History<S::Input, S::Output>) -> Report {
        let is_all = self.events == history.events().len() as u64;
        match self.state {
            State::Explained if is_all => {
                let mut steps: Vec<_> = self.parts.iter().flat_map(Part::steps).collect();
                steps.sort_by_key(|&(event, _)| event);
                let candidate = steps.into_iter().map(|(_, id)| id).collect();
                check_with_candidate(&self.spec, history, candidate, self.budget)
            }
            State::Explained | State::Violation(_) | State::Unknown(_) => {
                check(&self.spec, history, self.budget)
            }
        }
    }

    fn take(&mut self, history: &History<S::Input, S::Output>, event: Event) {
        let operation = history.operation(event.operation).expect("an event is about an operation");
        let number = bare(event.number.0);
        if event.kind == EventKind::Invoke {
            let part = self.part(history, &operation.input);
            let position = self.parts[part].invoke(&self.spec, event.operation, number, &operation.input);
            self.places.push((part, position));
            return;
        }
        let (part, position) = self.places[(event.operation.0 - 1) as usize];
        let part = &mut self.parts[part];
        let effect = match (event.kind, &operation.ending) {
            (EventKind::Complete, Ending::Completed { output, .. }) => {
                self.answers += 1;
                let is_blind =
                    matches!(self.spec.effect(&operation.input), Impact::Overwrite | Impact::Extend);
                self.telling_answers += u64::from(!is_blind);
                let class = part.model.class(&self.spec, &operation.input, Some(output));
                part.answer(&self.spec, position, class, number, self.budget)
            }
            (EventKind::Fail, _) => part.fail(&self.spec, position, number, self.budget),
            (EventKind::Abandon | EventKind::Invoke | EventKind::Complete, _) => {
                part.abandon(position);
                Effect::Explained
            }
        };
        match effect {
            Effect::Explained => (),
            Effect::Violated => {
                self.state = State::Violation(Box::new(self.violation(history, event.number)));
            }
            Effect::Spent(reason) => self.state = State::Unknown(reason),
        }
    }

    /// The violation at this event, told by the judge of whole histories.
    fn violation(&self, history: &History<S::Input, S::Output>, event: EventNumber) -> Violation {
        match check(&self.spec, &history.prefix(event), self.budget).verdict {
            Verdict::Violation(violation) => {
                let agrees = violation.first_bad <= event && violation.precision == Precision::Exact;
                assert!(!agrees || violation.first_bad == event, "{} and not {event}", violation.first_bad);
                Violation { first_bad: event, precision: Precision::Exact, ..*violation }
            }
            Verdict::Unknown { .. } => Violation {
                keys: Vec::new(),
                first_bad: event,
                precision: Precision::Exact,
                core: Vec::new(),
                story: format!("no order of operations explains everything up to {event}.\n"),
            },
            Verdict::Linearizable { .. } => panic!("up to {event} there is an order, where none was found"),
        }
    }

    /// The part that an operation belongs to. Where it concerns keys of several parts, these become one.
    fn part(&mut self, history: &History<S::Input, S::Output>, input: &S::Input) -> usize {
        let keys = match self.spec.keys(input) {
            Keys::One(key) => vec![key],
            Keys::Several(keys) => keys,
            Keys::All => {
                if let Some(everything) = self.everything {
                    return everything;
                }
                let all: Vec<_> = (0..self.parts.len()).collect();
                let part = self.merge(history, &all);
                self.everything = Some(part);
                return part;
            }
        };
        let mut parts: Vec<_> = keys.into_iter().map(|key| self.part_of(history, key)).collect();
        parts.sort_unstable();
        parts.dedup();
        match *parts {
            [part] => part,
            _ => self.merge(history, &parts),
        }
    }

    fn part_of(&mut self, history: &History<S::Input, S::Output>, key: S::Key) -> usize {
        let known = self.keys.values().len();
        let number = self.keys.intern(key.clone()) as usize;
        if number < known {
            return self.part_of_key[number];
        }
        let part = self.parts.len();
        self.part_of_key.push(part);
        self.parts.push(Part::new(&self.spec, vec![key]));
        match self.everything {
            Some(everything) => {
                let merged = self.merge(history, &[everything, part]);
                self.everything = Some(merged);
                merged
            }
            None => part,
        }
    }

    /// Makes one part of several. Its operations are told again, from the beginning.
    fn merge(&mut self, history: &History<S::Input, S::Output>, parts: &[usize]) -> usize {
        let merged = self.parts.len();
        let mut keys: Vec<_> = parts.iter().flat_map(|&part| self.parts[part].keys.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut part = Part::new(&self.spec, keys);
        for group in &mut self.part_of_key {
            if parts.contains(group) {
                *group = merged;
            }
        }
        for (number, place) in (1..).zip(&mut self.places) {
            if parts.contains(&place.0) {
                let operation = history.operation(OperationId(number)).expect("it was invoked");
                let invoked = bare(operation.invoked.0);
                *place = (merged, part.invoke(&self.spec, operation.id, invoked, &operation.input));
                part.retell(&self.spec, place.1, operation, self.events);
            }
        }
        for &part in parts {
            self.parts[part] = Part::new(&self.spec, self.parts[part].keys.clone());
        }
        part.is_stale = true;
        self.parts.push(part);
        merged
    }
}

/// The operations on some keys, and an order that explains them.
#[derive(Debug)]
struct Part<S: Specification> {
    keys: Vec<S::Key>,
    model: Model<S>,
    root: StateId,
    operations: Vec<Operation>,
    order: Vec<Placed>,
    /// By operation: where it stands in the order.
    positions: Vec<Option<u32>>,
    /// How much of the order is given up last.
    settled: usize,
    /// The operations that are not settled, ascending, but for those that were abandoned.
    window: Vec<u32>,
    /// Those of them that were abandoned and change something.
    abandoned: Vec<u32>,
    /// The invocations of the operations in progress.
    open: BTreeSet<u32>,
    /// The first of them when the order was last settled.
    settled_for: Option<u32>,
    /// The order does not explain what there is.
    is_stale: bool,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    id: OperationId,
    invoked: u32,
    /// Its class without an answer.
    unanswered: ClassId,
    ending: KnownEnding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownEnding {
    Open,
    Abandoned,
    Failed,
    Answered { event: u32, class: ClassId },
}

/// An operation in the order.
#[derive(Clone, Copy, Debug)]
struct Placed {
    position: u32,
    /// What it leaves behind.
    state: StateId,
}

/// How much of the order is given up first, when its end does not suffice.
const FIRST_STEP_BACK: usize = 64;

impl<S: Specification> Part<S> {
    fn new(spec: &S, keys: Vec<S::Key>) -> Self {
        let mut model = Model::new(keys.len());
        let root = model.state(spec, spec.initial(&keys));
        Self {
            keys,
            model,
            root,
            operations: Vec::new(),
            order: Vec::new(),
            positions: Vec::new(),
            settled: 0,
            window: Vec::new(),
            abandoned: Vec::new(),
            open: BTreeSet::new(),
            settled_for: None,
            is_stale: false,
        }
    }

    fn invoke(&mut self, spec: &S, id: OperationId, invoked: u32, input: &S::Input) -> u32 {
        let position = bare(self.operations.len() as u64);
        let unanswered = self.model.class(spec, input, None);
        self.operations.push(Operation { id, invoked, unanswered, ending: KnownEnding::Open });
        self.positions.push(None);
        self.window.push(position);
        self.open.insert(invoked);
        position
    }

    /// Tells again what has become of an operation by now.
    fn retell(&mut self, spec: &S, position: u32, operation: &Recorded<S::Input, S::Output>, events: u64) {
        match &operation.ending {
            Ending::Completed { event, at_ns: _, output } if event.0 <= events => {
                let class = self.model.class(spec, &operation.input, Some(output));
                self.end(position, KnownEnding::Answered { event: bare(event.0), class });
            }
            Ending::Failed { event } if event.0 <= events => self.leave_out(position),
            Ending::Abandoned { event } if event.0 <= events => self.abandon(position),
            Ending::Open | Ending::Completed { .. } | Ending::Failed { .. } | Ending::Abandoned { .. } => (),
        }
    }

    fn end(&mut self, position: u32, ending: KnownEnding) {
        let operation = &mut self.operations[position as usize];
        operation.ending = ending;
        self.open.remove(&operation.invoked);
    }

    /// An operation has failed.
    fn leave_out(&mut self, position: u32) {
        self.end(position, KnownEnding::Failed);
        self.window.retain(|&other| other != position);
    }

    fn abandon(&mut self, position: u32) {
        self.end(position, KnownEnding::Abandoned);
        self.window.retain(|&other| other != position);
        let class = self.operations[position as usize].unanswered;
        if self.model.facts(class).effect != Impact::Read {
            let place = self.abandoned.partition_point(|&other| other < position);
            self.abandoned.insert(place, position);
        }
    }

    fn fail(&mut self, spec: &S, position: u32, event: u32, budget: Budget) -> Effect {
        self.leave_out(position);
        if self.positions[position as usize].is_none() && !self.is_stale {
            return Effect::Explained;
        }
        self.search(spec, event, budget)
    }

    fn answer(&mut self, spec: &S, position: u32, class: ClassId, event: u32, budget: Budget) -> Effect {
        self.end(position, KnownEnding::Answered { event, class });
        let fits = !self.is_stale
            && match self.positions[position as usize] {
                Some(place) => self.agrees(spec, place as usize, class),
                None => self.append(spec, position, class),
            };
        let effect = if fits { Effect::Explained } else { self.search(spec, event, budget) };
        if effect == Effect::Explained {
            self.settle();
        }
        effect
    }

    fn state_before(&self, place: usize) -> StateId {
        place.checked_sub(1).map_or(self.root, |last| self.order[last].state)
    }

    /// Whether the answer of an operation is the one with which it stands in the order.
    fn agrees(&mut self, spec: &S, place: usize, class: ClassId) -> bool {
        let next = self.model.next(spec, self.state_before(place), class);
        let state = self.order[place].state;
        (0..).map_while(|one| self.model.alternative(next, one)).any(|one| one == state)
    }

    /// Puts an operation at the end of the order, if it can stand there.
    fn append(&mut self, spec: &S, position: u32, class: ClassId) -> bool {
        let next = self.model.next(spec, self.state_before(self.order.len()), class);
        let Some(state) = self.model.alternative(next, 0) else { return false };
        self.place(position, state);
        true
    }

    fn place(&mut self, position: u32, state: StateId) {
        self.positions[position as usize] = Some(self.order.len() as u32);
        self.order.push(Placed { position, state });
    }

    /// Looks for another order, which begins as this one does, as long as there is one.
    fn search(&mut self, spec: &S, event: u32, budget: Budget) -> Effect {
        let mut beginning = self.settled;
        let mut step_back = FIRST_STEP_BACK;
        loop {
            self.give_up(beginning);
            match self.search_behind(spec, event, budget) {
                Outcome::Order(steps) => {
                    steps.into_iter().for_each(|step| self.place_step(spec, step));
                    self.is_stale = false;
                    self.settled_for = None;
                    return Effect::Explained;
                }
                Outcome::Spent(reason) => return Effect::Spent(reason),
                Outcome::Stuck(_) if beginning == 0 => return Effect::Violated,
                Outcome::Stuck(_) => beginning = beginning.saturating_sub(step_back),
            }
            step_back *= 4;
        }
    }

    /// Gives up all of the order but its beginning.
    fn give_up(&mut self, beginning: usize) {
        let given_up = self.order.split_off(beginning);
        for Placed { position, state: _ } in &given_up {
            self.positions[*position as usize] = None;
        }
        let settled = given_up.get(..self.settled.saturating_sub(beginning)).unwrap_or_default();
        for Placed { position, state: _ } in settled {
            let list = match self.operations[*position as usize].ending {
                KnownEnding::Abandoned => &mut self.abandoned,
                KnownEnding::Failed => continue,
                KnownEnding::Open | KnownEnding::Answered { .. } => &mut self.window,
            };
            list.push(*position);
        }
        if !settled.is_empty() {
            self.window.sort_unstable();
            self.abandoned.sort_unstable();
        }
        self.settled = self.settled.min(beginning);
    }

    /// Searches an order of what is not in it yet.
    fn search_behind(&mut self, spec: &S, event: u32, budget: Budget) -> Outcome {
        let mut positions: Vec<_> = self.window.iter().chain(&self.abandoned).copied().collect();
        positions.sort_unstable();
        let calls = positions.into_iter().map(|name| {
            let Operation { id: _, invoked, unanswered, ending } = self.operations[name as usize];
            let (class, returned) = match ending {
                KnownEnding::Answered { event: returned, class } => {
                    assert!(returned <= event, "event {returned} is not known at event {event}");
                    (class, returned)
                }
                KnownEnding::Open | KnownEnding::Abandoned => (unanswered, NEVER),
                KnownEnding::Failed => panic!("an operation that failed is in no window"),
            };
            Call { name, class, invoked, returned }
        });
        let problem = Problem::new(&self.model, self.state_before(self.order.len()), calls);
        let Budget { nodes, bytes } = budget;
        let allowance = Allowance { nodes, bytes };
        search::search(spec, &mut self.model, &problem, Reductions::ALL, allowance).0
    }

    fn place_step(&mut self, spec: &S, step: Step) {
        let state = step.state.unwrap_or_else(|| {
            let class = match self.operations[step.name as usize].ending {
                KnownEnding::Answered { event: _, class } => class,
                KnownEnding::Open | KnownEnding::Abandoned | KnownEnding::Failed => {
                    self.operations[step.name as usize].unanswered
                }
            };
            let next = self.model.next(spec, self.state_before(self.order.len()), class);
            self.model.alternative(next, 0).expect("what overwrites is possible in every state")
        });
        self.place(step.name, state);
    }

    /// Settles the beginning of the order, up to the last operation that was answered before anything now in progress
    /// was invoked. It holds nothing that is in progress.
    fn settle(&mut self) {
        let first_open = self.open.first().copied().unwrap_or(NEVER);
        if self.settled_for == Some(first_open) && first_open != NEVER {
            return;
        }
        self.settled_for = Some(first_open);
        let is_over = |placed: &Placed| match self.operations[placed.position as usize].ending {
            KnownEnding::Answered { event, class: _ } => event < first_open,
            KnownEnding::Open | KnownEnding::Abandoned | KnownEnding::Failed => false,
        };
        let behind = &self.order[self.settled..];
        let Some(last) = behind.iter().rposition(is_over) else { return };
        self.settled += last + 1;
        let is_settled = |position: &u32| {
            self.positions[*position as usize].is_some_and(|place| (place as usize) < self.settled)
        };
        self.window.retain(|position| !is_settled(position));
        self.abandoned.retain(|position| !is_settled(position));
    }

    /// The order, each operation with an event at which it was in progress.
    fn steps(&self) -> impl Iterator<Item = (u32, OperationId)> {
        let mut latest = 0;
        self.order.iter().map(move |placed| {
            let operation = &self.operations[placed.position as usize];
            latest = operation.invoked.max(latest);
            (latest, operation.id)
        })
    }
}
