//! Linearizability: is there one order of the operations, true to real time, in which a single copy of the store
//! would have given the same answers (Herlihy and Wing 1990)?
//!
//! The question is put to each key alone, which loses nothing: a history is linearizable if and only if its part
//! for every key is. An operation that was [abandoned](History::abandon) or left open may stand anywhere after its
//! invocation, or nowhere; one that [failed](History::fail) stands nowhere, from the beginning: that it would fail is
//! held to be known when it was invoked.
//!
//! There are three verdicts and no way from one to another. *Linearizable* comes with the order found, which a
//! verifier that shares nothing with the search has replayed. *Violation* means that the whole space was searched,
//! exactly; it names the first event that makes an order impossible, which is well defined because a history that
//! cannot be explained does not become explicable by going on. *Unknown* means that the budget ended first. It is
//! counted in nodes, never in seconds, so that a verdict is the same on every machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    history::{Ending, EventNumber, History, Operation, OperationId},
    kv::{Command, Reply},
};

mod search;
mod story;

use search::{KeyHistory, Outcome, Step, Stuck};

/// What operations mean, one key at a time.
pub trait Specification {
    /// What a history is divided by. An operation is about one key.
    type Key: Clone + Ord + fmt::Display;
    /// What is asked.
    type Input: Ord + fmt::Display;
    /// What is answered.
    type Output: PartialEq + fmt::Display;
    /// What a key holds.
    type State: Clone + Ord + fmt::Display;

    /// The key that an operation is about.
    fn key(&self, input: &Self::Input) -> Self::Key;

    /// What every key holds in the beginning.
    fn initial(&self) -> Self::State;

    /// What an operation answers, and what it leaves behind.
    fn apply(&self, state: &Self::State, input: &Self::Input) -> (Self::Output, Self::State);

    /// Whether an answer agrees with the one that [`apply`](Self::apply) foretells. Answers that tell less than
    /// they could may agree with several.
    fn agrees(&self, foretold: &Self::Output, observed: &Self::Output) -> bool {
        foretold == observed
    }

    /// Whether this input leaves *every* state as it is. `false` is always right, and slower.
    fn is_read(&self, input: &Self::Input) -> bool;

    /// Whether this input, when it is answered so, leaves every state as it is in which it can be answered so: a
    /// read, but also a compare-and-set that failed. `false` is always right, and slower.
    fn is_pure(&self, input: &Self::Input, output: &Self::Output) -> bool;
}

/// What the key-value store's commands mean, written down without a look at how the [store](crate::kv) does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KvSpecification {
    initial: Register,
}

impl KvSpecification {
    /// For stores whose keys all hold this in the beginning. Ours begin without any value, which is the default.
    pub fn starting_with(initial: Option<&str>) -> Self {
        Self { initial: Register(initial.map(str::to_owned)) }
    }
}

/// What one key holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Register(pub Option<String>);

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(value)) => write!(f, "\"{value}\""),
            Self(None) => f.write_str("nothing"),
        }
    }
}

impl Specification for KvSpecification {
    type Key = String;
    type Input = Command;
    type Output = Reply;
    type State = Register;

    fn key(&self, input: &Command) -> String {
        input.key().to_owned()
    }

    fn initial(&self) -> Register {
        self.initial.clone()
    }

    fn apply(&self, Register(held): &Register, input: &Command) -> (Reply, Register) {
        match input {
            Command::Get { key: _ } => (Reply::Value(held.clone()), Register(held.clone())),
            Command::Put { key: _, value } => (Reply::Written, Register(Some(value.clone()))),
            Command::Cas { key: _, expected, value } if held == expected => {
                (Reply::CasResult { ok: true, actual: held.clone() }, Register(Some(value.clone())))
            }
            Command::Cas { .. } => {
                (Reply::CasResult { ok: false, actual: held.clone() }, Register(held.clone()))
            }
            Command::Append { key: _, value } => {
                let longer = held.as_deref().unwrap_or("").to_owned() + value;
                (Reply::Appended, Register(Some(longer)))
            }
        }
    }

    fn agrees(&self, foretold: &Reply, observed: &Reply) -> bool {
        let untold = matches!((foretold, observed), (Reply::CasResult { ok: false, .. }, Reply::CasFailed));
        untold || foretold == observed
    }

    fn is_read(&self, input: &Command) -> bool {
        matches!(input, Command::Get { .. })
    }

    fn is_pure(&self, input: &Command, output: &Reply) -> bool {
        self.is_read(input) || matches!(output, Reply::CasResult { ok: false, .. } | Reply::CasFailed)
    }
}

/// How much a check may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most nodes of the search, over all keys.
    pub nodes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { nodes: 500_000 }
    }
}

