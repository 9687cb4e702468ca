//! Runs in files: a configuration, its decisions, and the identity of the run they make.
//!
//! A seed means another run as soon as the code that draws from it changes. A saved run does not: it holds what was
//! drawn. Any program can be put through it again:
//!
//! ```
//! use wavetank::{program, run::Keep, saved::SavedRun, swarm::RunOptions};
//! # use wavetank::{chance::{Door, Random}, run};
//!
//! let program = program::built_in().remove(0);
//! # let options = RunOptions::draw("raft-core", &mut Door::new(Random::new(7)));
//! # let keep = Keep { trace: false, decisions: true };
//! # let report = run::run_seed_of(&program, 7, keep);
//! # let text = SavedRun::of(options, &report).to_text();
//! let saved = SavedRun::parse("run.ron", &text)?;
//! let report = saved.replay(&[program], Keep::default())?;
//! assert!(saved.is(&report), "this is another run");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fs, io, path::Path, sync::Arc};

use ron::ser::PrettyConfig;
use serde::{Deserialize, Serialize};

pub use crate::mistake::Mistake;

use crate::{
    chance::{DecisionLog, Door, Recorded},
    mistake::Place,
    program::Program,
    run::{self, Keep, Report},
    storm::Budget,
    swarm::RunOptions,
    tank::{MOST_SERVERS, MOST_TICKS, TankOptions},
    time::Span,
};

/// A run, as it is kept in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedRun {
    /// The identity that the run had when it was saved. Without one, any will do.
    #[serde(default)]
    pub hash: Option<String>,
    /// Its configuration.
    pub options: RunOptions,
    /// Its decisions.
    pub decisions: DecisionLog,
}

/// A configuration that cannot run: a file may say anything, and the tank takes only what makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{option}` {problem}")]
pub struct Unrunnable {
    /// The option, as a path of names with dots between them.
    pub option: String,
    /// What is wrong with it, and what would be right.
    pub problem: String,
}

/// What stands above a saved run.
const HEADER: &str = "// A run of the wave tank. To see it again: wavetank replay THIS_FILE --trace\n";

impl SavedRun {
    /// The run of these options that this report tells of. Its decisions must have been [kept](Keep::decisions).
    pub fn of(options: RunOptions, report: &Report) -> Self {
        Self { hash: Some(report.hash.to_string()), options, decisions: report.decisions.clone() }
    }

    /// Reads a run from its file.
    ///
    /// # Errors
    /// When the file cannot be read, is no saved run, or saves one that cannot be run; the mistake says where.
    pub fn read(path: &Path) -> Result<Self, Mistake> {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&shown, &text),
            Err(error) => Err(Mistake::unreadable(shown, &error)),
        }
    }

    /// Reads a run from text; `path` is what its mistakes are reported under.
    ///
    /// # Errors
    /// When the text is no saved run, or saves one that cannot be run.
    pub fn parse(path: &str, text: &str) -> Result<Self, Mistake> {
        let whole = Place::whole(text);
        let title = "this cannot be read as a saved run";
        let saved: Self =
            ron::from_str(text).map_err(|error| Mistake::syntax(path, text, whole, title, &error))?;
        saved.validate().map_err(|Unrunnable { option, problem }| {
            let name = option.rsplit('.').next().unwrap_or(&option);
            let place = Place::find(text, whole, &format!("{name}:"));
            Mistake::new(path, text, place, "this run cannot be run", format!("`{option}` {problem}"))
        })?;
        Ok(saved)
    }

    /// The run as the text of a file.
    ///
    /// # Panics
    /// Never: names, numbers and texts can always be written.
    pub fn to_text(&self) -> String {
        let text = ron::ser::to_string_pretty(self, PrettyConfig::default());
        format!("{HEADER}{}\n", text.expect("a run has only names, numbers and texts"))
    }

    /// Writes the run to a file, in the place of what was there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_text())
    }

    /// Runs it again on these programs, given out to the servers in turn; those named in its options are for whoever
    /// calls this to find.
    ///
    /// # Errors
    /// When its configuration cannot run.
    ///
    /// # Panics
    /// When there is no program.
    pub fn replay(&self, programs: &[Arc<dyn Program>], keep: Keep) -> Result<Report, Unrunnable> {
        self.validate()?;
        let recorded = Recorded::new(self.decisions.clone());
        let door = if keep.decisions { Door::recording(recorded) } else { Door::new(recorded) };
        Ok(run::run(&self.options, programs, door, keep))
    }

    /// Whether a report is of the run that was saved, event for event. Any is, if the file does not say.
    pub fn is(&self, report: &Report) -> bool {
        self.hash.as_ref().is_none_or(|hash| *hash == report.hash.to_string())
    }

    /// Whether its configuration can run.
    ///
    /// # Errors
    /// When an option makes no sense.
    pub fn validate(&self) -> Result<(), Unrunnable> {
        let RunOptions { programs, tank, faults } = &self.options;
        if programs.is_empty() {
            return Err(unrunnable("programs", "names no implementation; expected at least one"));
        }
        validate_tank(tank)?;
        validate_faults(faults)
    }
}

/// The most clients, and the most faults of a kind, that a file may ask for.
const MOST_OF_A_KIND: u64 = 1_000_000;
/// A clock that loses or gains this many parts per million stands still or runs twice as fast.
const MILLION: u64 = 1_000_000;

fn unrunnable(option: &str, problem: &str) -> Unrunnable {
    Unrunnable { option: option.to_owned(), problem: problem.to_owned() }
}

fn validate_tank(tank: &TankOptions) -> Result<(), Unrunnable> {
    within("tank.voters", tank.voters, 1, MOST_SERVERS)?;
    within("tank.learners", tank.learners, 0, MOST_SERVERS)?;
    within("tank.spares", tank.spares, 0, MOST_SERVERS)?;
    within("tank.raft.election_timeout_ticks", tank.raft.election_timeout_ticks, 1, MOST_TICKS)?;
    if tank.tick == Span::ZERO {
        return Err(unrunnable("tank.tick", "is zero; expected a length of time, such as \"10ms\""));
    }
    for drift in &tank.drift_ppm {
        within("tank.drift_ppm", drift.unsigned_abs(), 0, MILLION - 1)?;
    }
    if MOST_OF_A_KIND < tank.clients.len() as u64 {
        return Err(unrunnable("tank.clients", "are too many; expected at most a million"));
    }
    for client in &tank.clients {
        client.validate().map_err(|error| unrunnable("tank.clients", &format!("cannot run: {error}")))?;
    }
    Ok(())
}

fn validate_faults(faults: &Budget) -> Result<(), Unrunnable> {
    faults
        .counts()
        .into_iter()
        .try_for_each(|(name, count)| within(&format!("faults.{name}"), count, 0, MOST_OF_A_KIND))
}

fn within(option: &str, number: u64, lo: u64, hi: u64) -> Result<(), Unrunnable> {
    if (lo..=hi).contains(&number) {
        return Ok(());
    }
    Err(unrunnable(option, &format!("is {number}; expected a number from {lo} to {hi}")))
}
