//! Logs of Jepsen tests of one compare-and-set register.
//!
//! A client's line looks like one of these; its fields stand apart by tabs or spaces:
//!
//! ```text
//! INFO  jepsen.util - 3   :invoke :cas    [1 2]
//! INFO  jepsen.util - 3   :fail   :cas    [1 2]
//! INFO  jepsen.util - 4   :invoke :read   nil
//! INFO  jepsen.util - 4   :fail   :read   :timed-out
//! INFO  jepsen.util - 5   :invoke :write  2
//! INFO  jepsen.util - 5   :info   :write  :timed-out
//! ```
//!
//! `:info` means that nobody knows whether the operation takes effect, nor when. A read that failed
//! constrains nothing. A compare-and-set that failed did compare, and found something else, which the log does not
//! tell. Lines of the nemesis and of other loggers are skipped, so event numbers count the clients' lines.

use super::{ReadError, ReadProblem, read_lines};
use crate::{
    history::{ClientId, History},
    specifications::key_value::{Command, Reply},
};

/// The name that the register goes by in the histories read: the logs have none for it.
pub const KEY: &str = "register";

/// What the register holds in the beginning: nothing.
pub const INITIAL: Option<&str> = None;

/// Reads a log.
///
/// # Errors
/// At the first line that is not of the format or does not fit the lines before it, and when there is none.
pub fn read(text: &str) -> Result<History<Command, Reply>, ReadError> {
    let mut history = History::default();
    read_lines(text, |line| record(&mut history, line))?;
    Ok(history)
}

fn record(history: &mut History<Command, Reply>, line: &str) -> Result<(), ReadProblem> {
    let expected = ReadProblem::expected;
    let (origin, client_line) =
        line.split_once(" - ").ok_or_else(|| expected("a log line, `LEVEL LOGGER - MESSAGE`"))?;
    if origin.split_whitespace().last() != Some("jepsen.util") || client_line.trim().starts_with(":nemesis") {
        return Ok(());
    }
    let fields: Vec<_> = client_line.split_whitespace().collect();
    let &[process, kind, function, ref value @ ..] = fields.as_slice() else {
        return Err(expected("process, type, function and value"));
    };
    let client = ClientId(process.parse().map_err(|_| expected("a process number"))?);
    if kind == ":invoke" {
        history.invoke(client, command(function, value)?, NO_TIME_NS)?;
        return Ok(());
    }
    let operation = history
        .open_operation(client)
        .filter(|operation| names(function, &operation.input))
        .ok_or_else(|| expected("the end of an operation that this process has open"))?;
    let (id, input) = (operation.id, &operation.input);
    match (kind, input) {
        (":info", _) => history.abandon(id)?,
        (":fail", Command::Cas { .. }) if command(function, value).as_ref() == Ok(input) => {
            history.complete(id, Reply::CasFailed, NO_TIME_NS)?;
        }
        (":fail", Command::Cas { .. }) => {
            return Err(expected("the values of the compare-and-set that failed"));
        }
        (":fail", _) => history.fail(id)?,
        (":ok", _) => {
            let output = output(input, function, value)?;
            history.complete(id, output, NO_TIME_NS)?;
        }
        (_, _) => return Err(expected("`:invoke`, `:ok`, `:fail` or `:info`")),
    }
    Ok(())
}

/// The logs tell no times.
const NO_TIME_NS: u64 = 0;

/// Whether a log calls this command so.
fn names(function: &str, command: &Command) -> bool {
    match command {
        Command::Get { .. } => function == ":read",
        Command::Put { .. } => function == ":write",
        Command::Cas { .. } => function == ":cas",
        Command::Append { .. } | Command::GetAll { .. } | Command::PutAll { .. } => false,
    }
}

fn command(function: &str, value: &[&str]) -> Result<Command, ReadProblem> {
    let key = KEY.to_owned();
    match (function, value) {
        (":read", ["nil"]) => Ok(Command::Get { key }),
        (":write", &[value]) => Ok(Command::Put { key, value: number(value)? }),
        (":cas", [from, to]) => {
            let (from, to) = from.strip_prefix('[').zip(to.strip_suffix(']')).ok_or_else(no_command)?;
            Ok(Command::Cas { key, expected: Some(number(from)?), value: number(to)? })
        }
        _ => Err(no_command()),
    }
}

fn no_command() -> ReadProblem {
    ReadProblem::expected("`:read nil`, `:write N` or `:cas [N N]`")
}

fn output(input: &Command, function: &str, value: &[&str]) -> Result<Reply, ReadProblem> {
    if let Command::Get { .. } = input {
        return match value {
            ["nil"] => Ok(Reply::Value(None)),
            &[value] => Ok(Reply::Value(Some(number(value)?))),
            _ => Err(ReadProblem::expected("the value read, or `nil`")),
        };
    }
    if command(function, value)? != *input {
        return Err(ReadProblem::expected("the values that the operation was invoked with"));
    }
    Ok(match input {
        Command::Cas { expected, .. } => Reply::CasResult { ok: true, actual: expected.clone() },
        Command::Get { .. }
        | Command::Put { .. }
        | Command::Append { .. }
        | Command::GetAll { .. }
        | Command::PutAll { .. } => Reply::Written,
    })
}

