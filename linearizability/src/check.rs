//! The judgement of a whole history.

use std::mem;

use rayon::prelude::*;

use crate::{
    core_operations, fast,
    history::{EventNumber, History, OperationId},
    part_search::{Narrowed, PartSearch, Round},
    partition::{self, Part, bare},
    search::{Allowance, Outcome, Reductions, Spending, Step},
    specification::Specification,
    story,
    verdict::{Budget, Cost, Precision, Report, UnknownReason, Verdict, Violation},
    witness::verify_witness,
};

/// Judges a history.
///
/// # Panics
/// When the search and the verifier of its results disagree, when the specification makes a claim that shows to be
/// wrong, and when an operation concerns no key at all.
pub fn check<S: Specification>(spec: &S, history: &History<S::Input, S::Output>, budget: Budget) -> Report {
    check_with(spec, history, budget, Options::default())
}

/// Judges a history for which somebody knows in what order the operations took effect, such as that of a replicated
/// log. If this order explains everything, it is the witness, and nothing was searched. If it does not, nothing
/// follows: the order may be what is wrong, and the history is judged as if there were none.
///
/// # Panics
/// As [`check`].
pub fn check_with_candidate<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    candidate: Vec<OperationId>,
    budget: Budget,
) -> Report {
    if verify_witness(spec, history, &candidate).is_err() {
        return check(spec, history, budget);
    }
    let parts = partition::divide(spec, history);
    let cost = Cost { fast_keys: parts.len() as u64, ..Cost::default() };
    let verdict = Verdict::Linearizable { witness: candidate };
    Report { verdict, cost, merged_keys: merged_keys(spec, &parts) }
}

/// Ways of judging that must not make a difference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) reductions: Reductions,
    pub(crate) fast_paths: FastPaths,
}

/// Whether parts may be judged without a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FastPaths {
    Used,
    /// For tests that want the search.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests that want the search"))]
    Unused,
}

impl Default for Options {
    fn default() -> Self {
        Self { reductions: Reductions::ALL, fast_paths: FastPaths::Used }
    }
}

pub(crate) fn check_with<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    budget: Budget,
    options: Options,
) -> Report {
    let parts = partition::divide(spec, history);
    let mut check = Check::new(spec, &parts, budget, options, bare(history.events().len() as u64));
    check.decide();
    let (verdict, cost) = check.into_verdict();
    if let Verdict::Linearizable { witness } = &verdict {
        let certificate = verify_witness(spec, history, witness);
        assert!(certificate.is_ok(), "an order was found that explains nothing: {certificate:?}");
    }
    Report { verdict, cost, merged_keys: merged_keys(spec, &parts) }
}