/// What a check has come to. See the [module's page](self).
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is linearizable.
    Linearizable {
        /// An order that explains every answer: all operations that were answered, and those of the others that
        /// have to have taken effect.
        witness: Vec<OperationId>,
    },
    /// It is not.
    Violation(Violation),
    /// The check ended before it knew.
    Unknown {
        /// Why.
        reason: UnknownReason,
        /// How many nodes were searched.
        nodes: u64,
    },
}

/// Why a history is not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key in question, as it is shown.
    pub key: String,
    /// The first answer with which no order of the key's operations can explain all answers.
    pub first_bad: EventNumber,
    /// Whether it is certain that there is no earlier one. That this one cannot be explained *is* certain.
    pub precision: Precision,
    /// The operations that play a part, by invocation: those in progress around the event, and some just before.
    pub operations: Vec<OperationId>,
    /// What happened, in words, over several lines.
    pub story: String,
}

/// How well the first bad event of a violation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// It is the first: up to the event before, everything can be explained.
    Exact,
    /// The budget ended before it was known that there is no earlier one.
    AtMost,
}

/// Why a check ended before it knew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownReason {
    /// It was not allowed more.
    #[error("the budget ended before these keys were decided: {}", unfinished_keys.join(", "))]
    Budget {
        /// The keys that are undecided. All others can be explained.
        unfinished_keys: Vec<String>,
    },
}

/// Judges a history.
///
/// # Panics
/// When the search and the verifier of its results disagree, or the specification calls an operation pure that
/// is not.
pub fn check<S: Specification>(spec: &S, history: &History<S::Input, S::Output>, budget: Budget) -> Verdict {
    let keys = search::divide(spec, history);
    let mut check =
        Check { spec, keys: &keys, spent: 0, budget, steps: Vec::new(), violation: None, exact: true };
    let unfinished = check.decide_keys();
    let Check { spent, mut steps, violation, exact, .. } = check;
    if let Some(Finding { key, event, stuck }) = violation {
        let precision = if exact && unfinished.is_empty() { Precision::Exact } else { Precision::AtMost };
        let (operations, story) = story::tell(key, event, &stuck);
        let key = key.key.to_string();
        return Verdict::Violation(Violation { key, first_bad: event, precision, operations, story });
    }
    if !unfinished.is_empty() {
        let unfinished_keys = unfinished.iter().map(|key| key.key.to_string()).collect();
        return Verdict::Unknown { reason: UnknownReason::Budget { unfinished_keys }, nodes: spent };
    }
    // Each step stands at an event at which its operation was in progress, so the keys' orders can be merged by
    // those events without any operation moving out of its interval. The sort is stable: each key keeps its order.
    steps.sort_by_key(|step| step.event);
    let witness: Vec<_> = steps.into_iter().map(|step| step.operation).collect();
    let certificate = verify_witness(spec, history, &witness);
    assert!(certificate.is_ok(), "the search found an order that explains nothing: {certificate:?}");
    Verdict::Linearizable { witness }
}

/// How many nodes each key gets in the first round. Every further round gives them [`ROUND_FACTOR`] times as many,
/// so that keys which are refuted at once do not wait for keys that resist.
const FIRST_ROUND_NODES: u64 = 1_000;
/// See [`FIRST_ROUND_NODES`].
const ROUND_FACTOR: u64 = 4;

/// A check under way.
struct Check<'k, 'h, S: Specification> {
    spec: &'k S,
    keys: &'k [KeyHistory<'h, S>],
    budget: Budget,
    spent: u64,
    /// The orders found for single keys, one after the other.
    steps: Vec<Step>,
    /// The earliest violation so far.
    violation: Option<Finding<'k, 'h, S>>,
    /// Whether the first event of every violation met is exactly known.
    exact: bool,
}

/// A violation, in the search's terms.
struct Finding<'k, 'h, S: Specification> {
    key: &'k KeyHistory<'h, S>,
    event: EventNumber,
    stuck: Stuck<S::State>,
}

impl<'k, 'h, S: Specification> Check<'k, 'h, S> {
    /// Decides keys until all are, or the budget ends; returns those that are not.
    fn decide_keys(&mut self) -> Vec<&'k KeyHistory<'h, S>> {
        let mut undecided: Vec<_> = self.keys.iter().collect();
        let mut round_nodes = FIRST_ROUND_NODES;
        while !undecided.is_empty() && self.spent < self.budget.nodes {
            undecided.retain(|key| !self.decide(key, round_nodes));
            round_nodes = round_nodes.saturating_mul(ROUND_FACTOR);
        }
        undecided
    }

