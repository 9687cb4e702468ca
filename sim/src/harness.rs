//! Your Raft in the tank, from `cargo test`.
//!
//! A [`Harness`] is a test of a few lines. It takes what is to be tested, runs it through a few hundred histories on all
//! cores, each with a cluster, weather and faults of its own, and panics with everything one needs when one of them
//! breaks a promise of Raft:
//!
//! ```
//! # use wavetank_raft_core::RaftCore as MyRaft;
//! use wavetank::harness::Harness;
//!
//! // In a test of yours: #[test] fn my_raft_keeps_its_promises() {
//! let summary = Harness::adapter::<MyRaft>().seeds(0..40).run();
//! assert_eq!(summary.passed, 40);
//! ```
//!
//! # What is tested
//!
//! | you have | you write | you call |
//! |---|---|---|
//! | a Raft library | an [`Adapter`], about 150 lines | [`Harness::adapter`] |
//! | and a state machine | a [`StateMachine`] and the [`Workload`] of its clients | [`Harness::state_machine`] |
//! | and a log store | a [`LogStore`](wavetank_process::LogStore), an [`Auditor`](crate::audit::Auditor) | [`Harness::program`] with [`program::custom_replica`] |
//! | a whole server | a [`Process`](wavetank_process::Process) and a [`Program`] | [`Harness::program`] |
//!
//! # When it fails
//!
//! The message says what was violated, in what cluster, and what happened last. It ends with the command that runs this
//! one history again, with its whole trace:
//!
//! ```text
//! WAVETANK_SEED=16 cargo test -p my-raft my_raft_keeps_its_promises -- --exact --nocapture
//! ```
//!
//! The trace is also in a file, beside what the build made. Two variables change what a test does, without a change
//! to it: `WAVETANK_SEED=16` runs one seed and prints its trace, and `WAVETANK_SEEDS=10000` runs so many seeds instead of
//! those that the test names, for a night.
//!
//! # When it passes
//!
//! Then every run was judged, and there was something to judge. These fail a test as well:
//!
//! - a run that is *inconclusive*, because a budget ended or messages could not be described, unless it is
//!   [allowed](Harness::allow_inconclusive) in so many words;
//! - a check that never had anything to decide, or a fault that was armed and never made a difference, unless it
//!   may be [idle](Harness::allow_idle);
//! - a seed that is not the same run twice: then something in the program is decided outside the tank.
//!
//! # Which weather
//!
//! By default everything is drawn, the size of the cluster included. [`Harness::faults`] takes a [`FaultModel`] in which
//! anything can be fixed, narrowed or left out:
//!
//! ```
//! # use wavetank_raft_core::RaftCore as MyRaft;
//! use wavetank::{
//!     harness::Harness,
//!     swarm::{Amount, FaultModel},
//! };
//!
//! // Clusters of three that lose messages and are partitioned once; nothing else happens to them.
//! let model = FaultModel {
//!     voters: vec![3],
//!     loss_permille: Amount::exactly(20),
//!     partitions: Amount::exactly(1),
//!     ..FaultModel::calm()
//! };
//! // Nobody fails, so nobody recovers; and the members stay.
//! let harness = Harness::adapter::<MyRaft>().seeds(0..16).faults(model);
//! harness.allow_idle("Recovery").allow_idle("ConfigurationSafety").run();
//! ```
//!
//! # A promise of your own
//!
//! A [`Check`] is told what happens to every machine, event by event, and may look at the whole cluster:
//!
//! ```
//! # use wavetank_raft_core::RaftCore as MyRaft;
//! use wavetank::{
//!     checks::{Check, Fact, Finding, Watched},
//!     harness::Harness,
//! };
//!
//! /// Nobody follows itself.
//! struct FollowsAnother;
//!
//! impl Check for FollowsAnother {
//!     fn name(&self) -> &'static str {
//!         "FollowsAnother"
//!     }
//!
//!     fn check(&mut self, fact: &Fact<'_>, subject: usize, cluster: &[Watched]) -> Finding {
//!         let Fact::Observed { now, .. } = fact else { return Finding::Unconcerned };
//!         let id = cluster[subject].id;
//!         match now.leader {
//!             Some(leader) if leader != id => Finding::Holds,
//!             Some(_) if now.role == wavetank::process::Role::Follower => {
//!                 Finding::Violated(format!("{id} follows itself in {}", now.term))
//!             }
//!             _ => Finding::Trivial,
//!         }
//!     }
//! }
//!
//! Harness::adapter::<MyRaft>().seeds(0..16).check(|| FollowsAnother).allow_idle("transfer").run();
//! ```
//!
//! With the feature `proptest`, configurations come from strategies as well: see `wavetank::strategies`.
//!
//! `sim/examples/own_check.rs` shows one that fires, and `sim/examples/own_state_machine.rs` a state machine with the
//! workload of its clients.

mod directions;
mod place;
mod failure;

