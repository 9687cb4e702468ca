//! The search for one part of a history: whether it can be explained, and if not, up to where.

use crate::{
    model::{ClassId, Model, StateId},
    partition::{End, Part, PartOperation},
    problem::{Call, NEVER, Problem},
    search::{self, Allowance, Foresight, Outcome, Reductions, Spending, Step, Stuck},
    specification::Specification,
    verdict::UnknownReason,
};

/// The search for one part, which may take several rounds.
#[derive(Debug)]
pub(crate) struct PartSearch<'p, 'h, S: Specification> {
    spec: &'p S,
    pub(crate) part: &'p Part<'h, S>,
    reductions: Reductions,
    model: Model<S>,
    root: StateId,
    /// By operation: its class, and its class without an answer.
    classes: Vec<(ClassId, ClassId)>,
    /// The events of answers and failures, in order: where a violation may first show.
    ends: Vec<u32>,
}

/// What a round has come to.
#[derive(Debug)]
pub(crate) enum Round {
    /// Everything up to the event asked about can be explained, in this order of positions in the part.
    Explained(Vec<Step>),
    /// There is a violation.
    Violated(Narrowed),
    /// The round was not long enough.
    Spent(UnknownReason),
}

/// A violation, whose first event lies between two ends of operations.
#[derive(Clone, Debug)]
pub(crate) struct Narrowed {
    low: usize,
    high: usize,
    /// How far the next probe reaches beyond `low`.
    stride: usize,
    /// What was found at `high`.
    pub(crate) stuck: Stuck,
}

impl Narrowed {
    /// Whether the first event is known.
    pub(crate) fn is_exact(&self) -> bool {
        self.low == self.high
    }
}

impl<'p, 'h, S: Specification> PartSearch<'p, 'h, S> {
    pub(crate) fn new(spec: &'p S, part: &'p Part<'h, S>, reductions: Reductions) -> Self {
        let mut model = Model::new(part.keys.len());
        let root = model.state(spec, spec.initial(&part.keys));
        let classes = part.operations.iter().map(|PartOperation { input, end, .. }| {
            let unanswered = model.class(spec, input, None);
            match end {
                End::Answered { event: _, output } => (model.class(spec, input, Some(output)), unanswered),
                End::Failed { .. } | End::Never => (unanswered, unanswered),
            }
        });
        let classes = classes.collect();
        let mut ends: Vec<_> = part.operations.iter().filter_map(PartOperation::ended).collect();
        ends.sort_unstable();
        Self { spec, part, reductions, model, root, classes, ends }
    }

    /// What is to be explained if the history ended with the event `last`. Operations that are not `kept` count as
    /// never answered.
    fn problem(&self, last: u32, kept: impl Fn(u32) -> bool) -> Problem {
        let begun = (0..).zip(&self.part.operations).take_while(|(_, operation)| operation.invoked <= last);
        let calls = begun.filter_map(|(name, operation)| {
            let (answered, unanswered) = self.classes[name as usize];
            let (class, returned) = match operation.returned(last) {
                Some(returned) if kept(name) => (answered, returned),
                Some(_) | None if operation.has_failed(last) && kept(name) => return None,
                Some(_) | None => (unanswered, NEVER),
            };
            Some(Call { name, class, invoked: operation.invoked, returned })
        });
        Problem::new(&self.model, self.root, calls)
    }

    /// Searches the history up to the event `last`, in which operations that are not `kept` count as never answered.
    pub(crate) fn search(
        &mut self,
        last: u32,
        allowance: Allowance,
        kept: impl Fn(u32) -> bool,
    ) -> (Outcome, Spending) {
        let problem = self.problem(last, kept);
        search::search(self.spec, &mut self.model, &problem, self.reductions, allowance)
    }

    /// Tries to explain everything up to the event `last`.
    pub(crate) fn explain(&mut self, last: u32, allowance: Allowance) -> (Round, Spending) {
        let (outcome, mut spending) = self.search(last, allowance, |_| true);
        let round = match outcome {
            Outcome::Order(steps) => Round::Explained(steps),
            Outcome::Spent(reason) => Round::Spent(reason),
            Outcome::Stuck(stuck) => {
                let high = self.ends.partition_point(|&end| end <= last) - 1;
                let mut narrowed = self.narrowed(stuck, 0, high);
                let rest = Allowance { nodes: allowance.nodes.saturating_sub(spending.nodes), ..allowance };
                let more = self.narrow(&mut narrowed, rest);
                spending =
                    Spending { nodes: spending.nodes + more.nodes, bytes: spending.bytes.max(more.bytes) };
                Round::Violated(narrowed)
            }
        };
        (round, spending)
    }

    /// A violation that was found by a search up to the end `high`, the first event being no earlier than `low`.
    fn narrowed(&self, stuck: Stuck, low: usize, high: usize) -> Narrowed {
        let place = self.ends.partition_point(|&end| end < stuck.event);
        // News of failures that came later were used as well.
        let failed_later = |operation: &PartOperation<'_, S>| {
            operation.invoked < stuck.event
                && matches!(operation.end, End::Failed { event } if stuck.event < event)
        };
        let is_first = stuck.foresight == Foresight::Unused && !self.part.operations.iter().any(failed_later);
        let high = if is_first { place } else { high };
        Narrowed { low: low.max(place), high, stride: 0, stuck }
    }

    /// Closes in on the first event of a violation.
    ///
    /// The event at which a search got stuck is nearly always the one, but may be too early: a search knows the
    /// answers of operations that were in progress there, and those may be what is wrong. So the history up to
    /// ends in between is searched, in growing strides, because the event is near.
    pub(crate) fn narrow(&mut self, violation: &mut Narrowed, allowance: Allowance) -> Spending {
        let mut all = Spending::default();
        while violation.low < violation.high {
            let probe = (violation.low + violation.stride).min(violation.high - 1);
            let rest = Allowance { nodes: allowance.nodes.saturating_sub(all.nodes), ..allowance };
            let (outcome, spending) = self.search(self.ends[probe], rest, |_| true);
            all = Spending { nodes: all.nodes + spending.nodes, bytes: all.bytes.max(spending.bytes) };
            match outcome {
                Outcome::Order(_) => {
                    violation.low = probe + 1;
                    violation.stride = 2 * violation.stride + 1;
                }
                Outcome::Stuck(stuck) => *violation = self.narrowed(stuck, violation.low, probe),
                Outcome::Spent(_) => break,
            }
        }
        all
    }

    /// The first and the last event that may be the first of a violation. At the last there is one for sure.
    pub(crate) fn bounds(&self, violation: &Narrowed) -> (u32, u32) {
        (self.ends[violation.low], self.ends[violation.high])
    }

    pub(crate) fn state(&self, state: StateId) -> &S::State {
        self.model.state_of(state)
    }
}
