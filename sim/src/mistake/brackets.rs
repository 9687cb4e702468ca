//! The bracket that is missing. The reader of the format stumbles over what follows it, which may be far away.

use super::Place;

/// The first bracket that does not fit, and what is wrong with it.
///
/// Texts and comments are passed over. (Raw texts and comments within comments are taken for ordinary ones: this only
/// looks for a better place of a mistake that is known to be there.)
pub(super) fn misfit(source: &str) -> Option<(Place, String)> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let at = source.len() - rest.len();
        match c {
            '(' | '[' | '{' => open.push((at, c)),
            ')' | ']' | '}' => match open.pop() {
                Some((_, opening)) if closing(opening) == c => (),
                Some((opened_at, opening)) => {
                    let line = 1 + source[..opened_at].matches('\n').count();
                    let expected = closing(opening);
                    return Some((
                        one(at),
                        format!("expected `{expected}` for the `{opening}` of line {line}"),
                    ));
                }
                None => return Some((one(at), format!("there is no bracket that this `{c}` could close"))),
            },
            _ => (),
        }
        rest = &rest[passage(rest)?..];
    }
    let (at, opening) = open.pop()?;
    Some((one(at), format!("this `{opening}` is never closed")))
}

fn one(at: usize) -> Place {
    Place { start: at, end: at + 1 }
}

fn closing(opening: char) -> char {
    match opening {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// How long the comment, the text, or else the single character, at the beginning is. `None` if it has no end.
fn passage(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map(|end| end + 2);
    }
    if let Some(text) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = text.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        return end.map(|end| end + 2);
    }
    rest.chars().next().map(char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bracket_that_does_not_fit_is_named() {
        for (source, expected) in [
            ("a(b[c], {d})", None),
            ("a(\"(\", \"\\\"[\", // {\n /* ( */ ü)", None),
            ("a(b", Some((1, "this `(` is never closed"))),
            ("a(\n[b)", Some((5, "expected `]` for the `[` of line 2"))),
            ("a(b))", Some((4, "there is no bracket that this `)` could close"))),
            ("a(\"b)", None),
            ("", None),
        ] {
            let found = misfit(source);
            let found = found.as_ref().map(|(place, words)| (place.start, words.as_str()));
            assert_eq!(found, expected, "{source}");
        }
    }
}