use std::{
    collections::BTreeSet,
    ops::{ControlFlow, Range},
    path::PathBuf,
    slice,
    sync::Arc,
};

use wavetank_process::{Adapter, StateMachine, WalStore};

use crate::{
    audit::LogAudit,
    chance::{Door, Random},
    checks::{self, Check},
    client::{KvWorkload, Workload},
    explore::{self, Outcome, Summary},
    program::{self, Program},
    run::{self, Keep, Report, Subject, Verdict},
    swarm::{FaultModel, RunOptions},
};

pub use directions::DirectionError;
use directions::Directions;
pub use failure::{FailedRun, Failure, Origin, TraceFile};
pub use place::Place;

/// Makes one check for one run.
type MakeCheck = Box<dyn Fn() -> Box<dyn Check> + Send + Sync>;

/// How many seeds a test runs if it does not say.
const SEEDS: u64 = 200;

/// A test of an implementation. See the [module's page](self).
#[must_use = "a harness tests nothing until it is run"]
pub struct Harness<W: Workload = KvWorkload> {
    program: Arc<dyn Program>,
    workload: W,
    model: FaultModel,
    seeds: Range<u64>,
    checks: Vec<MakeCheck>,
    /// What reasons of inconclusive runs may say.
    inconclusive: Vec<String>,
    /// Checks and faults that may have nothing to do.
    idle: BTreeSet<String>,
    /// Where traces of failed runs are written, if not beside the build.
    directory: Option<PathBuf>,
}

impl<W: Workload> std::fmt::Debug for Harness<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness")
            .field("program", &self.program.name())
            .field("seeds", &self.seeds)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Harness {
    /// Tests a Raft library, with the tank's own log store and its key-value store on top.
    pub fn adapter<A: Adapter>() -> Self {
        Self::program(program::replica::<A>())
    }

    /// Tests any program whose clients speak the language of the [key-value store](crate::kv).
    pub fn program(program: Arc<dyn Program>) -> Self {
        Self::new(program, KvWorkload::default())
    }
}

impl<W: Workload> Harness<W> {
    /// Tests a Raft library with a state machine of your own, over the tank's log store.
    pub fn state_machine<A: Adapter, S: StateMachine>(workload: W) -> Self {
        let auditor = || Box::new(LogAudit::new("log".into())) as _;
        Self::new(program::custom_replica::<A, WalStore, S>(Some(auditor)), workload)
    }

    /// Tests any program, with clients that speak its language.
    pub fn new(program: Arc<dyn Program>, workload: W) -> Self {
        Self {
            program,
            workload,
            model: FaultModel::default(),
            seeds: 0..SEEDS,
            checks: Vec::new(),
            inconclusive: Vec::new(),
            idle: BTreeSet::new(),
            directory: None,
        }
    }

    /// Which seeds to run; 200 if nothing is said.
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// From what clusters, weather and faults are drawn.
    pub fn faults(mut self, model: FaultModel) -> Self {
        self.model = model;
        self
    }

