//! What a test says when it fails: what happened, where, and what to do next.

use std::{
    env, fs,
    ops::RangeInclusive,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use wavetank::{
    audit::Auditor,
    harness::{Failure, Harness, TraceFile},
    process::{
        Boot, Context, Description, Input, LocalTime, Observation, Process,
        raft_core::{Configuration, LogSlice},
    },
    program::{self, Program},
    run::Verdict,
    swarm::{Amount, FaultModel},
    time::Span,
};
use wavetank_raft_core::RaftCore;

/// What is wrong with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It panics when it has handled this many inputs.
    Panics {
        after: u64,
    },
    /// It loses messages by a count that all its processes, of all runs, share.
    CountsAmbiently,
    /// It cannot say what its messages are.
    SpeaksDarkly,
    /// Nobody can read its disk.
    HasNoAuditor,
}

struct Faulty {
    sound: Arc<dyn Program>,
    wrong: Wrong,
}

impl Program for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn boot(&self, boot: Boot, tick: Span) -> Box<dyn Process> {
        Box::new(FaultyProcess { sound: self.sound.boot(boot, tick), wrong: self.wrong, handled: 0 })
    }

    fn describe(&self, bytes: &[u8]) -> Option<Description> {
        self.sound.describe(bytes).filter(|_| self.wrong != Wrong::SpeaksDarkly)
    }

    fn render(&self, bytes: &[u8]) -> String {
        self.sound.render(bytes)
    }

    fn auditor(&self) -> Option<Box<dyn Auditor>> {
        self.sound.auditor().filter(|_| self.wrong != Wrong::HasNoAuditor)
    }
}

struct FaultyProcess {
    sound: Box<dyn Process>,
    wrong: Wrong,
    handled: u64,
}

static MESSAGES: AtomicU64 = AtomicU64::new(0);

impl Process for FaultyProcess {
    fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        self.handled += 1;
        match self.wrong {
            Wrong::Panics { after } => assert!(self.handled < after, "{after} inputs are too many"),
            Wrong::CountsAmbiently => {
                let lost = MESSAGES.fetch_add(1, Ordering::Relaxed).is_multiple_of(7);
                if lost && matches!(input, Input::Message { .. }) {
                    return;
                }
            }
            Wrong::Nothing | Wrong::SpeaksDarkly | Wrong::HasNoAuditor => (),
        }
        self.sound.handle(input, context);
    }

    fn deadline(&self) -> Option<LocalTime> {
        self.sound.deadline()
    }

    fn observe(&self) -> Option<Observation> {
        self.sound.observe()
    }

    fn log(&self) -> Option<LogSlice> {
        self.sound.log()
    }

    fn configuration(&self) -> Option<Configuration> {
        self.sound.configuration()
    }
}

/// Short histories of three servers.
fn harness(wrong: Wrong) -> Harness {
    let model = FaultModel {
        voters: vec![3],
        loss_permille: Amount::exactly(10),
        storm_events: 1_500..=2_000,
        power_losses: Amount::Within(1..=2),
        partitions: Amount::exactly(1),
        changes: Amount::exactly(3),
        ..FaultModel::calm()
    };
    let harness = Harness::program(Arc::new(Faulty { sound: program::replica::<RaftCore>(), wrong }));
    harness.faults(model).seeds(3..15)
}

fn failure(harness: &Harness) -> String {
    harness.try_run().expect_err("it must fail").to_string()
}

fn assert_says(text: &str, expected: &[&str]) {
    for words in expected {
        assert!(text.contains(words), "it does not say {words:?}:\n{text}");
    }
}

const PANICS: Wrong = Wrong::Panics { after: 60 };

#[test]
fn a_sound_program_passes_and_every_seed_is_counted() {
    let summary = harness(Wrong::Nothing).run();
    assert_eq!((summary.passed, summary.runs()), (12, 12));
}

/// Also the test that is run again by [`one_seed_is_replayed_with_its_trace`].
#[test]
fn a_violation_says_what_where_and_what_next() {
    let text = failure(&harness(PANICS));
    let name = "a_violation_says_what_where_and_what_next";
    assert_says(
        &text,
        &[
            "seed 3 of faulty violates Panic\n",
            "60 inputs are too many",
            "\nafter event ",
            "3 servers",
            "partitions 1, changes 3, messages lost 10‰",
            "lines of its trace:\n",
            "\nthe test       sim/tests/harness.rs:",
            "\nwhole trace    ",
            &format!("\nrun it again   WAVETANK_SEED=3 cargo test -p wavetank {name} -- --exact --nocapture"),
        ],
    );
    assert!(text.lines().all(|line| line.chars().count() <= 300), "{text}");
    let shown = text.lines().skip_while(|line| !line.ends_with("lines of its trace:"));
    let shown = shown.skip(1).take_while(|line| !line.is_empty()).count();
    assert_eq!(shown, 30, "{text}");
}

#[test]
fn the_file_holds_the_whole_trace() {
    let Err(Failure::Run(failed)) = harness(PANICS).try_run() else { panic!("it must fail") };
    let TraceFile::Written(path) = &failed.trace_file else { panic!("{:?}", failed.trace_file) };
    let text = fs::read_to_string(path).expect("it was written");
    let lines = failed.report.trace.iter().map(|line| line.to_string().lines().count()).sum::<usize>();
    assert_eq!(text.lines().count(), 4 + lines);
    assert_says(&text, &["violates Panic", "3 servers", "WAVETANK_SEED=3", "60 inputs are too many"]);
}

