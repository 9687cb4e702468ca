//! A copy of the core, to be broken.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::catalogue::Mutation;

/// Where the core is.
pub(crate) fn core() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A workspace with nothing but a copy of the core in it, in the build directory.
pub(crate) struct Laboratory {
    root: PathBuf,
    /// Where etcd's files are.
    files: PathBuf,
}

impl Laboratory {
    pub(crate) fn set_up(files: PathBuf) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance_mutations");
        let workspace = core().parent().expect("the core stands in a workspace").to_owned();
        let copy = root.join("raft-core");
        if copy.exists() {
            fs::remove_dir_all(&copy).expect("an earlier copy can be removed");
        }
        copy_all(&core(), &copy);
        let manifest =
            fs::read_to_string(workspace.join("Cargo.toml")).expect("the workspace has a manifest");
        fs::write(root.join("Cargo.toml"), with_core_alone(&manifest)).expect("it can be written");
        fs::copy(workspace.join("Cargo.lock"), root.join("Cargo.lock")).expect("it can be copied");
        Self { root, files }
    }

    /// Puts a bug in, does something, and takes it out again.
    pub(crate) fn with<T>(&self, mutation: &Mutation, action: impl FnOnce(&Self) -> T) -> T {
        let path = self.root.join("raft-core").join(&mutation.file);
        let text = fs::read_to_string(&path).expect("the file is there");
        let broken =
            mutation.apply_to(&text).unwrap_or_else(|problem| panic!("{}: {problem}", mutation.name));
        fs::write(&path, broken).expect("it can be written");
        let outcome = action(self);
        fs::write(&path, text).expect("it can be written");
        outcome
    }

    /// The scripts that disagree, and other tests that fail.
    ///
    /// # Errors
    /// When the tests do not run to their end.
    pub(crate) fn failing_files(&self) -> Result<Vec<String>, String> {
        let output = Command::new(env!("CARGO"))
            .args(["test", "--offline", "--package", "raft-core", "--test", "etcd_conformance"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env("ETCD_RAFT_DIR", &self.files)
            .env("CI", "true")
            .output()
            .map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if !printed.contains("test result:") {
            let problem = String::from_utf8_lossy(&output.stderr);
            let error = problem.lines().find(|line| line.starts_with("error")).unwrap_or("no result");
            return Err(format!("it was not tested: {error}"));
        }
        let failed = |line: &str| {
            let (name, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
            (outcome == "FAILED").then(|| name.trim_end().to_owned())
        };
        let mut failing: Vec<String> = printed.lines().filter_map(failed).collect();
        failing.sort_unstable();
        Ok(failing)
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for entry in fs::read_dir(from).expect("the directory is there") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

/// A workspace's manifest with the core as its only member.
fn with_core_alone(manifest: &str) -> String {
    let mut kept = String::new();
    let mut is_inside = false;
    for line in manifest.lines() {
        is_inside |= line.starts_with("members = [") || line.starts_with("default-members = [");
        if !is_inside {
            kept.push_str(&format!("{line}\n"));
        }
        is_inside &= !line.ends_with(']');
    }
    kept.replacen("[workspace]\n", "[workspace]\nmembers = [\"raft-core\"]\n", 1)
}
