//! The formats of recorded histories, and how they are told apart.

use std::path::Path;

use clap::ValueEnum;
use wavetank::linearizability::{
    History,
    formats::{ReadError, edn, jepsen, json_lines},
    specifications::key_value::{Command, Reply},
};

/// The formats of histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Logs of Jepsen tests of one register
    Jepsen,
    /// EDN maps, one event a line
    Edn,
    /// JSON objects, one event a line
    JsonLines,
}

impl Format {
    /// The format that a file is in: what cannot be mistaken in its text, otherwise what its name says.
    pub(super) fn recognise(path: &Path, text: &str) -> Option<Self> {
        let first = text.lines().map(str::trim_start).find(|line| !line.is_empty()).unwrap_or_default();
        if let Some(object) = first.strip_prefix('{') {
            match object.trim_start().chars().next() {
                Some(':') => return Some(Self::Edn),
                Some('"') => return Some(Self::JsonLines),
                Some(_) | None => (),
            }
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => Some(Self::Jepsen),
            Some("edn" | "txt") => Some(Self::Edn),
            Some("jsonl" | "json") => Some(Self::JsonLines),
            Some(_) | None => first.contains(" - ").then_some(Self::Jepsen),
        }
    }

    pub(super) fn read(self, text: &str) -> Result<History<Command, Reply>, ReadError> {
        match self {
            Self::Jepsen => jepsen::read(text),
            Self::Edn => edn::read(text),
            Self::JsonLines => json_lines::read(text),
        }
    }

    /// What every key holds in the beginning, if nothing else is said.
    pub(super) fn initial(self) -> Option<&'static str> {
        match self {
            Self::Jepsen => jepsen::INITIAL,
            Self::Edn => edn::INITIAL,
            Self::JsonLines => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jepsen => "Jepsen log",
            Self::Edn => "EDN maps",
            Self::JsonLines => "JSON lines",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_text_and_then_by_name() {
        use Format::{Edn, Jepsen, JsonLines};
        let cases = [
            ("a.txt", "{:process 0}", Some(Edn)),
            ("a.log", "\n {\"event\":1}", Some(JsonLines)),
            ("a", "{ :process 0}", Some(Edn)),
            ("a.jsonl", "nonsense - of a kind", Some(JsonLines)),
            ("a.edn", "nonsense", Some(Edn)),
            ("a.log", "", Some(Jepsen)),
            ("a", "INFO  jepsen.util - 0\t:invoke\t:read\tnil", Some(Jepsen)),
            ("a", "nonsense", None),
            ("a.csv", "", None),
        ];
        for (path, text, format) in cases {
            assert_eq!(Format::recognise(Path::new(path), text), format, "{path}: {text}");
        }
    }
}
