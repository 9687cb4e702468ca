//! Real time, for the table.

#![expect(clippy::disallowed_types, reason = "how long something takes is measured on the wall clock")]

use std::time::{Duration, Instant};

/// Measures how long something takes.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    started: Instant,
}

impl Stopwatch {
    /// One that runs from now on.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// How long it has been running.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
