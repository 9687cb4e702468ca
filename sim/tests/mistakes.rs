//! A mistake in a scenario file is reported where it is, with what was expected; and no file makes the tank panic.

use std::sync::Arc;

use proptest::{prelude::*, test_runner::RngSeed};
use wavetank::{
    program::{self, Program},
    run::Verdict,
    scenario::{self, Mistake},
};

fn core() -> [Arc<dyn Program>; 1] {
    [program::replica::<wavetank_raft_core::RaftCore>()]
}

/// A file with these lines as its script, which begin on line 4.
fn file(cluster: &str, script: &str) -> String {
    format!("Scenario(\n    story: \"s\", cluster: ({cluster}),\n    script: [\n{script}\n    ],\n)\n")
}

/// A file with this behind its servers, on line 3.
fn given(pasts: &str) -> String {
    let claim = "expect(no_leader)";
    format!("Scenario(\n    story: \"s\",\n    given: [{pasts}],\n    script: [{claim}],\n)\n")
}

fn mistake(source: &str) -> Mistake {
    match scenario::parse("the.ron", source) {
        Ok(_) => panic!("no mistake was found in\n{source}"),
        Err(mistake) => mistake,
    }
}

#[test]
fn a_mistake_is_reported_with_its_place_its_text_and_what_was_expected() {
    let claim = "expect(no_leader),";
    let cases = [
        (file("", &format!("campain(n1), {claim}")), (4, 1), "campain", "`campaign`, `transfer`"),
        (file("", &format!("{claim}\n  campaign(n7),")), (5, 12), "n7", "a server from n1 to n3"),
        (file("", &format!("{claim} put(client: c2, key: \"x\", value: \"1\")")), (4, 32), "c2", "c1 to c1"),
        (file("clients: 0", &format!("{claim} get(key: \"x\")")), (4, 20), "get(key: \"x\")", "no clients"),
        (file("", &format!("{claim} put(key: \"x\", value: 3)")), (4, 41), "3", "expected a text in quotes"),
        (file("", &format!("{claim} deliver(kind: Vote)")), (4, 34), "Vote", "`RequestVote`"),
        (file("", &format!("{claim} run_for(\"2 parsecs\")")), (4, 29), "2 parsecs\"", "needs a unit"),
        (file("colour: 1", claim), (2, 27), "colour", "`voters`"),
        (file("voters: 12", claim), (2, 27), "voters", "1 to 9"),
        (file("election_timeout_ticks: 5000000000", claim), (2, 17), "cluster", "up to 2^32"),
        (file("spares: 7", claim), (2, 27), "spares", "at most 9 servers"),
        (file("learners: 8", claim), (2, 27), "learners", "at most 9 servers"),
        (file("spares: 1", &format!("{claim} change(add: [n5])")), (4, 33), "n5", "a server from n1 to n4"),
        (file("", &format!("{claim} change()")), (4, 20), "change()", "somebody to `add`"),
        (
            file("", &format!("{claim} change(add: [n1], remove: [n1])")),
            (4, 20),
            "change(add: [n1], remove: [n1])",
            "each server once",
        ),
        (file("", &format!("{claim} change(promote: [n1])")), (4, 27), "promote", "`add`"),
        (
            file("", &format!("{claim} change(add: [n1], transition: joint)")),
            (4, 50),
            "joint",
            "`automatic`, `implicit` or `explicit`",
        ),
        (file("", &format!("{claim} leave()")), (4, 26), ")", "write it like `leave(leader)`"),
        (file("heartbeat_ticks: 20", claim), (2, 17), "cluster", "a longer election_timeout_ticks"),
        (
            file("", &format!("{claim} run_for(19)")),
            (4, 28),
            "19",
            "a text in quotes; write it like `run_for(\"20ms\")`",
        ),
        (file("", &format!("{claim} heal()")), (4, 24), "(", "write it like `heal`"),
        (file("", &format!("{claim} lose_power(n3)")), (4, 33), ")", "write it like `lose_power(n1, lost)`"),
        (file("", &format!("{claim} crash(\"n1\")")), (4, 26), "\"n1\"", "expected a name"),
        (file("", &format!("{claim} crash(c1)")), (4, 26), "c1", "expected a server: `n1` to `n9`"),
        (file("", &format!("{claim} deliver(nth: 0)")), (4, 33), "0", "counted from 1"),
        (file("", &format!("{claim} cut(from: n1)")), (4, 32), ")", "`to` is missing"),
        (
            file("", &format!("{claim} get(key: \"x\", value: \"1\")")),
            (4, 20),
            "get(key: \"x\", value: \"1\")",
            "none for `get`",
        ),
        (file("", &format!("{claim} put(key: \"x\")")), (4, 20), "put(key: \"x\")", "a `value` for `put`"),
        (file("", &format!("{claim} fail(n1, trim)")), (4, 29), "trim", "expected `read`, `write` or `sync`"),
        (file("", &format!("{claim} rot(n1, 7)")), (4, 28), "7", "write it like `rot(n1, bit(40))`"),
        (file("", &format!("{claim} skew(ppm: 5)")), (4, 31), ")", "`server` is missing"),
        (file("", &format!("{claim} together([settle])")), (4, 20), "together([settle])", "no time passes"),
        (file("", &format!("{claim} together([])")), (4, 20), "together([])", "at least one"),
        (file("", &format!("{claim} together([crash(n5)])")), (4, 36), "n5", "a server from n1 to n3"),
        (file("", &format!("{claim} fill()")), (4, 25), ")", "write it like `fill(n1)`"),
        (file("", &format!("{claim} tear(n1)")), (4, 27), ")", "write it like `tear(n3, 40)`"),
        (file("", &format!("{claim} make_room(c1)")), (4, 30), "c1", "expected a server"),
        (given("(server: n1, log: [2, 1])"), (3, 13), "(server: n1, log: [2, 1])", "terms never fall"),
        (given("(server: n1, log: [0])"), (3, 13), "(server: n1, log: [0])", "from 1 on"),
        (given("(server: n1, log: [2], term: 1)"), (3, 13), "(server: n1, log: [2], term: 1)", "not behind"),
        (
            given("(server: n1, log: [2], commit: 2)"),
            (3, 13),
            "(server: n1, log: [2], commit: 2)",
            "within the log",
        ),
        (given("(server: n1, vote: n2)"), (3, 13), "(server: n1, vote: n2)", "no vote in term 0"),
        (
            given("(server: n1, term: 9000000000)"),
            (3, 13),
            "(server: n1, term: 9000000000)",
            "at most a billion",
        ),
        (file("", &format!("{claim} delay(kind: Reply)")), (4, 37), ")", "`by` is missing"),
        (given("(server: n4)"), (3, 22), "n4", "a server from n1 to n3"),
        (given("(server: leader)"), (3, 13), "(server: leader)", "by number"),
        (given("(server: n2), (server: n2)"), (3, 27), "(server: n2)", "one past for each"),
        (given("(server: n2, logs: [1])"), (3, 26), "logs", "`log`"),
        (file("", "campaign(n1)"), (3, 5), "script", "at least one `expect(..)`"),
        ("Scenario(story: \"s\", script: [expect(no_leader)]".to_owned(), (1, 9), "(", "never closed"),
        (file("", &format!("{claim} expct(no_leader)")), (4, 20), "expct", "did you mean `expect`?"),
        ("".to_owned(), (1, 1), "", ""),
    ];
    for (source, place, text, expected) in cases {
        let mistake = mistake(&source);
        let report = mistake.to_string();
        assert_eq!((mistake.line(), mistake.column()), place, "{report}");
        assert_eq!(mistake.text(), text, "{report}");
        assert!(report.contains(expected), "{expected:?} is not in\n{report}");
        if !source.is_empty() {
            assert!(report.contains(&format!("the.ron:{}:{}", place.0, place.1)), "{report}");
        }
    }
}

