//! A violation for people: who, in which term, at which entry, what was promised, and how it came to that.
//!
//! What a check says names servers (`n1`), terms (`t3`), entries (`3@7`) and indexes (`index 7`) as the lines of a
//! trace do. So the part of a trace that led to a violation is found by these names, for anybody's check.

use std::{collections::BTreeSet, fmt::Write as _};

use super::Violation;
use crate::trace::{Line, LineKind};

/// How many lines of the trace are told at most.
const MOST_LINES: usize = 20;

/// The servers, terms and indexes that a text names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Servers, by their numbers.
    pub servers: BTreeSet<u64>,
    /// Terms.
    pub terms: BTreeSet<u64>,
    /// Indexes of the log, those of entries included.
    pub indexes: BTreeSet<u64>,
}

impl Names {
    /// Reads them in a text.
    pub fn of(text: &str) -> Self {
        let mut names = Self::default();
        let mut before = "";
        for word in text.split(|c: char| !c.is_alphanumeric() && c != '@').filter(|word| !word.is_empty()) {
            names.read(word, before);
            before = word;
        }
        names
    }

    fn read(&mut self, word: &str, before: &str) {
        let after = |prefix: &str| word.strip_prefix(prefix).and_then(|digits| digits.parse::<u64>().ok());
        if let Some(server) = after("n") {
            self.servers.insert(server);
        } else if let Some(term) = after("t") {
            self.terms.insert(term);
        } else if let Some((term, index)) = word.split_once('@') {
            if let (Ok(term), Ok(index)) = (term.parse(), index.parse()) {
                self.terms.insert(term);
                self.indexes.insert(index);
            }
        } else if let (true, Some(index)) = (["index", "commit", "commits"].contains(&before), after("")) {
            self.indexes.insert(index);
        }
    }

    /// Whether a line of a trace, told in these names, belongs to the story of `self`: it is about one of the
    /// servers, and about one of the terms or indexes if there are any, or else about how a server fared.
    fn concern(&self, line: &Line) -> bool {
        let about = Self::of(&line.text);
        let server = self.servers.is_empty() || !self.servers.is_disjoint(&about.servers);
        let any_moment = self.terms.is_empty() && self.indexes.is_empty();
        let moment =
            any_moment || !self.terms.is_disjoint(&about.terms) || !self.indexes.is_disjoint(&about.indexes);
        match line.kind {
            LineKind::Fault | LineKind::State => server,
            LineKind::Message | LineKind::Lost | LineKind::Disk | LineKind::Refused => server && moment,
            LineKind::Client | LineKind::Remark | LineKind::Step | LineKind::Violation => false,
        }
    }
}

impl Violation {
    /// The servers, terms and indexes that it names.
    pub fn names(&self) -> Names {
        Names::of(&self.message)
    }

    /// Tells it in plain language, with the lines of the run's trace that concern whom and what it names. Of a run
    /// whose trace was not kept, it says so.
    pub fn story(&self, trace: &[Line]) -> String {
        let mut story = format!("{self}\n");
        if let Some(promise) = promise(&self.check) {
            write_line(&mut story, &format!("What was promised: {promise}"));
        }
        let names = self.names();
        let lists =
            [("servers", "n", &names.servers), ("terms", "t", &names.terms), ("indexes", "", &names.indexes)];
        let named =
            lists.iter().filter(|(_, _, numbers)| !numbers.is_empty()).map(|(what, prefix, numbers)| {
                let numbers = numbers.iter().map(|number| format!("{prefix}{number}")).collect::<Vec<_>>();
                format!("{what} {}", numbers.join(", "))
            });
        let named = named.collect::<Vec<_>>().join("; ");
        if !named.is_empty() {
            write_line(&mut story, &format!("Whom and what it concerns: {named}"));
        }
        tell_events(&mut story, &names, trace);
        story
    }
}

/// The last lines of a trace, up to its violation, that concern these.
fn tell_events(story: &mut String, names: &Names, trace: &[Line]) {
    let end = trace.iter().position(|line| line.kind == LineKind::Violation).unwrap_or(trace.len());
    let concerned = trace[..end].iter().filter(|line| names.concern(line)).collect::<Vec<_>>();
    let (lines, which) = match (concerned.is_empty(), end) {
        (true, 0) => return write_line(story, "How it came to that is not known: no trace was kept."),
        (true, _) => (trace[..end].iter().collect(), "lines of the trace"),
        (false, _) => (concerned, "lines that concern them"),
    };
    let told = &lines[lines.len().saturating_sub(MOST_LINES)..];
    let all = lines.len();
    write_line(story, &format!("How it came to that, the last {} of {all} {which}:", told.len()));
    for line in told {
        write_line(story, &line.to_string());
    }
}

fn write_line(story: &mut String, line: &str) {
    writeln!(story, "{line}").expect("a string takes everything");
}

