//! Rules for single files.

use crate::tree::File;

/// These rules name what they forbid, so they are not applied to themselves.
const THESE_RULES: &str = "sim/tests/tidy";

/// What is for a moment, or should be an `expect` with a reason.
const LEFTOVERS: [&str; 8] =
    ["todo!", "unimplemented!", "dbg!", "FIXME", "XXX", "#[ignore", "#[allow(", "#![allow("];

/// No file may have more lines.
const MOST_LINES: usize = 720;

/// Directories that differ from machine to machine.
const MACHINE_DIRECTORIES: [&str; 6] = ["/work", "/tmp", "/home", "/root", "/Users", "/mnt"];

pub(crate) fn leftovers(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.has_extension("rs") && !file.path.starts_with(THESE_RULES));
    let lines = sources.flat_map(|file| file.lines().map(move |line| (file, line)));
    lines
        .flat_map(|(file, (number, line))| {
            let found = LEFTOVERS.into_iter().filter(move |leftover| line.contains(leftover));
            found.map(move |leftover| format!("{}:{number}: {leftover}", file.path))
        })
        .collect()
}

pub(crate) fn missing_pages(files: &[File]) -> Vec<String> {
    let without = files.iter().filter(|file| file.has_extension("rs") && !file.text.starts_with("//! "));
    without.map(|file| format!("{} does not begin with a page on what it is for", file.path)).collect()
}

pub(crate) fn long_files(files: &[File]) -> Vec<String> {
    let made_to_be_read =
        |file: &&File| ["rs", "md", "ron", "toml"].iter().any(|extension| file.has_extension(extension));
    let lengths = files.iter().filter(made_to_be_read).map(|file| (file, file.text.lines().count()));
    let long = lengths.filter(|(_, lines)| MOST_LINES < *lines);
    long.map(|(file, lines)| format!("{} has {lines} lines, more than {MOST_LINES}", file.path)).collect()
}

pub(crate) fn absolute_paths(files: &[File]) -> Vec<String> {
    let judged = files.iter().filter(|file| !file.path.starts_with(THESE_RULES));
    let lines = judged.flat_map(|file| file.lines().map(move |line| (file, line)));
    lines
        .flat_map(|(file, (number, line))| {
            let found = MACHINE_DIRECTORIES.into_iter().filter(move |directory| mentions(line, directory));
            found.map(move |directory| format!("{}:{number}: {directory}", file.path))
        })
        .collect()
}

/// Whether a path in this line begins with this directory. In `a/tmp`, `/tmpl` and `x://work` none does.
fn mentions(line: &str, directory: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || "_-./:}".contains(c);
    line.match_indices(directory).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + directory.len()..].chars().next();
        !before.is_some_and(in_name) && !after.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-')
    })
}

pub(crate) fn members_without_lints(files: &[File]) -> Vec<String> {
    let Some(root) = files.iter().find(|file| file.path == "Cargo.toml") else {
        return vec!["there is no Cargo.toml".to_owned()];
    };
    let inherits = |member: &str| {
        let manifest = files.iter().find(|file| file.path == format!("{member}/Cargo.toml"));
        manifest.is_some_and(|file| file.text.contains("[lints]\nworkspace = true\n"))
    };
    let without = members(&root.text).into_iter().filter(|member| !inherits(member));
    without.map(|member| format!("{member}/Cargo.toml does not inherit the workspace's lints")).collect()
}

/// The members that a workspace's manifest lists.
pub(crate) fn members(manifest: &str) -> Vec<&str> {
    let list = manifest.split_once("\nmembers = [").and_then(|(_, rest)| rest.split_once(']'));
    list.map(|(list, _)| list.split('"').skip(1).step_by(2).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found() {
        for leftover in LEFTOVERS {
            let file = File::new("a/src/b.rs", &format!("//! Page.\n    {leftover}\n"));
            assert!(leftovers(&[file]).contains(&format!("a/src/b.rs:2: {leftover}")), "{leftover}");
        }
        let clean = File::new("a/src/b.rs", "//! Page.\n#[expect(dead_code, reason = \"shown below\")]\n");
        assert_eq!(leftovers(&[clean, File::new("notes.md", "todo!")]), [""; 0]);
    }

    #[test]
    fn a_missing_page_is_found() {
        for text in ["", "use a::b;\n//! late\n", "// no page\n", "/// an item's\nfn f() {}\n"] {
            assert_eq!(missing_pages(&[File::new("a/tests/b.rs", text)]).len(), 1, "{text:?}");
        }
        assert_eq!(missing_pages(&[File::new("a/tests/b.rs", "//! Page.\n")]), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found() {
        let long = |lines: usize| File::new("a.rs", &"x\n".repeat(lines));
        assert_eq!(long_files(&[long(MOST_LINES)]), [""; 0]);
        assert_eq!(long_files(&[long(MOST_LINES + 1)]), ["a.rs has 721 lines, more than 720"]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for line in ["/tmp", "see /work/of/theirs", "\"/home/x\"", "(/root)", "`/tmp/a.log`"] {
            assert_eq!(absolute_paths(&[File::new("a.md", line)]).len(), 1, "{line}");
        }
        for line in ["a/tmp", "/tmpl", "https://work.example", "frame/work", "${DIR}/tmp", "./tmp/a"] {
            assert_eq!(absolute_paths(&[File::new("a.md", line)]), [""; 0], "{line}");
        }
    }

    #[test]
    fn a_member_without_lints_is_found() {
        let root = || File::new("Cargo.toml", "[workspace]\nmembers = [\n    \"a\",\n    \"b/c\",\n]\n");
        let good = || File::new("a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n");
        let bad = File::new("b/c/Cargo.toml", "[package]\nlicense.workspace = true\n");
        assert_eq!(
            members_without_lints(&[root(), good(), bad]),
            ["b/c/Cargo.toml does not inherit the workspace's lints"]
        );
        let good_too = File::new("b/c/Cargo.toml", "[lints]\nworkspace = true\n");
        assert_eq!(members_without_lints(&[root(), good(), good_too]), [""; 0]);
        assert_eq!(members_without_lints(&[root()]).len(), 2);
        assert_eq!(members_without_lints(&[good()]), ["there is no Cargo.toml"]);
    }
}