#[test]
fn a_file_that_cannot_be_written_hides_nothing() {
    let file = env::current_exe().expect("this is running");
    let text = failure(&harness(PANICS).directory(&file));
    assert_says(&text, &["violates Panic", "whole trace    could not be written to ", "WAVETANK_SEED=3"]);
}

#[test]
#[should_panic(expected = "run it again   WAVETANK_SEED=3 cargo test -p wavetank")]
fn run_panics_with_all_of_it() {
    harness(PANICS).run();
}

fn this_test_again(name: &str, variable: &str, value: &str) -> (bool, String) {
    let mut command = Command::new(env::current_exe().expect("this is running"));
    let output =
        command.args(["--exact", name, "--nocapture"]).env(variable, value).output().expect("it can be run");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn one_seed_is_replayed_with_its_trace() {
    let (passed, told) = this_test_again("run_panics_with_all_of_it", "WAVETANK_SEED", "3");
    assert!(passed, "{told}");
    assert_says(&told, &["seed 3: 3 servers", "RequestVote", "Panic: the process on "]);
    let (passed, told) =
        this_test_again("a_sound_program_passes_and_every_seed_is_counted", "WAVETANK_SEED", "9");
    assert!(!passed, "one seed is not twelve: {told}");
    assert_says(&told, &["seed 9: 3 servers", "AppendEntries", "seed 9 of faulty: pass"]);
}

#[test]
fn a_variable_changes_how_many_seeds_are_run() {
    let test = "a_sound_program_passes_and_every_seed_is_counted";
    let (passed, told) = this_test_again(test, "WAVETANK_SEEDS", "12");
    assert!(passed, "{told}");
    assert_says(&told, &["faulty: 12 seeds passed"]);
    let (_, told) = this_test_again(test, "WAVETANK_SEEDS", "13");
    assert_says(&told, &["faulty: 13 seeds passed"]);
    let (passed, told) = this_test_again(test, "WAVETANK_SEEDS", "many");
    assert!(!passed, "{told}");
    assert_says(&told, &["WAVETANK_SEEDS is \"many\"; expected a whole number, as in WAVETANK_SEEDS=16"]);
}

#[test]
fn a_program_that_is_not_the_same_twice_is_told_why_that_is_bad() {
    let text = failure(&harness(Wrong::CountsAmbiently));
    assert_says(&text, &["seed 3 is not the same run twice", "HashMap", "the tank supply election timeouts"]);
}

#[test]
fn what_cannot_be_judged_fails_unless_it_is_allowed() {
    let text = failure(&harness(Wrong::SpeaksDarkly));
    assert_says(
        &text,
        &["seed 3 of faulty could not be judged", "could not be described", "`allow_inconclusive`"],
    );
    let other = failure(&harness(Wrong::SpeaksDarkly).allow_inconclusive("linearizability is open"));
    assert_says(&other, &["could not be judged"]);
    // Allowed for each, but not for all.
    let text = failure(&harness(Wrong::SpeaksDarkly).allow_inconclusive("could not be described"));
    assert_says(&text, &["all 12 runs were inconclusive"]);
}

#[test]
fn idle_checks_and_faults_fail_unless_they_are_allowed() {
    let text = failure(&harness(Wrong::HasNoAuditor));
    assert_says(
        &text,
        &["every run of 12 passed", "never had anything to decide", "CommitDurability", "an auditor"],
    );
    let model = FaultModel {
        transfers: Amount::exactly(1),
        voters: vec![1],
        storm_events: few(),
        ..FaultModel::calm()
    };
    let one = |model: &FaultModel| harness(Wrong::Nothing).faults(model.clone()).seeds(0..2);
    let text = failure(&one(&model));
    assert_says(&text, &["never made a difference: reorder, transfer", "`allow_idle("]);
    // Exactly what is named has to be allowed.
    let named = |text: &str, words: &str| -> Vec<String> {
        let list = text.split_once(words).and_then(|(_, rest)| rest.lines().next()).expect("some are idle");
        list.split(", ").map(str::to_owned).collect()
    };
    let idle = [named(&text, "to decide: "), named(&text, "a difference: ")].concat();
    idle.iter().fold(one(&model), |harness, name| harness.allow_idle(name)).run();
    let but_one = idle[1..].iter().fold(one(&model), |harness, name| harness.allow_idle(name));
    assert_says(&failure(&but_one), &[&format!("to decide: {}\n", idle[0])]);
}

fn few() -> RangeInclusive<u64> {
    400..=500
}

#[test]
fn a_test_that_makes_no_sense_is_told_so() {
    assert_says(
        &failure(&harness(Wrong::Nothing).seeds(4..4)),
        &["no seeds to run in 4..4", "seeds(0..200)"],
    );
    let model = FaultModel { heartbeat_ticks: 5..=30, ..FaultModel::default() };
    let text = failure(&harness(Wrong::Nothing).faults(model));
    assert_says(&text, &["the fault model makes no sense: heartbeat_ticks reaches 30; expected less than"]);
}

#[test]
fn a_given_configuration_is_run_and_told_as_given() {
    let options = wavetank::swarm::RunOptions::draw_from(
        &FaultModel { voters: vec![3], storm_events: few(), ..FaultModel::calm() },
        "x",
        &mut wavetank::chance::Door::new(wavetank::chance::Recorded::quiet()),
    );
    let report = harness(Wrong::Nothing).run_one(&options, 5).expect("it passes");
    assert_eq!(report.verdict, Verdict::Pass);
    let text = harness(PANICS).run_one(&options, 5).expect_err("it must fail").to_string();
    assert_says(&text, &["violates Panic", "call `run_one` with the same configuration and the seed 5"]);
}
