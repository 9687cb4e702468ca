//! How far an exploration is: a bar on a terminal, otherwise a line from time to time.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use wavetank::explore::Summary;

use crate::cli::render;

/// The time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows on standard error how far an exploration is.
pub(super) struct Progress {
    seeds: u64,
    meter: Meter,
}

enum Meter {
    Bar(ProgressBar),
    Lines {
        /// When the next line is due.
        next: Duration,
    },
}

impl Progress {
    /// For an exploration of so many seeds.
    pub(super) fn new(seeds: u64) -> Self {
        let meter = if io::stderr().is_terminal() {
            Meter::Bar(bar(seeds))
        } else {
            Meter::Lines { next: LINE_INTERVAL }
        };
        Self { seeds, meter }
    }

    /// Shows what has been found after so much time.
    pub(super) fn update(&mut self, summary: &Summary, elapsed: Duration) {
        let rate = render::number(render::rate(summary.events, elapsed));
        let found = format!("{}, {rate} events/s", super::failures(summary));
        match &mut self.meter {
            Meter::Bar(bar) => {
                bar.set_position(summary.runs());
                bar.set_message(found);
            }
            Meter::Lines { next } if elapsed < *next => (),
            Meter::Lines { next } => {
                *next = elapsed + LINE_INTERVAL;
                let (done, all) = (render::number(summary.runs()), render::number(self.seeds));
                let left = render::duration(time_left(summary.runs(), self.seeds, elapsed));
                // Where nobody listens, nothing is lost.
                let _ = writeln!(io::stderr(), "{done} of {all} seeds, {found}, {left} left");
            }
        }
    }

    /// Writes something else meanwhile, without the bar in its way.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        match &self.meter {
            Meter::Bar(bar) => bar.suspend(write),
            Meter::Lines { next: _ } => write(),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Meter::Bar(bar) = &self.meter {
            bar.finish_and_clear();
        }
    }
}

fn bar(seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {human_pos}/{human_len} seeds, {msg}, {eta} left");
    ProgressBar::new(seeds).with_style(style.expect("the template is well formed"))
}

/// How long the rest will take, if it takes as long as what is done.
fn time_left(done: u64, all: u64, elapsed: Duration) -> Duration {
    let left = u128::from(all.saturating_sub(done));
    let nanoseconds = elapsed.as_nanos() * left / u128::from(done.max(1));
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        assert_eq!(time_left(250, 1_000, Duration::from_secs(5)), Duration::from_secs(15));
        assert_eq!(time_left(1_000, 1_000, Duration::from_secs(5)), Duration::ZERO);
        assert_eq!(time_left(0, 10, Duration::from_secs(1)), Duration::from_secs(10));
    }
}
