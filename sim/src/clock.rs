//! The clocks of processes. Each runs at its own rate and is never compared with another.

use wavetank_process::LocalTime;

use crate::time::{Span, Time};

const MILLION: u128 = 1_000_000;

/// The clock of one process: what it reads at a moment of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Since when it runs at its rate.
    since: Time,
    /// What it read then.
    then: LocalTime,
    /// Local nanoseconds per million of virtual ones.
    rate: u64,
}

impl Clock {
    /// A clock that gains so many parts per million, or loses them if negative.
    ///
    /// # Panics
    /// When it would stand still or run backwards.
    pub fn drifting(parts_per_million: i64) -> Self {
        Self { since: Time::ZERO, then: LocalTime(0), rate: rate(parts_per_million) }
    }

    /// The same clock, from `now` on put forward and drifting so.
    ///
    /// # Panics
    /// When it would stand still or run backwards.
    #[must_use]
    pub fn skewed(self, now: Time, forward: Span, parts_per_million: i64) -> Self {
        let then = LocalTime(self.read(now).0.saturating_add(forward.0));
        Self { since: now, then, rate: rate(parts_per_million) }
    }

    /// How many parts per million it gains, or loses if negative.
    pub fn drift_ppm(self) -> i64 {
        i64::try_from(self.rate).unwrap_or(i64::MAX) - 1_000_000
    }

    /// What it reads at `now`.
    pub fn read(self, now: Time) -> LocalTime {
        let passed = u128::from(now.0.saturating_sub(self.since.0)) * u128::from(self.rate) / MILLION;
        LocalTime(self.then.0.saturating_add(saturate(passed)))
    }

    /// The first moment at which it reads `local` or more, as it runs now.
    pub fn when(self, local: LocalTime) -> Time {
        let ahead = u128::from(local.0.saturating_sub(self.then.0)) * MILLION;
        Time(self.since.0.saturating_add(saturate(ahead.div_ceil(u128::from(self.rate)))))
    }
}

/// Local nanoseconds per million of virtual ones.
fn rate(parts_per_million: i64) -> u64 {
    let rate = 1_000_000_i64.saturating_add(parts_per_million);
    assert!(0 < rate, "a clock that loses {} parts per million does not run", -parts_per_million);
    rate.unsigned_abs()
}

fn saturate(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_found_by_a_reading_is_the_first_with_that_reading() {
        for drift in [-500_000, -100, 0, 1, 333, 50_000] {
            let clock = Clock::drifting(drift);
            for local in [0, 1, 7, 10_000_000, 123_456_789_012] {
                let moment = clock.when(LocalTime(local));
                assert!(LocalTime(local) <= clock.read(moment), "drift {drift}, local {local}");
                if let Some(before) = moment.0.checked_sub(1) {
                    assert!(clock.read(Time(before)) < LocalTime(local), "drift {drift}, local {local}");
                }
            }
        }
    }

    #[test]
    fn a_fast_clock_reads_more() {
        let second = Time(1_000_000_000);
        assert_eq!(Clock::drifting(50_000).read(second), LocalTime(1_050_000_000));
        assert_eq!(Clock::drifting(0).read(second), LocalTime(1_000_000_000));
    }

    #[test]
    fn a_clock_goes_on_from_where_it_is_skewed() {
        let clock = Clock::drifting(0).skewed(Time(1_000_000), Span(500), 100_000);
        assert_eq!(clock.read(Time(1_000_000)), LocalTime(1_000_500));
        assert_eq!(clock.read(Time(2_000_000)), LocalTime(2_100_500));
        assert_eq!((clock.when(LocalTime(2_100_500)), clock.drift_ppm()), (Time(2_000_000), 100_000));
        assert_eq!(clock.when(LocalTime(7)), Time(1_000_000), "that has been read before");
        let slow = clock.skewed(Time(2_000_000), Span::ZERO, -500_000);
        assert_eq!(slow.read(Time(2_000_010)), LocalTime(2_100_505));
        assert_eq!(slow.when(LocalTime(2_100_505)), Time(2_000_010));
    }
}
