//! What the reader of the file format has to say, in the words of who writes such files: about names, texts and
//! numbers, and not about variants, structs and strings.

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
            format!("there is no `{found}`; {}", choice(found, expected))
        }
        Error::NoSuchStructField { expected, found, outer: _ } => {
            format!("there is no `{found}` here; {}", choice(found, expected))
        }
        Error::MissingStructField { field, outer: _ } => format!("`{field}` is missing"),
        Error::DuplicateStructField { field, outer: _ } => format!("`{field}` is there twice"),
        other => other.to_string(),
    }
}

/// Whether it may come of a bracket that is missing further up.
pub(super) fn is_about_brackets(error: &Error) -> bool {
    matches!(
        error,
        Error::Eof
            | Error::TrailingCharacters
            | Error::ExpectedArrayEnd
            | Error::ExpectedComma
            | Error::ExpectedIdentifier
            | Error::ExpectedMapColon
            | Error::ExpectedMapEnd
            | Error::ExpectedOptionEnd
            | Error::ExpectedStructLikeEnd
    )
}

/// The name that was probably meant, or else all there are.
fn choice(found: &str, expected: &[&str]) -> String {
    let distance = |name: &&&str| strsim::osa_distance(found, name);
    // More than a letter in three is no slip of the finger.
    match expected.iter().min_by_key(distance).filter(|name| distance(name) <= name.len() / 3) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected {}", one_of(expected)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_to_choose_from_are_quoted() {
        let lists: [&[&str]; 3] = [&[], &["a"], &["a", "b", "c"]];
        assert_eq!(lists.map(one_of), ["nothing", "`a`", "`a`, `b` or `c`"]);
    }

    #[test]
    fn a_name_that_is_nearly_right_is_answered_with_the_right_one() {
        let names = ["campaign", "crash", "expect"];
        for (found, meant) in [("expct", Some("expect")), ("campain", Some("campaign")), ("deliver", None)] {
            let words = choice(found, &names);
            let offered = words.strip_prefix("did you mean `").and_then(|rest| rest.split('`').next());
            assert_eq!(offered, meant, "{words}");
        }
    }
}