#[test]
fn a_step_that_cannot_be_taken_fails_at_its_place() {
    for (script, reason) in [
        ("deliver(kind: Heartbeat), expect(no_leader)", "the mailboxes are empty"),
        ("campaign(n1), deliver(to: n1), expect(no_leader)", "RequestPreVote n1 → n2"),
        ("campaign(leader), expect(no_leader)", "there is no leader"),
        ("restart(n1), expect(no_leader)", "it is running"),
        ("crash(n1), crash(n1), expect(no_leader)", "it is down already"),
        ("resume(n1), expect(no_leader)", "it is not paused"),
        ("transfer(from: n2, to: n1), expect(no_leader)", "n2 refuses: not the leader"),
        ("change(add: [n1]), expect(no_leader)", "there is no leader"),
        ("change(to: n1, remove: [n2]), expect(no_leader)", "n1 refuses: not the leader"),
        ("leave(n2), expect(no_leader)", "n2 refuses: not the leader"),
        ("snapshot(n2), expect(no_leader)", "n2 refuses: the latest snapshot covers all that is applied"),
        ("compact(n2), expect(no_leader)", "n2 refuses: no snapshot covers an entry of its log"),
        ("retry(to: n1), expect(no_leader)", "no open request"),
        ("partition([[n1], [n1]]), expect(no_leader)", "n1 is in two groups"),
        ("restart(last_crashed), expect(no_leader)", "no server has crashed"),
        ("run_for(\"100000000s\"), expect(no_leader)", "more than 500000 events"),
        ("crash(n1), campaign(n1), expect(no_leader)", "it is not running"),
        ("campaign(n1), cut(from: n1, to: n2), deliver(to: n2), expect(no_leader)", "its link is cut"),
        ("campaign(n1), crash(n2), deliver(to: n2), expect(no_leader)", "its receiver is down"),
        ("campaign(n1), hold(to: n2), deliver(to: n2), expect(no_leader)", "it is held back"),
        ("campaign(n1), hold(to: n2), hold(to: n2), expect(no_leader)", "it is held back"),
        ("campaign(n1), release(to: n2), expect(no_leader)", "it is not held back"),
        ("campaign(n1), deliver(to: n2, nth: 2), expect(no_leader)", "no such message"),
        (
            "put(to: n1, key: \"x\", value: \"1\"), duplicate(kind: Request), expect(no_leader)",
            "repeats nothing",
        ),
        (
            "put(to: n1, key: \"x\", value: \"1\"), deliver(to: n1), duplicate(kind: Reply), expect(no_leader)",
            "repeats nothing",
        ),
        ("heal, expect(no_leader)", "every link is whole"),
        ("partition([[n1, n2, n3]]), expect(no_leader)", "no link is cut"),
        ("cut(from: n1, to: n1), expect(no_leader)", "no such link"),
        ("cut(from: n1, to: n2), cut(from: n1, to: n2), expect(no_leader)", "cut already"),
        ("run_until(condition: no_leader, within: \"1s\")", "this holds already"),
        ("delay(kind: Reply, by: \"1ms\"), expect(no_leader)", "no such message"),
        ("skew(server: n1), expect(no_leader)", "runs so already"),
        ("skew(server: n1, ppm: -1000000), expect(no_leader)", "stands still"),
        ("skew(server: n1, ppm: 0), expect(no_leader)", "runs so already"),
        ("fail(n1, sync), expect(no_leader)", "it has made no difference"),
        ("fail(n1, sync), fail(n1, sync), expect(no_leader)", "this waits already"),
        ("fill(n1), expect(no_leader)", "it has made no difference"),
        ("tear(n1, 40), crash(n1), expect(no_leader)", "it has made no difference"),
        ("tear(n1, 40), lose_power(n1, kept), expect(no_leader)", "it has made no difference"),
        ("rot(n1, bit(40)), expect(no_leader)", "it has made no difference"),
        ("rot(n1, sector(9)), crash(n1), restart(n1), expect(no_leader)", "it has made no difference"),
        ("make_room(n1), expect(no_leader)", "its disk is not full"),
        ("together([crash(n1), crash(n1)]), expect(no_leader)", "it is down already"),
    ] {
        let scenario =
            scenario::parse("the.ron", &file("", script)).unwrap_or_else(|mistake| panic!("{mistake}"));
        let Err(mistake) = scenario::play(&scenario, &core()).verdict else {
            panic!("{script} was played");
        };
        let report = mistake.to_string();
        assert!(mistake.problem().starts_with("this step "), "{report}");
        assert!(report.contains(reason), "{reason:?} is not in\n{report}");
        assert!(report.contains("the.ron:4:"), "{report}");
    }
}

