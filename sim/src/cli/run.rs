//! `wavetank run`: scripted histories.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde::Serialize;
use wavetank::{
    program::Program,
    run::{self, Verdict},
    scenario::{self, Outcome},
};

use super::{
    exit::{Exit, exit_codes},
    input::{DEFAULT_IMPLEMENTATION, implementation_parser},
    mistake::Mistake,
    output::Output,
    render::{self, Judgement, count, number},
    style::HINT,
};

/// Play scripted histories
///
/// A scenario is a file that says what happens in a cluster, step by step, and what is to be expected. Nothing else
/// happens in it. Of a directory all files are played that end in .ron.
#[derive(Debug, Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wavetank run scenarios                                all scenarios of a directory\n",
    "  wavetank run scenarios/a_split_vote*.ron --trace      one of them, event by event\n",
    "  wavetank run scenarios --implementation raft-rs       as another implementation plays them\n",
    "\n",
    exit_codes!()
))]
pub(super) struct Arguments {
    /// Scenario files, and directories of them
    #[arg(value_name = "FILE", required = true)]
    paths: Vec<PathBuf>,
    /// The implementation to run
    #[arg(long, value_name = "NAME", default_value = DEFAULT_IMPLEMENTATION, value_parser = implementation_parser())]
    implementation: String,
    /// Write the traces
    #[arg(long)]
    trace: bool,
    /// Write JSON lines: of each scenario its trace, if asked for, and its verdict, and last the summary
    #[arg(long)]
    json: bool,
}

/// How many scenarios came out how.
#[derive(Debug, Default, Serialize)]
struct Counts {
    scenarios: u64,
    passed: u64,
    failed: u64,
    inconclusive: u64,
    /// Files that hold a mistake.
    mistaken: u64,
}

/// Plays scenarios. A mistake in one of them does not keep the others from being played.
///
/// # Errors
/// When a directory cannot be read or holds no scenario.
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<Exit, Mistake> {
    let programs = run::find_programs(std::slice::from_ref(&arguments.implementation))?;
    let mut counts = Counts::default();
    let mut exit = Exit::Passed;
    for path in scenario_files(&arguments.paths)? {
        counts.scenarios += 1;
        exit = exit.max(match play(arguments, &path, &programs, output) {
            Ok(verdict) => {
                counts.add(&verdict);
                Exit::of(&verdict)
            }
            Err(mistake) => {
                // What was written before it is to be read before it.
                output.flush();
                mistake.report();
                counts.mistaken += 1;
                Exit::BadInput
            }
        });
    }
    if arguments.json {
        output.json(&counts);
    } else {
        counts.tell(exit, arguments, output);
    }
    Ok(exit)
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail(_) => self.failed += 1,
            Verdict::Inconclusive(_) => self.inconclusive += 1,
        }
    }

    fn tell(&self, exit: Exit, arguments: &Arguments, output: &mut Output) {
        let Self { scenarios, passed, failed, inconclusive, mistaken } = *self;
        output.line(format_args!(
            "{} of {}: {} passed, {} failed, {} inconclusive, {} with mistakes",
            count(scenarios, "scenario"),
            arguments.implementation,
            number(passed),
            number(failed),
            number(inconclusive),
            number(mistaken)
        ));
        if exit == Exit::Violation && !arguments.trace {
            output.line(format_args!("{HINT}hint{HINT:#}: see what happened with --trace"));
        }
    }
}

/// The files meant by these paths: of a directory, those in it that are scenarios, by name.
fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Mistake> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = scenarios_in(path).map_err(|source| Mistake::unreadable(path, source))?;
            if found.is_empty() {
                return Err(Mistake::NoScenario { path: path.clone() });
            }
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn scenarios_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ron") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A scenario that was played, as a line of JSON.
#[derive(Debug, Serialize)]
struct ScenarioLine<'a> {
    file: String,
    name: &'a str,
    #[serde(flatten)]
    judgement: Judgement<'a>,
    hash: String,
    events: u64,
}

fn play(
    arguments: &Arguments,
    path: &Path,
    programs: &[Arc<dyn Program>],
    output: &mut Output,
) -> Result<Verdict, Mistake> {
    let scenario = scenario::load(path).map_err(Mistake::Scenario)?;
    let Outcome { verdict, trace, events, hash } = scenario::play(&scenario, programs);
    match (arguments.trace, arguments.json) {
        (false, _) => (),
        (true, true) => trace.iter().for_each(|line| output.json(line)),
        (true, false) => render::trace(output, &trace),
    }
    if arguments.json {
        let (file, name) = (path.display().to_string(), scenario.name());
        let judgement = Judgement::from(&verdict);
        output.json(&ScenarioLine { file, name, judgement, hash: hash.to_string(), events });
        return Ok(verdict);
    }
    let (style, word) = render::word(&verdict);
    match &verdict {
        Verdict::Pass => output.line(format_args!("{style}{word}{style:#}  {}", scenario.name())),
        Verdict::Fail(violation) => {
            output.line(format_args!("{style}{word}{style:#}  {}: {violation}", scenario.name()));
        }
        Verdict::Inconclusive(reason) => {
            output.line(format_args!("{style}{word}{style:#}  {}: {reason}", scenario.name()));
        }
    }
    if arguments.trace {
        output.line("");
    }
    Ok(verdict)
}
