//! What an exploration found: on one screen, or as a line of JSON.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use wavetank::{
    checks::CheckCounters,
    explore::{Outcome, Richness, Summary},
    storm::FaultCounters,
};

use super::{Found, first_line};
use crate::cli::{
    output::Output,
    render::{self, count, number},
    style::{FAILED, HEADING, OPEN, PASSED},
};

/// The most runs of a kind that are told of.
const MOST_TOLD: usize = 5;

/// The summary as a line of JSON.
#[derive(Debug, Serialize)]
struct SummaryLine<'a> {
    seeds: u64,
    passed: u64,
    failed: u64,
    inconclusive: u64,
    events: u64,
    virtual_seconds: f64,
    wall_seconds: f64,
    implementation: &'a str,
    median: Option<Richness>,
    faults: &'a BTreeMap<String, FaultCounters>,
    checks: &'a BTreeMap<String, CheckCounters>,
    /// How often each rare branch of the processes was reached.
    branches: &'a BTreeMap<&'static str, u64>,
}

/// Writes the summary as a line of JSON.
pub(super) fn tell_json(found: &Found<'_>, output: &mut Output) {
    let Found { arguments, summary, wall } = found;
    output.json(&SummaryLine {
        seeds: summary.runs(),
        passed: summary.passed,
        failed: summary.failed.len() as u64,
        inconclusive: summary.inconclusive.len() as u64,
        events: summary.events,
        virtual_seconds: render::seconds(virtual_time(summary)),
        wall_seconds: render::seconds(*wall),
        implementation: &arguments.implementation,
        median: summary.median(),
        faults: &summary.faults,
        checks: &summary.checks,
        branches: &summary.branches,
    });
}

fn virtual_time(summary: &Summary) -> Duration {
    Duration::from_nanos(u64::try_from(summary.virtual_nanoseconds).unwrap_or(u64::MAX))
}

/// Writes the summary to be read, the most important last: that is where the eye is when it is done.
pub(super) fn tell(found: &Found<'_>, output: &mut Output) {
    let summary = found.summary;
    tell_faults(summary, output);
    tell_checks(summary, output);
    tell_idle(found, output);
    tell_outcomes(found, "failed", &summary.failed, output);
    tell_outcomes(found, "inconclusive", &summary.inconclusive, output);
    tell_figures(found, output);
}

fn tell_faults(summary: &Summary, output: &mut Output) {
    let row = |(name, counters): (&String, &FaultCounters)| {
        let FaultCounters { armed, fired, effective } = *counters;
        vec![name.clone(), number(armed), number(fired), number(effective)]
    };
    let rows: Vec<_> = summary.faults.iter().map(row).collect();
    render::table(output, &["fault", "armed", "fired", "effective"], &rows);
    output.line("");
}

fn tell_checks(summary: &Summary, output: &mut Output) {
    let row = |(name, counters): (&String, &CheckCounters)| {
        let CheckCounters { evaluations, non_trivial } = *counters;
        vec![name.clone(), number(evaluations), number(non_trivial)]
    };
    let rows: Vec<_> = summary.checks.iter().map(row).collect();
    render::table(output, &["check", "evaluations", "non-trivial"], &rows);
    output.line("");
}

/// Warns of faults and checks that came to nothing.
fn tell_idle(found: &Found<'_>, output: &mut Output) {
    let more = found.arguments.seeds.saturating_mul(10);
    let mut warn = |names: &[&str], what: &str| {
        if !names.is_empty() {
            let names = names.join(", ");
            output.line(format_args!("{OPEN}warning{OPEN:#}: {names}: {what}"));
            output.line(format_args!("         Explore more: --seeds {more}"));
            output.line("");
        }
    };
    let untested = "armed, but never made a difference, so nothing was tested against it.";
    warn(&found.summary.idle_faults(), untested);
    warn(
        &found.summary.idle_checks(),
        "never had anything to decide, so that it found nothing proves nothing.",
    );
}

/// Tells of the first runs that did not pass, each with the command that shows it.
fn tell_outcomes(found: &Found<'_>, what: &str, outcomes: &[Outcome], output: &mut Output) {
    if outcomes.is_empty() {
        return;
    }
    output.line(format_args!("{HEADING}{what}{HEADING:#}"));
    let implementation = &found.arguments.implementation;
    for Outcome { seed, verdict, hash: _, events: _ } in outcomes.iter().take(MOST_TOLD) {
        let (style, _) = render::word(verdict);
        output.line(format_args!("  {style}seed {seed}{style:#}  {}", first_line(verdict)));
        output.line(format_args!("    wavetank replay {seed} --implementation {implementation} --trace"));
    }
    if MOST_TOLD < outcomes.len() {
        output.line(format_args!("  and {} more", number((outcomes.len() - MOST_TOLD) as u64)));
    }
    output.line("");
}

fn tell_figures(found: &Found<'_>, output: &mut Output) {
    let Found { arguments, summary, wall } = found;
    if let Some(Richness { events, elections, acknowledged, lossy_crashes }) = summary.median() {
        output.line(format_args!(
            "median run    {}, {}, {} acknowledged, {} that lost bytes",
            count(events, "event"),
            count(elections, "election"),
            count(acknowledged, "operation"),
            count_crashes(lossy_crashes),
        ));
    }
    let virtual_time = virtual_time(summary);
    output.line(format_args!(
        "in all        {} in {}, {} a second; {} of virtual time",
        count(summary.events, "event"),
        render::duration(*wall),
        number(render::rate(summary.events, *wall)),
        render::duration(virtual_time),
    ));
    let (failed, inconclusive) = (summary.failed.len() as u64, summary.inconclusive.len() as u64);
    let (style, word) = match (failed, inconclusive) {
        (0, 0) => (PASSED, "passed"),
        (0, _) => (OPEN, "inconclusive"),
        _ => (FAILED, "FAILED"),
    };
    output.line(format_args!(
        "{style}{word}{style:#}: {} of {}: {} passed, {} failed, {} inconclusive",
        count(summary.runs(), "seed"),
        arguments.implementation,
        number(summary.passed),
        number(failed),
        number(inconclusive),
    ));
}

fn count_crashes(crashes: u64) -> String {
    if crashes == 1 { "1 crash".to_owned() } else { format!("{} crashes", number(crashes)) }
}
