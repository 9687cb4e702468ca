//! A history, divided into parts that can be judged each alone: by key, and keys that some operation concerns
//! together go together.
//!
//! That loses nothing: a history is linearizable if and only if each of its parts is (Herlihy and Wing 1990, locality;
//! Horn and Kroening 2015). Every operation is in exactly one part.

use crate::{
    hash::Interner,
    history::{ClientId, Ending, History, Operation, OperationId},
    problem::NEVER,
    specification::{Keys, Specification},
};

/// The operations on some keys.
#[derive(Debug)]
pub(crate) struct Part<'h, S: Specification> {
    /// Ascending.
    pub(crate) keys: Vec<S::Key>,
    /// By invocation.
    pub(crate) operations: Vec<PartOperation<'h, S>>,
}

/// An operation, with events as bare numbers.
#[derive(Debug)]
pub(crate) struct PartOperation<'h, S: Specification> {
    pub(crate) id: OperationId,
    pub(crate) client: ClientId,
    pub(crate) input: &'h S::Input,
    pub(crate) invoked: u32,
    pub(crate) end: End<'h, S>,
}

/// What became of an operation.
#[derive(Debug)]
pub(crate) enum End<'h, S: Specification> {
    Answered { event: u32, output: &'h S::Output },
    Failed { event: u32 },
    Never,
}

impl<S: Specification> Clone for End<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Specification> Copy for End<'_, S> {}

impl<'h, S: Specification> PartOperation<'h, S> {
    fn new(operation: &'h Operation<S::Input, S::Output>) -> Self {
        let Operation { id, client, input, invoked, invoked_at_ns: _, ending } = operation;
        let end = match ending {
            Ending::Open | Ending::Abandoned { event: _ } => End::Never,
            Ending::Failed { event } => End::Failed { event: bare(event.0) },
            Ending::Completed { event, at_ns: _, output } => End::Answered { event: bare(event.0), output },
        };
        Self { id: *id, client: *client, input, invoked: bare(invoked.0), end }
    }

    /// The event of the answer, if it came by the event `last`.
    pub(crate) fn returned(&self, last: u32) -> Option<u32> {
        match self.end {
            End::Answered { event, output: _ } => (event <= last).then_some(event),
            End::Failed { .. } | End::Never => None,
        }
    }

    /// The event after which there may be no explanation any more: the answer, or the news of a failure.
    pub(crate) fn ended(&self) -> Option<u32> {
        match self.end {
            End::Answered { event, output: _ } | End::Failed { event } => Some(event),
            End::Never => None,
        }
    }

    /// Whether it is known by the event `last` that it has no effect.
    pub(crate) fn has_failed(&self, last: u32) -> bool {
        matches!(self.end, End::Failed { event } if event <= last)
    }
}

/// The number of an event or operation, in the size that searches use.
///
/// # Panics
/// When the history has more than 2³² - 2 events.
pub(crate) fn bare(number: u64) -> u32 {
    let bare = u32::try_from(number).ok().filter(|&bare| bare < NEVER);
    bare.unwrap_or_else(|| panic!("event {number}: a history may have fewer than {NEVER} events"))
}

/// Divides a history. The parts are ordered by their first keys.
///
/// # Panics
/// When an operation concerns no key at all.
pub(crate) fn divide<'h, S: Specification>(
    spec: &S,
    history: &'h History<S::Input, S::Output>,
) -> Vec<Part<'h, S>> {
    let mut groups = Groups::default();
    let mut names = Interner::default();
    let mut first_keys = Vec::with_capacity(history.operations().len());
    let mut all = false;
    for operation in history.operations() {
        let keys = match spec.keys(&operation.input) {
            Keys::One(key) => {
                first_keys.push(Some(groups.add(names.intern(key))));
                continue;
            }
            Keys::Several(keys) => {
                assert!(!keys.is_empty(), "{:?} concerns no key", operation.input);
                keys.into_iter().map(|key| groups.add(names.intern(key))).collect()
            }
            Keys::All => {
                all = true;
                Vec::new()
            }
        };
        groups.join(&keys);
        first_keys.push(keys.first().copied());
    }
    let keys: Vec<S::Key> = names.values().to_vec();
    if all {
        return vec![everything(keys, history)];
    }
    collect(keys, &mut groups, &first_keys, history)
}

/// One part with everything in it.
fn everything<'h, S: Specification>(
    mut keys: Vec<S::Key>,
    history: &'h History<S::Input, S::Output>,
) -> Part<'h, S> {
    keys.sort_unstable();
    Part { keys, operations: history.operations().iter().map(PartOperation::new).collect() }
}

fn collect<'h, S: Specification>(
    keys: Vec<S::Key>,
    groups: &mut Groups,
    first_keys: &[Option<u32>],
    history: &'h History<S::Input, S::Output>,
) -> Vec<Part<'h, S>> {
    let mut part_of_group = vec![None; keys.len()];
    let mut by_key: Vec<_> = (0_u32..).zip(keys).collect();
    by_key.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
    let mut parts: Vec<Part<'h, S>> = Vec::new();
    for (number, key) in by_key {
        let part = part_of_group[groups.find(number) as usize].get_or_insert_with(|| {
            parts.push(Part { keys: Vec::new(), operations: Vec::new() });
            parts.len() - 1
        });
        parts[*part].keys.push(key);
    }
    for (operation, key) in history.operations().iter().zip(first_keys) {
        let key = key.expect("only an operation on all keys names none");
        let part = part_of_group[groups.find(key) as usize].expect("every group has a key");
        parts[part].operations.push(PartOperation::new(operation));
    }
    parts
}

/// Keys that belong together: a forest in which every tree is a group (union-find).
#[derive(Debug, Default)]
struct Groups {
    parents: Vec<u32>,
}

impl Groups {
    /// Adds a key if it is new.
    fn add(&mut self, key: u32) -> u32 {
        if key as usize == self.parents.len() {
            self.parents.push(key);
        }
        key
    }

    /// The root of a key's tree.
    fn find(&mut self, mut key: u32) -> u32 {
        while self.parents[key as usize] != key {
            let above = self.parents[self.parents[key as usize] as usize];
            self.parents[key as usize] = above;
            key = above;
        }
        key
    }

    fn join(&mut self, keys: &[u32]) {
        for pair in keys.windows(2) {
            let (one, other) = (self.find(pair[0]), self.find(pair[1]));
            self.parents[one as usize] = other;
        }
    }
}
