//! `wavetank replay`: one history again, and everything there is to know about it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde::Serialize;
use wavetank::{
    chance::{Door, Random},
    checks::Violation,
    linearizability::OutcomeCounts,
    program::Program,
    run::{self, Keep, Report, Verdict},
    saved::SavedRun,
    swarm::RunOptions,
    tank::Tally,
};

use super::{
    determinism::{self, Difference, Record},
    exit::{Exit, exit_codes},
    input::{self, DEFAULT_IMPLEMENTATION, implementation_parser},
    mistake::Mistake,
    output::Output,
    render::{self, Judgement, number},
    style::{HINT, OPEN},
};

/// Run one history again, from its seed or from a file
///
/// Tells how it came out. If something was violated, it says what was promised, and shows the lines of the trace that
/// led there.
#[derive(Debug, Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wavetank replay 17                       what became of seed 17\n",
    "  wavetank replay 17 --trace | less        event by event\n",
    "  wavetank replay 17 --save run.ron        into a file: seeds change meaning with the code, files do not\n",
    "  wavetank replay run.ron                  and out of it; if that is another history now, it exits with 3\n",
    "  wavetank replay 17 --check-determinism   is it the same every time?\n",
    "\n",
    exit_codes!()
))]
pub(super) struct Arguments {
    /// A seed (17 or 0x11), or a file written with --save. A file named like a seed is written ./17
    #[arg(value_name = "SEED|FILE", allow_negative_numbers = true)]
    target: String,
    /// The implementation to run [default: raft-core, or that of the file]
    #[arg(long, value_name = "NAME", value_parser = implementation_parser())]
    implementation: Option<String>,
    /// Write the whole trace
    #[arg(long)]
    trace: bool,
    /// Write JSON lines: those of the trace, if asked for, and last the verdict
    #[arg(long)]
    json: bool,
    /// Run it twice here and once in a process of its own, and compare them event by event
    #[arg(long)]
    check_determinism: bool,
    /// Save the run to a file; what was there is replaced
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// Replays, and tells what happened.
///
/// # Errors
/// When there is nothing to replay, or the file to replay cannot be used.
pub(super) fn replay(arguments: &Arguments, output: &mut Output) -> Result<Exit, Mistake> {
    let target = Target::find(arguments)?;
    let report = target.play(Keep { trace: true, decisions: arguments.save.is_some() })?;
    let checked = arguments.check_determinism;
    let difference = if checked { check_determinism(arguments, &target, &report)? } else { None };
    let replayed = Replayed {
        arguments,
        verdict: judge(&target, &report, difference.as_ref()),
        deterministic: checked.then_some(difference.is_none()),
        target,
        report,
    };
    if arguments.json {
        replayed.tell_json(output);
    } else {
        replayed.tell(output);
    }
    let exit = Exit::of(&replayed.verdict);
    let saved = arguments.save.as_ref().map_or(Ok(()), |path| replayed.target.save(&replayed.report, path));
    // Whatever becomes of the file, the verdict has been told, and counts.
    Ok(saved.map_or_else(|mistake| exit.max(output.mistake(&mistake)), |()| exit))
}

/// What is replayed.
enum Target {
    Seed { seed: u64, implementation: String },
    File { saved: Box<SavedRun>, programs: Vec<Arc<dyn Program>> },
}

impl Target {
    fn find(arguments: &Arguments) -> Result<Self, Mistake> {
        let Arguments { target, implementation, .. } = arguments;
        if let Some(seed) = input::seed(target) {
            let implementation = implementation.as_deref().unwrap_or(DEFAULT_IMPLEMENTATION).to_owned();
            return Ok(Self::Seed { seed, implementation });
        }
        let path = Path::new(target);
        if !path.exists() {
            return Err(Mistake::NoTarget { text: target.clone() });
        }
        let text = input::read_text(path)?;
        let mut saved = SavedRun::parse(&path.display().to_string(), &text).map_err(Mistake::Saved)?;
        if let Some(implementation) = implementation
            && saved.options.programs != [implementation.as_str()]
        {
            // Another implementation makes another run of it.
            saved.options.programs = vec![implementation.clone()];
            saved.hash = None;
        }
        let programs = run::find_programs(&saved.options.programs)?;
        Ok(Self::File { saved: Box::new(saved), programs })
    }

