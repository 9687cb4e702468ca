//! The clocks of processes. Each runs at its own rate and is never compared with another.

use wavetank_process::LocalTime;

use crate::time::Time;

const MILLION: u128 = 1_000_000;

/// The clock of one process: what it reads at a moment of virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Local nanoseconds per million of virtual ones.
    rate: u64,
}

impl Clock {
    /// A clock that gains so many parts per million, or loses them if negative.
    ///
    /// # Panics
    /// When it would stand still or run backwards.
    pub fn drifting(parts_per_million: i64) -> Self {
        let rate = 1_000_000_i64.saturating_add(parts_per_million);
        assert!(0 < rate, "a clock that loses {} parts per million does not run", -parts_per_million);
        Self { rate: rate.unsigned_abs() }
    }

    /// What it reads at `now`.
    pub fn read(self, now: Time) -> LocalTime {
        LocalTime(saturate(u128::from(now.0) * u128::from(self.rate) / MILLION))
    }

    /// The first moment at which it reads `local` or more.
    pub fn when(self, local: LocalTime) -> Time {
        Time(saturate((u128::from(local.0) * MILLION).div_ceil(u128::from(self.rate))))
    }
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
}
