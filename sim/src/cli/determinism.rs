//! Whether a run is the same every time, here and in a process of its own.

use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use wavetank::run::Report;

use super::mistake::Mistake;

/// A run, as far as two of them are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    hash: String,
    events: u64,
    /// The trace, in lines of JSON.
    trace: Vec<String>,
}

impl From<&Report> for Record {
    fn from(report: &Report) -> Self {
        let line = |line| serde_json::to_string(line).expect("a line of a trace has only names and numbers");
        Self {
            hash: report.hash.to_string(),
            events: report.events,
            trace: report.trace.iter().map(line).collect(),
        }
    }
}

/// What is needed of the last line of a replay.
#[derive(Deserialize)]
struct LastLine {
    hash: String,
    events: u64,
}

/// Runs `wavetank replay TARGET` in another process, and reads what it tells.
///
/// # Errors
/// When it does not tell it.
pub(super) fn replay_elsewhere(target: &str, implementation: Option<&str>) -> Result<Record, Mistake> {
    let problem = |problem: String| Mistake::Child { problem };
    let program = std::env::current_exe().map_err(|error| problem(error.to_string()))?;
    let mut command = Command::new(program);
    command.args(["replay", "--json", "--trace"]).stdin(Stdio::null());
    if let Some(name) = implementation {
        command.args(["--implementation", name]);
    }
    let told = command.args(["--", target]).output().map_err(|error| problem(error.to_string()))?;
    let text = String::from_utf8(told.stdout).map_err(|error| problem(error.to_string()))?;
    let mut trace: Vec<_> = text.lines().map(str::to_owned).collect();
    let last = trace.pop().unwrap_or_default();
    let LastLine { hash, events } = serde_json::from_str(&last).map_err(|error| {
        problem(format!("{error}; it said: {}", String::from_utf8_lossy(&told.stderr).trim()))
    })?;
    Ok(Record { hash, events, trace })
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The first event that differs.
    pub(super) event: u64,
    /// How it differs, over several lines.
    pub(super) message: String,
}

/// Where two records part, if they do.
pub(super) fn difference(here: &Record, there: &Record, place: &str) -> Option<Difference> {
    if here == there {
        return None;
    }
    let longest = here.trace.len().max(there.trace.len());
    let Some(line) = (0..longest).find(|&line| here.trace.get(line) != there.trace.get(line)) else {
        let (event, other) = (here.events, there.events);
        let message = format!(
            "the traces agree, but the hashes do not: {} after {event} events, and {place} {} after {other}; \
             a state differs that no trace shows",
            here.hash, there.hash
        );
        return Some(Difference { event: event.min(other), message });
    };
    let told = |record: &Record| match record.trace.get(line) {
        Some(line) => (event(line), line.clone()),
        None => (Some(record.events), format!("the run had ended after {} events", record.events)),
    };
    let ((event, first), (other, second)) = (told(here), told(there));
    let event = event.into_iter().chain(other).min().unwrap_or(0);
    let line = line + 1;
    let message =
        format!("line {line} of the trace is different {place}:\n  once: {first}\n  then: {second}");
    Some(Difference { event, message })
}

/// The event that a line of a trace belongs to.
fn event(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?.get("event")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(hash: &str, texts: &[&str]) -> Record {
        let line = |(event, text): (u64, &&str)| format!(r#"{{"event":{event},"text":"{text}"}}"#);
        Record {
            hash: hash.to_owned(),
            events: texts.len() as u64,
            trace: (1..).zip(texts).map(line).collect(),
        }
    }

    fn part(here: &Record, there: &Record) -> (u64, String) {
        let Difference { event, message } = difference(here, there, "elsewhere").unwrap();
        (event, message)
    }

    #[test]
    fn equal_runs_do_not_part() {
        assert_eq!(difference(&record("a", &["x", "y"]), &record("a", &["x", "y"]), "elsewhere"), None);
    }

    #[test]
    fn the_first_event_that_differs_is_named_with_both_lines() {
        let (event, message) = part(&record("a", &["x", "y", "z"]), &record("b", &["x", "Y", "Z"]));
        assert_eq!(event, 2);
        let expected = "line 2 of the trace is different elsewhere:\n  once: {\"event\":2,\"text\":\"y\"}\n  \
                        then: {\"event\":2,\"text\":\"Y\"}";
        assert_eq!(message, expected);
    }

    #[test]
    fn a_run_that_ends_early_differs_there() {
        let (event, message) = part(&record("a", &["x"]), &record("b", &["x", "y"]));
        assert_eq!(event, 1);
        assert!(message.contains("the run had ended after 1 events"), "{message}");
    }

    #[test]
    fn a_difference_that_no_trace_shows_is_one() {
        let (event, message) = part(&record("a", &["x"]), &record("b", &["x"]));
        assert_eq!(event, 1);
        assert!(message.contains("the traces agree, but the hashes do not"), "{message}");
    }
}
