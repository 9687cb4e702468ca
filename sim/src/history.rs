//! What the clients saw: the record from which linearizability is judged.
//!
//! The only order in a history is that of its events, numbered from 1. The simulation runs on one thread, so that
//! order is real: a client that got one answer before it asked the next question did so in this order, even at
//! one instant of virtual time. Times are labels for the reader, and are never compared.
//!
//! An operation ends in one of four ways, and to mix them up makes verdicts worthless:
//!
//! | ending | what is known |
//! |---|---|
//! | completed | it took effect once, between invocation and answer, and had this output |
//! | failed | it had no effect and never will: a proof, not a guess |
//! | abandoned | nobody waits for it any more; whether it takes effect, and when, stays open |
//! | open | as abandoned, as far as the history goes |
//!
//! # The file format
//!
//! One JSON object a line and event, in the order of the events:
//!
//! ```text
//! {"event":"invoke","op":1,"client":1,"time_ns":1500,"input":{"put":{"key":"x","value":"1"}}}
//! {"event":"complete","op":1,"time_ns":2750,"output":"written"}
//! {"event":"invoke","op":2,"client":1,"time_ns":3000,"input":{"cas":{"key":"x","expected":"1","value":"2"}}}
//! {"event":"abandon","op":2}
//! {"event":"invoke","op":3,"client":2,"time_ns":3500,"input":{"get":{"key":"x"}}}
//! {"event":"fail","op":3}
//! ```
//!
//! `op` names an operation and is used for one `invoke` only; `client` is any number; inputs and outputs are the
//! [commands](crate::kv::Command) and [replies](crate::kv::Reply) of the store, or those of another type that
//! serde knows. Blank lines are skipped.

use std::{collections::BTreeMap, fmt, io};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wavetank_process::ClientId;

use crate::time::Time;

