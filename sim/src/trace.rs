//! The trace of a run: what happened, as data, and as lines made to be read.
//!
//! Every run has a fingerprint, whether or not its trace is kept: 128 bits into which every event goes, along with
//! the state that it left behind. Two runs with the same fingerprint are the same run.

use std::fmt;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::time::Time;

/// What a line of a trace is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// What a scenario says about the steps that follow.
    Remark,
    /// A step of a scenario, as a heading.
    Step,
    /// A message arrived.
    Message,
    /// A message was lost.
    Lost,
    /// A process changed its role, term, vote or commit index.
    State,
    /// State became durable.
    Disk,
    /// A client called, or got its answer.
    Client,
    /// A fault, or its end.
    Fault,
    /// A request or a message was refused.
    Refused,
    /// A check found a violation.
    Violation,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The number of the event it belongs to.
    pub event: u64,
    /// When it happened.
    #[serde(rename = "time_ns", serialize_with = "nanoseconds")]
    pub time: Time,
    /// The event that caused it, where that is another one: a message names the event in which it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<u64>,
    /// What it is about.
    pub kind: LineKind,
    /// What happened.
    pub text: String,
}

fn nanoseconds<S: serde::Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.0)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LineKind::Remark => write!(f, "## {}", self.text),
            LineKind::Step => write!(f, "# {}", self.text),
            _ => write!(f, "{:>13}  {}", self.time.to_string(), self.text),
        }
    }
}

/// The lines of a run, if they are kept.
#[derive(Debug, Default)]
pub struct Trace {
    lines: Option<Vec<Line>>,
}

impl Trace {
    /// A trace that keeps its lines.
    pub fn kept() -> Self {
        Self { lines: Some(Vec::new()) }
    }

    /// Whether lines are kept, so that it is worth making them.
    pub fn is_kept(&self) -> bool {
        self.lines.is_some()
    }

    /// Adds a line.
    pub fn push(&mut self, line: Line) {
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// The lines so far.
    pub fn lines(&self) -> &[Line] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// The whole trace as text.
    pub fn render(&self) -> String {
        self.lines().iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The identity of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// Takes in what happened.
    pub(crate) fn absorb<const WORDS: usize>(&mut self, words: [u64; WORDS]) {
        let mut bytes = [[0; 8]; 10];
        let bytes = &mut bytes[..2 + WORDS];
        let (before, after) = bytes.split_at_mut(2);
        before.as_flattened_mut().copy_from_slice(&self.0.to_le_bytes());
        for (place, word) in after.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        self.0 = xxh3_128(bytes.as_flattened());
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
