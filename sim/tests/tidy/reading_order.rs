//! Reading order is dependency order: the `mod` lines of a file are its table of contents, and a module uses only
//! siblings that stand above it.
//!
//! This reads text and not Rust, which is enough for a house rule: `crate::`, `super::` and `self::` paths outside of
//! comments, literals and tests are resolved to modules, through the `use` lines of their parents where these hand
//! names on. A module may use its ancestors and its own children.

use std::{collections::BTreeMap, slice};

use crate::tree::File;

pub(crate) fn complaints(files: &[File]) -> Vec<String> {
    let is_root = |file: &&File| file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
    let mut complaints = Vec::new();
    for root in files.iter().filter(is_root) {
        let directory = root.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut modules = BTreeMap::new();
        load(files, root, directory, &[], &mut modules);
        complaints.extend(modules.iter().flat_map(|(path, module)| module.complaints(path, &modules)));
    }
    complaints
}

/// The place of a module in its crate: the names that lead to it.
type ModulePath = Vec<String>;

struct Module<'a> {
    file: &'a File,
    /// What of the file counts, every line where it was.
    code: String,
    /// The children, in the order of their `mod` lines.
    children: Vec<String>,
    /// Names that its `use` lines take from children, by name: the child.
    taken: BTreeMap<String, String>,
}

/// Reads a module and everything below it.
fn load<'a>(
    files: &'a [File],
    file: &'a File,
    directory: &str,
    path: &[String],
    modules: &mut BTreeMap<ModulePath, Module<'a>>,
) {
    let code = without_tests(&without_literals(&file.text));
    let children = children(&code);
    for child in &children {
        let below = format!("{directory}/{child}");
        let candidates = [format!("{below}.rs"), format!("{below}/mod.rs")];
        if let Some(file) = files.iter().find(|file| candidates.contains(&file.path)) {
            load(files, file, &below, &[path, slice::from_ref(child)].concat(), modules);
        }
    }
    let taken = taken_from(&code, &children);
    modules.insert(path.to_vec(), Module { file, code, children, taken });
}

impl Module<'_> {
    fn complaints(&self, path: &[String], modules: &BTreeMap<ModulePath, Module<'_>>) -> Vec<String> {
        let mut complaints = Vec::new();
        for Reference { offset, segments, name: _ } in references(&self.code) {
            let Some(target) = absolute(path, &segments) else { continue };
            if let Some((own, used)) = below(path, &target, modules) {
                let line = 1 + self.code[..offset].matches('\n').count();
                let file = &self.file.path;
                complaints.push(format!("{file}:{line}: `{own}` uses `{used}`, which stands below it"));
            }
        }
        // A line may take several names from one module.
        complaints.dedup();
        complaints
    }
}

/// If the target lies in a later sibling of the module, or of one it is inside of: the two siblings.
fn below(
    path: &[String],
    target: &[String],
    modules: &BTreeMap<ModulePath, Module<'_>>,
) -> Option<(String, String)> {
    let common = path.iter().zip(target).take_while(|(one, other)| one == other).count();
    let (own, used) = (path.get(common)?, target.get(common)?);
    let parent = modules.get(&path[..common])?;
    let place = |name: &String| parent.children.iter().position(|child| child == name);
    let used_place = place(used).or_else(|| place(parent.taken.get(used)?))?;
    (place(own)? < used_place).then(|| (own.clone(), parent.children[used_place].clone()))
}

/// Where a path that begins with `crate`, `self` or `super` leads, seen from a module.
fn absolute(path: &[String], segments: &[String]) -> Option<ModulePath> {
    let (first, rest) = segments.split_first()?;
    let mut target = match first.as_str() {
        "crate" => Vec::new(),
        "self" => path.to_vec(),
        "super" => path.split_last()?.1.to_vec(),
        _ => return None,
    };
    for segment in rest {
        match segment.as_str() {
            "super" => {
                target.pop()?;
            }
            "self" => (),
            _ => target.push(segment.clone()),
        }
    }
    Some(target)
}

/// The modules that this code declares in files of their own.
fn children(code: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim_start();
        let declaration = ["pub ", "pub(crate) ", "pub(super) "].iter().find_map(|v| line.strip_prefix(v));
        let name = declaration.unwrap_or(line).strip_prefix("mod ")?.trim_end().strip_suffix(';')?;
        Some(name.to_owned())
    };
    code.lines().filter_map(name).collect()
}

