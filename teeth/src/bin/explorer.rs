//! The half that is built in the scratch copy: explores the sources it was built from, up to the first violation.
//!
//! It takes the number of seeds and writes one line of JSON. The run in which something was found is run again with
//! its trace, for the story.

use std::{env, ops::ControlFlow, process::ExitCode};

use serde_json::json;
use wavetank::{
    explore::{Outcome, Summary, explore_while},
    run::{Keep, Report, Verdict, run_seed},
};

fn main() -> ExitCode {
    let Some(seeds) = env::args().nth(1).and_then(|number| number.parse::<u64>().ok()) else {
        eprintln!("usage: explorer SEEDS");
        return ExitCode::from(2);
    };
    let up_to_a_failure = |summary: &Summary| match summary.failed[..] {
        [] => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    match explore_while("raft-core", 0..seeds, up_to_a_failure) {
        Ok(summary) => {
            println!("{}", result(&summary));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// What was found first. Seeds behind it, which were run at the same time, do not count: how many there are depends
/// on the machine.
fn result(summary: &Summary) -> serde_json::Value {
    let first = summary.failed.first();
    let seeds = first.map_or(summary.runs(), |outcome| outcome.seed + 1);
    let events = summary.richness.iter().zip(0..seeds).map(|(run, _)| run.events).sum::<u64>();
    let inconclusive = summary.inconclusive.iter().filter(|outcome| outcome.seed < seeds);
    let inconclusive = inconclusive.map(|outcome| format!("seed {}: {}", outcome.seed, outcome.verdict));
    json!({
        "seeds": seeds,
        "inconclusive": inconclusive.collect::<Vec<_>>(),
        "events": events,
        "median": median(summary),
        "found": first.and_then(found),
    })
}

/// How rich half of the runs are, at least: events, elections, answers to clients, crashes that lost bytes.
fn median(summary: &Summary) -> Option<serde_json::Value> {
    summary.median().map(|median| json!(median))
}

fn found(outcome: &Outcome) -> Option<serde_json::Value> {
    let Verdict::Fail(violation) = &outcome.verdict else { return None };
    let message = violation.message.lines().next().unwrap_or_default();
    let again = run_seed("raft-core", outcome.seed, Keep { trace: true, decisions: false }).ok();
    Some(json!({
        "check": violation.check,
        "seed": outcome.seed,
        "event": violation.event,
        "message": message,
        "story": again.as_ref().and_then(Report::story),
    }))
}
