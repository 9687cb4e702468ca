//! What the reader of the file format has to say, in the words of who writes scenarios: about steps, names and texts, and
//! not about variants, structs and strings.

use ron::Error;

/// What is wrong, and what was expected.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Message(message) => message.clone(),
        Error::Eof => "the file ends too early".to_owned(),
        Error::TrailingCharacters => "nothing was expected here".to_owned(),
        Error::ExpectedArray => "expected a list: `[`".to_owned(),
        Error::ExpectedArrayEnd => "expected the end of the list: `]`".to_owned(),
        Error::ExpectedStructLike | Error::ExpectedNamedStructLike(_) | Error::ExpectedOption => {
            "expected `(`".to_owned()
        }
        Error::ExpectedStructLikeEnd | Error::ExpectedOptionEnd => "expected `)`".to_owned(),
        Error::ExpectedMapColon => "expected a colon".to_owned(),
        Error::ExpectedComma => "expected a comma".to_owned(),
        Error::ExpectedBoolean => "expected `true` or `false`".to_owned(),
        Error::ExpectedInteger => "expected a number".to_owned(),
        Error::IntegerOutOfBounds => "this number is out of range".to_owned(),
        Error::ExpectedString => "expected a text in quotes".to_owned(),
        Error::ExpectedStringEnd => "this text has no end: a quote is missing".to_owned(),
        Error::ExpectedIdentifier | Error::InvalidIdentifier(_) | Error::SuggestRawIdentifier(_) => {
            "expected a name".to_owned()
        }
        Error::ExpectedDifferentStructName { expected, found } => {
            format!("expected `{expected}`, not `{found}`")
        }
        Error::InvalidValueForType { expected, found } => format!("expected {expected}, not {found}"),
        Error::ExpectedDifferentLength { .. } => "something is missing".to_owned(),
        Error::NoSuchEnumVariant { expected, found, outer: _ } => {
            format!("there is no `{found}`; expected {}", one_of(expected))
        }
        Error::NoSuchStructField { expected, found, outer: _ } => {
            format!("there is no `{found}` here; expected {}", one_of(expected))
        }
        Error::MissingStructField { field, outer: _ } => format!("`{field}` is missing"),
        Error::DuplicateStructField { field, outer: _ } => format!("`{field}` is there twice"),
        other => other.to_string(),
    }
}

/// Names to choose from: `a`, `b` or `c`.
fn one_of(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// One of each verb, to show how it is written.
const EXAMPLES: [(&str, &str); 26] = [
    ("campaign", "campaign(n1)"),
    ("transfer", "transfer(to: n2)"),
    ("deliver", "deliver(kind: RequestVote, from: n1, to: n2)"),
    ("drop", "drop(kind: Heartbeat, from: n1)"),
    ("duplicate", "duplicate(kind: AppendEntries, to: n2)"),
    ("hold", "hold(kind: AppendEntriesReply, from: n2)"),
    ("release", "release(kind: AppendEntriesReply, from: n2)"),
    ("delay", "delay(kind: Heartbeat, by: \"1s\")"),
    ("partition", "partition([[n1, n2], [n3]])"),
    ("cut", "cut(from: n1, to: n2)"),
    ("heal", "heal"),
    ("crash", "crash(n1)"),
    ("lose_power", "lose_power(n1, lost)"),
    ("restart", "restart(n1)"),
    ("pause", "pause(n1)"),
    ("resume", "resume(n1)"),
    ("slow", "slow(n1, \"20ms\")"),
    ("put", "put(key: \"x\", value: \"1\")"),
    ("get", "get(key: \"x\")"),
    ("cas", "cas(key: \"x\", expected: \"1\", value: \"2\")"),
    ("append", "append(key: \"x\", value: \"1\")"),
    ("retry", "retry(to: n2)"),
    ("run_for", "run_for(\"20ms\")"),
    ("run_until", "run_until(condition: leader(n1), within: \"1s\")"),
    ("settle", "settle"),
    ("expect", "expect(leader(n1))"),
];

/// How the verb with which this step begins is written.
pub(super) fn example(step: &str) -> Option<&'static str> {
    let verb: String = step.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    EXAMPLES.iter().find(|(name, _)| *name == verb).map(|(_, example)| *example)
}

#[cfg(test)]
mod tests {
    use ron::extensions::Extensions;

    use super::*;
    use crate::scenario::Step;

    fn read(step: &str) -> Result<Step, Error> {
        let options = ron::Options::default()
            .with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES);
        options.from_str(step).map_err(|error| error.code)
    }

    #[test]
    fn every_verb_has_an_example_that_can_be_read() {
        let Err(Error::NoSuchEnumVariant { expected: verbs, .. }) = read("dance") else {
            panic!("`dance` is a verb");
        };
        assert_eq!(EXAMPLES.map(|(verb, _)| verb).as_slice(), verbs);
        for verb in verbs {
            let example = example(&format!("{verb}(")).expect("every verb has one");
            assert!(read(example).is_ok() && example.starts_with(verb), "{example}");
        }
        assert_eq!(example("dance(n1)"), None);
    }

    #[test]
    fn names_to_choose_from_are_quoted() {
        let lists: [&[&str]; 3] = [&[], &["a"], &["a", "b", "c"]];
        assert_eq!(lists.map(one_of), ["nothing", "`a`", "`a`, `b` or `c`"]);
    }
}
