//! Histories as files: logs of Jepsen, EDN maps, and JSON lines.

pub mod jepsen;
pub mod edn;
pub mod json_lines;

use crate::history::RecordError;

/// Why a file holds no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}{}", if text.is_empty() { String::new() } else { format!(", in `{text}`") })]
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
