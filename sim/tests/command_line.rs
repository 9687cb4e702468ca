//! The `wavetank` command as its users see it: what it prints, and how it exits.

use std::{
    fs,
    io::Read as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a command printed, and how it exited.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.args(arguments).stdin(Stdio::null());
    // The tests must not depend on who runs them.
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("CLICOLOR");
    command
}

fn wavetank(arguments: &[&str]) -> Told {
    let output = command(arguments).output().expect("the command starts");
    Told {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text on standard output"),
        stderr: String::from_utf8(output.stderr).expect("text on standard error"),
    }
}

impl Told {
    /// What was told, provided that the command exited so.
    #[track_caller]
    fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    #[track_caller]
    fn says(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "{text:?} is not in {self:?}");
        self
    }

    #[track_caller]
    fn complains(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "{text:?} is not in {self:?}");
        self
    }

    /// The lines of standard output, each as JSON.
    #[track_caller]
    fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    #[track_caller]
    fn last_json(&self) -> Value {
        self.json().pop().expect("at least one line")
    }
}

/// A file of this content; the name is used by one test only.
fn file(name: &str, content: &str) -> String {
    let path = path(name);
    fs::write(&path, content).expect("the directory for temporary files can be written");
    path
}

fn path(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.into_os_string().into_string().expect("a path in UTF-8")
}

#[track_caller]
fn assert_keys(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object.get(key).is_some(), "{key:?} is missing in {object}");
    }
}

#[test]
fn every_help_page_names_the_exit_codes_and_gives_examples() {
    for verb in [None, Some("explore"), Some("replay"), Some("run"), Some("check")] {
        let arguments: Vec<_> = verb.into_iter().chain(["--help"]).collect();
        let told = wavetank(&arguments).exited(0);
        told.says("3  inconclusive").says("  wavetank ");
    }
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_would_be_right() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["dive"], "unrecognized subcommand 'dive'"),
        (&["explore", "--implementation", "raft-cor"], "[possible values: raft-core"),
        (&["explore", "--seeds", "0"], "expected a whole number from 1 to"),
        (&["explore", "--seeds", "-3"], "expected a whole number from 1 to"),
        (&["replay", "-1"], "`-1` is neither a seed nor a file"),
        (&["explore", "--threads", "0"], "0 is not in 1.."),
        (&["explore", "--first-seed", "1e6"], "a seed is a number from 0"),
        (&["explore", "--seeds", "2", "--first-seed", "0xffffffffffffffff"], "there are no 2 seeds"),
        (&["explore", "--seeds", "0xffffffffffffffff"], "expected a whole number"),
        (&["replay"], "SEED|FILE"),
        (&["replay", "17x"], "`17x` is neither a seed nor a file that exists"),
        (&["replay", "18446744073709551616"], "is neither a seed nor a file"),
        (&["replay", "nowhere/run.ron"], "is neither a seed nor a file that exists"),
        (&["replay", env!("CARGO_TARGET_TMPDIR")], "it is a directory"),
        (&["replay", "1", "--implementation", "etcd"], "[possible values: raft-core"),
        (&["replay", "1", "--save", "nowhere/run.ron"], "cannot write nowhere/run.ron"),
        (&["run"], "FILE"),
        (&["run", "nowhere.ron"], "cannot read nowhere.ron"),
        (&["check"], "HISTORY"),
        (&["check", "nowhere.jsonl"], "cannot read nowhere.jsonl: there is no such file"),
    ];
    for (arguments, complaint) in cases {
        wavetank(arguments).exited(2).complains(complaint);
    }
}

#[test]
fn a_file_given_to_the_wrong_verb_is_told_where_it_belongs() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let written = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let scenario = written("misplaced_scenario.ron", "Scenario(\n    story: \"s\",\n    script: [],\n)\n");
    let run = written("misplaced_run.ron", "(\n    hash: None,\n    decisions: [],\n)\n");
    let history = written("misplaced_history.jsonl", "{\"process\": 0}\n");
    for (verb, file, advice) in [
        ("run", &run, "`wavetank replay FILE`"),
        ("run", &history, "`wavetank check FILE`"),
        ("replay", &scenario, "`wavetank run FILE`"),
        ("replay", &history, "`wavetank check FILE`"),
        ("check", &scenario, "`wavetank run FILE`"),
        ("check", &run, "`wavetank replay FILE`"),
    ] {
        wavetank(&[verb, file]).exited(2).complains(advice);
    }
}

