//! Mistakes in what the command was given: what happened, where, and what to do next.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use wavetank::{linearizability::formats::ReadError, mistake::plainly, run::UnknownProgram, saved, scenario};

use super::{
    file_kind::FileKind,
    style::{ERROR, HINT},
};

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mistake {
    /// What is to be replayed is neither a seed nor a file.
    #[error("`{text}` is neither a seed nor a file that exists")]
    NoTarget {
        /// What was given.
        text: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {}", path.display(), plainly(source))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else than text.
    #[error("cannot read {}: it is not a text, its byte {byte} is not UTF-8", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
        /// The first byte that is not, from 1.
        byte: usize,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {}", path.display(), plainly(source))]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Several histories are to be drawn on one page.
    #[error("a page shows one history: give one file with --html")]
    SeveralToDraw,
    /// The results cannot be written.
    #[error("cannot write the results: {0}")]
    Output(io::Error),
    /// A file is no saved run, or one that cannot be run; the mistake comes with its place.
    #[error("{0}")]
    Saved(saved::Mistake),
    /// A saved run asks for what the tank cannot run.
    #[error(transparent)]
    Unrunnable(#[from] saved::Unrunnable),
    /// There is no such implementation.
    #[error(transparent)]
    UnknownProgram(#[from] UnknownProgram),
    /// There are not so many seeds.
    #[error("there are no {count} seeds from {first} on: the last one is {}", u64::MAX)]
    TooManySeeds {
        /// The first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// The operating system gives no threads.
    #[error("cannot start the threads: {0}")]
    Threads(rayon::ThreadPoolBuildError),
    /// The operating system does not tell of interrupts.
    #[error("cannot watch for interrupts: {0}")]
    Interrupts(ctrlc::Error),
    /// The second process of a check of determinism did not answer.
    #[error("the second process has not told its run: {problem}")]
    Child {
        /// What went wrong.
        problem: String,
    },
    /// There is nothing to play in a directory.
    #[error("there is no scenario in {}: no file there ends in .ron", path.display())]
    NoScenario {
        /// Which.
        path: PathBuf,
    },
    /// A scenario has a mistake; it comes with its place.
    #[error("{0}")]
    Scenario(scenario::Mistake),
    /// It cannot be told in which format a history is.
    #[error("cannot tell which format {} is in", path.display())]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
        /// What it seems to hold instead.
        kind: Option<FileKind>,
    },
    /// A history has a mistake; it comes with its line.
    #[error("{}: {error}", path.display())]
    History {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        error: ReadError,
    },
}

/// Where files of runs come from.
const SAVE: &str = "write a file of this kind with `wavetank replay SEED --save FILE`";

/// What to do with a file that was taken for something else.
fn other_kind(mistake: &saved::Mistake, taken_for: FileKind) -> Option<&'static str> {
    let kind = FileKind::guess(Path::new(mistake.path()), mistake.source())?;
    (kind != taken_for).then(|| kind.advice())
}

impl Mistake {
    /// A file cannot be read.
    pub(super) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.to_owned(), source }
    }

    /// What to do next, where the mistake itself does not say it.
    fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoTarget { .. } => Some(
                "a seed is a number from 0 to 18446744073709551615, in decimal or as 0x1F; \
                 a file is one written with `wavetank replay SEED --save FILE`",
            ),
            Self::NotText { .. } => Some("is this the right file, and not compressed?"),
            Self::Scenario(mistake) => other_kind(mistake, FileKind::Scenario),
            Self::Saved(mistake) => other_kind(mistake, FileKind::SavedRun).or(Some(SAVE)),
            Self::Unrunnable(_) => Some(SAVE),
            Self::TooManySeeds { .. } => Some("choose fewer --seeds or an earlier --first-seed"),
            Self::Threads(_) => Some("choose fewer --threads"),
            Self::UnknownFormat { path: _, kind: Some(kind) } => Some(kind.advice()),
            Self::UnknownFormat { .. } => Some("name it with --format jepsen, edn or json-lines"),
            Self::History { .. } => Some("if this is another format, name it with --format"),
            Self::Unreadable { .. }
            | Self::Unwritable { .. }
            | Self::SeveralToDraw
            | Self::Output(_)
            | Self::UnknownProgram(_)
            | Self::Interrupts(_)
            | Self::Child { .. }
            | Self::NoScenario { .. } => None,
        }
    }

    /// Tells it on standard error. If even that is closed, nobody can be told anything.
    pub(super) fn report(&self) {
        let mut stderr = anstream::stderr().lock();
        let _ = match self {
            // It brings its own heading.
            Self::Scenario(mistake) | Self::Saved(mistake) => writeln!(stderr, "{}", mistake.render(true)),
            _ => writeln!(stderr, "{ERROR}error{ERROR:#}: {self}"),
        };
        if let Some(advice) = self.advice() {
            let _ = writeln!(stderr, "{HINT}hint{HINT:#}: {advice}");
        }
    }
}