/// The names that `use` lines take from children.
fn taken_from(code: &str, children: &[String]) -> BTreeMap<String, String> {
    let mut taken = BTreeMap::new();
    for (offset, _) in code.match_indices("use ").filter(|(offset, _)| begins_word(code, *offset)) {
        let mut found = Vec::new();
        parse_use(code, offset + "use ".len(), &[], &mut found);
        for Reference { segments, name, .. } in found {
            let first = segments.iter().find(|segment| *segment != "self");
            if let Some(child) = first.filter(|first| children.contains(first)) {
                taken.insert(name, child.clone());
            }
        }
    }
    taken
}

/// A path somewhere in the code.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    offset: usize,
    segments: Vec<String>,
    /// What it is called there.
    name: String,
}

/// All paths that begin with `crate::`, `super::` or `self::`.
fn references(code: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (offset, _) in code.match_indices(start).filter(|(offset, _)| begins_word(code, *offset)) {
            parse_use(code, offset, &[], &mut found);
        }
    }
    found.sort_by_key(|reference| reference.offset);
    found
}

/// Whether a word begins here that does not continue a path.
fn begins_word(code: &str, offset: usize) -> bool {
    !code[..offset].ends_with(|c: char| is_word(c) || c == ':')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads a path, or a whole tree of them in braces, from `offset` on. Returns where it ends.
fn parse_use(code: &str, offset: usize, prefix: &[String], found: &mut Vec<Reference>) -> usize {
    let start = skip_spaces(code, offset);
    if code[start..].starts_with('{') {
        return parse_braces(code, start + 1, prefix, found);
    }
    let word_len = code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
    let (segment, end) = match word_len {
        0 => ("*", start),
        len => (&code[start..start + len], start + len),
    };
    let segments = [prefix, &[segment.to_owned()]].concat();
    if 0 < word_len && code[end..].starts_with("::") {
        return parse_use(code, end + 2, &segments, found);
    }
    let alias = skip_spaces(code, end);
    let name = code[alias..].strip_prefix("as ").map_or(segment, |rest| {
        let rest = rest.trim_start();
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    });
    found.push(Reference { offset: start, segments, name: name.to_owned() });
    end
}

fn parse_braces(code: &str, offset: usize, prefix: &[String], found: &mut Vec<Reference>) -> usize {
    let mut at = offset;
    loop {
        at = skip_spaces(code, at);
        if code[at..].is_empty() {
            return at;
        }
        if code[at..].starts_with('}') {
            return at + 1;
        }
        at = parse_use(code, at, prefix, found);
        // An alias, or a star.
        at += code[at..].find([',', '}']).unwrap_or(code.len() - at);
        at += usize::from(code[at..].starts_with(','));
    }
}

fn skip_spaces(code: &str, offset: usize) -> usize {
    code.len() - code[offset..].trim_start().len()
}

/// The text with comments and literals blanked out, every line where it was.
fn without_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let opaque = opaque_len(rest);
        if opaque == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(blank(&rest[..opaque]));
            rest = &rest[opaque..];
        }
    }
    code
}

/// Spaces instead of everything but ends of lines.
fn blank(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c == '\n' { c } else { ' ' })
}

/// The length of the comment or literal that the text begins with, or 0.
fn opaque_len(text: &str) -> usize {
    let until = |end: &str, from: usize| {
        text.get(from..).and_then(|rest| rest.find(end)).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    match text.as_bytes() {
        [b'"', ..] => quoted_len(text, '"'),
        [b'\'', b'\\', ..] => quoted_len(text, '\''),
        // One character and a quote; anything else is a lifetime.
        [b'\'', ..] => {
            let character = text[1..].chars().next().map_or(0, char::len_utf8);
            if text[1 + character..].starts_with('\'') { 2 + character } else { 0 }
        }
        _ => 0,
    }
}

/// The length of what stands between two of these quotes, both included.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// The code with everything behind `#[cfg(test)]` blanked out: the item that follows it, to its closing brace or
/// semicolon.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let Some(start) = code.find(MARK) else { return code.to_owned() };
    let item = &code[start..];
    let end = match item.find(['{', ';']) {
        Some(at) if item[at..].starts_with('{') => at + braced_len(&item[at..]),
        Some(at) => at + 1,
        None => item.len(),
    };
    let blanked: String = blank(&item[..end]).collect();
    [&code[..start], &blanked, &without_tests(&item[end..])].concat()
}

