//! What the environment says about how a test is run.

use std::env;

/// The variable that names the one seed to run.
pub(super) const SEED: &str = "WAVETANK_SEED";
/// The variable that says how many seeds to run.
const SEEDS: &str = "WAVETANK_SEEDS";

/// How a test is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directions {
    /// As it is written.
    AsWritten,
    /// This seed alone, with its trace.
    Seed(u64),
    /// So many seeds.
    Seeds(u64),
}

/// A variable says something that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {variable} is {value:?}; expected a whole number, as in {variable}=16")]
pub struct DirectionError {
    /// Which.
    pub variable: &'static str,
    /// What it says.
    pub value: String,
}

impl Directions {
    pub(super) fn from_environment() -> Result<Self, DirectionError> {
        let text = |variable: &str| env::var_os(variable).map(|value| value.to_string_lossy().into_owned());
        Self::read(text(SEED), text(SEEDS))
    }

    /// One seed is the narrower wish, so it counts if both are set.
    fn read(seed: Option<String>, seeds: Option<String>) -> Result<Self, DirectionError> {
        match (seed, seeds) {
            (Some(value), _) => number(SEED, value).map(Self::Seed),
            (None, Some(value)) => number(SEEDS, value).map(Self::Seeds),
            (None, None) => Ok(Self::AsWritten),
        }
    }
}

fn number(variable: &'static str, value: String) -> Result<u64, DirectionError> {
    value.trim().parse().map_err(|_| DirectionError { variable, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_followed_and_anything_else_is_refused_by_name() {
        let read = |seed: Option<&str>, seeds: Option<&str>| {
            Directions::read(seed.map(str::to_owned), seeds.map(str::to_owned))
        };
        assert_eq!(read(None, None), Ok(Directions::AsWritten));
        assert_eq!(read(Some("16"), None), Ok(Directions::Seed(16)));
        assert_eq!(read(None, Some(" 9 ")), Ok(Directions::Seeds(9)));
        assert_eq!(read(Some("16"), Some("9")), Ok(Directions::Seed(16)));
        let told = read(Some("0x10"), None).unwrap_err().to_string();
        let expected = "the environment variable WAVETANK_SEED is \"0x10\"; expected a whole number, as in WAVETANK_SEED=16";
        assert_eq!(told, expected);
        assert_eq!(read(None, Some("")).unwrap_err().variable, "WAVETANK_SEEDS");
    }
}
