//! Shows that the tank has teeth: Raft, broken on purpose a dozen times, and found by the right check each time.
//!
//! A harness that reports nothing has either nothing to report or no eyes. Each file in `patches/` breaks the
//! correct sources in one way in which real implementations were broken, and says which check has to notice. This
//! command applies one after the other to a scratch copy of the workspace, builds it there, and explores it as
//! `wavetank explore` does, from seed 0 and without any hint. The correct sources run the same seeds, and must pass.
//!
//! Exit codes: 0 when everything came out as the patches say, 1 when not, 2 for a mistake in how it was asked.

mod trouble;
mod stopwatch;
mod patch;
mod scratch;
mod report;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use patch::Broken;
use report::{Outcome, Report, Row};
use scratch::Scratch;
use stopwatch::Stopwatch;
use trouble::Trouble;

/// Break Raft on purpose, and see whether exploration finds it
///
/// Each patch in teeth/patches is applied to a scratch copy of the workspace, which is built and explored from seed
/// 0 on until something is violated. A line of the table tells which check it was, and after how many seeds, events
/// and seconds. It says FAILED when a patch does not apply or build, when nothing is found, or when another check
/// than the one named in the patch is the first to object; and for the correct core, when anything is found at all.
#[derive(Debug, Parser)]
#[command(
    name = "teeth",
    after_help = "\
Examples:
  cargo run --release -p teeth                                   the correct core, then every patch
  cargo run --release -p teeth -- --only quorum-off-by-one       one patch; give it twice for two
  cargo run --release -p teeth -- --only correct --seeds 10000   the correct core alone
  cargo run --release -p teeth -- --apply-only                   do all patches still fit? (fast: builds nothing)

A new patch is a file teeth/patches/NAME.patch: two or three sentences on what is wrong, a line `Found by: CHECK`, a
line `Source: PAPER AND SECTION`, and a unified diff as `diff -u` writes it, with paths from the workspace's root.

Exit codes: 0 as the patches say, 1 FAILED somewhere, 2 bad usage"
)]
struct Arguments {
    /// Only this patch, or `correct` for none; can be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many histories to run at most
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Apply the patches, and neither build nor run anything
    #[arg(long)]
    apply_only: bool,
    /// Tell below each line how it came to the violation: who, which term, which index, what was promised
    #[arg(long)]
    tell: bool,
    /// Write a line of JSON for each row of the table, and a last one with the sum
    #[arg(long)]
    json: bool,
}

/// What the unpatched sources are called.
const CORRECT: &str = "correct";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match examine(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::from(2)
        }
    }
}

/// Goes through the patches. Whether all came out as they say.
fn examine(arguments: &Arguments) -> Result<bool, Trouble> {
    let root = workspace();
    let patches = patch::read_all(&root.join("teeth/patches"))?;
    let selected = select(&patches, &arguments.only)?;
    let mut scratch = Scratch::new(&root)?;
    let mut report = Report::new(arguments.json, arguments.tell, &patches);
    let wants_correct = arguments.only.is_empty() || arguments.only.iter().any(|name| name == CORRECT);
    if wants_correct && !arguments.apply_only {
        report.add(row(None, &mut scratch, arguments));
    }
    for broken in selected {
        report.add(row(Some(broken), &mut scratch, arguments));
    }
    Ok(report.finish())
}

/// The workspace that this program was built from.
fn workspace() -> PathBuf {
    let member = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    member.parent().map(PathBuf::from).unwrap_or(member)
}

/// The patches that were asked for.
fn select<'a>(patches: &'a [Broken], only: &[String]) -> Result<Vec<&'a Broken>, Trouble> {
    let unknown = only.iter().find(|name| *name != CORRECT && patches.iter().all(|p| p.name != **name));
    if let Some(name) = unknown {
        let known = patches.iter().map(|patch| patch.name.clone()).collect();
        return Err(Trouble::UnknownPatch { name: name.clone(), known });
    }
    Ok(patches.iter().filter(|patch| only.is_empty() || only.contains(&patch.name)).collect())
}

/// One row of the table: applies, builds, explores.
fn row(broken: Option<&Broken>, scratch: &mut Scratch, arguments: &Arguments) -> Row {
    let mut row =
        Row::new(broken.map_or(CORRECT, |broken| &broken.name), broken.map(|broken| &*broken.check));
    let building = Stopwatch::start();
    let built = scratch
        .lay_out(broken.map(|broken| broken.text.as_str()))
        .and_then(|()| if arguments.apply_only { Ok(()) } else { scratch.build() });
    row.build = building.elapsed();
    if let Err(trouble) = built {
        row.outcome = Outcome::Broken(trouble.to_string());
        return row;
    }
    if !arguments.apply_only {
        let exploring = Stopwatch::start();
        row.outcome = match scratch.explore(arguments.seeds) {
            Ok(explored) => Outcome::Explored(explored),
            Err(trouble) => Outcome::Broken(trouble.to_string()),
        };
        row.exploration = exploring.elapsed();
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sources change, and the patches must follow; this is what `--apply-only` asks.
    #[test]
    fn every_patch_applies_and_changes_something() {
        let root = workspace();
        let patches = patch::read_all(&root.join("teeth/patches")).expect("they can be read");
        assert!(11 <= patches.len(), "{} patches", patches.len());
        let sources = scratch::sources(&root).expect("the workspace can be read");
        for broken in &patches {
            let patched = scratch::patched(&sources, &broken.text);
            let patched = patched.unwrap_or_else(|trouble| panic!("{}: {trouble}", broken.name));
            assert_ne!(patched, sources, "{} changes nothing", broken.name);
        }
    }

    #[test]
    fn a_patch_that_does_not_exist_is_refused_with_those_that_do() {
        let root = workspace();
        let patches = patch::read_all(&root.join("teeth/patches")).expect("they can be read");
        let only = |name: &str| select(&patches, &[name.to_owned()]);
        assert_eq!(only("quorum-off-by-one").expect("it exists").len(), 1);
        assert_eq!(only(CORRECT).expect("it exists").len(), 0);
        let refused = only("quorum-of-by-one").expect_err("it does not exist").to_string();
        assert!(refused.contains("quorum-off-by-one"), "{refused}");
    }
}
