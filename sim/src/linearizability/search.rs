//! The search for an order of one key's operations: just-in-time linearization (Lowe 2017), depth first.
//!
//! An operation is placed only when something forces one: when an answer is reached whose operation has not been
//! placed yet. Then any operation in progress may come first, so long as that one comes at last. A node of the
//! search is the next answer that forces something, the operations in progress that are placed, the unanswered
//! ones that are, and the state.
//!
//! Nodes that cannot lead anywhere new are left out:
//!
//! * An unanswered read is dropped: it has no effect and no answer to be explained.
//! * If an operation in progress is [pure](Specification::is_pure) and its answer fits now, it is placed at once
//!   and nothing else is tried. In any order that exists, it can be moved to here: nothing sees the difference.
//! * An unanswered operation is placed only where it changes the state, and of several with one input the one
//!   invoked first: it can stand wherever a later one can.
//! * A node is dropped if another that differs only in having fewer unanswered operations placed was visited:
//!   whatever can follow the first can follow the second.
//!
//! Nothing here recurses, forgets or samples; so where it ends without an order, there is none.

use std::collections::{BTreeMap, BTreeSet};

use wavetank_process::ClientId;

use super::Specification;
use crate::history::{Ending, EventNumber, History, Operation, OperationId};

/// The operations on one key that may have taken effect, by invocation.
pub(super) struct KeyHistory<'h, S: Specification> {
    /// The key.
    pub(super) key: S::Key,
    /// Its operations.
    pub(super) calls: Vec<Call<'h, S>>,
}

/// One operation, without what the search need not know.
pub(super) struct Call<'h, S: Specification> {
    pub(super) operation: OperationId,
    pub(super) client: ClientId,
    pub(super) input: &'h S::Input,
    pub(super) invoked: EventNumber,
    /// The event of the answer, and the answer.
    pub(super) answer: Option<(EventNumber, &'h S::Output)>,
}

impl<S: Specification> Clone for Call<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Specification> Copy for Call<'_, S> {}

/// Divides a history by key. Operations that failed never took effect and are left out.
pub(super) fn divide<'h, S: Specification>(
    spec: &S,
    history: &'h History<S::Input, S::Output>,
) -> Vec<KeyHistory<'h, S>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for operation in history.operations() {
        let Operation { id, client, input, invoked, ending, invoked_at: _ } = operation;
        let answer = match ending {
            Ending::Failed { event: _ } => continue,
            Ending::Open | Ending::Abandoned { event: _ } => None,
            Ending::Completed { event, at: _, output } => Some((*event, output)),
        };
        let call = Call { operation: *id, client: *client, input, invoked: *invoked, answer };
        keys.entry(spec.key(input)).or_default().push(call);
    }
    keys.into_iter().map(|(key, calls)| KeyHistory { key, calls }).collect()
}

impl<'h, S: Specification> KeyHistory<'h, S> {
    /// What the search is to explain if the history ended with the event `last`: what was in progress then is
    /// unanswered.
    pub(super) fn prefix(&self, spec: &S, last: EventNumber) -> Problem<'h, S> {
        let begun = self.calls.iter().take_while(|call| call.invoked <= last);
        let known =
            begun.map(|call| Call { answer: call.answer.filter(|&(event, _)| event <= last), ..*call });
        Problem::new(known.filter(|call| call.answer.is_some() || !spec.is_read(call.input)).collect())
    }

    /// The events of the answers up to the event `last`, in order.
    pub(super) fn answers(&self, last: EventNumber) -> Vec<EventNumber> {
        let events = self.calls.iter().filter_map(|call| call.answer.map(|(event, _)| event));
        let mut events: Vec<_> = events.filter(|&event| event <= last).collect();
        events.sort_unstable();
        events
    }
}

/// What is to be explained. Calls are named by where they stand.
pub(super) struct Problem<'h, S: Specification> {
    calls: Vec<Call<'h, S>>,
    answers: Vec<Answer>,
    unanswered: Vec<Unanswered>,
}

