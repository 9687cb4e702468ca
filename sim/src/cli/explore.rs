//! `wavetank explore`: randomized histories on all cores, and their summary.

mod progress;
mod interrupt;
mod summary;

use std::ops::{ControlFlow, RangeInclusive};

use clap::{Args, value_parser};
use serde::Serialize;
use wavetank::{
    explore::{Outcome, Summary, explore_while},
    run::Verdict,
};

use super::{
    exit::{Exit, exit_codes},
    input::{DEFAULT_IMPLEMENTATION, implementation_parser, parse_count, parse_seed},
    mistake::Mistake,
    output::Output,
    render::{Judgement, count},
    stopwatch::Stopwatch,
};
use interrupt::Interrupt;
use progress::Progress;

/// The most threads that can be asked for.
const MOST_THREADS: u64 = 1_024;

/// Run randomized histories on all cores, and sum them up
///
/// Each seed stands for one history: a cluster with its own size, limits and weather goes through a storm of
/// crashes, partitions and pauses, must then come to rest, and is judged all along. The same seed is the same
/// history, on any number of threads.
#[derive(Debug, Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wavetank explore                                    a thousand histories of raft-core\n",
    "  wavetank explore --seeds 100000 --first-seed 1000   a hundred thousand others\n",
    "  wavetank explore --implementation raft-rs --json    another implementation, in JSON lines\n",
    "\n",
    "A history that fails is run again with `wavetank replay SEED --trace`.\n",
    "Ctrl-C ends the exploration with the summary so far; again, without it.\n",
    "\n",
    exit_codes!()
))]
pub(super) struct Arguments {
    /// How many histories to run
    #[arg(long, value_name = "N", default_value = "1000", value_parser = parse_count, allow_negative_numbers = true)]
    seeds: u64,
    /// The seed of the first; the others follow it
    #[arg(long, value_name = "SEED", default_value = "0", value_parser = parse_seed, allow_negative_numbers = true)]
    first_seed: u64,
    /// The implementation to run
    #[arg(long, value_name = "NAME", default_value = DEFAULT_IMPLEMENTATION, value_parser = implementation_parser())]
    implementation: String,
    /// How many threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MOST_THREADS))]
    threads: Option<u64>,
    /// Write JSON lines: one for each history that did not pass, as it is found, and last the summary
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn seed_range(&self) -> Result<RangeInclusive<u64>, Mistake> {
        let (first, count) = (self.first_seed, self.seeds);
        let last = first.checked_add(count - 1).ok_or(Mistake::TooManySeeds { first, count })?;
        Ok(first..=last)
    }

    /// Sets how many threads there are, if that was asked for.
    fn limit_threads(&self) -> Result<(), Mistake> {
        let Some(threads) = self.threads.and_then(|threads| usize::try_from(threads).ok()) else {
            return Ok(());
        };
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Mistake::Threads)
    }
}

/// Explores, and tells what was found.
///
/// # Errors
/// When there are no such seeds, threads or implementation.
pub(super) fn explore(arguments: &Arguments, output: &mut Output) -> Result<Exit, Mistake> {
    let seeds = arguments.seed_range()?;
    arguments.limit_threads()?;
    let interrupt = Interrupt::watch()?;
    let stopwatch = Stopwatch::start();
    let mut progress = Progress::new(arguments.seeds);
    let mut told = Told::default();
    let summary = explore_while(&arguments.implementation, seeds, |summary| {
        progress.update(summary, stopwatch.elapsed());
        if arguments.json {
            progress.aside(|| told.tell_news(summary, output));
        }
        // Nobody reads on, or nobody wants to wait any longer.
        if output.is_closed() || interrupt.has_come() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    progress.finish();
    let found = Found { arguments, summary: &summary, wall: stopwatch.elapsed() };
    if arguments.json {
        summary::tell_json(&found, output);
    } else {
        summary::tell(&found, output);
    }
    Ok(exit(&summary, arguments.seeds))
}

/// What an exploration found.
struct Found<'a> {
    arguments: &'a Arguments,
    summary: &'a Summary,
    /// How long it took.
    wall: std::time::Duration,
}

fn exit(summary: &Summary, seeds: u64) -> Exit {
    if !summary.failed.is_empty() {
        Exit::Violation
    } else if !summary.inconclusive.is_empty() || summary.runs() < seeds {
        Exit::Inconclusive
    } else {
        Exit::Passed
    }
}

/// A run that did not pass, as a line of JSON.
#[derive(Debug, Serialize)]
struct OutcomeLine<'a> {
    seed: u64,
    #[serde(flatten)]
    judgement: Judgement<'a>,
    hash: String,
    events: u64,
}

/// How many outcomes of each kind have been told.
#[derive(Default)]
struct Told {
    failed: usize,
    inconclusive: usize,
}

impl Told {
    /// Tells what has been found since it was last asked, in the order of the seeds.
    fn tell_news(&mut self, summary: &Summary, output: &mut Output) {
        let failed = summary.failed.iter().skip(self.failed);
        let mut news: Vec<_> = failed.chain(summary.inconclusive.iter().skip(self.inconclusive)).collect();
        news.sort_by_key(|outcome| outcome.seed);
        for Outcome { seed, verdict, hash, events } in &news {
            let judgement = Judgement::from(verdict);
            output.json(&OutcomeLine { seed: *seed, judgement, hash: hash.to_string(), events: *events });
        }
        if !news.is_empty() {
            output.flush();
        }
        *self = Self { failed: summary.failed.len(), inconclusive: summary.inconclusive.len() };
    }
}

/// A verdict in one line: a story of several is for the replay.
fn first_line(verdict: &Verdict) -> String {
    verdict.to_string().lines().next().unwrap_or_default().to_owned()
}

/// How many failures there are, and which seed was the first.
fn failures(summary: &Summary) -> String {
    match summary.failed.first() {
        None => "no failure".to_owned(),
        Some(first) => {
            format!("{}, first of seed {}", count(summary.failed.len() as u64, "failure"), first.seed)
        }
    }
}