    /// Tries to decide one key with so many nodes, and says whether it did. Once there is a violation, only what
    /// came before it matters.
    fn decide(&mut self, key: &'k KeyHistory<'h, S>, nodes: u64) -> bool {
        let last =
            self.violation.as_ref().map_or(EventNumber(u64::MAX), |found| EventNumber(found.event.0 - 1));
        match self.search(key, last, nodes) {
            Outcome::Order(steps) => self.steps.extend(steps),
            Outcome::Stuck(stuck) => {
                let (event, stuck) = self.first_violation(key, last, stuck);
                self.violation = Some(Finding { key, event, stuck });
            }
            Outcome::BudgetSpent => return false,
        }
        true
    }

    fn search(&mut self, key: &KeyHistory<'h, S>, last: EventNumber, nodes: u64) -> Outcome<S::State> {
        let nodes = nodes.min(self.budget.nodes - self.spent);
        let (outcome, spent) = search::search(self.spec, &key.prefix(self.spec, last), nodes);
        self.spent += spent;
        outcome
    }

    /// Finds the first event of a violation that is known to lie at or before `last`.
    ///
    /// The event at which the search got stuck is nearly always the one, but it may be too early: the search knows
    /// the answers of operations that were still open at that event, and they may be what is wrong. So prefixes
    /// are searched, in which what is open may end in any way; in growing steps, because the event is near.
    fn first_violation(
        &mut self,
        key: &KeyHistory<'h, S>,
        last: EventNumber,
        mut stuck: Stuck<S::State>,
    ) -> (EventNumber, Stuck<S::State>) {
        let answers = key.answers(last);
        let position = |event| answers.partition_point(|&answer| answer < event);
        // The first violation lies within these two, ends included; `stuck` belongs to `high`.
        let (mut low, mut high) = (position(stuck.event), answers.len() - 1);
        let mut step = 0;
        while low < high {
            let probe = (low + step).min(high - 1);
            match self.search(key, answers[probe], u64::MAX) {
                Outcome::Order(_) => (low, step) = (probe + 1, 2 * step + 1),
                Outcome::Stuck(earlier) => {
                    (low, high, step) = (low.max(position(earlier.event)), probe, 0);
                    stuck = earlier;
                }
                Outcome::BudgetSpent => {
                    self.exact = false;
                    break;
                }
            }
        }
        (answers[high], stuck)
    }
}

/// Why an order does not show that a history is linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// The history has no such operation.
    #[error("{0} is not in the history")]
    UnknownOperation(OperationId),
    /// An operation takes effect twice.
    #[error("{0} stands twice in the order")]
    Repeated(OperationId),
    /// An operation that failed takes effect.
    #[error("{0} failed, and yet stands in the order")]
    Failed(OperationId),
    /// An operation was answered before another was invoked, and stands behind it.
    #[error("{0} stands behind an operation that was invoked after its end")]
    OutOfTime(OperationId),
    /// An answer is not what the order foretells.
    #[error("{0} would have been answered otherwise")]
    OtherAnswer(OperationId),
    /// An operation that was answered does not take effect.
    #[error("{0} was answered, and does not stand in the order")]
    Missing(OperationId),
}

/// Replays an order and says whether it explains the history: every operation that was answered takes effect once,
/// after its invocation and before its answer, and is answered as it was.
///
/// # Errors
/// When it does not.
pub fn verify_witness<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    witness: &[OperationId],
) -> Result<(), WitnessError> {
    let mut states = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut latest_invocation = EventNumber(0);
    for &id in witness {
        let operation = history.operation(id).ok_or(WitnessError::UnknownOperation(id))?;
        if !seen.insert(id) {
            return Err(WitnessError::Repeated(id));
        }
        let Operation { input, invoked, ending, id: _, client: _, invoked_at: _ } = operation;
        latest_invocation = latest_invocation.max(*invoked);
        let state = states.entry(spec.key(input)).or_insert_with(|| spec.initial());
        let (foretold, next) = spec.apply(state, input);
        *state = next;
        match ending {
            Ending::Open | Ending::Abandoned { event: _ } => (),
            Ending::Failed { event: _ } => return Err(WitnessError::Failed(id)),
            Ending::Completed { event, at: _, output } => {
                if *event < latest_invocation {
                    return Err(WitnessError::OutOfTime(id));
                }
                if !spec.agrees(&foretold, output) {
                    return Err(WitnessError::OtherAnswer(id));
                }
            }
        }
    }
    let is_missing = |operation: &&Operation<_, _>| {
        matches!(operation.ending, Ending::Completed { .. }) && !seen.contains(&operation.id)
    };
    match history.operations().iter().find(is_missing) {
        Some(operation) => Err(WitnessError::Missing(operation.id)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
