//! Files that were given to the wrong verb.

use std::path::Path;

use super::format::Format;

/// What can be in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// What `run` plays.
    Scenario,
    /// What `replay` runs again.
    SavedRun,
    /// What `check` judges.
    History,
}

impl FileKind {
    /// What a file seems to hold: it has names that nothing else has.
    pub(super) fn guess(path: &Path, text: &str) -> Option<Self> {
        let named = text.lines().find_map(|line| match name(line)? {
            "story" | "script" => Some(Self::Scenario),
            "decisions" => Some(Self::SavedRun),
            _ => None,
        });
        named.or_else(|| Format::recognise(path, text).map(|_| Self::History))
    }

    /// What to do with such a file.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Scenario => "this looks like a scenario: play it with `wavetank run FILE`",
            Self::SavedRun => "this looks like a saved run: see it again with `wavetank replay FILE`",
            Self::History => "this looks like a history: judge it with `wavetank check FILE`",
        }
    }
}

/// The name with which a line begins, be it behind the opening of a scenario.
fn name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("Scenario(").unwrap_or(line).split_once(':').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_is_told_by_what_nothing_else_has() {
        let path = Path::new("file");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert_eq!(FileKind::guess(path, &text), Some(FileKind::Scenario), "{text}");
        }
        for (text, kind) in [
            ("// A run.\n(\n    hash: None,\n    decisions: [],\n)", Some(FileKind::SavedRun)),
            ("Scenario(story: \"s\")", Some(FileKind::Scenario)),
            ("{\"process\": 0}", Some(FileKind::History)),
            ("{:process 0}", Some(FileKind::History)),
            ("", None),
            ("a letter: to nobody", None),
        ] {
            assert_eq!(FileKind::guess(path, text), kind, "{text}");
        }
    }
}
