//! Why a test failed, told so that one can go on from there: what happened, where, and what to do next.

use std::{
    env, fmt, fs,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    directions::DirectionError,
    place::{self, Place},
};
use crate::{
    checks::{self, Violation},
    run::{Report, Verdict},
    storm::Budget,
    swarm::{FaultModelError, RunOptions},
    tank::TankOptions,
    time::Time,
    trace::{Fingerprint, Line},
};

/// Why a test failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A run failed, or could not be judged.
    #[error("{0}")]
    Run(Box<FailedRun>),
    /// One seed was two different runs.
    #[error(
        "seed {seed} is not the same run twice: it had the fingerprint {first}, and then {second}.\n\
         Something in the program is decided outside the tank, so no failure of it could be run again. The usual \
         reasons: the order of a HashMap or HashSet, the time of day, a random number of the program's own, a static, \
         a thread. Use a BTreeMap, count ticks, and let the tank supply election timeouts."
    )]
    NotRepeatable {
        /// The seed.
        seed: u64,
        /// What it was first.
        first: Fingerprint,
        /// What it was then.
        second: Fingerprint,
    },
    /// Something had nothing to do in all runs, so it has shown nothing.
    #[error("{}", idle(checks, faults, *runs))]
    Idle {
        /// Checks that never had anything to decide.
        checks: Vec<String>,
        /// Faults that never made a difference.
        faults: Vec<String>,
        /// In how many runs.
        runs: u64,
    },
    /// Every single run was inconclusive.
    #[error(
        "all {runs} runs were inconclusive: nothing was judged, though each for itself is allowed.\n\
         Allow less with `allow_inconclusive`, and see what a run says for itself."
    )]
    NothingJudged {
        /// How many runs.
        runs: u64,
    },
    /// There is nothing to run.
    #[error("there are no seeds to run in {seeds:?}; expected at least one, as in `seeds(0..200)`")]
    NoSeeds {
        /// The seeds.
        seeds: Range<u64>,
    },
    /// Nothing can be drawn from the fault model.
    #[error("the fault model makes no sense: {0}")]
    Model(#[from] FaultModelError),
    /// The environment asks for something that cannot be understood.
    #[error("{0}")]
    Directions(#[from] DirectionError),
}

fn idle(checks: &[String], faults: &[String], runs: u64) -> String {
    let mut text = format!("every run of {runs} passed, and yet not everything was tested:\n");
    if !checks.is_empty() {
        text += &format!("  these checks never had anything to decide: {}\n", checks.join(", "));
    }
    if !faults.is_empty() {
        text += &format!("  these faults were armed and never made a difference: {}\n", faults.join(", "));
    }
    let name = checks.iter().chain(faults).next().map_or("", String::as_str);
    text + &format!(
        "Run more seeds, leave the fault out of the fault model, give the program an auditor if checks of \
         durability are idle,\nor say that it may be so: `allow_idle(\"{name}\")`."
    )
}

/// A run that failed, or could not be judged, and all there is to know about it.
#[derive(Debug)]
pub struct FailedRun {
    /// The program's name.
    pub program: String,
    /// Its seed.
    pub seed: u64,
    /// Its configuration.
    pub options: RunOptions,
    /// How it ended, with its whole trace.
    pub report: Report,
    /// Where its configuration and its seed come from.
    pub origin: Origin,
    /// The test.
    pub place: Place,
    /// The file with the trace.
    pub trace_file: TraceFile,
}

/// Where the configuration and the seed of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was found among others, and the seed stands for both.
    Explored {
        /// How many of the others passed.
        passed: u64,
    },
    /// It was asked for by its seed, which stands for both.
    Replayed,
    /// Both were handed in.
    Given,
}

