//! What the clients saw: the record from which linearizability is judged.
//!
//! The only order in a history is that of its events, numbered from 1. Whoever records sees to it that this order is
//! real: an answer that a client had before it asked the next question is recorded before that question. Times are
//! labels for the reader, and are never compared: clocks are coarse, and a tie would hide a violation.
//!
//! An operation ends in one of four ways, and to mix them up makes verdicts worthless:
//!
//! | ending | what is known |
//! |---|---|
//! | completed | it took effect once, between invocation and answer, and had this output |
//! | failed | it had no effect and never will: a proof, not a guess |
//! | abandoned | nobody waits for it any more; whether it takes effect, and when, stays open |
//! | open | as abandoned, as far as the history goes |

use std::{collections::BTreeMap, fmt};

/// Whoever invokes operations, one after the other. What does several things at a time is several clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// An operation of a history. Numbered from 1, in the order of invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {}", self.0)
    }
}

/// The position of an event in its history, from 1: the only order there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNumber(pub u64);

impl fmt::Display for EventNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}", self.0)
    }
}

/// One line of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its position.
    pub number: EventNumber,
    /// The operation it happened to.
    pub operation: OperationId,
    /// What happened.
    pub kind: EventKind,
}

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A client asked for it.
    Invoke,
    /// The client was answered.
    Complete,
    /// It is certain that it had no effect, and never will.
    Fail,
    /// The client gave up waiting.
    Abandon,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invoke => "invoked",
            Self::Complete => "completed",
            Self::Fail => "failed",
            Self::Abandon => "abandoned",
        })
    }
}

/// What a client asked, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<I, O> {
    /// Its name.
    pub id: OperationId,
    /// Who asked.
    pub client: ClientId,
    /// What was asked.
    pub input: I,
    /// The event of its invocation.
    pub invoked: EventNumber,
    /// When that was: a label, in nanoseconds since whenever the recorder likes.
    pub invoked_at_ns: u64,
    /// What became of it.
    pub ending: Ending<O>,
}

/// How an operation ended. See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending<O> {
    /// It has not.
    Open,
    /// With an answer.
    Completed {
        /// The event of the answer.
        event: EventNumber,
        /// When that was: a label.
        at_ns: u64,
        /// What was answered.
        output: O,
    },
    /// Without effect, now and for ever.
    Failed {
        /// When this was known.
        event: EventNumber,
    },
    /// Nobody knows how.
    Abandoned {
        /// When the client gave up.
        event: EventNumber,
    },
}

impl<O> Ending<O> {
    /// The event that ended it, and of what kind it was.
    pub fn event(&self) -> Option<(EventNumber, EventKind)> {
        match self {
            Self::Open => None,
            Self::Completed { event, at_ns: _, output: _ } => Some((*event, EventKind::Complete)),
            Self::Failed { event } => Some((*event, EventKind::Fail)),
            Self::Abandoned { event } => Some((*event, EventKind::Abandon)),
        }
    }
}

/// How many operations ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Not at all.
    pub open: u64,
    /// With an answer.
    pub completed: u64,
    /// Certainly without effect.
    pub failed: u64,
    /// Unknown.
    pub abandoned: u64,
}

/// Why an event does not fit a history. It was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The operation was never invoked.
    #[error("{0} was never invoked")]
    UnknownOperation(OperationId),
    /// The operation's name is taken.
    #[error("{0} was invoked before")]
    DuplicateOperation(OperationId),
    /// The operation ended before; an operation ends once.
    #[error("{id} ended before: it {kind} at {event}")]
    AlreadyEnded {
        /// The operation.
        id: OperationId,
        /// How it ended.
        kind: EventKind,
        /// When.
        event: EventNumber,
    },
    /// The client has an operation open; clients do one thing at a time.
    #[error("{client} has {open} open")]
    ClientBusy {
        /// The client.
        client: ClientId,
        /// Its open operation.
        open: OperationId,
    },
}

/// A history of operations with inputs `I` and outputs `O`, recorded event by event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<I, O> {
    events: Vec<Event>,
    /// By id: operation n stands at n - 1.
    operations: Vec<Operation<I, O>>,
    /// The open operation of each client that has one.
    open: BTreeMap<ClientId, OperationId>,
}

