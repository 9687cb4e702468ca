//! Where a test stands, so that it can be named, run again, and have files of its own.

use std::{
    env,
    panic::Location,
    path::{Path, PathBuf},
    thread,
};

use super::directions::SEED;

/// A test: its place in the source, and its name as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line that runs the harness.
    pub line: &'static Location<'static>,
    /// The test's name. The test runner gives it to the test's thread; on the main thread there is none.
    pub test: Option<String>,
    /// The package, as Cargo tells it.
    pub package: Option<String>,
}

impl Place {
    #[track_caller]
    pub(super) fn here() -> Self {
        let thread = thread::current();
        Self {
            line: Location::caller(),
            test: thread.name().filter(|name| *name != "main").map(str::to_owned),
            package: env::var("CARGO_PKG_NAME").ok(),
        }
    }

    /// The command that runs one seed of this test again and shows its trace.
    pub fn replay_command(&self, seed: u64) -> String {
        let package = self.package.as_ref().map(|package| format!(" -p {package}")).unwrap_or_default();
        match &self.test {
            Some(test) => format!("{SEED}={seed} cargo test{package} {test} -- --exact --nocapture"),
            None => format!("{SEED}={seed} cargo test{package} -- --nocapture"),
        }
    }

    /// A name for files about one seed of this test.
    pub(super) fn file_name(&self, seed: u64) -> String {
        let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' };
        let test =
            self.test.as_deref().unwrap_or("test").replace("::", "-").chars().map(plain).collect::<String>();
        let package = self.package.as_deref().unwrap_or("unknown").chars().map(plain).collect::<String>();
        format!("{package}-{test}-seed-{seed}.trace")
    }
}

/// Where files about failed tests go: beside what the build made, where nobody keeps anything and no version control
/// looks; without a build in sight, where the system keeps temporary files.
pub(super) fn usual_directory() -> PathBuf {
    let executable = env::current_exe().ok();
    let target = executable.as_deref().and_then(target_of);
    target.map_or_else(env::temp_dir, Path::to_owned).join("wavetank")
}

/// Test executables are built into `TARGET/PROFILE/deps`, and examples into `TARGET/PROFILE/examples`.
fn target_of(executable: &Path) -> Option<&Path> {
    let folder = executable.parent()?;
    let known =
        ["deps", "examples"].iter().any(|name| folder.file_name().is_some_and(|folder| folder == *name));
    if known { folder.parent()?.parent() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_as_the_runner_and_cargo_name_it() {
        let place = Place::here();
        let name = "harness::place::tests::a_test_is_named_as_the_runner_and_cargo_name_it";
        assert_eq!(place.test.as_deref(), Some(name));
        assert_eq!(place.package.as_deref(), Some("wavetank"));
        assert!(place.line.file().ends_with("place.rs"), "{place:?}");
        let command = format!("WAVETANK_SEED=7 cargo test -p wavetank {name} -- --exact --nocapture");
        assert_eq!(place.replay_command(7), command);
        let file =
            "wavetank-harness-place-tests-a_test_is_named_as_the_runner_and_cargo_name_it-seed-7.trace";
        assert_eq!(place.file_name(7), file);
        let unnamed = Place { test: None, package: None, ..place };
        assert_eq!(unnamed.replay_command(7), "WAVETANK_SEED=7 cargo test -- --nocapture");
        assert_eq!(unnamed.file_name(7), "unknown-test-seed-7.trace");
    }

    #[test]
    fn files_go_beside_the_build() {
        assert_eq!(target_of(Path::new("a/target/debug/deps/x-1")), Some(Path::new("a/target")));
        assert_eq!(target_of(Path::new("a/target/debug/examples/x")), Some(Path::new("a/target")));
        assert_eq!(target_of(Path::new("somewhere/else/x")), None);
        assert_eq!(usual_directory().file_name().unwrap(), "wavetank");
    }
}