/// The length of a block in braces, which the code begins with.
fn braced_len(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => (),
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of `first`, `middle` (with the children `one` and `two`) and `last`, where these files say more.
    fn crate_with(texts: &[(&str, &str)]) -> Vec<String> {
        let standard = [
            (
                "lib",
                "//! Contents.\nmod first;\npub mod middle;\nmod last;\npub use last::Result as Outcome;\n",
            ),
            ("first", ""),
            ("middle", "mod one;\npub(crate) mod two;\nuse two::{Three, Four};\n"),
            ("middle/one", ""),
            ("middle/two", ""),
            ("last", ""),
        ];
        let files = standard.map(|(name, text)| {
            let more = texts.iter().filter(|(other, _)| *other == name).map(|(_, more)| *more);
            File::new(&format!("a/src/{name}.rs"), &[text, &more.collect::<String>()].concat())
        });
        complaints(&files)
    }

    #[test]
    fn using_what_stands_below_is_found() {
        for (name, text) in [
            ("first", "use crate::last::X;"),
            ("first", "use crate::last;"),
            ("first", "fn f() -> crate::last::X {}"),
            ("first", "use super::last::X;"),
            ("first", "use crate::{\n    last::{X, Y},\n};"),
            ("first", "use crate::{self, Outcome};"),
            ("first", "type T<'a> = &'a crate::Outcome;"),
            ("middle", "use crate::last::X;"),
            ("middle/two", "use crate::last::X;"),
            ("middle/two", "use super::super::last;"),
            ("middle/one", "use super::two::X;"),
            ("middle/one", "use super::Four;"),
            ("middle/one", "use crate::middle::{two::X};"),
            ("first", "fn f() { \"{\"; '{'; }\n#[cfg(test)]\nmod tests { fn g() {} }\nuse crate::last::X;"),
        ] {
            assert_eq!(crate_with(&[(name, text)]).len(), 1, "{name}: {text}");
        }
        assert_eq!(
            crate_with(&[("first", "\nuse crate::{\n    middle::X,\n    last,\n};\n")]),
            [
                "a/src/first.rs:3: `first` uses `middle`, which stands below it",
                "a/src/first.rs:4: `first` uses `last`, which stands below it",
            ]
        );
    }

    #[test]
    fn using_what_stands_above_is_fine() {
        for (name, text) in [
            ("last", "use crate::{first::X, middle::{one::Y, two}};"),
            ("last", "use super::first;"),
            ("middle", "use self::one::X;\nuse crate::{first, middle::two::Y};"),
            ("middle/two", "use super::{one::X, Z};\nuse crate::{first, middle::W, Other};"),
            ("middle/one", "use super::*;\nuse super::Five;"),
            ("first", "// use crate::last::X;\n/// See [`X`](crate::last::X).\n/* crate::last */"),
            ("first", "const X: &str = \"crate::last\";\nconst Y: &str = r#\"\" crate::last \"#;"),
            ("first", "#[cfg(test)]\nmod tests {\n    use crate::last::X;\n    fn f() { \"}\"; }\n}\n"),
            ("first", "#[cfg(test)]\nmod last;\n"),
            ("first", "use other_crate::last;\nuse a::crate_::last;"),
        ] {
            assert_eq!(crate_with(&[(name, text)]), [""; 0], "{name}: {text}");
        }
    }

    #[test]
    fn the_order_of_the_mod_lines_is_what_counts() {
        let files = |lib| {
            [
                File::new("a/src/main.rs", lib),
                File::new("a/src/x/mod.rs", "use crate::y;"),
                File::new("a/src/y.rs", ""),
            ]
        };
        assert_eq!(complaints(&files("mod y;\nmod x;\n")), [""; 0]);
        assert_eq!(complaints(&files("mod x;\nmod y;\n")).len(), 1);
    }
}
