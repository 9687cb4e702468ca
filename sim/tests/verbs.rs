//! Every verb of scenarios does what it says, in the fewest steps that show it.

use std::{collections::BTreeSet, sync::Arc};

use wavetank::{
    program::{self, Program},
    run::Verdict,
    scenario,
};

fn core() -> [Arc<dyn Program>; 1] {
    [program::replica::<wavetank_raft_core::RaftCore>()]
}

/// Settings in which an election takes two messages to each server and back, and nothing else disturbs.
const PLAIN: &str = "pre_vote: false, check_quorum: false, clients: 2, heartbeat_ticks: 8";

/// A script, and what its cluster is like.
type Case = (&'static str, &'static str);

const MESSAGES: [Case; 6] = [
    // Later than it would have come, and then all the same.
    (
        PLAIN,
        r#"campaign(n1), drop(to: n3), delay(kind: RequestVote, to: n2, by: "30ms"), run_for("20ms"), expect(no_vote(n2)),
           run_for("20ms"), expect(vote(n2, n1))"#,
    ),
    (
        PLAIN,
        r#"campaign(n1), delay(nth: 2, by: "30ms"), run_for("20ms"), expect(vote(n2, n1)), expect(no_vote(n3))"#,
    ),
    (
        PLAIN,
        r#"campaign(n1), drop(to: n3), hold(to: n2), settle, run_for("20ms"), expect(no_vote(n2)), release(to: n2),
           run_for("1ms"), expect(vote(n2, n1))"#,
    ),
    (PLAIN, "campaign(n1), drop(to: n2), settle, expect(no_vote(n2)), expect(vote(n3, n1))"),
    (
        PLAIN,
        "campaign(n1), deliver(to: n3), expect(vote(n3, n1)), expect(no_vote(n2)), expect(role(n1, candidate))",
    ),
    // Whoever hears nobody stays, and so does who is heard by nobody.
    (
        PLAIN,
        "partition([[n1, n2], [n3]]), campaign(n1), settle, expect(leader(n1)), expect(term(n3, 0)), heal, \
         cut(from: n3, to: n1), campaign(n3), settle, expect(term(n2, 1)), expect(role(n1, leader))",
    ),
];

