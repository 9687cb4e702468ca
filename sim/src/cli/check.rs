//! `wavetank check`: are recorded histories linearizable?

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use wavetank::linearizability::{
    Budget, History, OperationId, Precision, Report, Verdict, Violation, check as judge_history, html,
    specifications::key_value::{Command, KeyValue, Reply},
};

use super::{
    exit::{Exit, exit_codes},
    file_kind::FileKind,
    format::Format,
    input,
    mistake::Mistake,
    output::Output,
    render::{count, number},
    style::{FAILED, HINT, OPEN, PASSED},
};

/// Judge whether recorded histories are linearizable
///
/// A history is linearizable if there is one order of its operations, true to real time, in which a single copy of
/// the store would have given the same answers. If there is none, the first answer is told that cannot be explained.
#[derive(Debug, Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wavetank check history.jsonl                   one JSON object an event, as the tank writes them\n",
    "  wavetank check jepsen/*.log --json             logs of Jepsen, one line of JSON a file\n",
    "  wavetank check history.jsonl --html page.html  a drawing of it, with what proves a violation marked\n",
    "  wavetank check --format edn --initial 0 run    EDN maps, of a store whose keys all begin with 0\n",
    "\n",
    exit_codes!()
))]
pub(super) struct Arguments {
    /// The files
    #[arg(value_name = "HISTORY", required = true)]
    paths: Vec<PathBuf>,
    /// The format of the files [default: what they look like]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// What every key holds in the beginning [default: nothing; in EDN maps the empty text]
    #[arg(long, value_name = "VALUE")]
    initial: Option<String>,
    /// The most nodes to search in a file before it is given up
    #[arg(long, value_name = "NODES", value_parser = input::parse_count, allow_negative_numbers = true)]
    budget: Option<u64>,
    /// Write JSON lines: one for each file
    #[arg(long)]
    json: bool,
    /// Draw the history: write a page to this file, to be opened in a browser. For one history
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Judges histories. A mistake in one file does not keep the others from being judged.
///
/// # Errors
/// When there are several histories to draw on one page.
pub(super) fn check(arguments: &Arguments, output: &mut Output) -> Result<Exit, Mistake> {
    if arguments.html.is_some() && 1 < arguments.paths.len() {
        return Err(Mistake::SeveralToDraw);
    }
    let mut exit = Exit::Passed;
    for path in &arguments.paths {
        exit = exit.max(match judge(arguments, path) {
            Ok(judged) => judged.tell_and_draw(arguments, output),
            Err(mistake) => output.mistake(&mistake),
        });
        output.flush();
    }
    Ok(exit)
}

/// A history, judged.
struct Judged<'a> {
    path: &'a Path,
    format: Format,
    specification: KeyValue,
    history: History<Command, Reply>,
    report: Report,
}

fn judge<'a>(arguments: &Arguments, path: &'a Path) -> Result<Judged<'a>, Mistake> {
    let text = input::read_text(path)?;
    let recognised = || Format::recognise(path, &text);
    let format = arguments.format.or_else(recognised).ok_or_else(|| Mistake::UnknownFormat {
        path: path.to_owned(),
        kind: FileKind::guess(path, &text),
    })?;
    let history = format.read(&text).map_err(|error| Mistake::History {
        path: path.to_owned(),
        error,
        guessed: arguments.format.is_none(),
    })?;
    let specification = KeyValue::starting_with(arguments.initial.as_deref().or(format.initial()));
    let budget = arguments.budget.map_or_else(Budget::default, |nodes| Budget { nodes, ..Budget::default() });
    let report = judge_history(&specification, &history, budget);
    Ok(Judged { path, format, specification, history, report })
}

/// A history that was judged, as a line of JSON.
#[derive(Debug, Serialize)]
struct HistoryLine<'a> {
    file: String,
    verdict: &'static str,
    first_violating_event: Option<u64>,
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

