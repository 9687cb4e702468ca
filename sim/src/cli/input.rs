//! What several verbs are given: implementations, seeds and files.

use std::{fs, path::Path};

use clap::builder::{PossibleValue, PossibleValuesParser};
use wavetank::program;

use super::mistake::Mistake;

/// The implementation that is meant when none is named.
pub(super) const DEFAULT_IMPLEMENTATION: &str = "raft-core";

/// Takes the name of an implementation that comes with the tank.
pub(super) fn implementation_parser() -> PossibleValuesParser {
    let names = program::built_in();
    PossibleValuesParser::new(names.iter().map(|program| PossibleValue::new(program.name().to_owned())))
}

/// A seed, in decimal or as `0x1F`; `None` if the text is no number below 2^64.
pub(super) fn seed(text: &str) -> Option<u64> {
    // The standard parser takes a leading plus, too; no seed is written so.
    if text.contains('+') {
        return None;
    }
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Takes a seed as the value of an option.
pub(super) fn parse_seed(text: &str) -> Result<u64, String> {
    seed(text).ok_or_else(|| format!("a seed is a number from 0 to {}, in decimal or as 0x1F", u64::MAX))
}

/// Takes how many there are to be of something.
pub(super) fn parse_count(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|count| 0 < *count)
        .ok_or_else(|| format!("expected a whole number from 1 to {}", u64::MAX))
}

/// The text in a file.
///
/// # Errors
/// When the file cannot be read or holds something else than UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, Mistake> {
    let bytes = fs::read(path).map_err(|source| Mistake::unreadable(path, source))?;
    String::from_utf8(bytes).map_err(|error| Mistake::NotText {
        path: path.to_owned(),
        byte: error.utf8_error().valid_up_to() + 1,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_are_decimal_or_hexadecimal() {
        let seeds = ["0", "17", "0x1F", "0xffffffffffffffff", "18446744073709551615"].map(super::seed);
        assert_eq!(seeds, [Some(0), Some(17), Some(31), Some(u64::MAX), Some(u64::MAX)]);
        for text in ["", "0x", "x", "-1", "+1", "0x+1", "1.5", "1F", "18446744073709551616"] {
            assert_eq!(super::seed(text), None, "{text}");
        }
    }
}