#[test]
fn a_claim_that_does_not_hold_fails_with_what_is_the_case_instead() {
    for (claim, instead) in [
        ("leader(n1)", "there is no leader"),
        ("role(n1, leader)", "n1 is a follower"),
        ("term(n1, 3)", "n1 is in t0"),
        ("vote(n1, n2)", "has voted for nobody"),
        ("commit(n1, 1)", "the commit index of n1 is 0"),
        ("commit_at_least(n1, 1)", "the commit index of n1 is 0"),
        ("log(n1, [1])", "have the terms []"),
        ("durable_log(n1, [1])", "have the terms []"),
        ("answer(c1, \"1\")", "c1 has asked nothing"),
        ("waiting(c1)", "c1 has asked nothing"),
        ("down(n1)", "n1 is up"),
        ("halted(n1)", "n1 is up"),
        ("voters(n1, [n1, n2])", "for n1 the members are n1 n2 n3, not n1 n2"),
        ("learners(n1, [n2])", "the members are n1 n2 n3, not n2"),
        ("outgoing(n1, [n2])", "the members are n1 n2 n3, not n2"),
        ("to_learn(n1, [n2])", "the members are n1 n2 n3, not n2"),
        ("joint(n1)", "the members are n1 n2 n3"),
        ("refuses(n1, \"x\")", "n1 has refused nothing"),
        ("not(no_leader)", "it holds"),
        // What can be neither true nor false has no contrary.
        ("not(role(leader, follower))", "there is no leader"),
        ("converged", "there is no leader"),
    ] {
        let source = file("", &format!("expect({claim})"));
        let scenario = scenario::parse("the.ron", &source).unwrap_or_else(|mistake| panic!("{mistake}"));
        let Ok(Verdict::Fail(violation)) = scenario::play(&scenario, &core()).verdict else {
            panic!("{claim} holds");
        };
        assert_eq!(violation.check, "Expectation", "{violation}");
        assert!(violation.message.contains(instead), "{instead:?} is not in\n{}", violation.message);
    }
}

/// The scenarios of the project, to be spoilt.
fn sound_files() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
    let mut paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

proptest! {
    // The same files every time: what fails once fails again.
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_the_tank_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, "[ -~\n]{0,3}"), 1..4),
    ) {
        let files = sound_files();
        let mut text = which.get(&files).clone();
        for (at, removed, inserted) in edits {
            let characters = text.chars().collect::<Vec<_>>();
            let at = at.index(characters.len() + 1);
            text = characters[..at].iter().copied()
                .chain(inserted.chars())
                .chain(characters[(at + removed).min(characters.len())..].iter().copied())
                .collect();
        }
        match scenario::parse("the.ron", &text) {
            Ok(scenario) => {
                let _ = scenario::play(&scenario, &core());
            }
            Err(mistake) => prop_assert!(!mistake.to_string().is_empty()),
        }
    }
}
