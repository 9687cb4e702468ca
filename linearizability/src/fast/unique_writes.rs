//! Registers to which no value is written twice (Gibbons and Korach 1997, with compare-and-set).
//!
//! Whoever read a value read it from the one operation that wrote it. So the operations on a value are a *block*, which
//! stands together in every order: what wrote it, then its reads. A compare-and-set that succeeded writes its block and
//! stands directly after the block of the value it found: the two are in one *chain*.
//!
//! For a chain let f be its first answer and s its last invocation. That chain A stands before B is forced if and only
//! if f(A) < s(B). If there is an order, no two chains are forced both ways. If no two are, there is an order: in a
//! longer cycle of forced pairs look at the chain Q with the least f, at P before it and at O before P; then
//! f(Q) ≤ f(O) < s(P), so that Q is forced before P as well as P before Q. Two chains are forced both ways if and
//! only if [f, s] of one, where f < s, overlaps with the same of the other, or holds all of [s, f] of the other, where
//! s < f. So sorting finds them.
//!
//! If there are none, the chains in the order of the lesser of f and s are true to all that is forced: let f(A) < s(B). If
//! A comes first by f, or both by s, that is plain. If A has s(A) < f(A) and B has f(B) < s(B), and B came first, then
//! [s(A), f(A)] would lie within [f(B), s(B)]. Two with f < s do not overlap.

use std::collections::BTreeSet;

use super::Judgement;
use crate::{
    hash::Interner,
    partition::{End, Part, PartOperation},
    problem::NEVER,
    specification::{Effect, Specification, View},
};

/// The number of a value. What a key holds in the beginning has one as well.
type ValueId = u32;

/// The value that nobody wrote.
const NOWHERE: ValueId = u32::MAX;
/// No operation, and no value.
const NONE: u32 = u32::MAX;

/// What an operation does, in numbers.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Write(ValueId),
    Read(ValueId),
    Swap {
        from: ValueId,
        to: ValueId,
    },
    /// Nothing that anybody can see.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    invoked: u32,
    /// The event of the answer, or [`NEVER`].
    returned: u32,
    /// The event of the news that it failed, or [`NEVER`].
    failed: u32,
    answered: Kind,
    unanswered: Kind,
}

/// The operations on one key, in numbers.
#[derive(Debug)]
pub(super) struct History {
    operations: Vec<Operation>,
    /// By value: what writes it, if anything.
    writers: Vec<u32>,
    initial: ValueId,
}

impl History {
    /// Reads a part of a history, if it is of this kind.
    pub(super) fn read<S: Specification>(spec: &S, part: &Part<'_, S>) -> Option<Self> {
        let initial = spec.initial_value(&part.keys[0]);
        let mut values = Values { numbers: Interner::default(), initial: 0 };
        if let Some(initial) = &initial {
            values.initial = values.number(initial);
        }
        let mut operations = Vec::with_capacity(part.operations.len());
        for operation in &part.operations {
            operations.push(read_operation(spec, operation, &mut values)?);
        }
        // Number 0 is for what is held where nothing was written.
        let mut writers = vec![NONE; values.numbers.values().len() + 1];
        for (number, operation) in (0..).zip(&operations) {
            if let Some(value) = operation.written() {
                let writer = &mut writers[value as usize];
                if *writer != NONE || value == values.initial {
                    return None;
                }
                *writer = number;
            }
        }
        Some(Self { operations, writers, initial: values.initial })
    }

    /// Judges the history up to the event `last`.
    pub(super) fn judge(&self, last: u32) -> Judgement {
        let judged = Blocks::build(self, last).and_then(|blocks| Ok((blocks.order(self)?, blocks)));
        match judged {
            Ok((ranks, blocks)) => Judgement::Explained(self.line_up(last, &blocks, &ranks)),
            Err(Refutation(events)) => Judgement::Refuted(self.named(&events)),
        }
    }