pub mod jepsen;
pub mod edn;

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
    /// When that was: a label.
    pub invoked_at: Time,
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
        at: Time,
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
            Self::Completed { event, at: _, output: _ } => Some((*event, EventKind::Complete)),
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
    #[error("client {} has {open} open", client.0)]
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
    pub fn invoke(&mut self, client: ClientId, input: I, at: Time) -> Result<OperationId, RecordError> {
        if let Some(&open) = self.open.get(&client) {
            return Err(RecordError::ClientBusy { client, open });
        }
        let id = OperationId(self.operations.len() as u64 + 1);
        let invoked = self.push_event(id, EventKind::Invoke);
        let ending = Ending::Open;
        self.operations.push(Operation { id, client, input, invoked, invoked_at: at, ending });
        self.open.insert(client, id);
        Ok(id)
    }

    /// The client got its answer. To be recorded when the client handles it, not when it arrives.
    ///
    /// # Errors
    /// [`RecordError::UnknownOperation`] and [`RecordError::AlreadyEnded`].
    pub fn complete(&mut self, id: OperationId, output: O, at: Time) -> Result<(), RecordError> {
        self.end(id, EventKind::Complete, |event| Ending::Completed { event, at, output })
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

/// One line of a history file.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
enum Line<I, O> {
    Invoke { op: u64, client: u64, time_ns: u64, input: I },
    Complete { op: u64, time_ns: u64, output: O },
    Fail { op: u64 },
    Abandon { op: u64 },
}

impl<I: Serialize, O: Serialize> History<I, O> {
    /// Writes the history in the [file format](self).
    ///
    /// # Errors
    /// When writing fails.
    pub fn write_json_lines(&self, out: &mut impl io::Write) -> io::Result<()> {
        for event in &self.events {
            serde_json::to_writer(&mut *out, &self.line(event))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn line(&self, event: &Event) -> Line<&I, &O> {
        let operation = &self.operations[position(event.operation)];
        let op = operation.id.0;
        match (event.kind, &operation.ending) {
            (EventKind::Invoke, _) => {
                let Operation { client, input, invoked_at, .. } = operation;
                Line::Invoke { op, client: client.0, time_ns: invoked_at.0, input }
            }
            (EventKind::Complete, Ending::Completed { at, output, event: _ }) => {
                Line::Complete { op, time_ns: at.0, output }
            }
            (EventKind::Fail, _) => Line::Fail { op },
            (EventKind::Abandon, _) => Line::Abandon { op },
            (EventKind::Complete, Ending::Open | Ending::Failed { .. } | Ending::Abandoned { .. }) => {
                unreachable!("{} has an event of completion and no output", operation.id)
            }
        }
    }
}

/// Reads a history in the [file format](self). Operations are numbered anew, in the order of invocation.
///
/// # Errors
/// At the first line that is no event or does not fit the lines before it, and when there is no event at all.
pub fn read_json_lines<I, O>(text: &str) -> Result<History<I, O>, ReadError>
where
    I: DeserializeOwned,
    O: DeserializeOwned,
{
    let mut history = History::default();
    let mut names = BTreeMap::new();
    read_lines(text, |line| record_line(&mut history, &mut names, line))?;
    Ok(history)
}

/// Records one line; `names` leads from the file's names of operations to ours.
fn record_line<I, O>(
    history: &mut History<I, O>,
    names: &mut BTreeMap<u64, OperationId>,
    text: &str,
) -> Result<(), ReadProblem>
where
    I: DeserializeOwned,
    O: DeserializeOwned,
{
    let named = |op| names.get(&op).copied().ok_or(RecordError::UnknownOperation(OperationId(op)));
    match serde_json::from_str(text).map_err(json_problem)? {
        Line::Invoke { op, client, time_ns, input } => {
            if named(op).is_ok() {
                return Err(RecordError::DuplicateOperation(OperationId(op)).into());
            }
            names.insert(op, history.invoke(ClientId(client), input, Time(time_ns))?);
        }
        Line::Complete { op, time_ns, output } => history.complete(named(op)?, output, Time(time_ns))?,
        Line::Fail { op } => history.fail(named(op)?)?,
        Line::Abandon { op } => history.abandon(named(op)?)?,
    }
    Ok(())
}

/// What a JSON parser has to say, without its count of lines: it only ever sees one.
fn json_problem(error: serde_json::Error) -> ReadProblem {
    let (column, message) = (error.column(), error.to_string());
    let message = message.split(" at line ").next().unwrap_or_default();
    ReadProblem::Syntax { expected: format!("an event in JSON ({message}, column {column})") }
}

/// Why a file holds no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}, in `{text}`")]
pub struct ReadError {
    /// The line, from 1.
    pub line: u64,
    /// How the line reads, cut off where it gets long.
    pub text: String,
    /// What is wrong with it.
    pub problem: ReadProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadProblem {
    /// It is not of the format.
    #[error("expected {expected}")]
    Syntax {
        /// What should have stood there.
        expected: String,
    },
    /// It does not fit what came before.
    #[error("expected an event that fits those before it: {0}")]
    Record(#[from] RecordError),
}

impl ReadProblem {
    fn expected(what: &str) -> Self {
        Self::Syntax { expected: what.to_owned() }
    }
}

/// The most characters of a line that an error repeats.
const SHOWN_CHARACTERS: usize = 120;

/// Hands every line that is not blank to `record`. A file without any such line is refused, for it would pass
/// every check.
fn read_lines(text: &str, mut record: impl FnMut(&str) -> Result<(), ReadProblem>) -> Result<(), ReadError> {
    let error = |line, text: &str, problem| {
        let text = text.chars().take(SHOWN_CHARACTERS).collect();
        Err(ReadError { line, text, problem })
    };
    let mut empty = true;
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() {
            empty = false;
            record(line).or_else(|problem| error(number, line, problem))?;
        }
    }
    if empty { error(1, text.trim(), ReadProblem::expected("at least one event")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Command, Reply};

    type KvHistory = History<Command, Reply>;

    fn get() -> Command {
        Command::Get { key: "x".into() }
    }

    fn put(value: &str) -> Command {
        Command::Put { key: "x".into(), value: value.into() }
    }

    /// A history with every ending.
    fn example() -> KvHistory {
        let mut history = KvHistory::default();
        let written = history.invoke(ClientId(1), put("1"), Time(10)).unwrap();
        let abandoned = history.invoke(ClientId(2), put("2"), Time(10)).unwrap();
        history.complete(written, Reply::Written, Time(20)).unwrap();
        let failed = history.invoke(ClientId(1), put("3"), Time(30)).unwrap();
        history.abandon(abandoned).unwrap();
        history.fail(failed).unwrap();
        history.invoke(ClientId(2), get(), Time(40)).unwrap();
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
        let completed = Ending::Completed { event: EventNumber(3), at: Time(20), output: Reply::Written };
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
            assert_eq!(history.complete(id, Reply::Written, Time(50)), refused);
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
            assert_eq!(history.complete(id, Reply::Written, Time(50)), refused);
            assert_eq!(history.fail(id), refused);
            assert_eq!(history.abandon(id), refused);
        }
        assert_eq!(history, example());
    }

    #[test]
    fn a_client_has_one_operation_open() {
        let mut history = example();
        let refused = Err(RecordError::ClientBusy { client: ClientId(2), open: OperationId(4) });
        assert_eq!(history.invoke(ClientId(2), get(), Time(50)), refused);
        assert_eq!(history, example());
    }

    fn written(history: &KvHistory) -> String {
        let mut out = Vec::new();
        history.write_json_lines(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_file_format_is_the_documented_one() {
        let expected = r#"{"event":"invoke","op":1,"client":1,"time_ns":10,"input":{"put":{"key":"x","value":"1"}}}
{"event":"invoke","op":2,"client":2,"time_ns":10,"input":{"put":{"key":"x","value":"2"}}}
{"event":"complete","op":1,"time_ns":20,"output":"written"}
{"event":"invoke","op":3,"client":1,"time_ns":30,"input":{"put":{"key":"x","value":"3"}}}
{"event":"abandon","op":2}
{"event":"fail","op":3}
{"event":"invoke","op":4,"client":2,"time_ns":40,"input":{"get":{"key":"x"}}}
"#;
        assert_eq!(written(&example()), expected);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        assert_eq!(read_json_lines(&written(&example())), Ok(example()));
    }

    #[test]
    fn every_command_and_reply_reads_back_the_same() {
        let mut history = KvHistory::default();
        let (key, value) = (String::from("k\"\n"), String::from("é"));
        for (input, output) in [
            (get(), Reply::Value(None)),
            (get(), Reply::Value(Some(value.clone()))),
            (put(""), Reply::Stale),
            (put(""), Reply::Malformed),
            (
                Command::Cas { key: key.clone(), expected: None, value: value.clone() },
                Reply::CasResult { ok: true, actual: None },
            ),
            (
                Command::Cas { key: key.clone(), expected: Some("1".into()), value: value.clone() },
                Reply::CasFailed,
            ),
            (Command::Append { key, value }, Reply::Appended),
        ] {
            let id = history.invoke(ClientId(1), input, Time(1)).unwrap();
            history.complete(id, output, Time(2)).unwrap();
        }
        assert_eq!(read_json_lines(&written(&history)), Ok(history));
    }

    #[test]
    fn operations_may_have_any_names_in_a_file() {
        let text = r#"
            {"event":"invoke","op":70,"client":0,"time_ns":0,"input":{"get":{"key":"x"}}}

            {"event":"invoke","op":7,"client":1,"time_ns":0,"input":{"get":{"key":"x"}}}
            {"event":"complete","op":70,"time_ns":0,"output":{"value":null}}"#;
        let history: KvHistory = read_json_lines(text).unwrap();
        assert_eq!(history.counts(), OutcomeCounts { open: 1, completed: 1, failed: 0, abandoned: 0 });
        assert_eq!(history.events()[2].operation, OperationId(1));
    }

    /// The error of a file whose first lines are [`example`]'s and whose last is this one.
    fn error_of(line: &str) -> String {
        let error = read_json_lines::<Command, Reply>(&(written(&example()) + line)).unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (8, line));
        error.to_string()
    }

    #[test]
    fn errors_name_the_line_the_text_and_what_was_expected() {
        let cases = [
            ("nonsense", "line 8: expected an event in JSON (expected ident, column 2), in `nonsense`"),
            (
                r#"{"event":"leave","op":1}"#,
                "line 8: expected an event in JSON (unknown variant `leave`, expected one of `invoke`, `complete`, \
                 `fail`, `abandon`, column 16), in `{\"event\":\"leave\",\"op\":1}`",
            ),
            (
                r#"{"event":"fail","op":1}"#,
                "line 8: expected an event that fits those before it: op 1 ended before: it completed at event 3, \
                 in `{\"event\":\"fail\",\"op\":1}`",
            ),
            (
                r#"{"event":"abandon","op":9}"#,
                "line 8: expected an event that fits those before it: op 9 was never invoked, \
                 in `{\"event\":\"abandon\",\"op\":9}`",
            ),
        ];
        for (line, message) in cases {
            assert_eq!(error_of(line), message);
        }
        for line in [
            r#"{"event":"fail","op":-1}"#,
            r#"{"event":"fail"}"#,
            r#"{"event":"fail","op":4,"time_ns":1}"#,
            r#"{"event":"complete","op":4,"time_ns":1,"output":"read"}"#,
            r#"{"event":"invoke","op":5,"client":2,"time_ns":1,"input":{"get":{"key":"x"}}}"#,
            r#"{"event":"invoke","op":1,"client":9,"time_ns":1,"input":{"get":{"key":"x"}}}"#,
        ] {
            error_of(line);
        }
    }

    #[test]
    fn a_file_without_events_is_refused() {
        for text in ["", "\n \n"] {
            let error = read_json_lines::<Command, Reply>(text).unwrap_err();
            assert_eq!(error.to_string(), "line 1: expected at least one event, in ``");
        }
    }

    #[test]
    fn a_long_line_is_cut_off_in_an_error() {
        let error = read_json_lines::<Command, Reply>(&"é".repeat(1000)).unwrap_err();
        assert_eq!(error.text, "é".repeat(SHOWN_CHARACTERS));
    }
}
