//! How results look: numbers, tables, traces, and verdicts as JSON.

use std::{fmt::Write as _, time::Duration};

use clap::builder::styling::Style;
use serde::Serialize;
use wavetank::{
    checks::Violation,
    run::Verdict,
    trace::{Line, LineKind},
};

use super::{
    output::Output,
    style::{FAILED, HEADING, OPEN, PASSED},
};

/// A verdict in one word, with its colour.
pub(super) fn word(verdict: &Verdict) -> (Style, &'static str) {
    match verdict {
        Verdict::Pass => (PASSED, "passed"),
        Verdict::Fail(_) => (FAILED, "FAILED"),
        Verdict::Inconclusive(_) => (OPEN, "inconclusive"),
    }
}

/// A verdict, as the JSON lines tell it.
#[derive(Debug, Serialize)]
pub(super) struct Judgement<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    violation: Option<&'a Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> From<&'a Verdict> for Judgement<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self { verdict: "pass", violation: None, reason: None },
            Verdict::Fail(violation) => Self { verdict: "fail", violation: Some(violation), reason: None },
            Verdict::Inconclusive(reason) => {
                Self { verdict: "inconclusive", violation: None, reason: Some(reason) }
            }
        }
    }
}

/// Writes lines of a trace, with what stands out in them.
pub(super) fn trace(output: &mut Output, lines: &[Line]) {
    for line in lines {
        match line.kind {
            LineKind::Step => output.line(format_args!("{HEADING}{line}{HEADING:#}")),
            LineKind::Violation => output.line(format_args!("{FAILED}{line}{FAILED:#}")),
            _ => output.line(line),
        }
    }
}

/// A number with its thousands apart: `7,962,311`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.char_indices() {
        if 0 < position && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many things, in the singular or the plural: `1 seed`, `2 seeds`.
pub(super) fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", self::number(number))
}

/// A length of time to read: `340ms`, `21.4s`, `12m 05s`, `3h 12m`.
pub(super) fn duration(duration: Duration) -> String {
    let (seconds, milliseconds) = (duration.as_secs(), duration.subsec_millis());
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}.{}s", milliseconds / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", number(seconds / 3_600), seconds / 60 % 60),
    }
}

/// Seconds as a number of JSON, to the millisecond: here and nowhere else is a fraction.
pub(super) fn seconds(duration: Duration) -> f64 {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(milliseconds).as_secs_f64()
}

/// How many in each second; without a remainder.
pub(super) fn rate(count: u64, duration: Duration) -> u64 {
    let nanoseconds = duration.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanoseconds).unwrap_or(u64::MAX)
}

/// How wide the names in a table are at least, so that the columns of several tables begin at one place.
const NAME_WIDTH: usize = 20;

/// Writes a table: names on the left, numbers on the right.
pub(super) fn table(output: &mut Output, heading: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let least = if column == 0 { NAME_WIDTH } else { heading[column].len() };
        cells.fold(least, usize::max)
    };
    let widths: Vec<_> = (0..heading.len()).map(width).collect();
    let heading: Vec<_> = heading.iter().map(ToString::to_string).collect();
    output.line(format_args!("{HEADING}{}{HEADING:#}", aligned(&heading, &widths)));
    for row in rows {
        output.line(aligned(row, &widths));
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        match column {
            0 => write!(line, "{cell:<width$}"),
            _ => write!(line, "  {cell:>width$}"),
        }
        .expect("a string takes everything");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(super::number(number), text);
        }
        assert_eq!([0, 1, 2_000].map(|n| count(n, "seed")), ["0 seeds", "1 seed", "2,000 seeds"]);
    }

    #[test]
    fn durations_show_what_matters() {
        let cases = [
            (340, "340ms"),
            (1_000, "1.0s"),
            (59_999, "59.9s"),
            (725_000, "12m 05s"),
            (11_520_000, "3h 12m"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn rates_need_no_time_to_have_passed() {
        assert_eq!(rate(300, Duration::from_millis(500)), 600);
        assert_eq!(rate(3, Duration::ZERO), 3_000_000_000);
    }
}
