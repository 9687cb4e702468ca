//! The scratch copy: where a patch is applied, built and explored, and the real sources stay as they are.
//!
//! There is one, and one build directory for all patches. A file is written only when its contents change, so that
//! the compiler sees which sources are new and builds no more than those and what depends on them.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use diffy::patch_set::{ParseOptions, PatchSet};
use serde::{Deserialize, Serialize};

use crate::trouble::Trouble;

/// The text of every file, by its path from the workspace's root.
pub(crate) type Sources = BTreeMap<String, Vec<u8>>;

/// What exploring the patched sources came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Explored {
    /// How many seeds were run, from 0 on, the one in which something was found included.
    pub(crate) seeds: u64,
    /// Those of them that could not be judged, and why.
    pub(crate) inconclusive: Vec<String>,
    /// How many events they had together.
    pub(crate) events: u64,
    /// How much happened in the median run, by name.
    pub(crate) median: Option<BTreeMap<String, u64>>,
    /// What was violated, if anything was.
    pub(crate) found: Option<Found>,
}

/// The first violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// By which check.
    pub(crate) check: String,
    /// In which seed.
    pub(crate) seed: u64,
    /// After which event of it.
    pub(crate) event: u64,
    /// In its words.
    pub(crate) message: String,
    /// Told in full, with the part of the trace that led there.
    pub(crate) story: Option<String>,
}

/// The copy and the place where it is built.
#[derive(Debug)]
pub(crate) struct Scratch {
    correct: Sources,
    copy: PathBuf,
    build: PathBuf,
    /// What lies in the copy now.
    laid_out: Sources,
}

