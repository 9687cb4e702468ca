//! Runs in files: a configuration, its decisions, and the identity of the run they make.
//!
//! A seed means another run as soon as the code that draws from it changes. A saved run does not: it holds what
//! was drawn.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ron::ser::PrettyConfig;
use serde::{Deserialize, Serialize};
use wavetank::{
    chance::DecisionLog,
    run::{self, Keep, Report, UnknownProgram},
    storm::Budget,
    swarm::RunOptions,
    time::Span,
};

use super::{input, mistake::Mistake};

/// A run in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRun {
    /// The identity that the run had when it was saved. Without one, any will do.
    #[serde(default)]
    pub(super) hash: Option<String>,
    /// Its configuration.
    pub(super) options: RunOptions,
    /// Its decisions.
    pub(super) decisions: DecisionLog,
}

/// What stands above a saved run.
const HEADER: &str = "// A run of the wave tank. To see it again: wavetank replay THIS_FILE --trace\n";

impl SavedRun {
    /// Reads a run from its file.
    ///
    /// # Errors
    /// When the file cannot be read, is no saved run, or saves one that cannot be run.
    pub(super) fn read(path: &Path) -> Result<Self, Mistake> {
        let text = input::read_text(path)?;
        let saved: Self = ron::from_str(&text).map_err(|error| syntax_mistake(path, &text, &error))?;
        validate(&saved.options)
            .map_err(|problem| Mistake::SavedOptions { path: path.to_owned(), problem })?;
        Ok(saved)
    }

    /// Writes the run to a file, in the place of what was there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), Mistake> {
        let text = ron::ser::to_string_pretty(self, PrettyConfig::default()).map_err(Mistake::Unsavable)?;
        let written = fs::write(path, format!("{HEADER}{text}\n"));
        written.map_err(|source| Mistake::Unwritable { path: PathBuf::from(path), source })
    }

    /// Runs it again.
    ///
    /// # Errors
    /// When there is no such implementation any more.
    pub(super) fn play(&self, keep: Keep) -> Result<Report, UnknownProgram> {
        run::run_recorded(&self.options, self.decisions.clone(), keep)
    }
}

/// How many characters of a line a mistake repeats, and how many of them stand before it.
const SHOWN_CHARACTERS: usize = 100;
/// See [`SHOWN_CHARACTERS`].
const SHOWN_BEFORE: usize = 60;

fn syntax_mistake(path: &Path, text: &str, error: &ron::error::SpannedError) -> Mistake {
    let (line, column) = (error.span.start.line, error.span.start.col);
    let whole = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // Decisions make long lines.
    let hidden = column.saturating_sub(SHOWN_BEFORE);
    Mistake::SavedSyntax {
        path: path.to_owned(),
        line,
        column,
        text: whole.chars().skip(hidden).take(SHOWN_CHARACTERS).collect(),
        indent: column - hidden,
        problem: error.code.to_string(),
    }
}

/// The most servers of a cluster that a file may ask for.
const MOST_VOTERS: u64 = 100;
/// The most clients, and the most faults of a kind, that a file may ask for.
const MOST_OF_A_KIND: u64 = 1_000_000;
/// The longest election timeout that a file may ask for: far more than any run lasts.
const MOST_TICKS: u64 = 1 << 32;
/// A clock that loses or gains this many parts per million stands still or runs twice as fast.
const MILLION: u64 = 1_000_000;

/// Whether a configuration can run: a file may say anything, and the tank takes only what makes sense.
fn validate(options: &RunOptions) -> Result<(), String> {
    let RunOptions { programs, tank, faults } = options;
    if programs.is_empty() {
        return Err("`programs` names no implementation; expected at least one".to_owned());
    }
    within("tank.voters", tank.voters, 1, MOST_VOTERS)?;
    within("tank.raft.election_timeout_ticks", tank.raft.election_timeout_ticks, 1, MOST_TICKS)?;
    if tank.tick == Span::ZERO {
        return Err("`tank.tick` is zero; expected a length of time, such as \"10ms\"".to_owned());
    }
    for drift in &tank.drift_ppm {
        within("tank.drift_ppm", drift.unsigned_abs(), 0, MILLION - 1)?;
    }
    within("the number of tank.clients", tank.clients.len() as u64, 0, MOST_OF_A_KIND)?;
    for client in &tank.clients {
        client.validate().map_err(|error| format!("`tank.clients`: {error}"))?;
    }
    validate_faults(faults)
}

fn validate_faults(faults: &Budget) -> Result<(), String> {
    let Budget { events: _, crashes, power_losses, partitions, one_way_cuts, pauses, transfers, holds } =
        *faults;
    let counts = [
        ("faults.crashes", crashes),
        ("faults.power_losses", power_losses),
        ("faults.partitions", partitions),
        ("faults.one_way_cuts", one_way_cuts),
        ("faults.pauses", pauses),
        ("faults.transfers", transfers),
        ("faults.holds", holds),
    ];
    counts.into_iter().try_for_each(|(name, count)| within(name, count, 0, MOST_OF_A_KIND))
}

fn within(name: &str, number: u64, lo: u64, hi: u64) -> Result<(), String> {
    if (lo..=hi).contains(&number) {
        return Ok(());
    }
    Err(format!("`{name}` is {number}; expected a number from {lo} to {hi}"))
}