/// An answer: a point before which its call must have been placed.
struct Answer {
    event: EventNumber,
    call: usize,
    /// The answered calls in progress just before, by the order of their answers: this one is the first.
    in_progress: Vec<usize>,
}

/// A call that may be placed before an answer.
enum Candidate<'p> {
    Answered(usize),
    Unanswered(&'p Unanswered),
}

/// A call that was not answered.
struct Unanswered {
    call: usize,
    /// The one with the same input that was invoked before it.
    twin: Option<usize>,
}

impl<'h, S: Specification> Problem<'h, S> {
    fn new(calls: Vec<Call<'h, S>>) -> Self {
        let answers = answers(&calls);
        let mut latest = BTreeMap::new();
        let unanswered = (0..).zip(&calls).filter(|(_, call)| call.answer.is_none());
        let unanswered = unanswered
            .map(|(call, Call { input, .. })| Unanswered { call, twin: latest.insert(input, call) });
        let unanswered = unanswered.collect();
        Self { calls, answers, unanswered }
    }

    /// The candidate of this turn. The best guess has the first: the call that is forced, then others in progress by
    /// the order of their answers, then the unanswered ones that were invoked by then.
    fn candidate(&self, answer: &Answer, turn: usize) -> Option<Candidate<'_>> {
        if let Some(&call) = answer.in_progress.get(turn) {
            return Some(Candidate::Answered(call));
        }
        let unanswered = self.unanswered.get(turn - answer.in_progress.len())?;
        let is_invoked = self.calls[unanswered.call].invoked < answer.event;
        is_invoked.then_some(Candidate::Unanswered(unanswered))
    }
}

/// The answers in order, each with the calls in progress.
fn answers<S: Specification>(calls: &[Call<'_, S>]) -> Vec<Answer> {
    let answered =
        (0..).zip(calls).filter_map(|(call, Call { answer, .. })| answer.map(|(event, _)| (event, call)));
    let by_answer: BTreeMap<EventNumber, usize> = answered.collect();
    let mut invocations = (0..).zip(calls).peekable();
    let mut in_progress = BTreeMap::new();
    let mut answers = Vec::new();
    for (&event, &call) in &by_answer {
        while let Some((other, invoked)) = invocations.next_if(|(_, call)| call.invoked < event) {
            if let Some((end, _)) = invoked.answer {
                in_progress.insert(end, other);
            }
        }
        answers.push(Answer { event, call, in_progress: in_progress.values().copied().collect() });
        in_progress.remove(&event);
    }
    answers
}

/// What a search has come to.
pub(super) enum Outcome<State> {
    /// An order that explains everything.
    Order(Vec<Step>),
    /// There is none.
    Stuck(Stuck<State>),
    /// The search was not allowed more nodes.
    BudgetSpent,
}

/// An operation in an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) operation: OperationId,
    /// An event at which the operation was in progress. Along an order it never decreases.
    pub(super) event: EventNumber,
}

/// How far the search got.
pub(super) struct Stuck<State> {
    /// The answer that it got past in no way.
    pub(super) event: EventNumber,
    /// The operation that was answered.
    pub(super) operation: OperationId,
    /// All that the key could hold before it, in order.
    pub(super) states: Vec<State>,
}

/// Searches for an order with at most so many nodes, and says how many there were.
pub(super) fn search<S: Specification>(
    spec: &S,
    problem: &Problem<'_, S>,
    nodes: u64,
) -> (Outcome<S::State>, u64) {
    let mut search = Search::new(spec, problem);
    let outcome = search.run(nodes);
    (outcome, search.nodes.len() as u64)
}

/// Some calls, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct CallSet(Vec<usize>);

impl CallSet {
    fn contains(&self, call: usize) -> bool {
        self.0.binary_search(&call).is_ok()
    }

    fn insert(&mut self, call: usize) {
        if let Err(position) = self.0.binary_search(&call) {
            self.0.insert(position, call);
        }
    }

    /// Takes a call out, and says whether it was in.
    fn remove(&mut self, call: usize) -> bool {
        let found = self.0.binary_search(&call);
        found.map(|position| self.0.remove(position)).is_ok()
    }