#[test]
fn exploring_sums_up() {
    let told = wavetank(&["explore", "--seeds", "4", "--first-seed", "10"]).exited(0);
    told.says("passed: 4 seeds of raft-core: 4 passed, 0 failed, 0 inconclusive").says("median run");
    told.says("ElectionSafety").says("power_loss");
}

#[test]
fn a_few_seeds_leave_faults_or_checks_idle_and_the_summary_warns() {
    // One history cannot strike with every fault that there is and see each of them matter.
    let mut summaries =
        (0..20).map(|seed: u64| wavetank(&["explore", "--seeds", "1", "--first-seed", &seed.to_string()]));
    let warns = |told: &Told| told.stdout.contains("warning: ") && told.stdout.contains("--seeds 10\n");
    assert!(summaries.any(|told| warns(&told)), "no seed of 20 leaves anything idle");
}

#[test]
fn an_exploration_in_json_ends_with_its_summary_whatever_the_number_of_threads() {
    let explore = |threads| wavetank(&["explore", "--seeds", "6", "--json", "--threads", threads]).exited(0);
    let mut summaries = ["1", "2"].map(|threads| explore(threads).json());
    for lines in &mut summaries {
        assert_eq!(lines.len(), 1, "nothing failed, so there is only the summary: {lines:?}");
        let summary = &mut lines[0];
        let keys = [
            "seeds",
            "passed",
            "failed",
            "inconclusive",
            "events",
            "virtual_seconds",
            "wall_seconds",
            "median",
        ];
        assert_keys(summary, &keys);
        assert_keys(&summary["faults"]["power_loss"], &["armed", "fired", "effective"]);
        assert_keys(&summary["checks"]["ElectionSafety"], &["evaluations", "non_trivial"]);
        assert_eq!((&summary["seeds"], &summary["passed"]), (&6.into(), &6.into()));
        assert_eq!(summary["implementation"], "raft-core");
        summary.as_object_mut().expect("an object").remove("wall_seconds");
    }
    assert_eq!(summaries[0], summaries[1]);
}

#[test]
fn a_replay_tells_how_the_run_came_out() {
    wavetank(&["replay", "3"])
        .exited(0)
        .says("passed: seed 3 of raft-core")
        .says("hash ")
        .says("operations ");
    let told = wavetank(&["replay", "0x3", "--json"]).exited(0).json();
    assert_eq!(told.len(), 1);
    assert_keys(&told[0], &["hash", "events", "operations"]);
    assert_eq!(told[0]["verdict"], "pass");
    assert_eq!(told[0]["seed"], 3);
    assert_eq!(told[0]["implementation"], "raft-core");
    assert_eq!(told[0].get("violation"), None);
    assert_eq!(told[0], wavetank(&["replay", "3", "--json"]).last_json(), "0x3 is 3");
    assert_ne!(told[0]["hash"], wavetank(&["replay", "4", "--json"]).last_json()["hash"]);
}

#[test]
fn a_trace_is_lines_of_text_or_of_json() {
    let text = wavetank(&["replay", "3", "--trace"]).exited(0);
    text.says("RequestVote");
    let lines = wavetank(&["replay", "3", "--trace", "--json"]).exited(0).json();
    let (verdict, trace) = lines.split_last().expect("lines");
    assert_eq!(verdict["verdict"], "pass");
    assert!(100 < trace.len(), "{} lines", trace.len());
    let mut rest = text.stdout.as_str();
    for line in trace {
        assert_keys(line, &["event", "time_ns", "kind", "text"]);
        let words = line["text"].as_str().expect("a text");
        let found = rest.split_once(words);
        rest = found.unwrap_or_else(|| panic!("the text does not go on with {words:?}: {rest:.300}")).1;
    }
}

#[cfg(feature = "raft-rs")]
#[test]
fn another_implementation_makes_another_run() {
    let told = wavetank(&["replay", "3", "--json", "--implementation", "raft-rs"]).exited(0).last_json();
    assert_eq!(told["implementation"], "raft-rs");
    assert_ne!(told["hash"], wavetank(&["replay", "3", "--json"]).last_json()["hash"]);
}

