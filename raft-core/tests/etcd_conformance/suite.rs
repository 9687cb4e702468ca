//! The files to run, and how one is run.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use libtest_mimic::Trial;

use crate::{
    confchange,
    datadriven::{self, Directive},
    expectation, interaction, quorum,
};

/// Where the files are.
const DIRECTORY: &str = "ETCD_RAFT_DIR";

/// How many files have agreed so far.
static AGREEING: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn agreeing() -> usize {
    AGREEING.load(Ordering::Relaxed)
}

/// Whether it is an error if there is nothing to run: somebody has said where it is, or it must be there.
pub(crate) fn is_required() -> bool {
    env::var_os(DIRECTORY).is_some() || env::var("CI").is_ok_and(|value| value == "true")
}

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Quorum,
    ConfChange,
    Interaction,
}

/// A script to run.
pub(crate) struct File {
    path: PathBuf,
    name: String,
    language: Language,
    origin: Origin,
}

/// Who wrote a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Etcd,
    /// For what etcd's leave open.
    Ours,
}

/// The scripts that stand beside this runner.
///
/// # Errors
/// When they cannot be found.
pub(crate) fn own_scripts() -> io::Result<Vec<File>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/etcd_conformance/scripts");
    let file = |name: String| File {
        path: directory.join(&name),
        name: format!("scripts/{name}"),
        language: Language::Interaction,
        origin: Origin::Ours,
    };
    Ok(scripts(&directory)?.into_iter().map(file).collect())
}

/// Every file of etcd's there is.
///
/// # Errors
/// What to do when there is none.
pub(crate) fn discover() -> Result<Vec<File>, String> {
    let Ok(root) = env::var(DIRECTORY) else {
        return Err(format!(
            "skipped etcd's conformance tests: set {DIRECTORY} to a clone of https://github.com/etcd-io/raft to run them"
        ));
    };
    let root = PathBuf::from(root);
    let mut files = Vec::new();
    for (directory, language) in [
        ("testdata", Language::Interaction),
        ("quorum/testdata", Language::Quorum),
        ("confchange/testdata", Language::ConfChange),
    ] {
        let names = scripts(&root.join(directory))
            .map_err(|error| format!("{DIRECTORY} is {}, and {directory} in it: {error}", root.display()))?;
        if names.is_empty() {
            return Err(format!("{DIRECTORY} is {}, and there is no script in {directory}", root.display()));
        }
        files.extend(names.into_iter().map(|file| File {
            path: root.join(directory).join(&file),
            name: format!("{directory}/{file}"),
            language,
            origin: Origin::Etcd,
        }));
    }
    Ok(files)
}

/// The `.txt` files of a directory, in order.
fn scripts(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| name.ends_with(".txt")));
    }
    names.sort_unstable();
    Ok(names)
}

impl File {
    pub(crate) fn into_trial(self) -> Trial {
        let Self { path, name, language, origin } = self;
        Trial::test(name, move || {
            let text = fs::read_to_string(&path)?;
            run(&text, language).map_err(|problem| format!("{}: {problem}", path.display()))?;
            match origin {
                Origin::Etcd => drop(AGREEING.fetch_add(1, Ordering::Relaxed)),
                Origin::Ours => (),
            }
            Ok(())
        })
    }
}

/// Runs a script to its first disagreement.
///
/// # Errors
/// What disagrees, or what cannot be read.
pub(crate) fn run(text: &str, language: Language) -> Result<(), String> {
    let directives = datadriven::parse(text)?;
    if directives.is_empty() {
        return Err("there is no directive in it".to_owned());
    }
    let mut membership = confchange::Environment::default();
    let mut servers = interaction::Environment::default();
    for directive in &directives {
        let actual = match language {
            Language::Quorum => quorum::run(directive),
            Language::ConfChange => membership.run(directive),
            Language::Interaction => servers.run(directive),
        };
        let actual = actual.map_err(|problem| format!("line {}: {problem}", directive.line))?;
        judge(directive, &actual)?;
    }
    Ok(())
}

fn judge(directive: &Directive, actual: &str) -> Result<(), String> {
    let Directive { line, command, arguments: _, input: _, expected } = directive;
    if expectation::agrees(expected, actual) {
        return Ok(());
    }
    let difference = expectation::difference(expected, actual);
    Err(format!("line {line}, {command}: expected -, got +\n{difference}"))
}