    fn is_subset(&self, other: &Self) -> bool {
        let mut others = other.0.iter();
        self.0.iter().all(|call| others.any(|other| other == call))
    }
}

/// A node of the search.
#[derive(Clone, Debug)]
struct Node {
    /// The next answer whose call is not placed; one past the last when all are.
    answer: usize,
    /// The answered calls that are placed and whose answers lie ahead.
    ahead: CallSet,
    /// The unanswered calls that are placed.
    unanswered: CallSet,
    /// The name of the state.
    state: usize,
    /// The node before, and the call placed between the two.
    origin: Option<(usize, usize)>,
}

/// How far a node has been tried.
struct Branch {
    node: usize,
    /// Which call is to be tried next: first those in progress, then the unanswered ones.
    turn: usize,
}

impl Branch {
    /// The turn of a node with no call left to try.
    const EXHAUSTED: usize = usize::MAX;
}

/// What a node is told apart by, but for the unanswered calls placed.
type Place = (usize, CallSet, usize);

struct Search<'p, 'h, S: Specification> {
    spec: &'p S,
    problem: &'p Problem<'h, S>,
    states: States<S::State>,
    nodes: Vec<Node>,
    /// The nodes with calls left to try, each below its children; the last is tried next.
    stack: Vec<Branch>,
    /// The sets of unanswered calls with which a place was visited, none a subset of a later one.
    visited: BTreeMap<Place, Vec<CallSet>>,
}

impl<'p, 'h, S: Specification> Search<'p, 'h, S> {
    fn new(spec: &'p S, problem: &'p Problem<'h, S>) -> Self {
        let states = States { names: BTreeMap::new(), states: Vec::new() };
        Self { spec, problem, states, nodes: Vec::new(), stack: Vec::new(), visited: BTreeMap::new() }
    }

    fn run(&mut self, most_nodes: u64) -> Outcome<S::State> {
        let state = self.states.name(self.spec.initial());
        let (ahead, unanswered) = (CallSet::default(), CallSet::default());
        let root = Node { answer: 0, ahead, unanswered, state, origin: None };
        let mut next = Some(root);
        while let Some(node) = next {
            if self.is_complete(&node) {
                return Outcome::Order(self.order(&node));
            }
            if most_nodes <= self.nodes.len() as u64 {
                return Outcome::BudgetSpent;
            }
            self.admit(node);
            next = self.next_node();
        }
        Outcome::Stuck(self.stuck())
    }

    fn is_complete(&self, node: &Node) -> bool {
        node.answer == self.problem.answers.len()
    }

    /// Takes a node in, unless one that can do all it can was visited.
    fn admit(&mut self, node: Node) {
        let place = (node.answer, node.ahead.clone(), node.state);
        let visited = self.visited.entry(place).or_default();
        if visited.iter().any(|smaller| smaller.is_subset(&node.unanswered)) {
            return;
        }
        visited.push(node.unanswered.clone());
        self.stack.push(Branch { node: self.nodes.len(), turn: 0 });
        self.nodes.push(node);
    }

    /// The next node that a call leads to: from the deepest branch that has any call left to try.
    fn next_node(&mut self) -> Option<Node> {
        while let Some(mut branch) = self.stack.pop() {
            if let Some(child) = self.next_child(&mut branch) {
                self.stack.push(branch);
                return Some(child);
            }
        }
        None
    }

    /// The next child of a node.
    fn next_child(&mut self, branch: &mut Branch) -> Option<Node> {
        let (problem, node) = (self.problem, branch.node);
        let answer = &problem.answers[self.nodes[node].answer];
        if branch.turn == 0
            && let Some(child) = answer.in_progress.iter().find_map(|&call| self.place_pure(node, call))
        {
            branch.turn = Branch::EXHAUSTED;
            return Some(child);
        }
        while let Some(candidate) = problem.candidate(answer, branch.turn) {
            branch.turn += 1;
            let child = match candidate {
                Candidate::Answered(call) => self.place_answered(node, call),
                Candidate::Unanswered(unanswered) => self.place_unanswered(node, unanswered),
            };
            if child.is_some() {
                return child;
            }
        }
        None
    }

