//! Real time: the one place that reads a clock. It is for progress and for figures, and decides nothing.

#![expect(clippy::disallowed_types, reason = "how long a command takes is measured on the wall clock")]

use std::time::{Duration, Instant};

/// Measures how long something takes.
#[derive(Debug)]
pub(super) struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    /// One that runs from now on.
    pub(super) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// How long it has been running.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