const MACHINES: [Case; 13] = [
    // What comes in while a process is suspended waits for it.
    (
        PLAIN,
        "campaign(n1), pause(n2), settle, expect(leader(n1)), expect(no_vote(n2)), resume(n2), settle, expect(vote(n2, n1))",
    ),
    (PLAIN, "campaign(n1), settle, transfer(to: n2), settle, expect(leader(n2)), expect(role(n1, follower))"),
    (PLAIN, "campaign(n1), crash(n1), expect(down(n1)), restart(last_crashed), expect(vote(n1, n1))"),
    // Names by what a server is.
    (
        PLAIN,
        "campaign(follower), settle, expect(leader(n1)), crash(leader), expect(down(n1)), expect(down(last_crashed))",
    ),
    // Half of a sector is more than the frame that is in it.
    (
        PLAIN,
        r#"campaign(n1), settle, slow(n2, "5ms"), put(to: n1, key: "x", value: "1"), run_for("9ms"), lose_power(n2, torn),
           expect(durable_log(n2, [1, 1]))"#,
    ),
    (
        PLAIN,
        r#"campaign(n1), settle, slow(n2, "5ms"), put(to: n1, key: "x", value: "1"), run_for("9ms"), lose_power(n2, lost),
           expect(durable_log(n2, [1]))"#,
    ),
    (
        PLAIN,
        "crash(n2), fail(n2, read), restart(n2), expect(halted(n2)), restart(n2), expect(role(n2, follower))",
    ),
    // What it had asked of its disk before it gave up is never done.
    (
        PLAIN,
        r#"campaign(n1), settle, slow(n3, "5ms"), fail(n3, write), put(key: "x", value: "1"), put(key: "y", value: "2"),
           run_for("8ms"), expect(halted(n3)), slow(n3, "0s"), restart(n3), expect(role(n3, follower)),
           run_until(condition: converged, within: "500ms"), expect(durable_log(n3, [1, 1, 1]))"#,
    ),
    // A server that has given up plays no role.
    (
        PLAIN,
        r#"campaign(n1), settle, fail(n1, sync), put(key: "x", value: "1"), settle, expect(halted(n1)), expect(no_leader)"#,
    ),
    (PLAIN, "fail(n2, write), campaign(n2), expect(halted(n2)), restart(n2), expect(term(n2, 0))"),
    (
        PLAIN,
        "campaign(n1), settle, campaign(n2), settle, rot(n1, sector(0)), crash(n1), restart(n1), expect(halted(n1))",
    ),
    (PLAIN, r#"skew(server: n1, forward: "1s"), expect(role(n1, candidate)), expect(term(n2, 0))"#),
    // A clock that stands almost still has all the patience there is.
    (
        PLAIN,
        r#"skew(server: n1, ppm: -900000), run_until(condition: role(n2, candidate), within: "200ms"), expect(term(n1, 0))"#,
    ),
];

const CLIENTS: [Case; 4] = [
    (
        PLAIN,
        r#"campaign(n1), settle, cas(key: "x", value: "1"), settle, expect(answer(c1, "swapped")),
           cas(key: "x", expected: "2", value: "3"), settle, expect(not(answer(c1, "swapped"))), get(key: "x"), settle,
           expect(answer(c1, "1"))"#,
    ),
    (
        PLAIN,
        r#"campaign(n1), settle, put(to: n2, key: "x", value: "1"), settle, expect(refused(c1)), retry(to: n1), settle,
           expect(answer(c1, "written"))"#,
    ),
    // One request is open at a time.
    (
        PLAIN,
        r#"campaign(n1), settle, put(key: "x", value: "1"), put(key: "y", value: "2"), settle,
           expect(log(n1, [1, 1, 1])), expect(answer(c1, "written")), get(client: c2, key: "x"), settle,
           expect(answer(c2, "1"))"#,
    ),
    // Nothing comes of the first before the last: no disk answers between the two.
    (
        PLAIN,
        r#"campaign(n1), settle, put(key: "x", value: "1"), together([deliver(kind: Request), lose_power(n1, lost)]),
           expect(durable_log(n1, [1]))"#,
    ),
];

fn play(cluster: &str, script: &str) {
    let source = format!("Scenario(story: \"s\", cluster: ({cluster}), script: [{script}])");
    let scenario = scenario::parse("verb.ron", &source).unwrap_or_else(|mistake| panic!("{mistake}"));
    let outcome = scenario::play(&scenario, &core());
    let trace: String = outcome.trace.iter().map(|line| format!("{line}\n")).collect();
    match outcome.verdict {
        Ok(Verdict::Pass) => (),
        Ok(verdict) => panic!("{trace}{verdict}"),
        Err(mistake) => panic!("{trace}{mistake}"),
    }
}

#[test]
fn messages_are_moved_as_told() {
    MESSAGES.into_iter().for_each(|(cluster, script)| play(cluster, script));
}

#[test]
fn machines_and_disks_suffer_as_told() {
    MACHINES.into_iter().for_each(|(cluster, script)| play(cluster, script));
}

#[test]
fn clients_ask_as_told() {
    CLIENTS.into_iter().for_each(|(cluster, script)| play(cluster, script));
}

#[test]
fn a_past_is_where_a_server_begins() {
    let given =
        "given: [(server: n1, term: 5, vote: n3, log: [1, 1, 4], commit: 2), (server: n2, log: [1, 1])],";
    let claims = "expect(term(n1, 5)), expect(vote(n1, n3)), expect(log(n1, [1, 1, 4])), expect(commit(n1, 2)), \
                  expect(durable_log(n1, [1, 1, 4])), expect(term(n2, 1)), expect(no_vote(n2)), expect(term(n3, 0))";
    let source = format!("Scenario(story: \"s\", {given} script: [{claims}])");
    let scenario = scenario::parse("given.ron", &source).unwrap_or_else(|mistake| panic!("{mistake}"));
    assert_eq!(scenario::play(&scenario, &core()).verdict, Ok(Verdict::Pass));
}

/// A verb that nobody uses might as well do nothing.
#[test]
fn every_verb_is_used_here_or_in_a_scenario() {
    let unknown = scenario::parse("x.ron", "Scenario(story: \"s\", script: [dance])").unwrap_err();
    let verbs: BTreeSet<_> =
        unknown.expected().split('`').skip(1).step_by(2).filter(|verb| *verb != "dance").collect();
    assert!(30 < verbs.len(), "{verbs:?}");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
    let files = std::fs::read_dir(folder).expect("the scenarios are beside the crate");
    let mut used: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    for (_, script) in MESSAGES.iter().chain(&MACHINES).chain(&CLIENTS) {
        used.push_str(script);
    }
    let words: BTreeSet<_> = used.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let unused: Vec<_> = verbs.difference(&words).collect();
    assert!(unused.is_empty(), "{unused:?}");
}