    fn play(&self, keep: Keep) -> Result<Report, Mistake> {
        Ok(match self {
            Self::Seed { seed, implementation } => run::run_seed(implementation, *seed, keep)?,
            Self::File { saved, programs } => saved.replay(programs, keep)?,
        })
    }

    fn implementation(&self) -> String {
        match self {
            Self::Seed { implementation, .. } => implementation.clone(),
            Self::File { saved, .. } => saved.options.programs.join(", "),
        }
    }

    fn seed(&self) -> Option<u64> {
        match self {
            Self::Seed { seed, .. } => Some(*seed),
            Self::File { .. } => None,
        }
    }

    /// The hash of the run that was saved, if this is another one.
    fn missed_hash(&self, report: &Report) -> Option<&str> {
        match self {
            Self::Seed { .. } => None,
            Self::File { saved, .. } => saved.hash.as_deref().filter(|_| !saved.is(report)),
        }
    }

    fn save(&self, report: &Report, path: &Path) -> Result<(), Mistake> {
        let options = match self {
            Self::Seed { seed, implementation } => {
                RunOptions::draw(implementation, &mut Door::new(Random::new(*seed)))
            }
            Self::File { saved, .. } => saved.options.clone(),
        };
        let written = SavedRun::of(options, report).write(path);
        written.map_err(|source| Mistake::Unwritable { path: path.to_owned(), source })
    }
}

/// Runs it once more here and once elsewhere; where one of them parts from the first run, if one does.
fn check_determinism(
    arguments: &Arguments,
    target: &Target,
    report: &Report,
) -> Result<Option<Difference>, Mistake> {
    let first = Record::from(report);
    let again = Record::from(&target.play(Keep { trace: true, decisions: false })?);
    if let Some(difference) = determinism::difference(&first, &again, "in the same process") {
        return Ok(Some(difference));
    }
    let elsewhere = determinism::replay_elsewhere(&arguments.target, arguments.implementation.as_deref())?;
    Ok(determinism::difference(&first, &elsewhere, "in another process"))
}

/// The verdict of a replay: that of the run, unless it is not the run it should be. A violation is one all the same.
fn judge(target: &Target, report: &Report, difference: Option<&Difference>) -> Verdict {
    if let Some(Difference { event, message }) = difference {
        let check = "Determinism".to_owned();
        return Verdict::Fail(Violation { check, event: *event, message: message.clone() });
    }
    match (&report.verdict, target.missed_hash(report)) {
        (Verdict::Fail(_), _) | (_, None) => report.verdict.clone(),
        (verdict, Some(expected)) => Verdict::Inconclusive(format!(
            "{}; by itself it came out as: {verdict}",
            another_run(expected, report)
        )),
    }
}

/// That a file's run did not come out of it again.
fn another_run(expected: &str, report: &Report) -> String {
    format!(
        "this is not the run that was saved, so it says nothing about that one: its hash is {}, and the file \
         expects {expected}; the file was changed, or the code was",
        report.hash
    )
}

/// A run, replayed and judged.
struct Replayed<'a> {
    arguments: &'a Arguments,
    target: Target,
    report: Report,
    verdict: Verdict,
    /// Whether it was the same every time, if that was asked.
    deterministic: Option<bool>,
}

/// A replay as a line of JSON.
#[derive(Debug, Serialize)]
struct ReplayLine<'a> {
    #[serde(flatten)]
    judgement: Judgement<'a>,
    hash: String,
    /// The hash of the run that was saved, if this is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_hash: Option<&'a str>,
    events: u64,
    virtual_seconds: f64,
    implementation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deterministic: Option<bool>,
    operations: Operations,
}