    /// Places an answered call, if it is pure.
    fn place_pure(&mut self, parent: usize, call: usize) -> Option<Node> {
        let Call { input, answer, .. } = self.problem.calls[call];
        let (_, output) = answer?;
        if !self.spec.is_pure(input, output) {
            return None;
        }
        let child = self.place_answered(parent, call)?;
        let unchanged = child.state == self.nodes[parent].state;
        assert!(unchanged, "`{input}` answered `{output}` is called pure, and changed the state");
        Some(child)
    }

    /// Places an answered call, if it is not placed yet and would be answered so.
    fn place_answered(&mut self, parent: usize, call: usize) -> Option<Node> {
        let Node { answer, ahead, unanswered, state, origin: _ } = &self.nodes[parent];
        if ahead.contains(call) {
            return None;
        }
        let Call { input, answer: known, .. } = self.problem.calls[call];
        let (foretold, next) = self.spec.apply(&self.states.states[*state], input);
        let (_, observed) = known?;
        if !self.spec.agrees(&foretold, observed) {
            return None;
        }
        let (mut ahead, mut answer, unanswered) = (ahead.clone(), *answer, unanswered.clone());
        ahead.insert(call);
        // Answers whose calls are placed force nothing.
        while self.problem.answers.get(answer).is_some_and(|answer| ahead.remove(answer.call)) {
            answer += 1;
        }
        let state = self.states.name(next);
        Some(Node { answer, ahead, unanswered, state, origin: Some((parent, call)) })
    }

    /// Places an unanswered call, if it is not placed yet, its twin is, and it changes the state.
    fn place_unanswered(&mut self, parent: usize, candidate: &Unanswered) -> Option<Node> {
        let &Unanswered { call, twin } = candidate;
        let Node { answer, ahead, unanswered, state, origin: _ } = &self.nodes[parent];
        if unanswered.contains(call) || twin.is_some_and(|twin| !unanswered.contains(twin)) {
            return None;
        }
        let before = &self.states.states[*state];
        let (_, next) = self.spec.apply(before, self.problem.calls[call].input);
        if next == *before {
            return None;
        }
        let (answer, ahead, mut unanswered) = (*answer, ahead.clone(), unanswered.clone());
        unanswered.insert(call);
        let state = self.states.name(next);
        Some(Node { answer, ahead, unanswered, state, origin: Some((parent, call)) })
    }

    /// The calls placed on the way to a node.
    fn order(&self, end: &Node) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut origin = end.origin;
        while let Some((parent, call)) = origin {
            let parent = &self.nodes[parent];
            let event = self.problem.answers[parent.answer].event;
            steps.push(Step { operation: self.problem.calls[call].operation, event });
            origin = parent.origin;
        }
        steps.reverse();
        steps
    }

    /// The furthest answer of all nodes, when there are no more.
    fn stuck(&self) -> Stuck<S::State> {
        let furthest = self.nodes.iter().map(|node| node.answer).max().unwrap_or(0);
        let at_furthest = self.nodes.iter().filter(|node| node.answer == furthest);
        let states: BTreeSet<_> = at_furthest.map(|node| &self.states.states[node.state]).collect();
        let states = states.into_iter().cloned().collect();
        let &Answer { event, call, in_progress: _ } = &self.problem.answers[furthest];
        Stuck { event, operation: self.problem.calls[call].operation, states }
    }
}

/// Names for states, so that nodes are small.
struct States<State> {
    names: BTreeMap<State, usize>,
    /// By name.
    states: Vec<State>,
}

impl<State: Clone + Ord> States<State> {
    fn name(&mut self, state: State) -> usize {
        if let Some(&name) = self.names.get(&state) {
            return name;
        }
        self.states.push(state.clone());
        self.names.insert(state, self.states.len() - 1);
        self.states.len() - 1
    }
}
