//! The search: a path through configurations, found by depth first, that explains every answer.
//!
//! # Just in time
//!
//! A configuration is reached when all answers up to some point are explained. It holds the next answer, the calls in
//! progress there that are placed already, the unanswered calls that are placed, and the state. Nothing is placed
//! before an answer forces it: then some calls in progress are placed, and last the one that was answered (Lowe 2017).
//! That loses nothing, because a call can be placed later than in some order that explains everything, as long as what
//! is placed between does not notice.
//!
//! # What is left out
//!
//! Each of these can be switched off, and the tests do so; none may change a verdict.
//!
//! * An answered call that is possible now and *pure*, that is, with its input and output leaves every state as it is
//!   in which it is possible, is placed at once and nothing else is tried. In whatever follows it can be moved to the
//!   front: nobody notices.
//! * Of calls that do the same, the one with the earliest answer is placed first, or, among the unanswered, the one
//!   with the earliest invocation. In whatever follows they can change places.
//! * A configuration is left out if one was visited that differs only in that fewer unanswered calls are placed: it
//!   can do whatever this one can. In particular an unanswered call that leaves the state as it is is never placed.
//! * *Overwrites wait.* A call that overwrites the state, whatever it was, can be put directly before another one
//!   and is never noticed there. So none is placed unless it is the answered one or something else notices it: after
//!   it comes a call that does not overwrite. If its answer comes first, and it was in progress when some overwrite was
//!   placed, it may be *absorbed*: put directly before that one, in retrospect. To know, a configuration also holds the
//!   event before which calls have to have been invoked for that. An unanswered call of any kind is never followed by
//!   an overwrite either, for then it need not have been placed.
//! * *Look-ahead.* If nothing that does more than extend the state can come in before some read was answered, and
//!   the state can never grow into what it found, the configuration is left out.
//!
//! That the waiting of overwrites loses nothing: take an order that explains everything, leave out the overwrites that
//! nobody notices before the next, and unanswered calls that make no difference; place the rest at each answer up to
//! the answered call. Then an overwrite that is not itself forced is always followed by a call that notices it. An
//! overwrite left out is forced at its answer. If something behind it in the order is placed by then, the overwrite
//! that hid it is, and was placed while it was in progress, so it is absorbed. Otherwise it is placed now, and the next
//! overwrite hides it after all. Whether the last call waits to be noticed is part of the configuration; one in which
//! it does not can do whatever the same one can in which it does.

use std::collections::BTreeSet;

use crate::{
    hash::{Table, mix},
    model::{Model, Next, StateId},
    problem::{NEVER, NONE, Placeable, Problem, Return, is_obstacle},
    sets::{Mask, SetId, SharedSets},
    specification::{Effect, Specification},
    verdict::UnknownReason,
};

/// What may be left out. See the [module's page](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    PureAtOnce,
    Twins,
    Dominance,
    OverwritesWait,
    LookAhead,
}

/// The reductions in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reductions(u8);

impl Reductions {
    pub(crate) const ALL: Self = Self(0b1_1111);

    /// Those whose bits are set, for tests that go through all combinations.
    #[cfg(test)]
    pub(crate) const fn combination(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    #[inline]
    const fn has(self, reduction: Reduction) -> bool {
        self.0 >> reduction as u8 & 1 == 1
    }
}

/// What a search may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    pub(crate) nodes: u64,
    pub(crate) bytes: u64,
}

/// What a search has come to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// An order that explains everything.
    Order(Vec<Step>),
    /// There is none.
    Stuck(Stuck),
    /// The search was not allowed more.
    Spent(UnknownReason),
}

/// A call in an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// What its owner calls it.
    pub(crate) name: u32,
    /// An event at which the call was in progress. Along an order it never decreases.
    pub(crate) event: u32,
    /// What it leaves behind; `None`: whatever it leaves, the next one overwrites it.
    pub(crate) state: Option<StateId>,
}

/// How far the search got.
#[derive(Clone, Debug)]
pub(crate) struct Stuck {
    /// The event that it got past in no way.
    pub(crate) event: u32,
    /// All states that are possible before it.
    pub(crate) states: BTreeSet<StateId>,
    /// Whether it would have come just as far without any knowledge of later answers.
    pub(crate) foresight: Foresight,
}

/// Whether answers that came later may have mattered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foresight {
    Unused,
    MaybeUsed,
}

/// What a search took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spending {
    pub(crate) nodes: u64,
    pub(crate) bytes: u64,
}