    /// The operations that were invoked or answered at these events, ascending.
    fn named(&self, events: &[u32]) -> Vec<u32> {
        let positions = (0..).zip(&self.operations).filter(|(_, operation)| {
            events.contains(&operation.invoked) || events.contains(&operation.returned)
        });
        positions.map(|(position, _)| position).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All operations that are part of the order: by the rank of their value, what wrote it first, then by invocation.
    fn line_up(&self, last: u32, blocks: &Blocks, ranks: &[u32]) -> Vec<u32> {
        let value = |number: u32| {
            let operation = &self.operations[number as usize];
            match operation.kind(last)? {
                Kind::Read(value) => Some((value, false)),
                Kind::Write(value) | Kind::Swap { from: _, to: value } => {
                    (blocks.writer(value) == number).then_some((value, true))
                }
                Kind::Nothing => None,
            }
        };
        let begun = self.operations.iter().take_while(|operation| operation.invoked <= last).count() as u32;
        // A place for each rank: first how many operations it has, then where they begin.
        let mut starts = vec![0_u32; ranks.len() + 1];
        for (value, _) in (0..begun).filter_map(value) {
            starts[ranks[value as usize] as usize + 1] += 1;
        }
        for rank in 1..starts.len() {
            starts[rank] += starts[rank - 1];
        }
        let mut order = vec![NONE; starts[ranks.len()] as usize];
        let mut next = starts.clone();
        for value in (0..blocks.all.len()).filter(|&value| blocks.all[value].writer != NONE) {
            next[ranks[value] as usize] += 1;
        }
        for number in 0..begun {
            let Some((value, writes)) = value(number) else { continue };
            let rank = ranks[value as usize] as usize;
            if writes {
                order[starts[rank] as usize] = number;
            } else {
                order[next[rank] as usize] = number;
                next[rank] += 1;
            }
        }
        order
    }
}

/// Numbers for values.
struct Values<'v, V> {
    numbers: Interner<&'v V>,
    initial: ValueId,
}

impl<'v, V: Eq + std::hash::Hash> Values<'v, V> {
    fn number(&mut self, value: &'v V) -> ValueId {
        self.numbers.intern(value) + 1
    }

    /// The number of what a key holds to which nothing was ever written: the same as in the beginning, or nothing.
    fn number_or_nothing(&mut self, value: Option<&'v V>) -> ValueId {
        match value {
            Some(value) => self.number(value),
            None if self.initial == 0 => 0,
            None => NOWHERE,
        }
    }
}

fn read_operation<'v, S: Specification>(
    spec: &S,
    operation: &PartOperation<'v, S>,
    values: &mut Values<'v, S::Value>,
) -> Option<Operation> {
    let PartOperation { id: _, client: _, input, invoked, end } = operation;
    let mut read = Operation {
        invoked: *invoked,
        returned: NEVER,
        failed: NEVER,
        answered: Kind::Nothing,
        unanswered: Kind::Nothing,
    };
    match end {
        End::Never => (),
        End::Failed { event } => read.failed = *event,
        End::Answered { event, output } => {
            read.returned = *event;
            read.answered = match spec.view(input, Some(output)) {
                View::Write(value) => Kind::Write(values.number(value)),
                View::Read(value) => Kind::Read(values.number_or_nothing(value)),
                View::Swap { from, to } => swap(from, to, values),
                View::Opaque | View::Append(_) | View::ReadList(_) => return None,
            };
        }
    }
    if let Kind::Write(_) | Kind::Swap { .. } = read.answered {
        read.unanswered = read.answered;
    } else if spec.effect(input) != Effect::Read {
        read.unanswered = match spec.view(input, None) {
            View::Write(value) => Kind::Write(values.number(value)),
            View::Swap { from, to } => match swap(from, to, values) {
                Kind::Read(_) => Kind::Nothing,
                swap => swap,
            },
            View::Read(_) => Kind::Nothing,
            View::Opaque | View::Append(_) | View::ReadList(_) => return None,
        };
    }
    Some(read)
}

/// A swap of a value for itself is a read.
fn swap<'v, V: Eq + std::hash::Hash>(from: Option<&'v V>, to: &'v V, values: &mut Values<'v, V>) -> Kind {
    let (from, to) = (values.number_or_nothing(from), values.number(to));
    if from == to { Kind::Read(from) } else { Kind::Swap { from, to } }
}

impl Operation {
    /// The value that it may write.
    fn written(&self) -> Option<ValueId> {
        let written = |kind| match kind {
            Kind::Write(value) | Kind::Swap { from: _, to: value } => Some(value),
            Kind::Read(_) | Kind::Nothing => None,
        };
        written(self.answered).or_else(|| written(self.unanswered))
    }

    /// What it does, as far as is known by the event `last`; `None` if it is known to do nothing ever.
    fn kind(&self, last: u32) -> Option<Kind> {
        if self.failed <= last && self.failed != NEVER {
            None
        } else if self.returned <= last && self.returned != NEVER {
            Some(self.answered)
        } else {
            Some(self.unanswered)
        }
    }
}

