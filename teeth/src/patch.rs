//! Patch files: what is wrong, who has to notice, and the difference to the correct sources.

use std::{fs, path::Path};

use crate::trouble::Trouble;

/// A patch that breaks the correct sources in one way.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    /// The file's name, without its extension.
    pub(crate) name: String,
    /// What is wrong, in two or three sentences.
    pub(crate) story: String,
    /// The check that has to be the first to object.
    pub(crate) check: String,
    /// The whole file: a reader of unified diffs passes over what stands before the first.
    pub(crate) text: String,
}

/// Reads a directory of patches, by name.
///
/// # Errors
/// When it cannot be read, or a file of it lacks its header.
pub(crate) fn read_all(directory: &Path) -> Result<Vec<Broken>, Trouble> {
    let unreadable = |error| Trouble::Files { path: directory.to_owned(), error };
    let mut patches = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|error| Trouble::Files { path, error })?;
        patches.push(parse(name, text)?);
    }
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patches)
}

fn parse(name: String, text: String) -> Result<Broken, Trouble> {
    let header = text.split_once("\n--- ").map_or("", |(header, _)| header);
    let field = |key: &'static str| {
        let value = header.lines().find_map(|line| line.strip_prefix(key));
        value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let missing = |what: &'static str| Trouble::Header { name: name.clone(), what };
    let check = field("Found by:").ok_or_else(|| missing("`Found by: CHECK`"))?;
    field("Source:").ok_or_else(|| missing("`Source: PAPER AND SECTION`"))?;
    let story = header.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    if story.trim().is_empty() || story.starts_with("Found by:") {
        return Err(missing("a sentence on what is wrong"));
    }
    Ok(Broken { name, story, check, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n";

    #[test]
    fn a_header_is_taken_apart() {
        let text = format!("It is wrong.\nVery.\n\nFound by: Votes\nSource: section 5.2\n{DIFF}");
        let broken = parse("a".to_owned(), text).expect("it is complete");
        assert_eq!((&*broken.story, &*broken.check), ("It is wrong. Very.", "Votes"));
    }

    #[test]
    fn an_incomplete_header_is_refused() {
        for header in
            ["", "It is wrong.\n", "It is wrong.\n\nFound by: Votes\n", "Found by: Votes\nSource: x\n"]
        {
            let refused = parse("a".to_owned(), format!("{header}{DIFF}"));
            assert!(matches!(refused, Err(Trouble::Header { .. })), "{header:?}: {refused:?}");
        }
    }
}
