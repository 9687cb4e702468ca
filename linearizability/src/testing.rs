//! What the tests make histories with.

use std::collections::BTreeMap;

use crate::{
    history::{ClientId, History, OperationId},
    specification::{Keys, Specification},
};

/// A stream of numbers (SplitMix64, Steele and others 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, options: &'a [T]) -> &'a T {
        &options[usize::try_from(self.below(options.len() as u64)).unwrap()]
    }
}

/// A specification with operations and answers to draw from.
pub(crate) trait Workload: Specification {
    /// All keys that the operations concern, ascending.
    fn all_keys(&self) -> Vec<Self::Key>;
    /// Any operation. `number` is unique within the history.
    fn random_input(&self, random: &mut Random, number: u64) -> Self::Input;
    /// Any answer of the right kind.
    fn random_output(&self, random: &mut Random, input: &Self::Input) -> Self::Output;
    /// What the record tells of an answer.
    fn recorded(&self, _random: &mut Random, output: Self::Output) -> Self::Output {
        output
    }
}

/// What a client has open while a history is made up.
struct OpenCall<S: Specification> {
    id: OperationId,
    input: S::Input,
    /// What the store answered, once it took effect.
    output: Option<S::Output>,
}

/// How a history is made up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) clients: u64,
    pub(crate) operations: u64,
    /// One in so many answers is made up.
    pub(crate) lies: Option<u64>,
    /// One in so many operations is abandoned.
    pub(crate) abandoned: Option<u64>,
    /// One in so many operations that had no effect yet fails.
    pub(crate) failed: Option<u64>,
}

impl Shape {
    /// Up to 4 clients and 9 operations, with no lies in a third of the histories, some in another, and only lies in
    /// the last; a quarter of the operations without an answer.
    pub(crate) fn small(random: &mut Random) -> Self {
        Self {
            clients: 1 + random.below(4),
            operations: 2 + random.below(6) + random.below(3),
            lies: *random.pick(&[None, Some(6), Some(1)]),
            abandoned: Some(5),
            failed: Some(10),
        }
    }
}

/// What the keys of a history hold while it is made up: one store, or one for each key.
struct Store<'w, W: Workload> {
    workload: &'w W,
    stores: BTreeMap<Option<W::Key>, W::State>,
    merged: bool,
}

impl<'w, W: Workload> Store<'w, W> {
    fn new(workload: &'w W, inputs: &[W::Input]) -> Self {
        let merged = inputs.iter().any(|input| !matches!(workload.keys(input), Keys::One(_)));
        Self { workload, stores: BTreeMap::new(), merged }
    }

    fn take_effect(&mut self, random: &mut Random, input: &W::Input) -> Option<W::Output> {
        let key = match self.workload.keys(input) {
            Keys::One(key) if !self.merged => Some(key),
            Keys::One(_) | Keys::Several(_) | Keys::All => None,
        };
        let keys = key.clone().map_or_else(|| self.workload.all_keys(), |key| vec![key]);
        let state = self.stores.entry(key).or_insert_with(|| self.workload.initial(&keys));
        let outcomes = self.workload.apply(state, input).into_vec();
        if outcomes.is_empty() {
            return None;
        }
        let (output, next) = random.pick(&outcomes).clone();
        *state = next;
        Some(output)
    }
}

/// A history as a correct store would answer, but for the lies, of which some happen to be true.
pub(crate) fn random_history<W: Workload>(
    workload: &W,
    random: &mut Random,
    shape: Shape,
) -> History<W::Input, W::Output> {
    let inputs: Vec<_> = (0..shape.operations).map(|number| workload.random_input(random, number)).collect();
    let mut store = Store::new(workload, &inputs);
    let mut inputs = inputs.into_iter();
    let mut history = History::default();
    let mut open = BTreeMap::<u64, OpenCall<W>>::new();
    let mut late: Vec<W::Input> = Vec::new();
    let mut next_client = BTreeMap::new();
    let one_in = |random: &mut Random, bound: Option<u64>| bound.is_some_and(|bound| random.one_in(bound));
    for _ in 0..6 * shape.operations {
        let client = random.below(shape.clients);
        let Some(call) = open.get_mut(&client) else {
            let Some(input) = inputs.next() else { continue };
            let client_id = *next_client.entry(client).or_insert(client);
            let id = history.invoke(ClientId(client_id), input.clone(), 0).unwrap();
            open.insert(client, OpenCall { id, input, output: None });
            continue;
        };
        if !late.is_empty() && random.one_in(6) {
            let place = usize::try_from(random.below(late.len() as u64)).unwrap();
            store.take_effect(random, &late.swap_remove(place));
        }
        if call.output.is_none() && !random.one_in(3) {
            call.output = store.take_effect(random, &call.input);
            continue;
        }
        if one_in(random, shape.abandoned) {
            history.abandon(call.id).unwrap();
            late.extend(call.output.is_none().then(|| call.input.clone()));
        } else if let Some(output) = call.output.take() {
            let lie = one_in(random, shape.lies);
            let output = if lie { workload.random_output(random, &call.input) } else { output };
            history.complete(call.id, workload.recorded(random, output), 0).unwrap();
        } else if one_in(random, shape.failed) {
            history.fail(call.id).unwrap();
        } else {
            continue;
        }
        open.remove(&client);
    }
    history
}