/// The operations on a value.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// The first answer.
    first_answer: u32,
    /// The last invocation.
    last_invocation: u32,
    /// What wrote the value, if it certainly took effect.
    writer: u32,
    /// The value before, in the same chain.
    before: ValueId,
    /// The value after, in the same chain.
    after: ValueId,
}

/// Events of operations that cannot all be explained.
#[derive(Debug)]
struct Refutation(Vec<u32>);

/// The blocks of all values.
#[derive(Debug)]
struct Blocks {
    all: Vec<Block>,
}

impl Blocks {
    fn build(history: &History, last: u32) -> Result<Self, Refutation> {
        let empty =
            Block { first_answer: NEVER, last_invocation: 0, writer: NONE, before: NONE, after: NONE };
        let mut blocks = Self { all: vec![empty; history.writers.len()] };
        // Values of which it is certain that the key held them, and an operation that shows it.
        let mut seen = Vec::new();
        for (number, operation) in (0..).zip(&history.operations) {
            if last < operation.invoked {
                break;
            }
            if operation.returned == NEVER || last < operation.returned {
                continue;
            }
            let Operation { invoked, returned, .. } = *operation;
            match operation.answered {
                Kind::Nothing => (),
                Kind::Write(value) => blocks.enter(value, number, invoked, returned),
                Kind::Read(NOWHERE) | Kind::Swap { from: NOWHERE, to: _ } => {
                    return Err(Refutation(vec![returned]));
                }
                Kind::Read(value) => {
                    let block = &mut blocks.all[value as usize];
                    block.first_answer = block.first_answer.min(returned);
                    block.last_invocation = block.last_invocation.max(invoked);
                    if block.writer == NONE {
                        seen.push((value, returned));
                    }
                }
                Kind::Swap { from, to } => {
                    blocks.enter(to, number, invoked, returned);
                    blocks.link(history, from, to)?;
                    seen.push((from, returned));
                }
            }
        }
        blocks.enter_seen(history, last, seen)?;
        let initial = &mut blocks.all[history.initial as usize];
        initial.first_answer = 0;
        blocks.look_at_writers(history)?;
        Ok(blocks)
    }

    fn writer(&self, value: ValueId) -> u32 {
        self.all[value as usize].writer
    }

    /// The writer of a value certainly took effect.
    fn enter(&mut self, value: ValueId, number: u32, invoked: u32, returned: u32) {
        let block = &mut self.all[value as usize];
        block.writer = number;
        block.first_answer = block.first_answer.min(returned);
        block.last_invocation = block.last_invocation.max(invoked);
    }

    /// One value was swapped for another.
    fn link(&mut self, history: &History, from: ValueId, to: ValueId) -> Result<(), Refutation> {
        let other = std::mem::replace(&mut self.all[from as usize].after, to);
        self.all[to as usize].before = from;
        if other == NONE {
            return Ok(());
        }
        let invoked = |value: ValueId| history.operations[self.writer(value) as usize].invoked;
        Err(Refutation(vec![invoked(other), invoked(to)]))
    }

    /// Of operations that were not answered, those took effect whose values were seen, and whose values they had to see.
    fn enter_seen(
        &mut self,
        history: &History,
        last: u32,
        mut seen: Vec<(ValueId, u32)>,
    ) -> Result<(), Refutation> {
        while let Some((value, shown_by)) = seen.pop() {
            if self.writer(value) != NONE || value == history.initial {
                continue;
            }
            let number = history.writers[value as usize];
            let operation = history.operations.get(number as usize).filter(|writer| writer.invoked <= last);
            let unseen = || Refutation(vec![shown_by]);
            let operation = operation.ok_or_else(unseen)?;
            // An answer that is known by now says that nothing was written: otherwise the writer had been entered.
            match operation.kind(last).ok_or_else(|| Refutation(vec![shown_by, operation.invoked]))? {
                Kind::Write(_) => self.enter(value, number, operation.invoked, NEVER),
                Kind::Swap { from: NOWHERE, to: _ } => return Err(unseen()),
                Kind::Swap { from, to } => {
                    self.enter(to, number, operation.invoked, NEVER);
                    self.link(history, from, to)?;
                    seen.push((from, shown_by));
                }
                Kind::Read(_) | Kind::Nothing => {
                    return Err(Refutation(vec![shown_by, operation.invoked]));
                }
            }
        }
        Ok(())
    }