#[test]
fn a_saved_run_is_the_same_run() {
    let (first, second) = (path("saved.ron"), path("saved-again.ron"));
    let seed = wavetank(&["replay", "5", "--json", "--save", &first]).exited(0).last_json();
    let saved = wavetank(&["replay", &first, "--json", "--save", &second]).exited(0).last_json();
    for key in ["verdict", "hash", "events", "operations", "implementation"] {
        assert_eq!(seed[key], saved[key], "{key}");
    }
    assert_eq!(saved.get("seed"), None);
    assert_eq!(fs::read_to_string(first).unwrap(), fs::read_to_string(second).unwrap());
}

#[test]
fn a_saved_run_that_is_another_one_now_proves_nothing() {
    let saved = path("tampered.ron");
    let hash = wavetank(&["replay", "5", "--json", "--save", &saved]).exited(0).last_json()["hash"].clone();
    let hash = hash.as_str().expect("a text");
    let other = "0123456789abcdef0123456789abcdef";
    fs::write(&saved, fs::read_to_string(&saved).unwrap().replace(hash, other)).unwrap();
    wavetank(&["replay", &saved]).exited(3).says("this is not the run that was saved").says(hash).says(other);
    let told = wavetank(&["replay", &saved, "--json"]).exited(3).last_json();
    assert_eq!((&told["verdict"], &told["expected_hash"]), (&"inconclusive".into(), &other.into()));
    #[cfg(feature = "raft-rs")]
    wavetank(&["replay", &saved, "--implementation", "raft-rs"]).exited(0);
}

#[test]
fn the_last_seed_is_one() {
    let last = u64::MAX.to_string();
    wavetank(&["explore", "--seeds", "1", "--first-seed", &last]).exited(0).says("passed: 1 seed of");
}

