//! The runs of a dozen seeds are the same as ever: on every machine, in debug and in release builds.
//!
//! `golden/hashes.txt` has a line for each run: implementation, seed, hash and number of events.

#![cfg(feature = "raft-rs")]

use std::{env, fs, path::PathBuf};

use wavetank::{
    program,
    run::{Keep, Verdict, run_seed},
};

/// How many seeds of each implementation.
const SEEDS: u64 = 10;

const FILE: &str = "tests/golden/hashes.txt";

/// When it is set to 1, the file is written and not compared.
const UPDATE: &str = "UPDATE_GOLDEN";

const EXPLANATION: &str = "\
A hash stands for everything that happens in a run, so it changes when anything does: a choice drawn or not drawn, a
message sent, an event counted, a digest computed in another way. If nothing of the kind was meant, something has
become nondeterministic, or behaves differently than before: look for it. If it was meant, say so in the change log
(seeds found before stand for other runs now), and write the new hashes with

    UPDATE_GOLDEN=1 cargo test --package wavetank --test golden_hashes

then run the test again with and without --release: both builds must agree.";

#[test]
fn the_golden_hashes_hold() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if env::var(UPDATE).is_ok_and(|value| value == "1") {
        let text = lines().concat();
        fs::write(&path, text).unwrap_or_else(|error| panic!("{FILE} cannot be written: {error}"));
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{FILE} cannot be read: {error}"));
    let differences = differences(&golden, &lines());
    assert!(differences.is_empty(), "{FILE} differs:\n{}\n{EXPLANATION}", differences.concat());
}

/// The lines as they should be now.
fn lines() -> Vec<String> {
    let programs = program::built_in();
    let runs = programs.iter().flat_map(|program| (0..SEEDS).map(move |seed| (program.name(), seed)));
    runs.map(|(program, seed)| {
        let report = run_seed(program, seed, Keep::default()).expect("it is built in");
        // A run that is cut short at a violation would say little.
        assert_eq!(report.verdict, Verdict::Pass, "{program} {seed}");
        format!("{program} {seed} {} {}\n", report.hash, report.events)
    })
    .collect()
}

/// What is in one list and not in the other.
fn differences(golden: &str, now: &[String]) -> Vec<String> {
    let golden = golden.split_inclusive('\n').collect::<Vec<_>>();
    let gone = golden.iter().filter(|line| !now.iter().any(|other| other == *line));
    let new = now.iter().filter(|line| !golden.contains(&line.as_str()));
    gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}"))).collect()
}

#[test]
fn a_hash_that_differs_is_told() {
    let now = ["raft-core 0 aa 10\n".to_owned(), "raft-core 1 bb 20\n".to_owned()];
    assert_eq!(differences("raft-core 0 aa 10\nraft-core 1 bb 20\n", &now), [""; 0]);
    assert_eq!(
        differences("raft-core 0 aa 10\nraft-core 1 bc 20\n", &now),
        ["- raft-core 1 bc 20\n", "+ raft-core 1 bb 20\n"]
    );
    assert_eq!(differences("raft-core 0 aa 10\n", &now), ["+ raft-core 1 bb 20\n"]);
}