    /// Nobody reads a value before it began to be written.
    fn look_at_writers(&self, history: &History) -> Result<(), Refutation> {
        for block in self.all.iter().filter(|block| block.writer != NONE) {
            let invoked = history.operations[block.writer as usize].invoked;
            if block.first_answer < invoked {
                return Err(Refutation(vec![block.first_answer, invoked]));
            }
        }
        Ok(())
    }

    /// The rank of each value in an order that explains everything; values that are not in it have the rank of another.
    fn order(&self, history: &History) -> Result<Vec<u32>, Refutation> {
        let mut chains = self.chains(history)?;
        chains.sort_unstable_by_key(|chain| chain.first_answer);
        look_for_conflict(&chains)?;
        chains.sort_unstable_by_key(|chain| chain.first_answer.min(chain.last_invocation));
        let mut ranks = vec![0; self.all.len()];
        let mut rank = 0;
        for chain in &chains {
            let mut value = chain.head;
            while value != NONE {
                ranks[value as usize] = rank;
                rank += 1;
                value = self.all[value as usize].after;
            }
        }
        Ok(ranks)
    }

    /// The chains of blocks that took effect.
    fn chains(&self, history: &History) -> Result<Vec<Chain>, Refutation> {
        let mut chains = Vec::new();
        let mut in_chains = 0;
        for (head, block) in (0..).zip(&self.all) {
            let took_effect = block.writer != NONE || head == history.initial;
            if took_effect && block.before == NONE {
                let (chain, blocks) = self.chain(head)?;
                chains.push(chain);
                in_chains += blocks;
            }
        }
        let all =
            (0..).zip(&self.all).filter(|(value, block)| block.writer != NONE || *value == history.initial);
        if in_chains < all.count() {
            // What is in no chain goes round in a circle: nothing can be the first of it.
            let swaps = self.all.iter().filter(|block| block.writer != NONE && block.before != NONE);
            let events = swaps.map(|block| history.operations[block.writer as usize].invoked);
            return Err(Refutation(events.collect()));
        }
        Ok(chains)
    }

    /// The chain that begins with a value, and how many blocks it has.
    fn chain(&self, head: ValueId) -> Result<(Chain, usize), Refutation> {
        let Block { first_answer, last_invocation, .. } = self.all[head as usize];
        let mut chain = Chain { head, first_answer, last_invocation };
        let mut blocks = 1;
        let mut value = self.all[head as usize].after;
        while value != NONE {
            let block = &self.all[value as usize];
            if block.first_answer < chain.last_invocation {
                return Err(Refutation(vec![block.first_answer, chain.last_invocation]));
            }
            chain.first_answer = chain.first_answer.min(block.first_answer);
            chain.last_invocation = chain.last_invocation.max(block.last_invocation);
            blocks += 1;
            value = block.after;
        }
        Ok((chain, blocks))
    }
}

/// Blocks that follow each other directly.
#[derive(Clone, Copy, Debug)]
struct Chain {
    head: ValueId,
    first_answer: u32,
    last_invocation: u32,
}

/// Looks for two chains each of which is forced before the other. They come by first answer.
fn look_for_conflict(chains: &[Chain]) -> Result<(), Refutation> {
    // By position: the chain up to there with the latest invocation of all.
    let mut latest: Vec<usize> = Vec::with_capacity(chains.len());
    for (position, chain) in chains.iter().enumerate() {
        if let Some(&before) = latest.last()
            && chain.first_answer < chains[before].last_invocation
        {
            // Of the chains before, only those count whose first answer came before this one's last invocation.
            let limit = chain.last_invocation.min(chain.first_answer);
            let candidates = chains[..position].partition_point(|other| other.first_answer < limit);
            let other = candidates.checked_sub(1).map(|last| chains[latest[last]]);
            if let Some(other) = other.filter(|other| chain.first_answer < other.last_invocation) {
                let mut events = vec![chain.first_answer, chain.last_invocation];
                events.extend([other.first_answer, other.last_invocation]);
                return Err(Refutation(events));
            }
        }
        let longest = latest
            .last()
            .copied()
            .filter(|&longest| chain.last_invocation <= chains[longest].last_invocation);
        latest.push(longest.unwrap_or(position));
    }
    Ok(())
}
