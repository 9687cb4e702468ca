//! A mistake in a file, a scenario or a saved run: what is wrong, where, and what was expected.

mod wording;
mod brackets;

use std::{fmt, io};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ron::error::{Position, SpannedError};

/// A place in a file: a range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Place {
    /// Where a part of `source` stands in it. The space around it does not count, nor do the comments before it,
    /// which are returned.
    pub(crate) fn of(source: &str, part: &str) -> (Self, String) {
        let mut trimmed = part.trim();
        let mut remark = Vec::new();
        while let Some(comment) = trimmed.strip_prefix("//") {
            let (line, rest) = comment.split_once('\n').unwrap_or((comment, ""));
            remark.push(line.trim());
            trimmed = rest.trim_start();
        }
        (Self::of_slice(source, trimmed), remark.join(" "))
    }

    fn of_slice(source: &str, trimmed: &str) -> Self {
        let start = trimmed.as_ptr().addr().saturating_sub(source.as_ptr().addr()).min(source.len());
        Self { start, end: (start + trimmed.len()).min(source.len()) }
    }

    /// The whole of a file.
    pub(crate) fn whole(source: &str) -> Self {
        Self { start: 0, end: source.len() }
    }

    pub(crate) fn text(self, source: &str) -> &str {
        source.get(self.start..self.end).unwrap_or_default()
    }

    /// Where a word stands within `within`, or that whole place if it does not.
    pub(crate) fn find(source: &str, within: Self, word: &str) -> Self {
        match within.text(source).find(word) {
            Some(offset) => {
                let start = within.start + offset;
                Self { start, end: start + word.len() }
            }
            None => within,
        }
    }

    /// Where the reader of a part of the file stopped. Its positions count from the part's beginning.
    fn of_error(source: &str, part: Self, error: &SpannedError) -> Self {
        let text = part.text(source);
        let start = part.start + offset(text, error.span.start);
        let end = part.start + offset(text, error.span.end);
        let end = end.max(start).min(source.len());
        // The reader may have gone on over white space.
        let trimmed = source.get(start..end).unwrap_or_default();
        let leading = trimmed.len() - trimmed.trim_start().len();
        let start = start + leading;
        let len = match trimmed.trim().len() {
            // It stopped in front of something: that is what it did not expect.
            0 => word_len(source.get(start..).unwrap_or_default()),
            len => len,
        };
        Self { start, end: start + len }
    }
}

/// Why a file could not be used, in plain words where there are some.
pub fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission is denied".to_owned(),
        io::ErrorKind::InvalidData => "it is not a text, or a compressed one".to_owned(),
        _ => error.to_string(),
    }
}

/// How long the word, the quoted text, or else the single character, at the beginning of a text is.
fn word_len(text: &str) -> usize {
    if let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.find('"')) {
        return quoted + 2;
    }
    let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if 0 < word { word } else { text.chars().next().map_or(0, char::len_utf8) }
}

/// The byte at a position of line and column.
fn offset(text: &str, Position { line, col }: Position) -> usize {
    let lines_before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(lines_before..).unwrap_or_default();
    lines_before + rest.chars().take(col.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    path: String,
    source: String,
    place: Place,
    title: String,
    label: String,
}

impl std::error::Error for Mistake {}

impl Mistake {
    pub(crate) fn new(
        path: &str,
        source: &str,
        place: Place,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        let (path, source) = (path.to_owned(), source.to_owned());
        Self { path, source, place, title: title.into(), label: label.into() }
    }

    pub(crate) fn unreadable(path: String, error: &io::Error) -> Self {
        let place = Place { start: 0, end: 0 };
        let title = format!("cannot read {path}: {}", plainly(error));
        Self { path, source: String::new(), place, title, label: String::new() }
    }

    /// What the reader of the file format found wrong in a part of the file.
    pub(crate) fn syntax(path: &str, source: &str, part: Place, title: &str, error: &SpannedError) -> Self {
        if source.trim().is_empty() {
            return Self::new(path, source, Place::whole(source), title, "the file is empty");
        }
        // What else the reader complains of, it knows better.
        let misfit = wording::is_about_brackets(&error.code).then(|| brackets::misfit(source)).flatten();
        let (place, label) =
            misfit.unwrap_or_else(|| (Place::of_error(source, part, error), wording::words(&error.code)));
        Self::new(path, source, place, title, label)
    }

    /// The same mistake, with something more about what was expected.
    pub(crate) fn with(self, more: &str) -> Self {
        Self { label: format!("{}; {more}", self.label), ..self }
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text of the file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The line it is in, from 1.
    pub fn line(&self) -> usize {
        1 + self.before().matches('\n').count()
    }

    /// The column it begins at, from 1.
    pub fn column(&self) -> usize {
        1 + self.before().chars().rev().take_while(|&c| c != '\n').count()
    }

    fn before(&self) -> &str {
        self.source.get(..self.place.start).unwrap_or_default()
    }

    /// The text it is about.
    pub fn text(&self) -> &str {
        self.place.text(&self.source)
    }

    /// What is wrong.
    pub fn problem(&self) -> &str {
        &self.title
    }

    /// What is the case there, or what was expected instead; empty where the problem says it all.
    pub fn expected(&self) -> &str {
        &self.label
    }

    /// The report, with colours or without.
    pub fn render(&self, colours: bool) -> String {
        if self.source.trim().is_empty() {
            let place = if self.label.is_empty() {
                String::new()
            } else {
                format!("\n --> {}:1:1: {}", self.path, self.label)
            };
            return format!("error: {}{place}", self.title);
        }
        let annotation =
            AnnotationKind::Primary.span(self.place.start..self.place.end).label(self.label.as_str());
        let snippet = Snippet::source(self.source.as_str()).path(self.path.as_str()).annotation(annotation);
        let report = [Level::ERROR.primary_title(self.title.as_str()).element(snippet)];
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&report)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
