//! The verifier: replays an order, and says whether it explains a history. It shares nothing with the search, so
//! that nothing passes because of a mistake there.

use crate::{
    hash::Interner,
    history::{Ending, EventNumber, History, Operation, OperationId},
    specification::{Keys, Specification},
};

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
    let mut store = Store::new(spec, history);
    let mut seen = vec![false; history.operations().len()];
    let mut latest_invocation = EventNumber(0);
    for &id in witness {
        let operation = history.operation(id).ok_or(WitnessError::UnknownOperation(id))?;
        // An operation of the history has a position.
        let position = (id.0 - 1) as usize;
        if seen[position] {
            return Err(WitnessError::Repeated(id));
        }
        seen[position] = true;
        let answer = match &operation.ending {
            Ending::Failed { event: _ } => return Err(WitnessError::Failed(id)),
            Ending::Open | Ending::Abandoned { event: _ } => None,
            Ending::Completed { event, at_ns: _, output } => {
                if *event < latest_invocation {
                    return Err(WitnessError::OutOfTime(id));
                }
                Some(output)
            }
        };
        latest_invocation = latest_invocation.max(operation.invoked);
        if !store.take_effect(position, operation, answer) {
            return Err(WitnessError::OtherAnswer(id));
        }
    }
    let answered = |operation: &&Operation<_, _>| matches!(operation.ending, Ending::Completed { .. });
    let mut missing = history.operations().iter().filter(answered).map(|operation| operation.id);
    missing.find(|id| !seen[(id.0 - 1) as usize]).map_or(Ok(()), |id| Err(WitnessError::Missing(id)))
}

/// What every key may hold, after the operations so far.
struct Store<'s, S: Specification> {
    spec: &'s S,
    /// Which of the states below each operation is about.
    groups: Vec<u32>,
    /// The keys of each group.
    keys: Vec<Vec<S::Key>>,
    /// By group: all states that are possible, which are several only if the specification leaves a choice. None at
    /// all means that nothing took effect yet.
    states: Vec<Vec<S::State>>,
    /// Reused from operation to operation.
    next: Vec<S::State>,
}

impl<'s, S: Specification> Store<'s, S> {
    fn new(spec: &'s S, history: &History<S::Input, S::Output>) -> Self {
        let (groups, keys) = groups(spec, history);
        let states = vec![Vec::new(); keys.len()];
        Self { spec, groups, keys, states, next: Vec::new() }
    }

    /// Whether an operation may take effect now, and be answered so.
    fn take_effect(
        &mut self,
        position: usize,
        operation: &Operation<S::Input, S::Output>,
        answer: Option<&S::Output>,
    ) -> bool {
        let group = self.groups[position] as usize;
        let states = &mut self.states[group];
        if states.is_empty() {
            states.push(self.spec.initial(&self.keys[group]));
        }
        let agrees = |output: &S::Output| answer.is_none_or(|answer| self.spec.agrees(output, answer));
        let outcomes = states.iter().flat_map(|state| self.spec.apply(state, &operation.input));
        self.next.clear();
        for (output, state) in outcomes {
            if agrees(&output) && !self.next.contains(&state) {
                self.next.push(state);
            }
        }
        std::mem::swap(states, &mut self.next);
        !states.is_empty()
    }
}

/// Groups keys so that all keys of an operation are in one: by operation, its group; and the groups' keys, ascending.
fn groups<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
) -> (Vec<u32>, Vec<Vec<S::Key>>) {
    let mut names = Interner::default();
    let mut group_of_key: Vec<u32> = Vec::new();
    let mut first_keys = Vec::with_capacity(history.operations().len());
    let mut everything = false;
    for operation in history.operations() {
        let keys = match spec.keys(&operation.input) {
            Keys::One(key) => {
                first_keys.push(Some(names.intern(key)));
                group_of_key.extend((group_of_key.len()..names.values().len()).map(|key| key as u32));
                continue;
            }
            Keys::Several(keys) => keys,
            Keys::All => {
                everything = true;
                first_keys.push(None);
                continue;
            }
        };
        let numbers: Vec<_> = keys.into_iter().map(|key| names.intern(key)).collect();
        group_of_key.extend((group_of_key.len()..names.values().len()).map(|key| key as u32));
        first_keys.push(numbers.first().copied());
        // Operations on several keys are few: a walk over all keys for each keeps this plain.
        for pair in numbers.windows(2) {
            let (old, new) = (group_of_key[pair[0] as usize], group_of_key[pair[1] as usize]);
            group_of_key.iter_mut().filter(|group| **group == old).for_each(|group| *group = new);
        }
    }
    if everything {
        group_of_key.fill(0);
    }
    let mut keys = vec![Vec::new(); names.values().len().max(1)];
    for (key, &group) in names.values().iter().zip(&group_of_key) {
        keys[group as usize].push(key.clone());
    }
    keys.iter_mut().for_each(|keys| keys.sort_unstable());
    let group = |key: Option<u32>| key.map_or(0, |key| group_of_key[key as usize]);
    (first_keys.into_iter().map(group).collect(), keys)
}