/// How many operations ended how, as JSON.
#[derive(Debug, Serialize)]
struct Operations {
    completed: u64,
    failed: u64,
    abandoned: u64,
    open: u64,
}

impl Replayed<'_> {
    fn virtual_time(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.report.virtual_time.as_nanos())
    }

    fn tell_json(&self, output: &mut Output) {
        if self.arguments.trace {
            for line in &self.report.trace {
                output.json(line);
            }
        }
        let OutcomeCounts { open, completed, failed, abandoned } = self.report.operations;
        output.json(&ReplayLine {
            judgement: Judgement::from(&self.verdict),
            hash: self.report.hash.to_string(),
            expected_hash: self.target.missed_hash(&self.report),
            events: self.report.events,
            virtual_seconds: render::seconds(self.virtual_time()),
            implementation: self.target.implementation(),
            seed: self.target.seed(),
            deterministic: self.deterministic,
            operations: Operations { completed, failed, abandoned, open },
        });
    }

    fn tell(&self, output: &mut Output) {
        self.tell_trace(output);
        let Report { hash, events, operations, tally, .. } = &self.report;
        let OutcomeCounts { open, completed, failed, abandoned } = *operations;
        let Tally { elections, changes, lossy_crashes, refused_messages, undescribed_messages: _ } = *tally;
        output.line(format_args!("hash          {hash}"));
        output.line(format_args!("events        {}", number(*events)));
        output.line(format_args!("virtual time  {}", render::duration(self.virtual_time())));
        output.line(format_args!(
            "operations    {} answered, {} refused, {} abandoned, {} open",
            number(completed),
            number(failed),
            number(abandoned),
            number(open)
        ));
        output.line(format_args!(
            "seen          {}, {} of members, crashes that lost bytes: {}, messages refused: {}",
            render::count(elections, "election"),
            render::count(changes, "change"),
            number(lossy_crashes),
            number(refused_messages)
        ));
        if let Some(path) = &self.arguments.save {
            output.line(format_args!("saved to      {}", path.display()));
        }
        if self.deterministic == Some(true) {
            output
                .line("deterministic: three runs, one of them in a process of its own, agree in every event");
        }
        self.tell_verdict(output);
    }

    /// Writes the trace, if it is wanted.
    fn tell_trace(&self, output: &mut Output) {
        if self.arguments.trace {
            render::trace(output, &self.report.trace);
            output.line("");
        }
    }

    fn tell_verdict(&self, output: &mut Output) {
        let (style, word) = render::word(&self.verdict);
        let what = match &self.target {
            Target::Seed { seed, .. } => format!("seed {seed}"),
            Target::File { .. } => self.arguments.target.clone(),
        };
        let implementation = self.target.implementation();
        output.line(format_args!("{style}{word}{style:#}: {what} of {implementation}"));
        match &self.verdict {
            Verdict::Pass => return,
            Verdict::Fail(violation) => {
                self.tell_violation(violation, output);
                if let Some(expected) = self.target.missed_hash(&self.report) {
                    output.line(format_args!("{OPEN}note{OPEN:#}: {}", another_run(expected, &self.report)));
                }
            }
            Verdict::Inconclusive(reason) => output.line(format_args!("{OPEN}{reason}{OPEN:#}")),
        }
        if !self.arguments.trace {
            output.line(format_args!("{HINT}hint{HINT:#}: the whole trace: {} --trace", self.command()));
        }
    }

    /// A violation and how it came to it; of the latter nothing if the whole trace is there already.
    fn tell_violation(&self, violation: &Violation, output: &mut Output) {
        if self.arguments.trace {
            output.line(violation);
        } else {
            output.line(violation.story(&self.report.trace).trim_end());
        }
    }

    /// The command that replays this run.
    fn command(&self) -> String {
        let implementation = self.arguments.implementation.as_ref();
        let named = implementation.map(|name| format!(" --implementation {name}")).unwrap_or_default();
        format!("wavetank replay {}{named}", self.arguments.target)
    }
}
