//! Histories of a key-value store as EDN maps, one event a line.
//!
//! ```text
//! {:process 0, :type :invoke, :f :append, :key "5", :value "a"}
//! {:process 0, :type :ok, :f :append, :key "5", :value "a"}
//! {:process 1, :type :invoke, :f :get, :key "5", :value nil}
//! {:process 1, :type :ok, :f :get, :key "5", :value "a"}
//! ```
//!
//! The functions are `get`, `put` and `append`; the types `invoke`, `ok`, `fail` (certainly without effect) and
//! `info` (nobody knows). Other entries of a map are passed over.

use std::collections::BTreeMap;

use super::{ReadError, ReadProblem, read_lines};
use crate::{
    history::{ClientId, History},
    specifications::key_value::{Command, Reply},
};

/// What every key holds in the beginning: these stores make no difference between a missing and an empty value.
pub const INITIAL: Option<&str> = Some("");

/// Reads a history.
///
/// # Errors
/// At the first line that is not of the format or does not fit the lines before it, and when there is none.
pub fn read(text: &str) -> Result<History<Command, Reply>, ReadError> {
    let mut history = History::default();
    read_lines(text, |line| record(&mut history, &Map::parse(line)?))?;
    Ok(history)
}

/// The files tell no times.
const NO_TIME_NS: u64 = 0;

fn record(history: &mut History<Command, Reply>, event: &Map<'_>) -> Result<(), ReadProblem> {
    let client = ClientId(event.process()?);
    let kind = event.keyword("type")?;
    if kind == "invoke" {
        history.invoke(client, command(event)?, NO_TIME_NS)?;
        return Ok(());
    }
    let operation = history
        .open_operation(client)
        .filter(|operation| ends(event, &operation.input))
        .ok_or_else(|| ReadProblem::expected("the end of an operation that this process has open"))?;
    let id = operation.id;
    match kind {
        "ok" => {
            let output = output(&operation.input, event)?;
            history.complete(id, output, NO_TIME_NS)?;
        }
        "fail" => history.fail(id)?,
        "info" => history.abandon(id)?,
        _ => return Err(ReadProblem::expected("a `:type` of `:invoke`, `:ok`, `:fail` or `:info`")),
    }
    Ok(())
}

fn command(event: &Map<'_>) -> Result<Command, ReadProblem> {
    let key = event.text("key")?;
    match event.keyword("f")? {
        "get" => Ok(Command::Get { key }),
        "put" => Ok(Command::Put { key, value: event.text("value")? }),
        "append" => Ok(Command::Append { key, value: event.text("value")? }),
        _ => Err(ReadProblem::expected("an `:f` of `:get`, `:put` or `:append`")),
    }
}

/// Whether this event is about the function and the key of `input`.
fn ends(event: &Map<'_>, input: &Command) -> bool {
    let (function, key) = match input {
        Command::Get { key } => ("get", key),
        Command::Put { key, value: _ } => ("put", key),
        Command::Append { key, value: _ } => ("append", key),
        Command::Cas { .. } | Command::GetAll { .. } | Command::PutAll { .. } => return false,
    };
    event.keyword("f") == Ok(function) && event.text("key").as_ref() == Ok(key)
}

fn output(input: &Command, event: &Map<'_>) -> Result<Reply, ReadProblem> {
    match input {
        Command::Get { .. } => Ok(Reply::Value(Some(event.text("value")?))),
        _ if command(event).as_ref() != Ok(input) => {
            Err(ReadProblem::expected("the value that the operation was invoked with"))
        }
        Command::Append { .. } => Ok(Reply::Appended),
        Command::Put { .. } | Command::Cas { .. } | Command::GetAll { .. } | Command::PutAll { .. } => {
            Ok(Reply::Written)
        }
    }
}

/// A map of one line: from keywords, without their colon, to plain values.
struct Map<'a>(BTreeMap<&'a str, Value<'a>>);

#[derive(Debug, PartialEq, Eq)]
enum Value<'a> {
    Keyword(&'a str),
    Text(String),
    /// A number, `nil` or another word.
    Word(&'a str),
}

impl<'a> Map<'a> {
    fn parse(line: &'a str) -> Result<Self, ReadProblem> {
        let no_map = || ReadProblem::expected("a map, `{:key value, ...}`");
        let inner =
            line.trim().strip_prefix('{').and_then(|line| line.strip_suffix('}')).ok_or_else(no_map)?;
        let mut entries = BTreeMap::new();
        let mut rest = inner;
        while let Some((key, after_key)) = take_value(rest)? {
            let Value::Keyword(key) = key else { return Err(no_map()) };
            let (value, after_value) = take_value(after_key)?.ok_or_else(no_map)?;
            if entries.insert(key, value).is_some() {
                return Err(ReadProblem::Syntax { expected: format!("`:{key}` once") });
            }
            rest = after_value;
        }
        Ok(Self(entries))
    }

    fn process(&self) -> Result<u64, ReadProblem> {
        let expected = || ReadProblem::expected("a `:process` with a number");
        match self.0.get("process") {
            Some(Value::Word(number)) => number.parse().map_err(|_| expected()),
            Some(Value::Keyword(_) | Value::Text(_)) | None => Err(expected()),
        }
    }

    fn keyword(&self, key: &str) -> Result<&'a str, ReadProblem> {
        match self.0.get(key) {
            Some(Value::Keyword(keyword)) => Ok(keyword),
            Some(Value::Word(_) | Value::Text(_)) | None => {
                Err(ReadProblem::Syntax { expected: format!("a `:{key}` with a keyword") })
            }
        }
    }

    fn text(&self, key: &str) -> Result<String, ReadProblem> {
        match self.0.get(key) {
            Some(Value::Text(text)) => Ok(text.clone()),
            Some(Value::Keyword(_) | Value::Word(_)) | None => {
                Err(ReadProblem::Syntax { expected: format!("a `:{key}` with a string") })
            }
        }
    }
}