impl<I, O> Default for History<I, O> {
    fn default() -> Self {
        Self { events: Vec::new(), operations: Vec::new(), open: BTreeMap::new() }
    }
}

impl<I, O> History<I, O> {
    /// A client asks for something. To be recorded before the request leaves.
    ///
    /// # Errors
    /// [`RecordError::ClientBusy`].
    pub fn invoke(&mut self, client: ClientId, input: I, at_ns: u64) -> Result<OperationId, RecordError> {
        if let Some(&open) = self.open.get(&client) {
            return Err(RecordError::ClientBusy { client, open });
        }
        let id = OperationId(self.operations.len() as u64 + 1);
        let invoked = self.push_event(id, EventKind::Invoke);
        let ending = Ending::Open;
        self.operations.push(Operation { id, client, input, invoked, invoked_at_ns: at_ns, ending });
        self.open.insert(client, id);
        Ok(id)
    }

    /// The client got its answer. To be recorded when the client handles it, not when it arrives.
    ///
    /// # Errors
    /// [`RecordError::UnknownOperation`] and [`RecordError::AlreadyEnded`].
    pub fn complete(&mut self, id: OperationId, output: O, at_ns: u64) -> Result<(), RecordError> {
        self.end(id, EventKind::Complete, |event| Ending::Completed { event, at_ns, output })
    }

    /// The operation certainly had no effect, and never will. An answer like "I am no longer the leader" to a
    /// request that was passed on is no such proof.
    ///
    /// # Errors
    /// [`RecordError::UnknownOperation`] and [`RecordError::AlreadyEnded`].
    pub fn fail(&mut self, id: OperationId) -> Result<(), RecordError> {
        self.end(id, EventKind::Fail, |event| Ending::Failed { event })
    }

    /// The client gave up: whether the operation takes effect, now or much later, stays open.
    ///
    /// # Errors
    /// [`RecordError::UnknownOperation`] and [`RecordError::AlreadyEnded`].
    pub fn abandon(&mut self, id: OperationId) -> Result<(), RecordError> {
        self.end(id, EventKind::Abandon, |event| Ending::Abandoned { event })
    }

    fn end(
        &mut self,
        id: OperationId,
        kind: EventKind,
        ending: impl FnOnce(EventNumber) -> Ending<O>,
    ) -> Result<(), RecordError> {
        let operation = self.operation(id).ok_or(RecordError::UnknownOperation(id))?;
        if let Some((event, kind)) = operation.ending.event() {
            return Err(RecordError::AlreadyEnded { id, kind, event });
        }
        let client = operation.client;
        let event = self.push_event(id, kind);
        self.operations[position(id)].ending = ending(event);
        self.open.remove(&client);
        Ok(())
    }

    fn push_event(&mut self, operation: OperationId, kind: EventKind) -> EventNumber {
        let number = EventNumber(self.events.len() as u64 + 1);
        self.events.push(Event { number, operation, kind });
        number
    }

    /// All events, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All operations, by id.
    pub fn operations(&self) -> &[Operation<I, O>] {
        &self.operations
    }

    /// The operation of this name.
    pub fn operation(&self, id: OperationId) -> Option<&Operation<I, O>> {
        // Zero, which names no operation, wraps to a position that nothing has.
        self.operations.get(position(id))
    }

    /// The operation that a client has open.
    pub fn open_operation(&self, client: ClientId) -> Option<&Operation<I, O>> {
        self.operation(*self.open.get(&client)?)
    }

    /// The history as it was when the event `last` had been recorded.
    pub fn prefix(&self, last: EventNumber) -> Self
    where
        I: Clone,
        O: Clone,
    {
        let mut prefix = Self::default();
        for event in self.events.iter().filter(|event| event.number <= last) {
            let Operation { client, input, invoked_at_ns, ending, .. } =
                &self.operations[position(event.operation)];
            let recorded = match (event.kind, ending) {
                (EventKind::Complete, Ending::Completed { event: _, at_ns, output }) => {
                    prefix.complete(event.operation, output.clone(), *at_ns)
                }
                (EventKind::Invoke, _) => prefix.invoke(*client, input.clone(), *invoked_at_ns).map(|_| ()),
                (EventKind::Fail, _) => prefix.fail(event.operation),
                (EventKind::Abandon | EventKind::Complete, _) => prefix.abandon(event.operation),
            };
            recorded.expect("what was recorded once can be recorded again");
        }
        prefix
    }