/// What became of the file with the trace.
#[derive(Debug)]
pub enum TraceFile {
    /// Nobody has written it.
    None,
    /// It is here.
    Written(PathBuf),
    /// It could not be written.
    Failed {
        /// Where it was to be.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// How many of the last lines of the trace are shown.
const SHOWN_LINES: usize = 30;
/// How long a line may be there; the file has it whole.
const SHOWN_CHARACTERS: usize = 180;

impl FailedRun {
    pub(super) fn new(
        program: &str,
        options: RunOptions,
        seed: u64,
        report: Report,
        origin: Origin,
        place: Place,
    ) -> Self {
        Self {
            program: program.to_owned(),
            seed,
            options,
            report,
            origin,
            place,
            trace_file: TraceFile::None,
        }
    }

    /// The violation, unless the run was inconclusive.
    pub fn violation(&self) -> Option<&Violation> {
        match &self.report.verdict {
            Verdict::Fail(violation) => Some(violation),
            Verdict::Pass | Verdict::Inconclusive(_) => None,
        }
    }

    /// How it is run again and its trace shown.
    pub fn replay_command(&self) -> String {
        match self.origin {
            Origin::Explored { .. } | Origin::Replayed => self.place.replay_command(self.seed),
            Origin::Given => format!("call `run_one` with the same configuration and the seed {}", self.seed),
        }
    }

    /// Writes the whole trace to a file of this directory, or the usual one. What goes wrong there is told with the
    /// rest: the failure itself matters more.
    pub(super) fn written_to(mut self, directory: Option<&Path>) -> Self {
        let directory = directory.map_or_else(place::usual_directory, Path::to_owned);
        let path = directory.join(self.place.file_name(self.seed));
        let written = fs::create_dir_all(&directory).and_then(|()| fs::write(&path, self.trace_text()));
        self.trace_file = match written {
            Ok(()) => TraceFile::Written(path),
            Err(error) => TraceFile::Failed { path, reason: error.to_string() },
        };
        self
    }

    fn trace_text(&self) -> String {
        let [cluster, faults] = describe(&self.options);
        let head = format!("# {}\n# {cluster}\n# {faults}\n# {}\n", self.headline(), self.replay_command());
        self.report.trace.iter().fold(head, |text, line| text + &format!("{line}\n"))
    }

    fn headline(&self) -> String {
        let Self { program, seed, .. } = self;
        match &self.report.verdict {
            Verdict::Pass => format!("seed {seed} of {program} passed"),
            Verdict::Fail(violation) => format!("seed {seed} of {program} violates {}", violation.check),
            Verdict::Inconclusive(_) => format!("seed {seed} of {program} could not be judged"),
        }
    }

    fn write_what(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.headline())?;
        let what = match &self.report.verdict {
            Verdict::Pass => "nothing is wrong".to_owned(),
            Verdict::Fail(violation) => violation.message.clone(),
            Verdict::Inconclusive(reason) => format!(
                "{reason}\n\nThis proves nothing, so it does not pass. If it may be, say so with `allow_inconclusive`."
            ),
        };
        let what = what.trim_end().lines().map(|line| format!("  {line}\n"));
        writeln!(f, "{}", what.collect::<String>())?;
        match self.violation().and_then(|violation| checks::promise(&violation.check)) {
            Some(promise) => writeln!(f, "promised: {promise}\n"),
            None => Ok(()),
        }
    }

    fn write_where(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { events, virtual_time, .. } = &self.report;
        let event = self.violation().map_or(*events, |violation| violation.event);
        writeln!(f, "after event {event}, {} of virtual time, in this run:", Time::ZERO + *virtual_time)?;
        writeln!(f, "  {}", describe(&self.options).join("\n  "))?;
        match self.origin {
            Origin::Explored { passed } => writeln!(f, "  {passed} other seeds passed until it was found"),
            Origin::Replayed | Origin::Given => Ok(()),
        }
    }

    fn write_tail(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = &self.report.trace;
        let tail = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        writeln!(f, "\nthe last {} of {} lines of its trace:", tail.len(), lines.len())?;
        tail.iter().try_for_each(|line| writeln!(f, "  {}", shortened(line)))
    }

    fn write_next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.place.line;
        writeln!(f, "\nthe test       {}:{}", line.file(), line.line())?;
        match &self.trace_file {
            TraceFile::None => (),
            TraceFile::Written(path) => writeln!(f, "whole trace    {}", from_here(path).display())?,
            TraceFile::Failed { path, reason } => {
                writeln!(f, "whole trace    could not be written to {}: {reason}", path.display())?;
            }
        }
        write!(f, "run it again   {}", self.replay_command())
    }
}

impl fmt::Display for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_what(f)?;
        self.write_where(f)?;
        self.write_tail(f)?;
        self.write_next(f)
    }
}

/// The path from where the test runs, if it leads down from there.
fn from_here(path: &Path) -> &Path {
    let here = env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}

/// A line of the trace as one line of no great length: words of others may have several.
fn shortened(line: &Line) -> String {
    let text = line.to_string().replace('\n', " ");
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// A configuration in two lines: who takes part, and what is done to them.
pub(super) fn describe(options: &RunOptions) -> [String; 2] {
    let RunOptions { programs: _, tank, faults } = options;
    [describe_cluster(tank), describe_faults(tank, faults)]
}

fn describe_cluster(tank: &TankOptions) -> String {
    let TankOptions { voters, learners, spares, raft, tick, drift_ppm: _, network: _, disk: _, clients } =
        tank;
    let on = |on: bool| if on { "on" } else { "off" };
    let others = [(learners, "learning"), (spares, "to be added")];
    let others = others.into_iter().filter(|(count, _)| 0 < **count);
    let others = others.map(|(count, what)| format!(" and {count} {what}")).collect::<String>();
    format!(
        "{voters} servers{others}, {} clients, PreVote {}, CheckQuorum {}, election timeout {} to {} ticks of {tick}",
        clients.len(),
        on(raft.pre_vote),
        on(raft.check_quorum),
        raft.election_timeout_ticks,
        2 * raft.election_timeout_ticks - 1,
    )
}

fn describe_faults(tank: &TankOptions, faults: &Budget) -> String {
    let TankOptions {
        voters: _,
        learners: _,
        spares: _,
        raft: _,
        tick: _,
        drift_ppm,
        network,
        disk,
        clients: _,
    } = tank;
    let drifting = drift_ppm.iter().filter(|drift| **drift != 0).count() as u64;
    let weather = [
        ("messages lost", network.loss_permille, "‰"),
        ("duplicated", network.duplicate_permille, "‰"),
        ("very slow", network.tail_permille, "‰"),
        ("at most on a link", network.capacity.unwrap_or(0), ""),
        ("drifting clocks", drifting, ""),
    ];
    let planned = faults.counts().into_iter().map(|(name, count)| (name.replace('_', " "), count, ""));
    let amounts = planned.chain(weather.map(|(name, amount, unit)| (name.to_owned(), amount, unit)));
    let present = amounts.filter(|(_, amount, _)| 0 < *amount);
    let counted = present.map(|(name, amount, unit)| format!("{name} {amount}{unit}"));
    let present = counted.chain(disk.tear.then(|| "torn sectors".to_owned())).collect::<Vec<_>>();
    if present.is_empty() { "no faults".to_owned() } else { format!("planned: {}", present.join(", ")) }
}