    /// Has one more check look at every event, after the built-in ones. Each run makes its own.
    pub fn check<C: Check + 'static>(mut self, make: impl Fn() -> C + Send + Sync + 'static) -> Self {
        self.checks.push(Box::new(move || Box::new(make())));
        self
    }

    /// Lets runs be inconclusive whose reason contains these words. At least one run must pass all the same.
    pub fn allow_inconclusive(mut self, words: &str) -> Self {
        self.inconclusive.push(words.to_owned());
        self
    }

    /// Lets the check or the fault of this name have nothing to do.
    pub fn allow_idle(mut self, name: &str) -> Self {
        self.idle.insert(name.to_owned());
        self
    }

    /// Where the traces of failed runs are written; beside what the build made if nothing is said.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Runs the seeds and says what they came to.
    ///
    /// # Panics
    /// When the test fails; the message is that of [`try_run`](Self::try_run)'s failure.
    #[track_caller]
    pub fn run(&self) -> Summary {
        match self.try_run() {
            Ok(summary) => summary,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// Runs the seeds, or the one that `WAVETANK_SEED` names, and says what they came to.
    ///
    /// # Errors
    /// When a run failed or was inconclusive, when something was idle, when a seed is not the same run twice, or when
    /// the test cannot be run as it is written. The failure says what to do next.
    #[track_caller]
    pub fn try_run(&self) -> Result<Summary, Failure> {
        let place = Place::here();
        self.model.validate()?;
        match Directions::from_environment()? {
            Directions::Seed(seed) => self.replay(seed, place),
            Directions::Seeds(count) => {
                let end = self.seeds.start.saturating_add(count);
                self.explore(self.seeds.start..end, place)
            }
            Directions::AsWritten => self.explore(self.seeds.clone(), place),
        }
    }

    /// Runs one configuration, its decisions drawn from `seed`: for configurations that were not drawn by the harness, such
    /// as those of a proptest strategy.
    ///
    /// # Errors
    /// When the run failed or was inconclusive.
    #[track_caller]
    pub fn run_one(&self, options: &RunOptions, seed: u64) -> Result<Report, Failure> {
        let report = self.report(options, seed, Keep::default());
        if self.is_accepted(&report.verdict) {
            return Ok(report);
        }
        let traced = self.report(options, seed, Keep { trace: true, ..Keep::default() });
        Err(self.failure(options.clone(), seed, traced, Origin::Given, Place::here()))
    }

    fn explore(&self, seeds: Range<u64>, place: Place) -> Result<Summary, Failure> {
        if seeds.is_empty() {
            return Err(Failure::NoSeeds { seeds });
        }
        self.assert_repeatable(seeds.start)?;
        let mut summary = explore::explore_runs(
            |seed| self.report(&self.options(seed), seed, Keep::default()),
            seeds,
            |summary| {
                if self.first_problem(summary).is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        if let Some(outcome) = self.first_problem(&summary) {
            return Err(self.tell(outcome, summary.passed, place));
        }
        self.judge_idleness(&mut summary)?;
        println!("{}: {} seeds passed, {} events", self.program.name(), summary.passed, summary.events);
        Ok(summary)
    }

    /// The first run, by seed, that must not be.
    fn first_problem<'s>(&self, summary: &'s Summary) -> Option<&'s Outcome> {
        let problems = summary.failed.iter().chain(&summary.inconclusive);
        problems.filter(|outcome| !self.is_accepted(&outcome.verdict)).min_by_key(|outcome| outcome.seed)
    }

    fn is_accepted(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Pass => true,
            Verdict::Fail(_) => false,
            Verdict::Inconclusive(reason) => self.inconclusive.iter().any(|words| reason.contains(words)),
        }
    }

    /// Runs a problem again, with its trace.
    fn tell(&self, outcome: &Outcome, passed: u64, place: Place) -> Failure {
        let seed = outcome.seed;
        let options = self.options(seed);
        let report = self.report(&options, seed, Keep { trace: true, ..Keep::default() });
        if report.hash != outcome.hash {
            return Failure::NotRepeatable { seed, first: outcome.hash, second: report.hash };
        }
        self.failure(options, seed, report, Origin::Explored { passed }, place)
    }

    /// Runs one seed and prints its trace.
    fn replay(&self, seed: u64, place: Place) -> Result<Summary, Failure> {
        let options = self.options(seed);
        let report = self.report(&options, seed, Keep { trace: true, ..Keep::default() });
        println!("seed {seed}: {}", failure::describe(&options).join("; "));
        for line in &report.trace {
            println!("{line}");
        }
        if !self.is_accepted(&report.verdict) {
            return Err(self.failure(options, seed, report, Origin::Replayed, place));
        }
        println!("seed {seed} of {}: {}, {} events", self.program.name(), report.verdict, report.events);
        let mut summary = Summary::default();
        summary.add(seed, report);
        Ok(summary)
    }

    fn failure(
        &self,
        options: RunOptions,
        seed: u64,
        report: Report,
        origin: Origin,
        place: Place,
    ) -> Failure {
        let failed = FailedRun::new(self.program.name(), options, seed, report, origin, place);
        Failure::Run(Box::new(failed.written_to(self.directory.as_deref())))
    }

    /// The same seed twice must be the same run, or no failure could ever be looked at.
    fn assert_repeatable(&self, seed: u64) -> Result<(), Failure> {
        let options = self.options(seed);
        let hash = || self.report(&options, seed, Keep::default()).hash;
        let (first, second) = rayon::join(hash, hash);
        if first == second { Ok(()) } else { Err(Failure::NotRepeatable { seed, first, second }) }
    }

    /// Everything that there is must have been of use.
    fn judge_idleness(&self, summary: &mut Summary) -> Result<(), Failure> {
        if summary.passed == 0 {
            return Err(Failure::NothingJudged { runs: summary.runs() });
        }
        let busy = |names: Vec<&str>| -> Vec<String> {
            names.into_iter().filter(|name| !self.idle.contains(*name)).map(str::to_owned).collect()
        };
        let (checks, faults) = (busy(summary.idle_checks()), busy(summary.idle_faults()));
        if checks.is_empty() && faults.is_empty() {
            return Ok(());
        }
        Err(Failure::Idle { checks, faults, runs: summary.runs() })
    }

    /// The configuration that a seed stands for.
    fn options(&self, seed: u64) -> RunOptions {
        RunOptions::draw_from(&self.model, self.program.name(), &mut Door::new(Random::new(seed)))
    }

    fn report(&self, options: &RunOptions, seed: u64, keep: Keep) -> Report {
        let own = self.checks.iter().map(|make| make());
        let subject = Subject {
            programs: slice::from_ref(&self.program),
            workload: self.workload.clone(),
            checks: checks::built_in().into_iter().chain(own).collect(),
        };
        run::run_subject(options, subject, Door::new(Random::new(seed)), keep)
    }
}