/// Takes the next plain value off the front; commas are white space. `None` at the end.
fn take_value(text: &str) -> Result<Option<(Value<'_>, &str)>, ReadProblem> {
    let text = text.trim_start_matches(is_blank);
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = take_text(quoted)?;
        return Ok(Some((Value::Text(value), rest)));
    }
    let end = text.find(is_blank).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if word.contains(['"', '{', '}', '[', ']', '(', ')']) {
        return Err(ReadProblem::expected("keywords, numbers and strings"));
    }
    let value = word.strip_prefix(':').map_or(Value::Word(word), Value::Keyword);
    Ok(Some((value, rest)))
}

fn is_blank(character: char) -> bool {
    character == ',' || character.is_whitespace()
}

/// Takes the rest of a string, of which the opening quote is gone.
fn take_text(quoted: &str) -> Result<(String, &str), ReadProblem> {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok((text, characters.as_str())),
            '\\' => text.push(escaped(characters.next())?),
            other => text.push(other),
        }
    }
    Err(ReadProblem::expected("the closing quote of a string"))
}

/// The character that a backslash and this one stand for.
fn escaped(character: Option<char>) -> Result<char, ReadProblem> {
    match character {
        Some(same @ ('"' | '\\')) => Ok(same),
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some('r') => Ok('\r'),
        Some(_) | None => {
            Err(ReadProblem::expected("an escape, one of `\\\"`, `\\\\`, `\\n`, `\\t` and `\\r`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_an_event_of_its_kind() {
        let text = r#"{:process 0, :type :invoke, :f :append, :key "5", :value "a \"b\""}
{:process 1, :type :invoke, :f :put, :key "5", :value "", :time 17}
{:process 0 :type :ok :f :append :key "5" :value "a \"b\""}
{:process 1, :type :info, :f :put, :key "5", :value :timed-out}
{:process 0, :type :invoke, :f :get, :key "6", :value nil}
{:process 0, :type :ok, :f :get, :key "6", :value "x, }"}
{:process 0, :type :invoke, :f :get, :key "6", :value nil}
{:process 0, :type :fail, :f :get, :key "6", :value nil}
"#;
        let mut expected = History::default();
        let (five, six) = (String::from("5"), String::from("6"));
        let command = Command::Append { key: five.clone(), value: "a \"b\"".into() };
        let append = expected.invoke(ClientId(0), command, NO_TIME_NS).unwrap();
        let command = Command::Put { key: five, value: String::new() };
        let put = expected.invoke(ClientId(1), command, NO_TIME_NS).unwrap();
        expected.complete(append, Reply::Appended, NO_TIME_NS).unwrap();
        expected.abandon(put).unwrap();
        let get = expected.invoke(ClientId(0), Command::Get { key: six.clone() }, NO_TIME_NS).unwrap();
        expected.complete(get, Reply::Value(Some("x, }".into())), NO_TIME_NS).unwrap();
        let failed = expected.invoke(ClientId(0), Command::Get { key: six }, NO_TIME_NS).unwrap();
        expected.fail(failed).unwrap();
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn errors_name_the_line_the_text_and_what_was_expected() {
        let open_get = "the end of an operation that this process has open";
        let cases = [
            ("nonsense", "a map, `{:key value, ...}`"),
            ("{:process}", "a map, `{:key value, ...}`"),
            ("{process 1}", "a map, `{:key value, ...}`"),
            ("{:a [1 2]}", "keywords, numbers and strings"),
            (r#"{:a "b}"#, "the closing quote of a string"),
            (r#"{:a "\q"}"#, "an escape, one of `\\\"`, `\\\\`, `\\n`, `\\t` and `\\r`"),
            ("{:a 1, :a 2}", "`:a` once"),
            ("{:type :ok}", "a `:process` with a number"),
            ("{:process :nemesis}", "a `:process` with a number"),
            ("{:process 1}", "a `:type` with a keyword"),
            ("{:process 1, :type :invoke}", "a `:key` with a string"),
            (r#"{:process 1, :type :invoke, :key "1"}"#, "a `:f` with a keyword"),
            (r#"{:process 1, :type :invoke, :f :cas, :key "1"}"#, "an `:f` of `:get`, `:put` or `:append`"),
            (r#"{:process 1, :type :invoke, :f :put, :key "1", :value nil}"#, "a `:value` with a string"),
            (r#"{:process 1, :type :ok, :f :get, :key "1", :value ""}"#, open_get),
            (r#"{:process 7, :type :ok, :f :get, :key "2", :value ""}"#, open_get),
            (r#"{:process 7, :type :ok, :f :put, :key "1", :value ""}"#, open_get),
            (r#"{:process 7, :type :ok, :f :get, :key "1", :value nil}"#, "a `:value` with a string"),
            (
                r#"{:process 7, :type :done, :f :get, :key "1"}"#,
                "a `:type` of `:invoke`, `:ok`, `:fail` or `:info`",
            ),
            (
                r#"{:process 8, :type :ok, :f :put, :key "1", :value "b"}"#,
                "the value that the operation was invoked with",
            ),
        ];
        for (line, expected) in cases {
            let open = "{:process 7, :type :invoke, :f :get, :key \"1\", :value nil}\n\
                        {:process 8, :type :invoke, :f :put, :key \"1\", :value \"a\"}\n";
            let error = read(&[open, line].concat()).unwrap_err();
            assert_eq!(
                error,
                ReadError { line: 3, text: line.to_owned(), problem: ReadProblem::expected(expected) }
            );
        }
    }
}
