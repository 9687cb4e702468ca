//! The files of the workspace, in order.

use std::{fs, path::Path};

/// A file to judge.
#[derive(Debug)]
pub(crate) struct File {
    /// From the workspace's root, with slashes.
    pub(crate) path: String,
    /// What is in it; nothing if that is not text.
    pub(crate) text: String,
}

impl File {
    /// A file made up to be judged.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether its name ends so.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

/// Every file that belongs to the workspace.
pub(crate) fn workspace() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a member");
    let mut files = Vec::new();
    collect(root, "", &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<File>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{prefix}: {error}"));
    for entry in entries {
        let entry = entry.unwrap_or_else(|error| panic!("{prefix}: {error}"));
        let name = entry.file_name().to_string_lossy().into_owned();
        // What a build makes is not ours, nor is what version control keeps.
        if name == ".git" || name == "target" || name.starts_with("target-") {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else {
            // A file may go away while others work on the tree.
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            files.push(File { path, text: String::from_utf8(bytes).unwrap_or_default() });
        }
    }
}