/// Searches for an order.
pub(crate) fn search<S: Specification>(
    spec: &S,
    model: &mut Model<S>,
    problem: &Problem,
    reductions: Reductions,
    allowance: Allowance,
) -> (Outcome, Spending) {
    if problem.slots <= u64::BITS {
        Search::<u64, S>::new(spec, model, problem, reductions).run(allowance)
    } else {
        Search::<Box<[u64]>, S>::new(spec, model, problem, reductions).run(allowance)
    }
}

/// A configuration, and how it was reached.
#[derive(Clone, Debug)]
struct Node<M> {
    /// The next answer whose call is not placed; one past the last when all are.
    answer: u32,
    state: StateId,
    /// The answered calls that are placed and whose answers lie ahead.
    placed: M,
    unanswered: SetId,
    /// Overwrites that were invoked before this event can be absorbed.
    absorbs_before: u32,
    last: Last,
    /// The node before.
    parent: u32,
    /// The call placed between the two.
    call: u32,
    /// How.
    how: How,
    /// Another visited node with the same answer, placed calls and state.
    alike: u32,
}

/// What the last call of a configuration waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// Nothing.
    Settled,
    /// It has to be noticed by the next.
    Unnoticed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Placed,
    Absorbed,
}

/// How far a node has been tried.
#[derive(Clone, Copy, Debug)]
struct Branch {
    node: u32,
    turn: u32,
    /// Which of several next states.
    alternative: u32,
}

/// Whatever can be done at once.
const PURE_TURN: u32 = 0;
/// The answered call is absorbed.
const ABSORB_TURN: u32 = 1;
/// From here on, one call after the other.
const FIRST_CALL_TURN: u32 = 2;
/// The turn of a node with nothing left to try.
const EXHAUSTED: u32 = u32::MAX;

/// So many nodes lie between two looks at the memory.
const NODES_BETWEEN_LOOKS: usize = 256;

/// So many reads are looked ahead to.
const READS_AHEAD: usize = 64;

struct Search<'p, M, S: Specification> {
    spec: &'p S,
    model: &'p mut Model<S>,
    problem: &'p Problem,
    reductions: Reductions,
    sets: SharedSets,
    nodes: Vec<Node<M>>,
    visited: Table,
    mask_bytes: u64,
    /// The nodes with something left to try, each below its children; the last is tried next.
    stack: Vec<Branch>,
    /// The last answer that ruled something out.
    latest_knowledge: u32,
}

impl<'p, M: Mask, S: Specification> Search<'p, M, S> {
    fn new(spec: &'p S, model: &'p mut Model<S>, problem: &'p Problem, reductions: Reductions) -> Self {
        for call in &problem.calls {
            model.settle_overwrite(spec, call.call.class, problem.root);
        }
        Self {
            spec,
            model,
            problem,
            reductions,
            sets: SharedSets::new(),
            nodes: Vec::new(),
            visited: Table::default(),
            mask_bytes: M::empty(problem.slots).heap_bytes(),
            stack: Vec::new(),
            latest_knowledge: 0,
        }
    }

    fn run(mut self, allowance: Allowance) -> (Outcome, Spending) {
        let outcome = self.find(allowance);
        let spending = Spending { nodes: self.nodes.len() as u64, bytes: self.bytes() };
        (outcome, spending)
    }

    fn find(&mut self, allowance: Allowance) -> Outcome {
        let mut next = Some(Node {
            answer: 0,
            state: self.problem.root,
            placed: M::empty(self.problem.slots),
            unanswered: SharedSets::EMPTY,
            absorbs_before: 0,
            last: Last::Settled,
            parent: NONE,
            call: NONE,
            how: How::Placed,
            alike: NONE,
        });
        while let Some(node) = next {
            if node.answer as usize == self.problem.returns.len() {
                return Outcome::Order(self.order(&node));
            }
            if allowance.nodes <= self.nodes.len() as u64 {
                return Outcome::Spent(UnknownReason::Nodes { budget: allowance.nodes });
            }
            if self.nodes.len().is_multiple_of(NODES_BETWEEN_LOOKS) && allowance.bytes < self.bytes() {
                return Outcome::Spent(UnknownReason::Bytes { budget: allowance.bytes });
            }
            self.admit(node);
            next = self.next_node();
        }
        Outcome::Stuck(self.stuck())
    }

    fn bytes(&self) -> u64 {
        let nodes =
            self.nodes.capacity() * size_of::<Node<M>>() + self.stack.capacity() * size_of::<Branch>();
        nodes as u64
            + self.nodes.len() as u64 * self.mask_bytes
            + self.visited.bytes()
            + self.sets.bytes()
            + self.model.bytes()
            + self.problem.bytes()
    }