    /// How many operations ended how.
    pub fn counts(&self) -> OutcomeCounts {
        let mut counts = OutcomeCounts::default();
        for operation in &self.operations {
            match operation.ending {
                Ending::Open => counts.open += 1,
                Ending::Completed { .. } => counts.completed += 1,
                Ending::Failed { .. } => counts.failed += 1,
                Ending::Abandoned { .. } => counts.abandoned += 1,
            }
        }
        counts
    }
}

/// Where an operation stands among all.
fn position(id: OperationId) -> usize {
    usize::try_from(id.0.wrapping_sub(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    type TextHistory = History<&'static str, u64>;

    /// A history with every ending.
    fn example() -> TextHistory {
        let mut history = TextHistory::default();
        let written = history.invoke(ClientId(1), "write 1", 10).unwrap();
        let abandoned = history.invoke(ClientId(2), "write 2", 10).unwrap();
        history.complete(written, 0, 20).unwrap();
        let failed = history.invoke(ClientId(1), "write 3", 30).unwrap();
        history.abandon(abandoned).unwrap();
        history.fail(failed).unwrap();
        history.invoke(ClientId(2), "read", 40).unwrap();
        history
    }

    #[test]
    fn events_are_numbered_in_the_order_of_recording() {
        let history = example();
        let events: Vec<_> = history.events().iter().map(|e| (e.number.0, e.operation.0, e.kind)).collect();
        use EventKind::{Abandon, Complete, Fail, Invoke};
        let expected = [
            (1, 1, Invoke),
            (2, 2, Invoke),
            (3, 1, Complete),
            (4, 3, Invoke),
            (5, 2, Abandon),
            (6, 3, Fail),
            (7, 4, Invoke),
        ];
        assert_eq!(events, expected);
    }

    #[test]
    fn operations_know_how_they_ended() {
        let history = example();
        let endings: Vec<_> = history.operations().iter().map(|operation| operation.ending.clone()).collect();
        let completed = Ending::Completed { event: EventNumber(3), at_ns: 20, output: 0 };
        let abandoned = Ending::Abandoned { event: EventNumber(5) };
        let failed = Ending::Failed { event: EventNumber(6) };
        assert_eq!(endings, [completed, abandoned, failed, Ending::Open]);
        assert_eq!(history.counts(), OutcomeCounts { open: 1, completed: 1, failed: 1, abandoned: 1 });
        assert_eq!(history.open_operation(ClientId(1)), None);
        assert_eq!(history.open_operation(ClientId(2)).map(|operation| operation.id), Some(OperationId(4)));
        assert_eq!(history.operation(OperationId(0)), None);
        assert_eq!(history.operation(OperationId(5)), None);
    }

    #[test]
    fn an_event_of_an_unknown_operation_is_refused() {
        let mut history = example();
        for id in [OperationId(0), OperationId(5), OperationId(u64::MAX)] {
            let refused = Err(RecordError::UnknownOperation(id));
            assert_eq!(history.complete(id, 0, 50), refused);
            assert_eq!(history.fail(id), refused);
            assert_eq!(history.abandon(id), refused);
        }
        assert_eq!(history, example());
    }

    #[test]
    fn an_operation_ends_once() {
        let mut history = example();
        for (id, kind, event) in
            [(1, EventKind::Complete, 3), (2, EventKind::Abandon, 5), (3, EventKind::Fail, 6)]
        {
            let (id, event) = (OperationId(id), EventNumber(event));
            let refused = Err(RecordError::AlreadyEnded { id, kind, event });
            assert_eq!(history.complete(id, 0, 50), refused);
            assert_eq!(history.fail(id), refused);
            assert_eq!(history.abandon(id), refused);
        }
        assert_eq!(history, example());
    }

    #[test]
    fn a_client_has_one_operation_open() {
        let mut history = example();
        let refused = Err(RecordError::ClientBusy { client: ClientId(2), open: OperationId(4) });
        assert_eq!(history.invoke(ClientId(2), "read", 50), refused);
        assert_eq!(history, example());
    }
}
