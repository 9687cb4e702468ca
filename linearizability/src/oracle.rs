//! The oracle: tries every order. It is for histories of a few operations, uses no hint and nothing of the search, and is
//! what everything else here is tested against.

use std::collections::BTreeSet;

use crate::{
    history::{Ending, EventKind, EventNumber, History, Operation, OperationId},
    specification::{Keys, Specification},
};

/// The first event up to which no order explains the history, if there is one.
pub fn first_violation<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> Option<EventNumber> {
    let ends = |kind| match kind {
        EventKind::Complete | EventKind::Fail => true,
        EventKind::Invoke | EventKind::Abandon => false,
    };
    let mut candidates = history.events().iter().filter(|event| ends(event.kind)).map(|event| event.number);
    candidates.find(|&last| !Orders { spec, history, last }.some_explains())
}

/// All orders of what had happened by an event.
struct Orders<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    last: EventNumber,
}

impl<S: Specification> Orders<'_, S> {
    /// Everything is one store here: all keys of all operations.
    fn some_explains(&self) -> bool {
        let mut keys = BTreeSet::new();
        for operation in self.history.operations() {
            match self.spec.keys(&operation.input) {
                Keys::One(key) => keys.extend([key]),
                Keys::Several(several) => keys.extend(several),
                Keys::All => (),
            }
        }
        let keys: Vec<_> = keys.into_iter().collect();
        let operation = |operation: &Operation<_, _>| match self.spec.keys(&operation.input) {
            Keys::One(key) => keys.binary_search(&key).unwrap_or(0),
            Keys::Several(_) | Keys::All => usize::MAX,
        };
        // Operations on several keys make one store of all; otherwise each key is one of its own.
        let merged = self.history.operations().iter().any(|one| operation(one) == usize::MAX);
        let stores = if merged { vec![self.spec.initial(&keys)] } else { self.stores(&keys) };
        let store_of = |one: &Operation<_, _>| if merged { 0 } else { operation(one) };
        self.go_on(&mut Vec::new(), &stores, &store_of)
    }

    fn stores(&self, keys: &[S::Key]) -> Vec<S::State> {
        keys.iter().map(|key| self.spec.initial(std::slice::from_ref(key))).collect()
    }

    /// Whether the operations placed, which left the stores like this, can be followed by others so that every answer
    /// is explained.
    fn go_on(
        &self,
        placed: &mut Vec<OperationId>,
        stores: &[S::State],
        store_of: &impl Fn(&Operation<S::Input, S::Output>) -> usize,
    ) -> bool {
        let waiting = |operation: &&Operation<_, _>| {
            let failed = matches!(operation.ending, Ending::Failed { event } if event <= self.last);
            operation.invoked <= self.last && !failed && !placed.contains(&operation.id)
        };
        let waiting: Vec<_> = self.history.operations().iter().filter(waiting).collect();
        let first_answer = waiting.iter().filter_map(|operation| Some(self.answer(operation)?.0)).min();
        let Some(first_answer) = first_answer else { return true };
        for operation in waiting.into_iter().filter(|operation| operation.invoked < first_answer) {
            let store = store_of(operation);
            for (output, next) in self.spec.apply(&stores[store], &operation.input) {
                let agrees = self.answer(operation).is_none_or(|(_, told)| self.spec.agrees(&output, told));
                let mut stores = stores.to_vec();
                stores[store] = next;
                placed.push(operation.id);
                if agrees && self.go_on(placed, &stores, store_of) {
                    return true;
                }
                placed.pop();
            }
        }
        false
    }

    /// The answer, as far as there was one by then.
    fn answer<'o>(
        &self,
        operation: &'o Operation<S::Input, S::Output>,
    ) -> Option<(EventNumber, &'o S::Output)> {
        match &operation.ending {
            Ending::Completed { event, at_ns: _, output } => {
                (*event <= self.last).then_some((*event, output))
            }
            Ending::Open | Ending::Failed { .. } | Ending::Abandoned { .. } => None,
        }
    }
}