    /// Takes a node in, unless one that can do whatever it can was visited.
    fn admit(&mut self, mut node: Node<M>) {
        let number = u32::try_from(self.nodes.len()).expect("fewer nodes than 32 bits can number");
        let place = (u64::from(node.answer) << 32) | u64::from(node.state);
        let hash = mix(node.placed.fingerprint(), place);
        let nodes = &self.nodes;
        let is_alike = |other: u32| {
            let other = &nodes[other as usize];
            (other.answer, other.state) == (node.answer, node.state) && other.placed == node.placed
        };
        if let Some(first) = self.visited.find(hash, is_alike) {
            let mut other = first;
            while other != NONE {
                if self.dominates(&self.nodes[other as usize], &node) {
                    return;
                }
                other = self.nodes[other as usize].alike;
            }
            node.alike = self.nodes[first as usize].alike;
            self.nodes[first as usize].alike = number;
        } else {
            self.visited.insert(hash, number);
        }
        self.stack.push(Branch { node: number, turn: PURE_TURN, alternative: 0 });
        self.nodes.push(node);
    }

    /// Whether `one` can do whatever `other` can, given that they differ in nothing else.
    fn dominates(&self, one: &Node<M>, other: &Node<M>) -> bool {
        let fewer = if self.reductions.has(Reduction::Dominance) {
            self.sets.is_subset(one.unanswered, other.unanswered)
        } else {
            one.unanswered == other.unanswered
        };
        let freer = one.last == Last::Settled || other.last == Last::Unnoticed;
        fewer && freer && other.absorbs_before <= one.absorbs_before
    }

    /// The next node: from the deepest branch that has anything left to try.
    fn next_node(&mut self) -> Option<Node<M>> {
        while let Some(mut branch) = self.stack.pop() {
            if let Some(child) = self.next_child(&mut branch) {
                if branch.turn != EXHAUSTED {
                    self.stack.push(branch);
                }
                return Some(child);
            }
        }
        None
    }

    /// The next child of a node.
    fn next_child(&mut self, branch: &mut Branch) -> Option<Node<M>> {
        let problem = self.problem;
        let answer = &problem.returns[self.nodes[branch.node as usize].answer as usize];
        if branch.turn == PURE_TURN {
            branch.turn = ABSORB_TURN;
            if let Some(child) = self.place_pure(branch.node, answer) {
                branch.turn = EXHAUSTED;
                return Some(child);
            }
        }
        if branch.turn == ABSORB_TURN {
            branch.turn = FIRST_CALL_TURN;
            if let Some(child) = self.absorb(branch.node, answer) {
                return Some(child);
            }
        }
        let candidates = problem.candidates(answer);
        loop {
            let turn = (branch.turn - FIRST_CALL_TURN) as usize;
            let call = match candidates.get(turn) {
                Some(&call) => call,
                None if turn - candidates.len() < answer.unanswered as usize => {
                    problem.unanswered[turn - candidates.len()]
                }
                None => return None,
            };
            if let Some(next) = self.placeable(branch.node, call)
                && let Some(state) = self.model.alternative(next, branch.alternative)
            {
                branch.alternative += 1;
                if let Some(child) = self.place(branch.node, answer, call, state) {
                    return Some(child);
                }
            } else {
                (branch.turn, branch.alternative) = (branch.turn + 1, 0);
            }
        }
    }

    fn node(&self, node: u32) -> &Node<M> {
        &self.nodes[node as usize]
    }

    fn is_placed(&self, node: u32, call: &Placeable) -> bool {
        if call.call.returned == NEVER {
            self.sets.contains(self.node(node).unanswered, call.place)
        } else {
            self.node(node).placed.contains(call.place)
        }
    }

    /// A call that can be placed without a thought, if there is one.
    fn place_pure(&mut self, parent: u32, answer: &Return) -> Option<Node<M>> {
        if !self.reductions.has(Reduction::PureAtOnce) {
            return None;
        }
        for &number in self.problem.candidates(answer) {
            let call = self.problem.call(number);
            if !self.model.facts(call.call.class).is_pure || self.is_placed(parent, call) {
                continue;
            }
            let state = self.node(parent).state;
            match self.model.next(self.spec, state, call.call.class) {
                Next::Impossible => (),
                next => {
                    let class = call.call.class;
                    assert!(
                        next == Next::One(state),
                        "{:?} is called pure, and changed {:?}",
                        self.model.input_of(class),
                        self.model.state_of(state)
                    );
                    return Some(self.child(parent, answer, number, state));
                }
            }
        }
        None
    }

