//! Many runs at once: on every core, each on one thread, and the same result whatever their number.

use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
    sync::Arc,
};

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    checks::CheckCounters,
    program::Program,
    run::{self, Keep, Report, UnknownProgram, Verdict},
    storm::FaultCounters,
    trace::Fingerprint,
};

/// What is left of a run when many are counted together.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's seed.
    pub seed: u64,
    /// What it came to.
    pub verdict: Verdict,
    /// Its identity.
    #[serde(serialize_with = "text")]
    pub hash: Fingerprint,
    /// How many events it had.
    pub events: u64,
}

fn text<S: serde::Serializer>(hash: &Fingerprint, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(hash)
}

/// Many runs, counted together.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many passed.
    pub passed: u64,
    /// Those that failed, by seed.
    pub failed: Vec<Outcome>,
    /// Those that came to nothing, by seed.
    pub inconclusive: Vec<Outcome>,
    /// How many events there were.
    pub events: u64,
    /// How long all runs lasted, in nanoseconds of virtual time.
    pub virtual_nanoseconds: u128,
    /// What the faults came to.
    pub faults: BTreeMap<String, FaultCounters>,
    /// How often each check was asked.
    pub checks: BTreeMap<String, CheckCounters>,
    /// How often each rare branch of the processes was reached.
    pub branches: BTreeMap<&'static str, u64>,
    /// For each run: how rich it was.
    pub richness: Vec<Richness>,
}

/// How much happened in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Richness {
    /// Events.
    pub events: u64,
    /// Elections won.
    pub elections: u64,
    /// Operations that clients got an answer to.
    pub acknowledged: u64,
    /// Crashes that lost bytes.
    pub lossy_crashes: u64,
}

impl Summary {
    /// How many runs there were.
    pub fn runs(&self) -> u64 {
        self.passed + (self.failed.len() + self.inconclusive.len()) as u64
    }

    /// The median run: for each figure, half of the runs have less.
    pub fn median(&self) -> Option<Richness> {
        if self.richness.is_empty() {
            return None;
        }
        let median = |figure: fn(&Richness) -> u64| {
            let mut figures = self.richness.iter().map(figure).collect::<Vec<_>>();
            figures.sort_unstable();
            figures[figures.len() / 2]
        };
        Some(Richness {
            events: median(|run| run.events),
            elections: median(|run| run.elections),
            acknowledged: median(|run| run.acknowledged),
            lossy_crashes: median(|run| run.lossy_crashes),
        })
    }

    /// The faults that were armed somewhere and made a difference nowhere: what they were to test is untested.
    pub fn idle_faults(&self) -> Vec<&str> {
        let idle = self.faults.iter().filter(|(_, counters)| 0 < counters.armed && counters.effective == 0);
        idle.map(|(name, _)| name.as_str()).collect()
    }

    /// The checks that never had anything to decide.
    pub fn idle_checks(&self) -> Vec<&str> {
        let idle = self.checks.iter().filter(|(_, counters)| counters.non_trivial == 0);
        idle.map(|(name, _)| name.as_str()).collect()
    }

    /// For tests: `Ok` if every run passed and every check had something to decide.
    ///
    /// # Errors
    /// What the first run that did not pass has come to, with its seed; or which checks were idle.
    pub fn verify(&self) -> Result<(), String> {
        if let Some(Outcome { seed, verdict, .. }) = self.failed.iter().chain(&self.inconclusive).next() {
            let more = self.failed.len() + self.inconclusive.len() - 1;
            return Err(format!(
                "seed {seed}, and {more} more: {verdict}\nTo see its trace, run the seed with `Keep::trace`."
            ));
        }
        match self.idle_checks()[..] {
            [] => Ok(()),
            ref idle => Err(format!(
                "these checks had nothing to decide in {} runs: {}; run more seeds, or give the program an auditor",
                self.runs(),
                idle.join(", ")
            )),
        }
    }

    /// Adds a run.
    fn add(&mut self, seed: u64, report: Report) {
        let Report {
            verdict, hash, events, virtual_time, tally, operations, faults, checks, branches, ..
        } = report;
        self.events += events;
        self.virtual_nanoseconds += u128::from(virtual_time.0);
        for (name, counters) in faults {
            self.faults.entry(name).or_default().add(counters);
        }
        for (name, counters) in checks {
            self.checks.entry(name).or_default().add(counters);
        }
        for (branch, count) in branches {
            *self.branches.entry(branch).or_default() += count;
        }
        self.richness.push(Richness {
            events,
            elections: tally.elections,
            acknowledged: operations.completed,
            lossy_crashes: tally.lossy_crashes,
        });
        let outcome = Outcome { seed, verdict, hash, events };
        match &outcome.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail(_) => self.failed.push(outcome),
            Verdict::Inconclusive(_) => self.inconclusive.push(outcome),
        }
    }
}

/// Runs these seeds of an implementation that comes with the tank, and tells `progress` after each batch what they have
/// come to so far.
///
/// # Errors
/// When there is no such implementation.
pub fn explore(
    program: &str,
    seeds: Range<u64>,
    mut progress: impl FnMut(&Summary),
) -> Result<Summary, UnknownProgram> {
    explore_while(program, seeds, |summary| {
        progress(summary);
        ControlFlow::Continue(())
    })
}

/// Runs these seeds of an implementation that comes with the tank, for as long as `progress` wants to go on.
///
/// # Errors
/// When there is no such implementation.
pub fn explore_while(
    program: &str,
    seeds: Range<u64>,
    progress: impl FnMut(&Summary) -> ControlFlow<()>,
) -> Result<Summary, UnknownProgram> {
    let programs = run::find_programs(&[program.to_owned()])?;
    Ok(explore_program(&programs[0], seeds, progress))
}

/// Runs these seeds of any program, batch by batch, for as long as `progress` wants to go on. It is told what they have
/// come to so far, the failures of the last batch included.
pub fn explore_program(
    program: &Arc<dyn Program>,
    seeds: Range<u64>,
    mut progress: impl FnMut(&Summary) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary::default();
    let batch = 8 * rayon::current_num_threads() as u64;
    let mut next = seeds.start;
    while next < seeds.end {
        let until = next.saturating_add(batch).min(seeds.end);
        // Collected in the order of the seeds, so that nothing depends on which was done first.
        let reports = (next..until)
            .into_par_iter()
            .map(|seed| (seed, run::run_seed_of(program, seed, Keep::default())))
            .collect::<Vec<_>>();
        for (seed, report) in reports {
            summary.add(seed, report);
        }
        if progress(&summary).is_break() {
            break;
        }
        next = until;
    }
    summary
}
