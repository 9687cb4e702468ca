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
    trace::{Fingerprint, Line},
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
/// happens in it. Of a directory all files are played that end in .ron. A step that cannot be taken, or would have no
/// effect, is a mistake in the file.
#[derive(Debug, Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wavetank run scenarios                                all scenarios of a directory\n",
    "  wavetank run scenarios/a_split_vote*.ron --trace      one of them, event by event\n",
    "  wavetank run scenarios --implementation raft-rs       as another implementation plays them; what it does\n",
    "                                                        otherwise than raft-core does not pass\n",
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
        let played = Played::of(&path, &programs);
        exit = exit.max(counts.add(&played.verdict));
        played.tell(arguments, output);
    }
    if arguments.json {
        output.json(&counts);
    } else {
        counts.tell(exit, arguments, output);
    }
    Ok(exit)
}

impl Counts {
    /// Counts a scenario, and says what it comes to.
    fn add(&mut self, verdict: &Result<Verdict, scenario::Mistake>) -> Exit {
        self.scenarios += 1;
        *match verdict {
            Ok(Verdict::Pass) => &mut self.passed,
            Ok(Verdict::Fail(_)) => &mut self.failed,
            Ok(Verdict::Inconclusive(_)) => &mut self.inconclusive,
            Err(_) => &mut self.mistaken,
        } += 1;
        verdict.as_ref().map_or(Exit::BadInput, Exit::of)
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

/// A file that was played, as far as it could be.
struct Played {
    file: String,
    name: String,
    verdict: Result<Verdict, scenario::Mistake>,
    trace: Vec<Line>,
    /// The identity of the run and its events, if there was one.
    run: Option<(Fingerprint, u64)>,
}

/// The same as a line of JSON.
#[derive(Debug, Serialize)]
struct PlayedLine<'a> {
    file: &'a str,
    name: &'a str,
    #[serde(flatten)]
    judgement: PlayedJudgement<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum PlayedJudgement<'a> {
    Judged(Judgement<'a>),
    Mistaken { verdict: &'static str, mistake: MistakeLine<'a> },
}

/// A mistake in a scenario, as JSON.
#[derive(Debug, Serialize)]
struct MistakeLine<'a> {
    line: usize,
    column: usize,
    text: &'a str,
    problem: &'a str,
    expected: &'a str,
}

impl Played {
    fn of(path: &Path, programs: &[Arc<dyn Program>]) -> Self {
        let file = path.display().to_string();
        match scenario::load(path) {
            Ok(scenario) => {
                let Outcome { verdict, trace, events, hash } = scenario::play(&scenario, programs);
                Self { file, name: scenario.name().to_owned(), verdict, trace, run: Some((hash, events)) }
            }
            Err(mistake) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Self { file, name, verdict: Err(mistake), trace: Vec::new(), run: None }
            }
        }
    }

    fn tell(&self, arguments: &Arguments, output: &mut Output) {
        match (arguments.trace, arguments.json) {
            (false, _) => (),
            (true, true) => self.trace.iter().for_each(|line| output.json(line)),
            (true, false) => render::trace(output, &self.trace),
        }
        if let Err(mistake) = &self.verdict {
            output.mistake(&Mistake::Scenario(mistake.clone()));
        }
        if arguments.json {
            self.tell_json(output);
            return;
        }
        let Ok(verdict) = &self.verdict else { return };
        let (style, word) = render::word(verdict);
        let why = match verdict {
            Verdict::Pass => String::new(),
            Verdict::Fail(violation) => format!(": {violation}"),
            Verdict::Inconclusive(reason) => format!(": {reason}"),
        };
        output.line(format_args!("{style}{word}{style:#}  {}{why}", self.name));
        if arguments.trace {
            output.line("");
        }
    }

    fn tell_json(&self, output: &mut Output) {
        let judgement = match &self.verdict {
            Ok(verdict) => PlayedJudgement::Judged(Judgement::from(verdict)),
            Err(mistake) => PlayedJudgement::Mistaken { verdict: "mistake", mistake: mistake.into() },
        };
        let (hash, events) = self.run.map(|(hash, events)| (hash.to_string(), events)).unzip();
        output.json(&PlayedLine { file: &self.file, name: &self.name, judgement, hash, events });
    }
}

impl<'a> From<&'a scenario::Mistake> for MistakeLine<'a> {
    fn from(mistake: &'a scenario::Mistake) -> Self {
        Self {
            line: mistake.line(),
            column: mistake.column(),
            text: mistake.text(),
            problem: mistake.problem(),
            expected: mistake.expected(),
        }
    }
}
