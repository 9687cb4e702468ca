//! How a command comes out.

use std::process::ExitCode;

use wavetank::run::Verdict;

/// What a command came to. Of several outcomes the greatest counts: nothing may hide behind something milder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// Everything held.
    Passed,
    /// Something ended before it could be judged.
    Inconclusive,
    /// What was given could not be used.
    BadInput,
    /// Something did not hold.
    Violation,
}

impl Exit {
    /// What a verdict comes to.
    pub(super) fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Fail(_) => Self::Violation,
            Verdict::Inconclusive(_) => Self::Inconclusive,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Passed => 0,
            Exit::Violation => 1,
            Exit::BadInput => 2,
            Exit::Inconclusive => 3,
        })
    }
}

/// The exit codes, as every help page tells them. A macro, because [`concat!`] takes only literals.
macro_rules! exit_codes {
    () => {
        "Exit codes:
  0  passed
  1  a violation
  2  bad input or usage
  3  inconclusive: something could not be judged, which proves nothing; so also
     a file's run that is not the one that was saved any more
Of several outcomes a violation counts first, then bad input, then the inconclusive."
    };
}
pub(super) use exit_codes;
