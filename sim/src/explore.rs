//! Many runs at once: on every core, each on one thread, and the same result whatever their number.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow, RangeBounds},
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

    /// For tests: `Ok` if every run passed, every check had something to decide, and every fault that was armed made a
    /// difference.
    ///
    /// # Errors
    /// What the first run that did not pass has come to, with its seed; or which checks and faults were idle.
    pub fn verify(&self) -> Result<(), String> {
        if let Some(Outcome { seed, verdict, .. }) = self.failed.iter().chain(&self.inconclusive).next() {
            let more = self.failed.len() + self.inconclusive.len() - 1;
            return Err(format!(
                "seed {seed}, and {more} more: {verdict}\nTo see its trace, run the seed with `Keep::trace`."
            ));
        }
        let runs = self.runs();
        let idle = |names: &[&str], what: &str| match names {
            [] => Ok(()),
            names => Err(format!("in {runs} runs {what}: {}; run more seeds", names.join(", "))),
        };
        idle(&self.idle_checks(), "these checks had nothing to decide, for want of an auditor perhaps")?;
        idle(&self.idle_faults(), "these faults were armed and made no difference")
    }

    /// Adds a run.
    pub fn add(&mut self, seed: u64, report: Report) {
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
    seeds: impl RangeBounds<u64>,
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
    seeds: impl RangeBounds<u64>,
    progress: impl FnMut(&Summary) -> ControlFlow<()>,
) -> Result<Summary, UnknownProgram> {
    let programs = run::find_programs(&[program.to_owned()])?;
    Ok(explore_program(&programs[0], seeds, progress))
}

/// Runs these seeds of any program, batch by batch, for as long as `progress` wants to go on. It is told what they have
/// come to so far, the failures of the last batch included.
pub fn explore_program(
    program: &Arc<dyn Program>,
    seeds: impl RangeBounds<u64>,
    progress: impl FnMut(&Summary) -> ControlFlow<()>,
) -> Summary {
    explore_runs(|seed| run::run_seed_of(program, seed, Keep::default()), seeds, progress)
}

/// Runs these seeds, each as `run` says, which must always say the same of a seed.
pub fn explore_runs(
    run: impl Fn(u64) -> Report + Sync,
    seeds: impl RangeBounds<u64>,
    mut progress: impl FnMut(&Summary) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary::default();
    let batch = 8 * rayon::current_num_threads() as u64;
    let Some((mut next, last)) = first_and_last(&seeds) else { return summary };
    loop {
        let until = next.saturating_add(batch - 1).min(last);
        // Collected in the order of the seeds, so that nothing depends on which was done first.
        let reports = (next..=until).into_par_iter().map(|seed| (seed, run(seed))).collect::<Vec<_>>();
        for (seed, report) in reports {
            summary.add(seed, report);
        }
        if progress(&summary).is_break() || until == last {
            return summary;
        }
        next = until + 1;
    }
}

/// The first and the last of these seeds, if there are any.
fn first_and_last(seeds: &impl RangeBounds<u64>) -> Option<(u64, u64)> {
    let first = match seeds.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let last = match seeds.end_bound() {
        Bound::Included(last) => *last,
        Bound::Excluded(end) => end.checked_sub(1)?,
        Bound::Unbounded => u64::MAX,
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_counted_from_the_first_to_the_last() {
        assert_eq!(first_and_last(&(3..5)), Some((3, 4)));
        assert_eq!(first_and_last(&(u64::MAX..=u64::MAX)), Some((u64::MAX, u64::MAX)));
        assert_eq!((first_and_last(&(3..3)), first_and_last(&(0..0))), (None, None));
        assert_eq!((first_and_last(&..), first_and_last(&(7..))), (Some((0, u64::MAX)), Some((7, u64::MAX))));
    }

    #[test]
    fn what_stood_idle_is_no_success() {
        let struck = FaultCounters { armed: 1, fired: 1, effective: 1 };
        let decided = CheckCounters { evaluations: 1, non_trivial: 1 };
        let mut summary = Summary { passed: 1, ..Summary::default() };
        summary.faults.insert("crash".to_owned(), struck);
        summary.checks.insert("Votes".to_owned(), decided);
        assert_eq!(summary.verify(), Ok(()));
        summary.faults.insert("pause".to_owned(), FaultCounters { effective: 0, ..struck });
        assert!(summary.verify().unwrap_err().contains("pause"), "{:?}", summary.verify());
        summary.faults.insert("pause".to_owned(), FaultCounters::default());
        assert_eq!(summary.verify(), Ok(()), "what was not armed cannot have mattered");
        summary.checks.insert("Recovery".to_owned(), CheckCounters { non_trivial: 0, ..decided });
        assert!(summary.verify().unwrap_err().contains("Recovery"), "{:?}", summary.verify());
    }
}