/// What else there is to say about a history that did not pass.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Violation {
        /// Several, where operations on several made them one.
        key: String,
        /// Whether it is certain that no earlier event is one.
        exact: bool,
        /// The keys for which it is not.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        undecided_keys: &'a [String],
        /// Operations that prove it.
        core: Vec<u64>,
        story: &'a str,
    },
    Unknown {
        reason: String,
        undecided_keys: &'a [String],
        nodes: u64,
    },
}

impl Judged<'_> {
    fn exit(&self) -> Exit {
        match self.report.verdict {
            Verdict::Linearizable { .. } => Exit::Passed,
            Verdict::Violation(_) => Exit::Violation,
            Verdict::Unknown { .. } => Exit::Inconclusive,
        }
    }

    /// Tells how it came out, and draws it if that was asked for. Whatever comes of the page, the verdict is told.
    fn tell_and_draw(&self, arguments: &Arguments, output: &mut Output) -> Exit {
        let drawn = arguments.html.as_ref().map_or(Ok(()), |page| self.draw(page));
        if arguments.json {
            self.tell_json(output);
        } else {
            self.tell(output);
        }
        match drawn {
            Ok(()) => self.exit(),
            Err(mistake) => self.exit().max(output.mistake(&mistake)),
        }
    }

    /// Writes the page.
    fn draw(&self, page: &Path) -> Result<(), Mistake> {
        let title = self.path.display().to_string();
        let text = html::page(&title, &self.specification, &self.history, &self.report);
        fs::write(page, text).map_err(|source| Mistake::Unwritable { path: page.to_owned(), source })
    }

    fn tell_json(&self, output: &mut Output) {
        let (verdict, first_violating_event, details) = match &self.report.verdict {
            Verdict::Linearizable { .. } => ("linearizable", None, None),
            Verdict::Violation(violation) => {
                let Violation { keys, first_bad, precision, core, story } = &**violation;
                let (exact, undecided_keys) = match precision {
                    Precision::Exact => (true, &[][..]),
                    Precision::AtMost { undecided_keys } => (false, undecided_keys.as_slice()),
                };
                let core = core.iter().map(|OperationId(id)| *id).collect();
                let key = keys.join(", ");
                let details = Details::Violation { key, exact, undecided_keys, core, story };
                ("violation", Some(first_bad.0), Some(details))
            }
            Verdict::Unknown { reason, undecided_keys } => {
                let (reason, nodes) = (reason.to_string(), self.report.cost.nodes);
                ("unknown", None, Some(Details::Unknown { reason, undecided_keys, nodes }))
            }
        };
        let file = self.path.display().to_string();
        output.json(&HistoryLine { file, verdict, first_violating_event, details });
    }

    fn tell(&self, output: &mut Output) {
        let Self { path, format, specification: _, history, report: Report { verdict, cost, merged_keys } } =
            self;
        let operations = count(history.operations().len() as u64, "operation");
        let what = format!("{}, {}, {operations}", path.display(), format.name());
        match verdict {
            Verdict::Linearizable { .. } => {
                output.line(format_args!("{PASSED}linearizable{PASSED:#}  {what}"));
            }
            Verdict::Violation(violation) => {
                let Violation { first_bad, precision, story, keys: _, core: _ } = &**violation;
                output.line(format_args!("{FAILED}VIOLATION{FAILED:#} at {first_bad}  {what}"));
                for line in story.lines() {
                    output.line(format_args!("  {line}"));
                }
                if let Precision::AtMost { undecided_keys } = precision {
                    output.line(format_args!(
                        "  The budget ended before it was certain that no earlier event is wrong for these keys: {}.",
                        undecided_keys.join(", ")
                    ));
                }
            }
            Verdict::Unknown { reason: _, undecided_keys: _ } => {
                output.line(format_args!("{OPEN}unknown{OPEN:#}  {what}: {verdict}"));
                let more = cost.nodes.saturating_mul(10);
                output.line(format_args!(
                    "{HINT}hint{HINT:#}: {} nodes were searched; allow more with --budget {more}",
                    number(cost.nodes)
                ));
            }
        }
        for keys in merged_keys {
            let keys = keys.join(", ");
            output.line(format_args!(
                "  These keys were judged together, because of operations on several: {keys}."
            ));
        }
    }
}