    /// Puts the answered call before an overwrite that was placed while it was in progress.
    fn absorb(&mut self, parent: u32, answer: &Return) -> Option<Node<M>> {
        let Node { absorbs_before, last, state, .. } = *self.node(parent);
        let call = self.problem.call(answer.call).call;
        let absorbable = self.waits(answer.call) && call.invoked < absorbs_before && last == Last::Settled;
        absorbable.then(|| Node { how: How::Absorbed, ..self.child(parent, answer, answer.call, state) })
    }

    /// Whether a call is an overwrite that need not be placed before it is noticed.
    fn waits(&self, call: u32) -> bool {
        let class = self.problem.call(call).call.class;
        self.reductions.has(Reduction::OverwritesWait) && self.model.facts(class).overwrites
    }

    /// What a call leads to, if it is its turn and it is possible.
    fn placeable(&mut self, parent: u32, number: u32) -> Option<Next> {
        let call = self.problem.call(number);
        if self.is_placed(parent, call) {
            return None;
        }
        if self.node(parent).last == Last::Unnoticed && self.waits(number) {
            return None;
        }
        // This comes before the twin's turn: that the call is impossible is knowledge from its own answer.
        match self.possible(self.node(parent).state, call) {
            Next::Impossible => None,
            _ if self.waits_for_twin(parent, call) => None,
            next => Some(next),
        }
    }

    /// Whether a call that does the same must be placed before.
    fn waits_for_twin(&self, parent: u32, call: &Placeable) -> bool {
        if !self.reductions.has(Reduction::Twins) {
            return false;
        }
        let answer = &self.problem.returns[self.node(parent).answer as usize];
        let mut number = call.twin;
        while number != NONE {
            let twin = self.problem.call(number);
            let is_open = twin.call.invoked < answer.event && answer.event <= twin.call.returned;
            if is_open && !self.is_placed(parent, twin) {
                return true;
            }
            // Twins that were answered before are placed. Those without an answer were placed one after the other.
            if twin.call.returned < answer.event || twin.call.returned == NEVER {
                return false;
            }
            number = twin.twin;
        }
        false
    }

    /// What a call leads to. Keeps account of answers that rule something out.
    fn possible(&mut self, state: StateId, call: &Placeable) -> Next {
        let next = self.model.next(self.spec, state, call.call.class);
        let is_knowledge = next == Next::Impossible && call.call.returned != NEVER;
        if is_knowledge && self.model.facts(call.call.class).effect != Effect::Read {
            self.latest_knowledge = self.latest_knowledge.max(call.call.returned);
        }
        next
    }

    /// The configuration after a call, unless it leads nowhere.
    fn place(&mut self, parent: u32, answer: &Return, number: u32, state: StateId) -> Option<Node<M>> {
        let is_unanswered = self.problem.call(number).call.returned == NEVER;
        if is_unanswered && self.reductions.has(Reduction::Dominance) && state == self.node(parent).state {
            return None;
        }
        let mut child = self.child(parent, answer, number, state);
        let waits = self.waits(number);
        if waits {
            child.absorbs_before = answer.event;
        }
        let may_wait = is_unanswered && self.reductions.has(Reduction::OverwritesWait) || waits;
        if may_wait && number != answer.call {
            child.last = Last::Unnoticed;
            if !self.can_be_noticed(&child, answer) {
                return None;
            }
        }
        self.has_future(&child).then_some(child)
    }

    /// The configuration after a call, with nothing looked at.
    fn child(&mut self, parent: u32, answer: &Return, number: u32, state: StateId) -> Node<M> {
        let Node { answer: next, placed, unanswered, absorbs_before, .. } = &self.nodes[parent as usize];
        let call = self.problem.call(number);
        let mut child = Node {
            answer: *next,
            state,
            placed: placed.clone(),
            unanswered: *unanswered,
            absorbs_before: *absorbs_before,
            last: Last::Settled,
            parent,
            call: number,
            how: How::Placed,
            alike: NONE,
        };
        if call.call.returned == NEVER {
            child.unanswered = self.sets.with(child.unanswered, call.place);
            return child;
        }
        if number != answer.call {
            child.placed.insert(call.place);
            return child;
        }
        // Answers whose calls are placed force nothing.
        child.answer += 1;
        while let Some(passed) = self.problem.returns.get(child.answer as usize) {
            let place = self.problem.call(passed.call).place;
            if !child.placed.contains(place) {
                break;
            }
            child.placed.remove(place);
            child.answer += 1;
        }
        child
    }