impl Scratch {
    /// Prepares a copy of the workspace at `root`, below its target directory.
    ///
    /// # Errors
    /// When the workspace cannot be read.
    pub(crate) fn new(root: &Path) -> Result<Self, Trouble> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let place = root.join(target).join("teeth");
        let copy = place.join("scratch");
        let laid_out = if copy.is_dir() { sources(&copy)? } else { Sources::new() };
        Ok(Self { correct: sources(root)?, copy, build: place.join("build"), laid_out })
    }

    /// Makes the copy the correct sources with this patch applied.
    ///
    /// # Errors
    /// When the patch does not fit, or a file cannot be written.
    pub(crate) fn lay_out(&mut self, patch: Option<&str>) -> Result<(), Trouble> {
        let wanted = match patch {
            Some(patch) => patched(&self.correct, patch)?,
            None => self.correct.clone(),
        };
        for (name, text) in &wanted {
            if self.laid_out.get(name) != Some(text) {
                write(&self.copy.join(name), text)?;
            }
        }
        for name in self.laid_out.keys().filter(|name| !wanted.contains_key(*name)) {
            let path = self.copy.join(name);
            fs::remove_file(&path).map_err(|error| Trouble::Files { path, error })?;
        }
        self.laid_out = wanted;
        Ok(())
    }

    /// Builds the explorer from the copy.
    ///
    /// # Errors
    /// When the compiler objects.
    pub(crate) fn build(&self) -> Result<(), Trouble> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.copy).args(["build", "--quiet", "--locked", "--profile", "teeth"]);
        command.args(["--package", "teeth", "--bin", "explorer", "--features", "explorer", "--target-dir"]);
        command.arg(&self.build).env_remove("CARGO_TARGET_DIR");
        let output = command.output().map_err(|error| Trouble::DoesNotBuild(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let from = complaint.find("error").unwrap_or(0);
        Err(Trouble::DoesNotBuild(complaint[from..].trim().to_owned()))
    }

    /// Explores what was built last, from seed 0 on.
    ///
    /// # Errors
    /// When the explorer ends without a result.
    pub(crate) fn explore(&self, seeds: u64) -> Result<Explored, Trouble> {
        let explorer = self.build.join("teeth").join(format!("explorer{}", env::consts::EXE_SUFFIX));
        let output = Command::new(explorer).arg(seeds.to_string()).stderr(Stdio::null()).output();
        let output = output.map_err(|error| Trouble::DoesNotRun(error.to_string()))?;
        if !output.status.success() {
            return Err(Trouble::DoesNotRun(output.status.to_string()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| Trouble::DoesNotRun(error.to_string()))
    }
}

/// Every file of a workspace, but for what is hidden or was built.
///
/// # Errors
/// When something cannot be read.
pub(crate) fn sources(root: &Path) -> Result<Sources, Trouble> {
    let mut sources = Sources::new();
    collect(root, "", &mut sources)?;
    Ok(sources)
}

fn collect(directory: &Path, prefix: &str, sources: &mut Sources) -> Result<(), Trouble> {
    let failed = |error| Trouble::Files { path: directory.to_owned(), error };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || (prefix.is_empty() && name.starts_with("target")) {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{prefix}{name}/"), sources)?;
        } else {
            let text = fs::read(&path).map_err(|error| Trouble::Files { path, error })?;
            sources.insert(format!("{prefix}{name}"), text);
        }
    }
    Ok(())
}

/// These sources with a patch applied.
///
/// # Errors
/// When it does not fit.
pub(crate) fn patched(sources: &Sources, patch: &str) -> Result<Sources, Trouble> {
    let mut patched = sources.clone();
    let mut is_empty = true;
    for file in PatchSet::parse(patch, ParseOptions::unidiff()) {
        let refuse = |file, reason: String| Trouble::DoesNotApply { file, reason };
        let file = file.map_err(|error| refuse(None, error.to_string()))?;
        let operation = file.operation().strip_prefix(1);
        let diffy::patch_set::FileOperation::Modify { modified, .. } = &operation else {
            return Err(refuse(None, "it does more than to change files".to_owned()));
        };
        let name = modified.to_string();
        let Some(text) = patched.get(&name) else {
            return Err(refuse(Some(name), "there is no such file".to_owned()));
        };
        let text = String::from_utf8_lossy(text).into_owned();
        let diff = file.patch().as_text();
        let diff = diff.ok_or_else(|| refuse(Some(name.clone()), "it is not made of text".to_owned()))?;
        let text =
            diffy::apply(&text, diff).map_err(|error| refuse(Some(name.clone()), error.to_string()))?;
        patched.insert(name, text.into_bytes());
        is_empty = false;
    }
    if is_empty {
        return Err(Trouble::DoesNotApply { file: None, reason: "there is no diff in it".to_owned() });
    }
    Ok(patched)
}

fn write(path: &Path, text: &[u8]) -> Result<(), Trouble> {
    let directory = path.parent().unwrap_or(path);
    let failed = |error| Trouble::Files { path: path.to_owned(), error };
    fs::create_dir_all(directory).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_files() -> Sources {
        let files = [("a/x.rs", "one\ntwo\nthree\n"), ("b/y.rs", "four\nfive\n")];
        files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into()
    }

    const BOTH: &str = "Words before it.\n\n--- a/a/x.rs\n+++ b/a/x.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n\
                        --- a/b/y.rs\n+++ b/b/y.rs\n@@ -1,2 +1 @@\n-four\n five\n";

    #[test]
    fn a_patch_may_change_several_files() {
        let patched = patched(&two_files(), BOTH).expect("it fits");
        assert_eq!(patched["a/x.rs"], b"one\n2\nthree\n");
        assert_eq!(patched["b/y.rs"], b"five\n");
    }

    #[test]
    fn a_patch_that_does_not_fit_is_refused_with_the_file_it_is_for() {
        let mut sources = two_files();
        sources.insert("b/y.rs".to_owned(), b"five\n".to_vec());
        let refused = patched(&sources, BOTH).expect_err("there is no four").to_string();
        assert!(refused.starts_with("does not apply to b/y.rs: "), "{refused}");
        sources.remove("b/y.rs");
        let refused = patched(&sources, BOTH).expect_err("there is no such file").to_string();
        assert_eq!(refused, "does not apply to b/y.rs: there is no such file");
        assert!(patched(&sources, "Only words.\n").is_err());
    }
}