/// The text of a number. That it is one is checked, so that `:timed-out` is never taken for a value.
fn number(text: &str) -> Result<String, ReadProblem> {
    match text.parse::<i64>() {
        Ok(number) => Ok(number.to_string()),
        Err(_) => Err(ReadProblem::expected("a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Ending, EventNumber};

    const LOG: &str = "\
INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - 1 :invoke :write 4
INFO  jepsen.util - :nemesis :info :start nil
INFO  jepsen.core - Worker 1 starting
INFO  jepsen.util - 0\t:ok\t:read\tnil
INFO  jepsen.util - 0   :invoke :cas    [4 2]
INFO  jepsen.util - 0   :ok :cas    [4 2]
INFO  jepsen.util - 0   :invoke :cas    [4 2]
INFO  jepsen.util - 0   :fail :cas    [4 2]
INFO  jepsen.util - 0   :invoke :read    nil
INFO  jepsen.util - 1 :info :write :timed-out
INFO  jepsen.util - 0   :fail :read    :timed-out
INFO  jepsen.util - 0   :invoke :read    nil
INFO  jepsen.util - 0   :ok :read    2
";

    #[test]
    fn each_line_of_a_client_is_an_event_of_its_kind() {
        let history = read(LOG).unwrap();
        let shown: Vec<_> = history
            .operations()
            .iter()
            .map(|operation| {
                let ending = match &operation.ending {
                    Ending::Open => String::from("open"),
                    Ending::Completed { event: EventNumber(event), at_ns: _, output } => {
                        format!("{event} {output}")
                    }
                    Ending::Failed { event: EventNumber(event) } => format!("{event} failed"),
                    Ending::Abandoned { event: EventNumber(event) } => format!("{event} abandoned"),
                };
                format!("{} {} {}: {ending}", operation.client.0, operation.invoked.0, operation.input)
            })
            .collect();
        let expected = [
            "0 1 get register: 3 ∅",
            "1 2 put register=4: 9 abandoned",
            "0 4 cas register 4→2: 5 swapped",
            "0 6 cas register 4→2: 7 not swapped",
            "0 8 get register: 10 failed",
            "0 11 get register: 12 2",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn errors_name_the_line_the_text_and_what_was_expected() {
        let cases = [
            ("not a log", "a log line, `LEVEL LOGGER - MESSAGE`"),
            ("INFO jepsen.util - 1 :invoke", "process, type, function and value"),
            ("INFO jepsen.util - one :invoke :read nil", "a process number"),
            ("INFO jepsen.util - 1 :invoke :read 4", "`:read nil`, `:write N` or `:cas [N N]`"),
            ("INFO jepsen.util - 1 :invoke :write x", "a number"),
            ("INFO jepsen.util - 1 :invoke :cas 1 2", "`:read nil`, `:write N` or `:cas [N N]`"),
            ("INFO jepsen.util - 1 :ok :read nil", "the end of an operation that this process has open"),
            ("INFO jepsen.util - 7 :ok :write 1", "the end of an operation that this process has open"),
            ("INFO jepsen.util - 7 :ok :read :timed-out", "a number"),
            ("INFO jepsen.util - 7 :ok :read", "the value read, or `nil`"),
            ("INFO jepsen.util - 7 :done :read 1", "`:invoke`, `:ok`, `:fail` or `:info`"),
            ("INFO jepsen.util - 8 :ok :write 2", "the values that the operation was invoked with"),
            ("INFO jepsen.util - 9 :fail :cas [1 3]", "the values of the compare-and-set that failed"),
            ("INFO jepsen.util - 9 :fail :cas :timed-out", "the values of the compare-and-set that failed"),
        ];
        for (line, expected) in cases {
            let open = "INFO jepsen.util - 7 :invoke :read nil\nINFO jepsen.util - 8 :invoke :write 1\n\
                        INFO jepsen.util - 9 :invoke :cas [1 2]\n";
            let error = read(&[open, line].concat()).unwrap_err();
            let problem = ReadProblem::expected(expected);
            assert_eq!(error, ReadError { line: 4, text: line.to_owned(), problem });
        }
    }

    #[test]
    fn a_process_that_invokes_twice_is_refused() {
        let error = read("INFO jepsen.util - 1 :invoke :read nil\nINFO jepsen.util - 1 :invoke :read nil\n");
        assert!(
            matches!(error, Err(ReadError { line: 2, problem: ReadProblem::Record(_), .. })),
            "{error:?}"
        );
    }
}
