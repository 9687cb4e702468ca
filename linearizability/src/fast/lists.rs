//! Lists to which no element is appended twice.
//!
//! The longest read tells the order of all appends it has seen. Those it has not seen come after it, in any order
//! that is true to time, such as that of their invocations. So there is one order to try.

use super::Judgement;
use crate::{
    hash::Interner,
    partition::{End, Part, PartOperation},
    problem::NEVER,
    specification::{Effect, Specification, View},
};

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
enum Kind {
    Append(u32),
    /// A read of these elements.
    Read(Vec<u32>),
    Nothing,
}

#[derive(Clone, Debug)]
struct Operation {
    invoked: u32,
    /// The event of the answer, or [`NEVER`].
    returned: u32,
    /// The event of the news that it failed, or [`NEVER`].
    failed: u32,
    kind: Kind,
}

/// The operations on one list, in numbers.
#[derive(Debug)]
pub(super) struct History {
    operations: Vec<Operation>,
    /// By element: what appends it, if anything.
    writers: Vec<u32>,
}

impl History {
    /// Reads a part of a history, if it is of this kind.
    pub(super) fn read<S: Specification>(spec: &S, part: &Part<'_, S>) -> Option<Self> {
        if spec.initial_value(&part.keys[0]).is_some() {
            return None;
        }
        let mut elements = Interner::default();
        let mut operations = Vec::with_capacity(part.operations.len());
        for operation in &part.operations {
            operations.push(read_operation(spec, operation, &mut elements)?);
        }
        let mut writers = vec![NONE; elements.values().len()];
        for (number, operation) in (0..).zip(&operations) {
            if let Kind::Append(element) = operation.kind {
                let writer = &mut writers[element as usize];
                if *writer != NONE {
                    return None;
                }
                *writer = number;
            }
        }
        Some(Self { operations, writers })
    }

    /// Judges the history up to the event `last`.
    pub(super) fn judge(&self, last: u32) -> Judgement {
        let begun = self.operations.iter().take_while(|operation| operation.invoked <= last).count() as u32;
        let reads: Vec<_> = (0..begun).filter(|&number| self.is_answered(number, last)).collect();
        let longest = reads.iter().copied().max_by_key(|&number| self.elements(number).len());
        let whole = longest.map_or(&[][..], |number| self.elements(number));
        // By length: the operations that have to stand there.
        let mut blocks: Vec<Vec<u32>> = vec![Vec::new(); whole.len() + 1];
        for (block, &element) in blocks[1..].iter_mut().zip(whole) {
            let writer = self.writers[element as usize];
            let shown_by = longest.expect("a list that is not empty was read");
            if !self.may_take_effect(writer, last) {
                return Judgement::Refuted(vec![shown_by]);
            }
            block.push(writer);
        }
        let mut seen = vec![false; self.writers.len()];
        for &element in whole {
            if std::mem::replace(&mut seen[element as usize], true) {
                return Judgement::Refuted(vec![longest.expect("a list that is not empty was read")]);
            }
        }
        for number in reads {
            match self.operations[number as usize].kind {
                Kind::Append(element) if !seen[element as usize] => blocks.push(vec![number]),
                Kind::Append(_) | Kind::Nothing => (),
                Kind::Read(ref elements) if whole.starts_with(elements) => {
                    blocks[elements.len()].push(number);
                }
                Kind::Read(_) => {
                    let longest = longest.unwrap_or(number);
                    return Judgement::Refuted(vec![longest.min(number), longest.max(number)]);
                }
            }
        }
        self.line_up(last, &blocks)
    }

    fn is_answered(&self, number: u32, last: u32) -> bool {
        let returned = self.operations[number as usize].returned;
        returned != NEVER && returned <= last
    }

    /// The elements that an operation read.
    fn elements(&self, number: u32) -> &[u32] {
        match &self.operations[number as usize].kind {
            Kind::Read(elements) => elements,
            Kind::Append(_) | Kind::Nothing => &[],
        }
    }

    /// Whether there is this operation by the event `last`, and it is not known to have failed.
    fn may_take_effect(&self, number: u32, last: u32) -> bool {
        let operation = self.operations.get(number as usize);
        operation.is_some_and(|operation| {
            operation.invoked <= last && (operation.failed == NEVER || last < operation.failed)
        })
    }

    /// Puts block after block, unless an operation was answered before one that stands in an earlier block began.
    fn line_up(&self, last: u32, blocks: &[Vec<u32>]) -> Judgement {
        let mut order = Vec::with_capacity(self.operations.len());
        let mut latest = None;
        for block in blocks {
            for &number in block {
                let Operation { invoked, returned, .. } = self.operations[number as usize];
                let is_late = |&earlier: &u32| returned < self.operations[earlier as usize].invoked;
                if self.is_answered(number, last)
                    && let Some(earlier) = latest.filter(is_late)
                {
                    return Judgement::Refuted(vec![number.min(earlier), number.max(earlier)]);
                }
                let is_latest = |&earlier: &u32| invoked < self.operations[earlier as usize].invoked;
                latest = latest.filter(is_latest).or(Some(number));
                order.push(number);
            }
        }
        Judgement::Explained(order)
    }
}

fn read_operation<'v, S: Specification>(
    spec: &S,
    operation: &PartOperation<'v, S>,
    elements: &mut Interner<&'v S::Value>,
) -> Option<Operation> {
    let PartOperation { id: _, client: _, input, invoked, end } = operation;
    let (returned, failed, output) = match end {
        End::Never => (NEVER, NEVER, None),
        End::Failed { event } => (NEVER, *event, None),
        End::Answered { event, output } => (*event, NEVER, Some(*output)),
    };
    let kind = match spec.view(input, output) {
        View::Append(element) => Kind::Append(elements.intern(element)),
        View::ReadList(list) => Kind::Read(list.iter().map(|element| elements.intern(element)).collect()),
        View::Opaque if output.is_none() && spec.effect(input) == Effect::Read => Kind::Nothing,
        View::Opaque | View::Write(_) | View::Read(_) | View::Swap { .. } => return None,
    };
    Some(Operation { invoked: *invoked, returned, failed, kind })
}
