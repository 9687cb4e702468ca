//! Histories as JSON lines: one object an event, in the order of the events:
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
//! `op` names an operation and is used for one `invoke` only; `client` is any number; `time_ns` is a label and may be left
//! out, because the order of the lines is the only order; inputs and outputs are the
//! [commands](crate::specifications::key_value::Command) and
//! [replies](crate::specifications::key_value::Reply) of a key-value map, or those of any other types that serde knows. Blank lines are skipped.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ReadError, ReadProblem, read_lines};
use crate::history::{ClientId, Ending, EventKind, History, Operation, OperationId, RecordError};

/// One line of a history file.
#[derive(Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
enum Line<I, O> {
    Invoke {
        op: u64,
        client: u64,
        #[serde(default)]
        time_ns: u64,
        input: I,
    },
    Complete {
        op: u64,
        #[serde(default)]
        time_ns: u64,
        output: O,
    },
    Fail {
        op: u64,
    },
    Abandon {
        op: u64,
    },
}

/// Writes a history in the [file format](self).
///
/// # Errors
/// When writing fails.
pub fn write<I: Serialize, O: Serialize>(
    history: &History<I, O>,
    out: &mut impl io::Write,
) -> io::Result<()> {
    for event in history.events() {
        let operation = history.operation(event.operation).expect("an event is about an operation");
        serde_json::to_writer(&mut *out, &line(event.kind, operation))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn line<I, O>(kind: EventKind, operation: &Operation<I, O>) -> Line<&I, &O> {
    let op = operation.id.0;
    match (kind, &operation.ending) {
        (EventKind::Invoke, _) => {
            let Operation { client, input, invoked_at_ns, .. } = operation;
            Line::Invoke { op, client: client.0, time_ns: *invoked_at_ns, input }
        }
        (EventKind::Complete, Ending::Completed { at_ns, output, event: _ }) => {
            Line::Complete { op, time_ns: *at_ns, output }
        }
        (EventKind::Fail, _) => Line::Fail { op },
        (EventKind::Abandon, _) => Line::Abandon { op },
        (EventKind::Complete, Ending::Open | Ending::Failed { .. } | Ending::Abandoned { .. }) => {
            unreachable!("{} has an event of completion and no output", operation.id)
        }
    }
}

/// Reads a history in the [file format](self). Operations are numbered anew, in the order of invocation.
///
/// # Errors
/// At the first line that is no event or does not fit the lines before it, and when there is no event at all.
pub fn read<I, O>(text: &str) -> Result<History<I, O>, ReadError>
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
            names.insert(op, history.invoke(ClientId(client), input, time_ns)?);
        }
        Line::Complete { op, time_ns, output } => history.complete(named(op)?, output, time_ns)?,
        Line::Fail { op } => history.fail(named(op)?)?,
        Line::Abandon { op } => history.abandon(named(op)?)?,
    }
    Ok(())
}

/// What a JSON parser has to say, without its count of lines: it only ever sees one.
fn json_problem(error: serde_json::Error) -> ReadProblem {
    let (column, message) = (error.column(), error.to_string());
    let message = message.split(" at line ").next().unwrap_or_default();
    // What is only known of the line as a whole has no column.
    let place = if 0 < column { format!(", column {column}") } else { String::new() };
    ReadProblem::Syntax { expected: format!("an event in JSON ({message}{place})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::OutcomeCounts,
        specifications::key_value::{Command, Reply},
    };

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
        let written = history.invoke(ClientId(1), put("1"), 10).unwrap();
        let abandoned = history.invoke(ClientId(2), put("2"), 10).unwrap();
        history.complete(written, Reply::Written, 20).unwrap();
        let failed = history.invoke(ClientId(1), put("3"), 30).unwrap();
        history.abandon(abandoned).unwrap();
        history.fail(failed).unwrap();
        history.invoke(ClientId(2), get(), 40).unwrap();
        history
    }

    fn written(history: &KvHistory) -> String {
        let mut out = Vec::new();
        write(history, &mut out).unwrap();
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
        assert_eq!(read(&written(&example())), Ok(example()));
    }

    #[test]
    fn every_command_and_reply_reads_back_the_same() {
        let mut history = KvHistory::default();
        let (key, value) = (String::from("k\"\n"), String::from("é"));
        for (input, output) in [
            (get(), Reply::Value(None)),
            (get(), Reply::Value(Some(value.clone()))),
            (put(""), Reply::Other("stale".into())),
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
            let id = history.invoke(ClientId(1), input, 1).unwrap();
            history.complete(id, output, 2).unwrap();
        }
        assert_eq!(read(&written(&history)), Ok(history));
    }

    #[test]
    fn operations_may_have_any_names_in_a_file_and_need_no_times() {
        let text = r#"
            {"event":"invoke","op":70,"client":0,"time_ns":0,"input":{"get":{"key":"x"}}}

            {"event":"invoke","op":7,"client":1,"input":{"get":{"key":"x"}}}
            {"event":"complete","op":70,"output":{"value":null}}"#;
        let history: KvHistory = read(text).unwrap();
        assert_eq!(history.counts(), OutcomeCounts { open: 1, completed: 1, failed: 0, abandoned: 0 });
        assert_eq!(history.events()[2].operation, OperationId(1));
    }

    /// The error of a file whose first lines are [`example`]'s and whose last is this one.
    fn error_of(line: &str) -> String {
        let error = read::<Command, Reply>(&(written(&example()) + line)).unwrap_err();
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
            let error = read::<Command, Reply>(text).unwrap_err();
            assert_eq!(error.to_string(), "line 1: expected at least one event");
        }
    }

    #[test]
    fn a_long_line_is_cut_off_in_an_error() {
        let error = read::<Command, Reply>(&"é".repeat(1000)).unwrap_err();
        assert_eq!(error.text, "é".repeat(super::super::SHOWN_CHARACTERS));
    }
}