#[cfg(unix)]
#[test]
fn an_interrupted_exploration_tells_what_it_found() {
    let mut explore = command(&["explore", "--seeds", "1000000000", "--json", "--threads", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // Not before it watches for interrupts: its first word on how far it is comes after some seconds.
    let mut word = [0; 1];
    explore.stderr.as_mut().expect("a pipe").read_exact(&mut word).expect("it tells how far it is");
    let interrupt = Command::new("kill").args(["-INT", &explore.id().to_string()]).status();
    assert!(interrupt.expect("`kill` starts").success());
    let output = explore.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    assert!(0 < summary["seeds"].as_u64().expect("a number"), "{summary}");
}

#[test]
fn a_file_that_saves_no_run_is_refused_with_the_reason() {
    let run = |programs, tank| {
        format!("(options: (programs: [{programs}], tank: ({tank}), faults: (events: 10)), decisions: [])")
    };
    let cases = [
        ("empty.ron", String::new(), "empty.ron:1:1"),
        ("half.ron", "(\n  hash: None,\n".to_owned(), "half.ron:1:1"),
        ("misspelt.ron", run("\"raft-core\"", "\n votrs: 3"), "misspelt.ron:2:2"),
        (
            "voters.ron",
            run("\"raft-core\"", "voters: 0"),
            "`tank.voters` is 0; expected a number from 1 to 100",
        ),
        ("tick.ron", run("\"raft-core\"", "tick: \"0\""), "`tank.tick` is zero"),
        ("drift.ron", run("\"raft-core\"", "drift_ppm: [-1000000]"), "`tank.drift_ppm` is 1000000"),
        (
            "client.ron",
            run("\"raft-core\"", "clients: [(keys: 0)]"),
            "`tank.clients` cannot run: keys is zero",
        ),
        ("nothing.ron", run("", ""), "`programs` names no implementation"),
        (
            "unknown.ron",
            run("\"etcd\"", ""),
            "there is no implementation named \"etcd\"; there are: raft-core",
        ),
    ];
    for (name, content, complaint) in cases {
        wavetank(&["replay", &file(name, &content)]).exited(2).complains(complaint);
    }
    let decisions =
        ["NET_LOSS 1 2: 5", "NET_LOS 1 2: 5", "NET_LOSS 2 1: 5"].map(|line| format!("{line:?},\n"));
    let decisions =
        run("\"raft-core\"", "").replace("decisions: []", &format!("decisions: [\n{}]", decisions.concat()));
    let told = wavetank(&["replay", &file("decision.ron", &decisions)]).exited(2);
    told.complains("`NET_LOS` is not a kind").complains("decision.ron:3:");
    // With nothing wrong in it, the same file is a run.
    wavetank(&["replay", &file("sound.ron", &run("\"raft-core\"", ""))]).exited(0);
}

#[test]
fn a_run_is_the_same_in_a_process_of_its_own() {
    let told = wavetank(&["replay", "3", "--check-determinism", "--json"]).exited(0).last_json();
    assert_eq!((&told["verdict"], &told["deterministic"]), (&"pass".into(), &true.into()));
    wavetank(&["replay", "3", "--check-determinism"]).exited(0).says("deterministic: three runs");
}

const PASSES: &str = "Scenario(story: \"It leads.\", cluster: (pre_vote: false), script: [campaign(n1), \
                      deliver(kind: RequestVote, to: n2), deliver(kind: RequestVoteReply, from: n2), \
                      expect(leader(n1))])";

#[test]
fn scenarios_pass_fail_or_are_mistaken() {
    let fails = PASSES.replace("expect(leader(n1))", "expect(leader(n2))");
    let passes = file("passes.ron", PASSES);
    let fails = file("fails.ron", &fails);
    let mistaken = file("mistaken.ron", &PASSES.replace("campaign", "champagne"));
    wavetank(&["run", &passes]).exited(0).says("passed  passes\n").says("1 scenario of raft-core: 1 passed");
    wavetank(&["run", &fails, &passes]).exited(1).says("FAILED  fails: ").says("passed  passes\n");
    wavetank(&["run", &mistaken, &passes]).exited(2).says("passed  passes\n").complains("mistaken.ron:1:");
    let told = wavetank(&["run", &mistaken, &fails, &passes, "--json"]).exited(1).json();
    assert_eq!(told.len(), 4, "{told:?}");
    let verdicts: Vec<_> = told[..3].iter().map(|line| &line["verdict"]).collect();
    assert_eq!(verdicts, ["mistake", "fail", "pass"]);
    assert_eq!(told[0]["file"], *mistaken);
    assert_eq!((&told[0]["mistake"]["line"], &told[0]["mistake"]["text"]), (&1.into(), &"champagne".into()));
    assert_keys(&told[1], &["file", "name", "hash", "events", "violation"]);
    let summary =
        serde_json::json!({"scenarios": 3, "passed": 1, "failed": 1, "inconclusive": 0, "mistaken": 1});
    assert_eq!(told[3], summary);
    let traced = wavetank(&["run", &passes, "--trace"]).exited(0);
    traced.says("# campaign(n1)").says("RequestVote");
}

#[test]
fn a_step_that_cannot_be_taken_is_bad_input_and_no_violation() {
    let stuck = file("stuck.ron", &PASSES.replace("expect(", "deliver(to: c1), expect("));
    let told = wavetank(&["run", &stuck, "--trace"]).exited(2);
    told.says("# deliver(to: c1)").says("1 with mistakes").complains("no such message");
    let told = wavetank(&["run", &stuck, "--json"]).exited(2).json();
    assert_eq!(
        (&told[0]["verdict"], &told[0]["mistake"]["text"]),
        (&"mistake".into(), &"deliver(to: c1)".into())
    );
    assert_keys(&told[0], &["hash", "events"]);
}

#[test]
fn of_a_directory_all_scenarios_are_played_by_name() {
    let directory = path("scenarios");
    // What a failed test left behind.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    wavetank(&["run", &directory]).exited(2).complains("there is no scenario in");
    for name in ["scenarios/b.ron", "scenarios/a.ron"] {
        file(name, PASSES);
    }
    file("scenarios/notes.txt", "not a scenario");
    wavetank(&["run", &directory]).exited(0).says("passed  a\npassed  b\n2 scenarios");
}

const WRITE: &str = r#"{"event":"invoke","op":1,"client":1,"time_ns":1,"input":{"put":{"key":"x","value":"1"}}}
{"event":"complete","op":1,"time_ns":2,"output":"written"}
{"event":"invoke","op":2,"client":2,"time_ns":3,"input":{"get":{"key":"x"}}}
"#;

fn history(read: &str) -> String {
    format!("{WRITE}{{\"event\":\"complete\",\"op\":2,\"time_ns\":4,\"output\":{{\"value\":{read}}}}}\n")
}

#[test]
fn histories_are_judged() {
    let sound = file("sound.jsonl", &history("\"1\""));
    let stale = file("stale.jsonl", &history("null"));
    wavetank(&["check", &sound]).exited(0).says("linearizable  ").says("2 operations");
    let told = wavetank(&["check", &stale]).exited(1);
    told.says("VIOLATION at event 4").says("client 2 asked `get x` and was told `∅`");
    wavetank(&["check", "--html", "page.html", &sound, &stale])
        .exited(2)
        .complains("a page shows one history");
    let told = wavetank(&["check", "--json", &sound, &stale]).exited(1).json();
    assert_eq!(
        told[0],
        serde_json::json!({
            "file": sound, "verdict": "linearizable", "first_violating_event": null
        })
    );
    assert_eq!((&told[1]["file"], &told[1]["verdict"]), (&stale.as_str().into(), &"violation".into()));
    assert_eq!((&told[1]["first_violating_event"], &told[1]["key"]), (&4.into(), &"x".into()));
    assert_eq!((&told[1]["exact"], &told[1]["core"]), (&true.into(), &serde_json::json!([1, 2])));
}

#[test]
fn histories_come_in_three_formats_with_what_their_keys_begin_with() {
    let log = "INFO  jepsen.util - 0 :invoke :read nil\nINFO  jepsen.util - 0 :ok :read 7\n";
    let log = file("register.log", log);
    wavetank(&["check", &log]).exited(1).says("Jepsen log");
    wavetank(&["check", &log, "--initial", "7"]).exited(0);
    wavetank(&["check", &log, "--format", "edn"]).exited(2).complains("line 1: ");
    let edn = "{:process 0, :type :invoke, :f :get, :key \"5\", :value nil}\n\
               {:process 0, :type :ok, :f :get, :key \"5\", :value \"\"}\n";
    wavetank(&["check", &file("store.txt", edn)]).exited(0).says("EDN maps");
    let told = wavetank(&["check", &file("history", "what is this")]).exited(2);
    told.complains("cannot tell which format").complains("--format jepsen, edn or json-lines");
}

#[test]
fn a_broken_history_is_refused_with_its_line_and_the_others_are_judged() {
    let broken =
        file("broken.jsonl", &history("\"1\"").replace("\"op\":2,\"client\":2", "\"op\":2,\"client\""));
    let stale = file("also-stale.jsonl", &history("\"2\""));
    wavetank(&["check", &broken]).exited(2).complains("broken.jsonl: line 3: expected an event in JSON");
    let told = wavetank(&["check", "--json", &broken, &stale]).exited(1);
    told.complains("line 3");
    assert_eq!(told.json().len(), 1);
    wavetank(&["check", &file("void.jsonl", "\n")]).exited(2).complains("expected at least one event");
    fs::write(path("bytes.jsonl"), [b'{', 0xff]).unwrap();
    wavetank(&["check", &path("bytes.jsonl")]).exited(2).complains("its byte 2 is not UTF-8");
}

#[test]
fn a_check_that_may_not_search_proves_nothing() {
    // Appends leave it open which came first: without a search nobody knows.
    let open =
        file("open.jsonl", &history("\"1\"").replace("\"put\"", "\"append\"").replace("written", "appended"));
    let told = wavetank(&["check", &open, "--budget", "1"]).exited(3);
    told.says("unknown  ").says("--budget 10");
    let told = wavetank(&["check", &open, "--budget", "1", "--json"]).exited(3).last_json();
    assert_eq!((&told["verdict"], &told["first_violating_event"]), (&"unknown".into(), &Value::Null));
}

#[test]
fn colours_are_for_terminals() {
    let scenario = file("colour.ron", PASSES);
    let plain = wavetank(&["run", &scenario]).exited(0);
    assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
    let forced = command(&["run", &scenario]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(forced.stdout.contains(&0x1b), "{forced:?}");
    let refused = command(&["run", &scenario]).env("NO_COLOR", "1").output().unwrap();
    assert_eq!(refused.stdout, plain.stdout.into_bytes());
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_complain() {
    let mut replay = command(&["replay", "3", "--trace"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut beginning = [0; 64];
    replay.stdout.take().expect("a pipe").read_exact(&mut beginning).expect("a trace is longer");
    let output = replay.wait_with_output().expect("the command ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn shells_are_told_what_can_be_completed() {
    for (shell, says) in
        [("bash", "complete -F _wavetank"), ("zsh", "#compdef wavetank"), ("fish", "-c wavetank")]
    {
        wavetank(&["completions", shell]).exited(0).says(says).says("check-determinism");
    }
    wavetank(&["completions", "abacus"]).exited(2).complains("[possible values: bash");
}