    /// Whether a call that does not overwrite can come next.
    fn can_be_noticed(&mut self, child: &Node<M>, answer: &Return) -> bool {
        let problem = self.problem;
        for &number in problem.candidates(answer) {
            let call = problem.call(number);
            if !child.placed.contains(call.place)
                && !self.waits(number)
                && self.possible(child.state, call) != Next::Impossible
            {
                return true;
            }
        }
        problem.observers[..answer.observers as usize].iter().any(|&number| {
            let call = problem.call(number);
            let next = self.model.next(self.spec, child.state, call.call.class);
            let changes = next != Next::Impossible && next != Next::One(child.state);
            changes && !self.sets.contains(child.unanswered, call.place)
        })
    }

    /// Whether the next reads can still find what they found.
    fn has_future(&mut self, child: &Node<M>) -> bool {
        let problem = self.problem;
        if problem.reads.is_empty() || !self.reductions.has(Reduction::LookAhead) {
            return true;
        }
        let Some(answer) = problem.returns.get(child.answer as usize) else { return true };
        if self.has_obstacle(child, answer) {
            return true;
        }
        let coming = problem.reads[answer.reads as usize..].iter().map(|&read| problem.call(read));
        let coming = coming.take_while(|read| read.call.returned < answer.next_obstacle);
        for read in coming.take(READS_AHEAD) {
            let is_placed = read.call.invoked < answer.event && child.placed.contains(read.place);
            if !is_placed && !self.model.can_reach(self.spec, child.state, read.call.class) {
                self.latest_knowledge = self.latest_knowledge.max(read.call.returned);
                return false;
            }
        }
        true
    }

    /// Whether something in progress may do more than extend the state.
    fn has_obstacle(&self, child: &Node<M>, answer: &Return) -> bool {
        let problem = self.problem;
        let is_obstacle = |call: &Placeable| {
            let facts = self.model.facts(call.call.class);
            is_obstacle(facts.effect, facts.is_pure)
        };
        let mut answered = problem.candidates(answer).iter().map(|&call| problem.call(call));
        let mut unanswered =
            problem.unanswered[..answer.unanswered as usize].iter().map(|&call| problem.call(call));
        answered.any(|call| is_obstacle(call) && !child.placed.contains(call.place))
            || unanswered.any(|call| is_obstacle(call) && !self.sets.contains(child.unanswered, call.place))
    }

    /// The calls placed on the way to a node.
    fn order(&self, end: &Node<M>) -> Vec<Step> {
        let mut path = Vec::new();
        let mut node = end;
        while node.parent != NONE {
            path.push(node);
            node = self.node(node.parent);
        }
        path.reverse();
        let (mut steps, mut hidden) = (Vec::with_capacity(path.len()), Vec::new());
        let mut overwrite = 0;
        for node in path {
            let name = self.problem.call(node.call).call.name;
            let event = self.problem.returns[self.node(node.parent).answer as usize].event;
            match node.how {
                How::Placed => {
                    if self.waits(node.call) {
                        overwrite = steps.len();
                    }
                    steps.push(Step { name, event, state: Some(node.state) });
                }
                How::Absorbed => hidden.push((overwrite, name)),
            }
        }
        if hidden.is_empty() { steps } else { unhide(&steps, hidden) }
    }

    /// The furthest answer of all nodes, when there are no more.
    fn stuck(&self) -> Stuck {
        let furthest = self.nodes.iter().map(|node| node.answer).max().unwrap_or(0);
        let at_furthest = self.nodes.iter().filter(|node| node.answer == furthest);
        let states = at_furthest.map(|node| node.state).collect();
        let answer = &self.problem.returns[furthest as usize];
        let may_tell = |&call: &u32| {
            let facts = self.model.facts(self.problem.call(call).call.class);
            facts.effect != Effect::Read && (facts.is_pure || facts.is_choosy)
        };
        let others = &self.problem.candidates(answer)[1..];
        let used = answer.event < self.latest_knowledge || others.iter().any(may_tell);
        let foresight = if used { Foresight::MaybeUsed } else { Foresight::Unused };
        Stuck { event: answer.event, states, foresight }
    }
}

/// Puts calls that were absorbed directly before the steps that hide them.
fn unhide(steps: &[Step], mut hidden: Vec<(usize, u32)>) -> Vec<Step> {
    hidden.sort_by_key(|&(place, _)| place);
    let mut hidden = hidden.into_iter().peekable();
    let mut all = Vec::with_capacity(steps.len() + hidden.len());
    for (place, step) in steps.iter().enumerate() {
        while let Some((_, name)) = hidden.next_if(|&(before, _)| before == place) {
            all.push(Step { name, event: step.event, state: None });
        }
        all.push(*step);
    }
    all
}
