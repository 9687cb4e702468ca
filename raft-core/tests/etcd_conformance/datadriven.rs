//! The file format of the data-driven tests: directives with arguments and input, and what each is to print.
//!
//! A directive is a line `command argument...`, followed by lines of input, a line `----`, and the expected output up
//! to a blank line. With a second `----` right behind the first the output may hold blank lines itself, and ends at
//! two more of them. Blank lines and `#` comments between directives mean nothing.

use std::iter::Peekable;

/// One command of a file, with what it is expected to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    /// The number of its line, from 1.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) arguments: Vec<Argument>,
    /// The lines below the command, without surrounding white space.
    pub(crate) input: String,
    /// Every line of it ends with a line feed.
    pub(crate) expected: String,
}

/// `key`, `key=value` or `key=(value, value)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

impl Directive {
    /// The values of an argument, if it was given.
    pub(crate) fn values(&self, key: &str) -> Option<&[String]> {
        let argument = self.arguments.iter().find(|argument| argument.key == key)?;
        Some(&argument.values)
    }

    /// The keys of the arguments that are a key alone.
    pub(crate) fn bare_keys(&self) -> impl Iterator<Item = &str> {
        let is_bare = |argument: &&Argument| argument.values.is_empty();
        self.arguments.iter().filter(is_bare).map(|argument| argument.key.as_str())
    }
}

/// Lines with their numbers from 1.
type Lines<'a> = Peekable<Box<dyn Iterator<Item = (usize, &'a str)> + 'a>>;

/// Reads the directives of a file in order.
///
/// # Errors
/// With the number of the line that cannot be read.
pub(crate) fn parse(text: &str) -> Result<Vec<Directive>, String> {
    let numbered: Box<dyn Iterator<Item = (usize, &str)>> = Box::new((1..).zip(text.lines()));
    let mut lines = numbered.peekable();
    let mut directives = Vec::new();
    while let Some((line, text)) = lines.next() {
        if text.trim().is_empty() || text.trim().starts_with('#') {
            continue;
        }
        let command_line = with_continuations(text, &mut lines);
        let (command, arguments) =
            parse_command(&command_line).map_err(|problem| format!("line {line}: {problem}"))?;
        let input = parse_input(&mut lines).ok_or_else(|| format!("line {line}: no ---- follows"))?;
        let expected = parse_expected(&mut lines);
        directives.push(Directive { line, command, arguments, input, expected });
    }
    Ok(directives)
}

/// A line that ends with a backslash goes on in the next.
fn with_continuations(first: &str, lines: &mut Lines<'_>) -> String {
    let mut whole = first.trim().to_owned();
    while whole.ends_with('\\') {
        whole.pop();
        let Some((_, next)) = lines.next() else { break };
        whole.push_str(next.trim());
    }
    whole
}

/// Reads up to `----`, which is missing if the answer is `None`.
fn parse_input(lines: &mut Lines<'_>) -> Option<String> {
    let mut input = String::new();
    for (_, line) in lines.by_ref() {
        if line == "----" {
            return Some(input.trim().to_owned());
        }
        input.push_str(line);
        input.push('\n');
    }
    None
}

fn parse_expected(lines: &mut Lines<'_>) -> String {
    let mut expected = String::new();
    if lines.next_if(|(_, line)| *line == "----").is_some() {
        while let Some((_, line)) = lines.next() {
            if line == "----" && lines.next_if(|(_, next)| *next == "----").is_some() {
                break;
            }
            expected.push_str(line);
            expected.push('\n');
        }
        return expected;
    }
    while let Some((_, line)) = lines.next_if(|(_, line)| !line.trim().is_empty()) {
        expected.push_str(line);
        expected.push('\n');
    }
    expected
}

fn parse_command(line: &str) -> Result<(String, Vec<Argument>), String> {
    let (command, mut rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((command.to_owned(), arguments));
        }
        let key_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, behind) = rest.split_at(key_end);
        let (values, behind) = match behind.strip_prefix('=') {
            None => (Vec::new(), behind),
            Some(behind) if behind.starts_with('(') => parse_list(behind)?,
            Some(behind) => {
                let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                (vec![behind[..end].to_owned()], &behind[end..])
            }
        };
        arguments.push(Argument { key: key.to_owned(), values });
        rest = behind;
    }
}

/// Reads `(a, b, (c, d))`: commas separate only outside of inner parentheses. Returns what stands behind, too.
fn parse_list(text: &str) -> Result<(Vec<String>, &str), String> {
    let mut values = vec![String::new()];
    let mut depth = 0;
    for (position, character) in text.char_indices() {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        match (depth, character) {
            (0, _) => {
                let behind = &text[position + 1..];
                let values = if values == [""] { Vec::new() } else { values };
                return Ok((values, behind));
            }
            (1, '(') => (),
            (1, ',') => values.push(String::new()),
            (_, character) => {
                let value = values.last_mut().expect("it begins with one");
                if !(value.is_empty() && character.is_whitespace()) {
                    value.push(character);
                }
            }
        }
    }
    Err(format!("no ) for {text}"))
}
