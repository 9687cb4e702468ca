//! One run is its configuration and its decisions, and nothing else: the same seed gives the same hash, whatever
//! else is different.

use std::{env, process::Command};

use rayon::{ThreadPoolBuilder, prelude::*};
use wavetank::{
    chance::{DecisionLog, Door, Random, labels},
    explore::explore,
    program,
    run::{Keep, Report, run_recorded, run_seed},
    swarm::RunOptions,
};
use wavetank_process::Label;

/// How many seeds are compared, of each implementation: as many as `DETERMINISM_SEEDS` says.
fn seeds() -> u64 {
    let seeds = env::var("DETERMINISM_SEEDS");
    let seeds = seeds.map_or(2, |seeds| seeds.parse().expect("DETERMINISM_SEEDS is a number"));
    assert!(0 < seeds, "DETERMINISM_SEEDS is 0: nothing would be compared");
    seeds
}

/// Every implementation with every seed.
fn runs() -> Vec<(String, u64)> {
    let names = program::built_in().into_iter().map(|program| program.name().to_owned());
    names.flat_map(|name| (0..seeds()).map(move |seed| (name.clone(), seed))).collect()
}

fn run(program: &str, seed: u64, keep: Keep) -> Report {
    run_seed(program, seed, keep).expect("it is built in")
}

/// What two runs of the same decisions must have in common.
fn identity(report: &Report) -> (String, u64, String) {
    (report.hash.to_string(), report.events, report.verdict.to_string())
}

/// A run as a line of text.
fn line((program, seed): &(String, u64)) -> String {
    let (hash, events, verdict) = identity(&run(program, *seed, Keep::default()));
    format!("{program} {seed} {hash} {events} {verdict}")
}

#[test]
fn a_second_run_in_the_same_process_has_the_same_hash() {
    for (program, seed) in runs() {
        let [first, second] = [(); 2].map(|()| run(&program, seed, Keep::default()));
        assert_eq!(identity(&first), identity(&second), "{program} {seed}");
    }
}

#[test]
fn different_seeds_have_different_hashes() {
    let mut hashes =
        runs().iter().map(|(program, seed)| run(program, *seed, Keep::default()).hash.0).collect::<Vec<_>>();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), runs().len());
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let on = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be had");
        pool.install(|| {
            let lines = runs().par_iter().map(line).collect::<Vec<_>>();
            let summary = explore("raft-core", 0..2 * seeds(), |_| ()).expect("it is built in");
            (lines, format!("{summary:?}"))
        })
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn keeping_the_trace_does_not_matter() {
    for (program, seed) in runs() {
        let kept = run(&program, seed, Keep { trace: true, decisions: false });
        let plain = run(&program, seed, Keep::default());
        assert!(!kept.trace.is_empty() && plain.trace.is_empty());
        assert_eq!(identity(&kept), identity(&plain), "{program} {seed}");
    }
}

/// A run with its decisions, and the configuration to run them in.
fn recorded(program: &str, seed: u64) -> (RunOptions, Report) {
    let options = RunOptions::draw(program, &mut Door::new(Random::new(seed)));
    (options, run(program, seed, Keep { trace: false, decisions: true }))
}

fn replay(options: &RunOptions, decisions: &DecisionLog, keep: Keep) -> Report {
    run_recorded(options, decisions.clone(), keep).expect("it is built in")
}

#[test]
fn recorded_decisions_make_the_same_run() {
    for (program, seed) in runs() {
        let (options, report) = recorded(&program, seed);
        assert!(!report.decisions.is_empty(), "{program} {seed}");
        assert_eq!(identity(&report), identity(&run(&program, seed, Keep::default())), "{program} {seed}");
        let again = replay(&options, &report.decisions, Keep { trace: false, decisions: true });
        assert_eq!(identity(&again), identity(&report), "{program} {seed}");
        assert_eq!(again.decisions, report.decisions, "{program} {seed}");
    }
}

/// The decisions survive being written to a file and read back, and so does the configuration.
#[test]
fn recorded_decisions_make_the_same_run_from_text() {
    for (program, seed) in runs() {
        let (options, report) = recorded(&program, seed);
        let text = serde_json::to_string(&(&options, &report.decisions)).expect("both are data");
        let (options, decisions): (RunOptions, DecisionLog) =
            serde_json::from_str(&text).expect("just written");
        assert_eq!(
            identity(&replay(&options, &decisions, Keep::default())),
            identity(&report),
            "{program} {seed}"
        );
    }
}

/// A decision is made one smaller; all of these kinds say how long something takes. One may make no difference (a
/// message that is lost was under way for however long), but not each of the first three of a kind.
#[test]
fn one_other_decision_makes_another_run() {
    const KINDS: [Label; 4] =
        [Label::ELECTION_TIMEOUT, labels::NET_LATENCY, labels::DISK_LATENCY, labels::CLIENT_PAUSE];
    for (program, seed) in runs() {
        let (options, report) = recorded(&program, seed);
        for label in KINDS {
            let of_kind = report.decisions.iter().filter(|(site, _, _)| site.label == label);
            let matters = of_kind.take(3).any(|(site, ordinal, choice)| {
                let mut decisions = report.decisions.clone();
                decisions.set(site, ordinal, choice - 1);
                replay(&options, &decisions, Keep::default()).hash != report.hash
            });
            assert!(matters, "{program} {seed}: {label:?}");
        }
    }
}

/// Set in the child process of [`a_fresh_process_has_the_same_hash`].
const CHILD: &str = "WAVETANK_DETERMINISM_CHILD";

/// This test calls itself: in the child it prints the runs, and in the parent it compares them.
#[test]
fn a_fresh_process_has_the_same_hash() {
    let lines = runs().iter().map(line).collect::<Vec<_>>();
    if env::var_os(CHILD).is_some() {
        for line in lines {
            println!("\n{CHILD} {line}");
        }
        return;
    }
    let this_test = env::current_exe().expect("a test is a program");
    let child = Command::new(this_test)
        .args(["a_fresh_process_has_the_same_hash", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it can be started");
    let text = String::from_utf8(child.stdout).expect("it prints text");
    let printed =
        text.lines().filter_map(|line| line.strip_prefix(CHILD)).map(str::trim_start).collect::<Vec<_>>();
    assert_eq!(printed, lines, "the child printed:\n{text}");
}
