//! The table: a line for each patch as soon as it is known, and what it all came to.

use std::time::Duration;

use serde_json::json;

use crate::{patch::Broken, scratch::Explored};

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    /// The check that has to object; `None` for the correct sources, to which none must.
    expected: Option<String>,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// How long it took to apply and build.
    pub(crate) build: Duration,
    /// How long it was explored.
    pub(crate) exploration: Duration,
}

/// What became of a patch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It fits; nothing more was asked.
    Applied,
    /// It was explored.
    Explored(Explored),
    /// It does not apply, does not build or does not run, in words.
    Broken(String),
}

impl Row {
    /// A line that has come to nothing but that the patch applies.
    pub(crate) fn new(name: &str, expected: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            expected: expected.map(str::to_owned),
            outcome: Outcome::Applied,
            build: Duration::ZERO,
            exploration: Duration::ZERO,
        }
    }

    /// What is wrong with it, if anything is.
    fn complaint(&self) -> Option<String> {
        let explored = match &self.outcome {
            Outcome::Applied => return None,
            Outcome::Broken(reason) => return Some(reason.clone()),
            Outcome::Explored(explored) => explored,
        };
        match (&self.expected, &explored.found) {
            (Some(expected), Some(found)) if *expected == found.check => None,
            (Some(expected), Some(found)) => {
                Some(format!("{} was to find it, not {}: {}", expected, found.check, found.message))
            }
            (Some(expected), None) => {
                Some(format!("{expected} has not found it in {} seeds", explored.seeds))
            }
            (None, Some(found)) => {
                Some(format!("seed {} violates {}: {}", found.seed, found.check, found.message))
            }
            (None, None) => match &explored.inconclusive[..] {
                [] => None,
                [first, more @ ..] => Some(format!("not judged: {first}, and {} more", more.len())),
            },
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.complaint(), &self.outcome, &self.expected) {
            (Some(_), _, _) => "FAILED",
            (None, Outcome::Applied, _) => "applies",
            (None, _, Some(_)) => "found",
            (None, _, None) => "passed",
        }
    }

    fn line(&self, width: usize) -> String {
        let (check, seeds, events) = match &self.outcome {
            Outcome::Explored(explored) => (
                explored.found.as_ref().map_or("-", |found| &*found.check),
                number(explored.seeds),
                number(explored.events),
            ),
            Outcome::Applied | Outcome::Broken(_) => ("-", "-".to_owned(), "-".to_owned()),
        };
        let (name, verdict) = (&self.name, self.verdict());
        let (explored, built) = (seconds(self.exploration), seconds(self.build));
        format!("{verdict:<8} {name:<width$} {check:<18} {seeds:>7} {events:>12} {explored:>8} {built:>8}")
    }

    /// What was found, told in full.
    fn story(&self) -> Option<&str> {
        let Outcome::Explored(Explored { found: Some(found), .. }) = &self.outcome else { return None };
        found.story.as_deref()
    }

    fn json(&self) -> serde_json::Value {
        let mut line = json!({
            "patch": self.name,
            "verdict": self.verdict(),
            "expected": self.expected,
            "complaint": self.complaint(),
            "exploration_seconds": seconds(self.exploration),
            "build_seconds": seconds(self.build),
        });
        if let Outcome::Explored(explored) = &self.outcome {
            line["explored"] = json!(explored);
        }
        line
    }
}

/// All lines so far.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    tell: bool,
    width: usize,
    stories: Vec<(String, String)>,
    lines: u64,
    failed: u64,
}

impl Report {
    /// A table with room for the names of these patches.
    pub(crate) fn new(json: bool, tell: bool, patches: &[Broken]) -> Self {
        let width = patches.iter().map(|patch| patch.name.len()).max().unwrap_or(0).max(8);
        if !json {
            let columns = ["found by", "seeds", "events", "seconds", "to build"];
            let [check, seeds, events, explored, built] = columns;
            println!(
                "{:<8} {:<width$} {check:<18} {seeds:>7} {events:>12} {explored:>8} {built:>8}",
                "", "patch"
            );
        }
        let stories = patches.iter().map(|patch| (patch.name.clone(), patch.story.clone())).collect();
        Self { json, tell, width, stories, lines: 0, failed: 0 }
    }

    /// Adds a line, and shows it at once.
    pub(crate) fn add(&mut self, row: Row) {
        self.lines += 1;
        let complaint = row.complaint();
        self.failed += u64::from(complaint.is_some());
        if self.json {
            println!("{}", row.json());
            return;
        }
        println!("{}", row.line(self.width));
        if let (true, Some(story)) = (self.tell, row.story()) {
            println!("\n{story}");
        }
        if let Some(complaint) = complaint {
            if let Some((_, story)) = self.stories.iter().find(|(name, _)| *name == row.name) {
                println!("         {story}");
            }
            println!("         {complaint}");
        }
    }

    /// Ends the table. Whether nothing failed.
    pub(crate) fn finish(self) -> bool {
        let Self { json, lines, failed, .. } = self;
        if json {
            println!("{}", json!({ "rows": lines, "failed": failed }));
        } else if failed == 0 {
            println!("all {lines} as they should be");
        } else {
            println!("FAILED: {failed} of {lines}");
        }
        failed == 0
    }
}

/// A number with its thousands apart.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in seconds and tenths.
fn seconds(duration: Duration) -> String {
    format!("{}.{}", duration.as_secs(), duration.subsec_millis() / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Found;

    fn explored(check: Option<&str>, inconclusive: usize) -> Outcome {
        let found = |check: &str| Found {
            check: check.to_owned(),
            seed: 3,
            event: 9,
            message: "m".to_owned(),
            story: None,
        };
        let (found, median) = (check.map(found), None);
        let inconclusive = vec!["seed 2: open".to_owned(); inconclusive];
        Outcome::Explored(Explored { seeds: 4, inconclusive, events: 1_234_567, median, found })
    }

    fn verdict(expected: Option<&str>, outcome: Outcome) -> &'static str {
        Row { outcome, ..Row::new("a", expected) }.verdict()
    }

    #[test]
    fn a_patch_must_be_found_by_its_check_and_the_correct_sources_by_none() {
        assert_eq!(verdict(Some("Votes"), explored(Some("Votes"), 1)), "found");
        assert_eq!(verdict(Some("Votes"), explored(Some("Panic"), 0)), "FAILED");
        assert_eq!(verdict(Some("Votes"), explored(None, 0)), "FAILED");
        assert_eq!(verdict(Some("Votes"), Outcome::Broken("does not build".to_owned())), "FAILED");
        assert_eq!(verdict(Some("Votes"), Outcome::Applied), "applies");
        assert_eq!(verdict(None, explored(None, 0)), "passed");
        assert_eq!(verdict(None, explored(Some("Votes"), 0)), "FAILED");
        assert_eq!(verdict(None, explored(None, 1)), "FAILED", "not judged is not passed");
    }

    #[test]
    fn figures_are_made_to_be_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(seconds(Duration::from_millis(61_250)), "61.2");
    }
}