/// What holds as long as this check has nothing to say; `None` for checks that do not come with the tank.
pub fn promise(check: &str) -> Option<&'static str> {
    Some(match check {
        "ElectionSafety" => "no term has two leaders (Figure 3).",
        "ElectionQuorum" => "who leads a term was voted for by a majority, in that term (§5.2).",
        "PreVoteQuorum" => {
            "who stands for election has just been told by a majority that it could win (§9.6)."
        }
        "TermOrigin" => "a term begins when somebody stands for election in it (§5.1).",
        "Votes" => "a server votes once a term, and a crash does not make it forget (§5.2).",
        "Promises" => "what a message promises is on its sender's disk before it leaves (Figure 2).",
        "Monotonic" => {
            "terms, commit indexes and applied indexes never go back; a vote stays for its term, and what is \
             committed for ever (§5.2, §5.3)."
        }
        "Recovery" => "a server that starts again knows what its disk holds, no more and no less (Figure 2).",
        "LeaderAppendOnly" => "a leader never overwrites or removes entries of its own log (Figure 3).",
        "LogMatching" => "logs that share an entry are the same up to there (Figure 3).",
        "StateMachineSafety" => {
            "what one server applies at an index, every other one applies there (Figure 3)."
        }
        "LeaderCompleteness" => "every later leader holds what was committed (Figure 3, §5.4).",
        "CommitTerm" => "a leader commits by counting only entries of its own term (§5.4.2, Figure 8).",
        "SnapshotDurability" => {
            "a snapshot is on the disk before the log names it, and what it covers goes after that (§5.1)."
        }
        "CommitDurability" => "what is committed is on the disks of a majority (§5.3).",
        "ConfigurationSafety" => {
            "the members are those that the log says, and change so that majorities before and after meet (§4)."
        }
        "Linearizability" => {
            "every answer fits one order of all operations, none of them moved in time (§8)."
        }
        "Liveness" => {
            "once all is mended there is a leader, everybody is answered and all logs agree (§5.2)."
        }
        "Panic" => "a process does not panic, whatever it meets.",
        "Livelock" => "time goes on.",
        "Halt" => "a process gives up only if its disk fails.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checks::built_in, time::Time};

    fn line(event: u64, kind: LineKind, text: &str) -> Line {
        Line { event, time: Time(event), cause: None, kind, text: text.to_owned() }
    }

    fn violation(message: &str) -> Violation {
        Violation { check: "LeaderCompleteness".to_owned(), event: 9, message: message.to_owned() }
    }

    #[test]
    fn names_are_found_wherever_they_stand() {
        let names = Names::of("n3 (t4) holds [2@7, 3@8]; index 12, not 13: tn, n, 1@, n1x and commit 5");
        assert_eq!(names.servers, [3].into());
        assert_eq!(names.terms, [2, 3, 4].into());
        assert_eq!(names.indexes, [5, 7, 8, 12].into());
    }

    #[test]
    fn a_story_tells_what_concerns_those_it_names_and_nothing_else() {
        let trace = [
            line(1, LineKind::State, "n3 t4 candidate → leader"),
            line(2, LineKind::Message, "n1 → n3  AppendEntries t4 prev 1@1 [] commit 1"),
            line(3, LineKind::Message, "n1 → n2  AppendEntries t4 prev 1@1 [] commit 1"),
            line(4, LineKind::Message, "n1 → n3  AppendEntries t9 prev 9@9 [] commit 9"),
            line(5, LineKind::Fault, "n3 crashes"),
            line(6, LineKind::Fault, "n2 crashes"),
            line(7, LineKind::Client, "c1 → n3  #1 put x=1 at t4"),
            line(8, LineKind::Violation, "n3 t4"),
            line(9, LineKind::State, "n3 t4 leader, behind it"),
        ];
        let story = violation("n3 leads t4 without the entry 2@2").story(&trace);
        let expected = "\
LeaderCompleteness violated at event 9: n3 leads t4 without the entry 2@2
What was promised: every later leader holds what was committed (Figure 3, §5.4).
Whom and what it concerns: servers n3; terms t2, t4; indexes 2
How it came to that, the last 3 of 3 lines that concern them:
";
        let (head, lines) = story.split_at(expected.len());
        assert_eq!(head, expected);
        let told = [&trace[0], &trace[1], &trace[4]].map(|line| format!("{line}\n"));
        assert_eq!(lines, told.concat());
    }

    #[test]
    fn the_last_lines_are_told_and_their_number() {
        let trace = (0..50).map(|event| line(event, LineKind::Fault, "n1 crashes")).collect::<Vec<_>>();
        let story = violation("n1 is gone").story(&trace);
        assert!(story.contains("the last 20 of 50 lines"), "{story}");
        assert_eq!(story.lines().filter(|line| line.ends_with("n1 crashes")).count(), 20);
        assert!(violation("n1 is gone").story(&[]).contains("no trace was kept"));
        assert!(violation("n2 is gone").story(&trace).contains("the last 20 of 50 lines of the trace"));
    }

    #[test]
    fn every_check_says_what_was_promised() {
        for check in built_in() {
            assert!(promise(check.name()).is_some(), "{}", check.name());
        }
        assert_eq!(promise("of a user"), None);
    }
}
