//! Documents point to what exists: their relative links, and the files they name in backticks.

use crate::tree::File;

pub(crate) fn dead_links(files: &[File]) -> Vec<String> {
    complaints(files, "links to", |line| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next());
        targets.filter(|target| is_relative(target)).collect()
    })
}

/// Whether a link leads to a file here. What was cut off at `#` leads into the same document.
fn is_relative(target: &str) -> bool {
    !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
}

pub(crate) fn unknown_paths(files: &[File]) -> Vec<String> {
    complaints(files, "mentions", |line| {
        let spans = line.split('`').skip(1).step_by(2);
        spans.filter(|span| looks_like_path(span)).collect()
    })
}

/// Whether this reads like `directory/file.extension`.
fn looks_like_path(span: &str) -> bool {
    let Some((directory, name)) = span.rsplit_once('/') else { return false };
    let Some((_, extension)) = name.rsplit_once('.') else { return false };
    let in_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let in_extension = |c: char| c.is_ascii_lowercase();
    let has_extension = !extension.is_empty() && extension.chars().all(in_extension);
    !directory.is_empty() && has_extension && span.chars().all(in_path)
}

/// Complains of everything that `find` finds in a line of a document and that is not there.
fn complaints(files: &[File], verb: &str, find: fn(&str) -> Vec<&str>) -> Vec<String> {
    let documents = files.iter().filter(|file| file.has_extension("md"));
    let mut complaints = Vec::new();
    for document in documents {
        let mut in_code = false;
        for (number, line) in document.lines() {
            in_code ^= line.trim_start().starts_with("```");
            let found = if in_code { Vec::new() } else { find(line) };
            let missing = found.into_iter().filter(|path| !exists(files, document, path));
            let path = &document.path;
            complaints.extend(
                missing.map(|missing| format!("{path}:{number}: {verb} {missing}, which is not there")),
            );
        }
    }
    complaints
}

/// Whether there is such a file or directory, seen from the document or from the root.
fn exists(files: &[File], document: &File, path: &str) -> bool {
    let directory = document.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    [normal(&format!("{directory}/{path}")), normal(path)].iter().flatten().any(|wanted| {
        files.iter().any(|file| {
            let below = file.path.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.starts_with('/'));
            below || wanted.is_empty() || file.path == *wanted
        })
    })
}

/// The path without `.` and `..`; `None` if it leads out of the workspace.
fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => (),
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(document: &str) -> Vec<File> {
        vec![
            File::new("README.md", document),
            File::new("doc/more.md", "[up](../README.md)"),
            File::new("raft/src/log.rs", ""),
        ]
    }

    #[test]
    fn dead_links_are_found() {
        for good in [
            "[a](doc/more.md)",
            "[a](raft/src/log.rs#L3) and [b](doc)",
            "[a](https://example.com/x)",
            "[a](#below)",
            "```\n[a](nowhere.md)\n```",
        ] {
            assert_eq!(dead_links(&tree(good)), [""; 0], "{good}");
        }
        for bad in ["[a](nowhere.md)", "x\n[a](doc) [b](doc/less.md)", "[a](../outside.md)"] {
            assert_eq!(dead_links(&tree(bad)).len(), 1, "{bad}");
        }
        assert_eq!(
            dead_links(&tree("x\n[a](nowhere.md)")),
            ["README.md:2: links to nowhere.md, which is not there"]
        );
    }

    #[test]
    fn unknown_paths_are_found() {
        for good in [
            "`raft/src/log.rs`",
            "`doc/*.md`",
            "`a / b`",
            "`Vec<a/b.c>`",
            "no/code.rs",
            "`log.rs`",
            "`and/or`",
        ] {
            assert_eq!(unknown_paths(&tree(good)), [""; 0], "{good}");
        }
        for bad in ["`raft/log.rs`", "`doc/more.md` and `doc/less.md`"] {
            assert_eq!(unknown_paths(&tree(bad)).len(), 1, "{bad}");
        }
    }
}