fn merged_keys<S: Specification>(spec: &S, parts: &[Part<'_, S>]) -> Vec<Vec<String>> {
    let merged = parts.iter().filter(|part| 1 < part.keys.len());
    merged.map(|part| show_keys(spec, part)).collect()
}

fn show_keys<S: Specification>(spec: &S, part: &Part<'_, S>) -> Vec<String> {
    part.keys.iter().map(|key| spec.show_key(key)).collect()
}

/// How many nodes each part gets in the first round. Every further round gives them [`ROUND_FACTOR`] times as many,
/// so that parts which are refuted at once do not wait for parts that resist.
const FIRST_ROUND_NODES: u64 = 1_000;
/// See [`FIRST_ROUND_NODES`].
const ROUND_FACTOR: u64 = 4;
/// So many parts may be searched at the same time, however many threads there are: they share the memory.
const AT_THE_SAME_TIME: usize = 8;

/// A check under way.
struct Check<'p, 'h, S: Specification> {
    spec: &'p S,
    budget: Budget,
    reductions: Reductions,
    cost: Cost,
    /// The last event of the history.
    end: u32,
    parts: Vec<Judged<'p, 'h, S>>,
}

/// A part of the history, and what is known about it.
struct Judged<'p, 'h, S: Specification> {
    part: &'p Part<'h, S>,
    /// Made when it is needed.
    search: Option<PartSearch<'p, 'h, S>>,
    status: Status,
}

#[derive(Debug)]
enum Status {
    Open,
    Spent {
        reason: UnknownReason,
        /// So many it was allowed.
        bytes: u64,
    },
    /// Up to the earliest violation, or altogether.
    Explained(Vec<Step>),
    Violated(Narrowed),
    /// By a fast path, which knows the first event and operations that prove it.
    Refuted {
        event: u32,
        core: Vec<u32>,
    },
}

impl<'p, 'h, S: Specification> Judged<'p, 'h, S> {
    /// One round.
    fn attempt(&mut self, spec: &'p S, reductions: Reductions, last: u32, allowance: Allowance) -> Spending {
        let search = self.search.get_or_insert_with(|| PartSearch::new(spec, self.part, reductions));
        if let Status::Violated(narrowed) = &mut self.status {
            return search.narrow(narrowed, allowance);
        }
        let (round, spending) = search.explain(last, allowance);
        self.status = match round {
            Round::Explained(steps) => Status::Explained(steps),
            Round::Violated(narrowed) => Status::Violated(narrowed),
            Round::Spent(reason) => Status::Spent { reason, bytes: allowance.bytes },
        };
        spending
    }

    /// Whether so much memory may be enough.
    fn fits(&self, bytes: u64) -> bool {
        !matches!(self.status, Status::Spent { reason: UnknownReason::Bytes { .. }, bytes: before } if bytes <= before)
    }

    /// The events that may be the first of a violation, if there is one.
    fn bounds(&self) -> Option<(u32, u32)> {
        match &self.status {
            Status::Open | Status::Spent { .. } | Status::Explained(_) => None,
            Status::Violated(narrowed) => self.search.as_ref().map(|search| search.bounds(narrowed)),
            Status::Refuted { event, core: _ } => Some((*event, *event)),
        }
    }

    /// Whether more searching might tell more, given the earliest violation of all.
    fn is_open(&self, earliest: Option<u32>) -> bool {
        match &self.status {
            Status::Open | Status::Spent { .. } => true,
            Status::Explained(_) | Status::Refuted { .. } => false,
            Status::Violated(_) => {
                let (low, high) = self.bounds().expect("a violation has bounds");
                low < high && earliest.is_none_or(|earliest| low < earliest)
            }
        }
    }
}

impl<'p, 'h, S: Specification> Check<'p, 'h, S> {
    fn new(spec: &'p S, parts: &'p [Part<'h, S>], budget: Budget, options: Options, end: u32) -> Self {
        let judged = parts.par_iter().map(|part| {
            let status = match options.fast_paths {
                FastPaths::Used => match fast::decide(spec, part) {
                    fast::Decision::Explained(steps) => Status::Explained(steps),
                    fast::Decision::Refuted { event, core } => Status::Refuted { event, core },
                    fast::Decision::NotApplicable => Status::Open,
                },
                FastPaths::Unused => Status::Open,
            };
            Judged { part, search: None, status }
        });
        let parts: Vec<_> = judged.collect();
        let searched_keys = parts.iter().filter(|part| part.is_open(None)).count() as u64;
        let fast_keys = parts.len() as u64 - searched_keys;
        let cost = Cost { fast_keys, searched_keys, ..Cost::default() };
        Self { spec, budget, reductions: options.reductions, cost, end, parts }
    }

    /// The latest event that is known to be part of no explanation.
    fn earliest_violation(&self) -> Option<u32> {
        self.parts.iter().filter_map(Judged::bounds).map(|(_, high)| high).min()
    }

    /// Decides parts, until all are decided or the budget ends.
    fn decide(&mut self) {
        let mut round_nodes = FIRST_ROUND_NODES;
        loop {
            let earliest = self.earliest_violation();
            let open = self.parts.iter().filter(|part| part.is_open(earliest)).count() as u64;
            let left = self.budget.nodes - self.cost.nodes;
            let nodes = round_nodes.min(left.checked_div(open).unwrap_or(0));
            let bytes = self.budget.bytes / open.clamp(1, AT_THE_SAME_TIME as u64);
            if nodes == 0 || self.round(earliest, Allowance { nodes, bytes }) == 0 {
                return;
            }
            round_nodes = round_nodes.saturating_mul(ROUND_FACTOR);
        }
    }

    /// Gives every open part a chance, and says how many had one. What they come to depends on nothing but the part
    /// and what is passed here.
    fn round(&mut self, earliest: Option<u32>, allowance: Allowance) -> u64 {
        // Once there is a violation, only what came before it matters.
        let last = earliest.map_or(self.end, |event| event - 1);
        let has_chance = |part: &&mut Judged<'_, '_, S>| part.is_open(earliest) && part.fits(allowance.bytes);
        let mut open: Vec<_> = self.parts.iter_mut().filter(has_chance).collect();
        for some in open.chunks_mut(AT_THE_SAME_TIME) {
            let (spec, reductions) = (self.spec, self.reductions);
            let attempt = |part: &mut &mut Judged<'p, 'h, S>| part.attempt(spec, reductions, last, allowance);
            let spendings: Vec<_> = some.par_iter_mut().map(attempt).collect();
            for Spending { nodes, bytes } in spendings {
                self.cost.nodes += nodes;
                self.cost.peak_bytes = self.cost.peak_bytes.max(bytes);
            }
        }
        open.len() as u64
    }

    fn into_verdict(mut self) -> (Verdict, Cost) {
        let violated =
            (0..self.parts.len()).filter_map(|part| Some((self.parts[part].bounds()?.1, part))).min();
        let verdict = match violated {
            Some((event, part)) => Verdict::Violation(Box::new(self.violation(part, event))),
            None => self.unknown().unwrap_or_else(|| Verdict::Linearizable { witness: self.merge() }),
        };
        (verdict, self.cost)
    }

    /// The keys of the parts that are open, given the earliest violation of all.
    fn undecided_keys(&self, earliest: Option<u32>) -> Vec<String> {
        let open = self.parts.iter().filter(|part| part.is_open(earliest));
        open.flat_map(|part| show_keys(self.spec, part.part)).collect()
    }

    fn unknown(&self) -> Option<Verdict> {
        let reason = self.parts.iter().find_map(|part| match part.status {
            Status::Open => Some(UnknownReason::Nodes { budget: self.budget.nodes }),
            Status::Spent { reason: UnknownReason::Nodes { .. }, .. } => {
                Some(UnknownReason::Nodes { budget: self.budget.nodes })
            }
            Status::Spent { reason: UnknownReason::Bytes { .. }, .. } => {
                Some(UnknownReason::Bytes { budget: self.budget.bytes })
            }
            Status::Explained(_) | Status::Violated(_) | Status::Refuted { .. } => None,
        })?;
        Some(Verdict::Unknown { reason, undecided_keys: self.undecided_keys(None) })
    }

    /// One order of everything. Each step stands at an event at which its operation was in progress, so the parts'
    /// orders can be merged by those events without any operation moving out of its interval. The sort is stable: each
    /// part keeps its order.
    fn merge(&mut self) -> Vec<OperationId> {
        let several = 1 < self.parts.len();
        let mut all = Vec::new();
        for Judged { part, status, search: _ } in &mut self.parts {
            if let Status::Explained(steps) = mem::replace(status, Status::Open) {
                all.extend(steps.iter().map(|step| (step.event, part.operations[step.name as usize].id)));
            }
        }
        if several {
            all.sort_by_key(|&(event, _)| event);
        }
        all.into_iter().map(|(_, id)| id).collect()
    }

    fn violation(&mut self, part: usize, event: u32) -> Violation {
        let mut undecided_keys = self.undecided_keys(Some(event));
        let Judged { part, search, status } = &mut self.parts[part];
        let part = *part;
        let keys = show_keys(self.spec, part);
        let (mut core, stuck) = match mem::replace(status, Status::Open) {
            Status::Refuted { event: _, core } => (core, None),
            Status::Violated(narrowed) => {
                if !narrowed.is_exact() && !undecided_keys.contains(&keys[0]) {
                    undecided_keys.extend_from_slice(&keys);
                }
                (ended(part, event), Some(narrowed.stuck))
            }
            status => panic!("there is no violation in {status:?}"),
        };
        let mut states = Vec::new();
        if part.operations.len() <= MOST_OPERATIONS_TO_REDUCE {
            let search = search.get_or_insert_with(|| PartSearch::new(self.spec, part, self.reductions));
            if stuck.is_none() {
                core = confirm(search, event, core, self.budget);
            }
            core = core_operations::reduce(search, event, core, self.budget.bytes);
            // A search that looked ahead may have stopped earlier, and knows nothing of the states at the event.
            let stuck = stuck.filter(|stuck| stuck.event == event);
            states.extend(stuck.iter().flat_map(|stuck| &stuck.states).map(|&state| search.state(state)));
        }
        let story = story::tell(self.spec, part, event, &states, &core);
        let precision =
            if undecided_keys.is_empty() { Precision::Exact } else { Precision::AtMost { undecided_keys } };
        let core = core.iter().map(|&position| part.operations[position as usize].id).collect();
        Violation { keys, first_bad: EventNumber(u64::from(event)), precision, core, story }
    }
}

/// The positions of operations that had ended by an event.
fn ended<S: Specification>(part: &Part<'_, S>, last: u32) -> Vec<u32> {
    let positions = (0..).zip(&part.operations);
    let ended = positions.filter(|(_, operation)| operation.ended().is_some_and(|end| end <= last));
    ended.map(|(position, _)| position).collect()
}

/// Has the search look at what a fast path refuted: the operations that are said to prove it, and if they do not,
/// everything.
///
/// # Panics
/// When the search finds an order.
fn confirm<S: Specification>(
    search: &mut PartSearch<'_, '_, S>,
    event: u32,
    core: Vec<u32>,
    budget: Budget,
) -> Vec<u32> {
    let allowance = Allowance { nodes: CONFIRMATION_NODES, bytes: budget.bytes };
    let is_kept = |position: u32| core.binary_search(&position).is_ok();
    let (outcome, _) = search.search(event, allowance, is_kept);
    if let Outcome::Stuck(_) = outcome {
        return core;
    }
    let (outcome, _) = search.search(event, allowance, |_| true);
    let refutable = !matches!(outcome, Outcome::Order(_));
    assert!(refutable, "up to event {event} there is an order, where a fast path found none");
    ended(search.part, event)
}

/// The most nodes to spend on confirming a refutation.
const CONFIRMATION_NODES: u64 = 20_000;

/// In parts with more operations, the core stays as it is.
const MOST_OPERATIONS_TO_REDUCE: usize = 20_000;
